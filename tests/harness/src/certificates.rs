//! Certification authorities, and certificates of servers and clients with any extension an attacker or a registry
//! would put into them.

use crate::key::rsa_2048;
use der::asn1::{AnyRef, OctetStringRef, Utf8StringRef};
use der::{Decode, Encode};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, CustomExtension, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber,
};
use ring::rand::{SecureRandom, SystemRandom};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sha2::{Digest, Sha256};
use std::net::IpAddr;
use std::sync::Arc;
use time::{Duration, OffsetDateTime};

/// A certification authority, with a key of its own. Clones are the same authority.
#[derive(Clone)]
pub struct Authority {
    issuer: Arc<CertifiedIssuer<'static, KeyPair>>,
    /// The certificates between this authority and the root, its own first; empty for a root.
    above: Vec<Vec<u8>>,
}

impl Authority {
    /// A root with this common name and a fresh key. Two of one name are strangers to each other: that is what a rogue
    /// authority is.
    pub fn new(name: &str) -> Self {
        Self::made(name, Make::Usual)
    }

    /// A root that is made otherwise.
    pub fn made(name: &str, make: Make) -> Self {
        let issuer = CertifiedIssuer::self_signed(make.params(name), make.key()).expect("a root certificate");
        Self { issuer: Arc::new(issuer), above: Vec::new() }
    }

    /// An intermediate below this one.
    pub fn intermediate(&self, name: &str) -> Self {
        self.intermediate_made(name, Make::Usual)
    }

    /// An intermediate that is made otherwise.
    pub fn intermediate_made(&self, name: &str, make: Make) -> Self {
        let issuer = CertifiedIssuer::signed_by(make.params(name), make.key(), &self.issuer).expect("a certificate");
        let mut above = vec![issuer.der().to_vec()];
        above.extend(self.above.iter().cloned());
        Self { issuer: Arc::new(issuer), above }
    }

    /// Its own certificate in PEM.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Its own certificate in DER.
    pub fn der(&self) -> Vec<u8> {
        self.issuer.der().to_vec()
    }

    /// A server's certificate for these names.
    pub fn server(&self, names: &[&str]) -> Certificate {
        let leaf = names.iter().fold(Leaf::new(), |leaf, name| leaf.dns(name));
        self.issue(leaf.common_name(names.first().copied().unwrap_or("server")).for_servers())
    }

    /// A client's certificate with this common name.
    pub fn client(&self, common_name: &str) -> Certificate {
        self.issue(Leaf::new().common_name(common_name))
    }

    /// Issues any leaf.
    ///
    /// # Panics
    /// If a name or an OID can't stand in a certificate.
    pub fn issue(&self, leaf: Leaf) -> Certificate {
        let Leaf { mut params, rsa } = leaf;
        let key = if rsa { rsa_key(2) } else { KeyPair::generate().expect("a P-256 key") };
        let mut serial = [0; 16];
        SystemRandom::new().fill(&mut serial).expect("random octets");
        serial[0] &= 0x7f;
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate can be made of this");
        Certificate { der: certificate.der().to_vec(), above: self.above.clone(), key: Arc::new(key) }
    }

    /// Its revocation list in PEM, with these certificates on it; good until so many seconds from now.
    ///
    /// # Panics
    /// If that is no time after yesterday, or it isn't [`Make::Usual`] and may not sign lists.
    pub fn revocation_list(&self, revoked: &[&Certificate], until: i64) -> String {
        let (since, _) = around_now();
        let revoked_certs = revoked.iter().map(|certificate| RevokedCertParams {
            serial_number: SerialNumber::from(certificate.serial()),
            revocation_time: since,
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: since,
            next_update: OffsetDateTime::now_utc() + Duration::seconds(until),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked_certs.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).and_then(|list| list.pem()).expect("a revocation list")
    }
}

/// How an authority is made.
#[derive(Clone, Copy, Debug)]
pub enum Make {
    /// P-256, for certificates and revocation lists.
    Usual,
    /// P-384, likewise.
    P384,
    /// P-256, and no authority may stand below it (`pathlen` 0).
    Last,
    /// RSA of 2048 bits, by the number of a fixed key; its certificate says that it is an authority, and nothing else.
    Rsa(u32),
}

impl Make {
    fn key(self) -> KeyPair {
        match self {
            Self::Usual | Self::Last => KeyPair::generate().expect("a P-256 key"),
            Self::P384 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).expect("a P-384 key"),
            Self::Rsa(number) => rsa_key(number),
        }
    }

    fn params(self, name: &str) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(match self {
            Self::Last => BasicConstraints::Constrained(0),
            _ => BasicConstraints::Unconstrained,
        });
        if !matches!(self, Self::Rsa(_)) {
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        }
        params.use_authority_key_identifier_extension = true;
        (params.not_before, params.not_after) = around_now();
        params
    }
}

fn rsa_key(number: u32) -> KeyPair {
    let der = rustls::pki_types::PrivatePkcs8KeyDer::from(rsa_2048(number));
    KeyPair::from_pkcs8_der_and_sign_algo(&der, &rcgen::PKCS_RSA_SHA256).expect("a fixed RSA key")
}

fn around_now() -> (OffsetDateTime, OffsetDateTime) {
    let now = OffsetDateTime::now_utc();
    (now - Duration::days(1), now + Duration::days(30))
}

/// A leaf certificate to be: valid from yesterday for a month, for TLS clients, with a P-256 key, unless said.
#[derive(Clone)]
pub struct Leaf {
    params: CertificateParams,
    rsa: bool,
}

impl Default for Leaf {
    fn default() -> Self {
        Self::new()
    }
}

impl Leaf {
    /// One without any name.
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        (params.not_before, params.not_after) = around_now();
        Self { params, rsa: false }
    }

    /// The subject's CN; a second call adds a second one.
    #[must_use]
    pub fn common_name(self, value: &str) -> Self {
        self.subject(&[2, 5, 4, 3], value)
    }

    /// The subject's O.
    #[must_use]
    pub fn organization(self, value: &str) -> Self {
        self.subject(&[2, 5, 4, 10], value)
    }

    /// The subject's OU.
    #[must_use]
    pub fn organizational_unit(self, value: &str) -> Self {
        self.subject(&[2, 5, 4, 11], value)
    }

    /// The subject's organizationIdentifier (2.5.4.97), where PSD2 and others put a member's number.
    #[must_use]
    pub fn organization_identifier(self, value: &str) -> Self {
        self.subject(&[2, 5, 4, 97], value)
    }

    /// Any part of the subject, by its type's OID, as a UTF8String; up to two values of CN, O and OU.
    #[must_use]
    pub fn subject(mut self, oid: &[u64], value: &str) -> Self {
        // The name is a map by type; a known type and its bare OID count as two, which makes room for a second value.
        let known = match oid {
            [2, 5, 4, 3] => Some(DnType::CommonName),
            [2, 5, 4, 10] => Some(DnType::OrganizationName),
            [2, 5, 4, 11] => Some(DnType::OrganizationalUnitName),
            _ => None,
        };
        let name = &mut self.params.distinguished_name;
        let bare = DnType::CustomDnType(oid.to_vec());
        let kind = known.filter(|kind| name.get(kind).is_none()).unwrap_or(bare);
        assert!(name.get(&kind).is_none(), "no room for another value of {oid:?}");
        name.push(kind, value);
        self
    }

    /// A subject alternative name of the kind URI.
    ///
    /// # Panics
    /// If it isn't ASCII.
    #[must_use]
    pub fn uri(mut self, uri: &str) -> Self {
        self.params.subject_alt_names.push(SanType::URI(uri.try_into().expect("ASCII")));
        self
    }

    /// A subject alternative name of the kind DNS.
    ///
    /// # Panics
    /// If it isn't ASCII.
    #[must_use]
    pub fn dns(mut self, name: &str) -> Self {
        self.params.subject_alt_names.push(SanType::DnsName(name.try_into().expect("ASCII")));
        self
    }

    /// A subject alternative name of the kind IP address.
    #[must_use]
    pub fn ip(mut self, address: IpAddr) -> Self {
        self.params.subject_alt_names.push(SanType::IpAddress(address));
        self
    }

    /// A non-critical extension: its OID in dots, and its value's DER (what stands inside the OCTET STRING).
    ///
    /// # Panics
    /// If that is no OID.
    #[must_use]
    pub fn extension(self, oid: &str, value: impl Into<Vec<u8>>) -> Self {
        self.any_extension(oid, value, false)
    }

    /// The same, marked critical.
    ///
    /// # Panics
    /// If that is no OID.
    #[must_use]
    pub fn critical_extension(self, oid: &str, value: impl Into<Vec<u8>>) -> Self {
        self.any_extension(oid, value, true)
    }

    fn any_extension(mut self, oid: &str, value: impl Into<Vec<u8>>, critical: bool) -> Self {
        let arcs: Result<Vec<u64>, _> = oid.split('.').map(str::parse).collect();
        let mut extension = CustomExtension::from_oid_content(&arcs.expect("an OID in dots"), value.into());
        extension.set_criticality(critical);
        self.params.custom_extensions.push(extension);
        self
    }

    /// Valid from and until, in seconds from now.
    #[must_use]
    pub fn valid(mut self, from: i64, until: i64) -> Self {
        let now = OffsetDateTime::now_utc();
        self.params.not_before = now + Duration::seconds(from);
        self.params.not_after = now + Duration::seconds(until);
        self
    }

    /// Expired an hour ago.
    #[must_use]
    pub fn expired(self) -> Self {
        self.valid(-7200, -3600)
    }

    /// For TLS servers instead of clients.
    #[must_use]
    pub fn for_servers(mut self) -> Self {
        self.params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self
    }

    /// For any purpose that a key for signing and key encipherment serves: without an extended key usage.
    #[must_use]
    pub fn for_any_purpose(mut self) -> Self {
        self.params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        self.params.extended_key_usages = Vec::new();
        self
    }

    /// Without a word on what its key is for.
    #[must_use]
    pub fn without_usages(mut self) -> Self {
        self.params.key_usages = Vec::new();
        self.params.extended_key_usages = Vec::new();
        self
    }

    /// With an RSA key of 2048 bits (always the same one).
    #[must_use]
    pub fn rsa(mut self) -> Self {
        self.rsa = true;
        self
    }
}

/// An issued certificate, with its key and the certificates between it and the root.
#[derive(Clone)]
pub struct Certificate {
    der: Vec<u8>,
    above: Vec<Vec<u8>>,
    key: Arc<KeyPair>,
}

impl Certificate {
    /// One that somebody else issued: with the certificates above it, and its key (PKCS#8), in PEM.
    ///
    /// # Panics
    /// If there is no certificate, or the key isn't of an algorithm that TLS knows.
    pub fn from_pem(chain: &str, key: &str) -> Self {
        let mut chain: Vec<Vec<u8>> =
            CertificateDer::pem_slice_iter(chain.as_bytes()).map(|der| der.expect("a certificate in PEM").to_vec()).collect();
        assert!(!chain.is_empty(), "no certificate");
        Self { der: chain.remove(0), above: chain, key: Arc::new(KeyPair::from_pem(key).expect("a key in PEM")) }
    }

    /// In DER.
    pub fn der(&self) -> Vec<u8> {
        self.der.clone()
    }

    /// The leaf alone, in PEM.
    pub fn pem(&self) -> String {
        pem(&self.der)
    }

    /// The leaf and the intermediates above it, in PEM: what a server or client is configured with.
    pub fn chain_pem(&self) -> String {
        std::iter::once(&self.der).chain(&self.above).map(|der| pem(der)).collect()
    }

    /// The same without the certificates above it: what a client shows that was set up badly.
    #[must_use]
    pub fn alone(mut self) -> Self {
        self.above.clear();
        self
    }

    /// The same key with other DER: what a client shows that meddled with its certificate.
    #[must_use]
    pub fn with_der(mut self, der: Vec<u8>) -> Self {
        self.der = der;
        self
    }

    /// The private key in PEM (PKCS#8).
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// SHA-256 of the DER: 64 lower-case hex digits, as Envoy writes it.
    pub fn fingerprint(&self) -> String {
        Sha256::digest(&self.der).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The fingerprint as `cnf.x5t#S256` has it (RFC 8705, section 3.1).
    pub fn thumbprint(&self) -> String {
        use base64::Engine;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(Sha256::digest(&self.der))
    }

    /// RFC 5280, section 4.1.2.2: after the version.
    fn serial(&self) -> Vec<u8> {
        let serial = || {
            let (body, _) = AnyRef::from_der_partial(AnyRef::from_der(&self.der)?.value())?;
            let (_version, rest) = AnyRef::from_der_partial(body.value())?;
            AnyRef::from_der_partial(rest).map(|(serial, _)| serial.value().to_vec())
        };
        serial().expect("a certificate")
    }

    pub(crate) fn key_der(&self) -> Vec<u8> {
        self.key.serialize_der()
    }

    pub(crate) fn chain(&self) -> Vec<CertificateDer<'static>> {
        std::iter::once(&self.der).chain(&self.above).map(|der| CertificateDer::from(der.clone())).collect()
    }
}

fn pem(der: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in text.as_bytes().chunks(64) {
        pem.extend(line.iter().map(|byte| char::from(*byte)));
        pem.push('\n');
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}

/// The DER of one UTF8String.
pub fn der_utf8(text: &str) -> Vec<u8> {
    Utf8StringRef::new(text).and_then(|value| value.to_der()).expect("a short text has a DER form")
}

/// The DER of a SEQUENCE OF UTF8String.
pub fn der_utf8_sequence(texts: &[&str]) -> Vec<u8> {
    let list: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
    list.to_der().expect("a short list has a DER form")
}

/// The DER of an OCTET STRING.
pub fn der_octets(bytes: &[u8]) -> Vec<u8> {
    OctetStringRef::new(bytes).and_then(|value| value.to_der()).expect("a few octets have a DER form")
}
