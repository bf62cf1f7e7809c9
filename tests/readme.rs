//! What README.md says, tried.
#![allow(clippy::arithmetic_side_effects, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test may end so")]

use portcullis_harness::{Algorithm, Answer, Case, IdentityProvider, Key, Server, Stage, now, workspace};
use serde_json::json;

/// The SHA-256 of `my-secure-token`, in base64.
const DIGEST: &str = "S7PhOYRVu0t6nC6a9jthgm3ZV3D664BAJZK4jM3+DT4=";

#[test]
fn its_configuration_does_what_it_says() {
    let identity_provider = IdentityProvider::with_keys([Key::fixed(Algorithm::ES256, 1)]);
    let claims = |tenant: &str| json!({"iss": "https://idp.example", "aud": "api", "sub": "alice", "scope": "tenants/read", "tenant": tenant, "exp": now(60)});
    let (token, other) = (identity_provider.token(claims("a")), identity_provider.token(claims("b")));
    // The identity provider of the tests speaks plain HTTP.
    let configuration = block("yaml")
        .replace("cluster: idp}", "cluster: idp, insecure_http: true}")
        .replace("https://idp.example/.well", "http://idp.example/.well");
    let stage = Stage::new().config(configuration.as_str()).env("BILLING_SHA256", DIGEST).identity_provider(identity_provider).start();
    stage.check([
        Case::get("/healthz").expect(200),
        Case::get("/tenants/a/x").bearer(&token).expect(200).upstream("x-auth-subject", "alice").upstream_absent("authorization"),
        Case::get("/tenants/a/x").bearer(&other).expect(401).reason("claim_mismatch"),
        Case::get("/reports").bearer("my-secure-token").expect(200).upstream("x-auth-roles", "reader"),
        Case::get("/reports").bearer(&token).expect(200),
        Case::post("/reports", "").bearer(&token).expect(405).reason("method_not_allowed"),
        Case::get("/payments").bearer(&token).expect(401).reason("certificate_missing"),
        Case::get("/").bearer(&token).expect(403).reason("no_rule"),
    ]);
}

#[test]
fn its_shorter_examples_load() {
    let readme = text();
    let span = |beginning: &str| {
        let start = readme.find(&format!("`{beginning}")).unwrap_or_else(|| panic!("README has no `{beginning}")) + 1;
        readme.get(start..).and_then(|rest| rest.split('`').next()).unwrap_or_default().replace("[...]", "[]")
    };
    let configuration = format!(
        "
providers:
  users:
    jwt: {{keys: {{jwks_uri: https://idp.example/keys, cluster: idp, {}}}, issuers: any, audiences: any}}
    {}
  proxied:
    {}
rules: [{{match: {{path: /a}}, require: users}}, {{require: proxied}}]
{}
{}
{}
{}
",
        span("unknown_kid: {"),
        span("from: [{cookie"),
        span("client_certificate: {source"),
        span("mode: {observe"),
        span("revoked: {"),
        span("limits: {"),
        span("reject: {"),
    );
    let stage = Stage::new().config(configuration.as_str()).start();
    stage.check([Case::get("/b").expect(403).access("verdict", "observe").access("reason", "certificate_missing")]);
}

#[test]
fn another_service_is_asked_as_it_says() {
    let introspection = Server::start(|received| {
        let is_ours = received.header("authorization").as_deref() == Some("Basic cG9ydGN1bGxpczpzZWNyZXQ=");
        match received.body.as_slice() {
            _ if !is_ours => Answer::status(401),
            b"token=good" => Answer::json(&json!({"active": true, "sub": "alice", "exp": now(60)})),
            _ => Answer::json(&json!({"active": false})),
        }
    });
    let configuration = blocks("yaml").swap_remove(1).replace("uri: \"https:", "insecure_http: true, uri: \"http:");
    let stage = |credentials| {
        let stage = Stage::new().config(configuration.as_str()).env("INTROSPECTION", credentials);
        stage.cluster("idp", introspection.address()).start()
    };
    stage("cG9ydGN1bGxpczpzZWNyZXQ=").check([
        Case::get("/").bearer("good").expect(200).upstream("x-auth-subject", "alice").upstream_absent("authorization"),
        Case::get("/").bearer("bad").expect(401).reason("remote_denied"),
    ]);
    stage("b3RoZXI=").check([Case::get("/").bearer("good").expect(503).reason("remote_unavailable")]);
}

fn text() -> String {
    std::fs::read_to_string(workspace().join("README.md")).expect("there is a README.md")
}

/// The first block of this language.
fn block(language: &str) -> String {
    blocks(language).swap_remove(0)
}

/// The blocks of this language, without the indentation that they have in lists.
fn blocks(language: &str) -> Vec<String> {
    let readme = text();
    let fence = format!("```{language}\n");
    let dedent = |(before, block): (&str, &str)| {
        let indentation = before.rsplit('\n').next().unwrap_or_default().len();
        let lines = block.lines().map(|line| line.get(indentation..).unwrap_or_default());
        lines.collect::<Vec<_>>().join("\n")
    };
    let pieces: Vec<&str> = readme.split(&fence).collect();
    pieces.windows(2).map(|two| dedent((two[0], two[1].split("```").next().unwrap_or_default()))).collect()
}
