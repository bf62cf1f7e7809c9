//! `streams: end_with_token` on a real Envoy: who was let in with a token goes when it ends, and when it is revoked.
#![allow(clippy::expect_used, clippy::panic, clippy::arithmetic_side_effects, reason = "a test that can't go on fails")]

use portcullis_harness::{
    Algorithm, Answer, Bootstrap, Client, Key, PATIENCE, Plugin, Request, RunningStage, Stage, WebSocket, jwks, mint, now, poll,
};
use serde_json::{Value, json};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long after its token's end a stream may last.
const LATE: Duration = Duration::from_secs(1);

fn key() -> Key {
    Key::fixed(Algorithm::ES256, 1).with_kid("k1")
}

fn token(subject: &str, seconds: i64) -> String {
    mint(&key(), json!({"iss": "https://idp.test", "sub": subject, "jti": format!("of-{subject}"), "exp": now(seconds)}))
}

/// Tokens in `authorization` end their streams, those in `x-keep` don't.
fn policy(revoked: Value) -> Value {
    let jwt = |streams: &str| {
        json!({"keys": {"jwks": jwks([&key()])}, "issuers": "https://idp.test", "audiences": "any", "clock_skew": "0s", "max_future": "60s",
               "streams": streams})
    };
    json!({
        "providers": {
            "users": {"jwt": jwt("end_with_token")},
            "kept": {"jwt": jwt("keep"), "from": [{"header": "x-keep"}]},
        },
        "rules": [{"match": {"path_prefix": "/kept"}, "require": "kept"}, {"require": "users"}],
        "revoked": revoked,
    })
}

fn stage() -> RunningStage {
    let stage = Stage::new().config(policy(json!({}))).bootstrap(Bootstrap::websockets).start();
    for path in ["/long", "/kept/long"] {
        stage.upstream.answer(path, Answer::stream("x", Duration::from_millis(20)));
    }
    stage
}

fn wall_clock() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970")
}

/// The end of a token that is good for so many seconds from now.
fn end_of(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(now(seconds)).expect("after 1970"))
}

#[track_caller]
fn assert_in_time(ended: Duration, end: Duration) {
    assert!(ended >= end && ended <= end + LATE, "at {ended:?} instead of {end:?}");
}

fn open(client: &Client, path: &str, header: (&str, &str)) -> WebSocket {
    let request = Request::get(path).header(header.0, header.1);
    let mut socket = client.websocket(&request).unwrap_or_else(|refusal| panic!("{refusal:?}"));
    assert_echoes(&mut socket);
    socket
}

fn assert_echoes(socket: &mut WebSocket) {
    socket.send("hello").expect("an open WebSocket");
    assert_eq!(socket.receive(PATIENCE).expect("in time").as_deref(), Some("hello"));
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

#[test]
fn a_websocket_ends_with_its_token_and_others_go_on() {
    let stage = stage();
    let client = stage.client();
    let end = end_of(2);
    let short = token("alice", 2);
    let mut ending = open(&client, "/", ("authorization", &bearer(&short)));
    let mut kept = open(&client, "/kept", ("x-keep", &short));
    let mut longer = open(&client, "/", ("authorization", &bearer(&token("bob", 60))));
    assert_eq!(stage.upstream.open_websockets(), 3);
    poll(PATIENCE, || (stage.upstream.open_websockets() == 2).then_some(())).expect("the upstream sees its end");
    assert_in_time(wall_clock(), end);
    assert_eq!(ending.receive(PATIENCE).expect("in time"), None);
    assert_echoes(&mut kept);
    assert_echoes(&mut longer);
    stage.envoy.wait_for_log("ended reason=token_expired provider=users subject=\"alice\"");
    assert_eq!(stage.envoy.wait_for_stat("wasmcustom.portcullis.portcullis.ended.token_expired", 1), 1);
    // Closed in time, nothing is left to end.
    longer.close();
    kept.close();
}

#[test]
fn a_long_answer_ends_with_its_token() {
    let stage = stage();
    let end = end_of(2);
    let mut connection = stage.client().connect().expect("a connection");
    let request = Request::get("/long").bearer(&token("alice", 2)).header("x-request-id", "long-1");
    assert_eq!(connection.open(&request).expect("an answer").status, 200);
    let mut last = wall_clock();
    while let Ok(bytes) = connection.read(PATIENCE) {
        if bytes.is_empty() {
            break;
        }
        last = wall_clock();
    }
    assert_in_time(last.max(end), end);
    let entry = stage.envoy.access("long-1");
    assert_eq!((&entry["reason"], &entry["verdict"]), (&json!("token_expired"), &json!("allow")), "{entry}");
}

#[test]
fn on_one_connection_each_stream_has_its_own_end() {
    let stage = stage();
    let client = stage.client().http2().patience(Duration::from_secs(8));
    let end = end_of(2);
    let started = Instant::now();
    let mut connection = client.connect().expect("a connection");
    let grpc = Request::grpc("/long", b"message").bearer(&token("alice", 2));
    let broken = connection.send(&grpc).expect_err("a stream that ends before its answer does");
    assert_in_time(wall_clock(), end);
    assert!(broken.to_string().to_lowercase().contains("reset") || started.elapsed() < Duration::from_secs(4), "{broken}");
    // The connection serves on, and a stale token opens nothing.
    assert_eq!(connection.send(&Request::get("/").bearer(&token("alice", 60))).expect("an answer").status, 200);
    assert_eq!(connection.send(&Request::get("/").bearer(&token("alice", -1))).expect("an answer").status, 401);
    let mut kept = stage.client().connect().expect("a connection");
    let request = Request::get("/kept/long").header("x-keep", token("alice", 1));
    assert_eq!(kept.open(&request).expect("an answer").status, 200);
    thread::sleep(Duration::from_millis(2500));
    let _ = kept.read(PATIENCE).expect("what came meanwhile");
    assert!(!kept.read(PATIENCE).expect("more").is_empty());
}

#[test]
fn a_revocation_ends_what_is_open() {
    let plugin = |revoked: Value| Plugin::new(policy(revoked));
    let stage = Stage::new().discovered(&plugin(json!({}))).bootstrap(Bootstrap::websockets).start();
    let client = stage.client();
    let by = |subject: &str| open(&client, "/", ("authorization", &bearer(&token(subject, 3600))));
    let (mut alice, mut mallory, mut bob) = (by("alice"), by("mallory"), by("bob"));
    let mut kept = open(&client, "/kept", ("x-keep", &token("mallory", 3600)));
    let told = Instant::now();
    stage.discover(&plugin(json!({"subjects": ["users/mallory", "kept/mallory"], "jti": ["of-bob"]})));
    assert_eq!(mallory.receive(PATIENCE).expect("in time"), None);
    assert_eq!(bob.receive(PATIENCE).expect("in time"), None);
    assert!(told.elapsed() < Duration::from_secs(3), "{:?}", told.elapsed());
    assert_echoes(&mut alice);
    assert_echoes(&mut kept);
    stage.envoy.wait_for_log("ended reason=revoked provider=users subject=\"mallory\"");
    assert!(client.websocket(&Request::get("/").bearer(&token("mallory", 3600))).is_err());
    // A policy that changes nothing for who is there.
    stage.discover(&plugin(json!({"subjects": ["users/nobody"]})));
    thread::sleep(Duration::from_millis(1500));
    assert_echoes(&mut alice);
}
