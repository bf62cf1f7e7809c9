//! Who vouches for a certificate: a proxy, the network, a listener, and Envoys that show nothing but a digest.

use sha2::{Digest, Sha256};

use super::*;
use crate::certificate::Malformed;
use crate::credential::Place;

const HEADER: &str = "x-amzn-mtls-clientcert";
const PROXY: &str = "spiffe://example.org/proxy";

/// Members behind a proxy.
fn behind(trusted: Trusted) -> ClientCertificate {
    let place = Place::Header { name: HEADER.into(), scheme: None };
    ClientCertificate { source: CertificateSource::Header { place, trusted }, ..members() }
}

fn by_uri(names: &[&str]) -> ClientCertificate {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    behind(Trusted::Proxy(HANDSHAKE, ProxyCertificate::SanUri(names)))
}

/// What the proxy shows of itself.
fn proxy() -> Sample {
    Sample {
        extensions: vec![alt_names(&[(6, "urn:x"), (6, PROXY), (2, "proxy.example")])],
        ..Sample::of(&[rdn("2.5.4.3", utf8("proxy"))])
    }
}

fn with_header(values: &[&str]) -> Request {
    Request { headers: values.iter().map(|value| (HEADER, *value)).collect() }
}

fn escaped(sample: &Sample) -> String {
    from_pem(sample.pem().as_bytes()).unwrap().percent_encoded_pem()
}

fn judge_request(provider: &ClientCertificate, request: &Request, peer: &dyn Peer) -> Result<Option<Arc<Identity>>, CertificateError> {
    super::judge_request(provider, request, (peer, HOST), NOW)
}

#[track_caller]
fn assert_reason(judged: Result<Option<Arc<Identity>>, CertificateError>, reason: Reason) -> String {
    let error = judged.unwrap_err();
    let text = error.to_string();
    assert_eq!(error.reason(), reason, "{text}");
    assert!(text.len() <= 128, "the log cuts it: {text}");
    text
}

#[test]
fn a_trusted_proxys_word_is_taken() {
    let member = Sample::default();
    let request = with_header(&[&escaped(&member)]);
    let connection = Connection::of(&proxy());
    let digest = from_pem(proxy().pem().as_bytes()).unwrap().digest();
    let dns =
        |names: &[&str]| behind(Trusted::Proxy(HANDSHAKE, ProxyCertificate::SanDns(names.iter().map(|name| (*name).to_owned()).collect())));
    let sha256 = |digests: Vec<[u8; 32]>| behind(Trusted::Proxy(HANDSHAKE, ProxyCertificate::Sha256(digests)));
    for good in
        [by_uri(&[PROXY]), by_uri(&["urn:other", PROXY]), dns(&["proxy.example"]), sha256(vec![digest]), sha256(vec![[1; 32], digest])]
    {
        let identity = judge_request(&good, &request, &connection).unwrap().unwrap();
        assert_eq!(identity.certificate.as_ref().unwrap().der(), member.der());
    }
    for bad in [
        by_uri(&[]),
        by_uri(&["spiffe://example.org/prox"]),
        by_uri(&["spiffe://example.org/proxy/"]),
        by_uri(&["SPIFFE://example.org/proxy"]),
        by_uri(&["proxy.example"]),
        dns(&[PROXY]),
        dns(&["Proxy.example"]),
        dns(&["*.example"]),
        sha256(vec![]),
        sha256(vec![[0; 32]]),
    ] {
        let text = assert_reason(judge_request(&bad, &request, &connection), Reason::CertificateUntrustedSource);
        assert!(text.contains(&from_pem(proxy().pem().as_bytes()).unwrap().fingerprint()), "{text}");
    }
}

#[test]
fn nobody_elses_is() {
    let provider = by_uri(&[PROXY]);
    let request = with_header(&[&escaped(&Sample::default())]);
    let good = || Connection::of(&proxy());
    assert!(judge_request(&provider, &request, &good()).is_ok());
    let expired = Sample { validity: sequence(&[tlv(0x17, b"240101000000Z"), tlv(0x17, b"250101000000Z")]), ..proxy() };
    let early = Sample { validity: sequence(&[tlv(0x17, b"300101000000Z"), tlv(0x17, b"310101000000Z")]), ..proxy() };
    for (connection, detail) in [
        (Connection { shown: Shown::Nothing, ..good() }, "no client certificate"),
        (Connection { valid: Some(false), ..good() }, "connection.peer_certificate_valid is false"),
        (Connection { valid: None, ..good() }, "no connection.peer_certificate_valid"),
        (Connection::of(&Sample::default()), "by no trusted proxy: sha256 "),
        (Connection::of(&expired), "expired"),
        (Connection::of(&early), "not valid yet"),
        (Connection { shown: Shown::Unreadable, ..good() }, "can't show it"),
        (Connection { shown: Shown::Pem(b"garbage".to_vec()), ..good() }, "no PEM"),
        (Connection::of(&Sample::with(vec![extension("2.5.29.17", &[0x30, 0x7F])])), "not the DER"),
    ] {
        let text = assert_reason(judge_request(&provider, &request, &connection), Reason::CertificateUntrustedSource);
        assert!(text.contains(detail), "{text}");
    }
    assert_reason(judge_request(&provider, &request, &Plaintext), Reason::CertificateUntrustedSource);
    // Not over a connection to another host's listener.
    let elsewhere = Connection { server_name: Some(b"other.example.com".to_vec()), ..good() };
    assert_reason(judge_request(&provider, &request, &elsewhere), Reason::Misdirected);
    let anywhere = Handshake { server_name: ServerName::Any, ..HANDSHAKE };
    let anywhere = behind(Trusted::Proxy(anywhere, ProxyCertificate::SanUri(vec![PROXY.to_owned()])));
    assert!(judge_request(&anywhere, &request, &elsewhere).is_ok());
}

#[test]
fn the_clients_own_certificate_is_judged_as_ever() {
    let provider = by_uri(&[PROXY]);
    let connection = Connection::of(&proxy());
    let judged = |sample: &Sample| judge_request(&provider, &with_header(&[&escaped(sample)]), &connection);
    let expired = Sample { validity: sequence(&[tlv(0x17, b"240101000000Z"), tlv(0x17, b"250101000000Z")]), ..Sample::default() };
    assert_reason(judged(&expired), Reason::CertificateExpired);
    assert_reason(judged(&Sample::of(&[])), Reason::CertificateNotAccepted);
    assert_reason(judged(&Sample::with(vec![extension(ROLES, &utf8(READER))])), Reason::CertificateMalformed);
    let chosen = ClientCertificate { accept: Accept { issuers: vec!["CN=x".to_owned()], subjects: vec![] }, ..by_uri(&[PROXY]) };
    let request = with_header(&[&escaped(&Sample::default())]);
    assert_reason(judge_request(&chosen, &request, &connection), Reason::CertificateNotAccepted);
}

#[test]
fn without_the_header_nothing_is_asked_and_over_the_network_never() {
    let connection = Connection::of(&proxy());
    for none in [Request::default(), with_header(&[""])] {
        for provider in [by_uri(&[PROXY]), behind(Trusted::NetworkOnly)] {
            assert!(judge_request(&provider, &none, &connection).unwrap().is_none());
        }
    }
    // Another header of the kind is none, nor is the connection's certificate one.
    let other = Request { headers: [("x_amzn_mtls_clientcert", escaped(&Sample::default()))].into_iter().collect() };
    assert!(judge_request(&behind(Trusted::NetworkOnly), &other, &connection).unwrap().is_none());
    let request = with_header(&[&escaped(&Sample::default())]);
    assert!(judge_request(&behind(Trusted::NetworkOnly), &request, &connection).unwrap().is_some());
    assert!(judge_request(&behind(Trusted::NetworkOnly), &request, &Plaintext).unwrap().is_some());
    assert_eq!(connection.asked.get(), 0);
    judge_request(&by_uri(&[PROXY]), &request, &connection).unwrap();
    // Whether it was verified, its digest and its server name twice, and once the certificate.
    assert_eq!(connection.asked.get(), 7);
}

#[test]
fn one_certificate_and_no_more() {
    let provider = behind(Trusted::NetworkOnly);
    let (one, two) = (escaped(&Sample::default()), escaped(&proxy()));
    for twice in [
        vec![one.as_str(), two.as_str()],
        vec![&one, &one],
        vec!["", &one],
        vec!["", ""],
        vec![&format!("{two},{one}")],
        vec![&format!("{two}, {one}")],
        vec![&format!(",{one}")],
    ] {
        assert_reason(judge_request(&provider, &with_header(&twice), &Plaintext), Reason::CredentialAmbiguous);
    }
    for (bad, reason) in [
        ("garbage".to_owned(), Reason::CertificateMalformed),
        ("(null)".to_owned(), Reason::CertificateMalformed),
        (":".to_owned(), Reason::CertificateMalformed),
        ("::".to_owned(), Reason::CertificateMalformed),
        (one.replace("%2B", "+").replace("%20", "+"), Reason::CertificateMalformed),
        (one.replacen("BEGIN", "BEGIN%20TRUSTED", 1), Reason::CertificateMalformed),
        ("%".repeat(100), Reason::CertificateMalformed),
        ("A".repeat(64 * 1024), Reason::CertificateMalformed),
        ("A".repeat(64 * 1024 + 1), Reason::CredentialTooLarge),
        (format!("{one}{}", "A".repeat(64 * 1024)), Reason::CredentialTooLarge),
    ] {
        assert_reason(judge_request(&provider, &with_header(&[&bad]), &Plaintext), reason);
    }
}

/// An Envoy before 1.38: `connection.sha256_peer_certificate_digest` alone.
fn old(sample: &Sample) -> Connection {
    let digest = from_pem(sample.pem().as_bytes()).unwrap().fingerprint().into_bytes();
    Connection { valid: None, shown: Shown::Digest(digest), ..Connection::of(sample) }
}

fn forwarded(values: &[&str]) -> Request {
    Request { headers: values.iter().map(|value| ("x-forwarded-client-cert", *value)).collect() }
}

fn by_listener() -> ClientCertificate {
    ClientCertificate { source: CertificateSource::Connection(Handshake { verified_by: VerifiedBy::Listener, ..HANDSHAKE }), ..members() }
}

#[test]
fn a_listener_is_trusted_only_where_envoy_has_no_word_for_it() {
    let good = || Connection::of(&Sample::default());
    assert!(judge(&by_listener(), &good()).unwrap().is_some());
    assert!(judge(&by_listener(), &Connection { valid: None, ..good() }).unwrap().is_some());
    assert_eq!(refusal(&by_listener(), &Connection { valid: Some(false), ..good() }), CertificateError::Unverified);
    assert_eq!(refusal(&members(), &Connection { valid: None, ..good() }), CertificateError::Unverifiable);
    // It vouches for the certificate, not for the name.
    let elsewhere = Connection { valid: None, server_name: None, ..good() };
    assert_eq!(refusal(&by_listener(), &elsewhere).reason(), Reason::Misdirected);
    assert!(judge(&by_listener(), &Connection { shown: Shown::Nothing, ..good() }).unwrap().is_none());
    // Also of a proxy.
    let handshake = Handshake { verified_by: VerifiedBy::Listener, ..HANDSHAKE };
    let proxied = behind(Trusted::Proxy(handshake, ProxyCertificate::SanUri(vec![PROXY.to_owned()])));
    let own = format!("Hash=x;Cert=\"{}\"", escaped(&proxy()));
    let member = escaped(&Sample::default());
    let request = Request { headers: [("x-forwarded-client-cert", own.as_str()), (HEADER, &member)].into_iter().collect() };
    let identity = judge_request(&proxied, &request, &old(&proxy())).unwrap().unwrap();
    assert_eq!(identity.certificate.as_ref().unwrap().der(), Sample::default().der());
    assert_reason(judge_request(&proxied, &with_header(&[&member]), &old(&proxy())), Reason::CertificateUntrustedSource);
}

#[test]
fn what_old_envoys_forward_is_bound_to_the_connection() {
    let member = Sample::default();
    let cert = format!("Cert=\"{}\"", escaped(&member));
    let other = format!("Cert=\"{}\"", escaped(&proxy()));
    for (values, what) in [
        (vec![cert.clone()], "alone"),
        (vec![format!("Hash=abc;{cert};Subject=\"CN=a\";URI=x")], "among others"),
        (vec![format!("Hash=abc;{other},Hash=abc;{cert}")], "appended"),
        (vec![format!("Hash=abc;{cert},Hash=abc;{other}")], "prepended"),
        (vec![other.clone(), cert.clone()], "in another header"),
        (vec![format!("Hash=abc;{cert};URI=x;{other};DNS=y,{other}")], "a forged key behind it"),
        (vec![format!("By=x;{other};Hash=abc;{cert}")], "a forged key before it"),
        (vec![format!("URI=;Cert=\";Hash=abc;{cert}")], "a forged opening quote"),
        (vec![format!("URI=;Cert=\"\"\"Cert=\"{cert}")], "forged quotes"),
        (vec![format!("Subject=\"CN=\\\";Cert=\\\"x\\\"\";{cert}")], "escaped quotes"),
        (vec![format!("{}{cert}", "Cert=\"".repeat(10_000))], "many of them"),
    ] {
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let judged = judge_request(&by_listener(), &forwarded(&values), &old(&member));
        let identity = judged.unwrap_or_else(|error| panic!("{what}: {error}")).unwrap();
        assert_eq!(identity.certificate.as_ref().unwrap().der(), member.der(), "{what}");
    }
    let raw = escaped(&member);
    for values in [
        vec![],
        vec![String::new()],
        vec![other.clone()],
        vec![format!("URI={raw}")],
        vec![format!("Cert={raw}")],
        vec![format!("Chain=\"{raw}\"")],
        vec![format!("cert=\"{raw}\"")],
        vec!["Cert=\"".to_owned()],
        vec!["Cert=\"%\"".to_owned()],
        vec![format!("Hash={}", from_pem(member.pem().as_bytes()).unwrap().fingerprint())],
        vec!["Cert=\"".repeat(20_000)],
    ] {
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let text = assert_reason(judge_request(&by_listener(), &forwarded(&values), &old(&member)), Reason::CertificateUnverified);
        assert!(text.contains("SANITIZE_SET") && text.contains("cert: true"), "{text}");
    }
    let huge = format!("{cert}{}", "x".repeat(200_000));
    assert_reason(judge_request(&by_listener(), &forwarded(&[&huge]), &old(&member)), Reason::CredentialTooLarge);
    // Where Envoy shows the certificate itself, nobody looks there; nor without one, nor unless somebody vouches for it.
    let identity = judge_request(&by_listener(), &forwarded(&[&other]), &Connection::of(&member)).unwrap().unwrap();
    assert_eq!(identity.certificate.as_ref().unwrap().der(), member.der());
    assert!(judge_request(&by_listener(), &forwarded(&[&cert]), &Plaintext).unwrap().is_none());
    assert_reason(judge_request(&members(), &forwarded(&[&cert]), &old(&member)), Reason::CertificateUnverified);
    // A digest that is none is nobody's.
    for digest in [&b""[..], b"x", &[0xFF; 64]] {
        let connection = Connection { shown: Shown::Digest(digest.to_vec()), ..old(&member) };
        assert_reason(judge_request(&by_listener(), &forwarded(&[&cert]), &connection), Reason::CertificateUnverified);
    }
    // What is bound but can't be read is malformed, not another's.
    let bad = Sample { version: tlv(0xA0, &[2, 1, 9]), ..Sample::default() };
    let cert = format!("Cert=\"{}\"", pem(&bad.der()).replace('\n', "%0A").replace('+', "%2B"));
    let digest = Sha256::digest(bad.der()).iter().map(|octet| format!("{octet:02X}")).collect::<String>().into_bytes();
    let connection = Connection { shown: Shown::Digest(digest), ..old(&member) };
    let error = judge_request(&by_listener(), &forwarded(&[&cert]), &connection).unwrap_err();
    assert_eq!(error, CertificateError::Malformed(Malformed::Version));
}

#[test]
fn who_sends_a_proxys_digest_for_a_certificate_is_nobody() {
    let cache = cache();
    let provider = by_uri(&[PROXY]);
    let connection = Connection::of(&proxy());
    let judge = |value: &str| judge_again(&provider, &with_header(&[value]), (&connection, HOST), &cache, NOW);
    let member = judge(&escaped(&Sample::default())).unwrap().unwrap();
    assert!(Arc::ptr_eq(&member, &judge(&escaped(&Sample::default())).unwrap().unwrap()));
    // Both are remembered now, each as what it was.
    for digest in [proxy(), Sample::default()].map(|sample| from_pem(sample.pem().as_bytes()).unwrap().fingerprint()) {
        assert_eq!(judge(&digest).unwrap_err().reason(), Reason::CertificateMalformed);
    }
    // And the proxy is nobody's member, although it is known.
    let direct = ClientCertificate { source: CertificateSource::Connection(HANDSHAKE), ..members() };
    let identity = judge_again(&direct, &Request::default(), (&connection, HOST), &cache, NOW).unwrap().unwrap();
    assert_eq!(identity.subject.as_deref(), Some("proxy"));
}
