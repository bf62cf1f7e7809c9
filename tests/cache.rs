//! Tokens and certificates that were verified before, on a real Envoy: what is counted, and what ends them.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "a test that can't go on fails"
)]

use portcullis_harness::{Algorithm, Case, IdentityProvider, Key, PATIENCE, Plugin, Request, RunningStage, Stage, mint, now, poll};
use serde_json::{Value, json};
use std::thread;
use std::time::Duration;

const ISSUER: &str = "https://idp.test";

fn configuration(more: Value) -> Value {
    let keys = json!({"jwks_uri": "http://idp.test/.well-known/jwks.json", "cluster": "idp", "insecure_http": true, "refresh": "1s"});
    let mut configuration =
        json!({"providers": {"users": {"jwt": {"keys": keys, "issuers": [ISSUER], "audiences": ["api"], "clock_skew": "0s"}}}});
    for (name, value) in more.as_object().expect("an object") {
        configuration[name] = value.clone();
    }
    configuration
}

fn es(number: u32) -> Key {
    Key::fixed(Algorithm::ES256, number)
}

fn token(key: &Key, subject: &str) -> String {
    token_until(key, subject, now(3600))
}

fn token_until(key: &Key, subject: &str, exp: i64) -> String {
    mint(key, json!({"iss": ISSUER, "aud": "api", "sub": subject, "jti": format!("jti of {subject}"), "exp": exp}))
}

fn metric(name: &str) -> String {
    format!("wasmcustom.portcullis.portcullis.cache.{name}")
}

/// Counts come with the next tick.
fn counted(stage: &RunningStage, name: &str) -> u64 {
    thread::sleep(Duration::from_millis(600));
    stage.envoy.stat(&metric(name)).unwrap_or(0)
}

fn wait_for(stage: &RunningStage, token: &str, expected: u16) {
    let status = || stage.send(&Request::get("/").bearer(token)).status;
    assert!(poll(PATIENCE, || (status() == expected).then_some(())).is_some(), "it never got {expected}:\n{}", stage.envoy.log().text());
}

#[test]
fn a_token_is_verified_once_and_its_key_leaving_the_set_ends_it() {
    let stage = Stage::new().config(configuration(json!({}))).identity_provider(IdentityProvider::with_keys([es(1)])).start();
    let alice = token(&es(1), "alice");
    wait_for(&stage, &alice, 200);
    for _ in 0..20 {
        stage.check([Case::get("/").bearer(&alice).expect(200).upstream("x-auth-subject", "alice").access("credential", "es256-1")]);
    }
    assert_eq!((counted(&stage, "miss"), counted(&stage, "hit")), (1, 20));
    assert_eq!(counted(&stage, "evicted"), 0);
    // A new key beside it: verified once more.
    stage.identity_provider.rotate([es(2), es(1)]);
    wait_for(&stage, &token(&es(2), "bob"), 200);
    for _ in 0..5 {
        stage.check([Case::get("/").bearer(&alice).expect(200)]);
    }
    assert_eq!((counted(&stage, "miss"), counted(&stage, "hit")), (3, 24));
    stage.identity_provider.rotate([es(2)]);
    wait_for(&stage, &alice, 401);
    stage.check([Case::get("/").bearer(&alice).expect(401).reason("key_unknown").access("subject", Value::Null)]);
}

#[test]
fn time_and_a_new_policy_end_it() {
    let plugin = Plugin::new(configuration(json!({})));
    let stage = Stage::new().discovered(&plugin).identity_provider(IdentityProvider::with_keys([es(1)])).start();
    let alice = token(&es(1), "alice");
    wait_for(&stage, &alice, 200);
    let mut connection = stage.client().connect().expect("Envoy listens");
    let mut status = |token: &str| connection.send(&Request::get("/").bearer(token)).expect("an answer").status;
    let end = now(3);
    let short = token_until(&es(1), "short", end);
    assert_eq!([(); 2].map(|()| status(&short)), [200, 200]);
    assert!(poll(PATIENCE, || (status(&short) == 401).then_some(())).is_some());
    assert!(now(0) >= end);
    stage.check([Case::get("/").bearer(&short).expect(401).reason("token_expired")]);
    // Revoked by a new policy: on the open connection, at once.
    assert_eq!(status(&alice), 200);
    stage.discover(&Plugin::new(configuration(json!({"revoked": {"jti": ["jti of alice"]}}))));
    assert!(poll(PATIENCE, || (status(&alice) == 401).then_some(())).is_some());
    stage.check([Case::get("/").bearer(&alice).expect(401).reason("revoked")]);
    // And the policy that remembered nothing verifies anew.
    stage.discover(&Plugin::new(configuration(json!({"cache": {"entries": 0}}))));
    assert!(poll(PATIENCE, || (status(&alice) == 200).then_some(())).is_some());
    assert_eq!([(); 3].map(|()| status(&alice)), [200; 3]);
}

#[test]
fn many_good_tokens_displace_none_that_is_in_use_and_take_no_more_room() {
    let stage = Stage::new()
        .config(configuration(json!({"cache": {"entries": 100, "bytes": "256KiB"}})))
        .identity_provider(IdentityProvider::with_keys([es(1)]))
        .start();
    let alice = token(&es(1), "alice");
    wait_for(&stage, &alice, 200);
    let mut connection = stage.client().connect().expect("Envoy listens");
    let mut status = |token: &str| connection.send(&Request::get("/").bearer(token)).expect("an answer").status;
    assert_eq!([(); 3].map(|()| status(&alice)), [200; 3]);
    for stranger in 0..1000 {
        assert_eq!(status(&token(&es(1), &format!("stranger {stranger}"))), 200);
    }
    let (hits, misses) = (counted(&stage, "hit"), counted(&stage, "miss"));
    assert!(counted(&stage, "evicted") >= 900);
    assert_eq!(status(&alice), 200);
    assert_eq!((counted(&stage, "hit"), counted(&stage, "miss")), (hits + 1, misses), "alice was verified anew");
    // Bad ones aren't remembered, nor do they displace.
    let evicted = counted(&stage, "evicted");
    for forged in 0..200 {
        assert_eq!(status(&token(&es(2).with_kid("es256-1"), &format!("forged {forged}"))), 401);
    }
    assert_eq!((counted(&stage, "evicted"), counted(&stage, "miss")), (evicted, misses));
}

#[test]
fn another_key_under_its_kid_ends_it_on_each_worker() {
    let stage =
        Stage::new().config(configuration(json!({}))).concurrency(2).identity_provider(IdentityProvider::with_keys([es(1)])).start();
    let (alice, bob) = (token(&es(1), "alice"), token(&es(2).with_kid("es256-1"), "bob"));
    wait_for(&stage, &alice, 200);
    let mut connections: Vec<_> = (0..16).map(|_| stage.client().connect().expect("Envoy listens")).collect();
    let mut statuses = |token: &str| -> Vec<u16> {
        connections.iter_mut().map(|one| one.send(&Request::get("/").bearer(token)).expect("an answer").status).collect()
    };
    for _ in 0..3 {
        assert_eq!((statuses(&alice), statuses(&bob)), (vec![200; 16], vec![401; 16]));
    }
    stage.identity_provider.rotate([es(2).with_kid("es256-1")]);
    assert!(poll(PATIENCE, || (statuses(&bob) == [200; 16]).then_some(())).is_some());
    for _ in 0..3 {
        assert_eq!((statuses(&alice), statuses(&bob)), (vec![401; 16], vec![200; 16]));
    }
    stage.check([Case::get("/").bearer(&alice).expect(401).reason("signature_invalid")]);
}
