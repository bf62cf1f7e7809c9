//! JSON Web Tokens: well-made ones, and those that an attacker would send.

use crate::key::{Algorithm, Key, Material};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jwt_simple::algorithms::{ECDSAP256KeyPairLike, ECDSAP384KeyPairLike, EdDSAKeyPairLike, MACLike, RSAKeyPairLike};
use jwt_simple::prelude::{
    ES256KeyPair, ES384KeyPair, Ed25519KeyPair, HS256Key, HS384Key, HS512Key, HeaderOptions, JWTClaims, PS256KeyPair, PS384KeyPair,
    PS512KeyPair, RS256KeyPair, RS384KeyPair, RS512KeyPair,
};
use serde_json::{Map, Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// The time in seconds since 1970, moved by so many seconds: for `exp`, `nbf` and `iat`.
pub fn now(offset: i64) -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    i64::try_from(since).unwrap_or(i64::MAX).saturating_add(offset)
}

/// A well-made token with these claims, and nothing added to them. The header is `alg`, `typ: JWT` and the key's `kid`.
///
/// Made by jwt-simple, so that it is another implementation's idea of a JWT; ES512, which that lacks, by [`Jws`].
///
/// ```
/// use portcullis_harness::{Algorithm, Key, mint, now};
/// use serde_json::json;
/// let token = mint(&Key::fixed(Algorithm::ES256, 1), json!({"sub": "alice", "exp": now(60)}));
/// assert_eq!(token.split('.').count(), 3);
/// ```
///
/// # Panics
/// If the claims are no JSON object, or the key isn't of its algorithm's kind.
pub fn mint(key: &Key, claims: Value) -> String {
    mint_typed(key, "JWT", claims)
}

/// The same with another `typ`, such as `at+jwt`.
///
/// # Panics
/// As [`mint`].
pub fn mint_typed(key: &Key, typ: &str, claims: Value) -> String {
    let Value::Object(custom) = claims else { panic!("claims are a JSON object, not {claims}") };
    by_jwt_simple(key, typ, &custom).unwrap_or_else(|| {
        let mut header = json!({"alg": key.algorithm().name(), "typ": typ});
        if let Some(kid) = key.kid() {
            header["kid"] = json!(kid);
        }
        Jws::new(header, Value::Object(custom)).sign(key)
    })
}

macro_rules! sign {
    ($pair:expr, $key:expr, $method:ident, $claims:expr, $options:expr) => {{
        let mut pair = $pair;
        if let Some(kid) = $key.kid() {
            pair = pair.with_key_id(kid);
        }
        pair.$method($claims, $options).expect("jwt-simple signs")
    }};
}

fn by_jwt_simple(key: &Key, typ: &str, claims: &Map<String, Value>) -> Option<String> {
    // Registered claims travel among the custom ones, exactly as given: jwt-simple's own would be checked and rounded.
    let claims = JWTClaims {
        issued_at: None,
        expires_at: None,
        invalid_before: None,
        issuer: None,
        subject: None,
        audiences: None,
        jwt_id: None,
        nonce: None,
        custom: claims.clone(),
    };
    let options = &HeaderOptions { signature_type: Some(typ.to_owned()), ..HeaderOptions::default() };
    let good = "a key of the algorithm's kind";
    Some(match (key.algorithm(), key.material()) {
        (Algorithm::HS256, _) => sign!(HS256Key::from_bytes(&key.secret_bytes()), key, authenticate_with_options, claims, options),
        (Algorithm::HS384, _) => sign!(HS384Key::from_bytes(&key.secret_bytes()), key, authenticate_with_options, claims, options),
        (Algorithm::HS512, _) => sign!(HS512Key::from_bytes(&key.secret_bytes()), key, authenticate_with_options, claims, options),
        (Algorithm::RS256, Material::Rsa(der)) => sign!(RS256KeyPair::from_der(der).ok()?, key, sign_with_options, claims, options),
        (Algorithm::RS384, Material::Rsa(der)) => sign!(RS384KeyPair::from_der(der).ok()?, key, sign_with_options, claims, options),
        (Algorithm::RS512, Material::Rsa(der)) => sign!(RS512KeyPair::from_der(der).ok()?, key, sign_with_options, claims, options),
        (Algorithm::PS256, Material::Rsa(der)) => sign!(PS256KeyPair::from_der(der).ok()?, key, sign_with_options, claims, options),
        (Algorithm::PS384, Material::Rsa(der)) => sign!(PS384KeyPair::from_der(der).ok()?, key, sign_with_options, claims, options),
        (Algorithm::PS512, Material::Rsa(der)) => sign!(PS512KeyPair::from_der(der).ok()?, key, sign_with_options, claims, options),
        (Algorithm::ES256, Material::P256(pair)) => {
            sign!(ES256KeyPair::from_bytes(&pair.to_bytes()).expect(good), key, sign_with_options, claims, options)
        }
        (Algorithm::ES384, Material::P384(pair)) => {
            sign!(ES384KeyPair::from_bytes(&pair.to_bytes()).expect(good), key, sign_with_options, claims, options)
        }
        (Algorithm::EdDSA, Material::Ed25519(pair)) => {
            sign!(Ed25519KeyPair::from_bytes(&pair.to_keypair_bytes()).expect(good), key, sign_with_options, claims, options)
        }
        _ => return None,
    })
}

/// A token put together part by part: any header text, any payload text, any signature, any separators.
///
/// ```
/// use portcullis_harness::{Algorithm, Jws, Key};
/// let key = Key::fixed(Algorithm::HS256, 1);
/// let twice = Jws::of_text(r#"{"alg":"HS256","alg":"none"}"#, r#"{"sub":"alice"}"#).sign(&key);
/// let none = Jws::of_text(r#"{"alg":"none"}"#, "{}").with_signature(b"");
/// assert!(none.ends_with('.') && twice.len() > none.len());
/// ```
#[derive(Clone, Debug)]
pub struct Jws {
    header: String,
    payload: String,
    separators: (String, String),
}

impl Jws {
    /// From a header and claims as JSON.
    pub fn new(header: Value, claims: Value) -> Self {
        Self::of_text(header.to_string(), claims.to_string())
    }

    /// From the texts of header and payload, which need not be JSON.
    pub fn of_text(header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> Self {
        Self::of_parts(URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload))
    }

    /// From the first two parts as they will stand in the token, so that their base64 can be bad.
    pub fn of_parts(header: impl Into<String>, payload: impl Into<String>) -> Self {
        Self { header: header.into(), payload: payload.into(), separators: (".".into(), ".".into()) }
    }

    /// With other texts than dots before the second and the third part. What is signed has them too.
    #[must_use]
    pub fn separated_by(mut self, first: &str, second: &str) -> Self {
        self.separators = (first.to_owned(), second.to_owned());
        self
    }

    /// What a signature is made over: header, separator, payload.
    pub fn signing_input(&self) -> String {
        format!("{}{}{}", self.header, self.separators.0, self.payload)
    }

    /// Signed by a key, by the key's algorithm, whatever the header says.
    ///
    /// # Panics
    /// If the key isn't of its algorithm's kind.
    pub fn sign(&self, key: &Key) -> String {
        self.with_signature(key.sign(self.signing_input().as_bytes()))
    }

    /// With these bytes as its signature.
    pub fn with_signature(&self, signature: impl AsRef<[u8]>) -> String {
        self.with_signature_text(&URL_SAFE_NO_PAD.encode(signature))
    }

    /// With this text as its third part.
    pub fn with_signature_text(&self, signature: &str) -> String {
        format!("{}{}{signature}", self.signing_input(), self.separators.1)
    }
}
