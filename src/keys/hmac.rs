//! HMAC keys (RFC 7518, section 3.2).

use std::fmt;

use ::hmac::{Hmac, KeyInit, Mac};
use sha2::{Sha256, Sha384, Sha512};

use super::Alg;

/// A secret key; its bytes are never shown.
pub struct HmacKey(Vec<u8>);

impl HmacKey {
    /// Any bytes; whether they are long enough for an algorithm is for the caller to ask ([`Self::len`], [`Alg::hash_length`]).
    #[must_use]
    pub const fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The length in bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no bytes at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `mac` is the whole HMAC of `text`, compared in constant time. An algorithm without HMAC never holds.
    #[must_use]
    pub fn verify(&self, alg: Alg, text: &[u8], mac: &[u8]) -> bool {
        match alg {
            Alg::HS256 => holds::<Hmac<Sha256>>(&self.0, text, mac),
            Alg::HS384 => holds::<Hmac<Sha384>>(&self.0, text, mac),
            Alg::HS512 => holds::<Hmac<Sha512>>(&self.0, text, mac),
            _ => false,
        }
    }
}

fn holds<M: Mac + KeyInit>(key: &[u8], text: &[u8], mac: &[u8]) -> bool {
    <M as KeyInit>::new_from_slice(key).is_ok_and(|hmac| hmac.chain_update(text).verify_slice(mac).is_ok())
}

impl fmt::Debug for HmacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HmacKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::signing::hex;

    /// RFC 4231, section 4.3 (test case 2).
    #[test]
    fn macs_of_rfc_4231() {
        let key = HmacKey::new(b"Jefe".to_vec());
        let text = b"what do ya want for nothing?";
        let macs = [
            (Alg::HS256, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
            (Alg::HS384, "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649"),
            (
                Alg::HS512,
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
            ),
        ];
        for (alg, digits) in macs {
            let mac = hex(digits);
            assert!(key.verify(alg, text, &mac));
            assert!(!key.verify(alg, b"", &mac));
            assert!(!key.verify(alg, text, &mac[..mac.len() - 1]), "truncated");
            assert!(!key.verify(alg, text, &[&mac[..], &[0]].concat()), "longer");
            assert!(!key.verify(alg, text, &[]));
            for other in Alg::ALL.into_iter().filter(|other| *other != alg) {
                assert!(!key.verify(other, text, &mac));
            }
        }
    }

    #[test]
    fn debug_shows_no_bytes() {
        assert_eq!(format!("{:?}", HmacKey::new(b"secret".to_vec())), "HmacKey(..)");
    }
}
