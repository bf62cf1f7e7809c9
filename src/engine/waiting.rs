//! Requests that wait: for keys, or for what another service says.

use crate::decision::{Wait, WaitOn};
use crate::keys::KeyStore;
use crate::request::Ticket;
use crate::time::{Clock, UnixTime};

/// How many requests are woken at once. Envoy carries out their answers one inside the other, on a stack that bears some three hundred.
pub(super) const WAKES: usize = 32;

/// The requests of one engine that wait.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    list: Vec<(Ticket, Wait)>,
    clock: Clock,
}

impl Waiting {
    /// Whether some may have to be woken although nothing happens here: by the keys of other workers, or because a crowd is woken in parts.
    pub(super) fn is_restless(&self) -> bool {
        self.list.iter().any(|(_, wait)| match &wait.on {
            WaitOn::Keys { .. } => true,
            WaitOn::Answer(call) => call.verdict.get().is_some(),
        })
    }

    /// Whether fewer than `most` wait for the same.
    pub(super) fn has_room(&self, on: &WaitOn, most: usize) -> bool {
        self.list.iter().filter(|(_, other)| other.on.shares_room(on)).count() < most
    }

    /// Adds one, unless `most` wait for the same.
    pub(super) fn add(&mut self, ticket: Ticket, wait: Wait, most: usize) -> bool {
        let has_room = self.has_room(&wait.on, most);
        if has_room {
            self.list.push((ticket, wait));
        }
        has_room
    }

    pub(super) fn remove(&mut self, ticket: Ticket) {
        self.list.retain(|(other, _)| *other != ticket);
    }

    /// When the first one's time is up.
    pub(super) fn next(&self) -> Option<UnixTime> {
        self.list.iter().map(|(_, wait)| wait.until).min()
    }

    /// Whoever waits does so for a while, not for a time of day.
    pub(super) fn observe(&mut self, now: UnixTime) {
        let back = self.clock.set_back(now);
        if !back.is_zero() {
            // Whoever has asked since goes by the new time already.
            for (_, wait) in self.list.iter_mut().filter(|(_, wait)| wait.question > now) {
                wait.until = wait.until.minus(back);
                wait.question = wait.question.minus(back);
            }
        }
    }

    /// Takes out those whose time is up, who have an answer or other keys to go by, or who have nothing left to wait for. The rest comes with the next ticks.
    pub(super) fn wake(&mut self, keys: &KeyStore, now: UnixTime) -> Vec<(Ticket, Wait)> {
        let mut woken = Vec::new();
        self.list.retain(|(ticket, wait)| {
            let is_answered = match &wait.on {
                WaitOn::Keys { set, seen } => {
                    // Where there were keys, it is one that they lack.
                    let is_for_one = *seen != UnixTime::default();
                    keys.fetched(*set) != *seen || (is_for_one && !keys.is_open(*set, wait.question, now))
                }
                WaitOn::Answer(call) => call.verdict.get().is_some(),
            };
            let wakes = woken.len() < WAKES && (is_answered || now >= wait.until);
            if wakes {
                woken.push((*ticket, wait.clone()));
            }
            !wakes
        });
        woken
    }
}
