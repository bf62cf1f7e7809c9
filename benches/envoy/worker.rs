//! The CPU time of Envoy's workers, as the kernel counts it in nanoseconds.

use crate::Failure;
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

/// All workers of one Envoy.
pub(crate) struct Workers {
    /// `/proc/PID/task/TID/schedstat` of each.
    threads: Vec<PathBuf>,
}

impl Workers {
    /// Those of the process of this id, or of one that it started: func-e stays between.
    pub(crate) fn of(process: u32) -> Result<Self, Failure> {
        let (mut threads, mut children) = (Vec::new(), Vec::new());
        for entry in fs::read_dir(format!("/proc/{process}/task"))? {
            let task = entry?.path();
            if fs::read_to_string(task.join("comm"))?.starts_with("wrk:worker_") {
                threads.push(task.join("schedstat"));
            }
            let listed = fs::read_to_string(task.join("children")).unwrap_or_default();
            children.extend(listed.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
        if !threads.is_empty() {
            return Ok(Self { threads });
        }
        children.into_iter().find_map(|child| Self::of(child).ok()).ok_or_else(|| "Envoy has no worker".into())
    }

    /// The CPU time so far, once they have nothing left to do: the kernel counts when a thread leaves the CPU.
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
        for thread in &self.threads {
            let text = fs::read_to_string(thread).map_err(|why| format!("{}: {why}", thread.display()))?;
            sum += text.split_whitespace().next().ok_or("schedstat is empty")?.parse::<u64>()?;
        }
        Ok(Duration::from_nanos(sum))
    }
}
