//! Revocation on a real Envoy: what still verifies and is good no more.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that can't go on fails"
)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_harness::{
    Algorithm, Authority, Case, Certificate, Configuration, Key, PATIENCE, Plugin, Request, RunningStage, Stage, Tls, jwks, mint, now, poll,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Where (r, s) is good, (r, n - s) is: the same certificate under another hash.
fn with_the_other_signature(certificate: &Certificate) -> Certificate {
    use p256::ecdsa::{DerSignature, Signature};
    let der = certificate.der();
    // The signature comes last: a BIT STRING of 70 to 72 octets, after its own two octets, and one that says that no bits are left over.
    let at =
        (der.len() - 75..der.len() - 60).find(|at| der[*at] == 3 && usize::from(der[at + 1]) == der.len() - at - 2 && der[at + 2] == 0);
    let at = at.expect("a signature at the end");
    let signature: Signature = DerSignature::try_from(&der[at + 3..]).expect("ECDSA by P-256").try_into().expect("two numbers");
    let (r, s) = signature.split_scalars();
    let other = Signature::from_scalars(r, -s).expect("two numbers").to_der();
    let tbs_and_algorithm = &der[4..at];
    let signature = [&[3, u8::try_from(other.as_bytes().len() + 1).expect("short"), 0], other.as_bytes()].concat();
    let length = u16::try_from(tbs_and_algorithm.len() + signature.len()).expect("short").to_be_bytes();
    let certificate = certificate.clone().with_der([&[0x30, 0x82, length[0], length[1]], tbs_and_algorithm, &signature].concat());
    assert_ne!(certificate.der(), der);
    certificate
}

fn digest(secret: &str) -> String {
    STANDARD.encode(Sha256::digest(secret))
}

/// As `openssl x509 -fingerprint -sha256` prints it.
fn with_colons(hex: &str) -> String {
    hex.to_uppercase().as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap()).collect::<Vec<_>>().join(":")
}

/// A good credential that is on the list; only the log knows on which.
fn revoked(case: Case, provider: &str, subject: Value) -> Case {
    case.expect(401)
        .reason("revoked")
        .access("provider", provider)
        .access("subject", subject)
        .access("verdict", Value::Null)
        .access("authorization", Value::Null)
        .body_contains("Unauthorized")
}

/// What the log says of the last refusal.
fn detail(stage: &RunningStage, id: &str) -> String {
    let line = stage.envoy.wait_for_log(&format!("request_id=\"{id}\""));
    line.split("detail=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default().to_owned()
}

struct Tokens {
    named: Key,
    unnamed: Key,
    rotated: Key,
    caller: Key,
}

impl Tokens {
    fn new() -> Self {
        Self {
            named: Key::fixed(Algorithm::ES256, 1).with_kid("key/1"),
            unnamed: Key::fixed(Algorithm::RS256, 2).without_kid(),
            rotated: Key::fixed(Algorithm::ES256, 3).with_kid("stolen"),
            caller: Key::fixed(Algorithm::HS256, 4).without_kid(),
        }
    }

    fn by(key: &Key, changes: Value) -> String {
        let mut claims = json!({"iss": "https://idp.test", "sub": "alice", "exp": now(3600), "jti": "t1"});
        for (name, value) in changes.as_object().expect("an object") {
            claims[name] = value.clone();
        }
        mint(key, claims)
    }
}

#[test]
fn what_is_revoked_is_refused_and_nothing_else() {
    let tokens = Tokens::new();
    let members = Authority::new("members");
    let (alice, mallory, both) = (members.client("alice"), members.client("mallory"), members.client("both"));
    let stage = Stage::new()
        .config(json!({
            "providers": {
                "users": {"jwt": {"keys": {"jwks": jwks([&tokens.named, &tokens.unnamed, &tokens.rotated])}, "issuers": ["https://idp.test"], "audiences": "any"}},
                "engine": {
                    "jwt": {"keys": {"callers": {"by": {"claim": "id"}, "list": [
                        {"id": "001", "secrets": [{"id": "stolen", "base64": STANDARD.encode(tokens.caller.secret_bytes())}]},
                        {"id": "002", "secrets": [{"base64": STANDARD.encode(tokens.caller.secret_bytes().iter().rev().copied().collect::<Vec<_>>())}]},
                    ]}}},
                    "from": [{"header": "x-engine"}],
                },
                "partners": {"static_secret": {"callers": [
                    {"id": "billing", "secrets": [{"sha256": digest("of-billing")}]},
                    {"id": "a/b", "secrets": [{"sha256": digest("of-ab")}]},
                    {"id": "audit", "secrets": [{"sha256": digest("of-audit")}]},
                ]}, "from": [{"header": "x-api-key"}]},
                "members": {"client_certificate": {"server_name": "any"}},
                "hashes": {"client_certificate": {"server_name": "any", "identity": {"subject": {"fingerprint": "sha256"}}}},
            },
            "rules": [
                {"match": {"path": "/users"}, "require": "users"},
                {"match": {"path": "/engine"}, "require": "engine"},
                {"match": {"path": "/partners"}, "require": "partners"},
                {"match": {"path": "/members"}, "require": "members"},
                {"match": {"path": "/hashes"}, "require": "hashes"},
                {"match": {"path": "/any"}, "require": {"any": ["partners", "users", "members"]}},
                {"match": {"path": "/optional"}, "require": {"provider": "users", "optional": true}},
                {"match": {"path": "/open"}, "allow": "anyone"},
            ],
            "revoked": {
                "subjects": ["users/mallory", "engine/002", "partners/billing", "partners/a/b", "members/mallory", "members/alice/x",
                    format!("hashes/{}", mallory.fingerprint())],
                "jti": ["t-revoked", "7"],
                "kids": ["stolen", "ghost"],
                "certificate_sha256": [with_colons(&both.fingerprint())],
            },
        }))
        .tls(|tls| tls.clients_of(&members))
        .start();
    let tls = |certificate| Tls::resuming(stage.client_tls().identity(certificate));
    let user = |changes: Value| Case::get("/users").bearer(&Tokens::by(&tokens.named, changes));
    let challenge = "Bearer realm=\"api\", error=\"invalid_token\"";
    stage.check([
        user(json!({})).expect(200).upstream("x-auth-subject", "alice").access("credential", "key/1"),
        revoked(user(json!({"sub": "mallory"})), "users", json!("mallory")).answer("www-authenticate", challenge).request_id("by-subject"),
        user(json!({"sub": "Mallory"})).expect(200),
        user(json!({"sub": "billing"})).expect(200).named("another provider's subject of that name"),
        user(json!({"jti": "mallory"})).expect(200),
        user(json!({"jti": "stolen"})).expect(200),
        user(json!({"jti": null})).expect(200),
        revoked(user(json!({"jti": "t-revoked"})), "users", json!("alice")).request_id("by-jti"),
        user(json!({"jti": 7})).expect(401).reason("claim_invalid").named("a jti that is no string is no way out"),
        revoked(user(json!({"jti": "t-revoked"})).http2(), "users", json!("alice")),
        revoked(Case::get("/users").bearer(&Tokens::by(&tokens.rotated, json!({}))), "users", json!("alice")).request_id("by-kid"),
        Case::get("/users").bearer(&Tokens::by(&tokens.unnamed, json!({}))).expect(200),
        // Only what was verified is looked up: nobody learns from a token of their own making what is on the list.
        Case::get("/users")
            .bearer(&Tokens::by(&Key::fixed(Algorithm::ES256, 9).with_kid("key/1"), json!({"sub": "mallory"})))
            .expect(401)
            .reason("signature_invalid"),
        Case::get("/users")
            .bearer(&Tokens::by(&Key::fixed(Algorithm::ES256, 9).with_kid("stolen"), json!({"jti": "t-revoked"})))
            .expect(401)
            .reason("signature_invalid"),
        Case::get("/users")
            .bearer(&Tokens::by(&Key::fixed(Algorithm::ES256, 9).with_kid("ghost"), json!({})))
            .expect(401)
            .reason("key_unknown"),
        user(json!({"sub": "mallory", "exp": now(-3600)})).expect(401).reason("token_expired"),
        // Callers with keys of their own: by who they are. A secret's id is no kid.
        Case::get("/engine")
            .header("x-engine", mint(&tokens.caller, json!({"id": "001", "exp": now(60)})))
            .expect(200)
            .access("credential", "stolen"),
        revoked(
            Case::get("/engine").header(
                "x-engine",
                mint(
                    &Key::secret(Algorithm::HS256, tokens.caller.secret_bytes().iter().rev().copied().collect::<Vec<_>>()),
                    json!({"id": "002", "exp": now(60)}),
                ),
            ),
            "engine",
            json!("002"),
        ),
        // A token that names a revoked key is one, though a caller's key verifies it.
        revoked(
            Case::get("/engine").header("x-engine", mint(&tokens.caller.clone().with_kid("ghost"), json!({"id": "001", "exp": now(60)}))),
            "engine",
            json!("001"),
        ),
        // Static secrets.
        Case::get("/partners").header("x-api-key", "of-audit").expect(200),
        revoked(Case::get("/partners").header("x-api-key", "of-billing"), "partners", json!("billing")),
        revoked(Case::get("/partners").header("x-api-key", "of-ab"), "partners", json!("a/b")).named("a subject with a slash"),
        // Certificates, by subject and by digest.
        Case::get("/members").tls(&tls(&alice)).expect(200).upstream("x-auth-subject", "alice"),
        revoked(Case::get("/members").tls(&tls(&mallory)), "members", json!("mallory")).answer_absent("www-authenticate"),
        revoked(Case::get("/members").tls(&tls(&both)), "members", json!("both")).request_id("by-certificate"),
        Case::get("/members").tls(&tls(&with_the_other_signature(&alice))).expect(200).upstream("x-auth-subject", "alice"),
        revoked(Case::get("/members").tls(&tls(&with_the_other_signature(&both))), "members", json!("both"))
            .named("under another hash, which its holder chose"),
        Case::get("/hashes").tls(&tls(&alice)).expect(200).upstream("x-auth-subject", &alice.fingerprint()),
        revoked(Case::get("/hashes").tls(&tls(&mallory)), "hashes", json!(mallory.fingerprint())),
        revoked(
            Case::get("/hashes").tls(&tls(&with_the_other_signature(&mallory))),
            "hashes",
            json!(with_the_other_signature(&mallory).fingerprint()),
        ),
        // It is a bad credential: nothing beside it makes it good, and none would have been better.
        revoked(
            Case::get("/any").header("x-api-key", "of-billing").bearer(&Tokens::by(&tokens.named, json!({}))),
            "partners",
            json!("billing"),
        ),
        revoked(Case::get("/any").header("x-api-key", "of-audit").bearer(&Tokens::by(&tokens.rotated, json!({}))), "users", json!("alice")),
        revoked(Case::get("/any").tls(&tls(&both)).header("x-api-key", "of-audit"), "members", json!("both")),
        revoked(Case::get("/optional").bearer(&Tokens::by(&tokens.rotated, json!({}))), "users", json!("alice")),
        Case::get("/optional").expect(200),
        Case::get("/open").bearer(&Tokens::by(&tokens.rotated, json!({}))).expect(200).upstream_absent("authorization"),
    ]);
    let said = ["by-subject", "by-jti", "by-kid", "by-certificate"].map(|id| detail(&stage, id));
    assert_eq!(said, ["the subject is revoked", "the jti is revoked", "the kid is revoked", "the certificate is revoked"]);
    assert_eq!(stage.envoy.stat("wasmcustom.portcullis.portcullis.rejected.revoked"), Some(17));
}

/// A key without a `kid` is revoked by what the log calls it.
#[test]
fn a_key_without_a_kid_is_revoked_by_its_thumbprint() {
    let tokens = Tokens::new();
    let configuration = |revoked: Value| {
        json!({
            "providers": {"users": {"jwt": {"keys": {"jwks": jwks([&tokens.named, &tokens.unnamed])}, "issuers": "any", "audiences": "any"}}},
            "revoked": {"kids": revoked},
        })
    };
    let sent = Request::get("/").bearer(&Tokens::by(&tokens.unnamed, json!({}))).header("x-request-id", "thumbprint");
    let stage = Stage::new().config(configuration(json!([]))).start();
    assert_eq!(stage.send(&sent).status, 200);
    let credential = stage.envoy.access_log().entry("thumbprint", PATIENCE).expect("a line")["credential"].clone();
    drop(stage);
    let stage = Stage::new().config(configuration(json!([credential]))).start();
    stage.check([
        revoked(Case::get("/").bearer(&Tokens::by(&tokens.unnamed, json!({}))), "users", json!("alice")),
        Case::get("/").bearer(&Tokens::by(&tokens.named, json!({}))).expect(200),
    ]);
}

#[test]
fn long_lists() {
    let tokens = Tokens::new();
    let numbered = |prefix: &str| (0..10_000).map(|number| format!("{prefix}{number}")).collect::<Vec<_>>();
    let certificates: Vec<String> = (0..10_000).map(|number| digest(&format!("{number}"))).collect();
    let stage = Stage::new()
        .config(Configuration::Text(
            json!({
                "providers": {"users": {"jwt": {"keys": {"jwks": jwks([&tokens.named])}, "issuers": "any", "audiences": "any"}}},
                "revoked": {"subjects": numbered("users/s"), "jti": numbered("t"), "kids": numbered("k"), "certificate_sha256": certificates},
            })
            .to_string(),
        ))
        .start();
    let user = |changes: Value| Case::get("/").bearer(&Tokens::by(&tokens.named, changes));
    stage.check([
        user(json!({"sub": "s10000", "jti": "t10000"})).expect(200),
        revoked(user(json!({"sub": "s0", "jti": "x"})), "users", json!("s0")),
        revoked(user(json!({"sub": "s9999", "jti": "x"})), "users", json!("s9999")),
        revoked(user(json!({"jti": "t4711"})), "users", json!("alice")),
    ]);
}

/// By ECDS: the next request of a connection that is open, and that has been let in until now, is refused; for each list, and by every worker.
#[test]
fn a_revocation_holds_for_the_next_request_of_an_open_connection() {
    let tokens = Tokens::new();
    let members = Authority::new("members");
    let alice = members.client("alice");
    let plugin = |revoked: Value| {
        Plugin::new(json!({
            "providers": {
                "users": {"jwt": {"keys": {"jwks": jwks([&tokens.named, &tokens.rotated])}, "issuers": ["https://idp.test"], "audiences": "any"}},
                "partners": {"static_secret": {"callers": [{"id": "billing", "secrets": [{"sha256": digest("of-billing")}]}]}, "from": [{"header": "x-api-key"}]},
                "members": {"client_certificate": {}},
            },
            "rules": [
                {"match": {"path": "/users"}, "require": "users"},
                {"match": {"path": "/partners"}, "require": "partners"},
                {"match": {"path": "/members"}, "require": "members"},
            ],
            "revoked": revoked,
        }))
    };
    let stage = Stage::new().discovered(&plugin(json!({}))).tls(|tls| tls.clients_of(&members)).concurrency(2).balanced().start();
    let user = |key: &Key, changes: Value| Request::get("/users").bearer(&Tokens::by(key, changes));
    // Each with the list that ends it.
    let requests = [
        (user(&tokens.named, json!({"sub": "mallory"})), json!({"subjects": ["users/mallory"]})),
        (user(&tokens.named, json!({"jti": "t-revoked"})), json!({"jti": ["t-revoked"]})),
        (user(&tokens.rotated, json!({})), json!({"kids": ["stolen"]})),
        (Request::get("/partners").header("x-api-key", "of-billing"), json!({"subjects": ["partners/billing"]})),
        (Request::get("/members"), json!({"certificate_sha256": [alice.fingerprint()]})),
    ];
    let client = stage.tls_client(stage.client_tls().identity(&alice));
    let clients = [client.clone(), client.clone().http2(), client.clone(), client.http2()];
    let mut connections: Vec<_> = clients.iter().map(|client| client.connect().expect("a connection")).collect();
    let mut statuses = || -> Vec<Vec<u16>> {
        let of = |connection: &mut portcullis_harness::Connection| {
            requests.iter().map(|(request, _)| connection.send(request).expect("the connection stays open").status).collect()
        };
        connections.iter_mut().map(of).collect()
    };
    // Twice, so that what is verified is in the caches.
    assert_eq!([statuses(), statuses()], [vec![vec![200; 5]; 4], vec![vec![200; 5]; 4]]);
    for (index, (_, revoked)) in requests.iter().enumerate() {
        stage.discover(&plugin(revoked.clone()));
        let expected: Vec<u16> = (0..requests.len()).map(|other| if other == index { 401 } else { 200 }).collect();
        let mut seen = Vec::new();
        let holds = poll(PATIENCE, || {
            seen = statuses();
            seen.iter().all(|statuses| *statuses == expected).then_some(())
        });
        assert!(holds.is_some(), "{revoked}: {seen:?}");
    }
    // Nothing else came of it.
    stage.discover(&plugin(json!({})));
    assert!(poll(PATIENCE, || (statuses() == vec![vec![200; 5]; 4]).then_some(())).is_some());
}
