//! The key sets of a VM. They outlive a change of policy, so that a reload during an outage loses nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::refresh::Refresh;
use super::{KeySet, RemoteKeys, SetId};
use crate::time::UnixTime;

/// Key sets by what defines them, each with the number of engines that use it.
#[derive(Debug, Default)]
pub struct KeyStore {
    sets: BTreeMap<SetId, (Refresh, usize)>,
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
        for set in sets {
            let (_, users) = self.sets.entry(*set).or_insert_with(|| (Refresh::new(now), 0));
            *users = users.saturating_add(1);
        }
    }

    /// An engine is gone; a set that none uses goes with it.
    pub fn release<'a>(&mut self, sets: impl Iterator<Item = &'a SetId>) {
        for set in sets {
            if let Some((_, users)) = self.sets.get_mut(set) {
                *users = users.saturating_sub(1);
            }
        }
        self.sets.retain(|_, (_, users)| *users > 0);
    }

    /// What is known of a set.
    #[must_use]
    pub fn look_up(&self, set: SetId, source: &RemoteKeys, max_stale: Duration, now: UnixTime) -> Lookup {
        match self.sets.get(&set) {
            Some((refresh, _)) => match refresh.keys(source, max_stale, now) {
                Some(keys) => Lookup::Fresh(Arc::clone(keys)),
                None if refresh.succeeded().is_some() => Lookup::Stale,
                None => Lookup::Never,
            },
            None => Lookup::Never,
        }
    }

    /// A set's refresh state.
    pub fn refresh(&mut self, set: SetId) -> Option<&mut Refresh> {
        self.sets.get_mut(&set).map(|(refresh, _)| refresh)
    }
}
