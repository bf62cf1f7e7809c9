//! Streams that end with what opened them: WebSockets, streams of gRPC, long answers. A request is judged once; who goes on talking after its token's
//! end, or after it was revoked, would go on as long as the connection lasts.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::engine::Ticket;
use crate::identity::Identity;
use crate::keys::SetId;
use crate::policy::Revoked;
use crate::reason::Reason;
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
    /// The key set of the network that a token's key is of, and the key's thumbprint. Several of one `kid` are all there.
    pub keys: Option<(SetId, Vec<Thumbprint>)>,
}

/// A public key's thumbprint (RFC 7638).
pub type Thumbprint = [u8; 32];

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
    /// The engine whose policy is in force: the last one that new requests came to.
    leader: u64,
    /// All that are open were held against the leader's revocations.
    is_settled: bool,
}

#[derive(Debug)]
struct Open {
    terms: Terms,
    /// Why it ends when its time comes.
    reason: Reason,
}

impl Streams {
    /// A request went upstream by this engine's word, and what it opened is open on these terms.
    pub fn add(&mut self, ticket: Ticket, terms: Terms, engine: u64) {
        self.remove(ticket);
        // Whoever waited for an earlier policy's word may have been revoked since.
        self.is_settled &= engine == self.leader;
        if let Some(until) = terms.until {
            self.ends.insert((until, ticket));
        }
        self.open.insert(ticket, Open { terms, reason: Reason::TokenExpired });
    }

    /// The stream is gone.
    pub fn remove(&mut self, ticket: Ticket) {
        self.take(ticket);
    }

    /// New requests come to this engine. Envoy may well return to an earlier one without a word: where a policy is taken back, and streams that it had
    /// let in have kept it alive.
    pub const fn lead(&mut self, engine: u64) {
        self.is_settled &= engine == self.leader;
        self.leader = engine;
    }

    /// Holds those that are open against the revocations of the engine, if it leads and hasn't done so.
    pub fn settle(&mut self, engine: u64, revoked: &Revoked) {
        if engine == self.leader && !self.is_settled {
            self.is_settled = true;
            self.end(Reason::Revoked, |holder| {
                let kids: Vec<Option<&str>> = holder.kids.iter().map(|kid| Some(kid.as_str())).collect();
                revoked.check(&holder.identity, &kids).is_err()
            });
        }
    }

    /// A key set has changed: streams by keys that it no longer holds are over.
    pub fn follow(&mut self, set: SetId, holds: impl Fn(&Thumbprint) -> bool) {
        self.end(Reason::KeyUnknown, |holder| {
            holder.keys.as_ref().is_some_and(|(own, thumbprints)| *own == set && !thumbprints.iter().all(&holds))
        });
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

    /// Ends those of which one holder is such.
    fn end(&mut self, reason: Reason, is_such: impl Fn(&Holder) -> bool) {
        for (ticket, open) in &mut self.open {
            if open.terms.holders.iter().any(&is_such) {
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
    const ALL: usize = usize::MAX;

    fn terms(until: Option<u64>, subject: &str) -> Terms {
        let identity = Identity { provider: "users".into(), subject: Some(subject.to_owned()), ..Identity::default() };
        let holder = Holder { identity: Arc::new(identity), kids: vec!["k1".to_owned()], keys: Some((SetId([0; 16]), vec![[1; 32]])) };
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
        streams.lead(LEADER);
        for (ticket, until, subject) in [(1, None, "alice"), (2, Some(10), "bob"), (3, Some(10), "carol")] {
            streams.add(ticket, terms(until, subject), LEADER);
        }
        streams.settle(LEADER + 1, &revoked(&["users/alice"], &[]));
        assert!(now(&mut streams).is_empty(), "by a policy that is not in force");
        streams.settle(LEADER, &revoked(&["users/alice", "others/bob"], &["k2"]));
        assert_eq!(
            now(&mut streams),
            [Ended { ticket: 1, reason: Reason::Revoked, provider: "users".into(), subject: Some("alice".to_owned()) }]
        );
        streams.settle(LEADER, &revoked(&[], &["k1"]));
        assert!(now(&mut streams).is_empty(), "once for a policy");
        streams.remove(2);
        streams.lead(LEADER + 1);
        streams.settle(LEADER + 1, &revoked(&[], &["k1"]));
        assert_eq!(tickets(&now(&mut streams)), [3]);
        assert!(streams.open.is_empty() && streams.ends.is_empty());
    }

    #[test]
    fn what_another_policy_let_in_is_held_against_the_one_in_force() {
        let (strict, lax) = (revoked(&["users/mallory"], &[]), Revoked::default());
        let mut streams = Streams::default();
        for (leader, policy) in [(1, &strict), (2, &lax)] {
            streams.lead(leader);
            streams.settle(leader, policy);
        }
        streams.add(10, terms(None, "mallory"), 2);
        streams.settle(2, &lax);
        // The strict one is taken back, and it is the same engine as before.
        streams.lead(1);
        streams.settle(1, &strict);
        assert_eq!(tickets(&now(&mut streams)), [10]);
        // She waited for keys when the policy changed, and the lax one has the last word over her.
        streams.add(11, terms(None, "mallory"), 2);
        streams.settle(1, &strict);
        assert_eq!(tickets(&now(&mut streams)), [11]);
    }

    #[test]
    fn a_key_that_is_gone_ends_what_it_opened() {
        let mut streams = Streams::default();
        streams.add(1, terms(Some(10), "alice"), LEADER);
        streams.follow(SetId([0; 16]), |thumbprint| *thumbprint == [1; 32]);
        assert!(now(&mut streams).is_empty());
        streams.follow(SetId([0; 16]), |_| false);
        assert_eq!(now(&mut streams)[0].reason, Reason::KeyUnknown);
    }
}
