//! How names of headers may be spelled and still be the same to servers that speak CGI or WSGI.

use std::cmp::Ordering;

/// Whether these are spellings of one name.
#[must_use]
pub fn is_same_name(one: &[u8], other: &[u8]) -> bool {
    compare(&fold(one), other).is_eq()
}

/// Folded names by length, then by their bytes, against one that isn't folded yet: every header of every request comes here, and most differ in length.
#[must_use]
pub fn compare(folded: &[u8], name: &[u8]) -> Ordering {
    folded.len().cmp(&name.len()).then_with(|| folded.iter().copied().cmp(name.iter().copied().map(folded_byte)))
}

/// The one form of a name.
#[must_use]
pub fn fold(name: &[u8]) -> Vec<u8> {
    name.iter().copied().map(folded_byte).collect()
}

/// As CGI and WSGI read names: letters and digits count, everything else is one and the same (RFC 3875, section 4.1.18).
#[must_use]
pub const fn folded_byte(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'_' }
}
