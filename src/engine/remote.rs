//! Callouts that ask other services about credentials: when they leave, and what comes of them.

use std::rc::Rc;
use std::sync::Arc;

use super::answers::GRACE;
use super::{Answer, Effect, Engine, FetchError, Level};
use crate::authenticator::remote::{Call, HttpCall, Key, MAX_ANSWER, Remote, RemoteError, Verdict};
use crate::decision::{Asked, Wait, WaitOn};
use crate::policy::{Kind, Policy, Provider, ProviderId};
use crate::reason::Reason;
use crate::refusal::Refusal;
use crate::time::UnixTime;

impl Engine {
    /// What the provider waits for: a callout with this question, one for all that ask the same.
    ///
    /// Whoever may not wait (a request that is only observed) asks all the same: the next one profits.
    ///
    /// # Errors
    /// Why waiting is no use, or no longer.
    pub(super) fn await_answer(
        &self,
        provider: ProviderId,
        (key, http): (Key, Box<HttpCall>),
        asked: &Asked,
        now: UnixTime,
    ) -> Result<Wait, Refusal> {
        let Some((_, remote)) = find(&self.policy, provider).filter(|_| asked.call(&key).is_none()) else {
            return Err(RemoteError::Unavailable.into());
        };
        let until = now.plus(remote.timeout).plus(GRACE);
        let call = self.answers.borrow_mut().ask(provider, key, http, remote.max_in_flight, now);
        let on = WaitOn::Answer(call.ok_or(RemoteError::Busy)?);
        if !asked.may_wait() {
            return Err(RemoteError::Unavailable.into());
        }
        if !self.waiting.has_room(&on, self.policy.limits.waiting) {
            return Err(RemoteError::Busy.into());
        }
        Ok(Wait { on, question: now, until })
    }

    /// Sends what is to be sent, and gives up what is lost.
    pub(super) fn tick_calls(&mut self, now: UnixTime, effects: &mut Vec<Effect>) {
        let answers = self.answers.get_mut();
        answers.observe(now);
        effects.extend(answers.send(now).into_iter().map(|(call, http)| Effect::Ask(call, http)));
        while let Some(call) = self.answers.get_mut().lost(now) {
            self.conclude(&call, Err(FetchError::Lost), now, effects);
        }
        for (_, count) in self.failures.counted(now) {
            effects.push(Effect::Log(Level::Warn, format!("no answer more={count}")));
        }
    }

    /// A callout ended.
    pub(super) fn conclude(&mut self, call: &Rc<Call>, answer: Result<Answer<'_>, FetchError>, now: UnixTime, effects: &mut Vec<Effect>) {
        if !self.answers.get_mut().finish(call) {
            return;
        }
        let Some((provider, remote)) = find(&self.policy, call.provider) else { return };
        let bytes = answer.as_ref().map_or(0, |answer| answer.body.len());
        let (verdict, outcome) = match answer.and_then(|answer| read(remote, &provider.name, answer)) {
            Ok(verdict) => {
                let outcome = if matches!(verdict, Verdict::Denied(_) | Verdict::Bound) { "denied" } else { "granted" };
                (verdict, outcome)
            }
            Err(error) => {
                if self.failures.admits(Reason::RemoteUnavailable, now) {
                    let (name, at) = (&provider.name, &call.endpoint);
                    let line = format!("no answer provider={name} cluster={} host={} bytes={bytes}: {error}", at.cluster, at.authority);
                    effects.push(Effect::Log(Level::Warn, line));
                }
                (Verdict::Failed, error.outcome())
            }
        };
        effects.push(Effect::Count("remote", Arc::clone(&provider.name), outcome));
        let verdict = Rc::new(verdict);
        self.answers.get_mut().remember(call.key, &verdict, remote.cache, now);
        let _ = call.verdict.set(verdict);
    }
}

fn find(policy: &Policy, id: ProviderId) -> Option<(&Provider, &Remote)> {
    policy.provider(id).and_then(|provider| match &provider.kind {
        Kind::Remote { remote, .. } => Some((provider, &**remote)),
        _ => None,
    })
}

/// Reads an answer; only a 200 vouches, and only the statuses that say so deny.
fn read(remote: &Remote, provider: &Arc<str>, answer: Answer<'_>) -> Result<Verdict, FetchError> {
    if remote.denied.contains(&answer.status) {
        return Ok(Verdict::Denied("the service denied it"));
    }
    if answer.status != 200 {
        return Err(FetchError::Status(answer.status));
    }
    if answer.body.len() > MAX_ANSWER {
        return Err(FetchError::TooLarge);
    }
    remote.read(provider, answer.body).map_err(FetchError::Invalid)
}
