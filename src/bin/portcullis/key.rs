//! `portcullis key`: makes keys and certificates.

mod authority;
mod certificates;
mod hmac;
mod leaf;
mod secret;
mod tls;

use clap::{Args, Subcommand};
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::report::{Failure, Report};

/// Make secrets, keys and certificates
///
/// From the system's random numbers. A file that is there is never replaced, and private keys are their owner's to read.
#[derive(Args)]
pub(crate) struct Key {
    #[command(subcommand)]
    kind: Kind,
}

#[derive(Subcommand)]
enum Kind {
    Secret(secret::Secret),
    Hmac(hmac::Hmac),
    Tls(tls::Tls),
    Certificates(certificates::Certificates),
}

impl Key {
    pub(crate) fn run(&self) -> Result<Report, Failure> {
        match &self.kind {
            Kind::Secret(secret) => secret.run(),
            Kind::Hmac(hmac) => hmac.run(),
            Kind::Tls(tls) => tls.run(),
            Kind::Certificates(certificates) => certificates.run(),
        }
    }
}

/// 256 bits.
fn random() -> Result<[u8; 32], Failure> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| "the system has no random numbers".to_owned())?;
    Ok(bytes)
}
