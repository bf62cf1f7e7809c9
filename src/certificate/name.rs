//! Distinguished names (RFC 5280, section 4.1.2.4) and their string form (RFC 4514), as Envoy prints it in `connection.subject_peer_certificate`,
//! XFCC and access logs. OpenSSL's `-nameopt RFC2253` prints the same but for a few newer attribute types (`organizationIdentifier`, `jurisdictionC`, …),
//! which Envoy's BoringSSL has no names for.

use std::fmt::Write as _;
use std::ops::Range;

use der::Tag;

use super::Malformed;
use super::oid::{self, ExtensionId};
use super::text::text;
use super::walk::Walk;

/// The most attributes that a name may have.
const MAX_ATTRIBUTES: usize = 100;

const fn x520(last: u8) -> [u8; 3] {
    [0x55, 0x04, last]
}

const EMAIL_ADDRESS: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x01];
const UNSTRUCTURED_NAME: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x02];
const UNSTRUCTURED_ADDRESS: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x08];
const UID: &[u8] = &[0x09, 0x92, 0x26, 0x89, 0x93, 0xF2, 0x2C, 0x64, 0x01, 0x01];
const MAIL: &[u8] = &[0x09, 0x92, 0x26, 0x89, 0x93, 0xF2, 0x2C, 0x64, 0x01, 0x03];
const DC: &[u8] = &[0x09, 0x92, 0x26, 0x89, 0x93, 0xF2, 0x2C, 0x64, 0x01, 0x19];

/// Attribute types by the short names with which Envoy's BoringSSL prints them.
const SHORT_NAMES: &[(&str, &[u8])] = &[
    ("CN", &x520(3)),
    ("SN", &x520(4)),
    ("serialNumber", &x520(5)),
    ("C", &x520(6)),
    ("L", &x520(7)),
    ("ST", &x520(8)),
    ("street", &x520(9)),
    ("O", &x520(10)),
    ("OU", &x520(11)),
    ("title", &x520(12)),
    ("description", &x520(13)),
    ("businessCategory", &x520(15)),
    ("postalAddress", &x520(16)),
    ("postalCode", &x520(17)),
    ("postOfficeBox", &x520(18)),
    ("telephoneNumber", &x520(20)),
    ("member", &x520(31)),
    ("owner", &x520(32)),
    ("name", &x520(41)),
    ("GN", &x520(42)),
    ("initials", &x520(43)),
    ("generationQualifier", &x520(44)),
    ("x500UniqueIdentifier", &x520(45)),
    ("dnQualifier", &x520(46)),
    ("distinguishedName", &x520(49)),
    ("houseIdentifier", &x520(51)),
    ("pseudonym", &x520(65)),
    ("role", &x520(72)),
    ("emailAddress", EMAIL_ADDRESS),
    ("unstructuredName", UNSTRUCTURED_NAME),
    ("unstructuredAddress", UNSTRUCTURED_ADDRESS),
    ("UID", UID),
    ("mail", MAIL),
    ("DC", DC),
];

/// Attribute types that BoringSSL has no name for, and prints as dotted decimal: only for looking them up.
const LONG_NAMES: &[(&str, &[u8])] = &[("organizationIdentifier", &x520(97))];

/// The attribute type that `name` means: a short name in any case, or dotted decimal.
pub(super) fn attribute_type(name: &str) -> Option<Vec<u8>> {
    let mut named = SHORT_NAMES.iter().chain(LONG_NAMES);
    match named.find(|(known, _)| known.eq_ignore_ascii_case(name)) {
        Some((_, octets)) => Some(octets.to_vec()),
        None => ExtensionId::parse(name).ok().map(|id| id.0),
    }
}

/// One AttributeTypeAndValue, by its place in the certificate.
#[derive(Debug)]
struct Attribute {
    /// Which RelativeDistinguishedName it belongs to.
    rdn: usize,
    kind: Range<usize>,
    tag: Tag,
    value: Range<usize>,
    /// Tag, length and value.
    whole: Range<usize>,
}

/// A distinguished name.
#[derive(Debug)]
pub(super) struct Name(Vec<Attribute>);

impl Name {
    /// Reads the RDNs in `walk`.
    pub(super) fn read(mut walk: Walk<'_>) -> Result<Self, Malformed> {
        let mut attributes = Vec::new();
        let mut rdn: usize = 0;
        while !walk.is_finished() {
            let mut set = walk.expect(Tag::Set)?.fields();
            if set.is_finished() {
                return Err(Malformed::Der);
            }
            while !set.is_finished() {
                let mut pair = set.expect(Tag::Sequence)?.fields();
                let kind = pair.expect(Tag::ObjectIdentifier)?.range();
                let field = pair.next()?;
                pair.finish()?;
                let value = field.range();
                let whole = value.end.saturating_sub(field.whole.len())..value.end;
                attributes.push(Attribute { rdn, kind, tag: field.tag, value, whole });
                if attributes.len() > MAX_ATTRIBUTES {
                    return Err(Malformed::TooManyAttributes);
                }
            }
            rdn = rdn.saturating_add(1);
        }
        Ok(Self(attributes))
    }

    /// The values of the attributes of this type.
    pub(super) fn values(&self, der: &[u8], kind: &[u8]) -> Result<Vec<String>, Malformed> {
        let of_kind = self.0.iter().filter(|attribute| slice(der, &attribute.kind) == kind);
        of_kind.map(|attribute| text(attribute.tag, slice(der, &attribute.value))).collect()
    }

    /// The RFC 4514 string: last RDN first.
    pub(super) fn rfc4514(&self, der: &[u8]) -> Result<String, Malformed> {
        let mut out = String::new();
        let mut previous = None;
        for attribute in self.0.iter().rev() {
            match previous {
                None => {}
                Some(rdn) if rdn == attribute.rdn => out.push('+'),
                Some(_) => out.push(','),
            }
            previous = Some(attribute.rdn);
            attribute.write(der, &mut out)?;
        }
        Ok(out)
    }
}

impl Attribute {
    fn write(&self, der: &[u8], out: &mut String) -> Result<(), Malformed> {
        let kind = slice(der, &self.kind);
        let short = SHORT_NAMES.iter().find(|(_, octets)| *octets == kind).map(|(name, _)| *name);
        match (short, text(self.tag, slice(der, &self.value))) {
            (Some(name), Ok(value)) => {
                out.push_str(name);
                out.push('=');
                escape(&value, out);
            }
            // A string whose octets are not of its type has no honest printed form.
            (Some(_), Err(error)) if error == Malformed::Text => return Err(error),
            (name, _) => {
                match name {
                    Some(name) => out.push_str(name),
                    None => out.push_str(&oid::dotted(kind)?),
                }
                out.push_str("=#");
                for octet in slice(der, &self.whole) {
                    write!(out, "{octet:02X}").map_err(|_| Malformed::Text)?;
                }
            }
        }
        Ok(())
    }
}

/// RFC 4514, section 2.4, with non-ASCII and control octets as `\XX`.
fn escape(value: &str, out: &mut String) {
    let last = value.len().saturating_sub(1);
    for (at, octet) in value.bytes().enumerate() {
        let special = match octet {
            b'"' | b'\\' | b',' | b'+' | b'<' | b'>' | b';' => true,
            b'#' => at == 0,
            b' ' => at == 0 || at == last,
            _ => false,
        };
        if octet.is_ascii_control() || !octet.is_ascii() {
            // Writing to a String can't fail.
            let _ = write!(out, "\\{octet:02X}");
        } else {
            if special {
                out.push('\\');
            }
            out.push(char::from(octet));
        }
    }
}

fn slice<'a>(der: &'a [u8], range: &Range<usize>) -> &'a [u8] {
    der.get(range.clone()).unwrap_or_default()
}
