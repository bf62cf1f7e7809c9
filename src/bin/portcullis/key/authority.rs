//! Certification authorities, each in two files.

use std::path::Path;

use der::{DecodePem as _, Encode as _};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData as _};
use x509_cert::Certificate;

use super::leaf::{self, Files};
use crate::new_file;
use crate::report::Failure;

/// Ten years: an authority outlives what it signs.
const DAYS: u16 = 3653;

/// An authority, and what became of its files.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate.
    pub(super) pem: String,
    /// For the output.
    pub(super) line: String,
}

impl Authority {
    /// The authority of these files, made if need be: a root, or one below another.
    ///
    /// # Errors
    /// Only one of its files is there, or they hold no authority.
    pub(super) fn open(directory: &Path, name: &str, common_name: &str, above: Option<&Self>) -> Result<Self, Failure> {
        let files = Files::new(directory, name, "pem");
        if files.exist()? {
            return Self::read(&files);
        }
        let failed = |error: rcgen::Error| format!("{}: {error}", files.certificate.display());
        let params = params(common_name, above.is_some());
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = match above {
            None => params.self_signed(&key),
            Some(above) => params.signed_by(&key, &above.issuer),
        };
        let pem = certificate.map_err(failed)?.pem();
        new_file::create_directory(directory)?;
        files.create(&pem, &key)?;
        Ok(Self { issuer: Issuer::new(params, key), pem, line: files.line("made") })
    }

    fn read(files: &Files) -> Result<Self, Failure> {
        let (pem, key) = (new_file::read(&files.certificate)?, new_file::read(&files.key)?);
        let wrong = |path: &Path, what: &str| format!("{}: {what}", path.display());
        let key = KeyPair::from_pem(&key).map_err(|_| wrong(&files.key, "not a private key in PEM (PKCS#8)"))?;
        let certificate = Certificate::from_pem(&pem).map_err(|_| wrong(&files.certificate, "not a certificate in PEM"))?;
        if certificate.tbs_certificate().subject_public_key_info().to_der().ok() != Some(key.subject_public_key_info()) {
            return Err(wrong(&files.key, "not the key of the certificate beside it").into());
        }
        let issuer = Issuer::from_ca_cert_pem(&pem, key).map_err(|_| wrong(&files.certificate, "not an authority's certificate"))?;
        Ok(Self { issuer, pem, line: files.line("kept") })
    }

    /// Signs a leaf and writes its files, the certificate with `chain` after it.
    ///
    /// # Errors
    /// A file is there, or the leaf can't be signed.
    pub(super) fn issue(&self, leaf: &CertificateParams, chain: &str, files: &Files) -> Result<(), Failure> {
        let failed = |error: rcgen::Error| format!("{}: {error}", files.certificate.display());
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = leaf.signed_by(&key, &self.issuer).map_err(failed)?;
        files.create(&(certificate.pem() + chain), &key)
    }
}

fn params(common_name: &str, is_below: bool) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.is_ca = IsCa::Ca(if is_below { BasicConstraints::Constrained(0) } else { BasicConstraints::Unconstrained });
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    (params.not_before, params.not_after) = leaf::validity(DAYS);
    params
}
