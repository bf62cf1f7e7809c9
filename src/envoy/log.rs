//! Lines in Envoy's log.

use std::fmt::Write as _;

use super::abi::{self, Level};
use crate::decision::Rejection;
use crate::policy::Policy;
use crate::request::Request;
use crate::streams::Ended;

/// The longest piece of what a client sent in a line, in bytes.
const LONGEST: usize = 128;

/// The line about a refusal, which begins with what became of it: key=value, what the client sent escaped and cut, without the query.
pub(super) fn refusal(fate: &str, policy: Option<&Policy>, request: &Request, rejection: &Rejection) {
    if !abi::logs(Level::Info) {
        return;
    }
    let mut line = format!("{fate} reason={} status={}", rejection.refusal.reason().code(), rejection.reply.status);
    if let Some(rule) = rejection.rule {
        let _ = write!(line, " rule={rule}");
    }
    if let Some(provider) = rejection.provider.and_then(|id| policy?.provider(id)) {
        let _ = write!(line, " provider={}", provider.name);
    }
    let path = request.target().unwrap_or_default().split(|b| *b == b'?').next().unwrap_or_default();
    for (key, value) in [
        ("subject", rejection.subject.as_deref().unwrap_or_default().as_bytes()),
        ("request_id", request.headers.first("x-request-id").unwrap_or_default()),
        ("method", request.method()),
        ("host", request.headers.first(":authority").unwrap_or_default()),
        ("path", path),
        ("detail", rejection.refusal.to_string().as_bytes()),
    ] {
        add(&mut line, key, value);
    }
    abi::log(Level::Info, &line);
}

/// The line about a stream that was ended.
pub(super) fn ended(ended: &Ended) {
    if abi::logs(Level::Info) {
        let mut line = format!("ended reason={} provider={}", ended.reason.code(), ended.provider);
        add(&mut line, "subject", ended.subject.as_deref().unwrap_or_default().as_bytes());
        abi::log(Level::Info, &line);
    }
}

/// What others may have a say in, escaped and cut; what is empty is left out.
fn add(line: &mut String, key: &str, value: &[u8]) {
    if value.is_empty() {
        return;
    }
    let _ = write!(line, " {key}=\"");
    // JSON and Go know no escape for an apostrophe.
    for (index, piece) in cut(value).split(|b| *b == b'\'').enumerate() {
        let apostrophe = if index > 0 { "'" } else { "" };
        let _ = write!(line, "{apostrophe}{}", piece.escape_ascii());
    }
    line.push('"');
}

fn cut(value: &[u8]) -> &[u8] {
    value.get(..LONGEST).unwrap_or(value)
}
