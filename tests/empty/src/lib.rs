//! A filter that does nothing: what Envoy and the SDK ask of any Wasm filter before it has done anything. Its configuration may name a host call, which it
//! then makes ten times for each request: what that costs. Or `seen`: then it makes the calls that portcullis makes for a token seen before, and nothing else.

#![cfg(target_os = "wasi")]
#![allow(missing_docs, unsafe_code)] // The entry point's macro defines an exported symbol without a comment.

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, MapType, MetricType, Status};

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::new(Root { call: None, is_seen: false, metric: 0 }));
}}

/// A host call, given which of the ten it is, and a metric to count with.
type Call = fn(usize, u32) -> Result<(), Status>;

struct Root {
    call: Option<Call>,
    is_seen: bool,
    metric: u32,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        let configuration = self.get_plugin_configuration().unwrap_or_default();
        if configuration.is_empty() {
            return true;
        }
        self.is_seen = configuration == b"seen";
        self.call = call(&configuration);
        let metric = hostcalls::define_metric(MetricType::Counter, "calls");
        self.metric = metric.unwrap_or_default();
        (self.is_seen || self.call.is_some()) && metric.is_ok()
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(match self.call {
            None if self.is_seen => Box::new(Seen { metric: self.metric }),
            None => Box::new(Nothing),
            Some(call) => Box::new(Calling { call, metric: self.metric }),
        })
    }
}

struct Nothing;

impl Context for Nothing {}

impl HttpContext for Nothing {}

struct Calling {
    call: Call,
    metric: u32,
}

impl Context for Calling {}

impl HttpContext for Calling {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        action((0..10).try_for_each(|number| (self.call)(number, self.metric)))
    }
}

struct Seen {
    metric: u32,
}

impl Context for Seen {}

impl HttpContext for Seen {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        action(calls_for_a_token_seen_before(self.metric))
    }
}

/// As tests/fake_host/cost.rs counts them.
fn calls_for_a_token_seen_before(metric: u32) -> Result<(), Status> {
    hostcalls::get_map_bytes(REQUEST)?;
    hostcalls::get_current_time()?;
    hostcalls::get_property(vec!["portcullis.verdict"])?;
    hostcalls::set_map_value(REQUEST, "authorization", None)?;
    for (name, value) in [("x-auth-provider", "users"), ("x-auth-subject", "alice"), ("x-auth-roles", "reader"), ("x-auth-scopes", "read")]
    {
        hostcalls::add_map_value(REQUEST, name, value)?;
    }
    for (name, value) in [("provider", "users"), ("subject", "alice"), ("credential", "key-1"), ("verdict", "allow")] {
        hostcalls::set_property(vec![&format!("portcullis.{name}")], Some(value.as_bytes()))?;
    }
    hostcalls::increment_metric(metric, 1)
}

fn action(done: Result<(), Status>) -> Action {
    match done {
        Ok(()) => Action::Continue,
        // The benchmark sees that this isn't a 200.
        Err(_) => Action::Pause,
    }
}

const NAMES: [&str; 10] = ["x-0", "x-1", "x-2", "x-3", "x-4", "x-5", "x-6", "x-7", "x-8", "x-9"];
const REQUEST: MapType = MapType::HttpRequestHeaders;

fn call(wanted: &[u8]) -> Option<Call> {
    Some(match wanted {
        b"get_header_map_pairs" => |_, _| hostcalls::get_map_bytes(REQUEST).map(drop),
        b"get_header_map_value" => |_, _| hostcalls::get_map_value_bytes(REQUEST, "authorization").map(drop),
        b"get_header_map_value_absent" => |number, _| hostcalls::get_map_value_bytes(REQUEST, header(number)).map(drop),
        b"replace_header_map_value" => |number, _| hostcalls::set_map_value(REQUEST, header(number), Some("a value of usual length")),
        b"add_header_map_value" => |number, _| hostcalls::add_map_value(REQUEST, header(number), "a value of usual length"),
        b"remove_header_map_value_absent" => |number, _| hostcalls::set_map_value(REQUEST, header(number), None),
        b"get_property" => |_, _| hostcalls::get_property(vec!["request", "path"]).map(drop),
        b"get_property_absent" => |number, _| hostcalls::get_property(vec![header(number)]).map(drop),
        b"set_property" => |number, _| hostcalls::set_property(vec![header(number)], Some(b"a value of usual length")),
        b"increment_metric" => |_, metric| hostcalls::increment_metric(metric, 1),
        b"get_current_time" => |_, _| hostcalls::get_current_time().map(drop),
        b"get_shared_data_absent" => |number, _| hostcalls::get_shared_data(header(number)).map(drop),
        _ => return None,
    })
}

/// Another name for each of the ten.
fn header(number: usize) -> &'static str {
    NAMES.get(number).copied().unwrap_or_default()
}
