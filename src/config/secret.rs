//! Secrets: where they come from, and in which form. None of them ever reaches a fault.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::declare::{fields, words};
#[cfg(not(target_os = "wasi"))]
use super::describe::Description;
use super::fault::Path;
use super::forms::{Integer, Name};
use super::reader::{Form, Given, Node, Reader};

fields! {
    /// A secret: `{env: NAME}`, or written here with a warning.
    struct SecretForm {
        /// The environment variable that holds it.
        env: Name,
        /// The form in which the variable holds it.
        r#as: Encoding = "text",
        /// How many bytes it must have when it is decoded.
        bytes: Integer,
        /// The secret itself, as text.
        text: String,
        /// The secret itself, in hex.
        hex: String,
        /// The secret itself, in base64.
        base64: String,
    }
}

fields! {
    /// A caller's secret key: `{env: NAME}`, or written here with a warning.
    struct KeyForm {
        /// Its name, for the log.
        id: Name,
        /// The environment variable that holds it.
        env: Name,
        /// The form in which the variable holds it.
        r#as: Encoding = "text",
        /// How many bytes it must have when it is decoded.
        bytes: Integer,
        /// The secret itself, as text.
        text: String,
        /// The secret itself, in hex.
        hex: String,
        /// The secret itself, in base64.
        base64: String,
    }
}

fields! {
    /// A SHA-256 in an environment variable.
    struct DigestVariable {
        /// The environment variable that holds it, in base64 or hex.
        env: Name = required,
    }
}

words! {
    /// The form of a secret.
    enum Encoding {
        "text" => Text,
        "hex" => Hex,
        "base64" => Base64,
    }
}

/// The SHA-256 of a secret.
pub(super) struct Digest(pub(super) [u8; 32]);

/// The fields that both forms of a secret have.
struct Parts<'f> {
    env: &'f Given<Name>,
    encoding: &'f Given<Encoding>,
    bytes: &'f Given<Integer>,
    inline: [(&'static str, &'f Given<String>, Encoding); 3],
}

impl SecretForm {
    /// The secret's bytes; never empty.
    pub(super) fn bytes(&self, at: &Path<'_>, cx: &mut Reader<'_>) -> Option<Vec<u8>> {
        let inline = [("text", &self.text, Encoding::Text), ("hex", &self.hex, Encoding::Hex), ("base64", &self.base64, Encoding::Base64)];
        Parts { env: &self.env, encoding: &self.r#as, bytes: &self.bytes, inline }.bytes(at, cx)
    }
}

impl KeyForm {
    /// The secret's bytes; never empty.
    pub(super) fn bytes(&self, at: &Path<'_>, cx: &mut Reader<'_>) -> Option<Vec<u8>> {
        let inline = [("text", &self.text, Encoding::Text), ("hex", &self.hex, Encoding::Hex), ("base64", &self.base64, Encoding::Base64)];
        Parts { env: &self.env, encoding: &self.r#as, bytes: &self.bytes, inline }.bytes(at, cx)
    }
}

impl Parts<'_> {
    fn bytes(&self, at: &Path<'_>, cx: &mut Reader<'_>) -> Option<Vec<u8>> {
        let written: Vec<_> = self.inline.iter().filter(|(_, given, _)| given.is_written()).collect();
        let mut origin = String::new();
        let secret = match (self.env.is_written(), written.as_slice()) {
            (true, []) => {
                let Name(name) = self.env.get()?;
                let at = at.name("env");
                origin = [" (the variable ", name, ")"].concat();
                decode(&cx.variable(&at, name)?, *self.encoding.get()?, &origin, &at, cx)?
            }
            (false, [(name, given, encoding)]) => {
                let at = at.name(name);
                if self.encoding.is_written() {
                    cx.fault(&at, format_args!("`as` goes with `env`; beside {name} it has no meaning"));
                }
                let secret = decode(given.get()?, *encoding, &origin, &at, cx)?;
                cx.warn(&at, format_args!("a secret that stands in the configuration: whoever reads that has it; better {{env: NAME}}"));
                secret
            }
            _ => {
                cx.fault(at, format_args!("write exactly one of env, text, hex, base64"));
                return None;
            }
        };
        if let Some(Integer(wanted)) = self.bytes.get()
            && u64::try_from(secret.len()) != Ok(*wanted)
        {
            cx.fault(at, format_args!("{} bytes, where {wanted} are wanted{origin}", secret.len()));
            return None;
        }
        Some(secret)
    }
}

/// The origin stands at the end of each fault: what was decoded never does.
fn decode(text: &str, encoding: Encoding, origin: &str, at: &Path<'_>, cx: &mut Reader<'_>) -> Option<Vec<u8>> {
    let decoded = match encoding {
        Encoding::Text if text.ends_with(['\n', '\r']) => {
            Err("the text ends with a line break, which would be part of the secret; remove it")
        }
        Encoding::Text => Ok(text.as_bytes().to_vec()),
        Encoding::Hex => hex(text.trim()).ok_or("not hex: digits 0 to 9 and a to f, two for each byte, 0x before them if you like"),
        Encoding::Base64 => base64(text.trim()).ok_or("not base64"),
    };
    match decoded {
        Ok(secret) if !secret.is_empty() => return Some(secret),
        Ok(_) => cx.fault(at, format_args!("the secret is empty{origin}")),
        Err(wrong) => cx.fault(at, format_args!("{wrong}{origin}")),
    }
    None
}

/// Whole bytes only; `0x` or `0X` may stand before them.
fn hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some((digit(high)? << 4) | digit(low)?)).collect()
}

/// Either alphabet, with or without padding.
fn base64(text: &str) -> Option<Vec<u8>> {
    const CONFIG: GeneralPurposeConfig = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let alphabet = if text.contains(['-', '_']) { &alphabet::URL_SAFE } else { &alphabet::STANDARD };
    GeneralPurpose::new(alphabet, CONFIG).decode(text).ok()
}

impl Form for Digest {
    fn read(node: Node<'_>, cx: &mut Reader<'_>) -> Option<Self> {
        let Value::Object(_) = node.value else {
            return digest(super::forms::text(node, cx)?, node.at, cx);
        };
        let form = DigestVariable::read(node, cx)?;
        let Name(name) = form.env.get()?;
        let at = node.at.name("env");
        digest(&cx.variable(&at, name)?, &at, cx)
    }

    #[cfg(not(target_os = "wasi"))]
    fn describe() -> Description {
        Description::Either(vec![Description::Leaf("a SHA-256 in base64 or hex"), DigestVariable::describe()])
    }
}

/// A SHA-256 in base64 or hex.
pub(super) fn digest(text: &str, at: &Path<'_>, cx: &mut Reader<'_>) -> Option<Digest> {
    let text = text.trim();
    // 32 bytes are 43 or 44 characters of base64, which are hex digits all of them only by intent.
    let (decoded, form) = match hex(text) {
        Some(bytes) if !matches!(text.len(), 43 | 44) => (Some(bytes), "hex"),
        _ => (base64(text), "base64"),
    };
    let Some(bytes) = decoded else {
        cx.fault(at, format_args!("neither base64 nor hex; a SHA-256 digest is wanted, never the secret itself"));
        return None;
    };
    let Ok(digest) = <[u8; 32]>::try_from(bytes.as_slice()) else {
        cx.fault(at, format_args!("{} bytes after {form}; a SHA-256 digest has 32", bytes.len()));
        return None;
    };
    if digest == <[u8; 32]>::from(Sha256::digest(b"")) {
        cx.fault(at, format_args!("the digest of the empty string; was the secret empty when it was hashed?"));
        return None;
    }
    Some(Digest(digest))
}
