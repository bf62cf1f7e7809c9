//! Certificates that were verified before: they need not be read again, and they tell what a resumed TLS session looks like from here.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use crate::authenticator::jwt::Times;
use crate::cache::{Cache, Form, Key, Verified};
use crate::identity::Identity;
use crate::peer::Peer;
use crate::policy::ProviderId;
use crate::time::UnixTime;

/// The certificates that one provider verified before on this worker.
#[derive(Clone, Copy)]
pub struct Remembered<'c> {
    /// Where they are.
    pub cache: &'c RefCell<Cache>,
    /// By whom they were verified.
    pub provider: ProviderId,
}

/// What tells a certificate from any other, if anything does: of which form, and the bytes.
pub(super) type Name = Option<(Form, Vec<u8>)>;

impl Remembered<'_> {
    /// Whose certificate it is, and that it is within its time.
    pub(super) fn get(&self, form: Form, bytes: &[u8]) -> Option<Arc<Identity>> {
        let found = self.cache.borrow().get(&Key { provider: self.provider, form, bytes }, None)?;
        Some(Arc::clone(&found.identity))
    }

    pub(super) fn add(&self, name: Name, identity: &Arc<Identity>) {
        let Some((form, bytes)) = name else { return };
        // A digest is the host's word: it names what was read only if it is the digest of that.
        let is_its_name = |certificate: &crate::certificate::Certificate| certificate.fingerprint().as_bytes() == bytes;
        if form == Form::Header || identity.certificate.as_deref().is_some_and(is_its_name) {
            let verified =
                Verified { identity: Arc::clone(identity), kid: None, key: None, times: Times::default(), bound: None, keys: None };
            self.cache.borrow_mut().add(&Key { provider: self.provider, form, bytes: &bytes }, &Rc::new(verified));
        }
    }

    /// Whether the peer's certificate was verified in an earlier handshake, and has not expired since.
    ///
    /// Envoy reports `connection.peer_certificate_valid` as false on a resumed session, with not one attribute that differs from those of an untrusted
    /// certificate under `ACCEPT_UNTRUSTED`. So this can only be inferred: a certificate that was verified here before, and now isn't, most likely came with
    /// a resumed session. It is refused all the same; only the reason tells the operator what to switch off.
    pub(super) fn was_verified(&self, peer: &dyn Peer, now: UnixTime) -> bool {
        let known = peer.digest().and_then(|digest| self.get(Form::Connection, &digest));
        known.is_some_and(|identity| identity.certificate.as_ref().is_some_and(|certificate| certificate.at(now).is_eq()))
    }
}
