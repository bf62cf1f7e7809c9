//! Tokens that are bound to a client certificate (RFC 8705), on a real Envoy: stolen, they are worth nothing.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::string_slice, reason = "a test that can't go on fails")]

use portcullis_harness::{Algorithm, Authority, Case, Certificate, Key, RunningStage, Stage, Tls, jwks, mint, now};
use serde_json::{Value, json};

const CHALLENGE: &str = "Bearer realm=\"api\", error=\"invalid_token\"";

struct Bank {
    members: Authority,
    key: Key,
    stage: RunningStage,
}

impl Bank {
    fn open(revoked: &[&Certificate], members: Authority) -> Self {
        let key = Key::fixed(Algorithm::ES256, 1).with_kid("k1");
        let jwt = |more: Value| {
            let mut jwt = json!({"keys": {"jwks": jwks([&key])}, "issuers": "https://idp.test", "audiences": "any"});
            jwt.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            jwt
        };
        let bound = json!({"bind": {"certificate": "members"}});
        let revoked: Vec<String> = revoked.iter().map(|certificate| certificate.fingerprint()).collect();
        let stage = Stage::new()
            .config(json!({
                "providers": {
                    "members": {"client_certificate": {}},
                    "passed": {"client_certificate": {"source": {"header": "x-cert", "trusted": "network_only"}}},
                    "users": {"jwt": jwt(bound)},
                    "behind": {"jwt": jwt(json!({"bind": {"certificate": "passed"}})), "from": [{"header": "x-behind"}]},
                    "loose": {"jwt": jwt(json!({"bind": {"certificate": "members"}, "cnf": "ignore"})), "from": [{"header": "x-loose"}]},
                    "plain": {"jwt": jwt(json!({})), "from": [{"header": "x-plain"}]},
                },
                "rules": [
                    {"match": {"path": "/users"}, "require": "users"},
                    {"match": {"path": "/both"}, "require": {"all": ["members", "users"], "identity": "users"}},
                    {"match": {"path": "/optional"}, "require": {"provider": "users", "optional": true}},
                    {"match": {"path": "/any"}, "require": {"any": ["members", "users"]}},
                    {"match": {"path": "/behind"}, "require": "behind"},
                    {"match": {"path": "/loose"}, "require": "loose"},
                    {"match": {"path": "/plain"}, "require": "plain"},
                ],
                "revoked": {"certificate_sha256": revoked},
            }))
            .tls(|tls| tls.clients_of(&members))
            .start();
        Self { members, key, stage }
    }

    fn token(&self, cnf: Value) -> String {
        mint(&self.key, json!({"iss": "https://idp.test", "sub": "alice", "exp": now(3600), "cnf": cnf}))
    }

    fn tls(&self, certificate: &Certificate) -> Tls {
        self.stage.client_tls().identity(certificate)
    }
}

fn to(certificate: &Certificate) -> Value {
    json!({"x5t#S256": certificate.thumbprint()})
}

fn stolen(case: Case) -> Case {
    case.expect(401).reason("cnf_mismatch").answer("www-authenticate", CHALLENGE).not_upstream()
}

#[test]
fn a_token_is_worth_nothing_without_its_certificate() {
    let bank = Bank::open(&[], Authority::new("members"));
    let (alice, mallory) = (bank.members.client("alice"), bank.members.client("mallory"));
    let token = bank.token(to(&alice));
    let case = |path: &str, name: &str| Case::get(path).named(name).bearer(&token);
    let mut cases = vec![stolen(case("/users", "stolen before it was ever used").tls(&bank.tls(&mallory)))];
    // Its owner comes; then it is known, and stolen all the same.
    for again in ["", ", again"] {
        cases.extend([
            case("/users", &format!("its owner{again}")).tls(&bank.tls(&alice)).expect(200).upstream("x-auth-subject", "alice"),
            case("/users", &format!("its owner, HTTP/2{again}")).tls(&bank.tls(&alice)).http2().expect(200),
            case("/both", &format!("both{again}")).tls(&bank.tls(&alice)).expect(200).upstream("x-auth-provider", "users"),
            stolen(case("/users", &format!("another member{again}")).tls(&bank.tls(&mallory))),
            stolen(case("/users", &format!("another member, HTTP/2{again}")).tls(&bank.tls(&mallory)).http2()),
            stolen(case("/both", &format!("another member, both{again}")).tls(&bank.tls(&mallory))),
            stolen(case("/any", &format!("any: a bad one is never absent{again}")).tls(&bank.tls(&mallory))),
            stolen(case("/optional", &format!("optional{again}")).tls(&bank.tls(&mallory))),
            stolen(case("/users", &format!("no certificate{again}")).tls(&bank.stage.client_tls())),
            stolen(case("/users", &format!("no TLS{again}"))),
            stolen(case("/users", &format!("as a header{again}")).header("x-cert", alice.pem().replace('\n', "%0A"))),
        ]);
    }
    bank.stage.check(cases);
}

#[test]
fn a_binding_that_cannot_be_checked_is_refused() {
    let bank = Bank::open(&[], Authority::new("members"));
    let alice = bank.members.client("alice");
    let thumbprint = alice.thumbprint();
    let hex = alice.fingerprint();
    let users = |cnf: Value| Case::get("/users").named(cnf.to_string()).bearer(&bank.token(cnf)).tls(&bank.tls(&alice));
    let mut cases = vec![users(to(&alice)).expect(200)];
    for (cnf, reason) in [
        (Value::Null, "claim_missing"),
        (json!({}), "claim_missing"),
        (json!("x5t#S256"), "claim_invalid"),
        (json!([thumbprint]), "claim_invalid"),
        (json!({"x5t#S256": null}), "claim_invalid"),
        (json!({"x5t#S256": 1}), "claim_invalid"),
        (json!({"x5t#S256": [thumbprint]}), "claim_invalid"),
        (json!({"x5t#S256": ""}), "claim_invalid"),
        (json!({"x5t#S256": format!("{thumbprint}=")}), "claim_invalid"),
        (json!({"x5t#S256": &thumbprint[..42]}), "claim_invalid"),
        (json!({"x5t#S256": hex}), "claim_invalid"),
        (json!({"x5t#s256": thumbprint}), "cnf_unchecked"),
        (json!({"x5t": thumbprint}), "cnf_unchecked"),
        (json!({"x5t#S256": thumbprint, "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}), "cnf_unchecked"),
    ] {
        cases.push(users(cnf).expect(401).reason(reason).not_upstream());
    }
    let by = |name: &str, cnf: Value| {
        Case::get(format!("/{name}")).named(name).header(format!("x-{name}"), bank.token(cnf)).tls(&bank.tls(&alice))
    };
    let twofold = json!({"x5t#S256": thumbprint, "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"});
    cases.extend([
        // What is to be ignored is what isn't checked, not the binding itself.
        by("loose", twofold).expect(200),
        by("loose", to(&bank.members.client("bob"))).expect(401).reason("cnf_mismatch"),
        by("loose", json!({"jkt": "a"})).expect(401).reason("claim_missing"),
        by("plain", to(&alice)).expect(401).reason("cnf_unchecked"),
        by("plain", Value::Null).expect(200),
    ]);
    bank.stage.check(cases);
}

#[test]
fn the_certificate_is_the_one_that_its_provider_accepts() {
    let members = Authority::new("members");
    let (alice, revoked) = (members.client("alice"), members.client("revoked"));
    let bank = Bank::open(&[&revoked], members);
    let passed = |certificate: &Certificate| certificate.pem().replace('\n', "%0A").replace('+', "%2B");
    let behind = |cnf: Value| Case::get("/behind").header("x-behind", bank.token(cnf));
    let misdirected = bank.tls(&alice).server_name("localhost");
    bank.stage.check([
        behind(to(&alice)).named("in a header").header("x-cert", passed(&alice)).expect(200).upstream_absent("x-cert"),
        stolen(behind(to(&alice)).named("another in a header").header("x-cert", passed(&bank.members.client("mallory")))),
        stolen(behind(to(&alice)).named("none in the header").tls(&bank.tls(&alice))),
        behind(to(&alice)).named("no certificate").header("x-cert", "alice").expect(401).reason("certificate_malformed"),
        Case::get("/users").named("revoked").bearer(&bank.token(to(&revoked))).tls(&bank.tls(&revoked)).expect(401).reason("revoked"),
        Case::get("/users").named("misdirected").bearer(&bank.token(to(&alice))).tls(&misdirected).expect(421).reason("misdirected"),
    ]);
}
