//! JWK sets (RFC 7517, section 5).

use std::collections::BTreeSet;

use serde_json::Value;

use super::Alg;

/// The usable keys of a set.
#[derive(Debug)]
pub struct KeySet {}

/// A key that can't be used, and why.
#[derive(Debug)]
pub struct Skipped {
    /// Its place in the set.
    pub index: usize,
    /// Its `kid`.
    pub kid: Option<String>,
    /// Why.
    pub why: &'static str,
}

/// Why a whole set can't be used.
#[derive(Debug)]
pub enum KeySetError {
    /// Not JSON.
    Json(String),
}

impl std::fmt::Display for KeySetError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let _ = self;
        f.write_str("")
    }
}

impl KeySet {
    /// How many.
    pub fn len(&self) -> usize {
        0
    }
    /// From a document of the network or the configuration.
    ///
    /// # Errors
    /// See [`KeySetError`].
    pub fn parse(document: &[u8], algorithms: &BTreeSet<Alg>) -> Result<(Self, Vec<Skipped>), KeySetError> {
        let _ = (document, algorithms);
        Ok((Self {}, vec![]))
    }

    /// From a document that was parsed already.
    ///
    /// # Errors
    /// See [`KeySetError`].
    pub fn from_value(document: &Value, algorithms: &BTreeSet<Alg>) -> Result<(Self, Vec<Skipped>), KeySetError> {
        let _ = (document, algorithms);
        Ok((Self {}, vec![]))
    }
}
