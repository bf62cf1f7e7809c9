//! `portcullis key secret`: a secret for a caller.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use clap::Args;
use sha2::{Digest as _, Sha256};

use crate::report::{Failure, Report};

/// A secret for a caller, and the SHA-256 by which `static_secret` knows it
///
/// The secret is for the caller alone; the filter gets the digest: `sha256: ...`, or a variable for `sha256: {env: NAME}`.
#[derive(Args)]
#[command(after_help = "Example:
  portcullis key secret
  secret: (43 letters and digits, - and _)
  sha256: (44 characters of base64)")]
pub(crate) struct Secret {}

impl Secret {
    pub(crate) fn run(&self) -> Result<Report, Failure> {
        let secret = URL_SAFE_NO_PAD.encode(super::random()?);
        let digest = STANDARD.encode(Sha256::digest(&secret));
        Ok(Report { output: format!("secret: {secret}\nsha256: {digest}\n"), notes: Vec::new() })
    }
}
