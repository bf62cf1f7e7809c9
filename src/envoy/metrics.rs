//! Counters and gauges, each defined on the host's side once, when it is first needed.

use std::collections::BTreeMap;

use super::abi::{self, MetricKind};

/// The metrics of one plugin.
#[derive(Debug)]
pub(super) struct Metrics {
    prefix: String,
    ids: BTreeMap<String, u32>,
}

impl Metrics {
    /// `portcullis.<plugin name>.*`; characters of the name that would make further parts of it are replaced.
    pub(super) fn of_plugin(name: &str) -> Self {
        Self { prefix: format!("portcullis.{}", part(name)), ids: BTreeMap::new() }
    }

    /// Adds one to `<prefix>.<name>`; adding nothing makes it visible.
    pub(super) fn count(&mut self, name: &str, by: i64) {
        if let Some(id) = self.id(MetricKind::Counter, name)
            && by > 0
        {
            let _ = abi::increment_metric(id, by);
        }
    }

    /// Adds one to `fetch.<provider>.<outcome>`.
    pub(super) fn count_fetch(&mut self, provider: &str, outcome: &str) {
        self.count(&format!("fetch.{}.{outcome}", part(provider)), 1);
    }

    /// Sets `keys.<provider>.last_success_seconds`.
    pub(super) fn note_keys(&mut self, provider: &str, seconds: i64) {
        if let Some(id) = self.id(MetricKind::Gauge, &format!("keys.{}.last_success_seconds", part(provider))) {
            let _ = abi::record_metric(id, seconds.cast_unsigned());
        }
    }

    fn id(&mut self, kind: MetricKind, name: &str) -> Option<u32> {
        if let Some(id) = self.ids.get(name) {
            return Some(*id);
        }
        let id = abi::define_metric(kind, &format!("{}.{name}", self.prefix)).ok()?;
        self.ids.insert(name.to_owned(), id);
        Some(id)
    }
}

/// A name as one part of a metric's name.
fn part(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '_' }).collect()
}
