//! Streams that end with what opened them, as one engine sees them.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use super::Engine;
use crate::annotation::Proof;
use crate::authenticator::Jwt;
use crate::authenticator::jwt::Keys;
use crate::cache::Verified;
use crate::judgement::kids;
use crate::keys::{Key, KeyName, KeySet, SetId};
use crate::policy::{Kind, ProviderId};
use crate::request::Ticket;
use crate::streams::{Ended, Holder, Streams, Terms};
use crate::time::UnixTime;

/// How many streams are ended at once. Envoy tears them down one inside the other, on a stack that bears a thousand.
const ENDS: usize = 64;

/// The open streams, which this plugin's earlier and later engines know, too.
#[derive(Default)]
pub(super) struct OpenStreams {
    all: Rc<RefCell<Streams>>,
    /// The key sets that they were held against.
    followed: Vec<(SetId, [u8; KeySet::DIGEST])>,
}

impl OpenStreams {
    pub(super) fn next(&self) -> Option<UnixTime> {
        self.all.borrow().next()
    }
}

impl Engine {
    /// With the open streams that an earlier policy of this plugin left. This one is in force.
    #[must_use]
    pub fn with_streams(mut self, streams: Rc<RefCell<Streams>>) -> Self {
        streams.borrow_mut().begin(self.id);
        self.streams.all = streams;
        self
    }

    /// A new request comes to this engine.
    pub fn lead(&self) {
        if let Ok(mut streams) = self.streams.all.try_borrow_mut() {
            streams.lead(self.id);
        }
    }

    /// What a request opened is open from now on.
    pub fn keep_open(&self, ticket: Ticket, terms: Terms) {
        self.streams.all.borrow_mut().add(ticket, terms, self.id);
    }

    /// This engine judges no more.
    pub(super) fn end_streams_watch(&self) {
        if let Ok(mut streams) = self.streams.all.try_borrow_mut() {
            streams.forget(self.id);
        }
    }

    /// A request is gone, or what it had opened.
    pub fn close(&self, ticket: Ticket) {
        if let Ok(mut streams) = self.streams.all.try_borrow_mut() {
            streams.remove(ticket);
        }
    }

    /// Streams whose time has come. What is left over comes with the next tick.
    pub(super) fn ended_streams(&mut self, now: UnixTime) -> Vec<Ended> {
        let mut all = self.streams.all.borrow_mut();
        all.settle(self.id, &self.policy.revoked);
        let keys = self.keys.borrow();
        for (set, _) in &self.policy.key_sets {
            let Some(known) = keys.keys(*set) else { continue };
            let followed = self.streams.followed.iter_mut().find(|(own, _)| own == set);
            if followed.as_ref().is_some_and(|(_, digest)| digest == known.digest()) {
                continue;
            }
            all.follow(*set, |name| known.keys().iter().any(|key| key.name() == *name));
            match followed {
                Some((_, digest)) => *digest = *known.digest(),
                None => self.streams.followed.push((*set, *known.digest())),
            }
        }
        all.take_over(now, ENDS)
    }

    /// On what terms a stream may stay open that these opened.
    pub(super) fn terms(&self, proofs: &[Proof<'_>]) -> Option<Terms> {
        let tokens = || proofs.iter().filter_map(|proof| Some((self.jwt(proof.provider)?, proof.token.as_ref()?)));
        tokens().find(|(jwt, _)| jwt.ends_streams)?;
        let mut holders: Vec<Holder> = proofs.iter().map(|proof| self.holder(proof)).collect();
        let of_bound = proofs.iter().filter_map(|proof| proof.bound_to.as_ref());
        holders.extend(of_bound.map(|identity| Holder { identity: Arc::clone(identity), kids: Vec::new(), key: None }));
        let tokens_end = tokens().filter(|(jwt, _)| jwt.ends_streams).filter_map(|(jwt, token)| jwt.end(token.times));
        let certificates_end =
            holders.iter().filter_map(|holder| holder.identity.certificate.as_ref().map(|certificate| certificate.end()));
        Some(Terms { until: tokens_end.chain(certificates_end).min(), holders })
    }

    fn holder(&self, proof: &Proof<'_>) -> Holder {
        let token = self.jwt(proof.provider).zip(proof.token.as_ref());
        let kids = token.map(|(jwt, token)| kids(jwt, token)).into_iter().flatten().flatten().map(str::to_owned).collect();
        Holder { identity: Arc::clone(&proof.identity), kids, key: token.and_then(|(jwt, token)| self.key_of(jwt, token)) }
    }

    /// The key that verified the token, if it is of a key set of the network.
    fn key_of(&self, jwt: &Jwt, token: &Verified) -> Option<(SetId, KeyName)> {
        let Keys::Remote { set, .. } = jwt.keys else { return None };
        let keys = self.keys.borrow().keys(set)?;
        let is_it =
            |key: &&Key| token.key.as_ref() == Some(key.public().thumbprint()) && token.identity.credential.as_deref() == Some(&*key.id());
        Some((set, keys.keys().iter().find(is_it)?.name()))
    }

    fn jwt(&self, provider: ProviderId) -> Option<&Jwt> {
        match &self.policy.provider(provider)?.kind {
            Kind::Jwt { jwt, .. } => Some(jwt),
            _ => None,
        }
    }
}
