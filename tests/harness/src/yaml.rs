//! Writing YAML, with pieces of text that Envoy itself is to read.

use serde_json::{Value, json};

/// The member that makes an object stand for a piece of YAML text.
const TEXT: &str = "$yaml";

/// A value that [`write`] replaces by a piece of YAML, as it stands.
pub(crate) fn text(text: &str) -> Value {
    json!({ TEXT: text })
}

/// Block style, two blanks a level; scalars as JSON has them, which YAML reads alike.
pub(crate) fn write(value: &Value) -> String {
    let mut out = String::new();
    write_at(&mut out, value, 0);
    out.push('\n');
    out
}

/// Writes a value that begins right after its key or dash: on the same line if it is a scalar, else on lines of its own.
fn write_at(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Object(members) if members.is_empty() => out.push_str(" {}"),
        Value::Array(items) if items.is_empty() => out.push_str(" []"),
        Value::Object(members) => {
            if let Some(Value::String(text)) = members.get(TEXT) {
                return write_text(out, text, depth);
            }
            for (key, member) in members {
                new_line(out, depth);
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write_at(out, member, depth + 1);
            }
        }
        Value::Array(items) => {
            for item in items {
                new_line(out, depth);
                out.push('-');
                write_at(out, item, depth + 1);
            }
        }
        scalar => {
            out.push(' ');
            out.push_str(&scalar.to_string());
        }
    }
}

fn write_text(out: &mut String, text: &str, depth: usize) {
    for line in text.trim_matches('\n').lines() {
        new_line(out, depth);
        out.push_str(line);
    }
}

fn new_line(out: &mut String, depth: usize) {
    out.push('\n');
    out.push_str(&"  ".repeat(depth));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_text_are_indented_where_they_stand() {
        let value = json!({"a": [1, {"b": "x: y\n"}], "c": text("d:\n  e: 010\nf: [1]\n"), "g": {}, "h": null});
        let expected = r#"
"a":
  - 1
  -
    "b": "x: y\n"
"c":
  d:
    e: 010
  f: [1]
"g": {}
"h": null
"#;
        assert_eq!(write(&value), expected);
    }
}
