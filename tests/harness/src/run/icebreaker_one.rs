//! Icebreaker One's energy demonstration: who may read supply voltages.

use crate::folder::Folder;
use crate::system::System;
use crate::visit::{Secure, Visit};
use portcullis_harness::icebreaker_one::{HEADERS, Scheme, service};
use portcullis_harness::{Authority, Certificate, Example, Request, Upstream};

/// The name in the server's certificate.
const HOST: &str = "energy.example";
const SUPPLY: &str = "/api/v1/supply-voltage?period=2023-07";

pub(crate) fn prepare(folder: &Folder) -> System {
    let (servers, scheme) = (Authority::new("servers"), Scheme::of_2025());
    folder.write_authority("servers-ca", &servers);
    folder.write_authority("members-ca", &scheme.root);
    folder.write_certificate("server", &servers.server(&[HOST, "localhost"]));
    let upstream = Upstream::start();
    upstream.answer_by(service);
    let launch = Example::shipped("envoy/icebreaker-one.yaml", &[10443])
        .port(8080, upstream.address().port())
        .replace("/etc/envoy/", &folder.path(""))
        .launch();
    let visits = visits(&scheme, &Secure::new(HOST, &servers, folder, "servers-ca"), folder);
    System { launch, visits, notes: vec![], _stand_ins: vec![Box::new(upstream)] }
}

fn visits(scheme: &Scheme, nobody: &Secure, folder: &Folder) -> Vec<Visit> {
    let (one, two) = (scheme.application_one(), scheme.application_two());
    let with = |certificate: &Certificate, name| {
        folder.write_certificate(name, certificate);
        nobody.clone().certificate(certificate, folder, name)
    };
    let (as_one, as_two) = (with(&one, "application-one"), with(&two, "application-two"));
    let other = with(&Scheme::of_2025().application_one(), "another-scheme");
    let alone = with(&one.clone().alone(), "without-issuer");
    let without = with(&scheme.issue(scheme.application("Application Three", "3")), "without-roles");
    let visit = |what: &str, path, secure: &Secure, passes| Visit::new(what, Request::get(path), passes).secure(secure.clone());
    let spoofed = Request::get(SUPPLY).header(HEADERS[0], escaped(&one));
    vec![
        visit("application one reads supply voltages", SUPPLY, &as_one, true),
        visit("application two may not", SUPPLY, &as_two, false),
        visit("a member without roles", SUPPLY, &without, false),
        visit("the same, where every member may", "/api/v1/info", &without, true),
        visit("no certificate", SUPPLY, nobody, false),
        visit("a certificate of another authority", SUPPLY, &other, false),
        visit("a certificate without its issuer's", SUPPLY, &alone, false),
        Visit::new("application two, with one's certificate in the header", spoofed.clone(), false).secure(as_two.clone()),
        Visit::new("nobody, likewise", spoofed, false).secure(nobody.clone()),
    ]
}

/// As nginx writes it into the header.
fn escaped(certificate: &Certificate) -> String {
    certificate
        .pem()
        .bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
