//! JSON Web Keys (RFC 7517, section 4): public keys, checked when they are read, so that nothing is checked again per token.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use der::Encode as _;
use der::asn1::{AnyRef, BitStringRef, ObjectIdentifier};
use p256::elliptic_curve::point::AffineCoordinates;
use rsa::{BoxedUint, RsaPublicKey};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use spki::{AlgorithmIdentifier, SubjectPublicKeyInfo};

use super::{Alg, AlgSet};

/// RSA moduli, in bits: less is weak (RFC 7518, section 3.3), more costs a worker too much.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// The longest RSA exponent in bytes, before its value is judged (BoringSSL and the rsa crate both end at 33 bits).
const RSA_EXPONENT_LENGTH: usize = 8;

const ID_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const ID_EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ID_ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const SECP256R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const SECP384R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const SECP521R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");

/// Sets of identity providers hold keys for encryption, too: nothing to worry about.
pub(super) const NOT_FOR_SIGNATURES: &str = "`use` is not sig";

/// A public key, with the algorithms that it may be used for.
///
/// The invariant: whoever holds one holds a key of a known kind that is neither weak nor malformed.
pub struct PublicKey {
    material: Material,
    spki: Vec<u8>,
    algorithms: Vec<Alg>,
    thumbprint: [u8; 32],
}

/// A key in the form that the module's own Rust verifies with.
pub(crate) enum Material {
    Rsa(Box<RsaPublicKey>),
    P256(p256::ecdsa::VerifyingKey),
    P384(p384::ecdsa::VerifyingKey),
    P521(Box<p521::ecdsa::VerifyingKey>),
    Ed25519(Box<ed25519_dalek::VerifyingKey>),
}

impl Material {
    const fn algorithms(&self) -> &'static [Alg] {
        match self {
            Self::Rsa(_) => &[Alg::RS256, Alg::RS384, Alg::RS512, Alg::PS256, Alg::PS384, Alg::PS512],
            Self::P256(_) => &[Alg::ES256],
            Self::P384(_) => &[Alg::ES384],
            Self::P521(_) => &[Alg::ES512],
            Self::Ed25519(_) => &[Alg::EdDSA],
        }
    }
}

/// What a JWK's parameters make, before the algorithms are narrowed.
struct Parsed {
    material: Material,
    spki: Vec<u8>,
    thumbprint: [u8; 32],
}

impl PublicKey {
    /// Reads a JWK for verifying with those of the `accepted` algorithms that its `kty`, `crv`, `alg`, `use` and `key_ops` allow.
    ///
    /// Members that are null count as absent. Certificates in it (`x5c`, `x5u`, `x5t`) are ignored: the parameters are the key.
    ///
    /// # Errors
    /// Why it can't be used.
    pub fn from_jwk(jwk: &Map<String, Value>, accepted: AlgSet) -> Result<Self, &'static str> {
        let kty = text(jwk, "kty", "`kty` is not a string")?.ok_or("no `kty`")?;
        if text(jwk, "use", "`use` is not a string")?.is_some_and(|usage| usage != "sig") {
            return Err(NOT_FOR_SIGNATURES);
        }
        operations(jwk)?;
        // An algorithm that isn't known here, or is for encryption, leaves nothing to verify with.
        let only = text(jwk, "alg", "`alg` is not a string")?
            .map(|name| Alg::from_name(name).ok_or("`alg` is not one that is verified here"))
            .transpose()?;
        if kty == "oct" {
            return Err("`kty` is oct: secrets are never taken from a key set");
        }
        // Whoever can read the set could sign with it.
        if present(jwk, "d") {
            return Err("holds a private key");
        }
        let Parsed { material, spki, thumbprint } = match kty {
            "RSA" => rsa(jwk)?,
            "EC" => elliptic(jwk)?,
            "OKP" => edwards(jwk)?,
            _ => return Err("`kty` is not RSA, EC or OKP"),
        };
        let fitting = material.algorithms();
        if only.is_some_and(|alg| !fitting.contains(&alg)) {
            return Err("`alg` does not fit `kty` and `crv`");
        }
        let algorithms: Vec<Alg> =
            fitting.iter().copied().filter(|alg| only.is_none_or(|only| only == *alg) && accepted.contains(*alg)).collect();
        if algorithms.is_empty() {
            return Err("only for algorithms that are not accepted here");
        }
        Ok(Self { material, spki, algorithms, thumbprint })
    }

    /// Whether this key may verify that algorithm.
    #[must_use]
    pub fn permits(&self, alg: Alg) -> bool {
        self.algorithms.contains(&alg)
    }

    /// The algorithms that this key may verify. Never empty.
    #[must_use]
    pub fn algorithms(&self) -> &[Alg] {
        &self.algorithms
    }

    /// The key as DER of a SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7), made from its checked numbers.
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// SHA-256 of the key's required members (RFC 7638).
    #[must_use]
    pub const fn thumbprint(&self) -> &[u8; 32] {
        &self.thumbprint
    }

    /// The beginning of the thumbprint as RFC 7638 writes it: enough to tell keys apart in a log.
    #[must_use]
    pub fn short_thumbprint(&self) -> String {
        let mut text = URL_SAFE_NO_PAD.encode(self.thumbprint);
        text.truncate(16);
        text
    }

    pub(crate) const fn material(&self) -> &Material {
        &self.material
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey").field("thumbprint", &self.short_thumbprint()).field("algorithms", &self.algorithms).finish()
    }
}

/// RSA keys (RFC 7518, section 6.3.1). Leading zero bytes of `n` and `e`, which RFC 7518 forbids but some issuers send, don't change the number and are passed over.
fn rsa(jwk: &Map<String, Value>) -> Result<Parsed, &'static str> {
    let n = decode(jwk, "n", "false", "no `n`", "no `n`; YAML reads an unquoted n as false: quote it", "`n` is not base64url")?;
    let e = decode(jwk, "e", "e", "no `e`", "no `e`", "`e` is not base64url")?;
    let (n, e) = (without_leading_zeros(&n), without_leading_zeros(&e));
    if n.len() > RSA_BITS.end().div_ceil(8) {
        return Err("RSA modulus longer than 8192 bits");
    }
    if e.len() > RSA_EXPONENT_LENGTH {
        return Err("RSA exponent too large");
    }
    let modulus = BoxedUint::from_be_slice_vartime(n);
    let exponent = BoxedUint::from_be_slice_vartime(e);
    if matches!(e, [] | [0..=2]) {
        return Err("RSA exponent less than 3");
    }
    let key = RsaPublicKey::new_with_size_limits(modulus, exponent, RSA_BITS).map_err(|error| match error {
        rsa::Error::ModulusTooSmall => "RSA modulus shorter than 2048 bits",
        rsa::Error::ModulusTooLarge => "RSA modulus longer than 8192 bits",
        rsa::Error::PublicExponentTooSmall => "RSA exponent less than 3",
        rsa::Error::PublicExponentTooLarge => "RSA exponent too large",
        rsa::Error::InvalidExponent => "RSA exponent is even",
        _ => "RSA modulus is no modulus",
    })?;
    let inner = uints(n, e)?;
    Ok(Parsed {
        material: Material::Rsa(Box::new(key)),
        spki: spki_der(ID_RSA, Some(AnyRef::NULL), &inner)?,
        thumbprint: digest(&[r#"{"e":""#, &URL_SAFE_NO_PAD.encode(e), r#"","kty":"RSA","n":""#, &URL_SAFE_NO_PAD.encode(n), r#""}"#]),
    })
}

/// Elliptic curve keys (RFC 7518, section 6.2.1): coordinates of the curve's full length, of a point on it.
fn elliptic(jwk: &Map<String, Value>) -> Result<Parsed, &'static str> {
    let crv = text(jwk, "crv", "`crv` is not a string")?.ok_or("no `crv`")?;
    let (length, curve) = match crv {
        "P-256" => (32, SECP256R1),
        "P-384" => (48, SECP384R1),
        "P-521" => (66, SECP521R1),
        _ => return Err("`crv` is not P-256, P-384 or P-521"),
    };
    let x = decode(jwk, "x", "x", "no `x`", "no `x`", "`x` is not base64url")?;
    let y = decode(jwk, "y", "true", "no `y`", "no `y`; YAML reads an unquoted y as true: quote it", "`y` is not base64url")?;
    if x.len() != length || y.len() != length {
        return Err("a coordinate is not as long as the curve's field");
    }
    // SEC 1, section 2.3.3: 04, x, y.
    let point = [&[4], x.as_slice(), y.as_slice()].concat();
    let material = match crv {
        "P-256" => on_curve::<p256::AffinePoint>(&x, &y).and_then(|p| p256::ecdsa::VerifyingKey::from_affine(p).ok()).map(Material::P256),
        "P-384" => on_curve::<p384::AffinePoint>(&x, &y).and_then(|p| p384::ecdsa::VerifyingKey::from_affine(p).ok()).map(Material::P384),
        _ => on_curve::<p521::AffinePoint>(&x, &y)
            .and_then(|p| p521::ecdsa::VerifyingKey::from_affine(p).ok())
            .map(|key| Material::P521(Box::new(key))),
    };
    let material = material.ok_or("not a point of the curve")?;
    Ok(Parsed {
        material,
        spki: spki_der(ID_EC, Some(AnyRef::from(&curve)), &point)?,
        thumbprint: digest(&[
            r#"{"crv":""#,
            crv,
            r#"","kty":"EC","x":""#,
            &URL_SAFE_NO_PAD.encode(&x),
            r#"","y":""#,
            &URL_SAFE_NO_PAD.encode(&y),
            r#""}"#,
        ]),
    })
}

/// The point of these coordinates, if the curve has it. Not by way of SEC 1's encoding, which would bring square roots into the module.
fn on_curve<P: AffineCoordinates>(x: &[u8], y: &[u8]) -> Option<P>
where
    for<'a> P::FieldRepr: TryFrom<&'a [u8]>,
{
    P::from_coordinates(&P::FieldRepr::try_from(x).ok()?, &P::FieldRepr::try_from(y).ok()?).into_option()
}

/// Ed25519 keys (RFC 8037, section 2): canonical encodings of points that aren't of small order, for those verify what nobody signed.
fn edwards(jwk: &Map<String, Value>) -> Result<Parsed, &'static str> {
    if text(jwk, "crv", "`crv` is not a string")?.ok_or("no `crv`")? != "Ed25519" {
        return Err("`crv` is not Ed25519");
    }
    let x = decode(jwk, "x", "x", "no `x`", "no `x`", "`x` is not base64url")?;
    let bytes = <[u8; 32]>::try_from(x.as_slice()).map_err(|_| "`x` is not 32 bytes long")?;
    let key = ed25519_dalek::VerifyingKey::from_bytes(&bytes).map_err(|_| "not a point of the curve")?;
    if key.is_weak() {
        return Err("a point of small order");
    }
    if key.to_edwards().compress().to_bytes() != bytes {
        return Err("not the canonical form of a point");
    }
    Ok(Parsed {
        material: Material::Ed25519(Box::new(key)),
        spki: spki_der(ID_ED25519, None, &bytes)?,
        thumbprint: digest(&[r#"{"crv":"Ed25519","kty":"OKP","x":""#, &URL_SAFE_NO_PAD.encode(bytes), r#""}"#]),
    })
}

/// `key_ops` (RFC 7517, section 4.3), where it stands, has to name `verify`.
fn operations(jwk: &Map<String, Value>) -> Result<(), &'static str> {
    match jwk.get("key_ops") {
        None | Some(Value::Null) => Ok(()),
        Some(Value::Array(list)) if list.iter().any(|operation| operation == "verify") => Ok(()),
        Some(Value::Array(_)) => Err("`key_ops` does not hold verify"),
        Some(_) => Err("`key_ops` is not an array"),
    }
}

fn present(jwk: &Map<String, Value>, name: &str) -> bool {
    jwk.get(name).is_some_and(|value| !value.is_null())
}

/// A member that must be a string if it is there.
pub(super) fn text<'j>(jwk: &'j Map<String, Value>, name: &str, otherwise: &'static str) -> Result<Option<&'j str>, &'static str> {
    match jwk.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(otherwise),
    }
}

/// A member in base64url without padding or stray bits; `mangled` is what a YAML 1.1 reader makes of its name.
fn decode(
    jwk: &Map<String, Value>,
    name: &str,
    mangled: &str,
    missing: &'static str,
    unquoted: &'static str,
    malformed: &'static str,
) -> Result<Vec<u8>, &'static str> {
    let encoded = text(jwk, name, malformed)?.ok_or(if jwk.contains_key(mangled) { unquoted } else { missing })?;
    URL_SAFE_NO_PAD.decode(encoded).map_err(|_| malformed)
}

fn without_leading_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

/// SEQUENCE { INTEGER, INTEGER }: an RSAPublicKey (RFC 8017, appendix A.1.1).
fn uints(first: &[u8], second: &[u8]) -> Result<Vec<u8>, &'static str> {
    crate::signature::two_integers(first, second).ok_or("RSA modulus is no modulus")
}

fn spki_der(oid: ObjectIdentifier, parameters: Option<AnyRef<'_>>, key: &[u8]) -> Result<Vec<u8>, &'static str> {
    let subject_public_key = BitStringRef::from_bytes(key).map_err(|_| "too long")?;
    SubjectPublicKeyInfo { algorithm: AlgorithmIdentifier { oid, parameters }, subject_public_key }.to_der().map_err(|_| "too long")
}

fn digest(parts: &[&str]) -> [u8; 32] {
    parts.iter().fold(Sha256::new(), |hash, part| hash.chain_update(part)).finalize().into()
}
