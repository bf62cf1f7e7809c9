//! Whether a policy is enforced, or only watched for a while.

use super::{Policy, owners};
use crate::refusal::RequestError;
use crate::request::Request;
use crate::time::UnixTime;

/// What becomes of requests that are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// They are answered.
    Enforce,
    /// They go upstream until then, and it is noted what would have become of them.
    Observe {
        /// The first moment that is enforced.
        until: UnixTime,
    },
}

impl Mode {
    /// Whether nothing is refused now.
    #[must_use]
    pub fn observes(self, now: UnixTime) -> bool {
        matches!(self, Self::Observe { until } if now < until)
    }
}

impl Policy {
    /// Whether a request that no rule was found for goes upstream all the same: by the policy's mode, unless that led past a rule that is enforced.
    /// Such a rule may own the path, and what can't be read might be for it.
    #[must_use]
    pub fn observes_unmatched(&self, request: &Request, error: &RequestError, now: UnixTime) -> bool {
        self.mode.observes(now)
            && match error {
                RequestError::NoRule => true,
                RequestError::Method(_) => owners(self, request).all(|rule| rule.mode.observes(now)),
                _ => self.rules.iter().all(|rule| rule.mode.observes(now)),
            }
    }

    /// The policy's mode and those of its rules.
    fn modes(&self) -> impl Iterator<Item = Mode> {
        std::iter::once(self.mode).chain(self.rules.iter().map(|rule| rule.mode))
    }

    /// Whether the policy or one of its rules observes now.
    #[must_use]
    pub fn observes(&self, now: UnixTime) -> bool {
        self.modes().any(|mode| mode.observes(now))
    }

    /// Whether the policy or one of its rules observes, or did until its time was up.
    #[must_use]
    pub fn names_observe(&self) -> bool {
        self.modes().any(|mode| mode != Mode::Enforce)
    }
}
