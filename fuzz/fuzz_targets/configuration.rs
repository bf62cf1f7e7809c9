//! Configurations, as JSON and as `google.protobuf.Struct`: the same in both forms is the same policy, or has the same faults.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::config::{Fault, Warning, load};
use portcullis::policy::Policy;
use prost::Message as _;
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value as Protobuf};
use serde_json::{Map, Number, Value};

type Loaded = Result<(Policy, Vec<Warning>), Vec<Fault>>;

fuzz_target!(|data: &[u8]| {
    let loaded = load(data, &env);
    // Nothing at all is a Struct without fields, as `{}` is, and has a fault of its own.
    if data.iter().all(u8::is_ascii_whitespace) {
        return assert!(loaded.is_err());
    }
    if let Ok(object) = portcullis::json::parse_object(data) {
        if let Some(object) = to_struct(&object).filter(|object| !object.fields.is_empty()) {
            assert_same(&loaded, &load(&object.encode_to_vec(), &env));
        }
    } else if let Some(object) = Struct::decode(data).ok().filter(|object| object.encoded_len() == data.len())
        && let Some(json) = to_json(&object)
    {
        let text = Value::Object(json.clone()).to_string();
        // What is nested too deeply has another fault, and serde_json reads some fractions a trifle beside what it writes.
        if portcullis::json::parse_object(text.as_bytes()).is_ok_and(|again| again == json) {
            assert_same(&loaded, &load(text.as_bytes(), &env));
        }
    }
});

fn assert_same(one: &Loaded, other: &Loaded) {
    let (one, other) = (shown(one), shown(other));
    if one != other {
        let without =
            |all: &[String], some: &[String]| -> Vec<String> { all.iter().filter(|line| !some.contains(line)).cloned().collect() };
        panic!("only here: {:?}, only there: {:?}", without(&one, &other), without(&other, &one));
    }
}

fn env(name: &str) -> Option<String> {
    match name {
        "SHA256" => Some("S7PhOYRVu0t6nC6a9jthgm3ZV3D664BAJZK4jM3+DT4=".to_owned()),
        "HEX" => Some("0x".to_owned() + &"5a".repeat(32)),
        "TEXT" => Some("a secret of some length, for a header or a key".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    }
}

/// Everything that tells two outcomes apart, in an order that the seeds of hash maps don't change.
fn shown(loaded: &Loaded) -> Vec<String> {
    match loaded {
        Err(faults) => {
            assert!(!faults.is_empty());
            faults.iter().map(ToString::to_string).collect()
        }
        Ok((policy, warnings)) => {
            let policy = format!("{policy:#?}");
            let lines = policy.lines().map(str::trim).filter(|line| line.chars().any(char::is_alphanumeric)).map(str::to_owned);
            let mut lines: Vec<String> = lines.chain(warnings.iter().map(ToString::to_string)).collect();
            lines.sort();
            lines
        }
    }
}

/// `None`: a number that no double holds.
fn to_struct(object: &Map<String, Value>) -> Option<Struct> {
    let fields = object.iter().map(|(name, value)| Some((name.clone(), to_protobuf(value)?)));
    Some(Struct { fields: fields.collect::<Option<_>>()? })
}

fn to_protobuf(value: &Value) -> Option<Protobuf> {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(b) => Kind::BoolValue(*b),
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Number(number) => Kind::NumberValue(number.as_f64().filter(|double| {
            let whole = number.as_i64().map(i128::from).or(number.as_u64().map(i128::from));
            whole.is_none_or(|whole| whole.abs() < 1 << 53 && *double as i128 == whole)
        })?),
        Value::Array(elements) => Kind::ListValue(ListValue { values: elements.iter().map(to_protobuf).collect::<Option<_>>()? }),
        Value::Object(members) => Kind::StructValue(to_struct(members)?),
    };
    Some(Protobuf { kind: Some(kind) })
}

fn to_json(object: &Struct) -> Option<Map<String, Value>> {
    object.fields.iter().map(|(name, value)| Some((name.clone(), to_value(value)?))).collect()
}

fn to_value(value: &Protobuf) -> Option<Value> {
    Some(match value.kind.as_ref()? {
        Kind::NullValue(_) => Value::Null,
        Kind::BoolValue(b) => Value::Bool(*b),
        Kind::StringValue(text) => Value::String(text.clone()),
        Kind::NumberValue(double) => Value::Number(Number::from_f64(*double)?),
        Kind::ListValue(list) => Value::Array(list.values.iter().map(to_value).collect::<Option<_>>()?),
        Kind::StructValue(inner) => Value::Object(to_json(inner)?),
    })
}
