//! `grants`: roles that the configuration gives by subject.

use std::collections::HashMap;

use super::forms::{Name, OneOrMany, Table, strings};

/// Compiles `grants`.
pub(super) fn grants(table: Option<&Table<OneOrMany<Name>>>) -> HashMap<String, Vec<String>> {
    let grants = table.map(|Table(grants)| grants.as_slice()).unwrap_or_default();
    grants.iter().filter_map(|(subject, roles)| Some((subject.clone(), strings(roles.as_ref()?)))).collect()
}
