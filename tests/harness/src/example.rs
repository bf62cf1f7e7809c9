//! The shipped Envoy configurations, run as they are.

use crate::envoy::Launch;
use crate::envoy_binary::workspace;
use crate::plugin::portcullis_wasm;
use std::fs;

/// A shipped configuration. What differs between a user's machine and a test (ports, addresses, paths) is replaced in
/// its text, so that Envoy reads everything else exactly as it is shipped.
///
/// ```no_run
/// use portcullis_harness::{Authority, Case, Example, IdentityProvider, RunningStage, Upstream};
/// let (upstream, identity_provider) = (Upstream::start(), IdentityProvider::start());
/// let launch = Example::shipped("envoy/cortex.yaml", &[10000])
///     .port(9080, upstream.address().port())
///     .port(13080, upstream.address().port())
///     .port(8081, identity_provider.address().port())
///     .launch();
/// let stage = RunningStage::around(launch, upstream, identity_provider, Authority::new("servers"));
/// stage.check([Case::get("/cortex").expect(401).reason("credential_missing")]);
/// ```
pub struct Example {
    name: String,
    text: String,
}

impl Example {
    /// Reads one, by its path from the workspace's root.
    ///
    /// # Panics
    /// If it can't be read.
    pub fn load(name: &str) -> Self {
        let path = workspace().join(name);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self { name: name.to_owned(), text }
    }

    /// Reads one, with the module under test, on loopback alone, with free ports for these listeners and the admin interface, and its access log beside
    /// Envoy's own. The ports of clusters are left to [`Example::port`].
    ///
    /// # Panics
    /// If it can't be read, or has no such port.
    pub fn shipped(name: &str, listeners: &[u16]) -> Self {
        let example = Self::load(name)
            .replace("/dev/stdout", "{{directory}}/access.log")
            .replace("/etc/envoy/portcullis.wasm", &portcullis_wasm().to_string_lossy())
            .replace("address: 0.0.0.0", "address: 127.0.0.1")
            .port(9901, 0);
        listeners.iter().fold(example, |example, port| example.port(*port, 0))
    }

    /// Replaces a text, wherever it stands.
    ///
    /// # Panics
    /// If it stands nowhere: then the test and the example have parted.
    #[must_use]
    pub fn replace(mut self, from: &str, to: &str) -> Self {
        assert!(self.text.contains(from), "{} has no {from:?}", self.name);
        self.text = self.text.replace(from, to);
        self
    }

    /// Replaces a port, wherever it stands as `port_value`: a listener's by 0, a cluster's by the one to be reached.
    ///
    /// # Panics
    /// If there is no such port.
    #[must_use]
    pub fn port(mut self, from: u16, to: u16) -> Self {
        let from = format!("port_value: {from}");
        let mut pieces = self.text.split(&from);
        let mut text = pieces.next().unwrap_or_default().to_owned();
        let mut found = false;
        for piece in pieces {
            let is_whole = !piece.starts_with(|c: char| c.is_ascii_digit());
            found |= is_whole;
            text += &if is_whole { format!("port_value: {to}") } else { from.clone() };
            text += piece;
        }
        assert!(found, "{} has no {from}", self.name);
        self.text = text;
        self
    }

    /// The text as it stands now.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// An Envoy to be started with it.
    pub fn launch(&self) -> Launch {
        Launch::new(self.text.clone())
    }
}
