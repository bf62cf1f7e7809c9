//! A native stand-in for Envoy's side of Proxy-Wasm, for what a real Envoy can't be made to do on demand: every host call failing, the clock stepping,
//! answers that come late or never, and what a request costs in host calls and memory.
//!
//! `vm::on_a_vm(entry, |vm| …)` gives a test a VM of its own. What happens, happens when the test says so: time stands still, and callouts are answered by
//! `vm.answer`. A panic in the module ends the whole test binary, as it would end the VM.

// Helpers outside of test functions may do what tests may.
#![allow(clippy::arithmetic_side_effects, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]
// A library for tests: not every test needs everything.
#![allow(dead_code)]

mod abi;
mod allocations;
mod calls;
mod host;
mod metrics;
mod pairs;
mod properties;
mod shared;
mod verification;
mod vm;

#[path = "../../benches/core/scenario.rs"]
mod scenario;

mod certificates;
mod clock;
mod cost;
mod itself;
mod keys;
mod shell;
mod streams;
mod swings;
