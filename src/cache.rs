//! What was verified before: tokens and certificates, within bounds, so that who comes again costs a look-up.
//!
//! What is found here was verified in full, by this policy, and it is the very same bytes. Whatever changes without them is judged on each use by whoever
//! asks: the time, revocation, the keys of now, who vouches for a certificate. A look-up that finds nothing costs the verification, and nothing else.

use std::cell::Cell;
use std::collections::hash_map::Entry as Slot;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::{BuildHasher as _, BuildHasherDefault, Hasher, RandomState};
use std::rc::Rc;
use std::sync::Arc;

use crate::authenticator::jwt::Times;
use crate::identity::Identity;
use crate::keys::KeySet;
use crate::policy::{CacheBounds, ProviderId};

/// A credential that was verified, and what has to hold still when it comes again.
#[derive(Debug)]
pub struct Verified {
    /// Whose it is.
    pub identity: Arc<Identity>,
    /// The `kid` that a token names, for revocation.
    pub kid: Option<String>,
    /// The thumbprint of the public key that verified a token (RFC 7638).
    pub key: Option<[u8; 32]>,
    /// When a token is good.
    pub times: Times,
    /// The SHA-256 of the certificate that whoever sends a token must have.
    pub bound: Option<[u8; 32]>,
    /// The digest of the key set that verified it, where key sets come and go.
    pub keys: Option<[u8; KeySet::DIGEST]>,
}

/// What a credential is to the provider that verified it. The same bytes as something else are not the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A token, as it was sent.
    Token,
    /// A connection's certificate, by the SHA-256 of its DER.
    Connection,
    /// A certificate in a header, as it stands there.
    Header,
    /// The certificate of a proxy whose word is taken for others, by the SHA-256 of its DER.
    Proxy,
}

/// What is looked up.
#[derive(Clone, Copy)]
pub struct Key<'k> {
    /// By whom it was verified.
    pub provider: ProviderId,
    /// As what.
    pub form: Form,
    /// The bytes that tell it from any other.
    pub bytes: &'k [u8],
}

/// What look-ups came to since they were counted last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Found.
    pub hits: u64,
    /// Good, but verified in full: not found, or not by the keys of now.
    pub misses: u64,
    /// Forgotten for the sake of others.
    pub evicted: u64,
}

/// Credentials that were verified.
///
/// Who is new goes through probation, an eighth of the room when room is short: only what comes again in that time is kept longer. So one who sends many
/// good tokens, each once, displaces none that is in use. (The queues are those of S3-FIFO, without its ghosts.)
///
/// Looking up takes a hash under a seed that nobody outside knows, and bytes are compared only with those of the same hash: neither a collision nor the
/// time that a comparison takes can be aimed at.
pub struct Cache {
    bounds: CacheBounds,
    seed: RandomState,
    known: HashMap<u64, Rc<Entry>, BuildHasherDefault<Hashed>>,
    probation: Queue,
    kept: Queue,
    counts: Cell<Counts>,
}

struct Entry {
    hash: u64,
    provider: ProviderId,
    form: Form,
    bytes: Box<[u8]>,
    verified: Rc<Verified>,
    /// In bytes, all in all.
    size: usize,
    /// How often it was found, up to [`USES`], less how often it was passed over since.
    uses: Cell<u8>,
}

/// The oldest is at the front.
#[derive(Default)]
struct Queue {
    entries: VecDeque<Rc<Entry>>,
    bytes: usize,
}

/// What an entry takes beside what is counted: the entry, its places in the index and a queue, the identity, what it sets upstream beside that, and what
/// allocating costs.
const OVERHEAD: usize = 640;

/// Who is used more often than that is passed over no more often.
const USES: u8 = 3;

/// So many entries are looked at for the sake of one, then those in use aren't spared either: where each was, all would be passed over, some times, while
/// one request waits.
const LOOKS: usize = 100;

/// Probation's part of the room: one in so many.
const PROBATION: usize = 8;

impl Cache {
    /// Empty.
    #[must_use]
    pub fn new(bounds: CacheBounds) -> Self {
        Self {
            bounds,
            seed: RandomState::new(),
            known: HashMap::default(),
            probation: Queue::default(),
            kept: Queue::default(),
            counts: Cell::default(),
        }
    }

    /// What was verified before by the keys of now: those of `keys`, where key sets come and go.
    #[must_use]
    pub fn get(&self, key: &Key<'_>, keys: Option<&KeySet>) -> Option<Rc<Verified>> {
        let entry = self.find(key).filter(|entry| entry.verified.keys.as_ref() == keys.map(KeySet::digest))?;
        entry.uses.set(entry.uses.get().saturating_add(1).min(USES));
        self.count(|counts| &mut counts.hits);
        Some(Rc::clone(&entry.verified))
    }

    /// What was verified before, by whichever keys: good for what follows from its bytes alone.
    #[must_use]
    pub fn peek(&self, key: &Key<'_>) -> Option<&Verified> {
        self.find(key).map(|entry| &*entry.verified)
    }

    /// Remembers what was verified. Only what was: nothing asks again.
    pub fn add(&mut self, key: &Key<'_>, verified: &Rc<Verified>) {
        self.count(|counts| &mut counts.misses);
        let size = OVERHEAD.saturating_add(key.bytes.len()).saturating_add(verified.size());
        if size > self.bounds.bytes || self.bounds.entries == 0 {
            return;
        }
        let mut looks = 0_usize;
        while self.len() >= self.bounds.entries || self.bytes().saturating_add(size) > self.bounds.bytes {
            if !self.make_room(looks < LOOKS) {
                return;
            }
            looks = looks.saturating_add(1);
        }
        let (hash, verified) = (self.hash(key), Rc::clone(verified));
        let entry =
            Rc::new(Entry { hash, provider: key.provider, form: key.form, bytes: key.bytes.into(), verified, size, uses: Cell::new(0) });
        if let Some(former) = self.known.insert(hash, Rc::clone(&entry)) {
            // It stays in its queue until its turn comes, and takes its room so long.
            former.uses.set(0);
        }
        self.probation.push(entry);
    }

    /// What look-ups came to since this was asked last.
    pub fn take_counts(&self) -> Counts {
        self.counts.take()
    }

    fn count(&self, what: impl FnOnce(&mut Counts) -> &mut u64) {
        let mut counts = self.counts.get();
        let count = what(&mut counts);
        *count = count.saturating_add(1);
        self.counts.set(counts);
    }

    fn find(&self, key: &Key<'_>) -> Option<&Rc<Entry>> {
        if self.known.is_empty() {
            return None;
        }
        self.known.get(&self.hash(key)).filter(|entry| entry.is(key))
    }

    fn hash(&self, key: &Key<'_>) -> u64 {
        let mut hasher = self.seed.build_hasher();
        hasher.write_usize(key.provider.0);
        hasher.write_u8(key.form as u8);
        hasher.write(key.bytes);
        hasher.finish()
    }

    fn len(&self) -> usize {
        self.probation.entries.len().saturating_add(self.kept.entries.len())
    }

    fn bytes(&self) -> usize {
        self.probation.bytes.saturating_add(self.kept.bytes)
    }

    /// Looks at one entry, and forgets it if nobody asked for it in the meantime, or if it may not be spared. False when there is none.
    fn make_room(&mut self, may_spare: bool) -> bool {
        let is_probation_full =
            self.probation.entries.len() > self.bounds.entries / PROBATION || self.probation.bytes > self.bounds.bytes / PROBATION;
        let queue = if is_probation_full || self.kept.entries.is_empty() { &mut self.probation } else { &mut self.kept };
        let Some(entry) = queue.pop() else { return false };
        if may_spare && let Some(left) = entry.uses.get().checked_sub(1) {
            entry.uses.set(left);
            self.kept.push(entry);
            return true;
        }
        if let Slot::Occupied(slot) = self.known.entry(entry.hash)
            && Rc::ptr_eq(slot.get(), &entry)
        {
            slot.remove();
            self.count(|counts| &mut counts.evicted);
        }
        true
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never what is in it: a token is a secret.
        f.debug_struct("Cache").field("bounds", &self.bounds).field("entries", &self.len()).finish_non_exhaustive()
    }
}

impl Entry {
    fn is(&self, key: &Key<'_>) -> bool {
        self.provider == key.provider && self.form == key.form && same(&self.bytes, key.bytes)
    }
}

/// Eight bytes at a time: what the module has for comparing takes them one by one.
fn same(a: &[u8], b: &[u8]) -> bool {
    let ((a_eights, a_rest), (b_eights, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let eights = || a_eights.iter().zip(b_eights).all(|(a, b)| u64::from_ne_bytes(*a) == u64::from_ne_bytes(*b));
    a.len() == b.len() && eights() && a_rest == b_rest
}

impl Queue {
    fn push(&mut self, entry: Rc<Entry>) {
        self.bytes = self.bytes.saturating_add(entry.size);
        self.entries.push_back(entry);
    }

    fn pop(&mut self) -> Option<Rc<Entry>> {
        let entry = self.entries.pop_front()?;
        self.bytes = self.bytes.saturating_sub(entry.size);
        Some(entry)
    }
}

impl Verified {
    /// What is kept of it, in bytes.
    fn size(&self) -> usize {
        self.kid.as_ref().map_or(0, String::len).saturating_add(self.identity.size())
    }
}

/// For keys that are hashes already.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests;
