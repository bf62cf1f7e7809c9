//! Micro-benchmarks of the core: `cargo bench`, or `cargo bench -- NAME` for those of a name. Requests of a path are timed 64 at once.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a program that can't go on ends"
)]

mod job;
mod scenario;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::time::Duration;

criterion_group! {
    name = core;
    config = Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2)).sample_size(20);
    targets = measure
}
criterion_main!(core);

fn measure(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("core");
    for job in job::jobs() {
        group.throughput(Throughput::Elements(u64::try_from(job.operations).expect("a small number")));
        group.bench_function(&job.name, |bencher| {
            if job.runs_once {
                bencher.iter_batched_ref(&job.prepare, |run| run(), BatchSize::PerIteration);
            } else {
                let mut run = (job.prepare)();
                bencher.iter(&mut run);
            }
        });
    }
    group.finish();
}
