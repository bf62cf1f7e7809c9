//! HTTP/2 as no library sends it: what may not stand in a request at all, and what two readers would read in two ways.

use crate::frames::{Fields, Outcome, send};
use crate::house::{house, learned, mallory, secret};
use portcullis_harness::{PLAIN, fresh_request_id};

const USUAL: [(&str, &str); 4] = [(":method", "GET"), (":scheme", "http"), (":authority", "api.test"), (":path", "/x")];

/// The usual pseudo-headers without this one, with these instead.
fn with(name: &str, instead: &[(&str, &str)]) -> Vec<(String, String)> {
    let others = USUAL.iter().filter(|(own, _)| *own != name);
    others.chain(instead).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The usual ones, and a header more.
fn plus(name: &str, value: &str) -> Vec<(String, String)> {
    with("", &[(name, value)])
}

/// Requests that nobody may get.
fn hopeless() -> Vec<(&'static str, Vec<(String, String)>)> {
    let mut cases = vec![
        ("two paths", plus(":path", "/admin")),
        ("two paths, the other first", with(":path", &[(":path", "/admin"), (":path", "/x")])),
        ("two methods", plus(":method", "DELETE")),
        ("two authorities", plus(":authority", "admin.test")),
        ("two schemes", plus(":scheme", "https")),
        ("no path", with(":path", &[])),
        ("no method", with(":method", &[])),
        ("no scheme", with(":scheme", &[])),
        ("no authority", with(":authority", &[])),
        ("an empty path", with(":path", &[(":path", "")])),
        ("an empty method", with(":method", &[(":method", "")])),
        ("an empty authority", with(":authority", &[(":authority", "")])),
        ("an empty authority, and a host", with(":authority", &[(":authority", ""), ("host", "admin.test")])),
        ("only a host, and that of admins", with(":authority", &[("host", "admin.test")])),
        ("a path without a slash", with(":path", &[(":path", "admin")])),
        ("an absolute path", with(":path", &[(":path", "http://api.test/admin")])),
        ("an asterisk", with(":path", &[(":path", "*")])),
        ("a fragment", with(":path", &[(":path", "/x#/../admin")])),
        ("an unknown pseudo-header", plus(":who", "operator")),
        ("the response's pseudo-header", plus(":status", "200")),
        ("a protocol without CONNECT", plus(":protocol", "websocket")),
        ("a bare CONNECT", vec![(":method".into(), "CONNECT".into()), (":authority".into(), "api.test:80".into())]),
        ("an extended CONNECT", with(":method", &[(":method", "CONNECT"), (":protocol", "connect-udp")])),
        ("a method in lower case", with(":method", &[(":method", "get")])),
        ("user info", with(":authority", &[(":authority", "x@api.test")])),
    ];
    let path = |value: &'static str| with(":path", &[(":path", value)]);
    for value in ["/x HTTP/1.1\r\nx-who: operator", "/x\r\n\r\nGET /admin HTTP/1.1\r\n\r\n", "/x\0", "/x\n", "/ad\rmin", "/x y"] {
        cases.push(("a path that is more", path(value)));
    }
    for value in ["GET /admin HTTP/1.1\r\nx:", "GET ", "GE\0T", "GET\r\n"] {
        cases.push(("a method that is more", with(":method", &[(":method", value)])));
    }
    for value in ["api.test\r\nx-who: operator", "api.test\0", "api.test, admin.test", "api.test/admin", "ad\nmin.test"] {
        cases.push(("an authority that is more", with(":authority", &[(":authority", value)])));
    }
    for name in ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"] {
        cases.push(("a header of one connection", plus(name, if name == "transfer-encoding" { "chunked" } else { "x-who" })));
    }
    for name in ["X-Who", "x-Note", "x who", "x-note:", "x-note\0", "x-note\r\nx-who", "", ":", "x-note\n"] {
        cases.push(("a name that is none", plus(name, "operator")));
    }
    for value in ["a\0b", "a\rb", "a\nb", "a\r\nx-who: operator", "\0", "operator\r\n"] {
        cases.push(("a value that is none", plus("x-note", value)));
        cases.push(("a value that is none, of the filter's own", plus("x-who", value)));
    }
    let mut late = plus("x-note", "1");
    late.push((":path".into(), "/admin".into()));
    cases.push(("a pseudo-header after others", late));
    cases
}

/// Requests that are mallory's own, whatever she adds.
fn harmless() -> Vec<(&'static str, Vec<(String, String)>)> {
    vec![
        ("nothing more", plus("x-note", "1")),
        ("somebody else's name", plus("x-who", "operator")),
        ("bytes beyond ASCII", plus("x-who", "\u{fc}\u{ff}")),
        ("a long name", plus(&format!("x-ep-{}", "a".repeat(300)), "operator")),
        ("only a host", with(":authority", &[("host", "api.test")])),
    ]
}

fn bytes(fields: Vec<(String, String)>) -> Fields {
    fields.into_iter().map(|(name, value)| (name.into_bytes(), value.into_bytes())).collect()
}

/// Sends it with mallory's secret; the outcome, and what the service got.
fn sent(fields: Vec<(String, String)>, trailers: Fields) -> (Outcome, Vec<portcullis_harness::Received>) {
    let stage = &house().stage;
    let id = fresh_request_id();
    let mut fields = bytes(fields);
    // Before what follows the pseudo-headers, so that these stay in front.
    let first = fields.iter().position(|(name, _)| name.first() != Some(&b':')).unwrap_or(fields.len());
    let own = [("x-request-id", id.clone()), ("x-api-key", secret("mallory"))];
    fields.splice(first..first, own.map(|(name, value)| (name.as_bytes().to_vec(), value.into_bytes())));
    let outcome = send(stage.envoy.listener(PLAIN), &fields, &trailers);
    (outcome, stage.upstream.received_with_id(&id))
}

#[test]
fn what_is_no_request_reaches_nobody() {
    let mut wrong = Vec::new();
    for (what, fields) in hopeless() {
        let (outcome, received) = sent(fields.clone(), Vec::new());
        if outcome == Outcome::Ok || !received.is_empty() {
            wrong.push(format!("{what}, {fields:?}: {outcome:?}, {received:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong: {wrong:#?}", wrong.len());
}

#[test]
fn what_is_one_is_mallorys() {
    let mut wrong = Vec::new();
    for (what, fields) in harmless() {
        let (outcome, received) = sent(fields, Vec::new());
        let is_hers = match received.as_slice() {
            [one] => learned(one) == mallory() && one.path == "/x" && one.method == "GET" && one.header_values("host") == ["api.test"],
            _ => false,
        };
        if outcome != Outcome::Ok || !is_hers {
            wrong.push(format!("{what}: {outcome:?}, {received:?}"));
        }
    }
    // Two hosts: one of them, and it is the one that was judged, or none.
    for host in ["admin.test", "api.test", ""] {
        let (outcome, received) = sent(plus("host", host), Vec::new());
        if received.iter().any(|one| one.header_values("host") != ["api.test"] || learned(one) != mallory()) {
            wrong.push(format!("a host beside the authority: {outcome:?}, {received:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong: {wrong:#?}", wrong.len());
}

/// Trailers of all that may not stand in them: the service sees none of it.
#[test]
fn pseudo_headers_in_trailers() {
    for (name, value) in [
        (":path", "/admin"),
        (":who", "operator"),
        ("X-Who", "operator"),
        ("x-who", "a\r\nb"),
        ("x-who\0", "operator"),
        ("connection", "x-who"),
    ] {
        let (_, received) = sent(plus("x-note", "1"), bytes(vec![(name.into(), value.into()), ("x-checksum".into(), "1".into())]));
        for one in received {
            assert_eq!((learned(&one), one.path.as_str()), (mallory(), "/x"), "{name}: {value:?}");
        }
    }
    let (outcome, received) =
        sent(plus("x-note", "1"), bytes(vec![("x-who".into(), "operator".into()), ("x-checksum".into(), "1".into())]));
    assert_eq!((outcome, learned(&received[0])), (Outcome::Ok, mallory()));
    assert_eq!(received[0].trailers, [("x-checksum".to_owned(), b"1".to_vec())]);
}
