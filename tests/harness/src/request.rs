//! A request as the client is to send it, and the response to it.

use serde_json::Value;
use std::fmt;

/// The host that requests are for, unless they say otherwise; [`crate::Authority::server`] certifies it.
pub const HOST: &str = "api.test";

/// A request. On HTTP/1.1 it is sent exactly as it stands here, right or wrong.
#[derive(Clone, Debug)]
pub struct Request {
    pub(crate) method: String,
    pub(crate) target: Vec<u8>,
    pub(crate) host: Option<String>,
    pub(crate) headers: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) trailers: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Request {
    /// Any method with any target: a path with query, an absolute URI, `*`, bytes of any kind.
    pub fn new(method: &str, target: impl AsRef<[u8]>) -> Self {
        Self {
            method: method.to_owned(),
            target: target.as_ref().to_vec(),
            host: Some(HOST.to_owned()),
            headers: Vec::new(),
            body: None,
            trailers: Vec::new(),
        }
    }

    /// GET.
    pub fn get(target: impl AsRef<[u8]>) -> Self {
        Self::new("GET", target)
    }

    /// POST with a body.
    pub fn post(target: impl AsRef<[u8]>, body: impl Into<Vec<u8>>) -> Self {
        Self::new("POST", target).body(body)
    }

    /// A unary gRPC call with one message; to be sent over HTTP/2.
    pub fn grpc(target: impl AsRef<[u8]>, message: &[u8]) -> Self {
        Self::post(target, crate::grpc::message(message)).header("content-type", "application/grpc").header("te", "trailers")
    }

    /// Another host (`:authority` on HTTP/2).
    #[must_use]
    pub fn host(mut self, host: &str) -> Self {
        self.host = Some(host.to_owned());
        self
    }

    /// No host at all.
    #[must_use]
    pub fn without_host(mut self) -> Self {
        self.host = None;
        self
    }

    /// One more header; the same name may come again.
    #[must_use]
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.as_ref().to_vec(), value.as_ref().to_vec()));
        self
    }

    /// `Authorization: Bearer ...`.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    /// `Authorization: Basic ...`.
    #[must_use]
    pub fn basic(self, user: &str, password: &str) -> Self {
        use base64::Engine;
        let pair = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        self.header("authorization", format!("Basic {pair}"))
    }

    /// A body, sent with its length, or in chunks if there are trailers.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// A trailer.
    #[must_use]
    pub fn trailer(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.trailers.push((name.as_ref().to_vec(), value.as_ref().to_vec()));
        self
    }

    /// The request as the arguments of curl, with its host from the origin (`http://127.0.0.1:8080`), for people to paste: its bytes should be text.
    pub fn to_curl(&self, origin: &str) -> String {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace('\'', r"'\''");
        let mut words = Vec::new();
        if self.method != if self.body.is_some() { "POST" } else { "GET" } {
            words.push(format!("-X {}", self.method));
        }
        words.extend(self.headers.iter().map(|(name, value)| format!("-H '{}: {}'", text(name), text(value))));
        words.extend(self.body.iter().map(|body| format!("--data-binary '{}'", text(body))));
        words.push(format!("'{origin}{}'", text(&self.target)));
        words.join(" ")
    }

    /// The bytes that go over an HTTP/1.1 connection.
    pub fn to_http1(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(self.method.as_bytes());
        bytes.push(b' ');
        bytes.extend_from_slice(&self.target);
        bytes.extend_from_slice(b" HTTP/1.1\r\n");
        let mut line = |name: &[u8], value: &[u8]| {
            bytes.extend_from_slice(&[name, b": ", value, b"\r\n"].concat());
        };
        if let Some(host) = &self.host {
            line(b"host", host.as_bytes());
        }
        for (name, value) in &self.headers {
            line(name, value);
        }
        match &self.body {
            _ if !self.trailers.is_empty() => line(b"transfer-encoding", b"chunked"),
            Some(body) => line(b"content-length", body.len().to_string().as_bytes()),
            None => {}
        }
        bytes.extend_from_slice(b"\r\n");
        let body = self.body.as_deref().unwrap_or_default();
        if self.trailers.is_empty() {
            bytes.extend_from_slice(body);
            return bytes;
        }
        if !body.is_empty() {
            bytes.extend_from_slice(format!("{:x}\r\n", body.len()).as_bytes());
            bytes.extend_from_slice(body);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n");
        for (name, value) in &self.trailers {
            bytes.extend_from_slice(&[name, b": ".as_slice(), value, b"\r\n"].concat());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes
    }
}

/// A response, whole.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Names in lower case, and the values' bytes.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
    /// The trailers, likewise.
    pub trailers: Vec<(String, Vec<u8>)>,
}

impl Response {
    /// The first value of a header, as Latin-1 text.
    pub fn header(&self, name: &str) -> Option<String> {
        self.header_values(name).into_iter().next()
    }

    /// All values of a header, as Latin-1 text.
    pub fn header_values(&self, name: &str) -> Vec<String> {
        values(&self.headers, name)
    }

    /// The first value of a trailer; for gRPC answers that consist of trailers alone, the header of that name.
    pub fn trailer(&self, name: &str) -> Option<String> {
        values(&self.trailers, name).into_iter().next().or_else(|| self.header(name))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; `null` if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

fn values(list: &[(String, Vec<u8>)], name: &str) -> Vec<String> {
    let same = |(n, _): &&(String, Vec<u8>)| n.eq_ignore_ascii_case(name);
    list.iter().filter(same).map(|(_, value)| crate::received::latin1(value)).collect()
}

/// Why there is no response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientError {
    /// The connection could not be made.
    Connect(String),
    /// The TLS handshake failed.
    Tls(String),
    /// The connection ended before the response did.
    Closed(String),
    /// Nothing came in time.
    Timeout,
    /// What came is no HTTP.
    Malformed(String),
    /// HTTP/2 can't carry this request at all.
    Unsendable(String),
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(why) => write!(f, "no connection: {why}"),
            Self::Tls(why) => write!(f, "no TLS: {why}"),
            Self::Closed(why) => write!(f, "closed: {why}"),
            Self::Timeout => f.write_str("nothing came in time"),
            Self::Malformed(why) => write!(f, "no HTTP: {why}"),
            Self::Unsendable(why) => write!(f, "HTTP/2 can't carry it: {why}"),
        }
    }
}

impl std::error::Error for ClientError {}
