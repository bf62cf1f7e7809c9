//! Where a client certificate comes from, and who vouches for it.

use std::cmp::Ordering;
use std::sync::Arc;

use super::CertificateError;
use super::remembered::{Name, Remembered};
use crate::cache::Form;
use crate::certificate::{Certificate, from_forwarded, from_header, from_pem};
use crate::credential::Place;
use crate::identity::Identity;
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

    /// Whether the certificate is good for the host that its connection's SNI names alone.
    #[must_use]
    pub const fn binds_hosts(&self) -> bool {
        matches!(self, Self::Connection(Handshake { server_name: ServerName::Host, .. }))
    }

    /// The certificate that somebody vouches for, within its time; `None`: there is none.
    pub(super) fn certificate(
        &self,
        request: &Request,
        connection: (&dyn Peer, &[u8]),
        remembered: &Remembered<'_>,
        now: UnixTime,
    ) -> Result<Option<Vouched>, CertificateError> {
        match self {
            Self::Connection(handshake) => handshake.certificate(&request.headers, connection, Form::Connection, remembered, now),
            Self::Header { place, trusted } => {
                let Some(value) = sent(place, &request.headers)? else {
                    return Ok(None);
                };
                trusted.check(&request.headers, connection, remembered, now)?;
                match remembered.get(Form::Header, value) {
                    Some(identity) => Vouched::Known(identity),
                    None => Vouched::New(from_header(value)?, Some((Form::Header, value.to_vec()))),
                }
                .in_time(now)
                .map(Some)
            }
        }
    }
}

/// A certificate that somebody vouches for.
pub(super) enum Vouched {
    /// Whose it is was found out before.
    Known(Arc<Identity>),
    /// And what it is remembered by.
    New(Certificate, Name),
}

impl Vouched {
    /// Envoy may have been told to let expired certificates in.
    fn in_time(self, now: UnixTime) -> Result<Self, CertificateError> {
        let certificate = match &self {
            Self::Known(identity) => identity.certificate.as_deref(),
            Self::New(certificate, _) => Some(certificate),
        };
        match certificate.map(|certificate| certificate.at(now)) {
            Some(Ordering::Less) => Err(CertificateError::NotYetValid),
            Some(Ordering::Greater) => Err(CertificateError::Expired),
            Some(Ordering::Equal) => Ok(self),
            None => Err(CertificateError::Unreadable),
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
    fn check(
        &self,
        headers: &Headers,
        connection: (&dyn Peer, &[u8]),
        remembered: &Remembered<'_>,
        now: UnixTime,
    ) -> Result<(), CertificateError> {
        let Self::Proxy(handshake, wanted) = self else {
            return Ok(());
        };
        let untrusted = |error| match error {
            // The proxy may be trusted, but not over this connection.
            error @ CertificateError::Misdirected(_) => error,
            error => CertificateError::UntrustedSource(Box::new(error)),
        };
        match handshake.certificate(headers, connection, Form::Proxy, remembered, now).map_err(untrusted)? {
            None => Err(untrusted(CertificateError::Missing)),
            // It is remembered because it was such a one.
            Some(Vouched::Known(_)) => Ok(()),
            Some(Vouched::New(own, name)) if wanted.is(&own).map_err(|error| untrusted(error.into()))? => {
                remembered.add(name, &Arc::new(Identity { certificate: Some(Arc::new(own)), ..Identity::default() }));
                Ok(())
            }
            Some(Vouched::New(own, _)) => Err(untrusted(CertificateError::Stranger(own.fingerprint()))),
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
    fn certificate(
        self,
        headers: &Headers,
        (peer, host): (&dyn Peer, &[u8]),
        form: Form,
        remembered: &Remembered<'_>,
        now: UnixTime,
    ) -> Result<Option<Vouched>, CertificateError> {
        let valid = peer.valid();
        // Where Envoy doesn't tell, nothing is taken from what was seen before.
        let digest = if valid == Some(true) { peer.digest() } else { None };
        let known = digest.as_ref().and_then(|digest| remembered.get(form, digest));
        let shown = if known.is_some() { None } else { Some(peer.certificate()) };
        if shown == Some(Shown::Nothing) {
            return Ok(None);
        }
        match (valid, self.verified_by) {
            (Some(true), _) | (None, VerifiedBy::Listener) => {}
            (Some(false), _) => return Err(CertificateError::Unverified),
            (None, VerifiedBy::Attribute) => return Err(CertificateError::Unverifiable),
        }
        self.server_name.check(peer, host)?;
        let new = |certificate| Vouched::New(certificate, digest.map(|digest| (form, digest)));
        let vouched = match (known, shown) {
            (Some(identity), _) => Vouched::Known(identity),
            (None, Some(Shown::Pem(pem))) => new(from_pem(&pem)?),
            (None, Some(Shown::Digest(digest))) => new(forwarded(headers, &digest)?),
            (None, Some(Shown::Nothing)) => return Ok(None),
            (None, Some(Shown::Unreadable) | None) => return Err(CertificateError::Unreadable),
        };
        vouched.in_time(now).map(Some)
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
