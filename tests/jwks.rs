//! Key sets from the network, on a real Envoy: they come, they change, they grow old, and requests wait for them. What issuers do wrong is in `tests/faults.rs`.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "a test that can't go on fails"
)]

use portcullis_harness::{
    Algorithm, Answer, Case, ClientError, IdentityProvider, Jws, Key, PATIENCE, Plugin, Request, Response, RunningStage, Stage, jwks, mint,
    now, poll,
};
use serde_json::{Value, json};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

const ISSUER: &str = "https://idp.test";

/// Longer than any test lasts: what waits for so long waits for good.
const FOR_GOOD: &str = "120s";

fn claims() -> Value {
    json!({"iss": ISSUER, "aud": "api", "sub": "alice", "exp": now(3600)})
}

/// A good token by this key.
fn token(key: &Key) -> String {
    mint(key, claims())
}

fn es(number: u32) -> Key {
    Key::fixed(Algorithm::ES256, number)
}

/// A provider whose keys come from the stage's identity provider, with these settings of `keys`.
fn provider(settings: Value) -> Value {
    let mut keys = json!({"jwks_uri": "http://idp.test/.well-known/jwks.json", "cluster": "idp", "insecure_http": true});
    for (name, value) in settings.as_object().expect("an object") {
        keys[name] = value.clone();
    }
    json!({"jwt": {"keys": keys, "issuers": [ISSUER], "audiences": ["api"]}})
}

fn stage(settings: Value) -> Stage {
    Stage::new().config(json!({"providers": {"users": provider(settings)}}))
}

fn status(stage: &RunningStage, token: &str) -> u16 {
    stage.send(&Request::get("/").bearer(token)).status
}

/// Waits until the token gets this status.
fn wait_for(stage: &RunningStage, token: &str, expected: u16) {
    if poll(PATIENCE, || (status(stage, token) == expected).then_some(())).is_none() {
        panic!("the token never got {expected}; the log:\n{}", stage.envoy.log().text());
    }
}

fn metric(name: &str) -> String {
    format!("wasmcustom.portcullis.portcullis.{name}")
}

fn fetched(stage: &RunningStage, outcome: &str) -> u64 {
    stage.envoy.stat(&metric(&format!("fetch.users.{outcome}"))).unwrap_or(0)
}

fn assert_alive(stage: &RunningStage) {
    let reloads: u64 = stage.envoy.stats().iter().filter(|(name, _)| name.contains("vm_reload")).map(|(_, count)| count).sum();
    assert_eq!(reloads, 0, "the VM died: {}", stage.envoy.log().text());
}

/// Sends on a thread of its own.
fn sends<'s>(scope: &'s thread::Scope<'s, '_>, stage: &'s RunningStage, request: Request) -> ScopedJoinHandle<'s, Response> {
    let client = stage.client().patience(Duration::from_secs(60));
    scope.spawn(move || client.send(&request))
}

fn finished<T>(handles: &[ScopedJoinHandle<'_, T>]) -> usize {
    handles.iter().filter(|handle| handle.is_finished()).count()
}

#[test]
fn keys_come_at_the_start_and_follow_the_issuer() {
    let stage = stage(json!({
        "refresh": "1s",
        "headers": {"authorization": {"env": "JWKS_TOKEN", "prefix": "Bearer "}, "X-Tenant": "acme"},
    }))
    .env("JWKS_TOKEN", "secret-of-the-callout")
    .start();
    assert!(stage.identity_provider.wait_for_fetches(1, PATIENCE), "no fetch without a request");
    let (old, new) = (es(1), es(2));
    stage.check([Case::get("/").bearer(&token(&old)).expect(200).upstream("x-auth-subject", "alice").access("credential", "es256-1")]);
    // What was asked, and what was said of it.
    let fetch = stage.identity_provider.fetches().remove(0);
    assert_eq!((fetch.method.as_str(), fetch.path.as_str()), ("GET", "/.well-known/jwks.json"));
    for (name, value) in
        [("host", "idp.test"), ("authorization", "Bearer secret-of-the-callout"), ("x-tenant", "acme"), ("accept", "application/json")]
    {
        assert_eq!(fetch.header(name).as_deref(), Some(value), "{name}");
    }
    let line = stage.envoy.wait_for_log("keys fetched");
    let bytes = jwks(&stage.identity_provider.keys()).to_string().len();
    for part in ["provider=users", "cluster=idp", "host=idp.test", "status=200", "keys=2", &format!("bytes={bytes}")] {
        assert!(line.contains(part), "no {part} in {line}");
    }
    let since = stage.envoy.wait_for_stat(&metric("keys.users.last_success_seconds"), 1);
    assert!((now(-120)..=now(1)).contains(&i64::try_from(since).expect("seconds")), "{since}");
    // A new key beside the old one; then the new one alone.
    stage.identity_provider.rotate([new.clone(), old.clone()]);
    wait_for(&stage, &token(&new), 200);
    stage.check([Case::get("/").bearer(&token(&old)).expect(200)]);
    stage.identity_provider.rotate([new.clone()]);
    wait_for(&stage, &token(&old), 401);
    stage.check([
        Case::get("/").bearer(&token(&old)).expect(401).reason("key_unknown"),
        Case::get("/").bearer(&token(&new)).expect(200),
        // The same name for another key: what was verified by the old one is not good any more.
        Case::get("/").bearer(&token(&old.clone().with_kid("es256-2"))).expect(401).reason("signature_invalid"),
    ]);
    let successes = fetched(&stage, "success");
    stage.envoy.wait_for_stat(&metric("fetch.users.success"), successes + 1);
    let later = stage.envoy.wait_for_stat(&metric("keys.users.last_success_seconds"), since + 1);
    assert!(later > since);
    assert!(!stage.envoy.log().text().contains("secret-of-the-callout"));
    assert_alive(&stage);
}

#[test]
fn sets_as_issuers_really_publish_them() {
    let served = IdentityProvider::start();
    let broken = |why: Value| {
        let mut jwk = es(9).jwk();
        for (name, value) in why.as_object().expect("an object") {
            jwk[name] = value.clone();
        }
        jwk
    };
    let mut enc = Key::fixed(Algorithm::RS256, 2).with_kid("rs256-1").jwk();
    enc["use"] = json!("enc");
    let mut bound = es(5).with_kid("bound").jwk();
    bound["issuer"] = json!("https://other.test");
    let mut own = es(6).with_kid("own").jwk();
    own["issuer"] = json!(ISSUER);
    let document = json!({"extra": 1, "keys": [
        // Keycloak publishes its key for encryption beside the other, and some take it first.
        enc,
        broken(json!({"kid": "off-curve", "y": "AAAA"})),
        broken(json!({"kid": "no-kty", "kty": null})),
        broken(json!({"kid": "other-kty", "kty": "XX"})),
        broken(json!({"kid": "private", "d": "AAAA"})),
        broken(json!({"kid": 7})),
        "not even an object",
        Key::fixed(Algorithm::HS256, 1).with_kid("shared").jwk(),
        Key::rsa(Algorithm::RS256, portcullis_harness::RsaBits::B1024).jwk(),
        Key::fixed(Algorithm::RS256, 1).jwk(),
        es(1).with_kid("same").jwk(),
        es(2).with_kid("same").jwk(),
        es(2).with_kid("same").jwk(),
        bound,
        own,
        Key::fixed(Algorithm::EdDSA, 1).without_kid().jwk(),
    ]});
    served.serve_instead(Answer::text("text/plain", format!("\n {document}\n")));
    let stage = stage(json!({})).identity_provider(served).start();
    let passes = |key: &Key| Case::get("/").bearer(&token(key)).expect(200).named(format!("{:?} {}", key.kid(), key.algorithm()));
    let refused = |key: &Key, reason: &str| Case::get("/").bearer(&token(key)).expect(401).reason(reason).named(format!("{:?}", key.kid()));
    stage.check([
        passes(&Key::fixed(Algorithm::RS256, 1)),
        passes(&Key::fixed(Algorithm::RS256, 1).without_kid()),
        passes(&es(1).with_kid("same")),
        passes(&es(2).with_kid("same")),
        passes(&es(6).with_kid("own")),
        passes(&Key::fixed(Algorithm::EdDSA, 1).without_kid()),
        refused(&es(3).with_kid("same"), "signature_invalid"),
        refused(&Key::fixed(Algorithm::RS256, 2).with_kid("rs256-1"), "signature_invalid"),
        refused(&es(5).with_kid("bound"), "key_unsuitable"),
        refused(&es(9).with_kid("off-curve"), "key_unsuitable"),
        refused(&es(9).with_kid("private"), "key_unsuitable"),
        refused(&Key::rsa(Algorithm::RS256, portcullis_harness::RsaBits::B1024), "key_unsuitable"),
        refused(&Key::fixed(Algorithm::HS256, 1).with_kid("shared"), "algorithm_refused"),
        refused(&es(1), "key_unknown"),
    ]);
    let skipped = stage.envoy.log().lines_with("key skipped");
    for part in ["off-curve", "no-kty", "other-kty", "private", "shared", "rsa-1024", "rs256-1", "keys[5]", "keys[6]"] {
        assert!(skipped.iter().any(|line| line.contains(part)), "nothing of {part} in {skipped:#?}");
    }
}

#[test]
fn requests_wait_for_the_first_keys_and_junk_does_not() {
    let provider = IdentityProvider::start();
    provider.serve_instead(Answer::hang());
    let stage = stage(json!({"timeout": "500ms", "wait": FOR_GOOD, "refresh": "1s"})).identity_provider(provider).start();
    let good = token(&es(1));
    let big = "0123456789abcdef".repeat(8 * 1024);
    thread::scope(|scope| {
        let waiting = vec![
            sends(scope, &stage, Request::get("/get").bearer(&good)),
            sends(scope, &stage, Request::post("/small", "hello").bearer(&good)),
            sends(scope, &stage, Request::post("/big", big.as_str()).bearer(&good)),
            sends(scope, &stage, Request::post("/late", "x").trailer("x-late", "yes").bearer(&good)),
            sends(scope, &stage, Request::get("/forged").bearer(&token(&es(2).with_kid("es256-1")))),
            sends(scope, &stage, Request::get("/unknown").bearer(&token(&es(2)))),
        ];
        let http2 = stage.client().http2().patience(Duration::from_secs(60));
        let by_http2 = scope.spawn({
            let request = Request::post("/h2", "over HTTP/2").bearer(&good);
            move || http2.send(&request)
        });
        // What can't be good whatever the keys are is told at once.
        let with = |changes: Value| {
            let mut claims = claims();
            for (name, value) in changes.as_object().expect("an object") {
                claims[name] = value.clone();
            }
            mint(&es(1), claims)
        };
        let refused = |token: &str, reason: &str| Case::get("/junk").bearer(token).expect(401).reason(reason);
        stage.check([
            refused(&with(json!({"iss": "https://evil.test"})), "issuer_mismatch"),
            refused(&with(json!({"aud": "other"})), "audience_mismatch"),
            refused(&with(json!({"exp": now(-100)})), "token_expired"),
            refused(&with(json!({"exp": null})), "claim_missing"),
            refused(&with(json!({"exp": "x"})), "claim_invalid"),
            refused(&Jws::new(json!({"alg": "none"}), claims()).with_signature(b""), "algorithm_refused"),
            refused(&mint(&Key::fixed(Algorithm::HS256, 1), claims()), "algorithm_refused"),
            refused("junk", "token_malformed"),
            refused(&format!("{good}."), "token_malformed"),
            refused(&"j".repeat(20_000), "credential_too_large"),
            Case::get("/junk").expect(401).reason("credential_missing"),
        ]);
        // More than one fetch has failed meanwhile, and the others still wait.
        assert!(stage.identity_provider.wait_for_fetches(3, PATIENCE));
        assert_eq!(finished(&waiting) + usize::from(by_http2.is_finished()), 0, "something didn't wait");
        assert_eq!(stage.upstream.count(), 0, "something went upstream unverified");
        stage.identity_provider.recover();
        let responses: Vec<Response> = waiting.into_iter().map(|handle| handle.join().expect("a response")).collect();
        let statuses: Vec<u16> = responses.iter().map(|response| response.status).collect();
        assert_eq!(statuses, [200, 200, 200, 200, 401, 401]);
        // Nothing was lost or doubled on the way.
        assert_eq!(responses[1].json()["body"], "hello");
        assert_eq!(responses[2].json()["body"].as_str().map(str::len), Some(big.len()));
        assert_eq!(responses[3].json()["body"], "x");
        let response = by_http2.join().expect("a response");
        assert_eq!((response.status, &response.json()["body"]), (200, &json!("over HTTP/2")));
        for received in stage.upstream.received() {
            assert_eq!(received.header("x-auth-subject").as_deref(), Some("alice"));
            assert_eq!(received.header("authorization"), None);
        }
        assert_eq!(stage.upstream.count(), 5);
    });
    assert_alive(&stage);
}

#[test]
fn waiting_ends_in_time() {
    let idp = IdentityProvider::start();
    idp.serve_instead(Answer::hang());
    let config = json!({
        "providers": {
            "patient": provider(json!({"jwks_uri": "http://idp.test/.well-known/jwks.json?a", "wait": "700ms"})),
            "hasty": provider(json!({"jwks_uri": "http://idp.test/.well-known/jwks.json?b", "wait": "0s"})),
            "lost": provider(json!({"cluster": "there-is-no-such-cluster", "wait": "100ms"})),
        },
        "rules": [
            {"match": {"path_prefix": "/hasty"}, "require": "hasty"},
            {"match": {"path_prefix": "/lost"}, "require": "lost"},
            {"require": "patient"},
        ],
    });
    let stage = Stage::new().config(config).identity_provider(idp).start();
    let good = token(&es(1));
    let unavailable = |path: &str| {
        Case::get(path)
            .bearer(&good)
            .expect(503)
            .reason("keys_unavailable")
            .answer("retry-after", "5")
            .answer("cache-control", "no-store")
            .access("verdict", Value::Null)
            .access("authorization", Value::Null)
    };
    let begun = Instant::now();
    stage.check([unavailable("/patient")]);
    assert!(begun.elapsed() >= Duration::from_millis(700), "it did not wait: {:?}", begun.elapsed());
    stage.check([
        unavailable("/hasty"),
        unavailable("/lost"),
        unavailable("/patient").http2(),
        Case::new(Request::grpc("/patient", b"").bearer(&good))
            .http2()
            .expect(200)
            .reason("keys_unavailable")
            .answer_trailer("grpc-status", "14"),
        Case::get("/patient").bearer("junk").expect(401).reason("token_malformed"),
    ]);
    // A cluster that isn't there may come; nothing crashes meanwhile.
    stage.envoy.wait_for_stat(&metric("fetch.lost.not_sent"), 2);
    let line = stage.envoy.wait_for_log("keys not fetched provider=lost");
    assert!(line.contains("cluster=there-is-no-such-cluster") && line.contains("host=idp.test"), "{line}");
    assert!(stage.envoy.stat(&metric("rejected.keys_unavailable")).is_some_and(|count| count >= 5));
    assert_alive(&stage);
}

#[test]
fn clients_may_leave_while_they_wait_and_only_so_many_may_wait() {
    let idp = IdentityProvider::start();
    idp.serve_instead(Answer::hang());
    let stage = Stage::new()
        .config(json!({
            "providers": {"users": provider(json!({"timeout": "500ms", "wait": FOR_GOOD, "refresh": "1s"}))},
            "limits": {"waiting": 3},
        }))
        .identity_provider(idp)
        .start();
    let good = token(&es(1));
    let waits = |path: &str| stage.client().patience(Duration::from_millis(300)).try_send(&Request::get(path).bearer(&good)).err();
    let refused = |path: &str| stage.client().try_send(&Request::get(path).bearer(&good)).is_ok_and(|response| response.status == 503);
    // Three wait, and there is no room for a fourth.
    let mut left = Vec::new();
    for path in ["/gone-1", "/gone-2", "/stays"] {
        let mut connection = stage.client().patience(Duration::from_secs(60)).connect().expect("a connection");
        connection.write(&Request::get(path).bearer(&good).to_http1()).expect("an open connection");
        left.push(connection);
    }
    // Once one is refused, the three are in; from then on all are refused, at once.
    poll(PATIENCE, || waits("/extra").is_none().then_some(())).expect("no bound on waiting requests");
    for _ in 0..5 {
        assert!(refused("/extra"), "one too many may wait");
    }
    stage.check([Case::get("/extra").bearer(&good).expect(503).reason("keys_unavailable"), Case::get("/extra").bearer("junk").expect(401)]);
    // Two leave, and make room.
    let mut stays = left.pop().expect("three");
    drop(left);
    let room = poll(PATIENCE, || (waits("/extra") == Some(ClientError::Timeout)).then_some(()));
    assert!(room.is_some(), "who leaves makes no room");
    // A crowd comes and goes.
    thread::scope(|scope| {
        for number in 0..20 {
            let waits = &waits;
            let by_http2 = stage.client().http2().patience(Duration::from_millis(300));
            let request = Request::post("/crowd", "x").bearer(&good);
            scope.spawn(move || if number % 2 == 0 { waits("/crowd") } else { by_http2.try_send(&request).err() });
        }
    });
    assert_eq!(stage.upstream.count(), 0);
    stage.identity_provider.recover();
    assert_eq!(stays.response().expect("an answer").status, 200);
    assert_eq!(stays.send(&Request::get("/again").bearer(&good)).expect("the connection lives on").status, 200);
    stage.check([
        Case::get("/after").bearer(&good).expect(200),
        Case::get("/after").bearer(&token(&es(2))).expect(401).reason("key_unknown"),
    ]);
    let paths: Vec<String> = stage.upstream.received().into_iter().map(|received| received.path).collect();
    assert_eq!(paths, ["/stays", "/again", "/after"], "who left is not served");
    assert_alive(&stage);
}

#[test]
fn keys_go_stale_in_the_end() {
    let stage = stage(json!({"refresh": "1s", "max_stale": "2s", "wait": FOR_GOOD})).start();
    let good = token(&es(1));
    wait_for(&stage, &good, 200);
    let failing = Instant::now();
    stage.identity_provider.serve_instead(Answer::status(503));
    let seen = poll(PATIENCE, || {
        let response = stage.send(&Request::get("/").bearer(&good));
        (response.status != 200).then_some((response, failing.elapsed()))
    });
    let (response, after) = seen.expect("the last good set serves for ever");
    assert_eq!(response.status, 503);
    assert_eq!(response.header("retry-after").as_deref(), Some("5"));
    // The last success is a second old at most, and good for one second and two.
    assert!(after >= Duration::from_millis(1900), "stale after {after:?} already");
    stage.check([
        Case::get("/").bearer(&good).expect(503).reason("keys_stale"),
        Case::get("/").bearer(&token(&es(2))).expect(503).reason("keys_stale"),
        Case::get("/").bearer("junk").expect(401).reason("token_malformed"),
        Case::get("/").expect(401).reason("credential_missing"),
    ]);
    stage.identity_provider.recover();
    wait_for(&stage, &good, 200);
    stage.check([Case::get("/").bearer(&token(&es(2))).expect(401).reason("key_unknown")]);
}

#[test]
fn an_issuer_that_is_down_at_the_start_is_asked_less_and_less_and_comes_back() {
    let mut idp = IdentityProvider::start();
    idp.stop();
    let mut stage = stage(json!({"wait": "50ms"})).identity_provider(idp).start();
    let good = token(&es(1));
    stage.check([
        Case::get("/").bearer(&good).expect(503).reason("keys_unavailable"),
        Case::get("/").bearer("junk").expect(401).reason("token_malformed"),
    ]);
    let failures = |stage: &RunningStage| ["status", "reset", "not_sent"].iter().map(|outcome| fetched(stage, outcome)).sum::<u64>();
    poll(PATIENCE, || (failures(&stage) >= 4).then_some(())).expect("failures are counted");
    stage.identity_provider.serve_instead(Answer::status(500));
    stage.identity_provider.restart();
    let begun = Instant::now();
    thread::sleep(Duration::from_secs(4));
    // Each of the two VMs pauses for 0.1 s at least, and doubles that: after n failures 0.1 * (2^n - 1) seconds have gone.
    let fetches = stage.identity_provider.fetch_count();
    let (mut bound, mut gone) = (1, 0.1);
    while gone < begun.elapsed().as_secs_f64() {
        bound += 1;
        gone += 0.1 * f64::from(1 << (bound - 1));
    }
    assert!(fetches <= 2 * bound, "{fetches} fetches in {:?}: at most {} with a pause that doubles", begun.elapsed(), 2 * bound);
    assert_eq!(status(&stage, &good), 503);
    stage.identity_provider.recover();
    wait_for(&stage, &good, 200);
    assert!(fetched(&stage, "success") >= 1);
    assert_alive(&stage);
}

#[test]
fn a_new_policy_has_nothing_of_another_ones_keys() {
    let policy = |settings: Value, more: Value| {
        let mut users = provider(settings);
        for (name, value) in more.as_object().expect("an object") {
            users["jwt"][name] = value.clone();
        }
        json!({"providers": {"users": users}})
    };
    let uri =
        |query: &str| json!({"jwks_uri": format!("http://idp.test/.well-known/jwks.json?{query}"), "wait": "100ms", "timeout": "300ms"});
    let stage = Stage::new().discovered(&Plugin::new(policy(uri("one"), json!({})))).start();
    let good = token(&es(1));
    wait_for(&stage, &good, 200);
    let mut connection = stage.client().connect().expect("a connection");
    let mut ask = |token: &str| connection.send(&Request::get("/").bearer(token)).expect("a response").status;
    assert_eq!(ask(&good), 200);
    // The issuer falls silent: whatever is known from now on was known before.
    stage.identity_provider.serve_instead(Answer::hang());
    stage.discover(&Plugin::new(policy(uri("one"), json!({"subjects": ["alice"]}))));
    let bob = mint(&es(1), json!({"iss": ISSUER, "aud": "api", "sub": "bob", "exp": now(3600)}));
    let changed = poll(PATIENCE, || {
        // Through the change there is always one policy or the other.
        assert_eq!(ask(&good), 200, "a good token is refused while the policy changes");
        (ask(&bob) == 401).then_some(())
    });
    assert!(changed.is_some(), "the new policy never came: {}", stage.envoy.log().text());
    // Another address, or other algorithms: another set, of which nothing is known.
    stage.discover(&Plugin::new(policy(uri("two"), json!({}))));
    assert!(poll(PATIENCE, || (ask(&good) == 503).then_some(())).is_some(), "the old set serves for a new address");
    for _ in 0..20 {
        assert_eq!(ask(&good), 503);
    }
    stage.identity_provider.rotate([es(2)]);
    stage.identity_provider.recover();
    assert!(poll(PATIENCE, || (ask(&token(&es(2))) == 200).then_some(())).is_some(), "the new set never came");
    assert_eq!(ask(&good), 401, "the old set lives on");
    // A policy that is wrong is not taken, and the one before it stays in force.
    stage.discover(&Plugin::new(json!({"providers": {}})));
    stage.envoy.wait_for_log("configuration refused");
    assert_eq!((ask(&token(&es(2))), ask(&good)), (200, 401));
    assert_alive(&stage);
}

/// Envoy carries out the answers of one callback one inside the other: too many at once overrun the stack, and the VM is gone.
#[test]
fn a_crowd_that_waits_is_answered_and_the_worker_lives() {
    let identity_provider = IdentityProvider::start();
    identity_provider.delay(Duration::from_secs(3));
    let claims = json!({"iss": "https://idp.test", "aud": "api", "sub": "alice", "exp": now(600)});
    let good = identity_provider.token(claims);
    let forged = format!("{}.{}", good.rsplit_once('.').expect("a token has three parts").0, "A".repeat(86));
    let stage = Stage::new()
        .config(
            "
providers:
  users:
    jwt:
      keys: {jwks_uri: http://idp.test/.well-known/jwks.json, cluster: idp, insecure_http: true, wait: 20s, timeout: 10s}
      issuers: [https://idp.test]
      audiences: [api]
",
        )
        .identity_provider(identity_provider)
        .start();
    let client = stage.client().patience(Duration::from_secs(30));
    let mut crowd: Vec<(bool, portcullis_harness::Connection)> = Vec::new();
    for number in 0..700 {
        let is_good = number % 7 == 0;
        let mut connection = client.connect().expect("Envoy listens");
        let request = Request::get("/").bearer(if is_good { &good } else { &forged });
        connection.write(&request.to_http1()).expect("Envoy reads");
        crowd.push((is_good, connection));
    }
    for (is_good, mut connection) in crowd {
        let response = connection.response().expect("everybody is answered");
        assert_eq!(response.status, if is_good { 200 } else { 401 });
    }
    assert_eq!(stage.envoy.stat("wasm.portcullis.vm_reload").unwrap_or_default(), 0);
}

/// Every request that waits asks for a tick, and none may put it off.
#[test]
fn requests_that_keep_coming_do_not_stop_the_clock() {
    let identity_provider = IdentityProvider::start();
    identity_provider.serve_instead(Answer::status(500));
    let token = identity_provider.token(json!({"iss": "https://idp.test", "aud": "api", "sub": "alice", "exp": now(600)}));
    let stage = Stage::new()
        .config(
            "
providers:
  users:
    jwt:
      keys: {jwks_uri: http://idp.test/.well-known/jwks.json, cluster: idp, insecure_http: true, wait: 1s}
      issuers: [https://idp.test]
      audiences: [api]
",
        )
        .identity_provider(identity_provider)
        .start();
    let request = Request::get("/").bearer(&token);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| {
            let start = std::time::Instant::now();
            (stage.client().patience(Duration::from_secs(20)).send(&request).status, start.elapsed())
        });
        let mut others = Vec::new();
        while !first.is_finished() {
            let mut connection = stage.client().connect().expect("Envoy listens");
            connection.write(&request.to_http1()).expect("Envoy reads");
            others.push(connection);
            if others.len() > 150 {
                others.remove(0);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        let (status, waited) = first.join().expect("the first request is answered");
        assert_eq!(status, 503);
        assert!(waited < Duration::from_secs(4), "{waited:?} for a wait of one second");
    });
}
