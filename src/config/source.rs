//! From the bytes that Envoy hands over to one JSON value.

use prost_types::value::Kind;
use prost_types::{Struct, Value as ProtobufValue};
use serde_json::{Map, Number, Value};

use crate::json;

/// JSON first, then `google.protobuf.Struct`: both may begin with a line feed.
///
/// # Errors
/// Of the form that was the likelier one.
pub(super) fn read(bytes: &[u8]) -> Result<Map<String, Value>, String> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err("the configuration is empty; it belongs into `configuration` of the plugin's `config` \
                    (envoy.extensions.wasm.v3.PluginConfig), as a google.protobuf.Struct or as a google.protobuf.StringValue that holds JSON"
            .to_owned());
    }
    let wrong = match json::parse_object(bytes) {
        Ok(mut object) => {
            object.values_mut().for_each(settle);
            return Ok(object);
        }
        Err(wrong) => wrong,
    };
    if let Some(object) = decode(bytes) {
        return object;
    }
    if !is_text(bytes) {
        return Err("neither JSON nor a google.protobuf.Struct".to_owned());
    }
    if bytes.trim_ascii_start().starts_with(b"{") {
        // serde_json quotes what it found at times, but only type names and members, and this parser takes every type.
        return Err(format!("not the JSON that is wanted here: {wrong}"));
    }
    Err("text that is no JSON object; YAML is read only where Envoy itself reads it, as a google.protobuf.Struct".to_owned())
}

fn is_text(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| !text.chars().any(|c| c.is_control() && !c.is_whitespace()))
}

/// `None`: no Struct.
fn decode(bytes: &[u8]) -> Option<Result<Map<String, Value>, String>> {
    let decoded = <Struct as prost::Message>::decode(bytes).ok()?;
    // Unknown fields and entries that stand twice don't come back: text can look like a Struct of nothing else.
    if prost::Message::encoded_len(&decoded) != bytes.len() {
        return None;
    }
    Some(object(decoded, json::MAX_DEPTH))
}

fn object(decoded: Struct, depth: usize) -> Result<Map<String, Value>, String> {
    let depth = depth.checked_sub(1).ok_or("nested too deeply")?;
    let mut members = Map::new();
    // Not collected: that would sort what is in order already, by code that nothing else needs.
    for (name, member) in decoded.fields {
        members.insert(name, value(member, depth)?);
    }
    Ok(members)
}

fn value(decoded: ProtobufValue, depth: usize) -> Result<Value, String> {
    Ok(match decoded.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(b)) => Value::Bool(b),
        Some(Kind::StringValue(text)) => Value::String(text),
        Some(Kind::NumberValue(number)) => Value::Number(json_number(number).ok_or("a number that is not finite")?),
        Some(Kind::StructValue(inner)) => Value::Object(object(inner, depth)?),
        Some(Kind::ListValue(list)) => {
            let depth = depth.checked_sub(1).ok_or("nested too deeply")?;
            let mut elements = Vec::new();
            for element in list.values {
                elements.push(value(element, depth)?);
            }
            Value::Array(elements)
        }
    })
}

/// JSON's numbers as a Struct has them: 3.0 is 3.
fn settle(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if let Some(same) = number.as_f64().filter(|_| number.is_f64()).and_then(json_number) {
                *number = same;
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(settle),
        Value::Object(members) => members.values_mut().for_each(settle),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// Every number of a Struct is a double: a whole one is an integer again.
fn json_number(number: f64) -> Option<Number> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= EXACT {
        #[allow(clippy::cast_possible_truncation)]
        let whole = number as i64;
        return Some(Number::from(whole));
    }
    Number::from_f64(number)
}
