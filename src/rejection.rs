//! From a refusal to the answer that the client gets.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::annotation::edits_for_refusal;
use crate::authenticator::RemoteError;
use crate::credential::Place;
use crate::decision::{Rejection, Reply};
use crate::json::quote;
use crate::policy::{Action, Body, Challenge, Kind, Policy, ProviderId, Reject};
use crate::reason::{Class, Reason};
use crate::refusal::{CredentialError, Refusal, RequestError};
use crate::request::Request;

/// When a client that got 503 should ask again, in seconds.
const RETRY_AFTER: &str = "5";

/// What a body of [`problem`] takes without details, in bytes.
const PROBLEM: usize = 64;

/// As many as most replies have.
const HEADERS: usize = 4;

/// The rejection of a request.
#[must_use]
pub fn reject(policy: &Policy, request: &Request, refusal: Refusal, rule: Option<usize>, provider: Option<ProviderId>) -> Rejection {
    let reply = reply(policy, request, &refusal, rule);
    let subject = refusal.subject().map(str::to_owned);
    Rejection { refusal, rule, provider, subject, reply, edits: edits_for_refusal(policy, request) }
}

/// The rejection of a request that could not even be read.
#[must_use]
pub fn reject_unread(policy: &Policy, what: &'static str) -> Rejection {
    reject(policy, &Request::default(), Refusal::Internal(what), None, None)
}

fn reply(policy: &Policy, request: &Request, refusal: &Refusal, rule: Option<usize>) -> Reply {
    let reason = refusal.reason();
    let status = status(&policy.reject, reason);
    let mut headers: Vec<(&str, Cow<'_, str>)> = Vec::with_capacity(HEADERS);
    headers.push(("cache-control", "no-store".into()));
    if let Refusal::Request(RequestError::Method(allowed)) = refusal {
        headers.push(("allow", allowed.join(", ").into()));
    }
    if status == 503 {
        headers.push(("retry-after", RETRY_AFTER.into()));
    }
    headers.extend(challenges(policy, refusal, status, rule).map(|challenge| ("www-authenticate", challenge.into())));
    let text = text(&policy.reject, refusal, status);
    let body = if request.is_grpc() { Body::Text } else { policy.reject.body };
    let (content_type, body) = match body {
        Body::Problem => ("application/problem+json", problem(&policy.reject, reason, status, &text)),
        Body::Detail => ("application/json", format!("{{\"detail\":{}}}", quote(&text))),
        Body::Text => ("text/plain; charset=utf-8", text.into_owned()),
        Body::None => return Reply { status, grpc_status: grpc_status(status), headers, body: Vec::new() },
    };
    headers.push(("content-type", content_type.into()));
    Reply { status, grpc_status: grpc_status(status), headers, body: body.into_bytes() }
}

fn status(reject: &Reject, reason: Reason) -> u16 {
    let by_class = match reason.class() {
        Class::Forbidden => reject.forbidden,
        other => other.status(),
    };
    reject.status.iter().find(|(own, _)| *own == reason).map_or(by_class, |(_, status)| *status)
}

/// The code that a gRPC client gets.
const fn grpc_status(status: u16) -> i32 {
    match status {
        400 | 421 => 3,
        401 => 16,
        403 => 7,
        404 | 405 => 12,
        429 => 8,
        425 | 503 => 14,
        500 => 13,
        _ => 2,
    }
}

/// What the client reads: the configured message, else the reason where `explain` allows it, else the status in words.
fn text<'p>(reject: &'p Reject, refusal: &Refusal, status: u16) -> Cow<'p, str> {
    let reason = refusal.reason();
    match reject.messages.iter().find(|(own, _)| *own == reason) {
        Some((_, message)) => message.replace("{role}", refusal.role().unwrap_or_default()).into(),
        None if reject.explain => reason.sentence().into(),
        None => title(status).into(),
    }
}

fn problem(reject: &Reject, reason: Reason, status: u16, text: &str) -> String {
    let title = title(status);
    let mut problem = String::with_capacity(PROBLEM);
    let _ = write!(problem, "{{\"title\":\"{title}\",\"status\":{status}");
    if text != title {
        problem.push_str(",\"detail\":");
        problem.push_str(&quote(text));
    }
    if reject.explain {
        let _ = write!(problem, ",\"reason\":\"{}\"", reason.code());
    }
    problem.push('}');
    problem
}

/// The status in words (RFC 9110, section 15).
const fn title(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        421 => "Misdirected Request",
        425 => "Too Early",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Refused",
    }
}

/// `WWW-Authenticate`: on every 401 of a rule whose credentials have a scheme, and where RFC 6750 gives an error code.
fn challenges(policy: &Policy, refusal: &Refusal, status: u16, rule: Option<usize>) -> impl Iterator<Item = String> {
    let error = bearer_error(refusal);
    let is_asked = status == 401 || (error.is_some() && matches!(status, 400 | 403));
    let (bearer, basic) = match policy.reject.challenge {
        Some(scheme) => (scheme == Challenge::Bearer, scheme == Challenge::Basic),
        None => schemes_of_rule(policy, rule),
    };
    let bearer = (is_asked && bearer).then(|| self::bearer(&policy.reject, refusal, error));
    let basic = (status == 401 && basic).then(|| ["Basic realm=\"", &policy.reject.realm, "\", charset=\"UTF-8\""].concat());
    bearer.into_iter().chain(basic)
}

/// Whether the rule's credentials stand where tokens do, and where user names and passwords do.
fn schemes_of_rule(policy: &Policy, rule: Option<usize>) -> (bool, bool) {
    let (mut bearer, mut basic) = (false, false);
    let Some(Action::Require(demand)) = rule.and_then(|index| policy.rules.get(index)).map(|rule| &rule.then) else {
        return (bearer, basic);
    };
    for provider in demand.providers() {
        let places = match policy.provider(*provider).map(|provider| &provider.kind) {
            // Certificates have no scheme.
            None | Some(Kind::ClientCertificate(_)) => &[],
            Some(kind) => kind.places(),
        };
        for place in places {
            match place {
                Place::Header { scheme: Some(scheme), .. } if scheme == "basic" => basic = true,
                // Neither have cookies: whoever shall sign in is sent elsewhere.
                Place::Cookie { .. } => {}
                Place::Header { .. } | Place::Query(_) => bearer = true,
            }
        }
    }
    (bearer, basic)
}

/// RFC 6750, section 3.1: no error code where no token was sent.
const fn bearer_error(refusal: &Refusal) -> Option<&'static str> {
    match refusal {
        Refusal::Credential(CredentialError::Missing | CredentialError::Origin) => None,
        Refusal::Credential(CredentialError::Ambiguous) => Some("invalid_request"),
        Refusal::Credential(_)
        | Refusal::Secret(_)
        | Refusal::Token(_)
        | Refusal::Remote(RemoteError::Denied(_) | RemoteError::Bound)
        | Refusal::Revoked(_) => Some("invalid_token"),
        Refusal::Condition(_) => Some("insufficient_scope"),
        _ => None,
    }
}

fn bearer(reject: &Reject, refusal: &Refusal, error: Option<&str>) -> String {
    let mut challenge = ["Bearer realm=\"", &reject.realm, "\""].concat();
    // Nothing here needs a backslash before it (RFC 9110, section 5.6.4).
    let mut add = |name: &str, value: &str| {
        [", ", name, "=\"", value, "\""].iter().for_each(|part| challenge.push_str(part));
    };
    if let Some(error) = error {
        add("error", error);
        if reject.explain {
            add("error_description", refusal.reason().sentence());
        }
        // A scope comes from the configuration, or from the path, where it may be anything.
        if let Some(scope) = refusal.scope().filter(|s| !s.is_empty() && s.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))) {
            add("scope", scope);
        }
    }
    if let Some(url) = &reject.resource_metadata {
        add("resource_metadata", url);
    }
    challenge
}
