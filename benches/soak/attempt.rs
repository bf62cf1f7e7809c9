//! A request, and what has to become of it.

use portcullis_harness::{ClientError, Request, Response};
use serde_json::Value;

/// In each request: whether the service may get it. The service itself looks at it, too.
pub(crate) const MARK: &str = "x-soak";
pub(crate) const PASSES: &str = "passes";
pub(crate) const STAYS: &str = "stays";

/// A header that no filter has anything to do with: it has to arrive.
pub(crate) const KEPT: &str = "x-kept";

/// So much of a line is printed.
const LINE: usize = 800;

/// Headers that tell the service who it is.
pub(crate) type Identity = Vec<(&'static str, String)>;

pub(crate) struct Attempt {
    pub(crate) request: Request,
    pub(crate) expected: Expected,
    /// Where Envoy answers before it has read the whole request, it closes a connection of HTTP/1.1.
    pub(crate) has_body: bool,
    /// What may stand nowhere in what the service gets.
    secrets: Vec<String>,
}

#[derive(Clone, Debug)]
pub(crate) enum Expected {
    /// The service gets it, with exactly these headers of all that speak of an identity, under this path.
    Passes { identity: Identity, path: String },
    /// The filter refuses it.
    Refused(u16, &'static str),
    /// Envoy refuses it, or ends stream or connection.
    Dropped,
}

impl Attempt {
    /// One that has to pass; path and query are the request's own unless said.
    pub(crate) fn passes(request: Request, path: &str, identity: Identity) -> Self {
        Self::new(request, Expected::Passes { identity, path: path.to_owned() })
    }

    pub(crate) fn refused(request: Request, status: u16, reason: &'static str) -> Self {
        Self::new(request, Expected::Refused(status, reason))
    }

    pub(crate) fn dropped(request: Request) -> Self {
        Self::new(request, Expected::Dropped)
    }

    fn new(request: Request, expected: Expected) -> Self {
        let mark = if matches!(expected, Expected::Passes { .. }) { PASSES } else { STAYS };
        Self { request: request.header(MARK, mark).header(KEPT, "1"), expected, has_body: false, secrets: Vec::new() }
    }

    /// With a credential in it, which may not go on.
    pub(crate) fn secret(mut self, secret: &str) -> Self {
        self.secrets.push(secret.to_owned());
        self
    }

    pub(crate) fn with_body(mut self) -> Self {
        self.request = self.request.body("0123456789");
        self.has_body = true;
        self
    }

    pub(crate) fn change(mut self, change: impl FnOnce(Request) -> Request) -> Self {
        self.request = change(self.request);
        self
    }

    /// What was otherwise than expected.
    pub(crate) fn fault(&self, outcome: &Result<Response, ClientError>) -> Option<String> {
        self.fault_by(&self.expected, outcome)
    }

    /// Whether something else would be noticed, for each part of what is expected.
    pub(crate) fn would_notice(&self, outcome: &Result<Response, ClientError>) -> bool {
        self.expected.otherwise().iter().all(|other| self.fault_by(other, outcome).is_some())
    }

    fn fault_by(&self, expected: &Expected, outcome: &Result<Response, ClientError>) -> Option<String> {
        match (expected, outcome) {
            (Expected::Dropped, Err(_)) => None,
            (Expected::Dropped, Ok(response)) => (response.status < 400).then(|| format!("{} where Envoy refuses", response.status)),
            (_, Err(error)) => Some(format!("no response: {error}")),
            (Expected::Refused(status, reason), Ok(response)) => {
                let told = serde_json::from_slice::<Value>(&response.body).unwrap_or_default();
                let told = told["reason"].as_str().unwrap_or("none");
                (response.status != *status || told != *reason).then(|| format!("{} {told}, expected {status} {reason}", response.status))
            }
            (Expected::Passes { identity, path }, Ok(response)) => {
                if response.status != 200 {
                    return Some(format!("{} {}, expected 200", response.status, response.text()));
                }
                self.fault_upstream(identity, path, &response.text())
            }
        }
    }

    /// `got`: the request line and the headers, as the service tells them.
    fn fault_upstream(&self, identity: &[(&'static str, String)], path: &str, got: &str) -> Option<String> {
        let mut lines = got.lines();
        let target = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
        if target != path {
            return Some(format!("the service got the path {target}, expected {path}"));
        }
        let headers: Vec<(String, &str)> =
            lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (folded(name), value)).collect();
        let mut told: Vec<(&str, &str)> =
            headers.iter().filter(|(name, _)| speaks_of_an_identity(name)).map(|(name, value)| (name.as_str(), *value)).collect();
        let mut expected: Vec<(String, &str)> = identity.iter().map(|(name, value)| (folded(name), value.as_str())).collect();
        told.sort_unstable();
        expected.sort_unstable();
        if !told.iter().copied().eq(expected.iter().map(|(name, value)| (name.as_str(), *value))) {
            return Some(format!("the service learned {told:?}, expected {expected:?}"));
        }
        if headers.iter().filter(|(name, value)| *name == folded(KEPT) && *value == "1").count() != 1 {
            return Some(format!("{KEPT} got lost"));
        }
        self.secrets.iter().find(|secret| got.contains(secret.as_str())).map(|secret| format!("the service got the credential {secret}"))
    }

    /// The request as it goes over HTTP/1.1; long lines are cut.
    pub(crate) fn to_text(&self) -> String {
        let bytes = self.request.to_http1();
        let lines = bytes.split_inclusive(|byte| *byte == b'\n').map(|line| {
            let shown: String = line.iter().take(LINE).flat_map(|byte| std::ascii::escape_default(*byte)).map(char::from).collect();
            shown.trim_end_matches("\\r\\n").to_owned() + "\n"
        });
        lines.collect()
    }
}

impl Expected {
    /// The same with one part that is otherwise, for each part.
    fn otherwise(&self) -> Vec<Self> {
        match self {
            Self::Dropped => Vec::new(),
            Self::Refused(status, reason) => vec![
                Self::Refused(status + 1, reason),
                Self::Refused(*status, "another"),
                Self::Passes { identity: Vec::new(), path: String::new() },
            ],
            Self::Passes { identity, path } => {
                let changed = |change: &dyn Fn(&mut Identity)| {
                    let mut identity = identity.clone();
                    change(&mut identity);
                    Self::Passes { identity, path: path.clone() }
                };
                let mut others = vec![
                    Self::Refused(401, "credential_missing"),
                    Self::Dropped,
                    Self::Passes { identity: identity.clone(), path: format!("{path}x") },
                    changed(&|identity| identity.push(("x-auth-scopes", "all".into()))),
                ];
                for index in 0..identity.len() {
                    others.push(changed(&|identity| identity[index].1.push('x')));
                    others.push(changed(&|identity| drop(identity.remove(index))));
                }
                others
            }
        }
    }
}

/// As CGI reads names.
fn folded(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect()
}

/// Names that the policy sets, removes, or takes credentials from, and those that frameworks obey.
fn speaks_of_an_identity(folded: &str) -> bool {
    const NAMES: [&str; 13] = [
        "x_auth_provider",
        "x_auth_subject",
        "x_auth_roles",
        "x_auth_scopes",
        "x_tenant",
        "x_jwt_payload",
        "x_internal",
        "authorization",
        "x_api_key",
        "x_engine",
        "x_http_method_override",
        "x_original_url",
        "x_forwarded_client_cert",
    ];
    NAMES.contains(&folded) || folded.starts_with("x_ep_")
}
