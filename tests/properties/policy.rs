//! The core under a policy, without Envoy: it decides over requests, and signatures are verified by the module's own Rust.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use portcullis::config;
use portcullis::decision::{Asked, Decision};
use portcullis::engine::Engine;
use portcullis::judgement::At;
use portcullis::peer::Plaintext;
use portcullis::request::Request;
use portcullis::signature::Module;
use portcullis::time::UnixTime;
use serde_json::Value;

/// Header fields of a request.
pub(crate) type Fields = Vec<(String, Vec<u8>)>;

/// The core at work.
pub(crate) struct Core(pub(crate) Engine);

impl Core {
    /// # Panics
    /// If the configuration is refused.
    pub(crate) fn new(configuration: &Value) -> Self {
        let policy = config::load(configuration.to_string().as_bytes(), &|_| None);
        let policy = policy.unwrap_or_else(|faults| panic!("{faults:?}\n{configuration:#}")).0;
        Self(Engine::new(policy, Rc::<RefCell<_>>::default(), UnixTime::default(), 1))
    }

    /// What becomes of a request at a time in seconds.
    pub(crate) fn decide(&self, fields: &Fields, seconds: u64) -> Decision {
        // What is slow may happen only so often in a second, but that isn't what is tried with this.
        let now = UnixTime::from_seconds(seconds).plus(Duration::from_millis(1));
        let at = At { now, verify: &Module, peer: &Plaintext };
        self.0.decide(&Request { headers: fields.iter().map(|(name, value)| (name, value)).collect() }, &Asked::default(), &at)
    }

    /// Why a request with this bearer token is refused; `None`: it passes.
    pub(crate) fn bearer(&self, token: impl AsRef<[u8]>, seconds: u64) -> Option<&'static str> {
        let mut fields = get("/");
        fields.push(("authorization".to_owned(), [b"Bearer ", token.as_ref()].concat()));
        reason(&self.decide(&fields, seconds))
    }
}

/// The fields of a request that has nothing but a path.
pub(crate) fn get(path: &str) -> Fields {
    [(":method", "GET"), (":scheme", "https"), (":authority", "api.example"), (":path", path)]
        .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()))
        .into()
}

/// Why it is refused; `None`: it passes.
pub(crate) fn reason(decision: &Decision) -> Option<&'static str> {
    match decision {
        Decision::Pass(_) => None,
        Decision::Reject(rejection) => Some(rejection.refusal.reason().code()),
        other => panic!("{other:?}"),
    }
}
