//! Why tokens are refused.

use std::fmt;

use crate::keys::Alg;
use crate::reason::Reason;

/// What a client sent, for the log: its control characters escaped, and no more than its beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt(String);

impl Excerpt {
    /// The most characters that are shown.
    pub const LENGTH: usize = 64;

    /// Escapes and cuts.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut characters = text.chars();
        let mut excerpt: String = characters.by_ref().take(Self::LENGTH).flat_map(char::escape_default).collect();
        if characters.next().is_some() {
            excerpt.push_str("...");
        }
        Self(excerpt)
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a token was refused. `Display` is for the log; it holds neither the token nor a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// Longer than [`crate::credential::MAX_LENGTH`].
    TooLong,
    /// Not a JWS in compact form (RFC 7515, section 7.1) with claims in it: what is wrong with it.
    Malformed(&'static str),
    /// `alg` names this, which is not verified here at all: `none` for instance.
    AlgorithmUnknown(Excerpt),
    /// `alg` is one that this provider doesn't accept.
    AlgorithmRefused(Alg),
    /// `iss` is another.
    Issuer(Excerpt),
    /// `aud` holds none of those accepted.
    Audience,
    /// `sub` is none of those accepted.
    Subject(Excerpt),
    /// `exp` is over, clock skew included.
    Expired,
    /// `nbf` is yet to come.
    NotYetValid,
    /// `iat` is too far in the future.
    FromFuture,
    /// `iat` is too long ago.
    TooOld,
    /// `exp` is too long after `iat`.
    Lifetime,
    /// The header's `typ` is not accepted.
    Type(Excerpt),
    /// The token names no key, and has to: it must, or not exactly one would fit.
    KeyUnnamed,
    /// There is no key of this `kid`.
    KeyUnknown(Excerpt),
    /// There is a key of this `kid` (if one was named), but not for this algorithm or issuer.
    KeyUnsuitable(Excerpt),
    /// The signature or MAC is wrong.
    Signature,
    /// The MAC is wrong, or there is no such caller: where every caller has a key of its own.
    SignatureOf(Excerpt),
    /// The signature takes long to verify, and too many such were sent in this second.
    Busy,
    /// This claim must be there.
    ClaimMissing(String),
    /// This claim is of a wrong JSON type or out of range.
    ClaimInvalid(String),
    /// This claim has not the value that the provider demands.
    ClaimMismatch(String),
    /// There is a `cnf` (RFC 7800) that nothing checks.
    CnfUnchecked,
    /// `cnf` names another certificate than that of whoever sent it, who may have shown none.
    CnfMismatch {
        /// A certificate was shown.
        shown: bool,
    },
}

impl TokenError {
    /// The reason code.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::TooLong => Reason::CredentialTooLarge,
            Self::Malformed(_) => Reason::TokenMalformed,
            Self::AlgorithmUnknown(_) | Self::AlgorithmRefused(_) => Reason::AlgorithmRefused,
            Self::Issuer(_) => Reason::IssuerMismatch,
            Self::Audience => Reason::AudienceMismatch,
            Self::Subject(_) => Reason::SubjectMismatch,
            Self::Expired => Reason::TokenExpired,
            Self::NotYetValid => Reason::TokenNotYetValid,
            Self::FromFuture => Reason::TokenFromFuture,
            Self::TooOld => Reason::TokenTooOld,
            Self::Lifetime => Reason::TokenLifetime,
            Self::Type(_) => Reason::TokenType,
            Self::KeyUnnamed | Self::KeyUnknown(_) => Reason::KeyUnknown,
            Self::KeyUnsuitable(_) => Reason::KeyUnsuitable,
            Self::Signature | Self::SignatureOf(_) => Reason::SignatureInvalid,
            Self::Busy => Reason::VerificationBusy,
            Self::ClaimMissing(_) => Reason::ClaimMissing,
            Self::ClaimInvalid(_) => Reason::ClaimInvalid,
            Self::ClaimMismatch(_) => Reason::ClaimMismatch,
            Self::CnfUnchecked => Reason::CnfUnchecked,
            Self::CnfMismatch { .. } => Reason::CnfMismatch,
        }
    }

    /// Whether a newer key set could change this: the token names a key that the set doesn't hold. All that is judged before the keys was in order.
    #[must_use]
    pub const fn asks_for_newer_keys(&self) -> bool {
        matches!(self, Self::KeyUnknown(_))
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(what) => f.write_str(what),
            Self::AlgorithmUnknown(alg) => write!(f, "alg: {alg}"),
            Self::AlgorithmRefused(alg) => write!(f, "alg: {alg}"),
            Self::Issuer(issuer) => write!(f, "iss: {issuer}"),
            Self::Subject(subject) => write!(f, "sub: {subject}"),
            Self::Type(typ) => write!(f, "typ: {typ}"),
            Self::CnfMismatch { shown: true } => f.write_str("cnf names another certificate"),
            Self::CnfMismatch { shown: false } => f.write_str("cnf names a certificate, and none was shown"),
            Self::KeyUnnamed => f.write_str("the token names no key"),
            Self::SignatureOf(id) => write!(f, "no signature of caller: {id}"),
            Self::KeyUnknown(kid) | Self::KeyUnsuitable(kid) => write!(f, "kid: {kid}"),
            Self::ClaimMissing(name) | Self::ClaimInvalid(name) | Self::ClaimMismatch(name) => write!(f, "claim: {name}"),
            other => f.write_str(other.reason().sentence()),
        }
    }
}
