//! Requests near the limits, and beyond them.

use super::Make;
use super::good::{of_billing, session, shared};
use crate::attempt::Attempt;
use crate::credentials::{self, Token};
use crate::policy::secret;
use portcullis_harness::Request;
use serde_json::json;

/// The longest token that is looked at.
const LONGEST: usize = 16 * 1024;

/// A good token of about this length.
fn long_token(length: usize) -> Token {
    let of = |padding: usize| credentials::shared("service-long", json!({"exp": 4_000_000_000_u64, "pad": "x".repeat(padding)}));
    let bare = of(0).text.len();
    // Base64 makes four characters of three.
    of((length - bare) / 4 * 3)
}

pub(super) const KINDS: &[(usize, &str, Make)] = &[
    (4, "a token of 16 KiB", |_, _, _| {
        let token = long_token(LONGEST);
        Some(Attempt::passes(Request::get("/shared").bearer(&token.text), "/shared", shared(&token)).secret(&token.text))
    }),
    (4, "a longer one", |_, _, _| {
        let token = long_token(LONGEST + 64);
        Some(Attempt::refused(Request::get("/shared").bearer(&token.text), 401, "credential_too_large"))
    }),
    (4, "40 KB in 80 headers", |_, _, _| {
        let long = "x".repeat(500);
        Some(of_billing("/partners/x").change(|request| (0..80).fold(request, |request, n| request.header(format!("x-long-{n}"), &long))))
    }),
    (2, "300 cookies", |_, _, _| {
        let token = credentials::session("visitor-with-cookies", json!({"exp": 4_000_000_000_u64}));
        let others: String = (0..300).map(|n| format!("cookie-{n}=value-of-it; ")).collect();
        let request = Request::get("/web").header("cookie", format!("{others}session={}", token.text));
        Some(Attempt::passes(request, "/web", session(&token)).secret(&token.text))
    }),
    (4, "a path of 20 KB", |_, dice, _| {
        let path = format!("/partners/{}", "long/".repeat(4000 + dice.below(10)));
        Some(of_billing(&path))
    }),
    (4, "a query of 20 KB", |_, _, _| {
        let (others, secret) = ("a=1&".repeat(5000), secret("billing"));
        let request = Request::get(format!("/partners?{others}api_key={secret}"));
        Some(Attempt::passes(request, &format!("/partners?{}", others.trim_end_matches('&')), super::good::billing()).secret(&secret))
    }),
    (4, "a secret of 30 KB", |_, _, _| {
        Some(Attempt::refused(Request::get("/partners").header("x-api-key", "x".repeat(30_000)), 401, "credential_too_large"))
    }),
    (2, "70 KB of headers", |_, _, _| Some(Attempt::dropped(Request::get("/healthz").header("x-long", "x".repeat(70_000))))),
    (2, "120 headers", |_, _, _| {
        Some(Attempt::dropped((0..120).fold(Request::get("/healthz"), |request, n| request.header(format!("x-many-{n}"), "1"))))
    }),
];
