//! What can be said by environment variables, which `make bench NAME=...` passes on.

use crate::Failure;
use crate::variant::Variant;
use std::env;
use std::str::FromStr;

/// How much is measured, and of what.
pub(crate) struct Settings {
    /// Parts of the names of variants; empty: all of them.
    pub(crate) only: Vec<String>,
    /// How often each variant has its turn.
    pub(crate) rounds: usize,
    /// How many requests a turn has; slow variants have fewer.
    pub(crate) requests: usize,
    /// How many requests each variant gets before anything counts: V8 compiles anew what has run for a while.
    pub(crate) warm_up: usize,
    /// How many connections each variant has, all of them busy.
    pub(crate) connections: usize,
}

impl Settings {
    pub(crate) fn from_environment() -> Result<Self, Failure> {
        let only = env::var("ONLY").unwrap_or_default();
        Ok(Self {
            only: only.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect(),
            rounds: number("ROUNDS", 40)?,
            requests: number("REQUESTS", 400)?,
            warm_up: number("WARM_UP", 2000)?,
            connections: number("CONNECTIONS", 10)?,
        })
    }
}

/// A variable that is empty counts as none: that is how make passes it on.
fn number<T: FromStr<Err: std::fmt::Display>>(name: &str, otherwise: T) -> Result<T, Failure> {
    match env::var(name) {
        Ok(text) if !text.is_empty() => text.parse().map_err(|wrong| format!("{name}={text}: {wrong}").into()),
        _ => Ok(otherwise),
    }
}

impl Settings {
    /// How many requests a turn of this variant has.
    pub(crate) fn turn(&self, variant: &Variant) -> usize {
        (self.requests / variant.slow).max(self.connections)
    }

    /// How many requests warm this variant up.
    pub(crate) fn warm_up(&self, variant: &Variant) -> usize {
        (self.warm_up / variant.slow).max(self.connections)
    }
}
