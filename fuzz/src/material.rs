//! Keys, secrets, tokens and certificates that exist nowhere else, made without the library.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_compact::{KeyPair, Seed};

/// The time at which everything happens: 2027-01-15T08:00:00Z.
pub const NOW: u64 = 1_800_000_000;

/// The key of HS256 tokens.
pub const HMAC_KEY: &[u8; 32] = b"a key for tokens, of 32 bytes...";

/// A member's certificate.
pub const MEMBER: &str = include_str!("../material/member.pem");
/// That of somebody who is no member.
pub const STRANGER: &str = include_str!("../material/stranger.pem");
/// One whose time is over.
pub const EXPIRED: &str = include_str!("../material/expired.pem");

/// Text in base64url.
#[must_use]
pub fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Bytes in hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// SHA-256, in hex.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    hex(&hmac_sha256::Hash::hash(bytes))
}

/// How a token is signed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Signer {
    /// HS256, by [`HMAC_KEY`].
    Hmac,
    /// EdDSA, by the key of [`ed25519_jwk`].
    Ed25519,
}

impl Signer {
    /// The signature.
    #[must_use]
    pub fn sign(self, text: &[u8]) -> Vec<u8> {
        match self {
            Self::Hmac => hmac_sha256::HMAC::mac(text, HMAC_KEY).to_vec(),
            Self::Ed25519 => key_pair().sk.sign(text, None).to_vec(),
        }
    }

    /// A token of this header and this payload.
    #[must_use]
    pub fn token(self, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
        let signed = format!("{}.{}", base64url(header), base64url(payload));
        let signature = base64url(self.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }
}

fn key_pair() -> KeyPair {
    KeyPair::from_seed(Seed::new([7; 32]))
}

/// The public key of EdDSA tokens, as a JWK.
#[must_use]
pub fn ed25519_jwk() -> serde_json::Value {
    serde_json::json!({"kty": "OKP", "crv": "Ed25519", "kid": "m1", "x": base64url(*key_pair().pk)})
}

/// The DER in a PEM block.
#[must_use]
pub fn der(pem: &str) -> Vec<u8> {
    let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    base64::engine::general_purpose::STANDARD.decode(base64).unwrap_or_default()
}
