//! The `COGO_*` variables.

use std::collections::BTreeMap;
use std::path::Path;

use crate::report::Failure;
use crate::{env_file, new_file};

pub(super) const MODE: &str = "COGO_AUTHENTICATION_MODE";
pub(super) const KEY: &str = "COGO_HASHED_ACCESS_KEY";
pub(super) const ISSUER: &str = "COGO_JWT_ISSUER";
pub(super) const JWKS: &str = "COGO_JWKS_URL";
pub(super) const SUBS: &str = "COGO_JWT_SUBS";
pub(super) const SCOPE: &str = "COGO_JWT_REQUIRED_SCOPE";

/// Those that say who may call.
const KNOWN: [&str; 6] = [MODE, KEY, ISSUER, JWKS, SUBS, SCOPE];

/// Variables of these beginnings could say who may call.
const ABOUT_CALLERS: [&str; 4] = ["COGO_AUTH", "COGO_HASHED", "COGO_JWT", "COGO_JWK"];

pub(super) fn is_known(name: &str) -> bool {
    KNOWN.contains(&name)
}

fn is_about_callers(name: &str) -> bool {
    ABOUT_CALLERS.iter().any(|beginning| name.starts_with(beginning))
}

/// The variables, and what is to be said of them.
pub(super) struct Settings {
    variables: BTreeMap<String, String>,
    pub(super) mode: Option<String>,
    used: Vec<&'static str>,
    pub(super) faults: Vec<String>,
    pub(super) notes: Vec<String>,
}

impl Settings {
    /// From the file, or from the environment.
    pub(super) fn read(file: Option<&Path>) -> Result<Self, Failure> {
        let (mut variables, mut faults) = (BTreeMap::new(), Vec::new());
        match file {
            None => {
                for (name, value) in std::env::vars_os() {
                    let Ok(name) = name.into_string() else { continue };
                    match value.into_string() {
                        Ok(value) => drop(variables.insert(name, value)),
                        Err(_) if name.starts_with("COGO_") => faults.push(format!("{name}: not UTF-8")),
                        Err(_) => {}
                    }
                }
            }
            Some(path) => {
                let text = new_file::read(path)?;
                let read = env_file::parse(&text, &mut |name| {
                    let value = std::env::var(name).ok();
                    if value.is_none() && is_about_callers(name) {
                        // Where the engine runs it may have one, and keep somebody out.
                        faults.push(format!(
                            "{name}: the file leaves its value to the environment, which has none; write it there, or take the line away"
                        ));
                    }
                    value
                });
                let in_file = |fault: String| format!("{}, {fault}", path.display());
                let read = read.map_err(|faults| Failure(faults.into_iter().map(in_file).collect()))?;
                variables.extend(read.into_iter().map(|variable| (variable.name, variable.value)));
            }
        }
        let unknown = |name: &&String| !is_known(name) && is_about_callers(name);
        for name in variables.keys().filter(unknown) {
            // Left out silently, it could have been what kept somebody out.
            faults.push(format!("{name}: not a variable of Carbon Engine's that is known here; known: {}", KNOWN.join(", ")));
        }
        let mode = variables.get(MODE).cloned();
        Ok(Self { variables, mode, used: vec![MODE], faults, notes: Vec::new() })
    }

    pub(super) fn value(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    /// The mode looks at these.
    pub(super) fn uses(&mut self, names: &[&'static str]) {
        self.used.extend(names);
    }

    pub(super) fn required(&mut self, name: &'static str) -> Option<String> {
        let value = self.optional(name);
        if !self.variables.contains_key(name) {
            self.fault(name, &format!("missing; {MODE}={} needs it", self.mode.clone().unwrap_or_default()));
        }
        value
    }

    pub(super) fn optional(&mut self, name: &'static str) -> Option<String> {
        let value = self.value(name)?;
        if value.trim().is_empty() {
            self.fault(name, "empty; give it a value, or leave it out if it isn't meant");
            return None;
        }
        Some(value)
    }

    /// One for each variable: what follows from it says no more.
    pub(super) fn fault(&mut self, name: &str, what: &str) {
        if !self.faults.iter().any(|fault| fault.starts_with(&format!("{name}: "))) {
            self.faults.push(format!("{name}: {what}"));
        }
    }

    pub(super) fn note_unused(&mut self) {
        for name in KNOWN.iter().filter(|name| self.variables.contains_key(**name) && !self.used.contains(name)) {
            let mode = self.mode.as_deref().unwrap_or_default();
            self.notes.push(format!("warning: {name} is set, but {MODE}={mode} doesn't look at it"));
        }
    }
}
