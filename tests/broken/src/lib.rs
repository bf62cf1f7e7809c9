//! A plugin that misbehaves as its configuration tells it to: what the guard and the filter must stand.
//!
//! The configuration is text (`StringValue`), one order a line. An order that begins with `when NAME` is carried out only
//! for requests with that header.
//!
//! | order | what the plugin does |
//! |---|---|
//! | `fail-on-workers` | `on_configure` fails, but neither in the canary nor on the main thread |
//! | `panic-on-workers` | likewise, by a panic |
//! | `declare readonly` or `declare mutable`, and `request` or `connection` if need be | declares the verdict, with this span |
//! | `verdict VALUE` | sets the verdict; the status of that goes upstream as `x-broken-status` |
//! | `set NAME VALUE`, `add NAME VALUE`, `remove NAME` | changes the request's headers |
//! | `read NAME` | reads a header as text, as most plugins do: the SDK panics where it isn't UTF-8 |
//! | `share NAME HEX` | puts these bytes into the shared data of its `vm_id`, when it is configured; after `when`, at such a request |
//! | `trap` | panics |
#![cfg(target_os = "wasi")]
#![allow(unsafe_code, reason = "the SDK's set_property panics on any status but Ok")]

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel, MapType};
use std::rc::Rc;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root { orders: Rc::default() }));
}}

/// One segment with a dot in it, as the filter has it.
const VERDICT: &str = "portcullis.verdict";

struct Root {
    orders: Rc<Vec<String>>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        let text = hostcalls::get_buffer(proxy_wasm::types::BufferType::PluginConfiguration, 0, usize::MAX).ok().flatten();
        let text = String::from_utf8(text.unwrap_or_default()).expect("the orders are text");
        let orders: Vec<String> = text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect();
        for order in &orders {
            match order.split_ascii_whitespace().collect::<Vec<_>>().as_slice() {
                ["fail-on-workers"] if is_worker() => return false,
                ["panic-on-workers"] if is_worker() => panic!("told to panic on workers"),
                ["declare", access, span @ ..] => declare(*access == "readonly", span),
                ["share", name, hex] => {
                    // Once: the other VMs' turn comes when the filter has long been at work.
                    let _ = hostcalls::set_shared_data(name, Some(&bytes(hex)), Some(u32::MAX));
                }
                _ => {}
            }
        }
        self.orders = Rc::new(orders);
        true
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Http { orders: Rc::clone(&self.orders) }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Http {
    orders: Rc<Vec<String>>,
}

impl Context for Http {}

impl HttpContext for Http {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        for order in self.orders.iter() {
            let mut words = order.split_ascii_whitespace().collect::<Vec<_>>();
            if let ["when", name, rest @ ..] = words.as_slice() {
                if has_header(name) {
                    words = rest.to_vec();
                } else {
                    continue;
                }
            }
            match words.as_slice() {
                ["verdict", value] => {
                    let status = set_verdict(value).to_string();
                    let _ = hostcalls::add_map_value(MapType::HttpRequestHeaders, "x-broken-status", &status);
                }
                ["verdict"] => drop(set_verdict("")),
                ["set", name, value] => hostcalls::set_map_value(MapType::HttpRequestHeaders, name, Some(value)).expect("a header"),
                ["add", name, value] => hostcalls::add_map_value(MapType::HttpRequestHeaders, name, value).expect("a header"),
                ["remove", name] => hostcalls::set_map_value(MapType::HttpRequestHeaders, name, None).expect("a header"),
                ["read", name] => drop(hostcalls::get_map_value(MapType::HttpRequestHeaders, name)),
                ["share", name, hex] if order.starts_with("when ") => {
                    hostcalls::set_shared_data(name, Some(&bytes(hex)), None).expect("shared data");
                }
                ["trap"] => panic!("told to panic"),
                _ => {}
            }
        }
        Action::Continue
    }
}

fn has_header(name: &str) -> bool {
    hostcalls::get_map_value_bytes(MapType::HttpRequestHeaders, name).is_ok_and(|value| value.is_some())
}

fn bytes(hex: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal digits");
    (0..hex.len()).step_by(2).map(byte).collect()
}

/// Envoy configures a canary, the main thread's VM, and then the workers', which share this data.
fn is_worker() -> bool {
    const COUNT: &str = "configured";
    loop {
        let (count, cas) = hostcalls::get_shared_data(COUNT).unwrap_or((None, None));
        let count = count.and_then(|bytes| bytes.first().copied()).unwrap_or_default();
        if hostcalls::set_shared_data(COUNT, Some(&[count.saturating_add(1)]), Some(cas.unwrap_or(u32::MAX))).is_ok() {
            return count >= 2;
        }
    }
}

/// DeclarePropertyArguments { name, readonly, type: String, span }.
fn declare(readonly: bool, span: &[&str]) {
    let span = match span {
        ["request"] => 1,
        ["connection"] => 2,
        _ => 0,
    };
    let length = u8::try_from(VERDICT.len()).expect("a short name");
    let arguments = [&[0x0a, length], VERDICT.as_bytes(), &[0x10, u8::from(readonly), 0x18, 1, 0x28, span]].concat();
    hostcalls::call_foreign_function("declare_property", Some(&arguments)).expect("nobody has declared it in this VM");
}

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_set_property(path: *const u8, path_size: usize, value: *const u8, value_size: usize) -> u32;
}

fn set_verdict(value: &str) -> u32 {
    // SAFETY: the pointers and sizes are those of slices.
    unsafe { proxy_set_property(VERDICT.as_ptr(), VERDICT.len(), value.as_ptr(), value.len()) }
}
