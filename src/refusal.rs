//! Why a request was refused, as data: one flat error enum per stage. `Display` is for the log; it never holds a secret, and what the client sent
//! is escaped where it is written.

use std::fmt;
use std::sync::Arc;

use crate::authenticator::{CertificateError, RemoteError, SecretError, TokenError};
use crate::reason::Reason;

/// A refusal from whichever stage.
#[derive(Debug)]
pub enum Refusal {
    /// The request itself.
    Request(RequestError),
    /// Where the credential stands.
    Credential(CredentialError),
    /// A static secret.
    Secret(SecretError),
    /// A token.
    Token(TokenError),
    /// A client certificate.
    Certificate(CertificateError),
    /// Another service.
    Remote(RemoteError),
    /// A credential that is good, but revoked.
    Revoked(Revocation),
    /// The keys to verify with.
    Keys(KeysError),
    /// A condition of a rule.
    Condition(ConditionError),
    /// What the upstream would be told.
    Annotation(AnnotationError),
    /// The filter can't do its work: what failed.
    Internal(&'static str),
    /// Something set the verdict before this filter did.
    VerdictPresent,
}

impl Refusal {
    /// The reason code.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Request(e) => e.reason(),
            Self::Credential(e) => e.reason(),
            Self::Secret(e) => e.reason(),
            Self::Token(e) => e.reason(),
            Self::Certificate(e) => e.reason(),
            Self::Remote(e) => e.reason(),
            Self::Revoked(_) => Reason::Revoked,
            Self::Keys(e) => e.reason(),
            Self::Condition(e) => e.reason(),
            Self::Annotation(_) => Reason::HeaderValue,
            Self::Internal(_) => Reason::Internal,
            Self::VerdictPresent => Reason::VerdictPresent,
        }
    }

    /// The role that was missing, for messages.
    #[must_use]
    pub fn role(&self) -> Option<&str> {
        match self {
            Self::Condition(ConditionError::RoleMissing(role)) => Some(role),
            _ => None,
        }
    }

    /// Whose credential it was, where it was good.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        match self {
            Self::Revoked(revocation) => revocation.subject.as_deref(),
            _ => None,
        }
    }

    /// The scope that was missing, for challenges (RFC 6750, section 3.1).
    #[must_use]
    pub fn scope(&self) -> Option<&str> {
        match self {
            Self::Condition(ConditionError::ScopeMissing(scope)) => Some(scope),
            _ => None,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(e) => e.fmt(f),
            Self::Credential(e) => e.fmt(f),
            Self::Secret(e) => e.fmt(f),
            Self::Token(e) => e.fmt(f),
            Self::Certificate(e) => e.fmt(f),
            Self::Remote(e) => e.fmt(f),
            Self::Revoked(e) => e.fmt(f),
            Self::Keys(e) => e.fmt(f),
            Self::Condition(e) => e.fmt(f),
            Self::Annotation(e) => e.fmt(f),
            Self::Internal(what) => f.write_str(what),
            Self::VerdictPresent => f.write_str("wasm.portcullis.verdict was set before this filter ran"),
        }
    }
}

macro_rules! refusal_from {
    ($($stage:ident($error:ty),)+) => {
        $(impl From<$error> for Refusal {
            fn from(error: $error) -> Self {
                Self::$stage(error)
            }
        })+
    };
}

refusal_from! {
    Request(RequestError),
    Credential(CredentialError),
    Secret(SecretError),
    Token(TokenError),
    Certificate(CertificateError),
    Remote(RemoteError),
    Revoked(Revocation),
    Keys(KeysError),
    Condition(ConditionError),
    Annotation(AnnotationError),
}

/// What is wrong with the request before any credential is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestError {
    /// No rule matches.
    NoRule,
    /// A rule with `deny: true` matches.
    Denied,
    /// Rules name the path for these methods only.
    Method(Vec<Arc<str>>),
    /// The method has lower-case letters; methods are told apart by case (RFC 9110, section 9.1), and some servers don't.
    MethodSpelling,
    /// No rule names this upgrade, or CONNECT.
    Upgrade,
    /// `Early-Data: 1` with an unsafe method.
    EarlyData,
    /// The path: what is wrong with it.
    Path(&'static str),
    /// The host: what is wrong with it.
    Host(&'static str),
    /// `Connection` names what it may not.
    Connection,
    /// This header decides over the rule, or over what is asked of another service, and stands there in more than one reading: see [`crate::request::Headers::plain`].
    HeaderRepeated(Arc<str>),
}

impl RequestError {
    const fn reason(&self) -> Reason {
        match self {
            Self::NoRule => Reason::NoRule,
            Self::Denied => Reason::Denied,
            Self::Method(_) => Reason::MethodNotAllowed,
            Self::MethodSpelling => Reason::MethodInvalid,
            Self::Upgrade => Reason::UpgradeRefused,
            Self::EarlyData => Reason::EarlyData,
            Self::Path(_) => Reason::PathInvalid,
            Self::Host(_) => Reason::HostInvalid,
            Self::Connection => Reason::ConnectionInvalid,
            Self::HeaderRepeated(_) => Reason::HeaderAmbiguous,
        }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Method(allowed) => write!(f, "allowed: {}", allowed.join(", ")),
            Self::Path(what) | Self::Host(what) => f.write_str(what),
            Self::HeaderRepeated(name) => write!(f, "{name} stands more than once, in another spelling, or with blanks around it"),
            other => f.write_str(other.reason().sentence()),
        }
    }
}

/// What is wrong with a credential before any authenticator looks into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialError {
    /// There is none.
    Missing,
    /// A header, query parameter or cookie stands more than once.
    Ambiguous,
    /// Empty, or not in its scheme's form.
    Malformed,
    /// No provider of the requirement takes it for its own.
    Unrecognised,
    /// Longer than [`crate::credential::MAX_LENGTH`].
    TooLarge,
    /// A cookie, with an unsafe method or an upgrade that comes from none of the origins that may use it, or doesn't say from where.
    Origin,
}

impl CredentialError {
    const fn reason(&self) -> Reason {
        match self {
            Self::Missing => Reason::CredentialMissing,
            Self::Ambiguous => Reason::CredentialAmbiguous,
            Self::Malformed => Reason::CredentialMalformed,
            Self::Unrecognised => Reason::CredentialUnrecognised,
            Self::TooLarge => Reason::CredentialTooLarge,
            Self::Origin => Reason::OriginMismatch,
        }
    }
}

impl fmt::Display for CredentialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason().sentence())
    }
}

/// Why there are no keys to verify with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeysError {
    /// None could be fetched yet.
    Unavailable,
    /// They could not be refreshed for longer than `max_stale`.
    Stale,
}

impl KeysError {
    const fn reason(self) -> Reason {
        match self {
            Self::Unavailable => Reason::KeysUnavailable,
            Self::Stale => Reason::KeysStale,
        }
    }
}

impl fmt::Display for KeysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason().sentence())
    }
}

/// A condition that an identity does not meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConditionError {
    /// The identity holds no role information.
    RolesAbsent,
    /// This role is missing; empty when a role is there that may not be.
    RoleMissing(String),
    /// This scope is missing; empty when a scope is there that may not be.
    ScopeMissing(String),
    /// The rule wants another audience.
    Audience,
    /// This claim has not the value that the rule wants.
    Claim(String),
    /// This attribute has not the value that the rule wants.
    Attribute(Arc<str>),
}

impl ConditionError {
    const fn reason(&self) -> Reason {
        match self {
            Self::RolesAbsent => Reason::RolesAbsent,
            Self::RoleMissing(_) => Reason::RoleMissing,
            Self::ScopeMissing(_) => Reason::ScopeMissing,
            Self::Audience => Reason::AudienceMismatch,
            Self::Claim(_) => Reason::ClaimMismatch,
            Self::Attribute(_) => Reason::AttributeMismatch,
        }
    }
}

impl fmt::Display for ConditionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RoleMissing(role) => write!(f, "role: {role}"),
            Self::ScopeMissing(scope) => write!(f, "scope: {scope}"),
            Self::Claim(name) => write!(f, "claim: {name}"),
            Self::Attribute(name) => write!(f, "attribute: {name}"),
            other => f.write_str(other.reason().sentence()),
        }
    }
}

/// A value that can't go into the header that the upstream should get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnnotationError {
    /// The header.
    pub header: Arc<str>,
    /// What is wrong with its value.
    pub what: AnnotationFault,
}

/// What is wrong with a header's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnnotationFault {
    /// It holds a byte that a header, or a list in one, can't carry.
    Unprintable,
    /// There is more than one value.
    Several,
    /// There is none, and one is required.
    Absent,
}

impl fmt::Display for AnnotationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.what {
            AnnotationFault::Unprintable => "a value that a header can't carry",
            AnnotationFault::Several => "more than one value where one is wanted",
            AnnotationFault::Absent => "no value where one is required",
        };
        write!(f, "{}: {what}", self.header)
    }
}

/// A verified credential is on one of the lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// On which.
    pub by: RevokedBy,
    /// Whose credential it is.
    pub subject: Option<String>,
}

/// The list that a credential is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevokedBy {
    /// [`crate::policy::Revoked::subjects`].
    Subject,
    /// [`crate::policy::Revoked::jti`].
    Jti,
    /// [`crate::policy::Revoked::kids`].
    Kid,
    /// [`crate::policy::Revoked::certificates`].
    Certificate,
}

impl fmt::Display for Revocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.by {
            RevokedBy::Subject => "the subject is revoked",
            RevokedBy::Jti => "the jti is revoked",
            RevokedBy::Kid => "the kid is revoked",
            RevokedBy::Certificate => "the certificate is revoked",
        })
    }
}
