//! Loading, from the outside.

mod bytes;
mod description;
mod example;
mod faults;
mod fields;
mod mode;
mod remote;
mod rules;

use serde_json::{Value, json};

use super::{Fault, Warning, load};
use crate::policy::Policy;

fn env(name: &str) -> Option<String> {
    Some(match name {
        "DIGEST" => "e7cf3ef4f17c3999a94f2c6f612e8a888e5b1026878e4e19398b23bd38ec221a\n".to_owned(),
        "HEX" => format!(" 0X{} \n", "7365".repeat(16)),
        "TEXT" => "k".repeat(32),
        "LINE" => format!("{}\n", "k".repeat(32)),
        "SHORT" => "hunter2".to_owned(),
        "EMPTY" => String::new(),
        "BINARY" => "00ff".to_owned(),
        _ => return None,
    })
}

fn try_load(config: &Value) -> Result<(Policy, Vec<Warning>), Vec<Fault>> {
    load(config.to_string().as_bytes(), &env)
}

fn loaded(config: &Value) -> Policy {
    match try_load(config) {
        Ok((policy, _)) => policy,
        Err(faults) => panic!("{}", lines(&faults).join("\n")),
    }
}

fn lines(faults: &[Fault]) -> Vec<String> {
    faults.iter().map(Fault::to_string).collect()
}

fn faults(config: &Value) -> Vec<String> {
    lines(&try_load(config).map(|_| ()).unwrap_err())
}

/// The faults are these, each line beginning so.
fn assert_faults(config: &Value, expected: &[&str]) {
    let Err(found) = try_load(config) else { panic!("no fault, but expected {expected:#?}\nin {config}") };
    let found = lines(&found);
    let same = found.len() == expected.len() && found.iter().zip(expected).all(|(line, beginning)| line.starts_with(beginning));
    assert!(same, "found {found:#?}\nexpected {expected:#?}\nin {config}");
}

/// The base with the value at the JSON pointer set; the objects on the way are made.
fn with(mut base: Value, pointer: &str, value: Value) -> Value {
    let mut place = &mut base;
    for name in pointer.split('/').skip(1) {
        place = match place {
            Value::Array(list) => &mut list[name.parse::<usize>().unwrap()],
            object => {
                if !object.is_object() {
                    *object = json!({});
                }
                object.as_object_mut().unwrap().entry(name).or_insert(Value::Null)
            }
        };
    }
    *place = value;
    base
}

const DIGEST: &str = "S7PhOYRVu0t6nC6a9jthgm3ZV3D664BAJZK4jM3+DT4=";
const OTHER_DIGEST: &str = "e7cf3ef4f17c3999a94f2c6f612e8a888e5b1026878e4e19398b23bd38ec221a";

/// One provider of each kind, none with roles but `tokens`, and one rule.
fn base() -> Value {
    json!({
        "providers": {
            "members": {"client_certificate": {"identity": {"attributes": {"member": {"dn": "O"}}}}},
            "secrets": {"static_secret": {"sha256": DIGEST}},
            "tokens": {
                "jwt": {
                    "keys": {"jwks_uri": "https://idp.example/keys", "cluster": "idp"},
                    "issuers": ["https://idp.example"],
                    "audiences": ["api"],
                    "identity": {"roles": {"claim": "groups"}},
                },
            },
        },
        "rules": [{"require": "tokens"}],
    })
}
