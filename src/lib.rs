//! portcullis: an authentication filter for Envoy, as a core without I/O and a thin Proxy-Wasm shell.

// Where the shell is compiled, the lint denies it, and only what calls Envoy is excepted: a crate can't forbid it and have an exception.
#![cfg_attr(not(any(target_os = "wasi", feature = "native-shell")), forbid(unsafe_code))]

pub mod annotation;
pub mod authenticator;
pub mod cache;
pub mod certificate;
pub mod config;
pub mod constant;
pub mod credential;
pub mod decision;
pub mod engine;
#[cfg(any(target_os = "wasi", feature = "native-shell"))]
pub mod envoy;
pub mod flood;
pub mod identity;
pub mod json;
pub mod judgement;
pub mod keys;
pub mod observation;
pub mod peer;
pub mod policy;
pub mod reason;
pub mod recent;
pub mod refusal;
pub mod rejection;
pub mod request;
pub mod signature;
pub mod spelling;
pub mod streams;
pub mod time;

/// The module's entry. Not in the library that other modules link: each has its own.
#[cfg(all(target_os = "wasi", feature = "module"))]
mod entry {
    proxy_wasm::main! {{ crate::envoy::start() }}
}
