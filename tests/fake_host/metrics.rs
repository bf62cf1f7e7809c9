//! Metrics: a definition makes a new number each time, as Envoy's does.

use super::host::{BAD_ARGUMENT, NOT_FOUND, Status};

const COUNTER: u32 = 0;

/// The metrics of one VM.
#[derive(Default)]
pub(crate) struct Metrics(Vec<Metric>);

struct Metric {
    kind: u32,
    name: String,
    value: u64,
}

impl Metrics {
    pub(super) fn define(&mut self, kind: u32, name: &[u8]) -> Result<u32, Status> {
        self.0.push(Metric { kind, name: String::from_utf8_lossy(name).into_owned(), value: 0 });
        Ok(u32::try_from(self.0.len()).unwrap())
    }

    pub(super) fn get(&mut self, id: u32) -> Result<u64, Status> {
        self.metric(id).map(|metric| metric.value)
    }

    pub(super) fn record(&mut self, id: u32, value: u64) -> Result<(), Status> {
        let metric = self.metric(id)?;
        if metric.kind == COUNTER {
            return Err(BAD_ARGUMENT);
        }
        metric.value = value;
        Ok(())
    }

    /// Envoy refuses to add nothing, or less, to a counter.
    pub(super) fn increment(&mut self, id: u32, offset: i64) -> Result<(), Status> {
        let metric = self.metric(id)?;
        if metric.kind == COUNTER && offset <= 0 {
            return Err(BAD_ARGUMENT);
        }
        metric.value = metric.value.saturating_add_signed(offset);
        Ok(())
    }

    fn metric(&mut self, id: u32) -> Result<&mut Metric, Status> {
        let at = usize::try_from(id).unwrap().checked_sub(1).ok_or(NOT_FOUND)?;
        self.0.get_mut(at).ok_or(NOT_FOUND)
    }

    /// What all metrics of this name add up to; `None` where none was defined.
    pub(crate) fn value(&self, name: &str) -> Option<u64> {
        let of_name = self.0.iter().filter(|metric| metric.name == name);
        of_name.map(|metric| metric.value).reduce(|a, b| a + b)
    }

    /// How often this name was defined: more than once per root context is a leak.
    pub(crate) fn definitions(&self, name: &str) -> usize {
        self.0.iter().filter(|metric| metric.name == name).count()
    }

    /// Every name that was defined.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.0.iter().map(|metric| metric.name.as_str()).collect()
    }
}
