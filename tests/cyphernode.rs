//! Cyphernode's gatekeeper, whose work `envoy/cyphernode.yaml` takes over: its own tokens, groups and paths, as its clients send them.
//!
//! The shipped file is what today's gatekeeper takes ([`today`]); with the lines that it has in comments it is the first one, of 2018 ([`first`]).
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests"
)]

#[path = "cyphernode/gatekeeper.rs"]
mod gatekeeper;

#[path = "cyphernode/first.rs"]
mod first;

#[path = "cyphernode/today.rs"]
mod today;

#[path = "cyphernode/paths.rs"]
mod paths;

#[path = "cyphernode/bad_input.rs"]
mod bad_input;

#[path = "cyphernode/configured.rs"]
mod configured;
