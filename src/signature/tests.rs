//! Every vector of tests/vectors/signatures.json, and signatures of keys made here.

use proptest::prelude::*;
use serde_json::Value;

use super::signing::{SECRET, hex, jwk, sign};
use super::{Module, Verify, raw_to_der};
use crate::keys::{Alg, AlgSet, HmacKey, PublicKey};

#[test]
fn every_vector() {
    let vectors = crate::json::parse(include_bytes!("../../tests/vectors/signatures.json")).unwrap();
    let all = AlgSet::from(Alg::ALL);
    let (mut good, mut bad) = (0, 0);
    for vector in vectors.as_array().unwrap() {
        let name = format!("{} {}", vector["alg"], vector["name"]);
        let alg = Alg::from_name(vector["alg"].as_str().unwrap()).unwrap();
        let key = PublicKey::from_jwk(vector["jwk"].as_object().unwrap(), all);
        assert_eq!(key.is_err(), vector.get("refused").and_then(Value::as_bool).unwrap_or(false), "{name}: {key:?}");
        let Ok(key) = key else { continue };
        let verified = Module.verify(alg, &key, vector["text"].as_str().unwrap().as_bytes(), &hex(vector["signature"].as_str().unwrap()));
        assert_eq!(verified, vector["valid"].as_bool().unwrap(), "{name}");
        if let Some(spki) = vector.get("spki") {
            assert_eq!(key.spki(), hex(spki.as_str().unwrap()), "{name}: the key's DER as OpenSSL writes it");
        }
        if verified { good += 1 } else { bad += 1 }
    }
    assert!(good > 40 && bad > 240, "{good} good, {bad} bad");
}

#[test]
fn der_of_raw_signatures() {
    let key = |alg| PublicKey::from_jwk(jwk(alg).as_object().unwrap(), AlgSet::from([alg])).unwrap();
    for alg in [Alg::ES256, Alg::ES384, Alg::ES512] {
        let mut raw = sign(alg, b"text");
        let der = raw_to_der(&key(alg), &raw).unwrap();
        assert_eq!(der[0], 0x30);
        // r is small: its leading zeros go, and a set top bit gets one.
        let half = raw.len() / 2;
        raw[..half].fill(0);
        raw[half - 1] = 0x80;
        assert_eq!(raw_to_der(&key(alg), &raw).unwrap()[2..][..4], [2, 2, 0, 0x80]);
        raw[half - 1] = 0;
        assert_eq!(raw_to_der(&key(alg), &raw), None, "r = 0");
        assert_eq!(raw_to_der(&key(alg), &der), None);
    }
    assert_eq!(raw_to_der(&key(Alg::RS256), &[1; 64]), None);
    assert_eq!(raw_to_der(&key(Alg::EdDSA), &[1; 64]), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    /// What was signed verifies, and no change of one byte of text or signature does.
    #[test]
    fn any_change_is_refused(text in proptest::collection::vec(any::<u8>(), 1..200), place in any::<prop::sample::Index>(), change in 1u8..) {
        for alg in Alg::ALL {
            let good = sign(alg, &text);
            let public = PublicKey::from_jwk(jwk(alg).as_object().unwrap(), AlgSet::from([alg]));
            let verify = |text: &[u8], signature: &[u8]| match &public {
                Ok(key) => Module.verify(alg, key, text, signature),
                Err(_) => HmacKey::new(SECRET, AlgSet::from([alg])).verify(alg, text, signature),
            };
            prop_assert!(verify(&text, &good), "{alg}");
            let mut other = text.clone();
            *place.get_mut(&mut other) ^= change;
            prop_assert!(!verify(&other, &good), "{alg}: text");
            let mut bad = good.clone();
            *place.get_mut(&mut bad) ^= change;
            prop_assert!(!verify(&text, &bad), "{alg}: signature");
        }
    }
}
