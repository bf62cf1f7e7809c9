//! Certificates made by hand, so that each octet can be wrong. Nothing here checks signatures, so none is made.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use der::Encode;

use super::ExtensionId;

pub(crate) const ROLES: &str = "1.3.6.1.4.1.62329.1.1";
pub(crate) const APPLICATION: &str = "1.3.6.1.4.1.62329.1.2";
pub(crate) const MEMBER: &str = "1.3.6.1.4.1.62329.1.3";
pub(crate) const READER: &str = "https://registry.estf.ib1.org/scheme/electricty/role/supply-voltage-reader";
pub(crate) const REPORTER: &str = "https://registry.estf.ib1.org/scheme/electricty/group/reporter";

pub(crate) const ECDSA_SHA256: &[u8] = &[0x30, 0x0A, 0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02];

pub(crate) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = der::Length::try_from(content.len()).unwrap().to_der().unwrap();
    [&[tag], length.as_slice(), content].concat()
}

pub(crate) fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

pub(crate) fn utf8(text: &str) -> Vec<u8> {
    tlv(0x0C, text.as_bytes())
}

pub(crate) fn oid(dotted: &str) -> Vec<u8> {
    tlv(0x06, &ExtensionId::parse(dotted).unwrap().0)
}

pub(crate) fn extension(id: &str, value: &[u8]) -> Vec<u8> {
    sequence(&[oid(id), tlv(0x04, value)])
}

pub(crate) fn roles(roles: &[&str]) -> Vec<u8> {
    let strings: Vec<Vec<u8>> = roles.iter().map(|role| utf8(role)).collect();
    extension(ROLES, &sequence(&strings))
}

pub(crate) fn attribute(id: &str, value: Vec<u8>) -> Vec<u8> {
    sequence(&[oid(id), value])
}

pub(crate) fn rdn(id: &str, value: Vec<u8>) -> Vec<u8> {
    tlv(0x31, &attribute(id, value))
}

pub(crate) fn alt_names(names: &[(u8, &str)]) -> Vec<u8> {
    let names: Vec<Vec<u8>> = names.iter().map(|(kind, name)| tlv(0x80 | kind, name.as_bytes())).collect();
    extension("2.5.29.17", &sequence(&names))
}

/// A certificate's fields; each is its whole DER.
#[derive(Clone)]
pub(crate) struct Sample {
    pub(crate) version: Vec<u8>,
    pub(crate) serial: Vec<u8>,
    pub(crate) inner_algorithm: Vec<u8>,
    pub(crate) issuer: Vec<u8>,
    pub(crate) validity: Vec<u8>,
    pub(crate) subject: Vec<u8>,
    pub(crate) key: Vec<u8>,
    pub(crate) extensions: Vec<Vec<u8>>,
    pub(crate) outer_algorithm: Vec<u8>,
    pub(crate) signature: Vec<u8>,
}

impl Default for Sample {
    fn default() -> Self {
        Self {
            version: tlv(0xA0, &[2, 1, 2]),
            serial: tlv(2, &[0x2A]),
            inner_algorithm: ECDSA_SHA256.to_vec(),
            issuer: sequence(&[rdn("2.5.4.6", tlv(0x13, b"GB")), rdn("2.5.4.3", utf8("Client Issuer"))]),
            validity: sequence(&[tlv(0x17, b"240101000000Z"), tlv(0x17, b"340101000000Z")]),
            subject: sequence(&[
                rdn("2.5.4.6", tlv(0x13, b"GB")),
                rdn("2.5.4.8", utf8("London")),
                rdn("2.5.4.10", utf8("Application One")),
                rdn("2.5.4.3", utf8("https://directory.estf.ib1.org/member/2876152")),
            ]),
            key: sequence(&[sequence(&[oid("1.2.840.10045.2.1"), oid("1.2.840.10045.3.1.7")]), tlv(3, &[0; 66])]),
            extensions: vec![roles(&[READER, REPORTER]), extension(APPLICATION, &utf8("https://directory.estf.ib1.org/application/1"))],
            outer_algorithm: ECDSA_SHA256.to_vec(),
            signature: tlv(3, &[0; 71]),
        }
    }
}

impl Sample {
    pub(crate) fn with(extensions: Vec<Vec<u8>>) -> Self {
        Self { extensions, ..Self::default() }
    }

    pub(crate) fn of(subject: &[Vec<u8>]) -> Self {
        Self { subject: sequence(subject), ..Self::default() }
    }

    pub(crate) fn der(&self) -> Vec<u8> {
        let extensions = if self.extensions.is_empty() { vec![] } else { tlv(0xA3, &sequence(&self.extensions)) };
        let tbs = [&self.version, &self.serial, &self.inner_algorithm, &self.issuer, &self.validity, &self.subject, &self.key, &extensions];
        sequence(&[sequence(&tbs.map(Clone::clone)), self.outer_algorithm.clone(), self.signature.clone()])
    }

    pub(crate) fn pem(&self) -> String {
        pem(&self.der())
    }
}

pub(crate) fn pem(der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let lines: Vec<&str> = base64.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}
