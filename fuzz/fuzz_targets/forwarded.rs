//! `x-forwarded-client-cert`: the certificate of this digest, or none, whatever else stands there.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::certificate::from_forwarded;
use portcullis_fuzz::material::{MEMBER, STRANGER, der, sha256};

fuzz_target!(|value: &[u8]| {
    let encoded: String = MEMBER.bytes().map(|b| format!("%{b:02X}")).collect();
    let member = sha256(&der(MEMBER));
    for digest in [member.clone(), sha256(&der(STRANGER)), String::new(), sha256(value)] {
        if let Ok(Some(certificate)) = from_forwarded(value, digest.as_bytes()) {
            assert_eq!(sha256(certificate.der()), digest);
        }
    }
    // Envoy appends its own element: nothing before it hides it, and nothing after it.
    let element = format!("Hash={member};Cert=\"{encoded}\"");
    for whole in [[value, b",", element.as_bytes()].concat(), [element.as_bytes(), b",", value].concat()] {
        if whole.len() <= 64 * 1024 {
            let found = from_forwarded(&whole, member.as_bytes()).expect("it can be read").expect("it is there");
            assert_eq!(found.der(), der(MEMBER));
        }
    }
});
