//! What an Envoy holds in memory: at rest, after many requests, and for each client, key and rule. Every Envoy here is one of its own.

use crate::Failure;
use crate::envoy;
use crate::filters::jwt_authn;
use crate::load::Load;
use crate::policy;
use crate::process::Process;
use crate::settings::Settings;
use crate::statistics::median;
use crate::tokens::tokens;
use crate::variant::{Traffic, Variant};
use crate::variants::{empty, ours};
use portcullis_harness::{Algorithm, Key};
use serde_json::{Value, json};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// Twice as many tokens as a cache holds, in rotation: none of them is there when it comes again, and each takes another's place.
const TOKENS: usize = 20_000;
const CONNECTIONS: usize = 10;

/// One row for each Envoy: its memory in bytes.
pub(crate) fn measure(settings: &Settings) -> Result<Vec<Value>, Failure> {
    let (rsa, hmac) = (Key::fixed(Algorithm::RS256, 1), Key::fixed(Algorithm::HS256, 1));
    let sets = |count| (1..=count).map(|number| Key::fixed(Algorithm::ES256, number)).collect::<Vec<_>>();
    let nothing = Traffic::bare;
    let seen = Traffic::bearer(&tokens(&rsa, 0, 1)[0]);
    let cycle = || Traffic::Cycle(Arc::new(tokens(&hmac, 0, TOKENS)));
    let native = |name, title, has_cache| Variant::new(name, title, vec![jwt_authn(std::slice::from_ref(&hmac), has_cache)], cycle());
    let by_secret = policy::jwt_by_secret(&hmac);
    let rest = [
        Variant::new("bare", "no filter", vec![], nothing()),
        Variant::new("empty", "an empty Wasm filter", vec![empty()], nothing()),
        ours("portcullis", "portcullis, RS256", policy::jwt_by_set(std::slice::from_ref(&rsa)), seen),
        ours(
            "static-10000",
            "portcullis, 10,000 clients by static secret",
            policy::static_secrets(10_000),
            Traffic::bearer(&policy::secret(0)),
        ),
        ours(
            "hs256-10000",
            "portcullis, 10,000 clients by HS256",
            policy::jwt_by_caller(10_000),
            Traffic::bearer(&tokens(&policy::caller_key(0), 0, 1)[0]),
        ),
        ours("keys-100", "portcullis, 100 keys by ES256", policy::jwt_by_set(&sets(100)), Traffic::bearer(&tokens(&sets(1)[0], 0, 1)[0])),
        ours("rules-1000", "portcullis, 1000 rules", policy::rules(1000, "path_prefix"), Traffic::bearer(&policy::secret(0))),
    ];
    let mut rows = Vec::new();
    for variant in rest {
        rows.push(row(variant, &[1, 2], 0)?);
    }
    for variant in [
        ours("portcullis-many", "portcullis, HS256, its cache full", by_secret, cycle()),
        native("jwt_authn-many", "jwt_authn, HS256, its cache full", true),
    ] {
        rows.push(row(variant, &[1], settings.many)?);
    }
    Ok(rows)
}

fn row(variant: Variant, workers: &[u32], requests: usize) -> Result<Value, Failure> {
    eprintln!("memory: {}", variant.title);
    let mut bytes = serde_json::Map::new();
    let (name, title) = (variant.name, variant.title);
    let variants = [variant];
    for workers in workers {
        let running = envoy::start(&variants, *workers)?;
        let process = Process::envoy(running.envoy.process_id())?;
        let mut load = Load::open(running.envoy.listener(name), None, CONNECTIONS)?;
        let traffic = &variants[0].traffic;
        load.send(CONNECTIONS, 200, |number| traffic.request(number))?;
        let mut done = CONNECTIONS;
        while done < requests {
            let count = TOKENS.min(requests - done);
            load.send(count, 200, |number| traffic.request(done + number))?;
            done += count;
        }
        bytes.insert(workers.to_string(), json!(settled(&process)?));
    }
    Ok(json!({"name": name, "title": title, "requests": requests, "bytes_by_workers": bytes}))
}

/// What it holds when it has been idle for a moment: V8 gives back what compiling took.
fn settled(process: &Process) -> Result<f64, Failure> {
    let mut samples = Vec::new();
    for _ in 0..5 {
        thread::sleep(Duration::from_millis(300));
        #[allow(clippy::cast_precision_loss, reason = "no Envoy holds petabytes")]
        samples.push(process.memory()? as f64);
    }
    Ok(median(&samples))
}
