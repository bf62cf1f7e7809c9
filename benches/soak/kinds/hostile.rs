//! Requests of somebody who wants to be somebody else.

use super::Make;
use super::good::of_billing;
use crate::attempt::Attempt;
use crate::dice::Dice;
use crate::policy::secret;
use portcullis_harness::Request;

const NAMES: [&str; 8] =
    ["x-auth-subject", "x-auth-provider", "x-auth-roles", "x-auth-scopes", "x-tenant", "x-jwt-payload", "x-ep-user", "x-internal"];

/// An identity header in some spelling, once or more.
fn spoofed(request: Request, dice: &mut Dice, any_case: bool) -> Request {
    let mut request = request;
    for _ in 0..=dice.below(3) {
        let name = dice.one_of(&NAMES).replace('-', dice.one_of(&["-", "_", ".", "~", "!"]));
        let name = if any_case && dice.is_one_in(2) { name.to_uppercase() } else { name };
        for _ in 0..=dice.below(2) {
            request = request.header(&name, dice.one_of(&["evil", "", "evil,worse", "admin"]));
        }
    }
    request
}

const PATHS: [&str; 14] = [
    "/partners/..%2finternal",
    "/partners/../internal",
    "/partners/%2e%2e/internal",
    "/partners//x",
    "/partners/;x",
    "/partners;x=1/y",
    "/partners/%00",
    "/partners/%2561",
    "/partners/a%5cb",
    "/partners/./x",
    "/partners/%zz",
    "/partners/x%2fy",
    "//partners",
    "/partners/%0d%0a",
];

pub(super) const KINDS: &[(usize, &str, Make)] = &[
    (30, "somebody else's headers", |_, dice, via| Some(of_billing("/partners/x").change(|request| spoofed(request, dice, !via.http2)))),
    (10, "somebody else's headers, for anyone", |_, dice, via| {
        let request = spoofed(Request::get("/healthz"), dice, !via.http2);
        Some(Attempt::passes(request, "/healthz", Vec::new()))
    }),
    (10, "somebody else's headers, and nothing else", |_, dice, via| {
        Some(Attempt::refused(spoofed(Request::get("/partners"), dice, !via.http2), 401, "credential_missing"))
    }),
    (10, "somebody else's trailers", |_, dice, _| {
        let name = dice.one_of(&NAMES).replace('-', dice.one_of(&["-", "_", "."]));
        let attempt = of_billing("/partners/x").with_body();
        Some(attempt.change(|request| request.trailer(&name, "evil").trailer(&name, "worse").trailer("x-checksum", "1")))
    }),
    (10, "somebody else's certificate", |_, _, via| {
        let request = Request::get("/members").header("x-forwarded-client-cert", "Hash=00;Subject=\"CN=alice\"");
        let request = request.header("x-amzn-mtls-clientcert", "-----BEGIN CERTIFICATE-----");
        matches!(via.member, None | Some(super::Member::Nobody)).then(|| Attempt::refused(request, 401, "certificate_missing"))
    }),
    (10, "a secret twice", |_, dice, _| {
        let request = Request::get("/partners").header("x-api-key", secret("billing"));
        Some(Attempt::refused(request.header("x-api-key", dice.one_of(&[secret("billing"), secret("audit")])), 400, "credential_ambiguous"))
    }),
    (10, "a parameter twice", |_, _, _| {
        let path = format!("/partners?api_key={}&api%5Fkey=x", secret("billing"));
        Some(Attempt::refused(Request::get(path), 400, "credential_ambiguous"))
    }),
    (20, "a path that reads in two ways", |_, dice, _| {
        Some(Attempt::refused(Request::get(dice.one_of(&PATHS)).header("x-api-key", secret("billing")), 400, "path_invalid"))
    }),
    (10, "bytes that are no text", |_, dice, _| {
        let name = dice.one_of(&["x-note", "x-auth-subject", "x_ep_user", "user-agent", "x-forwarded-for"]);
        Some(of_billing("/partners/x").change(|request| request.header(name, [0xff, 0xfe, b'a', 0xc3])))
    }),
    (10, "a method in a header", |_, _, _| {
        let attempt = of_billing("/partners/x");
        Some(attempt.change(|request| request.header("x-http-method-override", "DELETE").header("x_original_url", "/internal")))
    }),
    (5, "headers that the next proxy drops", |_, _, via| {
        let request = Request::get("/partners").header("x-api-key", secret("billing")).header("upgrade", "websocket");
        (!via.http2).then(|| Attempt::refused(request.header("connection", "upgrade, x-auth-subject"), 400, "connection_invalid"))
    }),
    (5, "a host that is none", |_, dice, _| {
        let host = dice.one_of(&["a..b", "user@api.test", "api.test,other.test", "a:b"]);
        Some(Attempt::dropped(Request::get("/partners").header("x-api-key", secret("billing")).host(host)))
    }),
    (2, "a line feed that makes a header", |_, _, via| {
        let request = Request::get("/healthz").header("x-note", "a\nx-auth-subject: evil");
        (!via.http2).then(|| Attempt::passes(request, "/healthz", Vec::new()))
    }),
    (2, "NUL", |_, dice, via| {
        let value = dice.one_of(&["a\0b", "\0", "a\r\n\0x-auth-subject: evil"]);
        (!via.http2).then(|| Attempt::dropped(Request::get("/healthz").header("x-note", value)))
    }),
    (2, "two hosts", |_, _, via| (!via.http2).then(|| Attempt::dropped(Request::get("/healthz").header("Host", "other.test")))),
    (2, "two lengths", |_, _, via| {
        (!via.http2).then(|| Attempt::dropped(Request::new("POST", "/healthz").header("transfer-encoding", "chunked").body("0\r\n\r\n")))
    }),
    (2, "a method in lower case", |_, _, via| {
        (!via.http2).then(|| Attempt::dropped(Request::new("get", "/partners").header("x-api-key", secret("billing"))))
    }),
    (2, "another host in absolute form", |_, _, via| {
        let secret = secret("billing");
        let request = Request::get("http://third.test/partners/abs").header("x-api-key", &secret);
        (!via.http2).then(|| Attempt::passes(request, "/partners/abs", super::good::billing()).secret(&secret))
    }),
];
