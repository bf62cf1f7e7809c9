//! Certificates in headers: PEM as proxies write it, percent-encoded or not, bare base64, RFC 9440.

#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::fuzz_target;
use portcullis::certificate::{from_header, from_pem};
use portcullis_fuzz::reading::unescaped;

fuzz_target!(|value: &[u8]| {
    let in_header = from_header(value);
    let as_pem = from_pem(value);
    // RFC 9440 begins with a colon; before PEM there may be any text.
    if let Ok(certificate) = &as_pem
        && !value.starts_with(b":")
    {
        assert_eq!(in_header.as_ref().map(|c| c.der()), Ok(certificate.der()), "a header holds what PEM holds");
        let text = unescaped(value);
        let first = text.windows(11).position(|window| window == b"-----BEGIN ").expect("a block");
        assert!(text[first + 11..].starts_with(b"CERTIFICATE-----"), "another block comes first");
    }
    let Ok(certificate) = in_header else { return };
    let text = if value.starts_with(b":") { value.to_vec() } else { unescaped(value) };
    let dense: Vec<u8> = text.into_iter().filter(|b| !b.is_ascii_whitespace()).collect();
    let base64 = STANDARD.encode(certificate.der());
    let base64 = base64.trim_end_matches('=').as_bytes();
    assert!(dense.windows(base64.len()).any(|window| window == base64), "it stands nowhere");
    // Percent-encoded as a whole it is the same, where it wasn't before.
    if !value.starts_with(b":") && !value.contains(&b'%') && value.len() < 16 * 1024 {
        let encoded: String = value.iter().map(|b| format!("%{b:02x}")).collect();
        assert_eq!(from_header(encoded.as_bytes()).map(|c| c.der().to_vec()).as_deref(), Ok(certificate.der()));
    }
});
