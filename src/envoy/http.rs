//! A request, as Envoy drives it.

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use super::abi::{self, Map};
use super::shell::{Shell, Step};
use crate::decision::Asked;
use crate::request::Request;

/// One request.
pub(super) struct Http {
    id: u32,
    shell: Rc<Shell>,
}

impl Http {
    pub(super) const fn new(id: u32, shell: Rc<Shell>) -> Self {
        Self { id, shell }
    }
}

impl Context for Http {}

impl HttpContext for Http {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        let step = match abi::headers(Map::Request) {
            // Every request has some: without them nobody knows what to remove.
            Ok(headers) if !headers.is_empty() => self.shell.decide(self.id, Request { headers }, Asked::default()),
            _ => self.shell.refuse_unread("the request's headers can't be read"),
        };
        match step {
            Step::Continue => Action::Continue,
            Step::Stop => Action::Pause,
        }
    }

    fn on_http_request_trailers(&mut self, _: usize) -> Action {
        match self.shell.strip_trailers() {
            Ok(()) => Action::Continue,
            // What may not go upstream would: the request ends here.
            Err(_) => {
                let _ = self.shell.refuse_unread("the request's trailers can't be read");
                Action::Pause
            }
        }
    }
}

impl Drop for Http {
    fn drop(&mut self) {
        self.shell.leave(self.id);
    }
}
