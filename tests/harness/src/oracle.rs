//! Another implementation's opinion of a token.

use crate::key::{Algorithm, Key, Material};
use jwt_simple::algorithms::{ECDSAP256PublicKeyLike, ECDSAP384PublicKeyLike, EdDSAPublicKeyLike, MACLike, RSAPublicKeyLike};
use jwt_simple::prelude::{
    Duration, ES256KeyPair, ES384KeyPair, Ed25519KeyPair, HS256Key, HS384Key, HS512Key, NoCustomClaims, PS256KeyPair, PS384KeyPair,
    PS512KeyPair, RS256KeyPair, RS384KeyPair, RS512KeyPair, VerificationOptions,
};

/// What jwt-simple verifies a key's tokens with. Made once: reading an RSA key takes it long.
pub struct Oracle {
    verify: Box<Verify>,
    options: VerificationOptions,
}

type Verify = dyn Fn(&str, VerificationOptions) -> Result<(), String> + Send + Sync;

impl Oracle {
    /// By this key, and the key's algorithm; `None` for ES512, which jwt-simple lacks.
    ///
    /// Its clock may differ by `clock_skew` seconds; issuers and audiences are taken from these lists.
    ///
    /// # Panics
    /// If the key isn't of its algorithm's kind.
    pub fn new(key: &Key, issuers: &[&str], audiences: &[&str], clock_skew: u64) -> Option<Self> {
        macro_rules! verifies_with {
            ($verifier:expr) => {{
                let verifier = $verifier;
                let verify = move |token: &str, options: VerificationOptions| -> Result<(), String> {
                    verifier.verify_token::<NoCustomClaims>(token, Some(options)).map(drop).map_err(|error| error.to_string())
                };
                Box::new(verify) as Box<Verify>
            }};
        }
        let good = "a key of the algorithm's kind";
        let secret = key.secret_bytes();
        let verify = match (key.algorithm(), key.material()) {
            (Algorithm::HS256, _) => verifies_with!(HS256Key::from_bytes(&secret)),
            (Algorithm::HS384, _) => verifies_with!(HS384Key::from_bytes(&secret)),
            (Algorithm::HS512, _) => verifies_with!(HS512Key::from_bytes(&secret)),
            (Algorithm::RS256, Material::Rsa(der)) => verifies_with!(RS256KeyPair::from_der(der).expect(good).public_key()),
            (Algorithm::RS384, Material::Rsa(der)) => verifies_with!(RS384KeyPair::from_der(der).expect(good).public_key()),
            (Algorithm::RS512, Material::Rsa(der)) => verifies_with!(RS512KeyPair::from_der(der).expect(good).public_key()),
            (Algorithm::PS256, Material::Rsa(der)) => verifies_with!(PS256KeyPair::from_der(der).expect(good).public_key()),
            (Algorithm::PS384, Material::Rsa(der)) => verifies_with!(PS384KeyPair::from_der(der).expect(good).public_key()),
            (Algorithm::PS512, Material::Rsa(der)) => verifies_with!(PS512KeyPair::from_der(der).expect(good).public_key()),
            (Algorithm::ES256, Material::P256(pair)) => {
                verifies_with!(ES256KeyPair::from_bytes(&pair.to_bytes()).expect(good).public_key())
            }
            (Algorithm::ES384, Material::P384(pair)) => {
                verifies_with!(ES384KeyPair::from_bytes(&pair.to_bytes()).expect(good).public_key())
            }
            (Algorithm::EdDSA, Material::Ed25519(pair)) => {
                verifies_with!(Ed25519KeyPair::from_bytes(&pair.to_keypair_bytes()).expect(good).public_key())
            }
            _ => return None,
        };
        let list = |names: &[&str]| (!names.is_empty()).then(|| names.iter().map(|name| (*name).to_owned()).collect());
        let options = VerificationOptions {
            allowed_issuers: list(issuers),
            allowed_audiences: list(audiences),
            time_tolerance: Some(Duration::from_secs(clock_skew)),
            ..VerificationOptions::default()
        };
        Some(Self { verify, options })
    }

    /// Its verdict.
    ///
    /// # Errors
    /// What it has against the token.
    pub fn verify(&self, token: &str) -> Result<(), String> {
        (self.verify)(token, self.options.clone())
    }
}
