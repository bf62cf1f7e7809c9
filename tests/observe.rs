//! `mode: {observe: {until: ...}}`: what would be refused goes upstream as the client sent it, and who looks can tell what would have become of it.
#![allow(clippy::arithmetic_side_effects, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "helpers of tests")]

use portcullis_harness::{
    Algorithm, Answer, Bootstrap, Case, Configuration, Connection, IdentityProvider, Key, PATIENCE, Plugin, Request, RunningStage, Stage,
    built_wasm, guard, mint, now, poll,
};
use serde_json::{Value, json};
use std::thread;
use std::time::{Duration, Instant};

const SECRET: &str = "a-secret-of-sixty-four-octets-which-is-more-than-enough-for-all";
const DIGEST: &str = "bc19487dc16595fd1ee44ed63588f82b89f70c2885ec2460c5831f77e255d271";
const KEY: &str = "0123456789abcdef0123456789abcdef";
const GUARD: &str = "rbac_access_denied_matched_policy[none]";
const GAUGE: &str = "wasmcustom.portcullis.portcullis.observing";

fn until(seconds: i64) -> String {
    let time = Duration::from_secs(u64::try_from(now(seconds)).expect("a time after 1970"));
    der::DateTime::from_unix_duration(time).expect("a time before 10000").to_string()
}

fn observe(until: &str) -> Value {
    json!({"observe": {"until": until}})
}

fn configuration() -> Value {
    json!({
        "providers": {
            "partners": {
                "static_secret": {"callers": [
                    {"id": "billing", "roles": ["reader"], "secrets": [{"id": "first", "sha256": DIGEST}]},
                    {"id": "audit", "roles": ["writer"], "secrets": [{"sha256": "48d96535e9f2ea540251e281af3b1931a28d2378b7ed7dfee62595f6ee640853"}]},
                ]},
                "from": [{"header": "authorization", "scheme": "Bearer"}, {"header": "x-api-key"}, {"query": "access_token"},
                    {"cookie": "session", "origins": ["https://app.example"]}],
            },
            "users": {"jwt": {"keys": {"secret": {"text": KEY}}}},
            "absent": {"jwt": {
                "keys": {"jwks_uri": "http://idp.test/.well-known/jwks.json", "cluster": "idp", "insecure_http": true, "wait": "30s"},
                "issuers": "any", "audiences": "any",
            }},
        },
        "rules": [
            {"match": {"path": "/open"}, "allow": "anyone"},
            {"match": {"path": "/closed"}, "deny": true},
            {"match": {"path_prefix": "/partners", "methods": ["GET"]}, "require": {"provider": "partners", "roles": "reader"}},
            {"match": {"path_prefix": "/users"}, "require": "users"},
            {"match": {"path_prefix": "/absent"}, "require": "absent"},
        ],
        "upstream": {
            "headers": {
                "x-auth-provider": {"identity": "provider"}, "x-auth-subject": {"identity": "subject"}, "x-auth-roles": {"identity": "roles"},
                "x-injected": {"secret": {"hex": "73656372657421"}},
            },
            "payload_header": "x-payload",
            "remove": ["x-internal-*"],
        },
    })
}

fn with(mut configuration: Value, pointer: &str, value: Value) -> Value {
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
    configuration.pointer_mut(parent).expect("a place")[name] = value;
    configuration
}

/// The guard of a roll-out: what is only observed passes, too.
fn guard_of_a_roll_out() -> Value {
    let mut admitting = guard("allow");
    let admitted = guard("observe")["typed_config"]["rules"]["policies"]["portcullis"]["principals"][0].clone();
    admitting["typed_config"]["rules"]["policies"]["portcullis"]["principals"].as_array_mut().expect("a list").push(admitted);
    admitting
}

fn roll_out(configuration: Value) -> Stage {
    let silent = IdentityProvider::start();
    silent.serve_instead(Answer::hang());
    let stage = Stage::new().config(configuration).without_guard().identity_provider(silent);
    stage.bootstrap(|bootstrap| bootstrap.filter_after(guard_of_a_roll_out()).trailers())
}

fn token(subject: &str) -> String {
    mint(&Key::secret(Algorithm::HS256, KEY), json!({"sub": subject, "exp": now(600)}))
}

/// A secret of the upstream's own in a header that also is a credential's: it stands there alone.
#[test]
fn what_is_set_stands_there_once() {
    let mut configuration = with(configuration(), "/mode", observe(&until(3600)));
    configuration["upstream"]["headers"]["x-api-key"] = json!({"secret": {"hex": "73656372657421"}});
    roll_out(configuration).start().check(on_both(vec![
        Case::get("/users")
            .bearer(&token("alice"))
            .header("x_api_key", "mine")
            .header("x.api-key", "mine")
            .expect(200)
            .access("verdict", "allow")
            .upstream("x-api-key", "secret!")
            .upstream_absent("x_api_key")
            .upstream_absent("x.api-key"),
        // Nothing is set beside what would be refused.
        Case::get("/users")
            .header("x_api_key", "mine")
            .header("x-api-key", "mine")
            .expect(200)
            .access("verdict", "observe")
            .upstream("x-api-key", "mine")
            .upstream("x_api_key", "mine"),
    ]));
}

/// What clients say of themselves, and of what they know.
fn pretending(case: Case) -> Case {
    let names = [
        "x-auth-provider",
        "x-auth-subject",
        "x-auth-roles",
        "x_auth_subject",
        "x.auth.roles",
        "x-injected",
        "x-payload",
        "x-internal-user",
    ];
    names.iter().fold(case, |case, name| case.header(name, "evil"))
}

/// The upstream knows nothing of an identity.
fn unannotated(case: Case) -> Case {
    let names = [
        "x-auth-provider",
        "x-auth-subject",
        "x-auth-roles",
        "x_auth_subject",
        "x.auth.roles",
        "x-injected",
        "x-payload",
        "x-internal-user",
    ];
    names.iter().fold(case, |case, name| case.upstream_absent(name))
}

fn observed(reason: &str, case: Case) -> Case {
    let case = pretending(case.named(format!("observed: {reason}"))).expect(200).access("verdict", "observe").access("reason", reason);
    unannotated(case).access("credential", Value::Null)
}

fn on_both(cases: Vec<Case>) -> Vec<Case> {
    cases.into_iter().flat_map(|case| [case.clone(), case.http2()]).collect()
}

#[test]
fn what_would_be_refused_goes_upstream_as_it_came() {
    let stage = roll_out(with(configuration(), "/mode", observe(&until(3600)))).start();
    let unsigned = format!("{}x", token("mallory"));
    let comma = token("a,b");
    let begun = Instant::now();
    stage.check(on_both(vec![
        observed("credential_missing", Case::get("/partners")).access("provider", "partners").access("subject", Value::Null),
        observed("secret_unknown", Case::get("/partners").bearer("wrong")).upstream("authorization", "Bearer wrong"),
        observed("secret_unknown", Case::get("/partners").header("x-api-key", "wrong")).upstream("x-api-key", "wrong"),
        observed("secret_unknown", Case::get("/partners?a=1&access_token=wrong&b"))
            .upstream_path("/partners?a=1&access_token=wrong&b")
            .access("path", "/partners?a=1&access_token=wrong&b"),
        observed("secret_unknown", Case::get("/partners").header("cookie", "a=1; session=wrong; b=2"))
            .upstream("cookie", "a=1; session=wrong; b=2"),
        observed("credential_malformed", Case::get("/partners").header("authorization", "Bearer")).upstream("authorization", "Bearer"),
        observed("credential_ambiguous", Case::get("/partners").header("x-api-key", "a").header("x-api-key", "b"))
            .access("provider", "partners"),
        // What an identity is known of.
        observed("role_missing", Case::get("/partners").bearer("audit-secret-for-tests-only"))
            .upstream("authorization", "Bearer audit-secret-for-tests-only")
            .access("subject", "audit"),
        observed("signature_invalid", Case::get("/users").bearer(&unsigned)).upstream("authorization", &format!("Bearer {unsigned}")),
        observed("header_value", Case::get("/users").bearer(&comma)).upstream("authorization", &format!("Bearer {comma}")),
        // Nobody waits 30 seconds for keys.
        observed("keys_unavailable", Case::get("/absent").bearer(&minted_by_nobody())).access("provider", "absent"),
        observed("denied", Case::get("/closed").bearer(SECRET)).upstream("authorization", &format!("Bearer {SECRET}")),
        observed("no_rule", Case::get("/elsewhere")),
        observed("method_not_allowed", Case::post("/partners", "body").bearer(SECRET)).body_contains("body"),
        observed("path_invalid", Case::get("/a;b/..%2f/x?access_token=y")).upstream_path("/a;b/..%2f/x?access_token=y"),
        observed("host_invalid", Case::get("/open").host("api.test:x")),
        observed("early_data", Case::post("/open", "").header("early-data", "1")),
        // Rules saw a GET; the upstream may take another method from this, as ever.
        observed("credential_missing", Case::get("/partners").header("x-http-method-override", "DELETE"))
            .upstream("x-http-method-override", "DELETE"),
        observed(
            "credential_missing",
            Case::post("/users", "x").with(|request| request.trailer("x-auth-subject", "evil").trailer("x-late", "1")),
        )
        .upstream_trailer_absent("x-auth-subject")
        .upstream_trailer("x-late", "1"),
    ]));
    assert!(begun.elapsed() < Duration::from_secs(29), "{:?}: somebody waited", begun.elapsed());
}

/// One that could pass, were there a key.
fn minted_by_nobody() -> String {
    mint(&Key::fixed(Algorithm::ES256, 1), json!({"iss": "https://idp.test", "sub": "alice", "aud": "api", "exp": now(600)}))
}

#[test]
fn what_would_pass_passes_and_keeps_its_credential() {
    let stage = roll_out(with(configuration(), "/mode", observe(&until(3600)))).start();
    let alice = token("alice");
    let passes = |case: Case, provider: &str, subject: &str| {
        let case = pretending(case).expect(200).access("verdict", "allow").access("reason", Value::Null);
        let case = case.upstream("x-auth-provider", provider).upstream("x-auth-subject", subject).upstream("x-injected", "secret!");
        case.upstream_absent("x_auth_subject").upstream_absent("x-internal-user")
    };
    stage.check(on_both(vec![
        passes(Case::get("/partners").bearer(SECRET), "partners", "billing").upstream("authorization", &format!("Bearer {SECRET}")),
        passes(Case::get("/partners").header("x-api-key", SECRET), "partners", "billing").upstream("x-api-key", SECRET),
        passes(Case::get("/partners").header("cookie", format!("a=1; session={SECRET}")), "partners", "billing")
            .upstream("cookie", &format!("a=1; session={SECRET}")),
        // What stands in the other places stays, too.
        passes(Case::get("/partners?access_token=other").bearer(SECRET).header("x-api-key", "another"), "partners", "billing")
            .upstream("x-api-key", "another")
            .upstream_path("/partners?access_token=other"),
        passes(Case::get(format!("/partners?x=1&access_token={SECRET}")), "partners", "billing")
            .upstream_path(&format!("/partners?x=1&access_token={SECRET}"))
            .access("credential", "first"),
        passes(Case::get("/users").bearer(&alice), "users", "alice")
            .upstream("x-payload", alice.split('.').nth(1).expect("a payload"))
            .upstream("authorization", &format!("Bearer {alice}")),
        unannotated(pretending(Case::get("/open").bearer("whatever")))
            .expect(200)
            .access("verdict", "allow")
            .access("reason", Value::Null)
            .upstream("authorization", "Bearer whatever"),
    ]));
    // Under the shipped guard the same; what is only observed stops there.
    let stage = Stage::new().config(with(configuration(), "/mode", observe(&until(3600)))).start();
    stage.check(on_both(vec![
        passes(Case::get("/partners").bearer(SECRET), "partners", "billing").upstream("authorization", &format!("Bearer {SECRET}")),
        Case::get("/open").expect(200).access("verdict", "allow"),
        Case::get("/partners").expect(403).access("details", GUARD).access("verdict", "observe").access("reason", "credential_missing"),
        Case::get("/partners").bearer("wrong").expect(403).access("details", GUARD).not_upstream(),
        Case::get("/closed").expect(403).access("details", GUARD).access("reason", "denied").not_upstream(),
        Case::get("/elsewhere").expect(403).access("details", GUARD).access("reason", "no_rule").not_upstream(),
    ]));
}

#[test]
fn a_rules_mode_is_its_own() {
    // All is enforced but one rule.
    let stage = roll_out(with(configuration(), "/rules/2/mode", observe(&until(3600)))).start();
    stage.check(on_both(vec![
        observed("credential_missing", Case::get("/partners")),
        observed("secret_unknown", Case::get("/partners").bearer("wrong")).upstream("authorization", "Bearer wrong"),
        Case::get("/partners").bearer(SECRET).expect(200).upstream("authorization", &format!("Bearer {SECRET}")),
        // What could lead past a rule that is enforced is removed.
        observed("credential_missing", Case::get("/partners").header("x-original-url", "/closed")).upstream_absent("x-original-url"),
        Case::get("/users").expect(401).reason("credential_missing").access("verdict", Value::Null),
        Case::get("/users").bearer(&token("alice")).expect(200).upstream_absent("authorization"),
        Case::get("/open").bearer("whatever").expect(200).upstream_absent("authorization"),
        Case::get("/closed").expect(403).reason("denied"),
        // Nobody found a rule: the whole's mode.
        Case::get("/elsewhere").expect(403).reason("no_rule"),
        Case::post("/partners", "").expect(405).reason("method_not_allowed"),
        Case::get("/partners;x").expect(400).reason("path_invalid"),
    ]));
    assert_eq!(stage.envoy.stat(GAUGE), Some(1));
    // And the other way round.
    let both = with(with(configuration(), "/mode", observe(&until(3600))), "/rules/2/mode", json!("enforce"));
    let stage = roll_out(both).start();
    stage.check(on_both(vec![
        Case::get("/partners").bearer("wrong").expect(401).reason("secret_unknown").access("authorization", Value::Null),
        Case::get("/partners").bearer(SECRET).expect(200).upstream_absent("authorization"),
        observed("credential_missing", Case::get("/users")),
        observed("denied", Case::get("/closed").header("x-http-method-override", "PUT")).upstream_absent("x-http-method-override"),
        observed("no_rule", Case::get("/elsewhere")),
        observed("credential_missing", Case::post("/users", "")),
        // What is, or might be, for the rule that is enforced is refused as it would be.
        Case::post("/partners", "").expect(405).reason("method_not_allowed"),
        Case::get("//partners").expect(400).reason("path_invalid"),
        Case::get("/users/%2e%2e/partners").expect(400).reason("path_invalid"),
        Case::get("/partners;x").expect(400).reason("path_invalid"),
        Case::get("/partners").host("api.test:x").expect(400).reason("host_invalid"),
    ]));
}

#[test]
fn what_cant_be_observed_is_refused() {
    let meddler = Plugin::new(Configuration::Text("declare readonly\n when x-meddle verdict allow".to_owned()))
        .name("meddler")
        .wasm(built_wasm("portcullis_broken"));
    let stage = roll_out(with(configuration(), "/mode", observe(&until(3600))))
        .bootstrap(|bootstrap| bootstrap.filter_before(meddler.filter()))
        .start();
    stage.check(on_both(vec![
        Case::get("/partners").expect(200).access("verdict", "observe"),
        Case::get("/partners").header("x-meddle", "1").expect(500).reason("verdict_present"),
        Case::get("/partners").bearer(SECRET).header("x-meddle", "1").expect(500).reason("verdict_present"),
        Case::get("/open").header("x-meddle", "1").expect(500).reason("verdict_present"),
    ]));
}

fn stats(stage: &RunningStage) -> Vec<(String, u64)> {
    let prefix = "wasmcustom.portcullis.portcullis.";
    stage.envoy.stats().into_iter().filter_map(|(name, value)| Some((name.strip_prefix(prefix)?.to_owned(), value))).collect()
}

#[test]
fn who_looks_can_tell() {
    let stage = roll_out(with(configuration(), "/mode", observe(&until(3600)))).concurrency(2).start();
    assert!(stats(&stage).contains(&("observing".to_owned(), 1)), "{:?}", stats(&stage));
    stage.check([
        Case::get("/partners?access_token=wrong").request_id("what-would-be").expect(200),
        Case::get("/partners").bearer("audit-secret-for-tests-only").expect(200),
        Case::get("/partners").bearer(SECRET).expect(200),
        Case::get("/closed").expect(200),
    ]);
    let line = stage.envoy.wait_for_log("what-would-be");
    let told = "observed reason=secret_unknown status=401 rule=2 provider=partners request_id=\"what-would-be\" method=\"GET\" \
                host=\"api.test\" path=\"/partners\"";
    assert!(line.contains(told), "{line}");
    assert!(stage.envoy.wait_for_log("reason=role_missing").contains(" subject=\"audit\" "));
    assert_eq!(stage.envoy.log().lines_with("rejected"), Vec::<String>::new());
    assert!(!stage.envoy.log().text().contains("wrong"));
    let mut connection = stage.client().connect().expect("a connection");
    for _ in 0..100 {
        assert_eq!(connection.send(&Request::get("/users")).expect("an answer").status, 200);
    }
    stage.envoy.wait_for_log("observed reason=credential_missing more=");
    let counted = |name: &str| stats(&stage).into_iter().find(|(own, _)| own == name).map(|(_, value)| value);
    for (name, count) in [
        ("observed.secret_unknown", 1),
        ("observed.role_missing", 1),
        ("observed.denied", 1),
        ("observed.credential_missing", 100),
        ("allowed", 1),
    ] {
        assert_eq!(counted(name), Some(count), "{name}");
    }
    assert!(stats(&stage).iter().all(|(name, _)| !name.starts_with("rejected.")), "{:?}", stats(&stage));
}

/// The filter in this mode.
fn in_mode(mode: Value) -> Plugin {
    Plugin::new(with(configuration(), "/mode", mode))
}

/// An Envoy with two workers, whose filter can be replaced.
fn by_ecds(until: &str) -> RunningStage {
    let bootstrap = |bootstrap: Bootstrap| bootstrap.without_guard().filter_after(guard_of_a_roll_out());
    Stage::new().concurrency(2).discovered(&in_mode(observe(until))).bootstrap(bootstrap).start()
}

#[test]
fn its_end_comes_while_requests_run() {
    let stage = by_ecds(&until(3600));
    // Only now, for an Envoy takes its time to start.
    let end = now(4);
    stage.discover(&in_mode(observe(&until(4))));
    let http1 = stage.client().connect().expect("a connection");
    let http2 = stage.client().http2().connect().expect("a connection");
    let statuses = |mut connection: Connection| {
        let mut seen = Vec::new();
        while now(0) < end + 2 {
            let (before, status) = (now(0), connection.send(&Request::get("/partners")).expect("an answer").status);
            seen.push((before, status, now(0)));
            thread::sleep(Duration::from_millis(5));
        }
        seen
    };
    let seen: Vec<_> = thread::scope(|scope| {
        let running = [scope.spawn(|| statuses(http1)), scope.spawn(|| statuses(http2))];
        running.into_iter().flat_map(|thread| thread.join().expect("no caller has panicked")).collect()
    });
    let count = |wanted: u16| seen.iter().filter(|(_, status, _)| *status == wanted).count();
    assert!(count(200) > 0 && count(401) > 0 && count(200) + count(401) == seen.len(), "{} of {} by 200", count(200), seen.len());
    for (before, status, after) in seen {
        let expected = if after < end {
            vec![200]
        } else if before >= end {
            vec![401]
        } else {
            vec![200, 401]
        };
        assert!(expected.contains(&status), "{status} between {before} and {after}; the end is at {end}");
    }
    poll(PATIENCE, || (stage.envoy.stat(GAUGE) == Some(0)).then_some(())).expect("the gauge says that nothing is observed");
    stage.envoy.wait_for_log("observing is over: what was observed is refused from now on");
    let alice = token("alice");
    stage.check([
        Case::get("/users").expect(401).reason("credential_missing"),
        Case::get("/users").bearer(&alice).expect(200).upstream_absent("authorization").access("verdict", "allow"),
    ]);
}

#[test]
fn an_end_that_is_over_is_warned_of() {
    let past = with(configuration(), "/mode", observe("2020-01-01T00:00:00Z"));
    let stage = roll_out(with(past, "/rules/3/mode", observe(&until(-1)))).start();
    for place in ["mode", "rules[3].mode"] {
        stage.envoy.wait_for_log(&format!("configuration: {place}.observe.until: this time is over"));
    }
    assert_eq!(stage.envoy.log().lines_with("this time is over").len(), 2 * stage.envoy.log().lines_with(": portcullis 0.").len());
    assert_eq!(stage.envoy.stat(GAUGE), Some(0));
    stage.check(on_both(vec![
        Case::get("/users").expect(401).reason("credential_missing"),
        Case::get("/partners?access_token=wrong").expect(401).reason("secret_unknown").access("path", "/partners"),
        Case::get("/elsewhere").expect(403).reason("no_rule"),
    ]));
    // Where nobody says observe, there is no gauge.
    let stage = Stage::new().config(configuration()).start();
    assert_eq!(stage.envoy.stat(GAUGE), None);
}

/// The gauge is every root context's, also of those that a newer configuration replaces.
#[test]
fn the_gauge_follows_the_configuration() {
    let stage = by_ecds(&until(3600));
    let settles = |status: u16, gauge: u64| {
        // One that is replaced says 0 when it goes, and the next one has its say within a second: what counts is what stays.
        let mut since = Instant::now();
        let settled = poll(PATIENCE, || {
            if stage.get("/partners").status != status || stage.envoy.stat(GAUGE) != Some(gauge) {
                since = Instant::now();
            }
            (since.elapsed() > Duration::from_millis(2500)).then_some(())
        });
        assert!(settled.is_some(), "the gauge is {:?} where requests get {status}", stage.envoy.stat(GAUGE));
    };
    settles(200, 1);
    stage.discover(&in_mode(observe(&until(7200))));
    settles(200, 1);
    stage.discover(&in_mode(json!("enforce")));
    settles(401, 0);
    stage.discover(&in_mode(observe(&until(3600))));
    settles(200, 1);
}
