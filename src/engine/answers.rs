//! What other services said of credentials, and the callouts under way that ask them.

use std::cell::OnceCell;
use std::hash::{BuildHasher as _, RandomState};
use std::rc::Rc;
use std::time::Duration;

use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::authenticator::remote::{Call, HttpCall, Key, Question, Verdict};
use crate::policy::ProviderId;
use crate::time::{Clock, UnixTime};

/// How long a denial is remembered at most: whoever gives up guessing, or has just been let in, isn't held up.
pub(super) const DENIED: Duration = Duration::from_secs(10);
/// How much longer than its timeout a callout may take before it counts as lost.
pub(super) const GRACE: Duration = Duration::from_secs(1);

/// Answers, and those to come.
pub(super) struct Answers {
    /// For the names of questions.
    secret: [u8; 32],
    granted: Room,
    /// Apart, so that guesses take no room from answers that are worth something.
    denied: Room,
    calls: Vec<UnderWay>,
    clock: Clock,
}

/// A callout that is to be sent, or was.
struct UnderWay {
    call: Rc<Call>,
    timeout: Duration,
    /// When it counts as lost.
    until: UnixTime,
    unsent: Option<Box<HttpCall>>,
}

impl Answers {
    pub(super) fn new() -> Self {
        let seed = RandomState::new();
        let mut secret = [0; 32];
        for (index, part) in (0_u8..).zip(secret.as_chunks_mut::<8>().0) {
            *part = seed.hash_one([index; 32]).to_be_bytes();
        }
        Self { secret, granted: Room::default(), denied: Room::default(), calls: Vec::new(), clock: Clock::default() }
    }

    /// Names a question. Each part has its length before it, so that no two questions are the same text.
    pub(super) fn key(&self, provider: &str, question: &Question<'_>) -> Key {
        let Ok(mut mac) = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(&self.secret) else {
            // Never reached: an HMAC takes keys of any length.
            return Key::default();
        };
        let endpoint = question.endpoint;
        let parts = [provider, &endpoint.cluster, endpoint.scheme, &endpoint.authority, &endpoint.path];
        for part in parts.into_iter().chain(question.values.iter().map(String::as_str)) {
            mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac.finalize().into_bytes().into()
    }

    /// What was said of late.
    pub(super) fn get(&mut self, key: &Key, now: UnixTime) -> Option<Rc<Verdict>> {
        self.observe(now);
        self.granted.get(key, now).or_else(|| self.denied.get(key, now))
    }

    /// The callout with this question, a new one if there is none; `None`: this provider has `most` under way to the same cluster.
    pub(super) fn ask(&mut self, provider: ProviderId, key: Key, http: Box<HttpCall>, most: usize, now: UnixTime) -> Option<Rc<Call>> {
        self.observe(now);
        if let Some(same) = self.calls.iter().find(|own| own.call.key == key) {
            return Some(Rc::clone(&same.call));
        }
        let call = Rc::new(Call { provider, endpoint: http.endpoint.clone(), key, verdict: OnceCell::new() });
        if self.calls.iter().filter(|own| own.call.shares_room(&call)).count() >= most {
            return None;
        }
        let timeout = http.timeout;
        self.calls.push(UnderWay { call: Rc::clone(&call), timeout, until: now.plus(timeout).plus(GRACE), unsent: Some(http) });
        Some(call)
    }

    /// Whether a callout is still to be sent.
    pub(super) fn has_unsent(&self) -> bool {
        self.calls.iter().any(|own| own.unsent.is_some())
    }

    /// The callouts to send now.
    pub(super) fn send(&mut self, now: UnixTime) -> Vec<(Rc<Call>, Box<HttpCall>)> {
        let mut sent = Vec::new();
        for own in &mut self.calls {
            if let Some(http) = own.unsent.take() {
                own.until = now.plus(own.timeout).plus(GRACE);
                sent.push((Rc::clone(&own.call), http));
            }
        }
        sent
    }

    /// A callout of which nothing was heard, not even a failure.
    pub(super) fn lost(&self, now: UnixTime) -> Option<Rc<Call>> {
        self.calls.iter().find(|own| own.unsent.is_none() && now >= own.until).map(|own| Rc::clone(&own.call))
    }

    /// The callout is over. False if it counted as lost before.
    pub(super) fn finish(&mut self, call: &Rc<Call>) -> bool {
        let place = self.calls.iter().position(|own| Rc::ptr_eq(&own.call, call));
        place.map(|place| self.calls.swap_remove(place)).is_some()
    }

    /// Remembers what was said, for as long as the provider allows and the answer itself lasts.
    pub(super) fn remember(&mut self, key: Key, verdict: &Rc<Verdict>, cache: Duration, now: UnixTime) {
        self.observe(now);
        let (room, until, size) = match &**verdict {
            Verdict::Granted(granted) => {
                let until = now.plus(cache);
                (&mut self.granted, granted.expires.map_or(until, |end| until.min(end)), granted.length)
            }
            Verdict::Denied(_) | Verdict::Bound => (&mut self.denied, now.plus(cache.min(DENIED)), 0),
            Verdict::Failed => return,
        };
        if until > now {
            room.add(Entry { key, until, size, verdict: Rc::clone(verdict) }, now);
        }
    }

    /// What is remembered, or under way, is so for a while, not for a time of day.
    pub(super) fn observe(&mut self, now: UnixTime) {
        let back = self.clock.set_back(now);
        if !back.is_zero() {
            let entries = self.granted.entries.iter_mut().chain(&mut self.denied.entries).map(|entry| &mut entry.until);
            for until in entries.chain(self.calls.iter_mut().map(|own| &mut own.until)) {
                *until = until.minus(back);
            }
        }
    }
}

/// Answers of one kind, within bounds.
#[derive(Default)]
struct Room {
    /// In the order of their keys.
    entries: Vec<Entry>,
}

struct Entry {
    key: Key,
    until: UnixTime,
    /// Of the answer, in bytes.
    size: usize,
    verdict: Rc<Verdict>,
}

impl Room {
    const ENTRIES: usize = 10_000;
    const BYTES: usize = 2 << 20;

    fn get(&self, key: &Key, now: UnixTime) -> Option<Rc<Verdict>> {
        let place = self.entries.binary_search_by(|entry| entry.key.cmp(key)).ok()?;
        self.entries.get(place).filter(|entry| now < entry.until).map(|entry| Rc::clone(&entry.verdict))
    }

    /// What has ended makes room, then what ends first.
    fn add(&mut self, entry: Entry, now: UnixTime) {
        self.entries.retain(|own| now < own.until && own.key != entry.key);
        let mut bytes = self.entries.iter().fold(entry.size, |sum, own| sum.saturating_add(own.size));
        while self.entries.len() >= Self::ENTRIES || bytes > Self::BYTES {
            let first = self.entries.iter().enumerate().min_by_key(|(_, own)| own.until).map(|(place, _)| place);
            let Some(place) = first else { return };
            bytes = bytes.saturating_sub(self.entries.remove(place).size);
        }
        let place = self.entries.partition_point(|own| own.key < entry.key);
        self.entries.insert(place, entry);
    }
}

#[cfg(test)]
mod tests;
