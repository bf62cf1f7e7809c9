//! Random damage: never a panic, and nothing accepted that x509-cert refuses for a reason.

use super::super::sample::{ROLES, Sample, alt_names, rdn, roles, sequence, tlv, utf8};
use super::super::{Certificate, ExtensionId, from_forwarded, from_header, from_pem};
use crate::time::UnixTime;

/// xorshift64*: no need of a crate for this.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let value = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(value).unwrap().checked_rem(limit).unwrap()
    }

    fn damage(&mut self, octets: &mut Vec<u8>) {
        for _ in 0..=self.below(3) {
            let at = self.below(octets.len());
            match self.below(6) {
                0 => octets[at] = u8::try_from(self.below(256)).unwrap(),
                1 => octets[at] ^= 1 << self.below(8),
                2 => octets[at] = octets[at].wrapping_add(1),
                3 => octets[at] = *[0x00, 0x80, 0xFF, 0x30, 0x7F, 0x81].get(self.below(6)).unwrap(),
                4 => drop(octets.remove(at)),
                _ => octets.insert(at, 0x30),
            }
        }
    }
}

fn ask_everything(certificate: &Certificate, id: &ExtensionId) {
    let _ = (certificate.subject(), certificate.issuer(), certificate.subject_values("CN"), certificate.san_uris(), certificate.san_dns());
    let _ = (certificate.utf8_sequence(id), certificate.utf8(id), certificate.at(UnixTime::default()));
}

fn samples() -> Vec<Vec<u8>> {
    let mut rich = Sample::with(vec![roles(&["a", "b"]), alt_names(&[(6, "urn:x"), (2, "a.example")])]);
    rich.subject = sequence(&[rdn("2.5.4.3", utf8("é")), rdn("2.5.4.10", tlv(0x1E, &[0, 0x41])), rdn("1.2.3", tlv(0x14, b"t"))]);
    let real = [&include_bytes!("../samples/names.pem")[..], include_bytes!("../samples/strings.pem")];
    let real = real.map(|pem| from_pem(pem).unwrap().der().to_vec());
    [vec![Sample::default().der(), rich.der()], real.to_vec()].concat()
}

#[test]
fn damaged_der_never_panics() {
    let id = ExtensionId::parse(ROLES).unwrap();
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let (mut accepted, mut stricter) = (0_u32, 0_u32);
    let samples = samples();
    for round in 0..100_000 {
        let mut der = samples[round % samples.len()].clone();
        random.damage(&mut der);
        let theirs = || <x509_cert::Certificate as der::Decode>::from_der(&der);
        match Certificate::from_der(der.clone()) {
            Ok(certificate) => {
                ask_everything(&certificate, &id);
                accepted += 1;
                // Beyond x509-cert this one takes only identifiers that x509-cert can't hold.
                if let Err(error) = theirs() {
                    assert_eq!(error.kind(), der::ErrorKind::OidMalformed, "{der:02X?}");
                }
            }
            // It takes its time, and what it accepts is not the point here.
            Err(_) if round % 16 == 0 => stricter += u32::from(theirs().is_ok()),
            Err(_) => {}
        }
    }
    assert!(accepted > 1000 && stricter > 0, "{accepted} accepted, {stricter} that x509-cert accepts");
}

#[test]
fn damaged_pem_never_panics() {
    let mut random = Random(42);
    for text in [Sample::default().pem(), from_pem(Sample::default().pem().as_bytes()).unwrap().percent_encoded_pem()] {
        for _ in 0..20_000 {
            let mut text = text.clone().into_bytes();
            random.damage(&mut text);
            let _ = from_pem(&text);
        }
    }
}

#[test]
fn damaged_headers_never_panic_and_nobody_elses_certificate_comes_of_them() {
    let mut random = Random(7);
    let certificate = from_pem(Sample::default().pem().as_bytes()).unwrap();
    let (escaped, digest) = (certificate.percent_encoded_pem(), certificate.fingerprint());
    let other = Sample { serial: tlv(2, &[7]), ..Sample::default() };
    let other = from_pem(other.pem().as_bytes()).unwrap().percent_encoded_pem();
    let forwarded = format!("By=x;Cert=\"{other}\",Hash={digest};Cert=\"{escaped}\";Subject=\"CN=\\\"a\\\"\";URI=urn:a;Cert=\"{other}\"");
    let base64 = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, certificate.der());
    let mut found = 0_u32;
    for round in 0..5_000 {
        for text in [format!(":{base64}:"), base64.clone(), escaped.clone()] {
            let mut text = text.into_bytes();
            random.damage(&mut text);
            let _ = from_header(&text);
        }
        let mut text = forwarded.clone().into_bytes();
        random.damage(&mut text);
        // Down to nothing.
        text.truncate(random.below(text.len() * 2).min(text.len()));
        match from_forwarded(&text, digest.as_bytes()) {
            Ok(Some(own)) => {
                assert_eq!(own.der(), certificate.der(), "{round}: {}", text.escape_ascii());
                found += 1;
            }
            Ok(None) => {}
            Err(error) => panic!("{round}: {error}"),
        }
    }
    assert!(found > 500, "{found}");
}
