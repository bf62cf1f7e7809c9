//! JSON as this project reads it everywhere: one value, no duplicate members, bounded depth.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};

/// Nesting beyond this is refused.
pub const MAX_DEPTH: usize = 32;

/// Parses a JSON text (RFC 8259) strictly: duplicate members, trailing text and nesting beyond [`MAX_DEPTH`] are errors.
///
/// # Errors
/// What serde_json found, or a duplicate member, or nesting that is too deep; or what it is instead, where that can be told.
pub fn parse(text: &[u8]) -> Result<Value, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = Strict { depth: MAX_DEPTH }.deserialize(&mut deserializer);
    let whole = value.and_then(|value| deserializer.end().map(|()| value));
    whole.map_err(|error| something_else(text).map_or(error, serde_json::Error::custom))
}

/// What services send in place of JSON, so that an operator need not guess it from "expected value".
fn something_else(text: &[u8]) -> Option<&'static str> {
    match text.trim_ascii_start() {
        [] => Some("there is nothing in it"),
        [0x1f, 0x8b, ..] => Some("compressed by gzip, which nobody asked for"),
        [b'<', ..] => Some("HTML or XML"),
        _ => None,
    }
}

/// Parses a JSON text that must be an object, as [`parse`] does.
///
/// # Errors
/// As [`parse`]; and when the value is no object.
pub fn parse_object(text: &[u8]) -> Result<Map<String, Value>, serde_json::Error> {
    match parse(text)? {
        Value::Object(members) => Ok(members),
        _ => Err(serde_json::Error::custom("not an object")),
    }
}

/// A scalar as text: a string as it is, `true`, `false`, and whole numbers. Fractions have no one spelling; null, lists and objects have none.
///
/// Written here and not by serde_json's serializer, which brings 16 KB for the digits of fractions into the module.
#[must_use]
pub fn scalar(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Bool(true) => Some(Cow::Borrowed("true")),
        Value::Bool(false) => Some(Cow::Borrowed("false")),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(whole), _) => Some(Cow::Owned(whole.to_string())),
            (None, Some(whole)) => Some(Cow::Owned(whole.to_string())),
            (None, None) => None,
        },
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A text as a JSON string, quotes and all (RFC 8259, section 7).
#[must_use]
pub fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\0'..='\x1f' => quoted.push_str(&format!("\\u{:04x}", u32::from(character))),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

/// What an object holds on to, in bytes, for whoever bounds how many are kept: in the module's 32 bits, rather too much than too little.
#[must_use]
pub fn size(members: &Map<String, Value>) -> usize {
    // A node of a BTreeMap has room for eleven members, and may be half empty.
    const NODE: usize = 420;
    let nodes = NODE.saturating_mul(members.len().div_ceil(5));
    members.iter().fold(nodes, |sum, (name, value)| sum.saturating_add(HEAP).saturating_add(name.len()).saturating_add(value_size(value)))
}

/// What allocating costs, in bytes.
const HEAP: usize = 16;

fn value_size(value: &Value) -> usize {
    // A list grows by doubling, and begins with room for four.
    const ELEMENT: usize = 48;
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len().saturating_add(HEAP),
        Value::Array(elements) => elements
            .iter()
            .fold(HEAP.saturating_add(2 * ELEMENT), |sum, element| sum.saturating_add(ELEMENT).saturating_add(value_size(element))),
        Value::Object(members) => size(members),
    }
}

#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        self.depth.checked_sub(1).map(|depth| Self { depth }).ok_or_else(|| E::custom("nested too deeply"))
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut list = Vec::new();
        while let Some(element) = elements.next_element_seed(inner)? {
            list.push(element);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            match object.entry(name) {
                Entry::Vacant(place) => {
                    place.insert(members.next_value_seed(inner)?);
                }
                Entry::Occupied(first) => {
                    return Err(A::Error::custom(format_args!("member \"{}\" stands twice", first.key().escape_default())));
                }
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_is_read_back() {
        for text in ["", "a", "\"\\/\u{0}\n\u{1f}\u{7f}", "\u{e4}\u{1f600}"] {
            assert_eq!(parse(quote(text).as_bytes()).unwrap(), text);
        }
    }

    #[test]
    fn duplicates_depth_and_trailing_text_are_refused() {
        assert!(parse(br#"{"a":1,"a":2}"#).is_err());
        assert!(parse(br#"{"a":{"b":1,"b":2}}"#).is_err());
        assert!(parse(br#"{"a":1,"\u0061":2}"#).is_err());
        assert!(parse(b"{} {}").is_err());
        assert!(parse(b"\xff").is_err());
        let nested = |n: usize| [b"[".repeat(n), b"]".repeat(n)].concat();
        assert!(parse(&nested(MAX_DEPTH)).is_ok());
        assert!(parse(&nested(MAX_DEPTH + 1)).is_err());
        assert!(parse(&nested(100_000)).is_err());
        assert!(parse_object(b"[]").is_err());
        assert_eq!(parse(br#" {"a":[1,-2,1.5,"x",true,null]} "#).unwrap()["a"][1], -2);
    }

    #[test]
    fn what_comes_in_place_of_json_is_told() {
        let told = |text: &[u8]| parse_object(text).unwrap_err().to_string();
        assert_eq!(told(b" \r\n"), "there is nothing in it");
        assert_eq!(told(b"\n<!doctype html>"), "HTML or XML");
        assert_eq!(told(&[0x1f, 0x8b, 8, 0]), "compressed by gzip, which nobody asked for");
        assert_eq!(told(b"Not found"), "expected value at line 1 column 1");
        assert_eq!(told(b"{\"keys\": ["), "EOF while parsing a list at line 1 column 10");
    }
}
