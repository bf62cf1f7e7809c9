//! Object identifiers (X.660) as the content octets of their DER (X.690, section 8.19): any of them, however long its arcs.

use std::fmt::Write as _;

use super::Malformed;

/// The most octets that an identifier may take: far more than the 20 of `2.25.<UUID>`.
const MAX_OCTETS: usize = 256;

/// An extension's object identifier, as the content octets of its DER: any OID, however long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtensionId(pub(super) Vec<u8>);

impl ExtensionId {
    /// Reads dotted decimal. Arcs go up to 2^128 - 1, which holds the UUIDs of `2.25`.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence for the operator.
    pub fn parse(dotted: &str) -> Result<Self, &'static str> {
        let mut arcs = dotted.split('.').map(arc);
        let (Some(first), Some(second)) = (arcs.next(), arcs.next()) else {
            return Err("an object identifier has at least two numbers, such as 2.5.29.17");
        };
        let (first, second) = (first?, second?);
        if first > 2 {
            return Err("an object identifier begins with 0, 1 or 2");
        }
        if first < 2 && second > 39 {
            return Err("the second number of an object identifier that begins with 0 or 1 is at most 39");
        }
        // X.690, section 8.19.4: the first two arcs share one subidentifier.
        let joined = first.saturating_mul(40).checked_add(second).ok_or(ARC_TOO_LARGE)?;
        let mut octets = Vec::new();
        push(&mut octets, joined);
        for arc in arcs {
            push(&mut octets, arc?);
            if octets.len() > MAX_OCTETS {
                return Err("the object identifier is longer than 256 octets");
            }
        }
        Ok(Self(octets))
    }
}

const ARC_TOO_LARGE: &str = "a number of the object identifier is larger than 2^128 - 1";

fn arc(digits: &str) -> Result<u128, &'static str> {
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err("an object identifier is decimal numbers joined by dots, such as 2.5.29.17");
    }
    if digits.len() > 1 && digits.starts_with('0') {
        return Err("a number of an object identifier has no leading zero");
    }
    digits.parse().map_err(|_| ARC_TOO_LARGE)
}

/// One subidentifier in base 128, the high bit set on all but the last octet.
fn push(octets: &mut Vec<u8>, value: u128) {
    let groups = 128_u32.saturating_sub(value.leading_zeros()).div_ceil(7).max(1);
    for group in (0..groups).rev() {
        let shifted = value.checked_shr(group.saturating_mul(7)).unwrap_or(0);
        let low = u8::try_from(shifted & 0x7F).unwrap_or(0);
        octets.push(if group == 0 { low } else { low | 0x80 });
    }
}

/// At least one subidentifier, none with leading zeros, the last one complete.
pub(super) fn is_canonical(octets: &[u8]) -> bool {
    let mut starts = true;
    for octet in octets {
        if starts && *octet == 0x80 {
            return false;
        }
        starts = octet & 0x80 == 0;
    }
    starts && !octets.is_empty()
}

/// Dotted decimal.
pub(super) fn dotted(octets: &[u8]) -> Result<String, Malformed> {
    let mut text = String::new();
    let mut value: u128 = 0;
    for octet in octets {
        value = value.checked_mul(128).ok_or(Malformed::ObjectIdentifier)? | u128::from(octet & 0x7F);
        if octet & 0x80 != 0 {
            continue;
        }
        let written = if text.is_empty() {
            let first = (value / 40).min(2);
            write!(text, "{first}.{}", value.saturating_sub(first.saturating_mul(40)))
        } else {
            write!(text, ".{value}")
        };
        written.map_err(|_| Malformed::ObjectIdentifier)?;
        value = 0;
    }
    Ok(text)
}
