//! What a service says of a credential.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::{Remote, Scheme};
use crate::authenticator::TokenError;
use crate::authenticator::jwt::{numeric_date, value_at};
use crate::identity::{Identity, TokenClaims};
use crate::json::parse_object;
use crate::reason::Reason;
use crate::time::UnixTime;

/// What a good answer says, beside its status.
#[derive(Debug)]
pub struct Expected {
    /// Members that must have these values. Another value of the same type denies (RFC 7662, section 2.2: `active` is false for a token that isn't good).
    pub members: Vec<(String, Value)>,
    /// It names a subject.
    pub subject: bool,
    /// It holds roles, of whichever place.
    pub roles: bool,
    /// It holds scopes, likewise.
    pub scopes: bool,
}

/// What came of a question.
#[derive(Debug)]
pub enum Verdict {
    /// The credential is good.
    Granted(Box<Granted>),
    /// It isn't: what said so.
    Denied(&'static str),
    /// It is bound to a certificate or a key (RFC 7800), which nothing checks here.
    Bound,
    /// Nobody could tell.
    Failed,
}

/// A good answer.
#[derive(Debug)]
pub struct Granted {
    /// Whose credential it is.
    pub identity: Arc<Identity>,
    /// When the answer ends, if it says so.
    pub expires: Option<UnixTime>,
    /// The answer's length in bytes.
    pub length: usize,
}

/// Why no service vouched for a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemoteError {
    /// It denied: what said so.
    Denied(&'static str),
    /// It vouched for a credential that is bound to what nothing checks here.
    Bound,
    /// It gave no answer that could be used.
    Unavailable,
    /// Too many questions are under way.
    Busy,
}

impl RemoteError {
    /// The reason code.
    #[must_use]
    pub const fn reason(self) -> Reason {
        match self {
            Self::Denied(_) => Reason::RemoteDenied,
            Self::Bound => Reason::CnfUnchecked,
            Self::Unavailable => Reason::RemoteUnavailable,
            Self::Busy => Reason::RemoteBusy,
        }
    }
}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(by) => f.write_str(by),
            other => f.write_str(other.reason().sentence()),
        }
    }
}

impl Verdict {
    /// Whose credential it is at this time.
    ///
    /// # Errors
    /// [`RemoteError::Denied`], also where the answer has ended; [`RemoteError::Unavailable`].
    pub fn identity(&self, now: UnixTime) -> Result<&Arc<Identity>, RemoteError> {
        match self {
            Self::Granted(granted) if granted.expires.is_some_and(|end| now >= end) => Err(RemoteError::Denied("the answer has expired")),
            Self::Granted(granted) => Ok(&granted.identity),
            Self::Denied(by) => Err(RemoteError::Denied(by)),
            Self::Bound => Err(RemoteError::Bound),
            Self::Failed => Err(RemoteError::Unavailable),
        }
    }
}

impl Remote {
    /// Reads the body of an answer whose status is 200.
    ///
    /// # Errors
    /// Why it can't be used. It is never taken for a denial, and never for a good one.
    pub fn read(&self, provider: &Arc<str>, body: &[u8]) -> Result<Verdict, String> {
        let members = parse_object(body).map_err(|error| error.to_string())?;
        // RFC 7662, section 2.2, also where the policy doesn't ask for it: the status is 200 all the same.
        let is_inactive = self.credential == Scheme::Bearer && members.get("active").is_some_and(|active| *active != Value::Bool(true));
        if !self.expected.are_met(&members)? || is_inactive {
            return Ok(Verdict::Denied("a member of the answer has not the value that is required"));
        }
        // RFC 8705, section 3.2.
        if !self.ignore_cnf && members.get("cnf").is_some_and(|cnf| !cnf.is_null()) {
            return Ok(Verdict::Bound);
        }
        let invalid = |error: TokenError| format!("{}: {error}", error.reason().code());
        let expires = match &self.expires {
            None => None,
            Some(path) => match value_at(&members, path).map_err(invalid)? {
                None => None,
                Some(value) => {
                    let seconds = value.as_number().and_then(numeric_date).ok_or("what says when it expires is no NumericDate")?;
                    Some(UnixTime::from_seconds(u64::try_from(seconds).unwrap_or_default()))
                }
            },
        };
        let (subject, roles, scopes) = self.identity.read(&members, None).map_err(invalid)?;
        let subject = subject.filter(|subject| !subject.is_empty());
        for (is_there, is_expected, what) in [
            (subject.is_some(), self.expected.subject, "no subject"),
            (roles.is_some(), self.expected.roles, "no roles"),
            (scopes.is_some(), self.expected.scopes, "no scopes"),
        ] {
            if is_expected && !is_there {
                return Err(what.to_owned());
            }
        }
        let token = Some(TokenClaims { claims: members, encoded: Some(URL_SAFE_NO_PAD.encode(body)) });
        let identity = Arc::new(Identity { provider: Arc::clone(provider), subject, roles, scopes, token, ..Identity::default() });
        Ok(Verdict::Granted(Box::new(Granted { identity, expires, length: body.len() })))
    }
}

impl Expected {
    /// Whether the members have their values. One that has another decides, whatever else is missing: an answer about a token that isn't good needs to say no more.
    fn are_met(&self, answer: &Map<String, Value>) -> Result<bool, String> {
        let mut unclear = None;
        for (name, wanted) in &self.members {
            match answer.get(name) {
                Some(value) if value == wanted => {}
                Some(value) if is_same_type(value, wanted) => return Ok(false),
                _ => unclear = Some(name),
            }
        }
        unclear.map_or(Ok(true), |name| Err(format!("the member {name} is missing or of another type")))
    }
}

const fn is_same_type(a: &Value, b: &Value) -> bool {
    matches!((a, b), (Value::Bool(_), Value::Bool(_)) | (Value::Number(_), Value::Number(_)) | (Value::String(_), Value::String(_)))
}
