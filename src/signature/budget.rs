//! A bound on verifications that are slow, so that forged tokens can't starve a worker: whoever was verified before is served all the same.

use std::cell::RefCell;

use sha2::{Digest as _, Sha256};

use super::Verify;
use crate::keys::{Alg, Key, PublicKey};
use crate::recent::Recent;
use crate::time::UnixTime;

/// How many good signatures are remembered.
const REMEMBERED: usize = 10_000;

/// How many bad ones: forging another costs nothing, so more would only help who doesn't.
const REMEMBERED_BAD: usize = 1000;

/// What one verification costs, in thousandths: so much of a budget comes back in a millisecond for each verification a second.
const COST: u64 = 1000;

/// Slow verifications, so many a second, and the signatures that were good, and those that were not.
///
/// A signature is remembered by a SHA-256 over all that decides whether it is good, the key's thumbprint among them. Nobody is served by that alone: the key has to
/// be in the key set of now, and times, claims and revocation are judged on each use.
#[derive(Debug)]
pub struct Budget {
    per_second: u32,
    /// In thousandths of a verification, as of `at`; never more than a second brings.
    left: u64,
    at: UnixTime,
    good: Recent<[u8; 32]>,
    /// Who sends the same forgery again takes nothing from the budget.
    bad: Recent<[u8; 32]>,
}

/// Too many slow verifications in this second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy;

impl Budget {
    /// So many verifications a second, and at once.
    #[must_use]
    pub fn new(per_second: u32) -> Self {
        Self {
            per_second,
            left: u64::from(per_second).saturating_mul(COST),
            at: UnixTime::default(),
            good: Recent::new(REMEMBERED),
            bad: Recent::new(REMEMBERED_BAD),
        }
    }

    /// Takes one, if there is one. A clock that is set back brings nothing, and goes on from there.
    fn take(&mut self, now: UnixTime) -> Result<(), Busy> {
        let elapsed = u64::try_from(now.since(self.at).as_millis()).unwrap_or(u64::MAX);
        self.at = now;
        let rate = u64::from(self.per_second);
        self.left = self.left.saturating_add(elapsed.saturating_mul(rate)).min(rate.saturating_mul(COST));
        self.left = self.left.checked_sub(COST).ok_or(Busy)?;
        Ok(())
    }
}

/// Who verifies now, and within which budget.
#[derive(Clone, Copy)]
pub struct Bounded<'a> {
    /// Who verifies.
    pub verify: &'a dyn Verify,
    /// For what is slow.
    pub budget: &'a RefCell<Budget>,
    /// The time.
    pub now: UnixTime,
}

impl Bounded<'_> {
    /// The key among `keys` whose signature this is.
    ///
    /// # Errors
    /// [`Busy`] if nobody knows, and this is no time to find out.
    pub fn signer<'k>(&self, alg: Alg, keys: &[&'k Key], text: &[u8], signature: &[u8]) -> Result<Option<&'k Key>, Busy> {
        if !self.verify.is_slow(alg) {
            return Ok(keys.iter().copied().find(|key| self.verify.verify(alg, key.public(), text, signature)));
        }
        let named: Vec<(&Key, [u8; 32])> = keys.iter().map(|key| (*key, digest(alg, key.public(), text, signature))).collect();
        if let Some((key, _)) = named.iter().find(|(_, name)| self.budget.borrow().good.has(name)) {
            return Ok(Some(key));
        }
        for (key, name) in named {
            // It will never be good.
            if self.budget.borrow().bad.has(&name) {
                continue;
            }
            self.budget.borrow_mut().take(self.now)?;
            let is_good = self.verify.verify(alg, key.public(), text, signature);
            let mut budget = self.budget.borrow_mut();
            let seen = if is_good { &mut budget.good } else { &mut budget.bad };
            seen.add(name);
            if is_good {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }
}

fn digest(alg: Alg, key: &PublicKey, text: &[u8], signature: &[u8]) -> [u8; 32] {
    let length = u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes();
    let parts: [&[u8]; 5] = [key.thumbprint(), alg.name().as_bytes(), &length, text, signature];
    parts.iter().fold(Sha256::new(), |hash, part| hash.chain_update(part)).finalize().into()
}

#[cfg(test)]
mod tests;
