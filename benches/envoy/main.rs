//! What a request costs an Envoy worker: this filter on each of its paths, beside a bare listener, an empty Wasm filter and what Envoy has of its own.
//! `make bench` runs it; README.md beside this file says how to read what it prints.

#![cfg(target_os = "linux")]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "a program that can't go on ends"
)]

mod calls;
mod chart;
mod connection;
mod envoy;
mod ext_authz;
mod filters;
mod goal;
mod load;
mod machine;
mod memory;
mod policy;
mod process;
mod report;
mod request;
mod rounds;
mod scale;
mod settings;
mod start;
mod statistics;
mod table;
mod throughput;
mod tokens;
mod variant;
mod variants;

use serde_json::json;
use settings::Settings;
use std::process::ExitCode;

/// Whatever went wrong; there is nothing to do about it but to say so.
type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let settings = Settings::from_environment()?;
    let machine = machine::facts();
    let paths = variants::chosen(&settings)?;
    let calls = calls::chosen(&settings)?;
    let scale = scale::chosen(&settings)?;
    let mut report = json!({
        "machine": machine,
        "settings": {"rounds": settings.rounds, "requests": settings.requests, "connections": settings.connections}
    });
    for (part, variants) in [("paths", &paths), ("calls", &calls), ("scale", &scale)] {
        if !variants.is_empty() {
            report[part] = report::rows(variants, &rounds::run(&settings, variants)?).into();
        }
    }
    if settings.is_wanted("throughput") {
        report["throughput"] = throughput::measure(&settings, &variants::of_names(&throughput::PATHS)?)?.into();
    }
    if settings.is_wanted("memory") {
        report["memory"] = memory::measure(&settings)?.into();
    }
    if settings.is_wanted("start") {
        report["start"] = start::measure()?.into();
    }
    report::publish(&settings, &report)
}
