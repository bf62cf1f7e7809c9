//! A leaf certificate with its key, as two files.

use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, SanType};
use time::{Duration, OffsetDateTime};

use crate::new_file;
use crate::report::Failure;

/// The longest common name (RFC 5280, appendix A.1).
const COMMON_NAME: usize = 64;

/// The file of a certificate, and that of its key.
pub(super) struct Files {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

impl Files {
    pub(super) fn new(directory: &Path, name: &str, extension: &str) -> Self {
        Self { certificate: directory.join(format!("{name}.{extension}")), key: directory.join(format!("{name}.key")) }
    }

    /// Whether both are there.
    ///
    /// # Errors
    /// Only one is: which the other belongs to can't be told.
    pub(super) fn exist(&self) -> Result<bool, Failure> {
        match (self.certificate.exists(), self.key.exists()) {
            (true, true) => Ok(true),
            (false, false) => Ok(false),
            (true, false) => Err(only(&self.certificate, &self.key)),
            (false, true) => Err(only(&self.key, &self.certificate)),
        }
    }

    /// Writes both.
    pub(super) fn create(&self, certificate: &str, key: &KeyPair) -> Result<(), Failure> {
        new_file::create_private(&self.key, &key.serialize_pem())?;
        new_file::create(&self.certificate, certificate)
    }

    /// A line for the output.
    pub(super) fn line(&self, verb: &str) -> String {
        format!("{verb} {}\n{verb} {}\n", self.certificate.display(), self.key.display())
    }
}

fn only(there: &Path, missing: &Path) -> Failure {
    format!("{} is there without {}: put that beside it, or take it away, and both are made", there.display(), missing.display()).into()
}

/// What all leaves have: a name, a time, a key that signs.
///
/// # Errors
/// The name is too long.
pub(super) fn params(common_name: &str, days: u16) -> Result<CertificateParams, Failure> {
    if common_name.is_empty() || common_name.chars().count() > COMMON_NAME {
        return Err(format!("{common_name:?}: a common name has 1 to {COMMON_NAME} characters").into());
    }
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    (params.not_before, params.not_after) = validity(days);
    Ok(params)
}

/// From yesterday, since clocks differ.
pub(super) fn validity(days: u16) -> (OffsetDateTime, OffsetDateTime) {
    let now = OffsetDateTime::now_utc();
    let moved = |days: i64| now.checked_add(Duration::days(days)).unwrap_or(now);
    (moved(-1), moved(i64::from(days)))
}

/// A server's leaf for these names, DNS names or IP addresses.
///
/// # Errors
/// A name can't stand in a certificate.
pub(super) fn server(names: &[String], days: u16) -> Result<CertificateParams, Failure> {
    let mut params = params(names.first().map_or("localhost", String::as_str), days)?;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    for name in names {
        params.subject_alt_names.push(match name.parse() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) if is_host(name) => SanType::DnsName(name.as_str().try_into().map_err(|_| format!("{name:?}: not ASCII"))?),
            Err(_) => return Err(format!("{name:?}: neither a DNS name nor an IP address").into()),
        });
    }
    Ok(params)
}

fn is_host(name: &str) -> bool {
    let label = |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    name.strip_prefix("*.").unwrap_or(name).split('.').all(label)
}
