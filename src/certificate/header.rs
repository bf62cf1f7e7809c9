//! Certificates as proxies write them into headers. There is a standard (RFC 9440), and what everybody did before.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::pem;
use super::{Certificate, MAX_LENGTH, Malformed};

/// RFC 8941, section 4.2.7: padding may be absent.
const BYTE_SEQUENCE: GeneralPurpose =
    GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

/// Reads a header that holds one certificate: RFC 9440's `:base64:`; PEM as [`super::from_pem`] takes it; or the base64 alone, percent-encoded
/// or not.
///
/// # Errors
/// What is wrong with it.
pub fn from_header(value: &[u8]) -> Result<Certificate, Malformed> {
    if value.len() > MAX_LENGTH {
        return Err(Malformed::TooLarge);
    }
    let der = match value.strip_prefix(b":") {
        // RFC 8941, section 3.3.5: neither white space nor percent-encoding.
        Some(rest) => BYTE_SEQUENCE.decode(rest.strip_suffix(b":").ok_or(Malformed::Pem)?).map_err(|_| Malformed::Pem)?,
        None => pem::decode_bare(value)?,
    };
    Certificate::from_der(der)
}

/// The certificate in a value of `x-forwarded-client-cert` whose SHA-256 is `digest` (in hex); `None`: it isn't there.
///
/// Only what follows `Cert=` is looked at. Envoy quotes and percent-encodes that, but escapes neither `URI=` nor `DNS=`, so a name in somebody's
/// certificate can forge keys and whole elements, and other proxies' elements may stand beside. So each `Cert=` is tried: the digest alone decides,
/// and nobody makes another certificate with the same.
///
/// # Errors
/// It is there, and can't be read.
pub fn from_forwarded(value: &[u8], digest: &[u8]) -> Result<Option<Certificate>, Malformed> {
    if value.len() > MAX_LENGTH.saturating_mul(2) {
        return Err(Malformed::TooLarge);
    }
    let mut rest = value;
    while let Some(at) = pem::after(rest, "Cert=\"") {
        rest = at;
        // Up to the next quote, which each further `Cert="` has: no octet is decoded twice.
        let quoted = rest.split(|b| *b == b'"').next().unwrap_or_default();
        if let Ok(der) = pem::decode(quoted)
            && super::fingerprint(&der).as_bytes().eq_ignore_ascii_case(digest)
        {
            return Certificate::from_der(der).map(Some);
        }
    }
    Ok(None)
}
