//! Signatures, verified by Envoy and by the module side by side, inside Envoy: both give the verdict that the vectors say.
//!
//! A small module of its own (tests/probe) runs the seam on every vector: a host made by tests could only compare Rust with Rust.

use portcullis_harness::{Configuration, Stage, built_wasm};
use serde_json::Value;

const VECTORS: &str = include_str!("vectors/signatures.json");

#[test]
fn host_and_module_agree_on_every_vector() {
    let configuration = Configuration::Text(VECTORS.to_owned());
    let stage = Stage::new().config(configuration).wasm(built_wasm("portcullis_probe")).without_guard().start();
    let report = stage.get("/").json();
    assert_eq!(
        report["offers"],
        serde_json::json!(["RS256", "RS384", "RS512", "ES256", "ES384", "ES512"]),
        "what Envoy 1.40 is trusted with"
    );

    let vectors = report["vectors"].as_array().expect("the probe answers with a list");
    let sent = serde_json::from_str::<Vec<Value>>(VECTORS).expect("the vectors are JSON");
    assert_eq!(vectors.len(), sent.len());
    let wrong: Vec<&Value> = vectors.iter().filter(|vector| !is_right(vector)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");

    let (asked, refused) = (count(vectors, "host"), count(vectors, "refused"));
    println!("{} vectors: the host was asked for {asked}, {refused} keys were refused when they were read", vectors.len());
    assert!(asked > 150 && refused > 40, "{asked} asked, {refused} refused: the vectors no longer try what they are for");
}

/// A key that is refused when it is read verifies nothing; every other gets the vector's verdict, from the host too where it has one.
fn is_right(vector: &Value) -> bool {
    if !vector["refused"].is_null() {
        return vector["valid"] == false;
    }
    vector["module"] == vector["valid"] && (vector["host"].is_null() || vector["host"] == vector["valid"])
}

fn count(vectors: &[Value], member: &str) -> usize {
    vectors.iter().filter(|vector| !vector[member].is_null()).count()
}
