//! Cortex, with a stand-in that has one user.

use crate::folder::Folder;
use crate::system::System;
use crate::visit::Visit;
use portcullis_harness::{Algorithm, Answer, Example, IdentityProvider, Key, Received, Request, Upstream, now};
use serde_json::json;

const LOGIN: &str = "/cortex/authentication/user";
const USER: &str = "oliver.harris@elasticpath.com";
const PASSWORD: &str = "password";
const GUID: &str = "67E280AC-7E86-32A3-59B2-610FF2CA38DD";
/// As in `authTrustHeader.config`.
const TRUST: &str = "a-secret-trust-header";
/// `printf %s a-secret-trust-header | openssl sha256 -binary | base64`
const TRUST_SHA256: &str = "sevVciw6f8fZaMCZ858Tvsl1eDhEJK0FZWtlhqc+v4g=";

pub(crate) fn prepare(_: &Folder) -> System {
    let cortex = Upstream::start();
    cortex.answer_by(answer);
    let oauth2 = IdentityProvider::with_keys([Key::fresh(Algorithm::ES256)]);
    let visits = visits(&oauth2);
    let launch = Example::shipped("envoy/cortex.yaml", &[10000])
        .port(9080, cortex.address().port())
        .port(13080, cortex.address().port())
        .port(8081, oauth2.address().port())
        .launch()
        .env("CORTEX_TRUST_HEADER", TRUST)
        .env("CORTEX_TRUST_HEADER_SHA256", TRUST_SHA256);
    System { launch, visits, notes: vec![], _stand_ins: vec![Box::new(cortex), Box::new(oauth2)] }
}

fn answer(received: &Received) -> Answer {
    if received.path != LOGIN {
        return Answer::echo();
    }
    let login = received.json();
    let is_trusted = received.header("x-ep-trust-header").as_deref() == Some(TRUST);
    if is_trusted && login["username"] == USER && login["password"] == PASSWORD {
        let scope = login["scope"].as_str().unwrap_or_default().to_uppercase();
        Answer::json(&json!({"x-ep-user-id": GUID, "x-ep-user-roles": "REGISTERED", "x-ep-user-scopes": scope}))
    } else {
        Answer::text("text/plain", "").with_status(401)
    }
}

fn visits(oauth2: &IdentityProvider) -> Vec<Visit> {
    const WEEK: i64 = 604_800;
    let token = |age: i64, scope: &str| {
        let (iat, exp) = (now(-age), now(WEEK));
        oauth2.token(json!({"iss": "https://oauth2.example", "sub": GUID, "roles": "REGISTERED", "scope": scope, "iat": iat, "exp": exp}))
    };
    let resource = || Request::get("/cortex/items/mobee");
    let login = |password: &str| json!({"username": USER, "password": password, "scope": "mobee", "role": "REGISTERED"}).to_string();
    vec![
        Visit::new("a token", resource().bearer(&token(0, "MOBEE")), true),
        Visit::new(
            "a token, and another's x-ep-user-id, which is removed",
            resource().bearer(&token(0, "MOBEE")).header("x-ep-user-id", "VICTIM"),
            true,
        ),
        Visit::new("x-ep-user-id alone", resource().header("x-ep-user-id", GUID), false),
        Visit::new("a token of last week", resource().bearer(&token(WEEK + 60, "MOBEE")), false),
        Visit::new("a token for two stores", resource().bearer(&token(0, "MOBEE TELCO")), false),
        Visit::new("user name and password", resource().basic(USER, PASSWORD), true),
        Visit::new("user name and password, for the other store", resource().basic(USER, PASSWORD).header("x-store", "telco"), true),
        Visit::new("a wrong password", resource().basic(USER, "guess"), false),
        Visit::new("a login by who holds the trust header", Request::post(LOGIN, login(PASSWORD)).header("x-ep-trust-header", TRUST), true),
        Visit::new("a login by who doesn't", Request::post(LOGIN, login(PASSWORD)).header("x-ep-trust-header", "guess"), false),
    ]
}
