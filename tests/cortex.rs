//! Elastic Path Cortex in Trusted Subject Header Mode, behind `envoy/cortex.yaml` as it is shipped. The numbers are those of the acceptance list for Cortex:
//! 1 to 4 and 9 to 12 tokens and headers, 5 to 8 logins.
#![allow(clippy::arithmetic_side_effects, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test may end so")]

use portcullis_harness::{
    Algorithm, Answer, Authority, Case, Example, IdentityProvider, Key, PATIENCE, Received, Request, RunningStage, Upstream, jwks, mint,
    now, poll,
};
use serde_json::{Value, json};
use std::time::Duration;

const TRUST: &str = "trust-8c1d52f0a7e94b6f";
/// `printf %s trust-8c1d52f0a7e94b6f | openssl sha256 -binary | base64`
const TRUST_SHA256: &str = "euRPeJIUvVg9l2wnURgo6J4TSGG6i6Pet8SroZBBKuo=";
const USER: &str = "oliver.harris@elasticpath.com";
const PASSWORD: &str = "pass:wörd-3fd1a2";
const GUID: &str = "67E280AC-7E86-32A3-59B2-610FF2CA38DD";
const LOGIN: &str = "/cortex/authentication/user";
const WEEK: i64 = 604_800;

struct Shop {
    stage: RunningStage,
    /// The scope telco's own Cortex.
    telco: Upstream,
}

fn shop(change: impl FnOnce(Example) -> Example) -> Shop {
    let (cortex, telco) = (Upstream::start(), Upstream::start());
    cortex.answer_by(|received| stand_in(received, "MOBEE"));
    telco.answer_by(|received| stand_in(received, "TELCO"));
    let oauth2 = IdentityProvider::with_keys([Key::fixed(Algorithm::RS256, 1)]);
    let example = Example::shipped("envoy/cortex.yaml", &[10000])
        .port(9080, cortex.address().port())
        .port(13080, telco.address().port())
        .port(8081, oauth2.address().port());
    let launch = change(example).launch().env("CORTEX_TRUST_HEADER", TRUST).env("CORTEX_TRUST_HEADER_SHA256", TRUST_SHA256);
    Shop { stage: RunningStage::around(launch, cortex, oauth2, Authority::new("servers")), telco }
}

/// Cortex: its login endpoint, and resources that believe the headers.
fn stand_in(received: &Received, scope: &str) -> Answer {
    if received.path != LOGIN {
        return Answer::echo();
    }
    let login = received.json();
    let is_trusted = received.header("x-ep-trust-header").as_deref() == Some(TRUST);
    let is_user = login["username"] == USER && login["password"] == PASSWORD && login["role"] == "REGISTERED";
    if is_trusted && is_user {
        Answer::json(&identity(GUID, "REGISTERED", scope)).header("cache-control", "no-store")
    } else {
        Answer::text("text/plain", "no").with_status(401)
    }
}

fn identity(id: &str, role: &str, scope: &str) -> Value {
    json!({"x-ep-user-id": id, "x-ep-user-roles": role, "x-ep-user-scopes": scope})
}

impl Shop {
    fn token_with(&self, change: impl FnOnce(&mut Value)) -> String {
        let mut claims =
            json!({"iss": "https://oauth2.example", "sub": GUID, "roles": "REGISTERED", "scope": "MOBEE", "iat": now(0), "exp": now(300)});
        change(&mut claims);
        self.stage.identity_provider.token(claims)
    }

    fn token(&self) -> String {
        self.token_with(|_| ())
    }

    /// Logins that reached a Cortex by the callout.
    fn logins(&self) -> Vec<Received> {
        let all = [self.stage.upstream.received(), self.telco.received()].concat();
        all.into_iter().filter(|received| received.path == LOGIN && received.header("x-request-id").is_none()).collect()
    }

    /// Nothing of these stands in anything that is written down.
    fn never_told(&self, secrets: &[&str]) {
        let written = [self.stage.envoy.log().text(), self.stage.envoy.access_log().text(), self.stage.envoy.admin("/stats")];
        for secret in secrets {
            assert!(!written.iter().any(|text| text.contains(secret)), "{secret} was told");
        }
    }
}

/// Upstream gets exactly these three headers of the family.
fn becomes(case: Case, id: &str, role: &str, scope: &str) -> Case {
    let case = case.expect(200).upstream("x-ep-user-id", id).upstream("x-ep-user-roles", role).upstream("x-ep-user-scopes", scope);
    absent(case)
}

fn absent(case: Case) -> Case {
    const OTHERS: [&str; 9] = [
        "x-ep-user-role",
        "x-ep-user-scope",
        "x-ep-user-trait",
        "x-ep-user-traits",
        "x-ep-anything",
        "x-ep-trust-header",
        "x-forwarded-base",
        "x-auth-subject",
        "authorization",
    ];
    OTHERS.into_iter().fold(case, Case::upstream_absent)
}

/// What a client may try to be.
fn spoofed(case: Case) -> Case {
    [
        ("x-ep-user-id", "VICTIM"),
        ("X-EP-User-Id", "VICTIM"),
        ("x-ep-user-roles", "REGISTERED"),
        ("x-ep-user-role", "REGISTERED"),
        ("x-ep-user-scopes", "TELCO"),
        ("x-ep-user-scope", "TELCO"),
        ("x-ep-user-traits", "LOCALE=fr-CA, CURRENCY=CAD"),
        ("x-ep-user-trait", "CURRENCY=CAD"),
        ("X-Ep-Anything", "1"),
        ("x-ep-trust-header", "guess"),
        ("x-forwarded-base", "https://evil.example"),
    ]
    .into_iter()
    .fold(case, |case, (name, value)| case.header(name, value))
}

#[test]
fn tokens_become_trusted_subject_headers_and_nothing_else_does() {
    let shop = shop(|example| example);
    let token = shop.token();
    let with = |change: &dyn Fn(&mut Value)| Case::get("/cortex/profiles").bearer(&shop.token_with(|claims| change(claims)));
    let resource = || Case::get("/cortex/items/mobee");
    shop.stage.check([
        becomes(resource().bearer(&token), GUID, "REGISTERED", "MOBEE").named("1"),
        becomes(Case::get(format!("/cortex?a=1&auth_token={token}&b=2")), GUID, "REGISTERED", "MOBEE")
            .upstream_path("/cortex?a=1&b=2")
            .access("subject", GUID)
            .named("1, by the query"),
        becomes(spoofed(resource().bearer(&token)), GUID, "REGISTERED", "MOBEE").named("2"),
        becomes(spoofed(resource().bearer(&token)).http2(), GUID, "REGISTERED", "MOBEE").named("2, HTTP/2"),
        spoofed(resource()).expect(401).reason("credential_missing").named("3"),
        resource().header("x-ep-trust-header", TRUST).expect(401).reason("credential_missing").named("4, a resource"),
        with(&|claims| claims["iat"] = json!(now(-WEEK + 30))).expect(200).named("9, young enough"),
        with(&|claims| claims["iat"] = json!(now(-WEEK - 5))).expect(401).reason("token_too_old").named("9"),
        with(&|claims| claims["exp"] = json!(now(-120))).expect(401).reason("token_expired").named("9, expired"),
        with(&|claims| claims["roles"] = json!(["REGISTERED", "PUBLIC"])).expect(401).reason("header_value").named("10, roles"),
        with(&|claims| claims["scope"] = json!("MOBEE TELCO")).expect(401).reason("header_value").named("10, scopes"),
        with(&|claims| claims["scope"] = json!(null)).expect(401).reason("header_value").named("10, no scope"),
        with(&|claims| claims["roles"] = json!("ADMIN")).expect(401).reason("role_missing").named("10, another role"),
        with(&|claims| claims["sub"] = json!(null)).expect(401).reason("header_value").named("10, nobody"),
        with(&|claims| claims["sub"] = json!("a,b")).expect(401).reason("header_value").named("11, a comma"),
        with(&|claims| claims["sub"] = json!("a\r\nx-ep-user-id: b")).expect(401).reason("header_value").named("11, CR and LF"),
        with(&|claims| claims["sub"] = json!("a\nb")).expect(401).reason("header_value").named("11, LF"),
        with(&|claims| claims["sub"] = json!("Zoë")).expect(401).reason("header_value").named("11, not ASCII"),
        becomes(with(&|claims| claims["roles"] = json!("PUBLIC")), GUID, "PUBLIC", "MOBEE").named("12"),
    ]);
    shop.never_told(&[TRUST, &token]);
}

#[test]
fn the_login_endpoint_is_for_those_who_hold_the_trust_header() {
    let shop = shop(|example| example);
    let body = json!({"username": USER, "password": PASSWORD, "scope": "mobee", "role": "REGISTERED"}).to_string();
    let login = |trust: &[u8]| Case::post(LOGIN, body.clone()).header("x-ep-trust-header", trust);
    shop.stage.check([
        login(TRUST.as_bytes())
            .expect(200)
            .upstream("x-ep-trust-header", TRUST)
            .upstream_absent("x-ep-user-id")
            .body_contains(GUID)
            .named("4, right"),
        spoofed(Case::post(LOGIN, body.clone())).expect(401).reason("secret_unknown").named("4, a guess"),
        login(b"wrong").expect(401).reason("secret_unknown").named("4, wrong"),
        Case::post(LOGIN, body.clone()).expect(401).reason("credential_missing").named("4, missing"),
        login(&TRUST.as_bytes()[..TRUST.len() - 1]).expect(401).reason("secret_unknown").named("4, a prefix"),
        login(format!("{TRUST}x").as_bytes()).expect(401).reason("secret_unknown").named("4, longer"),
        login(TRUST_SHA256.as_bytes()).expect(401).reason("secret_unknown").named("4, its hash"),
        login(TRUST.as_bytes()).header("x-ep-trust-header", TRUST).expect(400).reason("credential_ambiguous").named("4, twice"),
        login(b"caf\xe9").expect(401).named("4, not UTF-8").not_upstream(),
        Case::post(LOGIN, body.clone()).bearer(&shop.token()).expect(401).reason("credential_missing").named("4, a shopper's token"),
        Case::get(LOGIN).header("x-ep-trust-header", TRUST).expect(405).reason("method_not_allowed").named("4, GET"),
        Case::post("/cortex/authentication/other", "")
            .header("x-ep-trust-header", TRUST)
            .expect(403)
            .reason("denied")
            .named("4, elsewhere"),
        Case::post("/cortex/./authentication/user", "").header("x-ep-user-id", "VICTIM").expect(401).not_upstream().named("4, by a detour"),
        Case::get("/other").bearer(&shop.token()).expect(403).reason("no_rule"),
    ]);
    // However it is written, it is the login endpoint, or something that never sees the trust header.
    shop.stage.upstream.forget();
    let variants = [
        "/cortex/authentication/%75ser",
        "/cortex/%61uthentication/user",
        "/cortex//authentication/user",
        "/cortex/x/../authentication/user",
        "/cortex/authentication\\user",
        "/cortex/authentication%2fuser",
        "/cortex/authentication/user/",
        "/cortex/authentication/user;a=b",
        "/cortex/authentication;a/user",
        "/cortex/Authentication/user",
    ];
    for variant in variants {
        shop.stage.send(&Request::post(variant, body.clone()).header("x-ep-trust-header", "guess").bearer(&shop.token()));
    }
    assert!(shop.stage.upstream.received().iter().all(|received| received.path != LOGIN), "without the trust header");
    for variant in variants {
        shop.stage.send(&Request::post(variant, body.clone()).header("x-ep-trust-header", TRUST).bearer(&shop.token()));
    }
    let received = shop.stage.upstream.received();
    assert!(received.iter().any(|received| received.path == LOGIN), "with it");
    assert!(received.iter().all(|received| received.path == LOGIN || received.header("x-ep-trust-header").is_none()), "elsewhere");
    shop.never_told(&[TRUST, PASSWORD]);
}

#[test]
fn what_is_no_credential_of_a_shopper_is_refused() {
    let shop = shop(|example| example);
    let (right, stranger) = (shop.token(), Key::fixed(Algorithm::RS256, 2));
    let forged = mint(
        &stranger,
        json!({"iss": "https://oauth2.example", "sub": GUID, "roles": "REGISTERED", "scope": "MOBEE", "iat": now(0), "exp": now(300)}),
    );
    let resource = || Case::get("/cortex/items/mobee");
    let public_key = jwks(&shop.stage.identity_provider.keys()).to_string();
    let confused =
        mint(&Key::secret(Algorithm::HS256, public_key.as_bytes()), json!({"iss": "https://oauth2.example", "sub": GUID, "exp": now(300)}));
    let huge = "a".repeat(64 * 1024);
    shop.stage.check([
        resource().expect(401).reason("credential_missing"),
        resource().bearer(&forged).expect(401).named("forged"),
        resource().bearer(&confused).expect(401).reason("algorithm_refused"),
        resource().bearer(&shop.token_with(|claims| claims["iss"] = json!("https://other.example"))).expect(401).named("another issuer"),
        resource().bearer("garbage").expect(401).not_upstream(),
        resource().bearer("").expect(401).not_upstream(),
        resource().header("authorization", b"Bearer \xff\xfe\x80").expect(401).not_upstream(),
        resource().bearer(&right).header("authorization", format!("Bearer {right}")).expect(400).reason("credential_ambiguous"),
        resource().bearer(&right).header("authorization", format!("Bearer {forged}")).expect(400).reason("credential_ambiguous"),
        Case::get(format!("/cortex?auth_token={right}&auth_token={right}")).expect(400).reason("credential_ambiguous"),
        resource().header("authorization", b"Basic \xff\xfe").expect(401).not_upstream(),
        resource().header("authorization", "Basic !!!").expect(401).reason("credential_malformed"),
        resource().header("authorization", "Basic bm8tY29sb24=").expect(401).reason("credential_malformed"),
        resource().header("authorization", "Digest username=x").expect(401).reason("credential_missing"),
    ]);
    // Envoy itself has a bound for all headers of a request: 60 KiB.
    for value in [format!("Bearer {huge}"), format!("Basic {huge}")] {
        let status = shop.stage.send(&Request::get("/cortex").header("authorization", value)).status;
        assert!((400..500).contains(&status), "{status}");
    }
    assert!(shop.stage.upstream.received().iter().all(|received| received.path == LOGIN));
    shop.never_told(&[TRUST, &right, &forged]);
}

#[test]
fn a_login_becomes_headers() {
    let shop = shop(|example| example);
    let resource = || Case::get("/cortex/items/mobee").basic(USER, PASSWORD);
    shop.stage.check([
        becomes(spoofed(resource()), GUID, "REGISTERED", "MOBEE").access("provider", "shoppers").access("subject", GUID).named("5"),
        becomes(resource(), GUID, "REGISTERED", "MOBEE").named("5, again"),
    ]);
    let logins = shop.logins();
    assert_eq!(logins.len(), 1, "the answer is kept");
    let login = &logins[0];
    assert_eq!((login.method.as_str(), login.header("x-ep-trust-header").as_deref()), ("POST", Some(TRUST)));
    assert_eq!(login.header("content-type").as_deref(), Some("application/json"));
    assert_eq!(login.json(), json!({"username": USER, "password": PASSWORD, "scope": "mobee", "role": "REGISTERED"}));
    assert_eq!(login.header("authorization"), None);

    shop.stage.check([
        Case::get("/cortex").basic(USER, "guess").expect(401).reason("remote_denied").named("6"),
        Case::get("/cortex").basic("nobody", PASSWORD).expect(401).reason("remote_denied").named("6, another user"),
        becomes(resource().header("x-store", "telco"), GUID, "REGISTERED", "TELCO").named("8"),
        becomes(resource().header("x-store", "elsewhere"), GUID, "REGISTERED", "MOBEE").named("8, any other"),
        resource().header("x-store", "telco").header("x-store", "mobee").expect(400).not_upstream().named("8, two scopes"),
    ]);
    let prometheus = shop.stage.envoy.admin("/stats/prometheus");
    for (outcome, count) in [("granted", 3), ("denied", 2)] {
        let line = format!("portcullis_remote{{plugin=\"cortex\",provider=\"shoppers\",outcome=\"{outcome}\"}} {count}");
        assert!(prometheus.contains(&line), "no {line} in\n{prometheus}");
    }
    let scopes: Vec<Value> = shop.logins().iter().map(|login| login.json()["scope"].clone()).collect();
    assert_eq!(scopes, ["mobee", "mobee", "mobee", "elsewhere", "telco"].map(Value::from));
    assert_eq!(shop.telco.count(), 1);
    let metrics = shop.stage.envoy.admin("/stats/prometheus");
    assert!(metrics.contains(r#"portcullis_remote{plugin="cortex",provider="shoppers",outcome="granted"} 3"#), "{metrics}");
    shop.never_told(&[TRUST, PASSWORD, "guess"]);
}

#[test]
fn a_login_that_is_not_answered_well_lets_nobody_in() {
    let shop = shop(|example| example.replace("timeout: 2s", "timeout: 400ms"));
    let answers = [
        ("500", Answer::status(500)),
        ("404", Answer::status(404)),
        ("302", Answer::redirect("/cortex/authentication/other")),
        ("a timeout", Answer::hang()),
        ("a reset", Answer::close()),
        ("no JSON", Answer::text("application/json", "{\"x-ep-user-id\": ")),
        ("HTML", Answer::text("text/html", "<html>")),
        ("nothing", Answer::text("application/json", "")),
        ("no id", Answer::json(&json!({"x-ep-user-roles": "REGISTERED", "x-ep-user-scopes": "MOBEE"}))),
        ("an id of another type", Answer::json(&json!({"x-ep-user-id": 7, "x-ep-user-roles": "REGISTERED", "x-ep-user-scopes": "MOBEE"}))),
        ("an array", Answer::json(&json!([identity(GUID, "REGISTERED", "MOBEE")]))),
        (
            "the same member twice",
            Answer::text("application/json", format!("{{\"x-ep-user-id\": \"{GUID}\", \"x-ep-user-id\": \"VICTIM\"}}")),
        ),
    ];
    for (number, (what, answer)) in answers.into_iter().enumerate() {
        shop.stage.upstream.answer_by(move |_| answer.clone());
        let case = Case::get("/cortex").basic(&format!("user-{number}"), PASSWORD).named(format!("7, {what}"));
        shop.stage.check([case.expect(503).reason("remote_unavailable")]);
    }
    let unfit = [
        ("7, a role missing", json!({"x-ep-user-id": GUID, "x-ep-user-scopes": "MOBEE"}), 503, "remote_unavailable"),
        (
            "10, two roles",
            json!({"x-ep-user-id": GUID, "x-ep-user-roles": ["REGISTERED", "PUBLIC"], "x-ep-user-scopes": "MOBEE"}),
            401,
            "header_value",
        ),
        ("10, two scopes", identity(GUID, "REGISTERED", "MOBEE TELCO"), 401, "header_value"),
        ("10, another role", identity(GUID, "ADMIN", "MOBEE"), 401, "role_missing"),
        ("11, a comma", identity("a,b", "REGISTERED", "MOBEE"), 401, "header_value"),
        ("11, a line more", identity("a\r\nx-ep-user-id: VICTIM", "REGISTERED", "MOBEE"), 401, "header_value"),
        ("11, not ASCII", identity("Zoë", "REGISTERED", "MOBEE"), 401, "header_value"),
        ("11, NUL", identity("a\0b", "REGISTERED", "MOBEE"), 401, "header_value"),
    ];
    for (number, (what, answer, status, reason)) in unfit.into_iter().enumerate() {
        shop.stage.upstream.answer_by(move |_| Answer::json(&answer));
        let case = Case::get("/cortex").basic(&format!("other-{number}"), PASSWORD).named(what);
        shop.stage.check([case.expect(status).reason(reason)]);
    }
    assert!(shop.stage.upstream.received().iter().all(|received| received.path == LOGIN), "something got through");

    // It recovers by itself: failures are not kept.
    shop.stage.upstream.answer_by(|received| stand_in(received, "MOBEE"));
    let recovered = || shop.stage.send(&Request::get("/cortex").basic(USER, PASSWORD)).status == 200;
    assert!(poll(PATIENCE.min(Duration::from_secs(2)), || recovered().then_some(())).is_some());
    shop.never_told(&[TRUST, PASSWORD]);
}

#[test]
fn who_guesses_passwords_is_slowed_down() {
    let shop = shop(|example| example.replace("max_tokens: 300, tokens_per_fill: 300", "max_tokens: 3, tokens_per_fill: 3"));
    let guess = |number: usize| shop.stage.send(&Request::get("/cortex").header("authorization", guess(number))).status;
    assert_eq!([0, 1, 2, 3, 4].map(guess), [401, 401, 401, 429, 429]);
    assert_eq!(shop.logins().len(), 3);
    let over_http2 = Request::get("/cortex").header("authorization", "BASIC bm9ib2R5Om5v");
    assert_eq!(shop.stage.client().http2().send(&over_http2).status, 429);
    // What the limit doesn't take for a password, the plugin doesn't either.
    for other in ["Basic\tYTpi", " Basic  YTpi", "x,Basic YTpi", "Basic,YTpi"] {
        let status = shop.stage.send(&Request::get("/cortex").header("authorization", other)).status;
        assert!([400, 401, 429].contains(&status), "{other}: {status}");
    }
    assert_eq!(shop.logins().len(), 3);
    shop.stage.check([Case::get("/cortex").bearer(&shop.token()).expect(200)]);
}

fn guess(number: usize) -> String {
    use base64::Engine;
    let scheme = ["Basic", "BASIC", "basic"][number % 3];
    format!("{scheme} {}", base64::engine::general_purpose::STANDARD.encode(format!("{USER}:guess-{number}")))
}
