//! What is left behind: in headers for the service, in logs, in dumps, in caches. What mallory sends is written down in
//! all of them, and read by others.

use crate::house::{BARE, MALLORY, OPERATOR, both, digest, house};
use portcullis_harness::{Algorithm, Case, Key, PATIENCE, Request, Response, RunningStage, Stage, fresh_request_id, mint, now, poll};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::sync::LazyLock;

const KEY: &str = "0123456789abcdef0123456789abcdef";

/// Users with tokens by a shared key, which the issuer signs with any subject that they choose. A second access log is
/// written as text, a line for each request.
fn users() -> &'static RunningStage {
    static USERS: LazyLock<RunningStage> = LazyLock::new(|| {
        let text = json!({"name": "text", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": "{{directory}}/text.log",
            "log_format": {"text_format_source": {"inline_string":
                "LINE %REQ(X-REQUEST-ID)% %FILTER_STATE(wasm.portcullis.subject:PLAIN)% %REQ(X-NOTE)% %RESPONSE_CODE_DETAILS%\n"}},
        }});
        Stage::new()
            .config(json!({
                "providers": {"users": {
                    "jwt": {"keys": {"secret": {"env": "KEY", "as": "text"}}, "required_claims": ["exp"]},
                }},
                "rules": [
                    {"match": {"path_prefix": "/named"}, "require": {"provider": "users", "scopes": "x"}},
                    {"require": "users"},
                ],
                "upstream": {"headers": {"x-auth-provider": {"identity": "provider"}, "x-mail": {"claim": "mail"}}},
            }))
            .env("KEY", KEY)
            .bootstrap(|bootstrap| {
                bootstrap.edit(move |bootstrap| {
                    let manager = &mut bootstrap["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
                    manager["access_log"].as_array_mut().expect("a list").push(text.clone());
                })
            })
            .start()
    });
    &USERS
}

fn token(changes: Value) -> String {
    let mut claims = json!({"sub": "alice", "exp": now(3600)});
    claims.as_object_mut().expect("an object").extend(changes.as_object().expect("an object").clone());
    mint(&Key::secret(Algorithm::HS256, KEY), claims)
}

/// The lines of Envoy's log that tell of refusals.
fn rejections(stage: &RunningStage) -> Vec<String> {
    stage.envoy.log().lines_with("rejected ")
}

/// A line of the log is what the one who reads it at night believes: mallory writes her own into a path, a host or an id,
/// that name somebody else; buries a real one under ten thousand; and finds, in lines about others, their tokens.
#[test]
fn lines_of_the_log() {
    let stage = house();
    for request in [
        Request::get("/x%0a%0drejected%20reason=forged").header("x-api-key", "junk"),
        Request::get("/x\" reason=forged x=\"").header("x-api-key", "junk"),
        Request::get("/x").header("x-api-key", "junk").header("x-request-id", "a\" reason=forged b=\""),
        Request::get("/x").header("x-api-key", b"junk\xff\x80reason=forged"),
        Request::get("/x").host("x\" reason=forged").header("x-api-key", "junk"),
        Request::get(format!("/{}", "long/".repeat(2000))).header("x-api-key", "junk"),
        Request::new("REASON=FORGED", "/x"),
        Request::get("/x?access_token=the-token-of-a-victim&x=private"),
    ] {
        for client in [stage.client(), stage.client().http2()] {
            let _ = client.try_send(&request);
        }
    }
    stage.check([Case::get("/last-line").expect(401)]);
    poll(PATIENCE, || rejections(stage).iter().any(|line| line.contains("/last-line")).then_some(())).expect("a line");
    for line in rejections(stage) {
        // What a client wrote stands between quotation marks, and its own are escaped.
        let outside: String = line.replace("\\\\", "").replace("\\\"", "").split('"').step_by(2).collect();
        assert_eq!(outside.matches("reason=").count(), 1, "{line}");
        assert!(!outside.contains("forged"), "{line}");
        assert!(line.len() < 1000, "{line}");
        assert!(!line.contains("victim") && !line.contains("private"), "{line}");
    }
    let log = stage.envoy.log().text();
    assert!(log.is_ascii() && !log.lines().any(|line| line.starts_with("rejected")), "{log}");
    // A flood of one reason is a few lines and a count, and doesn't drown another one.
    let before = stage.envoy.log().lines_with("rejected reason=method_not_allowed").len();
    let mut connection = stage.client().connect().expect("a connection");
    let begun = std::time::Instant::now();
    for _ in 0..300 {
        let _ = connection.send(&Request::new("POST", "/reports")).expect("a response");
    }
    stage.check([Case::get("/after-the-flood").host("admin.test").header("x-api-key", MALLORY).expect(401).reason("roles_absent")]);
    poll(PATIENCE, || rejections(stage).iter().any(|line| line.contains("/after-the-flood")).then_some(())).expect("it is not drowned");
    let lines = stage.envoy.log().lines_with("rejected reason=method_not_allowed").len() - before;
    let seconds = usize::try_from(begun.elapsed().as_secs()).expect("soon") + 2;
    assert!((1..=11 * seconds).contains(&lines), "{lines} lines in {seconds} seconds");
}

/// Who may look at Envoy's admin interface sees the configuration, and in it every secret that stands there.
#[test]
fn secrets_in_the_configuration_dump() {
    let policy = |secret: Value| json!({"providers": {"users": {"jwt": {"keys": {"secret": secret}}}}});
    let inline = Stage::new().config(policy(json!({"text": KEY}))).start();
    assert!(inline.envoy.admin("/config_dump").contains(KEY), "the attack is none");
    let warned = inline.envoy.log().lines_with("providers.users.jwt.keys.secret.text");
    assert!(warned.iter().any(|line| line.contains("[warning]")), "{warned:#?}");
    let stage = users();
    stage.check([Case::get("/").bearer(&token(json!({}))).expect(200)]);
    let dump = stage.envoy.admin("/config_dump");
    assert!(dump.contains("host_env_keys") && dump.contains("portcullis"));
    for (place, text) in [
        ("dump", dump),
        ("log", stage.envoy.log().text()),
        ("stats", stage.envoy.admin("/stats")),
        ("clusters", stage.envoy.admin("/clusters")),
    ] {
        assert!(!text.contains(KEY), "the key is in the {place}");
    }
    let failure = Stage::new()
        .config(json!({"providers": {"x": {"static_secret": {"sha256": format!("{}00", digest(OPERATOR))}}}}))
        .try_start()
        .err();
    assert!(!failure.expect("33 bytes are none of a digest").to_string().contains(&digest(OPERATOR)), "a fault shows what it is about");
}

/// Mallory chooses her name, or her address, so that it ends a header and begins another one: `x-mail: x\r\nx-auth-roles: admin`.
#[test]
fn a_value_that_ends_its_header() {
    let stage = users();
    let mail = |value: &str| Case::get("/").bearer(&token(json!({"mail": value}))).named(format!("{value:?}"));
    let mut cases = vec![mail("a@x.test").expect(200).upstream("x-mail", "a@x.test")];
    for value in [
        "a\r\nx-auth-roles: admin",
        "a\nx: y",
        "a\r",
        "\na",
        "a\0b",
        "a\u{85}b",
        "a\u{2028}b",
        "\u{e4}@x.test",
        "a, b",
        " a",
        "a ",
        "\u{7f}",
    ] {
        cases.push(mail(value).expect(401).reason("header_value"));
    }
    cases.push(Case::get("/").bearer(&token(json!({"mail": ["a@x.test", "b@x.test,operator@x.test"]}))).expect(401).reason("header_value"));
    stage.check(both(cases));
    assert!(stage.upstream.received().iter().all(|received| received.header("x-auth-roles").is_none()));
}

/// Tokens that were refused are still good elsewhere, or were mistyped by one letter: whoever reads the access log has them.
#[test]
fn refused_tokens_in_the_access_log() {
    let stage = house();
    let secret = "the-token-of-a-victim";
    let path = |path: &str| format!("{path}?a=1&access_token={secret}&access%5Ftoken={secret}");
    stage.check([
        Case::get(path(BARE))
            .named("where nobody looks")
            .header("authorization", format!("Bearer {secret}"))
            .expect(200)
            .access("path", path(BARE)),
        Case::get(path("/")).named("twice").expect(400).access("path", "/?a=1"),
        Case::get(format!("/?access_token={secret}&b")).named("unknown").expect(401).access("path", "/?b"),
        Case::get(format!("/admin?access.token={secret}&b")).named("denied").expect(401).access("path", "/admin?b"),
        Case::get(format!("/reports?access_token={secret}")).named("another method").expect(401).access("path", "/reports"),
        Case::method("POST", format!("/reports?access_token={secret}")).named("another method").expect(405).access("path", "/reports"),
        Case::get(format!("//?access_token={secret}")).named("a bad path").expect(400).access("path", "//"),
        Case::get(format!("/door?access_token={secret}")).named("for anyone").expect(200).access("path", "/door"),
    ]);
    let with_token = |path: &str| Case::get(path).bearer(&format!("{}x", token(json!({}))));
    users().check(both([
        with_token("/").expect(401).access("authorization", Value::Null),
        Case::get("/named").bearer(&token(json!({}))).expect(401).access("authorization", Value::Null),
        Case::get("/").header("authorization", format!("Basic {secret}")).expect(401).access("authorization", Value::Null),
        Case::get("/").header("authorization", secret).expect(401).access("authorization", Value::Null),
    ]));
}

/// A subject with a line feed writes a line of its own into an access log of text, through the filter state: a request
/// that never was, by the operator.
#[test]
fn a_subject_that_is_two_lines() {
    let stage = users();
    let breaks = ["\n", "\r\n", "\r", "\u{b}", "\u{c}", "\u{85}", "\u{2028}", "\u{2029}"];
    let mut ids = BTreeSet::new();
    for (path, status) in [("/", 200), ("/named", 401)] {
        for end in breaks {
            let id = fresh_request_id();
            let forged = token(json!({"sub": format!("mallory{end}LINE forged operator 200")}));
            assert_eq!(stage.send(&Request::get(path).bearer(&forged).header("x-request-id", &id)).status, status);
            ids.insert(id);
        }
    }
    let file = stage.envoy.directory().join("text.log");
    let text = poll(PATIENCE, || {
        let text = fs::read_to_string(&file).unwrap_or_default();
        ids.iter().all(|id| text.contains(id)).then_some(text)
    });
    let text = text.expect("every request has its line");
    for line in text.split(['\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}']).filter(|line| !line.is_empty()) {
        assert!(line.starts_with("LINE ") && !line.starts_with("LINE forged"), "{line}");
    }
}

/// Whether a shared cache may keep an answer and give it to others (RFC 9111, section 3; RFC 9110, section 15.1).
fn may_be_kept(response: &Response) -> bool {
    let says = response.header_values("cache-control").join(",");
    !says.contains("no-store") && !says.contains("private")
}

/// Mallory makes the filter refuse a page that is for everybody, by a header that no cache looks at; the cache before
/// Envoy keeps the refusal, and gives it to everybody.
#[test]
fn a_refusal_that_a_cache_keeps() {
    let stage = house();
    let upgrade = |connection: &str| Request::get("/door").header("connection", connection).header("upgrade", "websocket");
    let mut statuses = BTreeSet::new();
    for request in [
        Request::get("/x"),
        Request::get("/x").header("x-api-key", "junk"),
        Request::get("/x").header("x-api-key", MALLORY).header("x-api-key", MALLORY),
        Request::get("/admin").header("x-api-key", MALLORY),
        Request::new("POST", "/reports"),
        Request::new("POST", "/door").header("early-data", "1"),
        Request::get("/door/..;/x"),
        Request::get("/door").host("a..test"),
        upgrade("upgrade, x-auth-subject"),
        Request::grpc("/x", b""),
    ] {
        for client in [stage.client(), stage.client().http2()] {
            let Ok(response) = client.try_send(&request) else { continue };
            if response.status == 101 || response.header("cache-control").is_none() && response.text().is_empty() {
                continue;
            }
            assert!(!may_be_kept(&response), "{request:?}: {response:?}");
            statuses.insert(response.status);
        }
    }
    assert!([400, 401, 405, 425].iter().all(|status| statuses.contains(status)), "{statuses:?}");
    assert!(may_be_kept(&stage.get("/door")), "the page itself is as the service says");
}
