//! In which forms the configuration arrives.

use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value as ProtobufValue};
use serde_json::{Value, json};

use super::{base, env, lines, load, with};

fn protobuf(value: &Value) -> ProtobufValue {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(b) => Kind::BoolValue(*b),
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap()),
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Array(list) => Kind::ListValue(ListValue { values: list.iter().map(protobuf).collect() }),
        Value::Object(_) => Kind::StructValue(as_struct(value)),
    };
    ProtobufValue { kind: Some(kind) }
}

fn as_struct(value: &Value) -> Struct {
    Struct { fields: value.as_object().unwrap().iter().map(|(name, member)| (name.clone(), protobuf(member))).collect() }
}

fn binary(value: &Value) -> Vec<u8> {
    prost::Message::encode_to_vec(&as_struct(value))
}

fn outcome(bytes: &[u8]) -> Result<String, Vec<String>> {
    load(bytes, &env)
        .map(|(policy, warnings)| format!("{:?} {:?} {:?} {warnings:?}", policy.rules, policy.key_sets, policy.reject))
        .map_err(|faults| lines(&faults))
}

#[test]
fn json_and_struct_are_all_alike() {
    let good = with(base(), "/reject", json!({"forbidden": 403, "realm": "é"}));
    // Written 3.0 in JSON.
    let whole = with(base(), "/limits", json!({"waiting": 3.0}));
    assert!(outcome(whole.to_string().as_bytes()).is_ok());
    for config in [
        base(),
        with(base(), "/reject", json!({"forbidden": 403})),
        with(base(), "/limits", json!({"waiting": 1.5, "x": null})),
        good,
        whole,
    ] {
        let expected = outcome(config.to_string().as_bytes());
        assert_eq!(outcome(&binary(&config)), expected);
        assert_eq!(outcome(format!("\n{config:#}\n").as_bytes()), expected);
    }
}

#[test]
fn a_struct_that_looks_like_json() {
    // The first entry is 123 bytes long, so that the bytes begin with a line feed and a brace.
    let config = (0..200).map(|n| json!({"a": "x".repeat(n)})).find(|config| binary(config).starts_with(b"\n{")).unwrap();
    assert_eq!(
        outcome(&binary(&config)).unwrap_err()[0],
        "a: unknown field; known here: providers, rules, upstream, reject, paths, cache, limits, revoked, mode, requirements"
    );
}

#[test]
fn the_error_is_of_the_likelier_form() {
    let error = |bytes: &[u8]| outcome(bytes).unwrap_err().join("\n");
    assert!(error(b"").starts_with("the configuration is empty; it belongs into"));
    assert_eq!(error(b" \n"), error(b""));
    assert!(error(b"{\"providers\": {}").contains("EOF"), "{}", error(b"{\"providers\": {}"));
    assert!(error(b"{\"mode\": \"enforce\", \"mode\": \"enforce\"}").contains("stands twice"));
    assert!(error(b"providers:\n  a: {}\n").contains("YAML"));
    assert!(error(b"\nproviders:\n  a: {}\n").contains("YAML"));
    assert!(error(b"[1]").contains("no JSON object"));
    assert_eq!(error(b"\x0a\xff\xff\x01"), "neither JSON nor a google.protobuf.Struct");
    assert_eq!(error(b"\x0a\x05\x0a\x01a\x12"), "neither JSON nor a google.protobuf.Struct");
    let mut doubled = binary(&json!({"mode": "enforce"}));
    doubled.extend(doubled.clone());
    assert_eq!(error(&doubled), "neither JSON nor a google.protobuf.Struct");
    for bytes in [format!("{}1{}", "{\"a\":".repeat(5000), "}".repeat(5000)).into_bytes(), deep(200)] {
        assert!(outcome(&bytes).is_err());
    }
    assert_eq!(error(&deep(33)), "nested too deeply");
}

fn deep(depth: usize) -> Vec<u8> {
    binary(&(0..depth).fold(json!({}), |inner, _| json!({"a": inner})))
}

#[test]
fn no_bytes_make_it_panic() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(below.max(1)).unwrap()).unwrap()
    };
    let texts = [base().to_string().into_bytes(), binary(&base())];
    for round in 0..2000 {
        let mut bytes = texts[round % 2].clone();
        for _ in 0..=random(4) {
            let at = random(bytes.len());
            if bytes.is_empty() {
                break;
            }
            match random(4) {
                0 => bytes[at] = u8::try_from(random(256)).unwrap(),
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, b"\"{}[],:0\n\x0a\x12\x1a"[random(12)]),
                _ => bytes.truncate(at.max(1)),
            }
        }
        let _ = load(&bytes, &env);
        let junk: Vec<u8> = (0..random(64)).map(|_| u8::try_from(random(256)).unwrap()).collect();
        let _ = load(&junk, &env);
    }
}

/// Whatever stands at whatever place: a policy or faults, never neither, and no panic.
#[test]
fn no_value_at_any_place_makes_it_panic() {
    let values = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1e300),
        json!(""),
        json!("any"),
        json!("\u{0}é{path.x}"),
        json!([]),
        json!([null]),
        json!({}),
        json!({"": {}}),
        json!([[{}]]),
        json!({"env": "LINE"}),
        json!("99999999999999999999h"),
        json!({"any": [{"any": []}]}),
    ];
    let config = super::faults::one_of_everything();
    let mut pointers = Vec::new();
    walk(&config, String::new(), &mut pointers);
    assert!(pointers.len() > 100);
    for (index, pointer) in pointers.iter().enumerate() {
        // Every fourth value at each place, and each value at every fourth place.
        for value in values.iter().skip(index % 4).step_by(4) {
            let mut changed = config.clone();
            *changed.pointer_mut(pointer).unwrap() = value.clone();
            match load(changed.to_string().as_bytes(), &env) {
                Ok(_) => {}
                Err(faults) => assert!(!faults.is_empty() && lines(&faults) != ["this can't be loaded"], "{pointer} {value}"),
            }
        }
    }
}

fn walk(value: &Value, at: String, pointers: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, member)| walk(member, format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), pointers))
        }
        Value::Array(list) => list.iter().enumerate().for_each(|(index, element)| walk(element, format!("{at}/{index}"), pointers)),
        _ => {}
    }
    pointers.push(at);
}
