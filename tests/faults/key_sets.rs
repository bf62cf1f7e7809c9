//! An identity provider whose answers are wrong, from the start and later.

use crate::house::{BUSY, REFRESH, TIMEOUT, assert_alive, bad_answers, es, forged, metric, recoveries, token, users};
use portcullis_harness::{Algorithm, Answer, Case, Key, PATIENCE, Received, Request, RunningStage, Server, Stage, jwks, poll};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// What an identity provider does wrong: what it answers, how that is counted, what the log says.
type Fault = (&'static str, Answer, &'static str, &'static str);

fn faults() -> Vec<Fault> {
    let good = jwks(&[es(1)]);
    let many: Vec<Key> = (0..101).map(es).collect();
    let twice = good.to_string().replacen("\"keys\":", "\"keys\":[],\"keys\":", 1);
    let unusable = json!({"keys": [{"kty": "EC"}, {"kty": "RSA", "n": "AA", "e": "AQAB"}, 1]});
    let mut faults = bad_answers(&good);
    faults.extend([
        ("no keys", Answer::json(&json!({"keys": []})), "invalid", "no keys"),
        ("only broken keys", Answer::json(&unusable), "invalid", "none of 3 keys can be used"),
        (
            "only a secret",
            Answer::json(&jwks([&Key::fixed(Algorithm::HS256, 1)])),
            "invalid",
            "oct: secrets are never taken from a key set",
        ),
        ("only keys for encryption", Answer::json(&json!({"keys": [{"kty": "EC", "use": "enc"}]})), "invalid", "`use` is not sig"),
        ("a bare key", Answer::json(&es(1).jwk()), "invalid", "not a JWK set"),
        ("a list", Answer::json(&json!([es(1).jwk()])), "invalid", "not a JWK set"),
        ("keys is an object", Answer::json(&json!({"keys": {"a": es(1).jwk()}})), "invalid", "not a JWK set"),
        ("members twice", Answer::text("application/json", twice), "invalid", "stands twice"),
        ("a hundred and one keys", Answer::json(&jwks(&many)), "invalid", "101 keys"),
    ]);
    faults
}

/// One issuer with a key set for each fault, all well or all at fault.
struct Issuer {
    faults: Vec<Fault>,
    is_well: AtomicBool,
    key: AtomicU32,
}

impl Issuer {
    fn answer(&self, received: &Received) -> Answer {
        let number: usize = received.path.trim_start_matches("/p").parse().expect("the number of a fault");
        if self.is_well.load(Ordering::Relaxed) {
            Answer::json(&jwks([&es(self.key.load(Ordering::Relaxed))]))
        } else {
            self.faults[number].1.clone()
        }
    }

    fn begins(&self) {
        self.is_well.store(false, Ordering::Relaxed);
    }

    fn is_over(&self, key: u32) -> Instant {
        self.key.store(key, Ordering::Relaxed);
        self.is_well.store(true, Ordering::Relaxed);
        Instant::now()
    }
}

fn name(number: usize) -> String {
    format!("p{number}")
}

fn request(number: usize, token: &str) -> Request {
    Request::get(format!("/{}", name(number))).bearer(token)
}

/// Waits until each fault was met so many times more.
fn wait_for_faults(stage: &RunningStage, faults: &[Fault], times: u64) {
    let count = |stats: &[(String, u64)], number: usize| {
        let wanted = metric(&format!("fetch.{}.{}", name(number), faults[number].2));
        stats.iter().find(|(name, _)| *name == wanted).map_or(0, |(_, count)| *count)
    };
    let before = stage.envoy.stats();
    let missing = || -> Vec<&str> {
        thread::sleep(Duration::from_millis(50));
        let stats = stage.envoy.stats();
        let is_met = |number: usize| count(&stats, number) >= count(&before, number) + times;
        faults.iter().enumerate().filter(|(number, _)| !is_met(*number)).map(|(_, (what, ..))| *what).collect()
    };
    if poll(PATIENCE, || missing().is_empty().then_some(())).is_none() {
        let fetches: Vec<_> = stage.envoy.stats().into_iter().filter(|(name, _)| name.contains(".fetch.")).collect();
        panic!("not counted as they should be: {:?} in {fetches:#?}", missing());
    }
}

#[test]
fn whatever_an_issuer_answers_nobody_passes_unverified_and_it_recovers() {
    let issuer = Arc::new(Issuer { faults: faults(), is_well: AtomicBool::new(false), key: AtomicU32::new(1) });
    let faults = &issuer.faults;
    let providers: Map<String, Value> = (0..faults.len()).map(|number| (name(number), users("issuer", &format!("/p{number}")))).collect();
    let rules: Vec<Value> = providers.keys().map(|name| json!({"match": {"path": format!("/{name}")}, "require": name})).collect();
    let server = Server::start({
        let issuer = Arc::clone(&issuer);
        move |received| issuer.answer(received)
    });
    let stage = Stage::new().config(json!({"providers": providers, "rules": rules})).cluster("issuer", server.address()).start();
    let each = |token: &str| -> Vec<Request> { (0..faults.len()).map(|number| request(number, token)).collect() };
    let case = |number: usize, token: &str| Case::new(request(number, token)).named(faults[number].0);
    let all = |row: &dyn Fn(usize) -> Vec<Case>| stage.check((0..faults.len()).flat_map(row));
    let (first, second, forged) = (token(&es(1)), token(&es(2)), forged());

    // From the start: nobody is known, and nobody passes.
    wait_for_faults(&stage, faults, 1);
    all(&|number| {
        let unavailable = |token: &str| case(number, token).expect(503).reason("keys_unavailable").answer("retry-after", "5");
        vec![unavailable(&first), unavailable(&forged)]
    });
    for (number, (what, _, _, line)) in faults.iter().enumerate() {
        let lines = stage.envoy.log().lines_with(&format!("keys not fetched provider={} cluster=issuer host=issuer.test", name(number)));
        let is_told = lines.iter().any(|found| found.contains(line) && found.contains("bytes=") && found.contains("again_in="));
        assert!(is_told, "{what}: no line with {line:?} in {lines:#?}");
    }
    assert!(stage.envoy.stat(&metric("rejected.keys_unavailable")) >= Some(2 * faults.len() as u64));
    let (from_start, slowest) = recoveries(&stage, issuer.is_over(1), &each(&first), &each(&forged));
    assert!(slowest < REFRESH + TIMEOUT + BUSY, "{slowest:?}");

    // Later: the last good set serves on, and only what it verifies passes.
    issuer.begins();
    wait_for_faults(&stage, faults, 2);
    all(&|number| {
        vec![
            case(number, &first).expect(200).upstream("x-auth-subject", "alice"),
            case(number, &forged).expect(401).reason("signature_invalid"),
            case(number, &second).expect(401).reason("key_unknown"),
        ]
    });
    let (later, slowest) = recoveries(&stage, issuer.is_over(2), &each(&second), &each(&forged));
    assert!(slowest < REFRESH + TIMEOUT + BUSY, "{slowest:?}");
    all(&|number| vec![case(number, &first).expect(401).reason("key_unknown")]);
    for ((what, ..), (from_start, later)) in faults.iter().zip(from_start.iter().zip(&later)) {
        println!("{what}: keys {} ms after the fault, from the start; {} ms, later", from_start.as_millis(), later.as_millis());
    }
    assert_alive(&stage);
}
