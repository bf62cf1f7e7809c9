//! Faults of rules and requirements.

use serde_json::{Value, json};

use super::{DIGEST, OTHER_DIGEST, assert_faults, base, loaded, with};
use crate::policy::{Action, Requirement};

fn rule(rule: &Value) -> Value {
    with(base(), "/rules", json!([rule]))
}

fn require(require: &Value) -> Value {
    rule(&json!({"require": require}))
}

fn matching(when: &Value) -> Value {
    rule(&json!({"match": when, "allow": "anyone"}))
}

#[test]
fn matches() {
    for (when, fault) in [
        (json!({"path": "a"}), "path: a path begins with /"),
        (json!({"path": "/a?b"}), "path: paths are matched without query"),
        (json!({"path_prefix": "/a%2f"}), "path_prefix: paths are matched after"),
        (json!({"path_prefix": "/é"}), "path_prefix: only visible ASCII"),
        (json!({"path": "/a\\b"}), "path: only visible ASCII"),
        (json!({"path": "/a/../b"}), "path: dot segments"),
        (json!({"path": "/a//b"}), "path: empty segments"),
        (json!({"path": "/a;b"}), "path: parameters"),
        (json!({"path_template": "/{a}/{a}"}), "path_template: "),
        (json!({"path_template": "/**/a"}), "path_template: "),
        (json!({"path_template": "/a#"}), "path_template: paths are matched without"),
        (json!({"methods": ["get"]}), "methods[0]: a method in upper case"),
        (json!({"methods": []}), "methods: empty"),
        (json!({"methods": "GET", "cors_preflight": true}), "methods: cors_preflight names OPTIONS"),
        (json!({"hosts": []}), "hosts: empty"),
        (json!({"headers": {}}), "headers: empty"),
        (json!({"hosts": ["a.*.example"]}), "hosts[0]: "),
        (json!({"headers": {"host": "a"}}), "headers.host: this header is Envoy's own; it can't be used here; write hosts"),
        (json!({"headers": {"x-a": 2}}), "headers.x-a: a number or a boolean, where text is wanted: quote it"),
        (json!({"headers": {"x-a": " b"}}), "headers.x-a: a header never has this value"),
        (json!({"headers": {"x-a": "1", "X-A": "1"}}), "headers.x-a: this header stands here twice"),
        (json!({"upgrades": ["h 2"]}), "upgrades[0]: a protocol"),
        (
            json!({"port": 80}),
            "port: unknown field; known here: path, path_prefix, path_template, methods, hosts, headers, upgrades, cors_preflight",
        ),
    ] {
        assert_faults(&matching(&when), &[&format!("rules[0].match.{fault}")]);
    }
    loaded(&with(matching(&json!({"path": "/a;b//c"})), "/paths", json!({"empty_segments": "keep", "parameters": "keep"})));
}

#[test]
fn actions() {
    assert_faults(&rule(&json!({})), &["rules[0]: write exactly one of allow, deny, require"]);
    assert_faults(&rule(&json!({"deny": false})), &["rules[0].deny: deny is always true"]);
    assert_faults(&rule(&json!({"allow": "everyone"})), &["rules[0].allow: not a word that is known here; known: anyone"]);
}

#[test]
fn names_must_name_something() {
    for (form, fault) in [
        (json!("nobody"), ": there is no provider nobody; there are: members, secrets, tokens"),
        (json!({"provider": "nobody"}), ".provider: there is no provider nobody"),
        (json!({"any": ["tokens", "nobody"]}), ".any[1]: there is no provider nobody"),
        (json!({"all": ["tokens", "members"], "identity": "nobody"}), ".identity: there is no provider nobody"),
        (json!({"use": "nothing"}), ".use: there is no requirement nothing in `requirements`"),
        (json!({"provider": 5}), ".provider: a number or a boolean, where text is wanted: quote it"),
        (json!(["tokens"]), ": a list, where text is wanted"),
    ] {
        assert_faults(&require(&form), &[&format!("rules[0].require{fault}")]);
    }
    let config = with(require(&json!("staff")), "/requirements", json!({"staff": "tokens"}));
    assert_faults(&config, &["rules[0].require: staff is a requirement, not a provider; write {use: staff}"]);
}

#[test]
fn shapes() {
    for (form, fault) in [
        (json!({}), ": write exactly one of provider, any, all, use"),
        (json!({"any": ["tokens"], "provider": "tokens"}), ": write exactly one of"),
        (json!({"any": []}), ".any: empty"),
        (json!({"any": ["tokens"], "roles": "a"}), ": conditions go with a provider"),
        (json!({"any": ["tokens"], "optional": true}), ".optional: goes with a provider"),
        (json!({"all": [{"provider": "tokens", "optional": true}, "members"], "identity": "tokens"}), ".identity: tokens is not a member"),
        (
            json!({"all": [{"provider": "tokens", "optional": true}, {"provider": "members", "optional": true}]}),
            ".all: every member is optional",
        ),
        (json!({"provider": "tokens", "any_of": [{"claims": {}}, {"scopes": "a"}]}), ".any_of[0].claims: empty"),
        (json!({"provider": "tokens", "claims": [{}]}), ".claims: empty"),
        (json!({"provider": "members", "attributes": {}}), ".attributes: empty"),
        (json!({"any": ["tokens"], "identity": "tokens"}), ".identity: goes with `all`"),
        (json!({"any": ["members", {"all": ["tokens"]}]}), ".any[1].all: any and all are one level deep"),
        (json!({"any": ["members", {"provider": "tokens", "optional": true}]}), ".any[1].optional: stands on a whole `require`"),
        (
            json!({"any": ["tokens", {"provider": "tokens", "roles": "a"}]}),
            ".any[1]: tokens stands in this `any` twice; write one member with any_of",
        ),
        (
            json!({"all": ["tokens", {"provider": "tokens", "roles": "a"}], "identity": "tokens"}),
            ".all[1]: this provider stands in this `all` twice",
        ),
        (json!({"all": ["tokens", "members"]}), ": several identities could go upstream"),
        (json!({"all": ["tokens", "members"], "identity": "secrets"}), ".identity: secrets is not a member"),
        (json!({"provider": "tokens", "optional": true, "roles": "a"}), ".optional: goes without conditions"),
        (json!({"provider": "tokens", "any_of": []}), ".any_of: empty"),
        (json!({"provider": "tokens", "any_of": [{}]}), ".any_of[0]: no condition"),
    ] {
        assert_faults(&require(&form), &[&format!("rules[0].require{fault}")]);
    }
    for good in [
        json!({"provider": "tokens", "optional": true}),
        json!({"all": ["tokens", {"provider": "members", "optional": true}]}),
        json!({"any": ["tokens", "members", "secrets"]}),
    ] {
        loaded(&require(&good));
    }
}

#[test]
fn names_may_nest_once_more() {
    let named = |form: &Value, requirements: &Value| with(require(form), "/requirements", requirements.clone());
    let config =
        named(&json!({"any": ["secrets", {"use": "both"}]}), &json!({"both": {"all": ["members", "tokens"], "identity": "tokens"}}));
    let policy = loaded(&config);
    let Action::Require(demand) = &policy.rules[0].then else { panic!() };
    let Requirement::Any(members) = demand.requirement() else { panic!() };
    assert_eq!(demand.providers().len(), 3);
    assert!(matches!(&members[1], Requirement::All { members, identity: Some(_) } if members.len() == 2));

    assert_faults(
        &named(&json!({"any": ["secrets", {"use": "a"}]}), &json!({"a": {"all": [{"use": "b"}]}, "b": {"any": ["tokens", "members"]}})),
        &["requirements.b.any: nested too deeply"],
    );
    assert_faults(
        &named(&json!("tokens"), &json!({"a": {"use": "b"}, "b": {"any": [{"use": "a"}]}})),
        &["requirements.a.use: b uses itself", "requirements.b.any[0].use: a uses itself"],
    );
    assert_faults(&named(&json!("tokens"), &json!({"a": {"use": "a"}})), &["requirements.a.use: a uses itself"]);
    assert_faults(&named(&json!("tokens"), &json!({"a": "nobody"})), &["requirements.a: there is no provider nobody"]);
    assert_faults(
        &named(&json!({"any": ["members", {"use": "a"}]}), &json!({"a": {"provider": "tokens", "optional": true}})),
        &["requirements.a.optional: stands on a whole `require`"],
    );
}

#[test]
fn conditions_that_nobody_could_meet() {
    for (form, fault) in [
        (json!({"provider": "secrets", "roles": "a"}), "roles: secrets yields no roles"),
        (json!({"provider": "members", "roles": "a"}), "roles: members yields no roles"),
        (json!({"provider": "secrets", "scopes": "a"}), "scopes: secrets yields no scopes"),
        (json!({"provider": "members", "audiences": "a"}), "audiences: members yields no audiences"),
        (json!({"provider": "members", "claims": {"a": 1}}), "claims: members yields no claims"),
        (json!({"provider": "members", "attributes": {"memder": "a"}}), "attributes.memder: members has no attribute of this name"),
        (json!({"provider": "tokens", "attributes": {"member": "a"}}), "attributes.member: tokens has no attribute"),
        (json!({"provider": "tokens", "any_of": [{"attributes": {"member": "a"}}]}), "any_of[0].attributes.member: tokens has no"),
        (
            json!({"provider": "tokens", "roles": ["a", "b"]}),
            "roles: a bare list can be read both ways; write {all: [...]} or {any: [...]}",
        ),
        (json!({"provider": "tokens", "roles": []}), "roles: empty"),
        (json!({"provider": "tokens", "roles": {"any": []}}), "roles.any: empty"),
        (json!({"provider": "tokens", "roles": {"any": ["a", 1]}}), "roles.any[1]: a number or a boolean, where text is wanted: quote it"),
        (json!({"provider": "tokens", "roles": {"any": ["a"], "none": ["b"]}}), "roles: write exactly one of all, any, none, exists"),
        (json!({"provider": "tokens", "roles": {"exists": "yes"}}), "roles.exists: text, where true or false is wanted"),
        (json!({"provider": "tokens", "claims": {"a": null}}), "claims.a: null"),
        (json!({"provider": "tokens", "claims": {"a": "{path.x}"}}), "claims: \"{path.x}\": no variable of this name"),
        (json!({"provider": "tokens", "claims": {"a": "x-{path.x}"}}), "claims.a: a variable of the path is the whole value"),
    ] {
        assert_faults(&require(&form), &[&format!("rules[0].require.{fault}")]);
    }
}

#[test]
fn variables_are_checked_wherever_a_requirement_is_used() {
    let tenant = json!({"provider": "tokens", "claims": {"tenant": "{path.tenant}"}});
    let config = with(base(), "/requirements", json!({"tenant": tenant}));
    let rules = |template: &str| json!([{"match": {"path_template": template}, "require": {"use": "tenant"}}]);
    loaded(&with(config.clone(), "/rules", rules("/{tenant}")));
    loaded(&config);
    assert_faults(
        &with(config, "/rules", rules("/{tenants}")),
        &["requirements.tenant.claims: \"{path.tenant}\": no variable of this name"],
    );
}

#[test]
fn every_credential_is_one_providers() {
    let secret = |digest: &str, from: Value| json!({"static_secret": {"sha256": digest}, "from": from});
    let tokens = |issuers: Value| {
        let keys = json!({"secret": {"env": "TEXT"}});
        if issuers.is_null() { json!({"jwt": {"keys": keys}}) } else { json!({"jwt": {"keys": keys, "issuers": issuers}}) }
    };
    let tokens_from = |from: Value| with(tokens(Value::Null), "/from", from);
    let certificate = |header: &str, trusted: Value| json!({"client_certificate": {"source": {"header": header, "trusted": trusted}}});
    let both = |a: Value, b: Value| json!({"providers": {"a": a, "b": b}, "rules": [{"require": {"any": ["a", "b"]}}]});
    let bearer = json!([{"header": "authorization", "scheme": "Bearer"}]);
    let whole = json!([{"header": "Authorization"}]);
    let basic = json!([{"header": "authorization", "scheme": "Basic"}]);
    let clash = &["rules[0].require.any[1]: a and b could claim the same credential"];
    for clashing in [
        both(secret(DIGEST, bearer.clone()), secret(OTHER_DIGEST, bearer.clone())),
        both(secret(DIGEST, bearer.clone()), secret(OTHER_DIGEST, whole)),
        both(tokens(json!(["x", "y"])), tokens(json!("y"))),
        both(tokens(json!("x")), tokens(json!("any"))),
        both(tokens(json!("x")), tokens(Value::Null)),
        both(json!({"client_certificate": {}}), json!({"client_certificate": {}})),
        both(certificate("X-Cert", json!("network_only")), certificate("x-cert", json!({"san_uri": "urn:a"}))),
        both(certificate("x-cert", json!("network_only")), secret(DIGEST, json!([{"header": "x-cert"}]))),
        both(tokens_from(json!([{"header": "authorization", "scheme": "Bearer"}])), certificate("authorization", json!("network_only"))),
    ] {
        assert_faults(&clashing, clash);
    }
    let cookie = |origins: Value| json!([{"cookie": "s", "origins": origins}]);
    let with_place = |mut provider: Value, from: Value| {
        provider["from"] = from;
        provider
    };
    let in_cookie = |issuer: &str, origins: &str| with_place(tokens(json!(issuer)), cookie(json!(origins)));
    assert_faults(&both(secret(DIGEST, cookie(json!("any"))), secret(OTHER_DIGEST, cookie(json!("any")))), clash);
    assert_faults(&both(in_cookie("x", "https://a.example"), in_cookie("y", "https://b.example")), clash);
    loaded(&both(in_cookie("x", "https://a.example"), in_cookie("y", "https://a.example")));
    loaded(&both(in_cookie("x", "any"), secret(DIGEST, bearer.clone())));
    for clear in [
        both(secret(DIGEST, bearer.clone()), secret(OTHER_DIGEST, basic)),
        both(tokens(json!("x")), tokens(json!("y"))),
        both(tokens(json!("any")), secret(DIGEST, bearer)),
        both(tokens(Value::Null), json!({"client_certificate": {}})),
        both(tokens(Value::Null), certificate("x-cert", json!("network_only"))),
        both(certificate("x-cert", json!("network_only")), certificate("x-other", json!("network_only"))),
        both(json!({"client_certificate": {}}), certificate("x-cert", json!("network_only"))),
    ] {
        let (_, warnings) = super::try_load(&clear).unwrap_or_else(|faults| panic!("{}", super::lines(&faults).join("\n")));
        assert!(warnings.is_empty(), "{warnings:?}");
    }
    // The proxy's own certificate must not be taken for its callers'.
    let (connection, proxied) = (json!({"client_certificate": {}}), certificate("x-cert", json!({"san_dns": "proxy.example"})));
    let (_, warnings) = super::try_load(&both(connection.clone(), proxied.clone())).unwrap();
    let [warning] = &warnings[..] else { panic!("{warnings:?}") };
    assert!(warning.to_string().starts_with("rules[0].require.any[1]: a comes first, and takes a proxy's own certificate"), "{warning}");
    assert!(super::try_load(&both(proxied, connection)).unwrap().1.is_empty());
    let config = json!({"providers": {"a": secret(DIGEST, json!([{"query": "k"}])), "b": secret(OTHER_DIGEST, json!([{"query": "k"}]))}, "rules": [
        {"require": {"any": ["a", {"use": "b"}]}},
    ], "requirements": {"b": "b"}});
    assert_faults(&config, clash);
}
