//! What a resumed TLS session looks like from here, and how it is told from a certificate that nobody vouches for.

use std::hash::{BuildHasher, RandomState};

use super::CertificateError;
use crate::certificate::{Certificate, from_pem};
use crate::peer::{Peer, Shown};
use crate::recent::Recent;
use crate::time::UnixTime;

/// How many certificates are remembered.
const CAPACITY: usize = 1024;

/// The certificates that were verified in a full handshake on this worker, the most recent ones.
///
/// Envoy reports `connection.peer_certificate_valid` as false on a resumed session, with not one attribute that differs from those of an untrusted
/// certificate under `ACCEPT_UNTRUSTED`. So this can only be inferred: a certificate that was verified here before, and now isn't, most likely came with
/// a resumed session. It is refused all the same; only the reason tells the operator what to switch off.
#[derive(Debug)]
pub struct Handshakes {
    seed: RandomState,
    known: Recent<u64>,
}

impl Default for Handshakes {
    fn default() -> Self {
        Self { seed: RandomState::new(), known: Recent::new(CAPACITY) }
    }
}

impl Handshakes {
    /// Remembers a certificate that was verified.
    pub fn verified(&mut self, certificate: &Certificate) {
        self.known.add(self.seed.hash_one(certificate.der()));
    }

    /// Says [`CertificateError::Resumed`] instead of [`CertificateError::Unverified`] where the peer's certificate was verified before and has not
    /// expired since.
    #[must_use]
    pub fn explain(&self, error: CertificateError, peer: &dyn Peer, now: UnixTime) -> CertificateError {
        let known = |certificate: Certificate| certificate.at(now).is_eq() && self.known.has(&self.seed.hash_one(certificate.der()));
        if error == CertificateError::Unverified
            && let Shown::Pem(pem) = peer.certificate()
            && from_pem(&pem).is_ok_and(known)
        {
            CertificateError::Resumed
        } else {
            error
        }
    }
}
