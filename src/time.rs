//! Points in time, as values: the core reads no clock.

use std::time::Duration;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(u64);

impl UnixTime {
    /// From milliseconds since the epoch.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// From whole seconds since the epoch; saturates.
    #[must_use]
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down: the unit of a NumericDate (RFC 7519, section 2).
    #[must_use]
    pub const fn seconds(self) -> i64 {
        // A u64 of milliseconds divided by 1000 always fits an i64.
        (self.0 / 1000).cast_signed()
    }

    /// This much later; saturates.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }

    /// This much earlier; the epoch at the earliest.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }

    /// How long after `earlier` this is; zero when it is before.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// Watches a clock for steps back, so that nothing waits for a time to come twice.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    last: UnixTime,
}

impl Clock {
    /// Takes note of the time. How far back it is from the last one; zero where time went on.
    pub const fn set_back(&mut self, now: UnixTime) -> Duration {
        let back = self.last.since(now);
        self.last = now;
        back
    }
}
