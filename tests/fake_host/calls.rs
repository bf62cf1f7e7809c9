//! Which host calls were made, and which of them are to fail.

use std::collections::BTreeMap;

use super::host::Status;

/// The calls of one thread's module.
#[derive(Default)]
pub(crate) struct Calls {
    counts: BTreeMap<&'static str, usize>,
    /// Bytes that were copied between the module and the host: names, values, maps.
    pub(super) copied: usize,
    failures: Vec<Failure>,
    /// Fails the call with this number, counted over all of them from now on: see [`Calls::fail_at`].
    countdown: Option<(usize, Status)>,
    /// The name of the call that the countdown hit.
    hit: Option<&'static str>,
}

struct Failure {
    call: String,
    /// Only calls about this: a property's path, a header's name, a cluster, a foreign function, the start of a log line.
    about: Option<Vec<u8>>,
    status: Status,
    /// How often it still fails; `None`: for ever.
    left: Option<usize>,
}

impl Calls {
    /// Counts a call.
    pub(super) fn enter(&mut self, name: &'static str, about: &[u8]) -> Result<(), Status> {
        *self.counts.entry(name).or_default() += 1;
        if let Some((left, status)) = self.countdown {
            if left == 0 {
                self.countdown = None;
                self.hit = Some(name);
                return Err(status);
            }
            self.countdown = Some((left - 1, status));
        }
        let matches =
            |f: &&mut Failure| f.call == name && f.left != Some(0) && f.about.as_ref().is_none_or(|start| about.starts_with(start));
        match self.failures.iter_mut().find(matches) {
            Some(failure) => {
                failure.left = failure.left.map(|left| left - 1);
                Err(failure.status)
            }
            None => Ok(()),
        }
    }

    /// Every call of this name fails from now on.
    pub(crate) fn fail(&mut self, call: &str, status: Status) {
        self.failures.push(Failure { call: call.to_owned(), about: None, status, left: None });
    }

    /// Every call of this name about something that begins so fails from now on; the segments of a property's path are joined by NUL.
    pub(crate) fn fail_about(&mut self, call: &str, about: &str, status: Status) {
        self.failures.push(Failure { call: call.to_owned(), about: Some(about.as_bytes().to_vec()), status, left: None });
    }

    /// The next call of this name fails.
    pub(crate) fn fail_once(&mut self, call: &str, status: Status) {
        self.failures.push(Failure { call: call.to_owned(), about: None, status, left: Some(1) });
    }

    /// The call after `skipped` further ones fails, whichever it is. A loop over `skipped` fails every call of a request in turn.
    pub(crate) fn fail_at(&mut self, skipped: usize, status: Status) {
        self.countdown = Some((skipped, status));
        self.hit = None;
    }

    /// Which call [`Calls::fail_at`] made fail; `None`: there were not so many.
    pub(crate) const fn hit(&self) -> Option<&'static str> {
        self.hit
    }

    /// Nothing fails any more.
    pub(crate) fn heal(&mut self) {
        self.failures.clear();
        self.countdown = None;
    }

    /// How often each call was made.
    pub(crate) fn counts(&self) -> &BTreeMap<&'static str, usize> {
        &self.counts
    }

    /// How many bytes were copied between the module and the host.
    pub(crate) const fn copied(&self) -> usize {
        self.copied
    }

    /// Counts from zero again.
    pub(crate) fn reset(&mut self) {
        self.counts.clear();
        self.copied = 0;
    }
}
