//! The identity provider: it publishes a key set and signs tokens.

use crate::answer::Answer;
use crate::certificates::Certificate;
use crate::deadline::poll;
use crate::key::{Algorithm, Key, jwks};
use crate::received::Received;
use crate::server::Server;
use crate::token::mint;
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Where the key set is published.
pub const JWKS_PATH: &str = "/.well-known/jwks.json";

/// An HTTP server that publishes a key set at [`JWKS_PATH`], or misbehaves as told, and keeps every fetch.
pub struct IdentityProvider {
    server: Server,
    state: Arc<Mutex<State>>,
}

struct State {
    keys: Vec<Key>,
    /// What is served instead of the key set.
    instead: Option<Answer>,
    delay: Duration,
}

impl State {
    fn new(keys: impl IntoIterator<Item = Key>) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self { keys: keys.into_iter().collect(), instead: None, delay: Duration::ZERO }))
    }

    fn handler(state: &Arc<Mutex<Self>>) -> impl Fn(&Received) -> Answer + Send + Sync + use<> {
        let served = Arc::clone(state);
        move |received| {
            if received.path.split('?').next() != Some(JWKS_PATH) {
                return Answer::status(404);
            }
            let state = lock(&served);
            let answer = state.instead.clone().unwrap_or_else(|| Answer::json(&jwks(&state.keys)));
            if state.delay.is_zero() { answer } else { answer.after(state.delay) }
        }
    }
}

impl IdentityProvider {
    /// Starts one with a key for ES256 and one for RS256, on a free port of `127.0.0.1`.
    pub fn start() -> Self {
        Self::with_keys([Key::fixed(Algorithm::ES256, 1), Key::fixed(Algorithm::RS256, 1)])
    }

    /// Starts one with these keys, of which the first signs.
    pub fn with_keys(keys: impl IntoIterator<Item = Key>) -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into(), keys)
    }

    /// The same at a given address.
    ///
    /// # Panics
    /// If the address is taken.
    pub fn start_at(address: SocketAddr, keys: impl IntoIterator<Item = Key>) -> Self {
        let state = State::new(keys);
        Self { server: Server::start_at(address, State::handler(&state)), state }
    }

    /// The same with TLS, and this certificate, on a free port.
    pub fn with_tls(certificate: &Certificate, keys: impl IntoIterator<Item = Key>) -> Self {
        let state = State::new(keys);
        Self { server: Server::start_with_tls(certificate, State::handler(&state)), state }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The keys, as they are published now.
    pub fn keys(&self) -> Vec<Key> {
        lock(&self.state).keys.clone()
    }

    /// Replaces the whole set; the first key signs from now on.
    pub fn rotate(&self, keys: impl IntoIterator<Item = Key>) {
        lock(&self.state).keys = keys.into_iter().collect();
    }

    /// A token with these claims, signed by the first key.
    ///
    /// # Panics
    /// If there is no key, or the claims are no JSON object.
    pub fn token(&self, claims: Value) -> String {
        mint(self.keys().first().expect("the identity provider has a key"), claims)
    }

    /// Serves any answer instead of the key set: a status, junk, a truncated document, [`Answer::hang`],
    /// [`Answer::close`].
    pub fn serve_instead(&self, answer: Answer) {
        lock(&self.state).instead = Some(answer);
    }

    /// Serves the key set again, at once.
    pub fn recover(&self) {
        let mut state = lock(&self.state);
        state.instead = None;
        state.delay = Duration::ZERO;
    }

    /// Answers only after a while.
    pub fn delay(&self, delay: Duration) {
        lock(&self.state).delay = delay;
    }

    /// Every fetch of the key set until now.
    pub fn fetches(&self) -> Vec<Received> {
        self.server.received().into_iter().filter(|fetch| fetch.path.starts_with(JWKS_PATH)).collect()
    }

    /// How often the key set was fetched.
    pub fn fetch_count(&self) -> usize {
        self.fetches().len()
    }

    /// Waits until it was fetched so often; whether that came true in time.
    pub fn wait_for_fetches(&self, count: usize, within: Duration) -> bool {
        poll(within, || (self.fetch_count() >= count).then_some(())).is_some()
    }

    /// Closes the port and all connections: connecting is refused.
    pub fn stop(&mut self) {
        self.server.stop();
    }

    /// Listens again, on the same port.
    ///
    /// # Panics
    /// If another process has taken the port meanwhile.
    pub fn restart(&mut self) {
        self.server.restart();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
