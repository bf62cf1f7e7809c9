//! The paths that a request can take, each with its configuration and its requests: what benchmarks time, and tests count, is the same.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use portcullis_harness::{Algorithm, Authority, Jws, Key, Leaf, jwks, mint, now};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::cell::{LazyCell, RefCell};
use std::collections::BTreeMap;

/// The time at which everything happens: 2026-01-01.
pub(crate) const NOW: u64 = 1_767_225_600;

/// Header fields of a request.
pub(crate) type Fields = Vec<(&'static str, String)>;

/// A path.
pub(crate) struct Scenario {
    /// In tables.
    pub(crate) name: String,
    /// The filter's configuration.
    pub(crate) configuration: Box<dyn Fn() -> Value + Send>,
    /// What every callout is answered with: keys, or what another service says.
    pub(crate) answer: Option<Value>,
    /// The request of a number: the same fields for all numbers, or a credential of its own for each.
    pub(crate) fields: Box<dyn Fn(usize) -> Fields + Send>,
    /// Each number has a credential that never came before.
    pub(crate) is_fresh: bool,
    /// The client certificate of the connection of a number.
    pub(crate) certificate: Option<Box<dyn Fn(usize) -> Shown + Send>>,
    /// The reason for which the request is refused; `None`: it passes.
    pub(crate) refused: Option<&'static str>,
}

/// A client certificate, as Envoy shows it.
#[derive(Clone)]
pub(crate) struct Shown {
    /// PEM.
    pub(crate) pem: String,
    /// SHA-256 of its DER, in hex.
    pub(crate) digest: String,
}

/// How many credentials there are where each comes once.
pub(crate) const FRESH: usize = 32;

/// Credentials by the number of their request, each made once, when it is needed.
fn remembered<T: Clone>(is_fresh: bool, make: impl Fn(usize) -> T) -> impl Fn(usize) -> T {
    let known = RefCell::new(BTreeMap::new());
    move |number| {
        let number = if is_fresh { number % FRESH } else { 0 };
        known.borrow_mut().entry(number).or_insert_with(|| make(number)).clone()
    }
}

/// All paths, in the order of tables.
pub(crate) fn scenarios() -> Vec<Scenario> {
    let mut all = vec![
        passing("allow anyone", || with_rules(partners(1, 1), json!([{"match": {"path_prefix": "/orders"}, "allow": "anyone"}])), fields),
        static_secret("static secret", 1, 1),
        static_secret("static secret, 100 clients", 100, 1),
        static_secret("static secret, 10000 clients", 10_000, 1),
        static_secret("static secret, 100 rules", 1, 100),
        static_secret("static secret, 1000 rules", 1, 1000),
        many_headers(),
        cookie(),
    ];
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::HS256, Algorithm::PS256, Algorithm::EdDSA] {
        all.push(jwt(&format!("{algorithm} seen before"), algorithm, 1, false));
        all.push(jwt(&format!("{algorithm} never seen"), algorithm, 1, true));
    }
    all.extend([
        jwt("RS256 seen before, 100 keys", Algorithm::RS256, 100, false),
        jwt("RS256 never seen, 100 keys", Algorithm::RS256, 100, true),
        certificate("client certificate, seen before", false),
        certificate("client certificate, never seen", true),
        remote(),
        Scenario { refused: Some("credential_missing"), ..with_fields(jwt("no credential", Algorithm::RS256, 1, false), fields) },
        Scenario { refused: Some("secret_unknown"), ..with_fields(static_secret("wrong secret", 1, 1), || bearer("wrong")) },
        bad_signature("bad signature, HS256", Algorithm::HS256),
        bad_signature("bad signature, RS256", Algorithm::RS256),
    ]);
    all
}

/// A path on which all requests are the same and pass.
fn passing(name: &str, configuration: impl Fn() -> Value + Send + 'static, fields: impl Fn() -> Fields + Send + 'static) -> Scenario {
    Scenario {
        name: name.to_owned(),
        configuration: Box::new(configuration),
        answer: None,
        fields: Box::new(move |_| fields()),
        is_fresh: false,
        certificate: None,
        refused: None,
    }
}

fn with_fields(scenario: Scenario, fields: impl Fn() -> Fields + Send + 'static) -> Scenario {
    Scenario { fields: Box::new(move |_| fields()), ..scenario }
}

/// What a client behind a proxy sends, without any credential.
fn fields() -> Fields {
    [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "api.example.com"),
        (":path", "/orders/17?page=2"),
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
        ("accept", "application/json"),
        ("accept-encoding", "gzip, deflate, br"),
        ("accept-language", "en-GB,en;q=0.8"),
        ("cache-control", "no-cache"),
        ("x-forwarded-for", "203.0.113.7"),
        ("x-forwarded-proto", "https"),
        ("x-request-id", "4b7f9d4e-1d3c-4c43-9a3e-0f6f0b2f0c11"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into()
}

fn with(name: &'static str, value: String) -> Fields {
    let mut fields = fields();
    fields.push((name, value));
    fields
}

fn bearer(credential: &str) -> Fields {
    with("authorization", format!("Bearer {credential}"))
}

fn secret(client: usize) -> String {
    format!("secret-of-client-{client}-1c2f0b7a9d")
}

/// The last of so many clients, by the last of so many rules.
fn static_secret(name: &str, clients: usize, rules: usize) -> Scenario {
    passing(name, move || partners(clients, rules), move || bearer(&secret(clients)))
}

fn partners(clients: usize, rules: usize) -> Value {
    let callers: Vec<Value> = (1..=clients)
        .map(|n| {
            let digest = STANDARD.encode(Sha256::digest(secret(n)));
            json!({"id": format!("client-{n}"), "roles": ["reader", "writer"], "secrets": [{"id": "2026", "sha256": digest}]})
        })
        .collect();
    json!({"providers": {"partners": {"static_secret": {"callers": callers}}}, "rules": so_many_rules(rules)})
}

fn with_rules(mut configuration: Value, rules: Value) -> Value {
    configuration["rules"] = rules;
    configuration
}

/// Names of paths in all their forms; only the last is a request's.
fn so_many_rules(count: usize) -> Value {
    let others = (1..count).map(|n| match n % 3 {
        0 => json!({"match": {"path": format!("/service-{n}/items")}, "require": "partners"}),
        1 => json!({"match": {"path_prefix": format!("/service-{n}")}, "require": "partners"}),
        _ => json!({"match": {"path_template": format!("/service-{n}/{{item}}/**")}, "require": "partners"}),
    });
    others.chain([json!({"match": {"path_prefix": "/orders"}, "require": {"provider": "partners", "roles": "reader"}})]).collect()
}

fn many_headers() -> Scenario {
    const NAMES: [&str; 27] = [
        "x-a",
        "x-b",
        "x-c",
        "x-d",
        "x-e",
        "x-f",
        "x-g",
        "x-h",
        "x-i",
        "x-j",
        "x-k",
        "x-l",
        "x-m",
        "x-n",
        "x-o",
        "x-p",
        "x-q",
        "x-r",
        "x-s",
        "x-t",
        "x-u",
        "x-v",
        "x-w",
        "x-auth-subject",
        "x_auth_roles",
        "origin",
        "referer",
    ];
    let scenario = static_secret("static secret, 40 headers", 1, 1);
    with_fields(scenario, || {
        let mut fields = bearer(&secret(1));
        fields.extend(NAMES.map(|name| (name, "https://shop.example/of/some/length".to_owned())));
        fields
    })
}

fn cookie() -> Scenario {
    let configuration = || {
        let mut configuration = partners(1, 1);
        configuration["providers"]["partners"]["from"] = json!([{"cookie": "session", "origins": "any"}]);
        configuration
    };
    passing("static secret in one of 8 cookies", configuration, || {
        let others: Vec<String> = (1..8).map(|n| format!("c{n}=value-of-some-length-{n}")).collect();
        with("cookie", format!("{}; session={}", others.join("; "), secret(1)))
    })
}

/// What a token says; `number` makes it another one.
fn claims(number: usize) -> Value {
    json!({"iss": "https://idp.example", "aud": "api", "sub": "a1b2c3d4-5678-90ab-cdef-1234567890ab", "exp": NOW + 3600, "iat": NOW, "nbf": NOW,
        "jti": format!("{number:032x}"), "scope": "openid profile api/read", "roles": ["reader", "writer"], "client_id": "5c1b9fd0a7"})
}

/// Tokens by the last of so many keys.
fn jwt(name: &str, algorithm: Algorithm, keys: usize, is_fresh: bool) -> Scenario {
    let kid = |n: usize| format!("key-{n}");
    let key = Key::fixed(algorithm, 1);
    let set: Vec<Key> = (1..=keys).map(|n| key.clone().with_kid(&kid(n))).collect();
    let is_hmac = algorithm == Algorithm::HS256;
    let source = if is_hmac {
        json!({"secret": {"base64": STANDARD.encode(key.secret_bytes())}})
    } else {
        json!({"jwks_uri": "https://idp.example/keys", "cluster": "idp"})
    };
    let configuration = move || {
        json!({
            "providers": {"users": {"jwt": {"keys": &source, "issuers": ["https://idp.example"], "audiences": ["api"],
                "algorithms": [algorithm.name()], "identity": {"roles": [{"claim": "roles"}]}}}},
            "rules": [{"match": {"path_prefix": "/orders"}, "require": {"provider": "users", "roles": "reader"}}],
            // One that never came before needs a verification; it must not wait for its turn.
            "limits": {"slow_verifications": 100_000}
        })
    };
    let signer = if is_hmac { key } else { key.with_kid(&kid(keys)) };
    let token = remembered(is_fresh, move |number| mint(&signer, claims(number)));
    Scenario {
        answer: (!is_hmac).then(|| jwks(&set)),
        is_fresh,
        fields: Box::new(move |number| bearer(&token(number))),
        ..passing(name, configuration, fields)
    }
}

fn bad_signature(name: &str, algorithm: Algorithm) -> Scenario {
    let key = Key::fixed(algorithm, 1).with_kid("key-1");
    let scenario = jwt(name, algorithm, 1, false);
    let length = key.sign(b"").len();
    let mut header = json!({"alg": algorithm.name(), "typ": "JWT"});
    if scenario.answer.is_some() {
        header["kid"] = json!("key-1");
    }
    let token = Jws::new(header, claims(0)).with_signature_text(&URL_SAFE_NO_PAD.encode(vec![1; length]));
    Scenario { refused: Some("signature_invalid"), ..with_fields(scenario, move || bearer(&token)) }
}

fn certificate(name: &str, is_fresh: bool) -> Scenario {
    let configuration = || {
        json!({
            "providers": {"members": {"client_certificate": {"identity": {"subject": {"dn": "CN"}, "roles": {"dn": "OU"}}}}},
            "rules": [{"match": {"path_prefix": "/orders"}, "require": {"provider": "members", "roles": "reader"}}]
        })
    };
    let authority = LazyCell::new(|| Authority::new("portcullis"));
    let certificate = remembered(is_fresh, move |number| {
        // Its times are counted from the clock of here and now.
        let since = i64::try_from(NOW).expect("a time") - now(0);
        let leaf = Leaf::new().common_name(&format!("member-{number}")).organization("Example").organizational_unit("reader");
        let certificate = authority.issue(leaf.valid(since - 3600, since + 3600));
        Shown { pem: certificate.pem(), digest: certificate.fingerprint() }
    });
    Scenario { is_fresh, certificate: Some(Box::new(certificate)), ..passing(name, configuration, fields) }
}

/// What another service said before.
fn remote() -> Scenario {
    let configuration = || {
        json!({"providers": {"shoppers": {"remote": {
            "credential": "basic",
            "endpoints": {"default": {"cluster": "login", "uri": "https://login.example/"}},
            "request": {"json": {"user": "{username}", "password": "{password}"}},
            "identity": {"subject": {"claim": "id"}, "roles": {"claim": "roles"}}
        }}}})
    };
    Scenario {
        answer: Some(json!({"id": "ada", "roles": ["reader", "writer"]})),
        ..passing("remote, answered before", configuration, || with("authorization", format!("Basic {}", STANDARD.encode("ada:lovelace"))))
    }
}

/// The path of this name.
pub(crate) fn named(name: &str) -> Scenario {
    scenarios().into_iter().find(|scenario| scenario.name == name).expect("a path of that name")
}
