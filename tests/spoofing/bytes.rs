//! HTTP/1.1 byte by byte: lines that one reader takes for two headers and another for one, or for none.

use crate::house::{house, learned, mallory, secret};
use portcullis_harness::{PATIENCE, Received, fresh_request_id};

/// Sends mallory's request with these lines in it, as they are; the status, if there is one, and what the service got.
fn sent(start: &str, lines: &[u8]) -> (String, Vec<Received>) {
    let stage = &house().stage;
    let id = fresh_request_id();
    let head = format!("{start}\r\nx-request-id: {id}\r\nx-api-key: {}\r\n", secret("mallory"));
    let mut connection = stage.client().connect().expect("a connection");
    connection.write(&[head.as_bytes(), lines, b"\r\n"].concat()).expect("an open connection");
    let answer = connection.read(PATIENCE).unwrap_or_default();
    let status = String::from_utf8_lossy(&answer).split(' ').nth(1).unwrap_or_default().to_owned();
    (status, stage.upstream.received_with_id(&id))
}

/// What is wrong with it: nothing if nobody got it, or if the service saw mallory, at the host and path that were judged.
fn fault(what: &str, status: &str, received: &[Received]) -> Option<String> {
    let is_hers = |one: &Received| {
        learned(one) == mallory() && one.path == "/x" && one.header_values("host") == ["api.test"] && one.trailers.is_empty()
    };
    let is_right = match received {
        [] => status != "200",
        [one] => status == "200" && is_hers(one),
        _ => false,
    };
    (!is_right).then(|| format!("{what}: {status:?}, {received:?}"))
}

const START: &str = "GET /x HTTP/1.1\r\nhost: api.test";

#[test]
fn control_bytes_and_folded_lines() {
    let mut wrong = Vec::new();
    let lines: [&[u8]; 26] = [
        b"x-note: a\0b\r\n",
        b"x-note: a\nx-who: operator\r\n",
        b"x-note: a\rx-who: operator\r\n",
        b"x-note: a\r\r\nx-who: operator\r\n",
        b"x-note: a\r\n x-who: operator\r\n",
        b"x-note: a\r\n\tx-who: operator\r\n",
        b" x-who: operator\r\n",
        b"x-who : operator\r\n",
        b"x-who\t: operator\r\n",
        b"x-who\0: operator\r\n",
        b"\0x-who: operator\r\n",
        b"x-who\r\n",
        b": operator\r\n",
        b"x-who:operator\r\n",
        b"x-who:\toperator\r\n",
        b"x-who:\xff\xfe\r\n",
        b"x-who: \xc3\xbc\r\n",
        b"x-\xffwho: operator\r\n",
        b"x who: operator\r\n",
        b"\"x-who\": operator\r\n",
        b"x-who: \x0b\x0coperator\r\n",
        b"x-who: \x7f\r\n",
        b"x-who:\r\nx-who:\r\n operator\r\n",
        b"x-note: 1\n\nx-who: operator\r\n",
        b":path: /admin\r\n",
        b"x-jwt-payload: e30\r\nX_JWT_Payload: e30\r\n",
    ];
    for line in lines {
        let (status, received) = sent(START, line);
        wrong.extend(fault(&line.escape_ascii().to_string(), &status, &received));
    }
    // NUL and bare CR are no part of any header: Envoy refuses the one itself.
    let (status, received) = sent(START, b"x-note: a\0b\r\n");
    assert_eq!((status.as_str(), received.len()), ("400", 0));
    assert!(wrong.is_empty(), "{} wrong: {wrong:#?}", wrong.len());
}

#[test]
fn targets_and_hosts() {
    let mut wrong = Vec::new();
    for start in [
        "GET http://api.test/x HTTP/1.1\r\nhost: admin.test",
        "GET http://api.test/x HTTP/1.1\r\nhost: api.test",
        "GET http://admin.test/x HTTP/1.1\r\nhost: api.test",
        "GET http://api.test@admin.test/x HTTP/1.1\r\nhost: api.test",
        "GET http:///x HTTP/1.1\r\nhost: api.test",
        "GET //api.test/x HTTP/1.1\r\nhost: api.test",
        "GET api.test/x HTTP/1.1\r\nhost: api.test",
        "GET /x HTTP/1.1\r\nhost: api.test\r\nHost: admin.test",
        "GET /x HTTP/1.1\r\nhost: admin.test\r\nHOST: api.test",
        "GET /x HTTP/1.1\r\nhost: api.test\r\nhost: api.test",
        "GET /x HTTP/1.1\r\nhost: api.test,admin.test",
        "GET /x HTTP/1.1\r\nhost: admin.test\r\n api.test",
        "GET /x HTTP/1.1\r\nhost : api.test",
        "GET /x HTTP/1.1\r\nhost:",
        "GET /x HTTP/1.1\r\nhost: Admin.TEST.",
        "GET /x HTTP/1.1\r\nhost: admin.test:80",
        "GET /x HTTP/1.1\r\nx-note: 1",
        "GET /x HTTP/1.0\r\nx-note: 1",
        "GET /x HTTP/2.0\r\nhost: api.test",
        "GET /x\r\nhost: api.test",
        "GET  /x HTTP/1.1\r\nhost: api.test",
        "GET /x /admin HTTP/1.1\r\nhost: api.test",
        "GET\t/x\tHTTP/1.1\r\nhost: api.test",
        "get /x HTTP/1.1\r\nhost: api.test",
        "Get /x HTTP/1.1\r\nhost: api.test",
        "G\0ET /x HTTP/1.1\r\nhost: api.test",
        "GET /x\0 HTTP/1.1\r\nhost: api.test",
        "GET /\u{ff} HTTP/1.1\r\nhost: api.test",
        " GET /x HTTP/1.1\r\nhost: api.test",
    ] {
        let (status, received) = sent(start, b"");
        wrong.extend(fault(&start.escape_default().to_string(), &status, &received));
        if received.iter().any(|one| one.method != "GET") {
            wrong.push(format!("{start}: {received:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong: {wrong:#?}", wrong.len());
}
