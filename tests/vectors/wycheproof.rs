//! Project Wycheproof's vectors, which try what went wrong in others' cryptography.
//!
//! Not among them here: what JWS has no name for (other curves, SHA-1, SHA-224, SHA-3, SHAKE), signatures in DER, and the PSS sets whose names end in
//! `params`, which have the same signatures below keys that name their parameters, as no JWK does.

mod ecdsa;
mod eddsa;
mod hmac;
mod rsa;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::judges::{Count, in_envoy, natively};
use crate::vector::{Vector, unhex};

/// A set's groups, each with its tests, as the JSON that they come in: (group, test).
fn tests(json: &str) -> Vec<(Value, Value)> {
    let set: Value = serde_json::from_str(json).unwrap();
    let groups = set["testGroups"].as_array().unwrap();
    let tests: Vec<(Value, Value)> = groups
        .iter()
        .flat_map(|group| {
            let mut about = group.clone();
            about.as_object_mut().unwrap().remove("tests");
            group["tests"].as_array().unwrap().iter().map(move |test| (about.clone(), test.clone()))
        })
        .collect();
    assert_eq!(set["numberOfTests"], tests.len());
    tests
}

fn bytes(value: &Value) -> Vec<u8> {
    unhex(value.as_str().unwrap())
}

/// `None`: implementations may take it or not.
fn is_valid(test: &Value) -> Option<bool> {
    match test["result"].as_str().unwrap() {
        "valid" => Some(true),
        "invalid" => Some(false),
        "acceptable" => None,
        other => panic!("{other}"),
    }
}

fn name(set: &str, test: &Value) -> String {
    format!("{set} {} {}", test["tcId"], test["comment"].as_str().unwrap_or_default())
}

fn all() -> Vec<Vector> {
    [rsa::pkcs1(), rsa::pss(), ecdsa::p1363(), eddsa::ed25519(), hmac::sha2()].concat()
}

/// How many vectors differ, and for what reason.
fn differences() -> BTreeMap<&'static str, usize> {
    BTreeMap::from([(rsa::NO_NULL, 12), (rsa::OTHER_PARAMETERS, 567), (rsa::THEIR_PARAMETERS, 1), (hmac::TRUNCATED, 99)])
}

#[test]
fn the_modules_rust_says_what_they_say() {
    natively(&all());
}

#[test]
fn envoy_says_what_they_say() {
    let vectors = all();
    let count = in_envoy(&vectors);
    assert_eq!(count, Count { all: 6265, by_envoy: 3966, differ: differences() });
}
