//! What is measured: a listener, and what is sent to it.

use crate::goal::Goal;
use crate::request::request;
use serde_json::Value;
use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

/// One way to treat a request.
pub(crate) struct Variant {
    /// What `ONLY` picks it by; the listener's name, too.
    pub(crate) name: &'static str,
    /// What the table calls it.
    pub(crate) title: &'static str,
    /// The HTTP filters before the router.
    pub(crate) filters: Vec<Value>,
    pub(crate) transport: Transport,
    pub(crate) traffic: Traffic,
    /// The status that every request has to get.
    pub(crate) status: u16,
    /// The variant that is taken off; `None`: it is the floor itself.
    pub(crate) over: Option<&'static str>,
    /// The variant of Envoy's own that does the same.
    pub(crate) native: Option<&'static str>,
    pub(crate) goal: Option<Goal>,
    /// Divides the number of requests in a turn, where one takes long.
    pub(crate) slow: usize,
    /// How many requests have to come before anything counts.
    pub(crate) least_warm_up: usize,
    /// What the filters ask, and the name of the thread of this process that answers: its CPU time counts, too.
    pub(crate) helper: Option<Helper>,
}

#[derive(Clone, Copy)]
pub(crate) struct Helper {
    pub(crate) cluster: &'static str,
    pub(crate) address: SocketAddr,
    pub(crate) thread: &'static str,
}

/// How clients come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Plain,
    /// TLS, with a client certificate.
    Mutual,
}

/// What the requests bring.
#[derive(Clone)]
pub(crate) enum Traffic {
    /// All the same.
    Same(Vec<u8>),
    /// Each another token; the list is long enough for all of them.
    Each(Arc<Vec<String>>),
    /// These tokens, again and again.
    Cycle(Arc<Vec<String>>),
}

impl Traffic {
    /// No credential.
    pub(crate) fn bare() -> Self {
        Self::Same(request(None))
    }

    /// The same bearer token each time.
    pub(crate) fn bearer(token: &str) -> Self {
        Self::Same(request(Some(&format!("Bearer {token}"))))
    }

    /// The request of this number.
    pub(crate) fn request(&self, number: usize) -> Cow<'_, [u8]> {
        let bearer = |token: &str| Cow::Owned(request(Some(&format!("Bearer {token}"))));
        match self {
            Self::Same(request) => Cow::Borrowed(request),
            Self::Each(tokens) => bearer(&tokens[number]),
            Self::Cycle(tokens) => bearer(&tokens[number % tokens.len()]),
        }
    }
}

impl Variant {
    /// One over the bare listener.
    pub(crate) fn new(name: &'static str, title: &'static str, filters: Vec<Value>, traffic: Traffic) -> Self {
        Self {
            name,
            title,
            filters,
            transport: Transport::Plain,
            traffic,
            status: 200,
            over: Some("bare"),
            native: None,
            goal: None,
            slow: 1,
            least_warm_up: 0,
            helper: None,
        }
    }

    #[must_use]
    pub(crate) fn over(mut self, floor: &'static str) -> Self {
        self.over = Some(floor);
        self
    }

    #[must_use]
    pub(crate) fn floor(mut self) -> Self {
        self.over = None;
        self
    }

    #[must_use]
    pub(crate) fn mutual(mut self) -> Self {
        self.transport = Transport::Mutual;
        self
    }

    #[must_use]
    pub(crate) fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    #[must_use]
    pub(crate) fn native(mut self, native: &'static str) -> Self {
        self.native = Some(native);
        self
    }

    #[must_use]
    pub(crate) fn goal(mut self, goal: Goal) -> Self {
        self.goal = Some(goal);
        self
    }

    #[must_use]
    pub(crate) fn helper(mut self, helper: Helper) -> Self {
        self.helper = Some(helper);
        self
    }

    #[must_use]
    pub(crate) fn slow(mut self, divisor: usize) -> Self {
        self.slow = divisor;
        self
    }
}
