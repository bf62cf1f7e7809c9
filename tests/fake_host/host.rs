//! What Envoy knows and does, for one thread: one VM with one plugin.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::calls::Calls;
use super::metrics::Metrics;
use super::pairs::{self, Pairs};
use super::properties::{Properties, declaration};
use super::shared::Shared;

/// A host call's status.
pub(crate) type Status = u32;

pub(crate) const OK: Status = 0;
pub(crate) const NOT_FOUND: Status = 1;
pub(crate) const BAD_ARGUMENT: Status = 2;
pub(crate) const CAS_MISMATCH: Status = 8;
pub(crate) const INTERNAL_FAILURE: Status = 10;
/// Not 12, "unimplemented": the SDK's `Status` has no such value, and making one would be undefined behaviour.
pub(super) const UNSUPPORTED: Status = INTERNAL_FAILURE;

/// The root context's number.
pub(crate) const ROOT: u32 = 1;

thread_local! {
    static HOST: RefCell<Host> = RefCell::new(Host::default());
}

/// Looks at this thread's host. Never call the module in here: it calls back.
pub(crate) fn with<T>(look: impl FnOnce(&mut Host) -> T) -> T {
    HOST.with(|host| look(&mut host.borrow_mut()))
}

/// A foreign function.
pub(crate) type Foreign = Box<dyn FnMut(&[u8]) -> Result<Vec<u8>, Status>>;

/// Envoy's side.
#[derive(Default)]
pub(crate) struct Host {
    pub(crate) calls: Calls,
    /// The clock, in nanoseconds since the epoch. It moves only when a test moves it.
    pub(crate) now_ns: u64,
    /// Log lines below this are not wanted.
    pub(crate) log_level: u32,
    /// Every line: level and text.
    pub(crate) logs: Vec<(u32, String)>,
    /// Nanoseconds since the VM began: what timers go by, whatever the clock says.
    pub(super) uptime_ns: u64,
    /// Zero: no ticks.
    pub(crate) tick_ms: u32,
    /// By `uptime_ns`.
    pub(super) next_tick_ns: u64,
    pub(crate) configuration: Vec<u8>,
    pub(crate) metrics: Metrics,
    pub(crate) shared: Shared,
    /// What every context can read: `plugin_name` and the like.
    pub(crate) properties: Properties,
    pub(crate) streams: BTreeMap<u32, Stream>,
    /// Callouts whose answer is still to come.
    pub(crate) callouts: BTreeMap<u32, Callout>,
    /// Every callout that ever left.
    pub(crate) dispatched: u32,
    /// The callout's answer that the module may read right now.
    pub(crate) answer: Option<Answer>,
    pub(super) callout_status: (u32, String),
    /// Beyond these there is only `declare_property`.
    pub(crate) foreign: BTreeMap<String, Foreign>,
    declared: BTreeSet<Vec<u8>>,
    declarations: BTreeSet<Vec<u8>>,
    pub(super) effective: u32,
}

/// A request and what has become of it.
#[derive(Clone, Default)]
pub(crate) struct Stream {
    pub(crate) headers: Pairs,
    pub(crate) trailers: Option<Pairs>,
    pub(crate) response: Option<Pairs>,
    pub(crate) properties: Properties,
    pub(crate) replies: Vec<LocalReply>,
    /// How often it was told to go on.
    pub(crate) resumed: usize,
    pub(crate) closed: bool,
}

/// A reply that the module sent itself.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct LocalReply {
    pub(crate) status: u32,
    pub(crate) details: String,
    pub(crate) body: Vec<u8>,
    pub(crate) headers: Pairs,
    pub(crate) grpc_status: i32,
}

impl std::fmt::Debug for LocalReply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} ({}) {}", self.status, self.details, pairs::shown(&self.headers), self.body.escape_ascii())
    }
}

/// A callout on its way.
#[derive(Clone, Debug)]
pub(crate) struct Callout {
    /// The context that made it: it gets the answer, and its end cancels the callout.
    pub(crate) owner: u32,
    pub(crate) cluster: String,
    pub(crate) headers: Pairs,
    pub(crate) body: Vec<u8>,
    pub(crate) timeout_ms: u32,
}

/// What comes back from one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub(crate) headers: Pairs,
    pub(crate) body: Vec<u8>,
}

impl Host {
    pub(super) fn log(&mut self, level: u32, line: &[u8]) -> Result<(), Status> {
        self.logs.push((level, String::from_utf8_lossy(line).into_owned()));
        Ok(())
    }

    pub(super) fn ask_for_ticks(&mut self, period_ms: u32) -> Result<(), Status> {
        self.set_tick(period_ms);
        Ok(())
    }

    /// Asking again begins the period anew.
    pub(crate) fn set_tick(&mut self, period_ms: u32) {
        self.tick_ms = period_ms;
        self.next_tick_ns = self.uptime_ns + u64::from(period_ms) * 1_000_000;
    }

    /// The buffer that `proxy_get_buffer_bytes` means.
    pub(super) fn buffer(&self, kind: u32) -> Result<&[u8], Status> {
        match kind {
            4 => Ok(self.answer.as_ref().ok_or(NOT_FOUND)?.body.as_slice()),
            6 => Ok(&[]),
            7 => Ok(&self.configuration),
            _ => Err(NOT_FOUND),
        }
    }

    /// The header map that a call means; `None` outside of its time.
    pub(super) fn map(&mut self, map: u32) -> Option<&mut Pairs> {
        if map == 6 {
            return self.answer.as_mut().map(|answer| &mut answer.headers);
        }
        let stream = self.streams.get_mut(&self.effective)?;
        match map {
            0 => Some(&mut stream.headers),
            1 => stream.trailers.as_mut(),
            2 => stream.response.as_mut(),
            _ => None,
        }
    }

    pub(super) fn header(&mut self, map: u32, name: &[u8]) -> Result<Vec<u8>, Status> {
        let fields = self.map(map).ok_or(BAD_ARGUMENT)?;
        let first = fields.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
        first.map(|(_, value)| value.clone()).ok_or(NOT_FOUND)
    }

    pub(super) fn edit(&mut self, map: u32, edit: impl FnOnce(&mut Pairs)) -> Result<(), Status> {
        self.map(map).map(edit).ok_or(BAD_ARGUMENT)
    }

    /// What the effective context reads: the stream's own, or else what everybody can.
    pub(super) fn property(&self, path: &[u8]) -> Result<Vec<u8>, Status> {
        let of_stream = self.streams.get(&self.effective).map(|stream| stream.properties.get(path));
        of_stream.and_then(Result::ok).map_or_else(|| self.properties.get(path), Ok)
    }

    pub(super) fn set_property(&mut self, path: &[u8], value: Vec<u8>) -> Result<(), Status> {
        let stream = self.streams.get_mut(&self.effective).ok_or(NOT_FOUND)?;
        stream.properties.set(path, value, &self.declared)
    }

    pub(super) fn foreign(&mut self, name: &[u8], arguments: &[u8]) -> Result<Vec<u8>, Status> {
        let name = String::from_utf8_lossy(name);
        if let Some(function) = self.foreign.get_mut(name.as_ref()) {
            return function(arguments);
        }
        if name != "declare_property" {
            return Err(NOT_FOUND);
        }
        let (property, read_only) = declaration(arguments).ok_or(BAD_ARGUMENT)?;
        if !self.declarations.insert(property.clone()) {
            return Err(BAD_ARGUMENT);
        }
        if read_only {
            self.declared.insert(property);
        }
        Ok(Vec::new())
    }

    pub(super) fn reply(&mut self, reply: LocalReply) -> Result<(), Status> {
        self.stream()?.replies.push(reply);
        Ok(())
    }

    pub(super) fn resume(&mut self, kind: u32) -> Result<(), Status> {
        if kind != 0 {
            return Err(BAD_ARGUMENT);
        }
        self.stream()?.resumed += 1;
        Ok(())
    }

    pub(super) fn close(&mut self, kind: u32) -> Result<(), Status> {
        if kind > 1 {
            return Err(BAD_ARGUMENT);
        }
        self.stream()?.closed = true;
        Ok(())
    }

    fn stream(&mut self) -> Result<&mut Stream, Status> {
        self.streams.get_mut(&self.effective).ok_or(BAD_ARGUMENT)
    }

    pub(super) fn set_effective(&mut self, context: u32) -> Result<(), Status> {
        if context != ROOT && !self.streams.contains_key(&context) {
            return Err(BAD_ARGUMENT);
        }
        self.effective = context;
        Ok(())
    }

    /// Envoy wants these three headers; an unknown cluster is a failure that the test asks for.
    pub(super) fn dispatch(&mut self, cluster: &[u8], headers: Pairs, body: Vec<u8>, timeout_ms: u32) -> Result<u32, Status> {
        if [":method", ":path", ":authority"].iter().any(|name| pairs::all(&headers, name).is_empty()) {
            return Err(BAD_ARGUMENT);
        }
        self.dispatched += 1;
        let cluster = String::from_utf8_lossy(cluster).into_owned();
        self.callouts.insert(self.dispatched, Callout { owner: self.effective, cluster, headers, body, timeout_ms });
        Ok(self.dispatched)
    }
}
