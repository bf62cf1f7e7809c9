//! Static secrets, of which only the SHA-256 is known.

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

/// The secrets of a provider. How long a look-up takes tells nothing of their digests.
#[derive(Debug)]
pub struct StaticSecret {
    /// As many as there are secrets, each of which stands where its digest's hash says, under a seed that nobody knows: nearly alone.
    buckets: Vec<Vec<Known>>,
    seed: RandomState,
}

/// A secret, and who has it.
#[derive(Debug)]
struct Known {
    sha256: [u8; 32],
    identity: Arc<Identity>,
    not_before: Option<UnixTime>,
    not_after: Option<UnixTime>,
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
        let mut known = Self { buckets: Vec::new(), seed: RandomState::new() };
        known.buckets.resize_with(secrets.len(), Vec::new);
        for Secret { sha256, caller, id, not_before, not_after } in secrets {
            let identity = Identity {
                provider: Arc::clone(&provider),
                subject: Some(caller.id.clone()),
                roles: caller.roles.clone(),
                credential: id,
                ..Identity::default()
            };
            let place = known.place(&sha256);
            if let Some(bucket) = known.buckets.get_mut(place) {
                bucket.reserve_exact(1);
                bucket.push(Known { sha256, identity: Arc::new(identity), not_before, not_after });
            }
        }
        known
    }

    /// Who sent this secret.
    ///
    /// # Errors
    /// [`SecretError::Unknown`], or [`SecretError::Expired`] outside of the secret's time.
    pub fn authenticate(&self, sent: &[u8], now: UnixTime) -> Result<&Arc<Identity>, SecretError> {
        let digest: [u8; 32] = Sha256::digest(sent).into();
        let mut candidates = self.buckets.get(self.place(&digest)).into_iter().flatten();
        let secret = candidates.find(|secret| secret.sha256.ct_eq(&digest).into()).ok_or(SecretError::Unknown)?;
        if secret.not_before.is_some_and(|t| now < t) || secret.not_after.is_some_and(|t| now >= t) {
            return Err(SecretError::Expired(secret.identity.credential.clone()));
        }
        Ok(&secret.identity)
    }

    fn place(&self, sha256: &[u8; 32]) -> usize {
        let hash = usize::try_from(self.seed.hash_one(sha256) >> 32).unwrap_or_default();
        hash.checked_rem(self.buckets.len()).unwrap_or_default()
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
    fn each_of_many_is_found_among_few() {
        let secret = |n: u32| {
            let caller = Arc::new(Caller { id: format!("c{n}"), roles: None });
            Secret { sha256: Sha256::digest(n.to_be_bytes()).into(), caller, id: None, not_before: None, not_after: None }
        };
        let provider = StaticSecret::new("partners".into(), (0..1000).map(secret).collect());
        for n in 0..1000_u32 {
            let found = provider.authenticate(&n.to_be_bytes(), UnixTime::default()).unwrap();
            assert_eq!(found.subject, Some(format!("c{n}")));
        }
        for n in 1000..2000_u32 {
            assert_eq!(provider.authenticate(&n.to_be_bytes(), UnixTime::default()).unwrap_err(), SecretError::Unknown);
        }
        // Twenty in one of a thousand places: not in the lifetime of this universe.
        assert!(provider.buckets.iter().all(|bucket| bucket.len() < 20));
        let nobody = StaticSecret::new("partners".into(), vec![]);
        assert_eq!(nobody.authenticate(b"", UnixTime::default()).unwrap_err(), SecretError::Unknown);
    }

    #[test]
    fn its_time_includes_the_first_instant_and_excludes_the_last() {
        let provider = provider(Some(100), Some(200));
        let at = |seconds| provider.authenticate(b"one", UnixTime::from_seconds(seconds)).is_ok();
        assert_eq!([99, 100, 199, 200].map(at), [false, true, true, false]);
    }
}
