//! EdDSA with Ed25519 (RFC 8037, section 3.1; RFC 8032, section 5.1.7).

use ed25519_dalek::{Signature, VerifyingKey};

/// Strictly: s below the group's order (RFC 8032 demands it), R in canonical form and not of small order, so that a signature has one form only. Keys of small order
/// were refused when they were read.
pub(super) fn verify(key: &VerifyingKey, text: &[u8], signature: &[u8]) -> bool {
    Signature::from_slice(signature).is_ok_and(|signature| key.verify_strict(text, &signature).is_ok())
}
