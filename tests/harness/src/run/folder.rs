//! The files that Envoy and curl take.

use portcullis_harness::{Authority, Certificate};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// A folder for the files of one run.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Makes it, where it isn't there.
    pub(crate) fn new(path: PathBuf) -> Self {
        fs::create_dir_all(&path).expect("the folder can be made");
        Self(path)
    }

    /// Where a file of it is.
    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_string_lossy().into_owned()
    }

    /// Writes a file. A key is its owner's alone.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let file = self.0.join(name);
        fs::write(&file, text).expect("the folder can be written to");
        if name.ends_with(".key") || name.ends_with(".hex") {
            // A failure leaves a test key readable on this machine.
            let _ = fs::set_permissions(&file, fs::Permissions::from_mode(0o600));
        }
    }

    /// Writes an authority's certificate as `NAME.pem`.
    pub(crate) fn write_authority(&self, name: &str, authority: &Authority) {
        self.write(&format!("{name}.pem"), &authority.pem());
    }

    /// Writes a certificate with its chain as `NAME.pem`, and its key as `NAME.key`.
    pub(crate) fn write_certificate(&self, name: &str, certificate: &Certificate) {
        self.write(&format!("{name}.pem"), &certificate.chain_pem());
        self.write(&format!("{name}.key"), &certificate.key_pem());
    }
}
