//! The TLS client certificate of the connection, verified by Envoy, read here.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::certificate::ExtensionId;

/// A provider of client certificates, compiled.
#[derive(Debug)]
pub struct ClientCertificate {
    /// What the connection's SNI must be.
    pub server_name: ServerName,
    /// Which certificates are accepted among those that Envoy verified.
    pub accept: Accept,
    /// Where the certificate says who and what its bearer is.
    pub identity: MemberIdentity,
}

/// What the connection's SNI must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerName {
    /// The request's host.
    Host,
    /// Anything, or nothing.
    Any,
}

/// Which certificates are accepted; an empty list: whatever Envoy verified.
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
    pub grants: BTreeMap<String, Vec<String>>,
    /// Further values, by name.
    pub attributes: BTreeMap<Arc<str>, MemberAttribute>,
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

/// Why a certificate was refused.
#[derive(Debug)]
pub enum CertificateError {
    /// stub
    Missing,
}

impl CertificateError {
    /// The reason code.
    #[must_use]
    pub const fn reason(&self) -> crate::reason::Reason {
        crate::reason::Reason::CertificateMalformed
    }
}

impl std::fmt::Display for CertificateError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("")
    }
}
impl ClientCertificate {
    /// stub
    pub fn authenticate(
        &self,
        _provider: &Arc<str>,
        _peer: &dyn crate::peer::Peer,
        _host: &[u8],
        _now: crate::time::UnixTime,
    ) -> Result<Option<crate::identity::Identity>, CertificateError> {
        Ok(None)
    }
}
