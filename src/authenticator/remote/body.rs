//! The body of a callout: parsed once, with places that values are written into. No value can leave its place.

use percent_encoding::utf8_percent_encode;

use crate::annotation::ENCODED;
use crate::json::quote;

/// A body with places for values.
#[derive(Debug)]
pub struct Body {
    /// `application/json`; or `application/x-www-form-urlencoded`.
    pub is_json: bool,
    /// One after the other.
    pub pieces: Vec<Piece>,
}

/// A part of a body.
#[derive(Debug)]
pub enum Piece {
    /// What always stands there.
    Text(String),
    /// The value with this index, written as a JSON string, or percent-encoded.
    Value(usize),
}

impl Body {
    pub(super) const fn content_type(&self) -> &'static str {
        if self.is_json { "application/json" } else { "application/x-www-form-urlencoded" }
    }

    /// With these values in it.
    pub(super) fn filled(&self, values: &[String]) -> Vec<u8> {
        let mut body = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => body.push_str(text),
                Piece::Value(index) => {
                    let value = values.get(*index).map(String::as_str).unwrap_or_default();
                    if self.is_json {
                        body.push_str(&quote(value));
                    } else {
                        body.extend(utf8_percent_encode(value, ENCODED));
                    }
                }
            }
        }
        body.into_bytes()
    }
}
