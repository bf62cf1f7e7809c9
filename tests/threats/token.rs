//! Tokens, and what they are taken for. All that mallory has is what anybody has: the issuer's public keys, tokens that
//! the issuer gave her, or gave to others for something else, and time.

use crate::house::{both, route};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use portcullis_harness::{
    Algorithm, Authority, Case, Jws, Key, Request, Response, RsaBits, RunningStage, Stage, jwks, mint, mint_typed, now,
};
use serde_json::{Value, json};
use std::sync::LazyLock;

const ISSUER: &str = "https://idp.test";

fn rs() -> Key {
    Key::fixed(Algorithm::RS256, 1)
}

fn es() -> Key {
    Key::fixed(Algorithm::ES256, 1)
}

/// Good claims with these changes.
fn claims(changes: Value) -> Value {
    let mut claims = json!({"iss": ISSUER, "aud": "api", "sub": "mallory", "exp": now(3600)});
    for (name, value) in changes.as_object().expect("an object") {
        claims[name] = value.clone();
    }
    claims
}

/// The issuer's keys: one for each of two algorithms, one for encryption, one that is too short, and a secret that somebody published.
fn published() -> Value {
    let (enc, weak) = (Key::fixed(Algorithm::RS256, 3).with_kid("enc"), Key::rsa(Algorithm::RS256, RsaBits::B1024));
    let mut set = jwks([&rs(), &es(), &enc, &weak, &Key::fixed(Algorithm::HS256, 7).with_kid("oct")]);
    set["keys"][2]["use"] = json!("enc");
    set
}

/// A provider of that issuer's tokens, with these settings.
fn provider(changes: Value) -> Value {
    let mut jwt = json!({"keys": {"jwks": published()}, "issuers": [ISSUER], "audiences": ["api"]});
    for (name, value) in changes.as_object().expect("an object") {
        jwt[name] = value.clone();
    }
    json!({"jwt": jwt})
}

/// Each provider at the path of its name; Envoy's own `jwt_authn`, with the same keys, issuer and audience, at `/native`.
fn tokens() -> &'static RunningStage {
    static TOKENS: LazyLock<RunningStage> = LazyLock::new(|| {
        let tenants = ["https://a.test", "https://b.test"];
        let mut of_tenants = jwks([&Key::fixed(Algorithm::ES256, 11), &Key::fixed(Algorithm::ES256, 12)]);
        let anybodys = of_tenants.clone();
        for (key, tenant) in of_tenants["keys"].as_array_mut().expect("keys").iter_mut().zip(tenants) {
            key["issuer"] = json!(tenant);
        }
        let shared = Key::fixed(Algorithm::HS256, 1);
        let of_callers = |id: &str, number: u32| {
            let secret = URL_SAFE_NO_PAD.encode(Key::fixed(Algorithm::HS256, number).secret_bytes());
            json!({"id": id, "secrets": [{"base64": STANDARD.encode(URL_SAFE_NO_PAD.decode(secret).expect("base64url"))}]})
        };
        let providers = json!({
            "api": provider(json!({})),
            "lax": provider(json!({"audiences": "any"})),
            "bound": provider(json!({"cnf": "ignore"})),
            "typed": provider(json!({"types": ["at+jwt"]})),
            "tenants": provider(json!({"keys": {"jwks": of_tenants}, "issuers": tenants})),
            "careless": provider(json!({"keys": {"jwks": anybodys}, "issuers": tenants})),
            "shared": provider(json!({"keys": {"secret": {"base64": STANDARD.encode(shared.secret_bytes())}}})),
            "callers": provider(json!({"keys": {"callers": {"by": {"claim": "sub"}, "list": [of_callers("mallory", 21), of_callers("alice", 22)]}}})),
            "partners": {"static_secret": {"callers": [{"id": "billing", "secrets": [{"sha256": crate::house::digest("billings-secret")}]}]}},
        });
        let names = providers.as_object().expect("an object").keys().cloned();
        let rules: Vec<Value> = names.map(|name| json!({"match": {"path_prefix": format!("/{name}")}, "require": name})).collect();
        let native = json!({"name": "native", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
            "providers": {"idp": {"issuer": ISSUER, "audiences": ["api"], "local_jwks": {"inline_string": published().to_string()}}},
            "rules": [{"match": {"prefix": "/native"}, "requires": {"provider_name": "idp"}}],
        }});
        Stage::new()
            .config(json!({"providers": providers, "rules": rules}))
            .bootstrap(|bootstrap| {
                bootstrap.filter_before(native).routes(json!([route("/native", &[], &["portcullis", "guard"]), route("/", &[], &[])]))
            })
            .start()
    });
    &TOKENS
}

#[track_caller]
fn sends(path: &str, token: &str) -> Case {
    Case::get(path).bearer(token)
}

/// All that a client could learn from an answer.
fn told(response: &Response) -> String {
    let headers = response.headers.iter().filter(|(name, _)| name != "date" && name != "x-request-id");
    format!("{} {:?} {}", response.status, headers.map(|(n, v)| (n, String::from_utf8_lossy(v))).collect::<Vec<_>>(), response.text())
}

/// Forged tokens: signed by nobody, by a key of mallory's own that the token brings along, by the public key as a
/// secret, by a key that isn't for that; and tokens that two readers read as two, of which the signature holds for one.
#[test]
fn forged_tokens() {
    let (stage, rs, es) = (tokens(), rs(), es());
    let mallorys_own = Key::fixed(Algorithm::RS256, 2).with_kid("mallory");
    let good = claims(json!({}));
    let header = |changes: Value| {
        let mut header = json!({"alg": "RS256", "typ": "JWT", "kid": "rs256-1"});
        header.as_object_mut().expect("an object").extend(changes.as_object().expect("an object").clone());
        header
    };
    let signed = |changes: Value| Jws::new(header(changes), good.clone()).sign(&rs);
    let payload = |text: String| Jws::of_text(header(json!({})).to_string(), text).sign(&rs);
    let whole = mint(&rs, good.clone());
    let (head, signature) = whole.rsplit_once('.').expect("three parts");
    let place = format!("http://{}/.well-known/jwks.json", stage.identity_provider.address());
    let ec = Jws::new(json!({"alg": "ES256", "kid": "es256-1"}), good.clone());
    let ec_signature = es.sign(ec.signing_input().as_bytes());
    let hmac = |secret: Vec<u8>| {
        let jws = Jws::new(header(json!({"alg": "HS256"})), good.clone());
        let mac = Key::secret(Algorithm::HS256, secret).sign(jws.signing_input().as_bytes());
        jws.with_signature(mac)
    };
    let inside = good.to_string().trim_matches(['{', '}']).to_owned();
    let forged = [
        ("alg none", Jws::new(header(json!({"alg": "none"})), good.clone()).with_signature(b""), "algorithm_refused"),
        ("alg nOnE, and a kid", Jws::new(header(json!({"alg": "nOnE"})), good.clone()).with_signature(b"x"), "algorithm_refused"),
        ("no signature", Jws::new(header(json!({})), good.clone()).with_signature(b""), "signature_invalid"),
        ("the public key as a secret", hmac(rs.public_pem().into_bytes()), "algorithm_refused"),
        ("its JWK as a secret", hmac(rs.jwk().to_string().into_bytes()), "algorithm_refused"),
        ("a secret that was published", mint(&Key::fixed(Algorithm::HS256, 7).with_kid("oct"), good.clone()), "algorithm_refused"),
        ("jwk", Jws::new(header(json!({"jwk": mallorys_own.jwk()})), good.clone()).sign(&mallorys_own), "signature_invalid"),
        (
            "jwk and no kid",
            Jws::new(json!({"alg": "RS256", "jwk": mallorys_own.jwk()}), good.clone()).sign(&mallorys_own),
            "signature_invalid",
        ),
        ("jku", Jws::new(header(json!({"jku": place, "kid": "mallory"})), good.clone()).sign(&mallorys_own), "key_unknown"),
        ("x5u", Jws::new(header(json!({"x5u": place, "kid": "mallory"})), good.clone()).sign(&mallorys_own), "key_unknown"),
        ("crit", signed(json!({"crit": ["exp"]})), "token_malformed"),
        (
            "crit that must be understood",
            signed(json!({"crit": ["https://idp.test/policy"], "https://idp.test/policy": 1})),
            "token_malformed",
        ),
        ("b64", signed(json!({"b64": false, "crit": ["b64"]})), "token_malformed"),
        ("sub twice", payload(format!("{{\"sub\":\"operator\",{inside}}}")), "token_malformed"),
        ("exp twice", payload(format!("{{{inside},\"exp\":9999999999}}")), "token_malformed"),
        ("alg twice", Jws::of_text(r#"{"alg":"none","alg":"RS256","kid":"rs256-1"}"#, good.to_string()).sign(&rs), "token_malformed"),
        ("a comment in JSON", payload(format!("{{/**/{inside}}}")), "token_malformed"),
        ("a comma too many", payload(format!("{{{inside},}}")), "token_malformed"),
        ("two documents", payload(format!("{{{inside}}}{{}}")), "token_malformed"),
        ("a byte order mark", payload(format!("\u{feff}{{{inside}}}")), "token_malformed"),
        ("a number as text", payload(good.to_string().replace("\"exp\":", "\"exp\":\"1\",\"x\":")), "claim_invalid"),
        ("padding", format!("{head}.{signature}=="), "token_malformed"),
        ("the other alphabet", format!("{head}.{}", signature.replace('_', "/").replace('-', "+")), "token_malformed"),
        ("65 bytes of ES256", ec.with_signature([ec_signature.as_slice(), &[0]].concat()), "signature_invalid"),
        ("ES256 of zeros", ec.with_signature([0; 64]), "signature_invalid"),
        ("a key for encryption", mint(&Key::fixed(Algorithm::RS256, 3).with_kid("enc"), good.clone()), "key_unsuitable"),
        ("RSA of 1024 bits", mint(&Key::rsa(Algorithm::RS256, RsaBits::B1024), good.clone()), "key_unsuitable"),
        ("another algorithm of the same key", mint(&rs.clone().with_algorithm(Algorithm::PS256), good.clone()), "key_unsuitable"),
        ("exp 0", mint(&rs, claims(json!({"exp": 0}))), "token_expired"),
        ("exp null", mint(&rs, claims(json!({"exp": null}))), "claim_missing"),
        ("nobody's in particular", mint(&rs, json!({"sub": "operator"})), "claim_missing"),
    ];
    let mut taken = Vec::new();
    let mut failures = Vec::new();
    for (what, token, reason) in &forged {
        if sends("/native", token).expect(200).run(stage).is_ok() {
            taken.push(*what);
        }
        for case in both([sends("/api", token).named(*what).expect(401).reason(reason)]) {
            failures.extend(case.run(stage).err());
        }
    }
    assert!(failures.is_empty(), "{} failed:\n\n{}", failures.len(), failures.join("\n"));
    // Envoy's own filter is right about most; these are the rest: tokens are forged because they pass somewhere.
    assert!(taken.len() >= 5, "the attacks are none: Envoy's own filter takes only {taken:?}");
    stage.check(both([sends("/api", &whole).expect(200).upstream("x-auth-subject", "mallory"), sends("/native", &whole).expect(200)]));
    assert_eq!(stage.identity_provider.fetch_count(), 0, "somebody followed a token's own link");
}

/// The issuer gives tokens to anybody, for any of its clients; where no audience is asked for, one for mallory's own
/// photo album opens the bank.
#[test]
fn a_token_for_another_audience() {
    let stage = tokens();
    for audience in [json!("album"), json!(["album", "shop"]), json!("API"), json!("api "), json!("api,album"), json!([]), Value::Null] {
        let token = mint(&rs(), claims(json!({"aud": audience})));
        let reason = if audience.is_null() { "claim_missing" } else { "audience_mismatch" };
        stage.check([
            sends("/lax", &token).named(format!("any, written out: {audience}")).expect(200),
            sends("/api", &token).named(format!("{audience}")).expect(401).reason(reason),
        ]);
    }
    // It has to be written out.
    let mut users = provider(json!({}));
    for gone in ["audiences", "issuers"] {
        users["jwt"].as_object_mut().expect("an object").remove(gone);
    }
    let failure = Stage::new().config(json!({"providers": {"users": users}})).try_start().err().expect("it is refused at load").to_string();
    for says in ["providers.users.jwt.audiences: ", "providers.users.jwt.issuers: "] {
        assert!(failure.contains(says), "{failure}");
    }
}

/// A token that is bound to its owner's certificate (RFC 8705), or key (RFC 9449), was stolen on its way, and mallory
/// sends it over a connection of her own: what nobody checks binds nothing.
#[test]
fn a_token_that_is_bound_to_somebody_else() {
    let stage = tokens();
    let victim = Authority::new("members").client("alice");
    for cnf in
        [json!({"x5t#S256": victim.thumbprint()}), json!({"jkt": victim.thumbprint()}), json!({"jwk": es().jwk()}), json!({}), json!("x")]
    {
        let stolen = mint(&rs(), claims(json!({"sub": "alice", "cnf": cnf})));
        stage.check([
            sends("/native", &stolen).named(format!("Envoy's own filter, {cnf}")).expect(200),
            sends("/bound", &stolen).named(format!("cnf: ignore, {cnf}")).expect(200).upstream("x-auth-subject", "alice"),
            sends("/api", &stolen).named(format!("{cnf}")).expect(401).reason("cnf_unchecked"),
            sends("/api", &stolen).http2().expect(401).reason("cnf_unchecked"),
        ]);
    }
}

/// Callers have keys of their own, and mallory wants to know who they are: an unknown caller, a known one's wrong
/// signature and a known one's stale token must not be told apart. (That they cost the same is for
/// `authenticator/jwt/tests/callers.rs`, which counts.)
#[test]
fn the_names_of_other_callers() {
    let stage = tokens();
    let token = |sub: &str, number: u32| mint(&Key::fixed(Algorithm::HS256, number).without_kid(), claims(json!({"sub": sub})));
    stage.check([sends("/callers", &token("mallory", 21)).expect(200).upstream("x-auth-subject", "mallory")]);
    let mut answers = Vec::new();
    for (sub, number) in [("alice", 21), ("nobody", 21), ("", 21), ("ALICE", 21), ("mallory", 22), ("alice", 23), ("alice\u{0}", 22)] {
        let response = sends("/callers", &token(sub, number)).not_upstream().run(stage).expect("refused");
        answers.push(told(&response));
    }
    // Secrets are not told apart either.
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:#?}");
    let keys = ["billings-secret ", "billing", "", "x"].map(|secret| stage.send(&Request::get("/partners").bearer(secret)));
    let told: Vec<String> = keys.iter().filter(|response| response.status == 401).map(told).collect();
    assert!(told.iter().all(|one| one.starts_with("401")), "{told:#?}");
}

/// Keys over a connection that anybody may stand in the middle of are mallory's keys: plain http has to be written out.
#[test]
fn keys_that_come_over_plain_http() {
    let users = |settings: Value| {
        let mut keys = json!({"jwks_uri": "http://idp.test/.well-known/jwks.json", "cluster": "idp"});
        keys.as_object_mut().expect("an object").extend(settings.as_object().expect("an object").clone());
        provider(json!({"keys": keys}))
    };
    let config = json!({
        "providers": {"unsaid": users(json!({})), "denied": users(json!({"insecure_http": false})), "allowed": users(json!({"insecure_http": true}))},
        "rules": [{"match": {"path": "/a"}, "require": "unsaid"}, {"match": {"path": "/b"}, "require": "denied"}, {"require": "allowed"}],
    });
    let failure = Stage::new().config(config).try_start().err().expect("it is refused at load").to_string();
    let about =
        |name: &str| failure.lines().any(|line| line.contains(&format!("providers.{name}.jwt.keys")) && line.contains("insecure_http"));
    assert_eq!(["unsaid", "denied", "allowed"].map(about), [true, true, false], "{failure}");
}

/// Mallory registers at the issuer as `billing`, which is also what a partner is called: by the subject alone the service
/// takes the one for the other.
#[test]
fn one_name_of_two_providers() {
    let token = mint(&rs(), claims(json!({"sub": "billing"})));
    tokens().check(both([
        sends("/partners", "billings-secret").expect(200).upstream("x-auth-subject", "billing").upstream("x-auth-provider", "partners"),
        sends("/api", &token).expect(200).upstream("x-auth-subject", "billing").upstream("x-auth-provider", "api"),
        sends("/api", &token).header("x-auth-provider", "partners").expect(200).upstream("x-auth-provider", "api"),
        sends("/api", &token).header("x_auth_provider", "partners").expect(200).upstream_absent("x_auth_provider"),
    ]));
}

/// The issuer signs other things than access tokens, by the same key and with the same claims: what it sent to log
/// mallory out, to prove a key, or to report an event, lets her in.
#[test]
fn another_kind_of_token() {
    let stage = tokens();
    for typ in [
        "logout+jwt",
        "dpop+jwt",
        "secevent+jwt",
        "token-introspection+jwt",
        "kb+jwt",
        "statuslist+jwt",
        "LOGOUT+JWT",
        "application/logout+jwt",
    ] {
        let token = mint_typed(&rs(), typ, claims(json!({"sub": "alice"})));
        stage.check([
            sends("/native", &token).named(format!("Envoy's own filter, {typ}")).expect(200),
            sends("/api", &token).named(typ).expect(401).reason("token_type"),
            sends("/api", &token).named(typ).http2().expect(401).reason("token_type"),
        ]);
    }
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt"] {
        stage.check([sends("/typed", &mint_typed(&rs(), typ, claims(json!({})))).named(typ).expect(200)]);
    }
    for typ in ["JWT", "", "at+jwt2", "id+jwt", "xat+jwt"] {
        stage.check([sends("/typed", &mint_typed(&rs(), typ, claims(json!({})))).named(typ).expect(401).reason("token_type")]);
    }
}

/// One key set serves many tenants, and mallory's tenant has a key in it: she signs a token of the other one's.
#[test]
fn a_key_of_another_tenant() {
    let of = |issuer: &str, number: u32| mint(&Key::fixed(Algorithm::ES256, number), claims(json!({"iss": issuer, "sub": "alice"})));
    let (a, forged) = (of("https://a.test", 11), of("https://a.test", 12));
    tokens().check(both([
        sends("/careless", &forged).named("keys that name no issuer").expect(200).upstream("x-auth-subject", "alice"),
        sends("/tenants", &a).expect(200).upstream("x-auth-subject", "alice"),
        sends("/tenants", &of("https://b.test", 12)).expect(200),
        sends("/tenants", &forged).named("forged").expect(401).not_upstream(),
        sends("/tenants", &of("https://b.test", 11)).named("forged").expect(401).not_upstream(),
        sends("/tenants", &of("https://c.test", 12)).named("a third one's").expect(401).reason("issuer_mismatch"),
    ]));
    let anonymous = mint(&Key::fixed(Algorithm::ES256, 12).without_kid(), claims(json!({"iss": "https://a.test"})));
    tokens().check([sends("/tenants", &anonymous).named("without a kid").expect(401).not_upstream()]);
}

/// A token is good for whoever signed it, wherever it stands: mallory sends one by the shared secret to where keys are
/// asymmetric, and the other way round.
#[test]
fn a_token_at_the_wrong_provider() {
    let shared = Key::fixed(Algorithm::HS256, 1).without_kid();
    tokens().check([
        sends("/shared", &mint(&shared, claims(json!({})))).expect(200),
        sends("/api", &mint(&shared, claims(json!({})))).expect(401).reason("algorithm_refused"),
        sends("/shared", &mint(&rs(), claims(json!({})))).expect(401).reason("algorithm_refused"),
        sends("/callers", &mint(&shared, claims(json!({})))).expect(401).not_upstream(),
        sends("/partners", &mint(&rs(), claims(json!({"sub": "billing"})))).expect(401).reason("secret_unknown"),
    ]);
}
