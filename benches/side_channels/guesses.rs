//! The guesses: credentials that are nearly right, or not at all, and otherwise alike.

use std::hint::black_box;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use portcullis::authenticator::StaticSecret;
use portcullis::authenticator::static_secret::{Caller, Secret};
use portcullis::keys::{Alg, AlgSet, HmacKey};
use portcullis::time::UnixTime;
use portcullis_harness::{Algorithm, Key};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::core::{NOW, core, granted, guess};

/// Something to do, again and again.
pub(crate) type Guess = Box<dyn FnMut()>;

/// What makes a guess of the right bytes.
type Change = fn(Vec<u8>) -> Vec<u8>;

/// Wrong in one place or another. A change keeps the kind of a hex digit, for what a client sends may take as long as it likes.
const WRONG: [(&str, Change); 4] = [
    ("wrong in the first byte", |bytes| changed(bytes, |index, _| index == 0)),
    ("wrong in the middle", |bytes| changed(bytes, |index, length| index == length / 2)),
    ("wrong in the last byte", |bytes| changed(bytes, |index, length| index + 1 == length)),
    ("wrong altogether", |bytes| changed(bytes, |_, _| true)),
];

fn changed(bytes: Vec<u8>, is_wrong: impl Fn(usize, usize) -> bool) -> Vec<u8> {
    let length = bytes.len();
    let change = |(index, byte)| if is_wrong(index, length) { (other_digit(byte >> 4) << 4) | other_digit(byte & 15) } else { byte };
    bytes.into_iter().enumerate().map(change).collect()
}

/// Another hex digit: of the same kind, a digit or a letter.
const fn other_digit(digit: u8) -> u8 {
    match digit {
        9 => 0,
        15 => 10,
        other => other + 1,
    }
}

fn secret() -> Key {
    Key::secret(Algorithm::HS256, [7; 64])
}

/// A MAC is compared, by the key alone: also the right one takes no more and no less.
pub(crate) fn hmac(alg: Alg) -> Vec<(&'static str, Guess)> {
    let algorithm = Algorithm::ALL.into_iter().find(|algorithm| algorithm.name() == alg.name()).expect("an HMAC");
    let text = b"header.payload";
    let mac = secret().with_algorithm(algorithm).sign(text);
    let verify = |mac: Vec<u8>, expected: bool| -> Guess {
        let key = HmacKey::new(&secret().secret_bytes(), AlgSet::from([alg]));
        Box::new(move || assert_eq!(key.verify(alg, black_box(text), black_box(&mac)), expected))
    };
    let wrong = WRONG.map(|(what, change)| (what, verify(change(mac.clone()), false)));
    wrong.into_iter().chain([("right", verify(mac.clone(), true))]).collect()
}

/// A digest is compared: the same secret is sent, and what is known differs.
pub(crate) fn stored_digest() -> Vec<(&'static str, Guess)> {
    let caller = Arc::new(Caller { id: "billing".into(), roles: None });
    let authenticate = |sha256: Vec<u8>| -> Guess {
        let sha256 = sha256.try_into().expect("32 bytes");
        let secret = Secret { sha256, caller: Arc::clone(&caller), id: None, not_before: None, not_after: None };
        let provider = StaticSecret::new("partners".into(), vec![secret]);
        Box::new(move || assert!(provider.authenticate(black_box(b"a secret of some length"), UnixTime::default()).is_err()))
    };
    let digest = Sha256::digest(b"a secret of some length").to_vec();
    WRONG.map(|(what, change)| (what, authenticate(change(digest.clone())))).into()
}

/// The same through the whole of a decision.
pub(crate) fn static_secret() -> Vec<(&'static str, Guess)> {
    let decide = |sha256: Vec<u8>| {
        let caller = json!({"id": "billing", "secrets": [{"sha256": STANDARD.encode(sha256)}]});
        let core = core(&json!({"providers": {"partners": {"static_secret": {"callers": [caller]}}}}));
        guess(&core, "Bearer a-secret-of-some-length", "secret_unknown")
    };
    let digest = Sha256::digest(b"a-secret-of-some-length").to_vec();
    WRONG.map(|(what, change)| (what, decide(change(digest.clone())))).into()
}

/// A token's MAC, through the whole of a decision.
pub(crate) fn shared_secret() -> Vec<(&'static str, Guess)> {
    let keys = json!({"secret": {"base64": STANDARD.encode(secret().secret_bytes())}});
    let core = core(&json!({"providers": {"users": {"jwt": {"keys": keys}}}}));
    WRONG.map(|(what, change)| (what, guess(&core, &Form::Claim.token("alice", &secret(), change), "signature_invalid"))).into()
}

/// A form of tokens whose MAC is by the key of the caller that they name.
#[derive(Clone, Copy)]
pub(crate) enum Form {
    Claim,
    Kid,
    Of2018,
    Of2019,
    Of2021,
}

impl Form {
    fn provider(self, list: &Value) -> Value {
        let (by, format) = match self {
            Self::Claim => (json!({"claim": "id"}), "jws"),
            Self::Kid => (json!({"jose": "kid"}), "jws"),
            Self::Of2018 => (json!({"claim": "id"}), "cyphernode-2018"),
            Self::Of2019 => (json!({"claim": "id"}), "cyphernode-2019"),
            Self::Of2021 => (json!({"claim": "id"}), "cyphernode-2021"),
        };
        json!({"jwt": {"keys": {"callers": {"by": by, "list": list}}, "formats": [format]}})
    }

    /// A token of a caller, by a key, with what a change makes of its MAC.
    fn token(self, id: &str, key: &Key, change: Change) -> String {
        let header = json!({"alg": "HS256", "kid": id}).to_string();
        let claims = json!({"id": id, "exp": NOW + 60}).to_string();
        let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let standard = format!("{}.{}", STANDARD.encode(&header), STANDARD.encode(&claims));
        let token = match self {
            Self::Of2018 => format!("{standard}.{}", hex(change(key.sign(format!("{standard}\n").as_bytes())))),
            Self::Of2019 => format!("{standard}.{}", hex(change(key.sign(standard.as_bytes())))),
            Self::Claim | Self::Kid | Self::Of2021 => {
                let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(&header), URL_SAFE_NO_PAD.encode(&claims));
                format!("{text}.{}", URL_SAFE_NO_PAD.encode(change(key.sign(text.as_bytes()))))
            }
        };
        format!("Bearer {token}")
    }
}

/// Callers that there are, whose MAC is wrong in one place or another, and one that there isn't.
pub(crate) fn by_callers(form: Form) -> Vec<(&'static str, Guess)> {
    let caller = |id: &str, byte: u8| json!({"id": id, "secrets": [{"base64": STANDARD.encode([byte; 64])}]});
    let core = core(&json!({"providers": {"callers": form.provider(&json!([caller("alice", 7), caller("bruno", 8)]))}}));
    let wrong = WRONG.map(|(what, change)| (what, guess(&core, &form.token("alice", &secret(), change), "signature_invalid")));
    let others = [("another caller's key", "bruno"), ("no such caller", "clara")]
        .map(|(what, id)| (what, guess(&core, &form.token(id, &secret(), |mac| mac), "signature_invalid")));
    wrong.into_iter().chain(others).collect()
}

/// Passwords of which another service was never asked, beside one to which it said yes.
pub(crate) fn answers() -> Vec<(&'static str, Guess)> {
    let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
    let ask = |pair: &str| {
        // Each has a core of its own: a callout that is under way is found by its place in the list.
        let core = core(&json!({"providers": {"shoppers": {"remote": {
            "credential": "basic",
            "endpoints": {"default": {"cluster": "login", "uri": "https://login.example/"}},
            "request": {"json": {"user": "{username}", "password": "{password}"}},
            "identity": {"subject": {"claim": "id"}}
        }}}}));
        granted(&core, &basic("ada:lovelace"), &json!({"id": "ada"}));
        guess(&core, &basic(pair), "wait")
    };
    [
        ("wrong in the first byte", "ada:movelace"),
        ("wrong in the last byte", "ada:lovelacf"),
        ("wrong altogether", "ada:ntxfncbh"),
        ("another user", "eve:lovelace"),
    ]
    .map(|(what, pair)| (what, ask(pair)))
    .into()
}
