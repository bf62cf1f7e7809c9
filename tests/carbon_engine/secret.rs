//! The modes none and static.

use crate::{assert_unlogged, authorized, call, check, garbage, import, refused};
use portcullis_harness::{Request, RunningStage, Stage};

/// Of `my-secure-token`.
const KEY: &str = "S7PhOYRVu0t6nC6a9jthgm3ZV3D664BAJZK4jM3+DT4=";
/// Of `my-secure-token` and a line feed: hashed without `echo -n`.
const FORGOTTEN: &str = "JjFTKUHiBcPx34Inw8M9WVw617K2z5DALRZPU54BTeQ=";

fn mode_static(key: &str) -> Stage {
    let variables = [("COGO_AUTHENTICATION_MODE", "static"), ("COGO_HASHED_ACCESS_KEY", key)];
    Stage::new().config(import(&[], &variables)).env("COGO_HASHED_ACCESS_KEY", key)
}

#[test]
fn entry_1_mode_none_changes_nothing() {
    let stage = Stage::new().config(import(&[], &[("COGO_AUTHENTICATION_MODE", "none")])).start();
    let request = Request::new("PATCH", "/a//b/%2e%2e/c;d?access_token=x&y")
        .header("authorization", "Bearer anything")
        .header("authorization", "Basic x")
        .header("x-auth-subject", "somebody")
        .header("x-http-method-override", "DELETE")
        .header("cookie", "session=1")
        .body("{}");
    let through = |stage: &RunningStage| {
        assert_eq!(stage.send(&request).status, 200);
        let mut received = stage.upstream.last();
        received.headers.retain(|(name, _)| !matches!(name.as_str(), "x-request-id" | "x-envoy-expected-rq-timeout-ms" | "host"));
        (received.method, received.path, received.headers, received.body)
    };
    let bare = Stage::new().without_guard().start();
    assert_eq!(through(&stage), through(&bare));
    stage.check([call().expect(200).access("verdict", "allow")]);
}

#[test]
fn entries_2_to_9_mode_static() {
    let stage = mode_static(KEY).start();
    let unknown = |authorization: &str| refused(authorized(authorization), "secret_unknown");
    let long = format!("Bearer {}", "A".repeat(20 << 10));
    let cases = vec![
        authorized("Bearer my-secure-token").expect(200).upstream_absent("authorization").access("subject", "carbon-engine").named("2."),
        authorized("bearer my-secure-token").expect(200).named("2. schemes have no case"),
        unknown("Bearer my-secure-tokem").named("4."),
        unknown(&format!("Bearer {KEY}")).named("5. pass the hash"),
        refused(authorized("my-secure-token"), "credential_missing").named("7. no scheme"),
        unknown("Bearer my-secure-token2").named("9. longer"),
        unknown("Bearer my-secure-toke").named("9. shorter"),
        unknown("Bearer MY-SECURE-TOKEN").named("another case"),
        refused(authorized(b"Bearer my-secure-token\xff\xfe"), "secret_unknown").named("not UTF-8"),
        refused(authorized(&long), "credential_too_large").named("20 KiB"),
        call().with(|request| request.bearer("my-secure-token").bearer("my-secure-token")).expect(400).reason("credential_ambiguous"),
    ];
    let secrets = ["my-secure-token", "my-secure-toke", KEY];
    check(&stage, cases.into_iter().chain(garbage()), &secrets);
    // Envoy itself takes headers of 60 KiB at most.
    check(&stage, [authorized(format!("Bearer {}", "A".repeat(64 << 10))).expect(431).not_upstream()], &secrets);
    assert_unlogged(&stage, &secrets);
}

#[test]
fn the_hash_of_a_token_with_a_line_feed_lets_nobody_in() {
    let stage = mode_static(FORGOTTEN).start();
    stage.check([refused(authorized("Bearer my-secure-token"), "secret_unknown")]);
}

/// `import` refuses them, too: see `tests/cli/carbon_engine.rs`.
#[test]
fn entry_10_a_hash_that_is_none_is_refused() {
    let variables = [("COGO_AUTHENTICATION_MODE", "static"), ("COGO_HASHED_ACCESS_KEY", KEY)];
    let printed = import(&[], &variables);
    for (key, wrong) in [("my-secure-token!", "neither base64 nor hex"), ("S7PhOYRVu0s=", "8 bytes after base64")] {
        let failure = Stage::new().config(printed.as_str()).env("COGO_HASHED_ACCESS_KEY", key).try_start().err().expect("it is refused");
        let line = format!("providers.carbon-engine.static_secret.sha256.env: {wrong}");
        assert!(failure.log.contains(&line) && !failure.log.contains(key), "{}", failure.log);
    }
    let failure = Stage::new().config(printed).try_start().err().expect("it is refused");
    assert!(failure.log.contains("COGO_HASHED_ACCESS_KEY is not set"), "{}", failure.log);
}
