//! What the kernel knows of a process: its threads' CPU time in nanoseconds, and its memory.

use crate::Failure;
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

/// How Envoy names the threads that serve requests.
const WORKER: &str = "wrk:worker_";

/// A running Envoy, whoever started it.
pub(crate) struct Process {
    id: u32,
}

impl Process {
    /// The process of this id, or the one that it started: func-e stays between.
    pub(crate) fn envoy(id: u32) -> Result<Self, Failure> {
        if !tasks(id, WORKER)?.is_empty() {
            return Ok(Self { id });
        }
        let mut children = Vec::new();
        for task in tasks(id, "")? {
            let listed = fs::read_to_string(task.join("children")).unwrap_or_default();
            children.extend(listed.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
        children.into_iter().find_map(|child| Self::envoy(child).ok()).ok_or_else(|| "Envoy has no worker".into())
    }

    /// Its workers.
    pub(crate) fn workers(&self) -> Result<Threads, Failure> {
        Ok(Threads(tasks(self.id, WORKER)?))
    }

    /// Its proportional set size in bytes: what would be free without it.
    pub(crate) fn memory(&self) -> Result<u64, Failure> {
        let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.id))?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).ok_or("smaps_rollup has no Pss")?;
        let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib * 1024)
    }
}

/// Some threads of a process.
pub(crate) struct Threads(Vec<PathBuf>);

impl Threads {
    /// This process's own threads of that name.
    pub(crate) fn own(name: &str) -> Result<Self, Failure> {
        Ok(Self(tasks(std::process::id(), name)?))
    }

    /// Their CPU time so far, once they have nothing left to do: the kernel counts when a thread leaves the CPU.
    pub(crate) fn cpu_time(&self) -> Result<Duration, Failure> {
        let end = Instant::now() + Duration::from_secs(10);
        let mut last = Duration::ZERO;
        loop {
            thread::sleep(Duration::from_micros(500));
            let now = self.counted()?;
            if now == last {
                return Ok(now);
            }
            if Instant::now() > end {
                return Err("Envoy's workers never rest".into());
            }
            last = now;
        }
    }

    fn counted(&self) -> Result<Duration, Failure> {
        let mut sum = 0;
        for thread in &self.0 {
            let text = fs::read_to_string(thread.join("schedstat")).map_err(|why| format!("{}/schedstat: {why}", thread.display()))?;
            sum += text.split_whitespace().next().ok_or("schedstat is empty")?.parse::<u64>()?;
        }
        Ok(Duration::from_nanos(sum))
    }
}

/// The folders of a process's threads whose names begin so.
fn tasks(process: u32, name: &str) -> Result<Vec<PathBuf>, Failure> {
    let mut tasks = Vec::new();
    for entry in fs::read_dir(format!("/proc/{process}/task"))? {
        let task = entry?.path();
        // A thread may end while this looks.
        if fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.starts_with(name)) {
            tasks.push(task);
        }
    }
    Ok(tasks)
}
