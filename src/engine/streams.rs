//! Streams that end with what opened them, as one engine sees them.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use super::{Engine, Ticket};
use crate::annotation::Proof;
use crate::judgement::kids;
use crate::policy::{Kind, Revoked};
use crate::streams::{Ended, Streams, Terms};
use crate::time::UnixTime;

/// The open streams, which this plugin's earlier and later engines know, too.
#[derive(Default)]
pub(super) struct OpenStreams {
    all: Rc<RefCell<Streams>>,
    /// Those that an earlier policy left were held against this one's revocations.
    is_settled: bool,
}

impl OpenStreams {
    pub(super) fn next(&self) -> Option<UnixTime> {
        self.all.borrow().next()
    }

    /// Those whose time has come.
    pub(super) fn over(&mut self, revoked: &Revoked, now: UnixTime) -> Vec<Ended> {
        let mut all = self.all.borrow_mut();
        let mut over = all.take_over(now);
        if !self.is_settled {
            self.is_settled = true;
            over.extend(all.take_revoked(revoked));
        }
        over
    }
}

impl Engine {
    /// With the open streams that an earlier policy of this plugin left.
    #[must_use]
    pub fn with_streams(mut self, streams: Rc<RefCell<Streams>>) -> Self {
        self.streams = OpenStreams { all: streams, is_settled: false };
        self
    }

    /// What a request opened is open from now on.
    pub fn keep_open(&self, ticket: Ticket, terms: Terms) {
        self.streams.all.borrow_mut().add(ticket, terms);
    }

    /// A request is gone, or what it had opened.
    pub fn close(&self, ticket: Ticket) {
        if let Ok(mut streams) = self.streams.all.try_borrow_mut() {
            streams.remove(ticket);
        }
    }

    /// On what terms a stream may stay open that these opened.
    pub(super) fn terms(&self, proofs: &[Proof<'_>]) -> Option<Terms> {
        let jwt = |proof: &Proof<'_>| match &self.policy.provider(proof.provider)?.kind {
            Kind::Jwt { jwt, .. } => Some(jwt),
            _ => None,
        };
        let ending = || proofs.iter().filter_map(|proof| jwt(proof).filter(|jwt| jwt.ends_streams).zip(proof.token.as_ref()));
        ending().next()?;
        let until = ending().filter_map(|(jwt, token)| jwt.end(token.times)).min();
        let kids_of = |proof: &Proof<'_>| -> Vec<String> {
            let names = jwt(proof).zip(proof.token.as_ref()).map(|(jwt, token)| kids(jwt, token));
            names.into_iter().flatten().flatten().map(str::to_owned).collect()
        };
        let holders = proofs.iter().map(|proof| (Arc::clone(&proof.identity), kids_of(proof))).collect();
        Some(Terms { until, holders })
    }
}
