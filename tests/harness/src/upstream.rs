//! The service behind Envoy.

use crate::answer::Answer;
use crate::received::Received;
use crate::server::Server;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Answers every request by what it received (see [`Answer::echo`]) and keeps it, unless told otherwise.
pub struct Upstream {
    server: Server,
    answers: Answers,
}

type Answers = Arc<Mutex<HashMap<String, Answer>>>;

impl Upstream {
    /// Starts one on a free port of `127.0.0.1`.
    pub fn start() -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into())
    }

    /// Starts one at a given address.
    ///
    /// # Panics
    /// If the address is taken.
    pub fn start_at(address: SocketAddr) -> Self {
        let answers = Answers::default();
        let known = Arc::clone(&answers);
        let server = Server::start_at(address, move |received| {
            let path = received.path.split('?').next().unwrap_or_default();
            let known = known.lock().unwrap_or_else(PoisonError::into_inner);
            known.get(path).cloned().unwrap_or_else(Answer::echo)
        });
        Self { server, answers }
    }

    /// Answers this path (without query) so from now on.
    pub fn answer(&self, path: &str, answer: Answer) {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), answer);
    }

    /// Answers every request by a function, instead of all the above.
    pub fn answer_by(&self, handler: impl Fn(&Received) -> Answer + Send + Sync + 'static) {
        self.server.set_handler(handler);
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Every request until now.
    pub fn received(&self) -> Vec<Received> {
        self.server.received()
    }

    /// The requests that carry this value in `x-request-id`.
    pub fn received_with_id(&self, id: &str) -> Vec<Received> {
        let has_id = |received: &Received| received.header_values("x-request-id").iter().any(|value| value == id);
        self.server.received().into_iter().filter(has_id).collect()
    }

    /// The latest request.
    ///
    /// # Panics
    /// If there was none.
    pub fn last(&self) -> Received {
        self.server.received().pop().expect("a request reached the upstream")
    }

    /// How many requests reached it.
    pub fn count(&self) -> usize {
        self.server.count()
    }

    /// How many WebSockets are open.
    pub fn open_websockets(&self) -> usize {
        self.server.open_websockets()
    }

    /// Forgets the requests until now.
    pub fn forget(&self) {
        self.server.forget();
    }

    /// Closes its port and all connections.
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
