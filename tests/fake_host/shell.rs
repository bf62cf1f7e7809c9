//! The shell when Envoy doesn't do what it is asked: whatever fails, nothing goes upstream that wasn't let through, and the VM lives on.

use super::calls::Calls;
use super::host::{BAD_ARGUMENT, INTERNAL_FAILURE, NOT_FOUND, Status, Stream};
use super::pairs::{self, Pairs};
use super::vm::{Outcome, StreamId, Vm, on_a_vm};

/// SHA-256 of `my-secure-token`.
const CONFIGURATION: &str = r#"{"providers": {"partners": {"static_secret": {"callers": [
    {"id": "billing", "roles": ["reader"], "secrets": [{"id": "s1", "sha256": "S7PhOYRVu0t6nC6a9jthgm3ZV3D664BAJZK4jM3+DT4="}]}]}}}}"#;

const GOOD: &[(&str, &str)] = &[
    (":method", "GET"),
    (":scheme", "https"),
    (":authority", "api.example.com"),
    (":path", "/orders?x=1"),
    ("authorization", "Bearer my-secure-token"),
    ("x-auth-subject", "evil"),
    ("x_auth_roles", "evil"),
    ("user-agent", "test"),
];

/// Statuses that Envoy gives, and one that nobody knows.
const STATUSES: &[Status] = &[NOT_FOUND, BAD_ARGUMENT, 3, 4, 7, 8, INTERNAL_FAILURE, 12, 99];

fn bad() -> Vec<(&'static str, &'static str)> {
    GOOD.iter().map(|(name, value)| if *name == "authorization" { (*name, "Bearer wrong") } else { (*name, *value) }).collect()
}

fn configured<T: Send>(test: impl FnOnce(&mut Vm) -> T + Send) -> T {
    on_a_vm(portcullis::envoy::start, |vm| {
        vm.host(|host| host.properties.attribute(&["plugin_name"], "test"));
        assert!(vm.configure(CONFIGURATION), "{:#?}", vm.log());
        test(vm)
    })
}

/// What goes upstream says who calls, holds nothing that the client may not say, and has the verdict that the guard admits.
#[track_caller]
fn assert_let_through(vm: &Vm, id: StreamId, headers: &Pairs) {
    assert_eq!(vm.stream(id).properties.filter_state("portcullis.verdict").as_deref(), Some("allow"));
    assert_eq!(pairs::all(headers, "x-auth-subject"), ["billing"]);
    assert_eq!(pairs::all(headers, "x-auth-roles"), ["reader"]);
    for name in ["authorization", "x_auth_roles"] {
        assert!(pairs::all(headers, name).is_empty(), "{name} in {}", pairs::shown(headers));
    }
}

#[test]
fn the_good_pass_and_the_bad_do_not() {
    configured(|vm| {
        let id = vm.request(GOOD);
        assert_let_through(vm, id, &vm.outcome(id).upstream());
        assert_eq!(vm.stream(id).properties.filter_state("portcullis.subject").as_deref(), Some("billing"));
        let id = vm.request(&bad());
        let reply = vm.outcome(id).replied();
        assert_eq!((reply.status, reply.details.as_str(), reply.grpc_status), (401, "secret_unknown", 16));
        assert_eq!(vm.stream(id).properties.filter_state("portcullis.verdict"), None);
        assert_eq!(vm.stream(id).properties.filter_state("portcullis.reason").as_deref(), Some("secret_unknown"));
        assert!(!vm.log().iter().any(|line| line.contains("my-secure-token") || line.contains("wrong")), "{:#?}", vm.log());
    });
}

#[test]
fn every_host_call_of_a_request_may_fail() {
    configured(|vm| {
        for status in STATUSES {
            for at in 0.. {
                vm.calls(|calls| calls.fail_at(at, *status));
                let id = vm.request(GOOD);
                let Some(hit) = vm.calls(|calls| calls.hit()) else {
                    break;
                };
                match vm.outcome(id) {
                    Outcome::Upstream(headers) => {
                        // Metrics are no reason to refuse; and "not found" is what everybody's request says of the verdict.
                        let harmless = hit.contains("metric") || (hit == "proxy_get_property" && *status == NOT_FOUND);
                        assert!(harmless, "{hit} failed with {status}, and the request went on");
                        assert_let_through(vm, id, &headers);
                    }
                    Outcome::Replied(reply) => assert!(reply.status >= 400, "{hit}: {reply:?}"),
                    Outcome::Waiting => panic!("{hit} failed with {status}, and the request has no answer"),
                }
                vm.end(id);
            }
            vm.calls(Calls::heal);
            let id = vm.request(GOOD);
            assert_let_through(vm, id, &vm.outcome(id).upstream());
        }
    });
}

#[test]
fn every_host_call_of_a_refusal_may_fail() {
    configured(|vm| {
        for status in STATUSES {
            for at in 0.. {
                vm.calls(|calls| calls.fail_at(at, *status));
                let id = vm.request(&bad());
                let Some(hit) = vm.calls(|calls| calls.hit()) else {
                    break;
                };
                match vm.outcome(id) {
                    Outcome::Upstream(_) => panic!("{hit} failed with {status}, and a bad request went on"),
                    Outcome::Replied(reply) => assert!(reply.status >= 400, "{hit}: {reply:?}"),
                    Outcome::Waiting => assert_eq!(hit, "proxy_send_local_response"),
                }
                vm.end(id);
            }
        }
    });
}

/// What goes on without being let through has its own verdict, and says nothing of a caller.
#[test]
fn every_host_call_of_what_is_observed_may_fail() {
    let configuration = CONFIGURATION.replacen('{', r#"{"mode": {"observe": {"until": "2999-01-01T00:00:00Z"}}, "#, 1);
    on_a_vm(portcullis::envoy::start, |vm| {
        assert!(vm.configure(&configuration), "{:#?}", vm.log());
        for status in STATUSES {
            for at in 0.. {
                vm.calls(|calls| calls.fail_at(at, *status));
                let id = vm.request(&bad());
                let hit = vm.calls(|calls| calls.hit());
                match vm.outcome(id) {
                    Outcome::Upstream(headers) => {
                        let harmless = |hit: &str| {
                            hit.contains("metric") || hit.contains("log") || (hit == "proxy_get_property" && *status == NOT_FOUND)
                        };
                        assert!(hit.is_none_or(harmless), "{hit:?} failed with {status}, and the request went on");
                        assert_eq!(vm.stream(id).properties.filter_state("portcullis.verdict").as_deref(), Some("observe"));
                        assert_eq!(pairs::all(&headers, "authorization"), ["Bearer wrong"]);
                        for name in ["x-auth-subject", "x_auth_roles", "x-auth-provider"] {
                            assert!(pairs::all(&headers, name).is_empty(), "{name} in {}", pairs::shown(&headers));
                        }
                    }
                    Outcome::Replied(reply) => {
                        assert!(reply.status >= 400 && hit.is_some(), "{hit:?}: {reply:?}");
                        assert_eq!(vm.stream(id).properties.filter_state("portcullis.verdict"), None, "{hit:?} failed with {status}");
                    }
                    Outcome::Waiting => panic!("{hit:?} failed with {status}, and the request has no answer"),
                }
                vm.end(id);
                if hit.is_none() {
                    break;
                }
            }
        }
        assert_eq!(vm.host(|host| host.metrics.value("portcullis..observing")), Some(1));
        assert_eq!(vm.host(|host| host.metrics.definitions("portcullis..observing")), 1);
    });
}

#[test]
fn calls_may_fail_for_good_and_come_back() {
    let calls = configured(|vm| {
        vm.calls(Calls::reset);
        let (good, bad) = (vm.request(GOOD), vm.request(&bad()));
        vm.trailers(good, &[("x-auth-subject", "evil")]);
        vm.tick();
        vm.end(good);
        vm.end(bad);
        vm.calls(|calls| calls.counts().keys().copied().collect::<Vec<_>>())
    });
    for call in &calls {
        configured(|vm| {
            vm.calls(|calls| calls.fail(call, INTERNAL_FAILURE));
            for _ in 0..3 {
                let (good, bad) = (vm.request(GOOD), vm.request(&bad()));
                if let Outcome::Upstream(headers) = vm.outcome(good) {
                    assert_let_through(vm, good, &headers);
                }
                assert!(!matches!(vm.outcome(bad), Outcome::Upstream(_)), "{call}");
                vm.tick();
                vm.end(bad);
                vm.end(good);
            }
            vm.calls(Calls::heal);
            let id = vm.request(GOOD);
            assert_let_through(vm, id, &vm.outcome(id).upstream());
        });
    }
}

/// Where `on_configure` says no on a worker after it said yes on the main thread, Envoy serves without the filter: only what can't be known without
/// the call may make it say no.
#[test]
fn configuring_depends_on_nothing_but_the_configuration() {
    for at in 0.. {
        let hit = on_a_vm(portcullis::envoy::start, |vm| {
            vm.calls(|calls| calls.fail_at(at, INTERNAL_FAILURE));
            let accepted = vm.configure(CONFIGURATION);
            let hit = vm.calls(|calls| calls.hit());
            assert_eq!(accepted, hit != Some("proxy_get_buffer_bytes"), "{hit:?}");
            let (good, bad) = (vm.request(GOOD), vm.request(&bad()));
            if let Outcome::Upstream(headers) = vm.outcome(good) {
                assert!(pairs::all(&headers, "authorization").is_empty());
            }
            vm.outcome(bad).replied();
            hit
        });
        if hit.is_none() {
            break;
        }
    }
}

#[test]
fn without_a_configuration_nothing_passes() {
    on_a_vm(portcullis::envoy::start, |vm| {
        assert!(vm.outcome_of(GOOD).replied().status >= 500);
    });
}

#[test]
fn a_verdict_that_somebody_else_set_refuses() {
    configured(|vm| {
        for (value, read_only) in [("allow", true), ("allow", false), ("x", true)] {
            let mut stream = Stream { headers: pairs::of(GOOD), ..Stream::default() };
            stream.properties.planted("portcullis.verdict", value, read_only);
            let id = vm.send(stream);
            let reply = vm.outcome(id).replied();
            assert_eq!((reply.status, reply.details.as_str()), (500, "verdict_present"));
        }
    });
}

#[test]
fn trailers_say_nothing_of_the_caller() {
    configured(|vm| {
        let id = vm.request(GOOD);
        assert!(
            vm.trailers(id, &[("x-auth-subject", "evil"), ("X_Auth.Roles", "evil"), ("authorization", "Bearer x"), ("grpc-status", "0")])
        );
        assert_eq!(vm.stream(id).trailers.unwrap(), pairs::of(&[("grpc-status", "0")]));
        for call in ["proxy_get_header_map_pairs", "proxy_remove_header_map_value"] {
            let id = vm.request(GOOD);
            vm.calls(|calls| calls.fail_once(call, INTERNAL_FAILURE));
            assert!(!vm.trailers(id, &[("x-auth-subject", "evil")]), "{call}");
        }
    });
}

#[test]
fn bytes_that_are_no_text_end_nothing() {
    configured(|vm| {
        for at in 0..GOOD.len() {
            for octets in [&b"\xFF"[..], b"", b"\0", b"\xC3", b"\r\n", &[0xFE; 20_000]] {
                let mut headers = pairs::of(GOOD);
                headers[at].1 = octets.to_vec();
                headers.push((b"x-\xFF".to_vec(), octets.to_vec()));
                let id = vm.send(Stream { headers, ..Stream::default() });
                if let Outcome::Upstream(headers) = vm.outcome(id) {
                    assert_let_through(vm, id, &headers);
                }
                vm.end(id);
            }
        }
        let id = vm.send(Stream::default());
        assert!(vm.outcome(id).replied().status >= 400);
    });
}

#[test]
fn a_request_takes_few_host_calls() {
    configured(|vm| {
        let count = |vm: &mut Vm, headers: &[(&str, &str)]| {
            vm.calls(Calls::reset);
            let id = vm.request(headers);
            vm.end(id);
            vm.calls(|calls| calls.counts().clone())
        };
        count(vm, GOOD);
        let counts = count(vm, GOOD);
        // One map read gives everything; what gives nothing back is cheap.
        assert_eq!((counts["proxy_get_header_map_pairs"], counts["proxy_get_property"]), (1, 1), "{counts:?}");
        assert!(!counts.contains_key("proxy_get_header_map_value") && !counts.contains_key("proxy_log"), "{counts:?}");
        assert!(counts.values().sum::<usize>() <= 16, "{counts:?}");
        count(vm, &bad());
        let counts = count(vm, &bad());
        assert!(!counts.contains_key("proxy_define_metric"), "a metric is defined once: {counts:?}");
        assert!(counts.values().sum::<usize>() <= 14, "{counts:?}");
    });
}

#[test]
fn the_clock_may_go_anywhere() {
    configured(|vm| {
        for seconds in [0, 1, 1_767_225_600, u64::MAX / 1_000_000_000, 5] {
            vm.set_clock(seconds);
            vm.tick();
            let id = vm.request(GOOD);
            assert_let_through(vm, id, &vm.outcome(id).upstream());
            vm.outcome_of(&bad()).replied();
        }
    });
}

#[test]
fn k36_no_configuration_no_store() {
    on_a_vm(portcullis::envoy::start, |vm| {
        assert_eq!(pairs::all(&vm.outcome_of(GOOD).replied().headers, "cache-control"), ["no-store"]);
    });
}

#[test]
fn k2_a_header_that_came_twice_leaves_once() {
    configured(|vm| {
        let twice = [GOOD, &[("x-auth-subject", "worse")]].concat();
        assert_eq!(pairs::all(&vm.outcome_of(&twice).upstream(), "x-auth-subject"), ["billing"]);
    });
}
