//! What a server received.

use http::HeaderMap;
use serde_json::{Value, json};
use std::time::Instant;

/// One request, exactly as it arrived.
#[derive(Clone, Debug)]
pub struct Received {
    /// `HTTP/1.1` or `HTTP/2.0`.
    pub protocol: String,
    /// The method.
    pub method: String,
    /// Path and query, as sent.
    pub path: String,
    /// Names in lower case, with the values' bytes, in the order of arrival (of the first of each name). On HTTP/2 the
    /// authority stands here as `host`.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The trailers, likewise.
    pub trailers: Vec<(String, Vec<u8>)>,
    /// The whole body.
    pub body: Vec<u8>,
    /// When its headers were there.
    pub at: Instant,
}

impl Received {
    /// The only value of a header, as Latin-1 text.
    ///
    /// # Panics
    /// If it came several times: tests look at these with [`Received::header_values`].
    pub fn header(&self, name: &str) -> Option<String> {
        let mut values = self.header_values(name);
        assert!(values.len() <= 1, "the header {name} came {} times: {values:?}", values.len());
        values.pop()
    }

    /// All values of a header, as Latin-1 text.
    pub fn header_values(&self, name: &str) -> Vec<String> {
        self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| latin1(value)).collect()
    }

    /// The body as JSON; `null` if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// Everything in one JSON object: `protocol`, `method`, `path`, `headers` and `trailers` (lists of `[name, value]`)
    /// and `body`. Bytes become the Latin-1 characters of the same number, so nothing is lost.
    pub fn to_json(&self) -> Value {
        let pairs = |list: &[(String, Vec<u8>)]| -> Vec<Value> { list.iter().map(|(name, value)| json!([name, latin1(value)])).collect() };
        json!({
            "protocol": self.protocol,
            "method": self.method,
            "path": self.path,
            "headers": pairs(&self.headers),
            "trailers": pairs(&self.trailers),
            "body": latin1(&self.body),
        })
    }
}

/// Bytes as the Latin-1 characters of the same number.
pub(crate) fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// The lines of a header map.
pub(crate) fn pairs(map: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    map.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect()
}
