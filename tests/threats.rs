//! The threats to a filter like this, as attacks on a real Envoy: one test for each, and what answers it.
//!
//! Mallory is a caller like any other: she has a secret of her own, and few rights. What she wants is to be somebody
//! else, to do what only the operator may, or to have others locked out. Each test says what she does and what she
//! would gain; wherever it can be shown, the same attack is first carried out where this filter is not in its way, and
//! succeeds: on Envoy's own filters, or on a plugin that is written as plugins usually are.
//!
//! | module | what it attacks |
//! |---|---|
//! | [`verdict`] | the filter's place in Envoy: skipped, switched off, overruled, outlived |
//! | [`request`] | how a request is read: bytes, names, paths, methods, hosts, tunnels |
//! | [`token`] | tokens, and what they are taken for |
//! | [`keys`] | the keys that they are verified with, and those who wait for them |
//! | [`certificate`] | client certificates, and the connections that they came by |
//! | [`traces`] | what is left behind: headers, logs, dumps, caches |
//!
//! The clock is the fake host's: `tests/fake_host/clock.rs`. Not the filter's to answer, and so not here: what only the
//! deployment decides (mirrors of requests, upstreams that the client chooses, key sets over connections that nobody
//! verified, weak secrets behind a digest, a looser rule beside a stricter one in another spelling), which is for
//! `check` to warn of. Files of their own have logins at other services (`tests/remote.rs`), tokens stolen from who has the
//! certificate (`tests/bound_tokens.rs`), and streams that outlive what opened them (`tests/streams.rs`).
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests"
)]

#[path = "threats/house.rs"]
mod house;

#[path = "threats/verdict.rs"]
mod verdict;

#[path = "threats/request.rs"]
mod request;

#[path = "threats/token.rs"]
mod token;

#[path = "threats/keys.rs"]
mod keys;

#[path = "threats/certificate.rs"]
mod certificate;

#[path = "threats/traces.rs"]
mod traces;
