//! JWK sets (RFC 7517, section 5).

use std::fmt;

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::jwk::{NOT_FOR_SIGNATURES, text};
use super::{Alg, AlgSet, PublicKey};

/// The usable keys of a set. Never empty.
#[derive(Debug)]
pub struct KeySet {
    /// In the order of their `kid`s.
    keys: Vec<Key>,
    /// The `kid`s of keys that can't be used: no fetch would make them known.
    unusable: Vec<String>,
    digest: [u8; Self::DIGEST],
}

/// A key of a set.
#[derive(Debug)]
pub struct Key {
    kid: Option<String>,
    issuer: Option<String>,
    public: PublicKey,
}

/// What tells a key of a set from all others: keys of the same name verify the same tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyName {
    /// Its `kid`.
    pub kid: Option<String>,
    /// The only issuer whose tokens it verifies.
    pub issuer: Option<String>,
    /// Its thumbprint (RFC 7638).
    pub thumbprint: [u8; 32],
}

/// A key that can't be used, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Its place in the set.
    pub index: usize,
    /// Its `kid`.
    pub kid: Option<String>,
    /// Why.
    pub why: &'static str,
}

/// Why a whole set can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySetError {
    /// Not JSON, or with duplicate members, or nested too deeply.
    Json(String),
    /// Not an object with an array `keys`.
    NotASet,
    /// More keys than [`KeySet::MAX_KEYS`]: how many.
    TooMany(usize),
    /// No key can be used; why each was skipped.
    Unusable(Vec<Skipped>),
}

/// Why a set has no key for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoKey {
    /// There is none of that `kid`.
    Unknown,
    /// There is one of that `kid`, but not for this algorithm or issuer.
    Unsuitable,
    /// The token names no key, and not exactly one would fit.
    Ambiguous,
}

impl fmt::Display for KeySetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(what) => write!(f, "not a JSON document: {what}"),
            Self::NotASet => f.write_str("not a JWK set: an object with an array `keys` (RFC 7517, section 5)"),
            Self::TooMany(count) => write!(f, "{count} keys; a set may have {}", KeySet::MAX_KEYS),
            Self::Unusable(skipped) => match skipped.first() {
                None => f.write_str("no keys"),
                Some(first) => write!(f, "none of {} keys can be used; {first}", skipped.len()),
            },
        }
    }
}

impl Skipped {
    /// The key is for something else, as keys in a set may be.
    #[must_use]
    pub fn is_for_something_else(&self) -> bool {
        self.why == NOT_FOR_SIGNATURES
    }
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "keys[{}]", self.index)?;
        if let Some(kid) = &self.kid {
            write!(f, " ({})", kid.chars().take(64).collect::<String>().escape_default())?;
        }
        write!(f, ": {}", self.why)
    }
}

impl Key {
    /// Its `kid`.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The only issuer whose tokens it verifies; `None`: any. (The JWK member `issuer`, which Entra ID sets.)
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// The key itself.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// What tells it from all others.
    #[must_use]
    pub fn name(&self) -> KeyName {
        KeyName { kid: self.kid.clone(), issuer: self.issuer.clone(), thumbprint: *self.public.thumbprint() }
    }

    /// What the log calls it: its `kid`, or else the beginning of its thumbprint (RFC 7638).
    #[must_use]
    pub fn id(&self) -> String {
        self.kid.clone().unwrap_or_else(|| self.public.short_thumbprint())
    }

    fn fits(&self, alg: Alg, issuer: Option<&str>) -> bool {
        self.public.permits(alg) && self.issuer.as_deref().is_none_or(|own| issuer == Some(own))
    }

    fn same(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl KeySet {
    /// The length of [`Self::digest`], in bytes.
    pub const DIGEST: usize = 32;

    /// The most keys of a set.
    pub const MAX_KEYS: usize = 100;

    /// The most keys of one `kid`, so that one token never costs more verifications than this.
    pub const MAX_SAME_KID: usize = 4;

    /// From a document of the network or the configuration, for verifying with `algorithms`. Duplicate members are an error; a key that can't be used is skipped.
    ///
    /// # Errors
    /// See [`KeySetError`].
    pub fn parse(document: &[u8], algorithms: AlgSet) -> Result<(Self, Vec<Skipped>), KeySetError> {
        let document = crate::json::parse(document).map_err(|error| KeySetError::Json(error.to_string()))?;
        Self::from_value(&document, algorithms)
    }

    /// From a document that was parsed already, with [`crate::json::parse`].
    ///
    /// # Errors
    /// See [`KeySetError`].
    pub fn from_value(document: &Value, algorithms: AlgSet) -> Result<(Self, Vec<Skipped>), KeySetError> {
        let entries = document.get("keys").and_then(Value::as_array).ok_or(KeySetError::NotASet)?;
        if entries.len() > Self::MAX_KEYS {
            return Err(KeySetError::TooMany(entries.len()));
        }
        let mut set = Self { keys: Vec::with_capacity(entries.len()), unusable: Vec::new(), digest: [0; Self::DIGEST] };
        let mut skipped = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            if let Err(why) = Key::read(entry, algorithms).and_then(|key| set.add(key)) {
                let kid = entry.get("kid").and_then(Value::as_str).map(str::to_owned);
                set.unusable.extend(kid.clone());
                skipped.push(Skipped { index, kid, why });
            }
        }
        set.digest = digest(&set.keys);
        if set.keys.is_empty() { Err(KeySetError::Unusable(skipped)) } else { Ok((set, skipped)) }
    }

    /// The keys, in the order of their `kid`s; those of one `kid`, or of none, in the order of the document.
    #[must_use]
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// The keys to verify a token with: at most [`Self::MAX_SAME_KID`], never none.
    ///
    /// A `kid` may stand for several keys, which RFC 7517, section 4.5, allows: each that fits is one. Without a `kid` there has to be exactly one key that fits.
    ///
    /// # Errors
    /// See [`NoKey`].
    pub fn find(&self, kid: Option<&str>, alg: Alg, issuer: Option<&str>) -> Result<Vec<&Key>, NoKey> {
        let Some(kid) = kid else {
            let mut fitting = self.keys.iter().filter(|key| key.fits(alg, issuer));
            return match (fitting.next(), fitting.next()) {
                (Some(key), None) => Ok(vec![key]),
                _ => Err(NoKey::Ambiguous),
            };
        };
        let mut named = self.named(Some(kid)).peekable();
        if named.peek().is_none() {
            return Err(if self.unusable.iter().any(|other| other == kid) { NoKey::Unsuitable } else { NoKey::Unknown });
        }
        let fitting: Vec<&Key> = named.filter(|key| key.fits(alg, issuer)).collect();
        if fitting.is_empty() { Err(NoKey::Unsuitable) } else { Ok(fitting) }
    }

    /// Names the set by all that decides over a token: sets of the same digest verify the same tokens.
    #[must_use]
    pub const fn digest(&self) -> &[u8; Self::DIGEST] {
        &self.digest
    }

    fn add(&mut self, key: Key) -> Result<(), &'static str> {
        if key.kid.is_some() {
            if self.named(key.kid()).any(|other| other.same(&key)) {
                return Err("stands in the set already");
            }
            if self.named(key.kid()).count() >= Self::MAX_SAME_KID {
                return Err("too many keys of one `kid`");
            }
        }
        let place = self.keys.partition_point(|other| other.kid() <= key.kid());
        self.keys.insert(place, key);
        Ok(())
    }

    fn named(&self, kid: Option<&str>) -> impl Iterator<Item = &Key> {
        let first = self.keys.partition_point(|key| key.kid() < kid);
        self.keys.iter().skip(first).take_while(move |key| key.kid() == kid)
    }
}

impl Key {
    fn read(entry: &Value, algorithms: AlgSet) -> Result<Self, &'static str> {
        let jwk: &Map<String, Value> = entry.as_object().ok_or("not an object")?;
        let kid = text(jwk, "kid", "`kid` is not a string")?.map(str::to_owned);
        let issuer = text(jwk, "issuer", "`issuer` is not a string")?.map(str::to_owned);
        Ok(Self { kid, issuer, public: PublicKey::from_jwk(jwk, algorithms)? })
    }
}

fn digest(keys: &[Key]) -> [u8; KeySet::DIGEST] {
    let mut hash = Sha256::new();
    let mut field = |bytes: Option<&[u8]>| {
        let length = bytes.map_or(u64::MAX, |bytes| u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        hash.update(length.to_be_bytes());
        hash.update(bytes.unwrap_or_default());
    };
    for key in keys {
        field(key.kid().map(str::as_bytes));
        field(key.issuer().map(str::as_bytes));
        field(Some(key.public.thumbprint()));
        for alg in key.public.algorithms() {
            field(Some(alg.name().as_bytes()));
        }
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests;
