//! Streams that end with what opened them: WebSockets, streams of gRPC, long answers. A request is judged once; who goes on talking after its token's
//! end, or after it was revoked, would go on as long as the connection lasts.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::engine::Ticket;
use crate::identity::Identity;
use crate::policy::Revoked;
use crate::reason::Reason;
use crate::time::UnixTime;

/// On what terms a stream is open.
#[derive(Debug)]
pub struct Terms {
    /// When its tokens are over; `None`: never.
    pub until: Option<UnixTime>,
    /// Whose it is: every identity that the requirement took, and the `kid`s of its key.
    pub holders: Vec<(Arc<Identity>, Vec<String>)>,
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
    open: HashMap<Ticket, Terms>,
    /// The first to end comes first.
    ends: BTreeSet<(UnixTime, Ticket)>,
}

impl Streams {
    /// A request went upstream, and what it opened is open on these terms.
    pub fn add(&mut self, ticket: Ticket, terms: Terms) {
        self.remove(ticket);
        if let Some(until) = terms.until {
            self.ends.insert((until, ticket));
        }
        self.open.insert(ticket, terms);
    }

    /// The stream is gone.
    pub fn remove(&mut self, ticket: Ticket) {
        self.take(ticket);
    }

    /// When the first one ends.
    #[must_use]
    pub fn next(&self) -> Option<UnixTime> {
        self.ends.first().map(|(until, _)| *until)
    }

    /// Those that are over.
    pub fn take_over(&mut self, now: UnixTime) -> Vec<Ended> {
        let mut over = Vec::new();
        while let Some((until, ticket)) = self.ends.first().copied()
            && until <= now
        {
            self.ends.pop_first();
            over.extend(self.take(ticket).map(|terms| terms.ended(ticket, Reason::TokenExpired)));
        }
        over
    }

    /// Those that somebody holds who was revoked.
    pub fn take_revoked(&mut self, revoked: &Revoked) -> Vec<Ended> {
        let is_revoked = |(identity, kids): &(Arc<Identity>, Vec<String>)| {
            let kids: Vec<Option<&str>> = kids.iter().map(|kid| Some(kid.as_str())).collect();
            revoked.check(identity, &kids).is_err()
        };
        let held_by_such = self.open.iter().filter(|(_, terms)| terms.holders.iter().any(is_revoked));
        let tickets: Vec<Ticket> = held_by_such.map(|(ticket, _)| *ticket).collect();
        tickets.into_iter().filter_map(|ticket| self.take(ticket).map(|terms| terms.ended(ticket, Reason::Revoked))).collect()
    }

    fn take(&mut self, ticket: Ticket) -> Option<Terms> {
        let terms = self.open.remove(&ticket)?;
        if let Some(until) = terms.until {
            self.ends.remove(&(until, ticket));
        }
        Some(terms)
    }
}

impl Terms {
    fn ended(self, ticket: Ticket, reason: Reason) -> Ended {
        let first = self.holders.into_iter().next().map(|(identity, _)| identity);
        let provider = first.as_ref().map(|identity| Arc::clone(&identity.provider)).unwrap_or_default();
        Ended { ticket, reason, provider, subject: first.and_then(|identity| identity.subject.clone()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(until: Option<u64>, subject: &str) -> Terms {
        let identity = Identity { provider: "users".into(), subject: Some(subject.to_owned()), ..Identity::default() };
        Terms { until: until.map(UnixTime::from_seconds), holders: vec![(Arc::new(identity), vec!["k1".to_owned()])] }
    }

    fn tickets(ended: &[Ended]) -> Vec<Ticket> {
        ended.iter().map(|ended| ended.ticket).collect()
    }

    fn revoked(subjects: &[&str], kids: &[&str]) -> Revoked {
        let list = |entries: &[&str]| entries.iter().map(|entry| entry.as_bytes().to_vec()).collect();
        Revoked { subjects: list(subjects), kids: list(kids), ..Revoked::default() }
    }

    #[test]
    fn each_ends_in_its_time() {
        let mut streams = Streams::default();
        for (ticket, until) in [(1, Some(30)), (2, Some(10)), (3, None), (4, Some(10)), (5, Some(20))] {
            streams.add(ticket, terms(until, "alice"));
        }
        streams.remove(5);
        streams.remove(6);
        assert_eq!(streams.next(), Some(UnixTime::from_seconds(10)));
        assert!(streams.take_over(UnixTime::from_millis(9999)).is_empty());
        let over = streams.take_over(UnixTime::from_seconds(10));
        assert_eq!(tickets(&over), [2, 4]);
        assert_eq!((over[0].reason, &*over[0].provider, over[0].subject.as_deref()), (Reason::TokenExpired, "users", Some("alice")));
        // A ticket that is given anew is another stream.
        streams.add(1, terms(Some(40), "bob"));
        assert!(streams.take_over(UnixTime::from_seconds(30)).is_empty());
        assert_eq!(tickets(&streams.take_over(UnixTime::from_seconds(u64::MAX))), [1]);
        assert_eq!((streams.next(), streams.open.len()), (None, 1));
    }

    #[test]
    fn a_revocation_ends_what_it_is_for() {
        let mut streams = Streams::default();
        for (ticket, subject) in [(1, "alice"), (2, "bob"), (3, "carol")] {
            streams.add(ticket, terms(Some(10), subject));
        }
        assert!(streams.take_revoked(&revoked(&["others/alice"], &["k2"])).is_empty());
        let ended = streams.take_revoked(&revoked(&["users/alice"], &[]));
        assert_eq!(ended, [Ended { ticket: 1, reason: Reason::Revoked, provider: "users".into(), subject: Some("alice".to_owned()) }]);
        streams.remove(2);
        assert_eq!(tickets(&streams.take_revoked(&revoked(&[], &["k1"]))), [3]);
        assert!(streams.open.is_empty() && streams.ends.is_empty());
    }
}
