//! Tests as a table: a request, and what has to become of it.

use crate::request::{Request, Response};
use crate::stage::{RunningStage, fresh_request_id};
use crate::tls::Tls;
use serde_json::Value;
use std::fmt::Write;
use std::panic::Location;
use std::time::Duration;

/// One request and what is expected of it: the answer, the reason, and what the upstream sees.
///
/// ```no_run
/// use portcullis_harness::{Case, RunningStage};
/// fn passes_and_refuses(stage: &RunningStage, token: &str) {
///     stage.check([
///         Case::get("/x").bearer(token).expect(200).upstream("x-auth-subject", "alice").upstream_absent("authorization"),
///         Case::get("/x").expect(401).reason("credential_missing"),
///     ]);
/// }
/// ```
#[derive(Clone)]
pub struct Case {
    name: Option<String>,
    request: Request,
    http2: bool,
    tls: Option<Tls>,
    request_id: Option<String>,
    expectations: Vec<Expectation>,
    place: &'static Location<'static>,
}

#[derive(Clone)]
enum Expectation {
    Status(u16),
    Reason(String),
    Access(String, Value),
    Header(String, Option<String>),
    Trailer(String, String),
    Body(String),
    Upstream(String, Vec<String>),
    UpstreamTrailer(String, Vec<String>),
    UpstreamPath(String),
    NotUpstream,
}

/// How long to wait for a line of the access log. Requests that Envoy drops may never get one.
const LOGGED: Duration = Duration::from_secs(5);

impl Case {
    /// Any request.
    #[track_caller]
    pub fn new(request: Request) -> Self {
        Self { name: None, request, http2: false, tls: None, request_id: None, expectations: Vec::new(), place: Location::caller() }
    }

    /// GET.
    #[track_caller]
    pub fn get(target: impl AsRef<[u8]>) -> Self {
        Self::new(Request::get(target))
    }

    /// POST with a body.
    #[track_caller]
    pub fn post(target: impl AsRef<[u8]>, body: impl Into<Vec<u8>>) -> Self {
        Self::new(Request::post(target, body))
    }

    /// Any method.
    #[track_caller]
    pub fn method(method: &str, target: impl AsRef<[u8]>) -> Self {
        Self::new(Request::new(method, target))
    }

    /// What the case shows; printed when it fails.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// One more header.
    #[must_use]
    pub fn header(self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.with(|request| request.header(name, value))
    }

    /// `Authorization: Bearer ...`.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.with(|request| request.bearer(token))
    }

    /// `Authorization: Basic ...`.
    #[must_use]
    pub fn basic(self, user: &str, password: &str) -> Self {
        self.with(|request| request.basic(user, password))
    }

    /// Another host.
    #[must_use]
    pub fn host(self, host: &str) -> Self {
        self.with(|request| request.host(host))
    }

    /// Any change of the request.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(Request) -> Request) -> Self {
        self.request = change(self.request);
        self
    }

    /// Over HTTP/2.
    #[must_use]
    pub fn http2(mut self) -> Self {
        self.http2 = true;
        self
    }

    /// Over the listener with TLS.
    #[must_use]
    pub fn tls(mut self, tls: &Tls) -> Self {
        self.tls = Some(tls.clone());
        self
    }

    /// Under this `x-request-id` rather than a fresh one.
    #[must_use]
    pub fn request_id(mut self, id: &str) -> Self {
        self.request_id = Some(id.to_owned());
        self
    }

    /// The status.
    #[must_use]
    pub fn expect(self, status: u16) -> Self {
        self.and(Expectation::Status(status))
    }

    /// The filter refuses for this reason, by Envoy's access log (filter state `wasm.portcullis.reason`, else the
    /// response code details), and the upstream sees nothing of the request.
    #[must_use]
    pub fn reason(self, reason: &str) -> Self {
        self.and(Expectation::Reason(reason.to_owned())).not_upstream()
    }

    /// A member of the access log's line: `verdict`, `provider`, `subject`, `credential`, `path`, `authorization`,
    /// `cookie`, `details`, ... `null`: there is none.
    #[must_use]
    pub fn access(self, member: &str, value: impl Into<Value>) -> Self {
        self.and(Expectation::Access(member.to_owned(), value.into()))
    }

    /// A header of the response.
    #[must_use]
    pub fn answer(self, name: &str, value: &str) -> Self {
        self.and(Expectation::Header(name.to_owned(), Some(value.to_owned())))
    }

    /// The response has no such header.
    #[must_use]
    pub fn answer_absent(self, name: &str) -> Self {
        self.and(Expectation::Header(name.to_owned(), None))
    }

    /// A trailer of the response (or a header, if it is trailers alone), such as `grpc-status`.
    #[must_use]
    pub fn answer_trailer(self, name: &str, value: &str) -> Self {
        self.and(Expectation::Trailer(name.to_owned(), value.to_owned()))
    }

    /// The response's body contains this.
    #[must_use]
    pub fn body_contains(self, part: &str) -> Self {
        self.and(Expectation::Body(part.to_owned()))
    }

    /// The upstream gets this header, once.
    #[must_use]
    pub fn upstream(self, name: &str, value: &str) -> Self {
        self.upstream_all(name, &[value])
    }

    /// The upstream gets this header with these values, in this order.
    #[must_use]
    pub fn upstream_all(self, name: &str, values: &[&str]) -> Self {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        self.and(Expectation::Upstream(name.to_owned(), values))
    }

    /// The upstream gets no such header.
    #[must_use]
    pub fn upstream_absent(self, name: &str) -> Self {
        self.upstream_all(name, &[])
    }

    /// The upstream gets this trailer.
    #[must_use]
    pub fn upstream_trailer(self, name: &str, value: &str) -> Self {
        self.and(Expectation::UpstreamTrailer(name.to_owned(), vec![value.to_owned()]))
    }

    /// The upstream gets no such trailer.
    #[must_use]
    pub fn upstream_trailer_absent(self, name: &str) -> Self {
        self.and(Expectation::UpstreamTrailer(name.to_owned(), Vec::new()))
    }

    /// The upstream gets this path and query.
    #[must_use]
    pub fn upstream_path(self, path: &str) -> Self {
        self.and(Expectation::UpstreamPath(path.to_owned()))
    }

    /// The upstream sees nothing of the request.
    #[must_use]
    pub fn not_upstream(self) -> Self {
        self.and(Expectation::NotUpstream)
    }

    /// Carries it out.
    ///
    /// # Errors
    /// A text that says what was otherwise than expected, with the lines of Envoy's logs about it.
    pub fn run(&self, stage: &RunningStage) -> Result<Response, String> {
        let id = self.request_id.clone().unwrap_or_else(fresh_request_id);
        let request = self.request.clone().header("x-request-id", &id);
        let client = match &self.tls {
            None => stage.client(),
            Some(tls) => stage.tls_client(tls.clone()),
        };
        let client = if self.http2 { client.http2() } else { client };
        let response = client.try_send(&request).map_err(|error| self.report(&[error.to_string()], None, stage, &id))?;
        // An Envoy on the edge gives a request an id of its own, and the shipped ones say which.
        let id = response.header("x-request-id").unwrap_or(id);
        let seen = Seen { stage, id: &id, response: &response };
        let faults: Vec<String> = self.expectations.iter().filter_map(|expected| seen.fault(expected)).collect();
        if faults.is_empty() { Ok(response) } else { Err(self.report(&faults, Some(&response), stage, &id)) }
    }

    fn and(mut self, expectation: Expectation) -> Self {
        self.expectations.push(expectation);
        self
    }

    fn report(&self, faults: &[String], response: Option<&Response>, stage: &RunningStage, id: &str) -> String {
        let mut text = String::new();
        let target = String::from_utf8_lossy(&self.request.target);
        let name = self.name.as_deref().unwrap_or("case");
        let _ = writeln!(text, "{name}: {} {target}, at {}", self.request.method, self.place);
        for fault in faults {
            let _ = writeln!(text, "  {fault}");
        }
        for (name, value) in &self.request.headers {
            let value = String::from_utf8_lossy(value);
            let _ = writeln!(text, "  > {}: {value}", String::from_utf8_lossy(name));
        }
        if let Some(response) = response {
            let _ = writeln!(text, "  < {}", response.status);
            for (name, value) in &response.headers {
                let _ = writeln!(text, "  < {name}: {}", String::from_utf8_lossy(value));
            }
            let _ = writeln!(text, "  < {}", response.text());
        }
        if let Some(entry) = stage.envoy.access_log().entry(id, Duration::from_secs(1)) {
            let _ = writeln!(text, "  access log: {entry}");
        }
        for line in stage.envoy.log().lines_with(id) {
            let _ = writeln!(text, "  log: {line}");
        }
        text
    }
}

/// What became of a request.
struct Seen<'a> {
    stage: &'a RunningStage,
    id: &'a str,
    response: &'a Response,
}

impl Seen<'_> {
    fn fault(&self, expected: &Expectation) -> Option<String> {
        match expected {
            Expectation::Status(status) => differs("status", status, &self.response.status),
            Expectation::Reason(reason) => {
                let entry = self.entry()?;
                let known = [&entry["reason"], &entry["details"]].into_iter().find_map(Value::as_str);
                differs("reason", reason.as_str(), known.unwrap_or("none"))
            }
            Expectation::Access(member, value) => differs(&format!("access log, {member}"), value, &self.entry()?[member]),
            Expectation::Header(name, value) => {
                let all = self.response.header_values(name);
                let got = (!all.is_empty()).then(|| all.join(" | "));
                differs(&format!("response header {name}"), value, &got)
            }
            Expectation::Trailer(name, value) => {
                differs(&format!("response trailer {name}"), &Some(value.clone()), &self.response.trailer(name))
            }
            Expectation::Body(part) => {
                let body = self.response.text();
                (!body.contains(part)).then(|| format!("body: no {part:?} in {body:?}"))
            }
            Expectation::NotUpstream => differs("requests upstream", &0, &self.upstream().len()),
            Expectation::Upstream(name, values) => {
                self.of_upstream(&format!("upstream header {name}"), values, |received| received.header_values(name))
            }
            Expectation::UpstreamTrailer(name, values) => self.of_upstream(&format!("upstream trailer {name}"), values, |received| {
                let same = |(n, _): &&(String, Vec<u8>)| n == name;
                received.trailers.iter().filter(same).map(|(_, value)| crate::received::latin1(value)).collect()
            }),
            Expectation::UpstreamPath(path) => {
                self.of_upstream("upstream path", &vec![path.clone()], |received| vec![received.path.clone()])
            }
        }
    }

    fn of_upstream(&self, what: &str, expected: &Vec<String>, part: impl Fn(&crate::Received) -> Vec<String>) -> Option<String> {
        match self.upstream().as_slice() {
            [received] => differs(what, expected, &part(received)),
            others => Some(format!("{what}: the upstream got the request {} times", others.len())),
        }
    }

    fn upstream(&self) -> Vec<crate::Received> {
        self.stage.upstream.received_with_id(self.id)
    }

    /// The access log's line; `null` if there is none.
    fn entry(&self) -> Option<Value> {
        Some(self.stage.envoy.access_log().entry(self.id, LOGGED).unwrap_or(Value::Null))
    }
}

fn differs<T: PartialEq + std::fmt::Debug + ?Sized>(what: &str, expected: &T, got: &T) -> Option<String> {
    (expected != got).then(|| format!("{what}: expected {expected:?}, got {got:?}"))
}
