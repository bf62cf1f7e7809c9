//! What Envoy has of its own, configured to do the same.

use crate::tokens::{AUDIENCE, ISSUER};
use portcullis_harness::{Key, jwks};
use serde_json::{Value, json};

/// As many tokens as this filter remembers.
const CACHE: u32 = 10_000;

/// Tokens of these keys; HMAC keys, too.
pub(crate) fn jwt_authn(keys: &[Key], has_cache: bool) -> Value {
    let mut provider = json!({
        "issuer": ISSUER, "audiences": [AUDIENCE],
        "local_jwks": {"inline_string": jwks(keys).to_string()}
    });
    if has_cache {
        provider["jwt_cache_config"] = json!({"jwt_cache_size": CACHE});
    }
    filter(
        "jwt_authn",
        "jwt_authn.v3.JwtAuthentication",
        json!({
            "providers": {"users": provider},
            "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "users"}}]
        }),
    )
}

/// Secrets in the clear.
pub(crate) fn api_key_auth(secrets: impl IntoIterator<Item = String>) -> Value {
    let credentials: Vec<Value> =
        secrets.into_iter().enumerate().map(|(index, key)| json!({"key": key, "client": format!("caller-{index:06}")})).collect();
    filter(
        "api_key_auth",
        "api_key_auth.v3.ApiKeyAuth",
        json!({
            "credentials": credentials,
            "key_sources": [{"header": "Authorization"}],
            // As this filter does.
            "forwarding": {"header": "x-auth-subject", "hide_credentials": true}
        }),
    )
}

/// Asks a server for each request: over HTTP, which takes less of both than gRPC.
pub(crate) fn ext_authz(cluster: &str) -> Value {
    filter(
        "ext_authz",
        "ext_authz.v3.ExtAuthz",
        json!({"http_service": {"server_uri": {"uri": "http://authz.test", "cluster": cluster, "timeout": "5s"}}}),
    )
}

/// HS256 in Lua.
pub(crate) fn lua(key: &Key) -> Value {
    let hex: String = key.secret_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let script = include_str!("hs256.lua").replace("@KEY@", &hex).replace("@ISSUER@", ISSUER).replace("@AUDIENCE@", AUDIENCE);
    filter("lua", "lua.v3.Lua", json!({"default_source_code": {"inline_string": script}}))
}

fn filter(name: &str, kind: &str, mut config: Value) -> Value {
    config["@type"] = json!(format!("type.googleapis.com/envoy.extensions.filters.http.{kind}"));
    json!({"name": name, "typed_config": config})
}
