//! `portcullis import`: from another system's configuration to the filter's.

mod carbon_engine;
mod cyphernode;

use clap::{Args, Subcommand};

use crate::report::{Failure, Report};

/// Turn another system's configuration into the plugin's
///
/// The YAML on standard output goes below `value:` in the plugin's `configuration: {"@type":
/// type.googleapis.com/google.protobuf.Struct, value: ...}`. The filter's own loader has read it before it is printed; what that would
/// refuse is never printed.
#[derive(Args)]
pub(crate) struct Import {
    #[command(subcommand)]
    system: System,
}

#[derive(Subcommand)]
enum System {
    CarbonEngine(carbon_engine::CarbonEngine),
    Cyphernode(cyphernode::Cyphernode),
}

impl Import {
    pub(crate) fn run(&self) -> Result<Report, Failure> {
        match &self.system {
            System::CarbonEngine(system) => system.run(),
            System::Cyphernode(system) => system.run(),
        }
    }
}
