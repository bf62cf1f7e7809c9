//! What a client says of itself, in every way that HTTP has to say it, on a real Envoy: headers in all spellings, numbers and places, control bytes, and
//! HTTP/2 as no library would send it. Mallory has a secret of her own; whatever else she says, she is mallory, or nobody.
//!
//! Default headers and the removal of credentials: `tests/annotation.rs`; paths, hosts and tunnels: `tests/rules.rs` and `tests/threats/request.rs`; resumed
//! sessions, and certificates that nobody verified: `tests/client_certificate.rs`.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that can't go on fails"
)]

#[path = "spoofing/house.rs"]
mod house;

#[path = "spoofing/names.rs"]
mod names;

#[path = "spoofing/bytes.rs"]
mod bytes;

#[path = "spoofing/frames.rs"]
mod frames;

#[path = "spoofing/pseudo_headers.rs"]
mod pseudo_headers;

#[path = "spoofing/connections.rs"]
mod connections;
