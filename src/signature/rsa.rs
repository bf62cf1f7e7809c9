//! RSASSA-PKCS1-v1_5 and RSASSA-PSS (RFC 7518, sections 3.3 and 3.5; RFC 8017, sections 8.2.2 and 8.1.2).

mod emsa_pkcs1_v1_5;
mod emsa_pss;

use crypto_bigint::modular::BoxedMontyForm;
use rsa::traits::PublicKeyParts as _;
use rsa::{BoxedUint, RsaPublicKey};
use sha2::{Sha256, Sha384, Sha512};

use crate::keys::Alg;

/// The signature has to be exactly as long as the modulus, and a PSS salt as long as the hash.
pub(super) fn verify(alg: Alg, key: &RsaPublicKey, text: &[u8], signature: &[u8]) -> bool {
    let Some(message) = rsavp1(key, signature) else { return false };
    match alg {
        Alg::RS256 => emsa_pkcs1_v1_5::verify::<Sha256>(text, &message),
        Alg::RS384 => emsa_pkcs1_v1_5::verify::<Sha384>(text, &message),
        Alg::RS512 => emsa_pkcs1_v1_5::verify::<Sha512>(text, &message),
        Alg::PS256 => emsa_pss::verify::<Sha256>(text, &message, key.n().bits()),
        Alg::PS384 => emsa_pss::verify::<Sha384>(text, &message, key.n().bits()),
        Alg::PS512 => emsa_pss::verify::<Sha512>(text, &message, key.n().bits()),
        _ => false,
    }
}

/// RSAVP1 (RFC 8017, section 5.2.2): the signature to the power of the exponent, as long as the modulus. `None` for a signature of another length, or not less than
/// the modulus.
///
/// Nothing here is secret, so the exponent's bits are simply followed: 18 multiplications for 65537. The rsa crate takes twice as many, of which half would hide an
/// exponent.
fn rsavp1(key: &RsaPublicKey, signature: &[u8]) -> Option<Vec<u8>> {
    let (modulus, exponent, parameters) = (key.n().as_ref(), key.e(), key.n_params());
    if signature.len() != key.size() {
        return None;
    }
    let base = BoxedUint::from_be_slice(signature, modulus.bits_precision()).ok()?;
    if base >= *modulus {
        return None;
    }
    // Every exponent is odd. The factor of its last bit isn't brought into Montgomery form, and so takes the product out of it.
    let last = BoxedMontyForm::from_montgomery(base.clone(), parameters);
    let factor = BoxedMontyForm::new(base, parameters);
    let mut power = factor.clone();
    for bit in (1..exponent.bits_vartime().saturating_sub(1)).rev() {
        power = power.square();
        if exponent.bit_vartime(bit) {
            power = power.mul(&factor);
        }
    }
    let message = power.square().mul(&last).to_montgomery().to_be_bytes();
    // In whole limbs, that is.
    message.get(message.len().checked_sub(signature.len())?..).map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests;
