//! Requests a second and how long each takes, by the number of workers and of connections. What sends them takes a core, too.

use crate::Failure;
use crate::envoy;
use crate::load::Load;
use crate::settings::Settings;
use crate::statistics::{median, quantile};
use crate::variant::Variant;
use serde_json::{Value, json};

const WORKERS: [u32; 2] = [1, 2];
const CONNECTIONS: [usize; 4] = [1, 10, 100, 1000];
const TURNS: usize = 5;
/// Requests of a turn; each connection has two at least.
const REQUESTS: usize = 4000;

/// The paths that this is measured on; tokens that never came before would be used up.
pub(crate) const PATHS: [&str; 4] = ["bare", "rs256-seen", "static", "jwt_authn-rs256"];

/// One row for each variant, number of workers and number of connections.
pub(crate) fn measure(settings: &Settings, variants: &[Variant]) -> Result<Vec<Value>, Failure> {
    let mut rows = Vec::new();
    for workers in WORKERS {
        let running = envoy::start(variants, workers)?;
        for connections in CONNECTIONS {
            eprintln!("throughput with {workers} workers and {connections} connections");
            let count = REQUESTS.max(2 * connections);
            let mut loads = Vec::new();
            for variant in variants {
                let mut load = Load::open(running.envoy.listener(variant.name), running.tls(variant), connections)?;
                load.send(settings.warm_up.max(2 * connections), variant.status, |number| variant.traffic.request(number))?;
                loads.push((variant, load, Vec::new()));
            }
            for _ in 0..TURNS {
                for (variant, load, turns) in &mut loads {
                    turns.push(load.send(count, variant.status, |number| variant.traffic.request(number))?);
                }
            }
            for (variant, _, turns) in loads {
                #[allow(clippy::cast_precision_loss, reason = "counts of some thousands")]
                let rates: Vec<f64> = turns.iter().map(|turn| count as f64 / turn.elapsed.as_secs_f64()).collect();
                let micros = |share| -> Vec<f64> {
                    let of =
                        |turn: &crate::load::Sent| turn.latencies.iter().map(|latency| latency.as_secs_f64() * 1e6).collect::<Vec<_>>();
                    turns.iter().map(|turn| quantile(&of(turn), share)).collect()
                };
                let (p50, p99) = (micros(0.5), micros(0.99));
                rows.push(json!({
                    "name": variant.name, "title": variant.title, "workers": workers, "connections": connections,
                    "requests_per_second": median(&rates), "p50_us": median(&p50), "p99_us": median(&p99),
                    "turns": {"requests_per_second": rates, "p50_us": p50, "p99_us": p99}
                }));
            }
        }
    }
    Ok(rows)
}
