//! Entry 15: revoked certificates, by the lists that the file shows how to give to Envoy, and by the plugin's own list.

use super::gateway::{Gateway, HEADER, SUPPLY, Setting, escaped};
use portcullis_harness::{Certificate, Request};

const LISTS: &str = "# crl: {filename:";
const LEAF_ALONE: &str = "# only_verify_leaf_cert_crl: true";

fn passes(gateway: &Gateway, certificate: &Certificate) -> bool {
    let answer = gateway.stage.tls_client(gateway.tls_of(certificate)).try_send(&Request::get(SUPPLY));
    answer.is_ok_and(|response| response.status == 200)
}

#[test]
fn a_revoked_certificate_is_refused_by_envoy() {
    let setting = || {
        let setting = Gateway::direct().replace(LISTS, "crl: {filename:");
        let good = setting.schemes().1.application_one();
        let revoked = setting.schemes().1.application_one();
        (setting, good, revoked)
    };
    let leaf_alone = |setting: Setting| setting.replace(LEAF_ALONE, "only_verify_leaf_cert_crl: true");
    // The issuer's list alone.
    let (first, good, revoked) = setting();
    let list = first.schemes().1.issuer.revocation_list(&[&revoked], 3600);
    let gateway = leaf_alone(first).file("members-crl.pem", list).start();
    assert!(passes(&gateway, &good));
    gateway.refuses_handshake("15: revoked", &revoked);
    gateway.refuses_handshake("15: of an issuer without a list", &gateway.old.application_one());
    // The root's list, too.
    let (second, good, revoked) = setting();
    let scheme = second.schemes().1;
    let lists = format!("{}{}", scheme.issuer.revocation_list(&[&revoked], 3600), scheme.root.revocation_list(&[], 3600));
    let gateway = second.file("members-crl.pem", lists).start();
    assert!(passes(&gateway, &good));
    gateway.refuses_handshake("15: revoked", &revoked);
    // Without it nobody passes, and neither when the list's time is over.
    let (third, good, revoked) = setting();
    let list = third.schemes().1.issuer.revocation_list(&[&revoked], 3600);
    third.file("members-crl.pem", list).start().refuses_handshake("15: no list of the root's", &good);
    let (fourth, good, _) = setting();
    let list = fourth.schemes().1.issuer.revocation_list(&[], -60);
    leaf_alone(fourth).file("members-crl.pem", list).start().refuses_handshake("15: a list whose time is over", &good);
}

#[test]
fn a_revoked_certificate_is_refused_by_the_plugin() {
    for behind in [false, true] {
        let setting = if behind { Gateway::behind_nginx() } else { Gateway::direct() };
        let (good, revoked) = (setting.schemes().1.application_one(), setting.schemes().1.application_one());
        let list = format!("revoked: {{certificate_sha256: [\"{}\"]}}", revoked.fingerprint());
        let gateway = setting.replace("# revoked: {certificate_sha256: []}", &list).start();
        let case = |certificate: &Certificate| match behind {
            true => gateway.bare(SUPPLY).header(HEADER, escaped(certificate)),
            false => gateway.get(SUPPLY, certificate),
        };
        gateway.stage.check([
            case(&good).named("15: not revoked").expect(200),
            case(&revoked).named("15: revoked").expect(401).reason("revoked"),
            case(&revoked).named("15: revoked").http2().expect(401).reason("revoked"),
        ]);
    }
}
