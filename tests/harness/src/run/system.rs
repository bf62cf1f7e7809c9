//! A shipped configuration with all that it needs to run.

use crate::visit::Visit;
use portcullis_harness::{Example, Launch, portcullis_wasm};
use std::any::Any;

/// One of them, ready to start.
pub(crate) struct System {
    /// Envoy, not started yet.
    pub(crate) launch: Launch,
    /// The requests to show.
    pub(crate) visits: Vec<Visit>,
    /// What else to print, below the `curl` lines.
    pub(crate) notes: Vec<String>,
    /// The stand-ins: they run as long as this is kept.
    pub(crate) _stand_ins: Vec<Box<dyn Any>>,
}

/// The shipped file with the module under test, on loopback alone, with ports that are free; its access log stands beside Envoy's own.
///
/// Its listeners have the ports that are named here; those of the stand-ins are left to the caller.
pub(crate) fn shipped(name: &str, listeners: &[u16]) -> Example {
    let example = Example::load(name)
        .replace("/dev/stdout", "{{directory}}/access.log")
        .replace("/etc/envoy/portcullis.wasm", &portcullis_wasm().to_string_lossy())
        .replace("address: 0.0.0.0", "address: 127.0.0.1")
        .port(9901, 0);
    listeners.iter().fold(example, |example, port| example.port(*port, 0))
}
