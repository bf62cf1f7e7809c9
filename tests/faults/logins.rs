//! A login service whose answers are wrong: whom it let in before is served from memory, and nobody else.

use crate::house::{BUSY, Client, assert_alive, bad_answers, metric, shoppers};
use portcullis_harness::{Answer, Case, Received, Request, Server, Stage};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const PASSWORD: &str = "correct horse";

/// The log has ten lines a second of one kind, and then a count.
const LINES_A_SECOND: usize = 10;

type Fault = (&'static str, Answer, &'static str, &'static str);

fn faults() -> Vec<Fault> {
    let mut faults = bad_answers(&json!({"id": "anybody"}));
    faults.extend([
        ("400", Answer::status(400), "status", "status 400"),
        ("403", Answer::status(403), "status", "status 403"),
        ("429", Answer::status(429), "status", "status 429"),
        ("a list", Answer::json(&json!(["id"])), "invalid", "not an object"),
        ("members twice", Answer::text("application/json", r#"{"id":"a","id":"b"}"#), "invalid", "stands twice"),
        ("nobody", Answer::json(&json!({})), "invalid", "no subject"),
        ("a number", Answer::json(&json!({"id": 7.5})), "invalid", "claim_invalid: claim: id"),
    ]);
    faults
}

/// Who has the password is let in.
pub(crate) fn login(received: &Received) -> Answer {
    let body = received.json();
    if body["password"] == PASSWORD { Answer::json(&json!({"id": body["username"]})) } else { Answer::status(401) }
}

pub(crate) fn by(path: &str, user: &str) -> Request {
    Request::get(path).basic(user, PASSWORD)
}

#[test]
fn whatever_a_login_service_answers_nobody_passes_unverified_and_it_recovers() {
    let faults = Arc::new(faults());
    let is_well = Arc::new(AtomicBool::new(true));
    let server = Server::start({
        let (faults, is_well) = (Arc::clone(&faults), Arc::clone(&is_well));
        move |received| {
            let number: usize = received.path.trim_start_matches("/p").parse().expect("the number of a fault");
            if is_well.load(Ordering::Relaxed) { login(received) } else { faults[number].1.clone() }
        }
    });
    let path = |number: usize| format!("/p{number}");
    let providers: Map<String, Value> = (0..faults.len()).map(|number| (format!("p{number}"), shoppers("login", &path(number)))).collect();
    let rules: Vec<Value> = providers.keys().map(|name| json!({"match": {"path": format!("/{name}")}, "require": name})).collect();
    let stage = Stage::new().config(json!({"providers": providers, "rules": rules})).cluster("login", server.address()).start();
    let mut client = Client::new(&stage);
    for number in 0..faults.len() {
        assert_eq!(client.status(&by(&path(number), "ada")), 200, "{}", faults[number].0);
    }

    is_well.store(false, Ordering::Relaxed);
    for some in (0..faults.len()).collect::<Vec<_>>().chunks(LINES_A_SECOND - 1) {
        thread::scope(|scope| {
            for number in some.iter().copied() {
                let (stage, faults, path) = (&stage, &faults, path(number));
                scope.spawn(move || {
                    let named = |request: Request| Case::new(request).named(faults[number].0);
                    stage.check([
                        named(by(&path, "ada")).expect(200).upstream("x-auth-subject", "ada"),
                        named(by(&path, "bob")).expect(503).reason("remote_unavailable").answer("retry-after", "5"),
                    ]);
                });
            }
        });
        thread::sleep(Duration::from_millis(1100));
    }
    let mut wrong = Vec::new();
    let stats = stage.envoy.stats();
    for (number, (what, _, outcome, line)) in faults.iter().enumerate() {
        let prefix = metric(&format!("remote.p{number}."));
        let counts: Vec<_> = stats.iter().filter_map(|(name, count)| Some((name.strip_prefix(&prefix)?, *count))).collect();
        let mut expected = [(*outcome, 1), ("granted", 1)];
        expected.sort_unstable();
        if counts != expected {
            wrong.push(format!("{what}: not counted as {outcome}: {counts:?}"));
        }
        let lines = stage.envoy.log().lines_with(&format!("no answer provider=p{number} cluster=login host=login.test"));
        if !lines.iter().any(|found| found.contains(line) && found.contains("bytes=")) {
            wrong.push(format!("{what}: no line with {line:?} in {lines:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(stage.envoy.stat(&metric("rejected.remote_unavailable")), Some(faults.len() as u64));

    // A failure is not remembered: it is over with the next request.
    is_well.store(true, Ordering::Relaxed);
    let mut slowest = Duration::ZERO;
    for number in 0..faults.len() {
        let begun = Instant::now();
        assert_eq!(client.status(&by(&path(number), "bob")), 200, "{}", faults[number].0);
        slowest = slowest.max(begun.elapsed());
        assert_eq!(client.status(&Request::get(path(number)).basic("bob", "guess")), 401, "{}", faults[number].0);
    }
    assert!(slowest < BUSY, "{slowest:?}");
    println!("logins: let in by the first request after the fault, in {} ms at most", slowest.as_millis());
    assert_alive(&stage);
}
