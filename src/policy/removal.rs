//! What no client may send to the upstream.

use std::sync::Arc;

use crate::credential::Place;
use crate::spelling::{compare, fold, folded_byte};

/// A header name, or every name that begins so (`x-ep-*`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamePattern {
    /// This name.
    Exact(String),
    /// Every name that begins with this.
    Prefix(String),
}

impl NamePattern {
    /// Reads `name` or `prefix*`.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence for the operator.
    pub fn parse(pattern: &str) -> Result<Self, &'static str> {
        let (name, is_prefix) = pattern.strip_suffix('*').map_or((pattern, false), |name| (name, true));
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err("a header name, or the beginning of one with * at its end");
        }
        let name = name.to_ascii_lowercase();
        Ok(if is_prefix { Self::Prefix(name) } else { Self::Exact(name) })
    }
}

/// RFC 9110, section 5.6.2, without the star, which means something else here.
const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~')
}

/// Everything that is removed from requests, compiled.
#[derive(Debug, Default)]
pub struct Removal {
    /// Folded, in the order of [`compare`].
    exact: Vec<Vec<u8>>,
    sieve: Sieve,
    /// Folded.
    prefixes: Vec<Vec<u8>>,
    queries: Vec<Arc<str>>,
    spared: Vec<Vec<u8>>,
    cookies: Vec<Arc<str>>,
}

/// The message's own framing and routing: never removed, whatever a pattern says.
const FRAMING: [&[u8]; 7] = [b"host", b"content-length", b"transfer-encoding", b"connection", b"upgrade", b"te", b"trailer"];

impl Removal {
    /// From all names to remove and every place of any provider.
    #[must_use]
    pub fn new(names: &[NamePattern], places: &[Place]) -> Self {
        let mut removal = Self::default();
        for pattern in names {
            match pattern {
                NamePattern::Exact(name) => removal.add(name),
                NamePattern::Prefix(name) => removal.prefixes.push(fold(name.as_bytes())),
            }
        }
        for place in places {
            match place {
                Place::Header { name, .. } => removal.add(name),
                Place::Query(name) if !removal.queries.contains(name) => removal.queries.push(Arc::clone(name)),
                Place::Cookie { name, .. } if !removal.cookies.contains(name) => removal.cookies.push(Arc::clone(name)),
                Place::Query(_) | Place::Cookie { .. } => {}
            }
        }
        removal
    }

    fn add(&mut self, name: &str) {
        if let Err(place) = self.exact.binary_search_by(|own| compare(own, name.as_bytes())) {
            self.exact.insert(place, fold(name.as_bytes()));
            self.sieve.add(name.as_bytes());
        }
    }

    /// While these are only observed, the headers of these names stay.
    #[must_use]
    pub fn sparing(mut self, names: Vec<&str>) -> Self {
        self.spared = names.into_iter().map(|name| fold(name.as_bytes())).collect();
        self
    }

    /// Whether a header of this name stays while its request is only observed.
    #[must_use]
    pub fn spares(&self, name: &[u8]) -> bool {
        self.spared.iter().any(|spared| compare(spared, name).is_eq())
    }

    /// Whether a header (or trailer) of this name is removed, in whatever spelling CGI would read as the same.
    #[must_use]
    pub fn covers(&self, name: &[u8]) -> bool {
        if name.first() == Some(&b':') {
            return false;
        }
        let begins_with = |prefix: &Vec<u8>| name.get(..prefix.len()).is_some_and(|start| compare(prefix, start).is_eq());
        let is_exact = || self.sieve.holds(name) && self.exact.binary_search_by(|own| compare(own, name)).is_ok();
        let is_covered = is_exact() || self.prefixes.iter().any(begins_with);
        is_covered && !FRAMING.contains(&name)
    }

    /// The query parameters that are removed.
    #[must_use]
    pub fn queries(&self) -> &[Arc<str>] {
        &self.queries
    }

    /// The cookies that are removed.
    #[must_use]
    pub fn cookies(&self) -> &[Arc<str>] {
        &self.cookies
    }
}

/// Tells at a glance that a name is none of those in it: every header of every request is asked about, and nearly none of them is.
#[derive(Debug, Default)]
struct Sieve([u64; 4]);

impl Sieve {
    fn add(&mut self, name: &[u8]) {
        let (word, bit) = Self::place(name);
        if let Some(word) = self.0.get_mut(word) {
            *word |= bit;
        }
    }

    /// False: it was not added. True: it may have been.
    fn holds(&self, name: &[u8]) -> bool {
        let (word, bit) = Self::place(name);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }

    /// The same for every spelling of a name: by its length, its first and its last byte.
    fn place(name: &[u8]) -> (usize, u64) {
        let byte = |byte: Option<&u8>| usize::from(byte.copied().map_or(0, folded_byte));
        let hash = name.len().wrapping_mul(37) ^ byte(name.first()).wrapping_mul(5) ^ byte(name.last()).wrapping_mul(11);
        (hash >> 6 & 3, 1 << (hash & 63))
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn it_covers_what_reads_as_one_of_the_names(patterns in vec("[ab_.-]{1,3}[*]?", 0..8), names in vec("[:ABab_.-]{0,4}|te|trailer", 32)) {
            let reads = |name: &str| -> String { name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect() };
            let parsed: Vec<NamePattern> = patterns.iter().map(|pattern| NamePattern::parse(pattern).unwrap()).chain([NamePattern::Exact("te".into())]).collect();
            let removal = Removal::new(&parsed, &[]);
            for name in &names {
                let wanted = patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
                    Some(start) => reads(name).starts_with(&reads(start)),
                    None => reads(name) == reads(pattern),
                });
                let is_our_own = name.starts_with(':') || matches!(name.as_str(), "te" | "trailer");
                prop_assert_eq!(removal.covers(name.as_bytes()), wanted && !is_our_own, "{}", name);
            }
        }
    }

    #[test]
    fn covers_every_spelling() {
        let names = ["x-auth-subject", "X-EP-*", "content-*"].map(|n| NamePattern::parse(n).unwrap());
        let places = [Place::Header { name: "x-api-key".into(), scheme: None }, Place::Query("access_token".into())];
        let removal = Removal::new(&names, &places);
        for name in [
            "x-auth-subject",
            "x_auth_subject",
            "x.auth-subject",
            "X-Auth-Subject",
            "x-ep-",
            "x_ep_user",
            "x-api-key",
            "x-api.key",
            "content-type",
        ] {
            assert!(removal.covers(name.as_bytes()), "{name}");
        }
        for name in ["x-auth-subjects", "x-auth", "x-epilogue", ":path", "content-length", "host"] {
            assert!(!removal.covers(name.as_bytes()), "{name}");
        }
        for bad in ["", "*", "a b", "a*b", "a:", "\u{e4}"] {
            assert!(NamePattern::parse(bad).is_err(), "{bad}");
        }
    }
}
