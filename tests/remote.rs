//! Credentials that another service judges, on a real Envoy: logins by user name and password, and token introspection (RFC 7662).

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that can't go on fails"
)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_harness::{
    Algorithm, Answer, Case, Key, PATIENCE, Plugin, Received, Request, Response, RunningStage, Server, Stage, mint, now, poll,
};
use serde_json::{Value, json};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

const TRUST: &str = "trust-of-the-gateway";
const PASSWORD: &str = "correct horse: battery \"staple\" \u{e4}";
const STALE: &str = "remote_unavailable";

/// The login service: what a user's name says is what becomes of the login.
fn login(received: &Received) -> Answer {
    let body = received.json();
    let user = body["username"].as_str().unwrap_or_default();
    let identity = |id: &str| json!({"x-ep-user-id": id, "x-ep-user-roles": "REGISTERED", "x-ep-user-scopes": "MOBEE"});
    let with = |member: &str, value: Value| {
        let mut identity = identity("G");
        identity[member] = value;
        Answer::json(&identity)
    };
    let (word, rest) = user.split_once('-').unwrap_or((user, ""));
    match word {
        _ if received.header("x-ep-trust-header").as_deref() != Some(TRUST) => Answer::status(403),
        "status" => Answer::json(&identity("G")).with_status(rest.parse().expect("a status")),
        "hang" => Answer::hang(),
        "close" => Answer::close(),
        "slow" => Answer::json(&identity(user)).after(Duration::from_millis(400)),
        "truncated" => Answer::truncated("{\"x-ep-user-id\": \"G\""),
        "redirect" => Answer::redirect("http://login.test/ok"),
        "empty" => Answer::status(200),
        "html" => Answer::text("text/html", "<html>welcome</html>"),
        "list" => Answer::json(&json!(["x-ep-user-id"])),
        "twice" => Answer::text(
            "application/json",
            "{\"x-ep-user-id\":\"A\",\"x-ep-user-id\":\"B\",\"x-ep-user-roles\":\"R\",\"x-ep-user-scopes\":\"S\"}",
        ),
        "deep" => with("deep", serde_json::from_str(&format!("{}{}", "[".repeat(40), "]".repeat(40))).expect("JSON")),
        "huge" => with("huge", json!("x".repeat(65_536))),
        "large" => with("large", json!("x".repeat(65_000))),
        "lacks" => with(rest, Value::Null),
        "number" => with(rest, json!(7)),
        "roles" => with("x-ep-user-roles", json!(["PUBLIC", "REGISTERED"])),
        "comma" => with("x-ep-user-roles", json!("PUBLIC,REGISTERED")),
        "crlf" => with("x-ep-user-id", json!("G\r\nx-ep-user-roles: ADMIN")),
        "nul" => with("x-ep-user-id", json!("G\0")),
        "umlaut" => with("x-ep-user-id", json!("J\u{f6}rg")),
        "blank" => with("x-ep-user-id", json!("")),
        _ if body["password"] != PASSWORD => Answer::text("text/plain", "no").with_status(401),
        _ => Answer::json(&identity(user)),
    }
}

fn endpoint(cluster: &str) -> Value {
    json!({"cluster": cluster, "uri": format!("http://{cluster}.test/cortex/authentication/user"), "insecure_http": true})
}

/// The provider `shoppers`, with these settings.
fn shoppers(settings: Value) -> Value {
    let header = |part: &str| json!({"identity": part, "single": true, "required": true});
    let mut remote = json!({
        "credential": "basic",
        "inputs": {"scope": {"header": "x-store", "default": "mobee"}},
        "endpoints": {"by": "scope", "telco": endpoint("telco"), "default": endpoint("login")},
        "request": {"timeout": "1s", "headers": {"x-ep-trust-header": {"env": "TRUST"}},
            "json": {"username": "{username}", "password": "{password}", "scope": "{scope}", "role": "REGISTERED"}},
        "identity": {"subject": {"claim": "x-ep-user-id"}, "roles": {"claim": "x-ep-user-roles"}, "scopes": {"claim": "x-ep-user-scopes"}},
    });
    for (name, value) in settings.as_object().expect("an object") {
        remote[name] = value.clone();
    }
    let headers = json!({"x-ep-user-id": header("subject"), "x-ep-user-roles": header("roles"), "x-ep-user-scopes": header("scopes")});
    json!({"remote": remote, "upstream": {"headers": headers}})
}

struct Logins {
    stage: RunningStage,
    login: Server,
    telco: Server,
}

impl Logins {
    fn new(settings: Value) -> Self {
        Self::of(json!({"providers": {"shoppers": shoppers(settings)}}), |stage| stage)
    }

    fn of(config: Value, change: impl FnOnce(Stage) -> Stage) -> Self {
        let (login, telco) = (Server::start(login), Server::start(login));
        let stage = Stage::new().config(config).env("TRUST", TRUST).cluster("login", login.address()).cluster("telco", telco.address());
        Self { stage: change(stage).start(), login, telco }
    }

    fn stat(&self, outcome: &str) -> u64 {
        self.stage.envoy.stat(&format!("wasmcustom.portcullis.portcullis.remote.shoppers.{outcome}")).unwrap_or(0)
    }

    /// What nobody may learn stands nowhere, and no VM died.
    fn check_silence(&self) {
        let log = self.stage.envoy.log().text();
        let stats = self.stage.envoy.admin("/stats");
        let access = self.stage.envoy.access_log().text();
        let basic = STANDARD.encode(format!("ada:{PASSWORD}"));
        for secret in [TRUST, PASSWORD, "battery", "staple", &basic] {
            for (place, text) in [("log", &log), ("stats", &stats), ("access log", &access)] {
                assert!(!text.contains(secret), "{secret} stands in the {place}:\n{text}");
            }
        }
        let reloads: u64 = self.stage.envoy.stats().iter().filter(|(name, _)| name.contains("vm_reload")).map(|(_, count)| count).sum();
        assert_eq!(reloads, 0, "the VM died: {log}");
    }
}

fn sends<'s>(scope: &'s thread::Scope<'s, '_>, stage: &'s RunningStage, request: Request) -> ScopedJoinHandle<'s, Response> {
    let client = stage.client().patience(Duration::from_secs(60));
    scope.spawn(move || client.send(&request))
}

fn basic(user: &str) -> Case {
    Case::get("/").basic(user, PASSWORD).named(user)
}

#[test]
fn logins_good_denied_and_broken() {
    let logins = Logins::new(json!({}));
    let stage = &logins.stage;
    let challenge = "Basic realm=\"api\", charset=\"UTF-8\"";
    stage.check([
        basic("ada")
            .expect(200)
            .header("x-ep-user-id", "VICTIM")
            .header("x-ep-user-roles", "ADMIN")
            .upstream("x-ep-user-id", "ada")
            .upstream("x-ep-user-roles", "REGISTERED")
            .upstream("x-ep-user-scopes", "MOBEE")
            .upstream_absent("authorization")
            .access("subject", "ada")
            .access("provider", "shoppers"),
        basic("bob").http2().expect(200).upstream("x-ep-user-id", "bob").upstream_absent("authorization"),
        Case::get("/")
            .header("authorization", format!("bASIC {}", STANDARD.encode(format!("eve:{PASSWORD}"))))
            .expect(200)
            .upstream("x-ep-user-id", "eve"),
        Case::get("/").expect(401).reason("credential_missing").answer("www-authenticate", challenge),
        Case::get("/").bearer("token").expect(401).reason("credential_missing"),
        Case::get("/")
            .basic("ada", "guess")
            .expect(401)
            .reason("remote_denied")
            .answer("www-authenticate", challenge)
            .answer("cache-control", "no-store"),
        Case::get("/").basic("ada", "").expect(401).reason("remote_denied"),
        basic("ada").header("x-store", "telco").expect(200).upstream("x-ep-user-id", "ada"),
        basic("ada").header("x-store", "other").expect(200),
    ]);
    let refused = stage.send(&Request::get("/").basic("ada", "battery-guess"));
    assert!(!format!("{:?}{}", refused.headers, refused.text()).contains("battery"), "{}", refused.text());
    // What was asked: name, password and store as they were sent, whatever stands in them.
    let first = logins.login.received().remove(0);
    assert_eq!((first.method.as_str(), first.path.as_str()), ("POST", "/cortex/authentication/user"));
    assert_eq!(first.json(), json!({"username": "ada", "password": PASSWORD, "scope": "mobee", "role": "REGISTERED"}));
    for (name, value) in
        [("host", "login.test"), ("content-type", "application/json"), ("accept", "application/json"), ("x-ep-trust-header", TRUST)]
    {
        assert_eq!(first.header(name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(first.header("authorization"), None);
    let scopes = |server: &Server| {
        server.received().iter().map(|got| got.json()["scope"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(scopes(&logins.telco), ["telco"]);
    assert!(!scopes(&logins.login).contains(&"telco".to_owned()) && scopes(&logins.login).contains(&"other".to_owned()));

    let asked = logins.login.count();
    // What can't be a login is never asked about.
    let text = |bytes: &[u8]| {
        let encoded = STANDARD.encode(bytes);
        Case::get("/").header("authorization", format!("Basic {encoded}")).named(String::from_utf8_lossy(bytes))
    };
    let raw = |value: &str| Case::get("/").header("authorization", value).named(value);
    let store = |value: &[u8]| {
        basic("ada").header("x-store", value).named(String::from_utf8_lossy(value)).expect(401).reason("credential_malformed")
    };
    stage.check([
        text(b"ada").expect(401).reason("credential_malformed"),
        text(b":password").expect(401).reason("credential_malformed"),
        text(b"").expect(401).reason("credential_malformed"),
        text(b"ada:\xff").expect(401).reason("credential_malformed"),
        text(b"ada:a\0b").expect(401).reason("credential_malformed"),
        text(b"ada:a\nb").expect(401).reason("credential_malformed"),
        text("ada:\u{85}".as_bytes()).expect(401).reason("credential_malformed"),
        text(&[b"ada:".as_slice(), &[b'x'; 65_536]].concat()[..13_000]).expect(401).reason("credential_too_large"),
        raw("Basic !!!!").expect(401).reason("credential_malformed"),
        raw("Basic YWRhOnB3").expect(401).reason("remote_denied"),
        raw("Basic YWRhOnA").expect(401).reason("credential_malformed"),
        raw("Basic YWRhOnB=").expect(401).reason("credential_malformed"),
        raw("Basic YWRhOnB3 x").expect(401).reason("credential_malformed"),
        raw("Basic  YWRhOnB3").expect(401).reason("credential_malformed"),
        raw("Basic").expect(401).reason("credential_malformed"),
        raw("Basic YWRhOnB3, Basic YWRhOnB3").expect(400).reason("credential_ambiguous"),
        basic("twice").basic("ada", PASSWORD).expect(400).reason("credential_ambiguous"),
        store(b""),
        store(&[b's'; 257]),
        store(b"\xc3\xa4"),
        basic("ada").header("x-store", "telco").header("x-store", "other").expect(400).reason("header_ambiguous"),
    ]);
    assert_eq!(logins.login.count(), asked + 1);

    // What isn't an answer never lets anyone through.
    let unclear = |user: &str| {
        basic(user)
            .expect(503)
            .reason(STALE)
            .answer("retry-after", "5")
            .answer("cache-control", "no-store")
            .answer_absent("www-authenticate")
    };
    let denied = |user: &str| basic(user).expect(401).reason("remote_denied");
    let refused = |user: &str| basic(user).expect(401).reason("header_value");
    let mut cases: Vec<Case> = [
        "status-500",
        "status-503",
        "status-504",
        "status-204",
        "status-206",
        "status-302",
        "status-400",
        "status-403",
        "status-404",
        "status-429",
    ]
    .into_iter()
    .chain(["hang", "close", "truncated", "redirect", "empty", "html", "list", "twice", "deep", "huge", "blank"])
    .chain(["lacks-x-ep-user-id", "lacks-x-ep-user-roles", "lacks-x-ep-user-scopes", "number-x-ep-user-id", "number-x-ep-user-roles"])
    .map(unclear)
    .collect();
    cases.extend([
        denied("status-401"),
        basic("large").expect(200),
        refused("roles"),
        refused("comma"),
        refused("crlf"),
        refused("nul"),
        refused("umlaut"),
    ]);
    cases.push(unclear("hang-h2").http2());
    stage.check(cases);
    assert!(stage.upstream.received().iter().all(|got| got.header("x-ep-user-roles").as_deref() == Some("REGISTERED")));
    for (outcome, least) in [("granted", 5), ("denied", 2), ("status", 10), ("invalid", 9), ("too_large", 1), ("reset", 0)] {
        assert!(logins.stat(outcome) >= least, "{outcome}: {}", logins.stat(outcome));
    }
    let line = stage.envoy.wait_for_log("no answer provider=shoppers");
    assert!(line.contains("cluster=login host=login.test"), "{line}");
    logins.check_silence();
}

#[test]
fn one_question_is_asked_once_and_remembered_for_a_while() {
    let logins = Logins::new(json!({"cache": "2s"}));
    let stage = &logins.stage;
    // At once, over HTTP/1.1 and HTTP/2: the same question once, each other one for itself.
    thread::scope(|scope| {
        let request = |user: &str, store: &str| Request::get("/").basic(user, PASSWORD).header("x-store", store);
        let mut waiting: Vec<_> = (0..6).map(|_| sends(scope, stage, request("slow-1", "a"))).collect();
        waiting.extend((0..3).map(|_| {
            let client = stage.client().http2().patience(Duration::from_secs(60));
            let request = request("slow-1", "a");
            scope.spawn(move || client.send(&request))
        }));
        waiting.extend(["slow-2", "slow-3", "slow-4"].map(|user| sends(scope, stage, request(user, "a"))));
        waiting.extend([sends(scope, stage, request("slow-1", "b")), sends(scope, stage, request("slow-1", "telco"))]);
        for handle in waiting {
            let response = handle.join().expect("a response");
            assert_eq!(response.status, 200);
        }
    });
    assert_eq!((logins.login.count(), logins.telco.count()), (5, 1));
    let subjects = stage.upstream.received().iter().filter(|got| got.header("x-ep-user-id").as_deref() == Some("slow-1")).count();
    assert_eq!(subjects, 11);
    // Remembered, and each answer for its own question.
    let began = Instant::now();
    let asked = logins.login.count();
    stage.check([
        basic("bob").expect(200),
        basic("bob").expect(200).upstream("x-ep-user-id", "bob"),
        basic("bob").http2().expect(200).upstream("x-ep-user-id", "bob"),
        Case::get("/").basic("bob", "guess").expect(401).reason("remote_denied"),
        Case::get("/").basic("bob", "guess").expect(401).reason("remote_denied"),
        basic("bob").expect(200),
    ]);
    if began.elapsed() < Duration::from_millis(1800) {
        assert_eq!(logins.login.count(), asked + 2);
    }
    thread::sleep(Duration::from_millis(2100));
    let asked = logins.login.count();
    stage.check([basic("bob").expect(200), Case::get("/").basic("bob", "guess").expect(401)]);
    assert_eq!(logins.login.count(), asked + 2);
    // A failure isn't remembered.
    logins.login.set_handler(|_| Answer::status(500));
    stage.check([basic("carol").expect(503)]);
    logins.login.set_handler(login);
    stage.check([basic("carol").expect(200)]);
    // A user who was let in is let in from memory while the service is down, and nobody else.
    logins.login.set_handler(|_| Answer::close());
    stage.check([basic("carol").expect(200), basic("dave").expect(503)]);
    logins.check_silence();
}

#[test]
fn the_room_is_bounded_and_who_leaves_takes_nothing_along() {
    let logins = Logins::new(json!({"max_in_flight": 2, "cache": "0s"}));
    let stage = &logins.stage;
    thread::scope(|scope| {
        // The one whose question it was leaves; the other gets the answer.
        let mut leaves = stage.client().connect().expect("a connection");
        leaves.write(&Request::get("/").basic("slow-1", PASSWORD).to_http1()).expect("it is written");
        assert!(poll(PATIENCE, || (logins.login.count() == 1).then_some(())).is_some());
        let stays = sends(scope, stage, Request::get("/").basic("slow-1", PASSWORD));
        thread::sleep(Duration::from_millis(50));
        drop(leaves);
        assert_eq!(stays.join().expect("a response").status, 200);
        // Not even remembered for those who come later, who ask again: 0s is no time at all.
        assert_eq!(logins.login.count(), 1);
        stage.check([basic("slow-1").expect(200), basic("ada").expect(200), basic("ada").expect(200)]);
        assert_eq!(logins.login.count(), 4);
        let hanging = [
            sends(scope, stage, Request::get("/").basic("hang-1", PASSWORD)),
            sends(scope, stage, Request::get("/").basic("hang-2", PASSWORD)),
        ];
        assert!(poll(PATIENCE, || (logins.login.count() == 6).then_some(())).is_some());
        let began = Instant::now();
        stage.check([basic("ada").expect(503).reason("remote_busy").answer("retry-after", "5"), Case::get("/").expect(401)]);
        assert!(began.elapsed() < Duration::from_millis(800), "who isn't let in waits");
        for handle in hanging {
            assert_eq!(handle.join().expect("a response").status, 503);
        }
        stage.check([basic("ada").expect(200)]);
    });
    logins.check_silence();
}

/// An introspection endpoint (RFC 7662): what a token says is what it answers.
fn introspect(received: &Received) -> Answer {
    let body = String::from_utf8_lossy(&received.body).into_owned();
    let token = body.split('&').find_map(|field| field.strip_prefix("token=")).unwrap_or_default();
    let answer = |more: Value| {
        let mut answer = json!({"active": true, "sub": "alice", "scope": "read write", "client_id": "app", "exp": now(600), "jti": token});
        for (name, value) in more.as_object().expect("an object") {
            answer[name] = value.clone();
        }
        Answer::json(&answer)
    };
    match token {
        _ if received.header("authorization").as_deref() != Some("Basic Y2xpZW50OnNlY3JldA==") => Answer::status(401),
        "inactive" => Answer::json(&json!({"active": false})),
        "silent" => Answer::json(&json!({"sub": "alice"})),
        "text" => answer(json!({"active": "true"})),
        "null" => answer(json!({"active": null})),
        "expired" => answer(json!({"exp": now(-1)})),
        "soon" => answer(json!({"exp": now(2)})),
        "endless" => answer(json!({"exp": null})),
        "dated" => answer(json!({"exp": "2030-01-01"})),
        "mallory" => answer(json!({"sub": "mallory"})),
        "reader" => answer(json!({"scope": "read"})),
        "nobody" => answer(json!({"sub": null})),
        _ => answer(json!({})),
    }
}

fn introspection() -> Value {
    json!({"remote": {
        "credential": "bearer",
        "endpoints": {"default": {"cluster": "as", "uri": "http://as.test/introspect?x=1", "insecure_http": true}},
        "request": {"headers": {"authorization": {"env": "CLIENT", "prefix": "Basic "}}, "form": {"token": "{token}", "token_type_hint": "access_token"}},
        "answer": {"denied": [], "require": {"active": true}, "expires": {"claim": "exp"}},
    }})
}

#[test]
fn token_introspection() {
    let service = Server::start(introspect);
    let config = json!({
        "providers": {"tokens": introspection()},
        "rules": [
            {"match": {"path": "/write"}, "require": {"provider": "tokens", "scopes": "write"}},
            {"match": {"path": "/app"}, "require": {"provider": "tokens", "claims": {"client_id": "app"}}},
            {"match": {"path": "/other"}, "require": {"provider": "tokens", "claims": {"client_id": "other"}}},
            {"require": "tokens"},
        ],
        "upstream": {"headers": {"x-auth-subject": {"identity": "subject"}, "x-scopes": {"identity": "scopes"}, "x-client": {"claim": "client_id"}},
            "payload_header": "x-payload"},
        "revoked": {"subjects": ["tokens/mallory"], "jti": ["stolen"]},
    });
    let stage = Stage::new().config(config).env("CLIENT", "Y2xpZW50OnNlY3JldA==").cluster("as", service.address()).start();
    let token = |path: &str, token: &str| Case::get(path).bearer(token).named(format!("{path} {token}"));
    stage.check([
        token("/", "good")
            .expect(200)
            .upstream("x-auth-subject", "alice")
            .upstream("x-scopes", "read,write")
            .upstream("x-client", "app")
            .upstream_absent("authorization"),
        token("/write", "good").expect(200),
        token("/app", "good").http2().expect(200),
        token("/other", "good").expect(401).reason("claim_mismatch"),
        token("/write", "reader").expect(401).reason("scope_missing"),
        token("/", "nobody").expect(200).upstream_absent("x-auth-subject"),
        token("/", "endless").expect(200),
        token("/", "inactive")
            .expect(401)
            .reason("remote_denied")
            .answer("www-authenticate", "Bearer realm=\"api\", error=\"invalid_token\""),
        token("/", "silent").expect(503).reason(STALE),
        token("/", "text").expect(503).reason(STALE),
        token("/", "null").expect(503).reason(STALE),
        token("/", "dated").expect(503).reason(STALE),
        token("/", "expired").expect(401).reason("remote_denied"),
        token("/", "mallory").expect(401).reason("revoked").access("subject", "mallory"),
        token("/", "stolen").expect(401).reason("revoked"),
        token("/", "a&token=good").expect(200),
        Case::get("/").bearer("a\u{e4}").expect(401).reason("credential_malformed"),
        Case::get("/").basic("alice", "x").expect(401).reason("credential_missing"),
        Case::get("/").expect(401).reason("credential_missing").answer("www-authenticate", "Bearer realm=\"api\""),
    ]);
    let bodies: Vec<String> = service.received().iter().map(|got| String::from_utf8_lossy(&got.body).into_owned()).collect();
    assert_eq!(bodies[0], "token=good&token_type_hint=access_token");
    assert!(bodies.contains(&"token=a%26token%3Dgood&token_type_hint=access_token".to_owned()), "{bodies:?}");
    assert_eq!(bodies.iter().filter(|body| body.starts_with("token=good&")).count(), 1, "asked once");
    let first = &service.received()[0];
    assert_eq!(
        (first.path.as_str(), first.header("content-type").as_deref()),
        ("/introspect?x=1", Some("application/x-www-form-urlencoded"))
    );
    // The answer's own end ends what is remembered of it.
    stage.check([token("/", "soon").expect(200)]);
    let count = || service.received().iter().filter(|got| got.body.starts_with(b"token=soon&")).count();
    let asked = count();
    thread::sleep(Duration::from_millis(2100));
    service.set_handler(|_| Answer::json(&json!({"active": false})));
    stage.check([token("/", "soon").expect(401).reason("remote_denied")]);
    assert_eq!(count(), asked + 1);
    // A client that may not ask proves nothing about tokens.
    service.set_handler(|_| Answer::status(401));
    stage.check([token("/", "another").expect(503).reason(STALE)]);
    let log = stage.envoy.log().text();
    assert!(!log.contains("Y2xpZW50OnNlY3JldA"), "{log}");
}

#[test]
fn beside_other_providers() {
    let service = Server::start(introspect);
    let key = Key::fixed(Algorithm::ES256, 1);
    let config = json!({
        "providers": {
            "shoppers": shoppers(json!({"inputs": {"scope": {"header": "x-store"}}})),
            "opaque": introspection(),
            "users": {"jwt": {"keys": {"jwks": {"keys": [key.jwk()]}}, "issuers": ["https://idp.test"], "audiences": ["api"]}},
            "partner": {"static_secret": {"sha256": "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"}, "from": [{"header": "x-api-key"}]},
        },
        "rules": [
            {"match": {"path": "/all"}, "require": {"all": ["partner", "shoppers"], "identity": "shoppers"}},
            {"match": {"path": "/optional"}, "require": {"provider": "opaque", "optional": true}},
            {"match": {"path": "/observed"}, "require": "shoppers", "mode": {"observe": {"until": "2099-01-01T00:00:00Z"}}},
            {"require": {"any": ["users", "opaque", "shoppers", "partner"]}},
        ],
    });
    let logins = Logins::of(config, |stage| stage.env("CLIENT", "Y2xpZW50OnNlY3JldA==").cluster("as", service.address()));
    let stage = &logins.stage;
    let jwt = mint(&key, json!({"iss": "https://idp.test", "aud": "api", "sub": "erin", "exp": now(600)}));
    let foreign = mint(&key, json!({"iss": "https://other.test", "aud": "api", "sub": "erin", "exp": now(600)}));
    let stored = |user: &str| basic(user).header("x-store", "mobee");
    stage.check([
        Case::get("/").bearer(&jwt).expect(200).access("provider", "users"),
        Case::get("/").bearer("good").expect(200).access("provider", "opaque"),
        Case::get("/").bearer(&foreign).named("a JWT of another issuer is opaque here").expect(200).access("provider", "opaque"),
        stored("ada").expect(200).access("provider", "shoppers"),
        // One that is bad is never made good by another; and then nobody is asked.
        stored("fay").header("x-api-key", "junk").expect(401).reason("secret_unknown"),
        Case::get("/").bearer("inactive").header("x-api-key", "secret").named("bad beside good").expect(401).reason("remote_denied"),
        Case::get("/all").basic("fay", PASSWORD).header("x-store", "mobee").expect(401).reason("credential_missing"),
        Case::get("/optional").expect(200).access("provider", Value::Null),
        Case::get("/optional").bearer("inactive").expect(401).reason("remote_denied"),
        Case::get("/optional").bearer("good").expect(200),
        basic("ada").named("an input without a default").expect(401).reason("credential_malformed"),
        Case::get("/").expect(401).reason("credential_missing"),
    ]);
    let challenges = stage.send(&Request::get("/")).header_values("www-authenticate");
    assert_eq!(challenges, ["Bearer realm=\"api\"", "Basic realm=\"api\", charset=\"UTF-8\""]);
    let asked = |user: &str| logins.login.received().iter().filter(|got| got.json()["username"] == user).count();
    assert_eq!((asked("ada"), asked("fay")), (1, 0));
    logins.check_silence();
}

#[test]
fn what_is_only_observed_never_waits_and_asks_all_the_same() {
    let mut config = json!({"providers": {"shoppers": shoppers(json!({}))}});
    config["mode"] = json!({"observe": {"until": "2099-01-01T00:00:00Z"}});
    let logins = Logins::of(config, Stage::without_guard);
    let stage = &logins.stage;
    let began = Instant::now();
    stage.check([Case::get("/").basic("slow-1", PASSWORD).expect(200).access("reason", STALE).access("verdict", "observe")]);
    assert!(began.elapsed() < Duration::from_millis(400), "it waited");
    assert!(poll(PATIENCE, || (logins.stat("granted") == 1).then_some(())).is_some());
    stage.check([Case::get("/").basic("slow-1", PASSWORD).expect(200).access("verdict", "allow").access("subject", "slow-1")]);
    assert_eq!(logins.login.count(), 1);
    logins.check_silence();
}

#[test]
fn a_policy_that_changes_forgets_what_was_said_and_loses_nobody() {
    let (service, other) = (Server::start(login), Server::start(login));
    let plugin = |settings| Plugin::new(json!({"providers": {"shoppers": shoppers(settings)}})).host_env("TRUST");
    let stage = Stage::new().discovered(&plugin(json!({}))).launch(|launch| launch.env("TRUST", TRUST));
    let stage = stage.cluster("login", service.address()).cluster("telco", other.address()).start();
    let asked = |user: &str| service.received().iter().filter(|got| got.json()["username"] == user).count();
    stage.check([basic("ada").expect(200), basic("ada").expect(200)]);
    assert_eq!(asked("ada"), 1);
    thread::scope(|scope| {
        let waiting = sends(scope, &stage, Request::get("/").basic("slow-1", PASSWORD));
        assert!(poll(PATIENCE, || (asked("slow-1") == 1).then_some(())).is_some());
        stage.discover(&plugin(json!({"answer": {"require": {"x-ep-user-roles": "PUBLIC"}}})));
        assert_eq!(waiting.join().expect("a response").status, 200, "judged by the policy that it met");
    });
    // By the new one she is no good, whatever the old one has remembered.
    let refused = || stage.send(&Request::get("/").basic("ada", PASSWORD)).status == 401;
    assert!(poll(PATIENCE, || refused().then_some(())).is_some());
    assert_eq!(asked("ada"), 2);
}

#[test]
fn an_answer_that_comes_when_its_policy_is_gone_harms_nobody() {
    let service = Server::start(login);
    let plugin = |settings| Plugin::new(json!({"providers": {"shoppers": shoppers(settings)}})).host_env("TRUST");
    let stage = Stage::new().discovered(&plugin(json!({}))).launch(|launch| launch.env("TRUST", TRUST));
    let stage = stage.cluster("login", service.address()).cluster("telco", service.address()).start();
    let asked = |user: &str| service.received().iter().filter(|got| got.json()["username"] == user).count();
    for round in 0..3 {
        let user = format!("slow-{round}");
        let mut leaves = stage.client().connect().expect("a connection");
        leaves.write(&Request::get("/").basic(&user, PASSWORD).to_http1()).expect("it is written");
        assert!(poll(PATIENCE, || (asked(&user) == 1).then_some(())).is_some());
        // The last that held the old policy leaves while its callout is under way.
        stage.discover(&plugin(json!({"cache": format!("{}s", 10 + round)})));
        thread::sleep(Duration::from_millis(100));
        drop(leaves);
        thread::sleep(Duration::from_millis(500));
        stage.check([basic("ada").expect(200), basic(&user).expect(200)]);
    }
    let reloads: u64 = stage.envoy.stats().iter().filter(|(name, _)| name.contains("vm_reload")).map(|(_, count)| count).sum();
    assert_eq!(reloads, 0, "{}", stage.envoy.log().text());
}

#[test]
fn every_worker_asks_for_itself() {
    let config = json!({"providers": {"shoppers": shoppers(json!({}))}});
    let logins = Logins::of(config, |stage| stage.concurrency(2).balanced());
    let stage = &logins.stage;
    thread::scope(|scope| {
        let request = || Request::get("/").basic("slow-1", PASSWORD);
        let waiting: Vec<_> = (0..20).map(|_| sends(scope, stage, request())).collect();
        for handle in waiting {
            assert_eq!(handle.join().expect("a response").status, 200);
        }
    });
    assert!((1..=2).contains(&logins.login.count()), "{}", logins.login.count());
    logins.check_silence();
}

#[test]
fn what_envoy_does_not_even_send_ends_in_503_however_many_wait() {
    // No such cluster, and one without a host: Envoy says so while the callouts leave, all within one call of the module.
    let endpoints = json!({"by": "scope", "telco": endpoint("none"), "default": endpoint("empty")});
    let config = json!({"providers": {"shoppers": shoppers(json!({"endpoints": endpoints, "max_in_flight": 1000}))}});
    let empty = json!({"name": "empty", "type": "STATIC", "load_assignment": {"cluster_name": "empty"}});
    let logins = Logins::of(config, |stage| stage.bootstrap(|bootstrap| bootstrap.cluster_value(empty)));
    for store in ["telco", "mobee"] {
        let crowd: Vec<Request> =
            (0..600).map(|number| Request::get("/").basic(&format!("user-{number}"), PASSWORD).header("x-store", store)).collect();
        let mut connection = logins.stage.client().http2().patience(Duration::from_secs(60)).connect().expect("a connection");
        let responses = connection.send_together(&crowd).expect("responses");
        assert!(
            responses.iter().all(|response| response.status == 503 && response.header("retry-after").as_deref() == Some("5")),
            "{store}"
        );
    }
    assert_eq!(logins.stat("not_sent"), 1200);
    logins.check_silence();
}
