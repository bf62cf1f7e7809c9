//! Credentials in cookies on a real Envoy: whose they are, where they may come from, and what is left of them.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that can't go on fails"
)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_harness::{Algorithm, Case, Key, PATIENCE, Request, RunningStage, Stage, fresh_request_id, jwks, mint, now};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::time::Duration;

const APP: &str = "https://app.example";
const EVIL: &str = "https://evil.example";
const SECRET: &str = "secret-of-kim";

fn key(number: u32) -> Key {
    Key::fixed(Algorithm::ES256, number)
}

/// `web` takes cookies alone, `api` bearer tokens alone, `both` either; `keys` takes a secret from a cookie that any page may use; `kept` goes on to the upstream.
fn stage() -> RunningStage {
    let jwt = |issuer: &str, number: u32| json!({"keys": {"jwks": jwks([&key(number)])}, "issuers": [issuer], "audiences": "any"});
    let cookie = |name: &str| json!({"cookie": name, "origins": [APP, "http://localhost:3000"]});
    let bearer = json!({"header": "authorization", "scheme": "Bearer"});
    let rule = |path: &str, require: Value| json!({"match": {"path": path}, "require": require});
    Stage::new()
        .config(json!({
            "providers": {
                "web": {"jwt": jwt("w", 1), "from": [cookie("my_session")]},
                "api": {"jwt": jwt("a", 2)},
                "both": {"jwt": jwt("b", 3), "from": [bearer, cookie("both_session")]},
                "keys": {
                    "static_secret": {"callers": [{"id": "kim", "roles": ["r"], "secrets": [{"sha256": STANDARD.encode(Sha256::digest(SECRET))}]}]},
                    "from": [{"cookie": "key", "origins": "any"}],
                },
                "kept": {"jwt": jwt("k", 4), "from": [cookie("kept")], "upstream": {"credential": "keep"}},
            },
            "rules": [
                rule("/web", json!("web")),
                rule("/ws", json!("web")),
                rule("/key", json!("keys")),
                rule("/both", json!("both")),
                rule("/kept", json!("kept")),
                rule("/any", json!({"any": ["web", "api"]})),
                rule("/any-scopes", json!({"any": ["web", {"provider": "api", "scopes": "x"}]})),
                rule("/two", json!({"any": ["web", "keys"]})),
                rule("/all", json!({"all": ["api", "web"], "identity": "api"})),
                rule("/all-optional", json!({"all": ["api", {"provider": "web", "optional": true}]})),
                rule("/optional", json!({"provider": "web", "optional": true})),
                {"match": {"path": "/open"}, "allow": "anyone"},
                {"match": {"path": "/deny"}, "deny": true},
            ],
        }))
        .bootstrap(|bootstrap| bootstrap.websockets().trailers().hcm("http2_protocol_options", json!({"allow_connect": true})))
        .start()
}

fn token(issuer: &str, number: u32) -> String {
    mint(&key(number), json!({"iss": issuer, "sub": format!("of {issuer}"), "exp": now(3600)}))
}

/// By another key that takes the name of the right one.
fn forged(issuer: &str, number: u32) -> String {
    let name = key(number).kid().expect("a name").to_owned();
    mint(&key(9).with_kid(&name), json!({"iss": issuer, "sub": format!("of {issuer}"), "exp": now(3600)}))
}

fn web() -> String {
    format!("my_session={}", token("w", 1))
}

/// Both halves of a check that holds over either version of HTTP.
fn over_both(case: Case) -> [Case; 2] {
    [case.clone(), case.http2()]
}

fn goes(case: Case, provider: &str, cookie: Option<&str>) -> Case {
    let case = case
        .expect(200)
        .upstream("x-auth-provider", provider)
        .access("verdict", "allow")
        .access("cookie", cookie.map_or(Value::Null, Value::from));
    match cookie {
        Some(cookie) => case.upstream("cookie", cookie),
        None => case.upstream_absent("cookie"),
    }
}

fn stays(case: Case, status: u16, reason: &str, cookie: Option<&str>) -> Case {
    case.expect(status).reason(reason).access("verdict", Value::Null).access("cookie", cookie.map_or(Value::Null, Value::from))
}

#[test]
fn the_cookie_opens_and_leaves_and_the_others_stay() {
    let stage = stage();
    let to = |path: &str, cookie: &str| Case::get(path).header("cookie", cookie);
    let (good, bad) = (web(), format!("my_session={}", forged("w", 1)));
    let kept = format!("kept={}", token("k", 4));
    let mut cases = Vec::new();
    cases.extend(over_both(goes(to("/web", &good).upstream("x-auth-subject", "of w"), "web", None)));
    cases.extend(over_both(goes(to("/web", &format!("a=1; {good}; b=\"2\"; c=%3B=x; d")), "web", Some("a=1; b=\"2\"; c=%3B=x; d"))));
    cases.extend(over_both(goes(to("/web", &format!("a=1;{good};b=2")), "web", Some("a=1;b=2"))));
    // Several headers of HTTP/1.1, crumbs of HTTP/2.
    cases.extend(over_both(goes(to("/web", "a=1").header("cookie", &good).header("cookie", "b=2; c=3"), "web", Some("a=1; b=2; c=3"))));
    cases.extend(over_both(goes(to("/web", &good).header("Cookie", ""), "web", None).named("an empty crumb")));
    cases.extend(over_both(stays(
        to("/web", &good).header("cookie", &good).header("cookie", "a=1"),
        400,
        "credential_ambiguous",
        Some("a=1"),
    )));
    cases.extend(over_both(stays(to("/web", &format!("{good}; a=1; my_session=junk")), 400, "credential_ambiguous", Some("a=1"))));
    cases.extend(over_both(stays(to("/web", "my_session=; a=1"), 401, "credential_malformed", Some("a=1"))));
    cases.extend(over_both(stays(to("/web", "my_session; a=1"), 401, "credential_malformed", Some("a=1"))));
    cases.extend(over_both(
        stays(to("/web", &format!("a=1; {bad}")), 401, "signature_invalid", Some("a=1")).answer_absent("www-authenticate"),
    ));
    cases.extend(over_both(stays(to("/web", "my_session=junk"), 401, "token_malformed", None)));
    cases.extend([
        stays(Case::get("/web"), 401, "credential_missing", None).answer_absent("www-authenticate"),
        stays(Case::get("/web").bearer(&token("w", 1)), 401, "credential_missing", None)
            .named("a cookie's provider looks at cookies alone"),
        stays(Case::get(format!("/web?{good}")), 401, "credential_missing", None),
        stays(to("/web", "My_Session=x"), 401, "credential_missing", Some("My_Session=x")).named("case counts"),
        stays(to("/web", &format!("my_session={}", "l".repeat(16 * 1024 + 1))), 401, "credential_too_large", None),
        stays(to("/web", &format!("my_session=\"{}\"", token("w", 1))), 401, "token_malformed", None).named("quotes are part of it"),
        // What somebody may read as the same is no credential, and never goes upstream.
        stays(to("/web", &format!("my.session={}; a=1", token("w", 1))), 401, "credential_missing", Some("a=1")),
        goes(
            to("/web", &format!("my.session=junk; {good}; my_session[]=junk; a=1; my%5fsession=junk; x=y,my_session=junk; b=2")),
            "web",
            Some("a=1; b=2"),
        ),
        // Every provider's cookies go, whatever the rule.
        goes(to("/web", &format!("key={SECRET}; {good}; both_session=x; kept=y; a=1")), "web", Some("a=1")),
        to("/open", &format!("{good}; a=1")).expect(200).upstream("cookie", "a=1").upstream_absent("x-auth-subject"),
        to("/open", "a=1; bb=2").expect(200).upstream("cookie", "a=1; bb=2").named("nothing to cut"),
        to("/open", "a=1").header("cookie", "bb=2").expect(200).upstream_all("cookie", &["a=1", "bb=2"]),
        to("/open", "a=1").header("cookie", "bb=2").http2().expect(200).upstream("cookie", "a=1; bb=2").named("Envoy joins crumbs"),
        stays(to("/deny", &format!("{good}; a=1")), 403, "denied", Some("a=1")),
        stays(to("/nowhere", &good), 403, "no_rule", None),
        // A static secret.
        goes(to("/key", &format!("key={SECRET}")).upstream("x-auth-subject", "kim"), "keys", None),
        stays(to("/key", "key=wrong"), 401, "secret_unknown", None),
        goes(Case::post("/key", "{}").header("cookie", format!("key={SECRET}")).header("origin", EVIL), "keys", None)
            .named("any page may use it"),
        // Verified, it may go on to the upstream; nothing that isn't does.
        goes(to("/kept", &format!("a=1; {kept}; key=x")), "kept", Some(&format!("a=1; {kept}"))),
        stays(to("/kept", &format!("a=1; kept={}", forged("k", 4))), 401, "signature_invalid", Some("a=1")),
        to("/open", &format!("kept={}", token("k", 4))).expect(200).upstream_absent("cookie"),
        // In trailers nobody looks for cookies.
        Case::post("/key", "x")
            .header("cookie", format!("key={SECRET}"))
            .with(|r| r.trailer("cookie", &good).trailer("x-a", "1"))
            .expect(200)
            .upstream_trailer_absent("cookie"),
    ]);
    stage.check(cases);
    let log = stage.envoy.log().text();
    assert!(!log.contains(SECRET) && !log.contains(&good[20..60]), "{log}");
    let access_log = stage.envoy.access_log().text();
    assert!(!access_log.contains(SECRET));
    assert!(!access_log.contains(&bad[20..]), "{access_log}");
}

#[test]
fn pages_of_other_sites_cannot_use_it() {
    let stage = stage();
    let from = |case: Case, origin: Option<&str>| {
        let case = case.header("cookie", format!("{}; a=1", web()));
        match origin {
            Some(origin) => case.header("origin", origin),
            None => case,
        }
    };
    let mut cases = Vec::new();
    for method in ["POST", "PUT", "PATCH", "DELETE", "PROPFIND"] {
        for origin in [APP, "http://localhost:3000"] {
            cases.extend(over_both(goes(from(Case::method(method, "/web"), Some(origin)), "web", Some("a=1"))));
        }
        for origin in [
            None,
            Some(EVIL),
            Some("null"),
            Some(""),
            Some("https://app.example/"),
            Some("https://APP.example"),
            Some("https://app.example:443"),
            Some("https://app.example, https://app.example"),
        ] {
            let refused = stays(from(Case::method(method, "/web"), origin), 403, "origin_mismatch", Some("a=1"));
            cases.extend(over_both(refused.answer_absent("www-authenticate").answer("cache-control", "no-store")));
        }
        cases.push(
            stays(from(Case::method(method, "/web"), Some(APP)).header("origin", APP), 403, "origin_mismatch", Some("a=1")).named("twice"),
        );
    }
    for method in ["GET", "HEAD", "OPTIONS"] {
        for origin in [None, Some(APP), Some(EVIL)] {
            cases.extend(over_both(goes(from(Case::method(method, "/web"), origin), "web", Some("a=1"))));
        }
    }
    // A bearer token is nothing that a browser sends by itself.
    cases.push(goes(Case::post("/both", "x").bearer(&token("b", 3)).header("origin", EVIL), "both", None));
    cases.push(goes(
        Case::post("/both", "x").header("cookie", format!("both_session={}", token("b", 3))).header("origin", APP),
        "both",
        None,
    ));
    cases.push(stays(
        Case::post("/both", "x").header("cookie", format!("both_session={}", token("b", 3))).header("origin", EVIL),
        403,
        "origin_mismatch",
        None,
    ));
    cases.push(
        goes(Case::get("/both").bearer(&token("b", 3)).header("cookie", "both_session=junk"), "both", None)
            .named("the first place that holds one counts"),
    );
    // The method that counts is the one that was sent.
    cases.push(stays(
        from(Case::post("/web", "x"), Some(EVIL)).header("x-http-method-override", "GET"),
        403,
        "origin_mismatch",
        Some("a=1"),
    ));
    stage.check(cases);
}

#[test]
fn websockets_are_not_hijacked() {
    let stage = stage();
    let id = fresh_request_id();
    let socket = |origin: Option<&str>| {
        let request = Request::get("/ws").header("cookie", web()).header("x-request-id", &id);
        origin.map_or(request.clone(), |origin| request.header("origin", origin))
    };
    for origin in [None, Some(EVIL), Some("null")] {
        match stage.client().websocket(&socket(origin)) {
            Ok(_) => panic!("a WebSocket from {origin:?} is let in"),
            Err(refusal) => assert_eq!(refusal.expect("a response").status, 403, "{origin:?}"),
        }
    }
    assert_eq!(stage.upstream.received_with_id(&id).len(), 0);
    let Ok(mut opened) = stage.client().websocket(&socket(Some(APP))) else { panic!("the application's own WebSocket is refused") };
    opened.send("hello").expect("an open socket");
    assert_eq!(opened.receive(PATIENCE), Ok(Some("hello".into())));
    let received = stage.upstream.received_with_id(&id).pop().expect("it went upstream");
    assert_eq!((received.header("cookie"), received.header("x-auth-subject").as_deref()), (None, Some("of w")));
    opened.close();

    // Extended CONNECT (RFC 8441), with which HTTP/2 opens WebSockets.
    let extended = |origin: Option<&str>, id: &str| {
        let mut connection = stage.client().http2().patience(Duration::from_secs(2)).connect().expect("a connection");
        connection.send(&Request::get("/open")).expect("the server's settings");
        let request = Request::new("CONNECT", "/ws")
            .header(":protocol", "websocket")
            .header("sec-websocket-version", "13")
            .header("cookie", web())
            .header("x-request-id", id);
        connection.send(&origin.map_or(request.clone(), |origin| request.header("origin", origin)))
    };
    for origin in [None, Some(EVIL)] {
        let id = fresh_request_id();
        assert_eq!(extended(origin, &id).expect("an answer").status, 403, "{origin:?}");
        assert_eq!(stage.envoy.access(&id)["reason"], "origin_mismatch", "{origin:?}");
        assert_eq!(stage.upstream.received_with_id(&id).len(), 0);
    }
    let id = fresh_request_id();
    // It stays open, so there is no end to wait for.
    let _ = extended(Some(APP), &id);
    assert_eq!(stage.upstream.received_with_id(&id).len(), 1, "the application's own WebSocket over HTTP/2 goes upstream");
}

#[test]
fn a_planted_cookie_locks_nobody_out() {
    let stage = stage();
    let api = token("a", 2);
    let expired = mint(&key(1), json!({"iss": "w", "exp": now(-3600)}));
    let mut cases = Vec::new();
    for junk in [
        "my_session=junk".to_owned(),
        "my_session=".to_owned(),
        "my_session".to_owned(),
        "my_session=a; my_session=b".to_owned(),
        format!("my_session={}", forged("w", 1)),
        format!("my_session={}", token("x", 1)),
        format!("my_session={expired}"),
        format!("my_session={}", "l".repeat(16 * 1024 + 1)),
    ] {
        let planted = |path: &str| {
            Case::get(path).named(format!("{path} with {}", &junk[..junk.len().min(24)])).header("cookie", format!("{junk}; a=1"))
        };
        cases.extend([
            // Beside a good token of another member it counts for nothing.
            goes(planted("/any").bearer(&api), "api", Some("a=1")),
            goes(planted("/all-optional").bearer(&api), "api", Some("a=1")),
            // Alone it refuses, also where none would do.
            planted("/any").not_upstream().access("cookie", "a=1"),
            planted("/web").not_upstream().access("cookie", "a=1"),
            planted("/optional").not_upstream().access("cookie", "a=1"),
            planted("/all-optional").not_upstream(),
            // A member that is demanded is not satisfied by it, and the one that is not satisfied doesn't stand in for it.
            planted("/all").bearer(&api).not_upstream(),
            planted("/any-scopes").bearer(&api).not_upstream(),
            // And it is no excuse for what is bad elsewhere.
            planted("/any").bearer(&forged("a", 2)).expect(401).reason("signature_invalid").access("provider", "api"),
        ]);
    }
    let wrong_origin = |path: &str| Case::post(path, "x").header("cookie", web()).header("origin", EVIL);
    cases.extend([
        goes(wrong_origin("/any").bearer(&api), "api", None).named("a good cookie from a wrong origin"),
        stays(wrong_origin("/any"), 403, "origin_mismatch", None),
        stays(wrong_origin("/optional"), 403, "origin_mismatch", None),
        // One cookie beside another.
        goes(Case::get("/two").header("cookie", format!("my_session=junk; key={SECRET}")), "keys", None),
        goes(Case::get("/two").header("cookie", format!("{}; key=wrong", web())), "web", None),
        stays(Case::get("/two").header("cookie", "my_session=junk; key=wrong"), 401, "token_malformed", None).access("provider", "web"),
        // Both good: the first member is the identity.
        goes(Case::get("/any").header("cookie", web()).bearer(&api), "web", None),
        Case::get("/all").header("cookie", web()).bearer(&api).expect(200).upstream("x-auth-provider", "api").upstream_absent("cookie"),
        Case::get("/optional").header("cookie", "a=1").expect(200).upstream("cookie", "a=1").upstream_absent("x-auth-subject"),
        // A bad bearer token never yields to a good cookie: nobody can plant one.
        stays(Case::get("/any").header("cookie", web()).bearer(&forged("a", 2)), 401, "signature_invalid", None),
    ]);
    stage.check(cases);
}

#[test]
fn the_whole_header_can_be_removed_or_set() {
    let provider = |upstream: Value| {
        let keys = jwks([&key(1)]);
        json!({"jwt": {"keys": {"jwks": keys}, "issuers": "any", "audiences": "any"}, "from": [{"cookie": "s", "origins": "any"}], "upstream": upstream})
    };
    let stage = |upstream: Value| {
        Stage::new().config(json!({"providers": {"web": provider(upstream)}, "rules": [{"match": {"path": "/open"}, "allow": "anyone"}, {"require": "web"}]})).start()
    };
    let session = format!("s={}", token("w", 1));
    let sent = format!("a=1; {session}; b=2");
    let request = |path: &str| Case::get(path).header("cookie", &sent).expect(200);
    stage(json!({"remove": ["cookie"]})).check([request("/").upstream_absent("cookie"), request("/open").upstream_absent("cookie")]);
    stage(json!({"remove": ["cook*"], "credential": "keep"}))
        .check([request("/").upstream("cookie", &session), request("/open").upstream_absent("cookie")]);
    stage(json!({"headers": {"cookie": {"value": "mine=1"}}})).check([
        request("/").upstream("cookie", "mine=1"),
        request("/").header("cookie", "c=3").upstream("cookie", "mine=1"),
        request("/open").upstream_absent("cookie"),
    ]);
}
