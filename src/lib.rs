//! portcullis: an authentication filter for Envoy, as a core without I/O and a thin Proxy-Wasm shell.

pub mod annotation;
pub mod authenticator;
pub mod certificate;
pub mod config;
pub mod credential;
pub mod decision;
pub mod engine;
pub mod identity;
pub mod json;
pub mod judgement;
pub mod keys;
pub mod peer;
pub mod policy;
pub mod reason;
pub mod refusal;
pub mod rejection;
pub mod request;
pub mod signature;
pub mod time;
