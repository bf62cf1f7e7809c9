//! Entry 15: revoked certificates, by the lists that the file shows how to give to Envoy, and by the plugin's own list.

use super::gateway::{Gateway, HEADER, SUPPLY, Setting, escaped};
use portcullis_harness::{Certificate, DIRECTORY, PATIENCE, Request, poll};
use std::time::Duration;

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

/// Envoy reads the file at its start; what comes by SDS is read anew when a file beside it is replaced.
#[test]
fn a_list_is_replaced_where_the_validation_context_comes_by_sds() {
    for by_sds in [false, true] {
        let setting = Gateway::direct();
        let (good, revoked) = (setting.schemes().1.application_one(), setting.schemes().1.application_one());
        let issuer = setting.schemes().1.issuer.clone();
        let (crl, leaf_alone) = (format!("crl: {{filename: {DIRECTORY}/members-crl.pem}}"), "only_verify_leaf_cert_crl: true");
        let setting = if by_sds {
            let trusted = format!("trusted_ca: {{filename: {DIRECTORY}/members-ca.pem}}");
            let source = format!("sds_config: {{path_config_source: {{path: {DIRECTORY}/members.yaml}}, resource_api_version: V3}}");
            let secret = format!(
                "resources: [{{\"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret, name: members, \
                 validation_context: {{{trusted}, {crl}, {leaf_alone}}}}}]"
            );
            let setting = setting.replace("\nadmin:", "\nnode: {id: envoy, cluster: envoy}\n\nadmin:");
            let setting = setting.replace("validation_context:", "validation_context_sds_secret_config:");
            setting.replace(&trusted, &format!("name: members\n                  {source}")).file("members.yaml", secret)
        } else {
            setting.replace(LISTS, "crl: {filename:").replace(LEAF_ALONE, leaf_alone)
        };
        let gateway = setting.file("members-crl.pem", issuer.revocation_list(&[], 3600)).start();
        assert!(passes(&gateway, &good) && passes(&gateway, &revoked));
        gateway.stage.envoy.replace_file("members-crl.pem", &issuer.revocation_list(&[&revoked], 3600));
        let refused = poll(if by_sds { PATIENCE } else { Duration::from_secs(2) }, || (!passes(&gateway, &revoked)).then_some(()));
        assert_eq!((refused.is_some(), passes(&gateway, &good)), (by_sds, true));
    }
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
