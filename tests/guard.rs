//! The guard: an RBAC filter, last before the router, that admits only what the plugin gave its verdict to. Whatever
//! goes wrong with a plugin, and whoever else writes the verdict, nothing gets past both.
//!
//! The plugins that go wrong are `tests/broken`. Requests below `/NAME/unguarded` reach the upstream without the guard:
//! they show that the attack is real, so that the guard's 403 means something.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "helpers of tests")]

use portcullis_harness::{Answer, Bootstrap, Case, Configuration, PATIENCE, Plugin, Request, RunningStage, Stage, built_wasm, poll};
use serde_json::{Map, Value, json};

/// What the guard's refusals say of themselves.
const GUARD: &str = "rbac_access_denied_matched_policy[none]";

const CONFIG: &str = "
providers:
  partners:
    static_secret: {sha256: {env: DIGEST}}
  kept:
    static_secret: {sha256: {env: DIGEST}}
    from: [{header: x-kept}]
    upstream: {credential: keep}
rules:
  - match: {path: /open}
    allow: anyone
  - match: {path_prefix: /kept}
    require: kept
  - require: partners
";
const SECRET: &str = "a-secret-of-sixty-four-octets-which-is-more-than-enough-for-all";
const DIGEST: &str = "bc19487dc16595fd1ee44ed63588f82b89f70c2885ec2460c5831f77e255d271";

/// A module that does as it is told.
fn broken(name: &str, orders: &str) -> Plugin {
    Plugin::new(Configuration::Text(orders.to_owned())).name(name).wasm(built_wasm("portcullis_broken"))
}

/// The filter, off but for the routes that switch it on.
fn on_some_routes(plugin: &Plugin) -> Value {
    let mut filter = plugin.filter();
    filter["disabled"] = json!(true);
    filter
}

/// A route that switches filters on and off.
fn route(prefix: &str, on: &[&str], off: &[&str]) -> Value {
    const FILTER_CONFIG: &str = "type.googleapis.com/envoy.config.route.v3.FilterConfig";
    let mut filters = Map::new();
    filters.extend(on.iter().map(|name| ((*name).to_owned(), json!({"@type": FILTER_CONFIG, "config": {}}))));
    filters.extend(off.iter().map(|name| ((*name).to_owned(), json!({"@type": FILTER_CONFIG, "disabled": true}))));
    let action = json!({"cluster": "upstream", "internal_redirect_policy": {"max_internal_redirects": 3}});
    json!({"match": {"prefix": prefix}, "route": action, "typed_per_filter_config": filters})
}

/// An Envoy with one plugin for each way to fail, each with its own routes.
fn failures() -> RunningStage {
    let plugins = [
        broken("fails", "fail-on-workers\n verdict allow"),
        broken("panics", "panic-on-workers\n verdict allow"),
        broken("opens", "when x-trap trap\n verdict allow").failure_policy("FAIL_OPEN"),
        broken("closes", "when x-trap trap\n verdict allow").failure_policy("FAIL_CLOSED"),
        broken("reloads", "when x-trap trap\n verdict allow").failure_policy("FAIL_RELOAD"),
    ];
    let mut routes = Vec::new();
    for plugin in &plugins {
        let name = plugin.filter_name();
        routes.push(route(&format!("/{name}/guarded"), &[name], &[]));
        routes.push(route(&format!("/{name}/unguarded"), &[name], &["guard"]));
    }
    routes.push(route("/", &[], &[]));
    let add = |bootstrap: Bootstrap, plugin: &Plugin| bootstrap.filter_before(on_some_routes(plugin));
    Stage::new().bootstrap(|bootstrap| plugins.iter().fold(bootstrap, add).routes(Value::from(routes))).start()
}

#[test]
fn a_plugin_that_fails_lets_nothing_past_the_guard() {
    let stage = failures();
    // Skipped on the worker, after it was configured well in the canary and on the main thread.
    for name in ["fails", "panics"] {
        let (guarded, unguarded) = (format!("/{name}/guarded"), format!("/{name}/unguarded"));
        stage.check([
            Case::get(&unguarded).named(format!("{name}: Envoy skips the plugin")).expect(200).access("verdict", Value::Null),
            Case::get(&guarded).named(format!("{name}: the guard doesn't")).expect(403).reason(GUARD),
            Case::get(&guarded).named(format!("{name}, HTTP/2")).http2().expect(403).reason(GUARD),
        ]);
    }
    // Each works until it traps.
    for name in ["opens", "closes", "reloads"] {
        let (guarded, unguarded) = (format!("/{name}/guarded"), format!("/{name}/unguarded"));
        stage.check([
            Case::get(&guarded).named(format!("{name}: works")).expect(200).access("verdict", "allow"),
            Case::get(&unguarded).named(format!("{name}: traps")).header("x-trap", "1").expect(503).not_upstream(),
        ]);
    }
    stage.check([
        Case::get("/opens/unguarded").named("FAIL_OPEN: Envoy skips the plugin").expect(200).access("verdict", Value::Null),
        Case::get("/opens/guarded").named("FAIL_OPEN: the guard doesn't").expect(403).reason(GUARD),
        Case::get("/opens/guarded").named("FAIL_OPEN, HTTP/2").http2().expect(403).reason(GUARD),
        Case::get("/closes/unguarded").named("FAIL_CLOSED").expect(503).not_upstream(),
        Case::get("/closes/guarded").named("FAIL_CLOSED, guarded").expect(503).not_upstream(),
    ]);
    // FAIL_RELOAD: 503 until the new VM is there, and then all is as before; nothing passes unjudged meanwhile.
    let mut seen = Vec::new();
    let recovered = poll(PATIENCE, || {
        let response = stage.get("/reloads/unguarded");
        seen.push(response.status);
        (response.status == 200).then_some(())
    });
    assert!(recovered.is_some() && seen.iter().all(|status| matches!(status, 200 | 503)), "{seen:?}");
    stage.check([Case::get("/reloads/guarded").named("FAIL_RELOAD: works again").expect(200).access("verdict", "allow")]);
}

#[test]
fn without_a_plugin_nobody_passes() {
    let stage = Stage::new().start();
    let mut cases = vec![Case::get("/").expect(403).reason(GUARD)];
    for name in ["wasm.portcullis.verdict", "portcullis.verdict", "portcullis-verdict", "filter_state.wasm.portcullis.verdict"] {
        let named = |case: Case| case.named(format!("a client header {name}")).header(name, "allow").expect(403).reason(GUARD);
        cases.extend([named(Case::get("/")), named(Case::get("/")).http2()]);
    }
    stage.check(cases);
    assert_eq!(stage.upstream.count(), 0);
}

/// Envoy's own filter that sets filter state, to what this header says.
fn native(header: &str, read_only: bool) -> Value {
    json!({"name": header, "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.set_filter_state.v3.Config",
        "on_request_headers": [{
            "object_key": "wasm.portcullis.verdict",
            "factory_key": "envoy.string",
            "format_string": {"text_format_source": {"inline_string": format!("%REQ({header})%")}, "omit_empty_values": true},
            "skip_if_empty": true,
            "read_only": read_only,
        }],
    }})
}

/// Envoy with the filter, and neighbours before and after it that meddle when a header asks for it.
fn meddlers() -> RunningStage {
    let filter = Plugin::new(CONFIG).host_env("DIGEST");
    let second = filter.clone().name("second");
    Stage::new()
        .plugin(filter)
        .launch(|launch| launch.env("DIGEST", DIGEST))
        .bootstrap(|bootstrap| {
            bootstrap
                .filter_before(broken("readonly", "declare readonly\n when x-readonly verdict allow").filter())
                .filter_before(broken("mutable", "declare mutable\n when x-mutable verdict allow").filter())
                .filter_before(broken("undeclared", "when x-undeclared verdict allow").filter())
                .filter_before(broken("empty", "declare readonly\n when x-empty verdict").filter())
                .filter_before(broken("other", "declare mutable\n when x-other verdict deny").filter())
                .filter_before(broken("request", "declare readonly request\n when x-request verdict allow").filter())
                .filter_before(broken("connection", "declare mutable connection\n when x-connection verdict allow").filter())
                .filter_before(broken("traps", "when x-trap trap").filter())
                .filter_before(
                    broken(
                        "forger",
                        "when x-forge set x-auth-subject root\n when x-second add x-kept other\n when x-take remove authorization",
                    )
                    .filter(),
                )
                .filter_before(native("x-native-readonly", true))
                .filter_before(native("x-native-mutable", false))
                .filter_after(on_some_routes(&second))
                .filter_after(broken("last", "declare mutable\n when x-last verdict deny").filter())
                .filter_after(broken("last-undeclared", "when x-last-undeclared verdict deny").filter())
                .routes(json!([
                    route("/disabled", &[], &["portcullis"]),
                    route("/unguarded", &[], &["portcullis", "guard"]),
                    route("/twice", &["second"], &[]),
                    route("/", &[], &[]),
                ]))
        })
        .start()
}

fn good(path: &str) -> Request {
    Request::get(path).bearer(SECRET)
}

#[test]
fn the_verdict_is_the_filters_alone() {
    let stage = meddlers();
    let upstream_sees = |case: Case| case.expect(200).upstream("x-auth-subject", "partners").upstream_absent("authorization");
    stage.check([
        upstream_sees(Case::new(good("/")).named("nobody meddles")).access("verdict", "allow"),
        upstream_sees(Case::new(good("/")).named("nobody meddles, HTTP/2").http2()),
        Case::get("/").named("no credential").expect(401).reason("credential_missing").access("verdict", Value::Null),
        Case::get("/open").named("anyone").expect(200).access("verdict", "allow").upstream_absent("x-auth-subject"),
    ]);
    let mut cases = Vec::new();
    // Envoy's own filters write other objects than a plugin does; that lets nobody in either.
    for header in ["x-native-readonly", "x-native-mutable"] {
        for value in ["allow", "deny"] {
            let named = |case: Case, what: &str| case.named(format!("{header}: {value}, {what}")).header(header, value);
            cases.extend([
                named(Case::get("/"), "no credential").not_upstream(),
                named(Case::get("/").bearer("wrong"), "a bad one").not_upstream(),
                named(Case::get("/").bearer("wrong"), "a bad one, HTTP/2").http2().not_upstream(),
            ]);
        }
    }
    for first in ["readonly", "mutable", "undeclared", "other", "request"] {
        let header = format!("x-{first}");
        for (what, case) in [("no credential", Case::get("/")), ("a good one", Case::new(good("/"))), ("anyone", Case::get("/open"))] {
            let case = case.named(format!("{first} verdict set before, {what}")).header(&header, "1");
            cases.push(case.expect(500).reason("verdict_present").answer("cache-control", "no-store"));
        }
        cases.push(
            Case::new(good("/")).named(format!("{first}, HTTP/2")).http2().header(&header, "1").expect(500).reason("verdict_present"),
        );
    }
    cases.extend([
        Case::new(good("/")).named("set before, empty").header("x-empty", "1").expect(500).not_upstream(),
        Case::get("/").named("set before, empty, without credential").header("x-empty", "1").not_upstream(),
        upstream_sees(Case::new(good("/")).named("set after, by one that declared it").header("x-last", "1"))
            .access("verdict", "allow")
            .upstream("x-broken-status", "2"),
        upstream_sees(Case::new(good("/")).named("set after, undeclared").header("x-last-undeclared", "1"))
            .access("verdict", "allow")
            .upstream("x-broken-status", "2"),
        Case::get("/").named("set after, without credential").header("x-last", "1").expect(401).reason("credential_missing"),
        upstream_sees(Case::new(good("/")).named("a neighbour sets an identity header").header("x-forge", "1")),
        Case::get("/open").named("likewise, anyone").header("x-forge", "1").expect(200).upstream_absent("x-auth-subject"),
        Case::new(good("/")).named("a neighbour takes the credential").header("x-take", "1").expect(401).reason("credential_missing"),
        Case::get("/").named("a client header").header("wasm.portcullis.verdict", "allow").expect(401).reason("credential_missing"),
        Case::get("/kept")
            .named("a neighbour adds a second credential")
            .header("x-kept", SECRET)
            .header("x-second", "1")
            .expect(400)
            .reason("credential_ambiguous"),
    ]);
    stage.check(cases);
}

#[test]
fn a_verdict_is_for_one_request() {
    let stage = meddlers();
    stage.check([
        Case::new(good("/unguarded")).named("the filter is off here").expect(200).access("verdict", Value::Null),
        Case::new(good("/disabled")).named("off, guarded").expect(403).reason(GUARD),
        Case::new(good("/disabled")).named("off, guarded, HTTP/2").http2().expect(403).reason(GUARD),
        Case::new(good("/twice"))
            .named("two of ours in one chain")
            .expect(500)
            .reason("verdict_present")
            .answer("cache-control", "no-store"),
        Case::get("/twice").named("two of ours, the first refuses").expect(401).reason("credential_missing"),
        Case::get("/open").named("only one here").expect(200),
    ]);
    // The next request of the connection, by a route without the filter, or without a credential.
    for client in [stage.client(), stage.client().http2()] {
        let mut connection = client.connect().expect("a connection");
        let requests = [
            (good("/"), 200),
            (Request::get("/disabled"), 403),
            (good("/"), 200),
            (Request::get("/"), 401),
            (good("/disabled"), 403),
            (good("/"), 200),
        ];
        let got: Vec<u16> = requests.iter().map(|(request, _)| connection.send(request).expect("a response").status).collect();
        assert_eq!(got, requests.map(|(_, status)| status));
        // A neighbour that leaves its verdict on the connection shuts the connection, it doesn't open it.
        let planted = connection.send(&good("/").header("x-connection", "1")).expect("a response");
        assert_eq!(planted.status, 500, "{}", planted.text());
        let before = stage.upstream.count();
        for request in [good("/"), Request::get("/"), Request::get("/open")] {
            assert_eq!(connection.send(&request).expect("a response").status, 500);
        }
        assert_eq!(stage.upstream.count(), before);
    }
    redirects(&stage);
    // A neighbour's VM dies, and comes back: never is the filter left out.
    assert_eq!(stage.send(&good("/").header("x-trap", "1")).status, 503);
    let mut seen = Vec::new();
    let recovered = poll(PATIENCE, || {
        let (known, stranger) = (stage.send(&good("/")).status, stage.get("/").status);
        seen.push((known, stranger));
        (known == 200).then_some(())
    });
    assert!(recovered.is_some() && seen.iter().all(|(_, stranger)| matches!(stranger, 401 | 503)), "{seen:?}");
    stage.check([Case::get("/").expect(401).reason("credential_missing"), Case::new(good("/")).expect(200)]);
}

/// Envoy follows the upstream's redirect by itself: the request runs through the filters again, as it then is.
fn redirects(stage: &RunningStage) {
    stage.upstream.answer("/moved", Answer::redirect("http://api.test/landing"));
    stage.upstream.answer("/kept/moved", Answer::redirect("http://api.test/kept/landing"));
    stage.upstream.answer("/kept/away", Answer::redirect("http://api.test/disabled"));
    stage.upstream.answer("/kept/out", Answer::redirect("http://api.test/elsewhere"));
    let kept = |path: &str| Request::get(path).header("x-kept", SECRET);
    for (what, request, status, paths) in [
        ("the credential is gone", good("/moved"), 401, vec!["/moved"]),
        ("the credential is kept and judged again", kept("/kept/moved"), 200, vec!["/kept/moved", "/kept/landing"]),
        ("to where the filter is off", kept("/kept/away"), 403, vec!["/kept/away"]),
        ("to where another credential is wanted", kept("/kept/out"), 401, vec!["/kept/out"]),
        ("to where no credential was", Request::get("/kept/moved"), 401, vec![]),
    ] {
        stage.upstream.forget();
        let response = stage.send(&request);
        let reached: Vec<String> = stage.upstream.received().into_iter().map(|received| received.path).collect();
        assert_eq!((response.status, reached), (status, paths.iter().map(|path| (*path).to_owned()).collect()), "{what}");
    }
}
