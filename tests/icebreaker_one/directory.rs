//! Icebreaker One's own package at both ends: it issues the clients' certificates, and reads what the service gets.

use super::gateway::{Gateway, HEADER, INFO, NO_ROLES, SUPPLY, VOLTAGES, both, detail, escaped, no_role};
use portcullis_harness::icebreaker_one::{CONSUMPTION_READER, MEMBER_URL, REPORTER, VOLTAGE_READER};
use portcullis_harness::{Case, Certificate, fresh_request_id, target_directory, workspace};
use serde_json::{Value, json};
use std::io::Write;
use std::process::{Command, Stdio};

/// The package, as `make tools` installed it.
fn python(command: &str, input: &Value) -> Value {
    let python = target_directory().join("tools/ib1-directory/python");
    assert!(python.exists(), "no ib1-directory: run `make tools`");
    let script = workspace().join("tests/clients/ib1_directory.py");
    let mut process =
        Command::new(python).arg(script).arg(command).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("Python starts");
    // It reads all of it before it writes.
    process.stdin.take().expect("its input").write_all(input.to_string().as_bytes()).expect("it reads");
    let output = process.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", output.status);
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// A root, and a certificate for each of these.
fn issued(requests: &[Value]) -> (String, Vec<Certificate>) {
    let issued = python("issue", &json!(requests));
    let text = |value: &Value| value.as_str().expect("PEM").to_owned();
    let list = issued["certificates"].as_array().expect("a list");
    let certificates = list.iter().map(|one| Certificate::from_pem(&text(&one["chain"]), &text(&one["key"])));
    (text(&issued["root"]), certificates.collect())
}

/// What the package reads in these headers, each with the role to ask for.
fn reads(headers: &[(String, &str)]) -> Vec<Value> {
    let list: Vec<Value> = headers.iter().map(|(header, role)| json!({"header": header, "role": role})).collect();
    python("read", &json!(list)).as_array().expect("a list").clone()
}

/// Entries 1, 2, 3, 7, 9, 13 and 14.
#[test]
fn certificates_of_the_directory_and_what_it_reads_of_them() {
    let url = |number: usize| format!("https://directory.estf.ib1.org/application/{number}");
    let many: Vec<String> = (0..60).map(|number| format!("https://registry.estf.ib1.org/scheme/electricty/role/{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).chain([VOLTAGE_READER]).collect();
    let (upper, slash, nul) = (VOLTAGE_READER.to_uppercase(), format!("{VOLTAGE_READER}/"), format!("{VOLTAGE_READER}\0"));
    let roles: [&[&str]; 11] = [
        &[VOLTAGE_READER, REPORTER],
        &[CONSUMPTION_READER, REPORTER],
        &[],
        &[REPORTER, VOLTAGE_READER],
        &many,
        &[VOLTAGE_READER.trim_end_matches('r')],
        &[&upper],
        &[&slash],
        &[&nul],
        &[""],
        &["https://registry.estf.ib1.org/scheme/electricity/role/supply-voltage-reader", "Zoë"],
    ];
    let mut requests: Vec<Value> = Vec::new();
    for (number, roles) in roles.iter().enumerate() {
        let name = format!("Application {number}");
        requests.push(json!({"name": url(number), "organization": name, "roles": roles, "member": MEMBER_URL}));
    }
    requests.push(json!({"name": "api.test", "organization": "A server", "roles": [VOLTAGE_READER], "server": true}));
    let (root, mut certificates) = issued(&requests);
    let server = certificates.pop().expect("the server's");

    let direct = Gateway::direct().file("members-ca.pem", root.clone()).start();
    let behind = Gateway::behind_nginx().start();
    direct.refuses_handshake("6: of another authority", &direct.new.application_one());
    direct.refuses_handshake("6: a server's", &server);
    direct.refuses_handshake("7: without its issuer's", &certificates[0].clone().alone());

    let mut asked = Vec::new();
    for certificate in &certificates {
        for gateway in [&direct, &behind] {
            let case = |path: &str| match std::ptr::eq(gateway, &direct) {
                true => gateway.get(path, certificate),
                false => gateway.bare(path).header(HEADER, escaped(certificate)),
            };
            // Every member gets this far, and the service gets the certificate.
            let id = fresh_request_id();
            gateway.stage.check([case(INFO).request_id(&id).expect(200)]);
            let received = gateway.stage.upstream.received_with_id(&id);
            asked.push((received[0].header(HEADER).expect("a certificate"), VOLTAGE_READER, gateway, case(SUPPLY)));
        }
    }
    let headers: Vec<(String, &str)> = asked.iter().map(|(header, role, ..)| (header.clone(), *role)).collect();
    let opinions = reads(&headers);
    assert_eq!(opinions.len(), certificates.len() * 2);
    // The package and the filter agree on each of them, to the letter.
    for (number, (opinion, (_, _, gateway, case))) in opinions.iter().zip(&asked).enumerate() {
        let number = number / 2;
        let case = case.clone().named(format!("9: {:?}", roles[number]));
        let expected = match opinion["refusal"].as_str() {
            None => case.expect(200).body_contains(VOLTAGES),
            Some(refusal) => detail(case, refusal),
        };
        gateway.stage.check(both(&expected));
        assert_eq!(opinion["subject"], format!("CN={},O=Application {number},ST=London,C=GB", url(number)));
        assert_eq!(opinion["member"], MEMBER_URL);
        // No roles: the package leaves the extension out.
        assert_eq!(opinion["roles"], if roles[number].is_empty() { Value::Null } else { json!(roles[number]) });
    }
    let refusal = |number: usize| opinions[number * 2]["refusal"].as_str().map(str::to_owned);
    let refusals: Vec<_> = (0..roles.len()).map(refusal).collect();
    let missing = Some(no_role(VOLTAGE_READER));
    assert_eq!(refusals[..6], [None, missing.clone(), Some(NO_ROLES.to_owned()), None, None, missing]);
}

/// Entry 1: the certificates of 2024, too, are read by the service's Python as the filter reads them, roles, member and all.
#[test]
fn what_the_filter_finds_is_what_the_package_finds() {
    let (root, certificates) = issued(&[
        json!({"name": "https://example.org/1", "organization": "One", "roles": [VOLTAGE_READER, REPORTER], "member": MEMBER_URL}),
        json!({"name": "https://example.org/2", "organization": "Two", "roles": [CONSUMPTION_READER]}),
    ]);
    let found = |setting: super::gateway::Setting| {
        let setting = setting.replace("# attributes:", "attributes:").replace("#   member: {extension", "  member: {extension");
        let headers = "verified: {value: SUCCESS}\n                                x-auth-roles: {identity: roles}";
        setting.replace("verified: {value: SUCCESS}", headers).replace("# x-ib1-member:", "x-ib1-member:")
    };
    let direct = found(Gateway::direct());
    let (old, new) = direct.schemes();
    let trusted = format!("{root}{}{}", old.root.pem(), new.root.pem());
    let direct = direct.file("members-ca.pem", trusted).start();
    let behind = found(Gateway::behind_load_balancer()).start();
    let mut certificates = certificates;
    certificates.extend([&direct.old, &direct.new].into_iter().flat_map(|scheme| [scheme.application_one(), scheme.application_two()]));
    let mut asked = Vec::new();
    for certificate in &certificates {
        let cases: [(&Gateway, Case); 2] = [
            (&direct, direct.get(INFO, certificate)),
            (&behind, behind.bare(INFO).header("x-amzn-mtls-clientcert-leaf", escaped(certificate))),
        ];
        for (gateway, case) in cases {
            let id = fresh_request_id();
            gateway.stage.check([case.request_id(&id).expect(200)]);
            let received = gateway.stage.upstream.received_with_id(&id).remove(0);
            let roles = received.header("x-auth-roles").map(|roles| roles.split(',').map(str::to_owned).collect::<Vec<_>>());
            asked.push((received.header(HEADER).expect("a certificate"), json!(roles), json!(received.header("x-ib1-member"))));
        }
    }
    let headers: Vec<(String, &str)> = asked.iter().map(|(header, ..)| (header.clone(), VOLTAGE_READER)).collect();
    for (opinion, (_, roles, member)) in reads(&headers).iter().zip(&asked) {
        assert_eq!((&opinion["roles"], &opinion["member"]), (roles, member), "{opinion}");
        assert!(roles.is_array(), "{opinion}");
    }
}
