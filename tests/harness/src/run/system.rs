//! A shipped configuration with all that it needs to run.

use crate::visit::Visit;
use portcullis_harness::Launch;
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
