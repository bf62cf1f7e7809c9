//! Tokens that are bound to a certificate (RFC 8705), and what has to be fetched for them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::*;
use crate::certificate::from_pem;
use crate::certificate::sample::{Sample, rdn, utf8};
use crate::keys::Alg;
use crate::peer::{Peer, Shown};
use crate::reason::Reason;

pub(super) struct Connection(Option<Sample>);

impl Connection {
    pub(super) fn of(name: &str) -> Self {
        Self(Some(Sample::of(&[rdn("2.5.4.3", utf8(name))])))
    }
}

impl Peer for Connection {
    fn valid(&self) -> Option<bool> {
        Some(self.0.is_some())
    }
    fn digest(&self) -> Option<Vec<u8>> {
        self.0.as_ref().map(|sample| from_pem(sample.pem().as_bytes()).unwrap().fingerprint().into_bytes())
    }
    fn certificate(&self) -> Shown {
        self.0.as_ref().map_or(Shown::Nothing, |sample| Shown::Pem(sample.pem().into_bytes()))
    }
    fn server_name(&self) -> Option<Vec<u8>> {
        None
    }
}

/// With these rules, and changed so.
pub(super) fn engine(rules: &Value, change: impl FnOnce(&mut Value)) -> Engine {
    let keys = json!({"jwks_uri": "https://idp.test/jwks.json", "cluster": "idp"});
    let mut configuration = json!({
        "providers": {
            "members": {"client_certificate": {"server_name": "any"}},
            "users": {"jwt": {"keys": keys, "issuers": "i", "audiences": "any", "required_claims": [], "bind": {"certificate": "members"}}},
        },
        "rules": rules,
    });
    change(&mut configuration);
    let policy = crate::config::load(configuration.to_string().as_bytes(), &|_| None).unwrap().0;
    let mut engine = Engine::new(policy, Rc::default(), NOW, 1);
    let set = engine.policy.key_sets[0].0;
    drop(arrive(&mut engine, set));
    engine
}

/// Alice's token, by this key.
pub(super) fn token(kid: &str) -> String {
    let thumbprint = URL_SAFE_NO_PAD.encode(Sha256::digest(Connection::of("alice").0.unwrap().der()));
    let claims = json!({"iss": "i", "sub": "alice", "cnf": {"x5t#S256": thumbprint}}).to_string();
    let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(json!({"alg": "ES256", "kid": kid}).to_string()), URL_SAFE_NO_PAD.encode(claims));
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(sign(Alg::ES256, text.as_bytes())))
}

fn decide(engine: &Engine, token: &str, peer: &Connection) -> Decision {
    let bearer = format!("Bearer {token}");
    let fields = [(":authority", "a"), (":method", "GET"), (":path", "/"), ("authorization", &bearer)];
    engine.decide(&Request { headers: fields.into_iter().collect() }, &Asked::default(), &At { now: NOW, verify: &Module, peer })
}

pub(super) fn pass(engine: &Engine, token: &str, peer: &Connection) -> Pass {
    match decide(engine, token, peer) {
        Decision::Pass(pass) => pass,
        other => panic!("{other:?}"),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Passes,
    Waits,
    Refused(Reason),
}

fn outcome(engine: &Engine, token: &str, peer: &Connection) -> Outcome {
    match decide(engine, token, peer) {
        Decision::Pass(_) => Outcome::Passes,
        Decision::Wait(_) => Outcome::Waits,
        Decision::Reject(rejection) => Outcome::Refused(rejection.refusal.reason()),
        Decision::Observe(_) => panic!("nothing is observed"),
    }
}

#[test]
fn who_shows_another_certificate_has_no_keys_fetched() {
    let (alice, mallory, nobody) = (Connection::of("alice"), Connection::of("mallory"), Connection(None));
    for rules in [
        json!([{"require": "users"}]),
        json!([{"require": {"any": ["users", "members"]}}]),
        json!([{"require": {"provider": "users", "optional": true}}]),
        json!([{"require": {"all": ["users", {"provider": "members", "optional": true}], "identity": "users"}}]),
    ] {
        let engine = engine(&rules, |_| {});
        let good = token("ES256");
        // Seen by nobody, by its owner, by others.
        for _ in 0..2 {
            assert_eq!(outcome(&engine, &good, &mallory), Outcome::Refused(Reason::CnfMismatch), "{rules}");
            assert_eq!(outcome(&engine, &good, &nobody), Outcome::Refused(Reason::CnfMismatch), "{rules}");
            assert_eq!(outcome(&engine, &good, &alice), Outcome::Passes, "{rules}");
        }
        let unknown = token("rotated");
        assert_eq!(outcome(&engine, &unknown, &mallory), Outcome::Refused(Reason::KeyUnknown), "{rules}");
        assert_eq!(outcome(&engine, &unknown, &nobody), Outcome::Refused(Reason::KeyUnknown), "{rules}");
        assert_eq!(outcome(&engine, &unknown, &alice), Outcome::Waits, "{rules}");
    }
}
