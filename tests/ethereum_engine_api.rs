//! The Ethereum Engine API behind `envoy/ethereum-engine-api.yaml`, the very file. What execution clients accept and refuse,
//! by their specification (ethereum/execution-apis, src/engine/authentication.md), by the suite `hive`, which all of them
//! have to pass, and by geth's own test; each entry by the requests of that API.
//!
//! | entry | input | outcome | test |
//! |---|---|---|---|
//! | 1 to 7 | the seven cases of hive: drift within a minute and beyond, keys that are too short and too long | as hive says | [`over_http`], [`to_the_second`] |
//! | 8 | no `iat` | 401 | [`over_http`] |
//! | 9, 10 | `none` in all spellings, everything but HS256 | 401 | [`over_http`] |
//! | 11, 12 | `id`, `clv`, `exp: null`; claims that nobody knows, `aud` and `iss` among them | pass | [`over_http`] |
//! | 13 | the three encodings of the header | pass | [`over_http`] |
//! | 14 | `bearer` in lower case | pass | [`over_http`] |
//! | 15 | every other form of the header | 401 | [`over_http`] |
//! | 16 | `iat` of any other type, and out of range | 401 | [`over_http`] |
//! | 17 | `exp` | to the second | [`over_http`], [`to_the_second`] |
//! | 18 | what is no token | 401 | [`over_http`] |
//! | 19 | WebSocket: the handshake is judged, and the frames flow | 101 or 401 | [`as_a_websocket`], [`frames_outlive_the_token`] |
//! | 20 | requests on one connection | each by itself | [`each_request_of_a_connection`] |
//! | 21 | keys | 64 digits, or no start | [`keys_that_are_accepted`], [`keys_that_are_refused`] |
//! | 22 | the secret | in no log | [`assert_nothing_leaked`], after every test |
//! | 23 | `Authorization` upstream | unchanged | [`over_http`] |
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that can't go on fails"
)]

#[path = "ethereum_engine_api/house.rs"]
mod house;

#[path = "ethereum_engine_api/attempts.rs"]
mod attempts;

use attempts::{Attempt, Outcome, attempts, with};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use house::{KEY, VARIABLE, by, call, capabilities, example, handshake, hex, launch, stage, token};
use portcullis::config::{Fault, Warning, load};
use portcullis::decision::{Asked, Decision};
use portcullis::engine::Engine;
use portcullis::judgement::At;
use portcullis::peer::Plaintext;
use portcullis::policy::Policy;
use portcullis::signature::Module;
use portcullis::time::UnixTime;
use portcullis_harness::{Answer, Case, Client, ClientError, Received, Request, Response, RunningStage, Upstream, now};
use serde_json::{Value, json};
use std::rc::Rc;
use std::sync::LazyLock;
use std::thread;
use std::time::Duration;

/// The shipped file as it is. One for all the tests that change nothing on it.
fn shipped() -> &'static RunningStage {
    static SHIPPED: LazyLock<RunningStage> = LazyLock::new(|| stage(|example| example));
    &SHIPPED
}

/// Neither the key in any form nor a token is in a log of Envoy's; nor has the VM died.
fn assert_nothing_leaked(stage: &RunningStage) {
    let key = [hex(KEY), hex(KEY).to_uppercase(), STANDARD.encode(KEY), URL_SAFE_NO_PAD.encode(KEY), KEY.to_owned()];
    let dump = stage.envoy.admin("/config_dump?include_eds");
    for (place, text) in
        [("Envoy's log", stage.envoy.log().text()), ("the access log", stage.envoy.access_log().text()), ("the dump", dump)]
    {
        for (what, secret) in key.iter().map(|key| ("the key", key.as_str())).chain([("a token", "eyJ")]) {
            let line = text.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "{place} holds {what}");
        }
    }
    let reloads: u64 = stage.envoy.stats().iter().filter(|(name, _)| name.contains("vm_reload")).map(|(_, count)| count).sum();
    assert_eq!(reloads, 0, "the VM died: {}", stage.envoy.log().text());
}

/// A response tells neither the key nor a token.
fn assert_tells_nothing(response: &Response) {
    let headers: String = response.headers.iter().map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect();
    for secret in [hex(KEY), KEY.to_owned(), "eyJ".to_owned()] {
        assert!(!response.text().contains(&secret) && !headers.contains(&secret), "{response:?}");
    }
}

/// Like hive, it tries again what came too late.
fn try_until_it_passes<E>(attempt: &Attempt, mut judge: impl FnMut() -> Result<(), E>) -> Result<(), E> {
    let tries = if attempt.outcome == Outcome::Passes { 5 } else { 1 };
    (1..tries).find_map(|_| judge().ok()).map_or_else(judge, Ok)
}

/// What becomes of an attempt over HTTP.
fn over(stage: &RunningStage, attempt: &Attempt, http2: bool) -> Result<(), String> {
    let sent = attempt.values();
    let case = Case::new(with(call(), &sent)).named(format!("{} (HTTP/2: {http2})", attempt.name));
    let case = if http2 { case.http2() } else { case };
    let case = match attempt.outcome {
        Outcome::Passes => {
            let sent = String::from_utf8_lossy(&sent[0]).into_owned();
            let case = case.expect(200).access("verdict", "allow").upstream("authorization", &sent);
            ["provider", "subject", "roles", "scopes"].iter().fold(case, |case, part| case.upstream_absent(&format!("x-auth-{part}")))
        }
        Outcome::Refused(status, reason) => {
            let case = case.expect(status).reason(reason).access("verdict", Value::Null);
            case.answer("content-type", "text/plain; charset=utf-8").answer("cache-control", "no-store")
        }
    };
    let response = case.run(stage)?;
    // The stand-in for the execution client tells all that it got.
    if attempt.outcome != Outcome::Passes {
        assert_tells_nothing(&response);
    }
    Ok(())
}

#[test]
fn over_http() {
    let stage = shipped();
    let mut failures = Vec::new();
    for attempt in attempts() {
        for http2 in [false, true] {
            failures.extend(try_until_it_passes(&attempt, || over(stage, &attempt, http2)).err());
        }
    }
    assert!(failures.is_empty(), "{} failed:\n\n{}", failures.len(), failures.join("\n"));
    assert_nothing_leaked(stage);
}

/// geth's test makes each of its attempts a second time, as a handshake; here it is all of them.
#[test]
fn as_a_websocket() {
    let stage = shipped();
    let mut failures = Vec::new();
    for attempt in attempts() {
        failures.extend(try_until_it_passes(&attempt, || by_handshake(&stage.client(), &attempt)).err());
    }
    assert!(failures.is_empty(), "{} failed:\n\n{}", failures.len(), failures.join("\n"));
    assert_nothing_leaked(stage);
}

fn by_handshake(client: &Client, attempt: &Attempt) -> Result<(), String> {
    let answer = match client.websocket(&with(handshake(), &attempt.values())) {
        Ok(mut socket) => {
            let text = capabilities().to_string();
            socket.send(&text).map_err(|error| error.to_string())?;
            let received = socket.receive(Duration::from_secs(5)).map_err(|error| error.to_string())?;
            socket.close();
            if received != Some(text) { Err(format!("{received:?} came back")) } else { Ok(None) }
        }
        Err(Ok(refusal)) => Ok(Some(refusal.status)),
        Err(Err(error)) => Err(error.to_string()),
    };
    let expected = match attempt.outcome {
        Outcome::Passes => None,
        Outcome::Refused(status, _) => Some(status),
    };
    if answer == Ok(expected) { Ok(()) } else { Err(format!("{}: {answer:?} instead of {expected:?}", attempt.name)) }
}

/// The policy of the shipped file, and any time at all: what is a matter of one second can't be tried between two processes.
#[test]
fn to_the_second() {
    const NOW: i64 = 1_800_000_000;
    let engine = engine();
    let judged = |claims: Value, millis: i64| {
        let authorization = format!("Bearer {}", token(claims));
        let headers = [(":authority", "localhost"), (":method", "POST"), (":path", "/"), ("authorization", &authorization)];
        let request = portcullis::request::Request { headers: headers.into_iter().collect() };
        let now = UnixTime::from_millis(u64::try_from(NOW * 1000 + millis).unwrap());
        match engine.decide(&request, &Asked::default(), &At { now, verify: &Module, peer: &Plaintext }) {
            Decision::Pass(_) => "",
            Decision::Reject(rejection) => rejection.refusal.reason().code(),
            other => panic!("{other:?}"),
        }
    };
    // Each of hive's seven, and the second before and after it; both clocks count whole seconds.
    for (drift, reason) in [
        (0, ""),
        (-59, ""),
        (-60, ""),
        (-61, "token_too_old"),
        (-62, "token_too_old"),
        (59, ""),
        (60, ""),
        (61, "token_from_future"),
        (62, "token_from_future"),
    ] {
        for millis in [0, 1, 500, 999] {
            assert_eq!(judged(json!({"iat": NOW + drift}), millis), reason, "{drift} s, {millis} ms");
        }
    }
    // The verdict of one token, by the passing of time alone: remembered or not, it ends.
    let token = json!({"iat": NOW});
    for (millis, reason) in [(-61_000, "token_from_future"), (-60_000, ""), (0, ""), (60_999, ""), (61_000, "token_too_old"), (0, "")] {
        assert_eq!(judged(token.clone(), millis), reason, "after {millis} ms");
    }
    for (exp, millis, reason) in [(NOW, -1, ""), (NOW, 0, "token_expired"), (NOW + 2, 1999, ""), (NOW + 2, 2000, "token_expired")] {
        assert_eq!(judged(json!({"iat": NOW, "exp": exp}), millis), reason, "exp {exp}, {millis} ms");
    }
}

fn engine() -> Engine {
    let (policy, warnings) = loaded(&hex(KEY)).expect("it loads");
    assert!(warnings.is_empty(), "{warnings:?}");
    Engine::new(policy, Rc::default(), UnixTime::from_seconds(0), 1)
}

/// The plugin's configuration as Envoy has it from the shipped file, loaded here, with this in the variable.
fn loaded(secret: &str) -> Result<(Policy, Vec<Warning>), Vec<Fault>> {
    let dump = shipped().envoy.config_dump();
    let configuration = find(&dump, "configuration").expect("the plugin's configuration");
    let configuration = configuration["value"].to_string();
    load(configuration.as_bytes(), &|name| (name == VARIABLE).then(|| secret.to_owned()))
}

/// The member of this name, wherever it stands.
fn find<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    match value {
        Value::Object(members) => members.get(name).or_else(|| members.values().find_map(|member| find(member, name))),
        Value::Array(list) => list.iter().find_map(|entry| find(entry, name)),
        _ => None,
    }
}

#[test]
fn each_request_of_a_connection() {
    let stage = shipped();
    for client in [stage.client(), stage.client().http2()] {
        let mut connection = client.connect().expect("a connection");
        let mut status = |request: Request, token: Option<String>| {
            let request = token.into_iter().fold(request.host("localhost"), |request, token| request.bearer(&token));
            connection.send(&request).expect("the connection stays").status
        };
        let fresh = || Some(token(json!({"iat": now(0)})));
        let stale = || Some(token(json!({"iat": now(-100)})));
        let post = || Request::post("/", capabilities().to_string());
        assert_eq!(status(post(), fresh()), 200);
        assert_eq!(status(post(), fresh()), 200);
        assert_eq!(status(Request::get("/"), stale()), 401);
        assert_eq!(status(Request::get("/"), None), 401);
        assert_eq!(status(post(), fresh()), 200);
        // On HTTP/1.1, where Envoy reads no body of what is refused, this is the last one.
        assert_eq!(status(post(), stale()), 401);
    }
}

/// With a window of two seconds instead of a minute.
#[test]
fn frames_outlive_the_token() {
    let stage = stage(|example| example.replace("max_token_age: 60s", "max_token_age: 2s"));
    let token = token(json!({"iat": now(0)}));
    let mut socket = stage.client().websocket(&handshake().bearer(&token)).unwrap_or_else(|refusal| panic!("{refusal:?}"));
    let mut connection = stage.client().connect().expect("a connection");
    let mut echo = |text: &str| {
        socket.send(text).expect("the socket is open");
        assert_eq!(socket.receive(Duration::from_secs(5)), Ok(Some(text.to_owned())));
    };
    let mut status = || connection.send(&call().bearer(&token)).expect("the connection stays").status;
    echo("at once");
    assert_eq!(status(), 200);
    thread::sleep(Duration::from_secs(4));
    // The token is stale by now, for handshakes and for requests, on an open connection too.
    assert_eq!(status(), 401);
    let refusal = stage.client().websocket(&handshake().bearer(&token)).err().expect("a stale token opens nothing");
    assert_eq!(refusal.map(|refusal| refusal.status), Ok(401));
    for number in 0..100 {
        echo(&format!("frame {number}"));
    }
    assert_nothing_leaked(&stage);
}

/// Silence for longer than Envoy's own limit on silent streams; the file lifts that.
#[test]
#[ignore = "it takes six minutes"]
fn silent_sockets_stay_open() {
    let stage = stage(|example| example);
    let handshake = handshake().bearer(&token(json!({"iat": now(0)})));
    let mut socket = stage.client().websocket(&handshake).unwrap_or_else(|refusal| panic!("{refusal:?}"));
    thread::sleep(Duration::from_secs(330));
    socket.send("still there").expect("the socket is open");
    assert_eq!(socket.receive(Duration::from_secs(5)), Ok(Some("still there".into())));
}

/// Who shows no token holds nothing open: headers that don't end are not waited for.
#[test]
fn headers_come_in_time() {
    let stage = stage(|example| example.replace("request_headers_timeout: 10s", "request_headers_timeout: 1s"));
    let mut connection = stage.client().connect().expect("a connection");
    connection.write(b"POST / HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ").expect("open");
    assert_eq!(connection.response().expect("a response").status, 408);
}

/// Envoy's own limit on the time for an answer would be 15 seconds.
#[test]
fn a_block_may_take_its_time_and_be_large() {
    let stage = stage(|example| example);
    let bearer = |request: Request| request.host("localhost").bearer(&token(json!({"iat": now(0)})));
    stage.upstream.answer("/large", Answer::json(&json!({"result": "valid"})));
    let block = Request::post("/large", vec![b'0'; 20 << 20]);
    assert_eq!(stage.send(&bearer(block)).json(), json!({"result": "valid"}));
    assert_eq!(stage.upstream.last().body.len(), 20 << 20);
    stage.upstream.answer("/slow", Answer::json(&json!({"result": "valid"})).after(Duration::from_secs(16)));
    let response = stage.client().patience(Duration::from_secs(40)).send(&bearer(Request::post("/slow", "{}")));
    assert_eq!((response.status, response.json()), (200, json!({"result": "valid"})));
}

/// As with geth, the token comes before everything else: there is no path, no method and no host that goes without it.
#[test]
fn nothing_is_exempt() {
    let stage = shipped();
    let fresh = token(json!({"iat": now(0)}));
    let preflight = Request::new("OPTIONS", "/")
        .host("localhost")
        .header("origin", "https://app.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization, content-type");
    let on = |host: &str| Case::new(Request::post("/", capabilities().to_string()).host(host));
    let mut cases = vec![
        Case::new(preflight.clone()).expect(401).reason("credential_missing").named("a preflight without a token"),
        Case::new(preflight.bearer(&fresh)).expect(200).named("a preflight with one is the execution client's business"),
        on("elsewhere.example").expect(401).reason("credential_missing").named("another host without a token"),
        on("elsewhere.example").bearer(&fresh).expect(403).body_contains("invalid host").not_upstream().named("another host"),
    ];
    for path in ["/", "/healthz", "/health", "/ready", "/metrics", "/graphql", "/ws", "/%2e%2e/", "//", "/?token=x"] {
        for method in ["GET", "POST", "HEAD", "PUT", "DELETE"] {
            cases.push(Case::method(method, path).host("localhost").expect(401).reason("credential_missing"));
        }
    }
    for host in ["localhost", "localhost:8551", "LOCALHOST:8551", "127.0.0.1:8551", "[::1]:8551", "execution.example:8551"] {
        cases.push(on(host).bearer(&fresh).expect(200).upstream("host", "localhost").named(host));
    }
    // The token in other places than the one.
    for case in [Case::get(format!("/?access_token={fresh}")), Case::get("/").header("cookie", format!("token={fresh}"))] {
        cases.push(case.host("localhost").expect(401).reason("credential_missing"));
    }
    stage.check(cases);
}

/// Should Envoy ever leave the plugin out.
#[test]
fn without_the_plugin_nobody_passes() {
    let stage = stage(|example| example.replace("- name: portcullis\n", "- name: portcullis\n                    disabled: true\n"));
    stage.check([Case::new(call()).bearer(&token(json!({"iat": now(0)}))).expect(403).not_upstream()]);
}

/// More than Envoy reads of any request's headers: it answers by itself, or ends the connection.
#[test]
fn sixty_four_kibibytes_of_garbage() {
    let stage = shipped();
    let before = stage.upstream.received().len();
    let request = call().host("localhost:garbage").bearer(&"x".repeat(64 << 10));
    for client in [stage.client(), stage.client().http2()] {
        match client.try_send(&request) {
            Ok(response) => assert_eq!(response.status, 431, "{}", response.text()),
            Err(error) => assert!(matches!(error, ClientError::Closed(_)), "{error}"),
        }
    }
    let garbage = |received: &Received| received.header("host").is_some_and(|host| host.contains("garbage"));
    assert!(!stage.upstream.received()[before..].iter().any(garbage));
    stage.check([Case::new(call()).bearer(&token(json!({"iat": now(0)}))).expect(200)]);
    assert_nothing_leaked(stage);
}

/// Who is refused reads why, as with an execution client.
#[test]
fn refusals_say_why() {
    let refused = |drift| Case::new(call()).bearer(&token(json!({"iat": now(drift)}))).expect(401);
    shipped().check([
        Case::new(call()).expect(401).body_contains("No credential"),
        refused(-1000).body_contains("too long ago").answer("content-type", "text/plain; charset=utf-8"),
        refused(1000).body_contains("in the future"),
        refused(-1000).http2().answer(
            "www-authenticate",
            "Bearer realm=\"engine\", error=\"invalid_token\", error_description=\"The token was issued too long ago.\"",
        ),
    ]);
    let metrics = shipped().envoy.admin("/stats/prometheus");
    assert!(metrics.contains("portcullis_rejected{plugin=\"engine\",reason=\"token_too_old\"}"), "{metrics}");
}

#[test]
fn keys_that_are_accepted() {
    let key = hex(KEY);
    let upper = key.to_uppercase();
    for secret in [format!("0x{key}"), format!("0X{key}"), format!("{key}\n"), format!("{key}\r\n"), upper.clone(), format!(" {key}\t")] {
        assert!(loaded(&secret).is_ok(), "{secret:?}");
    }
    for secret in [format!("0x{key}\n"), format!("{upper}\r\n"), format!("0X{upper}")] {
        let upstream = Upstream::start();
        let envoy = launch(&example(upstream.address().port())).env(VARIABLE, &secret).start();
        let stage = RunningStage::by_listeners(envoy, upstream, "http", None);
        stage.check([
            Case::new(call()).bearer(&token(json!({"iat": now(0)}))).expect(200).named(&secret),
            Case::new(call()).bearer(&by("k".repeat(32), json!({"iat": now(0)}))).expect(401).reason("signature_invalid"),
        ]);
        assert_nothing_leaked(&stage);
    }
}

#[test]
fn keys_that_are_refused() {
    let key = hex(KEY);
    let length = |bytes: usize| format!("{bytes} bytes, where 32 are wanted (the variable {VARIABLE})");
    let (not_hex, empty) = ("not hex: ".to_owned(), format!("the secret is empty (the variable {VARIABLE})"));
    let by_envoy = [
        (key[..62].to_owned(), length(31)),
        (key[..63].to_owned(), not_hex.clone()),
        (format!("{key}73"), length(33)),
        (key.replace("73", "7x"), not_hex.clone()),
        (String::new(), empty.clone()),
        (format!("{key}\n{key}\n"), not_hex.clone()),
    ];
    let here = [
        (format!("{key}0"), not_hex.clone()),
        (format!("0x{key}00"), length(33)),
        (format!("{key}{key}"), length(64)),
        (format!("0x0x{key}"), not_hex.clone()),
        (format!("{key}\r{key}"), not_hex.clone()),
        (format!("{key}junk"), not_hex.clone()),
        (format!("{} {}", &key[..32], &key[32..]), not_hex.clone()),
        (KEY.to_owned(), not_hex),
        ("\n".to_owned(), empty.clone()),
        ("0x".to_owned(), empty),
    ];
    for (secret, fault) in &here {
        let faults: String = loaded(secret).expect_err("it is refused").iter().map(ToString::to_string).collect();
        assert_names_the_variable(secret, fault, &faults);
    }
    for (secret, fault) in &by_envoy {
        let (accepted, log) = launch(&example(1)).env(VARIABLE, secret).validate();
        assert!(!accepted, "{secret:?}");
        assert_names_the_variable(secret, fault, &log);
    }
    let (accepted, log) = example(1).launch().validate();
    assert!(!accepted && log.contains("the environment variable ENGINE_JWT_SECRET is not set"), "{log}");
}

/// And holds nothing of its value.
fn assert_names_the_variable(secret: &str, fault: &str, text: &str) {
    assert!(text.contains(fault) && text.contains(VARIABLE), "{secret:?} leads to {text}");
    for part in secret.lines().map(|line| line.get(..16).unwrap_or(line)).filter(|part| part.len() > 2) {
        assert!(!text.contains(part), "{part} stands in {text}");
    }
}
