//! Certificates in headers, in the forms that proxies write.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::sample::{Sample, pem};
use super::super::{Malformed, from_header};
use super::pem::{escaped, sample};

#[test]
fn forms_that_proxies_write() {
    let one = sample();
    let text = one.pem();
    let chain = [text.clone(), Sample::default().pem()].concat();
    let base64 = STANDARD.encode(one.der());
    assert!(base64.contains('+') && base64.contains('/') && base64.ends_with('='));
    let line = text.trim_end().replace('\n', " ");
    for sent in [
        // nginx; Python's quote(); the AWS ALB, which sends a chain; lower-case hex.
        escaped(&text, b""),
        escaped(&text, b"/"),
        escaped(&chain, b"+=/"),
        escaped(&chain, b""),
        escaped(&text, b"").replace("%2B", "%2b").replace("%2F", "%2f").replace("%0A", "%0a").replace("%3D", "%3d"),
        // Every octet.
        text.bytes().map(|b| format!("%{b:02X}")).collect(),
        escaped(&text.replace('\n', "\r\n"), b""),
        escaped(text.trim_end(), b""),
        escaped(&format!("subject=CN=a, O=b\nissuer=100%\n{text}"), b""),
        // On one line: Apache, nginx's old $ssl_client_cert, and base64 alone as Traefik and HAProxy send it.
        line.clone(),
        line.replace(' ', "\t").replacen("BEGIN\t", "BEGIN ", 1).replacen("END\t", "END ", 1),
        text.trim_end().replace('\n', ""),
        format!("  {line}  "),
        base64.clone(),
        escaped(&base64, b""),
        escaped(&base64, b"+/="),
        text.lines().filter(|line| !line.starts_with('-')).collect::<Vec<_>>().join(" "),
        text.lines().filter(|line| !line.starts_with('-')).collect::<Vec<_>>().join("\t"),
        // RFC 9440.
        format!(":{base64}:"),
        format!(":{}:", base64.trim_end_matches('=')),
    ] {
        let certificate = from_header(sent.as_bytes()).unwrap_or_else(|error| panic!("{error}: {sent}"));
        assert_eq!(certificate.der(), one.der(), "{sent}");
    }
}

#[test]
fn what_is_none_of_them() {
    let text = sample().pem();
    let base64 = STANDARD.encode(sample().der());
    for sent in [
        String::new(),
        " ".to_owned(),
        "%".to_owned(),
        "(null)".to_owned(),
        "garbage".to_owned(),
        // What form-decoding leaves, and what it wants.
        escaped(&text, b"").replace("%2B", "%20"),
        base64.replace('+', " "),
        escaped(&text, b"").replace("%20", "+"),
        escaped(&escaped(&text, b""), b""),
        base64.replace('+', "-").replace('/', "_"),
        base64.trim_end_matches('=').to_owned(),
        format!("{base64}="),
        text.get(..text.len() / 2).unwrap().to_owned(),
        text.replace("CERTIFICATE", "TRUSTED CERTIFICATE"),
        [text.replace("CERTIFICATE", "PRIVATE KEY"), text.clone()].concat(),
        format!("{base64} {text}").replace("CERTIFICATE", "X509 CRL"),
        ":".to_owned(),
        format!(":{base64}"),
        format!("{base64}:"),
        format!(":{base64}:;a=b"),
        format!(": {base64} :"),
        format!(":{base64}: :{base64}:"),
        format!(":{}:", escaped(&base64, b"")),
        format!(":{}:", escaped(&text, b"")),
        format!("\"{base64}\""),
    ] {
        assert_eq!(from_header(sent.as_bytes()).unwrap_err(), Malformed::Pem, "{sent}");
    }
    for sent in ["::", "AAAA", ":AAAA:"] {
        assert_eq!(from_header(sent.as_bytes()).unwrap_err(), Malformed::Der, "{sent}");
    }
    assert_eq!(from_header(&[0xFF; 100]).unwrap_err(), Malformed::Pem);
    assert_eq!(from_header(&[b'A'; 65_537]).unwrap_err(), Malformed::TooLarge);
    let two = [sample().der(), sample().der()].concat();
    assert_eq!(from_header(pem(&two).as_bytes()).unwrap_err(), Malformed::TrailingBytes);
    assert_eq!(from_header(format!(":{}:", STANDARD.encode(two)).as_bytes()).unwrap_err(), Malformed::TrailingBytes);
}
