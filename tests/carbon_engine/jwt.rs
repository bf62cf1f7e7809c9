//! The mode jwt.

use crate::{assert_unlogged, authorized, call, check, garbage, import, refused};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_harness::{Algorithm, Answer, Case, IdentityProvider, JWKS_PATH, Jws, Key, PATIENCE, RunningStage, Stage, mint, now, poll};
use serde_json::{Value, json};
use std::time::Duration;

const ISSUER: &str = "https://cogo.eu.auth0.com/";

/// The configuration for these variables besides the mode's own, and a stage with it.
fn mode_jwt(more: &[(&str, &str)]) -> (String, Stage) {
    let url = format!("http://idp.test{JWKS_PATH}");
    let variables = [("COGO_AUTHENTICATION_MODE", "jwt"), ("COGO_JWT_ISSUER", ISSUER), ("COGO_JWKS_URL", url.as_str())];
    // The identity provider of the tests speaks plain HTTP.
    let printed = import(&["--insecure-http", "--cluster", "idp"], &[&variables, more].concat());
    let stage = Stage::new().config(printed.as_str());
    (printed, stage)
}

fn rs256() -> Key {
    Key::fixed(Algorithm::RS256, 1)
}

fn es256() -> Key {
    Key::fixed(Algorithm::ES256, 1)
}

/// The engine's own example has no aud and no scope.
fn claims() -> Value {
    json!({"iss": ISSUER, "sub": "app@clients", "iat": now(0), "exp": now(300)})
}

/// The claims with these instead; `null` takes one away.
fn with(changes: Value) -> Value {
    let mut claims = claims();
    for (name, value) in changes.as_object().expect("an object") {
        claims[name] = value.clone();
    }
    claims.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
    claims
}

fn bearer(token: impl AsRef<str>) -> Case {
    authorized(format!("Bearer {}", token.as_ref()))
}

fn tampered(token: &str) -> String {
    let parts: Vec<&str> = token.split('.').collect();
    let payload = String::from_utf8(URL_SAFE_NO_PAD.decode(parts[1]).expect("base64url")).expect("JSON");
    [parts[0], &URL_SAFE_NO_PAD.encode(payload.replace("app@clients", "abb@clients")), parts[2]].join(".")
}

#[test]
fn entries_11_to_20_and_28_mode_jwt() {
    let (_, stage) = mode_jwt(&[]);
    let stage = stage.start();
    let good = mint(&rs256(), claims());
    let stranger = Key::fixed(Algorithm::RS256, 2).with_kid("rs256-1");
    let header = |alg: &str, kid: &str| json!({"alg": alg, "typ": "JWT", "kid": kid});
    let cases = vec![
        bearer(&good).expect(200).upstream_absent("authorization").upstream("x-auth-subject", "app@clients").named("11. RS256"),
        bearer(mint(&es256(), claims())).expect(200).named("12. ES256"),
        bearer(mint(&es256(), with(json!({"aud": "anything"})))).expect(200).named("23. any aud"),
        bearer(mint(&es256(), with(json!({"aud": ["a", "b"]})))).expect(200).named("23. any aud"),
        bearer(mint(&es256(), with(json!({"scope": "a b"})))).expect(200).named("22. no scope is required"),
        refused(bearer(mint(&rs256().without_kid(), claims())), "key_unknown").named("13. no kid"),
        refused(bearer(mint(&rs256(), with(json!({"iss": "https://cogo.eu.auth0.com"})))), "issuer_mismatch").named("15. no slash"),
        refused(bearer(mint(&rs256(), with(json!({"iss": "https://cogo.eu.auth0.com//"})))), "issuer_mismatch").named("15. two slashes"),
        refused(bearer(mint(&rs256(), with(json!({"iss": null})))), "claim_missing").named("15. no iss"),
        refused(bearer(mint(&rs256(), with(json!({"exp": now(-61)})))), "token_expired").named("16. expired"),
        refused(bearer(mint(&rs256(), with(json!({"exp": null})))), "claim_missing").named("16. no exp"),
        refused(bearer(mint(&rs256(), with(json!({"nbf": now(300)})))), "token_not_yet_valid").named("not yet"),
        refused(bearer(Jws::new(header("none", "rs256-1"), claims()).with_signature(b"")), "algorithm_refused").named("17. alg none"),
        refused(bearer(mint(&rs256().with_algorithm(Algorithm::HS256), claims())), "algorithm_refused").named("18. MAC by the public key"),
        refused(bearer(mint(&rs256().with_algorithm(Algorithm::RS512), claims())), "algorithm_refused").named("another algorithm"),
        refused(bearer(mint(&rs256().with_kid("es256-1"), claims())), "key_unsuitable").named("19. the kid of the EC key"),
        refused(bearer(tampered(&good)), "signature_invalid").named("20. tampered"),
        refused(bearer(mint(&stranger, claims())), "signature_invalid").named("forged: somebody else's key"),
        refused(bearer("my-secure-token"), "token_malformed").named("garbage"),
        refused(bearer("a.b.c"), "token_malformed").named("garbage"),
        refused(bearer(format!("{good}.x")), "token_malformed").named("four parts"),
        refused(bearer("A".repeat(20 << 10)), "credential_too_large").named("20 KiB"),
        refused(authorized(b"Bearer \xff\xfe\x80"), "token_malformed").named("not UTF-8"),
        refused(authorized(&good), "credential_missing").named("7. no scheme"),
        call().with(|request| request.bearer(&good).bearer(&good)).expect(400).reason("credential_ambiguous").named("sent twice"),
    ];
    let secrets = [good.as_str(), good.rsplit('.').next().expect("a signature")];
    check(&stage, cases.into_iter().chain(garbage()), &secrets);
    check(&stage, [bearer("A".repeat(64 << 10)).expect(431).not_upstream()], &secrets);

    // 14. One fetch more, and not one for each.
    let before = stage.identity_provider.fetch_count();
    let unknown = mint(&Key::fresh(Algorithm::ES256).with_kid("unknown"), claims());
    check(&stage, (0..5).map(|_| refused(bearer(&unknown), "key_unknown").named("14. unknown kid")), &secrets);
    let after = stage.identity_provider.fetch_count();
    assert!(after <= before + 1, "{before} fetches, then {after}");
    assert_unlogged(&stage, &secrets);

    // 28. The log has a reason for each of them.
    let log = stage.envoy.log().text();
    for reason in ["credential_missing", "key_unknown", "signature_invalid", "issuer_mismatch", "token_expired"] {
        assert!(log.contains(&format!("rejected reason={reason} status=401")), "28. {reason}");
    }
}

#[test]
fn entries_21_to_23_and_28_subjects_and_scope() {
    let (_, stage) = mode_jwt(&[("COGO_JWT_SUBS", "a b"), ("COGO_JWT_REQUIRED_SCOPE", "carbon/read")]);
    let stage = stage.start();
    let token = |sub: Value, scope: Value| bearer(mint(&es256(), with(json!({"sub": sub, "scope": scope}))));
    let scope = json!("x carbon/read");
    let cases = vec![
        token(json!("a"), scope.clone()).expect(200).named("21. sub a, 22. one of two scopes"),
        token(json!("b"), json!("carbon/read")).expect(200).named("21. sub b, 22. the scope alone"),
        token(json!("a"), json!("carbon/read x")).expect(200).named("22. the first of two"),
        refused(token(json!("c"), scope.clone()), "subject_mismatch").named("21. sub c"),
        refused(token(json!("a b"), scope.clone()), "subject_mismatch").named("21. both as one"),
        refused(token(json!("A"), scope.clone()), "subject_mismatch").named("21. another case"),
        refused(token(json!(null), scope.clone()), "claim_missing").named("21. no sub"),
        refused(token(json!(["a"]), scope), "claim_invalid").named("21. no text"),
        refused(token(json!("a"), json!("carbon/readwrite")), "scope_missing").named("22. a longer one"),
        refused(token(json!("a"), json!("carbon/rea")), "scope_missing").named("22. a shorter one"),
        refused(token(json!("a"), json!("CARBON/READ")), "scope_missing").named("22. another case"),
        refused(token(json!("a"), json!("")), "scope_missing").named("22. an empty one"),
        refused(token(json!("a"), json!(null)), "scope_missing").named("22. none"),
    ];
    check(&stage, cases, &[]);
    let log = stage.envoy.log().text();
    for reason in ["subject_mismatch", "scope_missing"] {
        assert!(log.contains(&format!("rejected reason={reason} status=401")), "28. {reason}");
    }
}

/// Keys are fetched every second instead of every hour.
fn impatient() -> Stage {
    let (printed, _) = mode_jwt(&[]);
    assert!(printed.contains("refresh: 1h"), "{printed}");
    Stage::new().config(printed.replace("refresh: 1h", "refresh: 1s"))
}

fn status(stage: &RunningStage, key: &Key) -> u16 {
    let request = portcullis_harness::Request::post("/v1/calculations", "{}").bearer(&mint(key, claims()));
    stage.send(&request).status
}

/// Waits until tokens of this key get this status.
fn wait_for(stage: &RunningStage, key: &Key, wanted: u16) {
    let seen = poll(PATIENCE, || (status(stage, key) == wanted).then_some(()));
    assert!(seen.is_some(), "{:?} never got {wanted}", key.kid());
}

#[test]
fn entry_24_without_keys_nobody_is_let_in_until_they_come() {
    let mut identity_provider = IdentityProvider::start();
    identity_provider.stop();
    let mut stage = impatient().identity_provider(identity_provider).start();
    let good = mint(&rs256(), claims());
    check(&stage, [bearer(&good).expect(503).reason("keys_unavailable"), refused(call(), "credential_missing")], &[&good]);
    stage.identity_provider.restart();
    wait_for(&stage, &rs256(), 200);
}

#[test]
fn entry_25_the_last_good_keys_serve_while_the_endpoint_is_down() {
    let mut stage = impatient().start();
    wait_for(&stage, &rs256(), 200);
    let unknown = Key::fresh(Algorithm::ES256).with_kid("unknown");
    for answer in [
        Answer::status(500),
        Answer::text("application/json", "junk"),
        Answer::text("application/json", ""),
        Answer::json(&json!({})),
        Answer::json(&json!({"keys": []})),
        Answer::truncated(r#"{"keys":[{"#),
    ] {
        let shown = format!("{answer:?}");
        stage.identity_provider.serve_instead(answer);
        let fetches = stage.identity_provider.fetch_count();
        assert!(stage.identity_provider.wait_for_fetches(fetches + 1, PATIENCE), "{shown}");
        // What came with it has been read when the next request is decided.
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!((status(&stage, &rs256()), status(&stage, &es256()), status(&stage, &unknown)), (200, 200, 401), "{shown}");
    }
    stage.identity_provider.stop();
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(status(&stage, &rs256()), 200);
}

#[test]
fn entry_26_keys_come_and_go_with_the_set() {
    let stage = impatient().start();
    wait_for(&stage, &rs256(), 200);
    let added = Key::fixed(Algorithm::ES256, 7).with_kid("added");
    stage.identity_provider.rotate([es256(), added.clone()]);
    wait_for(&stage, &added, 200);
    wait_for(&stage, &rs256(), 401);
    assert_eq!(status(&stage, &es256()), 200);
}
