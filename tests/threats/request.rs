//! How a request is read. A request that the filter reads in one way and the service behind in another is judged as
//! the one and served as the other.

use crate::house::{MALLORY, NAIVE, OPERATOR, UNWARY, arrives, both, callers, cgi, digest, house, mallory, mallorys, route};
use portcullis_harness::{Case, PATIENCE, Received, Request, Stage, Upstream};
use serde_json::{Value, json};

/// One byte that isn't UTF-8, in any header: a plugin that reads it as text panics, and with it goes the VM of a worker.
#[test]
fn a_byte_that_is_no_text() {
    let stage = house();
    let raw = b"\xff\xfe\xc3";
    stage.check([
        Case::get(UNWARY).named("a plugin as they are").header("x-note", "text").expect(200),
        Case::get(UNWARY).named("is dead").header("x-note", raw).expect(503).not_upstream(),
    ]);
    let mut cases = Vec::new();
    for name in ["x-note", "x-request-id-of-mine", "cookie", "x-auth-subject", "x-http-method-override", "user-agent", "referer", "origin"]
    {
        cases.push(mallorys("/").named(name).header(name, raw).expect(200).upstream("x-auth-subject", "mallory"));
    }
    for (name, status) in [("x-api-key", 401), ("early-data", 401), ("content-type", 401)] {
        cases.push(Case::get("/").named(name).header(name, raw).expect(status).not_upstream());
    }
    stage.check(both(cases));
    let connection = [b"upgrade, ".as_slice(), raw].concat();
    stage.check([
        mallorys("/").header("connection", connection).header("upgrade", "websocket").expect(400).reason("connection_invalid"),
        mallorys("/").named("nobody died of it").expect(200),
    ]);
    assert_eq!(stage.envoy.stat("wasm.portcullis.vm_reload").unwrap_or_default(), 0);
}

/// Her own secret first, and somebody else's name, or junk, second: Envoy's getter gives the first alone, and the service acts on
/// the other.
#[test]
fn the_same_credential_twice() {
    let stage = house();
    let twice = |path: &str, values: [&str; 2]| values.iter().fold(Request::get(path), |request, value| request.header("x-api-key", value));
    for http2 in [false, true] {
        let received = arrives(stage, twice(NAIVE, [MALLORY, OPERATOR]), http2).expect("it goes through");
        assert_eq!(received.header_values("x-api-key"), [MALLORY, OPERATOR], "the attack is none");
    }
    let mut cases = Vec::new();
    for values in [[MALLORY, OPERATOR], [OPERATOR, MALLORY], [MALLORY, MALLORY], [MALLORY, ""], ["", MALLORY], [MALLORY, "junk"]] {
        cases.push(Case::new(twice("/", values)).named(format!("{values:?}")).expect(400).reason("credential_ambiguous"));
    }
    // Two places are not twice: the first counts, and nothing is left of the other.
    let query = format!("/?access_token={OPERATOR}");
    cases.push(mallorys(&query).expect(200).upstream("x-auth-subject", "mallory").upstream_path("/"));
    cases.push(mallorys(query.replace("/?", "/admin?")).expect(401).reason("roles_absent"));
    stage.check(both(cases));
}

/// `x_auth_subject: operator` beside the filter's own `x-auth-subject`: to CGI, WSGI and PHP the two are one.
#[test]
fn an_identity_in_another_spelling() {
    let stage = house();
    let says = |path: &str, name: &str| mallory(path).header("x-auth-subject", "operator").header(name, "operator");
    for http2 in [false, true] {
        let received = arrives(stage, says(NAIVE, "x_auth_subject"), http2).expect("it goes through");
        assert_eq!(received.header("x-auth-subject").as_deref(), Some("mallory"), "the naive filter said who it is");
        assert_eq!(cgi(&received)["HTTP_X_AUTH_SUBJECT"], "operator,mallory", "the attack is none");
        for separator in "-_.~!'+|^`$%&*#".chars() {
            for (name, identity) in [("auth-subject", "mallory"), ("auth-provider", "partners"), ("auth-roles", ""), ("auth-scopes", "")] {
                let spelling = format!("x{separator}{}", name.replace('-', &separator.to_string()));
                for spelling in
                    [spelling.clone(), format!("x{separator}{name}"), format!("x-{}", name.replace('-', &separator.to_string()))]
                {
                    let received = arrives(stage, says("/", &spelling), http2).expect("it is mallory's own request");
                    let seen = cgi(&received);
                    let got = seen.get(&format!("HTTP_X_{}", name.to_uppercase().replace('-', "_"))).map_or("", String::as_str);
                    assert_eq!(got, identity, "{spelling}");
                    assert!(!seen.values().any(|value| value == "operator"), "{spelling}: {seen:?}");
                }
            }
        }
    }
    stage.check([
        mallorys("/").named("upper case").header("X-AUTH_Subject", "operator").expect(200).upstream_absent("x-auth_subject"),
        Case::get("/door").named("for anyone").header("x.auth.subject", "operator").expect(200).upstream_absent("x.auth.subject"),
    ]);
}

/// `Connection: Upgrade, x-auth-subject` with a WebSocket: Envoy lets both through, and the next proxy has to drop what
/// `Connection` names (RFC 9110, section 7.6.1): the service sees a request of nobody in particular.
#[test]
fn a_header_that_the_next_proxy_drops() {
    let stage = house();
    let asks = |path: &str, connection: &str| mallory(path).header("connection", connection).header("upgrade", "websocket");
    let behind_a_proxy = |received: &Received| {
        let named = received.header_values("connection").join(",").to_lowercase();
        let kept = |name: &str| !named.split(',').any(|token| token.trim() == name);
        received.headers.iter().filter(|(name, _)| kept(name)).map(|(name, _)| name.clone()).collect::<Vec<_>>()
    };
    let received = arrives(stage, asks(NAIVE, "Upgrade, x-auth-subject"), false).expect("it goes through");
    assert!(received.header("x-auth-subject").is_some());
    assert!(!behind_a_proxy(&received).contains(&"x-auth-subject".to_owned()), "the attack is none");
    let refused = |connection: &str| Case::new(asks("/", connection)).named(connection).expect(400).reason("connection_invalid");
    let mut cases: Vec<Case> = [
        "Upgrade, x-auth-subject",
        "X-AUTH-SUBJECT , upgrade",
        "upgrade,x-auth-provider",
        "upgrade, host",
        "upgrade, authorization",
        "upgrade, \"x-auth-subject\"",
        "upgrade,\tx-auth-subject",
        "upgrade, x_auth_subject",
    ]
    .map(refused)
    .to_vec();
    cases.push(refused("upgrade").header("connection", "x-auth-subject").named("in a second line"));
    stage.check(cases);
    // Other names for the same, as old proxies have them.
    for (name, request) in [
        ("proxy-connection", mallory("/").header("proxy-connection", "x-auth-subject")),
        ("proxy-connection", asks("/", "upgrade").header("proxy-connection", "x-auth-subject")),
        ("connection", mallory("/").header("connection", "x-auth-subject")),
        ("keep-alive", mallory("/").header("connection", "keep-alive").header("keep-alive", "x-auth-subject")),
    ] {
        let received = arrives(stage, request, false).expect("it is mallory's own request");
        assert_eq!(received.header("x-auth-subject").as_deref(), Some("mallory"), "{name}");
        assert!(!received.header_values(name).join(",").contains("auth"), "{name}: {received:?}");
    }
}

/// The identity, once more, in a trailer, which comes after the filter has read the headers; servers that merge
/// trailers into headers see mallory as the operator.
#[test]
fn an_identity_in_a_trailer() {
    let stage = house();
    let says = |path: &str, name: &str| mallory(path).body("x").trailer(name, "operator").trailer("x-checksum", "1");
    for http2 in [false, true] {
        let received = arrives(stage, says(NAIVE, "x-auth-subject"), http2).expect("it goes through");
        assert_eq!(cgi(&received)["HTTP_X_AUTH_SUBJECT"], "mallory,operator", "the attack is none");
        for name in ["x-auth-subject", "x_auth_subject", "x.auth-roles", "x-auth-provider", "x-auth-scopes", "x-api-key", "x_api_key"] {
            for path in ["/", "/door"] {
                let received = arrives(stage, says(path, name).trailer(name, "operator"), http2).expect("it is mallory's own request");
                assert_eq!(received.trailers, [("x-checksum".to_owned(), b"1".to_vec())], "{name}");
                assert!(!cgi(&received).values().any(|value| value == "operator"), "{name}");
            }
        }
    }
}

/// The method and the path as frameworks take them from headers, whatever stands in the request line.
fn as_frameworks_read(received: &Received) -> (String, String) {
    let first = |names: &[&str]| names.iter().find_map(|name| cgi(received).get(*name).cloned());
    (
        first(&["HTTP_X_HTTP_METHOD_OVERRIDE", "HTTP_X_HTTP_METHOD", "HTTP_X_METHOD_OVERRIDE"]).unwrap_or_else(|| received.method.clone()),
        first(&["HTTP_X_ORIGINAL_URL", "HTTP_X_REWRITE_URL"]).unwrap_or_else(|| received.path.clone()),
    )
}

/// `X-HTTP-Method-Override: DELETE` on a request that a rule lets in for its harmless method, or `X-Original-URL: /admin`
/// on one for its harmless path: frameworks obey.
#[test]
fn a_method_and_a_path_in_headers() {
    let stage = house();
    let methods = ["x-http-method-override", "x-http-method", "x-method-override", "X_HTTP_METHOD_OVERRIDE", "x.http.method.override"];
    let paths = ["x-original-url", "x-rewrite-url", "X_Original_URL", "x.rewrite-url"];
    // What only some frameworks obey, or servers behind other proxies. gunicorn takes SCRIPT_NAME from whoever is on its own machine, and cuts it off the path.
    for name in [
        "x-original-method",
        "x-forwarded-method",
        "x-original-uri",
        "x-original-path",
        "x-override-url",
        "x-http-path-override",
        "x-forwarded-uri",
        "x_forwarded_path",
        "script_name",
        "Script-Name",
        "x-script-name",
        "path_info",
        "x-matched-path",
        "x-middleware-rewrite",
        "x-waws-unencoded-url",
    ] {
        let received =
            arrives(stage, mallory("/x").header(name.to_lowercase(), "/x"), name.len().is_multiple_of(2)).expect("it goes through");
        assert!(!cgi(&received).contains_key(&format!("HTTP_{}", name.to_uppercase().replace('-', "_"))), "{name}");
    }
    let sends = |path: &str, name: &str, value: &str| {
        let request = mallory(path).header(name.to_lowercase(), value);
        arrives(stage, request, name.len().is_multiple_of(2)).expect("it goes through")
    };
    assert_eq!(as_frameworks_read(&sends(NAIVE, methods[0], "DELETE")).0, "DELETE", "the attack is none");
    assert_eq!(as_frameworks_read(&sends(NAIVE, paths[0], "/admin")).1, "/admin", "the attack is none");
    for name in methods {
        assert_eq!(as_frameworks_read(&sends("/x", name, "DELETE")), ("GET".to_owned(), "/x".to_owned()), "{name}");
        assert_eq!(as_frameworks_read(&sends("/door", name, "DELETE")), ("GET".to_owned(), "/door".to_owned()), "{name}");
    }
    for name in paths {
        assert_eq!(as_frameworks_read(&sends("/x", name, "/admin")), ("GET".to_owned(), "/x".to_owned()), "{name}");
    }
}

/// What a server might take a path for: decoded as often as can be, parameters cut off, slashes of any kind merged, dot
/// segments resolved, case as it is.
fn loosest_reading(path: &str) -> String {
    let mut bytes = path.split(['?', '#']).next().unwrap_or_default().as_bytes().to_vec();
    for _ in 0..5 {
        bytes = percent_encoding::percent_decode(&bytes).collect();
    }
    let text: String = bytes.iter().filter(|byte| matches!(byte, 0x20..0x7f)).map(|byte| char::from(*byte)).collect();
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

/// `/admin` by any name that some server takes for it, and no rule does: mallory falls to the looser rule, which is for
/// her, and is served what isn't.
#[test]
fn admin_under_another_name() {
    let stage = house();
    stage.check([
        mallorys("/bare/admin").named("Envoy's own routes know the path").expect(403),
        mallorys("/bare/%61dmin").named("and no other name for it").expect(200),
        mallorys("/x").named("the looser rule").expect(200).upstream("x-auth-subject", "mallory"),
        Case::get("/admin").header("x-api-key", OPERATOR).expect(200),
    ]);
    let mut reached = Vec::new();
    for http2 in [false, true] {
        for target in [
            "/admin",
            "/%61dmin",
            "/%61%64%6d%69%6e",
            "/admin/",
            "/admin/x",
            "//admin",
            "///admin",
            "/./admin",
            "/a/../admin",
            "/a/%2e%2e/admin",
            "/a/.%2e/admin",
            "/a/..%2fadmin",
            "/a%2f..%2fadmin",
            "/%2fadmin",
            "/admin%2f",
            "/admin%2fx",
            "/admin;x",
            "/admin;x=1/y",
            "/admin%3bx",
            "/;x/admin",
            "/a/..;/admin",
            "/a/..;x=1/admin",
            "/a/..%3b/admin",
            "/admin%00",
            "/admin%00.html",
            "/admin%20",
            "/admin%09",
            "/admin\\x",
            "/a\\..\\admin",
            "/a/..%5cadmin",
            "/%5cadmin",
            "/admin%23",
            "/admin#x",
            "/admin%3fx",
            "/admin?x",
            "/%2561dmin",
            "/%252561dmin",
            "/%25%36%31dmin",
            "/%25%361dmin",
            "/%256%31dmin",
            "/a/%25%32%65%25%32%65/admin",
            "/a/%25%32e%25%32e/admin",
            "/a/..%25%32%66admin",
            "/a/%252e%252e/admin",
            "/a/..%252fadmin",
            "/%u0061dmin",
            "/%c1%a1dmin",
            "/a/%c0%ae%c0%ae/admin",
            "/a/..%c0%afadmin",
            "/%EF%BD%81dmin",
            "/.%2fadmin",
            "/%2e/admin",
            "/a/%2e./admin",
            "/a//../admin",
            "/a/../../admin",
            "/..//admin",
            "admin",
            "http://api.test/admin",
            "http://api.test//admin",
            "http://api.test/a/../admin",
            "*/../admin",
            "/?/../admin",
            "/a?/../../admin",
        ] {
            let Some(received) = arrives(stage, mallory(target), http2) else { continue };
            let reading = loosest_reading(&received.path);
            if reading == "/admin" || reading.starts_with("/admin/") {
                reached.push(format!("{target} (HTTP/2: {http2}): {}", received.path));
            }
        }
    }
    assert!(reached.is_empty(), "mallory is served as admin:\n{}", reached.join("\n"));
}

/// A rule for GET alone, and a looser one for everything: mallory, who may not GET, sends HEAD, or POST, and the looser
/// rule is for her.
#[test]
fn another_method_for_the_same_path() {
    let stage = house();
    let mut cases = vec![
        mallorys("/reports").named("not for mallory").expect(401).reason("roles_absent"),
        Case::get("/reports").header("x-api-key", OPERATOR).expect(200),
        Case::method("POST", "/x").named("the looser rule").header("x-api-key", MALLORY).expect(200),
    ];
    cases.push(Case::method("HEAD", "/reports").header("x-api-key", MALLORY).expect(401).not_upstream());
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "REPORT", "GETX", "QUERY"] {
        for path in ["/reports", "/reports/2026", "/%72eports", "/reports/"] {
            let case = Case::method(method, path).header("x-api-key", MALLORY).named(format!("{method} {path}")).not_upstream();
            // Envoy knows some methods better than others.
            cases.push(if ["GETX", "QUERY"].contains(&method) { case } else { case.expect(405).answer("allow", "GET, HEAD") });
        }
    }
    stage.check(both(cases));
    for method in ["get", "Get", "pOST"] {
        for http2 in [false, true] {
            let request = Request::new(method, "/reports").header("x-api-key", MALLORY);
            assert!(arrives(stage, request, http2).is_none(), "{method}");
        }
    }
}

/// Where some server looks for the host.
const HOSTS: &[&str] =
    &["x-forwarded-host", "X_Forwarded_Host", "x-forwarded-server", "x-host", "x-original-host", "x-http-host-override", "forwarded"];

fn named_hosts(received: &Received) -> Vec<String> {
    ["host"].iter().chain(HOSTS).flat_map(|name| received.header_values(name)).map(|value| value.replace("host=", "")).collect()
}

/// The operator's host in a form that no rule knows, or two hosts of which the filter reads one and the service the other.
#[test]
fn admins_host_in_another_form() {
    let stage = house();
    stage.check([
        Case::new(mallory("/x").host("api.test")).expect(200),
        Case::new(mallory("/x").host("admin.test")).expect(401).reason("roles_absent"),
        Case::get("/x").header("x-api-key", OPERATOR).host("admin.test").expect(200),
    ]);
    let is_admins = |host: &str| {
        let host = host.to_lowercase();
        let host = host.split(',').map(|one| one.trim().rsplit('@').next().unwrap_or_default().split(':').next().unwrap_or_default());
        host.map(|one| one.trim_end_matches('.').to_owned()).any(|one| one == "admin.test")
    };
    let mut requests = Vec::new();
    for host in [
        "ADMIN.test",
        "admin.test:80",
        "admin.test.",
        "Admin.Test.:8080",
        "admin.test:",
        "admin.test..",
        "admin.test,api.test",
        "api.test,admin.test",
        "x@admin.test",
        "admin.test:80:80",
        " admin.test",
        "admin.test:080",
        "admin.test:65536",
        "%61dmin.test",
        "admin.test%00",
        "admin%2etest",
    ] {
        requests.push((host.to_owned(), mallory("/x").host(host)));
    }
    for (host, target) in [
        ("api.test", "http://admin.test/x"),
        ("api.test", "http://ADMIN.test.:80/x"),
        ("admin.test", "http://api.test/x"),
        ("api.test", "http://x@admin.test/x"),
        ("api.test", "http://api.test@admin.test/x"),
        ("api.test", "HTTP://admin.test/x"),
    ] {
        requests.push((format!("{target} with {host}"), mallory(target).host(host)));
    }
    for (first, second) in [("api.test", "admin.test"), ("admin.test", "api.test")] {
        requests.push((format!("{first} and {second}"), mallory("/x").host(first).header("host", second)));
        requests.push((format!("{first} and Host"), mallory("/x").host(first).header("Host", second)));
        for name in HOSTS {
            let value = if *name == "forwarded" { format!("host={second}") } else { second.to_owned() };
            requests.push((format!("{first} and {name}"), mallory("/x").host(first).header(name, value)));
        }
    }
    requests.push(("none".into(), mallory("/x").without_host()));
    let mut served = Vec::new();
    for (what, request) in requests {
        for http2 in [false, true] {
            if let Some(received) = arrives(stage, request.clone(), http2)
                && named_hosts(&received).iter().any(|host| is_admins(host))
            {
                served.push(format!("{what} (HTTP/2: {http2}): {:?}", received.header_values("host")));
            }
        }
    }
    assert!(served.is_empty(), "mallory is served at admin.test:\n{}", served.join("\n"));
}

/// A route that leads to the vault for `x-auth-roles: admin`, or for a header that the filter strips: mallory sends it.
/// Envoy chooses the route when the request comes, and anew when headers change, and rules that looked at the route
/// would look at the wrong one.
#[test]
fn a_route_by_a_header_that_mallory_sends() {
    let vault = Upstream::start();
    let to = |cluster: &str, headers: Value| {
        let mut route = route("/", &[], &[]);
        route["match"]["headers"] = headers;
        route["route"]["cluster"] = json!(cluster);
        route
    };
    let admin = json!([{"name": "x-auth-roles", "string_match": {"exact": "admin"}}]);
    let tier = json!([{"name": "x-tier", "string_match": {"exact": "gold"}}]);
    let mut bare = to("vault", admin.clone());
    bare["match"]["prefix"] = json!("/bare");
    bare["typed_per_filter_config"] = route("/", &[], &["portcullis", "guard"])["typed_per_filter_config"].clone();
    let stage = Stage::new()
        .config(json!({
            "providers": {"partners": {"static_secret": {"callers": callers()}, "from": [{"header": "x-api-key"}]}},
            "upstream": {"remove": ["x-tier"]},
        }))
        .cluster("vault", vault.address())
        .bootstrap(|bootstrap| bootstrap.routes(json!([bare, to("vault", admin), to("vault", tier), to("upstream", json!([]))])))
        .start();
    let in_vault = |request: Request, http2: bool| {
        let before = vault.count();
        let client = if http2 { stage.client().http2() } else { stage.client() };
        (client.send(&request).status, vault.count() - before)
    };
    for http2 in [false, true] {
        assert_eq!(in_vault(mallory("/bare").header("x-auth-roles", "admin"), http2), (200, 1), "the attack is none");
        assert_eq!(in_vault(Request::get("/").header("x-api-key", OPERATOR), http2), (200, 1), "the operator's way");
        for name in ["x-auth-roles", "X_Auth_Roles", "x-auth.roles", "x-tier", "x_tier"] {
            let request = mallory("/").header(name.to_lowercase(), if name.contains("ier") { "gold" } else { "admin" });
            assert_eq!(in_vault(request, http2), (200, 0), "{name}");
        }
        assert_eq!(in_vault(mallory("/").header("x-auth-roles", "admin").header("x-auth-roles", "admin"), http2), (200, 0));
        assert_eq!(in_vault(Request::get("/").header("x-auth-roles", "admin"), http2), (401, 0));
    }
}

/// Alice is logged in by a cookie, and looks at mallory's page: it posts to the service in her name, opens a WebSocket and reads along; or,
/// from a domain beside the service's, plants a cookie of the same name, and she is locked out.
#[test]
fn somebody_elses_cookie() {
    const APP: &str = "https://app.test";
    let sessions = json!({"callers": [{"id": "alice", "secrets": [{"sha256": digest("alices-session")}]}]});
    let keys = json!({"callers": callers()});
    let stage = Stage::new()
        .config(json!({
            "providers": {
                "web": {"static_secret": sessions, "from": [{"cookie": "session", "origins": [APP]}]},
                "api": {"static_secret": keys, "from": [{"header": "x-api-key"}]},
            },
            "rules": [{"match": {"path_prefix": "/either"}, "require": {"any": ["web", "api"]}}, {"require": "web"}],
        }))
        .bootstrap(|bootstrap| bootstrap.websockets().routes(json!([route("/bare", &[], &["portcullis", "guard"]), route("/", &[], &[])])))
        .start();
    let good = "session=alices-session";
    let from = |method: &str, path: &str, origin: Option<&str>| {
        let case = Case::method(method, path).header("cookie", good).named(format!("{method} {path} from {origin:?}"));
        origin.map_or(case.clone(), |origin| case.header("origin", origin))
    };
    let mut cases = vec![
        from("POST", "/bare", Some("https://mallory.test")).expect(200).upstream("cookie", good),
        from("GET", "/", None).expect(200).upstream("x-auth-subject", "alice").upstream_absent("cookie"),
        from("POST", "/", Some(APP)).expect(200).upstream("x-auth-subject", "alice"),
    ];
    for origin in [
        None,
        Some("https://mallory.test"),
        Some("null"),
        Some("http://app.test"),
        Some("https://app.test.mallory.test"),
        Some("https://app.test:444"),
        Some("https://sub.app.test"),
        Some("https://app.test https://mallory.test"),
        Some("HTTPS://APP.TEST/"),
    ] {
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            cases.push(from(method, "/", origin).expect(403).reason("origin_mismatch"));
        }
    }
    cases.push(from("POST", "/", Some(APP)).header("origin", "https://mallory.test").named("two origins").not_upstream());
    cases.push(from("POST", "/", None).header("referer", APP).named("a referer is none").expect(403).reason("origin_mismatch"));
    stage.check(both(cases));
    let socket = |path: &str, origin: Option<&str>| {
        let request = Request::get(path).header("cookie", good);
        stage.client().websocket(&origin.map_or(request.clone(), |origin| request.header("origin", origin)))
    };
    assert!(socket("/bare", Some("https://mallory.test")).is_ok(), "the attack is none");
    assert!(socket("/", Some(APP)).is_ok());
    for origin in [None, Some("https://mallory.test"), Some("null")] {
        let refusal = socket("/", origin).err().unwrap_or_else(|| panic!("{origin:?} reads along"));
        assert_eq!(refusal.expect("a response").status, 403, "{origin:?}");
    }
    // Planted cookies lock nobody out who has something else to show, and let nobody in.
    let mut planted = Vec::new();
    for cookie in ["session=junk", "session=", "session=junk; session=junk", "session=alices-session; session=junk", "session"] {
        let case = Case::get("/either").header("cookie", cookie).named(cookie);
        planted.push(case.clone().header("x-api-key", MALLORY).expect(200).upstream("x-auth-subject", "mallory").upstream_absent("cookie"));
        planted.push(case.clone().not_upstream());
        planted.push(case.header("x-api-key", "junk").not_upstream());
    }
    stage.check(both(planted));
}

/// `access%5Ftoken=`, `access.token=`, or the parameter twice: one that the filter takes out by its plain name alone goes
/// on to the service, unverified, and the service reads it.
#[test]
fn a_credential_in_the_query_by_another_name() {
    let stage = house();
    // As PHP reads names, which is the loosest of all.
    let read = |received: &Received| {
        let query = received.path.split_once('?').map_or("", |(_, query)| query);
        let name = |parameter: &str| {
            let name: Vec<u8> =
                percent_encoding::percent_decode_str(&parameter.split('=').next().unwrap_or_default().replace('+', " ")).collect();
            let name = String::from_utf8_lossy(&name).trim_start().split('\0').next().unwrap_or_default().to_owned();
            let (plain, index) = name.split_once('[').map_or((name.as_str(), None), |(plain, index)| (plain, Some(index)));
            let whole = if index.is_none_or(|index| index.contains(']')) { plain.to_owned() } else { name.clone() };
            whole.replace([' ', '.', '['], "_")
        };
        // And as Rack 2 and Perl's CGI split them.
        query.split(['&', ';']).any(|parameter| name(parameter) == "access_token")
    };
    let spellings = [
        "access%5Ftoken",
        "access%5ftoken",
        "%61ccess_token",
        "access.token",
        "access%2etoken",
        "access+token",
        "access%20token",
        "+access_token",
        "access_token[]",
        "access_token%5B%5D",
        "access_token[x][y]",
        "access_token%00",
        "access_token%00x",
        "access[token",
        "access%5Btoken",
        "%20access_token",
        "x=1;access_token",
        ";access%5Ftoken",
        "x;y=1;+access.token",
        "access_token",
    ];
    for spelling in spellings {
        let query = format!("a=1&{spelling}={OPERATOR}&b=2");
        for http2 in [false, true] {
            let received = arrives(stage, mallory(format!("{NAIVE}?{query}")), http2).expect("it goes through");
            assert!(read(&received), "{spelling}: the attack is none");
            if let Some(received) = arrives(stage, mallory(format!("/?{query}")), http2) {
                assert!(!read(&received), "{spelling}: {}", received.path);
                assert!(!received.path.contains(OPERATOR), "{spelling}: {}", received.path);
            }
            let received = arrives(stage, mallory(format!("/door?{query}")), http2).expect("it is for anyone");
            assert!(!read(&received), "{spelling}, for anyone: {}", received.path);
        }
    }
    let token = format!("access_token={MALLORY}");
    stage.check(both([
        Case::get(format!("/?{token}")).expect(200).upstream_path("/").upstream("x-auth-subject", "mallory"),
        Case::get(format!("/?a=1&access%5Ftoken={MALLORY}&b")).expect(200).upstream_path("/?a=1&b"),
        Case::get(format!("/?{token}&{token}")).named("twice").expect(400).reason("credential_ambiguous"),
        Case::get(format!("/?{token}&access%5Ftoken={OPERATOR}")).named("twice").expect(400).reason("credential_ambiguous"),
        Case::get(format!("/?access_token={OPERATOR}&%61ccess_token={MALLORY}")).named("twice").expect(400).reason("credential_ambiguous"),
    ]));
}

/// TRACE has the service send back what it got, and in that the secret by which the filter is known to it, if mallory's request may be a TRACE.
#[test]
fn a_request_that_comes_back() {
    let stage = house();
    for path in ["/x", "/door", "/reports", "/admin"] {
        let trace = || Request::new("TRACE", path).header("x-api-key", OPERATOR);
        assert!(arrives(stage, trace(), false).is_none() && arrives(stage, trace(), true).is_none(), "{path}");
    }
    let bare = Request::new("TRACE", "/bare/x");
    assert!(arrives(stage, bare, false).is_some(), "Envoy itself lets it through");
}

/// HTTP/2 carries blanks around a value, and who speaks HTTP/1.1 behind Envoy doesn't see them: mallory's `x-kind: internal` is another one to the rule, and
/// the same to the service.
#[test]
fn a_value_with_blanks_around_it() {
    let stage = Stage::new()
        .config(json!({
            "providers": {"partners": {"static_secret": {"callers": callers()}, "from": [{"header": "x-api-key"}]}},
            "rules": [{"match": {"headers": {"x-kind": "internal"}}, "require": {"provider": "partners", "roles": "admin"}}, {"require": "partners"}],
        }))
        .start();
    let mut cases = vec![mallorys("/").named("another kind").header("x-kind", "external").expect(200)];
    for value in ["internal ", " internal", "internal\t", "\tinternal", "  internal  ", " external"] {
        cases.push(
            mallorys("/").named(format!("{value:?}")).header("x-kind", value).http2().expect(400).reason("header_ambiguous").not_upstream(),
        );
    }
    cases.push(mallorys("/").header("x-kind", "internal").http2().expect(401).reason("roles_absent"));
    stage.check(cases);
}

/// One verified request opens a tunnel, by CONNECT or `Upgrade: h2c`, and any number of unverified ones go through it.
#[test]
fn a_tunnel() {
    let stage = house();
    let tunnel = |host: &str, key: &str| {
        let mut connection = stage.client().connect().expect("a connection");
        let head = format!("CONNECT {host}:80 HTTP/1.1\r\nhost: {host}:80\r\nx-api-key: {key}\r\n\r\n");
        connection.write(head.as_bytes()).expect("an open connection");
        String::from_utf8_lossy(&connection.read(PATIENCE).unwrap_or_default()).chars().skip(9).take(3).collect::<String>()
    };
    for (host, key) in [("api.test", MALLORY), ("admin.test", OPERATOR), ("api.test", OPERATOR), ("api.test", "junk")] {
        assert_eq!(tunnel(host, key), "403", "CONNECT {host}");
    }
    let asks = |path: &str, protocol: &str| {
        let connection = if protocol == "h2c" { "Upgrade, HTTP2-Settings" } else { "upgrade" };
        mallory(path).header("connection", connection).header("upgrade", protocol).header("http2-settings", "AAMAAABkAAQAAP__")
    };
    for protocol in ["h2c", "H2C", "websocket, h2c", "h2c, websocket", "TLS/1.0", "foo"] {
        for path in ["/", "/door", "/admin"] {
            if let Some(received) = arrives(stage, asks(path, protocol), false) {
                assert_eq!(received.header("upgrade"), None, "{protocol} {path}");
            }
        }
    }
    stage.check([Case::new(asks("/", "foo, h2c")).named("no upgrade that Envoy knows").not_upstream()]);
    // A WebSocket is no tunnel: it is let in by its own credential, or not.
    let mut socket = stage.client().websocket(&mallory("/socket")).expect("a WebSocket");
    socket.send("hello").expect("an open one");
    assert_eq!(socket.receive(PATIENCE), Ok(Some("hello".into())));
    let refused = |request: Request| stage.client().websocket(&request).err().expect("refused").expect("a response").status;
    assert_eq!(refused(Request::get("/socket")), 401);
    assert_eq!(refused(mallory("/admin")), 401);
}

/// Early data of TLS 1.3 can be replayed by whoever saw it pass: a payment is made twice. The proxy that took it says so
/// in `Early-Data: 1`, and where the client has written something there itself, it is still early data (RFC 8470,
/// section 5.1).
#[test]
fn early_data_that_is_replayed() {
    let mut cases = Vec::new();
    for method in ["POST", "DELETE"] {
        let sends = |values: &[&str]| {
            let case = Case::method(method, "/pay").header("x-api-key", MALLORY).named(format!("{method} {values:?}"));
            values.iter().fold(case, |case, value| case.header("early-data", value))
        };
        cases.push(sends(&[]).expect(200));
        for values in [&["1"][..], &["0", "1"], &["1", "1"], &["0, 1"], &["1,1"], &["01"], &["true"]] {
            cases.push(sends(values).expect(425).reason("early_data"));
        }
    }
    for method in ["GET", "HEAD", "OPTIONS"] {
        cases.push(Case::method(method, "/pay").header("x-api-key", MALLORY).header("early-data", "1").expect(200));
    }
    house().check(both(cases));
}
