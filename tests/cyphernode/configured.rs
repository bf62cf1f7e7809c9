//! What operators get wrong, and other providers beside the gatekeeper's.

use crate::gatekeeper::{BY_EMPTY_KEY, Gatekeeper, OF_2018, OF_2019, SPENDER, WATCHER, launch};
use portcullis_harness::{Authority, Case, Stage, Upstream};

/// A key that is missing or cut off stops Envoy, which names the variable and not its value.
#[test]
fn keys_are_there_and_whole() {
    let (upstream, authority) = (Upstream::start(), Authority::new("servers"));
    let (short, line) = (SPENDER.key.split_at(63).0, format!("{}\n", WATCHER.key));
    let launch = launch(|example| example.replace("KEY_003", "KEY_004"), &upstream, &authority).env("KEY_002", short).env("KEY_001", &line);
    let Err(failure) = launch.try_start() else { panic!("Envoy starts") };
    let log = failure.to_string();
    for fault in [
        "list[1].secrets[0].env: the text ends with a line break",
        "list[2].secrets[0]: 63 bytes, where 64 are wanted",
        "list[3].secrets[0].env: the environment variable KEY_004 is not set",
    ] {
        assert!(log.contains(&format!("providers.cyphernode.jwt.keys.callers.{fault}")), "no {fault}:\n{log}");
    }
    assert!(!log.contains(short) && !log.contains(WATCHER.key));
}

/// A caller who is taken out of the list, or revoked, is a wrong MAC or a revoked one: 401, as for whom nobody knows.
#[test]
fn callers_who_are_shut_out() {
    let gatekeeper = Gatekeeper::start(|example| {
        example
            .replace(
                "                            upstream:\n",
                "                            revoked: {subjects: [cyphernode/002]}\n                            upstream:\n",
            )
            .replace("                                        - {id: \"001\"", "                                        # - {id: \"001\"")
    });
    gatekeeper.stage.check([
        gatekeeper.with(&WATCHER.token()).expect(401).reason("signature_invalid"),
        gatekeeper.with(&SPENDER.token()).expect(401).reason("revoked"),
    ]);
}

/// Beside a provider of static secrets: what has the shape of the gatekeeper's tokens is one, good or bad, and the rest is a secret.
#[test]
fn beside_secrets_in_the_same_place() {
    let stage = Stage::new()
        .config(
            "
providers:
  partners: {static_secret: {callers: [{id: billing, secrets: [{sha256: 4aab4d8f2b4b3d3dc0de6bc3a3c2d26e7d4f1b5a8bd0f3c2a1e4d5f6a7b8c9d0}]}]}}
  cyphernode:
    jwt:
      keys: {callers: {by: {claim: id}, list: [{id: \"001\", roles: [watcher], secrets: [{env: KEY_001}]}]}}
      formats: [cyphernode-2018]
rules:
  - require: {any: [partners, cyphernode]}
",
        )
        .env("KEY_001", WATCHER.key)
        .start();
    stage.check([
        Case::get("/")
            .bearer(OF_2018)
            .expect(200)
            .upstream("x-auth-provider", "cyphernode")
            .upstream("x-auth-roles", "watcher")
            .upstream_absent("authorization"),
        Case::get("/")
            .bearer(OF_2019)
            .expect(401)
            .reason("signature_invalid")
            .answer("www-authenticate", "Bearer realm=\"api\", error=\"invalid_token\""),
        Case::get("/").bearer(BY_EMPTY_KEY).expect(401).reason("signature_invalid"),
        Case::get("/").bearer("a-secret").expect(401).reason("secret_unknown"),
        // Not in a format that is configured.
        Case::get("/").bearer(&WATCHER.token()).expect(401).reason("secret_unknown"),
    ]);
}
