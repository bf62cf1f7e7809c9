//! The tokens and keys that RFCs print.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::keys::{Alg, AlgSet, PublicKey};
use serde_json::{Value, json};

use crate::judges::{in_envoy, natively};
use crate::policy::Core;
use crate::vector::{Vector, With};

/// Each with its name, algorithm, key and compact form. Python's `cryptography` verifies all of them, too.
const TOKENS: &str = include_str!("rfcs.json");

/// The tokens of RFC 7515, appendix A, end then.
const END: u64 = 1_300_819_380;

fn tokens() -> Vec<Value> {
    serde_json::from_str(TOKENS).unwrap()
}

fn named(name: &str) -> Value {
    tokens().into_iter().find(|token| token["name"] == name).unwrap()
}

fn vectors() -> Vec<Vector> {
    let vectors = tokens().into_iter().flat_map(|token| {
        let (text, signature) = token["jws"].as_str().unwrap().rsplit_once('.').unwrap();
        let (text, signature) = (text.as_bytes().to_vec(), URL_SAFE_NO_PAD.decode(signature).unwrap());
        let with = match token["jwk"]["k"].as_str() {
            Some(secret) => With::Secret(URL_SAFE_NO_PAD.decode(secret).unwrap()),
            None => With::Jwk(token["jwk"].clone()),
        };
        let name = token["name"].as_str().unwrap().to_owned();
        let alg = Alg::from_name(token["alg"].as_str().unwrap()).unwrap();
        let good = Vector { name, alg, with, text, signature, holds: true, differs: None };
        let another_text =
            Vector { name: format!("{}, another text", good.name), text: good.text[1..].to_vec(), holds: false, ..good.clone() };
        let cut =
            Vector { name: format!("{}, a byte less", good.name), signature: good.signature[1..].to_vec(), holds: false, ..good.clone() };
        [good, another_text, cut]
    });
    vectors.collect()
}

#[test]
fn the_modules_rust_verifies_them() {
    natively(&vectors());
}

#[test]
fn envoy_verifies_them() {
    let count = in_envoy(&vectors());
    // Two by RS256 of RFC 7520 and one of RFC 7515, one by ES256, two by ES512.
    assert_eq!((count.all, count.by_envoy), (33, 18));
}

/// A provider of the tokens of RFC 7515, appendix A, that takes whatever it can verify with this key.
fn joe(name: &str) -> Core {
    let token = named(name);
    let keys = match token["jwk"]["k"].as_str() {
        Some(secret) => json!({"secret": {"hex": crate::vector::hex(&URL_SAFE_NO_PAD.decode(secret).unwrap())}}),
        None => json!({"jwks": {"keys": [token["jwk"]]}}),
    };
    let jwt = json!({"keys": keys, "issuers": "any", "audiences": "any", "algorithms": [token["alg"]], "required_claims": [], "clock_skew": "0s"});
    Core::new(&json!({"providers": {"joe": {"jwt": jwt}}}))
}

/// RFC 7515, appendix A.1 to A.3, as whole tokens: each is good until its end, and for its own algorithm and key alone.
#[test]
fn joes_tokens_pass_until_they_end() {
    let names = ["RFC 7515, A.1", "RFC 7515, A.2", "RFC 7515, A.3"];
    for name in names {
        let core = joe(name);
        for other in names {
            let token = named(other);
            let reason = core.bearer(token["jws"].as_str().unwrap(), END - 1);
            assert_eq!(reason, if other == name { None } else { Some("algorithm_refused") }, "{other} with the key of {name}");
        }
        assert_eq!(core.bearer(named(name)["jws"].as_str().unwrap(), END), Some("token_expired"), "{name}");
    }
}

/// RFC 7515, appendix A.5 (and RFC 7519, section 6.1): joe's claims without a signature.
#[test]
fn an_unsecured_token_is_none() {
    let token = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.";
    for name in ["RFC 7515, A.1", "RFC 7515, A.2", "RFC 7515, A.3"] {
        assert_eq!(joe(name).bearer(token, END - 1), Some("algorithm_refused"), "{name}");
    }
}

/// What is signed well is no token for that: RFC 7515, appendix A.4, RFC 7520 and RFC 8037 sign sentences, not claims.
#[test]
fn a_signed_sentence_is_no_token() {
    for name in [
        "RFC 7515, A.4",
        "RFC 7520, 4.1",
        "RFC 7520, 4.2",
        "RFC 7520, 4.3",
        "RFC 7520, 4.4",
        "RFC 7520, 4.6",
        "RFC 7520, 4.8",
        "RFC 8037, A.4",
    ] {
        assert_eq!(joe(name).bearer(named(name)["jws"].as_str().unwrap(), END - 1), Some("token_malformed"), "{name}");
    }
    // RFC 7520, section 4.5: the same with its content elsewhere.
    let whole = named("RFC 7520, 4.4")["jws"].as_str().unwrap().to_owned();
    let parts: Vec<&str> = whole.split('.').collect();
    assert_eq!(joe("RFC 7520, 4.4").bearer(format!("{}..{}", parts[0], parts[2]), END - 1), Some("token_malformed"));
}

/// RFC 7638, section 3.1, and RFC 8037, appendix A.3.
#[test]
fn thumbprints() {
    let rsa = json!({"kty": "RSA", "e": "AQAB", "alg": "RS256", "kid": "2011-04-29", "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"});
    let ed25519 = named("RFC 8037, A.4")["jwk"].clone();
    for (jwk, thumbprint) in
        [(rsa, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"), (ed25519, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")]
    {
        let key = PublicKey::from_jwk(jwk.as_object().unwrap(), AlgSet::from(Alg::ALL)).unwrap();
        assert_eq!(URL_SAFE_NO_PAD.encode(key.thumbprint()), thumbprint);
    }
}
