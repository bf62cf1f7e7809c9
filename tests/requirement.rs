//! Which credential is whose, on a real Envoy: any, all, optional, and names for them.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "a test that can't go on fails"
)]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use portcullis_harness::{Algorithm, Answer, Case, IdentityProvider, Jws, Key, PATIENCE, Request, Stage, StartFailure, mint, now, poll};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const A: &str = "https://a.test";
const B: &str = "https://b.test";

fn digest(secret: &str) -> String {
    STANDARD.encode(Sha256::digest(secret))
}

fn key(number: u32) -> Key {
    Key::fixed(Algorithm::HS256, number).without_kid()
}

/// A token of an issuer, by the key of this number.
fn token(issuer: &str, number: u32, changes: Value) -> String {
    let mut claims = json!({"iss": issuer, "sub": format!("of {issuer}"), "exp": now(3600)});
    for (name, value) in changes.as_object().expect("an object") {
        claims[name] = value.clone();
    }
    mint(&key(number), claims)
}

fn jwt(issuers: Value, number: u32) -> Value {
    json!({"jwt": {"keys": {"secret": {"base64": STANDARD.encode(key(number).secret_bytes())}}, "issuers": issuers}})
}

/// A token that expired when the dinosaurs did; that makes it the same in every run, so that it can be a static secret.
fn fixed(issuer: &str) -> String {
    mint(&key(1), json!({"iss": issuer, "exp": 1}))
}

/// `a` and `b` take tokens of an issuer each, `s` takes secrets, all three as bearer tokens; `k` takes secrets in x-api-key.
fn providers() -> Value {
    json!({
        "a": jwt(json!([A]), 1),
        "b": jwt(json!([B]), 2),
        "s": {"static_secret": {"callers": [
            {"id": "sam", "roles": ["r"], "secrets": [{"sha256": digest("secret-of-sam")}]},
            // Secrets that look like tokens: of an issuer that is somebody's here, and of one that is nobody's.
            {"id": "claimed", "secrets": [{"sha256": digest(&fixed(A))}]},
            {"id": "unclaimed", "secrets": [{"sha256": digest(&fixed("https://c.test"))}]},
        ]}},
        "k": {"static_secret": {"callers": [
            {"id": "kim", "roles": ["r"], "secrets": [{"id": "k1", "sha256": digest("secret-of-kim")}]},
            {"id": "ken", "roles": ["x"], "secrets": [{"sha256": digest("secret-of-ken")}]},
        ]}, "from": [{"header": "x-api-key"}]},
    })
}

fn stage() -> Stage {
    let rule = |path: &str, require: Value| json!({"match": {"path": path}, "require": require});
    Stage::new().config(json!({
        "providers": providers(),
        "rules": [
            rule("/a", json!("a")),
            rule("/k", json!("k")),
            rule("/any-ab", json!({"any": ["a", "b"]})),
            rule("/any-as", json!({"any": ["a", "s"]})),
            rule("/any-sa", json!({"any": ["s", "a"]})),
            rule("/any-abs", json!({"any": ["s", "a", "b"]})),
            rule("/any-sk", json!({"any": ["s", "k"]})),
            rule("/any-ks", json!({"any": ["k", "s"]})),
            rule("/any-ak", json!({"any": [{"provider": "a", "scopes": "x"}, {"provider": "k", "roles": "r"}]})),
            rule("/all-ak", json!({"all": ["a", "k"], "identity": "a"})),
            rule("/all-ka", json!({"all": ["a", "k"], "identity": "k"})),
            rule("/all-cond", json!({"all": [{"provider": "a", "scopes": "x"}, {"provider": "k", "roles": "r"}], "identity": "a"})),
            rule("/all-opt", json!({"all": ["a", {"provider": "k", "optional": true}]})),
            rule("/opt-a", json!({"provider": "a", "optional": true})),
            rule("/opt-s", json!({"provider": "s", "optional": true})),
            rule("/use", json!({"use": "staff"})),
            rule("/all-use", json!({"all": ["k", {"use": "tokens"}], "identity": "k"})),
            rule("/any-use", json!({"any": ["a", {"use": "both"}]})),
            {"match": {"path": "/anyone"}, "allow": "anyone"},
            {"match": {"path": "/deny"}, "deny": true},
        ],
        "requirements": {
            "staff": {"any": ["a", "k"]},
            "tokens": {"any": ["a", "b"]},
            "both": {"all": ["k", "b"], "identity": "b"},
        },
        "upstream": {"headers": {
            "x-auth-provider": {"identity": "provider"},
            "x-auth-subject": {"identity": "subject"},
            "x-key-subject": {"identity": "subject", "of": "k"},
        }},
    }))
}

/// What is sent, and to which rule.
fn sent(path: &str, bearer: Option<&str>, api_key: Option<&str>) -> Case {
    let mut case =
        Case::get(path).named(format!("{path} with {} and {api_key:?}", bearer.map_or("nothing", |text| &text[..text.len().min(20)])));
    if let Some(bearer) = bearer {
        case = case.bearer(bearer);
    }
    if let Some(api_key) = api_key {
        case = case.header("x-api-key", api_key);
    }
    // Whatever a client says of itself must not be heard.
    case.header("x-auth-subject", "root")
        .header("x-auth-provider", "root")
        .header("x-key-subject", "root")
        .access("authorization", Value::Null)
}

fn goes(case: Case, provider: &str, subject: &str) -> Case {
    case.expect(200)
        .upstream("x-auth-provider", provider)
        .upstream("x-auth-subject", subject)
        .upstream_absent("authorization")
        .upstream_absent("x-api-key")
        .access("verdict", "allow")
        .access("provider", provider)
}

fn stays(case: Case, reason: &str) -> Case {
    case.expect(401).reason(reason).access("verdict", Value::Null)
}

fn nobody(case: Case) -> Case {
    case.expect(200)
        .upstream_absent("x-auth-provider")
        .upstream_absent("x-auth-subject")
        .upstream_absent("x-key-subject")
        .upstream_absent("authorization")
        .upstream_absent("x-api-key")
        .access("verdict", "allow")
        .access("provider", Value::Null)
        .access("subject", Value::Null)
}

#[test]
fn a_credential_is_one_providers_and_never_falls_through() {
    let stage = stage().start();
    let (a, b, c) = (&token(A, 1, json!({})), &token(B, 2, json!({})), &token("https://c.test", 1, json!({})));
    let (sam, of_a, of_b) = ("secret-of-sam", &format!("of {A}"), &format!("of {B}"));
    // Tokens that an issuer's provider claims, and that are bad.
    let forged = &token(A, 2, json!({}));
    let expired = &token(A, 1, json!({"exp": now(-100)}));
    let none = &Jws::new(json!({"alg": "none"}), json!({"iss": A, "exp": now(60)})).with_signature(b"");
    let bearer = |path: &str, text: &str| sent(path, Some(text), None);
    let mut cases = vec![
        // One provider alone: its own reasons.
        goes(bearer("/a", a), "a", of_a),
        stays(bearer("/a", b), "issuer_mismatch"),
        stays(bearer("/a", "junk"), "token_malformed"),
        stays(bearer("/a", sam), "token_malformed"),
        stays(sent("/a", None, None), "credential_missing"),
        stays(sent("/a", None, Some("secret-of-kim")), "credential_missing").named("another provider's credential is none here"),
        // Two issuers at one place.
        goes(bearer("/any-ab", a), "a", of_a),
        goes(bearer("/any-ab", b), "b", of_b),
        stays(bearer("/any-ab", c), "credential_unrecognised"),
        stays(bearer("/any-ab", "junk"), "credential_unrecognised"),
        stays(bearer("/any-ab", sam), "credential_unrecognised"),
        stays(bearer("/any-ab", &token(A, 1, json!({"iss": null}))), "credential_unrecognised"),
        stays(bearer("/any-ab", &token(A, 1, json!({"iss": [A, B]}))), "credential_unrecognised"),
        stays(bearer("/any-ab", forged), "signature_invalid").named("B's key, A's name"),
        stays(bearer("/any-ab", &token(B, 1, json!({}))), "signature_invalid").named("A's key, B's name"),
        stays(bearer("/any-ab", expired), "token_expired"),
        stays(bearer("/any-ab", none), "algorithm_refused"),
        stays(sent("/any-ab", None, None), "credential_missing"),
        stays(Case::get("/any-ab").basic("a", "b"), "credential_missing").named("another scheme is absence"),
        stays(Case::get("/any-ab").header("authorization", "Bearer  x"), "credential_malformed"),
        stays(Case::get("/any-ab").header("authorization", ""), "credential_malformed"),
    ];
    // A static secret takes what no token provider claims, and nothing else; whatever the order.
    for path in ["/any-as", "/any-sa", "/any-abs"] {
        cases.extend([
            goes(bearer(path, a), "a", of_a),
            goes(bearer(path, sam), "s", "sam"),
            goes(bearer(path, &fixed("https://c.test")), "s", "unclaimed"),
            stays(bearer(path, &fixed(A)), "token_expired").named("a secret that is a token of A's is A's"),
            stays(bearer(path, c), "secret_unknown"),
            stays(bearer(path, "junk"), "secret_unknown"),
            stays(bearer(path, forged), "signature_invalid"),
            stays(bearer(path, expired), "token_expired"),
            stays(bearer(path, none), "algorithm_refused"),
            stays(bearer(path, &format!("{a}.")), "secret_unknown").named("not a token any more"),
            stays(sent(path, None, None), "credential_missing"),
        ]);
    }
    cases.push(goes(bearer("/any-abs", b), "b", of_b));
    cases.push(stays(bearer("/any-as", b), "secret_unknown"));
    // Rules look only where their own providers look; the rest is removed all the same.
    cases.push(goes(sent("/k", Some("junk"), Some("secret-of-kim")), "k", "kim").access("credential", "k1"));
    cases.push(goes(sent("/k", Some(forged), Some("secret-of-kim")), "k", "kim"));
    cases.push(goes(sent("/a", Some(a), Some("junk")), "a", of_a));
    cases.push(nobody(sent("/anyone", Some("junk"), Some("junk"))));
    cases.push(nobody(sent("/anyone", Some(a), Some("secret-of-kim"))));
    cases.push(sent("/deny", Some(a), Some("secret-of-kim")).expect(403).reason("denied"));
    cases.push(sent("/elsewhere", Some(a), None).expect(403).reason("no_rule"));
    stage.check(cases);
}

#[test]
fn any_all_and_optional() {
    let stage = stage().start();
    let a = &token(A, 1, json!({}));
    let scoped = &token(A, 1, json!({"scope": "x"}));
    let b = &token(B, 2, json!({}));
    let forged = &token(A, 2, json!({}));
    let (sam, kim, ken, of_a, of_b) =
        ("secret-of-sam", Some("secret-of-kim"), Some("secret-of-ken"), &format!("of {A}"), &format!("of {B}"));
    let junk = Some("junk");
    stage.check([
        // any: every credential is judged, one bad one refuses, the first listed is the identity.
        goes(sent("/any-sk", Some(sam), kim), "s", "sam").upstream_absent("x-key-subject").named("only the chosen one goes upstream"),
        goes(sent("/any-ks", Some(sam), kim), "k", "kim").upstream("x-key-subject", "kim"),
        goes(sent("/any-sk", None, kim), "k", "kim"),
        goes(sent("/any-sk", Some(sam), None), "s", "sam").upstream_absent("x-key-subject"),
        stays(sent("/any-sk", Some(sam), junk), "secret_unknown"),
        stays(sent("/any-sk", junk, kim), "secret_unknown"),
        stays(sent("/any-sk", junk, junk), "secret_unknown"),
        stays(sent("/any-sk", Some(sam), Some("")), "credential_malformed"),
        sent("/any-sk", Some(sam), kim).header("x-api-key", "x").expect(400).reason("credential_ambiguous"),
        stays(sent("/any-sk", None, None), "credential_missing"),
        // Forbidden counts only if nobody is satisfied.
        goes(sent("/any-ak", Some(scoped), kim), "a", of_a),
        goes(sent("/any-ak", Some(a), kim), "k", "kim"),
        goes(sent("/any-ak", Some(scoped), ken), "a", of_a),
        goes(sent("/any-ak", None, kim), "k", "kim"),
        stays(sent("/any-ak", Some(a), None), "scope_missing"),
        stays(sent("/any-ak", Some(a), ken), "scope_missing"),
        stays(sent("/any-ak", None, ken), "role_missing"),
        stays(sent("/any-ak", Some(scoped), junk), "secret_unknown"),
        stays(sent("/any-ak", Some(forged), kim), "signature_invalid"),
        stays(sent("/any-ak", junk, kim), "token_malformed").named("nobody else looks there: the provider's own reason"),
        stays(sent("/any-ak", Some(b), kim), "issuer_mismatch"),
        // all: both, and whose identity it is.
        goes(sent("/all-ak", Some(a), kim), "a", of_a).upstream("x-key-subject", "kim"),
        goes(sent("/all-ka", Some(a), kim), "k", "kim").upstream("x-key-subject", "kim"),
        stays(sent("/all-ak", Some(a), None), "credential_missing"),
        stays(sent("/all-ak", None, kim), "credential_missing"),
        stays(sent("/all-ak", None, None), "credential_missing"),
        stays(sent("/all-ak", Some(a), junk), "secret_unknown"),
        stays(sent("/all-ak", Some(forged), kim), "signature_invalid"),
        stays(sent("/all-ak", Some(forged), None), "signature_invalid").named("bad comes before missing"),
        stays(sent("/all-ak", None, junk), "secret_unknown"),
        goes(sent("/all-cond", Some(scoped), kim), "a", of_a),
        stays(sent("/all-cond", Some(a), kim), "scope_missing"),
        stays(sent("/all-cond", Some(scoped), ken), "role_missing"),
        stays(sent("/all-cond", Some(a), None), "scope_missing").named("forbidden comes before missing"),
        stays(sent("/all-cond", None, ken), "role_missing"),
        stays(sent("/all-cond", Some(a), junk), "secret_unknown").named("bad comes before forbidden"),
        // An optional member: none is fine, a bad one is not.
        goes(sent("/all-opt", Some(a), None), "a", of_a).upstream_absent("x-key-subject"),
        goes(sent("/all-opt", Some(a), kim), "a", of_a).upstream("x-key-subject", "kim"),
        stays(sent("/all-opt", Some(a), junk), "secret_unknown"),
        stays(sent("/all-opt", None, kim), "credential_missing"),
        // An optional whole.
        nobody(sent("/opt-a", None, None)),
        nobody(sent("/opt-a", None, junk)),
        nobody(Case::get("/opt-a").basic("root", "root").header("x-auth-subject", "root")).named("another scheme is absence, and removed"),
        goes(sent("/opt-a", Some(a), None), "a", of_a),
        stays(sent("/opt-a", Some(forged), None), "signature_invalid"),
        stays(sent("/opt-a", junk, None), "token_malformed"),
        stays(sent("/opt-a", Some(b), None), "issuer_mismatch"),
        stays(Case::get("/opt-a").header("authorization", ""), "credential_malformed"),
        stays(Case::get("/opt-a").header("authorization", "Bearer"), "credential_malformed"),
        goes(sent("/opt-s", Some(sam), None), "s", "sam"),
        nobody(sent("/opt-s", None, None)),
        stays(sent("/opt-s", junk, None), "secret_unknown"),
        stays(sent("/opt-s", Some(a), None), "secret_unknown"),
        // Names.
        goes(sent("/use", Some(a), None), "a", of_a),
        goes(sent("/use", None, kim), "k", "kim"),
        stays(sent("/use", Some(a), junk), "secret_unknown"),
        goes(sent("/all-use", Some(b), kim), "k", "kim"),
        goes(sent("/all-use", Some(a), ken), "k", "ken"),
        stays(sent("/all-use", Some(a), None), "credential_missing"),
        stays(sent("/all-use", junk, kim), "credential_unrecognised"),
        stays(sent("/all-use", None, kim), "credential_missing"),
        goes(sent("/any-use", Some(a), None), "a", of_a),
        goes(sent("/any-use", Some(a), kim), "a", of_a),
        goes(sent("/any-use", Some(b), kim), "b", of_b),
        stays(sent("/any-use", Some(b), None), "credential_missing"),
        stays(sent("/any-use", Some(b), junk), "secret_unknown"),
    ]);
    let log = stage.envoy.log().text();
    assert!(!log.contains("secret-of-") && !log.contains("eyJ"), "{log}");
}

#[test]
fn what_waits_for_keys_is_neither_good_nor_bad() {
    let idp = IdentityProvider::start();
    idp.serve_instead(Answer::hang());
    let mut providers = providers();
    let remote = |wait: &str| {
        let uri = format!("http://idp.test/.well-known/jwks.json?{wait}");
        let keys = json!({"jwks_uri": uri, "cluster": "idp", "insecure_http": true, "wait": wait, "timeout": "300ms", "refresh": "1s"});
        json!({"jwt": {"keys": keys, "issuers": ["https://idp.test"], "audiences": "any"}})
    };
    providers["idp"] = remote("400ms");
    // Who waits for this one waits longer than any test.
    providers["slow"] = remote("120s");
    let rule = |path: &str, require: Value| json!({"match": {"path": path}, "require": require});
    let stage = Stage::new()
        .config(json!({"providers": providers, "rules": [
            rule("/any", json!({"any": ["k", "idp"]})),
            rule("/any-forbidden", json!({"any": [{"provider": "k", "roles": "nobody-has-it"}, "idp"]})),
            rule("/all", json!({"all": ["k", "idp"], "identity": "idp"})),
            rule("/slow-any", json!({"any": ["k", "slow"]})),
            rule("/slow-all", json!({"all": ["k", "slow"], "identity": "slow"})),
            rule("/slow-forbidden", json!({"all": [{"provider": "k", "roles": "nobody-has-it"}, "slow"], "identity": "slow"})),
            rule("/any-ab", json!({"any": ["a", "idp"]})),
        ]}))
        .identity_provider(idp)
        .start();
    let key = Key::fixed(Algorithm::ES256, 1);
    let pending = &mint(&key, json!({"iss": "https://idp.test", "exp": now(3600), "sub": "ida"}));
    let expired = &mint(&key, json!({"iss": "https://idp.test", "exp": now(-100), "sub": "ida"}));
    let (kim, junk) = (Some("secret-of-kim"), Some("junk"));
    let waits = |case: Case| case.expect(503).reason("keys_unavailable").access("authorization", Value::Null);
    stage.check([
        goes(sent("/any", None, kim), "k", "kim").named("nothing to wait for"),
        // Even beside a good one: it could be bad, and one bad one refuses.
        waits(sent("/any", Some(pending), kim)),
        waits(sent("/any", Some(pending), None)),
        stays(sent("/any", Some(pending), junk), "secret_unknown").named("bad comes before pending"),
        stays(sent("/any", Some(expired), kim), "token_expired"),
        waits(sent("/any-forbidden", Some(pending), kim)).named("pending comes before forbidden"),
        waits(sent("/all", Some(pending), kim)),
        stays(sent("/all", Some(pending), junk), "secret_unknown"),
        goes(sent("/any-ab", Some(&token(A, 1, json!({}))), None), "a", &format!("of {A}")),
        waits(sent("/any-ab", Some(pending), None)),
    ]);
    // What fails whatever the keys are is told at once.
    stage.check([
        goes(sent("/slow-any", None, kim), "k", "kim"),
        stays(sent("/slow-any", Some(expired), kim), "token_expired"),
        stays(sent("/slow-any", Some(pending), junk), "secret_unknown"),
        stays(sent("/slow-all", Some(pending), None), "credential_missing"),
        stays(sent("/slow-all", None, kim), "credential_missing"),
        stays(sent("/slow-forbidden", Some(pending), kim), "role_missing"),
    ]);
    stage.identity_provider.recover();
    let recovered = poll(PATIENCE, || {
        let response = stage.send(&Request::get("/any-ab").bearer(pending));
        (response.status == 200).then_some(())
    });
    assert!(recovered.is_some(), "{}", stage.envoy.log().text());
    stage.check([
        goes(sent("/any", Some(pending), kim), "k", "kim"),
        goes(sent("/any", Some(pending), None), "idp", "ida"),
        goes(sent("/any-forbidden", Some(pending), kim), "idp", "ida"),
        goes(sent("/all", Some(pending), kim), "idp", "ida"),
    ]);
}

fn faults(config: Value) -> String {
    match Stage::new().config(config).try_start() {
        Err(StartFailure { log, .. }) => log,
        Ok(_) => panic!("Envoy starts with a configuration that it must refuse"),
    }
}

#[test]
fn requirements_that_mean_nothing_or_two_things_are_refused() {
    let mut all = providers();
    all["a-too"] = jwt(json!([A, "https://d.test"]), 3);
    all["anyone"] = jwt(json!("any"), 4);
    all["s-too"] = json!({"static_secret": {"sha256": digest("another")}});
    all["raw"] = json!({"static_secret": {"sha256": digest("raw")}, "from": [{"header": "authorization"}]});
    let rules = [
        (json!({"any": ["a", "a-too"]}), "could claim the same credential"),
        (json!({"any": ["b", "anyone"]}), "could claim the same credential"),
        (json!({"any": ["s", "s-too"]}), "could claim the same credential"),
        (json!({"any": ["s", "raw"]}), "could claim the same credential"),
        // Without a scheme the whole header is a secret, and every token is a bad one.
        (json!({"any": ["a", "raw"]}), "could claim the same credential"),
        (json!({"any": ["a", {"provider": "a", "scopes": "x"}]}), "write one member with any_of"),
        (json!({"any": ["a", {"provider": "k", "optional": true}]}), "optional: "),
        (json!({"provider": "a", "optional": true, "scopes": "x"}), "optional: "),
        (json!({"any": ["a", {"all": ["b", "k"], "identity": "b"}]}), "one level deep"),
        (json!({"any": ["a", "k"], "roles": "r"}), "conditions go with a provider"),
        (json!({"all": ["a", "k"]}), "several identities"),
        (json!({"all": ["a", "k"], "identity": "b"}), "identity: b is not a member"),
        (json!({"all": ["a", "a"], "identity": "a"}), "stands in this `all` twice"),
        (json!({"any": ["a"], "identity": "a"}), "identity: goes with `all`"),
        (json!({"any": []}), "empty"),
        (json!({"all": []}), "empty"),
        (json!({"any": ["a"], "all": ["k"]}), "exactly one of"),
        (json!({"use": "nothing"}), "there is no requirement nothing"),
        (json!({"provider": "loop"}), "is a requirement, not a provider"),
        (json!({"use": "loop"}), "uses itself"),
        (json!({"use": "a"}), "there is no requirement a"),
        (json!({"provider": "s", "scopes": "x"}), "s yields no scopes"),
        (json!({"provider": "s", "claims": {"x": 1}}), "s yields no claims"),
        (json!({"provider": "a", "roles": "x"}), "a yields no roles"),
        (json!({"provider": "a", "scopes": ["x", "y"]}), ".require.scopes: "),
        (json!({"provider": "a", "scopes": {"all": []}}), ".require.scopes"),
        (json!({"provider": "a", "any_of": []}), "any_of: empty"),
        (json!({"provider": "a", "any_of": [{}]}), "any_of[0]: no condition"),
        (json!({"provider": "a", "scope": "x"}), ".require.scope: "),
        (json!(null), ".require: "),
        (json!(["a", "k"]), ".require: "),
    ];
    let list: Vec<Value> = rules.iter().map(|(require, _)| json!({"require": require})).collect();
    let log = faults(json!({
        "providers": all,
        "rules": list,
        "requirements": {"loop": {"any": ["k", {"use": "pool"}]}, "pool": {"any": ["a", {"use": "loop"}]}},
    }));
    let missing: Vec<String> = rules
        .iter()
        .enumerate()
        .filter(|(index, (_, what))| {
            let of_rule = |line: &&str| line.contains(&format!("rules[{index}]")) || line.contains("requirements.");
            !log.lines().filter(|line| line.contains("configuration: ")).filter(of_rule).any(|line| line.contains(what))
        })
        .map(|(index, (require, what))| format!("rules[{index}] {require}: {what}"))
        .collect();
    assert!(missing.is_empty(), "not refused: {missing:#?}; the log:\n{log}");
    // Without rules there is exactly one provider; an empty list of rules is not the same as none.
    let log = faults(json!({"providers": providers()}));
    assert!(log.contains("configuration: rules: "), "{log}");
    let log = faults(json!({"providers": {"a": jwt(json!([A]), 1)}, "rules": []}));
    assert!(log.contains("configuration: rules: "), "{log}");
}
