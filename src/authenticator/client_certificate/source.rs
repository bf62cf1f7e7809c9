//! Where a client certificate comes from, and who vouches for it.

use std::cmp::Ordering;

use super::CertificateError;
use crate::certificate::{Certificate, from_forwarded, from_header, from_pem};
use crate::credential::Place;
use crate::peer::{Peer, Shown};
use crate::request::{Headers, Request};
use crate::time::UnixTime;

/// Envoy's header about the certificate of a connection.
const FORWARDED: &str = "x-forwarded-client-cert";

/// Where a client certificate comes from.
#[derive(Debug)]
pub enum CertificateSource {
    /// It is that of the connection.
    Connection(Handshake),
    /// A proxy that ended the client's TLS wrote it into a header.
    Header {
        /// The header, without a scheme.
        place: Place,
        /// Whose word is taken for it.
        trusted: Trusted,
    },
}

/// What a connection's handshake must have been for its certificate to count.
#[derive(Clone, Copy, Debug)]
pub struct Handshake {
    /// What its SNI must be.
    pub server_name: ServerName,
    /// Who says that its certificate was verified.
    pub verified_by: VerifiedBy,
}

/// What a connection's SNI must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerName {
    /// The request's host.
    Host,
    /// Anything, or nothing.
    Any,
}

/// Who says that a connection's certificate was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerifiedBy {
    /// `connection.peer_certificate_valid`.
    Attribute,
    /// The listener's own configuration, where Envoy is too old (before 1.39) to have that attribute. Where there is one, it counts.
    Listener,
}

/// Whose word is taken for a certificate in a header.
#[derive(Debug)]
pub enum Trusted {
    /// Anybody's who reaches the listener.
    NetworkOnly,
    /// That of a proxy with such a certificate of its own on this connection.
    Proxy(Handshake, ProxyCertificate),
}

/// A proxy's own certificate. Everything is compared byte for byte; one of several is enough.
#[derive(Debug)]
pub enum ProxyCertificate {
    /// One of the subjectAltName's URIs.
    SanUri(Vec<String>),
    /// One of the subjectAltName's DNS names.
    SanDns(Vec<String>),
    /// The SHA-256 of the DER.
    Sha256(Vec<[u8; 32]>),
}

impl CertificateSource {
    /// Where in a request the certificate stands; `None`: it is the connection's.
    #[must_use]
    pub const fn place(&self) -> Option<&Place> {
        match self {
            Self::Connection(_) => None,
            Self::Header { place, .. } => Some(place),
        }
    }

    /// The certificate that somebody vouches for, within its time; `None`: there is none.
    pub(super) fn certificate(
        &self,
        request: &Request,
        peer: &dyn Peer,
        host: &[u8],
        now: UnixTime,
    ) -> Result<Option<Certificate>, CertificateError> {
        match self {
            Self::Connection(handshake) => handshake.certificate(&request.headers, peer, host, now),
            Self::Header { place, trusted } => {
                let Some(value) = sent(place, &request.headers)? else {
                    return Ok(None);
                };
                trusted.check(&request.headers, peer, host, now)?;
                in_time(from_header(value)?, now).map(Some)
            }
        }
    }
}

/// What stands in the header. A proxy sends an empty one for a client without a certificate.
fn sent<'h>(place: &Place, headers: &'h Headers) -> Result<Option<&'h [u8]>, CertificateError> {
    let Place::Header { name, .. } = place else {
        return Ok(None);
    };
    let value = headers.only(name).map_err(|_| CertificateError::Ambiguous)?.unwrap_or_default();
    // Whoever joins two copies puts a comma between them, which no form of a certificate has: the first might be the client's.
    if value.contains(&b',') {
        return Err(CertificateError::Ambiguous);
    }
    Ok(Some(value).filter(|value| !value.is_empty()))
}

impl Trusted {
    fn check(&self, headers: &Headers, peer: &dyn Peer, host: &[u8], now: UnixTime) -> Result<(), CertificateError> {
        let Self::Proxy(handshake, wanted) = self else {
            return Ok(());
        };
        let untrusted = |error| match error {
            // The proxy may be trusted, but not over this connection.
            error @ CertificateError::Misdirected(_) => error,
            error => CertificateError::UntrustedSource(Box::new(error)),
        };
        match handshake.certificate(headers, peer, host, now).map_err(untrusted)? {
            None => Err(untrusted(CertificateError::Missing)),
            Some(own) if wanted.is(&own).map_err(|error| untrusted(error.into()))? => Ok(()),
            Some(own) => Err(untrusted(CertificateError::Stranger(own.fingerprint()))),
        }
    }
}

impl ProxyCertificate {
    fn is(&self, own: &Certificate) -> Result<bool, crate::certificate::Malformed> {
        let one_of = |names: &[&str], wanted: &[String]| names.iter().any(|name| wanted.iter().any(|wanted| wanted == name));
        Ok(match self {
            Self::SanUri(wanted) => one_of(&own.san_uris()?, wanted),
            Self::SanDns(wanted) => one_of(&own.san_dns()?, wanted),
            Self::Sha256(wanted) => wanted.contains(&own.digest()),
        })
    }
}

impl Handshake {
    /// The connection's own certificate, within its time; `None`: none was presented.
    fn certificate(self, headers: &Headers, peer: &dyn Peer, host: &[u8], now: UnixTime) -> Result<Option<Certificate>, CertificateError> {
        let shown = peer.certificate();
        if shown == Shown::Nothing {
            return Ok(None);
        }
        match (peer.valid(), self.verified_by) {
            (Some(true), _) | (None, VerifiedBy::Listener) => {}
            (Some(false), _) => return Err(CertificateError::Unverified),
            (None, VerifiedBy::Attribute) => return Err(CertificateError::Unverifiable),
        }
        self.server_name.check(peer, host)?;
        let certificate = match shown {
            Shown::Nothing => return Ok(None),
            Shown::Pem(pem) => from_pem(&pem)?,
            Shown::Digest(digest) => forwarded(headers, &digest)?,
            Shown::Unreadable => return Err(CertificateError::Unreadable),
        };
        in_time(certificate, now).map(Some)
    }
}

/// What Envoy before 1.38 doesn't show, it can be told to write into a header.
fn forwarded(headers: &Headers, digest: &[u8]) -> Result<Certificate, CertificateError> {
    for value in headers.all(FORWARDED) {
        if let Some(certificate) = from_forwarded(value, digest)? {
            return Ok(certificate);
        }
    }
    Err(CertificateError::NotForwarded)
}

impl ServerName {
    /// One CA's client could otherwise reach, over its own server name, the host of another CA's members.
    fn check(self, peer: &dyn Peer, host: &[u8]) -> Result<(), CertificateError> {
        if self == Self::Any {
            return Ok(());
        }
        let name = peer.server_name();
        let asked = name.as_deref().map(|name| name.strip_suffix(b".").unwrap_or(name));
        // An empty SNI names nothing, even if the host were empty, too.
        if asked.is_some_and(|asked| !asked.is_empty() && asked.eq_ignore_ascii_case(host)) {
            Ok(())
        } else {
            Err(CertificateError::Misdirected(name))
        }
    }
}

/// Envoy may have been told to let expired certificates in.
fn in_time(certificate: Certificate, now: UnixTime) -> Result<Certificate, CertificateError> {
    match certificate.at(now) {
        Ordering::Less => Err(CertificateError::NotYetValid),
        Ordering::Greater => Err(CertificateError::Expired),
        Ordering::Equal => Ok(certificate),
    }
}
