//! YAML, as it is printed: the plugin's configuration, which is tried before anybody sees it.

use std::fmt::Write as _;

use portcullis::config::{Fault, Warning, load};
use portcullis::policy::Policy;
use serde_json::Value;

/// A text as a double-quoted scalar of printable ASCII, so that it is a text to every reader and never ends its line.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            ' '..='~' => quoted.push(character),
            // To a String nothing fails to be written.
            _ => {
                let _ = write!(quoted, "\\U{:08X}", u32::from(character));
            }
        }
    }
    quoted.push('"');
    quoted
}

/// Texts as a list on one line.
pub(crate) fn list<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let texts: Vec<String> = texts.into_iter().map(quoted).collect();
    format!("[{}]", texts.join(", "))
}

/// Reads a configuration as the filter will, once Envoy has made a Struct of it.
///
/// # Errors
/// The filter's own faults.
pub(crate) fn check(yaml: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<(Policy, Vec<Warning>), Vec<Fault>> {
    let value: Value =
        serde_saphyr::from_str(yaml).map_err(|error| vec![Fault { path: Vec::new(), what: format!("this would not be YAML: {error}") }])?;
    load(value.to_string().as_bytes(), env)
}
