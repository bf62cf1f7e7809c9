//! What operators see: metrics, access logs, and how little the log says while all goes well.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "helpers of tests"
)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_harness::{Algorithm, Case, Key, PATIENCE, Plugin, Request, RunningStage, Stage, mint, now, poll};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs;

const KEY: &str = "0123456789abcdef0123456789abcdef";
const SECRET: &str = "the-secret-of-a-partner";

fn configuration() -> String {
    format!(
        "
providers:
  users:
    jwt: {{keys: {{secret: {{text: {KEY}}}}}}}
  partners:
    static_secret: {{callers: [{{id: billing, secrets: [{{id: 2026q4, sha256: \"{}\"}}, {{id: old, sha256: \"{}\", not_after: 2020-01-01T00:00:00Z}}]}}]}}
    from: [{{header: x-api-key}}]
rules:
  - {{match: {{path_prefix: /open, methods: [GET]}}, allow: anyone}}
  - {{match: {{path_prefix: /closed}}, deny: true}}
  - {{match: {{path_prefix: /partners}}, require: partners}}
  - {{match: {{path_prefix: /users}}, require: users}}
",
        STANDARD.encode(Sha256::digest(SECRET)),
        STANDARD.encode(Sha256::digest("old-secret"))
    )
}

fn token(subject: &str) -> String {
    mint(&Key::secret(Algorithm::HS256, KEY), json!({"sub": subject, "exp": now(60)}))
}

/// The plugin's counters, without their common prefix.
fn counters(stage: &RunningStage, prefix: &str) -> BTreeMap<String, u64> {
    let stats = stage.envoy.stats().into_iter();
    stats.filter_map(|(name, value)| Some((name.strip_prefix(prefix)?.to_owned(), value))).collect()
}

#[test]
fn counts_are_exact_over_all_workers() {
    let stage = Stage::new().plugin(Plugin::new(configuration()).name("edge-1.eu/west")).concurrency(2).start();
    let prefix = "wasmcustom.portcullis.edge-1_eu_west.";
    assert_eq!(counters(&stage, prefix), BTreeMap::from([("allowed".to_owned(), 0)]), "nothing has been counted yet");
    let requests = [
        (3, Request::get("/open"), "allowed"),
        (4, Request::get("/users").bearer(&token("alice")), "allowed"),
        (5, Request::get("/partners").header("x-api-key", SECRET), "allowed"),
        (7, Request::get("/users"), "rejected.credential_missing"),
        (2, Request::get("/users").bearer("junk"), "rejected.token_malformed"),
        (6, Request::get("/partners").header("x-api-key", "wrong"), "rejected.secret_unknown"),
        (1, Request::get("/partners").header("x-api-key", "old-secret"), "rejected.secret_expired"),
        (3, Request::get("/closed"), "rejected.denied"),
        (2, Request::get("/elsewhere"), "rejected.no_rule"),
        (4, Request::post("/open", ""), "rejected.method_not_allowed"),
        (2, Request::get("/a;b"), "rejected.path_invalid"),
    ];
    let mut expected = BTreeMap::new();
    let rounds = 8;
    std::thread::scope(|scope| {
        for _ in 0..rounds {
            scope.spawn(|| {
                for (times, request, _) in &requests {
                    for _ in 0..*times {
                        // Each over its own connection, so that both workers get some.
                        stage.send(request);
                    }
                }
            });
        }
    });
    for (times, _, name) in &requests {
        *expected.entry((*name).to_owned()).or_insert(0) += times * rounds;
    }
    let counted = poll(PATIENCE, || Some(counters(&stage, prefix)).filter(|counted| *counted == expected));
    assert_eq!(counted.unwrap_or_else(|| counters(&stage, prefix)), expected);
    let workers = counters(&stage, "listener.127.0.0.1");
    let busy =
        workers.iter().filter(|(name, value)| name.contains("worker_") && name.ends_with("downstream_cx_total") && **value > 0).count();
    assert_eq!(busy, 2, "both workers had requests: {workers:?}");

    let prometheus = stage.envoy.admin("/stats/prometheus");
    for (name, value) in &expected {
        let name = format!("portcullis_edge_1_eu_west_{}", name.replace('.', "_"));
        assert!(prometheus.contains(&format!("# TYPE {name} counter\n{name}{{}} {value}\n")), "no {name} of {value} in\n{prometheus}");
    }
    // What was refused never went upstream; what was allowed did.
    assert_eq!(u64::try_from(stage.upstream.count()), Ok(expected["allowed"]));
}

#[test]
fn the_access_log_tells_who_and_why() {
    let stage = Stage::new().config(configuration()).start();
    let none = || json!(null);
    stage.check([
        Case::get("/users")
            .bearer(&token("alice"))
            .expect(200)
            .access("verdict", "allow")
            .access("provider", "users")
            .access("subject", "alice")
            .access("reason", none()),
        Case::get("/partners")
            .header("x-api-key", SECRET)
            .expect(200)
            .access("verdict", "allow")
            .access("provider", "partners")
            .access("subject", "billing")
            .access("credential", "2026q4")
            .access("reason", none()),
        Case::get("/open")
            .expect(200)
            .access("verdict", "allow")
            .access("provider", none())
            .access("subject", none())
            .access("reason", none()),
        Case::get("/users")
            .expect(401)
            .access("verdict", none())
            .access("reason", "credential_missing")
            .access("details", "credential_missing")
            .access("subject", none()),
        Case::get("/users")
            .bearer(&token("mallory")[..60])
            .expect(401)
            .access("verdict", none())
            .access("subject", none())
            .access("provider", "users")
            .access("reason", "token_malformed"),
        Case::get("/partners")
            .header("x-api-key", "old-secret")
            .expect(401)
            .access("reason", "secret_expired")
            .access("provider", "partners"),
        Case::get("/closed").expect(403).access("reason", "denied").access("provider", none()).access("verdict", none()),
    ]);
}

#[test]
fn a_subject_cant_forge_a_line() {
    let text_log = json!({
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": "{{directory}}/text.log",
            "log_format": {"text_format_source": {"inline_string":
                "LINE %REQ(X-REQUEST-ID)% %FILTER_STATE(wasm.portcullis.provider:PLAIN)% subject=%FILTER_STATE(wasm.portcullis.subject:PLAIN)% details=%RESPONSE_CODE_DETAILS%\n"}},
        },
    });
    let configuration = configuration() + "upstream: {headers: {x-auth-provider: {identity: provider}}}\n";
    let stage = Stage::new()
        .config(configuration)
        .bootstrap(|bootstrap| {
            bootstrap.edit(move |bootstrap| {
                let manager = &mut bootstrap["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
                manager["access_log"].as_array_mut().expect("a list").push(text_log.clone());
            })
        })
        .start();
    let subjects = [
        "mallory\nLINE forged users subject=root",
        "mallory\r\nLINE forged",
        "\u{85}LINE forged",
        "a\u{0}b",
        "\u{1b}[2J",
        "\u{7f}",
        "\u{2028}LINE forged",
        "\u{2029}LINE forged",
        "a\u{b}LINE forged",
        "a\u{c}LINE forged",
        "plain",
        "\u{e4}",
    ];
    for (number, subject) in subjects.iter().enumerate() {
        let id = format!("subject-{number}");
        let response = stage.send(&Request::get("/users").bearer(&token(subject)).header("x-request-id", &id));
        assert_eq!(response.status, 200, "{subject:?}: {}", response.text());
        let entry = stage.envoy.access(&id);
        let logged = entry["subject"].as_str().unwrap_or_else(|| panic!("no subject: {entry}"));
        assert!(!logged.contains(char::is_control), "{subject:?} is logged as {logged:?}");
        if ["plain", "\u{e4}"].contains(subject) {
            assert_eq!(logged, *subject);
        }
    }
    let file = stage.envoy.directory().join("text.log");
    let text = poll(PATIENCE, || {
        let text = fs::read_to_string(&file).unwrap_or_default();
        (text.matches("LINE subject-").count() == subjects.len()).then_some(text)
    })
    .unwrap_or_else(|| panic!("{:?}", fs::read_to_string(&file)));
    let lines: Vec<&str> = text.split_inclusive(['\n', '\r', '\u{85}', '\u{b}', '\u{c}', '\u{2028}', '\u{2029}']).collect();
    assert_eq!(lines.len(), subjects.len(), "{lines:#?}");
    assert!(lines.iter().all(|line| line.starts_with("LINE subject-")), "{lines:#?}");
}

#[test]
fn nothing_is_logged_about_what_is_allowed() {
    let stage = Stage::new().config(configuration()).launch(|launch| launch.component_log_level("wasm:info")).start();
    let lines = || stage.envoy.log().text().lines().map(str::to_owned).collect::<Vec<_>>();
    // A worker begins with lines of its own.
    assert_eq!(stage.get("/elsewhere").status, 403);
    stage.envoy.wait_for_log("reason=no_rule");
    let before = lines();
    assert!(before.iter().any(|line| line.contains("portcullis ")), "the module names itself at its start: {before:#?}");
    let alice = token("alice");
    for _ in 0..20 {
        assert_eq!(stage.get("/open").status, 200);
        assert_eq!(stage.send(&Request::get("/users").bearer(&alice)).status, 200);
        assert_eq!(stage.send(&Request::get("/partners").header("x-api-key", SECRET)).status, 200);
    }
    // One refusal, so that the log is known to have come this far.
    assert_eq!(stage.get("/closed").status, 403);
    stage.envoy.wait_for_log("reason=denied");
    let said: Vec<String> = lines().split_off(before.len());
    assert_eq!(said.len(), 1, "{said:#?}");
}

#[test]
fn an_inline_secret_is_warned_of_and_never_shown() {
    let stage = Stage::new().config(configuration()).start();
    let log = stage.envoy.log().text();
    assert!(log.contains("providers.users.jwt.keys.secret.text: a secret that stands in the configuration"), "{log}");
    assert!(!log.contains(KEY), "{log}");
    let by_variable = configuration().replace(&format!("{{text: {KEY}}}"), "{env: JWT_KEY}");
    let stage = Stage::new().config(by_variable).env("JWT_KEY", KEY).start();
    stage.check([Case::get("/users").bearer(&token("alice")).expect(200)]);
    for (place, text) in [
        ("log", stage.envoy.log().text()),
        ("configuration dump", stage.envoy.admin("/config_dump")),
        ("stats", stage.envoy.admin("/stats")),
    ] {
        assert!(!text.contains(KEY), "the key is in the {place}");
    }
}
