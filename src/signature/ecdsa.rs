//! ECDSA (RFC 7518, section 3.4): the signature is r and s, each of the full length of the curve's field.

use der::Encode as _;
use der::asn1::UintRef;
use signature::Verifier;

use crate::keys::{Material, PublicKey};

/// By the module's own Rust. The curve fixes the hash.
///
/// `TryFrom` takes exactly two field lengths and refuses r or s of zero, or of the curve's order and above. A large s is as good as a small one: JWS doesn't normalise it.
pub(super) fn verify<K, S>(key: &K, text: &[u8], signature: &[u8]) -> bool
where
    K: Verifier<S>,
    S: for<'a> TryFrom<&'a [u8]>,
{
    S::try_from(signature).is_ok_and(|signature| key.verify(text, &signature).is_ok())
}

/// The signature as the DER that BoringSSL takes: SEQUENCE { r INTEGER, s INTEGER } (RFC 3279, section 2.2.3).
///
/// `None` unless it has the exact length for the key's curve, and r and s are between 1 and the curve's order.
#[must_use]
pub fn raw_to_der(key: &PublicKey, signature: &[u8]) -> Option<Vec<u8>> {
    let in_range = match key.material() {
        Material::P256(_) => p256::ecdsa::Signature::from_slice(signature).is_ok(),
        Material::P384(_) => p384::ecdsa::Signature::from_slice(signature).is_ok(),
        Material::P521(_) => p521::ecdsa::Signature::from_slice(signature).is_ok(),
        Material::Rsa(_) | Material::Ed25519(_) => false,
    };
    let (r, s) = signature.split_at_checked(signature.len() / 2)?;
    if in_range { two_integers(r, s) } else { None }
}

/// DER of SEQUENCE { INTEGER, INTEGER }, from unsigned big-endian numbers.
pub(crate) fn two_integers(first: &[u8], second: &[u8]) -> Option<Vec<u8>> {
    [UintRef::new(first).ok()?, UintRef::new(second).ok()?].to_der().ok()
}
