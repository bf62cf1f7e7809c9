//! Which rule is for a request.

use std::borrow::Cow;
use std::sync::Arc;

use super::host::{self, HostPattern};
use super::path::{self, PathTemplate, Variables};
use super::{Policy, Rule};
use crate::refusal::RequestError;
use crate::request::Request;

/// What a request must be for a rule to be for it. All that is given must match.
#[derive(Clone, Debug, Default)]
pub struct Match {
    /// The path.
    pub path: Option<PathMatch>,
    /// The method; `None`: any but CONNECT and TRACE.
    pub methods: Option<MethodSet>,
    /// The host, any of; empty: any.
    pub hosts: Vec<HostPattern>,
    /// Headers with exactly these values, names in lower case.
    pub headers: Vec<(Arc<str>, Vec<u8>)>,
    /// Protocols other than websocket that the request may upgrade to, in lower case.
    pub upgrades: Vec<String>,
    /// Only CORS preflights: OPTIONS with Origin and Access-Control-Request-Method.
    pub cors_preflight: bool,
}

/// How a path matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathMatch {
    /// Exactly this one.
    Exact(String),
    /// This one and what lies below it (the Gateway API's PathPrefix); one that ends with a slash: only what lies below.
    Prefix(String),
    /// A template.
    Template(PathTemplate),
}

/// Methods, in upper case, each once. GET covers HEAD.
pub type MethodSet = Vec<Arc<str>>;

/// The rule that is for a request, and what matching it found out.
#[derive(Debug)]
pub struct Selected<'p> {
    /// Its index.
    pub index: usize,
    /// The rule.
    pub rule: &'p Rule,
    /// The variables of its path template.
    pub variables: Variables,
    /// The request's host, normalised.
    pub host: Cow<'p, [u8]>,
}

/// Finds the rule: the first that matches. A path that an earlier rule names for other methods is theirs alone.
///
/// # Errors
/// Everything that makes a request unreadable, and [`RequestError::Method`], [`RequestError::Upgrade`] or [`RequestError::NoRule`] when no rule is for it.
pub fn select<'p>(policy: &'p Policy, request: &'p Request) -> Result<Selected<'p>, RequestError> {
    let facts = Facts::of(policy, request)?;
    let mut allowed = MethodSet::new();
    for (index, rule) in policy.rules.candidates(&facts.host, facts.path.as_deref()) {
        let Some(variables) = facts.match_all_but_method(&rule.when)? else {
            continue;
        };
        match &rule.when.methods {
            Some(methods) if facts.has_method(methods) => return Ok(Selected { index, rule, variables, host: facts.host }),
            Some(methods) if rule.when.path.is_some() => allow(&mut allowed, methods),
            // A preflight names its method by what it is. TRACE brings back what was added to the request, secrets as well, where the service obeys it.
            None if (allowed.is_empty() || rule.when.cors_preflight) && !matches!(facts.method, b"CONNECT" | b"TRACE") => {
                return Ok(Selected { index, rule, variables, host: facts.host });
            }
            _ => {}
        }
    }
    if !allowed.is_empty() {
        if allowed.iter().any(|method| **method == *"GET") {
            allow(&mut allowed, &["HEAD".into()]);
        }
        return Err(RequestError::Method(allowed));
    }
    Err(if facts.is_tunnel() { RequestError::Upgrade } else { RequestError::NoRule })
}

/// The rules that name the path of a request, for whichever methods.
pub(crate) fn owners<'p>(policy: &'p Policy, request: &Request) -> impl Iterator<Item = &'p Rule> {
    let facts = Facts::of(policy, request).ok();
    let owns = move |rule: &&Rule| {
        let matches = facts.as_ref().is_none_or(|facts| facts.match_all_but_method(&rule.when).is_ok_and(|variables| variables.is_some()));
        rule.when.path.is_some() && matches
    };
    policy.rules.iter().filter(owns)
}

fn allow(allowed: &mut MethodSet, methods: &[Arc<str>]) {
    for method in methods {
        if !allowed.contains(method) {
            allowed.push(Arc::clone(method));
        }
    }
}

/// What rules look at, read once per request.
struct Facts<'r> {
    request: &'r Request,
    method: &'r [u8],
    /// `None` where no rule names a path, and for CONNECT.
    path: Option<Cow<'r, [u8]>>,
    host: Cow<'r, [u8]>,
    /// Protocols other than websocket, in lower case.
    upgrades: Vec<Vec<u8>>,
}

impl<'r> Facts<'r> {
    fn of(policy: &Policy, request: &'r Request) -> Result<Self, RequestError> {
        check_connection(request)?;
        let method = request.method();
        // HTTP/2 carries any case, and some servers take `delete` for DELETE.
        if method.iter().any(u8::is_ascii_lowercase) {
            return Err(RequestError::MethodSpelling);
        }
        let is_safe = matches!(method, b"GET" | b"HEAD" | b"OPTIONS" | b"TRACE");
        // Whatever it says: a value of the client's own beside the proxy's must not hide that one (RFC 8470, section 5.1).
        if !is_safe && request.headers.first("early-data").is_some() {
            return Err(RequestError::EarlyData);
        }
        let host = host::normalise(request)?;
        let path = match request.target() {
            Some(target) if policy.names_paths && method != b"CONNECT" => Some(path::normalise(target, &policy.paths)?),
            _ => None,
        };
        let upgrades = tokens(request, "upgrade").filter(|protocol| protocol != b"websocket").collect();
        Ok(Self { request, method, path, host, upgrades })
    }

    fn match_all_but_method(&self, when: &Match) -> Result<Option<Variables>, RequestError> {
        let variables = match &when.path {
            None => Variables::default(),
            Some(wanted) => match self.path.as_deref().and_then(|path| wanted.matches(path)) {
                Some(variables) => variables,
                None => return Ok(None),
            },
        };
        let matches = (when.hosts.is_empty() || when.hosts.iter().any(|host| host.matches(&self.host)))
            && self.upgrades.iter().all(|protocol| when.upgrades.iter().any(|u| u.as_bytes() == protocol))
            && (!when.cors_preflight || self.is_cors_preflight())
            && self.has_headers(when)?;
        Ok(matches.then_some(variables))
    }

    fn has_headers(&self, when: &Match) -> Result<bool, RequestError> {
        for (name, value) in &when.headers {
            let sent = self.request.headers.plain(name).map_err(|_| RequestError::HeaderRepeated(Arc::clone(name)))?;
            if sent != Some(value) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn has_method(&self, methods: &MethodSet) -> bool {
        let has = |method: &[u8]| methods.iter().any(|m| m.as_bytes() == method);
        has(self.method) || (self.method == b"HEAD" && has(b"GET"))
    }

    fn is_cors_preflight(&self) -> bool {
        let has = |name| self.request.headers.first(name).is_some_and(|value| !value.is_empty());
        self.method == b"OPTIONS" && has("origin") && has("access-control-request-method") && !has("upgrade")
    }

    fn is_tunnel(&self) -> bool {
        self.method == b"CONNECT" || !self.upgrades.is_empty()
    }
}

impl PathMatch {
    /// The variables of a normalised path, if it matches.
    #[must_use]
    pub fn matches(&self, path: &[u8]) -> Option<Variables> {
        let matched = match self {
            Self::Exact(own) => own.as_bytes() == path,
            Self::Prefix(own) => {
                let rest = path.strip_prefix(own.as_bytes())?;
                own.ends_with('/') || matches!(rest.first(), None | Some(b'/'))
            }
            Self::Template(template) => return template.matches(path),
        };
        matched.then(Variables::default)
    }
}

/// Envoy leaves `Connection` only on upgrades; a later proxy would drop every header that it names.
fn check_connection(request: &Request) -> Result<(), RequestError> {
    let harmless: [&[u8]; 5] = [b"close", b"keep-alive", b"upgrade", b"te", b"http2-settings"];
    if tokens(request, "connection").all(|token| harmless.contains(&token.as_slice())) { Ok(()) } else { Err(RequestError::Connection) }
}

/// The members of a list header (RFC 9110, section 5.6.1), in lower case.
fn tokens<'r>(request: &'r Request, name: &str) -> impl Iterator<Item = Vec<u8>> + use<'r> {
    let values: Vec<&'r [u8]> = request.headers.all(name).collect();
    values
        .into_iter()
        .flat_map(|value| value.split(|b| *b == b','))
        .map(|token| token.trim_ascii().to_ascii_lowercase())
        .filter(|token| !token.is_empty())
}
