//! Micro-benchmarks of the core: `cargo bench`, or `cargo bench -- NAME` for those of a name. Times are those of one request.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a program that can't go on ends"
)]

mod job;
mod scenario;

use criterion::{Bencher, Criterion, criterion_group, criterion_main};
use job::{Job, jobs};
use std::time::{Duration, Instant};

criterion_group! {
    name = core;
    config = Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2)).sample_size(20);
    targets = measure
}
criterion_main!(core);

fn measure(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("core");
    for job in jobs() {
        group.bench_function(&job.name, |bencher| time(&job, bencher));
    }
    group.finish();
}

/// Times whole runs, and says what one operation of them takes.
#[expect(clippy::cast_precision_loss, reason = "for people")]
fn time(job: &Job, bencher: &mut Bencher<'_>) {
    let mut run = (job.prepare)();
    bencher.iter_custom(|wanted| {
        let (mut operations, mut taken) = (0, Duration::ZERO);
        while operations < wanted {
            if job.runs_once {
                run = (job.prepare)();
            }
            let start = Instant::now();
            run();
            taken += start.elapsed();
            operations += u64::try_from(job.operations).expect("a small number");
        }
        taken.mul_f64(wanted as f64 / operations as f64)
    });
}
