//! Certificates of `portcullis key certificates` in Icebreaker One's shipped configuration.

#[allow(dead_code, unreachable_pub, reason = "shared with the tests of the configuration")]
#[path = "../icebreaker_one/gateway.rs"]
mod gateway;

use crate::tool::{run, text};
use gateway::{Gateway, HEADER, INFO, NO_ROLES, SUPPLY, VOLTAGES, both, detail, escaped, no_role};
use portcullis_harness::Certificate;
use portcullis_harness::icebreaker_one::{APPLICATION, CONSUMPTION_READER, MEMBER, MEMBER_URL, REPORTER, ROLES, VOLTAGE_READER};
use std::fs;
use std::path::Path;

/// A client's certificate, made in this folder.
fn made(folder: &Path, name: &str, arguments: &[String]) -> Certificate {
    let fixed = ["key", "certificates", "--directory", text(folder), "--client", name, "--common-name", MEMBER_URL];
    let arguments: Vec<&str> = fixed.into_iter().chain(arguments.iter().map(String::as_str)).collect();
    run(&arguments).output();
    let file = |extension: &str| fs::read_to_string(folder.join(format!("{name}.{extension}"))).expect("it was made");
    Certificate::from_pem(&file("pem"), &file("key"))
}

fn with(option: &str, id: &str, value: &str) -> [String; 2] {
    [option.to_owned(), format!("{id}={value}")]
}

#[test]
fn its_certificates_pass_or_are_refused_by_their_roles() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let client = |name: &str, arguments: &[[String; 2]]| made(folder.path(), name, &arguments.concat());
    // In the shape of 2024, and in that of 2025.
    let application = with("--text", APPLICATION, "https://directory.estf.ib1.org/scheme/electricty/application/26241");
    let member = with("--text", MEMBER, MEMBER_URL);
    let name = ["--san-uri".to_owned(), "https://directory.estf.ib1.org/application/26241".to_owned()];
    let role = |value: &str| with("--role", ROLES, value);
    let one = client("app-one", &[role(VOLTAGE_READER), role(REPORTER), application.clone()]);
    let newer = client("app-newer", &[role(REPORTER), role(VOLTAGE_READER), member, name]);
    let two = client("app-two", &[role(CONSUMPTION_READER), role(REPORTER), application]);
    let without = client("app-three", &[with("--text", APPLICATION, VOLTAGE_READER)]);
    let root = fs::read_to_string(folder.path().join("clients-ca.pem")).expect("it was made");
    let direct = Gateway::direct().file("members-ca.pem", root).start();
    let behind = Gateway::behind_nginx().start();
    for certificate in [&one, &newer, &two, &without] {
        direct.refuses_handshake("without its issuer's", &certificate.clone().alone());
    }
    for (gateway, is_behind) in [(&direct, false), (&behind, true)] {
        let case = |path: &str, certificate: &Certificate| match is_behind {
            true => gateway.bare(path).header(HEADER, escaped(certificate)),
            false => gateway.get(path, certificate),
        };
        let passes = |certificate| case(SUPPLY, certificate).expect(200).body_contains(VOLTAGES).upstream(HEADER, &escaped(certificate));
        let cases = [
            passes(&one),
            passes(&newer),
            detail(case(SUPPLY, &two), &no_role(VOLTAGE_READER)).reason("role_missing"),
            detail(case(SUPPLY, &without), NO_ROLES).reason("roles_absent"),
            case(INFO, &two).expect(200),
            case(INFO, &without).expect(200),
        ];
        gateway.stage.check(cases.iter().flat_map(both));
    }
}
