//! Tokens, read and judged: as they come, and signed well over whatever header and payload the fuzzer writes.

#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use portcullis::authenticator::Jwt;
use portcullis::authenticator::jwt::Verdict;
use portcullis::policy::{Kind, Policy};
use portcullis::signature::{Bounded, Budget, Module};
use portcullis::time::UnixTime;
use portcullis_fuzz::material::{NOW, Signer, ed25519_jwk, hex};
use serde_json::{Value, json};

thread_local! {
    static POLICY: Policy = policy();
}

/// A provider of each kind, and one of tokens in cyphernode's forms, whose key signs nothing here.
fn policy() -> Policy {
    let jwt = |keys: Value, header: &str| json!({"jwt": {"keys": keys, "issuers": ["https://idp.example"], "audiences": ["api"]}, "from": [{"header": header}]});
    let secret = json!({"secret": {"hex": hex(portcullis_fuzz::material::HMAC_KEY)}});
    let callers = json!({"callers": {"by": {"claim": "id"}, "list": [{"id": "001", "secrets": [{"hex": "ab".repeat(32)}]}]}});
    let configuration = json!({
        "providers": {
            "a_hmac": jwt(secret, "x-a"),
            "b_ed25519": jwt(json!({"jwks": {"keys": [ed25519_jwk()]}}), "x-b"),
            "c_cyphernode": {"jwt": {"keys": callers, "issuers": "any", "audiences": "any",
                "formats": ["jws", "cyphernode-2018", "cyphernode-2019", "cyphernode-2021"]}, "from": [{"header": "x-c"}]}
        },
        "rules": [{"require": {"any": ["a_hmac", "b_ed25519", "c_cyphernode"]}}]
    });
    match portcullis::config::load(configuration.to_string().as_bytes(), &|_| None) {
        Ok((policy, _)) => policy,
        Err(faults) => panic!("{faults:?}"),
    }
}

fuzz_target!(|data: &[u8]| {
    let [mode, text @ ..] = data else { return };
    POLICY.with(|policy| match mode % 5 {
        0 => as_it_comes(policy, 0, Signer::Hmac, text),
        1 => as_it_comes(policy, 1, Signer::Ed25519, text),
        2 => signed(policy, 0, Signer::Hmac, text),
        3 => signed(policy, 1, Signer::Ed25519, text),
        _ => assert!(judged(jwt(policy, 2), text).is_none(), "nobody signed it"),
    });
});

fn jwt(policy: &Policy, place: usize) -> &Jwt {
    match &policy.providers[place].kind {
        Kind::Jwt { jwt, .. } => jwt,
        other => panic!("{other:?}"),
    }
}

/// The subject, if it is good.
fn judged(jwt: &Jwt, text: &[u8]) -> Option<Option<String>> {
    let token = jwt.read(text).ok()?;
    let budget = RefCell::new(Budget::new(1));
    let now = UnixTime::from_seconds(NOW);
    match jwt.authenticate(&"users".into(), token, None, now, &Bounded { verify: &Module, budget: &budget, now }) {
        Ok(Verdict::Good(verified)) => Some(verified.identity.subject.clone()),
        Ok(other) => panic!("keys from the network, where there are none: {other:?}"),
        Err(_) => None,
    }
}

/// Good ones are signed, as another implementation sees it.
fn as_it_comes(policy: &Policy, place: usize, signer: Signer, text: &[u8]) {
    if judged(jwt(policy, place), text).is_some() {
        let text = std::str::from_utf8(text).expect("a good token is ASCII");
        let (signed, signature) = text.rsplit_once('.').expect("a good token has parts");
        assert_eq!(portcullis_fuzz::material::base64url(signer.sign(signed.as_bytes())), signature, "{text}");
    }
}

/// Signed well, the claims decide; changed anywhere, it is no good at all.
fn signed(policy: &Policy, place: usize, signer: Signer, text: &[u8]) {
    let [at, change, text @ ..] = text else { return };
    let end = text.iter().position(|b| *b == b'\n').unwrap_or(text.len());
    let (header, payload) = (&text[..end], text.get(end + 1..).unwrap_or_default());
    let token = signer.token(header, payload);
    let Some(subject) = judged(jwt(policy, place), token.as_bytes()) else { return };
    explain(signer, header, payload, subject);
    let mut changed = token.into_bytes();
    let at = usize::from(*at) * changed.len() / 256;
    changed[at] ^= change.max(&1);
    assert!(judged(jwt(policy, place), &changed).is_none(), "changed at {at}: {}", changed.escape_ascii());
}

/// What RFC 7519 and the documentation want of a good token, read by another parser.
fn explain(signer: Signer, header: &[u8], payload: &[u8], subject: Option<String>) {
    let header: Value = serde_json::from_slice(header).expect("a good token's header is JSON");
    let payload: Value = serde_json::from_slice(payload).expect("a good token's payload is JSON");
    let alg = if signer == Signer::Hmac { "HS256" } else { "EdDSA" };
    assert!(header["alg"] == alg && header.get("crit").is_none() && header.get("b64").is_none(), "{header}");
    let typ = header["typ"].as_str().unwrap_or_default().to_ascii_lowercase();
    assert!(!["logout+jwt", "dpop+jwt", "secevent+jwt"].contains(&typ.trim_start_matches("application/")), "{header}");
    assert!(payload["iss"] == "https://idp.example", "{payload}");
    assert!(payload["aud"] == "api" || payload["aud"].as_array().is_some_and(|list| list.contains(&json!("api"))), "{payload}");
    let (now, skew) = (NOW as f64, 60.0);
    assert!(payload["exp"].as_f64().is_some_and(|exp| now < exp + skew), "{payload}");
    for future in ["nbf", "iat"] {
        assert!(payload[future].is_null() || payload[future].as_f64().is_some_and(|time| time.floor() <= now + skew), "{payload}");
    }
    assert!(payload["cnf"].is_null(), "{payload}");
    assert_eq!(payload["sub"].as_str(), subject.as_deref());
}
