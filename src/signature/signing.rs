//! Signers for tests, one per algorithm, with fixed keys that exist nowhere else.

use std::convert::Infallible;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::Signer as _;
use hmac::{Hmac, KeyInit, Mac};
use rsa::rand_core::{TryCryptoRng, TryRng};
use rsa::traits::{PublicKeyParts as _, SignatureScheme as _};
use rsa::{BoxedUint, Pkcs1v15Sign, Pss, RsaPrivateKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use crate::keys::Alg;

pub(crate) const P: &str = "dbf2253386b087919af52ce03e08038fd1c7d8a7a009d5ea04f10c8076a9718eb08470ad4a030f0ef57800dd9ec54fbc4c7f15244a30c1ce4877daba720e12f76be1dc64a1edcff9da03ff67506d353f5aa5070156754246fde49a8337ba137fb66521d91d569b6c87184aa0327a4668cfaf94e5ba45424249a60decc29e604f";
pub(crate) const Q: &str = "d105a38b4ab2db23ed1f4838a814a0deae43bc59d21685e49a26e3fd1e8492ff576b28b51ff4c352c7bae1643a96d72c594d8a88603e3cdbfa67d8b7fa20170c31d3752f1521aad2f8ca1f3169918d41e9a2c3f0714d3f26f75f85488d02798d6b07aa5d5a4002e64899a64cb1bb569bf0f8b0eb542da89f5a85ea61457d8d5d";

/// The HMAC key.
pub(crate) const SECRET: &[u8] = b"a secret of sixty-four bytes, as long as the longest hash is....";

/// Salts need no chance here.
struct Salt;

impl TryRng for Salt {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(7)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(7)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.fill(7);
        Ok(())
    }
}

impl TryCryptoRng for Salt {}

/// The bytes that hexadecimal digits stand for.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn rsa_key() -> RsaPrivateKey {
    let number = |text| BoxedUint::from_be_slice_vartime(&hex(text));
    RsaPrivateKey::from_p_q(number(P), number(Q), BoxedUint::from(65537u64)).unwrap()
}

fn p256_key() -> p256::ecdsa::SigningKey {
    p256::ecdsa::SigningKey::from_slice(&[1; 32]).unwrap()
}

fn p384_key() -> p384::ecdsa::SigningKey {
    p384::ecdsa::SigningKey::from_slice(&[1; 48]).unwrap()
}

fn p521_key() -> p521::ecdsa::SigningKey {
    p521::ecdsa::SigningKey::from_slice(&[&[0][..], &[1; 65]].concat()).unwrap()
}

fn ed25519_key() -> ed25519_dalek::SigningKey {
    ed25519_dalek::SigningKey::from_bytes(&[1; 32])
}

fn mac<M: Mac + KeyInit>(text: &[u8]) -> Vec<u8> {
    <M as KeyInit>::new_from_slice(SECRET).unwrap().chain_update(text).finalize().into_bytes().to_vec()
}

/// The signature of the fixed key for `alg`, in the form of JWS.
pub(crate) fn sign(alg: Alg, text: &[u8]) -> Vec<u8> {
    match alg {
        Alg::HS256 => mac::<Hmac<Sha256>>(text),
        Alg::HS384 => mac::<Hmac<Sha384>>(text),
        Alg::HS512 => mac::<Hmac<Sha512>>(text),
        Alg::RS256 => Pkcs1v15Sign::new::<Sha256>().sign(Some(&mut Salt), &rsa_key(), &Sha256::digest(text)).unwrap(),
        Alg::RS384 => Pkcs1v15Sign::new::<Sha384>().sign(Some(&mut Salt), &rsa_key(), &Sha384::digest(text)).unwrap(),
        Alg::RS512 => Pkcs1v15Sign::new::<Sha512>().sign(Some(&mut Salt), &rsa_key(), &Sha512::digest(text)).unwrap(),
        Alg::PS256 => Pss::<Sha256>::new().sign(Some(&mut Salt), &rsa_key(), &Sha256::digest(text)).unwrap(),
        Alg::PS384 => Pss::<Sha384>::new().sign(Some(&mut Salt), &rsa_key(), &Sha384::digest(text)).unwrap(),
        Alg::PS512 => Pss::<Sha512>::new().sign(Some(&mut Salt), &rsa_key(), &Sha512::digest(text)).unwrap(),
        Alg::ES256 => signature::Signer::<p256::ecdsa::Signature>::sign(&p256_key(), text).to_vec(),
        Alg::ES384 => signature::Signer::<p384::ecdsa::Signature>::sign(&p384_key(), text).to_vec(),
        Alg::ES512 => signature::Signer::<p521::ecdsa::Signature>::sign(&p521_key(), text).to_vec(),
        Alg::EdDSA => ed25519_key().sign(text).to_vec(),
    }
}

/// The fixed public key for `alg`, with the algorithm's name for its `kid`.
pub(crate) fn jwk(alg: Alg) -> Value {
    let b64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let point = |crv: &str, point: &[u8]| {
        let (x, y) = point[1..].split_at(point.len() / 2);
        json!({"kty": "EC", "crv": crv, "x": b64(x), "y": b64(y), "kid": alg.name()})
    };
    match alg {
        Alg::ES256 => point("P-256", p256_key().verifying_key().to_sec1_point(false).as_bytes()),
        Alg::ES384 => point("P-384", p384_key().verifying_key().to_sec1_point(false).as_bytes()),
        Alg::ES512 => point("P-521", p521_key().verifying_key().to_sec1_point(false).as_bytes()),
        Alg::EdDSA => json!({"kty": "OKP", "crv": "Ed25519", "x": b64(ed25519_key().verifying_key().as_bytes()), "kid": alg.name()}),
        Alg::HS256 | Alg::HS384 | Alg::HS512 => json!({"kty": "oct", "k": b64(SECRET), "kid": alg.name()}),
        _ => json!({"kty": "RSA", "n": b64(&rsa_key().n().to_be_bytes_trimmed_vartime()), "e": "AQAB", "kid": alg.name()}),
    }
}
