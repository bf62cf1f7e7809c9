//! The command line tool: it makes keys, turns what other systems are configured with into a configuration of the filter, and says why it refuses.

#![forbid(unsafe_code)]

mod env_file;
mod import;
mod key;
mod new_file;
mod reasons;
mod report;
mod yaml;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use report::{Failure, Report};

/// What surrounds the portcullis filter for Envoy: its configuration and its keys.
///
/// Results go to standard output, all else to standard error. The exit status is 0, 1 where something is wrong with what was
/// given, and 2 where the command line can't be understood.
#[derive(Parser)]
#[command(name = "portcullis", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Import(import::Import),
    Key(key::Key),
    Reasons(reasons::Reasons),
}

impl Command {
    fn run(&self) -> Result<Report, Failure> {
        match self {
            Self::Import(import) => import.run(),
            Self::Key(key) => key.run(),
            Self::Reasons(reasons) => reasons.run(),
        }
    }
}

fn main() -> ExitCode {
    let outcome = Cli::parse().command.run();
    let (notes, status) = match &outcome {
        Ok(report) => (&report.notes, ExitCode::SUCCESS),
        Err(Failure(lines)) => (lines, ExitCode::FAILURE),
    };
    for note in notes {
        // Nobody is left to be told where standard error is closed.
        let _ = writeln!(std::io::stderr(), "{note}");
    }
    let output = outcome.as_ref().map(|report| report.output.as_str()).unwrap_or_default();
    match std::io::stdout().write_all(output.as_bytes()) {
        Ok(()) => status,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "standard output: {error}");
            ExitCode::FAILURE
        }
    }
}
