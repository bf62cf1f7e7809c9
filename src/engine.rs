//! The whole of the core in one place: it decides over requests, and says when to fetch keys. State changes here alone.

mod answers;
mod fetch;
mod remote;
mod streams;
mod waiting;

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::annotation::{self, Proof};
use crate::authenticator::jwt::Keys;
use crate::authenticator::remote::{Call, HttpCall, Key, Question, Verdict};
use crate::cache::{Cache, Counts};
use crate::decision::{Asked, Decision, Pass, Rejection, Wait, WaitOn};
use crate::flood::Flood;
use crate::judgement::{At, Known, Memory, Needed, Outcome, judge};
use crate::keys::{Begin, KeySet, KeyStore, Lookup, RemoteKeys, SetId};
use crate::observation;
use crate::policy::{Action, Kind, Policy, ProviderId, Selected, select};
use crate::refusal::{KeysError, Refusal, RequestError};
use crate::rejection::{reject, reject_unread};
use crate::request::{Headers, Request, Ticket};
use crate::signature::Budget;
use crate::streams::Ended;
use crate::time::UnixTime;
use answers::Answers;
use fetch::{Place, read, report_failure};
use streams::OpenStreams;
use waiting::Waiting;

pub use fetch::{Answer, FetchError};

/// When there is a callout to send: it may not leave from where a request is decided over.
const AT_ONCE: Duration = Duration::from_millis(1);
/// How often to look around when nothing is due: other workers may have fetched keys.
const IDLE: Duration = Duration::from_millis(250);
/// How often where there are no keys to fetch.
const STILL: Duration = Duration::from_secs(1);
/// How often at most, and while requests wait: their keys may come by another worker.
const BUSY: Duration = Duration::from_millis(10);

/// The core at work under one policy.
pub struct Engine {
    policy: Policy,
    keys: Rc<RefCell<KeyStore>>,
    memory: Memory,
    answers: RefCell<Answers>,
    /// Callouts to other services that failed, for the log.
    failures: Flood,
    waiting: Waiting,
    streams: OpenStreams,
    /// Tells this engine's fetches from those of others; never zero.
    id: u64,
    /// The last time that was seen.
    now: UnixTime,
}

/// Something that happened.
#[derive(Debug)]
pub enum Event<'a> {
    /// Time passed.
    Tick,
    /// A fetch ended.
    Fetched(SetId, Result<Answer<'a>, FetchError>),
    /// A callout to another service ended.
    Answered(&'a Rc<Call>, Result<Answer<'a>, FetchError>),
}

/// How much a log line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// For those who look for trouble.
    Debug,
    /// What happened.
    Info,
    /// What should be looked at.
    Warn,
}

/// Something for the shell to do.
#[derive(Debug)]
pub enum Effect {
    /// Fetch this set, and report the answer as [`Event::Fetched`].
    Fetch(SetId, RemoteKeys),
    /// Send this, and report the answer as [`Event::Answered`].
    Ask(Rc<Call>, Box<HttpCall>),
    /// Decide over this request again, with this in [`Asked`].
    Wake(Ticket, Wait),
    /// Count a callout: what it was for (`fetch` of keys, or `remote`), the provider, and its outcome.
    Count(&'static str, Arc<str>, &'static str),
    /// Count what was looked up among credentials that were verified before: `hit`, `miss` or `evicted`, and how often.
    CountCache(&'static str, u64),
    /// Note when a provider's keys came.
    NoteKeys(Arc<str>, UnixTime),
    /// End a stream.
    End(Ended),
    /// Log a line.
    Log(Level, String),
}

impl Engine {
    /// At work from now on. Key sets that `keys` holds already are used. `random` tells this engine from others of the process.
    #[must_use]
    pub fn new(policy: Policy, keys: Rc<RefCell<KeyStore>>, now: UnixTime, random: u64) -> Self {
        keys.borrow_mut().acquire(&policy.key_sets, now);
        let budget = RefCell::new(Budget::new(policy.limits.slow_verifications));
        let memory = Memory { cache: RefCell::new(Cache::new(policy.cache)), budget };
        let answers = RefCell::new(Answers::new());
        Self {
            policy,
            keys,
            memory,
            answers,
            failures: Flood::default(),
            waiting: Waiting::default(),
            streams: OpenStreams::default(),
            id: random.max(1),
            now,
        }
    }

    /// The policy.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Decides over a request.
    #[must_use]
    pub fn decide(&self, request: &Request, asked: &Asked, at: &At<'_>) -> Decision {
        match select(&self.policy, request) {
            Ok(selected) if selected.rule.mode.observes(at.now) => {
                observation::decide(&self.policy, &|asked| self.enforce(request, &selected, asked, at))
            }
            Ok(selected) => self.enforce(request, &selected, asked, at),
            Err(error) if self.policy.observes_unmatched(request, &error, at.now) => {
                observation::observe(&self.policy, self.reject(request, error.into(), None, None))
            }
            Err(error) => self.reject(request, error.into(), None, None),
        }
    }

    fn enforce(&self, request: &Request, selected: &Selected<'_>, asked: &Asked, at: &At<'_>) -> Decision {
        match &selected.rule.then {
            Action::Anyone => self.pass(request, selected.index, vec![]),
            Action::Deny => self.reject(request, RequestError::Denied.into(), Some(selected.index), None),
            Action::Require(demand) => {
                let known = KnownNow { engine: self, asked, now: at.now };
                let judge = || judge(&self.policy, demand, selected, request, &known, &self.memory, at);
                let mut outcome = judge();
                // Another worker may have the keys already.
                if let Outcome::Pending(provider, Needed::Keys(_)) = outcome
                    && self.catch_up(provider, at.now)
                {
                    outcome = judge();
                }
                match outcome {
                    Outcome::Satisfied(proofs) => self.pass(request, selected.index, proofs),
                    Outcome::Refused(refusal, provider) => self.reject(request, refusal, Some(selected.index), provider),
                    Outcome::Forbidden(error, provider, subject) => {
                        let rejection = reject(&self.policy, request, error.into(), Some(selected.index), Some(provider));
                        Decision::Reject(Rejection { subject, ..rejection })
                    }
                    Outcome::Pending(provider, needed) => {
                        let waits = match needed {
                            Needed::Keys(unknown) => self.await_keys(provider, unknown, asked, at.now),
                            Needed::Answer(key, http) => self.await_answer(provider, (key, http), asked, at.now),
                        };
                        waits.map_or_else(|refusal| self.reject(request, refusal, Some(selected.index), Some(provider)), Decision::Wait)
                    }
                }
            }
        }
    }

    /// The names to remove from a request's trailers.
    #[must_use]
    pub fn trailer_removals(&self, trailers: &Headers) -> Vec<Vec<u8>> {
        annotation::trailer_removals(&self.policy, trailers)
    }

    /// The rejection of a request that this filter can't do its work on.
    #[must_use]
    pub fn reject_unread(&self, what: &'static str) -> Rejection {
        reject_unread(&self.policy, what)
    }

    /// The rejection of a request for a reason that the shell found.
    #[must_use]
    pub fn reject_for(&self, request: &Request, refusal: Refusal) -> Rejection {
        reject(&self.policy, request, refusal, None, None)
    }

    /// Lets a request wait, unless too many do.
    pub fn wait(&mut self, ticket: Ticket, wait: Wait) -> bool {
        self.waiting.add(ticket, wait, self.policy.limits.waiting)
    }

    /// A waiting request is gone.
    pub fn leave(&mut self, ticket: Ticket) {
        self.waiting.remove(ticket);
    }

    /// Takes in what happened, and says what is to be done.
    pub fn handle(&mut self, event: Event<'_>, now: UnixTime, random: &mut dyn FnMut() -> u64) -> Vec<Effect> {
        self.now = now;
        self.waiting.observe(now);
        let mut effects = Vec::new();
        // What Envoy refuses comes back while more is being sent: a crowd for each would be one crowd too large. They are woken by the next tick.
        let was_refused = matches!(event, Event::Fetched(_, Err(FetchError::NotSent)) | Event::Answered(_, Err(FetchError::NotSent)));
        match event {
            Event::Tick => self.tick(now, random, &mut effects),
            Event::Fetched(set, answer) => self.fetched(set, answer, now, random, &mut effects),
            Event::Answered(call, answer) => self.conclude(call, answer, now, &mut effects),
        }
        if !was_refused {
            let woken = self.waiting.wake(&self.keys.borrow(), now);
            effects.extend(woken.into_iter().map(|(ticket, wait)| Effect::Wake(ticket, wait)));
        }
        effects
    }

    /// When to tick again: soon while something is due, slowly while nothing is.
    #[must_use]
    pub fn tick_period(&self, now: UnixTime) -> Duration {
        if self.answers.borrow().has_unsent() {
            return AT_ONCE;
        }
        let keys = self.keys.borrow();
        let fetches = self.policy.key_sets.iter().filter_map(|(set, source)| keys.next(*set, source, now));
        let next = fetches.chain(self.waiting.next()).chain(self.streams.next()).min();
        let longest = match (self.waiting.is_restless(), self.policy.key_sets.is_empty()) {
            (true, _) => BUSY,
            (false, false) => IDLE,
            (false, true) => STILL,
        };
        next.map_or(longest, |next| next.since(now)).clamp(BUSY, longest)
    }

    fn pass(&self, request: &Request, rule: usize, proofs: Vec<Proof<'_>>) -> Decision {
        match annotation::edits(&self.policy, request, &proofs) {
            Ok(edits) => {
                let terms = self.terms(&proofs);
                Decision::Pass(Pass { edits, identity: proofs.into_iter().next().map(|proof| proof.identity), terms })
            }
            Err(error) => {
                let first = proofs.into_iter().next();
                let rejection = reject(&self.policy, request, error.into(), Some(rule), first.as_ref().map(|proof| proof.provider));
                Decision::Reject(Rejection { subject: first.and_then(|proof| proof.identity.subject.clone()), ..rejection })
            }
        }
    }

    fn reject(&self, request: &Request, refusal: Refusal, rule: Option<usize>, provider: Option<ProviderId>) -> Decision {
        Decision::Reject(reject(&self.policy, request, refusal, rule, provider))
    }

    /// What the provider waits for: `unknown` where its keys lack the one that a token names, or else any keys at all.
    ///
    /// # Errors
    /// Why waiting is no use, or no longer.
    fn await_keys(&self, provider: ProviderId, unknown: Option<Refusal>, asked: &Asked, now: UnixTime) -> Result<Wait, Refusal> {
        let Some((set, wait, max_stale)) = self.remote_keys(provider) else {
            return Err(KeysError::Unavailable.into());
        };
        let last = asked.last(set);
        let (question, until) = last.map_or((now, now.plus(wait)), |last| (last.question, last.until));
        let fetched = self.keys.borrow().fetched(set);
        if let Some(refusal) = unknown {
            let mut keys = self.keys.borrow_mut();
            if !keys.is_open(set, question, now) {
                return Err(refusal);
            }
            keys.ask(set, question);
            if now >= until {
                return Err(refusal);
            }
        } else if matches!(self.look_up(set, max_stale, now), Lookup::Stale) {
            return Err(KeysError::Stale.into());
        } else if last.is_some() {
            return Err(KeysError::Unavailable.into());
        }
        if asked.may_wait() {
            Ok(Wait { on: WaitOn::Keys { set, seen: fetched }, question, until })
        } else {
            Err(KeysError::Unavailable.into())
        }
    }

    /// Whether other workers fetched other keys for the provider than it had.
    fn catch_up(&self, provider: ProviderId, now: UnixTime) -> bool {
        let source = self.remote_keys(provider).and_then(|(set, ..)| Some((set, self.policy.key_set(set)?)));
        source.is_some_and(|(set, source)| self.keys.borrow_mut().catch_up(set, source, now))
    }

    /// The provider's key set, how long requests wait for it, and its `max_stale`.
    fn remote_keys(&self, provider: ProviderId) -> Option<(SetId, Duration, Duration)> {
        match &self.policy.provider(provider)?.kind {
            Kind::Jwt { jwt, .. } => match jwt.keys {
                Keys::Remote { set, wait, max_stale } => Some((set, wait, max_stale)),
                _ => None,
            },
            _ => None,
        }
    }

    fn look_up(&self, set: SetId, max_stale: Duration, now: UnixTime) -> Lookup {
        match self.policy.key_set(set) {
            Some(source) => self.keys.borrow().look_up(set, source, max_stale, now),
            None => Lookup::Never,
        }
    }

    fn tick(&mut self, now: UnixTime, random: &mut dyn FnMut() -> u64, effects: &mut Vec<Effect>) {
        let mut keys = self.keys.borrow_mut();
        for (set, source) in &self.policy.key_sets {
            keys.catch_up(*set, source, now);
            match keys.begin(*set, source, self.id, now, random()) {
                Begin::Nothing => {}
                Begin::Fetch => effects.push(Effect::Fetch(*set, source.clone())),
                Begin::Lost => report_failure(&FetchError::Lost, source, 0, keys.next(*set, source, now), now, effects),
            }
        }
        drop(keys);
        self.tick_calls(now, effects);
        effects.extend(self.ended_streams(now).into_iter().map(Effect::End));
        let Counts { hits, misses, evicted } = self.memory.cache.borrow().take_counts();
        let counts = [("hit", hits), ("miss", misses), ("evicted", evicted)];
        effects.extend(counts.into_iter().filter(|(_, count)| *count > 0).map(|(what, count)| Effect::CountCache(what, count)));
    }

    fn fetched(
        &mut self,
        set: SetId,
        answer: Result<Answer<'_>, FetchError>,
        now: UnixTime,
        random: &mut dyn FnMut() -> u64,
        effects: &mut Vec<Effect>,
    ) {
        let Some(source) = self.policy.key_set(set) else { return };
        let body = answer.as_ref().map_or(&[][..], |a| a.body);
        let mut keys = self.keys.borrow_mut();
        match answer.and_then(|answer| read(answer, source, effects)) {
            Ok(good) => {
                let count = good.keys().len();
                if keys.succeed(set, source, self.id, (good, body), now, random()) {
                    let line = format!("keys fetched {} status=200 bytes={} keys={count}", Place(source), body.len());
                    effects.push(Effect::Log(Level::Info, line));
                    effects.push(Effect::Count("fetch", Arc::clone(&source.provider), "success"));
                    effects.push(Effect::NoteKeys(Arc::clone(&source.provider), now));
                }
            }
            Err(error) => {
                if keys.fail(set, source, self.id, now, random()) {
                    report_failure(&error, source, body.len(), keys.next(set, source, now), now, effects);
                }
            }
        }
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("policy", &self.policy).finish_non_exhaustive()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Ok(mut keys) = self.keys.try_borrow_mut() {
            keys.release(&self.policy.key_sets, self.id, self.now);
        }
        self.end_streams_watch();
    }
}

/// What is known at one time, to one request.
struct KnownNow<'e> {
    engine: &'e Engine,
    asked: &'e Asked,
    now: UnixTime,
}

impl Known for KnownNow<'_> {
    fn answer(&self, provider: ProviderId, question: &Question<'_>) -> Result<Rc<Verdict>, Key> {
        let mut answers = self.engine.answers.borrow_mut();
        let name = self.engine.policy.provider(provider).map(|provider| &*provider.name).unwrap_or_default();
        let key = answers.key(name, question);
        // Whoever waited for it has it, also where it isn't remembered.
        let awaited = self.asked.call(&key).and_then(|call| call.verdict.get()).map(Rc::clone);
        awaited.or_else(|| answers.get(&key, self.now)).ok_or(key)
    }

    fn keys(&self, set: SetId, max_stale: Duration) -> Option<Arc<KeySet>> {
        match self.engine.look_up(set, max_stale, self.now) {
            Lookup::Fresh(keys) => Some(keys),
            Lookup::Stale | Lookup::Never => None,
        }
    }
}

#[cfg(test)]
mod tests;
