//! What stands in the configuration already, where nothing may stand twice.

use std::collections::HashSet;

/// Texts and bytes that were seen.
#[derive(Default)]
pub(super) struct Seen(HashSet<Vec<u8>>);

impl Seen {
    /// Whether this is the first of its kind.
    pub(super) fn is_first(&mut self, what: impl AsRef<[u8]>) -> bool {
        self.0.insert(what.as_ref().to_vec())
    }
}
