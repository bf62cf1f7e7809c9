//! Streams that end with what opened them, as one engine sees them.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use super::{Engine, Ticket};
use crate::annotation::Proof;
use crate::authenticator::Jwt;
use crate::authenticator::jwt::Keys;
use crate::cache::Verified;
use crate::judgement::kids;
use crate::keys::{KeySet, SetId};
use crate::policy::{Kind, ProviderId};
use crate::streams::{Ended, Holder, Streams, Terms, Thumbprint};
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
        streams.borrow_mut().lead(self.id);
        self.streams.all = streams;
        self
    }

    /// A new request comes to this engine, so its policy is the one in force.
    pub fn lead(&self) {
        if let Ok(mut streams) = self.streams.all.try_borrow_mut() {
            streams.lead(self.id);
        }
    }

    /// What a request opened is open from now on.
    pub fn keep_open(&self, ticket: Ticket, terms: Terms) {
        self.streams.all.borrow_mut().add(ticket, terms, self.id);
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
            all.follow(*set, |thumbprint| known.keys().iter().any(|key| key.public().thumbprint() == thumbprint));
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
        holders.extend(of_bound.map(|identity| Holder { identity: Arc::clone(identity), kids: Vec::new(), keys: None }));
        let tokens_end = tokens().filter(|(jwt, _)| jwt.ends_streams).filter_map(|(jwt, token)| jwt.end(token.times));
        let certificates_end =
            holders.iter().filter_map(|holder| holder.identity.certificate.as_ref().map(|certificate| certificate.end()));
        Some(Terms { until: tokens_end.chain(certificates_end).min(), holders })
    }

    fn holder(&self, proof: &Proof<'_>) -> Holder {
        let token = self.jwt(proof.provider).zip(proof.token.as_ref());
        let kids = token.map(|(jwt, token)| kids(jwt, token)).into_iter().flatten().flatten().map(str::to_owned).collect();
        Holder { identity: Arc::clone(&proof.identity), kids, keys: token.and_then(|(jwt, token)| self.keys_of(jwt, token)) }
    }

    /// The key set of the network that the token's key is of, and the key.
    fn keys_of(&self, jwt: &Jwt, token: &Verified) -> Option<(SetId, Vec<Thumbprint>)> {
        let Keys::Remote { set, .. } = jwt.keys else { return None };
        let id = token.identity.credential.as_deref()?;
        let keys = self.keys.borrow().keys(set)?;
        let own = keys.keys().iter().filter(|key| key.kid().map_or_else(|| key.id() == id, |kid| kid == id));
        Some((set, own.map(|key| *key.public().thumbprint()).collect()))
    }

    fn jwt(&self, provider: ProviderId) -> Option<&Jwt> {
        match &self.policy.provider(provider)?.kind {
            Kind::Jwt { jwt, .. } => Some(jwt),
            _ => None,
        }
    }
}
