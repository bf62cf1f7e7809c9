//! Streams that end with what opened them: WebSockets, streams of gRPC, long answers. A request is judged once; who goes on talking after its token's
//! end, or after it was revoked, would go on as long as the connection lasts.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::identity::Identity;
use crate::keys::{KeyName, SetId};
use crate::policy::Revoked;
use crate::reason::Reason;
use crate::request::Ticket;
use crate::time::UnixTime;

/// On what terms a stream is open.
#[derive(Debug)]
pub struct Terms {
    /// When its tokens are over, or a certificate that goes with them; `None`: never.
    pub until: Option<UnixTime>,
    /// Whose it is: every identity that the requirement took, and that of the certificate that a token is bound to. The first one went upstream.
    pub holders: Vec<Holder>,
}

/// Somebody by whose word a stream is open.
#[derive(Debug)]
pub struct Holder {
    /// Who.
    pub identity: Arc<Identity>,
    /// The `kid`s by which a token's key can be revoked.
    pub kids: Vec<String>,
    /// The key that verified a token, and the key set of the network that it is of.
    pub key: Option<(SetId, KeyName)>,
}

/// A stream whose time has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Which.
    pub ticket: Ticket,
    /// Why.
    pub reason: Reason,
    /// The provider whose identity went upstream.
    pub provider: Arc<str>,
    /// Who that was.
    pub subject: Option<String>,
}

/// The open streams of one plugin on one worker: they outlive a change of policy, and the new policy's revocations hold for them, too.
#[derive(Debug, Default)]
pub struct Streams {
    open: HashMap<Ticket, Open>,
    /// The first to end comes first.
    ends: BTreeSet<(UnixTime, Ticket)>,
    /// In the order in which they were configured.
    engines: Vec<Known>,
    /// The engine that new requests came to last.
    leader: u64,
}

/// An engine that may still judge requests.
#[derive(Debug)]
struct Known {
    engine: u64,
    /// There are streams that its revocations were not held against.
    has_news: bool,
}

#[derive(Debug)]
struct Open {
    terms: Terms,
    /// By whose word it is open.
    engine: u64,
    /// Why it ends when its time comes.
    reason: Reason,
}

impl Streams {
    /// An engine begins: those that are open by the word of earlier ones are held against its revocations.
    pub fn begin(&mut self, engine: u64) {
        self.engines.push(Known { engine, has_news: true });
        self.leader = engine;
    }

    /// An engine is gone; what it let in may stay.
    pub fn forget(&mut self, engine: u64) {
        self.engines.retain(|known| known.engine != engine);
    }

    /// A request went upstream by this engine's word, and what it opened is open on these terms.
    pub fn add(&mut self, ticket: Ticket, terms: Terms, engine: u64) {
        self.remove(ticket);
        // Who waited for an earlier policy's word, or has a connection that is still under it, may have been revoked since.
        let place = self.place(engine);
        let leader = self.leader;
        let others = self
            .engines
            .iter_mut()
            .enumerate()
            .filter(|(index, known)| known.engine != engine && (Some(*index) > place || known.engine == leader));
        others.for_each(|(_, known)| known.has_news = true);
        if let Some(until) = terms.until {
            self.ends.insert((until, ticket));
        }
        self.open.insert(ticket, Open { terms, engine, reason: Reason::TokenExpired });
    }

    /// The stream is gone.
    pub fn remove(&mut self, ticket: Ticket) {
        self.take(ticket);
    }

    /// New requests come to this engine. Envoy may well return to an earlier one without a word: where a policy is taken back, and streams that it had
    /// let in have kept it alive.
    pub fn lead(&mut self, engine: u64) {
        if self.leader != engine {
            self.leader = engine;
            self.engines.iter_mut().filter(|known| known.engine == engine).for_each(|known| known.has_news = true);
        }
    }

    /// Holds those that are open against an engine's revocations, if there is news: those of earlier engines, and where it leads, all.
    pub fn settle(&mut self, engine: u64, revoked: &Revoked) {
        let Some(known) = self.engines.iter_mut().find(|known| known.engine == engine && known.has_news) else { return };
        known.has_news = false;
        let (own, leads) = (self.place(engine), self.leader == engine);
        let later: Vec<u64> =
            self.engines.iter().enumerate().filter(|(index, _)| Some(*index) > own).map(|(_, known)| known.engine).collect();
        self.end(Reason::Revoked, |open, holder| {
            let kids: Vec<Option<&str>> = holder.kids.iter().map(|kid| Some(kid.as_str())).collect();
            (leads || !later.contains(&open)) && revoked.check(&holder.identity, &kids).is_err()
        });
    }

    fn place(&self, engine: u64) -> Option<usize> {
        self.engines.iter().position(|known| known.engine == engine)
    }

    /// A key set has changed: streams by keys that it no longer holds are over.
    pub fn follow(&mut self, set: SetId, holds: impl Fn(&KeyName) -> bool) {
        self.end(Reason::KeyUnknown, |_, holder| holder.key.as_ref().is_some_and(|(own, key)| *own == set && !holds(key)));
    }

    /// When the first one ends.
    #[must_use]
    pub fn next(&self) -> Option<UnixTime> {
        self.ends.first().map(|(until, _)| *until)
    }

    /// Those that are over, so many at most.
    pub fn take_over(&mut self, now: UnixTime, most: usize) -> Vec<Ended> {
        let mut over = Vec::new();
        while over.len() < most
            && let Some((until, ticket)) = self.ends.first().copied()
            && until <= now
        {
            self.ends.pop_first();
            over.extend(self.take(ticket).map(|open| open.ended(ticket)));
        }
        over
    }

    /// Ends those of which one holder is such, by the word of such an engine.
    fn end(&mut self, reason: Reason, is_such: impl Fn(u64, &Holder) -> bool) {
        for (ticket, open) in &mut self.open {
            if open.terms.holders.iter().any(|holder| is_such(open.engine, holder)) {
                if let Some(until) = open.terms.until.replace(UnixTime::default()) {
                    self.ends.remove(&(until, *ticket));
                }
                self.ends.insert((UnixTime::default(), *ticket));
                open.reason = reason;
            }
        }
    }

    fn take(&mut self, ticket: Ticket) -> Option<Open> {
        let open = self.open.remove(&ticket)?;
        if let Some(until) = open.terms.until {
            self.ends.remove(&(until, ticket));
        }
        Some(open)
    }
}

impl Open {
    fn ended(self, ticket: Ticket) -> Ended {
        let first = self.terms.holders.into_iter().next().map(|holder| holder.identity);
        let provider = first.as_ref().map(|identity| Arc::clone(&identity.provider)).unwrap_or_default();
        Ended { ticket, reason: self.reason, provider, subject: first.and_then(|identity| identity.subject.clone()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEADER: u64 = 7;
    const SET: SetId = SetId([0; 16]);

    fn key(number: u8) -> KeyName {
        KeyName { kid: None, issuer: None, thumbprint: [number; 32] }
    }
    const ALL: usize = usize::MAX;

    fn terms(until: Option<u64>, subject: &str) -> Terms {
        let identity = Identity { provider: "users".into(), subject: Some(subject.to_owned()), ..Identity::default() };
        let holder = Holder { identity: Arc::new(identity), kids: vec!["k1".to_owned()], key: Some((SET, key(1))) };
        Terms { until: until.map(UnixTime::from_seconds), holders: vec![holder] }
    }

    fn tickets(ended: &[Ended]) -> Vec<Ticket> {
        let mut tickets: Vec<Ticket> = ended.iter().map(|ended| ended.ticket).collect();
        tickets.sort_unstable();
        tickets
    }

    fn revoked(subjects: &[&str], kids: &[&str]) -> Revoked {
        let list = |entries: &[&str]| entries.iter().map(|entry| entry.as_bytes().to_vec()).collect();
        Revoked { subjects: list(subjects), kids: list(kids), ..Revoked::default() }
    }

    fn now(streams: &mut Streams) -> Vec<Ended> {
        streams.take_over(UnixTime::from_seconds(1), ALL)
    }

    #[test]
    fn each_ends_in_its_time() {
        let mut streams = Streams::default();
        for (ticket, until) in [(1, Some(30)), (2, Some(10)), (3, None), (4, Some(10)), (5, Some(20))] {
            streams.add(ticket, terms(until, "alice"), LEADER);
        }
        streams.remove(5);
        streams.remove(6);
        assert_eq!(streams.next(), Some(UnixTime::from_seconds(10)));
        assert!(streams.take_over(UnixTime::from_millis(9999), ALL).is_empty());
        let over = streams.take_over(UnixTime::from_seconds(10), 1);
        assert_eq!(tickets(&over), [2]);
        assert_eq!((over[0].reason, &*over[0].provider, over[0].subject.as_deref()), (Reason::TokenExpired, "users", Some("alice")));
        assert_eq!(tickets(&streams.take_over(UnixTime::from_seconds(10), ALL)), [4]);
        // A ticket that is given anew is another stream.
        streams.add(1, terms(Some(40), "bob"), LEADER);
        assert!(streams.take_over(UnixTime::from_seconds(30), ALL).is_empty());
        assert_eq!(tickets(&streams.take_over(UnixTime::from_seconds(u64::MAX), ALL)), [1]);
        assert_eq!((streams.next(), streams.open.len()), (None, 1));
    }

    #[test]
    fn a_revocation_ends_what_it_is_for() {
        let mut streams = Streams::default();
        streams.begin(LEADER);
        for (ticket, until, subject) in [(1, None, "alice"), (2, Some(10), "bob"), (3, Some(10), "carol")] {
            streams.add(ticket, terms(until, subject), LEADER);
        }
        streams.settle(LEADER + 1, &revoked(&["users/alice"], &[]));
        assert!(now(&mut streams).is_empty(), "by nobody");
        streams.settle(LEADER, &revoked(&["users/alice", "others/bob"], &["k2"]));
        assert_eq!(
            now(&mut streams),
            [Ended { ticket: 1, reason: Reason::Revoked, provider: "users".into(), subject: Some("alice".to_owned()) }]
        );
        streams.settle(LEADER, &revoked(&[], &["k1"]));
        assert!(now(&mut streams).is_empty(), "once for a policy");
        streams.remove(2);
        streams.begin(LEADER + 1);
        streams.settle(LEADER + 1, &revoked(&[], &["k1"]));
        assert_eq!(tickets(&now(&mut streams)), [3]);
        assert!(streams.open.is_empty() && streams.ends.is_empty());
    }

    #[test]
    fn a_policy_that_is_taken_back_has_its_say_and_an_old_one_keeps_no_new_one_from_its() {
        let (strict, lax) = (revoked(&["users/mallory"], &[]), Revoked::default());
        let mut streams = Streams::default();
        for (engine, policy) in [(1, &strict), (2, &lax)] {
            streams.begin(engine);
            streams.settle(engine, policy);
        }
        streams.add(10, terms(None, "mallory"), 2);
        streams.settle(1, &strict);
        assert!(now(&mut streams).is_empty(), "by a policy that was replaced");
        // It is taken back: the same engine as before.
        streams.lead(1);
        streams.settle(1, &strict);
        assert_eq!(tickets(&now(&mut streams)), [10]);
        // A third one begins, and an old connection goes on talking to the second: neither lets mallory stay.
        streams.add(11, terms(None, "mallory"), 2);
        streams.begin(3);
        streams.lead(2);
        streams.settle(3, &strict);
        assert_eq!(tickets(&now(&mut streams)), [11]);
        streams.add(12, terms(None, "mallory"), 2);
        streams.settle(3, &strict);
        assert_eq!(tickets(&now(&mut streams)), [12]);
        streams.forget(2);
        streams.forget(3);
        assert_eq!(streams.engines.len(), 1);
    }

    #[test]
    fn a_key_that_is_gone_ends_what_it_opened() {
        let mut streams = Streams::default();
        streams.add(1, terms(Some(10), "alice"), LEADER);
        streams.follow(SET, |own| *own == key(1));
        streams.follow(SetId([1; 16]), |_| false);
        assert!(now(&mut streams).is_empty());
        streams.follow(SET, |own| *own == key(2));
        assert_eq!(now(&mut streams)[0].reason, Reason::KeyUnknown);
    }
}
