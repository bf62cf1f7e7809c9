//! What holds whatever is sent: properties of the core, tried on what proptest makes up.
//!
//! | module | property |
//! |---|---|
//! | [`signing`] | what another implementation signed verifies, and no single change of it does |
//! | [`order`] | a decision doesn't depend on the order of header fields, of providers, or on what was decided before |
//! | [`annotation`] | what the upstream is told in annotated headers never comes from the client |
//! | [`observe`] | who is only observed misses nothing |
//! | [`names`] | a refusal doesn't tell whether there is a client of a name |

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests"
)]

mod annotation;
mod house;
mod names;
mod observe;
mod order;
mod policy;
mod signing;
