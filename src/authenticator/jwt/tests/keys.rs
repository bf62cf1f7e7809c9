//! Which key verifies a token, and which never does.

use super::*;
use crate::keys::SetId;
use crate::signature::signing::jwk;

fn by(alg: Alg, header: Value) -> String {
    signed(alg, &header.to_string(), &json!({"iss": "https://issuer", "sub": "alice"}).to_string())
}

fn full() -> Jwt {
    with_set(&[jwk(Alg::RS256), jwk(Alg::ES256), jwk(Alg::ES384), jwk(Alg::ES512), jwk(Alg::EdDSA)])
}

#[test]
fn every_algorithm_with_the_key_that_the_token_names() {
    let jwt = full();
    for alg in Alg::ALL.into_iter().filter(|alg| !alg.is_hmac()) {
        let kid = if matches!(alg.name().as_bytes(), [b'R' | b'P', ..]) { "RS256" } else { alg.name() };
        let identity = judge(&jwt, &by(alg, json!({"alg": alg.name(), "kid": kid}))).unwrap();
        assert_eq!((identity.credential.as_deref(), identity.subject.as_deref()), (Some(kid), Some("alice")));
        assert_eq!(judge(&jwt, &by(alg, json!({"alg": alg.name()}))).unwrap().credential.as_deref(), Some(kid), "the only one that fits");
        let mut bad = by(alg, json!({"alg": alg.name(), "kid": kid}));
        let end = bad.rsplit_once('.').unwrap().0.len();
        bad.truncate(end);
        assert_eq!(judge(&jwt, &format!("{bad}.")).unwrap_err(), TokenError::Signature);
        assert_eq!(judge(&jwt, &format!("{bad}.{}", b64(vec![0; 64]))).unwrap_err(), TokenError::Signature, "all zeros");
    }
    assert!(judge(&jwt, &by(Alg::EdDSA, json!({"alg": "Ed25519", "kid": "EdDSA"}))).is_ok(), "RFC 9864");
}

#[test]
fn unknown_and_unsuitable_keys() {
    let jwt = full();
    let error = judge(&jwt, &by(Alg::ES256, json!({"alg": "ES256", "kid": "new\n"}))).unwrap_err();
    assert_eq!((error.reason(), error.to_string().as_str(), error.asks_for_newer_keys()), (Reason::KeyUnknown, "kid: new\\n", true));
    for kid in ["", "es256", "ES256 "] {
        assert_eq!(reason(&jwt, &by(Alg::ES256, json!({"alg": "ES256", "kid": kid}))), Reason::KeyUnknown);
    }
    let error = judge(&jwt, &by(Alg::RS256, json!({"alg": "RS256", "kid": "ES256"}))).unwrap_err();
    assert_eq!((error.reason(), error.asks_for_newer_keys()), (Reason::KeyUnsuitable, false));
    // The curve of another algorithm.
    assert_eq!(reason(&jwt, &by(Alg::ES256, json!({"alg": "ES256", "kid": "ES384"}))), Reason::KeyUnsuitable);
    let two = with_set(&[
        jwk(Alg::ES256),
        json!({"kid": "other", "kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}),
    ]);
    assert_eq!(judge(&two, &by(Alg::ES256, json!({"alg": "ES256"}))).unwrap_err(), TokenError::KeyUnnamed);
    assert_eq!(judge(&two, &by(Alg::ES256, json!({"alg": "ES256", "kid": "other"}))).unwrap_err(), TokenError::Signature);
    let named = {
        let mut jwt = full();
        jwt.require_kid = true;
        jwt
    };
    assert_eq!(reason(&named, &by(Alg::ES256, json!({"alg": "ES256"}))), Reason::KeyUnknown);
    assert!(judge(&named, &by(Alg::ES256, json!({"alg": "ES256", "kid": "ES256"}))).is_ok());
}

#[test]
fn keys_that_share_a_kid_are_all_tried() {
    let mut wrong = json!({"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"});
    wrong["kid"] = "ES256".into();
    assert!(judge(&with_set(&[wrong, jwk(Alg::ES256)]), &by(Alg::ES256, json!({"alg": "ES256", "kid": "ES256"}))).is_ok());
}

#[test]
fn a_key_with_an_issuer_verifies_only_its_tokens() {
    let of = |issuer: &str| {
        let mut key = jwk(Alg::ES256);
        key["issuer"] = issuer.into();
        with_set(&[key])
    };
    let token = by(Alg::ES256, json!({"alg": "ES256", "kid": "ES256"}));
    assert!(judge(&of("https://issuer"), &token).is_ok());
    assert_eq!(reason(&of("https://issuer/"), &token), Reason::KeyUnsuitable);
    let without_issuer = signed(Alg::ES256, r#"{"alg":"ES256","kid":"ES256"}"#, "{}");
    assert_eq!(reason(&of("https://issuer"), &without_issuer), Reason::KeyUnsuitable);
}

/// A MAC keyed with what everybody knows of the public key.
#[test]
fn a_public_key_is_never_a_secret() {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    let jwt = full();
    let key = jwk(Alg::RS256);
    let n = URL_SAFE_NO_PAD.decode(key["n"].as_str().unwrap()).unwrap();
    let text = format!("{}.{}", b64(r#"{"alg":"HS256","kid":"RS256"}"#), b64("{}"));
    for secret in [n, key.to_string().into_bytes(), key["n"].as_str().unwrap().as_bytes().to_vec(), vec![]] {
        let mac = Hmac::<sha2::Sha256>::new_from_slice(&secret).unwrap().chain_update(&text).finalize().into_bytes();
        let token = format!("{text}.{}", b64(mac));
        assert_eq!(reason(&jwt, &token), Reason::AlgorithmRefused);
        // Even if a configuration accepted HS256 beside a key set.
        let careless = {
            let mut jwt = full();
            jwt.algorithms = AlgSet::from(Alg::ALL);
            jwt
        };
        assert_eq!(reason(&careless, &token), Reason::AlgorithmRefused);
    }
}

#[test]
fn a_key_in_the_header_is_no_key() {
    let jwt = with_set(&[
        json!({"kid": "theirs", "kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}),
    ]);
    let own = jwk(Alg::ES256);
    for header in [
        json!({"alg": "ES256", "kid": "theirs", "jwk": own}),
        json!({"alg": "ES256", "jwk": own}),
        json!({"alg": "ES256", "kid": "theirs", "jku": "https://evil.example/keys"}),
        json!({"alg": "ES256", "kid": "theirs", "x5u": "https://evil.example/cert", "x5c": ["AAAA"]}),
    ] {
        assert_eq!(judge(&jwt, &by(Alg::ES256, header)).unwrap_err(), TokenError::Signature);
    }
    // Honest issuers send such things, too.
    assert!(
        judge(
            &full(),
            &by(Alg::ES256, json!({"alg": "ES256", "kid": "ES256", "x5t": "AAAA", "x5c": ["AAAA"], "jku": "https://issuer/keys"}))
        )
        .is_ok()
    );
}

#[test]
fn only_tokens_that_could_pass_ask_for_keys() {
    let mut jwt = full();
    jwt.keys = Keys::Remote { set: SetId([0; 16]), wait: Duration::ZERO, max_stale: Duration::ZERO };
    jwt.issuers = Some(vec!["https://issuer".into()]);
    jwt.audiences = Some(vec!["api".into()]);
    jwt.required_claims = vec!["exp".into(), "jti".into()];
    jwt.max_token_age = Some(Duration::from_secs(1));
    let now = UnixTime::from_seconds(u64::try_from(NOW).unwrap());
    let set = KeySet::from_value(&json!({"keys": [jwk(Alg::ES256)]}), jwt.algorithms).unwrap().0;
    let ask = |header: &str, claims: Value, remote: Option<&KeySet>| {
        let text = signed(Alg::ES256, header, &claims.to_string());
        authenticate(&jwt, Token::parse(text.as_bytes()).unwrap(), remote, now)
    };
    let good = json!({"iss": "https://issuer", "aud": ["x", "api"], "exp": NOW + 10, "iat": NOW, "jti": "1"});
    let header = r#"{"alg":"ES256","kid":"ES256"}"#;
    assert!(matches!(ask(header, good.clone(), None), Ok(Verdict::KeysNeeded)));
    assert!(matches!(ask(header, good.clone(), Some(&set)), Ok(Verdict::Good(_))));
    for (name, value, expected) in [
        ("iss", json!("https://issuer/"), Reason::IssuerMismatch),
        ("iss", json!(null), Reason::ClaimMissing),
        ("iss", json!(["https://issuer"]), Reason::ClaimInvalid),
        ("aud", json!("apis"), Reason::AudienceMismatch),
        ("aud", json!([]), Reason::AudienceMismatch),
        ("aud", json!(["api", 1]), Reason::ClaimInvalid),
        ("aud", json!({"api": 1}), Reason::ClaimInvalid),
        ("aud", json!(null), Reason::ClaimMissing),
        ("exp", json!(NOW), Reason::TokenExpired),
        ("exp", json!("1900000000"), Reason::ClaimInvalid),
        ("exp", json!(null), Reason::ClaimMissing),
    ] {
        let mut claims = good.clone();
        claims[name] = value.clone();
        for remote in [None, Some(&set)] {
            assert_eq!(ask(header, claims.clone(), remote).unwrap_err().reason(), expected, "{name} {value}");
        }
    }
    assert_eq!(ask(r#"{"alg":"HS256"}"#, good.clone(), None).unwrap_err().reason(), Reason::AlgorithmRefused);
    // All the rest waits for the signature: nobody learns from it before.
    for (name, value, expected) in [
        ("iat", json!(NOW - 2), Reason::TokenTooOld),
        ("iat", json!("x"), Reason::ClaimInvalid),
        ("nbf", json!(NOW + 1), Reason::TokenNotYetValid),
        ("jti", json!(null), Reason::ClaimMissing),
        ("jti", json!(1), Reason::ClaimInvalid),
        ("sub", json!(1), Reason::ClaimInvalid),
        ("cnf", json!({"jkt": "x"}), Reason::CnfUnchecked),
    ] {
        let mut claims = good.clone();
        claims[name] = value.clone();
        assert!(matches!(ask(header, claims.clone(), None), Ok(Verdict::KeysNeeded)), "{name}");
        assert_eq!(ask(header, claims, Some(&set)).unwrap_err().reason(), expected, "{name} {value}");
    }
}

#[test]
fn a_provider_claims_the_tokens_of_its_issuers() {
    let jwt = with(|jwt| jwt.issuers = Some(vec!["https://a".into(), "https://b".into()]));
    let claims = |jwt: &Jwt, claims: Value| jwt.claims(&Token::parse(token(&claims).as_bytes()).unwrap());
    assert!(claims(&jwt, json!({"iss": "https://b"})));
    for other in [
        json!({}),
        json!({"iss": "https://c"}),
        json!({"iss": null}),
        json!({"iss": ["https://a"]}),
        json!({"iss": "https://a/"}),
        json!({"iss": "HTTPS://A"}),
    ] {
        assert!(!claims(&jwt, other));
    }
    assert!(claims(&plain(), json!({})) && claims(&plain(), json!({"iss": "x"})));
}
