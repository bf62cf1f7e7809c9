//! Drives the module as Envoy does.

use std::collections::BTreeMap;
use std::time::Duration;

use super::abi::module;
use super::calls::Calls;
use super::host::{Answer, Callout, Host, LocalReply, ROOT, Stream, with};
use super::pairs::{self, Pairs};
use super::shared::Shared;

const CONTINUE: u32 = 0;

/// A request's number.
pub(crate) type StreamId = u32;

/// A VM with one plugin, on a thread of its own: the SDK's dispatcher, the host and the module's own state are all thread-local.
pub(crate) struct Vm {
    next: StreamId,
    decided: BTreeMap<StreamId, bool>,
    started: bool,
}

/// What has become of a request.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It goes upstream with these headers.
    Upstream(Pairs),
    /// The module answered it.
    Replied(LocalReply),
    /// It waits.
    Waiting,
}

impl std::fmt::Debug for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Upstream(headers) => write!(f, "upstream ({})", pairs::shown(headers)),
            Self::Replied(reply) => write!(f, "replied {reply:?}"),
            Self::Waiting => f.write_str("waiting"),
        }
    }
}

impl Outcome {
    /// The headers that the upstream sees.
    #[track_caller]
    pub(crate) fn upstream(self) -> Pairs {
        match self {
            Self::Upstream(headers) => headers,
            other => panic!("not upstream: {other:?}"),
        }
    }

    /// The module's reply.
    #[track_caller]
    pub(crate) fn replied(self) -> LocalReply {
        match self {
            Self::Replied(reply) => reply,
            other => panic!("no reply: {other:?}"),
        }
    }
}

/// Runs `test` with a new VM in which `entry` has registered a module, on a new thread; `shared` is what VMs of one vm_id share.
pub(crate) fn on_a_vm_sharing<T: Send>(shared: Shared, entry: fn(), test: impl FnOnce(&mut Vm) -> T + Send) -> T {
    let run = || {
        // 2026-01-01: some time has to be.
        with(|host| {
            *host = Host::default();
            host.shared = shared;
            host.now_ns = 1_767_225_600_000_000_000;
        });
        entry();
        module::context_create(ROOT, 0);
        test(&mut Vm { next: ROOT + 1, decided: BTreeMap::new(), started: false })
    };
    std::thread::scope(|scope| scope.spawn(run).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
}

/// [`on_a_vm_sharing`] nothing.
pub(crate) fn on_a_vm<T: Send>(entry: fn(), test: impl FnOnce(&mut Vm) -> T + Send) -> T {
    on_a_vm_sharing(Shared::default(), entry, test)
}

/// Makes the calls that follow be about `context`, as Envoy does around every callback.
fn enter<T>(context: u32, callback: impl FnOnce() -> T) -> T {
    let before = with(|host| std::mem::replace(&mut host.effective, context));
    let result = callback();
    with(|host| host.effective = before);
    result
}

impl Vm {
    /// Looks at the host's side.
    pub(crate) fn host<T>(&self, look: impl FnOnce(&mut Host) -> T) -> T {
        with(look)
    }

    /// Looks at the host calls: what was called, what shall fail.
    pub(crate) fn calls<T>(&self, look: impl FnOnce(&mut Calls) -> T) -> T {
        with(|host| look(&mut host.calls))
    }

    /// Starts the VM where that hasn't happened yet, and configures the plugin.
    pub(crate) fn configure(&mut self, configuration: impl AsRef<[u8]>) -> bool {
        let size = configuration.as_ref().len();
        with(|host| host.configuration = configuration.as_ref().to_vec());
        enter(ROOT, || {
            let started = self.started || module::vm_start(ROOT, 0);
            self.started = started;
            started && module::configure(ROOT, size)
        })
    }

    /// A request with these headers comes in.
    pub(crate) fn request(&mut self, headers: &[(&str, &str)]) -> StreamId {
        self.send(Stream { headers: pairs::of(headers), ..Stream::default() })
    }

    /// A request comes in.
    pub(crate) fn send(&mut self, stream: Stream) -> StreamId {
        let id = self.next;
        self.next += 1;
        let count = stream.headers.len();
        with(|host| host.streams.insert(id, stream));
        let action = enter(id, || {
            module::context_create(id, ROOT);
            module::request_headers(id, count, true)
        });
        self.decided.insert(id, action == CONTINUE);
        id
    }

    /// Its trailers come in; `true` if they may go on.
    pub(crate) fn trailers(&mut self, id: StreamId, trailers: &[(&str, &str)]) -> bool {
        with(|host| host.streams.get_mut(&id).unwrap().trailers = Some(pairs::of(trailers)));
        enter(id, || module::request_trailers(id, trailers.len())) == CONTINUE
    }

    /// The upstream's answer comes back; `true` if it may go on.
    pub(crate) fn response(&mut self, id: StreamId, headers: &[(&str, &str)]) -> bool {
        with(|host| host.streams.get_mut(&id).unwrap().response = Some(pairs::of(headers)));
        enter(id, || module::response_headers(id, headers.len(), true)) == CONTINUE
    }

    /// The host's side of a request.
    pub(crate) fn stream(&self, id: StreamId) -> Stream {
        with(|host| host.streams.get(&id).cloned().expect("a stream that is still there"))
    }

    /// What has become of a request. A reply wins over everything; two of them, or two resumptions, are an error of the module.
    #[track_caller]
    pub(crate) fn outcome(&self, id: StreamId) -> Outcome {
        let stream = self.stream(id);
        let goes_on = usize::from(self.decided[&id]) + stream.resumed;
        assert!(stream.replies.len() <= 1, "replied twice: {:?}", stream.replies);
        assert!(goes_on <= 1, "resumed {} times, and the request was not even paused once more", stream.resumed);
        match stream.replies.first() {
            Some(reply) => {
                assert_eq!(stream.resumed, 0, "resumed a request that was answered");
                Outcome::Replied(reply.clone())
            }
            None if goes_on == 1 => Outcome::Upstream(stream.headers),
            None => Outcome::Waiting,
        }
    }

    /// [`Vm::request`] and its [`Vm::outcome`].
    #[track_caller]
    pub(crate) fn outcome_of(&mut self, headers: &[(&str, &str)]) -> Outcome {
        let id = self.request(headers);
        self.outcome(id)
    }

    /// The request ends, or its client leaves: Envoy forgets it, and then tells the module.
    pub(crate) fn end(&mut self, id: StreamId) {
        enter(id, || {
            module::done(id);
            module::log(id);
        });
        with(|host| {
            host.streams.remove(&id);
            host.callouts.retain(|_, callout| callout.owner != id);
        });
        module::delete(id);
    }

    /// One tick, now.
    pub(crate) fn tick(&mut self) {
        enter(ROOT, || module::tick(ROOT));
    }

    /// Time passes, with the ticks that the module asked for.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = with(|host| host.uptime_ns) + u64::try_from(time.as_nanos()).unwrap();
        let until = |at: u64| {
            with(|host| {
                host.now_ns += at - host.uptime_ns;
                host.uptime_ns = at;
            });
        };
        while let Some(due) = with(|host| (host.tick_ms != 0 && host.next_tick_ns <= end).then_some(host.next_tick_ns)) {
            until(due);
            with(|host| host.set_tick(host.tick_ms));
            self.tick();
        }
        until(end);
    }

    /// The clock is set, forwards or backwards; timers don't notice.
    pub(crate) fn set_clock(&mut self, unix_seconds: u64) {
        with(|host| host.now_ns = unix_seconds * 1_000_000_000);
    }

    /// The callouts whose answer is still to come, oldest first.
    pub(crate) fn callouts(&self) -> Vec<(u32, Callout)> {
        with(|host| host.callouts.iter().map(|(token, callout)| (*token, callout.clone())).collect())
    }

    /// A callout is answered.
    #[track_caller]
    pub(crate) fn answer(&mut self, token: u32, status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) {
        let mut fields = pairs::of(&[(":status", &status.to_string())]);
        fields.extend(pairs::of(headers));
        self.deliver(token, Answer { headers: fields, body: body.as_ref().to_vec() });
    }

    /// A callout ends without an answer: reset, or too long an answer. Envoy then gives no headers.
    #[track_caller]
    pub(crate) fn reset(&mut self, token: u32) {
        with(|host| host.callout_status = (11, "reset".to_owned()));
        self.deliver(token, Answer::default());
    }

    #[track_caller]
    fn deliver(&mut self, token: u32, answer: Answer) {
        let owner = with(|host| host.callouts.remove(&token)).expect("a callout that is still under way").owner;
        let (headers, body) = (answer.headers.len(), answer.body.len());
        with(|host| host.answer = Some(answer));
        enter(owner, || module::http_call_response(owner, token, headers, body, 0));
        with(|host| host.answer = None);
    }

    /// The log so far, without levels.
    pub(crate) fn log(&self) -> Vec<String> {
        with(|host| host.logs.iter().map(|(_, line)| line.clone()).collect())
    }
}
