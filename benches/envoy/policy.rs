//! Configurations of this filter.

use crate::tokens::{AUDIENCE, ISSUER};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use portcullis_harness::{Algorithm, Key, Plugin, jwks};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

/// Where the sample certificates have their roles.
pub(crate) const ROLES: &str = "1.3.6.1.4.1.62329.1.1";
pub(crate) const ROLE: &str = "https://registry.example/role/reader";

/// The filter with this configuration, in a VM of its own.
pub(crate) fn plugin(name: &str, configuration: Value) -> Plugin {
    // As text, like a control plane sends it.
    Plugin::new(portcullis_harness::Configuration::Text(configuration.to_string())).name(name)
}

/// No credential is looked at.
pub(crate) fn anyone() -> Value {
    json!({"providers": {"partners": secrets(1)}, "rules": [{"allow": "anyone"}]})
}

/// Static secrets of so many callers; [`secret`] has the secrets.
pub(crate) fn static_secrets(callers: usize) -> Value {
    json!({"providers": {"partners": secrets(callers)}, "rules": [{"require": "partners"}]})
}

/// The secret of a caller.
pub(crate) fn secret(caller: usize) -> String {
    format!("S7PhOYRVu0t6nC6a9jthgm3ZV3D664BAJZK4jM{caller:06}")
}

fn secrets(callers: usize) -> Value {
    let callers: Vec<Value> =
        (0..callers).map(|caller| json!({"id": caller_id(caller), "secrets": [{"sha256": sha256(&secret(caller))}]})).collect();
    json!({"static_secret": {"callers": callers}})
}

fn sha256(text: &str) -> String {
    STANDARD.encode(digest(&SHA256, text.as_bytes()))
}

/// Tokens of these public keys.
pub(crate) fn jwt_by_set(keys: &[Key]) -> Value {
    jwt(json!({"jwks": jwks(keys)}), keys)
}

/// The upstream learns nothing, as `jwt_authn` has it.
pub(crate) fn silent(mut policy: Value) -> Value {
    policy["upstream"] = json!({"headers": {}});
    policy
}

/// Tokens of one shared secret.
pub(crate) fn jwt_by_secret(key: &Key) -> Value {
    let secret = json!({"base64": STANDARD.encode(key.secret_bytes())});
    jwt(json!({"secret": secret}), std::slice::from_ref(key))
}

/// Tokens of so many callers, each with a key of its own; [`caller_key`] has the keys.
pub(crate) fn jwt_by_caller(callers: usize) -> Value {
    let list: Vec<Value> = (0..callers)
        .map(|caller| json!({"id": caller_id(caller), "secrets": [{"base64": STANDARD.encode(caller_key(caller).secret_bytes())}]}))
        .collect();
    jwt(json!({"callers": {"by": {"jose": "kid"}, "list": list}}), &[caller_key(0)])
}

/// The key of a caller, which its tokens name.
pub(crate) fn caller_key(caller: usize) -> Key {
    Key::secret(Algorithm::HS256, format!("the key of caller {caller:06}, 32 octets and more")).with_kid(&caller_id(caller))
}

fn caller_id(caller: usize) -> String {
    format!("caller-{caller:06}")
}

/// So many rules, of which the last is for the request: the others name other paths by this field of a match.
pub(crate) fn rules(count: usize, field: &str) -> Value {
    let others = (1..count).map(|rule| {
        let path = if field == "path_template" { format!("/service-{rule:04}/{{tenant}}/**") } else { format!("/service-{rule:04}") };
        json!({"match": {field: path}, "require": "partners"})
    });
    let rules: Vec<Value> = others.chain([json!({"match": {"path_prefix": "/accounts"}, "require": "partners"})]).collect();
    json!({"providers": {"partners": secrets(1)}, "rules": rules})
}

fn jwt(keys: Value, of: &[Key]) -> Value {
    let algorithms: Vec<&str> = of.first().map(|key| key.algorithm().name()).into_iter().collect();
    json!({
        "providers": {"users": {"jwt": {"keys": keys, "algorithms": algorithms, "issuers": [ISSUER], "audiences": [AUDIENCE]}}},
        "rules": [{"require": "users"}],
        // The benchmark is the flood that this stops.
        "limits": {"slow_verifications": 100_000}
    })
}

/// A role in the connection's client certificate.
pub(crate) fn client_certificate() -> Value {
    let identity = json!({"subject": {"dn": "CN"}, "roles": {"extension": ROLES, "type": "utf8_sequence"}});
    json!({
        "providers": {"members": {"client_certificate": {"source": "connection", "identity": identity}}},
        "rules": [{"require": {"provider": "members", "roles": ROLE}}]
    })
}
