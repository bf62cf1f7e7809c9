//! Vectors that others made: Wycheproof's and the RFCs'. Each gets the verdict that it says, from the module's own Rust and from Envoy's BoringSSL;
//! what this filter judges otherwise is listed with its reason, and counted.
//!
//! | module | what it has |
//! |---|---|
//! | [`wycheproof`] | the vectors for those primitives that JWS has a name for |
//! | [`rfcs`] | the tokens of RFC 7515, RFC 7520 and RFC 8037, and the thumbprints of RFC 7638 and RFC 8037 |
//! | [`rfc_8725`] | the attacks that RFC 8725 lists, by its sections |
//! | [`judges`] | the two that verify |

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests"
)]

#[path = "../properties/policy.rs"]
mod policy;

mod judges;
mod rfc_8725;
mod rfcs;
mod vector;
mod wycheproof;
