//! A signature or a MAC, and what is to be said of it.

use portcullis::keys::Alg;
use serde_json::Value;

/// What a signature is verified with.
#[derive(Clone)]
pub(crate) enum With {
    /// A public key, as a JWK.
    Jwk(Value),
    /// An HMAC key.
    Secret(Vec<u8>),
}

/// A vector.
#[derive(Clone)]
pub(crate) struct Vector {
    /// Where it comes from.
    pub(crate) name: String,
    pub(crate) alg: Alg,
    pub(crate) with: With,
    pub(crate) text: Vec<u8>,
    pub(crate) signature: Vec<u8>,
    /// Whether it has to verify here.
    pub(crate) holds: bool,
    /// Why that isn't what the vector says.
    pub(crate) differs: Option<&'static str>,
}

/// The bytes that hexadecimal digits stand for.
pub(crate) fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// Hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
