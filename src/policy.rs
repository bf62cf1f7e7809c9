//! The configuration compiled: every name is resolved, every digest decoded, every key parsed. Nothing is checked again per request.

mod condition;
mod host;
mod matching;
mod mode;
mod path;
mod removal;
mod requirement;
mod revoked;
mod rules;

pub use condition::{Condition, Operand, Subject, Test};
pub use host::HostPattern;
pub(crate) use matching::owners;
pub use matching::{Match, MethodSet, PathMatch, Selected, select};
pub use mode::Mode;
pub use path::{PathTemplate, Segment, Variables};
pub use removal::{NamePattern, Removal};
pub use requirement::{Demand, Need, Requirement};
pub use revoked::Revoked;
pub use rules::Rules;

use std::sync::Arc;

use crate::authenticator::{ClientCertificate, Jwt, Remote, StaticSecret};
use crate::constant::Constant;
use crate::credential::Place;
use crate::identity::ClaimPath;
use crate::keys::{RemoteKeys, SetId};
use crate::reason::Reason;

/// Key sets of the network, and how each is fetched.
pub type KeySources = Vec<(SetId, RemoteKeys)>;

/// A provider by its index in [`Policy::providers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProviderId(pub usize);

/// Everything that is decided by configuration.
#[derive(Debug)]
pub struct Policy {
    /// In the order of their names.
    pub providers: Vec<Provider>,
    /// The first that matches decides. Never empty.
    pub rules: Rules,
    /// What is removed from every request that goes upstream, whatever the rule.
    pub removal: Removal,
    /// The answers to refused requests.
    pub reject: Reject,
    /// What else may stand in paths.
    pub paths: Paths,
    /// Bounds.
    pub limits: Limits,
    /// Tokens and certificates that were verified and are remembered.
    pub cache: CacheBounds,
    /// What is no longer good.
    pub revoked: Revoked,
    /// What becomes of requests that are refused before a rule is found: see [`Self::observes_unmatched`].
    pub mode: Mode,
    /// The key sets to keep fresh, each once.
    pub key_sets: KeySources,
    /// Some rule names a path, so that paths must be readable in one way only.
    pub names_paths: bool,
}

impl Policy {
    /// A provider by its id; every id in a policy names one of its own.
    #[must_use]
    pub fn provider(&self, id: ProviderId) -> Option<&Provider> {
        self.providers.get(id.0)
    }

    /// How a key set is fetched.
    #[must_use]
    pub fn key_set(&self, id: SetId) -> Option<&RemoteKeys> {
        self.key_sets.iter().find(|(own, _)| *own == id).map(|(_, source)| source)
    }
}

/// A way to prove who one is.
#[derive(Debug)]
pub struct Provider {
    /// The name in the configuration.
    pub name: Arc<str>,
    /// What it verifies.
    pub kind: Kind,
    /// What the upstream learns of an identity of this provider: the policy's `upstream`, overridden field by field.
    pub upstream: Upstream,
}

/// What a provider verifies.
#[derive(Debug)]
pub enum Kind {
    /// Secrets of which only the SHA-256 is known.
    StaticSecret {
        /// The secrets.
        secrets: StaticSecret,
        /// Where they stand in a request. Never empty.
        from: Vec<Place>,
    },
    /// JSON Web Tokens.
    Jwt {
        /// The tokens' keys and claims.
        jwt: Box<Jwt>,
        /// Where they stand in a request. Never empty.
        from: Vec<Place>,
    },
    /// Client certificates, of the connection or from a header.
    ClientCertificate(Box<ClientCertificate>),
    /// Credentials that another service judges.
    Remote {
        /// The service.
        remote: Box<Remote>,
        /// Where they stand in a request. Never empty.
        from: Vec<Place>,
    },
}

impl Kind {
    /// Whether a connection's certificate is good for the host that its SNI names alone.
    #[must_use]
    pub fn binds_hosts(&self) -> bool {
        match self {
            Self::ClientCertificate(certificate) => certificate.source.binds_hosts(),
            _ => false,
        }
    }

    /// Where this provider's credentials stand in a request; empty for certificates of the connection.
    #[must_use]
    pub fn places(&self) -> &[Place] {
        match self {
            Self::StaticSecret { from, .. } | Self::Jwt { from, .. } | Self::Remote { from, .. } => from,
            Self::ClientCertificate(certificate) => certificate.source.place().map_or(&[], std::slice::from_ref),
        }
    }
}

/// A rule.
#[derive(Debug)]
pub struct Rule {
    /// Which requests it is for.
    pub when: Match,
    /// What they must bring.
    pub then: Action,
    /// What becomes of those that are refused: the rule's own mode, or the policy's.
    pub mode: Mode,
}

/// What a rule demands.
#[derive(Debug)]
pub enum Action {
    /// Nothing; no credential is looked at.
    Anyone,
    /// The impossible.
    Deny,
    /// A credential.
    Require(Demand),
}

/// What the upstream learns.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// The verified credential stays on the request.
    pub keep_credential: bool,
    /// Headers to set, in the order of their names (in lower case).
    pub headers: Vec<UpstreamHeader>,
    /// The header that carries a token's payload (base64url), in lower case.
    pub payload_header: Option<Arc<str>>,
}

/// A header that the upstream gets.
#[derive(Clone, Debug)]
pub struct UpstreamHeader {
    /// In lower case.
    pub name: Arc<str>,
    /// Where its value comes from.
    pub source: Source,
    /// Whose identity is meant, instead of the one that goes upstream.
    pub of: Option<ProviderId>,
    /// Stands before the value.
    pub prefix: String,
    /// Exactly one value, or the request is refused.
    pub single: bool,
    /// A value, or the request is refused.
    pub required: bool,
    /// Values are percent-encoded, so that nothing in them can break the header.
    pub percent_encode: bool,
}

/// Where a header's value comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// The provider's name.
    Provider,
    /// The identity's subject.
    Subject,
    /// Its roles.
    Roles,
    /// Its scopes.
    Scopes,
    /// A claim of the token.
    Claim(ClaimPath),
    /// An attribute.
    Attribute(Arc<str>),
    /// The client certificate, as percent-encoded PEM.
    CertificatePem,
    /// A constant. A secret is one, too: it never leaves by any other way.
    Value(Constant),
}

/// How requests are refused.
#[derive(Debug)]
pub struct Reject {
    /// The realm of challenges, as it stands between quotes (RFC 9110, section 5.6.4).
    pub realm: String,
    /// The status for callers who are known but not allowed.
    pub forbidden: u16,
    /// Statuses by reason.
    pub status: Vec<(Reason, u16)>,
    /// Messages by reason; `{role}` is the role that was missing.
    pub messages: Vec<(Reason, String)>,
    /// The form of the body.
    pub body: Body,
    /// The client reads the reason.
    pub explain: bool,
    /// The challenge; `None`: by the rule's providers.
    pub challenge: Option<Challenge>,
    /// RFC 9728: the URL that goes into Bearer challenges; without quotes and backslashes.
    pub resource_metadata: Option<String>,
}

/// The form of a refusal's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// RFC 9457, application/problem+json.
    Problem,
    /// `{"detail": "..."}`.
    Detail,
    /// text/plain.
    Text,
    /// Empty.
    None,
}

/// A `WWW-Authenticate` scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// RFC 6750.
    Bearer,
    /// RFC 7617.
    Basic,
    /// No challenge at all.
    None,
}

/// What may stand in paths although upstreams read it in different ways.
#[derive(Clone, Copy, Debug, Default)]
pub struct Paths {
    /// `%2F`.
    pub encoded_slash: bool,
    /// `//`.
    pub empty_segments: bool,
    /// `;`.
    pub parameters: bool,
}

/// Bounds.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Requests that wait, per provider and worker.
    pub waiting: usize,
    /// Slow verifications, per second and worker.
    pub slow_verifications: u32,
}

/// How much of what was verified is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheBounds {
    /// Credentials; zero: none.
    pub entries: usize,
    /// Bytes, with all that is kept beside a credential.
    pub bytes: usize,
}

/// What fuzz targets look at directly, and nobody else.
#[cfg(fuzzing)]
pub mod fuzzing {
    use super::{Paths, path};

    /// A request target's path as rules see it; `None`: it is refused.
    #[must_use]
    pub fn normalised_path(target: &[u8], allowed: &Paths) -> Option<Vec<u8>> {
        path::normalise(target, allowed).ok().map(std::borrow::Cow::into_owned)
    }
}
