//! A listener that is replaced some dozens of times under load, by LDS from a file, each time with another policy in its filter. Who comes anew gets the
//! new policy; an open connection keeps the one that it began with, until its listener has drained. (By ECDS every next request gets the new one:
//! `tests/policy_change.rs`.)
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that can't go on fails"
)]

use portcullis_harness::{Connection, PATIENCE, Plugin, Request, Response, Stage, poll};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

const CHANGES: usize = 24;

/// Callers, of whom an even policy knows the first two, and an odd one the first and the third.
const CALLERS: [&str; 4] = ["always", "even", "odd", "never"];

fn secret(caller: &str) -> String {
    format!("what-{caller}-alone-knows")
}

fn knows(policy: usize, caller: &str) -> bool {
    match caller {
        "always" => true,
        "even" => policy.is_multiple_of(2),
        "odd" => !policy.is_multiple_of(2),
        _ => false,
    }
}

/// Every answer tells which policy it comes from.
fn plugin(policy: usize) -> Plugin {
    let known = CALLERS.iter().filter(|caller| knows(policy, caller));
    let hex = |caller: &str| Sha256::digest(secret(caller)).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let callers: Vec<Value> = known.map(|caller| json!({"id": caller, "secrets": [{"sha256": hex(caller)}]})).collect();
    Plugin::new(json!({
        "providers": {"partners": {"static_secret": {"callers": callers}}},
        "upstream": {"headers": {"x-auth-subject": {"identity": "subject"}, "x-policy": {"value": policy.to_string()}}},
        "reject": {"body": "text", "messages": {"secret_unknown": policy.to_string(), "credential_missing": policy.to_string()}},
    }))
}

/// The policy that an answer comes from, if it is what this policy says to the caller.
fn judged_by(caller: Option<&str>, response: &Response) -> Option<usize> {
    if response.status == 401 {
        let policy = response.text().parse().ok()?;
        return (!caller.is_some_and(|caller| knows(policy, caller))).then_some(policy);
    }
    let got: Value = serde_json::from_slice(&response.body).ok()?;
    let values = |name: &str| -> Vec<&str> {
        got["headers"].as_array().into_iter().flatten().filter(|pair| pair[0] == *name).filter_map(|pair| pair[1].as_str()).collect()
    };
    let [policy] = values("x-policy")[..] else { return None };
    let policy = policy.parse().ok()?;
    let is_right = response.status == 200 && caller.is_some_and(|caller| knows(policy, caller) && values("x-auth-subject") == [caller]);
    is_right.then_some(policy)
}

#[test]
fn no_request_is_lost_and_none_goes_unjudged() {
    let stage = Stage::new().listed(&plugin(0)).concurrency(2).start();
    let client = stage.listed_client();
    let callers: Vec<Option<&str>> = CALLERS.iter().copied().map(Some).chain([None]).collect();
    let requests: Vec<Request> = callers
        .iter()
        .map(|caller| {
            let request = Request::get("/").header("x-auth-subject", "always").header("x-policy", "0");
            caller.map_or(request.clone(), |caller| request.bearer(&secret(caller)))
        })
        .collect();
    let [started, settled, answered] = [const { AtomicUsize::new(0) }; 3];
    let is_over = AtomicBool::new(false);
    let wrong = Mutex::new(Vec::<String>::new());
    let complain = |what: String| wrong.lock().expect("a list").push(what);
    // All callers over one connection: one policy for all of it, and one that could be in force when it was opened.
    let visit = |http2: bool, rounds: usize| -> Option<usize> {
        let least = settled.load(Ordering::SeqCst);
        let mut connection: Connection = if http2 { client.clone().http2() } else { client.clone() }.connect().ok()?;
        let mut policies = Vec::new();
        for _ in 0..rounds {
            let responses =
                if http2 { connection.send_together(&requests) } else { requests.iter().map(|request| connection.send(request)).collect() };
            for (caller, response) in callers.iter().zip(responses.ok()?) {
                answered.fetch_add(1, Ordering::Relaxed);
                match judged_by(*caller, &response) {
                    Some(policy) => policies.push(policy),
                    None => complain(format!("{caller:?}: {} {}", response.status, response.text())),
                }
            }
        }
        policies.dedup();
        match policies[..] {
            [policy] if (least..=started.load(Ordering::SeqCst)).contains(&policy) => Some(policy),
            _ => {
                complain(format!("{policies:?} over one connection, when {least} was in force everywhere"));
                None
            }
        }
    };
    // One that stays, and its policy with it.
    let mut oldest = client.connect().expect("a connection");
    let mut policy_of_the_oldest = || judged_by(callers[1], &oldest.send(&requests[1]).expect("it drains for long"));
    assert_eq!(policy_of_the_oldest(), Some(0));
    thread::scope(|scope| {
        for (http2, rounds) in [(false, 1), (true, 1), (false, 5), (true, 5)] {
            let (is_over, visit, complain) = (&is_over, &visit, &complain);
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    if visit(http2, rounds).is_none() {
                        complain(format!("HTTP/2: {http2}: a request was lost"));
                    }
                }
            });
        }
        let changed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for policy in 1..=CHANGES {
                started.store(policy, Ordering::SeqCst);
                stage.relist(&plugin(policy));
                let all_have_it = || (0..8).all(|number| visit(number % 2 == 0, 1) == Some(policy)).then_some(());
                assert!(poll(PATIENCE, all_have_it).is_some(), "policy {policy} never came");
                settled.store(policy, Ordering::SeqCst);
                if policy.is_multiple_of(6) {
                    let refused = stage.envoy.stat("listener_manager.lds.update_rejected").unwrap_or_default();
                    stage.relist(&Plugin::new(json!({"providers": {}, "rules": [{"require": format!("nobody-{policy}")}]})));
                    stage.envoy.wait_for_stat("listener_manager.lds.update_rejected", refused + 1);
                    assert_eq!(visit(false, 5), Some(policy), "a bad policy took the good one's place");
                }
            }
        }));
        is_over.store(true, Ordering::Relaxed);
        if let Err(panic) = changed {
            std::panic::resume_unwind(panic);
        }
    });
    let (wrong, answered) = (wrong.into_inner().expect("a list"), answered.into_inner());
    assert!(wrong.is_empty(), "{} of {answered} wrong: {:#?}", wrong.len(), &wrong[..wrong.len().min(20)]);
    assert!(answered > 2000, "{answered}");
    assert_eq!(policy_of_the_oldest(), Some(0), "what an open connection has until it is drained");
}
