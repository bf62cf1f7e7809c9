//! Tokens as cyphernode's gatekeeper has taken them since 2018, each of them a header, claims and a MAC by HMAC-SHA256:
//!
//! | format | header and claims | the MAC | is over |
//! |---|---|---|---|
//! | `cyphernode-2018` | base64 with padding | hex in lower case | header, dot, claims, line feed |
//! | `cyphernode-2019` | base64 with padding | hex in lower case | header, dot, claims |
//! | `cyphernode-2021` | base64url without padding, or base64 with it | base64url without padding | header, dot, claims |
//!
//! The gatekeeper never read the header; here it has to say HS256. What it held against a caller by 401 is the MAC's error here, and a header that can't be
//! read is one of another algorithm: the rest can be answered otherwise.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::error::{Excerpt, TokenError};
use super::format::Format;
use super::token::{Header, Parts, Shape, Token, claims};
use crate::keys::Alg;

/// The length of the MAC in hex.
const HEX_LENGTH: usize = 64;

impl<'t> Token<'t> {
    /// Reads a token in those of cyphernode's formats that are among these. Its third part says in which; if that is in none, it is no MAC by any key.
    ///
    /// # Errors
    /// [`TokenError::TooLong`] or [`TokenError::Malformed`].
    pub(super) fn parse_cyphernode(text: &'t [u8], formats: &[Format]) -> Result<Self, TokenError> {
        let parts = Parts::of(text)?;
        let Mac { bytes, endings, in_hex } = Mac::read(parts.signature, formats);
        let url_safe = !in_hex && formats.contains(&Format::Cyphernode2021);
        let payload = decode(parts.payload, url_safe).ok_or(TokenError::Malformed("the payload is not base64 of the format"))?;
        let header = decode(parts.header, url_safe).and_then(|json| Header::read(&json).ok());
        let (alg, kid, typ) = match header {
            Some(Header { alg: Ok(Alg::HS256), kid, typ }) => (Ok(Alg::HS256), kid, typ),
            Some(Header { alg, .. }) => (Err(alg.map_or_else(|name| name, |alg| Excerpt::new(alg.name()))), None, None),
            None => (Err(Excerpt::new("none can be read")), None, None),
        };
        let claims = claims(&payload)?;
        let payload = Cow::Owned(URL_SAFE_NO_PAD.encode(&payload));
        Ok(Self { signed: parts.signed, endings, payload, signature: bytes, shape: Shape::Cyphernode { in_hex }, alg, kid, typ, claims })
    }
}

/// What the third part of a token holds.
struct Mac {
    bytes: Vec<u8>,
    /// What may have followed the first two where it was made; empty: it was not made in any of the formats.
    endings: &'static [&'static str],
    in_hex: bool,
}

impl Mac {
    fn read(part: &str, formats: &[Format]) -> Self {
        let is = |format| formats.contains(&format);
        if let Some(bytes) = lower_hex(part) {
            let endings: &[&str] = match (is(Format::Cyphernode2018), is(Format::Cyphernode2019)) {
                (true, true) => &["\n", ""],
                (true, false) => &["\n"],
                (false, true) => &[""],
                (false, false) => &[],
            };
            return Self { bytes, endings, in_hex: true };
        }
        match URL_SAFE_NO_PAD.decode(part) {
            Ok(bytes) if is(Format::Cyphernode2021) => Self { bytes, endings: &[""], in_hex: false },
            _ => Self { bytes: Vec::new(), endings: &[], in_hex: false },
        }
    }
}

/// Base64 with padding; with `url_safe`, base64url without it, too. Only the one text that encoding makes.
fn decode(part: &str, url_safe: bool) -> Option<Vec<u8>> {
    let url = if url_safe { URL_SAFE_NO_PAD.decode(part).ok() } else { None };
    url.or_else(|| STANDARD.decode(part).ok())
}

fn lower_hex(text: &str) -> Option<Vec<u8>> {
    let digit =
        |byte: &u8| char::from(*byte).to_digit(16).filter(|_| !byte.is_ascii_uppercase()).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, _) = text.as_bytes().as_chunks::<2>();
    if text.len() != HEX_LENGTH {
        return None;
    }
    pairs.iter().map(|[high, low]| Some((digit(high)? << 4) | digit(low)?)).collect()
}
