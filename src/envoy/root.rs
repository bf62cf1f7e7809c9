//! The plugin in one VM: its configuration, its timer, its callouts, and the requests that wait.

use std::cell::{Cell, RefCell};
use std::hash::{BuildHasher as _, Hasher as _};
use std::rc::Rc;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;

use super::abi::{self, Buffer, Level, Map};
use super::http::Http;
use super::metrics::Metrics;
use super::peer::ConnectionPeer;
use super::state::{self, Note};
use super::verification::Host;
use super::{log, reply};
use crate::config;
use crate::decision::{Asked, Decision, Pass, Rejection, Reply};
use crate::engine::{Answer, Effect, Engine, Event, FetchError, Ticket};
use crate::flood::Flood;
use crate::judgement::At;
use crate::keys::{KeyStore, RemoteKeys, SetId};
use crate::refusal::Refusal;
use crate::request::Request;
use crate::time::UnixTime;

thread_local! {
    /// The key sets of this VM: they outlive a change of policy.
    static KEYS: Rc<RefCell<KeyStore>> = Rc::default();
}

/// The first tick comes at once: a callout may not leave earlier.
const FIRST_TICK_MS: u32 = 1;

/// The root context.
pub(super) struct Root {
    id: u32,
    shell: Rc<Shell>,
}

/// What the root context shares with the requests.
pub(super) struct Shell {
    /// `None` until the plugin is configured: then everything is refused.
    engine: RefCell<Option<Engine>>,
    verify: Host,
    metrics: RefCell<Metrics>,
    flood: RefCell<Flood>,
    waiting: RefCell<Vec<Waiter>>,
    fetches: RefCell<Vec<(u32, SetId)>>,
    /// When the timer fires next.
    next_tick: Cell<UnixTime>,
}

/// A request that waits for keys.
struct Waiter {
    ticket: Ticket,
    request: Request,
    asked: Asked,
    set: SetId,
}

/// What becomes of the request for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It goes upstream.
    Continue,
    /// It waits, or was answered.
    Stop,
}

impl Root {
    pub(super) fn new(id: u32) -> Self {
        let shell = Shell {
            engine: RefCell::new(None),
            verify: Host::tried(),
            metrics: RefCell::new(Metrics::of_plugin("")),
            flood: RefCell::default(),
            waiting: RefCell::default(),
            fetches: RefCell::default(),
            next_tick: Cell::default(),
        };
        Self { id, shell: Rc::new(shell) }
    }

    fn carry_out(&self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Fetch(set, source) => self.fetch(set, &source),
                Effect::Wake(ticket) => self.wake(ticket),
                Effect::CountFetch(provider, outcome) => self.shell.metrics.borrow_mut().count_fetch(&provider, outcome),
                Effect::NoteKeys(provider, time) => self.shell.metrics.borrow_mut().note_keys(&provider, time.seconds()),
                Effect::Log(level, line) => abi::log(level.into(), &line),
            }
        }
    }

    fn fetch(&self, set: SetId, source: &RemoteKeys) {
        let mut headers = vec![
            (":method", "GET"),
            (":scheme", source.scheme.as_str()),
            (":authority", source.authority.as_str()),
            (":path", source.path.as_str()),
            ("accept", "application/json"),
        ];
        headers.extend(source.headers.iter().map(|(name, value)| (name.as_str(), value.0.as_str())));
        // Through the SDK, which must know the token: it ends the VM over an answer to one that it doesn't.
        match hostcalls::dispatch_http_call(&source.cluster, headers, None, vec![], source.timeout) {
            Ok(token) => self.shell.fetches.borrow_mut().push((token, set)),
            Err(_) => self.handle(Event::Fetched(set, Err(FetchError::NotSent))),
        }
    }

    fn handle(&self, event: Event<'_>) {
        let Ok(now) = abi::now() else {
            return;
        };
        let effects = match self.shell.engine.borrow_mut().as_mut() {
            Some(engine) => engine.handle(event, now, &mut random),
            None => return,
        };
        self.carry_out(effects);
        self.shell.set_tick(now);
    }

    /// Decides over a waiting request again, in its own context.
    fn wake(&self, ticket: Ticket) {
        let Some(Waiter { request, mut asked, set, .. }) = self.shell.take_waiter(ticket) else {
            return;
        };
        // It fails when the client has left.
        if abi::set_effective_context(ticket).is_ok() {
            asked.add(set);
            if self.shell.decide(ticket, request, asked) == Step::Continue {
                let _ = abi::resume_request();
            }
        }
        let _ = abi::set_effective_context(self.id);
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, token: u32, headers: usize, _: usize, _: usize) {
        let Some((_, set)) = self.shell.fetches.borrow_mut().extract_if(.., |(other, _)| *other == token).next() else {
            return;
        };
        let max_body = match self.shell.engine.borrow().as_ref().and_then(|engine| engine.policy().key_set(set)) {
            Some(source) => source.max_body,
            None => return,
        };
        if headers == 0 {
            return self.handle(Event::Fetched(set, Err(FetchError::Reset)));
        }
        // One byte more tells that there is more.
        match (callout_status(), abi::buffer(Buffer::CalloutAnswer, max_body.saturating_add(1))) {
            (Some(status), Ok(body)) => self.handle(Event::Fetched(set, Ok(Answer { status, body: &body }))),
            _ => self.handle(Event::Fetched(set, Err(FetchError::Reset))),
        }
    }
}

impl RootContext for Root {
    fn on_vm_start(&mut self, _: usize) -> bool {
        let revision = option_env!("PORTCULLIS_REVISION").unwrap_or("unknown");
        abi::log(Level::Info, &format!("portcullis {} ({revision}); {}", env!("CARGO_PKG_VERSION"), self.shell.verify));
        true
    }

    fn on_configure(&mut self, size: usize) -> bool {
        let Ok(bytes) = abi::buffer(Buffer::Configuration, size) else {
            abi::log(Level::Error, "the configuration can't be read");
            return false;
        };
        match config::load(&bytes, &|name| std::env::var(name).ok()) {
            Ok((policy, warnings)) => {
                for warning in warnings {
                    abi::log(Level::Warn, &format!("configuration: {warning}"));
                }
                self.shell.configure(Engine::new(policy, KEYS.with(Rc::clone), abi::now().unwrap_or_default()));
                true
            }
            Err(faults) => {
                abi::log(Level::Error, &format!("configuration refused, {} faults:", faults.len()));
                for fault in faults {
                    abi::log(Level::Error, &format!("configuration: {fault}"));
                }
                false
            }
        }
    }

    fn on_tick(&mut self) {
        self.handle(Event::Tick);
        if let Ok(now) = abi::now() {
            for (reason, count) in self.shell.flood.borrow_mut().counted(now) {
                abi::log(Level::Info, &format!("rejected reason={} more={count}", reason.code()));
            }
        }
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Http::new(id, Rc::clone(&self.shell))))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Shell {
    fn configure(&self, engine: Engine) {
        let name = abi::property("plugin_name").ok().flatten().unwrap_or_default();
        *self.metrics.borrow_mut() = Metrics::of_plugin(&String::from_utf8_lossy(&name));
        self.metrics.borrow_mut().show();
        // Declared before, by another configuration of this root context: it stands.
        let _ = state::declare_verdict();
        *self.engine.borrow_mut() = Some(engine);
        let _ = abi::set_tick_period(FIRST_TICK_MS);
        // Nothing is sooner than at once.
        self.next_tick.set(UnixTime::default());
    }

    /// Decides over a request and carries the decision out.
    pub(super) fn decide(&self, ticket: Ticket, request: Request, mut asked: Asked) -> Step {
        let Ok(now) = abi::now() else {
            return self.refuse_unread("no clock");
        };
        match state::has_verdict() {
            Ok(false) => {}
            Ok(true) => return self.refuse_for(&request, Refusal::VerdictPresent, now),
            Err(_) => return self.refuse_for(&request, Refusal::Internal("Envoy does not tell whether there is a verdict"), now),
        }
        let at = At { now, verify: &self.verify, peer: &ConnectionPeer };
        loop {
            let decision = match self.engine.borrow().as_ref() {
                Some(engine) => engine.decide(&request, &asked, &at),
                None => return self.refuse_unread("no configuration"),
            };
            match decision {
                Decision::Pass(pass) => return self.pass(&request, &pass, now),
                Decision::Reject(rejection) => return self.refuse(&request, &rejection, now),
                Decision::Wait(wait) => {
                    let waits = self.engine.borrow_mut().as_mut().is_some_and(|engine| engine.wait(ticket, wait));
                    if waits {
                        self.waiting.borrow_mut().push(Waiter { ticket, request, asked, set: wait.on });
                        self.hasten_tick(now);
                        return Step::Stop;
                    }
                    asked.add(wait.on);
                }
            }
        }
    }

    /// Answers a request that this filter can't do its work on.
    pub(super) fn refuse_unread(&self, what: &'static str) -> Step {
        let rejection = match self.engine.borrow().as_ref() {
            Some(engine) => engine.reject_unread(what),
            None => Rejection::without_policy(what),
        };
        self.refuse(&Request::default(), &rejection, abi::now().unwrap_or_default())
    }

    /// Removes from the trailers what clients may not say.
    pub(super) fn strip_trailers(&self) -> Result<(), abi::Failed> {
        let trailers = abi::headers(Map::RequestTrailers)?;
        let names = match self.engine.borrow().as_ref() {
            Some(engine) => engine.trailer_removals(&trailers),
            None => return Ok(()),
        };
        names.iter().try_for_each(|name| abi::remove_header(Map::RequestTrailers, name))
    }

    /// A request is gone.
    pub(super) fn leave(&self, ticket: Ticket) {
        if self.take_waiter(ticket).is_some()
            && let Ok(mut engine) = self.engine.try_borrow_mut()
            && let Some(engine) = engine.as_mut()
        {
            engine.leave(ticket);
        }
    }

    fn take_waiter(&self, ticket: Ticket) -> Option<Waiter> {
        let mut waiting = self.waiting.try_borrow_mut().ok()?;
        let place = waiting.iter().position(|waiter| waiter.ticket == ticket)?;
        Some(waiting.swap_remove(place))
    }

    fn pass(&self, request: &Request, pass: &Pass, now: UnixTime) -> Step {
        // The verdict comes last: the guard admits nothing that was not written down whole.
        let done = reply::apply(pass.edits()).and_then(|()| note_identity(pass)).and_then(|()| state::allow());
        if done.is_err() {
            return self.refuse_for(request, Refusal::Internal("Envoy refused a header, a note or the verdict"), now);
        }
        self.metrics.borrow_mut().count_allowed();
        Step::Continue
    }

    fn refuse_for(&self, request: &Request, refusal: Refusal, now: UnixTime) -> Step {
        let rejection = match self.engine.borrow().as_ref() {
            Some(engine) => engine.reject_for(request, refusal),
            None => Rejection::without_policy("no configuration"),
        };
        self.refuse(request, &rejection, now)
    }

    fn refuse(&self, request: &Request, rejection: &Rejection, now: UnixTime) -> Step {
        let reason = rejection.refusal.reason();
        let engine = self.engine.borrow();
        let policy = engine.as_ref().map(Engine::policy);
        let _ = state::note(Note::Reason, reason.code());
        if let Some(provider) = rejection.provider.and_then(|id| policy?.provider(id)) {
            let _ = state::note(Note::Provider, &provider.name);
        }
        self.metrics.borrow_mut().count_rejected(reason);
        if self.flood.borrow_mut().admits(reason, now) {
            log::rejected(policy, request, rejection);
        }
        drop(engine);
        // Where even the answer fails, the request stays where it is: it never goes on.
        let _ = reply::send(rejection);
        Step::Stop
    }

    /// Sets the timer anew. Only from what the timer or a callout sets off: to set it is to start it again.
    fn set_tick(&self, now: UnixTime) {
        if let Some(engine) = self.engine.borrow().as_ref() {
            let period = engine.tick_period(now);
            self.next_tick.set(now.plus(period));
            let _ = abi::set_tick_period(u32::try_from(period.as_millis()).unwrap_or(u32::MAX));
        }
    }

    /// Sets the timer if it would fire too late. A timer that every request started again would never fire under load.
    fn hasten_tick(&self, now: UnixTime) {
        let wanted = self.engine.borrow().as_ref().map(|engine| now.plus(engine.tick_period(now)));
        if wanted.is_some_and(|wanted| wanted < self.next_tick.get()) {
            self.set_tick(now);
        }
    }
}

impl Rejection {
    /// For a filter that was never configured.
    fn without_policy(what: &'static str) -> Self {
        let reply = Reply { status: 500, grpc_status: 13, headers: vec![("cache-control", "no-store".to_owned())], body: Vec::new() };
        Self { refusal: Refusal::Internal(what), rule: None, provider: None, reply, edits: crate::decision::Edits::default() }
    }
}

fn note_identity(pass: &Pass) -> Result<(), abi::Failed> {
    let Some(identity) = pass.identity() else {
        return Ok(());
    };
    state::note(Note::Provider, &identity.provider)?;
    if let Some(subject) = &identity.subject {
        state::note(Note::Subject, subject)?;
    }
    if let Some(credential) = &identity.credential {
        state::note(Note::Credential, credential)?;
    }
    Ok(())
}

fn callout_status() -> Option<u16> {
    let headers = abi::headers(Map::CalloutAnswer).ok()?;
    std::str::from_utf8(headers.first(":status")?).ok()?.parse().ok()
}

/// Good enough for jitter: the hash of nothing under a seed that differs each time.
fn random() -> u64 {
    std::hash::RandomState::new().build_hasher().finish()
}
