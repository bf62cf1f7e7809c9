//! The key sets of a VM, and its part in fetching them. They outlive a change of policy, so that a reload during an outage loses nothing.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::refresh::{Begin, Refresh};
use super::shared_data::{Alone, SharedData};
use super::{KeySet, RemoteKeys, SetId};
use crate::time::UnixTime;

/// How often a change is tried when others change the same.
const ATTEMPTS: usize = 4;
/// How often to look whether somebody else's fetch has ended.
const POLL: Duration = Duration::from_millis(50);

/// The key sets that engines use.
pub struct KeyStore {
    shared: Box<dyn SharedData>,
    sets: Vec<Known>,
}

/// A key set, as far as this VM knows it.
struct Known {
    id: SetId,
    /// How many engines use it.
    users: usize,
    keys: Option<Arc<KeySet>>,
    /// When the keys came, to whichever VM: another time is another set.
    fetched: UnixTime,
    /// As it was when it was last looked at.
    refresh: Refresh,
    /// When a token last named a key that these keys lack.
    asked: Option<UnixTime>,
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
    /// Without sets. VMs with the same shared data fetch each set once.
    #[must_use]
    pub fn new(shared: Box<dyn SharedData>) -> Self {
        Self { shared, sets: Vec::new() }
    }

    /// One more engine uses these sets. Keys that were shared before are there at once.
    pub fn acquire(&mut self, sets: &[(SetId, RemoteKeys)], now: UnixTime) {
        for (id, source) in sets {
            match self.known(*id) {
                Some(known) => known.users = known.users.saturating_add(1),
                None => self.sets.push(Known::new(*id)),
            }
            self.catch_up(*id, source, now);
        }
    }

    /// An engine is gone; a set that none uses goes with it.
    pub fn release(&mut self, sets: &[(SetId, RemoteKeys)], holder: u64, now: UnixTime) {
        for (id, _) in sets {
            self.change(*id, now, &mut |refresh| {
                let is_own = refresh.holder() == Some(holder);
                if is_own {
                    refresh.give_up();
                }
                is_own
            });
            if let Some(known) = self.known(*id) {
                known.users = known.users.saturating_sub(1);
            }
        }
        self.sets.retain(|known| known.users > 0);
    }

    /// What is known of a set.
    #[must_use]
    pub fn look_up(&self, set: SetId, source: &RemoteKeys, max_stale: Duration, now: UnixTime) -> Lookup {
        let Some((known, keys)) = self.sets.iter().find(|known| known.id == set).and_then(|known| Some((known, known.keys.as_ref()?)))
        else {
            return Lookup::Never;
        };
        let is_stale = now > known.fetched.plus(source.refresh).plus(max_stale);
        if is_stale { Lookup::Stale } else { Lookup::Fresh(Arc::clone(keys)) }
    }

    /// The keys of a set, however old.
    #[must_use]
    pub fn keys(&self, set: SetId) -> Option<Arc<KeySet>> {
        self.sets.iter().find(|known| known.id == set)?.keys.clone()
    }

    /// When the keys of a set came: another time is another set. Zero: there are none.
    #[must_use]
    pub fn fetched(&self, set: SetId) -> UnixTime {
        self.sets.iter().find(|known| known.id == set).map(|known| known.fetched).unwrap_or_default()
    }

    /// Looks at what other VMs did. Whether these are new keys.
    pub fn catch_up(&mut self, set: SetId, source: &RemoteKeys, now: UnixTime) -> bool {
        let (bytes, version) = self.shared.get(&refresh_name(set)).unzip();
        let bytes = bytes.unwrap_or_default();
        let refresh = Refresh::from_bytes(&bytes, now);
        let is_changed = !bytes.is_empty() && refresh.to_bytes() != bytes;
        if is_changed {
            // The clock was set back: everybody goes by the new one from here on.
            self.shared.replace(&refresh_name(set), &refresh.to_bytes(), version);
        }
        let Some(known) = self.sets.iter_mut().find(|known| known.id == set) else {
            return false;
        };
        known.refresh = refresh;
        // Nobody asked later than now: were it so, the clock was set back, and a fetch that began in the future would never have begun.
        known.asked = known.asked.map(|question| question.min(now)).filter(|question| refresh.is_open(*question, now));
        if refresh.succeeded() == known.fetched || refresh.succeeded() == UnixTime::default() {
            return false;
        }
        let document = self.shared.get(&document_name(set)).map(|(document, _)| document).unwrap_or_default();
        if document.len() <= source.max_body
            && let Ok((keys, _)) = KeySet::parse(&document, source.algorithms)
        {
            known.keys = Some(Arc::new(keys));
            known.fetched = refresh.succeeded();
            return true;
        }
        // Whoever wrote that was none of us: fetch it anew.
        self.shared.put(&refresh_name(set), &Refresh::default().to_bytes());
        false
    }

    /// A token named a key that the set lacks.
    pub fn ask(&mut self, set: SetId, question: UnixTime) {
        if let Some(known) = self.known(set) {
            known.asked = known.asked.max(Some(question));
        }
    }

    /// Whether a fetch may still bring the key that was asked for then.
    #[must_use]
    pub fn is_open(&self, set: SetId, question: UnixTime, now: UnixTime) -> bool {
        self.sets.iter().any(|known| known.id == set && known.refresh.is_open(question, now))
    }

    /// When there is something to do next.
    #[must_use]
    pub fn next(&self, set: SetId, source: &RemoteKeys, now: UnixTime) -> Option<UnixTime> {
        let known = self.sets.iter().find(|known| known.id == set)?;
        Some(known.refresh.next(source, known.asked, now).unwrap_or_else(|| now.plus(POLL)))
    }

    /// Takes the lease if a fetch is due and nobody has one on its way.
    pub fn begin(&mut self, set: SetId, source: &RemoteKeys, holder: u64, now: UnixTime, random: u64) -> Begin {
        let asked = self.known(set).and_then(|known| known.asked);
        let mut begin = Begin::Nothing;
        let is_changed = self.try_change(set, now, &mut |refresh| {
            begin = refresh.begin(source, asked, holder, now, random);
            begin != Begin::Nothing
        });
        // Who comes second does nothing.
        if is_changed == Some(true) { begin } else { Begin::Nothing }
    }

    /// A good answer came to `holder`'s fetch. False if it came too late: the fetch counts as lost.
    #[allow(clippy::too_many_arguments)]
    pub fn succeed(
        &mut self,
        set: SetId,
        source: &RemoteKeys,
        holder: u64,
        (keys, document): (KeySet, &[u8]),
        now: UnixTime,
        random: u64,
    ) -> bool {
        self.catch_up(set, source, now);
        let Some(known) = self.known(set).filter(|known| known.is_fetched_by(holder)) else {
            return false;
        };
        known.keys = Some(Arc::new(keys));
        known.fetched = now;
        self.shared.put(&document_name(set), document);
        self.change(set, now, &mut |refresh| {
            refresh.succeed(source, now, random);
            true
        });
        true
    }

    /// Nothing good came to `holder`'s fetch. False if it came too late: the fetch counts as lost.
    pub fn fail(&mut self, set: SetId, source: &RemoteKeys, holder: u64, now: UnixTime, random: u64) -> bool {
        self.catch_up(set, source, now);
        if !self.known(set).is_some_and(|known| known.is_fetched_by(holder)) {
            return false;
        }
        self.change(set, now, &mut |refresh| {
            refresh.fail(source, now, random);
            true
        });
        true
    }

    fn known(&mut self, set: SetId) -> Option<&mut Known> {
        self.sets.iter_mut().find(|known| known.id == set)
    }

    fn change(&mut self, set: SetId, now: UnixTime, change: &mut dyn FnMut(&mut Refresh) -> bool) {
        for _ in 0..ATTEMPTS {
            if self.try_change(set, now, change).is_some() {
                return;
            }
        }
    }

    /// Whether there was something to change; `None`: another VM was faster.
    fn try_change(&mut self, set: SetId, now: UnixTime, change: &mut dyn FnMut(&mut Refresh) -> bool) -> Option<bool> {
        let (bytes, version) = self.shared.get(&refresh_name(set)).unzip();
        let mut refresh = Refresh::from_bytes(&bytes.unwrap_or_default(), now);
        let is_changed = change(&mut refresh);
        if is_changed && !self.shared.replace(&refresh_name(set), &refresh.to_bytes(), version) {
            return None;
        }
        if let Some(known) = self.known(set) {
            known.refresh = refresh;
        }
        Some(is_changed)
    }
}

impl Default for KeyStore {
    /// Shared with no other VM.
    fn default() -> Self {
        Self::new(Box::new(Alone::default()))
    }
}

impl fmt::Debug for KeyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyStore").field("sets", &self.sets.len()).finish_non_exhaustive()
    }
}

impl Known {
    fn new(id: SetId) -> Self {
        Self { id, users: 1, keys: None, fetched: UnixTime::default(), refresh: Refresh::default(), asked: None }
    }

    /// The fetch that is on its way. One that counts as lost has no answer any more: what comes may be older than what others have fetched since.
    fn is_fetched_by(&self, holder: u64) -> bool {
        self.refresh.holder() == Some(holder)
    }
}

/// What is kept under these names may change with a version of this filter; the number then does, too.
fn refresh_name(set: SetId) -> String {
    format!("portcullis.keys.1.{set}.refresh")
}

fn document_name(set: SetId) -> String {
    format!("portcullis.keys.1.{set}")
}
