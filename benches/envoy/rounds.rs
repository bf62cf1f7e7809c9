//! In each round every variant has a turn, in an order that changes: what else the machine does hits all of them alike.

use crate::Failure;
use crate::envoy::{self, Running};
use crate::load::Load;
use crate::process::{Process, Threads};
use crate::settings::Settings;
use crate::statistics::{least, median, quantile};
use crate::variant::Variant;
use std::collections::HashMap;
use std::time::Duration;

/// What the turns of one variant gave, in their order.
#[derive(Default)]
pub(crate) struct Turns {
    /// CPU time of the worker for a request, in microseconds.
    pub(crate) cpu: Vec<f64>,
    /// The same over the floor in the same round.
    pub(crate) over: Vec<f64>,
    /// CPU time of a helper for a request, in microseconds.
    pub(crate) beside: Vec<f64>,
    /// Requests a second.
    pub(crate) rate: Vec<f64>,
    /// Half of the requests took at most so many microseconds.
    pub(crate) p50: Vec<f64>,
    /// 99 of 100 requests took at most so many microseconds.
    pub(crate) p99: Vec<f64>,
}

impl Turns {
    /// The median cost over the floor; of a floor itself all that it costs.
    pub(crate) fn cost(&self) -> f64 {
        if self.over.is_empty() { median(&self.cpu) } else { median(&self.over) }
    }

    /// The difference of the least that either took.
    pub(crate) fn least_over(&self, floor: &Self) -> f64 {
        least(&self.cpu) - least(&floor.cpu)
    }
}

/// By the variants' names.
pub(crate) type Results = HashMap<&'static str, Turns>;

pub(crate) fn run(settings: &Settings, variants: &[Variant]) -> Result<Results, Failure> {
    let running = envoy::start(variants, 1)?;
    let workers = Process::envoy(running.envoy.process_id())?.workers()?;
    let mut bench = Bench { settings, workers, lanes: lanes(settings, variants, &running)? };
    for (index, variant) in variants.iter().enumerate() {
        bench.send(index, variant, settings.warm_up(variant))?;
    }
    let mut results: Results = variants.iter().map(|variant| (variant.name, Turns::default())).collect();
    let mut order: Vec<usize> = (0..variants.len()).collect();
    let mut random = 0x9e37_79b9_7f4a_7c15;
    for round in 0..settings.rounds {
        shuffle(&mut order, &mut random);
        for index in &order {
            bench.turn(*index, &variants[*index], results.entry(variants[*index].name).or_default())?;
        }
        for variant in variants {
            let Some(floor) = variant.over else { continue };
            let over = results[variant.name].cpu[round] - results[floor].cpu[round];
            results.entry(variant.name).or_default().over.push(over);
        }
        if (round + 1) % 10 == 0 {
            eprintln!("round {} of {}", round + 1, settings.rounds);
        }
    }
    Ok(results)
}

struct Bench<'a> {
    settings: &'a Settings,
    workers: Threads,
    lanes: Vec<Lane>,
}

/// The connections to one listener.
struct Lane {
    load: Load,
    /// How many requests it has had.
    sent: usize,
    helper: Option<Threads>,
}

fn lanes(settings: &Settings, variants: &[Variant], running: &Running) -> Result<Vec<Lane>, Failure> {
    let open = |variant: &Variant| {
        let load = Load::open(running.envoy.listener(variant.name), running.tls(variant), settings.connections)?;
        let helper = variant.helper.map(|helper| Threads::own(helper.thread)).transpose()?;
        Ok(Lane { load, sent: 0, helper })
    };
    variants.iter().map(open).collect()
}

impl Bench<'_> {
    fn send(&mut self, index: usize, variant: &Variant, count: usize) -> Result<crate::load::Sent, Failure> {
        let lane = &mut self.lanes[index];
        let first = lane.sent;
        lane.sent += count;
        lane.load
            .send(count, variant.status, |number| variant.traffic.request(first + number))
            .map_err(|failure| format!("{}: {failure}", variant.name).into())
    }

    #[allow(clippy::cast_precision_loss, reason = "counts of some thousands")]
    fn turn(&mut self, index: usize, variant: &Variant, turns: &mut Turns) -> Result<(), Failure> {
        let count = self.settings.turn(variant);
        let micros = |spent: Duration| spent.as_secs_f64() * 1e6 / count as f64;
        let helped = |lane: &Lane| lane.helper.as_ref().map(Threads::cpu_time).transpose();
        let before = (self.workers.cpu_time()?, helped(&self.lanes[index])?);
        let sent = self.send(index, variant, count)?;
        turns.cpu.push(micros(self.workers.cpu_time()?.saturating_sub(before.0)));
        turns.beside.extend(helped(&self.lanes[index])?.zip(before.1).map(|(after, before)| micros(after.saturating_sub(before))));
        turns.rate.push(count as f64 / sent.elapsed.as_secs_f64());
        let latencies: Vec<f64> = sent.latencies.iter().map(|latency| latency.as_secs_f64() * 1e6).collect();
        turns.p50.push(median(&latencies));
        turns.p99.push(quantile(&latencies, 0.99));
        Ok(())
    }
}

/// Fisher and Yates, with xorshift for random numbers: the order is another one in each round, and the same in each run.
fn shuffle(order: &mut [usize], random: &mut u64) {
    for last in (1..order.len()).rev() {
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        order.swap(last, usize::try_from(*random % (last as u64 + 1)).unwrap_or_default());
    }
}
