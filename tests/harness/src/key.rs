//! Keys that sign tokens.
//!
//! Keys with a number are the same in every run: RSA keys from `keys/` (making one takes seconds), the others derived
//! from the number. They are known to the whole world and good for tests only.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::Signer;
use hmac::{Hmac, KeyInit, Mac};
use p256::ecdsa::signature::SignatureEncoding;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{self as ring_signature, RsaEncoding};
use rsa::pkcs8::DecodePrivateKey;
use rsa::traits::PublicKeyParts;
use serde_json::{Value, json};
use sha2::{Digest, Sha256, Sha384, Sha512};
use std::fmt;

/// The algorithms of RFC 7518 (section 3.1) and RFC 8037.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the variants are the RFC's names")]
pub enum Algorithm {
    HS256,
    HS384,
    HS512,
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    ES512,
    EdDSA,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::HS256,
        Self::HS384,
        Self::HS512,
        Self::RS256,
        Self::RS384,
        Self::RS512,
        Self::PS256,
        Self::PS384,
        Self::PS512,
        Self::ES256,
        Self::ES384,
        Self::ES512,
        Self::EdDSA,
    ];

    /// Those whose public key may stand in a published set.
    pub fn asymmetric() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|algorithm| !matches!(algorithm, Self::HS256 | Self::HS384 | Self::HS512))
    }

    /// The value of `alg`.
    pub fn name(self) -> &'static str {
        match self {
            Self::HS256 => "HS256",
            Self::HS384 => "HS384",
            Self::HS512 => "HS512",
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
            Self::PS256 => "PS256",
            Self::PS384 => "PS384",
            Self::PS512 => "PS512",
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::ES512 => "ES512",
            Self::EdDSA => "EdDSA",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A key, the algorithm that it is for, and, if it has one, its `kid`.
#[derive(Clone)]
pub struct Key {
    algorithm: Algorithm,
    kid: Option<String>,
    material: Material,
}

#[derive(Clone)]
pub(crate) enum Material {
    Secret(Vec<u8>),
    /// PKCS#8 DER.
    Rsa(Vec<u8>),
    P256(p256::ecdsa::SigningKey),
    P384(p384::ecdsa::SigningKey),
    P521(p521::ecdsa::SigningKey),
    Ed25519(ed25519_dalek::SigningKey),
}

/// The sizes of RSA keys that are at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are the sizes in bits")]
pub enum RsaBits {
    B1024,
    B2048,
    B4096,
}

impl Key {
    /// The fixed key of this number, with the `kid` `<alg>-<number>`. RSA keys (2048 bits) repeat after three numbers.
    pub fn fixed(algorithm: Algorithm, number: u32) -> Self {
        let seed = |digest: &str| format!("{digest} {algorithm} {number}");
        let material = match algorithm {
            Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => Material::Secret(Sha512::digest(seed("secret")).to_vec()),
            Algorithm::RS256 | Algorithm::RS384 | Algorithm::RS512 | Algorithm::PS256 | Algorithm::PS384 | Algorithm::PS512 => {
                Material::Rsa(rsa_2048(number))
            }
            _ => from_seed(algorithm, &Sha512::digest(seed("scalar"))),
        };
        Self { algorithm, kid: Some(format!("{}-{number}", algorithm.name().to_lowercase())), material }
    }

    /// A fresh key from the system's random numbers, without a `kid`.
    ///
    /// # Panics
    /// For RSA, whose keys take seconds to make: take a fixed one.
    pub fn fresh(algorithm: Algorithm) -> Self {
        let mut seed = [0; 64];
        SystemRandom::new().fill(&mut seed).expect("the system has random numbers");
        let material = match algorithm {
            Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => Material::Secret(seed.to_vec()),
            _ => from_seed(algorithm, &seed),
        };
        Self { algorithm, kid: None, material }
    }

    /// An HMAC key of any bytes, without a `kid`.
    pub fn secret(algorithm: Algorithm, secret: impl Into<Vec<u8>>) -> Self {
        Self { algorithm, kid: None, material: Material::Secret(secret.into()) }
    }

    /// A fixed RSA key of another size, with the `kid` `rsa-<bits>`.
    pub fn rsa(algorithm: Algorithm, bits: RsaBits) -> Self {
        let (pem, kid) = match bits {
            RsaBits::B1024 => (include_str!("../keys/rsa-1024.pem"), "rsa-1024"),
            RsaBits::B2048 => (include_str!("../keys/rsa-2048-1.pem"), "rsa-2048"),
            RsaBits::B4096 => (include_str!("../keys/rsa-4096.pem"), "rsa-4096"),
        };
        Self { algorithm, kid: Some(kid.into()), material: Material::Rsa(der_of(pem)) }
    }

    /// The same key under another `kid`.
    #[must_use]
    pub fn with_kid(mut self, kid: &str) -> Self {
        self.kid = Some(kid.to_owned());
        self
    }

    /// The same key without a `kid`, in tokens and in the JWK.
    #[must_use]
    pub fn without_kid(mut self) -> Self {
        self.kid = None;
        self
    }

    /// The same key used for another algorithm, even for one that it doesn't fit: an RSA key keeps its place, and an
    /// HMAC with it takes the public key's PEM as the secret (the classical confusion of key types).
    #[must_use]
    pub fn with_algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// What it signs by.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Its name.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    pub(crate) fn material(&self) -> &Material {
        &self.material
    }

    /// The secret's bytes; for an asymmetric key those of its public key in PEM.
    pub fn secret_bytes(&self) -> Vec<u8> {
        match &self.material {
            Material::Secret(secret) => secret.clone(),
            _ => self.public_pem().into_bytes(),
        }
    }

    /// The signature of any bytes, in the form that JWS wants (ECDSA: both integers at their full length).
    ///
    /// # Panics
    /// If the key isn't of the algorithm's kind.
    pub fn sign(&self, text: &[u8]) -> Vec<u8> {
        match (self.algorithm, &self.material) {
            (Algorithm::HS256, _) => mac::<Hmac<Sha256>>(&self.secret_bytes(), text),
            (Algorithm::HS384, _) => mac::<Hmac<Sha384>>(&self.secret_bytes(), text),
            (Algorithm::HS512, _) => mac::<Hmac<Sha512>>(&self.secret_bytes(), text),
            (algorithm, Material::Rsa(key)) => match rsa_encoding(algorithm) {
                Some(encoding) => rsa_sign(key, encoding, text),
                None => panic!("an RSA key can't sign by {algorithm}"),
            },
            (Algorithm::ES256, Material::P256(key)) => {
                let signature: p256::ecdsa::Signature = key.sign(text);
                signature.to_vec()
            }
            (Algorithm::ES384, Material::P384(key)) => {
                let signature: p384::ecdsa::Signature = key.sign(text);
                signature.to_vec()
            }
            (Algorithm::ES512, Material::P521(key)) => {
                let signature: p521::ecdsa::Signature = key.sign(text);
                signature.to_vec()
            }
            (Algorithm::EdDSA, Material::Ed25519(key)) => key.sign(text).to_bytes().to_vec(),
            (algorithm, _) => panic!("this key can't sign by {algorithm}"),
        }
    }

    /// The same as [`Self::sign`], for thousands of tokens: an RSA key, which takes longer to read than to sign with, is read once.
    ///
    /// # Panics
    /// As [`Self::sign`].
    pub fn signer(&self) -> impl Fn(&[u8]) -> Vec<u8> + Send + Sync + use<> {
        let key = self.clone();
        let read = match &self.material {
            Material::Rsa(der) => ring_signature::RsaKeyPair::from_pkcs8(der).ok().zip(rsa_encoding(self.algorithm)),
            _ => None,
        };
        move |text| match &read {
            Some((pair, encoding)) => rsa_sign_with(pair, *encoding, text),
            None => key.sign(text),
        }
    }

    /// The public key as a JWK (RFC 7517) with `kty`, its members, `alg`, `use: sig` and, if there is one, `kid`; for
    /// an HMAC key the `oct` JWK, secret and all.
    pub fn jwk(&self) -> Value {
        let mut jwk = self.public_members();
        jwk["alg"] = json!(self.algorithm.name());
        jwk["use"] = json!("sig");
        if let Some(kid) = &self.kid {
            jwk["kid"] = json!(kid);
        }
        jwk
    }

    fn public_members(&self) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let point = |curve: &str, sec1: &[u8]| {
            let (x, y) = sec1[1..].split_at((sec1.len() - 1) / 2);
            json!({"kty": "EC", "crv": curve, "x": text(x), "y": text(y)})
        };
        match &self.material {
            Material::Secret(secret) => json!({"kty": "oct", "k": text(secret)}),
            Material::Rsa(der) => {
                let key = rsa_key(der);
                json!({"kty": "RSA", "n": text(&key.n_bytes()), "e": text(&key.e_bytes())})
            }
            Material::P256(key) => point("P-256", key.verifying_key().to_sec1_point(false).as_bytes()),
            Material::P384(key) => point("P-384", key.verifying_key().to_sec1_point(false).as_bytes()),
            Material::P521(key) => point("P-521", key.verifying_key().to_sec1_point(false).as_bytes()),
            Material::Ed25519(key) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": text(key.verifying_key().as_bytes())})
            }
        }
    }

    /// The public key in PEM (SubjectPublicKeyInfo).
    ///
    /// # Panics
    /// For an HMAC key, which has none.
    pub fn public_pem(&self) -> String {
        use rsa::pkcs8::{EncodePublicKey, LineEnding};
        match &self.material {
            Material::Secret(_) => panic!("an HMAC key has no public half"),
            Material::Rsa(der) => rsa_key(der).to_public_key().to_public_key_pem(LineEnding::LF),
            Material::P256(key) => key.verifying_key().to_public_key_pem(LineEnding::LF),
            Material::P384(key) => key.verifying_key().to_public_key_pem(LineEnding::LF),
            Material::P521(key) => key.verifying_key().to_public_key_pem(LineEnding::LF),
            Material::Ed25519(key) => key.verifying_key().to_public_key_pem(LineEnding::LF),
        }
        .expect("a public key has a PEM form")
    }
}

/// A set of public keys: the document that an identity provider serves.
pub fn jwks<'a>(keys: impl IntoIterator<Item = &'a Key>) -> Value {
    json!({"keys": keys.into_iter().map(Key::jwk).collect::<Vec<_>>()})
}

/// A fixed 2048-bit RSA key in PKCS#8 DER, for tokens and certificates alike.
pub(crate) fn rsa_2048(number: u32) -> Vec<u8> {
    der_of(match number % 3 {
        1 => include_str!("../keys/rsa-2048-1.pem"),
        2 => include_str!("../keys/rsa-2048-2.pem"),
        _ => include_str!("../keys/rsa-2048-3.pem"),
    })
}

fn from_seed(algorithm: Algorithm, seed: &[u8]) -> Material {
    let key = "a digest is a scalar of its curve but for a chance of 2^-32";
    match algorithm {
        Algorithm::ES256 => Material::P256(p256::ecdsa::SigningKey::from_slice(&seed[..32]).expect(key)),
        Algorithm::ES384 => Material::P384(p384::ecdsa::SigningKey::from_slice(&seed[..48]).expect(key)),
        Algorithm::ES512 => {
            let scalar = [&[0, 0], seed].concat();
            Material::P521(p521::ecdsa::SigningKey::from_slice(&scalar[..66]).expect(key))
        }
        Algorithm::EdDSA => {
            let seed: [u8; 32] = seed[..32].try_into().expect("32 octets");
            Material::Ed25519(ed25519_dalek::SigningKey::from_bytes(&seed))
        }
        _ => panic!("keys for {algorithm} are not made from a seed"),
    }
}

fn mac<M: Mac + KeyInit>(secret: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn rsa_encoding(algorithm: Algorithm) -> Option<&'static dyn RsaEncoding> {
    Some(match algorithm {
        Algorithm::RS256 => &ring_signature::RSA_PKCS1_SHA256,
        Algorithm::RS384 => &ring_signature::RSA_PKCS1_SHA384,
        Algorithm::RS512 => &ring_signature::RSA_PKCS1_SHA512,
        Algorithm::PS256 => &ring_signature::RSA_PSS_SHA256,
        Algorithm::PS384 => &ring_signature::RSA_PSS_SHA384,
        Algorithm::PS512 => &ring_signature::RSA_PSS_SHA512,
        _ => return None,
    })
}

/// By ring, which is quick even where the tests are built without optimisation; it takes no key below 2048 bits, so
/// those go to the `rsa` crate.
fn rsa_sign(pkcs8: &[u8], encoding: &'static dyn RsaEncoding, text: &[u8]) -> Vec<u8> {
    match ring_signature::RsaKeyPair::from_pkcs8(pkcs8) {
        Ok(key) => rsa_sign_with(&key, encoding, text),
        Err(_) => rsa::pkcs1v15::SigningKey::<Sha256>::new(rsa_key(pkcs8)).sign(text).to_vec(),
    }
}

fn rsa_sign_with(key: &ring_signature::RsaKeyPair, encoding: &'static dyn RsaEncoding, text: &[u8]) -> Vec<u8> {
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(encoding, &SystemRandom::new(), text, &mut signature).expect("an RSA key signs");
    signature
}

fn rsa_key(pkcs8: &[u8]) -> rsa::RsaPrivateKey {
    rsa::RsaPrivateKey::from_pkcs8_der(pkcs8).expect("the fixed keys are PKCS#8")
}

fn der_of(pem: &str) -> Vec<u8> {
    use rustls::pki_types::PrivatePkcs8KeyDer;
    use rustls::pki_types::pem::PemObject;
    PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).expect("the fixed keys are PKCS#8").secret_pkcs8_der().to_vec()
}
