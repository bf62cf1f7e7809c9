//! Static secrets, of which only the SHA-256 is known.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher as _;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::identity::Identity;
use crate::reason::Reason;
use crate::time::UnixTime;

/// A secret's digest, and what it stands for.
#[derive(Debug)]
pub struct Secret {
    /// SHA-256 of the secret.
    pub sha256: [u8; 32],
    /// Whose it is.
    pub caller: Arc<Caller>,
    /// The secret's own id, for the log.
    pub id: Option<String>,
    /// Good from this time on.
    pub not_before: Option<UnixTime>,
    /// Good before this time.
    pub not_after: Option<UnixTime>,
}

/// Whose a secret is.
#[derive(Debug)]
pub struct Caller {
    /// The subject.
    pub id: String,
    /// The caller's roles; `None` when none were configured.
    pub roles: Option<Vec<String>>,
}

/// The secrets of a provider. A look-up does the same work whatever their number.
#[derive(Debug)]
pub struct StaticSecret {
    provider: Arc<str>,
    secrets: Vec<Secret>,
    /// From a digest's hash, under a seed that nobody knows, to the secrets with that hash: nearly always one.
    index: HashMap<u64, Vec<usize>, PassThrough>,
    seed: RandomState,
}

/// Why a secret was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretError {
    /// No such digest.
    Unknown,
    /// Known, but not at this time; the secret's id.
    Expired(Option<String>),
}

impl SecretError {
    /// The reason code.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Unknown => Reason::SecretUnknown,
            Self::Expired(_) => Reason::SecretExpired,
        }
    }
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired(Some(id)) => write!(f, "secret {id} is out of its time"),
            other => f.write_str(other.reason().sentence()),
        }
    }
}

impl StaticSecret {
    /// Indexes the secrets of the provider of that name.
    #[must_use]
    pub fn new(provider: Arc<str>, secrets: Vec<Secret>) -> Self {
        let seed = RandomState::new();
        let mut index: HashMap<u64, Vec<usize>, PassThrough> = HashMap::with_capacity_and_hasher(secrets.len(), PassThrough);
        for (position, secret) in secrets.iter().enumerate() {
            index.entry(seed.hash_one(secret.sha256)).or_default().push(position);
        }
        Self { provider, secrets, index, seed }
    }

    /// Who sent this secret.
    ///
    /// # Errors
    /// [`SecretError::Unknown`], or [`SecretError::Expired`] outside of the secret's time.
    pub fn authenticate(&self, sent: &[u8], now: UnixTime) -> Result<Identity, SecretError> {
        let digest: [u8; 32] = Sha256::digest(sent).into();
        let candidates = self.index.get(&self.seed.hash_one(digest)).map(Vec::as_slice).unwrap_or_default();
        let secret = candidates
            .iter()
            .filter_map(|position| self.secrets.get(*position))
            .find(|secret| secret.sha256.ct_eq(&digest).into())
            .ok_or(SecretError::Unknown)?;
        if secret.not_before.is_some_and(|t| now < t) || secret.not_after.is_some_and(|t| now >= t) {
            return Err(SecretError::Expired(secret.id.clone()));
        }
        Ok(Identity {
            provider: Arc::clone(&self.provider),
            subject: Some(secret.caller.id.clone()),
            roles: secret.caller.roles.clone(),
            credential: secret.id.clone(),
            ..Identity::default()
        })
    }
}

/// For keys that are hashes already.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PassThrough;

impl std::hash::BuildHasher for PassThrough {
    type Hasher = Passed;

    fn build_hasher(&self) -> Passed {
        Passed(0)
    }
}

pub(crate) struct Passed(u64);

impl std::hash::Hasher for Passed {
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
mod tests {
    use super::*;

    fn provider(not_before: Option<u64>, not_after: Option<u64>) -> StaticSecret {
        let caller = Arc::new(Caller { id: "billing".into(), roles: Some(vec!["reader".into()]) });
        let secret = |text: &str, id: &str| Secret {
            sha256: Sha256::digest(text).into(),
            caller: Arc::clone(&caller),
            id: Some(id.into()),
            not_before: not_before.map(UnixTime::from_seconds),
            not_after: not_after.map(UnixTime::from_seconds),
        };
        StaticSecret::new("partners".into(), vec![secret("one", "1"), secret("two", "2")])
    }

    #[test]
    fn finds_the_caller_and_nothing_else() {
        let provider = provider(None, None);
        let now = UnixTime::from_seconds(100);
        let identity = provider.authenticate(b"two", now).unwrap();
        assert_eq!((identity.subject.as_deref(), identity.credential.as_deref()), (Some("billing"), Some("2")));
        for wrong in [&b""[..], b"on", b"onee", b"One", &Sha256::digest("one")] {
            assert_eq!(provider.authenticate(wrong, now).unwrap_err(), SecretError::Unknown);
        }
    }

    #[test]
    fn its_time_includes_the_first_instant_and_excludes_the_last() {
        let provider = provider(Some(100), Some(200));
        let at = |seconds| provider.authenticate(b"one", UnixTime::from_seconds(seconds)).is_ok();
        assert_eq!([99, 100, 199, 200].map(at), [false, true, true, false]);
    }
}
