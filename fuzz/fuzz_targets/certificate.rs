//! X.509 in DER.

#![no_main]

use std::cmp::Ordering;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::fuzz_target;
use portcullis::certificate::{Certificate, ExtensionId, from_header, from_pem};
use portcullis::time::UnixTime;
use portcullis_fuzz::material::sha256;
use x509_cert::der::Decode as _;

fuzz_target!(|der: &[u8]| {
    let Ok(certificate) = Certificate::from_der(der.to_vec()) else { return };
    assert_eq!(certificate.der(), der);
    assert_eq!(certificate.fingerprint(), sha256(der));
    let _ = (certificate.subject(), certificate.issuer());
    for attribute in ["CN", "O", "OU", "1.2.3"] {
        let _ = certificate.subject_values(attribute);
    }
    let roles = ExtensionId::parse("1.3.6.1.4.1.62329.1.1").expect("an OID");
    for text in certificate.utf8_sequence(&roles).ok().flatten().into_iter().flatten().chain(certificate.utf8(&roles).ok().flatten()) {
        assert!(der.windows(text.len().max(1)).any(|window| window == text.as_bytes()) || text.is_empty());
    }
    for name in [certificate.san_uris(), certificate.san_dns()].into_iter().flatten().flatten() {
        assert!(name.is_ascii() && (name.is_empty() || der.windows(name.len()).any(|window| window == name.as_bytes())), "{name:?}");
    }
    // Whatever way it comes, it is the same certificate.
    let base64 = STANDARD.encode(der);
    let pem = format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n");
    for again in [
        from_pem(certificate.percent_encoded_pem().as_bytes()),
        from_pem(pem.as_bytes()),
        from_header(format!(":{base64}:").as_bytes()),
        from_header(base64.as_bytes()),
        from_header(certificate.percent_encoded_pem().as_bytes()),
    ] {
        assert_eq!(again.map(|again| again.der().to_vec()).as_deref(), Ok(der));
    }
    assert_ne!(certificate.twin_digest(), Some(certificate.digest()), "the other signature is another");
    // A second opinion, where there is one: x509-cert refuses more.
    if let Ok(theirs) = x509_cert::Certificate::from_der(der) {
        let validity = theirs.tbs_certificate().validity();
        let [from, to] = [validity.not_before, validity.not_after].map(|time| time.to_unix_duration().as_secs());
        if from <= to {
            assert_eq!(certificate.at(UnixTime::from_seconds(from)), Ordering::Equal);
            assert_eq!(certificate.at(UnixTime::from_seconds(to)), Ordering::Equal);
            assert_eq!(certificate.at(UnixTime::from_seconds(to + 1)), Ordering::Greater);
            assert!(from == 0 || certificate.at(UnixTime::from_seconds(from - 1)) == Ordering::Less);
        }
    }
});
