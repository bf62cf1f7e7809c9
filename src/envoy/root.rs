//! The root context: the configuration, the timer and the callouts.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hasher as _};
use std::rc::Rc;
use std::time::Duration;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;

use super::abi::{self, Buffer, Level, Map};
use super::http::Http;
use super::shell::{Callout, Shell, Step, Waiter};
use super::state::{self, Note};
use super::{log, process};
use crate::authenticator::remote::{Call, HttpCall, MAX_ANSWER};
use crate::config;
use crate::decision::Wait;
use crate::engine::{Answer, Effect, Engine, Event, FetchError};
use crate::keys::{KeyStore, RemoteKeys, SetId};
use crate::request::Ticket;
use crate::streams::{Ended, Streams};

thread_local! {
    /// The key sets of this VM: they outlive a change of policy.
    static KEYS: Rc<RefCell<KeyStore>> = Rc::new(RefCell::new(KeyStore::new(process::shared_data())));
    /// The open streams, likewise, by the plugin's name.
    static STREAMS: RefCell<HashMap<String, Rc<RefCell<Streams>>>> = RefCell::default();
}

/// The root context.
pub(super) struct Root {
    id: u32,
    shell: Rc<Shell>,
}

impl Root {
    pub(super) fn new(id: u32) -> Self {
        Self { id, shell: Rc::new(Shell::new()) }
    }

    fn carry_out(&self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Fetch(set, source) => self.fetch(set, &source),
                Effect::Ask(call, http) => self.ask(call, &http),
                Effect::Wake(ticket, wait) => self.wake(ticket, wait),
                Effect::End(ended) => self.end(&ended),
                Effect::Count(what, provider, outcome) => self.shell.metrics.borrow_mut().count_callout(what, &provider, outcome),
                Effect::CountCache(what, count) => self.shell.metrics.borrow_mut().count_cache(what, count),
                Effect::NoteKeys(provider, time) => self.shell.metrics.borrow_mut().note_keys(&provider, time.seconds()),
                Effect::Log(level, line) => abi::log(level.into(), &line),
            }
        }
    }

    fn fetch(&self, set: SetId, source: &RemoteKeys) {
        let mut headers = vec![
            (":method", "GET"),
            (":scheme", source.scheme.as_str()),
            (":authority", source.authority.as_str()),
            (":path", source.path.as_str()),
            ("accept", "application/json"),
        ];
        headers.extend(source.headers.iter().map(|(name, value)| (name.as_str(), value.0.as_str())));
        // An earlier one counts as lost: its answer is none to this one.
        self.shell.callouts.borrow_mut().retain(|(_, other)| !matches!(other, Callout::Keys(other) if *other == set));
        if !self.dispatch(Callout::Keys(set), &source.cluster, headers, None, source.timeout) {
            self.handle(Event::Fetched(set, Err(FetchError::NotSent)));
        }
    }

    fn ask(&self, call: Rc<Call>, http: &HttpCall) {
        let endpoint = &http.endpoint;
        let mut headers = vec![
            (":method", "POST"),
            (":scheme", endpoint.scheme),
            (":authority", endpoint.authority.as_str()),
            (":path", endpoint.path.as_str()),
            ("accept", "application/json"),
            ("content-type", http.content_type),
        ];
        headers.extend(http.headers.iter().map(|(name, value)| (name.as_str(), value.0.as_str())));
        if !self.dispatch(Callout::Answer(Rc::clone(&call)), &endpoint.cluster, headers, Some(&http.body), http.timeout) {
            self.handle(Event::Answered(&call, Err(FetchError::NotSent)));
        }
    }

    /// Sends a callout, unless Envoy doesn't take it.
    fn dispatch(&self, callout: Callout, cluster: &str, headers: Vec<(&str, &str)>, body: Option<&[u8]>, timeout: Duration) -> bool {
        // Through the SDK, which must know the token: it ends the VM over an answer to one that it doesn't.
        let token = hostcalls::dispatch_http_call(cluster, headers, body, vec![], timeout);
        token.map(|token| self.shell.callouts.borrow_mut().push((token, callout))).is_ok()
    }

    fn handle(&self, event: Event<'_>) {
        let Ok(now) = abi::now() else {
            return;
        };
        let effects = match self.shell.engine.borrow_mut().as_mut() {
            Some(engine) => engine.handle(event, now, &mut random),
            None => return,
        };
        self.carry_out(effects);
        self.shell.set_tick(now);
    }

    /// Decides over a waiting request again, in its own context.
    fn wake(&self, ticket: Ticket, wait: Wait) {
        let Some(Waiter { request, mut asked, .. }) = self.shell.take_waiter(ticket) else {
            return;
        };
        // It fails when the client has left.
        if abi::set_effective_context(ticket).is_ok() {
            asked.add(wait);
            if self.shell.decide(ticket, request, asked) == Step::Continue {
                let _ = abi::resume_request();
            }
        }
        let _ = abi::set_effective_context(self.id);
    }

    /// Ends a stream, in its own context.
    fn end(&self, ended: &Ended) {
        // It fails when the client has left.
        let is_there = abi::set_effective_context(ended.ticket).is_ok();
        if is_there {
            let _ = state::note(Note::Reason, ended.reason.code());
            let _ = abi::close_stream();
        }
        let _ = abi::set_effective_context(self.id);
        if is_there {
            self.shell.metrics.borrow_mut().count_ended(ended.reason);
            if abi::now().is_ok_and(|now| self.shell.ended.borrow_mut().admits(ended.reason, now)) {
                log::ended(ended);
            }
        }
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, token: u32, headers: usize, _: usize, _: usize) {
        let Some(callout) = self.shell.take_callout(token) else {
            return;
        };
        let max_body = match &callout {
            Callout::Keys(set) => match self.shell.engine.borrow().as_ref().and_then(|engine| engine.policy().key_set(*set)) {
                Some(source) => source.max_body,
                None => return,
            },
            Callout::Answer(_) => MAX_ANSWER,
        };
        // One byte more tells that there is more.
        let body = abi::buffer(Buffer::CalloutAnswer, max_body.saturating_add(1));
        let answer = match (callout_status(), &body) {
            (Some(status), Ok(body)) if headers > 0 => Ok(Answer { status, body }),
            _ => Err(FetchError::Reset),
        };
        match &callout {
            Callout::Keys(set) => self.handle(Event::Fetched(*set, answer)),
            Callout::Answer(call) => self.handle(Event::Answered(call, answer)),
        }
    }
}

impl RootContext for Root {
    fn on_vm_start(&mut self, _: usize) -> bool {
        let revision = option_env!("PORTCULLIS_REVISION").unwrap_or("unknown");
        abi::log(Level::Info, &format!("portcullis {} ({revision}); {}", env!("CARGO_PKG_VERSION"), self.shell.verify));
        true
    }

    fn on_configure(&mut self, size: usize) -> bool {
        let Ok(bytes) = abi::buffer(Buffer::Configuration, size) else {
            abi::log(Level::Error, "the configuration can't be read");
            return false;
        };
        match config::load(&bytes, &|name| std::env::var(name).ok()) {
            Ok((policy, mut warnings)) => {
                let now = abi::now().unwrap_or_default();
                warnings.extend(config::ended_observations(&policy, now));
                for warning in warnings {
                    abi::log(Level::Warn, &format!("configuration: {warning}"));
                }
                if !policy.key_sets.is_empty() {
                    process::warn_if_alone();
                }
                let name = abi::property("plugin_name").ok().flatten().unwrap_or_default();
                let name = String::from_utf8_lossy(&name);
                let engine = Engine::new(policy, KEYS.with(Rc::clone), now, random());
                let streams = STREAMS.with(|all| Rc::clone(all.borrow_mut().entry(name.clone().into_owned()).or_default()));
                self.shell.configure(engine.with_streams(streams), &name);
                true
            }
            Err(faults) => {
                let faults_are = if faults.len() == 1 { "fault" } else { "faults" };
                abi::log(Level::Error, &format!("configuration refused, {} {faults_are}:", faults.len()));
                for fault in faults {
                    abi::log(Level::Error, &format!("configuration: {fault}"));
                }
                false
            }
        }
    }

    fn on_tick(&mut self) {
        self.handle(Event::Tick);
        if let Ok(now) = abi::now() {
            self.shell.show_mode(now);
            for (fate, flood) in [("rejected", &self.shell.flood), ("observed", &self.shell.observed), ("ended", &self.shell.ended)] {
                for (reason, count) in flood.borrow_mut().counted(now) {
                    abi::log(Level::Info, &format!("{fate} reason={} more={count}", reason.code()));
                }
            }
        }
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        if let Some(engine) = self.shell.engine.borrow().as_ref() {
            engine.lead();
        }
        Some(Box::new(Http::new(id, Rc::clone(&self.shell))))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

fn callout_status() -> Option<u16> {
    let headers = abi::headers(Map::CalloutAnswer).ok()?;
    std::str::from_utf8(headers.first(":status")?).ok()?.parse().ok()
}

/// Good enough for jitter: the hash of nothing under a seed that differs each time.
fn random() -> u64 {
    std::hash::RandomState::new().build_hasher().finish()
}
