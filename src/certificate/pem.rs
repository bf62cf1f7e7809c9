//! PEM (RFC 7468), read as leniently as senders write it, written in one form only.
//!
//! The `pem` of RustCrypto refuses base64 on one line, which some senders produce.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};

use super::Malformed;

const BEGIN: &str = "-----BEGIN ";
const LABEL: &str = "CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";
const COLUMNS: usize = 64;

/// Everything but the unreserved characters (RFC 3986, section 2.3), as nginx's `$ssl_client_escaped_cert` does it.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The DER in the first PEM block of `text`. Text before it, a chain after it, any line ends or none, and percent-encoding of any kind are fine;
/// `+` is never a space. A first block with another label is refused rather than skipped: another reader might take it.
pub(super) fn decode(text: &[u8]) -> Result<Vec<u8>, Malformed> {
    first_block(&unescaped(text))
}

/// The same, or the DER in a block's base64 alone.
pub(super) fn decode_bare(text: &[u8]) -> Result<Vec<u8>, Malformed> {
    let text = unescaped(text);
    if after(&text, BEGIN).is_some() { first_block(&text) } else { lines(&text) }
}

fn unescaped(text: &[u8]) -> Cow<'_, [u8]> {
    if text.contains(&b'%') { percent_decode(text).collect::<Vec<u8>>().into() } else { text.into() }
}

fn first_block(text: &[u8]) -> Result<Vec<u8>, Malformed> {
    let block = after(text, BEGIN).and_then(|rest| rest.strip_prefix(LABEL.as_bytes())).ok_or(Malformed::Pem)?;
    let end = find(block, END).ok_or(Malformed::Pem)?;
    lines(block.get(..end).unwrap_or_default())
}

fn lines(text: &[u8]) -> Result<Vec<u8>, Malformed> {
    let base64: Vec<u8> = text.iter().copied().filter(|b| !matches!(b, b' ' | b'\t' | b'\r' | b'\n')).collect();
    if base64.is_empty() {
        return Err(Malformed::Pem);
    }
    STANDARD.decode(base64).map_err(|_| Malformed::Pem)
}

/// PEM in lines of 64 columns with LF (RFC 7468, section 2), percent-encoded: what nginx sends as `$ssl_client_escaped_cert`.
pub(super) fn encode_percent(der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let mut text = String::with_capacity(base64.len().saturating_mul(5) / 4);
    text.push_str("-----BEGIN%20CERTIFICATE-----%0A");
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at_checked(COLUMNS).unwrap_or((rest, ""));
        text.extend(utf8_percent_encode(line, RESERVED));
        text.push_str("%0A");
        rest = more;
    }
    text.push_str("-----END%20CERTIFICATE-----%0A");
    text
}

fn find(text: &[u8], needle: &str) -> Option<usize> {
    text.windows(needle.len()).position(|window| window == needle.as_bytes())
}

/// What follows the first `needle`.
pub(super) fn after<'a>(text: &'a [u8], needle: &str) -> Option<&'a [u8]> {
    text.get(find(text, needle)?.checked_add(needle.len())?..)
}
