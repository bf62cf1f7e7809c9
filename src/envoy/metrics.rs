//! Counters and gauges, each defined on the host's side once, when it is first needed.

use super::abi::{self, MetricKind};
use crate::reason::Reason;

/// The metrics of one plugin.
#[derive(Debug)]
pub(super) struct Metrics {
    prefix: String,
    allowed: Option<u32>,
    rejected: Reasons,
    observed: Reasons,
    /// What comes with callouts.
    others: Vec<(String, u32)>,
}

/// By the reason's place in [`Reason::ALL`].
type Reasons = [Option<u32>; Reason::ALL.len()];
const NONE: Reasons = [None; Reason::ALL.len()];

impl Metrics {
    /// `portcullis.<plugin name>.*`; characters of the name that would make further parts of it are replaced.
    pub(super) fn of_plugin(name: &str) -> Self {
        Self { prefix: format!("portcullis.{}", part(name)), allowed: None, rejected: NONE, observed: NONE, others: Vec::new() }
    }

    /// Defines `allowed`, so that it can be seen before there is anything to count.
    pub(super) fn show(&mut self) {
        self.allowed = self.allowed.or_else(|| self.define(MetricKind::Counter, "allowed"));
    }

    /// Counts a request that went upstream.
    pub(super) fn count_allowed(&mut self) {
        self.show();
        increment(self.allowed);
    }

    /// Counts a refusal.
    pub(super) fn count_rejected(&mut self, reason: Reason) {
        count(&self.prefix, "rejected", &mut self.rejected, reason);
    }

    /// Counts what would have been a refusal.
    pub(super) fn count_observed(&mut self, reason: Reason) {
        count(&self.prefix, "observed", &mut self.observed, reason);
    }

    /// Counts a stream that ended before its time: `ended.<reason>`.
    pub(super) fn count_ended(&mut self, reason: Reason) {
        let id = self.other(MetricKind::Counter, format!("ended.{}", reason.code()));
        increment(id);
    }

    /// Sets `observing`.
    pub(super) fn note_observing(&mut self, observes: bool) {
        if let Some(id) = self.other(MetricKind::Gauge, "observing".to_owned()) {
            let _ = abi::record_metric(id, observes.into());
        }
    }

    /// Adds one to `<what>.<provider>.<outcome>`.
    pub(super) fn count_callout(&mut self, what: &str, provider: &str, outcome: &str) {
        let id = self.other(MetricKind::Counter, format!("{what}.{}.{outcome}", part(provider)));
        increment(id);
    }

    /// Adds to `cache.<what>`.
    pub(super) fn count_cache(&mut self, what: &str, by: u64) {
        if let Some(id) = self.other(MetricKind::Counter, format!("cache.{what}")) {
            let _ = abi::increment_metric(id, i64::try_from(by).unwrap_or(i64::MAX));
        }
    }

    /// Sets `keys.<provider>.last_success_seconds`.
    pub(super) fn note_keys(&mut self, provider: &str, seconds: i64) {
        if let Some(id) = self.other(MetricKind::Gauge, format!("keys.{}.last_success_seconds", part(provider))) {
            let _ = abi::record_metric(id, seconds.cast_unsigned());
        }
    }

    fn other(&mut self, kind: MetricKind, name: String) -> Option<u32> {
        if let Some((_, id)) = self.others.iter().find(|(own, _)| *own == name) {
            return Some(*id);
        }
        let id = self.define(kind, &name)?;
        self.others.push((name, id));
        Some(id)
    }

    fn define(&self, kind: MetricKind, name: &str) -> Option<u32> {
        define(&self.prefix, kind, name)
    }
}

fn define(prefix: &str, kind: MetricKind, name: &str) -> Option<u32> {
    abi::define_metric(kind, &format!("{prefix}.{name}")).ok()
}

fn count(prefix: &str, what: &str, reasons: &mut Reasons, reason: Reason) {
    if let Some(place) = reasons.get_mut(reason as usize) {
        *place = place.or_else(|| define(prefix, MetricKind::Counter, &format!("{what}.{}", reason.code())));
        increment(*place);
    }
}

/// A metric that can't be counted is no reason to stop.
fn increment(id: Option<u32>) {
    if let Some(id) = id {
        let _ = abi::increment_metric(id, 1);
    }
}

/// A name as one part of a metric's name.
fn part(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '_' }).collect()
}
