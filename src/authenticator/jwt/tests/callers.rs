//! Callers with keys of their own.

use hmac::{Hmac, KeyInit as _, Mac as _};

use super::*;
use crate::reason::Reason;

fn by_key(key: &[u8], header: &str, claims: &str) -> String {
    let text = format!("{}.{}", b64(header), b64(claims));
    let mac = Hmac::<sha2::Sha256>::new_from_slice(key).unwrap().chain_update(&text).finalize().into_bytes();
    format!("{text}.{}", b64(mac))
}

fn callers(by: CallerBy) -> Jwt {
    let secret = |id: Option<&str>, key: &str| (id.map(str::to_owned), HmacKey::new(key.as_bytes(), AlgSet::from(Alg::ALL)));
    let list = HashMap::from([
        ("001".to_owned(), Caller { roles: vec!["watcher".into()], secrets: vec![secret(Some("old"), "one"), secret(Some("new"), "two")] }),
        ("002".to_owned(), Caller { roles: vec![], secrets: vec![secret(None, "three")] }),
        ("003".to_owned(), Caller { roles: vec![], secrets: vec![] }),
    ]);
    with(|jwt| jwt.keys = Keys::Callers(Callers::new(by, list, AlgSet::from(Alg::ALL))))
}

fn claim() -> Jwt {
    callers(CallerBy::Claim(path(&["id"])))
}

const HS256: &str = r#"{"alg":"HS256"}"#;

#[test]
fn each_caller_by_each_of_its_secrets() {
    let judge = |key: &str, id: &str| judge(&claim(), &by_key(key.as_bytes(), HS256, &json!({"id": id, "sub": "not it"}).to_string()));
    for (key, secret) in [("one", "old"), ("two", "new")] {
        let identity = judge(key, "001").unwrap();
        assert_eq!((identity.subject.as_deref(), identity.credential.as_deref()), (Some("001"), Some(secret)));
        assert_eq!(identity.roles, Some(vec!["watcher".to_owned()]));
    }
    let identity = judge("three", "002").unwrap();
    assert_eq!((identity.subject.as_deref(), identity.credential, identity.roles), (Some("002"), None, None));
    assert_eq!(judge("three", "001").unwrap_err().reason(), Reason::SignatureInvalid, "another's key");
    assert_eq!(judge("one", "002").unwrap_err().reason(), Reason::SignatureInvalid);
}

#[test]
fn an_unknown_caller_is_a_wrong_mac_even_with_the_dummy_key() {
    for id in ["", "01", "0011", "001 ", "004", "003"] {
        for key in [&b"one"[..], &[0; 32], b""] {
            let token = by_key(key, HS256, &json!({"id": id}).to_string());
            assert_eq!(judge(&claim(), &token).unwrap_err().reason(), Reason::SignatureInvalid, "{id:?}");
        }
    }
    // The dummy key doesn't help a known caller either.
    assert_eq!(judge(&claim(), &by_key(&[0; 32], HS256, r#"{"id":"002"}"#)).unwrap_err().reason(), Reason::SignatureInvalid);
}

#[test]
fn what_names_the_caller_has_to_be_a_string() {
    let reason = |claims: &str| reason(&claim(), &by_key(b"one", HS256, claims));
    assert_eq!(reason("{}"), Reason::ClaimMissing);
    assert_eq!(reason(r#"{"id":null}"#), Reason::ClaimMissing);
    assert_eq!(reason(r#"{"id":1}"#), Reason::ClaimInvalid);
    assert_eq!(reason(r#"{"id":["001"]}"#), Reason::ClaimInvalid);
    let nested = callers(CallerBy::Claim(path(&["caller", "id"])));
    assert!(judge(&nested, &by_key(b"one", HS256, r#"{"caller":{"id":"001"}}"#)).is_ok());
    assert_eq!(super::reason(&nested, &by_key(b"one", HS256, r#"{"caller":"001"}"#)), Reason::ClaimInvalid);
}

#[test]
fn callers_by_kid() {
    let jwt = callers(CallerBy::Kid);
    assert_eq!(judge(&jwt, &by_key(b"two", r#"{"alg":"HS256","kid":"001"}"#, "{}")).unwrap().subject.as_deref(), Some("001"));
    assert_eq!(judge(&jwt, &by_key(b"two", r#"{"alg":"HS256","kid":"009"}"#, "{}")).unwrap_err().reason(), Reason::SignatureInvalid);
    assert_eq!(judge(&jwt, &by_key(b"two", HS256, "{}")).unwrap_err(), TokenError::KeyUnnamed);
}

#[test]
fn a_configured_subject_and_grants_go_with_the_callers_roles() {
    let mut jwt = claim();
    jwt.identity.subject = Some(path(&["user"]));
    jwt.identity.roles = vec![RoleClaim { path: path(&["roles"]), separator: None }];
    jwt.identity.grants = HashMap::from([("alice".to_owned(), vec!["admin".to_owned(), "watcher".to_owned()])]);
    let identity = judge(&jwt, &by_key(b"one", HS256, r#"{"id":"001","user":"alice","roles":["reader"]}"#)).unwrap();
    assert_eq!(identity.subject.as_deref(), Some("alice"));
    assert_eq!(identity.roles.unwrap(), ["reader", "watcher", "admin"]);
}
