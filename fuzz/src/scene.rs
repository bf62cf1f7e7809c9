//! The policies that whole decisions are made under, and every credential that a request can hold.

use serde_json::{Value, json};

use crate::material::{HMAC_KEY, NOW, Signer, ed25519_jwk, hex, sha256};

/// What the policy does with what it verified, and with paths that some read otherwise.
pub const VARIANTS: usize = 4;

/// A credential as a client may send it.
pub struct Credential {
    /// The text itself, without a scheme.
    pub text: String,
    /// Whose it is, if it is good.
    pub proves: Option<Proof>,
}

/// What a good credential proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The provider.
    pub provider: &'static str,
    /// The subject.
    pub subject: &'static str,
    /// Its roles.
    pub roles: &'static [&'static str],
    /// Its scopes.
    pub scopes: &'static [&'static str],
    /// Its claim of that name.
    pub tenant: Option<&'static str>,
}

/// The policy: rules for single paths, and for one host a rule for all that is left.
#[must_use]
pub fn policy(variant: usize) -> Value {
    let secret = |id: &str, text: &str| json!({"id": id, "sha256": sha256(text.as_bytes())});
    let mut expired = secret("old", "secret-of-audit");
    expired["not_after"] = json!("2026-12-31T00:00:00Z");
    let anybody = json!({"any": ["partners", "users", "machines"]});
    let mut policy = json!({
        "providers": {
            "partners": {
                "static_secret": {"callers": [
                    {"id": "billing", "roles": ["reader"], "secrets": [secret("now", "secret-of-billing")]},
                    {"id": "clerk", "roles": ["writer"], "secrets": [secret("clerk", "secret-of-clerk")]},
                    {"id": "audit", "roles": ["reader"], "secrets": [expired]}
                ]},
                "from": [{"header": "authorization", "scheme": "Bearer"}, {"header": "x-api-key"}, {"query": "access_token"},
                    {"cookie": "my_session", "origins": ["https://app.example"]}]
            },
            "users": {"jwt": {"keys": {"secret": {"hex": hex(HMAC_KEY)}}, "issuers": ["https://idp.example"], "audiences": ["api"]}},
            "machines": {"jwt": {"keys": {"jwks": {"keys": [ed25519_jwk()]}}, "issuers": ["https://machines.example"], "audiences": ["api"]}},
            "members": {"client_certificate": {"identity": {"subject": {"dn": "CN"}}, "accept": {"subjects": ["CN=member,O=Example,C=GB"]}}}
        },
        "rules": [
            {"match": {"path": "/healthz"}, "allow": "anyone"},
            {"match": {"path_prefix": "/internal"}, "deny": true},
            {"match": {"path_prefix": "/reports", "methods": ["GET"]}, "require": {"provider": "partners", "roles": "reader"}},
            {"match": {"path_template": "/tenants/{tenant}/**"}, "require": {"provider": "users", "claims": {"tenant": "{path.tenant}"}}},
            {"match": {"path_prefix": "/members"}, "require": "members"},
            {"match": {"path_prefix": "/payments"}, "require": {"all": ["members", "users"], "identity": "users"}},
            {"match": {"path_prefix": "/maybe"}, "require": {"provider": "users", "optional": true}},
            {"match": {"path_prefix": "/any"}, "require": &anybody},
            {"match": {"hosts": ["open.example"]}, "require": &anybody}
        ],
        "revoked": {"subjects": ["users/mallory"]},
        "limits": {"slow_verifications": 100_000},
        "upstream": {"remove": ["x-internal-*"]}
    });
    match variant % VARIANTS {
        1 => policy["upstream"]["credential"] = json!("keep"),
        2 => policy["paths"] = json!({"encoded_slash": "keep", "empty_segments": "keep", "parameters": "keep"}),
        3 => policy["mode"] = json!({"observe": {"until": "2030-01-01T00:00:00Z"}}),
        _ => {}
    }
    policy
}

/// Every credential, the good ones first.
#[must_use]
pub fn credentials() -> Vec<Credential> {
    const HS256: &str = r#"{"alg":"HS256","typ":"JWT"}"#;
    const EDDSA: &str = r#"{"alg":"EdDSA","kid":"m1"}"#;
    let claims = |changes: Value| {
        let mut claims =
            json!({"iss": "https://idp.example", "aud": ["api"], "sub": "ada", "tenant": "acme", "scope": "read write", "exp": NOW + 600});
        for (name, value) in changes.as_object().into_iter().flatten() {
            claims[name.as_str()] = value.clone();
        }
        claims.to_string()
    };
    let machine = |claims: &Value| Signer::Ed25519.token(EDDSA, claims.to_string());
    let proof = |provider, subject, roles, scopes, tenant| Some(Proof { provider, subject, roles, scopes, tenant });
    let good = [
        ("secret-of-billing".to_owned(), proof("partners", "billing", &["reader"], &[], None)),
        ("secret-of-clerk".to_owned(), proof("partners", "clerk", &["writer"], &[], None)),
        (Signer::Hmac.token(HS256, claims(json!({}))), proof("users", "ada", &[], &["read", "write"], Some("acme"))),
        (
            Signer::Hmac.token(HS256, claims(json!({"sub": "bob", "tenant": "other"}))),
            proof("users", "bob", &[], &["read", "write"], Some("other")),
        ),
        (
            machine(&json!({"iss": "https://machines.example", "aud": "api", "sub": "robot", "exp": NOW + 600})),
            proof("machines", "robot", &[], &[], None),
        ),
    ];
    let forged = |token: String| token.split('.').take(2).collect::<Vec<_>>().join(".");
    let bad = [
        "secret-of-audit".to_owned(),
        "secret-of-nobody".to_owned(),
        Signer::Hmac.token(HS256, claims(json!({"exp": NOW - 600}))),
        Signer::Hmac.token(HS256, claims(json!({"nbf": NOW + 600}))),
        Signer::Hmac.token(HS256, claims(json!({"aud": "web"}))),
        Signer::Hmac.token(HS256, claims(json!({"iss": "https://machines.example"}))),
        Signer::Hmac.token(HS256, claims(json!({"sub": "mallory"}))),
        Signer::Hmac.token(HS256, claims(json!({"cnf": {"jkt": "x"}}))),
        Signer::Hmac.token(r#"{"alg":"HS256","crit":["exp"]}"#, claims(json!({}))),
        Signer::Hmac.token(r#"{"alg":"none"}"#, claims(json!({}))),
        Signer::Hmac.token(EDDSA, claims(json!({"iss": "https://machines.example"}))),
        Signer::Ed25519.token(HS256, claims(json!({}))),
        machine(&json!({"iss": "https://idp.example", "aud": "api", "sub": "robot", "exp": NOW + 600})),
        machine(&json!({"iss": "https://machines.example", "aud": "api", "sub": "robot", "exp": NOW - 600})),
        format!("{}.", forged(Signer::Hmac.token(HS256, claims(json!({}))))),
        format!("{}.{}", forged(Signer::Hmac.token(HS256, claims(json!({"tenant": "evil"})))), "A".repeat(43)),
    ];
    let good = good.into_iter().map(|(text, proves)| Credential { text, proves });
    good.chain(bad.into_iter().map(|text| Credential { text, proves: None })).collect()
}
