//! `portcullis import carbon-engine`. What the printed configurations do to requests is in `tests/carbon_engine.rs`.

use crate::tool::{Outcome, run, run_with, text};
use portcullis_harness::{Authority, Launch};
use std::fs;

/// Of `my-secure-token`.
const KEY: &str = "S7PhOYRVu0t6nC6a9jthgm3ZV3D664BAJZK4jM3+DT4=";

const JWT: [(&str, &str); 3] = [
    ("COGO_AUTHENTICATION_MODE", "jwt"),
    ("COGO_JWT_ISSUER", "https://cogo.eu.auth0.com/"),
    ("COGO_JWKS_URL", "https://cogo.eu.auth0.com/.well-known/jwks.json"),
];

/// An Envoy that is only asked whether it takes its configuration.
const ENVOY: &str = "admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}\nstatic_resources:\n";

fn import(variables: &[(&str, &str)]) -> Outcome {
    run_with(&["import", "carbon-engine"], variables)
}

fn import_jwt(more: &[(&str, &str)]) -> Outcome {
    import(&[&JWT, more].concat())
}

/// From a file of this text.
fn import_file(content: &str, arguments: &[&str]) -> Outcome {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    fs::write(file.path(), content).expect("it can be written");
    run(&[&["import", "carbon-engine", "--env-file", text(file.path())], arguments].concat())
}

#[test]
fn each_mode_is_printed() {
    let none = import(&[("COGO_AUTHENTICATION_MODE", "none")]).output();
    assert!(none.contains("rules: [{allow: anyone}]"), "{none}");
    let secret = import(&[("COGO_AUTHENTICATION_MODE", "static"), ("COGO_HASHED_ACCESS_KEY", KEY)]).output();
    assert!(
        secret.contains("sha256: {env: COGO_HASHED_ACCESS_KEY}") && secret.contains("host_env_keys: [COGO_HASHED_ACCESS_KEY]"),
        "{secret}"
    );
    assert!(!secret.contains(KEY), "the variable stays where it is: {secret}");
    let jwt = import_jwt(&[("COGO_JWT_SUBS", "a  b"), ("COGO_JWT_REQUIRED_SCOPE", "carbon/read")]).output();
    for line in [
        r#"jwks_uri: "https://cogo.eu.auth0.com/.well-known/jwks.json"  # COGO_JWKS_URL"#,
        r#"issuers: ["https://cogo.eu.auth0.com/"]  # COGO_JWT_ISSUER"#,
        "audiences: any  #",
        "require_kid: true",
        "refresh: 1h",
        r#"subjects: ["a", "b"]  # COGO_JWT_SUBS"#,
        r#"- require: {provider: carbon-engine, scopes: "carbon/read"}  # COGO_JWT_REQUIRED_SCOPE"#,
    ] {
        assert!(jwt.contains(line), "{line}: {jwt}");
    }
    assert!(!import_jwt(&[]).output().contains("subjects"));
}

#[test]
fn a_file_is_read_as_docker_reads_it() {
    let file = "\u{feff}# of the engine\n\nCOGO_AUTHENTICATION_MODE=static\n  COGO_HASHED_ACCESS_KEY=S7PhOYRVu0t6nC6a9jthgm3ZV3D664BAJZK4jM3+DT4=\nTZ=UTC\nCOGO_LICENSE=a=b\nNOT_SET\n";
    let outcome = import_file(file, &[]);
    assert_eq!(outcome.stderr, "");
    assert!(outcome.output().contains("static_secret"));
    let passed_on = tempfile::NamedTempFile::new().expect("a temporary file");
    fs::write(passed_on.path(), "COGO_AUTHENTICATION_MODE\n").expect("it can be written");
    let outcome = run_with(&["import", "carbon-engine", "--env-file", text(passed_on.path())], &[("COGO_AUTHENTICATION_MODE", "none")]);
    assert!(outcome.output().contains("allow: anyone"));

    for (line, fault) in [
        ("COGO_AUTHENTICATION_MODE=\"none\"", "line 1: COGO_AUTHENTICATION_MODE stands in quotes"),
        ("COGO_AUTHENTICATION_MODE='none'", "line 1: COGO_AUTHENTICATION_MODE stands in quotes"),
        ("export COGO_AUTHENTICATION_MODE=none", "line 1: not NAME=VALUE"),
        ("COGO_AUTHENTICATION_MODE =none", "line 1: not NAME=VALUE"),
        ("=none", "line 1: not NAME=VALUE"),
        ("COGO_AUTHENTICATION_MODE=none\nCOGO_AUTHENTICATION_MODE=none", "line 2: COGO_AUTHENTICATION_MODE stands here twice"),
    ] {
        let outcome = import_file(line, &[]);
        assert!(matches!(outcome.faults().as_slice(), [only] if only.contains(fault)), "{line}: {}", outcome.stderr);
    }
    // Here it has no value; where the engine runs it may have one.
    for name in ["COGO_JWT_SUBS", "COGO_JWT_REQUIRED_SCOPE"] {
        let outcome =
            import_file(&format!("COGO_AUTHENTICATION_MODE=jwt\nCOGO_JWT_ISSUER=https://x/\nCOGO_JWKS_URL=https://x/jwks\n{name}\n"), &[]);
        let fault = format!("{name}: the file leaves its value to the environment");
        assert!(matches!(outcome.faults().as_slice(), [only] if only.starts_with(&fault)), "{}", outcome.stderr);
    }
    assert!(run(&["import", "carbon-engine", "--env-file", "/does/not/exist"]).faults()[0].starts_with("/does/not/exist: "));
}

#[test]
fn what_is_wrong_is_named_by_its_variable_all_in_one_go() {
    let mode = ("COGO_AUTHENTICATION_MODE", "static");
    for (variables, expected) in [
        (&[][..], &["COGO_AUTHENTICATION_MODE: missing; it is none, static or jwt"][..]),
        (&[("COGO_AUTHENTICATION_MODE", "JWT")], &["COGO_AUTHENTICATION_MODE: not a mode of Carbon Engine's"]),
        (&[("COGO_AUTHENTICATION_MODE", "")], &["COGO_AUTHENTICATION_MODE: not a mode of Carbon Engine's"]),
        (&[mode], &["COGO_HASHED_ACCESS_KEY: missing; COGO_AUTHENTICATION_MODE=static needs it"]),
        (&[mode, ("COGO_HASHED_ACCESS_KEY", "")], &["COGO_HASHED_ACCESS_KEY: empty"]),
        (&[mode, ("COGO_HASHED_ACCESS_KEY", "my-secure-token!")], &["COGO_HASHED_ACCESS_KEY: neither base64 nor hex"]),
        (
            &[mode, ("COGO_HASHED_ACCESS_KEY", "S7PhOYRVu0t6nC6a9jthgm3ZV3D664BAJZK4jM3+DQ==")],
            &["COGO_HASHED_ACCESS_KEY: 31 bytes after base64"],
        ),
        (
            &[mode, ("COGO_HASHED_ACCESS_KEY", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")],
            &["COGO_HASHED_ACCESS_KEY: the digest of the empty string"],
        ),
        (
            &[("COGO_AUTHENTICATION_MODE", "jwt"), ("COGO_JWT_SUBS", " "), ("COGO_JWT_REQUIRED_SCOPE", "a b")],
            &[
                "COGO_JWT_ISSUER: missing; COGO_AUTHENTICATION_MODE=jwt needs it",
                "COGO_JWKS_URL: missing; COGO_AUTHENTICATION_MODE=jwt needs it",
                "COGO_JWT_SUBS: empty",
                "COGO_JWT_REQUIRED_SCOPE: one scope is wanted",
            ],
        ),
        (
            &[("COGO_AUTHENTICATION_MODE", "jwt"), ("COGO_JWT_ISSUER", "any"), ("COGO_JWKS_URL", "jwks.json"), ("COGO_JWT_SUBS", "a\tb")],
            &["COGO_JWT_ISSUER: a list of names", "COGO_JWKS_URL: not an absolute URL", "COGO_JWT_SUBS: control characters"],
        ),
        (&[JWT[0], ("COGO_JWT_ISSUER", "https://x/ "), JWT[2]], &["COGO_JWT_ISSUER: white space around it"]),
        (
            &[("COGO_AUTHENTICATION_MODE", "none"), ("COGO_JWT_SUB", "a"), ("COGO_JWKS_URI", "https://x/")],
            &["COGO_JWKS_URI: not a variable of Carbon Engine's", "COGO_JWT_SUB: not a variable of Carbon Engine's"],
        ),
    ] {
        let outcome = import(variables);
        let faults = outcome.faults();
        assert_eq!(faults.len(), expected.len(), "{variables:?}: {faults:#?}");
        for expected in expected {
            assert!(faults.iter().any(|fault| fault.starts_with(expected)), "{expected}: {faults:#?}");
        }
        assert!(!outcome.stderr.contains("my-secure-token"), "{}", outcome.stderr);
    }
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        let bad = std::ffi::OsStr::from_bytes(b"\xff");
        let mut tool = std::process::Command::new(env!("CARGO_BIN_EXE_portcullis"));
        let output = tool.args(["import", "carbon-engine"]).env_clear().env("COGO_AUTHENTICATION_MODE", bad).output().expect("it starts");
        assert!(output.stdout.is_empty() && output.stderr.starts_with(b"COGO_AUTHENTICATION_MODE: not UTF-8\n"), "{output:?}");
    }
}

#[test]
fn what_the_mode_does_not_look_at_is_a_warning() {
    let outcome = import_jwt(&[("COGO_HASHED_ACCESS_KEY", "a-secret"), ("COGO_LICENSE", "l"), ("INSTANCE_ID", "i")]);
    assert_eq!(outcome.stderr, "warning: COGO_HASHED_ACCESS_KEY is set, but COGO_AUTHENTICATION_MODE=jwt doesn't look at it\n");
    assert!(!outcome.output().contains("a-secret"));
    let outcome = import(&[&[("COGO_HASHED_ACCESS_KEY", KEY)], &JWT[1..], &[("COGO_AUTHENTICATION_MODE", "static")]].concat());
    assert_eq!(outcome.stderr.lines().count(), 2, "{}", outcome.stderr);
}

#[test]
fn plain_http_must_be_meant() {
    let variables = [JWT[0], JWT[1], ("COGO_JWKS_URL", "http://idp.example/jwks.json")];
    let outcome = import(&variables);
    assert!(matches!(outcome.faults().as_slice(), [only] if only.starts_with("COGO_JWKS_URL: plain http")), "{}", outcome.stderr);
    let insecure = ["import", "carbon-engine", "--insecure-http"];
    assert!(run_with(&insecure, &variables).output().contains("insecure_http: true"));
    assert!(run_with(&insecure, &JWT).faults()[0].starts_with("COGO_JWKS_URL: "));
}

#[test]
fn no_value_gets_out_of_its_place() {
    let issuer = "x\"] # {}\u{2028}\\";
    let jwt = import(&[JWT[0], ("COGO_JWT_ISSUER", issuer), JWT[2]]).output();
    assert!(jwt.contains(r#"issuers: ["x\"] # {}\U00002028\\"]  # COGO_JWT_ISSUER"#), "{jwt}");
    let arguments = ["import", "carbon-engine", "--cluster", "a\nrules: [{allow: anyone}]"];
    assert!(run_with(&arguments, &JWT).faults()[0].starts_with("--cluster: "));
}

#[test]
fn the_engines_secret_stays_in_its_variable() {
    let variables = [("COGO_AUTHENTICATION_MODE", "static"), ("COGO_HASHED_ACCESS_KEY", KEY), ("ENGINE", "my-secure-token")];
    let arguments = ["import", "carbon-engine", "--engine-secret", "ENGINE"];
    let printed = run_with(&arguments, &variables).output();
    assert!(printed.contains(r#"authorization: {secret: {env: "ENGINE"}, prefix: "Bearer "}"#), "{printed}");
    assert!(printed.contains("host_env_keys: [COGO_HASHED_ACCESS_KEY, ENGINE]") && !printed.contains("my-secure-token"), "{printed}");
    // Not set here: it is Envoy that needs it.
    assert!(run_with(&arguments, &variables[..2]).output().contains("ENGINE"));
    let bad = [variables[0], variables[1], ("ENGINE", "my-secure-token\n")];
    let outcome = run_with(&arguments, &bad);
    assert!(outcome.faults()[0].starts_with("--engine-secret: the text ends with a line break"), "{}", outcome.stderr);
    assert!(run_with(&arguments, &[("COGO_AUTHENTICATION_MODE", "none")]).faults()[0].starts_with("--engine-secret: goes with"));
    // The digest is no secret of the engine's.
    let outcome = run_with(&["import", "carbon-engine", "--engine-secret", "COGO_HASHED_ACCESS_KEY"], &variables);
    assert!(outcome.faults()[0].starts_with("--engine-secret: names the variable"), "{}", outcome.stderr);
}

#[test]
fn envoy_takes_the_cluster_in_the_comment() {
    let authorities = tempfile::NamedTempFile::new().expect("a temporary file");
    fs::write(authorities.path(), Authority::new("servers").pem()).expect("it can be written");
    for (url, address) in [
        ("https://idp.example/jwks.json", r#"{address: "idp.example", port_value: 443}"#),
        ("https://idp.example:8443/jwks.json", r#"{address: "idp.example", port_value: 8443}"#),
        ("https://192.0.2.1/jwks.json", r#"{address: "192.0.2.1", port_value: 443}"#),
        ("https://[2001:db8::1]:8443/jwks.json", r#"{address: "2001:db8::1", port_value: 8443}"#),
        ("http://idp.example/jwks.json", r#"{address: "idp.example", port_value: 80}"#),
    ] {
        let insecure = url.starts_with("http:").then_some("--insecure-http");
        let arguments: Vec<&str> = ["import", "carbon-engine", "--cluster", "idp-keys"].into_iter().chain(insecure).collect();
        let printed = run_with(&arguments, &[JWT[0], JWT[1], ("COGO_JWKS_URL", url)]).output();
        let comment = printed.split("# clusters:\n").nth(1).expect("there is a cluster");
        assert!(comment.contains(address), "{url}: {comment}");
        assert_eq!(comment.contains("sni: \"idp.example\""), url.starts_with("https://idp"), "{comment}");
        assert_eq!(comment.contains("trusted_ca"), insecure.is_none(), "{comment}");
        let cluster: String = comment.lines().map(|line| format!("{}\n", line.strip_prefix("# ").expect("a comment"))).collect();
        let cluster = cluster.replace("/etc/ssl/certs/ca-certificates.crt", text(authorities.path()));
        let indented: String = cluster.lines().map(|line| format!("  {line}\n")).collect();
        let bootstrap = format!("{ENVOY}  clusters:\n{indented}");
        let (good, log) = Launch::new(&bootstrap).validate();
        assert!(good, "{url}: {log}\n{bootstrap}");
    }
}
