//! portcullis: an authentication filter for Envoy, as a core without I/O and a thin Proxy-Wasm shell.

pub mod authenticator;
pub mod certificate;
pub mod config;
pub mod credential;
pub mod decision;
#[cfg(any(target_os = "wasi", feature = "native-shell"))]
pub mod envoy;
pub mod identity;
pub mod json;
pub mod keys;
pub mod peer;
pub mod policy;
pub mod reason;
pub mod refusal;
pub mod request;
pub mod signature;
pub mod time;
