//! What became of the requests.

use crate::attempt::Attempt;
use crate::kinds::{Group, Kind, Via};
use portcullis_harness::{ClientError, Received, Response};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// So many wrong ones are printed whole.
const SHOWN: u64 = 10;

pub(crate) struct Tally {
    counts: Vec<AtomicU64>,
    wrong: AtomicU64,
    by_kind: Mutex<BTreeMap<&'static str, u64>>,
    /// Requests whose clients left.
    pub(crate) left: AtomicU64,
    /// The next leak is made on purpose.
    leaks_next: AtomicBool,
}

impl Tally {
    pub(crate) fn new(kinds: &[Kind]) -> Self {
        Self {
            counts: kinds.iter().map(|_| AtomicU64::new(0)).collect(),
            wrong: AtomicU64::new(0),
            by_kind: Mutex::default(),
            left: AtomicU64::new(0),
            leaks_next: AtomicBool::new(false),
        }
    }

    pub(crate) fn judge(&self, index: usize, kind: &Kind, via: Via, attempt: &Attempt, outcome: &Result<Response, ClientError>) {
        self.counts[index].fetch_add(1, Ordering::Relaxed);
        if let Some(fault) = attempt.fault(outcome) {
            self.complain(kind.name, || {
                format!("{:?}, {}, {via:?}: {fault}\n{}\n{}", kind.group, kind.name, attempt.to_text(), told(outcome))
            });
        }
    }

    /// The service got what it should never have got.
    pub(crate) fn leak(&self, received: &Received) {
        if self.leaks_next.swap(false, Ordering::SeqCst) {
            return;
        }
        self.complain("reached the service", || format!("the service got {}", received.to_json()));
    }

    /// Whether a leak is noticed that this makes.
    pub(crate) fn notices(&self, leak: impl FnOnce()) -> bool {
        self.leaks_next.store(true, Ordering::SeqCst);
        leak();
        !self.leaks_next.swap(false, Ordering::SeqCst)
    }

    pub(crate) fn complain(&self, kind: &'static str, what: impl FnOnce() -> String) {
        if self.wrong.fetch_add(1, Ordering::SeqCst) < SHOWN {
            println!("WRONG: {}\n", what());
        }
        *self.by_kind.lock().unwrap_or_else(PoisonError::into_inner).entry(kind).or_default() += 1;
    }

    pub(crate) fn requests(&self) -> u64 {
        self.counts.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    pub(crate) fn wrong(&self) -> u64 {
        self.wrong.load(Ordering::SeqCst)
    }

    /// The table of the end.
    pub(crate) fn print(&self, kinds: &[Kind]) {
        println!("\n| requests | kind | | wrong |\n|---:|---|---|---:|");
        let wrong = self.by_kind.lock().unwrap_or_else(PoisonError::into_inner);
        for group in Group::ALL {
            for (kind, count) in kinds.iter().zip(&self.counts).filter(|(kind, _)| kind.group == group) {
                let bad = wrong.get(kind.name).copied().unwrap_or_default();
                println!("| {} | {group:?} | {} | {bad} |", count.load(Ordering::Relaxed), kind.name);
            }
        }
        println!("| {} | | clients that left | |", self.left.load(Ordering::Relaxed));
        for (kind, count) in wrong.iter().filter(|(name, _)| !kinds.iter().any(|kind| kind.name == **name)) {
            println!("| | | {kind} | {count} |");
        }
    }

    /// Kinds that never came.
    pub(crate) fn missing(&self, kinds: &[Kind]) -> Vec<&'static str> {
        kinds.iter().zip(&self.counts).filter(|(_, count)| count.load(Ordering::Relaxed) == 0).map(|(kind, _)| kind.name).collect()
    }
}

fn told(outcome: &Result<Response, ClientError>) -> String {
    match outcome {
        Ok(response) => format!("< {}\n{}", response.status, response.text()),
        Err(error) => format!("< {error}"),
    }
}
