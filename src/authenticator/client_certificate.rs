//! Client certificates, verified by Envoy or by a trusted proxy, read here.

mod remembered;
mod source;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::certificate::{Certificate, ExtensionId, Malformed};
use crate::identity::Identity;
use crate::peer::Peer;
use crate::reason::Reason;
use crate::request::Request;
use crate::time::UnixTime;
pub use remembered::Remembered;
use source::Vouched;
pub use source::{CertificateSource, Handshake, ProxyCertificate, ServerName, Trusted, VerifiedBy};

/// A provider of client certificates, compiled.
#[derive(Debug)]
pub struct ClientCertificate {
    /// Where the certificate comes from.
    pub source: CertificateSource,
    /// Which certificates are accepted among those that somebody vouches for.
    pub accept: Accept,
    /// Where the certificate says who and what its bearer is.
    pub identity: MemberIdentity,
}

/// Which certificates are accepted; an empty list: whatever was verified.
#[derive(Debug, Default)]
pub struct Accept {
    /// Issuer names, in RFC 4514 form.
    pub issuers: Vec<String>,
    /// Subject names, in RFC 4514 form.
    pub subjects: Vec<String>,
}

/// Where a certificate says who and what its bearer is.
#[derive(Debug)]
pub struct MemberIdentity {
    /// Who.
    pub subject: MemberSubject,
    /// What; `None`: certificates hold no roles.
    pub roles: Option<MemberRoles>,
    /// Further roles, by subject.
    pub grants: HashMap<String, Vec<String>>,
    /// Further values, by name.
    pub attributes: Vec<(Arc<str>, MemberAttribute)>,
}

/// Where the subject stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberSubject {
    /// An attribute of the subject's distinguished name, by its short name in upper case (`CN`, `O`, `OU`, ...). Exactly one value, or the certificate is refused.
    Dn(String),
    /// The subjectAltName's one URI.
    SanUri,
    /// The subjectAltName's one DNS name.
    SanDns,
    /// The SHA-256 of the DER, in lower-case hex.
    Fingerprint,
}

/// Where roles stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberRoles {
    /// An extension that holds a SEQUENCE OF UTF8String.
    Utf8Sequence(ExtensionId),
    /// An extension that holds one UTF8String: one role.
    Utf8(ExtensionId),
    /// Every URI of the subjectAltName.
    SanUri,
    /// Every value of an attribute of the subject's distinguished name.
    Dn(String),
}

/// Where an attribute stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberAttribute {
    /// An extension that holds one UTF8String.
    Utf8(ExtensionId),
    /// An attribute of the subject's distinguished name: one value.
    Dn(String),
    /// The subjectAltName's one URI.
    SanUri,
    /// The subjectAltName's one DNS name.
    SanDns,
    /// The SHA-256 of the DER, in lower-case hex.
    Fingerprint,
}

impl ClientCertificate {
    /// Judges the certificate of a request to `host` (lower case, without port and trailing dot) that came by `peer`'s connection.
    /// `None`: no certificate was presented.
    ///
    /// A certificate without the subject that the configuration names is refused: nothing later could tell its bearer from another's.
    ///
    /// # Errors
    /// Why the certificate was refused.
    pub fn authenticate(
        &self,
        provider: &Arc<str>,
        request: &Request,
        (peer, host): (&dyn Peer, &[u8]),
        remembered: &Remembered<'_>,
        now: UnixTime,
    ) -> Result<Option<Arc<Identity>>, CertificateError> {
        let vouched = match self.source.certificate(request, (peer, host), remembered, now) {
            Err(CertificateError::Unverified) if remembered.was_verified(peer, now) => return Err(CertificateError::Resumed),
            other => other?,
        };
        Ok(match vouched {
            None => None,
            Some(Vouched::Known(identity)) => Some(identity),
            Some(Vouched::New(certificate, name)) => {
                let identity = Arc::new(self.identify(provider, certificate)?);
                remembered.add(name, &identity);
                Some(identity)
            }
        })
    }

    /// A function of the certificate alone.
    fn identify(&self, provider: &Arc<str>, certificate: Certificate) -> Result<Identity, CertificateError> {
        self.accept.check(&certificate)?;
        let subject = self.identity.subject.read(&certificate)?;
        let mut roles = self.identity.roles.as_ref().map_or(Ok(None), |roles| roles.read(&certificate))?;
        if let Some(granted) = self.identity.grants.get(&subject) {
            let roles = roles.get_or_insert_default();
            for role in granted {
                if !roles.contains(role) {
                    roles.push(role.clone());
                }
            }
        }
        let mut attributes = Vec::new();
        for (name, attribute) in &self.identity.attributes {
            if let Some(value) = attribute.read(name, &certificate)? {
                attributes.push((Arc::clone(name), value));
            }
        }
        Ok(Identity {
            provider: Arc::clone(provider),
            subject: Some(subject),
            roles,
            attributes,
            certificate: Some(Arc::new(certificate)),
            ..Identity::default()
        })
    }
}

impl Accept {
    fn check(&self, certificate: &Certificate) -> Result<(), CertificateError> {
        if !self.issuers.is_empty() {
            let issuer = certificate.issuer()?;
            if !self.issuers.contains(&issuer) {
                return Err(CertificateError::Issuer(issuer));
            }
        }
        if !self.subjects.is_empty() {
            let subject = certificate.subject()?;
            if !self.subjects.contains(&subject) {
                return Err(CertificateError::Subject(subject));
            }
        }
        Ok(())
    }
}

impl MemberSubject {
    fn read(&self, certificate: &Certificate) -> Result<String, CertificateError> {
        let mut values = match self {
            Self::Dn(attribute) => certificate.subject_values(attribute)?,
            Self::SanUri => owned(certificate.san_uris()?),
            Self::SanDns => owned(certificate.san_dns()?),
            Self::Fingerprint => vec![certificate.fingerprint()],
        };
        match (values.pop(), values.is_empty()) {
            (Some(subject), true) if !subject.is_empty() => Ok(subject),
            (None | Some(_), true) => Err(CertificateError::SubjectAbsent),
            (_, false) => Err(CertificateError::SubjectAmbiguous),
        }
    }
}

impl MemberRoles {
    /// `None`: the certificate says nothing of roles, which is not the same as an empty list.
    fn read(&self, certificate: &Certificate) -> Result<Option<Vec<String>>, CertificateError> {
        let some = |values: Vec<String>| (!values.is_empty()).then_some(values);
        Ok(match self {
            Self::Utf8Sequence(id) => certificate.utf8_sequence(id)?.map(owned),
            Self::Utf8(id) => certificate.utf8(id)?.map(|role| vec![role.to_owned()]),
            Self::SanUri => some(owned(certificate.san_uris()?)),
            Self::Dn(attribute) => some(certificate.subject_values(attribute)?),
        })
    }
}

impl MemberAttribute {
    fn read(&self, name: &Arc<str>, certificate: &Certificate) -> Result<Option<String>, CertificateError> {
        let mut values = match self {
            Self::Utf8(id) => return Ok(certificate.utf8(id)?.map(str::to_owned)),
            Self::Dn(attribute) => certificate.subject_values(attribute)?,
            Self::SanUri => owned(certificate.san_uris()?),
            Self::SanDns => owned(certificate.san_dns()?),
            Self::Fingerprint => return Ok(Some(certificate.fingerprint())),
        };
        let value = values.pop();
        if values.is_empty() { Ok(value) } else { Err(CertificateError::AttributeAmbiguous(Arc::clone(name))) }
    }
}

fn owned(values: Vec<&str>) -> Vec<String> {
    values.into_iter().map(str::to_owned).collect()
}

/// Why a certificate was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateError {
    /// None was presented, where nothing but a certificate would do.
    Missing,
    /// Envoy did not verify it in this connection's handshake.
    Unverified,
    /// Envoy doesn't say whether it verified it: before 1.39 it has no `connection.peer_certificate_valid`.
    Unverifiable,
    /// This Envoy (before 1.38) shows a connection's certificate in `x-forwarded-client-cert` alone, and there it isn't.
    NotForwarded,
    /// Envoy can't show it.
    Unreadable,
    /// The header that holds it stands more than once.
    Ambiguous,
    /// Who sent it in a header is nobody whose word is taken for it: why.
    UntrustedSource(Box<Self>),
    /// It is good, but not a trusted proxy's: its SHA-256, in hex.
    Stranger(String),
    /// Envoy did not verify it in this connection's handshake, but did so in an earlier one: see [`Remembered`].
    Resumed,
    /// The connection's SNI, as the client sent it, is not the request's host.
    Misdirected(Option<Vec<u8>>),
    /// It can't be read.
    Malformed(Malformed),
    /// Its time has not begun.
    NotYetValid,
    /// Its time is over.
    Expired,
    /// It is of this issuer (RFC 4514), which is not accepted here.
    Issuer(String),
    /// It is of this subject (RFC 4514), which is not accepted here.
    Subject(String),
    /// It has no value, or an empty one, where the identity's subject is read.
    SubjectAbsent,
    /// It has several values where the identity's subject is read.
    SubjectAmbiguous,
    /// It has several values where this attribute is read.
    AttributeAmbiguous(Arc<str>),
}

impl From<Malformed> for CertificateError {
    fn from(error: Malformed) -> Self {
        Self::Malformed(error)
    }
}

impl CertificateError {
    /// The reason code.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Missing => Reason::CertificateMissing,
            Self::Unverified | Self::Unverifiable | Self::NotForwarded => Reason::CertificateUnverified,
            Self::Ambiguous => Reason::CredentialAmbiguous,
            Self::UntrustedSource(_) | Self::Stranger(_) => Reason::CertificateUntrustedSource,
            Self::Resumed => Reason::ResumedSession,
            Self::Misdirected(_) => Reason::Misdirected,
            Self::Malformed(Malformed::TooLarge) => Reason::CredentialTooLarge,
            Self::Malformed(_) | Self::Unreadable => Reason::CertificateMalformed,
            Self::NotYetValid | Self::Expired => Reason::CertificateExpired,
            Self::Issuer(_) | Self::Subject(_) | Self::SubjectAbsent | Self::SubjectAmbiguous | Self::AttributeAmbiguous(_) => {
                Reason::CertificateNotAccepted
            }
        }
    }
}

/// The log cuts what is longer than 128 octets.
impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("no client certificate"),
            Self::Unverified => f.write_str("connection.peer_certificate_valid is false: untrusted, or a resumed TLS session"),
            Self::Unverifiable => f.write_str("this Envoy has no connection.peer_certificate_valid: see verified_by in the documentation"),
            Self::NotForwarded => {
                f.write_str("this Envoy needs forward_client_cert_details: SANITIZE_SET, set_current_client_cert_details: {cert: true}")
            }
            Self::Unreadable => f.write_str("Envoy can't show it"),
            Self::Ambiguous => f.write_str("several in the header, or a comma, as if two had been joined"),
            Self::UntrustedSource(why) => write!(f, "by no trusted proxy: {why}"),
            Self::Stranger(sha256) => write!(f, "sha256 {sha256}"),
            Self::Resumed => f.write_str("the TLS session was resumed: switch resumption off in the DownstreamTlsContext"),
            Self::Misdirected(None) => f.write_str("no server name in the TLS handshake"),
            Self::Misdirected(Some(name)) => write!(f, "server name: {}", shown(name)),
            Self::Malformed(what) => what.fmt(f),
            Self::NotYetValid => f.write_str("not valid yet"),
            Self::Expired => f.write_str("expired"),
            Self::Issuer(name) => write!(f, "issuer: {}", shown(name.as_bytes())),
            Self::Subject(name) => write!(f, "subject: {}", shown(name.as_bytes())),
            Self::SubjectAbsent => f.write_str("no subject where the configuration looks for it"),
            Self::SubjectAmbiguous => f.write_str("several subjects where one is wanted"),
            Self::AttributeAmbiguous(name) => write!(f, "several values for the attribute {name}"),
        }
    }
}

/// Escaped and cut, for the log.
fn shown(octets: &[u8]) -> std::slice::EscapeAscii<'_> {
    octets.get(..200).unwrap_or(octets).escape_ascii()
}
