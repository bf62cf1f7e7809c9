//! Icebreaker One's energy demonstration: its clients, its service's view of them, and its refusals, with the shipped
//! configurations.
//!
//! Cases are named by what they show, and tests by the number of what has to hold:
//!
//! | | what has to hold |
//! |---|---|
//! | 1 | application one reads supply voltages, and the service gets its certificate in a header that Python can read |
//! | 2 | application two is refused in the service's own words |
//! | 3 | so is a certificate without role information |
//! | 4 | so is nobody |
//! | 5 | what a client says of certificates in headers is neither believed nor passed on |
//! | 6 | another authority's certificate ends at TLS |
//! | 7 | so does one without its issuer's |
//! | 8 | however a proxy writes a certificate, the verdict is the same |
//! | 9 | roles are compared whole, wherever in the list they stand |
//! | 10 | roles in another extension or of another type are none, or bad |
//! | 11 | a header of garbage is refused, and nothing breaks |
//! | 12 | expired certificates, and those that aren't valid yet, are refused, in headers, too |
//! | 13 | certificates of Icebreaker One's directory pass; their member and application can be had as headers |
//! | 14 | `/api/v1/info` is for every member, whatever its roles |
//! | 15 | a revoked certificate is refused |
//! | 16 | `%2b` is a plus, and a plus is no blank |
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    unreachable_pub,
    reason = "helpers of tests"
)]

#[path = "icebreaker_one/gateway.rs"]
mod gateway;

#[path = "icebreaker_one/connection.rs"]
mod connection;

#[path = "icebreaker_one/directory.rs"]
mod directory;

#[path = "icebreaker_one/header.rs"]
mod header;

#[path = "icebreaker_one/revocation.rs"]
mod revocation;

#[path = "icebreaker_one/variants.rs"]
mod variants;
