//! What the root context and the requests share: the engine, and how its decisions are carried out.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::abi::{self, Map};
use super::metrics::Metrics;
use super::peer::ConnectionPeer;
use super::state::{self, Note};
use super::verification::Host;
use super::{log, reply};
use crate::authenticator::remote::Call;
use crate::decision::{Asked, Decision, Edits, Pass, Rejection, Reply};
use crate::engine::Engine;
use crate::flood::Flood;
use crate::judgement::At;
use crate::keys::SetId;
use crate::refusal::Refusal;
use crate::request::{Request, Ticket};
use crate::time::UnixTime;

thread_local! {
    /// What the host verifies, tried once per VM.
    static HOST: Host = Host::tried();
}

/// The first tick comes at once: a callout may not leave earlier.
const FIRST_TICK_MS: u32 = 1;

/// The plugin in one VM.
pub(super) struct Shell {
    /// `None` until the plugin is configured: then everything is refused.
    pub(super) engine: RefCell<Option<Engine>>,
    pub(super) verify: Host,
    pub(super) metrics: RefCell<Metrics>,
    pub(super) flood: RefCell<Flood>,
    /// Of what was only observed.
    pub(super) observed: RefCell<Flood>,
    /// Of streams that were ended.
    pub(super) ended: RefCell<Flood>,
    /// Something was observed at the last tick.
    pub(super) observes: Cell<bool>,
    waiting: RefCell<Vec<Waiter>>,
    /// Callouts under way, by Envoy's name for them.
    pub(super) callouts: RefCell<Vec<(u32, Callout)>>,
    /// When the timer fires next.
    next_tick: Cell<UnixTime>,
}

/// What a callout is for.
pub(super) enum Callout {
    /// A key set.
    Keys(SetId),
    /// What another service says of a credential.
    Answer(Rc<Call>),
}

/// A request that waits.
pub(super) struct Waiter {
    pub(super) ticket: Ticket,
    pub(super) request: Request,
    pub(super) asked: Asked,
}

/// What becomes of the request for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It goes upstream.
    Continue,
    /// It waits, or was answered.
    Stop,
}

impl Shell {
    /// Without a configuration.
    pub(super) fn new() -> Self {
        Self {
            engine: RefCell::new(None),
            verify: HOST.with(Host::clone),
            metrics: RefCell::new(Metrics::of_plugin("")),
            flood: RefCell::default(),
            observed: RefCell::default(),
            ended: RefCell::default(),
            observes: Cell::default(),
            waiting: RefCell::default(),
            callouts: RefCell::default(),
            next_tick: Cell::default(),
        }
    }

    /// Takes up its work, under the plugin's name.
    pub(super) fn configure(&self, engine: Engine, name: &str) {
        *self.metrics.borrow_mut() = Metrics::of_plugin(name);
        self.metrics.borrow_mut().show();
        if state::declare_verdict().is_err() {
            abi::log(abi::Level::Warn, "the verdict can't be declared read-only: another plugin after this one could change it");
        }
        *self.engine.borrow_mut() = Some(engine);
        self.show_mode(abi::now().unwrap_or_default());
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
                Decision::Pass(pass) => return self.pass(ticket, &request, pass, now),
                Decision::Reject(rejection) => return self.refuse(&request, &rejection, now),
                Decision::Observe(observation) => return self.observe(&request, &observation, now),
                Decision::Wait(wait) => {
                    let waits = self.engine.borrow_mut().as_mut().is_some_and(|engine| engine.wait(ticket, wait));
                    if waits {
                        self.waiting.borrow_mut().push(Waiter { ticket, request, asked });
                        self.hasten_tick(now);
                        return Step::Stop;
                    }
                    asked.no_more();
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

    /// A request is gone, or what it had opened.
    pub(super) fn leave(&self, ticket: Ticket) {
        if let Ok(engine) = self.engine.try_borrow()
            && let Some(engine) = engine.as_ref()
        {
            engine.close(ticket);
        }
        if self.take_waiter(ticket).is_some()
            && let Ok(mut engine) = self.engine.try_borrow_mut()
            && let Some(engine) = engine.as_mut()
        {
            engine.leave(ticket);
        }
    }

    /// Takes a waiting request out.
    pub(super) fn take_waiter(&self, ticket: Ticket) -> Option<Waiter> {
        let mut waiting = self.waiting.try_borrow_mut().ok()?;
        let place = waiting.iter().position(|waiter| waiter.ticket == ticket)?;
        Some(waiting.swap_remove(place))
    }

    /// Takes a callout that is over out.
    pub(super) fn take_callout(&self, token: u32) -> Option<Callout> {
        let mut callouts = self.callouts.borrow_mut();
        let place = callouts.iter().position(|(other, _)| *other == token)?;
        Some(callouts.swap_remove(place).1)
    }

    fn pass(&self, ticket: Ticket, request: &Request, mut pass: Pass, now: UnixTime) -> Step {
        // The verdict comes last: the guard admits nothing that was not written down whole.
        let done = reply::apply(pass.edits()).and_then(|()| note_identity(&pass)).and_then(|()| state::set_verdict(state::ALLOW));
        if done.is_err() {
            return self.refuse_for(request, Refusal::Internal("Envoy refused a header, a note or the verdict"), now);
        }
        self.metrics.borrow_mut().count_allowed();
        if let Some(terms) = pass.take_terms() {
            if let Some(engine) = self.engine.borrow().as_ref() {
                engine.keep_open(ticket, terms);
            }
            self.hasten_tick(now);
        }
        Step::Continue
    }

    pub(super) fn refuse_for(&self, request: &Request, refusal: Refusal, now: UnixTime) -> Step {
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
        let _ = self.note_rejection(rejection);
        self.metrics.borrow_mut().count_rejected(reason);
        if self.flood.borrow_mut().admits(reason, now) {
            log::refusal("rejected", policy, request, rejection);
        }
        drop(engine);
        // Where even the answer fails, the request stays where it is: it never goes on.
        let _ = reply::send(rejection);
        Step::Stop
    }

    /// Writes down why, and who, for access logs.
    pub(super) fn note_rejection(&self, rejection: &Rejection) -> Result<(), abi::Failed> {
        let engine = self.engine.borrow();
        let policy = engine.as_ref().map(Engine::policy);
        state::note(Note::Reason, rejection.refusal.reason().code())?;
        if let Some(provider) = rejection.provider.and_then(|id| policy?.provider(id)) {
            state::note(Note::Provider, &provider.name)?;
        }
        rejection.subject.as_ref().map_or(Ok(()), |subject| state::note(Note::Subject, subject))
    }

    /// Sets the timer anew. Only from what the timer or a callout sets off: to set it is to start it again.
    pub(super) fn set_tick(&self, now: UnixTime) {
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
        let reply = Reply { status: 500, grpc_status: 13, headers: vec![("cache-control", "no-store".into())], body: Vec::new() };
        Self { refusal: Refusal::Internal(what), rule: None, provider: None, subject: None, reply, edits: Edits::default() }
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
