//! Every vector of tests/vectors, and signatures of keys made here.

use serde_json::{Value, json};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;

use super::signing::{SECRET, hex, jwk, sign};
use super::{Module, Verify, raw_to_der};
use crate::keys::{Alg, AlgSet, HmacKey, PublicKey};

#[test]
fn every_vector() {
    let vectors = crate::json::parse(include_bytes!("../../tests/vectors/signatures.json")).unwrap();
    let all = AlgSet::from(Alg::ALL);
    let (mut good, mut bad) = (0, 0);
    for vector in vectors.as_array().unwrap() {
        let name = format!("{} {}", vector["alg"], vector["name"]);
        let alg = Alg::from_name(vector["alg"].as_str().unwrap()).unwrap();
        let key = PublicKey::from_jwk(vector["jwk"].as_object().unwrap(), all);
        assert_eq!(key.is_err(), vector.get("refused").and_then(Value::as_bool).unwrap_or(false), "{name}: {key:?}");
        let Ok(key) = key else { continue };
        let verified = Module.verify(alg, &key, vector["text"].as_str().unwrap().as_bytes(), &hex(vector["signature"].as_str().unwrap()));
        assert_eq!(verified, vector["valid"].as_bool().unwrap(), "{name}");
        if let Some(spki) = vector.get("spki") {
            assert_eq!(key.spki(), hex(spki.as_str().unwrap()), "{name}: the key's DER as OpenSSL writes it");
        }
        if verified { good += 1 } else { bad += 1 }
    }
    assert!(good > 40 && bad > 240, "{good} good, {bad} bad");
}

/// A whole JWS of an RFC, verified with the key that the RFC gives.
fn rfc(alg: Alg, key: &Value, jws: &str) {
    let (text, signature) = jws.rsplit_once('.').unwrap();
    let key = PublicKey::from_jwk(key.as_object().unwrap(), AlgSet::from([alg])).unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    assert!(Module.verify(alg, &key, text.as_bytes(), &signature));
    assert!(!Module.verify(alg, &key, &text.as_bytes()[1..], &signature));
}

#[test]
fn rfc_7515_a2() {
    let key = json!({"kty": "RSA", "e": "AQAB", "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"});
    rfc(
        Alg::RS256,
        &key,
        "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
    );
}

#[test]
fn rfc_7515_a3() {
    let key = json!({"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"});
    rfc(
        Alg::ES256,
        &key,
        "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
    );
}

#[test]
fn rfc_7515_a4() {
    let key = json!({"kty": "EC", "crv": "P-521", "x": "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk", "y": "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2"});
    rfc(
        Alg::ES512,
        &key,
        "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn",
    );
}

#[test]
fn rfc_7520_section_4_2() {
    let key = json!({"kty": "RSA", "e": "AQAB", "use": "sig", "n": "n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw"});
    rfc(
        Alg::PS384,
        &key,
        "eyJhbGciOiJQUzM4NCIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9.SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4.cu22eBqkYDKgIlTpzDXGvaFfz6WGoz7fUDcfT0kkOy42miAh2qyBzk1xEsnk2IpN6-tPid6VrklHkqsGqDqHCdP6O8TTB5dDDItllVo6_1OLPpcbUrhiUSMxbbXUvdvWXzg-UD8biiReQFlfz28zGWVsdiNAUf8ZnyPEgVFn442ZdNqiVJRmBqrYRXe8P_ijQ7p8Vdz0TTrxUeT3lm8d9shnr2lfJT8ImUjvAA2Xez2Mlp8cBE5awDzT0qI0n6uiP1aCN_2_jLAeQTlqRHtfa64QQSUmFAAjVKPbByi7xho0uTOcbH510a6GYmJUAfmWjwZ6oD4ifKo8DYM-X72Eaw",
    );
}

#[test]
fn rfc_8037_a4() {
    let key = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    rfc(
        Alg::EdDSA,
        &key,
        "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
    );
}

#[test]
fn der_of_raw_signatures() {
    let key = |alg| PublicKey::from_jwk(jwk(alg).as_object().unwrap(), AlgSet::from([alg])).unwrap();
    for alg in [Alg::ES256, Alg::ES384, Alg::ES512] {
        let mut raw = sign(alg, b"text");
        let der = raw_to_der(&key(alg), &raw).unwrap();
        assert_eq!(der[0], 0x30);
        // r is small: its leading zeros go, and a set top bit gets one.
        let half = raw.len() / 2;
        raw[..half].fill(0);
        raw[half - 1] = 0x80;
        assert_eq!(raw_to_der(&key(alg), &raw).unwrap()[2..][..4], [2, 2, 0, 0x80]);
        raw[half - 1] = 0;
        assert_eq!(raw_to_der(&key(alg), &raw), None, "r = 0");
        assert_eq!(raw_to_der(&key(alg), &der), None);
    }
    assert_eq!(raw_to_der(&key(Alg::RS256), &[1; 64]), None);
    assert_eq!(raw_to_der(&key(Alg::EdDSA), &[1; 64]), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    /// What was signed verifies, and no change of one byte of text or signature does.
    #[test]
    fn any_change_is_refused(text in proptest::collection::vec(any::<u8>(), 1..200), place in any::<prop::sample::Index>(), change in 1u8..) {
        for alg in Alg::ALL {
            let good = sign(alg, &text);
            let public = PublicKey::from_jwk(jwk(alg).as_object().unwrap(), AlgSet::from([alg]));
            let verify = |text: &[u8], signature: &[u8]| match &public {
                Ok(key) => Module.verify(alg, key, text, signature),
                Err(_) => HmacKey::new(SECRET, AlgSet::from([alg])).verify(alg, text, signature),
            };
            prop_assert!(verify(&text, &good), "{alg}");
            let mut other = text.clone();
            *place.get_mut(&mut other) ^= change;
            prop_assert!(!verify(&other, &good), "{alg}: text");
            let mut bad = good.clone();
            *place.get_mut(&mut bad) ^= change;
            prop_assert!(!verify(&text, &bad), "{alg}: signature");
        }
    }
}
