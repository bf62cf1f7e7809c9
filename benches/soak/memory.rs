//! What Envoy holds in memory, and whether it stays so.

use crate::house::WORKERS;
use portcullis_harness::Envoy;
use std::fs;
use std::time::Duration;

const MIB: u64 = 1 << 20;

/// At one time.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) at: Duration,
    /// The resident set of Envoy.
    pub(crate) resident: u64,
    /// The linear memories of all VMs of the filter together.
    pub(crate) vms: u64,
}

impl Sample {
    pub(crate) fn take(envoy: &Envoy, at: Duration) -> Self {
        let status = fs::read_to_string(format!("/proc/{}/status", envoy.process_id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("Envoy runs");
        // The reasons stand in the memory of every VM of the filter.
        let vms = envoy.vm_memories(b"credential_ambiguous");
        // The main thread has one, too.
        assert!(vms.len() > WORKERS as usize, "{} VMs have been found", vms.len());
        Self { at, resident: kib * 1024, vms: vms.iter().map(|vm| vm.length()).sum() }
    }

    pub(crate) fn text(self) -> String {
        format!("Envoy {} MiB, VMs {:.1} MiB", self.resident / MIB, self.vms as f64 / MIB as f64)
    }
}

/// At 10 %, 50 % and 100 % of the time; what has grown, if anything.
pub(crate) fn judge(samples: &[Sample]) -> (String, Option<String>) {
    let whole = samples.last().map_or(Duration::ZERO, |last| last.at);
    let median_around = |share: f64, of: fn(&Sample) -> u64| {
        let mut near: Vec<_> = samples.iter().map(|sample| (sample.at.abs_diff(whole.mul_f64(share)), of(sample))).collect();
        near.sort_unstable();
        let mut nearest: Vec<u64> = near.iter().take(3).map(|(_, bytes)| *bytes).collect();
        nearest.sort_unstable();
        nearest[nearest.len() / 2]
    };
    let mut text = String::from("| | at 10 % | at 50 % | at 100 % |\n|---|---:|---:|---:|\n");
    let mut growth = None;
    // What an allocator keeps comes and goes; a leak of eight bytes for each request would be as much in half an hour.
    for (name, of, slack) in [
        ("Envoy's resident set", (|sample| sample.resident) as fn(&Sample) -> u64, 16 * MIB),
        ("all VMs of the filter", |sample| sample.vms, 2 * MIB),
    ] {
        let [early, middle, last] = [0.1, 0.5, 1.0].map(|share| median_around(share, of));
        let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / MIB as f64);
        text.push_str(&format!("| {name} | {} | {} | {} |\n", mib(early), mib(middle), mib(last)));
        let limit = middle + (middle / 20).max(slack);
        if last > limit {
            growth = Some(format!("{name} grew from {} to {}, more than {}", mib(middle), mib(last), mib(limit)));
        }
    }
    (text, growth)
}
