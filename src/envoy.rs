//! The shell: where the core meets Envoy.

pub mod verification;
