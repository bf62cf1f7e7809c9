//! Runs one of the configurations under `envoy/` as it is shipped, with stand-ins for what it needs, and shows what passes
//! and what doesn't: the quickstart, or the one that `SYSTEM` names. With `ONCE=1` it then stops, and fails if a verdict
//! was not the expected one.
//!
//! Keys, secrets and certificates are fresh in each run, but for a `jwt.hex` that is there. Nothing leaves the machine.

mod carbon_engine;
mod cortex;
mod cyphernode;
mod ethereum_engine_api;
mod folder;
mod icebreaker_one;
mod quickstart;
mod system;
mod visit;

use folder::Folder;
use portcullis_harness::{Envoy, target_directory};
use std::process::ExitCode;
use system::System;
use visit::Visit;

/// The systems there are, by the names of their files under `envoy/`.
#[rustfmt::skip]
const SYSTEMS: &[(&str, Prepare)] = &[
    ("quickstart", quickstart::prepare),
    ("carbon-engine", carbon_engine::prepare),
    ("ethereum-engine-api", ethereum_engine_api::prepare),
    ("icebreaker-one", icebreaker_one::prepare),
    ("icebreaker-one-behind-proxy", icebreaker_one::prepare_behind_proxy),
    ("cyphernode", cyphernode::prepare),
    ("cortex", cortex::prepare),
];

/// Stands in notes for the address of the listener without TLS.
const LISTENER: &str = "{{http}}";

type Prepare = fn(&Folder) -> System;

fn main() -> ExitCode {
    let is_set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let once = is_set("ONCE").is_some_and(|once| once != "0");
    let name = is_set("SYSTEM").unwrap_or_else(|| "quickstart".to_owned());
    let Some((name, prepare)) = SYSTEMS.iter().find(|(known, _)| *known == name) else {
        let known: Vec<&str> = SYSTEMS.iter().map(|(known, _)| *known).collect();
        eprintln!("SYSTEM={name}: there are {}", known.join(", "));
        return ExitCode::FAILURE;
    };
    // Files that outlast the table are for the reader to use; others must not replace those of another run.
    let passing = tempfile::tempdir().expect("a temporary folder");
    let folder = Folder::new(if once { passing.path().to_path_buf() } else { target_directory().join("run").join(name) });
    let system = prepare(&folder);
    let envoy = match system.launch.try_start() {
        Ok(envoy) => envoy,
        Err(failure) => {
            eprintln!("{failure}");
            return ExitCode::FAILURE;
        }
    };

    let as_expected = show(&envoy, &system.visits);
    if once {
        return if as_expected { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }

    println!("\nTo try them yourself:\n");
    for visit in &system.visits {
        println!("# {}\n{}\n", visit.what, visit.curl(&envoy));
    }
    for note in &system.notes {
        // Not every configuration has a listener of this name.
        println!("{}", if note.contains(LISTENER) { note.replace(LISTENER, &envoy.listener("http").to_string()) } else { note.clone() });
    }
    println!("Metrics: curl -s http://{}/stats/prometheus | grep portcullis", envoy.admin_address());
    println!("Access log: {}", envoy.directory().join("access.log").display());
    println!("Envoy's log: {}", envoy.directory().join("envoy.log").display());
    println!("It runs until Ctrl-C.");
    wait_for_interrupt(|| keep_log(&envoy));
    ExitCode::SUCCESS
}

/// Makes the requests and prints a line for each; whether every verdict was the expected one.
fn show(envoy: &Envoy, visits: &[Visit]) -> bool {
    let wide = visits.iter().map(|visit| visit.what.len()).max().unwrap_or_default();
    println!("{:wide$}  {:7}  {:6}  why (from Envoy's access log)", "request", "verdict", "status");
    let mut as_expected = true;
    for visit in visits {
        let outcome = visit.make(envoy);
        let verdict = if outcome.allowed { "allowed" } else { "refused" };
        let mark = if outcome.allowed == visit.passes { "" } else { "  <- NOT EXPECTED" };
        println!("{:wide$}  {verdict:7}  {:6}  {}{mark}", visit.what, outcome.status, outcome.why);
        as_expected &= outcome.allowed == visit.passes;
    }
    as_expected
}

/// Envoy's log as a file: what Envoy writes comes here by a pipe.
fn keep_log(envoy: &Envoy) {
    let path = envoy.directory().join("envoy.log");
    if let Err(error) = std::fs::write(&path, envoy.log().text()) {
        eprintln!("{}: {error}", path.display());
    }
}

fn wait_for_interrupt(each_second: impl Fn()) {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a tokio runtime starts");
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).expect("signals can be waited for");
        let mut second = tokio::time::interval(std::time::Duration::from_secs(1));
        loop {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => return,
                _ = terminate.recv() => return,
                _ = second.tick() => each_second(),
            }
        }
    });
}
