//! Static secrets on a real Envoy: who may call, and what becomes of everything else that stands where a secret should.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "a test that can't go on fails"
)]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use portcullis_harness::{Case, Configuration, PATIENCE, Request, RunningStage, Stage, StartFailure, now, poll};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The secret of the systems' own example, and its digest.
const SECRET: &str = "my-secure-token";
const DIGEST: &str = "S7PhOYRVu0t6nC6a9jthgm3ZV3D664BAJZK4jM3+DT4=";

/// The longest credential that is looked at.
const LONGEST: usize = 16 * 1024;

fn digest(secret: impl AsRef<[u8]>) -> String {
    STANDARD.encode(Sha256::digest(secret))
}

fn hex(secret: &str) -> String {
    Sha256::digest(secret).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// RFC 3339, for `not_before` and `not_after`.
fn time(offset: i64) -> String {
    let (days, seconds) = (now(offset).div_euclid(86_400), now(offset).rem_euclid(86_400));
    // Civil from days (Howard Hinnant), for the years that tests run in.
    let z = days + 719_468;
    let (era, doe) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    let year = yoe + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// No secret stands anywhere that people read.
fn assert_unseen(stage: &RunningStage, secrets: &[&str]) {
    let places = [("Envoy's log", stage.envoy.log().text()), ("the access log", stage.envoy.access_log().text())];
    for (place, text) in places {
        for secret in secrets {
            if let Some(line) = text.lines().find(|line| line.contains(secret)) {
                panic!("{place} holds {secret}: {line}");
            }
        }
    }
}

/// The faults of a configuration that Envoy refuses to start with.
fn faults(stage: Stage) -> String {
    match stage.try_start() {
        Err(StartFailure { log, .. }) => log,
        Ok(_) => panic!("Envoy starts with a configuration that it must refuse"),
    }
}

/// An authorization header, exactly so, that has to be refused for a reason; it never stays in the access log.
fn refused(value: impl AsRef<[u8]>, status: u16, reason: &str) -> Case {
    Case::get("/x").header("authorization", value).expect(status).reason(reason).access("authorization", Value::Null)
}

#[test]
fn one_secret_opens_and_nothing_else_does() {
    let stage = Stage::new()
        .config("providers: {partners: {static_secret: {sha256: {env: COGO_HASHED_ACCESS_KEY}}}}")
        .env("COGO_HASHED_ACCESS_KEY", DIGEST)
        .start();
    let good = |case: Case| {
        case.expect(200)
            .upstream("x-auth-provider", "partners")
            .upstream("x-auth-subject", "partners")
            .upstream_absent("x-auth-roles")
            .upstream_absent("x-auth-scopes")
            .upstream_absent("authorization")
            .access("verdict", "allow")
            .access("provider", "partners")
            .access("subject", "partners")
            .access("credential", Value::Null)
            .access("reason", Value::Null)
            .access("authorization", Value::Null)
    };
    let mut cases = vec![
        good(Case::get("/x").bearer(SECRET)),
        good(Case::post("/x?y=z", "{}").bearer(SECRET)).upstream_path("/x?y=z"),
        good(Case::get("/x").bearer(SECRET).http2()),
        Case::get("/x").expect(401).reason("credential_missing").answer("cache-control", "no-store").access("verdict", Value::Null),
        refused(format!("Bearer {DIGEST}"), 401, "secret_unknown").named("pass the hash"),
        refused(format!("Bearer {}", hex(SECRET)), 401, "secret_unknown").named("pass the hash, in hex"),
        refused("Bearer my-secure-tokem", 401, "secret_unknown"),
        refused("Bearer my-secure-token2", 401, "secret_unknown"),
        refused("Bearer my-secure-toke", 401, "secret_unknown"),
        refused("Bearer MY-SECURE-TOKEN", 401, "secret_unknown"),
        refused("Bearer my-secure-token%20", 401, "secret_unknown"),
        refused("Bearer \"my-secure-token\"", 401, "secret_unknown"),
        refused("Basic bXktc2VjdXJlLXRva2Vu", 401, "credential_missing").named("another scheme is absence"),
        refused("Digest username=\"x\"", 401, "credential_missing"),
        refused("Bearer", 401, "credential_malformed"),
        refused("Bearer ", 401, "credential_malformed"),
        refused("", 401, "credential_malformed").named("an empty header is an empty credential"),
        refused("my-secure-token", 401, "credential_missing").named("no scheme"),
    ];
    // A scheme is any case and exactly one space, with nothing after the secret.
    for scheme in ["bearer", "BEARER", "bEaReR"] {
        cases.push(good(Case::get("/x").header("authorization", format!("{scheme} {SECRET}"))));
    }
    for bad in [
        "Bearer  my-secure-token",
        "Bearer\tmy-secure-token",
        "Bearer \tmy-secure-token",
        "Bearer: my-secure-token",
        "Bearer:my-secure-token",
        "Bearer my-secure-token my-secure-token",
        "Bearer my-secure-token\tx",
    ] {
        cases.push(refused(bad, 401, "credential_malformed"));
    }
    // What two headers become when somebody joins them.
    for joined in
        ["Bearer my-secure-token, Bearer my-secure-token", "Bearer x,bearer my-secure-token", "Basic eDp5, Bearer my-secure-token"]
    {
        cases.push(refused(joined, 400, "credential_ambiguous"));
    }
    for absent in ["Bearermy-secure-token", "Bearer_ my-secure-token", "XBearer my-secure-token", "Bearers my-secure-token"] {
        cases.push(refused(absent, 401, "credential_missing"));
    }
    stage.check(cases);
    assert_unseen(&stage, &[SECRET, DIGEST, "my-secure"]);
    assert_eq!(stage.envoy.stat("wasmcustom.portcullis.portcullis.allowed"), Some(6));
    assert!(stage.envoy.stat("wasmcustom.portcullis.portcullis.rejected.secret_unknown").is_some_and(|count| count >= 8));
}

#[test]
fn bytes_bounds_and_repetitions_do_no_harm() {
    let long = "l".repeat(LONGEST);
    let too_long = "l".repeat(LONGEST + 1);
    let binary = b"\xff\xfe\x80secret";
    let stage = Stage::new()
        .config(json!({"providers": {"partners": {"static_secret": {"callers": [
            {"id": "plain", "secrets": [{"sha256": digest(SECRET)}]},
            {"id": "comma", "secrets": [{"sha256": digest("a,b,Bearer")}]},
            {"id": "long", "secrets": [{"sha256": digest(&long)}]},
            {"id": "too-long", "secrets": [{"sha256": digest(&too_long)}]},
            {"id": "binary", "secrets": [{"sha256": digest(binary)}]},
        ]}}}}))
        .start();
    let good = |subject: &str| Case::get("/x").expect(200).upstream("x-auth-subject", subject).upstream_absent("authorization");
    let twice = |first: &str, second: &str| {
        Case::get("/x")
            .header("authorization", first)
            .header("Authorization", second)
            .expect(400)
            .reason("credential_ambiguous")
            .access("authorization", Value::Null)
    };
    let bearer = format!("Bearer {SECRET}");
    let non_utf8 = [b"Bearer ".as_slice(), binary].concat();
    stage.check([
        good("long").bearer(&long),
        good("comma").bearer("a,b,Bearer").named("a comma in a secret"),
        refused(format!("Bearer {too_long}"), 401, "credential_too_large"),
        refused(format!("Bearer {}", "l".repeat(40_000)), 401, "credential_too_large"),
        // Bytes that are no UTF-8, in the secret and beside it.
        good("binary").header("authorization", &non_utf8),
        refused(b"Bearer \xff", 401, "secret_unknown"),
        refused(b"\xff\xff", 401, "credential_missing"),
        refused(b"Bearer\xffmy-secure-token", 401, "credential_malformed"),
        good("plain").bearer(SECRET).header("x-other", b"\xff\x80\xc3"),
        good("plain").bearer(SECRET).header("user-agent", b"\xf0\x28"),
        // Twice is never the first, nor the last. (Envoy joins the two with a comma before any filter sees them.)
        twice(&bearer, &bearer),
        twice(&bearer, "Bearer x"),
        twice("Bearer x", &bearer),
        twice(&bearer, "Basic eDp5"),
        twice("Basic eDp5", &bearer),
        twice(&bearer, &bearer).http2(),
        // An empty one leaves no trace where Envoy joins them.
        good("plain").header("authorization", "").header("authorization", &bearer),
        // And the VM lives.
        good("plain").bearer(SECRET),
    ]);
    let reloads: u64 = stage.envoy.stats().iter().filter(|(name, _)| name.contains("vm_reload")).map(|(_, count)| count).sum();
    assert_eq!(reloads, 0, "the VM died: {}", stage.envoy.log().text());
    assert_unseen(&stage, &[SECRET, "llllllllllllllll"]);
}

#[test]
fn callers_have_roles_and_rotate_their_secrets() {
    let stage = Stage::new()
        .config(json!({
            "providers": {"partners": {"static_secret": {"callers": [
                {"id": "billing", "roles": ["reader", "writer"], "secrets": [
                    {"id": "2026q3", "sha256": digest("billing-old"), "not_after": time(-5)},
                    {"id": "2026q4", "sha256": digest("billing-now"), "not_before": time(-3600), "not_after": time(3600)},
                    {"id": "2027q1", "sha256": {"env": "BILLING_NEXT"}, "not_before": time(3600)},
                    {"id": "hex", "sha256": hex("billing-hex")},
                    {"id": "hex upper", "sha256": hex("billing-upper").to_uppercase()},
                ]},
                {"id": "audit", "roles": "reader", "secrets": [{"sha256": digest("audit-secret")}]},
                {"id": "plain", "secrets": [{"sha256": digest("plain-secret")}]},
            ]}}},
            "rules": [
                {"match": {"path_prefix": "/read"}, "require": {"provider": "partners", "roles": "reader"}},
                {"match": {"path_prefix": "/write"}, "require": {"provider": "partners", "roles": "writer"}},
                {"match": {"path_prefix": "/any"}, "require": {"provider": "partners", "roles": {"any": ["writer", "owner"]}}},
                {"match": {"path_prefix": "/all"}, "require": {"provider": "partners", "roles": {"all": ["writer", "reader"]}}},
                {"match": {"path_prefix": "/none"}, "require": {"provider": "partners", "roles": {"none": ["writer"]}}},
                {"match": {"path_prefix": "/some"}, "require": {"provider": "partners", "roles": {"exists": true}}},
                {"match": {"path_prefix": "/prefix"}, "require": {"provider": "partners", "roles": "read"}},
                {"require": "partners"},
            ],
        }))
        .env("BILLING_NEXT", &digest("billing-next"))
        .start();
    let opens = |secret: &str, subject: &str, id: Value| {
        Case::get("/").bearer(secret).expect(200).upstream("x-auth-subject", subject).access("subject", subject).access("credential", id)
    };
    let allowed = |path: &str, secret: &str| Case::get(path).bearer(secret).expect(200).upstream_absent("authorization");
    let forbidden = |path: &str, secret: &str, reason: &str| Case::get(path).bearer(secret).expect(401).reason(reason);
    stage.check([
        opens("billing-now", "billing", json!("2026q4")).upstream("x-auth-roles", "reader,writer"),
        opens("billing-hex", "billing", json!("hex")),
        opens("billing-upper", "billing", json!("hex upper")),
        opens("audit-secret", "audit", Value::Null).upstream("x-auth-roles", "reader"),
        opens("plain-secret", "plain", Value::Null).upstream_absent("x-auth-roles"),
        Case::get("/").bearer("billing-old").expect(401).reason("secret_expired"),
        Case::get("/").bearer("billing-next").expect(401).reason("secret_expired"),
        Case::get("/").bearer("nobody").expect(401).reason("secret_unknown"),
        allowed("/read", "billing-now"),
        allowed("/read", "audit-secret"),
        forbidden("/read", "plain-secret", "roles_absent"),
        allowed("/write", "billing-now"),
        forbidden("/write", "audit-secret", "role_missing"),
        allowed("/any", "billing-now"),
        forbidden("/any", "audit-secret", "role_missing"),
        allowed("/all", "billing-now"),
        forbidden("/all", "audit-secret", "role_missing"),
        allowed("/none", "audit-secret"),
        forbidden("/none", "billing-now", "role_missing"),
        allowed("/some", "audit-secret"),
        forbidden("/some", "plain-secret", "roles_absent"),
        forbidden("/prefix", "billing-now", "role_missing").named("no substrings of roles"),
        // A bad secret is told before a missing role.
        forbidden("/write", "nobody", "secret_unknown"),
        Case::get("/write").expect(401).reason("credential_missing"),
    ]);
    assert_unseen(&stage, &["billing-now", "billing-old", "billing-next", "audit-secret", &digest("billing-next")]);
}

#[test]
fn a_secret_ends_when_it_says() {
    let (secret, end) = ("short-lived", now(8));
    let stage = Stage::new()
        .config(json!({"providers": {"partners": {"static_secret": {"callers": [
            {"id": "guest", "secrets": [{"sha256": digest(secret), "not_after": time(end - now(0))}]},
            {"id": "later", "secrets": [{"sha256": digest("later"), "not_before": time(end - now(0))}]},
        ]}}}}))
        .start();
    // Whatever the machine's pace: before its end a secret is good, from then on it is not; and the other way round.
    let wrong = poll(PATIENCE, || {
        for (secret, good_before) in [(secret, true), ("later", false)] {
            let before = now(0);
            let status = stage.send(&Request::get("/").bearer(secret)).status;
            let after = now(0);
            let expected = if after < end {
                Some(good_before)
            } else if before >= end {
                Some(!good_before)
            } else {
                None
            };
            if expected.is_some_and(|good| status != if good { 200 } else { 401 }) {
                return Some(Err(format!("{secret}: {status} between {before} and {after}; its time is {end}")));
            }
        }
        (now(0) > end).then_some(Ok(()))
    });
    assert_eq!(wrong, Some(Ok(())));
}

#[test]
fn other_places_and_what_is_left_of_them() {
    let stage = Stage::new()
        .config(json!({"providers": {"partners": {
            "static_secret": {"callers": [
                {"id": "alice", "secrets": [{"sha256": digest("alice-secret")}]},
                {"id": "bob", "secrets": [{"sha256": digest("bob secret+&")}]},
            ]},
            "from": [{"header": "authorization", "scheme": "Bearer"}, {"header": "X-API-Key"}, {"query": "access_token"}],
        }}}))
        .start();
    let clean = |case: Case| case.upstream_absent("authorization").upstream_absent("x-api-key").access("authorization", Value::Null);
    let good = |case: Case, subject: &str| clean(case.expect(200).upstream("x-auth-subject", subject));
    let bad = |case: Case, status: u16, reason: &str| case.expect(status).reason(reason).access("authorization", Value::Null);
    stage.check([
        good(Case::get("/x").header("x-api-key", "alice-secret"), "alice"),
        good(Case::get("/x").header("X-Api-Key", "bob secret+&"), "bob").named("without a scheme the whole value is the secret"),
        bad(Case::get("/x").header("x-api-key", "Bearer alice-secret"), 401, "secret_unknown"),
        bad(Case::get("/x").header("x-api-key", ""), 401, "credential_malformed"),
        bad(Case::get("/x").header("x-api-key", "alice-secret").header("x-api-key", "alice-secret"), 400, "credential_ambiguous"),
        bad(Case::get("/x").header("x-api-key", "alice-secret").header("x-api-key", "bob"), 400, "credential_ambiguous"),
        // The first place that holds one counts; the others are cleared all the same.
        good(Case::get("/x?access_token=junk&a=1").bearer("alice-secret").header("x-api-key", "junk"), "alice").upstream_path("/x?a=1"),
        good(Case::get("/x").header("authorization", "Basic eDp5").header("x-api-key", "alice-secret"), "alice")
            .named("another scheme is absence, and removed"),
        bad(Case::get("/x").bearer("junk").header("x-api-key", "alice-secret"), 401, "secret_unknown"),
        bad(Case::get("/x?access_token=alice-secret").header("x-api-key", "junk"), 401, "secret_unknown").access("path", "/x"),
        good(Case::get("/x").header("x-api-key", "alice-secret").header("x_api_key", "junk").header("X.API.Key", "junk"), "alice")
            .upstream_absent("x_api_key")
            .upstream_absent("x.api.key")
            .named("what some upstreams take for the same name"),
        bad(Case::get("/x").header("x_api_key", "alice-secret"), 401, "credential_missing"),
        // The query.
        good(Case::get("http://api.test/x?access_token=alice-secret&a=1"), "alice").upstream_path("/x?a=1").access("path", "/x?a=1"),
        good(Case::get("/x?access_token=alice-secret"), "alice").upstream_path("/x").access("path", "/x"),
        good(Case::get("/x?a=1&access_token=alice-secret&b=%20"), "alice").upstream_path("/x?a=1&b=%20").access("path", "/x?a=1&b=%20"),
        good(Case::get("/x?access_token=bob+secret%2b%26"), "bob").upstream_path("/x").access("path", "/x"),
        good(Case::get("/x?access%5Ftoken=alice-secret&a"), "alice").upstream_path("/x?a").access("path", "/x?a"),
        good(Case::get("/x?%61%63cess%5ftoken=alice%2Dsecret"), "alice").upstream_path("/x").access("path", "/x"),
        good(Case::get("/x?access_token=alice-secret&a=1").http2(), "alice").upstream_path("/x?a=1"),
        bad(Case::get("/x?access_token=wrong-secret&a=1"), 401, "secret_unknown").access("path", "/x?a=1"),
        bad(Case::get("/x?access%5Ftoken=wrong-secret"), 401, "secret_unknown").access("path", "/x"),
        bad(Case::get("/x?access_token="), 401, "credential_malformed").access("path", "/x"),
        bad(Case::get("/x?access_token"), 401, "credential_malformed").access("path", "/x"),
        bad(Case::get("/x?access_token=alice-secret&access_token=alice-secret"), 400, "credential_ambiguous").access("path", "/x"),
        bad(Case::get("/x?access_token=alice-secret&b=1&access%5ftoken=x"), 400, "credential_ambiguous").access("path", "/x?b=1"),
        bad(Case::get("/x?Access_Token=alice-secret"), 401, "credential_missing").access("path", "/x?Access_Token=alice-secret"),
        bad(Case::get("/x?token=alice&xaccess_token=y"), 401, "credential_missing"),
        bad(Case::get(format!("/x?access_token={}", "l".repeat(LONGEST + 1))), 401, "credential_too_large").access("path", "/x"),
        bad(Case::get("/x?access_token=%ff%fe%00"), 401, "secret_unknown").access("path", "/x"),
        bad(Case::get("/x?access_token=%zz%"), 401, "secret_unknown").access("path", "/x"),
        // No place: a cookie, a body, another header.
        bad(Case::get("/x").header("cookie", "access_token=alice-secret"), 401, "credential_missing"),
        bad(
            Case::post("/x", "access_token=alice-secret").header("content-type", "application/x-www-form-urlencoded"),
            401,
            "credential_missing",
        ),
        bad(Case::get("/x").header("proxy-authorization", "Bearer alice-secret"), 401, "credential_missing"),
    ]);
    // One was sent under another name on purpose: that name is not ours to remove.
    let log = stage.envoy.log().text();
    assert!(!log.contains("alice-secret") && !log.contains("wrong-secret"), "{log}");
}

#[test]
fn ten_thousand_callers() {
    let secret = |number: u32| format!("secret-of-caller-{number}-{}", number.wrapping_mul(2_654_435_761));
    let callers: Vec<Value> = (0..10_000)
        .map(|number| json!({"id": format!("caller-{number}"), "roles": ["r"], "secrets": [{"id": "1", "sha256": digest(secret(number))}]}))
        .collect();
    let stage = Stage::new()
        .config(Configuration::Text(json!({"providers": {"partners": {"static_secret": {"callers": callers}}}}).to_string()))
        .start();
    let opens = |number: u32| {
        Case::get("/").bearer(&secret(number)).expect(200).upstream("x-auth-subject", &format!("caller-{number}")).access("credential", "1")
    };
    stage.check([
        opens(0),
        opens(1),
        opens(4_711),
        opens(9_999),
        Case::get("/").bearer(&secret(10_000)).expect(401).reason("secret_unknown"),
        Case::get("/").bearer(&digest(secret(0))).expect(401).reason("secret_unknown"),
    ]);
    assert_unseen(&stage, &["secret-of-caller"]);
}

#[test]
fn faults_are_told_all_at_once() {
    let missing = "sha256: {env: THERE_IS_NO_SUCH_VARIABLE}";
    let log = faults(
        Stage::new()
            .config(format!(
                "
providers:
  short: {{static_secret: {{sha256: c2hvcnQ=}}, from: [{{header: x-1}}]}}
  text: {{static_secret: {{sha256: my-secure-token}}, from: [{{header: x-2}}]}}
  none: {{static_secret: {{{missing}}}, from: [{{header: x-3}}]}}
  bad: {{static_secret: {{sha256: {{env: NOT_A_DIGEST}}}}, from: [{{header: x-4}}]}}
  empty: {{static_secret: {{sha256: {}}}, from: [{{header: x-5}}]}}
  nobody: {{static_secret: {{callers: []}}, from: [{{header: x-6}}]}}
  both: {{static_secret: {{sha256: {DIGEST}, callers: []}}, from: [{{header: x-7}}]}}
  neither: {{static_secret: {{}}, from: [{{header: x-8}}]}}
  callers:
    static_secret:
      callers:
        - {{id: a, secrets: [{{id: x, sha256: {DIGEST}}}, {{id: x, sha256: {}}}]}}
        - {{id: a, secrets: [{{sha256: {}}}]}}
        - {{id: b, secrets: [{{sha256: {DIGEST}}}]}}
        - {{id: c, secrets: []}}
        - {{id: 1, secrets: [{{sha256: {}}}]}}
        - {{id: d, secrets: [{{sha256: {}, not_before: 2027-01-01T00:00:00Z, not_after: 2026-01-01T00:00:00Z}}]}}
        - {{id: e, secrets: [{{sha256: {}, not_after: 2027-01-01}}]}}
        - {{id: f, secret: x}}
    from: [{{cookie: session}}]
rules: [{{require: short}}]
",
                digest(""),
                digest("1"),
                digest("2"),
                digest("3"),
                digest("4"),
                digest("5"),
            ))
            .env("NOT_A_DIGEST", "not-a-digest-but-secret"),
    );
    for part in [
        "providers.short.static_secret.sha256: 5 bytes after base64; a SHA-256 digest has 32",
        "providers.text.static_secret.sha256: ",
        "providers.none.static_secret.sha256.env: ",
        "THERE_IS_NO_SUCH_VARIABLE",
        "providers.bad.static_secret.sha256.env: ",
        "providers.empty.static_secret.sha256: ",
        "providers.nobody.static_secret.callers: empty",
        "providers.both.static_secret: ",
        "providers.neither.static_secret: ",
        "providers.callers.static_secret.callers[0].secrets[1].id: ",
        "providers.callers.static_secret.callers[1].id: ",
        "providers.callers.static_secret.callers[2].secrets[0].sha256: ",
        "providers.callers.static_secret.callers[3].secrets: empty",
        "providers.callers.static_secret.callers[4].id: ",
        "quote it",
        "providers.callers.static_secret.callers[5].secrets[0].not_after: ",
        "providers.callers.static_secret.callers[6].secrets[0].not_after: ",
        "providers.callers.static_secret.callers[7].secret: ",
        "providers.callers.from[0].origins: missing; browsers send cookies",
    ] {
        assert!(log.contains(part), "no {part:?} in:\n{log}");
    }
    assert!(!log.contains("not-a-digest-but-secret"), "a variable's value in the log:\n{log}");
}
