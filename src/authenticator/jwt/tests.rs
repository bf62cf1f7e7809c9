mod callers;
mod cyphernode;
mod form;
mod identity;
mod keys;
mod time;

use std::cell::RefCell;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::*;
use crate::identity::Identity;
use crate::keys::Alg;
use crate::reason::Reason;
use crate::signature::signing::{SECRET, sign};
use crate::signature::{Budget, Module};

/// The time at which tokens are judged.
const NOW: i64 = 1_800_000_000;

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Signs any text as a header and any as a payload.
fn signed(alg: Alg, header: &str, payload: &str) -> String {
    let text = format!("{}.{}", b64(header), b64(payload));
    let signature = b64(sign(alg, text.as_bytes()));
    format!("{text}.{signature}")
}

/// A token by HS256.
fn token(claims: &Value) -> String {
    signed(Alg::HS256, r#"{"alg":"HS256","typ":"JWT"}"#, &claims.to_string())
}

/// A provider with one secret and no further demands.
fn plain() -> Jwt {
    Jwt {
        keys: Keys::Secret(HmacKey::new(SECRET, AlgSet::from(Alg::ALL))),
        issuers: None,
        audiences: None,
        subjects: None,
        claims: vec![],
        algorithms: AlgSet::from([Alg::HS256]),
        required_claims: vec![],
        clock_skew: Duration::ZERO,
        max_token_age: None,
        max_future: Duration::ZERO,
        max_token_lifetime: None,
        types: None,
        bind: None,
        ignore_cnf: false,
        require_kid: false,
        ends_streams: false,
        formats: vec![Format::Jws],
        identity: TokenIdentity { subject: None, scopes: vec![], roles: vec![], grants: HashMap::new() },
        kept: Kept { payload: true, claims: None },
    }
}

/// A provider with the given change.
fn with(change: impl FnOnce(&mut Jwt)) -> Jwt {
    let mut jwt = plain();
    change(&mut jwt);
    jwt
}

/// A provider with an inline key set.
fn with_set(keys: &[Value]) -> Jwt {
    let algorithms: AlgSet = Alg::ALL.into_iter().filter(|alg| !alg.is_hmac()).collect();
    let set = KeySet::from_value(&json!({"keys": keys}), algorithms).unwrap().0;
    with(|jwt| {
        jwt.keys = Keys::Inline(set);
        jwt.algorithms = algorithms;
    })
}

/// By the module, with a budget that is never spent.
fn authenticate(jwt: &Jwt, token: Token<'_>, remote: Option<&KeySet>, now: UnixTime) -> Result<Verdict, TokenError> {
    let budget = RefCell::new(Budget::new(1000));
    jwt.authenticate(&"provider".into(), token, remote, now, &Bounded { verify: &Module, budget: &budget, now })
}

fn judge(jwt: &Jwt, token: &str) -> Result<Identity, TokenError> {
    judge_at(jwt, token, NOW * 1000)
}

fn judge_at(jwt: &Jwt, token: &str, millis: i64) -> Result<Identity, TokenError> {
    let token = jwt.read(token.as_bytes())?;
    let now = UnixTime::from_millis(u64::try_from(millis).unwrap());
    match authenticate(jwt, token, None, now)? {
        Verdict::Good(verified) => Ok((*verified.identity).clone()),
        Verdict::KeysNeeded | Verdict::KeyUnknown(..) => Err(TokenError::Malformed("no keys are missing in these tests")),
    }
}

fn reason(jwt: &Jwt, token: &str) -> Reason {
    judge(jwt, token).unwrap_err().reason()
}

fn path(names: &[&str]) -> ClaimPath {
    names.iter().map(|name| (*name).to_owned()).collect()
}
