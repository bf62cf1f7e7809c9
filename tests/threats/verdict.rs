//! The filter's place in Envoy. Envoy leaves a filter out in more ways than one, and other filters may write what this
//! one writes; a caller who gets past it, or is let in by somebody else's word, has the service to herself.

use crate::house::{BARE, MALLORY, OPERATOR, arrives, both, callers, cgi, house, mallory, mallorys, off, route, told};
use portcullis_harness::{Answer, Case, Connection, PATIENCE, Plugin, Request, RunningStage, Stage, guard, now, poll};
use serde_json::{Value, json};
use std::sync::LazyLock;
use std::time::Duration;

/// What the guard's refusals say of themselves.
const GUARD: &str = "rbac_access_denied_matched_policy[none]";

fn policy() -> Value {
    json!({
        "providers": {
            "partners": {"static_secret": {"callers": callers()}, "from": [{"header": "x-api-key"}], "upstream": {"credential": "keep"}},
        },
        "rules": [{"match": {"path_prefix": "/door"}, "allow": "anyone"}, {"require": "partners"}],
    })
}

fn filter() -> Plugin {
    Plugin::new(policy())
}

/// Filters that fail, each on the paths of its own name; behind each the guard, but not below `/NAME/alone`.
fn failing() -> &'static RunningStage {
    static FAILING: LazyLock<RunningStage> = LazyLock::new(|| {
        let plugins = [
            told("half", "fail-on-workers\n verdict allow"),
            told("opens", "when x-trap trap\n verdict allow").failure_policy("FAIL_OPEN"),
        ];
        let mut routes = Vec::new();
        for name in ["half", "opens"] {
            routes.push(route(&format!("/{name}/alone"), &[name], &["portcullis", "guard"]));
            routes.push(route(&format!("/{name}"), &[name], &["portcullis"]));
        }
        routes.extend([route("/off/alone", &[], &["portcullis", "guard"]), route("/off", &[], &["portcullis"]), route("/", &[], &[])]);
        Stage::new()
            .plugin(filter())
            .bootstrap(|bootstrap| {
                plugins
                    .iter()
                    .fold(bootstrap, |bootstrap, plugin| bootstrap.filter_before(off(plugin.filter())))
                    .routes(Value::from(routes))
            })
            .start()
    });
    &FAILING
}

/// A filter that is configured well on the main thread and not on a worker is left out there, with one line in the log:
/// all that this worker serves, it serves to anybody.
#[test]
fn a_worker_that_fails_to_configure_the_filter() {
    failing().check([
        Case::get("/half/alone").named("Envoy serves without the filter").expect(200).access("verdict", Value::Null),
        Case::get("/half").named("the guard doesn't").expect(403).reason(GUARD),
        Case::get("/half").http2().expect(403).reason(GUARD),
        Case::get("/half").header("wasm.portcullis.verdict", "allow").expect(403).reason(GUARD),
    ]);
}

/// A filter that a route switches off, or that trapped once under FAIL_OPEN, is passed by in silence.
#[test]
fn a_filter_that_is_switched_off_or_dead() {
    let stage = failing();
    stage.check([
        mallorys("/").named("it is there").expect(200),
        Case::get("/off/alone").named("switched off, and no guard").expect(200),
        Case::get("/off").named("switched off").expect(403).reason(GUARD),
        mallorys("/off").named("whoever asks").expect(403).reason(GUARD),
        Case::get("/opens").named("it works").expect(200).access("verdict", "allow"),
        Case::get("/opens").named("and traps").header("x-trap", "1").expect(503).not_upstream(),
        Case::get("/opens/alone").named("from then on Envoy does without").expect(200).access("verdict", Value::Null),
        Case::get("/opens").named("the guard doesn't").expect(403).reason(GUARD),
    ]);
}

/// The filter among neighbours that write its verdict when a header asks for it. Below `/without` it is off, and
/// whoever writes `allow` opens the guard; below `/twice` a second one of its kind stands behind it.
fn meddled() -> &'static RunningStage {
    static MEDDLED: LazyLock<RunningStage> = LazyLock::new(|| {
        let second = filter().name("second");
        let stage = Stage::new()
            .plugin(filter())
            .bootstrap(|bootstrap| {
                bootstrap
                    .filter_before(told("first", "declare readonly\n when x-first verdict allow").filter())
                    .filter_before(told("mutable", "declare mutable\n when x-mutable verdict allow").filter())
                    .filter_before(told("connection", "declare mutable connection\n when x-connection verdict allow").filter())
                    .filter_before(told("request", "declare readonly request\n when x-request verdict allow").filter())
                    .filter_after(off(second.filter()))
                    .filter_after(told("last", "declare mutable\n when x-last verdict deny\n when x-late verdict allow").filter())
                    .routes(json!([route("/without", &[], &["portcullis"]), route("/twice", &["second"], &[]), route("/", &[], &[])]))
            })
            .start();
        stage.upstream.answer("/moved", Answer::redirect("http://api.test/without/landing"));
        stage.upstream.answer("/without/moved", Answer::redirect("http://api.test/without/landing"));
        stage
    });
    &MEDDLED
}

/// A neighbour writes `allow` before the filter does, and declares it read-only: the filter's own verdict could no
/// longer be set, and the neighbour's stood.
#[test]
fn somebody_elses_verdict() {
    let mut cases = Vec::new();
    for header in ["x-first", "x-mutable"] {
        cases.extend([
            Case::get("/without").named("a verdict is a verdict").header(header, "1").expect(200).access("verdict", "allow"),
            Case::get("/").named("no credential").header(header, "1").expect(500).reason("verdict_present"),
            Case::get("/").named("no credential").http2().header(header, "1").expect(500).reason("verdict_present"),
            Case::get("/door").named("a path for anyone").header(header, "1").expect(500).reason("verdict_present"),
            mallorys("/").named("a good one").header(header, "1").expect(500).reason("verdict_present"),
        ]);
    }
    // Who comes too late changes nothing: neither what was allowed nor what was refused.
    cases.extend([
        mallorys("/").named("overwritten").header("x-last", "1").expect(200).access("verdict", "allow").upstream("x-broken-status", "2"),
        Case::get("/").named("too late").header("x-late", "1").expect(401).reason("credential_missing"),
    ]);
    meddled().check(cases);
}

/// Mallory's friend shares a connection with her, as all clients of a proxy do: he is let in, and his verdict stays on
/// the connection for her.
fn the_next_request_of_the_connection(http2: bool) {
    let stage = meddled();
    let connect = || if http2 { stage.client().http2().connect() } else { stage.client().connect() }.expect("a connection");
    let status = |connection: &mut Connection, request: &Request| connection.send(request).expect("a response").status;
    // A plugin may well declare its verdict for the connection.
    let mut leaking = connect();
    assert_eq!(status(&mut leaking, &Request::get("/without")), 403);
    assert_eq!(status(&mut leaking, &Request::get("/without").header("x-connection", "1")), 200);
    assert_eq!(status(&mut leaking, &Request::get("/without")), 200, "the attack is none");
    // This one's ends with the request.
    let mut connection = connect();
    for _ in 0..3 {
        assert_eq!(status(&mut connection, &mallory("/")), 200);
        assert_eq!(status(&mut connection, &Request::get("/without")), 403, "the verdict outlived its request");
        assert_eq!(status(&mut connection, &Request::get("/")), 401);
        assert_eq!(status(&mut connection, &Request::get("/door")), 200);
        assert_eq!(status(&mut connection, &Request::get("/without")), 403, "the verdict outlived its request");
    }
    // And what somebody left there shuts the connection rather than opening it.
    assert_eq!(status(&mut leaking, &Request::get("/")), 500);
    assert_eq!(status(&mut leaking, &mallory("/")), 500);
}

/// See [`the_next_request_of_the_connection`].
#[test]
fn a_verdict_that_stays_on_a_connection_of_http1() {
    the_next_request_of_the_connection(false);
}

/// See [`the_next_request_of_the_connection`].
#[test]
fn a_verdict_that_stays_on_a_connection_of_http2() {
    the_next_request_of_the_connection(true);
}

/// The service redirects, and Envoy follows by itself, to where the filter is off: the verdict of the first pass would
/// admit the second.
#[test]
fn a_verdict_that_stays_through_a_redirect() {
    meddled().check([
        Case::get("/without/moved").named("one for the whole request does").header("x-request", "1").expect(200).access("verdict", "allow"),
        mallorys("/moved").named("the filter's doesn't").expect(403),
        mallorys("/moved").named("over HTTP/2").http2().expect(403),
    ]);
}

/// Mallory was found out, and her secret revoked; but she keeps a connection open, and on it everything is as it was, for as
/// long as the old listener drains.
#[test]
fn a_connection_that_outlives_its_callers_rights() {
    let revoked = || {
        let mut policy = policy();
        policy["revoked"] = json!({"subjects": ["partners/mallory"]});
        Plugin::new(policy)
    };
    let stage = Stage::new().discovered(&filter()).listed(&filter().name("listeners")).start();
    let by_listener = stage.listed_client();
    let status = |connection: &mut Connection| connection.send(&mallory("/")).expect("a response").status;
    let becomes = |what: &mut dyn FnMut() -> u16, expected: u16| poll(PATIENCE, || (what() == expected).then_some(()));
    let (mut old, mut open, mut multiplexed) = (
        by_listener.connect().expect("a connection"),
        stage.client().connect().expect("a connection"),
        stage.client().http2().connect().expect("a connection"),
    );
    assert_eq!([status(&mut old), status(&mut open), status(&mut multiplexed)], [200; 3]);
    // By LDS: who comes anew is refused, and mallory is not.
    stage.relist(&revoked().name("listeners"));
    assert!(becomes(&mut || by_listener.send(&mallory("/")).status, 401).is_some());
    assert_eq!(status(&mut old), 200, "the attack is none");
    // By ECDS: the next request of each connection is judged by what holds then.
    stage.discover(&revoked());
    assert!(becomes(&mut || stage.send(&mallory("/")).status, 401).is_some());
    assert_eq!([status(&mut open), status(&mut multiplexed)], [401; 2]);
    let operator = Request::get("/").header("x-api-key", OPERATOR);
    assert_eq!(open.send(&operator).expect("the connection is as it was").status, 200);
}

/// The service can be made to redirect (`?next=/admin`), and Envoy follows by itself: mallory is judged for where she
/// went first, and served from where she may not go.
#[test]
fn a_redirect_to_where_mallory_may_not_go() {
    let stage = house();
    for (path, to) in [("/bare/next", "/bare/inside"), ("/next", "/admin"), ("/next/door", "/door"), ("/door", "/door")] {
        if path != to {
            stage.upstream.answer(path, Answer::redirect(&format!("http://api.test{to}")));
        }
    }
    for http2 in [false, true] {
        let went = |path: &str| {
            let id = portcullis_harness::fresh_request_id();
            let client = if http2 { stage.client().http2() } else { stage.client() };
            let status = client.send(&mallory(path).header("x-request-id", &id)).status;
            (status, stage.upstream.received_with_id(&id))
        };
        let paths = |received: &[portcullis_harness::Received]| received.iter().map(|one| one.path.clone()).collect::<Vec<_>>();
        let (status, received) = went("/bare/next");
        assert_eq!((status, paths(&received)), (200, vec![format!("{BARE}/next"), format!("{BARE}/inside")]), "Envoy follows");
        let (status, received) = went("/next");
        assert_eq!((status, paths(&received)), (401, vec!["/next".into()]), "judged again, and the credential is gone");
        // Where anybody may go she is nobody.
        let (status, received) = went("/next/door");
        assert_eq!((status, paths(&received)), (200, vec!["/next/door".into(), "/door".into()]));
        assert_eq!(received[0].header("x-auth-subject").as_deref(), Some("mallory"));
        assert_eq!(received[1].header("x-auth-subject"), None, "the first pass speaks for the second");
    }
}

/// Two of these filters in one chain, by mistake: the lax one, first, would speak for the strict one.
#[test]
fn two_filters_of_this_kind() {
    meddled().check([
        mallorys("/twice").expect(500).reason("verdict_present"),
        Case::get("/twice").named("the first refuses").expect(401).reason("credential_missing"),
        mallorys("/").named("one alone").expect(200),
    ]);
}

/// A neighbour's VM dies under mallory's request, and is made anew: meanwhile, too, nobody passes unjudged.
#[test]
fn a_neighbour_that_dies() {
    let stage = Stage::new()
        .plugin(filter())
        .bootstrap(|bootstrap| bootstrap.filter_before(told("neighbour", "when x-trap trap").filter()))
        .start();
    assert_eq!(stage.send(&mallory("/").header("x-trap", "1")).status, 503);
    let mut strangers = Vec::new();
    let recovered = poll(PATIENCE, || {
        strangers.push(stage.get("/").status);
        (stage.send(&Request::get("/").header("x-api-key", MALLORY)).status == 200).then_some(())
    });
    assert!(recovered.is_some() && strangers.iter().all(|status| matches!(status, 401 | 503)), "{strangers:?}");
}

/// A time from now, as configurations have it.
fn time(offset: i64) -> String {
    let since = Duration::from_secs(u64::try_from(now(offset)).expect("a time after 1970"));
    der::DateTime::from_unix_duration(since).expect("a time before 10000").to_string()
}

/// Observe mode was for a day, years ago, and nobody has switched it off. Or it is on, and mallory, of whom the filter knows nothing, comes
/// with the marks of those whom it knows: the secret that it gives the service, and their names.
/// (When its time is up: `tests/fake_host/clock.rs`.)
#[test]
fn observing_for_ever() {
    const GUARD_OF_A_ROLL_OUT: &str = "/roll-out";
    let configured = |mode: Value| {
        let mut policy = policy();
        policy["mode"] = mode;
        policy["upstream"] =
            json!({"headers": {"x-auth-subject": {"identity": "subject"}, "x-vouched": {"secret": {"env": "VOUCHED", "as": "text"}}}});
        policy
    };
    // It has to end, at a time that is written down.
    let endless = [json!("observe"), json!({"observe": {}}), json!({"observe": {"until": "never"}}), json!({"observe": {"until": null}})];
    let mut rules = configured(json!("enforce"));
    rules["rules"] = endless.iter().map(|mode| json!({"match": {"path": "/"}, "require": "partners", "mode": mode})).collect();
    let failure = Stage::new().config(rules).env("VOUCHED", "for").try_start().err().expect("it is refused at load").to_string();
    for (rule, mode) in endless.iter().enumerate() {
        assert!(failure.contains(&format!("rules[{rule}].mode")), "{mode}: {failure}");
    }
    let mut lax = guard("observe");
    lax["name"] = json!("lax");
    let stage = |until: &str| {
        Stage::new()
            .config(configured(json!({"observe": {"until": until}})))
            .env("VOUCHED", "for")
            .bootstrap(|bootstrap| {
                bootstrap
                    .trailers()
                    .filter_after(off(lax.clone()))
                    .routes(json!([route(GUARD_OF_A_ROLL_OUT, &["lax"], &["guard"]), route("/", &[], &[])]))
            })
            .start()
    };
    let observing = stage(&time(3600));
    let marks = |path: &str| {
        let request = Request::post(path, "x").header("x-auth-subject", "operator").header("x_vouched", "for").header("x-vouched", "for");
        request.trailer("x-auth-subject", "operator")
    };
    for http2 in [false, true] {
        let received = arrives(&observing, marks(GUARD_OF_A_ROLL_OUT), http2).expect("it is only observed");
        let seen = cgi(&received);
        assert!(!seen.keys().any(|name| name == "HTTP_X_AUTH_SUBJECT" || name == "HTTP_X_VOUCHED"), "{seen:?}");
        let known = mallory(GUARD_OF_A_ROLL_OUT).header("x-vouched", "nobody");
        assert!(arrives(&observing, known, http2).is_none(), "the guard of a roll-out alone admits what is only observed");
        let known = arrives(&observing, mallory("/").header("x-vouched", "nobody"), http2).expect("she is known");
        assert_eq!((known.header("x-vouched").as_deref(), known.header("x-auth-subject").as_deref()), (Some("for"), Some("mallory")));
    }
    // The guard as it is shipped admits nothing that was not allowed.
    observing.check(both([
        Case::get("/").named("observed, and guarded").expect(403).reason("credential_missing").access("verdict", "observe"),
        mallorys("/").expect(200).access("verdict", "allow"),
    ]));
    assert_eq!(observing.envoy.stat("wasmcustom.portcullis.portcullis.observing"), Some(1));
    let ended = stage(&time(-1));
    ended.check(both([
        Case::get(GUARD_OF_A_ROLL_OUT).named("its time is up").expect(401).reason("credential_missing").access("verdict", Value::Null),
        Case::new(marks(GUARD_OF_A_ROLL_OUT)).named("likewise").expect(401).reason("credential_missing"),
    ]));
}
