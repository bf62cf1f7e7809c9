//! The shell: it talks to Envoy, and holds no policy.

mod abi;
mod http;
mod log;
mod metrics;
mod observation;
mod peer;
mod process;
mod reply;
mod root;
mod shell;
mod state;
pub mod verification;
mod wire;

use proxy_wasm::traits::RootContext;

/// Registers the filter with the SDK: what a module does when it is loaded.
pub fn start() {
    proxy_wasm::set_root_context(|id| -> Box<dyn RootContext> { Box::new(root::Root::new(id)) });
}
