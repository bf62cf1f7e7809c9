//! Who has what to show: tokens by the keys of the hour, and of others.

use crate::dice::Dice;
use crate::policy::{ISSUER, SHARED_ISSUER, WEB_ISSUER, engine_key, shared_key, web_key};
use portcullis_harness::{Algorithm, Jws, Key, mint, now};
use serde_json::{Value, json};
use std::sync::{Arc, PoisonError, RwLock};

const ALGORITHMS: [Algorithm; 4] = [Algorithm::RS256, Algorithm::ES256, Algorithm::PS256, Algorithm::EdDSA];
/// Tokens of a generation and algorithm that come again and again.
const SEEN: usize = 64;
const LIFETIME: i64 = 7200;

/// A token, and what it says of its bearer.
#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) subject: String,
}

impl Token {
    /// The claims as they stand in it.
    pub(crate) fn payload(&self) -> String {
        self.text.split('.').nth(1).unwrap_or_default().to_owned()
    }
}

/// The identity provider's keys at one time, and tokens by them.
pub(crate) struct Generation {
    number: u32,
    keys: Vec<Key>,
    seen: Vec<Token>,
}

impl Generation {
    pub(crate) fn new(number: u32) -> Self {
        let key = |algorithm: &Algorithm| Key::fixed(*algorithm, number).with_kid(&format!("{}-{number}", algorithm.name()));
        let keys: Vec<Key> = ALGORITHMS.iter().map(key).collect();
        let numbers = 0..SEEN;
        let seen = keys.iter().flat_map(|key| {
            let sign = key.signer();
            numbers.clone().map(move |number| user_by(key, &sign, &format!("user-{number}"), json!({}))).collect::<Vec<_>>()
        });
        Self { seen: seen.collect(), number, keys: keys.clone() }
    }

    pub(crate) fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// Of any algorithm.
    pub(crate) fn seen(&self, dice: &mut Dice) -> Token {
        dice.one_of(&self.seen)
    }

    fn key(&self, algorithm: Algorithm) -> &Key {
        self.keys.iter().find(|key| key.algorithm() == algorithm).expect("one of each")
    }

    /// By ES256, which is quick to sign, with other claims.
    pub(crate) fn token(&self, subject: &str, changes: Value) -> Token {
        let key = self.key(Algorithm::ES256);
        user_by(key, &|text: &[u8]| key.sign(text), subject, changes)
    }

    /// By a stranger's key, under the name of one of these.
    pub(crate) fn forged(&self, dice: &mut Dice) -> String {
        let named = dice.one_of(&self.keys);
        // Slow ones seldom: this program isn't to measure how slow.
        let named = if named.algorithm() == Algorithm::PS256 && !dice.is_one_in(8) { self.key(Algorithm::ES256).clone() } else { named };
        let stranger = Key::fixed(named.algorithm(), self.number + 1000).with_kid(named.kid().unwrap_or_default());
        user_by(&stranger, &|text: &[u8]| stranger.sign(text), "user-1", json!({})).text
    }
}

fn user_by(key: &Key, sign: &dyn Fn(&[u8]) -> Vec<u8>, subject: &str, changes: Value) -> Token {
    let mut claims = json!({
        "iss": ISSUER, "aud": "api", "sub": subject, "exp": now(LIFETIME), "iat": now(0), "scope": "read write", "roles": ["auditor"],
        "tenant": "acme"
    });
    changed(&mut claims, changes);
    let jws = Jws::new(json!({"alg": key.algorithm().name(), "typ": "JWT", "kid": key.kid()}), claims);
    Token { text: jws.with_signature(sign(jws.signing_input().as_bytes())), subject: subject.to_owned() }
}

fn changed(claims: &mut Value, changes: Value) {
    for (name, value) in changes.as_object().into_iter().flatten() {
        claims[name] = value.clone();
    }
}

/// The keys that are in use, and those that no longer are.
pub(crate) struct Users(RwLock<(Arc<Generation>, Option<Arc<Generation>>)>);

impl Users {
    pub(crate) fn new(first: Arc<Generation>) -> Self {
        Self(RwLock::new((first, None)))
    }

    pub(crate) fn current(&self) -> Arc<Generation> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner).0)
    }

    /// One that every worker has forgotten.
    pub(crate) fn retired(&self) -> Option<Arc<Generation>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    pub(crate) fn use_from_now_on(&self, generation: Arc<Generation>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).0 = generation;
    }

    pub(crate) fn forgotten(&self, generation: Arc<Generation>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).1 = Some(generation);
    }
}

/// Of the house's own services.
pub(crate) fn shared(subject: &str, changes: Value) -> Token {
    by(&shared_key(), json!({"iss": SHARED_ISSUER, "aud": "api", "sub": subject, "exp": now(LIFETIME)}), changes)
}

/// Of an engine; whose `id` its token says.
pub(crate) fn engine(id: &str, key: &str) -> Token {
    let text = mint(&engine_key(key), json!({"id": id, "exp": now(LIFETIME)}));
    Token { text, subject: id.to_owned() }
}

/// A session of the web site.
pub(crate) fn session(subject: &str, changes: Value) -> Token {
    by(&web_key(), json!({"iss": WEB_ISSUER, "aud": "web", "sub": subject, "exp": now(LIFETIME)}), changes)
}

fn by(key: &Key, mut claims: Value, changes: Value) -> Token {
    changed(&mut claims, changes);
    let subject = claims["sub"].as_str().unwrap_or_default().to_owned();
    Token { text: mint(key, claims), subject }
}
