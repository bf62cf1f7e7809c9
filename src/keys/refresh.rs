//! When a key set is fetched, by whom, and what an answer or a failure does. Time and randomness are arguments.
//!
//! All VMs of a process go by one [`Refresh`] in their shared data. Who is to fetch takes a lease; should it die over it, the lease ends, and another
//! VM takes the next one.

use std::time::Duration;

use super::RemoteKeys;
use crate::time::UnixTime;

/// The first pause after a failed fetch; it doubles with each further failure.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// The longest pause after a failed fetch.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How much longer than its timeout a callout may take before its answer counts as lost.
const GRACE: Duration = Duration::from_secs(1);
/// The smallest step of time.
const TICK: Duration = Duration::from_millis(1);

/// What is known of a key set's fetches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refresh {
    succeeded: UnixTime,
    answered: UnixTime,
    due: UnixTime,
    cool_until: UnixTime,
    failures: u64,
    lease: Option<Lease>,
}

/// A fetch on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lease {
    started: UnixTime,
    until: UnixTime,
    /// Whose it is; never zero.
    holder: u64,
}

/// What came of the wish to fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// There is nothing to fetch, or somebody else does.
    Nothing,
    /// Fetch.
    Fetch,
    /// A fetch brought no answer in time, which counts as a failure; the next one leaves after a pause.
    Lost,
}

impl Refresh {
    /// From [`Self::to_bytes`]; what isn't of that form tells nothing. Should the clock have been set back since, everything moves with it.
    #[must_use]
    pub fn from_bytes(bytes: &[u8], now: UnixTime) -> Self {
        let (chunks, []) = bytes.as_chunks::<8>() else { return Self::default() };
        let mut times = chunks.iter().map(|chunk| u64::from_be_bytes(*chunk));
        let mut next = || times.next().map(UnixTime::from_millis);
        let read = (|| {
            let (succeeded, answered, due, cool_until) = (next()?, next()?, next()?, next()?);
            let (failures, started, until, holder) = (next()?.millis(), next()?, next()?, next()?.millis());
            let lease = (holder != 0).then_some(Lease { started, until, holder });
            Some(Self { succeeded, answered, due, cool_until, failures, lease })
        })();
        let mut refresh = read.filter(|_| chunks.len() == 8).unwrap_or_default();
        refresh.shift_back(refresh.last_change().since(now));
        if refresh.failures > 0 {
            // When a fetch failed isn't written down, only when it began. No pause is longer: one that seems to be began by a clock that was set back since.
            refresh.due = refresh.due.min(now.plus(LONGEST_PAUSE));
        }
        refresh
    }

    /// For [`Self::from_bytes`].
    #[must_use]
    pub fn to_bytes(self) -> Vec<u8> {
        let lease = self.lease.unwrap_or(Lease { started: UnixTime::default(), until: UnixTime::default(), holder: 0 });
        let times = [self.succeeded, self.answered, self.due, self.cool_until].map(UnixTime::millis);
        let rest = [self.failures, lease.started.millis(), lease.until.millis(), lease.holder];
        times.into_iter().chain(rest).flat_map(u64::to_be_bytes).collect()
    }

    /// When the last good set came; zero: there never was one.
    #[must_use]
    pub const fn succeeded(&self) -> UnixTime {
        self.succeeded
    }

    /// Whose fetch is on its way.
    #[must_use]
    pub fn holder(&self) -> Option<u64> {
        self.lease.map(|lease| lease.holder)
    }

    /// When the next regular fetch leaves. Whoever wants fresher keys than the one who fetched last need not wait for them.
    fn due(&self, source: &RemoteKeys) -> UnixTime {
        if self.failures == 0 { self.due.min(self.succeeded.plus(source.refresh)) } else { self.due }
    }

    /// When to look again, unless a fetch is on its way.
    #[must_use]
    pub fn next(&self, source: &RemoteKeys, question: Option<UnixTime>, now: UnixTime) -> Option<UnixTime> {
        if self.is_in_flight(now) {
            return None;
        }
        let asked = question.filter(|question| self.is_open(*question, now));
        Some(if self.lease.is_some() || asked.is_some() { now } else { self.due(source) })
    }

    /// Whether a fetch can still answer what was asked then: one that began later, and only such a one, or one that is on its way and might bring the
    /// key all the same. None begins before unknown keys have cooled down.
    #[must_use]
    pub fn is_open(&self, question: UnixTime, now: UnixTime) -> bool {
        self.answered <= question && (self.is_in_flight(now) || now >= self.cool_until)
    }

    /// Takes the lease if there is something to fetch: the time has come, or a token named an unknown key at `question`.
    pub fn begin(&mut self, source: &RemoteKeys, question: Option<UnixTime>, holder: u64, now: UnixTime, random: u64) -> Begin {
        if self.is_in_flight(now) {
            return Begin::Nothing;
        }
        if self.lease.is_some() {
            self.fail(source, now, random);
            return Begin::Lost;
        }
        let question = question.filter(|question| self.is_open(*question, now));
        if now < self.due(source) {
            if question.is_none() {
                return Begin::Nothing;
            }
            // Flat: were it to double, junk tokens could put off what a rotation needs. Up to a tenth longer, so that a fleet doesn't ask at once.
            self.cool_until = now.plus(source.cooldown).plus(source.cooldown.mul_f64(0.1 * share(random)));
        }
        let started = question.map_or(now, |question| now.max(question.plus(TICK)));
        self.lease = Some(Lease { started, until: started.plus(source.timeout).plus(GRACE), holder });
        Begin::Fetch
    }

    /// A good set came.
    pub fn succeed(&mut self, source: &RemoteKeys, now: UnixTime, random: u64) {
        self.end();
        self.succeeded = now;
        self.failures = 0;
        // Up to a tenth earlier, so that a fleet started at once doesn't ask at once for ever.
        self.due = now.plus(source.refresh.saturating_sub(source.refresh.mul_f64(0.1 * share(random))));
    }

    /// No good set came: the last one stays. A fetch for an unknown key leaves the regular ones as they were.
    pub fn fail(&mut self, source: &RemoteKeys, now: UnixTime, random: u64) {
        self.end();
        if now >= self.due(source) {
            let doubled = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(u32::try_from(self.failures).unwrap_or(u32::MAX)));
            let pause = doubled.min(LONGEST_PAUSE).min(source.refresh);
            self.failures = self.failures.saturating_add(1);
            self.due = now.plus(pause.mul_f64(0.5 + 0.5 * share(random)));
        }
    }

    /// The fetch on its way will have no answer: whoever sent it is leaving.
    pub const fn give_up(&mut self) {
        self.lease = None;
    }

    fn is_in_flight(&self, now: UnixTime) -> bool {
        self.lease.is_some_and(|lease| now < lease.until)
    }

    fn end(&mut self) {
        if let Some(lease) = self.lease.take() {
            self.answered = lease.started;
        }
    }

    /// Of all that has happened, not of what is to come.
    fn last_change(&self) -> UnixTime {
        let started = self.lease.map(|lease| lease.started).unwrap_or_default();
        self.succeeded.max(self.answered).max(started)
    }

    fn shift_back(&mut self, by: Duration) {
        let times = [&mut self.succeeded, &mut self.answered, &mut self.due, &mut self.cool_until];
        let lease = self.lease.as_mut().map(|lease| [&mut lease.started, &mut lease.until]);
        for time in times.into_iter().chain(lease.into_iter().flatten()) {
            *time = time.minus(by);
        }
    }
}

/// A random number as a share: from 0 to less than 1.
fn share(random: u64) -> f64 {
    f64::from(u16::try_from(random & 0xffff).unwrap_or_default()) / 65536.0
}

#[cfg(test)]
mod tests;
