//! Every fault is found, where it stands, and none of them holds a secret.

use serde_json::{Value, json};

use super::{OTHER_DIGEST, assert_faults, base, env, faults, load, loaded, with};
use crate::policy::Kind;

#[test]
fn many_faults_are_found_in_one_go() {
    let short = "S7PhOYRVu0t6nC6a9jthgm3ZV3D664BAJZK4jM3+DQ==";
    let config = json!({
        "provider": {},
        "providers": {
            "partners": {
                "static_secret": {"callers": [
                    {"id": "billing", "secrets": [{"sha256": short}]},
                    {"id": 7, "roles": ["reader", null], "secrets": [{"sha256": {"env": "NOWHERE"}, "not_after": "tomorrow"}, {}]},
                ]},
                "from": [{"header": "cookie"}, {"header": "a b"}],
            },
            "cognito": {"jwt": {"keys": {"jwks_uri": "http://idp/keys", "refresh": 60}, "clock_skew": "1 minute", "bind": {}, "cnf": "maybe"}},
            "nothing": {},
        },
        "rules": [
            {"match": {"path": "/a", "path_prefix": "/a"}, "require": "nobody"},
            {"allow": "anyone", "deny": true},
            {"require": {"provider": "partners", "roles": ["a", "b"]}},
        ],
        "reject": {"status": {"token_old": 403, "token_expired": 200}},
        "limits": {"waiting": true},
    });
    assert_faults(
        &config,
        &[
            "limits.waiting: true or false, where a whole number is wanted",
            "provider: unknown field; known here: providers, rules, upstream, ",
            "providers.cognito.jwt.audiences: missing; with a JWKS",
            "providers.cognito.jwt.bind.certificate: missing",
            "providers.cognito.jwt.clock_skew: not a duration; write a whole number and one of ms, s, m, h",
            "providers.cognito.jwt.cnf: not a word that is known here; known: refuse, ignore",
            "providers.cognito.jwt.issuers: missing; with a JWKS",
            "providers.cognito.jwt.keys.cluster: missing; the name of the Envoy cluster",
            "providers.cognito.jwt.keys.insecure_http: missing; a plain http jwks_uri needs insecure_http: true",
            "providers.cognito.jwt.keys.refresh: a number, where a duration with its unit",
            "providers.nothing: write exactly one of static_secret, jwt, client_certificate",
            "providers.partners.from[0].header: cookies are many things",
            "providers.partners.from[1].header: not a header name",
            "providers.partners.static_secret.callers[0].secrets[0].sha256: 31 bytes after base64; a SHA-256 digest has 32",
            "providers.partners.static_secret.callers[1].id: a number or a boolean, where text is wanted: quote it",
            "providers.partners.static_secret.callers[1].roles[1]: null; leave the field out, or write text",
            "providers.partners.static_secret.callers[1].secrets[0].not_after: not a time of RFC 3339",
            "providers.partners.static_secret.callers[1].secrets[0].sha256.env: the environment variable NOWHERE is not set",
            "providers.partners.static_secret.callers[1].secrets[1].sha256: missing",
            "reject.status.token_expired: not a status for a refusal: 400 to 599",
            "reject.status.token_old: not a reason code; known: credential_missing, ",
            "rules[0].match: write at most one of path, path_prefix, path_template",
            "rules[0].require: there is no provider nobody; there are: cognito, nothing, partners",
            "rules[1]: write exactly one of allow, deny, require",
            "rules[2].require.roles: a bare list can be read both ways; write {all: [...]} or {any: [...]}",
        ],
    );
}

#[test]
fn tokens_are_bound_to_a_provider_of_certificates() {
    let bound_to = |provider: &str| with(base(), "/providers/tokens/jwt/bind", json!({"certificate": provider}));
    for (provider, wrong) in [
        ("nobody", "there is no provider nobody"),
        ("tokens", "no provider of client certificates: tokens"),
        ("secrets", "no provider of client certificates: secrets"),
    ] {
        assert_faults(&bound_to(provider), &[&format!("providers.tokens.jwt.bind.certificate: {wrong}")]);
    }
    // Wherever its name stands among the others.
    let certificates = json!({"client_certificate": {}});
    for name in ["a", "zz"] {
        let policy = loaded(&with(bound_to(name), &format!("/providers/{name}"), certificates.clone()));
        let bound = policy.providers.iter().find_map(|provider| if let Kind::Jwt { jwt, .. } = &provider.kind { jwt.bind } else { None });
        assert_eq!(bound.and_then(|id| policy.provider(id)).map(|provider| &*provider.name), Some(name));
    }
    loaded(&bound_to("members"));
}

#[test]
fn no_fault_holds_a_secret() {
    let secret = "hunter2-hunter2";
    for pointer in [
        "/providers/secrets/static_secret/sha256",
        "/providers/secrets/static_secret",
        "/providers/tokens/jwt/keys",
        "/providers/tokens/jwt/keys/secret",
        "/providers/tokens/jwt/keys/headers",
        "/providers/tokens/jwt/keys/headers/authorization/env/x",
        "/upstream/headers/x-secret/secret",
        "/upstream/headers/x-secret/secret/as",
        "/upstream/headers/x-secret/secret/hex",
        "/upstream/headers/x-secret/secret/base64",
        "/upstream/headers/x-secret/certificate",
    ] {
        for value in [json!(secret), json!([secret]), json!({"text": [secret]}), json!({"text": format!("{secret}\n")})] {
            let found = faults(&with(base(), pointer, value)).join("\n");
            assert!(!found.contains(secret), "{found}");
        }
    }
    let in_env = |name: &str| if name == "S" { Some(format!("{secret}\u{e9}\n")) } else { env(name) };
    for value in [json!({"env": "S"}), json!({"env": "S", "as": "hex"}), json!({"env": "S", "as": "base64"})] {
        let config = with(base(), "/upstream/headers/x-secret", json!({"secret": value}));
        let config = with(config, "/providers/secrets/static_secret/sha256", json!({"env": "S"}));
        let config = with(config, "/providers/tokens/jwt/keys/headers/authorization", json!({"env": "S"}));
        let found = load(config.to_string().as_bytes(), &in_env).map(|_| ()).unwrap_err();
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(!format!("{found:?}").contains(secret), "{found:?}");
    }
}

#[test]
fn a_fault_is_one_line_whatever_the_names() {
    let found = faults(&with(base(), "/a b\n.c", json!(1)));
    assert!(found[0].starts_with("\"a b\\n.c\": unknown field"), "{}", found[0]);
    let found = faults(&with(base(), "/rules/0/require", json!("no\u{202e}body")));
    assert!(!found[0].contains('\n'));
}

/// Every field that is supported, for tests that change it.
pub(super) fn one_of_everything() -> Value {
    let config = with(
        base(),
        "/providers/callers",
        json!({"static_secret": {"callers": [{
        "id": "a", "roles": ["r"], "secrets": [{"id": "1", "sha256": OTHER_DIGEST, "not_before": "2026-01-01T00:00:00Z", "not_after": "2027-01-01T00:00:00Z"}],
    }]}, "from": [{"header": "x-key"}, {"query": "key"}, {"cookie": "key", "origins": ["https://app.example", "http://localhost:3000"]}], "upstream": {"credential": "keep", "remove": ["x-a*"], "headers": {"x-b": {"value": "b"}}}}),
    );
    let config = with(
        config,
        "/providers/inline",
        json!({"jwt": {
            "keys": {"callers": {"by": {"claim_path": ["a", "b"]}, "list": [{"id": "1", "roles": ["r"], "secrets": [{"id": "k", "env": "HEX", "as": "hex", "bytes": 32}]}]}},
            "issuers": "any", "audiences": ["b"], "subjects": ["s"], "claims": [{"a": 1}, {"claim_path": ["x"], "is": {"none": [true, "y"]}}],
            "algorithms": ["HS256"], "required_claims": ["exp", "sub"], "clock_skew": "1s", "max_token_age": "1h", "max_future": "0s",
            "max_token_lifetime": "500ms", "types": "jwt", "cnf": "ignore", "require_kid": true, "streams": "keep", "formats": ["jws"],
            "identity": {"subject": {"claim_path": ["a"]}, "scopes": [{"claim": "s"}], "roles": {"claim": "r", "separator": ","}, "grants": {"a": "r"}},
        }}),
    );
    let config = with(
        config,
        "/providers/tokens/jwt/keys",
        json!({
            "jwks_uri": "http://idp.example:8080/keys?a=b", "cluster": "c", "headers": {"authorization": {"env": "TEXT", "prefix": "Bearer "}, "x": "y"},
            "refresh": "1m", "timeout": "1s", "wait": "0s", "unknown_kid": {"cooldown": "1h"}, "max_stale": "1m", "max_body": 65536, "insecure_http": true,
        }),
    );
    let config = with(
        config,
        "/providers/members/client_certificate",
        json!({
            "source": {"header": "X-Cert", "trusted": {"sha256": [OTHER_DIGEST, {"env": "DIGEST"}]}}, "verified_by": "listener", "server_name": "any", "accept": {"issuers": ["CN=a"], "subjects": "CN=b"},
            "identity": {"subject": {"san": "uri"}, "roles": {"extension": "1.3.6.1", "type": "utf8"}, "grants": {"x": ["y"]},
                "attributes": {"member": {"dn": "o"}, "hash": {"fingerprint": "sha256"}}},
        }),
    );
    let config = with(
        config,
        "/rules",
        json!([
            {"match": {"path_template": "/a/{x}/**", "methods": ["GET"], "hosts": "a.example", "headers": {"x-y": "z"}, "upgrades": ["h2c"]},
                "require": {"provider": "tokens", "roles": {"any": ["a", "b"]}, "scopes": {"exists": true}, "audiences": "api",
                    "claims": {"a": "{path.x}"}, "any_of": [{"roles": "x"}]}},
            {"match": {"path_prefix": "/b/", "cors_preflight": false}, "require": {"all": ["tokens", {"provider": "callers", "optional": true}], "identity": "tokens"}},
            {"match": {"path": "/c"}, "require": {"use": "staff"}, "mode": "enforce"},
            {"match": {"path": "/d"}, "deny": true},
            {"allow": "anyone"},
        ]),
    );
    let config = with(
        config,
        "/requirements",
        json!({"staff": {"any": [{"provider": "members", "attributes": {"member": "m"}}, {"use": "both"}]},
        "both": {"all": ["secrets", "tokens"], "identity": "secrets"}}),
    );
    let config = with(
        config,
        "/upstream",
        json!({"credential": "strip", "remove": "x-c", "headers": {
        "x-d": {"identity": "roles", "prefix": "p", "single": true, "required": true, "encode": "percent"}, "x-e": {"claim": "c", "of": "tokens"},
        "x-f": {"attribute": "hash"}, "x-g": {"certificate": "percent_encoded_pem"}, "x-h": {"secret": {"text": "inline"}}}, "payload_header": "x-i"}),
    );
    let config = with(
        config,
        "/reject",
        json!({"realm": "r", "forbidden": 403, "status": {"no_rule": 404}, "messages": {"denied": "no"}, "body": "none",
        "explain": true, "challenge": "none", "resource_metadata": "https://a.example/x"}),
    );
    let config = with(config, "/paths", json!({"encoded_slash": "keep", "empty_segments": "keep", "parameters": "refuse"}));
    let config =
        with(config, "/revoked", json!({"subjects": "callers/a", "jti": ["1", "1"], "kids": ["k"], "certificate_sha256": [OTHER_DIGEST]}));
    with(with(config, "/limits", json!({"waiting": 1, "slow_verifications": 100_000})), "/mode", json!("enforce"))
}

#[test]
fn one_of_everything_loads() {
    let (policy, warnings) = super::try_load(&one_of_everything()).unwrap_or_else(|faults| panic!("{}", super::lines(&faults).join("\n")));
    assert_eq!(policy.providers.len(), 5);
    let warnings: Vec<_> = warnings.iter().map(ToString::to_string).collect();
    assert!(
        matches!(&warnings[..], [only] if only.starts_with("upstream.headers.x-h.secret.text: ") && !only.contains("inline")),
        "{warnings:?}"
    );
}
