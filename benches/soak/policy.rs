//! The policy: every kind of provider, and rules of every kind.

use portcullis_harness::{Algorithm, Key, jwks};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

pub(crate) const ISSUER: &str = "https://idp.test";
pub(crate) const SHARED_ISSUER: &str = "https://shared.test";
pub(crate) const WEB_ISSUER: &str = "https://web.test";
pub(crate) const APP: &str = "https://app.test";
pub(crate) const ROLES: &str = "1.3.6.1.4.1.62329.1.1";

/// The secret of a partner.
pub(crate) fn secret(partner: &str) -> String {
    format!("{partner}-has-a-secret-of-more-than-128-bits")
}

/// The key that the house's own services share.
pub(crate) fn shared_key() -> Key {
    Key::secret(Algorithm::HS256, "what the services of the house share, 32 octets and more")
}

pub(crate) const ENGINES: [&str; 3] = ["001", "002", "003"];

/// The key of an engine.
pub(crate) fn engine_key(id: &str) -> Key {
    Key::secret(Algorithm::HS256, format!("the key of engine {id}, of 32 octets and more"))
}

/// The key of the web site's sessions.
pub(crate) fn web_key() -> Key {
    Key::fixed(Algorithm::ES256, 99)
}

/// Variables of Envoy's environment that hold secrets.
pub(crate) fn environment() -> Vec<(String, String)> {
    let text = |key: &Key| String::from_utf8(key.secret_bytes()).expect("text");
    let mut variables = vec![("SHARED".to_owned(), text(&shared_key()))];
    variables.extend(ENGINES.map(|id| (format!("ENGINE_{id}"), text(&engine_key(id)))));
    variables
}

pub(crate) fn configuration(revoked_certificate: &str) -> Value {
    let caller = |id: &str, roles: &[&str]| json!({"id": id, "roles": roles, "secrets": [{"id": "2026", "sha256": hex(&secret(id))}]});
    let engines = ENGINES.map(|id| json!({"id": id, "roles": ["engine"], "secrets": [{"env": format!("ENGINE_{id}"), "as": "text"}]}));
    let remote_keys = json!({
        "jwks_uri": "http://idp.test/.well-known/jwks.json", "cluster": "idp", "insecure_http": true,
        "refresh": "2s", "unknown_kid": {"cooldown": "2s"}
    });
    let login = json!({
        "credential": "basic",
        "endpoints": {"default": {"cluster": "login", "uri": "http://login.test/login", "insecure_http": true}},
        "request": {"timeout": "20s", "json": {"username": "{username}", "password": "{password}"}},
        "identity": {"subject": {"claim": "id"}, "roles": {"claim": "roles"}},
        "max_in_flight": 1000
    });
    json!({
        "providers": {
            "partners": {
                "static_secret": {"callers": [caller("billing", &["reader", "payer"]), caller("audit", &["writer"]), caller("mallory", &["reader"])]},
                "from": [{"header": "x-api-key"}, {"query": "api_key"}]
            },
            "shared": {"jwt": {"keys": {"secret": {"env": "SHARED", "as": "text"}}, "issuers": [SHARED_ISSUER], "audiences": ["api"]}},
            "engines": {
                "jwt": {"keys": {"callers": {"by": {"claim": "id"}, "list": engines}}},
                "from": [{"header": "x-engine"}]
            },
            "users": {"jwt": {
                "keys": remote_keys, "issuers": [ISSUER], "audiences": ["api"], "identity": {"roles": [{"claim": "roles"}]}
            }},
            "web": {
                "jwt": {"keys": {"jwks": jwks([&web_key()])}, "issuers": [WEB_ISSUER], "audiences": ["web"]},
                "from": [{"cookie": "session", "origins": [APP]}]
            },
            "members": {"client_certificate": {
                "identity": {"subject": {"dn": "CN"}, "roles": {"extension": ROLES, "type": "utf8_sequence"}}
            }},
            "shoppers": {"remote": login}
        },
        "rules": rules(),
        "upstream": {
            "remove": ["x-ep-*", "x-internal"],
            "payload_header": "x-jwt-payload",
            "headers": {
                "x-auth-provider": {"identity": "provider"},
                "x-auth-subject": {"identity": "subject"},
                "x-auth-roles": {"identity": "roles"},
                "x-auth-scopes": {"identity": "scopes"},
                "x-tenant": {"claim": "tenant"}
            }
        },
        // The client reads the reason, so that every one can be checked.
        "reject": {"explain": true},
        // Small enough to be full after some seconds.
        "cache": {"entries": 2000, "bytes": "4MiB"},
        // Whoever floods is this program.
        "limits": {"waiting": 10_000, "slow_verifications": 100_000},
        "revoked": {"subjects": ["partners/mallory"], "jti": ["stolen"], "certificate_sha256": [revoked_certificate]}
    })
}

fn rules() -> Value {
    json!([
        {"match": {"path_prefix": "/healthz"}, "allow": "anyone"},
        {"match": {"path_prefix": "/internal"}, "deny": true},
        {"match": {"path_prefix": "/partners"}, "require": {"provider": "partners", "roles": "reader"}},
        {"match": {"path_prefix": "/shared"}, "require": "shared"},
        {"match": {"path_prefix": "/engine"}, "require": "engines"},
        {"match": {"path_template": "/tenants/{tenant}/**"}, "require": {"provider": "users", "claims": {"tenant": "{path.tenant}"}}},
        {"match": {"path_prefix": "/users", "methods": ["GET"]}, "require": {"provider": "users", "scopes": "read"}},
        {"match": {"path_prefix": "/accounts"}, "require": {"provider": "users", "any_of": [{"roles": "auditor"}, {"scopes": "read"}]}},
        {"match": {"path_prefix": "/web"}, "require": "web"},
        {"match": {"path_prefix": "/members"}, "require": {"provider": "members", "roles": "reader"}},
        {"match": {"path_prefix": "/login"}, "require": "shoppers"},
        {"match": {"path_prefix": "/optional"}, "require": {"provider": "users", "optional": true}},
        {"match": {"path_prefix": "/any"}, "require": {"any": ["partners", "users", "shared"]}},
        {"match": {"path_prefix": "/all"}, "require": {"all": ["partners", "users"], "identity": "users"}}
    ])
}

pub(crate) fn hex(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}
