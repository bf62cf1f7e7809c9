//! What a resumed TLS session looks like from here, and how it is told from a certificate that nobody vouches for.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};

use super::CertificateError;
use crate::certificate::{Certificate, from_pem};
use crate::peer::{Peer, Shown};
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
    /// Sorted, for looking up.
    known: Vec<u64>,
    /// In the order in which they came, for forgetting.
    order: VecDeque<u64>,
}

impl Default for Handshakes {
    fn default() -> Self {
        Self { seed: RandomState::new(), known: Vec::new(), order: VecDeque::new() }
    }
}

impl Handshakes {
    /// Remembers a certificate that was verified.
    pub fn verified(&mut self, certificate: &Certificate) {
        let hash = self.seed.hash_one(certificate.der());
        let Err(at) = self.known.binary_search(&hash) else {
            return;
        };
        self.known.insert(at, hash);
        self.order.push_back(hash);
        if self.order.len() > CAPACITY
            && let Some(oldest) = self.order.pop_front()
            && let Ok(at) = self.known.binary_search(&oldest)
        {
            self.known.remove(at);
        }
    }

    /// Says [`CertificateError::Resumed`] instead of [`CertificateError::Unverified`] where the peer's certificate was verified before and has not
    /// expired since.
    #[must_use]
    pub fn explain(&self, error: CertificateError, peer: &dyn Peer, now: UnixTime) -> CertificateError {
        let known = |certificate: Certificate| {
            certificate.at(now).is_eq() && self.known.binary_search(&self.seed.hash_one(certificate.der())).is_ok()
        };
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
