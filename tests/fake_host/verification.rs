//! Envoy's foreign function `verify_signature`, for RSA with PKCS#1 v1.5 and for P-256, with SHA-256.

use p256::ecdsa::signature::Verifier as _;
use p256::pkcs8::DecodePublicKey as _;
use prost::encoding::decode_varint;

use super::host::{BAD_ARGUMENT, Status};

/// A VerifySignatureResult for VerifySignatureArguments.
pub(crate) fn verify_signature(mut arguments: &[u8]) -> Result<Vec<u8>, Status> {
    let [hash, key, signature, text] = [(); 4].map(|()| field(&mut arguments).unwrap_or_default());
    if hash != b"sha256" {
        return Err(BAD_ARGUMENT);
    }
    let holds = by_rsa(key, signature, text).or_else(|| by_p256(key, signature, text)).ok_or(BAD_ARGUMENT)?;
    Ok(if holds { vec![0x08, 0x01] } else { b"\x12\x03bad".to_vec() })
}

/// The next field's bytes, whatever its tag: they come in order.
fn field<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let _tag = decode_varint(bytes).ok()?;
    let length = usize::try_from(decode_varint(bytes).ok()?).ok()?;
    let (field, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(field)
}

fn by_rsa(key: &[u8], signature: &[u8], text: &[u8]) -> Option<bool> {
    let key = rsa::RsaPublicKey::from_public_key_der(key).ok()?;
    let key = rsa::pkcs1v15::VerifyingKey::<sha2::Sha256>::new(key);
    Some(rsa::pkcs1v15::Signature::try_from(signature).is_ok_and(|signature| key.verify(text, &signature).is_ok()))
}

fn by_p256(key: &[u8], signature: &[u8], text: &[u8]) -> Option<bool> {
    let key = p256::ecdsa::VerifyingKey::from_public_key_der(key).ok()?;
    Some(p256::ecdsa::Signature::from_der(signature).is_ok_and(|signature| key.verify(text, &signature).is_ok()))
}
