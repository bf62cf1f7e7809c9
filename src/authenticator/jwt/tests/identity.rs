//! What is made of a good token, and the conditions on its claims.

use super::*;
use crate::policy::{Condition, Operand, Subject, Test};

fn identity(jwt: &Jwt, claims: Value) -> Result<Identity, Reason> {
    judge(jwt, &token(&claims)).map_err(|error| error.reason())
}

#[test]
fn subject() {
    assert_eq!(identity(&plain(), json!({"sub": "alice"})).unwrap().subject.as_deref(), Some("alice"));
    assert_eq!(identity(&plain(), json!({})).unwrap().subject, None);
    assert_eq!(identity(&plain(), json!({"sub": null})).unwrap().subject, None);
    for wrong in [json!(1), json!(["alice"]), json!({}), json!(true)] {
        assert_eq!(identity(&plain(), json!({"sub": wrong})).unwrap_err(), Reason::ClaimInvalid);
    }
    let nested = with(|jwt| jwt.identity.subject = Some(path(&["act", "sub"])));
    assert_eq!(identity(&nested, json!({"act": {"sub": "bob"}, "sub": "alice"})).unwrap().subject.as_deref(), Some("bob"));
    assert_eq!(identity(&nested, json!({"act": {}})).unwrap().subject, None);
    assert_eq!(identity(&nested, json!({"act": null})).unwrap().subject, None);
    assert_eq!(identity(&nested, json!({"act": "bob"})).unwrap_err(), Reason::ClaimInvalid);
    assert_eq!(identity(&nested, json!({"act": {"sub": 1}})).unwrap_err(), Reason::ClaimInvalid);
}

#[test]
fn accepted_subjects() {
    let jwt = with(|jwt| jwt.subjects = Some(vec!["a".into(), "b".into()]));
    assert!(identity(&jwt, json!({"sub": "b"})).is_ok());
    for (sub, expected) in [
        (json!("c"), Reason::SubjectMismatch),
        (json!("a b"), Reason::SubjectMismatch),
        (json!(null), Reason::ClaimMissing),
        (json!(["a"]), Reason::ClaimInvalid),
    ] {
        assert_eq!(identity(&jwt, json!({"sub": sub})).unwrap_err(), expected);
    }
}

#[test]
fn scopes_are_split_and_united() {
    let jwt = with(|jwt| jwt.identity.scopes = vec![path(&["scope"]), path(&["scp"])]);
    let scopes = |claims| identity(&jwt, claims).map(|identity| identity.scopes);
    assert_eq!(scopes(json!({})), Ok(None));
    assert_eq!(scopes(json!({"scope": null})), Ok(None));
    assert_eq!(scopes(json!({"scope": ""})), Ok(Some(vec![])));
    assert_eq!(scopes(json!({"scope": "a b  c", "scp": ["b", "d e"]})).unwrap().unwrap(), ["a", "b", "c", "d e"]);
    for wrong in [json!(1), json!([1]), json!(["a", null]), json!({"a": 1})] {
        assert_eq!(scopes(json!({"scp": wrong})), Err(Reason::ClaimInvalid));
    }
}

#[test]
fn roles_are_there_only_if_something_says_so() {
    let jwt = with(|jwt| {
        jwt.identity.roles = vec![
            RoleClaim { path: path(&["realm_access", "roles"]), separator: None },
            RoleClaim { path: path(&["groups"]), separator: Some(",".into()) },
            RoleClaim { path: path(&["role"]), separator: None },
        ];
        jwt.identity.grants = HashMap::from([("alice".to_owned(), vec!["admin".to_owned()])]);
    });
    let roles = |claims| identity(&jwt, claims).map(|identity| identity.roles);
    assert_eq!(roles(json!({"sub": "bob"})), Ok(None));
    assert_eq!(roles(json!({"sub": "bob", "role": []})), Ok(Some(vec![])));
    assert_eq!(roles(json!({"sub": "alice"})).unwrap().unwrap(), ["admin"]);
    let all = json!({"sub": "alice", "realm_access": {"roles": ["x", "admin"]}, "groups": "g1,,g2", "role": "one, role"});
    assert_eq!(roles(all).unwrap().unwrap(), ["x", "admin", "g1", "g2", "one, role"]);
    assert_eq!(roles(json!({"realm_access": "x"})), Err(Reason::ClaimInvalid));
    assert_eq!(roles(json!({"role": [["x"]]})), Err(Reason::ClaimInvalid));
}

#[test]
fn required_claims() {
    let jwt = with(|jwt| jwt.required_claims = vec!["sub".into(), "tenant".into()]);
    assert!(identity(&jwt, json!({"sub": "a", "tenant": false})).is_ok());
    assert_eq!(identity(&jwt, json!({"sub": "a"})).unwrap_err(), Reason::ClaimMissing);
    assert_eq!(identity(&jwt, json!({"sub": "a", "tenant": null})).unwrap_err(), Reason::ClaimMissing);
}

#[test]
fn conditions_on_claims() {
    let condition = |name: &str, test| Condition { subject: Subject::Claim(path(&[name])), test };
    let jwt = with(|jwt| {
        jwt.claims = vec![
            condition("token_use", Test::All(vec![Operand::Literal(json!("access"))])),
            condition("level", Test::Any(vec![Operand::Literal(json!(1)), Operand::Literal(json!(2))])),
            condition("banned", Test::Exists(false)),
        ];
    });
    assert!(identity(&jwt, json!({"token_use": "access", "level": 2})).is_ok());
    assert!(identity(&jwt, json!({"token_use": ["id", "access"], "level": 1.0})).is_ok());
    for claims in [
        json!({"level": 2}),
        json!({"token_use": "id", "level": 2}),
        json!({"token_use": "accesses", "level": 2}),
        json!({"token_use": "access", "level": "2"}),
        json!({"token_use": "access", "level": 2, "banned": true}),
    ] {
        assert_eq!(identity(&jwt, claims).unwrap_err(), Reason::ClaimMismatch);
    }
}

#[test]
fn cnf() {
    let bound = json!({"cnf": {"x5t#S256": "x"}});
    assert_eq!(identity(&plain(), bound.clone()).unwrap_err(), Reason::CnfUnchecked);
    assert_eq!(identity(&plain(), json!({"cnf": 1})).unwrap_err(), Reason::CnfUnchecked);
    assert!(identity(&plain(), json!({"cnf": null})).is_ok());
    assert!(identity(&with(|jwt| jwt.ignore_cnf = true), bound).is_ok());
}

#[test]
fn types() {
    let judged = |jwt: &Jwt, typ: Option<&str>| {
        let header = typ.map_or_else(|| json!({"alg": "HS256"}), |typ| json!({"alg": "HS256", "typ": typ}));
        judge(jwt, &signed(Alg::HS256, &header.to_string(), "{}")).map_err(|error| error.reason()).map(|_| ())
    };
    for fine in [None, Some("JWT"), Some("jwt"), Some("at+jwt"), Some("application/at+jwt"), Some("AT+JWT"), Some("JOSE"), Some("")] {
        assert_eq!(judged(&plain(), fine), Ok(()), "{fine:?}");
    }
    for other in [
        "logout+jwt",
        "dpop+jwt",
        "secevent+jwt",
        "Application/DPoP+JWT",
        "LOGOUT+jwt",
        "kb+jwt",
        "oauth-authz-req+jwt",
        "token-introspection+jwt",
        "client-authentication+jwt",
    ] {
        assert_eq!(judged(&plain(), Some(other)), Err(Reason::TokenType), "{other}");
    }
    let only = with(|jwt| jwt.types = Some(vec!["at+jwt".into()]));
    assert_eq!(judged(&only, Some("Application/AT+jwt")), Ok(()));
    for other in [None, Some("JWT"), Some("x/at+jwt"), Some("application/application/at+jwt"), Some("at+jwt ")] {
        assert_eq!(judged(&only, other), Err(Reason::TokenType), "{other:?}");
    }
    let asked = with(|jwt| jwt.types = Some(vec!["dpop+jwt".into()]));
    assert_eq!(judged(&asked, Some("dpop+jwt")), Ok(()), "whoever names a type gets it");
}

#[test]
fn the_payload_goes_along_as_it_stood() {
    let payload = "{ \"b\":1.50, \"a\":\"\\u00fc\" }";
    let identity = judge(&plain(), &signed(Alg::HS256, r#"{"alg":"HS256"}"#, payload)).unwrap();
    let token = identity.token.unwrap();
    assert_eq!(token.encoded.unwrap(), b64(payload));
    assert_eq!(token.claims["a"], "ü");
    assert_eq!(&*identity.provider, "provider");
}
