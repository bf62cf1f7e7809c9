//! What the upstream learns, and that it learns it from nobody else.
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
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use portcullis_harness::{Algorithm, Bootstrap, Case, Key, Received, Request, RunningStage, Stage, fresh_request_id, mint, now};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::time::Duration;

const KEY: &str = "0123456789abcdef0123456789abcdef";
const SECRET: &str = "the-secret-of-a-partner";

fn sha256(secret: &str) -> String {
    STANDARD.encode(Sha256::digest(secret))
}

/// A token for the stages' `users`, with these claims beside `exp`.
fn token(claims: &Value) -> String {
    let mut claims = claims.clone();
    claims["exp"] = json!(now(600));
    mint(&Key::secret(Algorithm::HS256, KEY), claims)
}

fn alice() -> String {
    token(&json!({"sub": "alice", "roles": ["reader", "writer"], "scope": "a b"}))
}

/// Users with tokens in `Authorization`, partners with a secret in `X-Api-Key` or `?key=`, and every kind of rule.
fn configuration(more: &str) -> String {
    format!(
        "
providers:
  users:
    jwt:
      keys: {{secret: {{text: {KEY}}}}}
      identity: {{roles: [{{claim: roles}}]}}
  partners:
    static_secret: {{callers: [{{id: billing, roles: [payer], secrets: [{{id: 2026q4, sha256: \"{}\"}}]}}]}}
    from: [{{header: x-api-key}}, {{query: key}}]
rules:
  - {{match: {{path_prefix: /anyone}}, allow: anyone}}
  - {{match: {{path_prefix: /optional}}, require: {{provider: partners, optional: true}}}}
  - {{match: {{path_prefix: /partners}}, require: partners}}
  - {{match: {{path_prefix: /both}}, require: {{all: [users, partners], identity: users}}}}
  - {{match: {{path_prefix: /methods, methods: [GET]}}, require: users}}
  - {{require: users}}
{more}",
        sha256(SECRET)
    )
}

fn stage(more: &str) -> Stage {
    Stage::new().config(configuration(more)).bootstrap(Bootstrap::trailers)
}

/// The name as CGI reads it.
fn folded(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect()
}

/// All headers and trailers that CGI would read as one of these names.
fn read_as(received: &Received, names: &[&str]) -> Vec<(String, String)> {
    let all = received.headers.iter().chain(&received.trailers);
    let text = |value: &[u8]| value.iter().map(|byte| char::from(*byte)).collect();
    let meant = all.filter(|(name, _)| names.iter().any(|wanted| folded(name) == folded(wanted)));
    let mut meant: Vec<(String, String)> = meant.map(|(name, value)| (name.clone(), text(value))).collect();
    meant.sort();
    meant
}

/// Sends it over HTTP/1.1 and HTTP/2; what the upstream got.
fn sent(stage: &RunningStage, request: &Request) -> Vec<Received> {
    let mut received = Vec::new();
    for client in [stage.client(), stage.client().http2()] {
        let id = fresh_request_id();
        let response = client.send(&request.clone().header("x-request-id", &id));
        assert_eq!(response.status, 200, "{}", response.text());
        received.extend(stage.upstream.received_with_id(&id));
    }
    assert_eq!(received.len(), 2);
    received
}

/// The VM never died.
fn alive(stage: &RunningStage) {
    let reloads: Vec<_> = stage.envoy.stats().into_iter().filter(|(name, value)| name.contains("vm_reload") && *value > 0).collect();
    assert_eq!(reloads, []);
}

/// What stands encoded: all but unreserved characters, of which the values here have the hyphen only.
const ENCODED: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC.remove(b'-');

const IDENTITY: [&str; 4] = ["x-auth-provider", "x-auth-subject", "x-auth-roles", "x-auth-scopes"];
const CREDENTIALS: [&str; 2] = ["authorization", "x-api-key"];

/// Names that CGI, WSGI and their like read as the same one; all of them lower case, for HTTP/2.
fn spellings(name: &str) -> Vec<String> {
    let mut spellings: Vec<String> =
        ["-", "_", ".", "~", "!", "'", "+", "|", "^", "`", "$", "%", "&", "*", "#"].iter().map(|c| name.replace('-', c)).collect();
    if let Some((first, rest)) = name.split_once('-') {
        spellings.push(format!("{first}_{rest}"));
        spellings.push(format!("{first}.{rest}"));
    }
    spellings.sort();
    spellings.dedup();
    spellings
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut pairs: Vec<_> = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    pairs.sort();
    pairs
}

#[test]
fn the_default_headers_are_set_and_credentials_removed() {
    let stage = stage("").start();
    let alice = alice();
    let with_both = |path: &str| Case::get(path).bearer(&alice).header("x-api-key", SECRET);
    stage.check([
        Case::get("/")
            .bearer(&alice)
            .expect(200)
            .upstream("x-auth-provider", "users")
            .upstream("x-auth-subject", "alice")
            .upstream("x-auth-roles", "reader,writer")
            .upstream("x-auth-scopes", "a,b")
            .upstream_absent("authorization")
            .access("verdict", "allow")
            .access("provider", "users")
            .access("subject", "alice"),
        Case::get("/").bearer(&alice).http2().expect(200).upstream("x-auth-subject", "alice").upstream_absent("authorization"),
        Case::get("/partners")
            .header("X-API-KEY", SECRET)
            .expect(200)
            .upstream("x-auth-provider", "partners")
            .upstream("x-auth-subject", "billing")
            .upstream("x-auth-roles", "payer")
            .upstream_absent("x-auth-scopes")
            .upstream_absent("x-api-key")
            .access("credential", "2026q4"),
        // What stands where another provider's credential may stand goes, too, whatever its scheme.
        with_both("/").expect(200).upstream("x-auth-subject", "alice").upstream_absent("x-api-key").upstream_absent("authorization"),
        Case::get("/partners")
            .header("x-api-key", SECRET)
            .header("authorization", "Basic eA==")
            .expect(200)
            .upstream_absent("authorization"),
        Case::get("/partners")
            .header("x-api-key", SECRET)
            .header("authorization", "Bearer a")
            .header("authorization", "b")
            .expect(200)
            .upstream_absent("authorization"),
        with_both("/both").expect(200).upstream("x-auth-provider", "users").upstream("x-auth-subject", "alice"),
        // The place that counts is the first that holds one; the others are removed.
        Case::get(format!("/partners?a=1&key={SECRET}&b=2"))
            .expect(200)
            .upstream_path("/partners?a=1&b=2")
            .access("path", "/partners?a=1&b=2"),
        Case::get(format!("/partners?k%65y={SECRET}")).expect(200).upstream_path("/partners"),
        Case::get("/partners?key=other&key=third&a").header("x-api-key", SECRET).expect(200).upstream_path("/partners?a"),
        Case::get(format!("/?key={SECRET}&a=b")).bearer(&alice).expect(200).upstream_path("/?a=b"),
        Case::get(format!("/?KEY=x&keys=y&%6bey={SECRET}&%4bey=z")).bearer(&alice).expect(200).upstream_path("/?KEY=x&keys=y&%4bey=z"),
        // A token without roles and scopes: no header rather than an empty one.
        Case::get("/")
            .bearer(&token(&json!({"sub": "bob"})))
            .expect(200)
            .upstream("x-auth-subject", "bob")
            .upstream_absent("x-auth-roles")
            .upstream_absent("x-auth-scopes"),
        Case::get("/")
            .bearer(&token(&json!({"sub": "bob", "roles": [], "scope": ""})))
            .expect(200)
            .upstream_absent("x-auth-roles")
            .upstream_absent("x-auth-scopes"),
        Case::get("/")
            .bearer(&token(&json!({})))
            .header("x-auth-subject", "evil")
            .expect(200)
            .upstream("x-auth-provider", "users")
            .upstream_absent("x-auth-subject"),
    ]);
    // What Envoy joins to one value is none that was verified.
    for second in ["x", "", "Bearer x", "Basic eA==", ",", "="] {
        for case in
            [Case::get("/").bearer(&alice).header("authorization", second), Case::get("/").header("authorization", second).bearer(&alice)]
        {
            // An empty one is dropped by Envoy itself.
            let case = if second.is_empty() { case.upstream_absent("authorization") } else { case.not_upstream() };
            stage.check([case.clone(), case.http2()]);
        }
    }
    // Refused requests leave nothing in the access log.
    stage.check([
        Case::get(format!("/?key={SECRET}&a=b")).expect(401).access("path", "/?a=b"),
        Case::get(format!("/partners?a=b&%6b%65y={SECRET}x")).expect(401).access("path", "/partners?a=b").reason("secret_unknown"),
        Case::get("/").bearer("no.such.token").expect(401).access("authorization", json!(null)),
        Case::get("/").header("authorization", format!("Basic {SECRET}")).expect(401).access("authorization", json!(null)),
    ]);
    let logs = stage.envoy.log().text() + &stage.envoy.access_log().text();
    assert!(!logs.contains(SECRET) && !logs.contains(&alice));
}

#[test]
fn what_a_client_says_of_itself_is_removed_in_every_spelling() {
    let stage = stage("upstream: {remove: [x-ep-*, X-Internal, trace*]}").start();
    let alice = alice();
    let wanted =
        pairs(&[("x-auth-provider", "users"), ("x-auth-roles", "reader,writer"), ("x-auth-scopes", "a,b"), ("x-auth-subject", "alice")]);
    let removed = [
        "x-auth-provider",
        "x-auth-subject",
        "x-auth-roles",
        "x-auth-scopes",
        "x-internal",
        "x-ep-user-id",
        "x-ep-",
        "trace",
        "traceparent",
        "x-api-key",
        "authorization",
    ];
    let credentials_too: Vec<&str> = removed.to_vec();
    for name in removed {
        for spelling in spellings(name) {
            let clean = |received: Received, what: &str| {
                assert_eq!(read_as(&received, &credentials_too), wanted, "{spelling}, {what}");
            };
            let request = Request::post("/", "body").bearer(&alice);
            if spelling != "authorization" {
                for received in sent(&stage, &request.clone().header(&spelling, "evil")) {
                    clean(received, "once");
                }
                for received in sent(
                    &stage,
                    &request.clone().header(&spelling, "evil").header("x-other", "1").header(&spelling, "worse").header(&spelling, ""),
                ) {
                    assert_eq!(received.header("x-other").as_deref(), Some("1"));
                    clean(received, "repeated");
                }
            }
            for received in sent(&stage, &request.clone().trailer(&spelling, "evil").trailer("x-other", "1")) {
                assert!(received.trailers.contains(&("x-other".to_owned(), b"1".to_vec())), "{received:?}");
                clean(received, "trailer");
            }
            for received in sent(&stage, &request.clone().trailer(&spelling, "evil").trailer(&spelling, "worse")) {
                clean(received, "trailer twice");
            }
        }
    }
    // Any case, which only HTTP/1.1 can carry.
    for name in ["X-Auth-Subject", "X-AUTH-SUBJECT", "x-Auth_SUBJECT", "X.AUTH.subject"] {
        for request in [Request::get("/").header(name, "evil"), Request::post("/", "body").trailer(name, "evil")] {
            let id = fresh_request_id();
            assert_eq!(stage.send(&request.bearer(&alice).header("x-request-id", &id)).status, 200);
            let received = stage.upstream.received_with_id(&id).pop().expect("it went upstream");
            assert_eq!(read_as(&received, &credentials_too), wanted, "{name}");
        }
    }
    // Nothing else is touched.
    let harmless =
        ["x-auth", "x-auth-subjects", "xauthsubject", "x-e", "x-internals", "trac", "x-apikey", "authorizations", "proxy-status"];
    for name in harmless {
        for received in sent(&stage, &Request::post("/", "body").bearer(&alice).header(name, "kept").trailer(name, "kept")) {
            assert_eq!(read_as(&received, &[name]), pairs(&[(name, "kept"), (name, "kept")]), "{name}");
        }
    }
    alive(&stage);
}

#[test]
fn nobody_in_particular_is_announced_as_nobody() {
    let stage = stage(
        "
upstream:
  remove: [x-ep-*]
  headers:
    x-auth-subject: {identity: subject}
    x-auth-provider: {identity: provider}
    x-upstream-secret: {secret: {text: for-upstream-only}}
    x-constant: {value: \"yes\"}
",
    )
    .start();
    let names = ["x-auth-subject", "x-auth-provider", "x-upstream-secret", "x-constant", "x-ep-user", "authorization", "x-api-key"];
    let evil = |request: Request| names.iter().fold(request, |request, name| request.header(name.replace('-', "_"), "evil"));
    let plain =
        |request: Request| names.iter().filter(|name| **name != "x-api-key").fold(request, |request, name| request.header(name, "evil"));
    for path in ["/anyone", "/optional"] {
        for request in [
            Request::get(path),
            evil(Request::get(path)),
            plain(Request::get(path)),
            plain(evil(Request::post(path, "body"))).trailer("x-auth-subject", "evil").trailer("x_constant", "evil"),
        ] {
            for received in sent(&stage, &request) {
                assert_eq!(read_as(&received, &names), [], "{path}");
            }
        }
    }
    stage.check([
        Case::get("/anyone?key=x&a")
            .bearer("junk")
            .header("x-api-key", "junk")
            .expect(200)
            .upstream_path("/anyone?a")
            .upstream_absent("x-api-key")
            .access("verdict", "allow"),
        Case::get("/anyone")
            .header("x-api-key", SECRET)
            .expect(200)
            .upstream_absent("x-auth-subject")
            .upstream_absent("x-upstream-secret")
            .access("subject", json!(null)),
        Case::get("/optional").expect(200).access("verdict", "allow").access("provider", json!(null)).access("subject", json!(null)),
        Case::get("/optional")
            .header("x-api-key", SECRET)
            .expect(200)
            .upstream("x-auth-subject", "billing")
            .upstream("x-upstream-secret", "for-upstream-only")
            .upstream("x-constant", "yes"),
        Case::get("/optional").header("x-api-key", "wrong").expect(401).reason("secret_unknown"),
        Case::get("/optional").header("x-api-key", "").expect(401).reason("credential_malformed"),
        Case::get("/optional").header("x-api-key", SECRET).header("x-api-key", SECRET).expect(400).reason("credential_ambiguous"),
        Case::get("/optional?key=wrong").expect(401).reason("secret_unknown"),
    ]);
    assert!(!stage.envoy.log().text().contains("for-upstream-only"));
}

#[test]
fn headers_come_from_every_source() {
    let stage = stage(
        "
upstream:
  payload_header: x-jwt-payload
  headers:
    x-provider: {identity: provider}
    x-subject: {identity: subject, prefix: \"user:\"}
    x-roles: {identity: roles}
    x-scopes: {identity: scopes}
    x-email: {claim: email}
    x-tenant: {claim_path: [\"https://idp.test/app\", tenant]}
    x-groups: {claim: groups}
    x-group: {claim: group, single: true}
    x-name: {claim: name, encode: percent}
    x-names: {claim: names, encode: percent}
    x-partner: {identity: subject, of: partners}
    authorization: {secret: {env: UPSTREAM}, prefix: \"Bearer \"}
    x-constant: {value: \"a, b\", prefix: \"> \"}
    X-Upper: {value: x}
",
    )
    .env("UPSTREAM", "c2VjcmV0")
    .start();
    let claims = json!({
        "sub": "alice", "roles": "one role", "scope": "a b", "scp": ["c"], "email": "alice@x.test", "https://idp.test/app": {"tenant": "acme"},
        "groups": ["g1", 2, true], "group": ["only"], "name": "\u{c4}nn, the\r\nfirst", "names": ["a,b", "c d"],
    });
    let encoded = token(&claims);
    let payload = encoded.split('.').nth(1).expect("a payload").to_owned();
    let no_copies = |case: Case| {
        case.header("x-partner", "evil")
            .header("x-jwt-payload", "evil")
            .header("X_Upper", "evil")
            .header("x-email", "evil")
            .header("x-email", "evil")
    };
    stage.check([
        no_copies(Case::get("/"))
            .bearer(&encoded)
            .expect(200)
            .upstream("x-provider", "users")
            .upstream("x-subject", "user:alice")
            .upstream("x-roles", "one role")
            .upstream("x-scopes", "a,b,c")
            .upstream("x-email", "alice@x.test")
            .upstream("x-tenant", "acme")
            .upstream("x-groups", "g1,2,true")
            .upstream("x-group", "only")
            .upstream("x-name", "%C3%84nn%2C%20the%0D%0Afirst")
            .upstream("x-names", "a%2Cb,c%20d")
            .upstream_absent("x-partner")
            .upstream("authorization", "Bearer c2VjcmV0")
            .upstream("x-constant", "> a, b")
            .upstream("x-upper", "x")
            .upstream_absent("x_upper")
            .upstream("x-jwt-payload", &payload)
            // What is configured replaces the default.
            .upstream_absent("x-auth-subject"),
        no_copies(Case::get("/both"))
            .bearer(&encoded)
            .header("x-api-key", SECRET)
            .expect(200)
            .upstream("x-partner", "billing")
            .upstream("x-subject", "user:alice"),
        Case::get("/partners")
            .header("x-api-key", SECRET)
            .header("x-email", "evil")
            .header("x-jwt-payload", "evil")
            .expect(200)
            .upstream("x-subject", "user:billing")
            .upstream_absent("x-email")
            .upstream_absent("x-jwt-payload")
            .upstream("x-partner", "billing")
            .upstream("authorization", "Bearer c2VjcmV0"),
        // What the identity lacks is no header, and the client's goes all the same.
        no_copies(Case::get("/"))
            .bearer(&token(&json!({"sub": "bob", "email": null, "groups": []})))
            .expect(200)
            .upstream_absent("x-email")
            .upstream_absent("x-groups")
            .upstream_absent("x-tenant"),
        Case::get("/").bearer(&token(&json!({"sub": "bob", "https://idp.test/app": "tenant"}))).expect(200).upstream_absent("x-tenant"),
        Case::get("/").bearer(&token(&json!({"sub": "bob", "group": ["a", "b"]}))).expect(401).reason("header_value"),
        Case::get("/").bearer(&token(&json!({"sub": "bob", "group": []}))).expect(200).upstream_absent("x-group"),
    ]);
    let decoded: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(&payload).expect("base64url")).expect("JSON");
    assert_eq!(decoded["sub"], "alice");
    assert!(!stage.envoy.log().text().contains("c2VjcmV0"));
}

#[test]
fn values_that_would_break_a_header_refuse_the_request() {
    let stage = stage(
        "
upstream:
  headers:
    x-auth-subject: {identity: subject}
    x-auth-roles: {identity: roles}
    x-auth-scopes: {identity: scopes}
    x-claim: {claim: claim}
    x-encoded: {claim: encoded, encode: percent}
reject: {forbidden: 403}
",
    )
    .start();
    let bad = [
        "a\r\nx-admin: yes",
        "a\nx-admin: yes",
        "a\rb",
        "\na",
        "a\n",
        "a\u{0}b",
        "\u{0}",
        "a,b",
        ",",
        "\u{e4}",
        "\u{1f600}",
        " a",
        "a ",
        "\ta",
        "a\t",
        "a\tb",
        "\u{7f}",
        "\u{1b}[31m",
        "\u{85}",
        "\u{a0}",
        "\u{2028}",
        "\u{feff}",
        "\u{ff0d}",
        "a\u{b}b",
        "a\u{c}b",
        " ",
    ];
    let mut cases = Vec::new();
    for value in bad {
        let mut claims = vec![
            json!({"sub": value}),
            json!({"sub": "a", "roles": [value]}),
            json!({"sub": "a", "roles": ["good", value]}),
            json!({"sub": "a", "claim": value}),
            json!({"sub": "a", "claim": ["good", value]}),
        ];
        claims.push(json!({"sub": "a", "roles": value}));
        if !value.contains(' ') {
            claims.push(json!({"sub": "a", "scope": value}));
        }
        claims.push(json!({"sub": "a", "scp": [value]}));
        for claims in claims {
            let case = Case::get("/").named(claims.to_string()).bearer(&token(&claims));
            cases.push(case.clone().expect(403).reason("header_value").answer_absent("x-admin"));
            cases.push(case.http2().expect(403).reason("header_value"));
        }
        let encoded = percent_encoding::utf8_percent_encode(value, ENCODED).to_string();
        cases.push(
            Case::get("/").named(value).bearer(&token(&json!({"sub": "a", "encoded": value}))).expect(200).upstream("x-encoded", &encoded),
        );
    }
    // An object is written as JSON, which holds commas sooner or later.
    cases.push(Case::get("/").bearer(&token(&json!({"sub": "a", "claim": {"b": 1, "c": 2}}))).expect(403).reason("header_value"));
    for good in ["a b", "a;b", "a=b", "\"a\"", "a\\b", "a:b", "%0d%0a", "${jndi:ldap://x}", "<a>"] {
        cases.push(Case::get("/").bearer(&token(&json!({"sub": good}))).expect(200).upstream("x-auth-subject", good));
    }
    // The client is told nothing of it.
    let told = Case::get("/").bearer(&token(&json!({"sub": "mallory\nforged"}))).expect(403).body_contains("Forbidden");
    let response = told.run(&stage).unwrap_or_else(|failure| panic!("{failure}"));
    assert!(!response.text().contains("mallory") && !response.text().contains("x-auth-subject"), "{}", response.text());
    stage.check(cases);
    alive(&stage);
}

#[test]
fn a_providers_own_upstream_wins_field_by_field() {
    let stage = Stage::new()
        .config(format!(
            "
providers:
  keeper:
    jwt: {{keys: {{secret: {{text: {KEY}}}}}}}
    from: [{{header: authorization, scheme: Bearer}}, {{query: token}}]
    upstream: {{credential: keep, remove: [x-keeper-*]}}
  strict:
    jwt: {{keys: {{secret: {{text: {KEY}}}}}, audiences: [strict]}}
    from: [{{header: x-strict}}]
    upstream: {{headers: {{x-must: {{claim: must, required: true}}, x-strict-secret: {{secret: {{text: strictly}}}}}}, payload_header: x-strict-payload}}
  silent:
    static_secret: {{sha256: \"{}\"}}
    from: [{{header: x-api-key}}]
    upstream: {{headers: {{}}}}
upstream: {{headers: {{x-who: {{identity: subject}}}}, remove: [authorization, x-removed], payload_header: x-payload}}
rules:
  - {{match: {{path_prefix: /keeper}}, require: keeper}}
  - {{match: {{path_prefix: /strict}}, require: strict}}
  - {{match: {{path_prefix: /silent}}, require: silent}}
  - {{match: {{path_prefix: /all}}, require: {{all: [keeper, silent], identity: silent}}}}
  - {{allow: anyone}}
",
            sha256(SECRET)
        ))
        .bootstrap(Bootstrap::trailers)
        .start();
    let alice = token(&json!({"sub": "alice"}));
    let strict = token(&json!({"sub": "alice", "aud": "strict", "must": "have"}));
    let every = ["x-who", "x-must", "x-strict-secret", "x-strict-payload", "x-payload", "x-keeper-a", "x-removed", "x-strict"];
    let evil = |case: Case| {
        every
            .iter()
            .filter(|name| **name != "x-strict")
            .fold(case, |case, name| case.header(name, "evil").header(name.replace('-', "."), "evil"))
    };
    let payload = |token: &str| token.split('.').nth(1).expect("a payload").to_owned();
    let absent = |case: Case, names: &[&str]| {
        names.iter().fold(case, |case, name| case.upstream_absent(name).upstream_absent(&name.replace('-', ".")))
    };
    let others = ["x-must", "x-strict-secret", "x-strict-payload", "x-keeper-a", "x-removed", "x-strict"];
    stage.check([
        absent(evil(Case::get("/keeper")).bearer(&alice).expect(200).upstream("authorization", &format!("Bearer {alice}")), &others)
            .upstream("x-who", "alice")
            .upstream("x-payload", &payload(&alice)),
        // Only the verified one is kept.
        evil(Case::get("/keeper"))
            .bearer(&alice)
            .header("x-api-key", SECRET)
            .header("x_authorization", "kept")
            .expect(200)
            .upstream_absent("x-api-key"),
        Case::get(format!("/keeper?a=1&token={alice}"))
            .expect(200)
            .upstream_path(&format!("/keeper?a=1&token={alice}"))
            .upstream_absent("authorization"),
        Case::get("/keeper?token=other&a=1")
            .bearer(&alice)
            .expect(200)
            .upstream("authorization", &format!("Bearer {alice}"))
            .upstream_path("/keeper?a=1"),
        // Another scheme is no credential of keeper's, and goes.
        Case::get(format!("/keeper?token={alice}")).header("authorization", "Basic eA==").expect(200).upstream_absent("authorization"),
        Case::get("/keeper").bearer(&format!("{alice}x")).expect(401).access("authorization", json!(null)),
        absent(
            evil(Case::get("/strict")).header("x-strict", &strict).expect(200),
            &["x-who", "x-payload", "x-keeper-a", "x-removed", "x-strict"],
        )
        .upstream("x-must", "have")
        .upstream("x-strict-secret", "strictly")
        .upstream("x-strict-payload", &payload(&strict)),
        evil(Case::get("/strict")).header("x-strict", token(&json!({"sub": "alice", "aud": "strict"}))).expect(401).reason("header_value"),
        evil(Case::get("/strict"))
            .header("x-strict", token(&json!({"sub": "alice", "aud": "strict", "must": ""})))
            .expect(401)
            .reason("header_value"),
        absent(evil(Case::get("/silent")).header("x-api-key", SECRET).bearer(&alice).expect(200), &every)
            .upstream_absent("authorization")
            .upstream_absent("x-api-key"),
        absent(evil(Case::get("/anyone")).bearer(&alice).expect(200), &every).upstream_absent("authorization"),
    ]);
    // A credential that is kept is the header that was verified, not a trailer of its name.
    for received in sent(
        &stage,
        &Request::post("/keeper", "body").bearer(&alice).trailer("authorization", "Bearer evil").trailer("Authorization", "Bearer evil"),
    ) {
        assert_eq!(read_as(&received, &["authorization"]), pairs(&[("authorization", &format!("Bearer {alice}"))]));
    }
    for received in sent(&stage, &Request::get("/keeper").bearer(&alice).header("authorization_", "x")) {
        assert_eq!(received.header("authorization"), Some(format!("Bearer {alice}")));
    }
}

#[test]
fn methods_and_paths_cant_be_overridden() {
    let stage = stage("").start();
    let alice = alice();
    for name in ["x-http-method-override", "x-http-method", "x-method-override", "x-original-url", "x-rewrite-url"] {
        for spelling in spellings(name) {
            for path in ["/", "/anyone", "/methods"] {
                for received in sent(&stage, &Request::get(path).bearer(&alice).header(&spelling, "DELETE").header(&spelling, "/admin")) {
                    assert_eq!(read_as(&received, &[name]), [], "{spelling}");
                }
            }
        }
    }
    // Where rules name neither, these are the client's own business.
    let unnamed = Stage::new().config(format!("providers: {{partners: {{static_secret: {{sha256: \"{}\"}}}}}}", sha256(SECRET))).start();
    unnamed.check([Case::get("/")
        .bearer(SECRET)
        .header("x-http-method-override", "PUT")
        .expect(200)
        .upstream("x-http-method-override", "PUT")
        .upstream("x-auth-subject", "partners")]);
}

#[test]
fn a_client_cant_pretend_to_a_verdict() {
    let stage = stage("").start();
    let mut cases = Vec::new();
    for name in [
        "wasm.portcullis.verdict",
        "portcullis.verdict",
        "x-portcullis-verdict",
        "wasm_portcullis_verdict",
        "verdict",
        "x-envoy-wasm.portcullis.verdict",
    ] {
        for case in [
            Case::get("/").header(name, "allow"),
            Case::get("/").header(name, "allow").http2(),
            Case::post("/", "x").with(|request| request.trailer(name, "allow")),
        ] {
            cases.push(case.clone().named(name).expect(401).reason("credential_missing"));
            cases.push(case.named(name).bearer(&alice()).expect(200).access("verdict", "allow").access("subject", "alice"));
        }
    }
    // The verdict of one request is not the next one's, on the same connection.
    for client in [stage.client(), stage.client().http2()] {
        let mut connection = client.connect().expect("a connection");
        for _ in 0..3 {
            assert_eq!(connection.send(&Request::get("/").bearer(&alice())).expect("a response").status, 200);
            assert_eq!(connection.send(&Request::get("/")).expect("a response").status, 401);
        }
    }
    stage.check(cases);
}

#[test]
fn no_byte_in_any_header_takes_the_filter_down() {
    let stage = stage("upstream: {remove: [x-ep-*]}").bootstrap(Bootstrap::websockets).start();
    let alice = alice();
    let names = [
        "authorization",
        "x-api-key",
        "x-auth-subject",
        "x-auth-roles",
        "x-ep-a",
        "x-request-id",
        "cookie",
        "content-type",
        "origin",
        "early-data",
        "upgrade",
        "te",
        "user-agent",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-http-method-override",
        "access-control-request-method",
        "accept",
        "x-any",
        "host",
        "referer",
        "x-forwarded-client-cert",
        "expect",
        "content-encoding",
        "range",
    ];
    let values: [&[u8]; 3] = [b"\xff", b"Bearer \xff\xfe", b"\x80,\xed\xa0\x80"];
    for http2 in [false, true] {
        let client = if http2 { stage.client().http2() } else { stage.client() };
        // Any answer will do, and Envoy may give none to what is no HTTP.
        let mut connection = None;
        let mut send = |request: Request| {
            let mut open = connection.take().unwrap_or_else(|| client.connect().expect("a connection"));
            // Envoy closes a connection after an answer that came before the request's end, but takes its time.
            connection = open.send(&request).is_ok_and(|response| response.status == 200).then_some(open);
        };
        // Envoy is slow to close a connection of HTTP/2 with a Host like that.
        for name in names.into_iter().filter(|name| !http2 || *name != "host") {
            for value in values {
                for path in ["/", "/optional", "/anyone"] {
                    send(Request::post(path, "body").header(name, value));
                }
                send(Request::post("/", "body").header(name, value).bearer(&alice).header("x-api-key", SECRET));
                // Of these the client knows that HTTP/2 has none.
                if !["te", "upgrade", "host"].contains(&name) {
                    send(Request::post("/", "body").bearer(&alice).trailer(name, value));
                }
            }
        }
    }
    for target in [
        &b"/\xff"[..],
        b"/partners\xff",
        b"/?\xff",
        b"/partners?key=\xff",
        b"/partners?key=%ff",
        b"/partners?k\xffey=1",
        b"/partners?%ff=%zz&key",
        b"/optional?key",
        b"/partners?key=%",
        b"/?key=%c3%28",
    ] {
        let _ = stage.client().try_send(&Request::get(target));
        let _ = stage.client().try_send(&Request::get(target).bearer(&alice).header("x-api-key", SECRET));
    }
    for line in [&b"x-\xff: a"[..], b"\xff: a", b"x-auth-subject\xff: a", b"x-auth-subject : a", b": a", b"x-auth-subject:\xff"] {
        let mut connection = stage.client().connect().expect("a connection");
        let request =
            [b"GET / HTTP/1.1\r\nhost: api.test\r\n", line, b"\r\nauthorization: Bearer ", alice.as_bytes(), b"\r\n\r\n"].concat();
        connection.write(&request).expect("an open connection");
        let _ = connection.read(Duration::from_secs(2));
    }
    alive(&stage);
    // A non-UTF-8 value beside goes through as it is.
    let id = fresh_request_id();
    assert_eq!(stage.send(&Request::get("/").bearer(&alice).header("x-any", b"\xff\xe4").header("x-request-id", &id)).status, 200);
    let received = stage.upstream.received_with_id(&id).pop().expect("it went upstream");
    assert!(received.headers.contains(&("x-any".to_owned(), b"\xff\xe4".to_vec())));
    assert_eq!(read_as(&received, &IDENTITY).len(), 4);
    assert_eq!(read_as(&received, &CREDENTIALS), []);
}
