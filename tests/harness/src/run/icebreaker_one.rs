//! Icebreaker One's energy demonstration: who may read supply voltages.

use crate::folder::Folder;
use crate::system::System;
use crate::visit::{Secure, Visit};
use portcullis_harness::icebreaker_one::{HEADERS, ROLES, Scheme, VOLTAGE_READER, service};
use portcullis_harness::{Authority, Certificate, Example, Leaf, Request, Upstream, der_utf8_sequence};

/// The name in the server's certificate.
const HOST: &str = "energy.example";
const SUPPLY: &str = "/api/v1/supply-voltage?period=2023-07";
const INFO: &str = "/api/v1/info";

/// Envoy ends the members' TLS.
pub(crate) fn prepare(folder: &Folder) -> System {
    let scheme = Scheme::of_2025();
    folder.write_authority("members-ca", &scheme.root);
    system("envoy/icebreaker-one.yaml", folder, |nobody| of_members(&scheme, nobody, folder))
}

/// A proxy ends it, and passes certificates on.
pub(crate) fn prepare_behind_proxy(folder: &Folder) -> System {
    let proxies = Authority::new("proxies");
    folder.write_authority("proxies-ca", &proxies);
    system("envoy/icebreaker-one-behind-proxy.yaml", folder, |nobody| of_proxies(&proxies, nobody, folder))
}

fn system(file: &str, folder: &Folder, visits: impl FnOnce(&Secure) -> Vec<Visit>) -> System {
    let servers = Authority::new("servers");
    folder.write_authority("servers-ca", &servers);
    folder.write_certificate("server", &servers.server(&[HOST, "localhost"]));
    let upstream = Upstream::start();
    upstream.answer_by(service);
    let launch = Example::shipped(file, &[10443]).port(8080, upstream.address().port()).replace("/etc/envoy/", &folder.path("")).launch();
    let visits = visits(&Secure::new(HOST, &servers, folder, "servers-ca"));
    System { launch, visits, notes: vec![], _stand_ins: vec![Box::new(upstream)] }
}

fn of_members(scheme: &Scheme, nobody: &Secure, folder: &Folder) -> Vec<Visit> {
    let one = scheme.application_one();
    let with = |certificate: &Certificate, name| shown(nobody, certificate, folder, name);
    let as_two = with(&scheme.application_two(), "application-two");
    let other = with(&Scheme::of_2025().application_one(), "another-scheme");
    let alone = with(&one.clone().alone(), "without-issuer");
    let without = with(&scheme.issue(scheme.application("Application Three", "3")), "without-roles");
    let visit = |what: &str, path, secure: &Secure, passes| Visit::new(what, Request::get(path), passes).secure(secure.clone());
    let spoofed = Request::get(SUPPLY).header(HEADERS[0], escaped(&one));
    vec![
        visit("application one reads supply voltages", SUPPLY, &with(&one, "application-one"), true),
        visit("application two may not", SUPPLY, &as_two, false),
        visit("a member without roles", SUPPLY, &without, false),
        visit("the same, where every member may", INFO, &without, true),
        visit("no certificate", SUPPLY, nobody, false),
        visit("a certificate of another authority", SUPPLY, &other, false),
        visit("a certificate without its issuer's", SUPPLY, &alone, false),
        Visit::new("application two, with one's certificate in the header", spoofed.clone(), false).secure(as_two.clone()),
        Visit::new("nobody, likewise", spoofed, false).secure(nobody.clone()),
    ]
}

fn of_proxies(proxies: &Authority, nobody: &Secure, folder: &Folder) -> Vec<Visit> {
    let scheme = Scheme::of_2025();
    let one = scheme.application_one();
    let roles = der_utf8_sequence(&[VOLTAGE_READER]);
    let expired = scheme.issue(scheme.application("Application Four", "4").extension(ROLES, roles).expired());
    let without = scheme.issue(scheme.application("Application Three", "3"));
    let nginx = shown(nobody, &proxies.issue(Leaf::new().common_name("nginx").dns("proxy.internal")), folder, "nginx");
    let another = shown(nobody, &proxies.issue(Leaf::new().common_name("cache").dns("cache.internal")), folder, "cache");
    let visit = |what: &str, path, certificate: Option<&Certificate>, secure: &Secure, passes| {
        let request = certificate.iter().fold(Request::get(path), |request, certificate| request.header(HEADERS[0], escaped(certificate)));
        Visit::new(what, request, passes).secure(secure.clone())
    };
    vec![
        visit("nginx, for application one", SUPPLY, Some(&one), &nginx, true),
        visit("nginx, for application two", SUPPLY, Some(&scheme.application_two()), &nginx, false),
        visit("nginx, for a member without roles", SUPPLY, Some(&without), &nginx, false),
        visit("the same, where every member may", INFO, Some(&without), &nginx, true),
        visit("nginx, for an expired certificate", SUPPLY, Some(&expired), &nginx, false),
        visit("nginx, for nobody", SUPPLY, None, &nginx, false),
        visit("another proxy, for application one", SUPPLY, Some(&one), &another, false),
        visit("nobody, with application one's certificate in the header", SUPPLY, Some(&one), nobody, false),
    ]
}

/// With this certificate, which goes into the folder, too.
fn shown(nobody: &Secure, certificate: &Certificate, folder: &Folder, name: &str) -> Secure {
    folder.write_certificate(name, certificate);
    nobody.clone().certificate(certificate, folder, name)
}

/// As nginx writes it into the header.
fn escaped(certificate: &Certificate) -> String {
    let escape = |byte: u8| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    certificate.pem().bytes().map(escape).collect()
}
