//! What can be said by environment variables, which `make bench NAME=...` passes on.

use crate::Failure;
use crate::variant::Variant;
use portcullis_harness::{target_directory, workspace};
use std::env;
use std::path::PathBuf;
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
    /// How many requests fill the memory.
    pub(crate) many: usize,
    /// Where the report goes.
    pub(crate) folder: PathBuf,
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
            many: number("MANY", 1_000_000)?,
            folder: text("RESULTS").map_or_else(|| target_directory().join("bench"), |folder| workspace().join(folder)),
            connections: number("CONNECTIONS", 10)?,
        })
    }
}

/// A variable that is empty counts as none: that is how make passes it on.
fn number<T: FromStr<Err: std::fmt::Display>>(name: &str, otherwise: T) -> Result<T, Failure> {
    text(name).map_or(Ok(otherwise), |text| text.parse().map_err(|wrong| format!("{name}={text}: {wrong}").into()))
}

fn text(name: &str) -> Option<String> {
    env::var(name).ok().filter(|text| !text.is_empty())
}

impl Settings {
    /// Whether `ONLY` names this part or variant.
    pub(crate) fn is_wanted(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| name.contains(part.as_str()))
    }

    /// How many requests a turn of this variant has.
    pub(crate) fn turn(&self, variant: &Variant) -> usize {
        (self.requests / variant.slow).max(self.connections)
    }

    /// How many requests warm this variant up.
    pub(crate) fn warm_up(&self, variant: &Variant) -> usize {
        (self.warm_up / variant.slow).max(self.connections).max(variant.least_warm_up)
    }
}
