//! The key sets of a VM. They outlive a change of policy, so that a reload during an outage loses nothing.

use std::sync::Arc;
use std::time::Duration;

use super::refresh::Refresh;
use super::{KeySet, RemoteKeys, SetId};
use crate::time::{Clock, UnixTime};

/// The key sets that engines use.
#[derive(Debug, Default)]
pub struct KeyStore {
    sets: Vec<Shared>,
    clock: Clock,
}

/// A key set, and how many engines use it.
#[derive(Debug)]
struct Shared {
    id: SetId,
    refresh: Refresh,
    users: usize,
}

/// Whether there are keys.
#[derive(Clone, Debug)]
pub enum Lookup {
    /// These are good.
    Fresh(Arc<KeySet>),
    /// The last ones are too old.
    Stale,
    /// There never were any.
    Never,
}

impl KeyStore {
    /// One more engine uses these sets.
    pub fn acquire<'a>(&mut self, sets: impl Iterator<Item = &'a SetId>, now: UnixTime) {
        for id in sets {
            match self.sets.iter_mut().find(|shared| shared.id == *id) {
                Some(shared) => shared.users = shared.users.saturating_add(1),
                None => self.sets.push(Shared { id: *id, refresh: Refresh::new(now), users: 1 }),
            }
        }
    }

    /// An engine is gone; a set that none uses goes with it.
    pub fn release<'a>(&mut self, sets: impl Iterator<Item = &'a SetId>) {
        for id in sets {
            if let Some(shared) = self.sets.iter_mut().find(|shared| shared.id == *id) {
                shared.users = shared.users.saturating_sub(1);
            }
        }
        self.sets.retain(|shared| shared.users > 0);
    }

    /// What is known of a set.
    #[must_use]
    pub fn look_up(&self, set: SetId, source: &RemoteKeys, max_stale: Duration, now: UnixTime) -> Lookup {
        let Some(Shared { refresh, .. }) = self.sets.iter().find(|shared| shared.id == set) else {
            return Lookup::Never;
        };
        match refresh.keys(source, max_stale, now) {
            Some(keys) => Lookup::Fresh(Arc::clone(keys)),
            None if refresh.succeeded().is_some() => Lookup::Stale,
            None => Lookup::Never,
        }
    }

    /// Whether there ever was a good set.
    #[must_use]
    pub fn has(&self, set: SetId) -> bool {
        self.sets.iter().any(|shared| shared.id == set && shared.refresh.succeeded().is_some())
    }

    /// Takes note of the time.
    pub fn observe(&mut self, now: UnixTime) {
        let back = self.clock.set_back(now);
        if !back.is_zero() {
            self.sets.iter_mut().for_each(|shared| shared.refresh.shift_back(back));
        }
    }

    /// A set's refresh state.
    pub fn refresh(&mut self, set: SetId) -> Option<&mut Refresh> {
        self.sets.iter_mut().find(|shared| shared.id == set).map(|shared| &mut shared.refresh)
    }
}
