//! Tokens by a key that is slow, under a policy that lets one such be verified in a second.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;
use crate::keys::Alg;
use crate::reason::Reason;
use crate::signature::signing::sign;

fn engine() -> Engine {
    let configuration = br#"{"providers": {"users": {"jwt": {
        "keys": {"jwks_uri": "https://idp.test/jwks.json", "cluster": "idp", "wait": "0s"}, "issuers": ["i"], "audiences": "any", "clock_skew": "0s"}}},
        "limits": {"slow_verifications": 1}, "revoked": {"jti": ["revoked"]}}"#;
    let mut engine = Engine::new(crate::config::load(configuration, &|_| None).unwrap().0, Rc::default(), NOW, 1);
    keys(&mut engine, &[Alg::EdDSA]);
    engine
}

fn keys(engine: &mut Engine, algorithms: &[Alg]) {
    let set = engine.policy().key_sets[0].0;
    let document = serde_json::json!({"keys": algorithms.iter().map(|alg| jwk(*alg)).collect::<Vec<_>>()}).to_string();
    drop(answer(engine, set, 200, &document));
}

fn token(jti: &str, lifetime: i64) -> String {
    let claims = format!(r#"{{"iss":"i","jti":"{jti}","exp":{}}}"#, NOW.seconds().saturating_add(lifetime));
    let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(r#"{"alg":"EdDSA","kid":"EdDSA"}"#), URL_SAFE_NO_PAD.encode(claims));
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(sign(Alg::EdDSA, text.as_bytes())))
}

fn decide(engine: &Engine, token: &str, now: UnixTime) -> Option<Rejection> {
    let bearer = format!("Bearer {token}");
    let request =
        Request { headers: [(":authority", "a"), (":method", "GET"), (":path", "/"), ("authorization", &bearer)].into_iter().collect() };
    match engine.decide(&request, &Asked::default(), &At { now, verify: &Module, peer: &Plaintext }) {
        Decision::Pass(_) => None,
        Decision::Reject(rejection) => Some(rejection),
        Decision::Wait(_) | Decision::Observe(_) => panic!("there are keys, and a rule"),
    }
}

fn refused(engine: &Engine, token: &str, now: UnixTime) -> Reason {
    decide(engine, token, now).unwrap().refusal.reason()
}

#[test]
fn a_stranger_is_asked_to_come_again_and_the_known_are_served() {
    let engine = engine();
    let (known, stranger) = (token("1", 3600), token("2", 3600));
    assert!(decide(&engine, &known, NOW).is_none());
    let rejection = decide(&engine, &stranger, NOW).unwrap();
    assert_eq!((rejection.refusal.reason(), rejection.reply.status), (Reason::VerificationBusy, 503));
    assert!(rejection.reply.headers.iter().any(|(name, _)| *name == "retry-after"));
    assert!(!rejection.reply.headers.iter().any(|(name, _)| *name == "www-authenticate"));
    assert!(decide(&engine, &known, NOW).is_none());
    let later = NOW.plus(Duration::from_secs(1));
    assert!(decide(&engine, &stranger, later).is_none());
    assert!(decide(&engine, &known, later).is_none());
    assert!(decide(&engine, &stranger, later).is_none());
}

#[test]
fn what_is_known_of_a_signature_outlives_nothing() {
    let mut engine = engine();
    let short = token("1", 5);
    assert!(decide(&engine, &short, NOW).is_none());
    assert_eq!(refused(&engine, &short, NOW.plus(Duration::from_secs(5))), Reason::TokenExpired);
    // One that was revoked before it came is refused whether its signature is known or not.
    let (revoked, later) = (token("revoked", 3600), NOW.plus(Duration::from_secs(10)));
    assert_eq!([0; 3].map(|_| refused(&engine, &revoked, later)), [Reason::Revoked; 3]);
    // The key leaves the set.
    keys(&mut engine, &[Alg::ES256]);
    assert_eq!(refused(&engine, &short, NOW), Reason::KeyUnknown);
    // Another key takes over its kid.
    let mut other = jwk(Alg::EdDSA);
    other["x"] = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo".into();
    let document = serde_json::json!({"keys": [other]}).to_string();
    let set = engine.policy().key_sets[0].0;
    drop(answer(&mut engine, set, 200, &document));
    let much_later = NOW.plus(Duration::from_secs(20));
    assert_eq!(refused(&engine, &revoked, much_later), Reason::SignatureInvalid);
    keys(&mut engine, &[Alg::EdDSA]);
    assert!(decide(&engine, &short, NOW).is_none());
}
