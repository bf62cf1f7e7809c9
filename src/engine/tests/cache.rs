//! Tokens that were verified before: what that saves, and what it never outlives.

use std::cell::Cell;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::*;
use crate::keys::{Alg, PublicKey};
use crate::reason::Reason;
use crate::signature::Verify;
use crate::signature::signing::sign;

/// Counts what was verified.
#[derive(Default)]
struct Counting(Cell<u32>);

impl Verify for Counting {
    fn verify(&self, alg: Alg, key: &PublicKey, text: &[u8], signature: &[u8]) -> bool {
        self.0.set(self.0.get().saturating_add(1));
        Module.verify(alg, key, text, signature)
    }
    fn is_slow(&self, _: Alg) -> bool {
        false
    }
}

struct Worker {
    engine: Engine,
    verify: Counting,
}

impl Worker {
    fn new(more: Value) -> Self {
        let issuer = |issuer: &str| {
            let keys = json!({"jwks_uri": "https://idp.test/jwks.json", "cluster": "idp", "wait": "0s"});
            json!({"jwt": {"keys": keys, "issuers": [issuer], "audiences": "any", "required_claims": [], "clock_skew": "2s", "max_token_age": "1h",
                "identity": {"roles": {"claim": "roles"}}}})
        };
        let mut configuration = json!({
            "providers": {"others": issuer("o"), "users": issuer("i"),
                "secrets": {"static_secret": {"sha256": "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"}}},
            "rules": [
                {"match": {"path": "/admin"}, "require": {"provider": "users", "roles": "admin"}},
                {"match": {"path": "/any"}, "require": {"any": ["others", "secrets", "users"]}},
                {"match": {"path": "/secrets"}, "require": "secrets"},
                {"require": "users"},
            ],
        });
        for (name, value) in more.as_object().unwrap() {
            configuration[name] = value.clone();
        }
        let policy = crate::config::load(configuration.to_string().as_bytes(), &|_| None).unwrap().0;
        let mut worker = Self { engine: Engine::new(policy, Rc::default(), NOW, 1), verify: Counting::default() };
        worker.publish(&[Alg::ES256]);
        worker
    }

    fn publish(&mut self, algorithms: &[Alg]) {
        let set = self.engine.policy().key_sets[0].0;
        let document = json!({"keys": algorithms.iter().map(|alg| jwk(*alg)).collect::<Vec<_>>()}).to_string();
        drop(answer(&mut self.engine, set, 200, &document));
    }

    fn get(&self, path: &str, token: &str, now: UnixTime) -> Decision {
        let bearer = format!("Bearer {token}");
        let fields = [(":authority", "a"), (":method", "GET"), (":path", path), ("authorization", &bearer)];
        let at = At { now, verify: &self.verify, peer: &Plaintext };
        self.engine.decide(&Request { headers: fields.into_iter().collect() }, &Asked::default(), &at)
    }

    /// `None`: it passes.
    fn refusal(&self, path: &str, token: &str, now: UnixTime) -> Option<Reason> {
        match self.get(path, token, now) {
            Decision::Pass(_) => None,
            Decision::Reject(rejection) => Some(rejection.refusal.reason()),
            Decision::Wait(_) | Decision::Observe(_) => panic!("there are keys, and a rule"),
        }
    }

    fn verified(&self) -> u32 {
        self.verify.0.take()
    }

    fn counts(&mut self) -> Vec<(&'static str, u64)> {
        let effects = self.engine.handle(Event::Tick, NOW, &mut || 0);
        let count = |effect| if let Effect::CountCache(what, count) = effect { Some((what, count)) } else { None };
        effects.into_iter().filter_map(count).collect()
    }
}

fn token(mut claims: Value) -> String {
    let all = claims.as_object_mut().unwrap();
    all.entry("iss").or_insert(json!("i"));
    all.entry("iat").or_insert(json!(NOW.seconds()));
    let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256","kid":"ES256"}"#), URL_SAFE_NO_PAD.encode(claims.to_string()));
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(sign(Alg::ES256, text.as_bytes())))
}

fn later(seconds: u64) -> UnixTime {
    NOW.plus(Duration::from_secs(seconds))
}

#[test]
fn a_token_is_verified_once_and_says_the_same_each_time() {
    let mut worker = Worker::new(json!({}));
    let alice = token(json!({"sub": "alice", "roles": ["admin"]}));
    let passes: Vec<String> = (0..5).map(|_| format!("{:?}", worker.get("/", &alice, NOW))).collect();
    assert!(passes[0].starts_with("Pass(") && passes.iter().all(|pass| *pass == passes[0]), "{passes:?}");
    assert_eq!(worker.verified(), 1);
    assert_eq!(worker.counts(), [("hit", 4), ("miss", 1)]);
    assert_eq!(worker.counts(), []);
    // What a rule demands is judged by that rule.
    assert_eq!(worker.refusal("/admin", &alice, NOW), None);
    let bob = token(json!({"sub": "bob", "roles": ["user"]}));
    for _ in 0..2 {
        assert_eq!(worker.refusal("/", &bob, NOW), None);
        assert_eq!(worker.refusal("/admin", &bob, NOW), Some(Reason::RoleMissing));
        assert_eq!(worker.refusal("/secrets", &bob, NOW), Some(Reason::SecretUnknown));
    }
    assert_eq!(worker.verified(), 1);
}

#[test]
fn whoever_else_looks_there_leaves_it_to_its_provider() {
    let mut worker = Worker::new(json!({}));
    let (ours, theirs) = (token(json!({"sub": "alice"})), token(json!({"sub": "alice", "iss": "o"})));
    let nobodys = token(json!({"sub": "alice", "iss": "x"}));
    for _ in 0..3 {
        for (text, provider) in [(&ours, "users"), (&theirs, "others")] {
            let Decision::Pass(pass) = worker.get("/any", text, NOW) else { panic!("it passes") };
            assert_eq!(&*pass.identity().unwrap().provider, provider);
        }
        assert_eq!(worker.refusal("/any", &nobodys, NOW), Some(Reason::SecretUnknown));
        // Verified by one provider, it is still none of the other's.
        assert_eq!(worker.refusal("/", &theirs, NOW), Some(Reason::IssuerMismatch));
    }
    assert_eq!(worker.verified(), 2);
    assert_eq!(worker.counts(), [("hit", 4), ("miss", 2)]);
}

#[test]
fn no_change_of_a_byte_is_taken_for_the_same() {
    let worker = Worker::new(json!({}));
    let good = token(json!({"sub": "alice"}));
    assert_eq!(worker.refusal("/", &good, NOW), None);
    for place in 0..good.len() {
        let mut bad = good.clone().into_bytes();
        bad[place] = if bad[place] == b'A' { b'B' } else { b'A' };
        assert!(worker.refusal("/", &String::from_utf8(bad).unwrap(), NOW).is_some(), "{place}");
    }
    let (first, rest) = good.split_at(1);
    for bad in [rest.to_owned(), first.to_owned(), good.chars().rev().collect(), format!("{good}A"), format!("{good}="), String::new()] {
        assert!(worker.refusal("/", &bad, NOW).is_some());
    }
    assert_eq!(worker.refusal("/", &good, NOW), None);
}

#[test]
fn time_ends_it() {
    let worker = Worker::new(json!({}));
    let short = token(json!({"sub": "alice", "exp": NOW.seconds() + 10}));
    let aging = token(json!({"sub": "alice", "iat": NOW.seconds() - 3595}));
    let early = token(json!({"sub": "alice", "nbf": NOW.seconds() - 5}));
    assert_eq!([&short, &aging, &early].map(|token| worker.refusal("/", token, NOW)), [None; 3]);
    assert_eq!(worker.refusal("/", &short, later(11)), None);
    assert_eq!(worker.refusal("/", &short, later(12)), Some(Reason::TokenExpired));
    assert_eq!(worker.refusal("/", &aging, later(5)), None);
    assert_eq!(worker.refusal("/", &aging, later(6)), Some(Reason::TokenTooOld));
    assert_eq!(worker.refusal("/", &early, NOW.minus(Duration::from_secs(8))), Some(Reason::TokenNotYetValid));
    // A clock that is set right again finds it good again.
    assert_eq!(worker.refusal("/", &short, NOW), None);
    assert_eq!(worker.verified(), 3);
}

#[test]
fn its_keys_leaving_the_set_ends_it_and_new_keys_verify_anew() {
    let mut worker = Worker::new(json!({}));
    let alice = token(json!({"sub": "alice"}));
    assert_eq!(worker.refusal("/", &alice, NOW), None);
    // The same keys once more.
    worker.publish(&[Alg::ES256]);
    assert_eq!(worker.refusal("/", &alice, NOW), None);
    assert_eq!(worker.verified(), 1);
    worker.publish(&[Alg::ES256, Alg::ES384]);
    assert_eq!([(); 2].map(|()| worker.refusal("/", &alice, NOW)), [None; 2]);
    assert_eq!(worker.verified(), 1);
    worker.publish(&[Alg::ES384]);
    assert_eq!(worker.refusal("/", &alice, NOW), Some(Reason::KeyUnknown));
    // Another key under its name.
    let mut other = jwk(Alg::ES256);
    let point = p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap().verifying_key().to_sec1_point(false);
    (other["x"], other["y"]) = (URL_SAFE_NO_PAD.encode(point.x().unwrap()).into(), URL_SAFE_NO_PAD.encode(point.y().unwrap()).into());
    let set = worker.engine.policy().key_sets[0].0;
    drop(answer(&mut worker.engine, set, 200, &json!({"keys": [other]}).to_string()));
    assert_eq!(worker.refusal("/", &alice, NOW), Some(Reason::SignatureInvalid));
    worker.publish(&[Alg::ES256]);
    assert_eq!(worker.refusal("/", &alice, NOW), None);
}

#[test]
fn keys_that_are_too_old_verify_nothing() {
    let worker = Worker::new(json!({}));
    let alice = token(json!({"sub": "alice", "iat": NOW.seconds() + 10 * 24 * 3600}));
    let much_later = later(10 * 24 * 3600);
    assert_eq!(worker.refusal("/", &alice, much_later), Some(Reason::KeysStale));
    let young = token(json!({"sub": "alice"}));
    assert_eq!(worker.refusal("/", &young, NOW), None);
    assert_eq!(worker.refusal("/", &young, much_later), Some(Reason::KeysStale));
}

#[test]
fn what_is_revoked_is_not_served_for_having_been_verified() {
    let worker = Worker::new(json!({"revoked": {"jti": ["gone"], "subjects": ["users/eve"]}}));
    for claims in [json!({"sub": "alice", "jti": "gone"}), json!({"sub": "eve"})] {
        let token = token(claims);
        assert_eq!([(); 3].map(|()| worker.refusal("/", &token, NOW)), [Some(Reason::Revoked); 3]);
    }
    // By the name of its key.
    let worker = Worker::new(json!({"revoked": {"kids": ["ES256"]}}));
    let alice = token(json!({"sub": "alice"}));
    assert_eq!([(); 3].map(|()| worker.refusal("/", &alice, NOW)), [Some(Reason::Revoked); 3]);
}

#[test]
fn without_a_cache_everything_is_verified_each_time() {
    let mut worker = Worker::new(json!({"cache": {"entries": 0}}));
    let alice = token(json!({"sub": "alice"}));
    assert_eq!([(); 3].map(|()| worker.refusal("/", &alice, NOW)), [None; 3]);
    assert_eq!(worker.verified(), 3);
    assert_eq!(worker.counts(), [("miss", 3)]);
}

#[test]
fn what_is_not_good_is_never_remembered() {
    let mut worker = Worker::new(json!({}));
    let good = token(json!({"sub": "alice"}));
    let (text, _) = good.rsplit_once('.').unwrap();
    for bad in [
        format!("{text}.{}", URL_SAFE_NO_PAD.encode([1; 64])),
        token(json!({"sub": "alice", "exp": NOW.seconds() - 10})),
        token(json!({"sub": 7})),
        token(json!({"sub": "alice", "cnf": {}})),
        token(json!({"sub": "alice", "roles": 7})),
    ] {
        for _ in 0..3 {
            assert!(worker.refusal("/", &bad, NOW).is_some(), "{bad}");
        }
    }
    assert!(!worker.counts().iter().any(|(what, _)| *what == "hit"));
}

#[test]
fn what_is_kept_of_a_token_is_what_anything_looks_at() {
    let worker = Worker::new(json!({
        "revoked": {"jti": ["gone"]},
        "upstream": {"headers": {"x-name": {"claim": "name"}, "x-city": {"claim_path": ["address", "city"]}}},
        "rules": [
            {"match": {"path": "/tenant"}, "require": {"provider": "users", "claims": {"tenant": "a"}}},
            {"match": {"path": "/none"}, "require": {"provider": "users", "claims": {"banned": {"none": [true]}}}},
            {"match": {"path": "/absent"}, "require": {"provider": "users", "claims": {"expelled": {"exists": false}}}},
            {"match": {"path": "/aud"}, "require": {"provider": "users", "audiences": "b"}},
            {"match": {"path": "/any_of"}, "require": {"provider": "users", "any_of": [{"claims": {"level": 7}}, {"claims": {"deep": "x"}}]}},
            {"require": "users"},
        ],
    }));
    let all = json!({"sub": "alice", "tenant": "a", "aud": ["a", "b"], "level": 7, "name": "Alice", "address": {"city": "Ulm"}, "other": "x".repeat(500)});
    let with = |name: &str, value: Value| {
        let mut claims = all.clone();
        claims[name] = value;
        token(claims)
    };
    // The second time it is remembered.
    for _ in 0..2 {
        let good = token(all.clone());
        for path in ["/tenant", "/none", "/absent", "/aud", "/any_of", "/"] {
            let Decision::Pass(pass) = worker.get(path, &good, NOW) else { panic!("{path}") };
            let set: Vec<_> = pass.edits().set.iter().map(|(name, value)| (&**name, String::from_utf8_lossy(value).into_owned())).collect();
            assert_eq!(set, [("x-city", "Ulm".to_owned()), ("x-name", "Alice".to_owned())]);
            let kept = &pass.identity().unwrap().token.as_ref().unwrap().claims;
            assert!(!kept.contains_key("other") && !kept.contains_key("sub") && kept.contains_key("tenant"));
            assert_eq!(pass.identity().unwrap().subject.as_deref(), Some("alice"));
        }
        for (path, name, value) in [
            ("/tenant", "tenant", json!("b")),
            ("/none", "banned", json!(true)),
            ("/absent", "expelled", json!("yes")),
            ("/aud", "aud", json!("a")),
            ("/any_of", "level", json!(6)),
        ] {
            assert_eq!(
                worker.refusal(path, &with(name, value.clone()), NOW),
                Some(if name == "aud" { Reason::AudienceMismatch } else { Reason::ClaimMismatch }),
                "{path}"
            );
        }
        assert_eq!(worker.refusal("/", &with("jti", json!("gone")), NOW), Some(Reason::Revoked));
        assert_eq!(worker.refusal("/any_of", &with("deep", json!("x")), NOW), None);
    }
}
