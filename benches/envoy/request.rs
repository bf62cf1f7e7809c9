//! The request that every variant gets: 13 headers as a filter sees them, Envoy's own among them.

use portcullis_harness::HOST;

/// A request with this value of `authorization`, if any. Without one it has another header instead, so that the number is the same.
pub(crate) fn request(authorization: Option<&str>) -> Vec<u8> {
    let last = authorization.map_or("dnt: 1".to_owned(), |value| format!("authorization: {value}"));
    format!(
        "GET /accounts/4711/statements?from=2026-01-01 HTTP/1.1\r\n\
         host: {HOST}\r\n\
         user-agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
         accept: application/json\r\n\
         accept-encoding: gzip, deflate, br\r\n\
         accept-language: en-GB,en;q=0.7\r\n\
         referer: https://app.test/statements\r\n\
         traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\
         {last}\r\n\r\n"
    )
    .into_bytes()
}
