//! The one seam for verifying signatures of public keys: Envoy's own BoringSSL behind it, or Rust in the module.

mod budget;
mod ecdsa;
mod eddsa;
mod rsa;

use crate::keys::{Alg, Material, PublicKey};

pub use budget::{Bounded, Budget, Busy};
pub use ecdsa::raw_to_der;
pub(crate) use ecdsa::two_integers;

/// Verifies signatures of public keys.
pub trait Verify {
    /// Whether `signature`, in the form that JWS gives it (RFC 7518, sections 3.3 to 3.5; RFC 8037, section 3.1), is `key`'s over `text`.
    ///
    /// False for an algorithm that the key doesn't permit.
    fn verify(&self, alg: Alg, key: &PublicKey, text: &[u8], signature: &[u8]) -> bool;

    /// Whether that takes a worker so long that strangers must not ask for it as often as they like: see [`Budget`].
    fn is_slow(&self, alg: Alg) -> bool;
}

/// Rust in the module: every algorithm, on every host.
#[derive(Clone, Copy, Debug, Default)]
pub struct Module;

impl Verify for Module {
    fn verify(&self, alg: Alg, key: &PublicKey, text: &[u8], signature: &[u8]) -> bool {
        key.permits(alg)
            && match key.material() {
                Material::Rsa(key) => rsa::verify(alg, key, text, signature),
                Material::P256(key) => ecdsa::verify::<_, p256::ecdsa::Signature>(key, text, signature),
                Material::P384(key) => ecdsa::verify::<_, p384::ecdsa::Signature>(key, text, signature),
                Material::P521(key) => ecdsa::verify::<_, p521::ecdsa::Signature>(key.as_ref(), text, signature),
                Material::Ed25519(key) => eddsa::verify(key, text, signature),
            }
    }

    fn is_slow(&self, _: Alg) -> bool {
        true
    }
}

#[cfg(test)]
pub(crate) mod signing;
#[cfg(test)]
mod tests;
