//! Requests whose credentials won't do.

use super::{Make, Member};
use crate::attempt::Attempt;
use crate::credentials;
use crate::policy::{ISSUER, secret};
use portcullis_harness::{Algorithm, Jws, Key, Request, now};
use serde_json::{Value, json};

fn user(world: &super::World, changes: Value) -> Request {
    Request::get("/users/me").bearer(&world.users.current().token("user-bad", changes).text)
}

fn refused(request: Request, reason: &'static str) -> Option<Attempt> {
    Some(Attempt::refused(request, 401, reason))
}

pub(super) const KINDS: &[(usize, &str, Make)] = &[
    (20, "none", |_, dice, _| {
        refused(
            Request::get(dice.one_of(&["/partners", "/shared", "/engine", "/users", "/web", "/login", "/any", "/all"])),
            "credential_missing",
        )
    }),
    (20, "an unknown secret", |_, dice, _| {
        refused(Request::get("/partners").header("x-api-key", format!("guess-{}", dice.below(1 << 40))), "secret_unknown")
    }),
    (10, "a revoked caller", |_, _, _| refused(Request::get("/partners").header("x-api-key", secret("mallory")), "revoked")),
    (10, "a caller without the role", |_, _, _| refused(Request::get("/partners").header("x-api-key", secret("audit")), "role_missing")),
    (10, "expired", |world, dice, _| {
        refused(user(world, json!({"exp": now(-3600), "jti": dice.below(1000).to_string()})), "token_expired")
    }),
    (10, "not valid yet", |world, _, _| refused(user(world, json!({"nbf": now(3600)})), "token_not_yet_valid")),
    (10, "forged", |world, dice, _| refused(Request::get("/users/me").bearer(&world.users.current().forged(dice)), "signature_invalid")),
    (10, "for another audience", |world, _, _| refused(user(world, json!({"aud": "another"})), "audience_mismatch")),
    (10, "of another issuer", |world, _, _| refused(user(world, json!({"iss": "https://evil.test"})), "issuer_mismatch")),
    (10, "a kid that nobody knows", |_, dice, _| {
        let key = Key::fixed(Algorithm::ES256, 77).with_kid(&format!("of-nobody-{}", dice.below(1000)));
        let claims = json!({"iss": ISSUER, "aud": "api", "sub": "user-1", "exp": now(600), "scope": "read"});
        let jws = Jws::new(json!({"alg": "ES256", "kid": key.kid()}), claims);
        refused(Request::get("/users/me").bearer(&jws.sign(&key)), "key_unknown")
    }),
    (10, "a key that has left the set", |world, dice, _| {
        let token = world.users.retired()?.seen(dice);
        refused(Request::get("/users/me").bearer(&token.text), "key_unknown")
    }),
    (10, "a revoked token", |world, _, _| refused(user(world, json!({"jti": "stolen"})), "revoked")),
    (10, "without the scope", |world, _, _| refused(user(world, json!({"scope": "write"})), "scope_missing")),
    (10, "a token bound to a key", |world, _, _| refused(user(world, json!({"cnf": {"jkt": "x"}})), "cnf_unchecked")),
    (10, "alg none", |_, _, _| {
        let claims = json!({"iss": ISSUER, "aud": "api", "sub": "user-1", "exp": now(600), "scope": "read"});
        refused(Request::get("/users/me").bearer(&Jws::new(json!({"alg": "none"}), claims).with_signature(b"")), "algorithm_refused")
    }),
    (10, "no token at all", |_, dice, _| {
        refused(Request::get("/users/me").bearer(dice.one_of(&["junk", "a.b.c", "..", "e30.e30.e30.e30", "e30.e30."])), "token_malformed")
    }),
    (10, "another tenant's path", |world, dice, _| {
        refused(Request::get("/tenants/evil/orders").bearer(&world.users.current().seen(dice).text), "claim_mismatch")
    }),
    (10, "another engine's key", |_, _, _| {
        refused(Request::get("/engine").header("x-engine", credentials::engine("001", "002").text), "signature_invalid")
    }),
    (10, "a shared token by another key", |_, dice, _| {
        let token = Jws::new(
            json!({"alg": "HS256"}),
            json!({"iss": "https://shared.test", "aud": "api", "sub": format!("{}", dice.below(1 << 40)), "exp": now(600)}),
        );
        refused(
            Request::get("/shared").bearer(&token.sign(&Key::secret(Algorithm::HS256, "some other secret of 32 octets and more"))),
            "signature_invalid",
        )
    }),
    (10, "a method that the path hasn't", |world, dice, _| {
        let request = Request::new("DELETE", "/users/me").bearer(&world.users.current().seen(dice).text);
        Some(Attempt::refused(request, 405, "method_not_allowed"))
    }),
    (10, "denied to all", |world, dice, _| {
        Some(Attempt::refused(Request::get("/internal/x").bearer(&world.users.current().seen(dice).text), 403, "denied"))
    }),
    (10, "no rule", |_, _, _| Some(Attempt::refused(Request::get("/elsewhere").header("x-api-key", secret("billing")), 403, "no_rule"))),
    (10, "a bad one beside a good one", |world, dice, _| {
        refused(Request::get("/any").bearer(&world.users.current().seen(dice).text).header("x-api-key", "wrong"), "secret_unknown")
    }),
    (10, "one of the two that it takes", |world, dice, _| {
        refused(Request::get("/all").bearer(&world.users.current().seen(dice).text), "credential_missing")
    }),
    (10, "optional, bad", |world, _, _| {
        let token = world.users.current().token("user-bad", json!({"exp": now(-3600)}));
        refused(Request::get("/optional").bearer(&token.text), "token_expired")
    }),
    (5, "a login with a wrong password", |_, dice, _| {
        refused(Request::get("/login").basic("shopper-1", &format!("wrong-{}", dice.below(50))), "remote_denied")
    }),
    (10, "a cookie from another page", |_, dice, _| {
        let token = credentials::session("visitor", json!({"exp": 4_000_000_000_u64}));
        let request = Request::new(dice.one_of(&["POST", "DELETE"]), "/web").header("cookie", format!("session={}", token.text));
        Some(Attempt::refused(request.header("origin", "https://evil.test"), 403, "origin_mismatch"))
    }),
    (10, "a cookie that expired", |_, _, _| {
        let token = credentials::session("visitor", json!({"exp": now(-3600)}));
        refused(Request::get("/web").header("cookie", format!("session={}", token.text)), "token_expired")
    }),
    (10, "no certificate", |_, _, via| {
        matches!(via.member, None | Some(Member::Nobody)).then(|| Attempt::refused(Request::get("/members"), 401, "certificate_missing"))
    }),
    (40, "a member without the role", |_, _, via| {
        (via.member == Some(Member::Bob)).then(|| Attempt::refused(Request::get("/members"), 401, "role_missing"))
    }),
    (40, "a revoked member", |_, _, via| {
        (via.member == Some(Member::Carol)).then(|| Attempt::refused(Request::get("/members"), 401, "revoked"))
    }),
    (10, "a member for another host", |_, _, via| {
        (via.member == Some(Member::Alice)).then(|| Attempt::refused(Request::get("/members").host("other.test"), 421, "misdirected"))
    }),
];
