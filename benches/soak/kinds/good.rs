//! Requests that pass.

use super::{Make, Member, Via};
use crate::attempt::{Attempt, Identity};
use crate::credentials::{self, Token};
use crate::house::shopper;
use crate::policy::{APP, ENGINES, secret};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_harness::Request;
use serde_json::json;

fn identity(provider: &str, subject: &str, more: &[(&'static str, &str)]) -> Identity {
    let mut identity = vec![("x-auth-provider", provider.to_owned()), ("x-auth-subject", subject.to_owned())];
    identity.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
    identity
}

/// What the service learns of a user.
pub(super) fn user(token: &Token) -> Identity {
    let more = [("x-auth-roles", "auditor"), ("x-auth-scopes", "read,write"), ("x-tenant", "acme"), ("x-jwt-payload", &token.payload())];
    identity("users", &token.subject, &more)
}

pub(super) fn billing() -> Identity {
    identity("partners", "billing", &[("x-auth-roles", "reader,payer")])
}

pub(super) fn shared(token: &Token) -> Identity {
    identity("shared", &token.subject, &[("x-jwt-payload", &token.payload())])
}

pub(super) fn session(token: &Token) -> Identity {
    identity("web", &token.subject, &[("x-jwt-payload", &token.payload())])
}

/// Billing's own request, from which others are made.
pub(super) fn of_billing(path: &str) -> Attempt {
    let secret = secret("billing");
    Attempt::passes(Request::get(path).header("x-api-key", &secret), path, billing()).secret(&secret)
}

fn bearer(path: &str, token: &Token, identity: Identity) -> Attempt {
    Attempt::passes(Request::get(path).bearer(&token.text), path, identity).secret(&token.text)
}

fn login(user: &str) -> Attempt {
    let payload = URL_SAFE_NO_PAD.encode(shopper(user).to_string());
    let identity = identity("shoppers", &format!("id-of-{user}"), &[("x-auth-roles", "customer"), ("x-jwt-payload", &payload)]);
    Attempt::passes(Request::get("/login").basic(user, "right"), "/login", identity).secret("Basic ")
}

fn user_seen(path: &'static str) -> impl Fn(&super::World, &mut crate::dice::Dice) -> Attempt {
    move |world, dice| {
        let token = world.users.current().seen(dice);
        bearer(path, &token, user(&token))
    }
}

fn over_tls(via: Via) -> bool {
    via.member.is_some()
}

pub(super) const KINDS: &[(usize, &str, Make)] = &[
    (60, "a static secret", |_, dice, _| Some(of_billing(&format!("/partners/{}", dice.below(100_000))))),
    (30, "a static secret in the query", |_, _, _| {
        let secret = secret("billing");
        let request = Request::get(format!("/partners/q?a=1&api_key={secret}&b=2"));
        Some(Attempt::passes(request, "/partners/q?a=1&b=2", billing()).secret(&secret))
    }),
    (30, "a shared HS256 token, seen before", |_, dice, _| {
        // The same second, the same text.
        let token = credentials::shared(&format!("service-{}", dice.below(8)), json!({"exp": 4_000_000_000_u64}));
        Some(bearer("/shared/x", &token, shared(&token)))
    }),
    (30, "a shared HS256 token, never seen", |_, dice, _| {
        let token = credentials::shared(&format!("service-{}", dice.below(1 << 40)), json!({}));
        Some(bearer("/shared/x", &token, shared(&token)))
    }),
    (30, "an engine's own HS256 token", |_, dice, _| {
        let id = dice.one_of(&ENGINES);
        let token = credentials::engine(id, id);
        let identity = identity("engines", id, &[("x-auth-roles", "engine"), ("x-jwt-payload", &token.payload())]);
        Some(Attempt::passes(Request::get("/engine").header("x-engine", &token.text), "/engine", identity).secret(&token.text))
    }),
    (80, "a user's token, seen before", |world, dice, _| Some(user_seen("/users/me")(world, dice))),
    (20, "a user's token, never seen", |world, dice, _| {
        let token = world.users.current().token(&format!("guest-{}", dice.below(1 << 40)), json!({}));
        Some(bearer("/users/me", &token, user(&token)))
    }),
    (20, "a tenant's path", |world, dice, _| Some(user_seen("/tenants/acme/orders?page=2")(world, dice))),
    (20, "one of two conditions", |world, dice, _| Some(user_seen("/accounts")(world, dice))),
    (10, "POST with a body", |world, dice, _| {
        let token = world.users.current().seen(dice);
        Some(
            Attempt::passes(Request::new("POST", "/accounts").bearer(&token.text), "/accounts", user(&token))
                .secret(&token.text)
                .with_body(),
        )
    }),
    (20, "a cookie", |_, dice, _| {
        let token = credentials::session(&format!("visitor-{}", dice.below(32)), json!({"exp": 4_000_000_000_u64}));
        let request = Request::get("/web").header("cookie", format!("a=1; session={}; b=2", token.text));
        Some(Attempt::passes(request, "/web", session(&token)).secret(&token.text))
    }),
    (10, "a cookie, from its own page", |_, dice, _| {
        let token = credentials::session(&format!("visitor-{}", dice.below(32)), json!({"exp": 4_000_000_000_u64}));
        let request = Request::new("POST", "/web").header("cookie", format!("session={}", token.text)).header("origin", APP);
        Some(Attempt::passes(request, "/web", session(&token)).secret(&token.text).with_body())
    }),
    (20, "optional, without", |_, _, _| Some(Attempt::passes(Request::get("/optional"), "/optional", Vec::new()))),
    (10, "optional, with", |world, dice, _| Some(user_seen("/optional")(world, dice))),
    (10, "any: a secret", |_, _, _| Some(of_billing("/any"))),
    (10, "any: a user", |world, dice, _| Some(user_seen("/any")(world, dice))),
    (10, "any: a service", |_, _, _| {
        let token = credentials::shared("service-any", json!({"exp": 4_000_000_000_u64}));
        Some(bearer("/any", &token, shared(&token)))
    }),
    (20, "all: a secret and a user", |world, dice, _| {
        let secret = secret("billing");
        let attempt = user_seen("/all")(world, dice).change(|request| request.header("x-api-key", &secret));
        Some(attempt.secret(&secret))
    }),
    (20, "for anyone, with junk", |_, _, _| {
        let request =
            Request::get("/healthz?api_key=junk-in-the-query&a=1").bearer("junk-of-a-bearer").header("x-api-key", "junk-of-a-key");
        Some(Attempt::passes(request, "/healthz?a=1", Vec::new()).secret("junk-"))
    }),
    (10, "a login", |_, dice, _| {
        let user = format!("shopper-{}", dice.below(20));
        Some(login(&user))
    }),
    (1, "a login that takes its time", |_, dice, _| {
        let user = format!("slow-{}", dice.below(1 << 40));
        Some(login(&user))
    }),
    (60, "a member", |_, _, via| {
        (via.member == Some(Member::Alice))
            .then(|| Attempt::passes(Request::get("/members/x"), "/members/x", identity("members", "alice", &[("x-auth-roles", "reader")])))
    }),
    (10, "a secret over a member's connection", |_, _, via| over_tls(via).then(|| of_billing("/partners/x"))),
];
