//! Credentials that another service judges: a login endpoint, or token introspection (RFC 7662).

mod answer;
mod basic;
mod body;
mod call;

pub use answer::{Expected, Granted, RemoteError, Verdict};
pub(crate) use body::write;
pub use body::{Body, Piece};
pub use call::{Call, HttpCall, Key};

use std::time::Duration;

use crate::authenticator::jwt::TokenIdentity;
use crate::constant::Constant;
use crate::identity::ClaimPath;
use crate::refusal::{CredentialError, Refusal, RequestError};
use crate::request::Request;

/// The longest value of an input, in bytes.
pub const MAX_INPUT: usize = 256;
/// The longest answer that is read, in bytes.
pub const MAX_ANSWER: usize = 64 * 1024;

/// A provider that asks another service.
#[derive(Debug)]
pub struct Remote {
    /// What the caller sends.
    pub credential: Scheme,
    /// What else of the request goes along.
    pub inputs: Vec<Input>,
    /// The input that chooses the endpoint, by its index.
    pub by: Option<usize>,
    /// Endpoints by the value of that input.
    pub endpoints: Vec<(String, Endpoint)>,
    /// For all other values.
    pub default: Endpoint,
    /// Of the callout: names in lower case; values may be secret.
    pub headers: Vec<(String, Constant)>,
    /// Of one callout.
    pub timeout: Duration,
    /// What is sent.
    pub body: Body,
    /// Statuses that deny.
    pub denied: Vec<u16>,
    /// What a good answer says.
    pub expected: Expected,
    /// An answer with a `cnf` vouches although nothing checks it.
    pub ignore_cnf: bool,
    /// Where the answer says when it ends.
    pub expires: Option<ClaimPath>,
    /// Where it says who and what the caller is.
    pub identity: TokenIdentity,
    /// How long a good answer serves.
    pub cache: Duration,
    /// Callouts at once, per worker and cluster.
    pub max_in_flight: usize,
}

/// What the caller sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// A user name and a password (RFC 7617).
    Basic,
    /// A token that only the service can read (RFC 6750).
    Bearer,
}

/// A value of the request that goes along.
#[derive(Debug)]
pub struct Input {
    /// The header that holds it, in lower case.
    pub header: String,
    /// What holds where the header is missing; `None`: the request is refused.
    pub default: Option<String>,
}

/// Where the service is asked.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The Envoy cluster that the callout goes to.
    pub cluster: String,
    /// `https`, or `http` where that was allowed.
    pub scheme: &'static str,
    /// Host, and port if it was given.
    pub authority: String,
    /// Path and query.
    pub path: String,
}

/// What the service would be asked about a credential.
pub struct Question<'r> {
    remote: &'r Remote,
    /// Where.
    pub endpoint: &'r Endpoint,
    /// User name and password, or the token; then the inputs.
    pub values: Vec<String>,
}

impl Scheme {
    /// The names of the parts of the credential, in their order.
    #[must_use]
    pub const fn parts(self) -> &'static [&'static str] {
        match self {
            Self::Basic => &["username", "password"],
            Self::Bearer => &["token"],
        }
    }

    fn read(self, credential: &[u8]) -> Option<Vec<String>> {
        match self {
            Self::Basic => basic::parse(credential),
            Self::Bearer => {
                let token = std::str::from_utf8(credential).ok().filter(|token| token.bytes().all(|b| b.is_ascii_graphic()))?;
                Some(vec![token.to_owned()])
            }
        }
    }
}

impl Remote {
    /// What to ask about a credential of this request.
    ///
    /// # Errors
    /// A credential that can't be one, or an input that is missing, doubled or no text.
    pub fn question(&self, credential: &[u8], request: &Request) -> Result<Question<'_>, Refusal> {
        let mut values = self.credential.read(credential).ok_or(CredentialError::Malformed)?;
        let mut endpoint = &self.default;
        for (index, input) in self.inputs.iter().enumerate() {
            let value = input.value(request)?;
            if self.by == Some(index)
                && let Some((_, chosen)) = self.endpoints.iter().find(|(own, _)| *own == value)
            {
                endpoint = chosen;
            }
            values.push(value);
        }
        Ok(Question { remote: self, endpoint, values })
    }
}

impl Input {
    fn value(&self, request: &Request) -> Result<String, Refusal> {
        let repeated = |_| RequestError::HeaderRepeated(self.header.as_str().into());
        match request.headers.plain(&self.header).map_err(repeated)? {
            None => self.default.clone(),
            Some(value) if (1..=MAX_INPUT).contains(&value.len()) && value.iter().all(|b| matches!(b, b' '..=b'~')) => {
                std::str::from_utf8(value).ok().map(str::to_owned)
            }
            Some(_) => None,
        }
        .ok_or_else(|| CredentialError::Malformed.into())
    }
}

impl Question<'_> {
    /// The callout that asks it.
    #[must_use]
    pub fn call(&self) -> HttpCall {
        let Self { remote, endpoint, values } = self;
        HttpCall {
            endpoint: (*endpoint).clone(),
            content_type: remote.body.content_type(),
            headers: remote.headers.clone(),
            body: remote.body.filled(values),
            timeout: remote.timeout,
        }
    }
}

#[cfg(test)]
mod tests;
