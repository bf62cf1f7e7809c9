//! The keys that tokens are verified with, how they come, and those who wait for them.

use portcullis_harness::{Algorithm, Answer, Case, IdentityProvider, Jws, Key, PATIENCE, Request, Stage, mint, now, poll};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const ISSUER: &str = "https://idp.test";

fn claims(changes: Value) -> Value {
    let mut claims = json!({"iss": ISSUER, "aud": "api", "sub": "alice", "exp": now(3600)});
    for (name, value) in changes.as_object().expect("an object") {
        claims[name] = value.clone();
    }
    claims
}

/// A token that could pass, if its key were known and its signature right.
fn good() -> String {
    mint(&Key::fixed(Algorithm::ES256, 1), claims(json!({})))
}

/// Users of an issuer whose keys come from the stage's identity provider.
fn users(keys: Value) -> Value {
    let mut all = json!({"jwks_uri": "http://idp.test/.well-known/jwks.json", "cluster": "idp", "insecure_http": true, "timeout": "1s"});
    all.as_object_mut().expect("an object").extend(keys.as_object().expect("an object").clone());
    json!({"jwt": {"keys": all, "issuers": [ISSUER], "audiences": ["api"]}})
}

/// While the keys are still on their way, mallory fills the queue of those who wait for them with junk: there is no
/// room left for anybody with a good token.
#[test]
fn junk_in_the_queue() {
    let identity_provider = IdentityProvider::start();
    identity_provider.serve_instead(Answer::hang());
    let stage = Stage::new()
        .config(json!({"providers": {"users": users(json!({"wait": "2m", "refresh": "1s"}))}, "limits": {"waiting": 2}}))
        .identity_provider(identity_provider)
        .start();
    let hs = Key::fixed(Algorithm::HS256, 1);
    let es = Key::fixed(Algorithm::ES256, 1);
    // None of these could pass, whatever the keys are.
    let junk = [
        ("junk".to_owned(), "token_malformed"),
        (format!("{}.", good()), "token_malformed"),
        ("j".repeat(20_000), "credential_too_large"),
        (mint(&es, claims(json!({"iss": "https://mallory.test"}))), "issuer_mismatch"),
        (mint(&es, claims(json!({"aud": "album"}))), "audience_mismatch"),
        (mint(&es, claims(json!({"exp": now(-3600)}))), "token_expired"),
        (mint(&es, claims(json!({"exp": null}))), "claim_missing"),
        (mint(&hs, claims(json!({}))), "algorithm_refused"),
        (Jws::new(json!({"alg": "none"}), claims(json!({}))).with_signature(b""), "algorithm_refused"),
    ];
    let begun = Instant::now();
    let refused = |(token, reason): &(String, &str)| Case::get("/").bearer(token).expect(401).reason(reason);
    stage.check(junk.iter().chain(&junk).map(refused));
    assert!(begun.elapsed() < Duration::from_secs(60), "junk waits");
    // All room is still there, for those who could pass: two of them wait, and the third is told to come again.
    let client = stage.client().patience(Duration::from_secs(60));
    let ask = || {
        let mut connection = client.connect().expect("a connection");
        connection.write(&Request::get("/").bearer(&good()).to_http1()).expect("an open connection");
        connection
    };
    let mut waiting = [ask(), ask()];
    let full = poll(PATIENCE, || {
        let answer = stage.client().patience(Duration::from_millis(200)).try_send(&Request::get("/").bearer(&good()));
        answer.ok().map(|response| response.status)
    });
    assert_eq!(full, Some(503), "the queue has no end");
    assert_eq!(stage.upstream.count(), 0);
    stage.identity_provider.recover();
    for connection in &mut waiting {
        assert_eq!(connection.response().expect("who waited is answered").status, 200);
    }
    stage.check([Case::get("/").bearer(&good()).expect(200)]);
}
