//! Everything at once for half an hour: good, bad, huge and hostile requests, as many as the machine gives, over HTTP/1.1 and HTTP/2, with TLS and
//! without, while the identity provider changes its keys and clients leave. What has to become of each request is known and looked at, at the client
//! and at the service. `make soak MINUTES=30` runs it.
//!
//! It fails on any wrong verdict, on any line at warning or above in Envoy's log, on a VM that died, and on memory that grows.

#![cfg(target_os = "linux")]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a program that can't go on ends"
)]

mod attempt;
mod callers;
mod credentials;
mod dice;
mod house;
mod kinds;
mod memory;
mod policy;
mod rehearsal;
mod rotation;
mod tally;

use callers::Load;
use credentials::{Generation, Users};
use house::House;
use kinds::{Member, Via, World};
use memory::Sample;
use portcullis_harness::Envoy;
use std::env;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tally::Tally;

/// A line is printed so often.
const INTERVAL: Duration = Duration::from_secs(10);
/// Memory is looked at so often.
const SAMPLED: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let setting = |name: &str, default: f64| match env::var(name) {
        Ok(text) if !text.is_empty() => text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")),
        _ => default,
    };
    let time = Duration::from_secs_f64(setting("MINUTES", 30.0) * 60.0);
    let seed = setting("SEED", 1.0) as u64;
    let kinds = kinds::all();
    let tally = Arc::new(Tally::new(&kinds));
    let first = Arc::new(Generation::new(1));
    let house = House::start(&first, &tally);
    let world = World { users: Users::new(first) };
    let mut faults = rehearsal::run(&house, &world, &kinds, &tally);
    if faults.is_empty() {
        faults = soak(time, seed, &house, &world, &kinds, &tally);
    }
    for fault in &faults {
        println!("FAILED: {fault}");
    }
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What was wrong in the end.
fn soak(time: Duration, seed: u64, house: &House, world: &World, kinds: &[kinds::Kind], tally: &Tally) -> Vec<String> {
    let envoy = &house.stage.envoy;
    let (is_over, rotations) = (AtomicBool::new(false), AtomicU32::new(0));
    let load = Load { house, world, kinds, tally, is_over: &is_over };
    let mut samples = Vec::new();
    thread::scope(|scope| {
        let plain = |http2| Via { http2, member: None };
        let over_tls = |http2, member| Via { http2, member: Some(member) };
        let mut seeds = (0..).map(|number| seed.wrapping_mul(1000).wrapping_add(number));
        let mut next = || seeds.next().unwrap_or_default();
        for _ in 0..16 {
            let seed = next();
            scope.spawn(move || load.one_by_one(plain(false), seed));
        }
        for _ in 0..3 {
            let seed = next();
            scope.spawn(move || load.together(plain(true), seed));
        }
        for member in [Member::Alice, Member::Alice, Member::Bob, Member::Carol, Member::Nobody] {
            let seeds = [next(), next()];
            scope.spawn(move || load.one_by_one(over_tls(false, member), seeds[0]));
            scope.spawn(move || load.together(over_tls(true, member), seeds[1]));
        }
        for via in [plain(false), plain(true), over_tls(false, Member::Alice), over_tls(true, Member::Nobody)] {
            let seed = next();
            scope.spawn(move || load.leave(via, seed));
        }
        scope.spawn(|| rotation::run(house, &world.users, &is_over, &rotations));
        watch(time, house, tally, &mut samples);
        is_over.store(true, Ordering::Relaxed);
    });
    let (memory, growth) = memory::judge(&samples);
    let (requests, wrong) = (tally.requests(), tally.wrong());
    tally.print(kinds);
    println!("\n{memory}");
    println!(
        "{requests} requests in {:.1} minutes, {wrong} wrong verdicts; {} rotations of keys, {} fetches of the set",
        time.as_secs_f64() / 60.0,
        rotations.load(Ordering::Relaxed),
        house.stage.identity_provider.fetch_count()
    );
    let mut faults: Vec<String> = growth.into_iter().collect();
    if wrong > 0 {
        faults.push(format!("{wrong} wrong verdicts"));
    }
    let missing = tally.missing(kinds);
    if !missing.is_empty() && time >= Duration::from_secs(60) {
        faults.push(format!("never sent: {missing:?}"));
    }
    faults.extend(unexpected(envoy).into_iter().take(20).map(|line| format!("Envoy's log: {line}")));
    let reloads: u64 = envoy.stats().iter().filter(|(name, _)| name.contains("vm_reload")).map(|(_, count)| count).sum();
    if reloads > 0 {
        faults.push(format!("a VM died: {reloads} reloads"));
    }
    faults
}

/// Prints how it goes, until the time is over.
fn watch(time: Duration, house: &House, tally: &Tally, samples: &mut Vec<Sample>) {
    let envoy = &house.stage.envoy;
    let start = Instant::now();
    let (mut next, mut before) = (INTERVAL, 0);
    let mut next_sample = SAMPLED;
    while start.elapsed() < time {
        thread::sleep(Duration::from_millis(100));
        // They keep what they got, for tests.
        house.stage.upstream.forget();
        house.login.forget();
        if start.elapsed() >= next_sample {
            next_sample += SAMPLED;
            samples.push(Sample::take(envoy, start.elapsed()));
        }
        if start.elapsed() >= next
            && let Some(sample) = samples.last()
        {
            next += INTERVAL;
            let requests = tally.requests();
            println!(
                "{:5} s: {requests} requests ({} a second), {} wrong, {} lines unexpected; {}",
                start.elapsed().as_secs(),
                (requests - before) / INTERVAL.as_secs(),
                tally.wrong(),
                unexpected(envoy).len(),
                sample.text()
            );
            before = requests;
        }
    }
}

/// What Envoy says at its start to everybody who hasn't said how many connections may be open.
const EXPECTED: &str = "There is no configured limit to the number of allowed active downstream connections";

/// Lines of Envoy's log at warning or above, but for the expected one.
fn unexpected(envoy: &Envoy) -> Vec<String> {
    let text = envoy.log().text();
    let is_loud = |line: &&str| ["[warning]", "[error]", "[critical]"].iter().any(|level| line.contains(level));
    text.lines().filter(is_loud).filter(|line| !line.contains(EXPECTED)).map(str::to_owned).collect()
}
