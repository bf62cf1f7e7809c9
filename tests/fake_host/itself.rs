//! The fake host, tried with a small module of its own that does a bit of everything.

use std::time::Duration;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel, MapType, MetricType, Status};

use super::host::{CAS_MISMATCH, INTERNAL_FAILURE, NOT_FOUND, Stream};
use super::pairs;
use super::shared::Shared;
use super::vm::{Outcome, Vm, on_a_vm, on_a_vm_sharing};

struct Plugin;
struct Request(u32);

thread_local! {
    static WAITING: std::cell::RefCell<Vec<u32>> = const { std::cell::RefCell::new(Vec::new()) };
}

fn start() {
    proxy_wasm::set_root_context(|_| Box::new(Plugin));
}

impl Context for Plugin {
    fn on_http_call_response(&mut self, _: u32, headers: usize, body: usize, _: usize) {
        let body = self.get_http_call_response_body(0, body).unwrap_or_default();
        for id in WAITING.take() {
            if hostcalls::set_effective_context(id).is_err() {
                continue;
            }
            if headers == 0 {
                hostcalls::send_http_response(503, vec![("x-from", "reset")], Some(&body)).unwrap();
            } else {
                hostcalls::set_map_value_bytes(MapType::HttpRequestHeaders, "x-answer", Some(&body)).unwrap();
                hostcalls::resume_http_request().unwrap();
            }
        }
        hostcalls::set_effective_context(1).unwrap();
    }
}

impl RootContext for Plugin {
    fn on_configure(&mut self, size: usize) -> bool {
        assert_eq!(self.get_plugin_configuration().unwrap_or_default().len(), size);
        hostcalls::call_foreign_function("declare_property", Some(b"\x0a\x03a.b\x10\x01\x18\x01")).is_ok()
    }

    fn on_tick(&mut self) {
        hostcalls::log(LogLevel::Info, "tick").unwrap();
        if WAITING.with_borrow(|waiting| !waiting.is_empty()) {
            call().unwrap();
        }
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Request(id)))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

fn call() -> Result<u32, Status> {
    let headers = vec![(":method", "GET"), (":path", "/"), (":authority", "idp")];
    hostcalls::dispatch_http_call("idp", headers, None, vec![], Duration::from_secs(5))
}

impl Context for Request {
    fn on_http_call_response(&mut self, _: u32, _: usize, _: usize, _: usize) {
        hostcalls::resume_http_request().unwrap();
    }
}

impl HttpContext for Request {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        let path = hostcalls::get_map_value_bytes(MapType::HttpRequestHeaders, ":path").unwrap().unwrap_or_default();
        match path.as_slice() {
            b"/wait" => {
                WAITING.with_borrow_mut(|waiting| waiting.push(self.0));
                Action::Pause
            }
            b"/call" => {
                if call().is_err() {
                    hostcalls::send_http_response(503, vec![], None).unwrap();
                }
                Action::Pause
            }
            b"/edit" => {
                hostcalls::set_map_value_bytes(MapType::HttpRequestHeaders, "x-set", Some(b"1")).unwrap();
                hostcalls::set_map_value_bytes(MapType::HttpRequestHeaders, "x-gone", None).unwrap();
                hostcalls::set_property(vec!["a.b"], Some(b"allow")).unwrap();
                let id = hostcalls::define_metric(MetricType::Counter, "edits").unwrap();
                hostcalls::increment_metric(id, 1).unwrap();
                Action::Continue
            }
            b"/lease" => {
                let taken = hostcalls::set_shared_data("lease", Some(b"me"), Some(u32::MAX));
                hostcalls::send_http_response(if taken.is_ok() { 200 } else { 409 }, vec![], None).unwrap();
                Action::Pause
            }
            _ => {
                let valid = hostcalls::get_property(vec!["connection", "peer_certificate_valid"]);
                let text = format!("{valid:?} {:?}", hostcalls::get_current_time().is_ok());
                hostcalls::send_http_response(200, vec![("x-a", "b")], Some(text.as_bytes())).unwrap();
                Action::Pause
            }
        }
    }
}

fn configured<T: Send>(test: impl FnOnce(&mut Vm) -> T + Send) -> T {
    on_a_vm(start, |vm| {
        assert!(vm.configure("{}"));
        test(vm)
    })
}

#[test]
fn headers_properties_and_metrics() {
    configured(|vm| {
        let id = vm.request(&[(":path", "/edit"), ("x-gone", "1"), ("x-gone", "2"), ("x-set", "0"), ("x-set", "stays")]);
        let upstream = vm.outcome(id).upstream();
        assert_eq!(upstream, pairs::of(&[(":path", "/edit"), ("x-set", "1"), ("x-set", "stays")]));
        assert_eq!(vm.stream(id).properties.filter_state("a.b").as_deref(), Some("allow"));
        assert_eq!(vm.host(|host| (host.metrics.value("edits"), host.metrics.definitions("edits"))), (Some(1), 1));
        assert_eq!(vm.calls(|calls| calls.counts()["proxy_replace_header_map_value"]), 1);
        vm.end(id);
        // Declared twice by one root context: the first stands.
        assert!(!vm.configure("{}"));
    });
}

#[test]
fn a_callout_answers_those_that_wait() {
    configured(|vm| {
        let first = vm.request(&[(":path", "/wait")]);
        let left = vm.request(&[(":path", "/wait")]);
        assert_eq!(vm.outcome(first), Outcome::Waiting);
        vm.end(left);
        vm.tick();
        let callouts = vm.callouts();
        assert_eq!((callouts.len(), callouts[0].1.cluster.as_str(), callouts[0].1.timeout_ms), (1, "idp", 5000));
        vm.answer(callouts[0].0, 200, &[], "keys");
        assert_eq!(pairs::all(&vm.outcome(first).upstream(), "x-answer"), ["keys"]);
        let second = vm.request(&[(":path", "/wait")]);
        vm.tick();
        vm.reset(vm.callouts()[0].0);
        assert_eq!(vm.outcome(second).replied().status, 503);
    });
}

#[test]
fn a_callout_belongs_to_the_context_that_made_it() {
    configured(|vm| {
        let (stays, leaves) = (vm.request(&[(":path", "/call")]), vm.request(&[(":path", "/call")]));
        vm.end(leaves);
        let callouts = vm.callouts();
        assert_eq!(callouts.len(), 1);
        vm.answer(callouts[0].0, 200, &[], "");
        vm.outcome(stays).upstream();
    });
}

#[test]
fn failures_on_demand() {
    configured(|vm| {
        vm.calls(|calls| calls.fail_about("proxy_http_call", "idp", INTERNAL_FAILURE));
        assert_eq!(vm.outcome_of(&[(":path", "/call")]).replied().status, 503);
        vm.calls(|calls| {
            calls.heal();
            calls.fail_about("proxy_get_property", "connection\0peer_certificate_valid", NOT_FOUND);
        });
        let body = |vm: &mut Vm| {
            let mut stream = Stream { headers: pairs::of(&[(":path", "/")]), ..Stream::default() };
            stream.properties.attribute(&["connection", "peer_certificate_valid"], [1]);
            let id = vm.send(stream);
            String::from_utf8(vm.outcome(id).replied().body).unwrap()
        };
        assert_eq!(body(vm), "Ok(None) true");
        vm.calls(super::calls::Calls::heal);
        assert_eq!(body(vm), "Ok(Some([1])) true");
        vm.calls(|calls| calls.fail_at(0, NOT_FOUND));
        let id = vm.request(&[(":path", "/")]);
        assert_eq!(vm.calls(|calls| calls.hit()), Some("proxy_get_header_map_value"));
        assert_eq!(vm.outcome(id).replied().headers, pairs::of(&[("x-a", "b")]));
    });
}

#[test]
fn time_stands_still_until_it_passes() {
    configured(|vm| {
        vm.host(|host| host.set_tick(100));
        vm.pass(Duration::from_millis(1050));
        assert_eq!(vm.log(), ["tick"; 10]);
        vm.pass(Duration::from_millis(49));
        assert_eq!(vm.log(), ["tick"; 10]);
        vm.set_clock(7);
        vm.pass(Duration::from_millis(1));
        assert_eq!(vm.log(), ["tick"; 11]);
        let now = vm.host(|host| host.now_ns);
        vm.pass(Duration::ZERO);
        assert_eq!(vm.host(|host| host.now_ns), now);
        vm.set_clock(5);
        assert_eq!(hostcalls::get_current_time().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap(), Duration::from_secs(5));
    });
}

#[test]
fn one_of_several_vms_gets_the_lease() {
    let shared = Shared::default();
    let status = || {
        on_a_vm_sharing(shared.clone(), start, |vm| {
            assert!(vm.configure(""));
            vm.outcome_of(&[(":path", "/lease")]).replied().status
        })
    };
    assert_eq!([status(), status(), status()], [200, 409, 409]);
    assert_eq!(shared.get(b"lease"), Ok((b"me".to_vec(), 1)));
    assert_eq!(shared.set(b"lease", vec![], 7), Err(CAS_MISMATCH));
    assert_eq!(Status::CasMismatch as u32, CAS_MISMATCH);
}
