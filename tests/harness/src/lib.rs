//! The test harness: a real Envoy with the filter in it, a service behind it, an identity provider beside it, and a
//! client that sends what it is told to. Nothing here is simulated, nothing uses a fixed port, everything stops with
//! the value that stands for it.
//!
//! The interface is blocking; tests are plain `#[test]` functions.
//!
//! | to have | take |
//! |---|---|
//! | all of it at once | [`Stage`], which becomes a [`RunningStage`] |
//! | a table of requests and what must become of them | [`Case`], by [`RunningStage::check`] |
//! | Envoy alone, with any bootstrap | [`Launch`], which becomes an [`Envoy`]; a refusal is a [`StartFailure`] |
//! | Envoy's configuration | [`Bootstrap`] with [`Plugin`], [`Configuration`], [`TlsListener`]; a shipped file: [`Example`] |
//! | the service behind Envoy | [`Upstream`]; any other HTTP service: [`Server`]; what they answer: [`Answer`]; what they got: [`Received`] |
//! | key sets, and their failures | [`IdentityProvider`] |
//! | keys and tokens | [`Key`], [`mint`]; hostile tokens: [`Jws`]; another opinion of them: [`Oracle`] |
//! | certificates | [`Authority`], [`Leaf`], [`Certificate`]; those of Icebreaker One's scheme: [`icebreaker_one`] |
//! | the memory of a running VM | [`Envoy::vm_memories`], [`VmMemory`] |
//! | requests one by one | [`Client`], [`Connection`], [`Request`], [`Response`], [`Tls`], [`WebSocket`] |
//! | to wait for something | [`poll`], [`Envoy::wait_for_log`], [`Envoy::wait_for_stat`], [`IdentityProvider::wait_for_fetches`] |
//!
//! ```no_run
//! use portcullis_harness::{Case, Stage};
//! use serde_json::json;
//!
//! let stage = Stage::new()
//!     .config(
//!         "
//! providers:
//!   users:
//!     jwt:
//!       keys: {jwks_uri: http://idp.test/.well-known/jwks.json, cluster: idp, insecure_http: true}
//!       issuers: [https://idp.test]
//!       audiences: [api]
//! ",
//!     )
//!     .start();
//! let claims = json!({"iss": "https://idp.test", "aud": "api", "sub": "alice", "exp": portcullis_harness::now(60)});
//! let token = stage.identity_provider.token(claims);
//! stage.check([
//!     Case::get("/").bearer(&token).expect(200).upstream("x-auth-subject", "alice").upstream_absent("authorization"),
//!     Case::get("/").expect(401).reason("credential_missing"),
//! ]);
//! ```
//!
//! Which Envoy runs: see [`EnvoyBinary`]. Which module: see [`portcullis_wasm`].

mod access_log;
mod answer;
mod bootstrap;
mod case;
mod certificates;
mod client;
mod deadline;
mod envoy;
mod envoy_binary;
mod example;
mod grpc;
mod gzip;
mod http1;
pub mod icebreaker_one;
mod identity_provider;
mod key;
mod log;
mod oracle;
mod plugin;
mod reaper;
mod received;
mod request;
mod runtime;
mod server;
mod stage;
mod tls;
mod tls_listener;
mod token;
mod upstream;
mod vm;
mod websocket;
mod yaml;

pub use access_log::AccessLog;
pub use answer::Answer;
pub use bootstrap::{Bootstrap, PLAIN, TLS, cluster, guard, to_yaml};
pub use case::Case;
pub use certificates::{Authority, Certificate, Leaf, Make, der_octets, der_utf8, der_utf8_sequence};
pub use client::{Client, Connection};
pub use deadline::{PATIENCE, poll};
pub use envoy::{DIRECTORY, Envoy, Launch, StartFailure};
pub use envoy_binary::{ENVOY_VERSION, EnvoyBinary, target_directory, workspace};
pub use example::Example;
pub use identity_provider::{IdentityProvider, JWKS_PATH};
pub use key::{Algorithm, Key, RsaBits, jwks};
pub use log::Log;
pub use oracle::Oracle;
pub use plugin::{Configuration, Plugin, built_wasm, portcullis_wasm};
pub use received::Received;
pub use request::{ClientError, HOST, Request, Response};
pub use server::Server;
pub use stage::{RunningStage, Stage, fresh_request_id};
pub use tls::Tls;
pub use tls_listener::TlsListener;
pub use token::{Jws, mint, mint_typed, now};
pub use upstream::Upstream;
pub use vm::VmMemory;
pub use websocket::WebSocket;
