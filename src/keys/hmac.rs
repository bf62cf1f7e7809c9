//! HMAC keys (RFC 7518, section 3.2).

use std::fmt;

use ::hmac::{Hmac, KeyInit, Mac};
use sha2::{Sha256, Sha384, Sha512};

use super::{Alg, AlgSet};

/// A secret key, hashed as far as it can be without a text: per text, the two blocks that depend on the key alone aren't hashed again. Its bytes aren't kept.
pub struct HmacKey(Vec<Begun>);

/// An HMAC to which no text was added yet.
enum Begun {
    Sha256(Box<Hmac<Sha256>>),
    Sha384(Box<Hmac<Sha384>>),
    Sha512(Box<Hmac<Sha512>>),
}

impl HmacKey {
    /// Any bytes, for those of the algorithms that are HMACs; whether they are long enough for them is for the caller to ask ([`Alg::hash_length`]).
    #[must_use]
    pub fn new(bytes: &[u8], algorithms: AlgSet) -> Self {
        Self(algorithms.iter().filter_map(|alg| Begun::new(bytes, alg)).collect())
    }

    /// Whether `mac` is the whole HMAC of `text`, compared in constant time. An algorithm that the key isn't for never holds.
    #[must_use]
    pub fn verify(&self, alg: Alg, text: &[u8], mac: &[u8]) -> bool {
        self.0.iter().find(|begun| begun.alg() == alg).is_some_and(|begun| match begun {
            Begun::Sha256(hmac) => holds(&**hmac, text, mac),
            Begun::Sha384(hmac) => holds(&**hmac, text, mac),
            Begun::Sha512(hmac) => holds(&**hmac, text, mac),
        })
    }
}

impl Begun {
    /// `None` for an algorithm that is no HMAC; no key is too long or too short.
    fn new(key: &[u8], alg: Alg) -> Option<Self> {
        match alg {
            Alg::HS256 => KeyInit::new_from_slice(key).ok().map(Box::new).map(Self::Sha256),
            Alg::HS384 => KeyInit::new_from_slice(key).ok().map(Box::new).map(Self::Sha384),
            Alg::HS512 => KeyInit::new_from_slice(key).ok().map(Box::new).map(Self::Sha512),
            _ => None,
        }
    }

    const fn alg(&self) -> Alg {
        match self {
            Self::Sha256(_) => Alg::HS256,
            Self::Sha384(_) => Alg::HS384,
            Self::Sha512(_) => Alg::HS512,
        }
    }
}

fn holds<M: Mac + Clone>(begun: &M, text: &[u8], mac: &[u8]) -> bool {
    begun.clone().chain_update(text).verify_slice(mac).is_ok()
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
        let key = HmacKey::new(b"Jefe", AlgSet::from(Alg::ALL));
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
    fn only_for_the_algorithms_it_was_made_for() {
        let text = b"what do ya want for nothing?";
        let mac = hex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        let verifies = |algorithms| HmacKey::new(b"Jefe", algorithms).verify(Alg::HS256, text, &mac);
        assert!(verifies(AlgSet::from([Alg::HS256])));
        assert!(!verifies(AlgSet::from([Alg::HS512, Alg::RS256])));
        assert!(!verifies(AlgSet::default()));
    }

    #[test]
    fn debug_shows_no_bytes() {
        assert_eq!(format!("{:?}", HmacKey::new(b"secret", AlgSet::from(Alg::ALL))), "HmacKey(..)");
    }
}
