//! What no client may send to the upstream.

use crate::credential::Place;

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
        let _ = pattern;
        Err("")
    }
}

/// Everything that is removed from requests, compiled.
#[derive(Debug, Default)]
pub struct Removal {}

impl Removal {
    /// From all names to remove and every place of any provider.
    #[must_use]
    pub fn new(names: &[NamePattern], places: &[Place]) -> Self {
        let _ = (names, places);
        Self::default()
    }
}
