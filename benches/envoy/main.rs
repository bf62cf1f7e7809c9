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

mod connection;
mod envoy;
mod filters;
mod goal;
mod load;
mod policy;
mod request;
mod rounds;
mod settings;
mod statistics;
mod table;
mod tokens;
mod variant;
mod variants;
mod worker;

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
    let variants = variants::chosen(&settings)?;
    let results = rounds::run(&settings, &variants)?;
    println!("{}", table::paths(&settings, &variants, &results));
    Ok(())
}
