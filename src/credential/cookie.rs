//! Credentials in cookies (RFC 6265). Browsers send them with requests that pages of other sites make, so the place says which origins may use one.

use std::borrow::Cow;
use std::sync::Arc;

use super::Origins;
use super::query::could_mean;
use crate::refusal::CredentialError;
use crate::request::{Headers, Request};

/// The header. Envoy joins the crumbs of HTTP/2 to one; in HTTP/1.1 it leaves several as they came.
const HEADER: &str = "cookie";

/// The value of the cookie of exactly this name, as it was sent.
pub(super) fn cookie<'a>(request: &'a Request, name: &str, origins: &Origins) -> Result<Option<Cow<'a, [u8]>>, CredentialError> {
    let pairs = request.headers.all(HEADER).flat_map(pieces).map(name_and_value);
    let mut values = pairs.filter(|(own, _)| *own == name.as_bytes()).map(|(_, value)| value);
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(CredentialError::Ambiguous);
    }
    if needs_origin(request) && !origins.admit(request) {
        return Err(CredentialError::Origin);
    }
    Ok(Some(Cow::Borrowed(value)))
}

/// What remains of the cookies without those of these names, the others byte for byte; `None`: they remain as they are. Of several headers one is made.
///
/// `keep` is the name of one that stays, once it was verified; `alone`: nothing else does.
#[must_use]
pub fn without_cookies(headers: &Headers, names: &[Arc<str>], keep: Option<&str>, alone: bool) -> Option<Vec<u8>> {
    if names.is_empty() {
        return None;
    }
    let goes = |piece: &&[u8]| {
        let is_kept = keep.is_some_and(|kept| name_and_value(piece).0 == kept.as_bytes());
        !is_kept && (alone || names.iter().any(|own| could_hold(piece, own)))
    };
    if !headers.all(HEADER).flat_map(pieces).any(|piece| goes(&piece)) {
        return None;
    }
    let mut lines: Vec<Vec<u8>> = Vec::new();
    for value in headers.all(HEADER) {
        let kept: Vec<&[u8]> = pieces(value).filter(|piece| !goes(piece)).collect();
        let line = kept.join(&b';');
        if !line.iter().all(|b| *b == b';' || is_blank(*b)) {
            lines.push(line.trim_ascii_start().to_vec());
        }
    }
    Some(lines.join(&b"; "[..]))
}

/// Whether a page of another site could do harm with it although it never sees the answer, or would see it: an upgraded connection is not kept from its page.
fn needs_origin(request: &Request) -> bool {
    let is_safe = matches!(request.method(), b"GET" | b"HEAD" | b"OPTIONS" | b"TRACE");
    !is_safe || ["upgrade", ":protocol"].iter().any(|name| request.headers.first(name).is_some())
}

impl Origins {
    /// Whether the request says that it comes from one of them (RFC 6454, section 7): once, and in so many words.
    fn admit(&self, request: &Request) -> bool {
        match self {
            Self::Any => true,
            Self::These(origins) => match request.headers.only("origin") {
                Ok(Some(sent)) => origins.iter().any(|origin| origin.as_bytes() == sent),
                _ => false,
            },
        }
    }
}

fn pieces(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|b| *b == b';')
}

/// A cookie without an equals sign is one without a value.
fn name_and_value(piece: &[u8]) -> (&[u8], &[u8]) {
    let at = piece.iter().position(|b| *b == b'=').unwrap_or(piece.len());
    let (name, rest) = piece.split_at_checked(at).unwrap_or_default();
    (name.trim_ascii(), rest.strip_prefix(b"=").unwrap_or_default().trim_ascii())
}

/// Whether some server finds a cookie of this name in the piece. They differ: PHP reads `a.b` as `a_b`, and like Rack of old decodes names; Rack of old and others split at
/// commas, Python's http.cookies at blanks; many take more for a blank than there should be.
fn could_hold(piece: &[u8], name: &str) -> bool {
    let first = piece.iter().position(|b| *b == b'=').unwrap_or(piece.len());
    if could_mean(trim(piece.get(..first).unwrap_or_default()), name) {
        return true;
    }
    // The word before each equals sign. A word alone is no cookie there: values list words.
    let mut before: &[u8] = b"";
    for word in piece.split(|b| *b == b',' || is_blank(*b)).filter(|word| !word.is_empty()) {
        let called = match word.iter().position(|b| *b == b'=') {
            None => {
                before = word;
                continue;
            }
            Some(0) => std::mem::take(&mut before),
            Some(end) => word.get(..end).unwrap_or_default(),
        };
        if could_mean(called, name) {
            return true;
        }
        before = b"";
    }
    false
}

/// Blanks and controls, also the ones of Latin-1, which Python strips.
const fn is_blank(byte: u8) -> bool {
    matches!(byte, 0..=b' ' | 0x7f | 0x85 | 0xa0)
}

fn trim(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|b| !is_blank(*b)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|b| !is_blank(*b)).map_or(start, |last| last.saturating_add(1));
    bytes.get(start..end).unwrap_or_default()
}

#[cfg(test)]
mod tests;
