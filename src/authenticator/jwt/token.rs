//! A JWS in compact serialization (RFC 7515, section 7.1) that holds a JWT, read strictly.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::error::{Excerpt, TokenError};
use crate::credential::MAX_LENGTH;
use crate::keys::{Alg, HmacKey};

/// A token that was read, and not verified. It borrows the text that it was read from.
pub struct Token<'t> {
    /// The JWS signing input (RFC 7515, section 5.2): header, dot, payload.
    pub(super) signed: &'t [u8],
    /// What follows it where a MAC is made, any of these: nothing, in JWS.
    pub(super) endings: &'static [&'static str],
    /// The payload in base64url.
    pub(super) payload: Cow<'t, str>,
    pub(super) signature: Vec<u8>,
    pub(super) shape: Shape,
    /// The algorithm, or the name that is none.
    pub(super) alg: Result<Alg, Excerpt>,
    pub(super) kid: Option<String>,
    pub(super) typ: Option<String>,
    pub(super) claims: Map<String, Value>,
}

/// What a token looks like.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// JWS.
    Jws,
    /// One of cyphernode's formats, with its MAC in hex or not.
    Cyphernode { in_hex: bool },
}

impl<'t> Token<'t> {
    /// Reads a token: exactly three parts in base64url without padding or stray bits, header and payload JSON objects without duplicate members.
    ///
    /// `crit` and `b64` (RFC 7515, section 4.1.11; RFC 7797) are refused, for no extension is understood here. Keys and references to keys in the header (`jwk`, `jku`,
    /// `x5u`, `x5c`, `x5t`) are passed over: many issuers send them, and keys come from the configuration alone. An unknown `alg` is a matter for the provider.
    ///
    /// # Errors
    /// [`TokenError::TooLong`] or [`TokenError::Malformed`].
    pub fn parse(text: &'t [u8]) -> Result<Self, TokenError> {
        let parts = Parts::of(text)?;
        let signature = decode(parts.signature, "the signature is not base64url")?;
        let header = Header::read(&decode(parts.header, "the header is not base64url")?)?;
        Ok(Self {
            signed: parts.signed,
            endings: &[""],
            payload: Cow::Borrowed(parts.payload),
            signature,
            shape: Shape::Jws,
            alg: header.alg,
            kid: header.kid,
            typ: header.typ,
            claims: claims(&decode(parts.payload, "the payload is not base64url")?)?,
        })
    }

    /// Whether its MAC is by this key. Each of the endings is tried, also after one that fits.
    pub(super) fn is_signed_with(&self, key: &HmacKey, alg: Alg) -> bool {
        self.endings.iter().fold(false, |fits, ending| {
            // A token of 16 KiB isn't copied to add nothing to it.
            let text = if ending.is_empty() { Cow::Borrowed(self.signed) } else { Cow::Owned([self.signed, ending.as_bytes()].concat()) };
            key.verify(alg, &text, &self.signature) | fits
        })
    }

    /// The header's `kid`.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The claims, which nobody has verified yet.
    #[must_use]
    pub const fn unverified_claims(&self) -> &Map<String, Value> {
        &self.claims
    }
}

impl fmt::Debug for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The signature is what makes a token a secret, and claims are somebody's data.
        f.debug_struct("Token").field("alg", &self.alg).finish_non_exhaustive()
    }
}

/// The three parts of a token, as they stand in it.
pub(super) struct Parts<'t> {
    /// The first two, and the dot between them.
    pub(super) signed: &'t [u8],
    pub(super) header: &'t str,
    pub(super) payload: &'t str,
    pub(super) signature: &'t str,
}

impl<'t> Parts<'t> {
    /// Exactly three.
    pub(super) fn of(text: &'t [u8]) -> Result<Self, TokenError> {
        if text.len() > MAX_LENGTH {
            return Err(TokenError::TooLong);
        }
        let text = std::str::from_utf8(text).map_err(|_| TokenError::Malformed("not ASCII"))?;
        let mut parts = text.split('.');
        let (Some(header), Some(payload), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(TokenError::Malformed("not three parts"));
        };
        let signed = header.len().checked_add(1).and_then(|n| n.checked_add(payload.len())).and_then(|n| text.as_bytes().get(..n));
        let signed = signed.ok_or(TokenError::Malformed("not three parts"))?;
        Ok(Self { signed, header, payload, signature })
    }
}

/// What counts of a JOSE header.
pub(super) struct Header {
    pub(super) alg: Result<Alg, Excerpt>,
    pub(super) kid: Option<String>,
    pub(super) typ: Option<String>,
}

impl Header {
    pub(super) fn read(json: &[u8]) -> Result<Self, TokenError> {
        let header = object(json, "the header is not a JSON object without duplicate members")?;
        if header.contains_key("crit") {
            return Err(TokenError::Malformed("crit: no extension is understood"));
        }
        if header.contains_key("b64") {
            return Err(TokenError::Malformed("b64: only payloads in base64url are understood"));
        }
        let alg = string(&header, "alg", "alg is not a string")?.ok_or(TokenError::Malformed("no alg"))?;
        Ok(Self {
            alg: Alg::from_name(&alg).ok_or_else(|| Excerpt::new(&alg)),
            kid: string(&header, "kid", "kid is not a string")?,
            typ: string(&header, "typ", "typ is not a string")?,
        })
    }
}

fn decode(part: &str, otherwise: &'static str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed(otherwise))
}

pub(super) fn claims(json: &[u8]) -> Result<Map<String, Value>, TokenError> {
    object(json, "the payload is not a JSON object without duplicate members")
}

fn object(json: &[u8], otherwise: &'static str) -> Result<Map<String, Value>, TokenError> {
    crate::json::parse_object(json).map_err(|_| TokenError::Malformed(otherwise))
}

/// A header parameter that must be a string if it is there; unlike a claim, null is not absent.
fn string(header: &Map<String, Value>, name: &str, otherwise: &'static str) -> Result<Option<String>, TokenError> {
    match header.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(TokenError::Malformed(otherwise)),
    }
}
