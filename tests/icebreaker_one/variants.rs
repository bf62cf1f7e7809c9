//! What the files show in comments, taken in.

use super::gateway::{Gateway, HEADER, INFO, NO_CERTIFICATE, SUPPLY, both, detail, escaped};
use portcullis_harness::icebreaker_one::MEMBER_URL;
use portcullis_harness::{Case, EnvoyBinary, Leaf, Request, Tls};

const ATTRIBUTES: &str = "# attributes:";
const MEMBER: &str = "#   member: {extension";
const APPLICATION: &str = "#   application: {san";
const APPLICATION_OF_2024: &str = "#   application: {extension";

/// Entry 13.
#[test]
fn member_and_application_as_headers() {
    let with = |of_2024: bool| {
        let gateway = Gateway::direct().replace(ATTRIBUTES, "attributes:").replace(MEMBER, "  member: {extension");
        let gateway = match of_2024 {
            true => gateway.replace(APPLICATION_OF_2024, "  application: {extension"),
            false => gateway.replace(APPLICATION, "  application: {san"),
        };
        let gateway = gateway.replace("# x-ib1-member:", "x-ib1-member:").replace("# x-ib1-application:", "x-ib1-application:");
        gateway.replace("# x-amzn-mtls-clientcert-leaf:", "x-amzn-mtls-clientcert-leaf:").start()
    };
    let gateway = with(false);
    let (old, new) = (gateway.old.application_one(), gateway.new.application_one());
    let spoofed = |case: Case| case.header("x-ib1-member", "https://evil.test").header("x-ib1-application", "https://evil.test");
    let leaf = |certificate| escaped(certificate);
    gateway.stage.check(
        [
            both(
                &spoofed(gateway.get(SUPPLY, &new).named("13: of 2025"))
                    .expect(200)
                    .upstream("x-ib1-member", MEMBER_URL)
                    .upstream("x-ib1-application", "https://directory.estf.ib1.org/application/38936455")
                    .upstream(HEADER, &leaf(&new))
                    .upstream("x-amzn-mtls-clientcert-leaf", &leaf(&new)),
            ),
            both(
                &spoofed(gateway.get(SUPPLY, &old).named("13: of 2024"))
                    .expect(200)
                    .upstream_absent("x-ib1-member")
                    .upstream_absent("x-ib1-application"),
            ),
        ]
        .concat(),
    );
    let gateway = with(true);
    let old = gateway.old.application_one();
    let application = "https://directory.estf.ib1.org/scheme/electricty/application/38936455";
    gateway.stage.check([
        spoofed(gateway.get(SUPPLY, &old).named("13: of 2024")).expect(200).upstream("x-ib1-application", application),
        spoofed(gateway.get(SUPPLY, &gateway.new.application_one()).named("13: of 2025"))
            .expect(200)
            .upstream("x-ib1-member", MEMBER_URL)
            .upstream_absent("x-ib1-application"),
    ]);
}

/// Entry 4, as nginx had it.
#[test]
fn a_certificate_may_be_required_by_tls() {
    let gateway = Gateway::direct().replace("require_client_certificate: false", "require_client_certificate: true").start();
    let nobody = gateway.stage.tls_client(gateway.tls()).try_send(&Request::get(INFO));
    assert!(nobody.is_err(), "{nobody:?}");
    gateway.stage.check(both(&gateway.get(SUPPLY, &gateway.old.application_one()).expect(200)));
}

#[test]
fn the_server_name_is_the_host_unless_told_otherwise() {
    for any in [false, true] {
        let setting = Gateway::direct();
        let gateway = if any { setting.replace("# server_name: any", "server_name: any") } else { setting }.start();
        let tls = gateway.tls_of(&gateway.old.application_one());
        let cases =
            [Case::get(SUPPLY).tls(&tls.clone().without_server_name()).named("by address"), Case::get(SUPPLY).host("other.test").tls(&tls)];
        let expect = |case: Case| if any { case.expect(200) } else { case.expect(421).reason("misdirected") };
        gateway.stage.check(cases.map(expect).iter().flat_map(both));
    }
}

/// Entry 1, with an Envoy that tells a certificate by `x-forwarded-client-cert` alone.
#[test]
fn on_an_envoy_that_only_forwards_certificates() {
    let gateway = Gateway::direct()
        .replace("source: connection\n", "verified_by: listener\n")
        .replace("require_client_certificate: false", "require_client_certificate: true")
        .replace("use_remote_address: true\n", "use_remote_address: true\n                forward_client_cert_details: SANITIZE_SET\n                set_current_client_cert_details: {cert: true}\n")
        .binary(EnvoyBinary::version("1.37").unwrap_or_else(|why| panic!("{why}")))
        .start();
    let mut cases = Vec::new();
    for scheme in [&gateway.old, &gateway.new] {
        let (one, two) = (scheme.application_one(), scheme.application_two());
        let reads = gateway.get(SUPPLY, &one).named("1: application one").expect(200).upstream(HEADER, &escaped(&one));
        cases.extend(both(&reads.upstream_absent("x-forwarded-client-cert")));
        let forwarded = format!("Hash={};Cert=\"{}\"", one.fingerprint(), escaped(&one));
        cases.extend(both(
            &gateway
                .get(SUPPLY, &two)
                .header("x-forwarded-client-cert", forwarded)
                .named("2: application two")
                .expect(401)
                .reason("role_missing"),
        ));
    }
    gateway.stage.check(cases);
}

/// A client may give its certificate any name: what Envoy writes into its header is no way to another's.
#[test]
fn nobody_is_refused_for_what_stands_beside() {
    let gateway = Gateway::direct().start();
    let roles = || {
        gateway.new.application("A", "1").extension(
            portcullis_harness::icebreaker_one::ROLES,
            portcullis_harness::der_utf8_sequence(&[portcullis_harness::icebreaker_one::VOLTAGE_READER]),
        )
    };
    let leaf = |leaf: Leaf| gateway.new.issue(leaf);
    gateway.stage.check([
        gateway.get(SUPPLY, &leaf(roles().uri("https://example.org/another"))).named("two alternative names").expect(200),
        gateway.get(SUPPLY, &leaf(roles().dns("application.test"))).named("a DNS name").expect(200),
        detail(Case::get(SUPPLY).tls(&Tls::new(&gateway.servers)), NO_CERTIFICATE),
    ]);
}
