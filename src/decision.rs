//! What the core answers: a value, which the shell carries out.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use crate::authenticator::remote::{Call, Key};
use crate::identity::{Identity, UpstreamHeaders};
use crate::keys::SetId;
use crate::policy::ProviderId;
use crate::refusal::Refusal;
use crate::streams::Terms;
use crate::time::UnixTime;

/// The outcome of an evaluation.
#[derive(Debug)]
pub enum Decision {
    /// The request may go upstream.
    Pass(Pass),
    /// The request is refused.
    Reject(Rejection),
    /// The request would be refused, but goes upstream: its rule is only observed.
    Observe(Observation),
    /// Something has to arrive first; then the request is decided again from the top.
    Wait(Wait),
}

/// The permission to go upstream. Only a satisfied requirement or `allow: anyone` makes one: the fields are private to the crate.
#[derive(Debug)]
pub struct Pass {
    pub(crate) edits: Edits,
    pub(crate) identity: Option<Arc<Identity>>,
    pub(crate) terms: Option<Terms>,
}

impl Pass {
    /// What to change on the request.
    #[must_use]
    pub const fn edits(&self) -> &Edits {
        &self.edits
    }

    /// Who is calling; `None` for `allow: anyone` and for an optional requirement without a credential.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_deref()
    }

    /// On what terms the stream that it opens may stay open; `None`: on none. Once.
    pub const fn take_terms(&mut self) -> Option<Terms> {
        self.terms.take()
    }
}

/// The leave to go upstream although enforcing would have refused. It carries no identity, and it is no [`Pass`]: its verdict is another.
#[derive(Debug)]
pub struct Observation {
    pub(crate) rejection: Rejection,
    pub(crate) edits: Edits,
}

impl Observation {
    /// What would have become of the request.
    #[must_use]
    pub const fn rejection(&self) -> &Rejection {
        &self.rejection
    }

    /// What to change on the request: nothing but removals.
    #[must_use]
    pub const fn edits(&self) -> &Edits {
        &self.edits
    }
}

/// Changes to the request's headers, to be carried out in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edits {
    /// Header names to remove, as they stand in the request.
    pub remove: Vec<Vec<u8>>,
    /// The one `cookie` header instead of those that were there, if they change; empty: none.
    pub cookie: Option<Vec<u8>>,
    /// Headers to add, which then stand there exactly once: nothing of these names is left.
    pub set: UpstreamHeaders,
    /// The new `:path`, if it changes.
    pub path: Option<Vec<u8>>,
}

/// A refusal, ready to be answered.
#[derive(Debug)]
pub struct Rejection {
    /// Why, for the log and the metrics.
    pub refusal: Refusal,
    /// The rule that decided, by its index.
    pub rule: Option<usize>,
    /// The provider whose credential was judged.
    pub provider: Option<ProviderId>,
    /// Who is refused, where a good credential said so.
    pub subject: Option<String>,
    /// The answer to the client.
    pub reply: Reply,
    /// What is removed from the request so that it doesn't stand in access logs.
    pub edits: Edits,
}

/// A reply to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The gRPC status that a gRPC client gets.
    pub grpc_status: i32,
    /// Headers, with their values.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
    /// The body; empty for none.
    pub body: Vec<u8>,
}

/// What an evaluation waits for. Then, or when time is up, the request is decided again with this as [`Asked`].
#[derive(Clone, Debug)]
pub struct Wait {
    /// What has to arrive.
    pub on: WaitOn,
    /// When the first question was asked: a fetch that began before is no answer to it.
    pub question: UnixTime,
    /// When waiting ends.
    pub until: UnixTime,
}

/// What has to arrive.
#[derive(Clone, Debug)]
pub enum WaitOn {
    /// Keys that fit better than those there are.
    Keys {
        /// The key set.
        set: SetId,
        /// When the keys that there were then had come; zero: there were none.
        seen: UnixTime,
    },
    /// What another service says of a credential.
    Answer(Rc<Call>),
}

impl WaitOn {
    /// Whether both take room from each other: they wait for the same keys, or for the same service.
    #[must_use]
    pub fn shares_room(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Keys { set: a, .. }, Self::Keys { set: b, .. }) => a == b,
            (Self::Answer(a), Self::Answer(b)) => a.shares_room(b),
            _ => false,
        }
    }
}

/// What a request has waited for already: each thing once and no longer than that, so that nothing loops.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    waits: Vec<Wait>,
    may_not: bool,
}

impl Asked {
    /// Remembers that this was awaited.
    pub fn add(&mut self, wait: Wait) {
        self.waits.push(wait);
    }

    /// Too many wait already.
    pub const fn no_more(&mut self) {
        self.may_not = true;
    }

    /// How this set was awaited last.
    #[must_use]
    pub fn last(&self, set: SetId) -> Option<&Wait> {
        self.waits.iter().rfind(|wait| matches!(wait.on, WaitOn::Keys { set: own, .. } if own == set))
    }

    /// The callout with this question that was awaited.
    #[must_use]
    pub fn call(&self, key: &Key) -> Option<&Call> {
        self.waits.iter().find_map(|wait| match &wait.on {
            WaitOn::Answer(call) if call.key == *key => Some(&**call),
            _ => None,
        })
    }

    /// Whether it may wait at all.
    #[must_use]
    pub const fn may_wait(&self) -> bool {
        !self.may_not
    }
}
