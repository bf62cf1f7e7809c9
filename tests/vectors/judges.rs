//! The two that verify: Rust in the module, here and inside Envoy, and Envoy's own BoringSSL.

use std::collections::BTreeMap;

use portcullis::keys::{Alg, AlgSet, HmacKey, PublicKey};
use portcullis::signature::{Module, Verify};
use portcullis_harness::{Configuration, Stage, built_wasm};
use serde_json::{Value, json};

use crate::vector::{Vector, With, hex};

/// So many vectors at once: a request waits for some seconds only.
const BATCH: usize = 500;

/// How many vectors were judged, and how many of them by Envoy.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) all: usize,
    pub(crate) by_envoy: usize,
    /// Those that are judged otherwise than they say, by reason.
    pub(crate) differ: BTreeMap<&'static str, usize>,
}

/// Has every vector judged by Rust, natively.
pub(crate) fn natively(vectors: &[Vector]) {
    let wrong: Vec<&str> = vectors.iter().filter(|vector| verifies(vector) != vector.holds).map(|vector| &*vector.name).collect();
    assert!(wrong.is_empty(), "{} of {} are judged otherwise: {wrong:#?}", wrong.len(), vectors.len());
}

fn verifies(vector: &Vector) -> bool {
    let algorithms = AlgSet::from([vector.alg]);
    match &vector.with {
        With::Secret(secret) => HmacKey::new(secret, algorithms).verify(vector.alg, &vector.text, &vector.signature),
        With::Jwk(jwk) => {
            let key = PublicKey::from_jwk(jwk.as_object().unwrap(), algorithms);
            let key = key.unwrap_or_else(|why| panic!("{}: the key is refused: {why}", vector.name));
            Module.verify(vector.alg, &key, &vector.text, &vector.signature)
        }
    }
}

/// Has every vector judged inside Envoy: by the module's Rust, and by BoringSSL where it has the algorithm.
pub(crate) fn in_envoy(vectors: &[Vector]) -> Count {
    let configuration = Value::Array(vectors.iter().map(as_sent).collect()).to_string();
    let stage = Stage::new().config(Configuration::Text(configuration)).wasm(built_wasm("portcullis_probe")).without_guard().start();
    let (mut wrong, mut by_envoy) = (Vec::new(), 0);
    for (batch, start) in vectors.chunks(BATCH).zip((0..).step_by(BATCH)) {
        let report = stage.get(&format!("/{start}-{}", start + batch.len())).json();
        let answers = report["vectors"].as_array().unwrap_or_else(|| panic!("the probe answers with a list, not {report}"));
        assert_eq!(answers.len(), batch.len(), "an answer for each");
        for (vector, answer) in batch.iter().zip(answers) {
            assert_eq!(answer["name"], vector.name);
            let has_host = !answer["host"].is_null();
            assert_eq!(has_host, is_offered(vector.alg), "{}", vector.name);
            by_envoy += usize::from(has_host);
            if answer["module"] != vector.holds || has_host && answer["host"] != vector.holds {
                wrong.push(answer.to_string());
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {} are judged otherwise: {wrong:#?}", wrong.len(), vectors.len());
    let mut differ = BTreeMap::new();
    for why in vectors.iter().filter_map(|vector| vector.differs) {
        *differ.entry(why).or_default() += 1;
    }
    Count { all: vectors.len(), by_envoy, differ }
}

/// What BoringSSL is asked for: it has no word for MACs, PSS and Ed25519.
fn is_offered(alg: Alg) -> bool {
    matches!(alg, Alg::RS256 | Alg::RS384 | Alg::RS512 | Alg::ES256 | Alg::ES384 | Alg::ES512)
}

fn as_sent(vector: &Vector) -> Value {
    let mut sent = json!({
        "name": vector.name,
        "alg": vector.alg.name(),
        "hex": hex(&vector.text),
        "signature": hex(&vector.signature),
        "valid": vector.holds,
    });
    match &vector.with {
        With::Jwk(jwk) => sent["jwk"] = jwk.clone(),
        With::Secret(secret) => sent["secret"] = json!(hex(secret)),
    }
    sent
}
