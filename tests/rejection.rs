//! What refused callers are told, and what the log tells of them.
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
use portcullis_harness::{Algorithm, Answer, Case, Key, PATIENCE, Request, RunningStage, Stage, fresh_request_id, mint, now, poll};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const KEY: &str = "0123456789abcdef0123456789abcdef";
const SECRET: &str = "the-secret-of-a-partner";

fn token(claims: &Value) -> String {
    let mut claims = claims.clone();
    if claims["exp"].is_null() {
        claims["exp"] = json!(now(60));
    }
    mint(&Key::secret(Algorithm::HS256, KEY), claims)
}

fn alice() -> String {
    token(&json!({"sub": "alice", "scope": "read", "roles": ["reader"]}))
}

/// One rule for every class of refusal.
fn stage(reject: &str) -> Stage {
    let configuration = format!(
        "
providers:
  users:
    jwt: {{keys: {{secret: {{text: {KEY}}}}}, identity: {{roles: [{{claim: roles}}]}}}}
  partners:
    static_secret: {{callers: [{{id: billing, roles: [payer], secrets: [{{sha256: \"{}\"}}]}}]}}
    from: [{{header: x-api-key}}, {{query: key}}]
  members:
    client_certificate: {{source: connection, server_name: any}}
  distant:
    jwt: {{keys: {{jwks_uri: http://idp.test/jwks, cluster: idp, insecure_http: true, wait: 100ms}}, issuers: [https://idp.test], audiences: [api]}}
    from: [{{header: x-distant}}]
rules:
  - {{match: {{path_prefix: /open, methods: [GET]}}, allow: anyone}}
  - {{match: {{path_prefix: /closed}}, deny: true}}
  - {{match: {{path_prefix: /users}}, require: users}}
  - {{match: {{path_prefix: /partners}}, require: partners}}
  - {{match: {{path_prefix: /members}}, require: members}}
  - {{match: {{path_prefix: /distant}}, require: distant}}
  - {{match: {{path_prefix: /scope}}, require: {{provider: users, scopes: {{all: [read, write]}}}}}}
  - {{match: {{path_prefix: /role}}, require: {{provider: users, roles: admin}}}}
  - {{match: {{path_prefix: /claim}}, require: {{provider: users, claims: {{tenant: acme}}}}}}
  - {{match: {{path_prefix: /payer}}, require: {{provider: partners, roles: admin}}}}
  - {{match: {{path_template: \"/path/{{scope}}\"}}, require: {{provider: users, scopes: \"{{path.scope}}\"}}}}
reject: {reject}
",
        STANDARD.encode(Sha256::digest(SECRET))
    );
    Stage::new().config(configuration)
}

/// Over both versions of HTTP.
fn both(cases: impl IntoIterator<Item = Case>) -> Vec<Case> {
    cases.into_iter().flat_map(|case| [case.clone(), case.http2()]).collect()
}

/// The line of Envoy's log about a request.
fn line(stage: &RunningStage, id: &str) -> String {
    stage
        .envoy
        .log()
        .wait_for(&format!("request_id=\"{id}\""), PATIENCE)
        .unwrap_or_else(|| panic!("no line for {id}:\n{}", stage.envoy.log().text()))
}

/// The members of a line about a refusal, read strictly: `key=word` or `key="text"`, where text has its quotes escaped.
fn members(line: &str) -> Vec<(String, String)> {
    let (_, mut rest) = line.split_once(": rejected ").unwrap_or_else(|| panic!("not about a refusal: {line}"));
    let mut members = Vec::new();
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=').unwrap_or_else(|| panic!("no key at {rest:?} in {line}"));
        assert!(key.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{key:?} is no key in {line}");
        let (value, after) = match after.strip_prefix('"') {
            None => after.split_once(' ').unwrap_or((after, "")),
            Some(text) => {
                let mut escaped = false;
                let is_end = |c| {
                    let ends = c == '"' && !escaped;
                    escaped = c == '\\' && !escaped;
                    ends
                };
                let end = text.find(is_end).unwrap_or_else(|| panic!("no end of {text:?} in {line}"));
                let (value, after) = text.split_at(end);
                (value, after[1..].strip_prefix(' ').unwrap_or(&after[1..]))
            }
        };
        members.push((key.to_owned(), value.to_owned()));
        rest = after;
    }
    members
}

const BEARER: &str = "Bearer realm=\"api\"";

#[test]
fn every_class_of_refusal_has_its_answer() {
    let stage = stage("{}").start();
    stage.identity_provider.serve_instead(Answer::status(500));
    let invalid = format!("{BEARER}, error=\"invalid_token\"");
    let scope = |scope: &str| format!("{BEARER}, error=\"insufficient_scope\", scope=\"{scope}\"");
    let insufficient = format!("{BEARER}, error=\"insufficient_scope\"");
    let problem = |case: Case, status: u16, reason: &str| {
        case.expect(status)
            .reason(reason)
            .access("details", reason)
            .access("verdict", json!(null))
            .answer("cache-control", "no-store")
            .answer("content-type", "application/problem+json")
    };
    let distant = mint(&Key::fixed(Algorithm::ES256, 1), json!({"iss": "https://idp.test", "aud": "api", "sub": "a", "exp": now(60)}));
    let alice = alice();
    stage.check(both([
        problem(Case::get("/users"), 401, "credential_missing")
            .answer("www-authenticate", BEARER)
            .answer_absent("retry-after")
            .answer_absent("allow"),
        problem(Case::get("/users").header("authorization", "Basic eA=="), 401, "credential_missing").answer("www-authenticate", BEARER),
        problem(Case::get("/users").header("authorization", ""), 401, "credential_malformed"),
        problem(Case::get("/users").header("authorization", "Bearer"), 401, "credential_malformed").answer("www-authenticate", &invalid),
        problem(Case::get("/users").header("authorization", "Bearer  x"), 401, "credential_malformed"),
        problem(Case::get("/users").bearer("junk"), 401, "token_malformed").answer("www-authenticate", &invalid),
        problem(Case::get("/users").bearer(&format!("{alice}x")), 401, "signature_invalid").answer("www-authenticate", &invalid),
        problem(Case::get("/users").bearer(&token(&json!({"sub": "a", "exp": now(-3600)}))), 401, "token_expired")
            .answer("www-authenticate", &invalid),
        problem(Case::get("/users").bearer(&alice).bearer(&alice), 400, "credential_ambiguous")
            .answer("www-authenticate", &format!("{BEARER}, error=\"invalid_request\"")),
        problem(Case::get("/partners"), 401, "credential_missing"),
        problem(Case::get("/partners").header("x-api-key", "wrong"), 401, "secret_unknown"),
        problem(Case::get("/partners?key=a&key=b"), 400, "credential_ambiguous"),
        problem(Case::get("/scope").bearer(&alice), 401, "scope_missing").answer("www-authenticate", &scope("write")),
        problem(Case::get("/role").bearer(&alice), 401, "role_missing").answer("www-authenticate", &insufficient),
        problem(Case::get("/claim").bearer(&alice), 401, "claim_mismatch").answer("www-authenticate", &insufficient),
        problem(Case::get("/members"), 401, "certificate_missing").answer_absent("www-authenticate"),
        problem(Case::get("/closed"), 403, "denied").answer_absent("www-authenticate"),
        problem(Case::get("/nowhere").bearer(&alice), 403, "no_rule").answer_absent("www-authenticate"),
        problem(Case::post("/open", "x"), 405, "method_not_allowed").answer("allow", "GET, HEAD").answer_absent("www-authenticate"),
        problem(Case::post("/users", "x").header("early-data", "1"), 425, "early_data").answer_absent("www-authenticate"),
        problem(Case::get("/a;b"), 400, "path_invalid").answer_absent("www-authenticate"),
        problem(Case::get("/distant").header("x-distant", &distant), 503, "keys_unavailable").answer_absent("www-authenticate"),
        problem(Case::get("/distant").header("x-distant", &distant), 503, "keys_unavailable").answer("retry-after", "5"),
        // HEAD has the headers alone.
        problem(Case::method("HEAD", "/users"), 401, "credential_missing").answer("www-authenticate", BEARER),
        problem(Case::method("HEAD", "/nowhere"), 403, "no_rule"),
    ]));
    for client in [stage.client(), stage.client().http2()] {
        let response = client.get("/users");
        assert_eq!(response.json(), json!({"title": "Unauthorized", "status": 401}));
        assert_eq!(client.send(&Request::get("/users").bearer("junk")).json(), response.json());
        assert_eq!(client.get("/closed").json(), json!({"title": "Forbidden", "status": 403}));
        assert_eq!(client.send(&Request::new("HEAD", "/users")).body, b"");
        // The connection goes on after a refusal.
        let mut connection = client.connect().expect("a connection");
        for _ in 0..3 {
            assert_eq!(connection.send(&Request::get("/users")).expect("a response").status, 401);
            assert_eq!(connection.send(&Request::new("HEAD", "/users")).expect("a response").status, 401);
            assert_eq!(connection.send(&Request::get("/users").bearer(&alice)).expect("a response").status, 200);
        }
    }
    // A scope that a client put into the path doesn't break the challenge.
    for (path, scope) in [
        ("/path/admin", Some("admin")),
        ("/path/a%22,x=%22", None),
        ("/path/a%20b", None),
        ("/path/%C3%A4", None),
        ("/path/a%0d%0ax:y", None),
    ] {
        let response = stage.send(&Request::get(path).bearer(&alice));
        assert!(matches!(response.status, 400 | 401), "{path}: {}", response.status);
        let challenge = response.header("www-authenticate").unwrap_or_default();
        let expected = match scope {
            Some(scope) => format!("{insufficient}, scope=\"{scope}\""),
            None if response.status == 400 => String::new(),
            None => insufficient.clone(),
        };
        assert_eq!(challenge, expected, "{path}");
    }
}

#[test]
fn answers_can_be_configured() {
    let stage = stage(
        "
  realm: 'my \"own\" \\ realm'
  forbidden: 403
  status: {token_expired: 403, no_rule: 404, credential_missing: 407}
  messages: {credential_missing: No credential provided, role_missing: \"The role {role} is needed\", denied: \"\"}
  body: detail
  explain: true
  resource_metadata: https://api.example/.well-known/oauth-protected-resource
",
    )
    .start();
    let realm = "Bearer realm=\"my \\\"own\\\" \\\\ realm\"";
    let metadata = "resource_metadata=\"https://api.example/.well-known/oauth-protected-resource\"";
    let alice = alice();
    stage.check(both([
        Case::get("/users")
            .expect(407)
            .reason("credential_missing")
            .answer("content-type", "application/json")
            .body_contains(r#"{"detail":"No credential provided"}"#),
        Case::get("/users")
            .bearer(&token(&json!({"exp": now(-3600)})))
            .expect(403)
            .reason("token_expired")
            .body_contains("The token has expired."),
        Case::get("/role").bearer(&alice).expect(403).body_contains(r#"{"detail":"The role admin is needed"}"#),
        Case::get("/payer").header("x-api-key", SECRET).expect(403).body_contains(r#"{"detail":"The role admin is needed"}"#),
        Case::get("/nowhere").expect(404).reason("no_rule").answer_absent("www-authenticate"),
        Case::get("/closed").expect(403).body_contains(r#"{"detail":""}"#),
        Case::get("/users").bearer("junk").expect(401).answer(
            "www-authenticate",
            &format!("{realm}, error=\"invalid_token\", error_description=\"The token is not a well-formed JWT.\", {metadata}"),
        ),
        Case::get("/scope").bearer(&alice).expect(403).answer(
            "www-authenticate",
            &format!("{realm}, error=\"insufficient_scope\", error_description=\"A scope is missing.\", scope=\"write\", {metadata}"),
        ),
    ]));
}

#[test]
fn problems_texts_and_silence() {
    let explained = stage("{explain: true, forbidden: 403, messages: {no_rule: 'Ask \"us\"', denied: \"a \\\\ b\\n\\t\\x01 \\x7f \u{e4}\u{2028}\u{1f600} </script>\"}}").start();
    explained.check([
        Case::get("/users").expect(401).answer("www-authenticate", BEARER),
        Case::get("/role")
            .bearer(&alice())
            .expect(403)
            .answer("www-authenticate", &format!("{BEARER}, error=\"insufficient_scope\", error_description=\"A role is missing.\"")),
    ]);
    assert_eq!(
        explained.get("/users").json(),
        json!({"title": "Unauthorized", "status": 401, "detail": "No credential was sent.", "reason": "credential_missing"})
    );
    assert_eq!(explained.get("/nowhere").json(), json!({"title": "Forbidden", "status": 403, "detail": "Ask \"us\"", "reason": "no_rule"}));
    assert_eq!(explained.get("/closed").json()["detail"], "a \\ b\n\t\u{1} \u{7f} \u{e4}\u{2028}\u{1f600} </script>");
    drop(explained);

    let text = stage("{body: text, challenge: basic, messages: {credential_missing: 'No credential provided'}}").start();
    text.check([
        Case::get("/users")
            .expect(401)
            .answer("content-type", "text/plain; charset=utf-8")
            .answer("www-authenticate", "Basic realm=\"api\", charset=\"UTF-8\""),
        Case::get("/members").expect(401).answer("www-authenticate", "Basic realm=\"api\", charset=\"UTF-8\""),
        Case::get("/closed").expect(403).answer_absent("www-authenticate"),
    ]);
    assert_eq!(text.get("/users").text(), "No credential provided");
    assert_eq!(text.get("/closed").text(), "Forbidden");
    drop(text);

    let silent = stage("{body: none, challenge: none}").start();
    silent.check(both([
        Case::get("/users").expect(401).answer_absent("www-authenticate").answer_absent("content-type").answer("cache-control", "no-store"),
        Case::get("/users").bearer("junk").expect(401).answer_absent("www-authenticate"),
    ]));
    assert_eq!(silent.get("/users").body, b"");
}

#[test]
fn grpc_callers_get_a_grpc_status() {
    let upstream = portcullis_harness::Upstream::start();
    let address = upstream.address();
    let stage = stage("{messages: {credential_missing: 'Say who you are: 100 %'}}")
        .upstream(upstream)
        .bootstrap(|bootstrap| bootstrap.cluster_http2("upstream", address))
        .start();
    stage.identity_provider.serve_instead(Answer::status(500));
    let distant = mint(&Key::fixed(Algorithm::ES256, 1), json!({"iss": "https://idp.test", "aud": "api", "sub": "a", "exp": now(60)}));
    let call = |path: &str| Case::new(Request::grpc(path, b"")).http2();
    let mut cases = vec![
        call("/users/Call").bearer(&alice()).expect(200).upstream("x-auth-subject", "alice").answer_trailer("grpc-status", "0"),
        call("/users/Call")
            .expect(200)
            .reason("credential_missing")
            .answer_trailer("grpc-status", "16")
            .answer_trailer("grpc-message", "Say who you are: 100 %25")
            .answer("cache-control", "no-store"),
        call("/users/Call")
            .bearer("junk")
            .expect(200)
            .reason("token_malformed")
            .answer_trailer("grpc-status", "16")
            .answer("www-authenticate", &format!("{BEARER}, error=\"invalid_token\"")),
        call("/closed/Call").expect(200).reason("denied").answer_trailer("grpc-status", "7"),
        call("/nowhere/Call").expect(200).reason("no_rule").answer_trailer("grpc-status", "7"),
        call("/a;b/Call").expect(200).reason("path_invalid").answer_trailer("grpc-status", "3"),
        call("/users/Call").bearer("a").bearer("b").expect(200).reason("credential_ambiguous").answer_trailer("grpc-status", "3"),
        call("/open/Call").expect(200).reason("method_not_allowed").answer_trailer("grpc-status", "12"),
        call("/distant/Call").header("x-distant", &distant).expect(200).reason("keys_unavailable").answer_trailer("grpc-status", "14"),
        call("/users/Call").header("early-data", "1").expect(200).reason("early_data").answer_trailer("grpc-status", "14"),
    ];
    for content_type in ["application/grpc+proto", "application/grpc+json"] {
        let case = Case::post("/users/Call", "x").header("content-type", content_type).named(content_type);
        cases.push(case.clone().http2().expect(200).reason("credential_missing").answer_trailer("grpc-status", "16"));
        cases.push(case.expect(200).reason("credential_missing").answer_trailer("grpc-status", "16"));
    }
    for content_type in [
        "application/grpc-web",
        "application/grpc-web+proto",
        "application/grpcx",
        "application/json",
        "text/plain; application/grpc",
        "x-application/grpc",
    ] {
        let case = Case::post("/users/Call", "x")
            .header("content-type", content_type)
            .named(content_type)
            .expect(401)
            .reason("credential_missing")
            .answer_absent("grpc-status");
        cases.push(case.clone().answer("content-type", "application/problem+json"));
        cases.push(case.http2());
    }
    stage.check(cases);
}

#[test]
fn grpc_web_callers_get_a_grpc_status_through_the_filter_for_them() {
    let grpc_web = json!({
        "name": "envoy.filters.http.grpc_web",
        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.grpc_web.v3.GrpcWeb"},
    });
    let stage = stage("{}").bootstrap(|bootstrap| bootstrap.filter_before(grpc_web)).start();
    for content_type in ["application/grpc-web", "application/grpc-web+proto", "application/grpc-web-text"] {
        let request = Request::post("/users/Call", b"\0\0\0\0\0").header("content-type", content_type);
        let response = stage.send(&request);
        // Envoy knows what is gRPC before that filter has translated it, so the status stays the one of HTTP.
        assert_eq!((response.status, response.trailer("grpc-status").as_deref()), (401, Some("16")), "{content_type}: {response:?}");
    }
    assert_eq!(stage.upstream.count(), 0);
}

#[test]
fn a_refusal_is_one_line() {
    let stage = stage("{}").start();
    let alice = alice();
    for (request, parts) in [
        (
            Request::get("/users/a?b=c"),
            &["reason=credential_missing", "status=401", "rule=2", "method=\"GET\"", "host=\"api.test\"", "path=\"/users/a\""][..],
        ),
        (Request::get("/role").bearer(&alice), &["reason=role_missing", "rule=7", "provider=users", "admin"]),
        (Request::get("/partners").header("x-api-key", SECRET.to_owned() + "x"), &["reason=secret_unknown", "rule=3", "provider=partners"]),
        (Request::get("/nowhere"), &["reason=no_rule", "status=403", "path=\"/nowhere\""]),
        (Request::post("/closed", "").host("A.test:80"), &["reason=denied", "rule=1", "method=\"POST\"", "host=\"A.test:80\""]),
    ] {
        let id = fresh_request_id();
        stage.send(&request.header("x-request-id", &id));
        let line = line(&stage, &id);
        assert_eq!(stage.envoy.log().lines_with(&id).len(), 1, "{line}");
        assert!(line.contains("[info]"), "{line}");
        for part in parts {
            assert!(line.contains(part), "no {part} in {line}");
        }
        assert!(!line.contains("b=c") && !line.contains(SECRET) && !line.contains(&alice), "{line}");
    }
    // What a client sends can neither forge a line nor a member of one, nor make it long.
    for (request, expected) in [
        (
            Request::get("/users").header("x-request-id", "id-1\" reason=forged x=\"").host("a.test"),
            &[("request_id", "id-1\\\" reason=forged x=\\\"")][..],
        ),
        (Request::get("/users").header("x-request-id", b"id-2\xff\xc3\xa4\t\\"), &[("request_id", "id-2\\xff\\xc3\\xa4\\t\\\\")]),
        (Request::get(format!("/users/{}", "a".repeat(5000))), &[("reason", "credential_missing")]),
        (Request::get("/users/x%0a%22"), &[("path", "/users/x%0a%22"), ("reason", "path_invalid")]),
        (Request::get("/users/x\"x=y"), &[("path", "/users/x\\\"x=y")]),
        (Request::get("/path/x%22%20reason=forged").bearer(&alice), &[("reason", "scope_missing")]),
        (Request::get("/users").header("x-request-id", "b".repeat(5000)), &[("reason", "credential_missing")]),
        (Request::get("/users?hidden=1").bearer(&"c".repeat(17_000)), &[("reason", "credential_too_large"), ("path", "/users")]),
        (Request::get("/users?hidden=1#/x"), &[]),
        (Request::get("/nowhere").host("a.test:1"), &[("host", "a.test:1")]),
        (Request::get("/nowhere").host("reason=forged"), &[("reason", "host_invalid")]),
    ] {
        for client in [stage.client(), stage.client().http2()] {
            let before = stage.envoy.log().lines_with("rejected reason=").len();
            // Envoy refuses some of them itself, and HTTP/2 can't carry all.
            if client.try_send(&request).is_err() {
                continue;
            }
            assert_eq!(client.get("/closed").status, 403);
            let lines = poll(PATIENCE, || {
                let lines = stage.envoy.log().lines_with("rejected reason=").split_off(before);
                lines.last().is_some_and(|line| line.contains("reason=denied")).then_some(lines)
            });
            for line in lines.unwrap_or_else(|| panic!("no line: {}", stage.envoy.log().text())) {
                let members = members(&line);
                for name in ["reason", "status", "request_id", "method", "host", "path"] {
                    assert_eq!(members.iter().filter(|(key, _)| key == name).count(), 1, "{name} in {line}");
                }
                assert!(members.iter().all(|(key, value)| key.len() < 20 && value.len() <= 4 * 128), "{line}");
                let is_about = members.iter().any(|(key, value)| key == "path" && value != "/closed");
                for (key, value) in expected.iter().filter(|_| is_about) {
                    assert!(members.contains(&((*key).to_owned(), (*value).to_owned())), "no {key} of {value} in {line}");
                }
            }
            // Ten lines of a reason in a second are all there are: the table is longer.
            std::thread::sleep(std::time::Duration::from_millis(110));
        }
    }
    let log = stage.envoy.log().text();
    assert!(log.is_ascii(), "what clients send is escaped");
    assert!(!log.contains("hidden=1"));
}

#[test]
fn a_flood_becomes_a_count() {
    let stage = Stage::new()
        .config(format!("providers: {{partners: {{static_secret: {{sha256: \"{}\"}}}}}}", STANDARD.encode(Sha256::digest(SECRET))))
        .start();
    let mut connection = stage.client().connect().expect("a connection");
    let started = std::time::Instant::now();
    for _ in 0..500 {
        assert_eq!(connection.send(&Request::get("/")).expect("a response").status, 401);
    }
    let seconds = usize::try_from(started.elapsed().as_secs()).unwrap_or(usize::MAX) + 2;
    // Another reason has lines of its own.
    assert_eq!(connection.send(&Request::get("/").bearer("wrong")).expect("a response").status, 401);
    stage.envoy.wait_for_log("reason=secret_unknown");
    let told = || {
        let lines = stage.envoy.log().lines_with("rejected reason=credential_missing");
        let counts: usize = lines
            .iter()
            .filter_map(|line| line.split_once("more="))
            .map(|(_, count)| count.trim().parse::<usize>().expect("a count"))
            .sum();
        let single = lines.iter().filter(|line| !line.contains("more=")).count();
        (lines.len(), single + counts)
    };
    let (lines, total) = poll(PATIENCE, || Some(told()).filter(|(_, total)| *total >= 500)).unwrap_or_else(told);
    assert_eq!(total, 500, "every refusal is told of, or counted");
    assert!(lines <= seconds * 11, "{lines} lines in {seconds} seconds");
}

#[test]
fn nothing_secret_comes_out_anywhere() {
    let stage = stage("{explain: true}").launch(|launch| launch.component_log_level("wasm:trace")).start();
    let secret = "s3cr3t-that-nobody-may-see";
    let expired = token(&json!({"sub": "private-subject", "exp": now(-3600), "email": "private@x.test"}));
    let mut answers = String::new();
    for request in [
        Request::get("/users").bearer(secret),
        Request::get("/users").bearer(&expired),
        Request::get("/users").header("authorization", format!("Basic {secret}")),
        Request::get("/users").header("authorization", format!("Bearer  {secret}")),
        Request::get("/users").bearer(secret).bearer(secret),
        Request::get("/partners").header("x-api-key", secret),
        Request::get(format!("/partners?key={secret}")),
        Request::get(format!("/partners?k%65y={secret}&key={secret}")),
        Request::get(format!("/nowhere?key={secret}")).header("x-api-key", secret),
        Request::get(format!("/closed?key={secret}")).bearer(secret),
        Request::get(format!("/a;b?key={secret}")).bearer(secret),
        Request::post(format!("/open?key={secret}"), "").bearer(secret),
        Request::get(format!("/open?key={secret}")).bearer(secret).header("x-api-key", secret),
        Request::get("/users").bearer(&alice()),
        Request::get("/partners").header("x-api-key", SECRET),
    ] {
        for client in [stage.client(), stage.client().http2()] {
            let id = fresh_request_id();
            let response = client.send(&request.clone().header("x-request-id", &id));
            answers.push_str(&format!("{:?} {}\n", response.headers, response.text()));
            stage.envoy.access(&id);
        }
    }
    let everywhere = [
        ("answers", answers),
        ("Envoy's log", stage.envoy.log().text()),
        ("access log", stage.envoy.access_log().text()),
        ("stats", stage.envoy.admin("/stats")),
    ];
    for (place, text) in everywhere {
        for hidden in [secret, SECRET, KEY, "private", &expired[..40], &alice()[..60]] {
            assert!(!text.contains(hidden), "{hidden} in the {place}:\n{text}");
        }
    }
}
