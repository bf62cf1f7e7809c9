//! Client certificates, when Envoy tells less than it should.

use super::host::{BAD_ARGUMENT, INTERNAL_FAILURE, NOT_FOUND, Stream};
use super::pairs;
use super::vm::{Outcome, StreamId, Vm, on_a_vm};

const CONFIGURATION: &str =
    r#"{"providers": {"members": {"client_certificate": {"identity": {"subject": {"dn": "ST"}, "roles": {"dn": "OU"}}}}}}"#;

/// Valid from 2024 to 2049.
const PEM: &str = include_str!("../../src/certificate/samples/strings.pem");

/// SHA-256 of its DER.
const DIGEST: &[u8] = b"fc0c04f0392ffe8912ff480b629c8c24edf26a4f0bd836e9bc6e5cc1aea03c15";

fn configured<T: Send>(test: impl FnOnce(&mut Vm) -> T + Send) -> T {
    configured_as(CONFIGURATION, test)
}

fn configured_as<T: Send>(configuration: &str, test: impl FnOnce(&mut Vm) -> T + Send) -> T {
    on_a_vm(portcullis::envoy::start, |vm| {
        assert!(vm.configure(configuration), "{:#?}", vm.log());
        test(vm)
    })
}

fn stream(attributes: &[(&str, &[u8])]) -> Stream {
    let headers = pairs::of(&[(":method", "GET"), (":scheme", "https"), (":authority", "api.example.com:8443"), (":path", "/")]);
    let mut stream = Stream { headers, ..Stream::default() };
    for (name, value) in attributes {
        stream.properties.attribute(&["connection", name], value);
    }
    stream
}

fn member() -> [(&'static str, &'static [u8]); 3] {
    [("peer_certificate", PEM.as_bytes()), ("peer_certificate_valid", &[1]), ("requested_server_name", b"api.example.com")]
}

fn with(name: &str, value: &'static [u8]) -> Vec<(&'static str, &'static [u8])> {
    member().into_iter().map(|(n, v)| if n == name { (n, value) } else { (n, v) }).collect()
}

#[track_caller]
fn assert_refused(vm: &Vm, id: StreamId, status: u32, reason: &str) {
    let reply = vm.outcome(id).replied();
    assert_eq!((reply.status, reply.details.as_str()), (status, reason));
    assert!(pairs::all(&reply.headers, "www-authenticate").is_empty(), "certificates have no challenge");
}

#[test]
fn a_member() {
    configured(|vm| {
        let id = vm.send(stream(&member()));
        let headers = vm.outcome(id).upstream();
        assert_eq!(
            (pairs::all(&headers, "x-auth-subject"), pairs::all(&headers, "x-auth-roles")),
            (vec!["valued".to_owned()], vec!["multi".to_owned()])
        );
        let id =
            vm.send(stream(&with("peer_certificate", PEM.replace('\n', "%0A").replace('+', "%2B").replace(' ', "%20").leak().as_bytes())));
        vm.outcome(id).upstream();
    });
}

#[test]
fn less_than_a_member() {
    configured(|vm| {
        for (attributes, status, reason) in [
            (vec![], 401, "certificate_missing"),
            (with("peer_certificate", b""), 401, "certificate_missing"),
            (with("peer_certificate_valid", &[0]), 401, "certificate_unverified"),
            (with("peer_certificate_valid", &[2]), 401, "certificate_unverified"),
            (with("peer_certificate_valid", &[1, 0]), 401, "certificate_unverified"),
            (with("peer_certificate_valid", b""), 401, "certificate_unverified"),
            (with("peer_certificate", b"garbage"), 401, "certificate_malformed"),
            (with("peer_certificate", b"\xFF\xFE"), 401, "certificate_malformed"),
            (with("requested_server_name", b"other.example.com"), 421, "misdirected"),
            (with("requested_server_name", b""), 421, "misdirected"),
            (member()[..1].to_vec(), 401, "certificate_unverified"),
            (member()[..2].to_vec(), 421, "misdirected"),
        ] {
            let id = vm.send(stream(&attributes));
            assert_refused(vm, id, status, reason);
        }
        vm.set_clock(4_000_000_000);
        let id = vm.send(stream(&member()));
        assert_refused(vm, id, 401, "certificate_expired");
    });
}

#[test]
fn questions_that_envoy_does_not_answer() {
    configured(|vm| {
        for (name, _) in member() {
            for status in [NOT_FOUND, BAD_ARGUMENT, 3, INTERNAL_FAILURE, 12] {
                vm.calls(|calls| calls.fail_about("proxy_get_property", &format!("connection\0{name}"), status));
                let id = vm.send(stream(&member()));
                // `peer_certificate` begins like `peer_certificate_valid`: whichever fails first, nobody passes.
                assert!(matches!(vm.outcome(id), Outcome::Replied(_)), "{name} {status}");
                vm.calls(super::calls::Calls::heal);
            }
        }
        let id = vm.send(stream(&member()));
        vm.outcome(id).upstream();
    });
}

#[test]
fn k64_an_optional_certificate_that_envoy_does_not_tell_is_not_none() {
    on_a_vm(portcullis::envoy::start, |vm| {
        let optional = format!(
            "{},\"rules\":[{{\"require\":{{\"provider\":\"members\",\"optional\":true}}}}]}}",
            CONFIGURATION.strip_suffix('}').unwrap()
        );
        assert!(vm.configure(&optional), "{:#?}", vm.log());
        for status in [BAD_ARGUMENT, 3, INTERNAL_FAILURE, 12] {
            vm.calls(|calls| calls.fail_about("proxy_get_property", "connection\0peer_certificate", status));
            let id = vm.send(stream(&member()));
            assert!(matches!(vm.outcome(id), Outcome::Replied(_)), "{status}");
            vm.calls(super::calls::Calls::heal);
        }
    });
}

/// What an Envoy before 1.38 tells of a member.
fn old_member() -> [(&'static str, &'static [u8]); 3] {
    [("mtls", &[1]), ("sha256_peer_certificate_digest", DIGEST), ("requested_server_name", b"api.example.com")]
}

fn escaped() -> String {
    PEM.replace('\n', "%0A").replace('+', "%2B").replace(' ', "%20")
}

fn with_header(attributes: &[(&str, &[u8])], name: &str, value: &str) -> Stream {
    let mut stream = stream(attributes);
    stream.headers.push((name.as_bytes().to_vec(), value.as_bytes().to_vec()));
    stream
}

fn by_listener() -> String {
    CONFIGURATION.replace("{\"identity\"", "{\"verified_by\": \"listener\", \"identity\"")
}

fn behind_a_proxy(trusted: &str, more: &str) -> String {
    let source = format!("{{\"source\": {{\"header\": \"x-cert\", \"trusted\": {trusted}}}, {more} \"identity\"");
    CONFIGURATION.replace("{\"identity\"", &source)
}

#[test]
fn what_envoy_forwards_counts_where_it_shows_no_more_than_a_digest() {
    let forwarded = format!("Hash=x;Cert=\"{}\"", escaped());
    let sent = |attributes: &[(&str, &[u8])]| with_header(attributes, "x-forwarded-client-cert", &forwarded);
    configured_as(&by_listener(), |vm| {
        let id = vm.send(sent(&old_member()));
        assert_eq!(pairs::all(&vm.outcome(id).upstream(), "x-auth-subject"), ["valued"]);
        let [mtls, digest, name] = old_member();
        for (attributes, status, reason) in [
            (vec![mtls, ("sha256_peer_certificate_digest", &[b'0'; 64]), name], 401, "certificate_unverified"),
            (vec![mtls, ("sha256_peer_certificate_digest", b"x"), name], 401, "certificate_unverified"),
            (vec![mtls, name], 401, "certificate_malformed"),
            (vec![mtls, digest], 421, "misdirected"),
            (vec![("mtls", &[0]), digest, name], 401, "certificate_missing"),
            (vec![digest, name], 401, "certificate_missing"),
            (vec![("mtls", &[2]), name], 401, "certificate_malformed"),
            (vec![mtls, digest, name, ("peer_certificate_valid", &[0])], 401, "certificate_unverified"),
        ] {
            let id = vm.send(sent(&attributes));
            assert_refused(vm, id, status, reason);
        }
        let id = vm.send(stream(&old_member()));
        assert_refused(vm, id, 401, "certificate_unverified");
        assert!(vm.log().iter().any(|line| line.contains("set_current_client_cert_details: {cert: true}\"")), "{:#?}", vm.log());
        // Only the host's silence lets the listener vouch, not its failure.
        for name in ["peer_certificate", "peer_certificate_valid", "mtls", "sha256_peer_certificate_digest", "requested_server_name"] {
            for status in [BAD_ARGUMENT, 3, INTERNAL_FAILURE, 12] {
                vm.calls(|calls| calls.fail_about("proxy_get_property", &format!("connection\0{name}"), status));
                let id = vm.send(sent(&old_member()));
                assert!(matches!(vm.outcome(id), Outcome::Replied(_)), "{name} {status}");
                vm.calls(super::calls::Calls::heal);
            }
        }
    });
    configured(|vm| {
        let id = vm.send(sent(&old_member()));
        assert_refused(vm, id, 401, "certificate_unverified");
    });
}

#[test]
fn an_optional_certificate_that_old_envoys_do_not_tell_is_not_none() {
    let optional = format!(
        "{},\"rules\":[{{\"require\":{{\"provider\":\"members\",\"optional\":true}}}}]}}",
        by_listener().strip_suffix('}').unwrap()
    );
    configured_as(&optional, |vm| {
        for name in ["peer_certificate", "mtls", "sha256_peer_certificate_digest"] {
            for status in [BAD_ARGUMENT, 3, INTERNAL_FAILURE, 12] {
                vm.calls(|calls| calls.fail_about("proxy_get_property", &format!("connection\0{name}"), status));
                let id = vm.send(stream(&old_member()));
                assert!(matches!(vm.outcome(id), Outcome::Replied(_)), "{name} {status}");
                vm.calls(super::calls::Calls::heal);
            }
        }
        let id = vm.send(stream(&[("mtls", &[0])]));
        vm.outcome(id).upstream();
    });
}

#[test]
fn questions_are_asked_only_where_the_answer_counts() {
    let questions = |vm: &mut Vm, stream: Stream| {
        vm.calls(super::calls::Calls::reset);
        let id = vm.send(stream);
        (matches!(vm.outcome(id), Outcome::Replied(_)), vm.calls(|calls| calls.counts()["proxy_get_property"]))
    };
    let (passes, refused) = (false, true);
    configured(|vm| {
        let _ = questions(vm, stream(&member()));
        // Whether there is a verdict; whether the certificate is good, its digest, which Envoy always tells, the certificate, and the server name.
        assert_eq!(questions(vm, stream(&member())), (passes, 5));
        assert_eq!(questions(vm, stream(&[])), (refused, 4));
    });
    configured_as(&behind_a_proxy("\"network_only\"", ""), |vm| {
        let _ = questions(vm, stream(&member()));
        assert_eq!(questions(vm, with_header(&member(), "x-cert", &escaped())), (passes, 1));
        assert_eq!(questions(vm, stream(&member())), (refused, 1));
    });
    let digest = std::str::from_utf8(DIGEST).unwrap();
    configured_as(&behind_a_proxy(&format!("{{\"sha256\": \"{digest}\"}}"), ""), |vm| {
        let _ = questions(vm, stream(&member()));
        assert_eq!(questions(vm, with_header(&member(), "x-cert", &escaped())), (passes, 5));
        assert_eq!(questions(vm, stream(&member())), (refused, 1));
        for (name, _) in member() {
            for status in [NOT_FOUND, BAD_ARGUMENT, 3, INTERNAL_FAILURE, 12] {
                vm.calls(|calls| calls.fail_about("proxy_get_property", &format!("connection\0{name}"), status));
                assert!(questions(vm, with_header(&member(), "x-cert", &escaped())).0, "{name} {status}");
                vm.calls(super::calls::Calls::heal);
            }
        }
    });
}
