//! The body of a callout: where values are filled in.

use serde_json::Value;

use super::fault::Path;
use super::reader::{Node, Reader};
use crate::authenticator::remote::{Body, Piece, Scheme, write};
use crate::json::scalar;

/// What the operator wrote.
#[derive(Clone, Copy)]
pub(super) enum Written<'w> {
    /// A JSON object.
    Json(&'w Value),
    /// Names and values; one that couldn't be read is `None`.
    Form(&'w [(String, Option<String>)]),
}

/// `names`: the values that there are, those of the credential first.
pub(super) fn body(written: Written<'_>, scheme: Scheme, names: &[&str], at: &Path<'_>, cx: &mut Reader<'_>) -> Option<Body> {
    let mut writer = Writer { pieces: vec![Piece::Text(String::new())], names, is_json: matches!(written, Written::Json(_)) };
    match written {
        Written::Json(value) if !value.is_object() => {
            cx.wrong_type(Node { value, at }, "an object");
            return None;
        }
        Written::Json(value) => writer.value(Node { value, at }, cx),
        Written::Form(fields) => {
            for (index, (name, text)) in fields.iter().enumerate() {
                writer.text(if index > 0 { "&" } else { "" });
                writer.literal(name);
                writer.text("=");
                writer.leaf(text.as_ref()?, &at.name(name), cx);
            }
        }
    }
    let Writer { pieces, is_json, .. } = writer;
    // Whatever the caller sent, the answer would be the same.
    for (index, part) in scheme.parts().iter().enumerate() {
        if !pieces.iter().any(|piece| matches!(piece, Piece::Value(own) if *own == index)) {
            cx.fault(at, format_args!("\"{{{part}}}\" stands nowhere, so the service would judge something else than the credential"));
        }
    }
    Some(Body { is_json, pieces })
}

struct Writer<'n> {
    /// The first is text.
    pieces: Vec<Piece>,
    names: &'n [&'n str],
    is_json: bool,
}

impl Writer<'_> {
    fn text(&mut self, text: &str) {
        if let Some(Piece::Text(last)) = self.pieces.last_mut() {
            last.push_str(text);
        } else {
            self.pieces.push(Piece::Text(text.to_owned()));
        }
    }

    fn literal(&mut self, text: &str) {
        let mut written = String::new();
        write(text, self.is_json, &mut written);
        self.text(&written);
    }

    fn value(&mut self, node: Node<'_>, cx: &mut Reader<'_>) {
        match node.value {
            Value::Object(members) => {
                self.text("{");
                for (index, (name, value)) in members.iter().enumerate() {
                    self.text(if index > 0 { "," } else { "" });
                    self.literal(name);
                    self.text(":");
                    self.value(Node { value, at: &node.at.name(name) }, cx);
                }
                self.text("}");
            }
            Value::Array(elements) => {
                self.text("[");
                for (index, value) in elements.iter().enumerate() {
                    self.text(if index > 0 { "," } else { "" });
                    self.value(Node { value, at: &node.at.index(index) }, cx);
                }
                self.text("]");
            }
            Value::String(text) => self.leaf(text, node.at, cx),
            Value::Null => self.text("null"),
            other => match scalar(other) {
                Some(text) => self.text(&text),
                None => cx.fault(node.at, format_args!("a fraction, which has no one spelling; quote it")),
            },
        }
    }

    /// A placeholder is a whole leaf: part of one could be taken for something else once it is filled in.
    fn leaf(&mut self, text: &str, at: &Path<'_>, cx: &mut Reader<'_>) {
        if !text.contains(['{', '}']) {
            return self.literal(text);
        }
        let name = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        match name.and_then(|name| self.names.iter().position(|own| *own == name)) {
            Some(index) => self.pieces.push(Piece::Value(index)),
            None => {
                let known = self.names.join("}\", \"{");
                cx.fault(at, format_args!("braces hold a placeholder, which is the whole value; known here: \"{{{known}}}\""));
            }
        }
    }
}
