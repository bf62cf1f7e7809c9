//! Verification by the host: Envoy's foreign function `verify_signature`, which is BoringSSL and 5 to 50 times as fast as Rust in the module.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prost::encoding::{WireType, encode_key, encode_varint};
use serde_json::Value;

use super::abi;
use crate::keys::{Alg, AlgSet, Material, PublicKey};
use crate::signature::{Module, Verify, raw_to_der};

/// Verifies by the host where it was seen to be right, and by [`Module`] elsewhere.
#[derive(Clone, Debug, Default)]
pub struct Host {
    offers: AlgSet,
}

/// What the host could do, with the name of the key that its known answer is for. There is no way to ask it for PSS or Ed25519.
const TRIED: [(Alg, &str); 6] =
    [(Alg::RS256, "RSA"), (Alg::RS384, "RSA"), (Alg::RS512, "RSA"), (Alg::ES256, "P-256"), (Alg::ES384, "P-384"), (Alg::ES512, "P-521")];

impl Host {
    /// Asks the host, per algorithm, for a signature that is good and for the same one over another text. Takes 4 ms or so: once per VM.
    ///
    /// An algorithm for which either answer is wrong, or there is none, stays with the module.
    #[must_use]
    pub fn tried() -> Self {
        let known = crate::json::parse(include_bytes!("verification/known_answers.json")).unwrap_or_default();
        let offers = TRIED.into_iter().filter(|(alg, key)| passes(&known, *alg, key).unwrap_or(false)).map(|(alg, _)| alg).collect();
        Self { offers }
    }

    /// Whether the host verifies this algorithm; otherwise the module does, slowly.
    #[must_use]
    pub fn offers(&self, alg: Alg) -> bool {
        self.offers.contains(alg)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("verified by the host:")?;
        self.offers.iter().try_for_each(|alg| write!(f, " {}", alg.name()))
    }
}

impl Verify for Host {
    fn verify(&self, alg: Alg, key: &PublicKey, text: &[u8], signature: &[u8]) -> bool {
        let answer = if self.offers(alg) { ask(alg, key, text, signature) } else { None };
        answer.unwrap_or_else(|| Module.verify(alg, key, text, signature))
    }

    fn is_slow(&self, alg: Alg) -> bool {
        !self.offers(alg)
    }
}

/// Whether the host knows the good from the bad.
fn passes(known: &Value, alg: Alg, key: &str) -> Option<bool> {
    let text = known.get("text")?.as_str()?.as_bytes();
    let key = PublicKey::from_jwk(known.get("keys")?.get(key)?.as_object()?, AlgSet::from([alg])).ok()?;
    let signature = URL_SAFE_NO_PAD.decode(known.get("signatures")?.get(alg.name())?.as_str()?).ok()?;
    let other_text = text.get(1..)?;
    Some(ask(alg, &key, text, &signature)? && !ask(alg, &key, other_text, &signature)?)
}

/// The host's answer for a signature in the form of JWS; `None`: it has none.
///
/// What isn't checked there is checked here: that key and algorithm belong together, and lengths.
#[must_use]
pub fn ask(alg: Alg, key: &PublicKey, text: &[u8], signature: &[u8]) -> Option<bool> {
    let hash = match alg {
        Alg::RS256 | Alg::ES256 => "sha256",
        Alg::RS384 | Alg::ES384 => "sha384",
        Alg::RS512 | Alg::ES512 => "sha512",
        _ => return None,
    };
    if !key.permits(alg) {
        return Some(false);
    }
    if matches!(key.material(), Material::Rsa(_)) {
        return verify_signature(hash, key.spki(), signature, text);
    }
    match raw_to_der(key, signature) {
        Some(der) => verify_signature(hash, key.spki(), &der, text),
        None => Some(false),
    }
}

/// Envoy's `verify_signature`, as it is: a SubjectPublicKeyInfo, PKCS#1 v1.5 or a DER signature of ECDSA. `None`: there is no such function, or it may not be called.
#[must_use]
pub fn verify_signature(hash: &str, spki: &[u8], signature: &[u8], text: &[u8]) -> Option<bool> {
    // envoy.source.extensions.common.wasm.VerifySignatureArguments: hash_function, public_key, signature, text.
    let fields = [hash.as_bytes(), spki, signature, text];
    let mut arguments = Vec::with_capacity(fields.iter().fold(24, |sum, field| field.len().saturating_add(sum)));
    for (tag, field) in (1..).zip(fields) {
        encode_key(tag, WireType::LengthDelimited, &mut arguments);
        encode_varint(u64::try_from(field.len()).ok()?, &mut arguments);
        arguments.extend_from_slice(field);
    }
    let answer = abi::call("verify_signature", &arguments).ok().filter(|answer| !answer.is_empty())?;
    // VerifySignatureResult { result: true }, and nothing else: a refusal is a success of the call, with an error in field 2.
    Some(answer == [0x08, 0x01])
}
