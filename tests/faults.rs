//! What the filter depends on, failing: identity providers and login services that are gone, slow, silent or talk nonsense, each on a real Envoy.
//!
//! For each fault: what requests get meanwhile, that nothing passes unverified, how soon all is well again once the fault is over (nothing is restarted),
//! what the log says of it, and what is counted. `docs/faults.md` is the table; `cargo test --test faults -- --nocapture` prints the times that it gives.
//!
//! | module | what fails |
//! |---|---|
//! | [`key_sets`] | the answers of an identity provider |
//! | [`rotation`] | what is in a key set |
//! | [`logins`] | the answers of a login service |
//! | [`connections`] | the way there: ports, names, clusters |
//!
//! Elsewhere: requests that wait for keys, and what is in the sets that issuers publish, in `tests/jwks.rs`; workers that fail each other in
//! `tests/shared_keys.rs`; the clock in `tests/fake_host/clock.rs`; ten thousand who wait in `benches/crowd.rs`.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "helpers of tests"
)]

#[path = "faults/house.rs"]
mod house;

#[path = "faults/resolver.rs"]
mod resolver;

#[path = "faults/key_sets.rs"]
mod key_sets;

#[path = "faults/rotation.rs"]
mod rotation;

#[path = "faults/logins.rs"]
mod logins;

#[path = "faults/connections.rs"]
mod connections;
