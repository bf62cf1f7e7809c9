//! Client certificates, when Envoy tells less than it should.

use super::host::{BAD_ARGUMENT, INTERNAL_FAILURE, NOT_FOUND, Stream};
use super::pairs;
use super::vm::{Outcome, StreamId, Vm, on_a_vm};

const CONFIGURATION: &str =
    r#"{"providers": {"members": {"client_certificate": {"identity": {"subject": {"dn": "ST"}, "roles": {"dn": "OU"}}}}}}"#;

/// Valid from 2024 to 2049.
const PEM: &str = include_str!("../../src/certificate/samples/strings.pem");

fn configured<T: Send>(test: impl FnOnce(&mut Vm) -> T + Send) -> T {
    on_a_vm(portcullis::envoy::start, |vm| {
        assert!(vm.configure(CONFIGURATION), "{:#?}", vm.log());
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
