//! Which rule is for which request, and that no spelling of a request reaches a weaker one.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "helpers of tests"
)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_harness::{Algorithm, Bootstrap, Case, ClientError, Connection, Key, PATIENCE, Request, RunningStage, Stage, mint, now};
use serde_json::json;
use sha2::{Digest as _, Sha256};

/// The secret of the caller with the role `rN`, for rule N.
fn secret(rule: usize) -> String {
    format!("secret-of-caller-{rule}")
}

/// Ten callers, `c0` to `c9`, each with the one role that one rule wants: what passes tells which rule it was.
fn callers() -> String {
    let caller = |n: usize| {
        let sha256 = STANDARD.encode(Sha256::digest(secret(n)));
        format!("        - {{id: c{n}, roles: r{n}, secrets: [{{sha256: \"{sha256}\"}}]}}\n")
    };
    let callers: String = (0..10).map(caller).collect();
    format!("providers:\n  partners:\n    static_secret:\n      callers:\n{callers}reject: {{forbidden: 403}}\n")
}

/// With these rules, in which `rN` stands for a demand for that role.
fn stage(rules: &str) -> Stage {
    let mut rules = rules.to_owned();
    for n in 0..10 {
        rules = rules.replace(&format!("role: r{n}"), &format!("require: {{provider: partners, roles: r{n}}}"));
    }
    Stage::new().config(format!("{}rules:\n{rules}", callers()))
}

/// The case passes by this rule and by no other.
fn by_rule(rule: usize, case: Case) -> [Case; 2] {
    let other = if rule == 0 { 9 } else { rule - 1 };
    [
        case.clone().bearer(&secret(rule)).expect(200).upstream("x-auth-subject", &format!("c{rule}")),
        case.bearer(&secret(other)).expect(403).reason("role_missing"),
    ]
}

/// The case is refused, whoever asks.
fn refused(status: u16, reason: &str, case: Case) -> [Case; 2] {
    [case.clone().expect(status).reason(reason), case.bearer(&secret(0)).expect(status).reason(reason)]
}

#[test]
fn paths_prefixes_and_templates_match_as_documented() {
    let key = Key::secret(Algorithm::HS256, "0123456789abcdef0123456789abcdef");
    let rules = "
  - {match: {path: /exact}, role: r0}
  - {match: {path_prefix: /tree}, role: r1}
  - {match: {path_prefix: /below/}, role: r2}
  - {match: {path_template: \"/one/*/end\"}, role: r3}
  - {match: {path_template: \"/of/{role}/**\"}, require: {provider: partners, roles: \"{path.role}\"}}
  - {match: {path_template: \"/tenants/{tenant}/{what}\"}, require: {provider: users, claims: {tenant: \"{path.tenant}\", what: {any: [\"{path.what}\", all]}}}}
  - {match: {path_prefix: /open}, allow: anyone}
  - {match: {path_prefix: /closed}, deny: true}
";
    let users = "  users:\n    jwt:\n      keys: {secret: {text: 0123456789abcdef0123456789abcdef}}\n";
    let mut configuration = callers().replace("reject:", &format!("{users}reject:"));
    let mut rules = rules.to_owned();
    for n in 0..4 {
        rules = rules.replace(&format!("role: r{n}"), &format!("require: {{provider: partners, roles: r{n}}}"));
    }
    configuration.push_str(&format!("rules:{rules}"));
    let stage = Stage::new().config(configuration).start();

    let mut cases = Vec::new();
    for (rule, targets) in [
        (0, &["/exact", "/exact?", "/exact?a=/tree", "/%65xact"][..]),
        (1, &["/tree", "/tree/", "/tree/a", "/tree/a/b?c", "/tre%65/a", "/tree/%2e%2ea", "/tree/..."]),
        (2, &["/below/", "/below/a", "/below/a/b"]),
        (3, &["/one/x/end", "/one/%20/end", "/one/%e4/end"]),
    ] {
        cases.extend(targets.iter().flat_map(|target| by_rule(rule, Case::get(target))));
    }
    for target in [
        "/",
        "/exact/",
        "/exac",
        "/exactly",
        "/Exact",
        "/treeish",
        "/Tree",
        "/tre",
        "/below",
        "/one/end",
        "/one/x/end/",
        "/one/x/y/end",
        "/ones/x/end",
        "/of",
        "/of/r1",
        "/tenants/a",
        "/tenants/a/b/c",
        "/opening",
        "/%6Fpens",
    ] {
        cases.extend(refused(403, "no_rule", Case::get(target)));
    }
    // A variable is one segment, percent-decoded.
    for (target, caller) in [("/of/r1/", 1), ("/of/r2/x/y", 2), ("/of/%723/x", 3), ("/of/r%34/%72", 4)] {
        cases.extend(by_rule(caller, Case::get(target)));
    }
    let token = |tenant: &str, what: &str| mint(&key, json!({"sub": "u", "exp": now(60), "tenant": tenant, "what": what}));
    for (target, tenant, what, expected) in [
        ("/tenants/acme/read", "acme", "read", 200),
        ("/tenants/acme/read", "acme", "all", 200),
        ("/tenants/a%20b/read", "a b", "read", 200),
        ("/tenants/a%20b/read", "a%20b", "read", 403),
        ("/tenants/%C3%A4/read", "\u{e4}", "read", 200),
        ("/tenants/acme/read", "evil", "read", 403),
        ("/tenants/acme/read", "acme", "write", 403),
        ("/tenants/acme/read", "ACME", "read", 403),
        ("/tenants/acme/read", "{path.tenant}", "read", 403),
        ("/tenants/all/read", "acme", "all", 403),
    ] {
        let case = Case::get(target).bearer(&token(tenant, what)).expect(expected);
        cases.push(if expected == 200 { case.upstream_path(target) } else { case.reason("claim_mismatch") });
    }
    for target in ["/open", "/open/", "/open/x?y", "/%6Fpen"] {
        cases.push(Case::get(target).expect(200).upstream_absent("x-auth-provider").access("provider", json!(null)));
    }
    cases.push(Case::get("/open").bearer("nonsense").expect(200).upstream_absent("authorization"));
    cases.extend(["/closed", "/closed/x"].into_iter().flat_map(|target| refused(403, "denied", Case::get(target))));
    stage.check(cases);
}

#[test]
fn a_method_belongs_to_the_rule_that_names_it() {
    let stage = stage(
        "
  - {match: {path: /x, methods: [GET]}, role: r0}
  - {match: {path: /x, methods: [POST, PUT]}, role: r1}
  - {match: {path_prefix: /x}, role: r2}
  - {match: {path_prefix: /y, methods: DELETE}, role: r3}
  - {match: {path_prefix: /head, methods: [HEAD]}, role: r4}
  - {match: {path_prefix: /hosted, methods: [GET], hosts: [a.test]}, role: r5}
  - {match: {path_prefix: /versioned, methods: [GET], headers: {x-version: \"2\"}}, role: r6}
  - {match: {cors_preflight: true}, allow: anyone}
  - {match: {path_prefix: /y, methods: [PATCH]}, role: r7}
  - {match: {methods: [GET]}, role: r8}
  - {role: r9}
",
    )
    .start();
    let case = |method: &str, target: &str| Case::method(method, target);
    let not_allowed = |method: &str, target: &str, allow: &str| {
        let case = Case::method(method, target);
        [case.clone().bearer(&secret(9)), case.bearer(&secret(2)), Case::method(method, target)]
            .map(|case| case.expect(405).reason("method_not_allowed").answer("allow", allow).answer("cache-control", "no-store"))
    };
    let mut cases = Vec::new();
    for (rule, method, target) in [
        (0, "GET", "/x"),
        (0, "HEAD", "/x"),
        (0, "HEAD", "/%78?q"),
        (1, "POST", "/x"),
        (1, "PUT", "/x"),
        (2, "GET", "/x/y"),
        (2, "DELETE", "/x/y"),
        (3, "DELETE", "/y/z"),
        (4, "HEAD", "/head"),
        (7, "PATCH", "/y"),
        (8, "GET", "/y"),
        (8, "HEAD", "/y"),
        (8, "GET", "/head"),
        (8, "GET", "/other"),
        (9, "POST", "/other"),
        (9, "OPTIONS", "/other"),
        // The rule's other conditions don't match, so the path isn't its own.
        (9, "POST", "/hosted"),
        (8, "GET", "/versioned"),
        (9, "DELETE", "/versioned"),
    ] {
        cases.extend(by_rule(rule, case(method, target)));
    }
    for (method, target, allow) in [
        ("DELETE", "/x", "GET, POST, PUT, HEAD"),
        ("PATCH", "/x", "GET, POST, PUT, HEAD"),
        ("OPTIONS", "/x", "GET, POST, PUT, HEAD"),
        ("POST", "/y", "DELETE, PATCH"),
        ("OPTIONS", "/y/z", "DELETE, PATCH"),
        ("POST", "/head", "HEAD"),
    ] {
        cases.extend(not_allowed(method, target, allow));
    }
    for case in not_allowed("POST", "/hosted", "GET, HEAD") {
        cases.push(case.host("A.test:80"));
    }
    for case in not_allowed("DELETE", "/versioned", "GET, HEAD") {
        cases.push(case.header("x-version", "2"));
    }
    // Methods are told apart by case, where Envoy lets such through at all.
    cases.extend(["get", "Get", "post"].map(|method| case(method, "/x").http2().bearer(&secret(0)).not_upstream()));
    let preflight = |method: &str, target: &str| {
        case(method, target).header("origin", "https://app.test").header("access-control-request-method", "DELETE")
    };
    // A preflight names OPTIONS: it is served although earlier rules own the path for other methods.
    for target in ["/other", "/x", "/y"] {
        cases.push(preflight("OPTIONS", target).named("preflight").expect(200).upstream_absent("x-auth-subject"));
        cases.push(preflight("OPTIONS", target).named("preflight").http2().expect(200).upstream_absent("x-auth-subject"));
    }
    cases.extend(by_rule(0, preflight("GET", "/x").named("no preflight")));
    cases.extend(by_rule(9, case("OPTIONS", "/other").header("origin", "https://app.test").named("no preflight")));
    cases.extend(by_rule(9, case("OPTIONS", "/other").header("access-control-request-method", "GET").named("no preflight")));
    let asks =
        |origin: &str, method: &str| case("OPTIONS", "/other").header("origin", origin).header("access-control-request-method", method);
    cases.extend(by_rule(9, asks("", "GET").named("from nowhere")));
    cases.extend(by_rule(9, asks("https://app.test", "").named("for nothing")));
    stage.check(cases);
}

#[test]
fn hosts_have_one_form() {
    let stage = stage(
        "
  - {match: {hosts: [api.example.com]}, role: r0}
  - {match: {hosts: [\"*.example.com\"]}, role: r1}
  - {match: {hosts: [\"[::1]\", 127.0.0.1, LocalHost]}, role: r2}
",
    )
    .start();
    let mut cases = Vec::new();
    for (rule, hosts) in [
        (
            0,
            &[
                "api.example.com",
                "API.Example.COM",
                "api.example.com:8080",
                "api.example.com.",
                "Api.Example.Com.:8080",
                "api.example.com:",
            ][..],
        ),
        (1, &["a.example.com", "b.a.example.com", "B.A.EXAMPLE.com.:1", "xapi.example.com", "api.api.example.com"]),
        (2, &["[::1]", "[::1]:8080", "127.0.0.1:1", "localhost", "LOCALHOST."]),
    ] {
        for host in hosts {
            cases.extend(by_rule(rule, Case::get("/").host(host).named(*host)));
            if !host.ends_with(':') {
                cases.extend(by_rule(rule, Case::get("/").host(host).http2().named(format!("{host} over HTTP/2"))));
            }
        }
    }
    for host in ["example.com", "example.com.", "api.example.com.evil.test", "api.example.comx", "example.org", "127.0.0.2", "aexample.com"]
    {
        cases.extend(refused(403, "no_rule", Case::get("/").host(host).named(host)));
        cases.extend(refused(403, "no_rule", Case::get("/").host(host).http2().named(host)));
    }
    // Envoy refuses some of these itself.
    for host in [
        "api.example.com,evil.test",
        "api.example.com evil.test",
        "user@api.example.com",
        "api.example.com@evil.test",
        "api.example.com/",
        "api.example.com:80:90",
        "api.example.com:x",
        ".example.com",
        "a..example.com",
        "*.example.com",
        "api.example.com..",
        ":80",
        ".",
        "api.example.com#",
        "api.example.com?",
        "[::1",
        "[]",
        "api.example.com\\.evil.test",
        "%61pi.example.com",
    ] {
        let case = Case::new(Request::get("/").host(host)).bearer(&secret(0)).expect(400).not_upstream().named(host);
        cases.push(case.clone());
        cases.push(case.with(|request| request.bearer(&secret(1))));
    }
    // HTTP/1.1: the host of an absolute target is the one, whatever Host says (RFC 9112, section 3.2.2).
    for host in ["evil.test", "a.example.com", "api.example.com"] {
        cases.extend(by_rule(0, Case::get("http://api.example.com:80/x").host(host).named("absolute-form")));
        cases.extend(by_rule(1, Case::get("http://X.EXAMPLE.com./x").host(host).named("absolute-form")));
    }
    cases.extend(refused(403, "no_rule", Case::get("http://evil.test/x").host("api.example.com").named("absolute-form")));
    let several = |case: Case| case.bearer(&secret(0)).expect(400).not_upstream();
    cases.push(several(Case::new(Request::get("/").without_host()).named("no host")));
    for other in ["api.example.com", "evil.test"] {
        cases.push(several(Case::get("/").host("api.example.com").header("Host", other).named("two hosts")));
        cases.push(several(Case::get("/").host("evil.test").header("Host", "api.example.com").named("two hosts")));
    }
    stage.check(cases);

    // HTTP/2: a Host beside :authority is refused, or never seen by anybody.
    for (authority, host) in [("api.example.com", "evil.test"), ("evil.test", "api.example.com"), ("api.example.com", "api.example.com")] {
        let request = Request::get("/").host(authority).header("host", host).bearer(&secret(0)).header("x-request-id", "two-hosts");
        let status = stage.client().http2().try_send(&request).map(|response| response.status);
        match status {
            Ok(200) => {
                assert_eq!(authority, "api.example.com", "{host} decided over {authority}");
                let received = stage.upstream.received_with_id("two-hosts").pop().expect("it went upstream");
                assert_eq!(received.header_values("host"), [authority]);
            }
            Ok(400 | 403) | Err(ClientError::Closed(_)) => {}
            other => panic!("{authority} with {host}: {other:?}"),
        }
        stage.upstream.forget();
    }
}

#[test]
fn headers_match_only_when_they_are_sent_once() {
    let stage = stage(
        "
  - {match: {headers: {x-version: \"2\"}}, role: r0}
  - {match: {headers: {X-Kind: a b, x-version: \"3\"}}, role: r1}
  - {role: r2}
",
    )
    .start();
    let version = |values: &[&str]| values.iter().fold(Case::get("/"), |case, value| case.header("X-Version", value));
    let mut cases = Vec::new();
    cases.extend(by_rule(0, version(&["2"])));
    cases.extend(by_rule(0, version(&[" 2 "])));
    cases.extend(by_rule(0, version(&["2"]).http2()));
    for other in [&[][..], &["3"], &["2 2"], &["2,2"], &["02"], &[""], &["2;"], &["\u{ff}"]] {
        cases.extend(by_rule(2, version(other)));
    }
    cases.extend(by_rule(1, version(&["3"]).header("x-kind", "a b")));
    cases.extend(by_rule(2, version(&["3"]).header("x-kind", "A b")));
    // To CGI it is the same header: beside the other one, or alone.
    for twin in ["x_kind", "x.kind", "x~kind"] {
        cases.extend(refused(400, "header_ambiguous", version(&["3"]).header(twin, "a b")));
        cases.extend(refused(400, "header_ambiguous", version(&["3"]).header(twin, "c").header("x-kind", "a b").http2()));
    }
    for twice in [["2", "2"], ["2", "3"], ["1", "2"], ["1", "1"]] {
        cases.extend(refused(400, "header_ambiguous", version(&twice)));
        cases.extend(refused(400, "header_ambiguous", version(&twice).http2()));
    }
    cases.extend(refused(400, "header_ambiguous", version(&["3"]).header("x-kind", "a b").header("X-KIND", "c")));
    stage.check(cases);
}

#[test]
fn tunnels_are_refused_unless_named() {
    let upgrades = json!([{"upgrade_type": "websocket"}, {"upgrade_type": "foo"}, {"upgrade_type": "bar/2"}, {"upgrade_type": "h2c"}, {"upgrade_type": "CONNECT"}]);
    let routes = json!([
        {"match": {"connect_matcher": {}}, "route": {"cluster": "upstream"}},
        {"match": {"prefix": "/"}, "route": {"cluster": "upstream"}},
    ]);
    let stage = stage(
        "
  - {match: {path_prefix: /foo, upgrades: [foo]}, role: r0}
  - {match: {path_prefix: /open}, allow: anyone}
  - {match: {hosts: [tunnel.test], methods: [CONNECT]}, role: r1}
  - {match: {hosts: [other.test], methods: [CONNECT], path_prefix: /}, role: r1}
  - {role: r2}
",
    )
    .bootstrap(|bootstrap| bootstrap.hcm("upgrade_configs", upgrades).routes(routes))
    .start();

    let upgrade =
        |target: &str, protocol: &str| Case::get(target).header("connection", "upgrade").header("upgrade", protocol).named(protocol);
    let mut cases = Vec::new();
    cases.extend(by_rule(0, upgrade("/foo", "foo")));
    cases.extend(by_rule(0, upgrade("/foo", "FOO")));
    cases.extend(by_rule(0, Case::get("/foo")));
    for (target, protocol) in [
        ("/", "foo"),
        ("/open", "foo"),
        ("/foo", "bar/2"),
        ("/open", "bar/2"),
        ("/foo", "foo, bar/2"),
        ("/open", "websocket, foo"),
        ("/open", "foo, websocket"),
    ] {
        for case in [upgrade(target, protocol), upgrade(target, protocol).bearer(&secret(2)), upgrade(target, protocol).bearer(&secret(0))]
        {
            cases.push(case.not_upstream());
        }
    }
    cases.extend(refused(403, "upgrade_refused", upgrade("/open", "foo")));
    // What Connection names besides would be dropped further on.
    for connection in
        ["upgrade, x-auth-subject", "x-auth-subject, Upgrade", "upgrade,authorization", "upgrade, x-forwarded-for", "upgrade, \u{ff}"]
    {
        for protocol in ["websocket", "foo"] {
            let case = Case::get("/foo").header("connection", connection).header("upgrade", protocol).named(connection);
            cases.push(case.clone().bearer(&secret(0)).expect(400).not_upstream());
            cases.push(case.expect(400).not_upstream());
        }
    }
    // One header by header.
    let apart = Case::get("/foo").header("connection", "upgrade").header("connection", "x-auth-subject").header("upgrade", "foo");
    cases.push(apart.bearer(&secret(0)).expect(400).not_upstream());
    cases.extend(by_rule(0, Case::get("/foo").header("connection", "keep-alive, Upgrade, TE").header("upgrade", "foo")));
    // Without an upgrade Envoy removes the header, and nothing is lost.
    cases.extend(by_rule(0, Case::get("/foo").header("connection", "x-auth-subject")));
    stage.check(cases);

    // h2c never gets through: Envoy drops it, or we do.
    for target in ["/", "/open", "/foo"] {
        for connection in ["Upgrade, HTTP2-Settings", "upgrade"] {
            let id = portcullis_harness::fresh_request_id();
            let request =
                Request::get(target).header("connection", connection).header("upgrade", "h2c").header("http2-settings", "AAMAAABkAAQAAP__");
            let response = stage.send(&request.bearer(&secret(2)).header("x-request-id", &id));
            for received in stage.upstream.received_with_id(&id) {
                assert_eq!(received.header("upgrade"), None, "{target}: {response:?}");
                assert_eq!(received.header("http2-settings"), None, "{target}: {response:?}");
            }
        }
    }

    // A WebSocket passes as any other request.
    let refusal = |request: &Request| match stage.client().websocket(request) {
        Ok(_) => panic!("a WebSocket is let in"),
        Err(refusal) => refusal.expect("a response"),
    };
    assert_eq!(refusal(&Request::get("/ws")).status, 401);
    assert_eq!(refusal(&Request::get("/ws").bearer(&secret(1))).status, 403);
    let mut socket = stage.client().websocket(&Request::get("/ws").bearer(&secret(2)).header("x-request-id", "ws")).expect("a WebSocket");
    socket.send("hello").expect("an open socket");
    assert_eq!(socket.receive(PATIENCE), Ok(Some("hello".into())));
    let received = stage.upstream.received_with_id("ws").pop().expect("it went upstream");
    assert_eq!(received.header("x-auth-subject").as_deref(), Some("c2"));
    assert_eq!(received.header("authorization"), None);
    socket.close();

    let connect = |host: &str, rule: usize| {
        let before = stage.upstream.count();
        let mut connection = stage.client().connect().expect("a connection");
        let text = format!("CONNECT {host}:80 HTTP/1.1\r\nhost: {host}:80\r\nauthorization: Bearer {}\r\n\r\n", secret(rule));
        connection.write(text.as_bytes()).expect("an open connection");
        let answer = connection.read(PATIENCE).unwrap_or_default();
        (String::from_utf8_lossy(&answer).chars().skip(9).take(3).collect::<String>(), stage.upstream.count() - before)
    };
    for (host, rule) in [("elsewhere.test", 2), ("elsewhere.test", 0), ("tunnel.test", 2), ("other.test", 1)] {
        assert_eq!(connect(host, rule), ("403".to_owned(), 0), "CONNECT {host} as c{rule}");
    }
    assert_eq!(connect("tunnel.test", 1).1, 1, "CONNECT that a rule names goes upstream");
}

#[test]
fn early_data_asterisk_and_nothing_else() {
    let stage = stage(
        "
  - {match: {path_prefix: /open}, allow: anyone}
  - {match: {path_prefix: /a}, role: r0}
  - {match: {methods: [OPTIONS]}, role: r1}
",
    )
    .start();
    let mut cases = Vec::new();
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        for target in ["/a", "/open"] {
            cases.extend(refused(425, "early_data", Case::method(method, target).header("early-data", "1")));
            cases.extend(refused(425, "early_data", Case::method(method, target).header("Early-Data", "1").http2()));
        }
        cases.extend(refused(425, "early_data", Case::method(method, "/a").header("early-data", "0").header("early-data", "1")));
        cases.extend(refused(425, "early_data", Case::method(method, "/a").header("early-data", "0, 1")));
    }
    for method in ["GET", "HEAD"] {
        cases.extend(by_rule(0, Case::method(method, "/a").header("early-data", "1")));
    }
    // `*` is no path, and Envoy refuses it by itself.
    for case in [Case::method("OPTIONS", "*"), Case::method("OPTIONS", "*").http2(), Case::method("GET", "*")] {
        cases.extend([case.clone().not_upstream(), case.bearer(&secret(1)).not_upstream()]);
    }
    cases.extend(refused(403, "no_rule", Case::get("/b")));
    stage.check(cases);
}

#[test]
fn one_provider_without_rules_guards_everything() {
    let stage = Stage::new().config(callers()).start();
    let mut cases = Vec::new();
    for target in ["/", "/a", "//a", "/a/../b", "/%2e%2e/x", "/a;b", "/a%2fb", "/a\\b", "/a?b=c#", "*"] {
        for method in ["GET", "POST", "OPTIONS"] {
            cases.push(Case::method(method, target).not_upstream());
        }
    }
    cases.push(Case::get("//a;b/../c").expect(401).reason("credential_missing"));
    // No rule names a path, so paths go through as they are.
    cases.extend(
        ["//a", "/a/../b", "/a;b", "/a%2fb", "/%2e"].map(|path| Case::get(path).bearer(&secret(0)).expect(200).upstream_path(path)),
    );
    cases.push(
        Case::method("OPTIONS", "/")
            .header("origin", "o")
            .header("access-control-request-method", "GET")
            .expect(401)
            .reason("credential_missing"),
    );
    stage.check(cases);
}

/// What a server might take a path for: decoded as often as can be, parameters cut off, slashes of any kind merged,
/// dot segments resolved, case ignored.
fn loosest_reading(path: &[u8]) -> String {
    let mut bytes: Vec<u8> = path.split(|byte| matches!(byte, b'?' | b'#')).next().unwrap_or_default().to_vec();
    for _ in 0..4 {
        bytes = percent_encoding::percent_decode(&bytes).collect();
    }
    let text: String = bytes.iter().filter(|byte| matches!(byte, 0x20..0x7f)).map(|byte| char::from(*byte).to_ascii_lowercase()).collect();
    let mut segments = Vec::new();
    for segment in text.replace('\\', "/").split('/').map(|segment| segment.split(';').next().unwrap_or_default()) {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            other => segments.push(other.to_owned()),
        }
    }
    format!("/{}", segments.join("/"))
}

/// Every spelling of `/admin` that is known to have fooled somebody, and products of their parts.
fn disguises() -> Vec<Vec<u8>> {
    let mut targets: Vec<Vec<u8>> = Vec::new();
    let names: &[&[u8]] = &[
        b"admin",
        b"%61dmin",
        b"%61%64%6d%69%6e",
        b"%61%64%6D%69%6E",
        b"%2561dmin",
        b"%252561dmin",
        b"admin;x",
        b"admin;",
        b"admin%3bx",
        b"admin%3Bx=1",
        b"admin%253bx",
        b";x/admin",
        b"admin%00",
        b"admin%00.html",
        b"admin%20",
        b"admin%09",
        b"admin%0a",
        b"admin%0d%0a",
        b"admin\\",
        b"admin%5c",
        b"admin%255c",
        b"admin/",
        b"admin//",
        b"admin/.",
        b"admin/./",
        b"admin%2f",
        b"admin%2F",
        b"admin%252f",
        b"admin#",
        b"admin#x",
        b"admin%23",
        b"admin?x",
        b"admin%3f",
        b"admin.",
        b"%u0061dmin",
        b"admi%6",
        b"admi%",
        b"%ef%bd%81dmin",
        b"adm\xc3\xadn",
        b"\xe1dmin",
        b"admin\x01",
        b"admin\x7f",
        b"admin\x80",
    ];
    let prefixes: &[&[u8]] = &[
        b"/",
        b"//",
        b"///",
        b"/./",
        b"/%2e/",
        b"/.%2f",
        b"/%2f",
        b"%2f",
        b"/\\",
        b"\\",
        b"/%5c",
        b"/public/../",
        b"/public/..;/",
        b"/public/..;x/",
        b"/public/..%3b/",
        b"/public/%2e%2e/",
        b"/public/%2E./",
        b"/public/.%2e/",
        b"/public/..%2f",
        b"/public/..%2F",
        b"/public%2f..%2f",
        b"/public/..%5c",
        b"/public\\..\\",
        b"/public/..\\",
        b"/public/%252e%252e/",
        b"/public/..%252f",
        b"/public/%c0%ae%c0%ae/",
        b"/public//../../",
        b"/public/x/../../",
        b"/;/",
        b"/;x/",
        b"/%3b/",
        b"/..;/",
        b"/../",
        b"/..",
        b"/.;/",
        b"/public;/../",
        b"/public/;/../../",
        b"/public/.../../",
        b"/public/..%00/",
        b"/public/..%0a/",
        b"/public/..\t/",
        b"/%20/",
        b"/public#/../",
        b"/public?/../",
    ];
    for prefix in prefixes {
        targets.extend(names.iter().map(|name| [*prefix, *name].concat()));
    }
    targets
}

/// No spelling reaches the weaker of two rules and is `/admin` to any server. `weak`: the second rule.
fn no_disguise_reaches_a_weaker_rule(weak: &str, paths: &str, change: impl FnOnce(Bootstrap) -> Bootstrap) -> RunningStage {
    let stage = stage(&format!(
        "\n  - {{match: {{path_prefix: /admin}}, role: r0}}\n  - {{match: {{path_prefix: {weak}}}, role: r1}}\npaths: {paths}\n"
    ))
    .bootstrap(change)
    .start();
    let mut failures = Vec::new();
    for http2 in [false, true] {
        let client = if http2 { stage.client().http2() } else { stage.client() };
        let mut connection = None;
        for target in disguises() {
            stage.upstream.forget();
            // HTTP/2 can't carry all of them, and Envoy closes connections over some.
            let request = Request::get(&target).bearer(&secret(1));
            let mut open: Connection = connection.take().unwrap_or_else(|| client.connect().expect("a connection"));
            // After a 400 of its own Envoy lets a connection linger before it closes it.
            connection = open.send(&request).is_ok_and(|response| response.status != 400).then_some(open);
            for received in stage.upstream.received() {
                let reading = loosest_reading(received.path.as_bytes());
                if reading == "/admin" || reading.starts_with("/admin/") {
                    failures.push(format!("{:?} (HTTP/2: {http2}), upstream {}", String::from_utf8_lossy(&target), received.path));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} reached the weaker rule:\n{}", failures.len(), failures.join("\n"));
    stage.check(by_rule(0, Case::get("/admin/x")).into_iter().chain(by_rule(1, Case::get("/public/x"))));
    alive(&stage);
    stage
}

/// The VM never died.
fn alive(stage: &RunningStage) {
    let reloads: Vec<_> = stage.envoy.stats().into_iter().filter(|(name, value)| name.contains("vm_reload") && *value > 0).collect();
    assert_eq!(reloads, []);
}

const REFUSE: &str = "{encoded_slash: refuse, empty_segments: refuse, parameters: refuse}";
const KEEP: &str = "{encoded_slash: keep, empty_segments: keep, parameters: keep}";

#[test]
fn disguised_paths_with_envoy_as_it_is() {
    let stage = no_disguise_reaches_a_weaker_rule("/", REFUSE, |bootstrap| bootstrap);
    // Whether it is refused for its path or as /admin: never by chance.
    let mut cases = Vec::new();
    for target in [
        "/admin;x",
        "/admin;",
        "/admin%3bx",
        "//admin",
        "/public/../admin",
        "/public/%2e%2e/admin",
        "/public/%2E./admin",
        "/public/..%2fadmin",
        "/public%2f..%2fadmin",
        "/public/..;/admin",
        "/admin%2f",
        "/admin%00",
        "/admin%0a",
        "/admin%7f",
        "/admin%5c",
        "/%2561dmin",
        "/admin%252f",
        "/admin/.",
        "/.",
        "/..",
        "/admin/%",
        "/admin/%4",
        "/admin/%zz",
        "/public\\..\\admin",
    ] {
        cases.extend(refused(400, "path_invalid", Case::get(target)));
    }
    cases.extend(
        ["/%61dmin", "/%61%64%6d%69%6E", "/admin/", "/admin?x", "/admin/%20", "/admin/x%25y"]
            .into_iter()
            .flat_map(|target| by_rule(0, Case::get(target))),
    );
    // Case is told apart, and so is a neighbour: rules say what they mean.
    cases.extend(
        ["/ADMIN", "/Admin/", "/administrator", "/admin%20", "/admin."].into_iter().flat_map(|target| by_rule(1, Case::get(target))),
    );
    // The query is none of the path.
    cases.extend(["/public?/../admin", "/public?x=%2fadmin;//..%00\\"].into_iter().flat_map(|target| by_rule(1, Case::get(target))));
    stage.check(cases);
}

#[test]
fn disguised_paths_with_envoy_hardened() {
    no_disguise_reaches_a_weaker_rule("/", REFUSE, Bootstrap::hardened);
}

#[test]
fn disguised_paths_that_envoy_redirects_or_decodes() {
    no_disguise_reaches_a_weaker_rule("/", REFUSE, |bootstrap| {
        bootstrap
            .hcm("normalize_path", json!(true))
            .hcm("merge_slashes", json!(true))
            .hcm("path_with_escaped_slashes_action", json!("UNESCAPE_AND_FORWARD"))
    });
}

#[test]
fn disguised_paths_where_everything_is_kept() {
    let stage = no_disguise_reaches_a_weaker_rule("/public", KEEP, |bootstrap| bootstrap);
    let mut cases = Vec::new();
    for target in [
        "/public/..;/admin",
        "/public/..%2fadmin",
        "/public%2f..%2fadmin",
        "/public//../admin",
        "/public/.;x/admin",
        "/public/%2e%2e%2fadmin",
        "/public/..%3bx/admin",
    ] {
        cases.extend(refused(400, "path_invalid", Case::get(target)));
    }
    // What is kept is matched as it stands.
    cases.extend(
        ["//admin", "/admin;x", "/admin%2fx", "/%2fadmin"].into_iter().flat_map(|target| refused(403, "no_rule", Case::get(target))),
    );
    cases.extend(
        ["/public//x", "/public/x;y=1", "/public/a%2fb", "/public/a%2Fb;c"].into_iter().flat_map(|target| by_rule(1, Case::get(target))),
    );
    cases.extend(["/admin//x", "/admin/;x"].into_iter().flat_map(|target| by_rule(0, Case::get(target))));
    stage.check(cases);
}

#[test]
fn disguised_paths_kept_with_envoy_normalising() {
    no_disguise_reaches_a_weaker_rule("/public", KEEP, |bootstrap| {
        bootstrap.hcm("normalize_path", json!(true)).hcm("merge_slashes", json!(true))
    });
}

#[test]
fn an_internal_redirect_is_judged_again() {
    let stage = stage("\n  - {match: {path_prefix: /open}, allow: anyone}\n  - {match: {path_prefix: /a}, role: r0}\n  - {role: r1}\n")
        .bootstrap(Bootstrap::internal_redirects)
        .start();
    stage.upstream.answer("/a/old", portcullis_harness::Answer::redirect("http://api.test/b"));
    stage.upstream.answer("/a/older", portcullis_harness::Answer::redirect("http://api.test/open"));
    stage.upstream.answer("/open/old", portcullis_harness::Answer::redirect("http://api.test/a"));
    let served = || stage.upstream.received().iter().map(|received| received.path.clone()).collect::<Vec<_>>();
    for http2 in [false, true] {
        let client = if http2 { stage.client().http2() } else { stage.client() };
        for (path, status, upstream) in
            [("/a/old", 401, &["/a/old"][..]), ("/a/older", 200, &["/a/older", "/open"]), ("/open/old", 401, &["/open/old"])]
        {
            stage.upstream.forget();
            let response = client.send(&Request::get(path).bearer(&secret(0)));
            assert_eq!(
                (response.status, served().as_slice()),
                (status, upstream.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>().as_slice()),
                "{path}"
            );
            // The identity of the first pass is none of the second's.
            if let Some(received) = stage.upstream.received().into_iter().find(|received| received.path == "/open") {
                assert_eq!(received.header("x-auth-subject"), None);
                assert_eq!(received.header("authorization"), None);
            }
        }
    }
}

/// To every router `%3A` is a colon and `%40` an at sign: a rule that names one is for both.
#[test]
fn an_encoded_character_is_the_character() {
    let rules = "
  - {match: {path_prefix: \"/v1/keys:rotate\"}, role: r0}
  - {match: {path: /users/@root}, deny: true}
  - {match: {path_prefix: /v1}, role: r1}
  - {match: {path_prefix: /users}, role: r2}
";
    let stage = stage(rules).bootstrap(Bootstrap::hardened).start();
    let mut cases = Vec::new();
    for target in ["/v1/keys:rotate", "/v1/keys%3Arotate", "/v1/keys%3arotate", "/v1/%6beys%3Arotate", "/v1/keys:rotate/x"] {
        cases.extend(by_rule(0, Case::get(target)));
    }
    for target in ["/users/@root", "/users/%40root", "/users/%40%72oot"] {
        cases.extend(refused(403, "denied", Case::get(target)));
    }
    cases.extend(by_rule(2, Case::get("/users/root")));
    stage.check(cases);
}

/// HTTP/2 carries methods in any case, and some servers read them without.
#[test]
fn methods_are_in_upper_case() {
    let stage = stage("  - {match: {methods: [DELETE]}, deny: true}\n  - {allow: anyone}\n").start();
    stage.check([
        Case::method("DELETE", "/x").http2().expect(403).reason("denied"),
        Case::method("delete", "/x").http2().expect(400).reason("method_invalid"),
        Case::method("Delete", "/x").http2().expect(400).reason("method_invalid"),
        Case::method("PURGE", "/x").http2().expect(200),
    ]);
}
