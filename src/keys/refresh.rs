//! When a key set is fetched, and what an answer or a failure does. Time and randomness are arguments.

use std::sync::Arc;
use std::time::Duration;

use super::{KeySet, RemoteKeys};
use crate::time::UnixTime;

/// The first pause after a failed fetch; it doubles with each further failure.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// The longest pause after a failed fetch.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How much longer than its timeout a callout may take before its answer counts as lost.
const GRACE: Duration = Duration::from_secs(1);

/// A key set of the network: what is known of it, and when to ask again.
#[derive(Debug)]
pub struct Refresh {
    keys: Option<Arc<KeySet>>,
    succeeded: Option<UnixTime>,
    due: UnixTime,
    failures: u32,
    started: Option<UnixTime>,
}

impl Refresh {
    /// Nothing is known, and the first fetch is due.
    #[must_use]
    pub const fn new(now: UnixTime) -> Self {
        Self { keys: None, succeeded: None, due: now, failures: 0, started: None }
    }

    /// The last good set, unless refreshes have failed for longer than `max_stale`.
    #[must_use]
    pub fn keys(&self, source: &RemoteKeys, max_stale: Duration, now: UnixTime) -> Option<&Arc<KeySet>> {
        let succeeded = self.succeeded?;
        let is_stale = now > succeeded.plus(source.refresh).plus(max_stale);
        self.keys.as_ref().filter(|_| !is_stale)
    }

    /// When the last good set came.
    #[must_use]
    pub const fn succeeded(&self) -> Option<UnixTime> {
        self.succeeded
    }

    /// When something is to be done next.
    #[must_use]
    pub fn next(&self, source: &RemoteKeys) -> UnixTime {
        self.started.map_or(self.due, |started| lost_at(source, started))
    }

    /// Whether to fetch now. An answer that never came counts as a failure first.
    pub fn is_due(&mut self, source: &RemoteKeys, now: UnixTime, random: u64) -> bool {
        if self.started.is_some_and(|started| now >= lost_at(source, started)) {
            self.fail(source, now, random);
        }
        self.started.is_none() && now >= self.due
    }

    /// The clock was set back by this much: what was to come, and what has been, moves with it.
    pub fn shift_back(&mut self, by: Duration) {
        self.due = self.due.minus(by);
        self.started = self.started.map(|started| started.minus(by));
        self.succeeded = self.succeeded.map(|succeeded| succeeded.minus(by));
    }

    /// A fetch left.
    pub const fn start(&mut self, now: UnixTime) {
        self.started = Some(now);
    }

    /// A good set came.
    pub fn succeed(&mut self, keys: KeySet, source: &RemoteKeys, now: UnixTime, random: u64) {
        // Up to a tenth earlier, so that a fleet started at once doesn't ask at once for ever.
        let jitter = source.refresh.mul_f64(0.1 * share(random));
        *self = Self {
            keys: Some(Arc::new(keys)),
            succeeded: Some(now),
            due: now.plus(source.refresh.saturating_sub(jitter)),
            failures: 0,
            started: None,
        };
    }

    /// No good set came: the last one stays.
    pub fn fail(&mut self, source: &RemoteKeys, now: UnixTime, random: u64) {
        let longest = LONGEST_PAUSE.min(source.refresh);
        let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(self.failures)).min(longest);
        self.failures = self.failures.saturating_add(1);
        self.due = now.plus(pause.mul_f64(0.5 + 0.5 * share(random)));
        self.started = None;
    }
}

fn lost_at(source: &RemoteKeys, started: UnixTime) -> UnixTime {
    started.plus(source.timeout).plus(GRACE)
}

/// A random number as a share: from 0 to less than 1.
fn share(random: u64) -> f64 {
    f64::from(u16::try_from(random & 0xffff).unwrap_or_default()) / 65536.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> RemoteKeys {
        RemoteKeys {
            provider: "idp".into(),
            cluster: "idp".into(),
            scheme: "https".into(),
            authority: "idp".into(),
            path: "/".into(),
            headers: vec![],
            algorithms: crate::keys::AlgSet::default(),
            refresh: Duration::from_secs(3600),
            timeout: Duration::from_secs(5),
            max_body: 65536,
        }
    }

    #[test]
    fn failures_back_off_to_a_minute_and_recover() {
        let (source, mut now) = (source(), UnixTime::from_seconds(1000));
        let mut refresh = Refresh::new(now);
        let mut pauses = Vec::new();
        for random in 0..12 {
            assert!(refresh.is_due(&source, now, random));
            refresh.start(now);
            assert!(!refresh.is_due(&source, now, random), "one at a time");
            refresh.fail(&source, now, u64::MAX);
            pauses.push(refresh.next(&source).since(now));
            now = refresh.next(&source);
        }
        assert!(
            pauses.is_sorted() && pauses[0] <= FIRST_PAUSE && pauses[11] > LONGEST_PAUSE / 2 && pauses[11] <= LONGEST_PAUSE,
            "{pauses:?}"
        );
    }

    #[test]
    fn a_lost_answer_is_a_failure() {
        let (source, now) = (source(), UnixTime::from_seconds(1000));
        let mut refresh = Refresh::new(now);
        refresh.start(now);
        assert!(!refresh.is_due(&source, now.plus(Duration::from_millis(5999)), 0));
        assert!(!refresh.is_due(&source, now.plus(Duration::from_millis(6000)), 0), "a pause first");
        assert!(refresh.is_due(&source, now.plus(Duration::from_millis(6200)), 0));
    }
}
