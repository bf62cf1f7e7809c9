//! Fetches of key sets: what comes of them, and what is said of it.

use std::fmt;
use std::sync::Arc;

use super::{Effect, Level};
use crate::keys::{KeySet, RemoteKeys};
use crate::time::UnixTime;

/// An answer to a fetch.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The body, whole or cut beyond the longest that is read.
    pub body: &'a [u8],
}

/// Why a fetch brought nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchError {
    /// Envoy did not take the callout: the cluster is unknown, or not ready yet.
    NotSent,
    /// The answer began, and did not end: the connection broke, time was up, or it was longer than Envoy takes.
    Reset,
    /// Another status than 200. Envoy says 503 when it can't connect, and 504 when time is up.
    Status(u16),
    /// Longer than `max_body`.
    TooLarge,
    /// No usable key set: why.
    Invalid(String),
    /// No answer at all: the worker that fetched is gone.
    Lost,
}

impl FetchError {
    /// As a part of a metric's name.
    #[must_use]
    pub const fn outcome(&self) -> &'static str {
        match self {
            Self::NotSent => "not_sent",
            Self::Reset => "reset",
            Self::Status(_) => "status",
            Self::TooLarge => "too_large",
            Self::Invalid(_) => "invalid",
            Self::Lost => "lost",
        }
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent => f.write_str("Envoy did not take the callout: its cluster is unknown or not ready"),
            Self::Reset => f.write_str("no whole answer: the connection broke, time was up, or it was longer than Envoy takes"),
            Self::Status(status @ 300..=399) => write!(f, "status {status}; redirects are not followed"),
            Self::Status(503) => f.write_str("status 503, as Envoy says also when it can't connect"),
            Self::Status(504) => f.write_str("status 504, as Envoy says also when time is up"),
            Self::Status(status) => write!(f, "status {status}"),
            Self::TooLarge => f.write_str("longer than max_body"),
            Self::Invalid(why) => f.write_str(why),
            Self::Lost => f.write_str("no answer in time, not even a failure"),
        }
    }
}

/// Where a set comes from, for the log.
pub(super) struct Place<'a>(pub(super) &'a RemoteKeys);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "provider={} cluster={} host={}", self.0.provider, self.0.cluster, self.0.authority)
    }
}

pub(super) fn report_failure(
    error: &FetchError,
    source: &RemoteKeys,
    bytes: usize,
    next: Option<UnixTime>,
    now: UnixTime,
    effects: &mut Vec<Effect>,
) {
    let again = next.unwrap_or(now).since(now).as_millis();
    effects.push(Effect::Log(Level::Warn, format!("keys not fetched {} bytes={bytes} again_in={again}ms: {error}", Place(source))));
    effects.push(Effect::Count("fetch", Arc::clone(&source.provider), error.outcome()));
}

/// Reads an answer as a key set; keys that can't be used are logged.
pub(super) fn read(answer: Answer<'_>, source: &RemoteKeys, effects: &mut Vec<Effect>) -> Result<KeySet, FetchError> {
    if answer.status != 200 {
        return Err(FetchError::Status(answer.status));
    }
    if answer.body.len() > source.max_body {
        return Err(FetchError::TooLarge);
    }
    let (keys, skipped) = KeySet::parse(answer.body, source.algorithms).map_err(|error| FetchError::Invalid(error.to_string()))?;
    for key in skipped {
        let level = if key.is_for_something_else() { Level::Debug } else { Level::Info };
        effects.push(Effect::Log(level, format!("key skipped provider={} {key}", source.provider)));
    }
    Ok(keys)
}
