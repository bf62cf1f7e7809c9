//! `portcullis key`.

use crate::tool::{Outcome, run, text};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use portcullis_harness::{Case, RunningStage, Stage, TLS, cluster};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("the file is there").permissions().mode() & 0o777
}

#[test]
fn a_secret_comes_with_its_digest() {
    let parts = || {
        let output = run(&["key", "secret"]).output();
        let (secret, digest) = output.strip_prefix("secret: ").and_then(|rest| rest.split_once("\nsha256: ")).expect("two lines");
        (secret.to_owned(), digest.trim_end().to_owned())
    };
    let (secret, digest) = parts();
    assert_eq!(URL_SAFE_NO_PAD.decode(&secret).expect("base64url").len(), 32);
    assert_eq!(digest, STANDARD.encode(Sha256::digest(&secret)));
    assert_ne!(parts().0, secret);
}

fn hmac(file: &Path) -> Outcome {
    run(&["key", "hmac", "--file", text(file)])
}

#[test]
fn an_hmac_key_is_made_once() {
    let folder = folder();
    let file = folder.path().join("jwt.hex");
    let made = hmac(&file);
    assert_eq!(made.stderr, format!("made {}\n", file.display()));
    let key = made.output();
    assert!(key.len() == 65 && key.trim_end().bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')), "{key}");
    assert_eq!((fs::read_to_string(&file).expect("it is there"), mode(&file)), (key.clone(), 0o600));
    let kept = hmac(&file);
    assert_eq!(kept.stderr, format!("kept {}\n", file.display()));
    assert_eq!(kept.output(), key);
    assert_ne!(run(&["key", "hmac"]).output(), run(&["key", "hmac"]).output());
}

#[test]
fn an_hmac_key_that_is_there_is_checked_and_never_replaced() {
    let folder = folder();
    let file = folder.path().join("jwt.hex");
    let digits = "7365".repeat(16);
    for good in [
        digits.clone(),
        format!("{digits}\n"),
        format!("{digits}\r\n"),
        format!("0x{digits}\n"),
        format!("0X{digits}"),
        "ABCDEF0123456789abcdef".repeat(2) + &"00".repeat(10),
    ] {
        fs::write(&file, &good).expect("it can be written");
        assert_eq!(hmac(&file).output(), format!("{}\n", good.trim_end()));
    }
    let short = "7365".repeat(15) + "73";
    for bad in [
        String::new(),
        "\n".to_owned(),
        "0x".to_owned(),
        short.clone(),
        format!("{short}6"),
        format!("{digits}73"),
        format!("{digits}7"),
        format!("{short}zz"),
        format!("{digits}\n{digits}\n"),
        format!("0x0x{digits}"),
        "secret".repeat(200_000),
    ] {
        fs::write(&file, &bad).expect("it can be written");
        let outcome = hmac(&file);
        assert!(outcome.faults().iter().all(|fault| !fault.contains("7365")), "{}", outcome.stderr);
        assert_eq!(fs::read_to_string(&file).expect("it is there"), bad);
    }
    fs::write(&file, [0xff; 64]).expect("it can be written");
    assert_eq!(hmac(&file).faults().len(), 1);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("it is ours");
    fs::write(&file, &digits).expect("it can be written");
    assert!(hmac(&file).stderr.contains("warning: others than its owner can read"), "{}", hmac(&file).stderr);
    assert!(hmac(&folder.path().join("none/jwt.hex")).faults()[0].contains("none/jwt.hex: "));
    let dangling = folder.path().join("link");
    symlink(folder.path().join("elsewhere"), &dangling).expect("a link can be made");
    assert_eq!(hmac(&dangling).faults().len(), 1);
    assert!(!folder.path().join("elsewhere").exists());
}

#[test]
fn a_servers_own_certificate_wins_over_a_self_signed_one() {
    let folder = folder();
    let tls = folder.path().join("etc/tls");
    let make = || run(&["key", "tls", "--directory", text(&tls), "--name", "engine.example", "--name", "10.0.0.1"]);
    let (certificate, key) = (tls.join("server.crt"), tls.join("server.key"));
    let lines = |verb: &str| format!("{verb} {}\n{verb} {}\n", certificate.display(), key.display());
    assert_eq!(make().output(), lines("made"));
    assert_eq!((mode(&certificate) & 0o400, mode(&key)), (0o400, 0o600));
    let first = (fs::read(&certificate).expect("it is there"), fs::read(&key).expect("it is there"));
    assert_eq!(make().output(), lines("kept"));
    assert_eq!((fs::read(&certificate).expect("it is there"), fs::read(&key).expect("it is there")), first);

    fs::remove_file(&key).expect("it is there");
    assert!(make().faults()[0].contains("server.crt is there without "), "{}", make().stderr);
    fs::remove_file(&certificate).expect("it is there");
    fs::write(&key, "mine").expect("it can be written");
    assert!(make().faults()[0].contains("server.key is there without "), "{}", make().stderr);
    assert_eq!(fs::read_to_string(&key).expect("it is there"), "mine");
    for name in ["", "a b", "a..b", "https://x", "\u{e4}", &"a".repeat(65)] {
        let outcome = run(&["key", "tls", "--directory", text(&folder.path().join("other")), "--name", name]);
        assert_eq!(outcome.faults().len(), 1, "{name}");
    }
    assert!(!folder.path().join("other").exists());
}

const ROLES: &str = "1.3.6.1.4.1.62329.1.1";

fn certificates(folder: &Path, arguments: &[&str]) -> Outcome {
    run(&[&["key", "certificates", "--directory", text(folder)], arguments].concat())
}

#[test]
fn authorities_are_made_once_and_sign_further_clients() {
    let folder = folder();
    let first = certificates(folder.path(), &["--server", "api.example"]).output();
    assert_eq!((first.matches("made ").count(), first.matches("kept ").count()), (8, 0), "{first}");
    let authorities = fs::read(folder.path().join("clients-ca.pem")).expect("it is there");
    let second = certificates(folder.path(), &["--client", "app"]).output();
    assert_eq!((second.matches("made ").count(), second.matches("kept ").count()), (2, 8), "{second}");
    assert_eq!(fs::read(folder.path().join("clients-ca.pem")).expect("it is there"), authorities);
    for entry in fs::read_dir(folder.path()).expect("it is there") {
        let path = entry.expect("an entry").path();
        let is_key = path.extension().is_some_and(|extension| extension == "key");
        assert_eq!(mode(&path) & 0o077 == 0, is_key, "{}", path.display());
    }
    assert!(certificates(folder.path(), &["--client", "app"]).faults()[0].contains("app.pem is there"));
}

#[test]
fn what_can_not_stand_in_a_certificate_is_refused_before_anything_is_made() {
    let folder = folder();
    let directory = folder.path().join("pki");
    let long = "x".repeat(65);
    let role = format!("{ROLES}=a");
    for arguments in [
        &["--client", "../app"][..],
        &["--client", ".app"],
        &["--client", ""],
        &["--client", "app", "--common-name", &long],
        &["--client", "app", "--common-name", ""],
        &["--client", "app", "--san-uri", "https://\u{e4}"],
        &["--client", "app", "--role", &role, "--text", &role],
        &["--client", "app", "--text", &role, "--text", &role],
        &["--server", "a b"],
    ] {
        let outcome = certificates(&directory, arguments);
        assert_eq!(outcome.faults().len(), 1, "{arguments:?}");
    }
    for arguments in [
        &["--client", "app", "--role", ROLES][..],
        &["--client", "app", "--role", "1.3.six=a"],
        &["--client", "app", "--role", "=a"],
        &["--client", "app", "--days", "0"],
        &["--client", "app", "--days", "4000"],
        &["--role", &role],
        &["--common-name", "app"],
    ] {
        assert_eq!(certificates(&directory, arguments).status, Some(2), "{arguments:?}");
    }
    assert!(!directory.exists());
}

#[test]
fn half_an_authority_is_refused() {
    let folder = folder();
    certificates(folder.path(), &[]).output();
    let key = folder.path().join("clients-ca.key");
    let good = fs::read(&key).expect("it is there");
    fs::remove_file(&key).expect("it is there");
    assert!(certificates(folder.path(), &[]).faults()[0].contains("clients-ca.pem is there without "));
    fs::copy(folder.path().join("servers-ca.key"), &key).expect("it can be copied");
    assert!(certificates(folder.path(), &[]).faults()[0].ends_with("clients-ca.key: not the key of the certificate beside it"));
    fs::write(&key, "-----BEGIN PRIVATE KEY-----\n").expect("it can be written");
    assert!(certificates(folder.path(), &[]).faults()[0].contains("clients-ca.key: not a private key"));
    fs::write(&key, good).expect("it can be written");
    fs::write(folder.path().join("clients-ca.pem"), "junk").expect("it can be written");
    assert!(certificates(folder.path(), &[]).faults()[0].contains("clients-ca.pem: not a certificate"));
}

const READER: &str = "https://registry.example/role/reader";
const MEMBER: &str = "https://directory.example/member/1";
const APPLICATION: &str = "https://directory.example/app/1";

/// An Envoy that verifies clients by the folder's files and asks for the role.
fn server(folder: &Path) -> RunningStage {
    let file = |name: &str| json!({"filename": text(&folder.join(name))});
    let context = json!({
        "alpn_protocols": ["http/1.1"],
        "tls_certificates": [{"certificate_chain": file("server.pem"), "private_key": file("server.key")}],
        "validation_context": {"trusted_ca": file("clients-ca.pem")},
    });
    let configuration = "
providers:
  members:
    client_certificate:
      identity:
        subject: {san: uri}
        roles: {extension: 1.3.6.1.4.1.62329.1.1, type: utf8_sequence}
        attributes: {member: {extension: 1.3.6.1.4.1.62329.1.3, type: utf8}}
rules:
  - require: {provider: members, roles: https://registry.example/role/reader}
upstream:
  headers: {x-subject: {identity: subject}, x-member: {attribute: member}}
";
    let with_files = move |value: &mut Value| {
        for listener in value["static_resources"]["listeners"].as_array_mut().expect("a list") {
            for chain in listener["filter_chains"].as_array_mut().expect("a list") {
                if let Some(socket) = chain.get_mut("transport_socket") {
                    socket["typed_config"]["common_tls_context"] = context.clone();
                }
            }
        }
    };
    Stage::new().config(configuration).tls(|listener| listener).bootstrap(|bootstrap| bootstrap.edit(with_files)).start()
}

/// An Envoy that calls the other one with a client's files.
fn client(folder: &Path, name: &str, server: &RunningStage) -> RunningStage {
    let file = |name: String| json!({"filename": text(&folder.join(name))});
    let mut upstream = cluster("upstream", server.envoy.listener(TLS));
    upstream["transport_socket"] = json!({"name": "envoy.transport_sockets.tls", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "sni": "api.example",
        "common_tls_context": {
            "tls_certificates": [{"certificate_chain": file(format!("{name}.pem")), "private_key": file(format!("{name}.key"))}],
            "validation_context": {
                "trusted_ca": file("servers-ca.pem".to_owned()),
                "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": "api.example"}}],
            },
        },
    }});
    Stage::new().without_guard().bootstrap(|bootstrap| bootstrap.cluster_value(upstream)).start()
}

#[test]
fn certificates_carry_roles_from_one_envoy_to_another() {
    let folder = folder();
    let made = |arguments: &[&str]| certificates(folder.path(), arguments).output();
    made(&["--server", "api.example"]);
    let role = |role: &str| format!("{ROLES}={role}");
    let (reader, reporter) = (role(READER), role("https://registry.example/group/reporter"));
    let member = format!("1.3.6.1.4.1.62329.1.3={MEMBER}");
    let named = ["--common-name", APPLICATION, "--san-uri", APPLICATION, "--text", &member];
    made(&[&["--client", "reader", "--role", &reporter, "--role", &reader], &named[..]].concat());
    made(&[&["--client", "reporter", "--role", &reporter], &named[..]].concat());
    made(&["--client", "plain", "--san-uri", APPLICATION]);

    let server = server(folder.path());
    for (name, expected) in [("reader", Ok(())), ("reporter", Err("role_missing")), ("plain", Err("roles_absent"))] {
        let case = Case::get("/").host("api.example").named(name);
        let case = if expected.is_ok() { case.expect(200) } else { case.expect(401) };
        case.run(&client(folder.path(), name, &server)).unwrap_or_else(|failure| panic!("{failure}"));
        match expected {
            Ok(()) => {
                let received = server.upstream.last();
                assert_eq!(received.header("x-subject").as_deref(), Some(APPLICATION));
                assert_eq!(received.header("x-member").as_deref(), Some(MEMBER));
            }
            Err(reason) => drop(server.envoy.wait_for_log(&format!("rejected reason={reason} status=401"))),
        }
    }
    assert_eq!(server.upstream.count(), 1);
}
