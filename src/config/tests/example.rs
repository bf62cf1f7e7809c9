//! The configuration that the documentation shows.

use std::time::Duration;

use serde_json::{Value, json};

use super::{DIGEST, OTHER_DIGEST, assert_faults, base, env, load, loaded, with};
use crate::authenticator::jwt::{CallerBy, Format, Keys};
use crate::authenticator::{CertificateSource, Handshake, MemberAttribute, MemberRoles, MemberSubject, ServerName, VerifiedBy};
use crate::constant::Constant;
use crate::credential::{Origins, Place};
use crate::keys::Alg;
use crate::policy::{Action, Body, Challenge, HostPattern, Kind, Operand, PathMatch, Policy, Requirement, Source, Test};
use crate::reason::Reason;

fn example() -> Value {
    json!({
        "providers": {
            "partners": {
                "static_secret": {"callers": [{
                    "id": "billing", "roles": ["reader"],
                    "secrets": [
                        {"id": "2026q4", "sha256": DIGEST, "not_after": "2027-06-30T00:00:00Z"},
                        {"id": "2027q1", "sha256": {"env": "DIGEST"}, "not_before": "2027-01-01T00:00:00Z"},
                    ],
                }]},
                "from": [{"header": "X-Api-Key"}, {"query": "access_token"}, {"cookie": "session", "origins": ["https://app.example"]}],
            },
            "cognito": {"jwt": {
                "keys": {
                    "jwks_uri": "https://cognito-idp.eu-west-1.amazonaws.com/POOL/.well-known/jwks.json", "cluster": "cognito",
                    "headers": {}, "refresh": "1h", "timeout": "5s", "wait": "5s", "max_stale": "72h", "max_body": "64KiB",
                    "unknown_kid": {"cooldown": "30s"},
                },
                "issuers": ["https://cognito-idp.eu-west-1.amazonaws.com/POOL"],
                "audiences": ["api"], "subjects": ["a", "b"], "claims": {"token_use": "access"}, "algorithms": ["RS256", "ES256"],
                "required_claims": ["exp"], "clock_skew": "60s", "max_token_age": "60s", "max_future": "60s", "max_token_lifetime": "24h",
                "types": ["at+jwt", "application/JWT"], "cnf": "refuse", "require_kid": false, "streams": "keep", "formats": ["jws"],
                "identity": {
                    "subject": {"claim": "sub"}, "scopes": [{"claim": "scope"}, {"claim": "scp"}],
                    "roles": [{"claim_path": ["realm_access", "roles"]}, {"claim": "groups"}], "grants": {"alice": ["admin"]},
                },
            }},
            "members": {"client_certificate": {
                "source": "connection", "server_name": "host", "accept": {"issuers": [], "subjects": []},
                "identity": {
                    "subject": {"dn": "CN"}, "roles": {"extension": "1.3.6.1.4.1.62329.1.1", "type": "utf8_sequence"},
                    "grants": {"PSDGB-FCA-1": ["payments"]},
                    "attributes": {"member": {"extension": "1.3.6.1.4.1.62329.1.3", "type": "utf8"}},
                },
            }},
        },
        "rules": [
            {"match": {"path": "/healthz"}, "allow": "anyone"},
            {"match": {"cors_preflight": true}, "allow": "anyone"},
            {
                "match": {"path_prefix": "/api/v1/supply-voltage", "methods": ["GET"]},
                "require": {"provider": "members", "roles": "https://registry.estf.ib1.org/scheme/electricty/role/supply-voltage-reader"},
            },
            {
                "match": {"path_template": "/tenants/{tenant}/**", "hosts": ["*.example.com"], "headers": {"X-Version": "2"}},
                "require": {"provider": "cognito", "scopes": {"all": ["api/read", "api/write"]}, "claims": {"tenant": "{path.tenant}"}},
            },
            {
                "match": {"path_prefix": "/accounts"},
                "require": {"provider": "cognito", "any_of": [{"scopes": "accounts.read"}, {"roles": "accounts.reader"}]},
            },
            {"match": {"path_prefix": "/payments"}, "require": {"all": ["members", "cognito"], "identity": "cognito"}},
            {"match": {"path_prefix": "/internal"}, "deny": true},
            {"match": {"path_prefix": "/staff"}, "require": {"use": "staff"}},
            {"require": {"any": ["partners", "cognito"]}},
        ],
        "upstream": {
            "credential": "strip", "remove": ["x-ep-*"],
            "headers": {
                "X-Auth-Subject": {"identity": "subject"}, "x-member": {"attribute": "member", "of": "members", "required": true},
                "x-secret": {"secret": {"env": "TEXT"}, "prefix": "Bearer "}, "x-tenant": {"claim": "tenant", "single": true, "encode": "percent"},
            },
            "payload_header": "x-jwt-payload",
        },
        "reject": {
            "realm": "api", "forbidden": 401, "status": {"token_expired": 403},
            "messages": {"credential_missing": "No client certificate provided", "role_missing": "Client certificate does not include role {role}"},
            "body": "problem", "explain": false, "challenge": "bearer",
            "resource_metadata": "https://api.example/.well-known/oauth-protected-resource",
        },
        "paths": {"encoded_slash": "refuse", "empty_segments": "refuse", "parameters": "keep"},
        "cache": {"entries": "10000", "bytes": "16MiB"},
        "limits": {"waiting": "1000", "slow_verifications": 200},
        "revoked": {"subjects": ["partners/billing"], "jti": ["1"], "kids": ["k"], "certificate_sha256": [DIGEST]},
        "mode": "enforce",
        "requirements": {"staff": {"any": ["members", "cognito"]}},
    })
}

fn names(policy: &Policy) -> Vec<&str> {
    policy.providers.iter().map(|provider| &*provider.name).collect()
}

#[test]
fn the_documented_example_loads() {
    let (policy, warnings) = load(example().to_string().as_bytes(), &env).unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!(names(&policy), ["cognito", "members", "partners"]);
    assert!(policy.names_paths);
    assert!(!policy.paths.encoded_slash && policy.paths.parameters);
    assert_eq!(policy.cache, crate::policy::CacheBounds { entries: 10_000, bytes: 16 << 20 });
    assert_eq!((policy.limits.waiting, policy.limits.slow_verifications), (1000, 200));

    let Kind::Jwt { jwt, from } = &policy.providers[0].kind else { panic!() };
    assert_eq!(*from, [Place::Header { name: "authorization".into(), scheme: Some("bearer".into()) }]);
    assert_eq!(jwt.algorithms, [Alg::RS256, Alg::ES256].into());
    assert_eq!(jwt.types, Some(vec!["at+jwt".into(), "jwt".into()]));
    assert_eq!(jwt.max_token_lifetime, Some(Duration::from_secs(86400)));
    assert_eq!(jwt.identity.roles[0].path, ["realm_access", "roles"]);
    assert_eq!(jwt.identity.grants["alice"], ["admin"]);
    let Keys::Remote { set, .. } = jwt.keys else { panic!() };
    let (_, remote) = policy.key_sets.iter().find(|(id, _)| *id == set).unwrap();
    assert_eq!((&*remote.scheme, &*remote.authority), ("https", "cognito-idp.eu-west-1.amazonaws.com"));
    assert_eq!(remote.path, "/POOL/.well-known/jwks.json");
    assert_eq!((remote.max_body, remote.refresh, remote.cooldown), (65536, Duration::from_secs(3600), Duration::from_secs(30)));

    let Kind::ClientCertificate(members) = &policy.providers[1].kind else { panic!() };
    let CertificateSource::Connection(Handshake { server_name, verified_by }) = members.source else { panic!() };
    assert_eq!((server_name, verified_by), (ServerName::Host, VerifiedBy::Attribute));
    assert_eq!(members.identity.subject, MemberSubject::Dn("CN".into()));
    assert!(matches!(members.identity.roles, Some(MemberRoles::Utf8Sequence(_))));
    assert!(matches!(&members.identity.attributes[..], [(name, MemberAttribute::Utf8(_))] if **name == *"member"));

    let Kind::StaticSecret { from, .. } = &policy.providers[2].kind else { panic!() };
    let origins = Origins::These(vec!["https://app.example".into()]);
    let session = Place::Cookie { name: "session".into(), origins };
    assert_eq!(*from, [Place::Header { name: "x-api-key".into(), scheme: None }, Place::Query("access_token".into()), session]);

    assert_eq!(policy.reject.status, [(Reason::TokenExpired, 403)]);
    assert_eq!((policy.reject.body, policy.reject.challenge), (Body::Problem, Some(Challenge::Bearer)));
}

#[test]
fn the_documented_rules_mean_what_they_say() {
    let policy = loaded(&example());
    let require = |index: usize| match &policy.rules[index].then {
        Action::Require(demand) => demand.requirement(),
        other => panic!("{other:?}"),
    };
    assert!(matches!(policy.rules[0].then, Action::Anyone));
    assert_eq!(policy.rules[0].when.path, Some(PathMatch::Exact("/healthz".into())));
    assert!(policy.rules[1].when.cors_preflight);
    assert_eq!(policy.rules[2].when.methods, Some(["GET".into()].into()));
    assert_eq!(policy.rules[3].when.hosts, [HostPattern::Below("example.com".into())]);
    assert_eq!(policy.rules[3].when.headers, [("x-version".into(), b"2".to_vec())]);
    let Requirement::One(need) = require(3) else { panic!() };
    assert!(matches!(&need.conditions[0].test, Test::All(scopes) if scopes.len() == 2));
    assert!(
        matches!(&need.conditions[1].test, Test::All(tenant) if matches!(&tenant[..], [Operand::Variable(name)] if **name == *"tenant"))
    );
    let Requirement::One(need) = require(4) else { panic!() };
    assert_eq!((need.conditions.len(), need.any_of.len()), (0, 2));
    let Requirement::All { members, identity } = require(5) else { panic!() };
    assert_eq!((members.len(), identity.map(|id| &*policy.providers[id.0].name)), (2, Some("cognito")));
    assert!(matches!(policy.rules[6].then, Action::Deny));
    assert!(matches!(require(7), Requirement::Any(members) if members.len() == 2));
}

#[test]
fn upstream_headers_and_what_no_client_may_send() {
    let policy = loaded(&example());
    let upstream = &policy.providers[0].upstream;
    let headers: Vec<_> = upstream.headers.iter().map(|header| &*header.name).collect();
    assert_eq!(headers, ["x-auth-subject", "x-member", "x-secret", "x-tenant"]);
    assert!(matches!(&upstream.headers[2].source, Source::Value(Constant(secret)) if secret.len() == 32));
    assert!(upstream.headers[1].required && upstream.headers[1].of.is_some() && upstream.headers[3].percent_encode);
    for removed in [
        "x-ep-user",
        "X_Auth_Subject",
        "x-member",
        "x-secret",
        "x-tenant",
        "x-jwt-payload",
        "authorization",
        "x-api-key",
        "x-original-url",
        "x-http-method-override",
    ] {
        assert!(policy.removal.covers(removed.to_ascii_lowercase().as_bytes()), "{removed}");
    }
    assert!(!policy.removal.covers(b"x-auth-roles"));
    assert_eq!(policy.removal.queries(), ["access_token".into()]);
}

#[test]
fn a_provider_wins_over_the_upstream_of_all_field_by_field() {
    let config = with(base(), "/upstream", json!({"payload_header": "x-payload"}));
    let config = with(config, "/providers/secrets/upstream", json!({"headers": {"x-caller": {"identity": "subject"}}, "remove": "x-old"}));
    let policy = loaded(&with(config, "/providers/tokens/upstream", json!({"credential": "keep"})));
    let [members, secrets, tokens] = &policy.providers[..] else { panic!() };
    assert_eq!(members.upstream.headers.len(), 4);
    assert_eq!(secrets.upstream.headers.iter().map(|header| &*header.name).collect::<Vec<_>>(), ["x-caller"]);
    assert_eq!(secrets.upstream.payload_header.as_deref(), Some("x-payload"));
    assert!(tokens.upstream.keep_credential && !secrets.upstream.keep_credential && tokens.upstream.headers.len() == 4);
    for removed in ["x-caller", "x-old", "x-payload", "x-auth-roles"] {
        assert!(policy.removal.covers(removed.as_bytes()), "{removed}");
    }
    assert!(!policy.removal.covers(b"x-original-url"), "no rule names a path");
}

#[test]
fn the_shortest_configurations() {
    let policy = loaded(&json!({"providers": {"me": {"static_secret": {"sha256": OTHER_DIGEST}}}}));
    assert!(
        matches!(&policy.rules[..], [rule] if matches!(&rule.then, Action::Require(demand) if matches!(demand.requirement(), Requirement::One(_))))
    );
    assert!(!policy.names_paths);
    let headers: Vec<_> = policy.providers[0].upstream.headers.iter().map(|header| &*header.name).collect();
    assert_eq!(headers, ["x-auth-provider", "x-auth-roles", "x-auth-scopes", "x-auth-subject"]);
    assert_eq!((policy.reject.forbidden, policy.limits.waiting), (401, 1000));

    let policy = loaded(&json!({
        "providers": {"engine": {"jwt": {"keys": {"secret": {"env": "HEX", "as": "hex", "bytes": "32"}}, "required_claims": [], "max_token_age": "60s"}}},
        "upstream": {"headers": {}},
    }));
    let Kind::Jwt { jwt, .. } = &policy.providers[0].kind else { panic!() };
    assert_eq!((jwt.algorithms, jwt.clock_skew, jwt.max_future), ([Alg::HS256].into(), Duration::from_secs(60), Duration::from_secs(60)));
    assert!(policy.providers[0].upstream.headers.is_empty() && jwt.required_claims.is_empty() && jwt.issuers.is_none());
}

#[test]
fn callers_with_keys_of_their_own() {
    let callers =
        json!({"by": {"jose": "kid"}, "list": [{"id": "001", "roles": "watcher", "secrets": [{"id": "k", "env": "TEXT", "as": "text"}]}]});
    let policy = loaded(&json!({"providers": {"cyphernode": {"jwt": {"keys": {"callers": callers}}}}, "rules": [
        {"require": {"provider": "cyphernode", "roles": "watcher"}},
    ]}));
    let Kind::Jwt { jwt, .. } = &policy.providers[0].kind else { panic!() };
    let Keys::Callers(callers) = &jwt.keys else { panic!() };
    assert!(matches!(callers.by, CallerBy::Kid) && jwt.identity.subject.is_none());
    assert_eq!((&callers.list["001"].roles[..], callers.list["001"].secrets[0].0.as_deref()), (&["watcher".to_owned()][..], Some("k")));
}

#[test]
fn formats_of_cyphernode() {
    let config = |formats: Value, keys: Value, algorithms: &str| {
        let jwt =
            json!({"keys": keys, "formats": formats, "algorithms": algorithms, "issuers": "any", "audiences": "any", "clock_skew": "0s"});
        json!({"providers": {"cyphernode": {"jwt": jwt}}})
    };
    let secret = || json!({"secret": {"env": "HEX", "as": "hex"}});
    let policy = loaded(&config(json!(["cyphernode-2021", "jws", "cyphernode-2018", "cyphernode-2019"]), secret(), "HS256"));
    let Kind::Jwt { jwt, .. } = &policy.providers[0].kind else { panic!() };
    assert_eq!(jwt.formats, [Format::Cyphernode2021, Format::Jws, Format::Cyphernode2018, Format::Cyphernode2019]);
    assert_eq!(jwt.clock_skew, Duration::ZERO);
    let all = json!(["cyphernode-2018", "jws", "cyphernode-2019", "cyphernode-2021", "cyphernode-2020"]);
    assert_faults(
        &config(all, json!({"jwks": {"keys": []}}), "RS256"),
        &[
            "providers.cyphernode.jwt.formats[0]: its tokens are signed with a secret; it goes with keys.secret or keys.callers",
            "providers.cyphernode.jwt.formats[2]: its tokens are signed with a secret",
            "providers.cyphernode.jwt.formats[3]: its tokens are signed with a secret",
            "providers.cyphernode.jwt.formats[4]: not a word that is known here; known: jws, cyphernode-2018, cyphernode-2019, cyphernode-2021",
            "providers.cyphernode.jwt.keys.jwks: ",
        ],
    );
    assert_faults(
        &config(json!(["cyphernode-2019", "cyphernode-2019"]), json!({"secret": {"text": "0".repeat(64)}}), "HS512"),
        &[
            "providers.cyphernode.jwt.formats[0]: its tokens are signed by HS256, which `algorithms` lacks",
            "providers.cyphernode.jwt.formats[1]: its tokens are signed by HS256, which `algorithms` lacks",
            "providers.cyphernode.jwt.formats[1]: stands here twice",
        ],
    );
    assert_faults(&config(json!([]), secret(), "HS256"), &["providers.cyphernode.jwt.formats: empty: no token could be accepted"]);
}

#[test]
fn providers_share_a_key_set_that_is_defined_alike() {
    let tokens = |issuer: &str, keys: Value| json!({"jwt": {"keys": keys, "issuers": issuer, "audiences": "any"}});
    let one = json!({"jwks_uri": "https://idp.example/keys", "cluster": "idp", "refresh": "10m", "headers": {"X-A": "1"}});
    let mut two = with(with(one.clone(), "/refresh", json!("5m")), "/timeout", json!("7s"));
    let sets = |two: &Value| {
        let policy = loaded(
            &json!({"providers": {"a": tokens("https://a", one.clone()), "b": tokens("https://b", two.clone())}, "rules": [{"require": {"any": ["a", "b"]}}]}),
        );
        policy.key_sets.into_iter().map(|(_, keys)| keys).collect::<Vec<_>>()
    };
    let shared = sets(&two);
    assert_eq!(shared.len(), 1);
    assert_eq!((&*shared[0].provider, shared[0].refresh, shared[0].timeout), ("a", Duration::from_secs(300), Duration::from_secs(7)));
    assert_eq!(shared[0].headers[0].0, "x-a");
    for (field, value) in [
        ("/headers", json!({"x-a": "2"})),
        ("/cluster", json!("other")),
        ("/max_body", json!("32KiB")),
        ("/jwks_uri", json!("https://idp.example/key")),
    ] {
        assert_eq!(sets(&with(two.clone(), field, value)).len(), 2, "{field}");
    }
    two = with(two, "/jwks_uri", json!("https://IDP.example/keys"));
    assert_eq!(sets(&two).len(), 1, "hosts have no case");
}
