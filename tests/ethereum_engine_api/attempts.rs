//! Everything that may stand in `Authorization`, and what must become of it.

use crate::house::{KEY, by, token};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use portcullis_harness::{Algorithm, Jws, Key, Request, now};
use serde_json::{Value, json};

/// What one caller sends. Tokens are made when they are sent, since they are good for a minute.
pub(crate) struct Attempt {
    /// The number of the entry in the list of `tests/ethereum_engine_api.rs`, and what is special here.
    pub(crate) name: String,
    pub(crate) outcome: Outcome,
    /// geth (1.16.9) itself would say otherwise; and why that is right.
    pub(crate) unlike_geth: Option<&'static str>,
    authorization: Box<dyn Fn() -> Vec<Vec<u8>>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    Passes,
    /// With the status, and for this reason.
    Refused(u16, &'static str),
}

impl Attempt {
    /// What stands in `Authorization` now: as many values as there are headers.
    pub(crate) fn values(&self) -> Vec<Vec<u8>> {
        (self.authorization)()
    }

    fn unlike_geth(mut self, why: &'static str) -> Self {
        self.unlike_geth = Some(why);
        self
    }
}

/// The request with these values.
pub(crate) fn with(request: Request, values: &[Vec<u8>]) -> Request {
    values.iter().fold(request, |request, value| request.header("authorization", value))
}

/// By the value of the header.
fn header(name: impl Into<String>, outcome: Outcome, value: impl Fn() -> Vec<u8> + 'static) -> Attempt {
    Attempt { name: name.into(), outcome, unlike_geth: None, authorization: Box::new(move || vec![value()]) }
}

/// By the token behind `Bearer`.
fn bearer(name: impl Into<String>, outcome: Outcome, token: impl Fn() -> String + 'static) -> Attempt {
    header(name, outcome, move || format!("Bearer {}", token()).into_bytes())
}

/// `iat` is now, and these claims come to it; or replace it.
fn claims(further: &Value) -> Value {
    let mut claims = json!({"iat": now(0)});
    claims.as_object_mut().expect("an object").extend(further.as_object().expect("an object").clone());
    claims
}

fn fresh() -> String {
    token(json!({"iat": now(0)}))
}

fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Signed by the shared key with this HMAC, under any header and over any payload.
fn signed(algorithm: Algorithm, header: &str, payload: impl AsRef<[u8]>) -> String {
    Jws::of_text(header, payload).sign(&Key::secret(algorithm, KEY))
}

fn refused(reason: &'static str) -> Outcome {
    Outcome::Refused(401, reason)
}

/// All of them.
pub(crate) fn attempts() -> Vec<Attempt> {
    [hive(), times(), further_claims(), headers(), algorithms(), schemes(), forms(), bad_input()].into_iter().flatten().collect()
}

/// The seven cases of the suite `hive`. A minute's last second is not tried here: the clock runs on between two processes.
pub(crate) fn hive() -> Vec<Attempt> {
    use Outcome::Passes;
    let drift = |name: &str, outcome, drift| bearer(name, outcome, move || token(json!({"iat": now(drift)})));
    vec![
        drift("1: no time drift, correct secret", Passes, 0),
        bearer("2: incorrect secret, shorter", refused("signature_invalid"), || by(&KEY[..31], json!({"iat": now(0)}))),
        bearer("3: incorrect secret, longer", refused("signature_invalid"), || {
            by([b"\0", KEY.as_bytes()].concat(), json!({"iat": now(0)}))
        }),
        drift("4: negative time drift, exceeding the limit", refused("token_too_old"), -61),
        drift("5: negative time drift, within the limit", Passes, -59),
        drift("6: positive time drift, exceeding the limit", refused("token_from_future"), 62),
        drift("7: positive time drift, within the limit", Passes, 59),
    ]
}

/// Why a string is none.
const NUMBER: &str = "a date is a number (RFC 7519, section 2)";

fn times() -> Vec<Attempt> {
    use Outcome::Passes;
    let with = |name: &str, outcome, further: fn() -> Value| bearer(name, outcome, move || token(claims(&further())));
    vec![
        bearer("8: no iat", refused("claim_missing"), || token(json!({}))),
        bearer("8: no iat, but exp", refused("claim_missing"), || token(json!({"exp": now(30)}))),
        with("geth: iat 4 seconds ahead", Passes, || json!({"iat": now(4)})),
        with("geth: iat 4 seconds ago", Passes, || json!({"iat": now(-4)})),
        with("geth: iat two minutes ahead", refused("token_from_future"), || json!({"iat": now(120)})),
        with("16: iat with a fraction", Passes, || json!({"iat": now(0) as f64 + 0.25})),
        with("16: iat as a string", refused("claim_invalid"), || json!({"iat": now(0).to_string()})).unlike_geth(NUMBER),
        with("16: iat null", refused("claim_missing"), || json!({"iat": null})),
        with("16: iat true", refused("claim_invalid"), || json!({"iat": true})),
        with("16: iat as a list", refused("claim_invalid"), || json!({"iat": [now(0)]})),
        with("16: iat as an object", refused("claim_invalid"), || json!({"iat": {"seconds": now(0)}})),
        with("16: iat 0", refused("token_too_old"), || json!({"iat": 0})),
        with("16: iat -1", refused("token_too_old"), || json!({"iat": -1})),
        with("16: iat in milliseconds", refused("claim_invalid"), || json!({"iat": now(0) * 1000})),
        with("16: iat 1e30", refused("claim_invalid"), || json!({"iat": 1e30})),
        with("16: iat -1e30", refused("claim_invalid"), || json!({"iat": -1e30})),
        with("16: iat beyond 64 bits", refused("claim_invalid"), || json!({"iat": u64::MAX})),
        bearer("16: iat 1e999", refused("token_malformed"), || signed(Algorithm::HS256, ALG, r#"{"iat":1e999}"#)),
        bearer("16: iat twice", refused("token_malformed"), || {
            signed(Algorithm::HS256, ALG, format!(r#"{{"iat":{},"iat":{}}}"#, now(-1000), now(0)))
        })
        .unlike_geth("which of two holds is anybody's guess"),
        with("17: exp is now", refused("token_expired"), || json!({"exp": now(0)})),
        with("17: exp was a minute ago", refused("token_expired"), || json!({"exp": now(-60)})),
        with("17: exp in 2 seconds", Passes, || json!({"exp": now(2)})),
        with("17: exp in an hour", Passes, || json!({"exp": now(3600)})),
        with("17: exp in an hour, iat stale", refused("token_too_old"), || json!({"iat": now(-100), "exp": now(3600)})),
        with("17: exp as a string", refused("claim_invalid"), || json!({"exp": now(60).to_string()})).unlike_geth(NUMBER),
    ]
}

fn further_claims() -> Vec<Attempt> {
    let with = |number: u8, further: Value| bearer(format!("{number}: {further}"), Outcome::Passes, move || token(claims(&further)));
    vec![
        with(11, json!({"id": "1", "clv": "Lighthouse/v5"})),
        with(11, json!({"id": null, "clv": null})),
        with(11, json!({"exp": null})),
        with(11, json!({"id": "", "clv": "Ünïcode/1 \u{1f980}\r\n"})),
        with(12, json!({"bar": "baz"})),
        with(12, json!({"aud": "https://somebody.else"})),
        with(12, json!({"aud": ["a", "b"], "iss": "https://somebody.else", "sub": "somebody", "jti": "1"})),
        with(12, json!({"scope": 5, "scp": {}, "roles": [1], "cnf": {"x5t#S256": "x"}, "clver": 1, "deep": [[[{}]]]})),
        with(12, json!({"aud": null, "iss": null, "sub": null, "jti": null, "nbf": null})),
    ]
}

/// The header that clients write who write no `typ`.
const ALG: &str = r#"{"alg":"HS256"}"#;

fn headers() -> Vec<Attempt> {
    // In the three encodings that are in use, to the byte.
    let in_use = [
        (r#"{"alg":"HS256","typ":"JWT"}"#, "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"),
        (r#"{"typ":"JWT","alg":"HS256"}"#, "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9"),
        (ALG, "eyJhbGciOiJIUzI1NiJ9"),
    ];
    let others = [r#"{ "typ" : "jwt", "alg" : "HS256" }"#, r#"{"alg":"HS256","typ":"at+jwt","kid":"1","cty":"x"}"#];
    let pass = |header: &'static str| {
        let token = move || signed(Algorithm::HS256, header, json!({"iat": now(0)}).to_string());
        bearer(format!("13: {header}"), Outcome::Passes, token)
    };
    for (header, encoded) in in_use {
        assert_eq!(base64(header), encoded);
    }
    in_use.into_iter().map(|(header, _)| header).chain(others).map(pass).collect()
}

fn algorithms() -> Vec<Attempt> {
    let payload = || json!({"iat": now(0)}).to_string();
    let no_signature = |header: &'static str| {
        let token = move || Jws::of_text(header, payload()).with_signature(b"");
        bearer(format!("9: {header} without a signature"), refused("algorithm_refused"), token)
    };
    let by_hmac = |number: u8, header: &'static str, algorithm: Algorithm| {
        let token = move || signed(algorithm, header, payload());
        bearer(format!("{number}: {header} by {algorithm}"), refused("algorithm_refused"), token)
    };
    let by_pair = |algorithm: Algorithm| {
        let header = json!({"alg": algorithm.name()});
        let token = move || Jws::of_text(header.to_string(), payload()).sign(&Key::fixed(algorithm, 1));
        bearer(format!("10: {algorithm}"), refused("algorithm_refused"), token)
    };
    vec![
        no_signature(r#"{"alg":"none"}"#),
        no_signature(r#"{"alg":"None"}"#),
        no_signature(r#"{"alg":"NONE","typ":"JWT"}"#),
        no_signature(r#"{"alg":""}"#),
        by_hmac(9, r#"{"alg":"none"}"#, Algorithm::HS256),
        by_hmac(9, r#"{"alg":"None"}"#, Algorithm::HS256),
        by_hmac(10, r#"{"alg":"HS384"}"#, Algorithm::HS384),
        by_hmac(10, r#"{"alg":"HS512"}"#, Algorithm::HS512),
        by_hmac(10, r#"{"alg":"HS384"}"#, Algorithm::HS256),
        by_hmac(10, r#"{"alg":"RS256"}"#, Algorithm::HS256),
        by_hmac(10, r#"{"alg":"hs256"}"#, Algorithm::HS256),
        by_hmac(10, r#"{"alg":"HS256 "}"#, Algorithm::HS256),
        by_hmac(10, r#"{"alg":"SHA256"}"#, Algorithm::HS256),
        by_pair(Algorithm::RS256),
        by_pair(Algorithm::PS256),
        by_pair(Algorithm::ES256),
        by_pair(Algorithm::EdDSA),
        bearer("10: HS256 without a signature", refused("signature_invalid"), move || Jws::of_text(ALG, payload()).with_signature(b"")),
        bearer("10: no alg", refused("token_malformed"), move || signed(Algorithm::HS256, r#"{"typ":"JWT"}"#, payload())),
        bearer("10: alg null", refused("token_malformed"), move || signed(Algorithm::HS256, r#"{"alg":null}"#, payload())),
        bearer("10: alg twice", refused("token_malformed"), move || signed(Algorithm::HS256, r#"{"alg":"none","alg":"HS256"}"#, payload()))
            .unlike_geth("which of two holds is anybody's guess"),
        bearer("10: crit", refused("token_malformed"), move || signed(Algorithm::HS256, r#"{"alg":"HS256","crit":["exp"]}"#, payload()))
            .unlike_geth("what is critical and not understood refuses the token (RFC 7515, section 4.1.11)"),
    ]
}

fn schemes() -> Vec<Attempt> {
    let any_case = "schemes have no case (RFC 9110, section 11.1)";
    let form = |name: &str, outcome, before: &'static str, after: &'static str| {
        header(name, outcome, move || format!("{before}{}{after}", fresh()).into_bytes())
    };
    vec![
        form("14: lower-case bearer", Outcome::Passes, "bearer ", "").unlike_geth(any_case),
        form("14: upper-case BEARER", Outcome::Passes, "BEARER ", "").unlike_geth(any_case),
        form("15: the token alone", refused("credential_missing"), "", ""),
        form("15: two spaces", refused("credential_malformed"), "Bearer  ", ""),
        form("15: a tab", refused("credential_malformed"), "Bearer\t", ""),
        form("15: a space and a tab", refused("credential_malformed"), "Bearer \t", ""),
        form("15: a colon and a space", refused("credential_malformed"), "Bearer: ", ""),
        form("15: a colon", refused("credential_malformed"), "Bearer:", ""),
        form("15: no space", refused("credential_missing"), "Bearer", ""),
        form("15: two tokens", Outcome::Refused(400, "credential_ambiguous"), "Bearer x, Bearer ", ""),
        form("15: something behind the token", refused("credential_malformed"), "Bearer ", " x"),
        form("15: Token", refused("credential_missing"), "Token ", ""),
        header("15: empty", refused("credential_malformed"), Vec::new),
        header("15: Bearer alone", refused("credential_malformed"), || b"Bearer".to_vec()),
        header("15: Basic", refused("credential_missing"), || format!("Basic {}", STANDARD.encode("jwt:secret")).into_bytes()),
        Attempt {
            name: "15: no credential".into(),
            outcome: refused("credential_missing"),
            unlike_geth: None,
            authorization: Box::new(Vec::new),
        },
    ]
}

fn forms() -> Vec<Attempt> {
    let malformed = |name: &str, token: fn() -> String| bearer(format!("18: {name}"), refused("token_malformed"), token);
    let payload = |name: &str, payload: &'static [u8]| {
        bearer(format!("18: the payload is {name}"), refused("token_malformed"), move || signed(Algorithm::HS256, ALG, payload))
    };
    vec![
        malformed("1 segment", || fresh().replace('.', "")),
        malformed("2 segments", || fresh().rsplit_once('.').map(|(two, _)| two.to_owned()).unwrap_or_default()),
        malformed("4 segments", || format!("{}.x", fresh())),
        malformed("5 segments, like a JWE", || format!("{}.x.x", fresh())),
        malformed("dots", || "..".into()),
        malformed("base64 of another alphabet", || fresh().replacen('.', ".+/", 1)),
        malformed("padded", || format!("{}=", fresh())),
        malformed("stray bits in the signature", || stray(&fresh())).unlike_geth("a token has one spelling"),
        payload("a list", b"[1]"),
        payload("a string", br#""iat""#),
        payload("null", b"null"),
        payload("empty", b""),
        payload("cut off", br#"{"iat":1"#),
        payload("no JSON", b"\x00\x01\x02"),
        payload("no UTF-8", b"{\"iat\":1,\"x\":\"\xff\"}"),
        payload("too deep", DEEP),
    ]
}

/// Deeper than anybody parses.
const DEEP: &[u8] = &[b'['; 4096];

/// With the two bits set that the last character of a 32-byte MAC has to spare.
fn stray(token: &str) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (rest, last) = token.split_at(token.len() - 1);
    let place = ALPHABET.iter().position(|byte| *byte == last.as_bytes()[0]).expect("base64url");
    format!("{rest}{}", char::from(ALPHABET[place | 3]))
}

/// What no client sends, but somebody will.
fn bad_input() -> Vec<Attempt> {
    vec![
        bearer("bad input: somebody else's token", refused("signature_invalid"), || by("k".repeat(32), json!({"iat": now(0)}))),
        bearer("bad input: by an empty key", refused("signature_invalid"), || by("", json!({"iat": now(0)}))),
        bearer("bad input: by the key in hex, as text", refused("signature_invalid"), || {
            by(crate::house::hex(KEY), json!({"iat": now(0)}))
        }),
        bearer("bad input: an hour old", refused("token_too_old"), || token(json!({"iat": now(-3600)}))),
        bearer("bad input: forged claims", refused("signature_invalid"), || {
            let stale = token(json!({"iat": now(-3600)}));
            let mac = stale.rsplit('.').next().unwrap_or_default().to_owned();
            Jws::of_text(r#"{"alg":"HS256","typ":"JWT"}"#, json!({"iat": now(0)}).to_string()).with_signature_text(&mac)
        }),
        bearer("bad input: garbage", refused("token_malformed"), || "%%%/\\\"<>{}[]?".into()),
        bearer("bad input: 17 KiB of a token", refused("credential_too_large"), || {
            token(json!({"iat": now(0), "x": "x".repeat(17 << 10)}))
        })
        .unlike_geth("no consensus client's token has more than a few hundred bytes"),
        bearer("bad input: 40 KiB of garbage", refused("credential_too_large"), || "x".repeat(40 << 10)),
        header("bad input: bytes that are no UTF-8, as a token", refused("token_malformed"), || b"Bearer \xff\xfe.\x80.\xc3\x28".to_vec()),
        header("bad input: bytes that are no UTF-8, as a scheme", refused("credential_missing"), || b"\xff\xfe \x80".to_vec()),
        Attempt {
            name: "bad input: two different headers".into(),
            outcome: Outcome::Refused(400, "credential_ambiguous"),
            unlike_geth: Some("it would look at the first alone"),
            authorization: Box::new(|| vec![format!("Bearer {}", fresh()).into_bytes(), b"Bearer x".to_vec()]),
        },
        Attempt {
            name: "bad input: the same header twice".into(),
            outcome: Outcome::Refused(400, "credential_ambiguous"),
            unlike_geth: Some("it would look at the first alone"),
            authorization: Box::new(|| {
                let value = format!("Bearer {}", fresh()).into_bytes();
                vec![value.clone(), value]
            }),
        },
    ]
}
