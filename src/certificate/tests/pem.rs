//! PEM as it is sent, and as it is sent on.

use percent_encoding::percent_decode_str;

use super::super::sample::{Sample, pem};
use super::super::{MAX_LENGTH, Malformed, from_pem};

pub(super) fn escaped(text: &str, safe: &[u8]) -> String {
    let as_sent = |b: u8| {
        if b.is_ascii_alphanumeric() || b"-._~".contains(&b) || safe.contains(&b) { char::from(b).to_string() } else { format!("%{b:02X}") }
    };
    text.bytes().map(as_sent).collect()
}

/// A serial number that makes `+` and `/` likely in the base64.
pub(super) fn sample() -> Sample {
    Sample { serial: super::tlv(2, &[0x7B, 0xEF, 0xBE, 0xFB, 0xFF, 0xFF, 0xFE, 0xFB, 0xEF, 0xBF, 0xFF]), ..Sample::default() }
}

#[test]
fn encodings_that_senders_use() {
    let (one, two) = (sample(), Sample::default());
    let text = one.pem();
    assert!(text.contains('+') && text.contains('/'));
    let single =
        text.replace('\n', "").replace("-----BEGIN CERTIFICATE-----", "-----BEGIN CERTIFICATE-----\n").replace("-----END", "\n-----END");
    let chain = [text.clone(), two.pem()].concat();
    for sent in [
        text.clone(),
        // nginx; Python's quote(); the AWS ALB; lower-case hex.
        escaped(&text, b""),
        escaped(&text, b"/"),
        escaped(&text, b"+=/"),
        escaped(&text, b"").replace("%2B", "%2b").replace("%2F", "%2f").replace("%0A", "%0a"),
        text.replace('\n', "\r\n"),
        escaped(&text.replace('\n', "\r\n"), b""),
        text.trim_end().to_owned(),
        single.clone(),
        escaped(&single, b""),
        text.replace('\n', ""),
        text.replace('\n', " "),
        text.replace('\n', "\n\t"),
        format!("subject=CN=x\nissuer=100%\n{text}"),
        chain.clone(),
        escaped(&chain, b"+=/"),
        format!("{text}trailing text"),
    ] {
        let certificate = from_pem(sent.as_bytes()).unwrap_or_else(|e| panic!("{e}: {sent}"));
        assert_eq!(certificate.der(), one.der(), "{sent}");
    }
}

#[test]
fn what_is_no_pem() {
    let text = sample().pem();
    let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    let key = text.replace("CERTIFICATE", "PRIVATE KEY");
    for sent in [
        String::new(),
        "%".to_owned(),
        "garbage".to_owned(),
        body.clone(),
        escaped(&text, b"+").replace('+', " "),
        text.replace("-----END CERTIFICATE-----", ""),
        text.replace("-----BEGIN CERTIFICATE-----", ""),
        text.get(..text.len() / 2).unwrap().to_owned(),
        text.replacen('M', "!", 1),
        text.replacen("\n-----END", "A\n-----END", 1),
        text.replacen("\n-----END", "=\n-----END", 1),
        text.replace("CERTIFICATE", "TRUSTED CERTIFICATE"),
        text.replace("CERTIFICATE", "X509 CRL"),
        [key, text.clone()].concat(),
        text.replacen("-----\n", "-----\nProc-Type: 4,ENCRYPTED\n\n", 1),
        "-----BEGIN CERTIFICATE----------END CERTIFICATE-----".to_owned(),
        escaped(&escaped(&text, b""), b""),
    ] {
        assert_eq!(from_pem(sent.as_bytes()).unwrap_err(), Malformed::Pem, "{sent}");
    }
    assert_eq!(from_pem(pem(&[0x30, 0]).as_bytes()).unwrap_err(), Malformed::Der);
    assert_eq!(from_pem(&vec![b'A'; MAX_LENGTH * 2 + 1]).unwrap_err(), Malformed::TooLarge);
    assert_eq!(from_pem(pem(&vec![0; MAX_LENGTH + 1]).as_bytes()).unwrap_err(), Malformed::TooLarge);
    assert_eq!(from_pem(&[0xFF; 100]).unwrap_err(), Malformed::Pem);
}

#[test]
fn written_as_nginx_writes_it() {
    let sample = sample();
    let sent = from_pem(sample.pem().as_bytes()).unwrap().percent_encoded_pem();
    assert!(sent.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(&b)), "{sent}");
    assert_eq!(percent_decode_str(&sent).decode_utf8().unwrap(), sample.pem());
    assert!(sent.ends_with("-----END%20CERTIFICATE-----%0A"));
    // Base64 that fills its last line.
    let full =
        (0..48).map(|n| Sample { serial: super::tlv(2, &vec![1; n + 1]), ..Sample::default() }).find(|s| s.der().len() % 48 == 0).unwrap();
    let sent = from_pem(full.pem().as_bytes()).unwrap().percent_encoded_pem();
    assert_eq!(percent_decode_str(&sent).decode_utf8().unwrap(), full.pem());
}

#[test]
fn fingerprint_as_openssl_and_envoy_print_it() {
    let certificate = from_pem(include_bytes!("../samples/strings.pem")).unwrap();
    assert_eq!(certificate.fingerprint(), "fc0c04f0392ffe8912ff480b629c8c24edf26a4f0bd836e9bc6e5cc1aea03c15");
    assert_eq!(certificate.fingerprint().len(), 64);
}
