//! A callout that asks another service, and its answer to come.

use std::cell::OnceCell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use super::{Endpoint, Verdict};
use crate::constant::Constant;
use crate::policy::ProviderId;

/// Names a question: a keyed hash of all that makes it what it is, so that nobody can make two that share one, and the credential isn't kept.
pub type Key = [u8; 32];

/// A callout, whoever waits for it.
#[derive(Debug)]
pub struct Call {
    /// Who asks.
    pub provider: ProviderId,
    /// Where.
    pub endpoint: Endpoint,
    /// What.
    pub key: Key,
    /// What came of it, once it is over.
    pub verdict: OnceCell<Rc<Verdict>>,
}

impl Call {
    /// Whether both take room from each other: the same provider asks the same cluster. One that hangs holds up nobody who is to be asked about elsewhere.
    #[must_use]
    pub fn shares_room(&self, other: &Self) -> bool {
        self.provider == other.provider && self.endpoint.cluster == other.endpoint.cluster
    }
}

/// What a callout sends, by POST. It holds the credential: whoever has sent it drops it.
pub struct HttpCall {
    /// Where to.
    pub endpoint: Endpoint,
    /// Of the body.
    pub content_type: &'static str,
    /// Further headers, names in lower case.
    pub headers: Vec<(String, Constant)>,
    /// The body.
    pub body: Vec<u8>,
    /// How long it may take.
    pub timeout: Duration,
}

impl fmt::Debug for HttpCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpCall").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}
