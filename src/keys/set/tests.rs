use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// RFC 7517, appendix A.1: a P-256 key for encryption, and an RSA key for RS256.
const RFC_7517: &str = r#"{"keys":[
  {"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","use":"enc","kid":"1"},
  {"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}
]}"#;

fn all() -> AlgSet {
    Alg::ALL.into_iter().filter(|alg| !alg.is_hmac()).collect()
}

fn rsa_key() -> Value {
    crate::json::parse(RFC_7517.as_bytes()).unwrap()["keys"][1].clone()
}

fn ec_key() -> Value {
    let mut key = crate::json::parse(RFC_7517.as_bytes()).unwrap()["keys"][0].clone();
    key.as_object_mut().unwrap().remove("use");
    key
}

fn with(mut key: Value, changes: Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        key[name] = value.clone();
    }
    key
}

fn without(mut key: Value, name: &str) -> Value {
    key.as_object_mut().unwrap().remove(name);
    key
}

fn set(keys: &[Value]) -> KeySet {
    let (set, skipped) = KeySet::from_value(&json!({"keys": keys}), all()).unwrap();
    assert_eq!(skipped, []);
    set
}

fn why(key: Value) -> &'static str {
    match KeySet::from_value(&json!({"keys": [key]}), all()) {
        Err(KeySetError::Unusable(skipped)) => skipped[0].why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_set_of_rfc_7517() {
    let (set, skipped) = KeySet::parse(RFC_7517.as_bytes(), all()).unwrap();
    assert_eq!(skipped, [Skipped { index: 0, kid: Some("1".into()), why: "`use` is not sig" }]);
    assert_eq!(skipped[0].to_string(), "keys[0] (1): `use` is not sig");
    let found = set.find(Some("2011-04-29"), Alg::RS256, None).unwrap();
    // RFC 7638, section 3.1.
    assert_eq!(found[0].public().short_thumbprint(), "NzbLsXh8uDCcd-6M");
    assert_eq!(found[0].id(), "2011-04-29");
    assert_eq!(set.find(Some("2011-04-29"), Alg::PS256, None).unwrap_err(), NoKey::Unsuitable);
    assert_eq!(set.find(Some("1"), Alg::ES256, None).unwrap_err(), NoKey::Unsuitable, "it is there, for something else");
    assert_eq!(set.find(Some("2"), Alg::RS256, None).unwrap_err(), NoKey::Unknown);
}

/// RFC 8037, appendix A.3.
#[test]
fn the_thumbprint_of_rfc_8037() {
    let set = set(&[json!({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})]);
    assert_eq!(set.keys()[0].id(), "kPrK_qmxVWaYVA9w");
}

#[test]
fn documents_that_are_no_sets() {
    for document in [
        "",
        "[]",
        "null",
        "{}",
        r#"{"keys":null}"#,
        r#"{"keys":{}}"#,
        "{\"keys\":[]} x",
        r#"{"keys":[],"keys":[]}"#,
        "\u{feff}{\"keys\":[]}",
        "<html>",
    ] {
        let error = KeySet::parse(document.as_bytes(), all()).unwrap_err();
        assert!(matches!(error, KeySetError::Json(_) | KeySetError::NotASet), "{document}: {error:?}");
    }
    assert_eq!(KeySet::parse(br#"{"keys":[]}"#, all()).unwrap_err().to_string(), "no keys");
    let twice = RFC_7517.replace(r#""kty":"RSA""#, r#""kty":"RSA","kty":"RSA""#);
    assert!(matches!(KeySet::parse(twice.as_bytes(), all()), Err(KeySetError::Json(_))));
    let many = vec![json!({}); KeySet::MAX_KEYS + 1];
    assert_eq!(KeySet::from_value(&json!({"keys": many}), all()).unwrap_err(), KeySetError::TooMany(101));
}

#[test]
fn a_key_that_cannot_be_used_is_skipped_and_the_others_stay() {
    let odd = [
        json!(1),
        json!({}),
        json!({"kty": "oct", "k": "AAAA", "kid": "s"}),
        json!({"kty": "EC", "crv": "secp256k1"}),
        json!({"kty": "AKP", "alg": "ML-DSA-44"}),
    ];
    let keys: Vec<Value> = odd.iter().cloned().chain([rsa_key()]).collect();
    let (set, skipped) = KeySet::from_value(&json!({"keys": keys, "other": 1}), all()).unwrap();
    assert_eq!((set.keys().len(), skipped.len()), (1, odd.len()));
    assert_eq!(skipped[2].why, "`kty` is oct: secrets are never taken from a key set");
}

#[test]
fn what_a_key_says_of_itself_is_obeyed() {
    assert_eq!(why(with(rsa_key(), json!({"use": "enc"}))), "`use` is not sig");
    assert_eq!(why(with(rsa_key(), json!({"use": ["sig"]}))), "`use` is not a string");
    assert_eq!(why(with(rsa_key(), json!({"key_ops": ["sign"]}))), "`key_ops` does not hold verify");
    assert_eq!(why(with(rsa_key(), json!({"key_ops": "verify"}))), "`key_ops` is not an array");
    assert_eq!(why(with(rsa_key(), json!({"alg": "RSA-OAEP"}))), "`alg` is not one that is verified here");
    assert_eq!(why(with(rsa_key(), json!({"alg": "HS256"}))), "`alg` does not fit `kty` and `crv`");
    assert_eq!(why(with(rsa_key(), json!({"alg": "none"}))), "`alg` is not one that is verified here");
    assert_eq!(why(with(ec_key(), json!({"alg": "ES384"}))), "`alg` does not fit `kty` and `crv`");
    assert_eq!(why(with(rsa_key(), json!({"d": "AQAB"}))), "holds a private key");
    assert_eq!(why(with(rsa_key(), json!({"kid": 1}))), "`kid` is not a string");
    assert_eq!(why(with(rsa_key(), json!({"issuer": 1}))), "`issuer` is not a string");
    assert_eq!(why(with(rsa_key(), json!({"n": "AQAB"}))), "RSA modulus shorter than 2048 bits");
    assert_eq!(why(with(rsa_key(), json!({"e": "AQAB="}))), "`e` is not base64url");
    assert_eq!(why(with(rsa_key(), json!({"e": "AQ"}))), "RSA exponent less than 3");
    assert_eq!(why(with(rsa_key(), json!({"e": "BA"}))), "RSA exponent is even");
    assert_eq!(why(without(rsa_key(), "n")), "no `n`");
    assert_eq!(why(with(without(rsa_key(), "n"), json!({"false": "AA"}))), "no `n`; YAML reads an unquoted n as false: quote it");
    assert_eq!(why(with(without(ec_key(), "y"), json!({"true": "AA"}))), "no `y`; YAML reads an unquoted y as true: quote it");
    let only_es = AlgSet::from([Alg::ES256]);
    assert!(KeySet::from_value(&json!({"keys": [rsa_key()]}), only_es).is_err());
    let fine = with(rsa_key(), json!({"use": "sig", "key_ops": ["verify"], "x5c": ["junk"], "x5u": 1, "alg": null, "issuer": null}));
    assert_eq!(set(&[fine]).keys()[0].public().algorithms().len(), 6);
}

#[test]
fn a_token_without_kid_needs_the_only_fitting_key() {
    let two = set(&[rsa_key(), with(ec_key(), json!({"kid": "e"}))]);
    assert_eq!(two.find(None, Alg::RS256, None).unwrap().len(), 1);
    assert_eq!(two.find(None, Alg::ES256, None).unwrap()[0].id(), "e");
    assert_eq!(two.find(None, Alg::EdDSA, None).unwrap_err(), NoKey::Ambiguous);
    let same = set(&[rsa_key(), with(rsa_key(), json!({"kid": "other"}))]);
    assert_eq!(same.find(None, Alg::RS256, None).unwrap_err(), NoKey::Ambiguous);
    let by_issuer = set(&[with(rsa_key(), json!({"issuer": "a"})), with(rsa_key(), json!({"kid": "other", "issuer": "b"}))]);
    assert_eq!(by_issuer.find(None, Alg::RS256, Some("b")).unwrap()[0].id(), "other");
}

#[test]
fn a_key_with_an_issuer_verifies_only_that_issuer() {
    let set = set(&[with(rsa_key(), json!({"issuer": "https://a"}))]);
    let find = |issuer| set.find(Some("2011-04-29"), Alg::RS256, issuer).map(|keys| keys.len());
    assert_eq!(find(Some("https://a")), Ok(1));
    for issuer in [None, Some(""), Some("https://a/"), Some("https://b")] {
        assert_eq!(find(issuer), Err(NoKey::Unsuitable));
    }
}

#[test]
fn one_kid_may_stand_for_several_keys_but_not_for_many() {
    let ec = with(ec_key(), json!({"kid": "2011-04-29"}));
    let mixed = set(&[rsa_key(), ec]);
    assert_eq!(mixed.find(Some("2011-04-29"), Alg::ES256, None).unwrap().len(), 1);
    let several: Vec<Value> = (0..6).map(|i| with(rsa_key(), json!({"issuer": format!("i{i}")}))).collect();
    let (set, skipped) = KeySet::from_value(&json!({"keys": several}), all()).unwrap();
    assert_eq!((set.keys().len(), skipped.len()), (KeySet::MAX_SAME_KID, 2));
    let (set, skipped) = KeySet::from_value(&json!({"keys": [rsa_key(), rsa_key()]}), all()).unwrap();
    assert_eq!((set.keys().len(), skipped[0].why), (1, "stands in the set already"));
}

#[test]
fn each_kid_is_found_wherever_it_stands() {
    let kid = |n: usize| format!("k{}", n * 37 % KeySet::MAX_KEYS);
    let mut keys: Vec<Value> = (0..KeySet::MAX_KEYS - 2).map(|n| with(rsa_key(), json!({"kid": kid(n)}))).collect();
    keys.insert(50, with(ec_key(), json!({"kid": kid(7)})));
    keys.insert(20, without(ec_key(), "kid"));
    let set = KeySet::from_value(&json!({"keys": keys}), all()).unwrap().0;
    for n in 0..KeySet::MAX_KEYS {
        let found = set.find(Some(&kid(n)), Alg::RS256, None).map(|keys| keys.iter().map(|key| key.id()).collect::<Vec<_>>());
        assert_eq!(found, if n < KeySet::MAX_KEYS - 2 { Ok(vec![kid(n)]) } else { Err(NoKey::Unknown) }, "{n}");
    }
    let two_fit = set.find(None, Alg::ES256, None).map(|keys| keys.len());
    assert_eq!(two_fit, Err(NoKey::Ambiguous));
}

#[test]
fn the_digest_changes_with_all_that_decides() {
    let plain = *set(&[rsa_key()]).digest();
    assert_eq!(plain, *set(&[with(rsa_key(), json!({"x5t": "ignored"}))]).digest());
    for other in [
        with(rsa_key(), json!({"kid": "x"})),
        without(rsa_key(), "kid"),
        with(rsa_key(), json!({"issuer": "i"})),
        with(rsa_key(), json!({"alg": "RS384"})),
        ec_key(),
    ] {
        assert_ne!(plain, *set(&[other]).digest());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever an issuer publishes, reading it and verifying with it doesn't panic.
    #[test]
    fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..1100), length in 0usize..1100, e in proptest::collection::vec(any::<u8>(), 0..10), odd in any::<bool>()) {
        use crate::signature::{Module, Verify as _};
        let mut n: Vec<u8> = bytes.iter().copied().cycle().take(if bytes.is_empty() { 0 } else { length }).collect();
        if let (true, Some(last)) = (odd, n.last_mut()) {
            *last |= 1;
        }
        let b64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let half = |length: usize| b64(bytes.get(..length).unwrap_or(&bytes));
        let keys = json!({"keys": [
            {"kty": "RSA", "n": b64(&n), "e": b64(&e)},
            {"kty": "RSA", "n": b64(&n), "e": "AQAB"},
            {"kty": "EC", "crv": "P-256", "x": half(32), "y": half(32)},
            {"kty": "EC", "crv": "P-384", "x": half(48), "y": half(48)},
            {"kty": "EC", "crv": "P-521", "x": half(66), "y": half(66)},
            {"kty": "OKP", "crv": "Ed25519", "x": half(32)},
        ]});
        if let Ok((set, _)) = KeySet::from_value(&keys, all()) {
            for key in set.keys() {
                for alg in Alg::ALL {
                    for signature in [&bytes, &n] {
                        prop_assert!(!Module.verify(alg, key.public(), b"text", signature));
                    }
                }
            }
        }
    }

    #[test]
    fn broken_documents_do_not_panic(place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut document = RFC_7517.as_bytes().to_vec();
        *place.get_mut(&mut document) = byte;
        let _ = KeySet::parse(&document, all());
    }
}
