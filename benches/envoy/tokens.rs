//! Tokens by the thousand.

use portcullis_harness::{Jws, Key, now};
use serde_json::json;
use std::thread;

pub(crate) const ISSUER: &str = "https://idp.test";
pub(crate) const AUDIENCE: &str = "api";

/// So many tokens of one key, no two alike: those from `first` on. About 590 bytes each by RS256.
pub(crate) fn tokens(key: &Key, first: usize, count: usize) -> Vec<String> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let (share, sign) = (count.div_ceil(threads).max(1), &key.signer());
    let expires = now(86_400);
    let token = |number: usize| {
        let mut header = json!({"alg": key.algorithm().name(), "typ": "JWT"});
        if let Some(kid) = key.kid() {
            header["kid"] = json!(kid);
        }
        let claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": format!("user-{number:08}"), "exp": expires, "iat": now(0),
            "jti": format!("{number:032x}"), "scope": "statements/read accounts/read"
        });
        let jws = Jws::new(header, claims);
        jws.with_signature(sign(jws.signing_input().as_bytes()))
    };
    let numbers: Vec<usize> = (first..first + count).collect();
    thread::scope(|scope| {
        let parts: Vec<_> =
            numbers.chunks(share).map(|part| scope.spawn(move || part.iter().map(|number| token(*number)).collect::<Vec<_>>())).collect();
        parts.into_iter().flat_map(|part| part.join().expect("tokens are signed")).collect()
    })
}
