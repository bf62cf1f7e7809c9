//! The whole of the core in one place: it decides over requests, and says when to fetch keys. State changes here alone.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::annotation::{self, Proven};
use crate::authenticator::Handshakes;
use crate::authenticator::jwt::Keys;
use crate::decision::{Asked, Decision, Pass, Rejection, Wait};
use crate::judgement::{At, KeySets, Outcome, judge};
use crate::keys::{KeySet, KeyStore, Lookup, RemoteKeys, SetId};
use crate::observation;
use crate::policy::{Action, Kind, Policy, ProviderId, Selected, select};
use crate::refusal::{KeysError, Refusal, RequestError};
use crate::rejection::{reject, reject_unread};
use crate::request::{Headers, Request};
use crate::time::{Clock, UnixTime};

/// A request that waits: the shell's name for it.
pub type Ticket = u32;

/// How often to look at the clock when nothing is due.
const IDLE: Duration = Duration::from_secs(1);
/// How often at most.
const BUSY: Duration = Duration::from_millis(10);
/// How often while requests wait: their keys may come by another engine of this VM.
const WAITING: Duration = Duration::from_millis(50);
/// How many requests are woken at once. Envoy carries out their answers one inside the other, on a stack that bears some three hundred.
const WAKES: usize = 32;

/// The core at work under one policy.
#[derive(Debug)]
pub struct Engine {
    policy: Policy,
    keys: Rc<RefCell<KeyStore>>,
    handshakes: RefCell<Handshakes>,
    waiting: Vec<(Ticket, Wait)>,
    clock: Clock,
}

/// Something that happened.
#[derive(Debug)]
pub enum Event<'a> {
    /// Time passed.
    Tick,
    /// A fetch ended.
    Fetched(SetId, Result<Answer<'a>, FetchError>),
}

/// An answer to a fetch.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The body, whole or cut beyond the longest that is read.
    pub body: &'a [u8],
}

/// Why a fetch brought nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchError {
    /// Envoy did not take the callout: the cluster is unknown, or not ready yet.
    NotSent,
    /// The connection broke, or the answer was longer than Envoy takes.
    Reset,
    /// Another status than 200. Envoy says 503 when it can't connect, and 504 when time is up.
    Status(u16),
    /// Longer than `max_body`.
    TooLarge,
    /// No usable key set: why.
    Invalid(String),
}

impl FetchError {
    /// As a part of a metric's name.
    #[must_use]
    pub const fn outcome(&self) -> &'static str {
        match self {
            Self::NotSent => "not_sent",
            Self::Reset => "reset",
            Self::Status(_) => "status",
            Self::TooLarge => "too_large",
            Self::Invalid(_) => "invalid",
        }
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent => f.write_str("Envoy did not take the callout: its cluster is unknown or not ready"),
            Self::Reset => f.write_str("the connection broke before the answer was whole"),
            Self::Status(status) => write!(f, "status {status}"),
            Self::TooLarge => f.write_str("longer than max_body"),
            Self::Invalid(why) => f.write_str(why),
        }
    }
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
    /// Decide over this request again.
    Wake(Ticket),
    /// Count a fetch: the provider, and its outcome.
    CountFetch(Arc<str>, &'static str),
    /// Note when a provider's keys came.
    NoteKeys(Arc<str>, UnixTime),
    /// Log a line.
    Log(Level, String),
}

impl Engine {
    /// At work from now on. Key sets that `keys` holds already are used.
    #[must_use]
    pub fn new(policy: Policy, keys: Rc<RefCell<KeyStore>>, now: UnixTime) -> Self {
        keys.borrow_mut().acquire(policy.key_sets.iter().map(|(set, _)| set), now);
        Self { policy, keys, handshakes: RefCell::default(), waiting: Vec::new(), clock: Clock::default() }
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
                observation::decide(&self.policy, asked, &|asked| self.enforce(request, &selected, asked, at))
            }
            Ok(selected) => self.enforce(request, &selected, asked, at),
            Err(error) if self.policy.mode.observes(at.now) => {
                observation::observe(&self.policy, self.reject(request, error.into(), None, None))
            }
            Err(error) => self.reject(request, error.into(), None, None),
        }
    }

    fn enforce(&self, request: &Request, selected: &Selected<'_>, asked: &Asked, at: &At<'_>) -> Decision {
        match &selected.rule.then {
            Action::Anyone => self.pass(request, selected.index, vec![]),
            Action::Deny => self.reject(request, RequestError::Denied.into(), Some(selected.index), None),
            Action::Require(requirement) => {
                let key_sets = SetsNow { engine: self, now: at.now };
                match judge(&self.policy, requirement, selected, request, &key_sets, &self.handshakes, at) {
                    Outcome::Satisfied(proofs) => self.pass(request, selected.index, proofs),
                    Outcome::Refused(refusal, provider) => self.reject(request, refusal, Some(selected.index), provider),
                    Outcome::Forbidden(error, provider, subject) => {
                        let rejection = reject(&self.policy, request, error.into(), Some(selected.index), Some(provider));
                        Decision::Reject(Rejection { subject, ..rejection })
                    }
                    Outcome::KeysNeeded(provider) => self.await_keys(request, selected, provider, asked, at.now),
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
        let same = self.waiting.iter().filter(|(_, other)| other.on == wait.on).count();
        let has_room = same < self.policy.limits.waiting;
        if has_room {
            self.waiting.push((ticket, wait));
        }
        has_room
    }

    /// A waiting request is gone.
    pub fn leave(&mut self, ticket: Ticket) {
        self.waiting.retain(|(other, _)| *other != ticket);
    }

    /// Takes in what happened, and says what is to be done.
    pub fn handle(&mut self, event: Event<'_>, now: UnixTime, random: &mut dyn FnMut() -> u64) -> Vec<Effect> {
        self.observe(now);
        match event {
            Event::Tick => self.tick(now, random),
            Event::Fetched(set, answer) => self.fetched(set, answer, now, random),
        }
    }

    /// When to tick again: soon while something is due, slowly while nothing is.
    #[must_use]
    pub fn tick_period(&self, now: UnixTime) -> Duration {
        let mut keys = self.keys.borrow_mut();
        let fetches = self.policy.key_sets.iter().filter_map(|(set, source)| Some(keys.refresh(*set)?.next(source)));
        let next = fetches.chain(self.waiting.iter().map(|(_, wait)| wait.until)).min();
        let longest = if self.waiting.is_empty() { IDLE } else { WAITING };
        next.map_or(longest, |next| next.since(now)).clamp(BUSY, longest)
    }

    fn pass(&self, request: &Request, rule: usize, proofs: Vec<crate::judgement::Proof<'_>>) -> Decision {
        let proven: Vec<Proven<'_>> = proofs.iter().map(crate::judgement::Proof::proven).collect();
        match annotation::edits(&self.policy, request, &proven) {
            Ok(edits) => Decision::Pass(Pass { edits, identity: proofs.into_iter().next().map(|proof| proof.identity) }),
            Err(error) => {
                let first = proofs.into_iter().next();
                let rejection = reject(&self.policy, request, error.into(), Some(rule), first.as_ref().map(|proof| proof.provider));
                Decision::Reject(Rejection { subject: first.and_then(|proof| proof.identity.subject), ..rejection })
            }
        }
    }

    fn reject(&self, request: &Request, refusal: Refusal, rule: Option<usize>, provider: Option<ProviderId>) -> Decision {
        Decision::Reject(reject(&self.policy, request, refusal, rule, provider))
    }

    fn await_keys(&self, request: &Request, selected: &Selected<'_>, provider: ProviderId, asked: &Asked, now: UnixTime) -> Decision {
        let refuse = |error: KeysError| self.reject(request, error.into(), Some(selected.index), Some(provider));
        let Some(Kind::Jwt { jwt, .. }) = self.policy.provider(provider).map(|p| &p.kind) else {
            return refuse(KeysError::Unavailable);
        };
        let Keys::Remote { set, wait, max_stale } = &jwt.keys else {
            return refuse(KeysError::Unavailable);
        };
        match self.look_up(*set, *max_stale, now) {
            Lookup::Stale => refuse(KeysError::Stale),
            _ if asked.has(*set) => refuse(KeysError::Unavailable),
            _ => Decision::Wait(Wait { on: *set, until: now.plus(*wait) }),
        }
    }

    fn look_up(&self, set: SetId, max_stale: Duration, now: UnixTime) -> Lookup {
        match self.policy.key_set(set) {
            Some(source) => self.keys.borrow().look_up(set, source, max_stale, now),
            None => Lookup::Never,
        }
    }

    /// Whoever waits does so for a while, not for a time of day.
    fn observe(&mut self, now: UnixTime) {
        self.keys.borrow_mut().observe(now);
        let back = self.clock.set_back(now);
        if !back.is_zero() {
            self.waiting.iter_mut().for_each(|(_, wait)| wait.until = wait.until.minus(back));
        }
    }

    fn tick(&mut self, now: UnixTime, random: &mut dyn FnMut() -> u64) -> Vec<Effect> {
        let mut effects = Vec::new();
        let mut keys = self.keys.borrow_mut();
        for (set, source) in &self.policy.key_sets {
            if let Some(refresh) = keys.refresh(*set)
                && refresh.is_due(source, now, random())
            {
                refresh.start(now);
                effects.push(Effect::Fetch(*set, source.clone()));
            }
        }
        drop(keys);
        effects.extend(self.wake(now));
        effects
    }

    fn fetched(
        &mut self,
        set: SetId,
        answer: Result<Answer<'_>, FetchError>,
        now: UnixTime,
        random: &mut dyn FnMut() -> u64,
    ) -> Vec<Effect> {
        let Some(source) = self.policy.key_set(set) else {
            return Vec::new();
        };
        let bytes = answer.as_ref().map_or(0, |a| a.body.len());
        let mut effects = Vec::new();
        let read = answer.and_then(|answer| read(answer, source, &mut effects));
        let mut keys = self.keys.borrow_mut();
        let Some(refresh) = keys.refresh(set) else {
            return Vec::new();
        };
        let place = format!("provider={} cluster={} host={}", source.provider, source.cluster, source.authority);
        match read {
            Ok(good) => {
                effects.push(Effect::Log(Level::Info, format!("keys fetched {place} status=200 bytes={bytes} keys={}", good.keys().len())));
                effects.push(Effect::CountFetch(Arc::clone(&source.provider), "success"));
                effects.push(Effect::NoteKeys(Arc::clone(&source.provider), now));
                refresh.succeed(good, source, now, random());
            }
            Err(error) => {
                refresh.fail(source, now, random());
                let again = refresh.next(source).since(now).as_millis();
                effects.push(Effect::Log(Level::Warn, format!("keys not fetched {place} bytes={bytes} again_in={again}ms: {error}")));
                effects.push(Effect::CountFetch(Arc::clone(&source.provider), error.outcome()));
                return effects;
            }
        }
        drop(keys);
        effects.extend(self.wake(now));
        effects
    }

    /// Wakes those whose time is up or whose keys are there, whoever fetched them. What is left for now comes with the next ticks.
    fn wake(&mut self, now: UnixTime) -> Vec<Effect> {
        let mut waiting = std::mem::take(&mut self.waiting);
        let keys = self.keys.borrow();
        let mut woken = Vec::new();
        waiting.retain_mut(|(ticket, wait)| {
            if keys.has(wait.on) {
                wait.until = wait.until.min(now);
            }
            let wakes = now >= wait.until && woken.len() < WAKES;
            if wakes {
                woken.push(Effect::Wake(*ticket));
            }
            !wakes
        });
        drop(keys);
        self.waiting = waiting;
        woken
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Ok(mut keys) = self.keys.try_borrow_mut() {
            keys.release(self.policy.key_sets.iter().map(|(set, _)| set));
        }
    }
}

/// Reads an answer as a key set; keys that can't be used are logged.
fn read(answer: Answer<'_>, source: &RemoteKeys, effects: &mut Vec<Effect>) -> Result<KeySet, FetchError> {
    if answer.status != 200 {
        return Err(FetchError::Status(answer.status));
    }
    if answer.body.len() > source.max_body {
        return Err(FetchError::TooLarge);
    }
    let (keys, skipped) = KeySet::parse(answer.body, source.algorithms).map_err(|error| FetchError::Invalid(error.to_string()))?;
    for key in skipped {
        let level = if key.is_for_something_else() { Level::Debug } else { Level::Info };
        effects.push(Effect::Log(level, format!("key skipped provider={} {key}", source.provider)));
    }
    Ok(keys)
}

/// The key sets as they are at one time.
struct SetsNow<'e> {
    engine: &'e Engine,
    now: UnixTime,
}

impl KeySets for SetsNow<'_> {
    fn get(&self, set: SetId, max_stale: Duration) -> Option<Arc<KeySet>> {
        match self.engine.look_up(set, max_stale, self.now) {
            Lookup::Fresh(keys) => Some(keys),
            Lookup::Stale | Lookup::Never => None,
        }
    }
}

#[cfg(test)]
mod tests;
