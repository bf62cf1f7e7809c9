//! X.509 certificates (RFC 5280), as far as identities stand in them.
//!
//! Envoy has verified the chain by the time that a certificate gets here; what is read is what its holder is called. So a *critical* extension that is
//! not known here is no reason to refuse: path validation (RFC 5280, section 6.1.4) has judged it. What could be read in two ways is refused: anything
//! that is not DER, an extension twice, extensions before version 3, a signature algorithm that differs within and without.

mod extension;
mod header;
mod name;
mod oid;
mod pem;
#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
mod text;
mod twin;
mod walk;

use std::fmt;
use std::fmt::Write as _;
use std::ops::Range;

use der::{Decode, Tag};
use sha2::{Digest, Sha256};
use x509_cert::time::Time;

use crate::time::UnixTime;
use extension::GeneralName;
pub use header::{from_forwarded, from_header};
use name::Name;
pub use oid::ExtensionId;
use walk::{Field, Walk, check, context, is_tight_bit_string};

/// The longest certificate that is looked at, in bytes of DER.
pub const MAX_LENGTH: usize = 64 * 1024;

/// The most extensions that a certificate may have.
const MAX_EXTENSIONS: usize = 100;

const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1D, 0x11];

/// A parsed certificate. Names and extensions are decoded when they are asked for, so that what nobody asks for can't refuse anybody.
#[derive(Debug)]
pub struct Certificate {
    der: Vec<u8>,
    /// Unix seconds, both inclusive.
    validity: (u64, u64),
    subject: Name,
    issuer: Name,
    extensions: Vec<Extension>,
}

/// An extension, by its place in the certificate.
#[derive(Debug)]
struct Extension {
    id: Range<usize>,
    value: Range<usize>,
}

/// Reads the first PEM block (RFC 7468) of `text`, raw or percent-encoded.
///
/// # Errors
/// What is wrong with it.
pub fn from_pem(text: &[u8]) -> Result<Certificate, Malformed> {
    // Percent-encoded base64 of what may be read is well below twice its length.
    if text.len() > MAX_LENGTH.saturating_mul(2) {
        return Err(Malformed::TooLarge);
    }
    Certificate::from_der(pem::decode(text)?)
}

/// A certificate's distinguished name can be asked for this attribute: a short name in any case, or dotted decimal.
#[must_use]
pub fn is_attribute(name: &str) -> bool {
    name::attribute_type(name).is_some()
}

impl Certificate {
    /// Reads DER (RFC 5280, section 4.1).
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_der(der: Vec<u8>) -> Result<Self, Malformed> {
        if der.len() > MAX_LENGTH {
            return Err(Malformed::TooLarge);
        }
        let mut outer = Walk::new(&der);
        let whole = outer.expect(Tag::Sequence)?;
        outer.finish()?;
        check(whole.fields())?;
        let mut certificate = whole.fields();
        let mut tbs = certificate.expect(Tag::Sequence)?.fields();
        let algorithm = certificate.expect(Tag::Sequence)?;
        algorithm.fields().expect(Tag::ObjectIdentifier)?;
        certificate.expect(Tag::BitString)?;
        certificate.finish()?;

        let version = version(&mut tbs)?;
        tbs.expect(Tag::Integer)?;
        if tbs.expect(Tag::Sequence)?.whole != algorithm.whole {
            return Err(Malformed::Algorithm);
        }
        let issuer = Name::read(tbs.expect(Tag::Sequence)?.fields())?;
        let validity = validity(&tbs.expect(Tag::Sequence)?)?;
        let subject = Name::read(tbs.expect(Tag::Sequence)?.fields())?;
        let mut key = tbs.expect(Tag::Sequence)?.fields();
        key.expect(Tag::Sequence)?.fields().expect(Tag::ObjectIdentifier)?;
        key.expect(Tag::BitString)?;
        key.finish()?;
        for unique_identifier in [1, 2] {
            match tbs.optional(context(unique_identifier, false))? {
                Some(_) if version == 0 => return Err(Malformed::Version),
                Some(field) if !is_tight_bit_string(field.value) => return Err(Malformed::Der),
                _ => {}
            }
        }
        let extensions = match tbs.optional(context(3, true))? {
            Some(_) if version < 2 => return Err(Malformed::Version),
            Some(field) => extensions(&der, &field)?,
            None => Vec::new(),
        };
        tbs.finish()?;
        Ok(Self { validity, subject, issuer, extensions, der })
    }

    /// The certificate as it was issued.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// PEM with LF line ends, percent-encoded as nginx's `$ssl_client_escaped_cert` and the `X-Amzn-Mtls-Clientcert` header carry it.
    #[must_use]
    pub fn percent_encoded_pem(&self) -> String {
        pem::encode_percent(&self.der)
    }

    /// The SHA-256 of the DER: `x5t#S256` (RFC 8705, section 3.1) before it is encoded.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(&self.der).into()
    }

    /// The [`Self::digest`] of the same certificate with the other signature that its issuer's ECDSA has for it; `None`: there is no other.
    /// Its holder can choose which one to show.
    #[must_use]
    pub fn twin_digest(&self) -> Option<[u8; 32]> {
        twin::twin(&self.der).map(|der| Sha256::digest(der).into())
    }

    /// [`Self::twin_digest`] in lower-case hex.
    #[must_use]
    pub fn twin_fingerprint(&self) -> Option<String> {
        twin::twin(&self.der).map(|der| fingerprint(&der))
    }

    /// [`Self::digest`] in lower-case hex, as Envoy prints it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.der)
    }

    /// When it is over.
    #[must_use]
    pub fn end(&self) -> UnixTime {
        UnixTime::from_seconds(self.validity.1.saturating_add(1))
    }

    /// Where `now` lies: `Less` before the validity period, `Greater` after it. Both ends belong to it (RFC 5280, section 4.1.2.5).
    #[must_use]
    pub fn at(&self, now: UnixTime) -> std::cmp::Ordering {
        let now = now.millis() / 1000;
        let (not_before, not_after) = self.validity;
        if now < not_before {
            std::cmp::Ordering::Less
        } else if now > not_after {
            std::cmp::Ordering::Greater
        } else {
            std::cmp::Ordering::Equal
        }
    }

    /// The subject in RFC 4514 form; empty for an empty one.
    ///
    /// # Errors
    /// [`Malformed::Text`] for a value that is not of its string type.
    pub fn subject(&self) -> Result<String, Malformed> {
        self.subject.rfc4514(&self.der)
    }

    /// The issuer in RFC 4514 form.
    ///
    /// # Errors
    /// [`Malformed::Text`] for a value that is not of its string type.
    pub fn issuer(&self) -> Result<String, Malformed> {
        self.issuer.rfc4514(&self.der)
    }

    /// The values of one attribute of the subject: by its short name in any case (`CN`, `OU`, …), or dotted decimal.
    ///
    /// # Errors
    /// A value is no string, or not of its string type.
    pub fn subject_values(&self, attribute: &str) -> Result<Vec<String>, Malformed> {
        match name::attribute_type(attribute) {
            Some(kind) => self.subject.values(&self.der, &kind),
            None => Ok(Vec::new()),
        }
    }

    /// The URIs of the subjectAltName, in order.
    ///
    /// # Errors
    /// The extension is malformed.
    pub fn san_uris(&self) -> Result<Vec<&str>, Malformed> {
        self.alt_names(GeneralName::Uri)
    }

    /// The DNS names of the subjectAltName, in order.
    ///
    /// # Errors
    /// The extension is malformed.
    pub fn san_dns(&self) -> Result<Vec<&str>, Malformed> {
        self.alt_names(GeneralName::Dns)
    }

    fn alt_names(&self, kind: GeneralName) -> Result<Vec<&str>, Malformed> {
        self.value(SUBJECT_ALT_NAME).map_or_else(|| Ok(Vec::new()), |value| extension::alt_names(value, kind))
    }

    /// What an extension's OCTET STRING holds.
    #[must_use]
    pub fn extension(&self, id: &ExtensionId) -> Option<&[u8]> {
        self.value(&id.0)
    }

    fn value(&self, id: &[u8]) -> Option<&[u8]> {
        let found = self.extensions.iter().find(|extension| self.der.get(extension.id.clone()) == Some(id))?;
        self.der.get(found.value.clone())
    }

    /// The strings of an extension that is exactly one SEQUENCE OF UTF8String; they may hold any character, NUL included.
    ///
    /// # Errors
    /// It is something else.
    pub fn utf8_sequence(&self, id: &ExtensionId) -> Result<Option<Vec<&str>>, Malformed> {
        self.extension(id).map(extension::utf8_sequence).transpose()
    }

    /// The string of an extension that is exactly one UTF8String.
    ///
    /// # Errors
    /// It is something else.
    pub fn utf8(&self, id: &ExtensionId) -> Result<Option<&str>, Malformed> {
        self.extension(id).map(extension::utf8).transpose()
    }
}

fn fingerprint(der: &[u8]) -> String {
    let mut hex = String::with_capacity(64);
    for octet in Sha256::digest(der) {
        // Writing to a String can't fail.
        let _ = write!(hex, "{octet:02x}");
    }
    hex
}

/// RFC 5280, section 4.1.2.1; DER never encodes the default.
fn version(tbs: &mut Walk<'_>) -> Result<u8, Malformed> {
    let Some(field) = tbs.optional(context(0, true))? else {
        return Ok(0);
    };
    let mut inner = field.fields();
    let version = inner.expect(Tag::Integer)?.value;
    inner.finish()?;
    match version {
        [version @ 1..=2] => Ok(*version),
        _ => Err(Malformed::Version),
    }
}

fn validity(field: &Field<'_>) -> Result<(u64, u64), Malformed> {
    let mut fields = field.fields();
    let mut next =
        || fields.next().and_then(|f| Time::from_der(f.whole).map_err(|_| Malformed::Time)).map(|t| t.to_unix_duration().as_secs());
    let period = (next()?, next()?);
    fields.finish()?;
    Ok(period)
}

/// RFC 5280, section 4.2: at least one, none twice.
fn extensions(der: &[u8], field: &Field<'_>) -> Result<Vec<Extension>, Malformed> {
    let mut outer = field.fields();
    let mut list = outer.expect(Tag::Sequence)?.fields();
    outer.finish()?;
    if list.is_finished() {
        return Err(Malformed::Der);
    }
    let mut found: Vec<Extension> = Vec::new();
    while !list.is_finished() {
        let mut parts = list.expect(Tag::Sequence)?.fields();
        let id = parts.expect(Tag::ObjectIdentifier)?;
        // DER never encodes the default, FALSE (X.690, section 11.5).
        if parts.optional(Tag::Boolean)?.is_some_and(|critical| critical.value == [0]) {
            return Err(Malformed::Der);
        }
        let value = parts.expect(Tag::OctetString)?.range();
        parts.finish()?;
        if found.iter().any(|earlier| der.get(earlier.id.clone()) == Some(id.value)) {
            return Err(Malformed::RepeatedExtension);
        }
        found.push(Extension { id: id.range(), value });
        if found.len() > MAX_EXTENSIONS {
            return Err(Malformed::TooManyExtensions);
        }
    }
    Ok(found)
}

/// Why a certificate can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Longer than [`MAX_LENGTH`].
    TooLarge,
    /// The text holds no PEM block of a certificate first, or its base64 is bad.
    Pem,
    /// It is not DER, or not built as RFC 5280 says.
    Der,
    /// Something stands behind the end.
    TrailingBytes,
    /// The version is unknown, or holds what only later ones may.
    Version,
    /// The signature algorithm differs within and without (RFC 5280, section 4.1.1.2).
    Algorithm,
    /// A date that is none.
    Time,
    /// An extension stands there twice (RFC 5280, section 4.2).
    RepeatedExtension,
    /// More extensions than anyone needs.
    TooManyExtensions,
    /// More attributes in a name than anyone needs.
    TooManyAttributes,
    /// A string whose octets are not of its type.
    Text,
    /// A value that is no string where one is wanted.
    NotText,
    /// An object identifier that can't be printed.
    ObjectIdentifier,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "longer than 64 KiB",
            Self::Pem => "no PEM of a certificate",
            Self::Der => "not the DER of an X.509 certificate",
            Self::TrailingBytes => "bytes after the end",
            Self::Version => "unknown version, or fields that its version may not have",
            Self::Algorithm => "two signature algorithms",
            Self::Time => "bad date",
            Self::RepeatedExtension => "an extension twice",
            Self::TooManyExtensions => "more than 100 extensions",
            Self::TooManyAttributes => "more than 100 attributes in a name",
            Self::Text => "a string that is not of its type",
            Self::NotText => "a value that is no string where one is wanted",
            Self::ObjectIdentifier => "an object identifier beyond 2^128",
        })
    }
}

impl std::error::Error for Malformed {}
