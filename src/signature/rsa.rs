//! RSASSA-PKCS1-v1_5 and RSASSA-PSS (RFC 7518, sections 3.3 and 3.5; RFC 8017, sections 8.2.2 and 8.1.2).

use rsa::traits::SignatureScheme as _;
use rsa::{Pkcs1v15Sign, Pss, RsaPublicKey};
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use crate::keys::Alg;

/// The signature has to be exactly as long as the modulus, and a PSS salt as long as the hash.
pub(super) fn verify(alg: Alg, key: &RsaPublicKey, text: &[u8], signature: &[u8]) -> bool {
    let verified = match alg {
        Alg::RS256 => Pkcs1v15Sign::new::<Sha256>().verify(key, &Sha256::digest(text), signature),
        Alg::RS384 => Pkcs1v15Sign::new::<Sha384>().verify(key, &Sha384::digest(text), signature),
        Alg::RS512 => Pkcs1v15Sign::new::<Sha512>().verify(key, &Sha512::digest(text), signature),
        Alg::PS256 => Pss::<Sha256>::new().verify(key, &Sha256::digest(text), signature),
        Alg::PS384 => Pss::<Sha384>::new().verify(key, &Sha384::digest(text), signature),
        Alg::PS512 => Pss::<Sha512>::new().verify(key, &Sha512::digest(text), signature),
        _ => return false,
    };
    verified.is_ok()
}
