//! Every vector of tests/vectors, and signatures of keys made here.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Module, Verify};
use crate::keys::{Alg, PublicKey};

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

#[test]
fn every_vector() {
    let vectors = crate::json::parse(include_bytes!("../../tests/vectors/signatures.json")).unwrap();
    let all = BTreeSet::from(Alg::ALL);
    let (mut good, mut bad) = (0, 0);
    for vector in vectors.as_array().unwrap() {
        let name = format!("{} {}", vector["alg"], vector["name"]);
        let alg = Alg::from_name(vector["alg"].as_str().unwrap()).unwrap();
        let key = PublicKey::from_jwk(vector["jwk"].as_object().unwrap(), &all);
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
