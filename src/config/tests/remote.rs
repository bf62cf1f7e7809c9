//! `remote`.

use std::time::Duration;

use serde_json::{Value, json};

use super::fields::cases;
use super::{DIGEST, assert_faults, loaded, with};
use crate::authenticator::Remote;
use crate::authenticator::remote::Scheme;
use crate::credential::Place;
use crate::policy::{Kind, Policy};

/// The one of the documentation.
fn example() -> Value {
    json!({"providers": {"shoppers": {"remote": {
        "credential": "basic",
        "inputs": {"scope": {"header": "X-Store", "default": "mobee"}},
        "endpoints": {
            "by": "scope",
            "telco": {"cluster": "telco", "uri": "https://telco/cortex/authentication/user"},
            "default": {"cluster": "cortex", "uri": "https://cortex/cortex/authentication/user"},
        },
        "request": {
            "timeout": "2s",
            "headers": {"x-ep-trust-header": {"env": "TEXT"}},
            "json": {"username": "{username}", "password": "{password}", "scope": "{scope}", "role": "REGISTERED"},
        },
        "answer": {"denied": [401], "require": {}, "expires": {}},
        "identity": {"subject": {"claim": "x-ep-user-id"}, "roles": {"claim": "x-ep-user-roles"}, "scopes": {"claim": "x-ep-user-scopes"}},
        "cache": "60s",
        "max_in_flight": 100,
    }}}})
}

const AT: &str = "/providers/shoppers/remote";

/// Token introspection, and nothing that need not be said.
fn introspection() -> Value {
    json!({"remote": {
        "credential": "bearer",
        "endpoints": {"default": {"cluster": "as", "uri": "https://as/introspect"}},
        "request": {"form": {"token": "{token}"}},
        "answer": {"require": {"active": true}, "expires": {"claim": "exp"}},
    }})
}

fn only(policy: &Policy) -> (&Remote, &[Place]) {
    let Kind::Remote { remote, from } = &policy.providers[0].kind else { panic!() };
    (remote, from)
}

#[test]
fn the_examples() {
    let policy = loaded(&example());
    let (remote, from) = only(&policy);
    assert_eq!(from, [Place::Header { name: "authorization".into(), scheme: Some("basic".into()) }]);
    assert_eq!((remote.credential, remote.by, &*remote.inputs[0].header), (Scheme::Basic, Some(0), "x-store"));
    assert_eq!((remote.endpoints[0].0.as_str(), remote.endpoints[0].1.cluster.as_str(), remote.endpoints.len()), ("telco", "telco", 1));
    assert_eq!(
        (&*remote.default.authority, &*remote.default.path, remote.default.scheme),
        ("cortex", "/cortex/authentication/user", "https")
    );
    assert_eq!((remote.timeout, remote.cache, remote.max_in_flight), (Duration::from_secs(2), Duration::from_secs(60), 100));
    assert_eq!((&*remote.denied, remote.expires.is_none(), remote.expected.members.is_empty()), (&[401][..], true, true));
    assert!(remote.expected.subject && remote.expected.roles && remote.expected.scopes);
    let policy = loaded(&json!({"providers": {"tokens": introspection()}}));
    let (remote, from) = only(&policy);
    assert_eq!(from, [Place::Header { name: "authorization".into(), scheme: Some("bearer".into()) }]);
    assert_eq!((remote.timeout, remote.cache, remote.max_in_flight), (Duration::from_secs(5), Duration::from_secs(60), 100));
    assert_eq!(remote.expires.as_deref(), Some(&["exp".to_owned()][..]));
    assert!(!remote.expected.subject && !remote.expected.roles && !remote.expected.scopes);
    for (place, good) in [
        ("/cache", json!("0s")),
        ("/cache", json!("1h")),
        ("/max_in_flight", json!("1")),
        ("/answer/denied", json!([400, 403, 499])),
        ("/answer/denied", json!([])),
        ("/answer/require", json!({"active": true, "n": 1, "t": "x"})),
        ("/request/json/more", json!({"list": ["{scope}", null, 7, true]})),
        ("/endpoints/default", json!({"cluster": "a", "uri": "http://a/", "insecure_http": true})),
        ("/inputs/zone", json!({"header": "x-zone"})),
    ] {
        loaded(&with(example(), &format!("{AT}{place}"), good));
    }
}

#[test]
fn single_fields() {
    cases(
        AT,
        &example(),
        &[
            ("/credential", json!("digest"), "credential: not a word that is known here; known: basic, bearer"),
            ("/inputs/a b", json!({"header": "x-a"}), "inputs.\"a b\": not an input's name"),
            ("/inputs/password", json!({"header": "x-a"}), "inputs.password: this name means a part of the credential"),
            ("/inputs/scope", json!({"default": "x"}), "inputs.scope.header: missing"),
            ("/inputs/scope/header", json!("host"), "inputs.scope.header: this header is Envoy's own"),
            ("/inputs/scope/header", json!("Authorization"), "inputs.scope.header: the credential stands there"),
            ("/inputs/scope/default", json!("\u{e4}"), "inputs.scope.default: what no header could say"),
            ("/inputs/scope/default", json!("x".repeat(257)), "inputs.scope.default: what no header could say"),
            ("/inputs/scope/query", json!("x"), "inputs.scope.query: unknown field; known here: header, default"),
            ("/endpoints", json!([]), "endpoints: a list, where an object"),
            ("/endpoints/by", json!("store"), "endpoints.by: there is no input store; there are: scope"),
            ("/endpoints/by", json!(7), "endpoints.by: a number or a boolean, where text is wanted"),
            ("/endpoints/telco", json!({"uri": "https://a/"}), "endpoints.telco.cluster: missing"),
            ("/endpoints/telco", json!({"cluster": "a"}), "endpoints.telco.uri: missing"),
            (
                "/endpoints/telco/uri",
                json!("http://a/"),
                "endpoints.telco.insecure_http: missing; a plain http uri needs insecure_http: true",
            ),
            ("/endpoints/telco/insecure_http", json!(true), "endpoints.telco.insecure_http: goes with an http uri"),
            ("/endpoints/telco/uri", json!("https://user@a/"), "endpoints.telco.uri: user information"),
            ("/endpoints/telco/uri", json!("/login"), "endpoints.telco.uri: not an absolute URL"),
            ("/request/timeout", json!("0s"), "request.timeout: 0s is out of bounds"),
            ("/request/timeout", json!("301s"), "request.timeout: 301s is out of bounds"),
            ("/request/form", json!({"a": "{password}"}), "request: write exactly one of json, form"),
            ("/request/json", json!("{password}"), "request.json: text, where an object is wanted"),
            ("/request/json/n", json!(1.5), "request.json.n: a fraction"),
            (
                "/request/json/scope",
                json!("{store}"),
                "request.json.scope: braces hold a placeholder, which is the whole value; known here: \"{username}\", \"{password}\", \"{scope}\"",
            ),
            ("/request/json/scope", json!("a-{scope}"), "request.json.scope: braces hold a placeholder"),
            ("/request/json/scope", json!("{token}"), "request.json.scope: braces hold a placeholder"),
            ("/request/json/list", json!(["{scope}", {"a": "{x}"}]), "request.json.list[1].a: braces hold a placeholder"),
            ("/request/json/password", json!("x"), "request.json: \"{password}\" stands nowhere"),
            ("/request/json/username", json!("x"), "request.json: \"{username}\" stands nowhere"),
            ("/request/headers", json!({"Content-Type": "text/plain"}), "request.headers.content-type: this header is set already"),
            ("/request/headers", json!({"connection": "x"}), "request.headers.connection: this header is Envoy's own"),
            ("/request/headers", json!({"x-a": {"env": "NOT_THERE"}}), "request.headers.x-a.env: the environment variable NOT_THERE"),
            ("/answer/denied", json!([200]), "answer.denied[0]: not a status that can deny: 400 to 499"),
            ("/answer/denied", json!([401, 503]), "answer.denied[1]: not a status that can deny"),
            ("/answer/require", json!({"a": {"b": 1}}), "answer.require.a: not a value to compare with"),
            ("/answer/require", json!({"a": null}), "answer.require.a: null"),
            ("/answer/expires", json!({"claim": "exp", "claim_path": ["a"]}), "answer.expires: write exactly one of"),
            ("/answer/expires", json!("exp"), "answer.expires: text, where an object"),
            ("/identity/subject", json!({}), "identity.subject: write exactly one of claim, claim_path"),
            ("/cache", json!("61m"), "cache: 3660s is out of bounds; at least 0s, at most 3600s"),
            ("/max_in_flight", json!(0), "max_in_flight: out of bounds"),
            ("/max_in_flight", json!(10_001), "max_in_flight: out of bounds"),
        ],
    );
    assert_faults(
        &json!({"providers": {"p": {"remote": {}}}}),
        &["providers.p.remote.credential: missing", "providers.p.remote.endpoints: missing", "providers.p.remote.request: missing"],
    );
    let alone = |endpoints: Value| with(example(), &format!("{AT}/endpoints"), endpoints);
    let one = json!({"cluster": "a", "uri": "https://a/"});
    assert_faults(&alone(json!({"by": "scope", "telco": one})), &["providers.shoppers.remote.endpoints.default: missing"]);
    assert_faults(&alone(json!({"telco": one, "default": one})), &["providers.shoppers.remote.endpoints.by: missing"]);
    loaded(&alone(json!({"default": one})));
    assert_faults(
        &with(example(), &format!("{AT}/request"), json!({})),
        &["providers.shoppers.remote.request: write exactly one of json, form"],
    );
    assert_faults(
        &with(example(), "/providers/shoppers/from", json!([{"query": "a"}])),
        &["providers.shoppers.from: a user name and a password stand in Authorization"],
    );
    let mut bearer = json!({"providers": {"tokens": introspection()}});
    bearer["providers"]["tokens"]["remote"]["request"]["form"] = json!({"password": "{password}"});
    let at = "providers.tokens.remote.request.form";
    assert_faults(&bearer, &[&format!("{at}: \"{{token}}\" stands nowhere"), &format!("{at}.password: braces hold a placeholder")]);
}

#[test]
fn a_denial_may_be_about_the_filter_itself() {
    let mut config = json!({"providers": {"tokens": introspection()}});
    assert!(super::try_load(&config).unwrap().1.is_empty());
    config["providers"]["tokens"]["remote"]["request"]["headers"] = json!({"authorization": {"env": "TEXT", "prefix": "Basic "}});
    let (_, warnings) = super::try_load(&config).unwrap();
    assert!(
        matches!(&warnings[..], [only] if only.to_string().starts_with("providers.tokens.remote.answer.denied: 401 may be about")),
        "{warnings:?}"
    );
    config["providers"]["tokens"]["remote"]["answer"]["denied"] = json!([]);
    assert!(super::try_load(&config).unwrap().1.is_empty());
}

#[test]
fn an_answer_that_need_say_nothing_is_worth_a_warning() {
    let warnings = |place: &str, value: Value| {
        let config = with(json!({"providers": {"tokens": introspection()}}), "/providers/tokens/remote/answer", json!({}));
        super::try_load(&with(config, &format!("/providers/tokens/remote{place}"), value)).unwrap().1
    };
    let silent = warnings("/cache", json!("60s"));
    let says = "providers.tokens.remote.answer.require: missing, and so is identity: any answer with status 200 vouches";
    assert!(matches!(&silent[..], [only] if only.to_string().starts_with(says)), "{silent:?}");
    for (place, value) in
        [("/answer/require", json!({"active": true})), ("/answer/require", json!({})), ("/identity/subject", json!({"claim": "sub"}))]
    {
        assert!(warnings(place, value).is_empty(), "{place}");
    }
}

#[test]
fn whose_credential_is_whose() {
    let both = |a: &Value, b: &Value| json!({"providers": {"a": a, "b": b}, "rules": [{"require": {"any": ["a", "b"]}}]});
    let login = example()["providers"]["shoppers"].clone();
    let secret = |scheme: &str| json!({"static_secret": {"sha256": DIGEST}, "from": [{"header": "authorization", "scheme": scheme}]});
    let whole = json!({"static_secret": {"sha256": DIGEST}, "from": [{"header": "authorization"}]});
    let jwt = json!({"jwt": {"keys": {"secret": {"env": "TEXT"}}}});
    let elsewhere = with(introspection(), "/from", json!([{"header": "x-token"}]));
    let clash = &["rules[0].require.any[1]: a and b could claim the same credential"];
    for (a, b) in [
        (&login, &login),
        (&login, &secret("basic")),
        (&introspection(), &secret("Bearer")),
        (&introspection(), &introspection()),
        (&login, &whole),
    ] {
        assert_faults(&both(a, b), clash);
        assert_faults(&both(b, a), clash);
    }
    for (a, b) in
        [(&login, &introspection()), (&login, &secret("Bearer")), (&introspection(), &jwt), (&login, &jwt), (&introspection(), &elsewhere)]
    {
        loaded(&both(a, b));
    }
    // Conditions and headers take what answers hold.
    let mut config = json!({"providers": {"tokens": introspection()}});
    config["rules"] = json!([{"require": {"provider": "tokens", "scopes": "a", "claims": {"client_id": "x"}, "audiences": "y"}}]);
    config["upstream"] = json!({"headers": {"x-client": {"claim": "client_id"}}, "payload_header": "x-payload"});
    loaded(&config);
    config["rules"] = json!([{"require": {"provider": "tokens", "roles": "a"}}]);
    assert_faults(&config, &["rules[0].require.roles: tokens yields no roles"]);
}
