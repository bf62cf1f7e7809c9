//! Keys from the network, when the network does what it likes: answers that come late, broken or never, and a clock that steps.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};

use super::host::INTERNAL_FAILURE;
use super::pairs;
use super::shared::Shared;
use super::vm::{Outcome, StreamId, Vm, on_a_vm, on_a_vm_sharing};

const CONFIGURATION: &str = r#"{"providers": {"idp": {"jwt": {
    "keys": {"jwks_uri": "https://idp.example/keys", "cluster": "idp", "wait": "5s", "timeout": "5s", "refresh": "1h", "max_stale": "72h"},
    "issuers": ["https://idp.example"], "audiences": ["api"]}}}}"#;

/// 2026-01-01, when the host's clock begins.
const NOW: u64 = 1_767_225_600;
const WAIT: Duration = Duration::from_secs(5);

fn key() -> SigningKey {
    SigningKey::from_slice(&[7; 32]).unwrap()
}

fn jwks() -> String {
    let point = key().verifying_key().to_sec1_point(false);
    let coordinate = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let (x, y) = (coordinate(&point.as_bytes()[1..33]), coordinate(&point.as_bytes()[33..]));
    format!(r#"{{"keys": [{{"kty": "EC", "crv": "P-256", "kid": "k1", "use": "sig", "alg": "ES256", "x": "{x}", "y": "{y}"}}]}}"#)
}

fn token(issuer: &str, expires: u64) -> String {
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg": "ES256", "typ": "JWT", "kid": "k1"}"#);
    let claims = format!(r#"{{"iss": "{issuer}", "aud": "api", "sub": "alice", "exp": {expires}}}"#);
    let text = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims));
    let signature: Signature = key().sign(text.as_bytes());
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
}

fn send(vm: &mut Vm, token: &str) -> StreamId {
    let bearer = format!("Bearer {token}");
    vm.request(&[(":method", "GET"), (":scheme", "https"), (":authority", "api.example.com"), (":path", "/"), ("authorization", &bearer)])
}

fn good(vm: &mut Vm) -> StreamId {
    send(vm, &token("https://idp.example", NOW + 1_000_000_000))
}

/// Configured, and a tick later: the first fetch is on its way.
fn configured<T: Send>(test: impl FnOnce(&mut Vm) -> T + Send) -> T {
    on_a_vm(portcullis::envoy::start, |vm| {
        assert!(vm.configure(CONFIGURATION), "{:#?}", vm.log());
        assert!(vm.callouts().is_empty(), "an answer to a fetch that leaves while configuring may never come");
        vm.pass(Duration::from_millis(1));
        assert_eq!(vm.callouts().len(), 1);
        test(vm)
    })
}

#[track_caller]
fn assert_passes(vm: &Vm, id: StreamId) {
    assert_eq!(pairs::all(&vm.outcome(id).upstream(), "x-auth-subject"), ["alice"]);
}

#[track_caller]
fn assert_unavailable(vm: &Vm, id: StreamId) {
    let reply = vm.outcome(id).replied();
    assert_eq!((reply.status, reply.details.as_str(), reply.grpc_status), (503, "keys_unavailable", 14));
    assert!(!pairs::all(&reply.headers, "retry-after").is_empty(), "{reply:?}");
}

/// The next fetch that leaves, within `limit`: when exactly is a matter of jitter.
#[track_caller]
fn next_fetch(vm: &mut Vm, limit: Duration) -> u32 {
    let step = Duration::from_millis(100);
    for _ in 0..limit.as_millis() / step.as_millis() {
        if let Some((fetch, _)) = vm.callouts().last() {
            return *fetch;
        }
        vm.pass(step);
    }
    panic!("no fetch within {limit:?}: {:#?}", vm.log());
}

#[track_caller]
fn answer(vm: &mut Vm) {
    let fetch = next_fetch(vm, Duration::from_secs(61));
    vm.answer(fetch, 200, &[], jwks());
}

#[test]
fn requests_wait_for_the_first_keys() {
    configured(|vm| {
        let callout = vm.callouts()[0].1.clone();
        assert_eq!((callout.cluster.as_str(), callout.timeout_ms), ("idp", 5000));
        assert_eq!(
            (pairs::all(&callout.headers, ":path"), pairs::all(&callout.headers, ":authority")),
            (vec!["/keys".to_owned()], vec!["idp.example".to_owned()])
        );
        let waiting: Vec<StreamId> = (0..3).map(|_| good(vm)).collect();
        for id in &waiting {
            assert_eq!(vm.outcome(*id), Outcome::Waiting);
        }
        // Those that could never pass don't wait.
        let (expired, other) = (token("https://idp.example", NOW - 1000), token("https://other.example", NOW + 1000));
        for token in [expired.as_str(), &other, "junk"] {
            let id = send(vm, token);
            assert_eq!(vm.outcome(id).replied().status, 401);
        }
        answer(vm);
        for id in waiting {
            assert_passes(vm, id);
        }
        let id = good(vm);
        assert_passes(vm, id);
        assert_eq!(vm.host(|host| host.dispatched), 1);
    });
}

#[test]
fn an_answer_that_never_comes() {
    configured(|vm| {
        let id = good(vm);
        vm.pass(WAIT - Duration::from_millis(100));
        assert_eq!(vm.outcome(id), Outcome::Waiting);
        vm.pass(Duration::from_millis(1200));
        assert_unavailable(vm, id);
        // The lost fetch is asked for again, and its answer, should it come after all, does no harm.
        vm.pass(Duration::from_secs(5));
        assert!(vm.host(|host| host.dispatched) >= 2, "{:#?}", vm.log());
        answer(vm);
        let id = good(vm);
        assert_passes(vm, id);
    });
}

#[test]
fn an_answer_that_comes_when_nobody_waits_any_more() {
    configured(|vm| {
        let (left, answered) = (good(vm), good(vm));
        vm.end(left);
        vm.pass(WAIT + Duration::from_millis(500));
        assert_unavailable(vm, answered);
        answer(vm);
        assert_unavailable(vm, answered);
        let id = good(vm);
        assert_passes(vm, id);
    });
}

#[test]
fn broken_answers_are_failures() {
    let huge = "x".repeat(70_000);
    for (status, body) in [
        (200, ""),
        (200, "{}"),
        (200, r#"{"keys": []}"#),
        (200, "\u{FEFF}"),
        (200, huge.as_str()),
        (404, "{}"),
        (503, ""),
        (504, ""),
        (301, ""),
    ] {
        configured(|vm| {
            let id = good(vm);
            vm.answer(vm.callouts()[0].0, status, &[("x-\u{ff}", "\u{ff}")], body);
            assert_eq!(vm.outcome(id), Outcome::Waiting, "{status} {body:.20}");
            answer(vm);
            assert_passes(vm, id);
        });
    }
    configured(|vm| {
        let id = good(vm);
        vm.reset(vm.callouts()[0].0);
        assert_eq!(vm.outcome(id), Outcome::Waiting);
        answer(vm);
        assert_passes(vm, id);
    });
}

#[test]
fn a_cluster_that_is_not_there_yet() {
    configured(|vm| {
        vm.calls(|calls| calls.fail("proxy_http_call", INTERNAL_FAILURE));
        vm.reset(vm.callouts()[0].0);
        let id = good(vm);
        vm.pass(WAIT + Duration::from_secs(1));
        assert_unavailable(vm, id);
        vm.calls(super::calls::Calls::heal);
        answer(vm);
        let id = good(vm);
        assert_passes(vm, id);
    });
}

#[test]
fn a_refresh_that_fails_changes_nothing_until_the_keys_are_stale() {
    configured(|vm| {
        answer(vm);
        let refresh = next_fetch(vm, Duration::from_secs(3601));
        vm.calls(|calls| calls.fail("proxy_http_call", INTERNAL_FAILURE));
        vm.reset(refresh);
        vm.pass(Duration::from_secs(71 * 3600));
        let id = good(vm);
        assert_passes(vm, id);
        vm.pass(Duration::from_secs(3 * 3600));
        let id = good(vm);
        let reply = vm.outcome(id).replied();
        assert_eq!((reply.status, reply.details.as_str()), (503, "keys_stale"));
        // One line a minute, not one a second.
        assert!(vm.log().len() < 12_000, "{}", vm.log().len());
    });
}

/// Every host call while an answer is taken in may fail, but for the first: the SDK makes that one itself, and ends the VM.
#[test]
fn waking_may_fail() {
    for at in 1.. {
        let hit = configured(|vm| {
            let (first, second) = (good(vm), good(vm));
            vm.calls(|calls| calls.fail_at(at, INTERNAL_FAILURE));
            answer(vm);
            let hit = vm.calls(|calls| calls.hit());
            vm.pass(Duration::from_secs(20));
            for id in [first, second] {
                if let Outcome::Upstream(headers) = vm.outcome(id) {
                    assert_eq!(vm.stream(id).properties.filter_state("portcullis.verdict").as_deref(), Some("allow"), "{hit:?}");
                    assert!(pairs::all(&headers, "authorization").is_empty());
                } else if vm.outcome(id) == Outcome::Waiting {
                    assert!(
                        matches!(hit, Some("proxy_set_effective_context" | "proxy_send_local_response" | "proxy_continue_stream")),
                        "{hit:?}"
                    );
                }
                vm.end(id);
            }
            // Whatever is on its way may count as lost by now; the next one does not.
            let earlier = vm.callouts().len();
            for _ in 0..700 {
                vm.pass(Duration::from_millis(100));
                if let Some((fetch, _)) = vm.callouts().get(earlier..).and_then(<[_]>::last) {
                    vm.answer(*fetch, 200, &[], jwks());
                }
            }
            let id = good(vm);
            assert_passes(vm, id);
            hit
        });
        if hit.is_none() {
            break;
        }
    }
}

#[test]
fn the_clock_steps_forward() {
    configured(|vm| {
        let id = good(vm);
        vm.set_clock(NOW + 100_000);
        vm.tick();
        assert_unavailable(vm, id);
        vm.pass(Duration::from_secs(1));
        let id = good(vm);
        answer(vm);
        assert_passes(vm, id);
    });
}

#[test]
fn the_clock_steps_back_while_requests_wait() {
    configured(|vm| {
        let id = good(vm);
        vm.set_clock(NOW - 100_000);
        vm.pass(Duration::from_secs(30));
        assert_unavailable(vm, id);
    });
}

#[test]
fn the_clock_steps_back_before_a_refresh() {
    configured(|vm| {
        answer(vm);
        vm.set_clock(NOW - 100_000);
        // Once an hour, whatever the clock said before.
        next_fetch(vm, Duration::from_secs(2 * 3600));
    });
}

/// There is no way to remove shared data: who tries leaves it empty.
#[test]
fn shared_data_may_be_emptied() {
    let shared = Shared::default();
    in_a_process(&shared, |vm| {
        vm.pass(Duration::from_millis(1));
        answer(vm);
        let names = shared.names();
        assert!(names.len() >= 2, "{names:?}");
        for name in names {
            shared.set(&name, Vec::new(), 0).unwrap();
        }
        next_fetch(vm, Duration::from_secs(1));
    });
}

/// The clock jumps while a fetch is on its way, which then counts as lost: its answer is none to the next one.
#[test]
fn an_earlier_answer_is_none_to_a_later_fetch() {
    configured(|vm| {
        let first = vm.callouts()[0].0;
        vm.set_clock(NOW + 100_000);
        vm.pass(Duration::from_secs(1));
        let callouts = vm.callouts();
        let second = callouts.iter().map(|(id, _)| *id).find(|id| *id != first).expect("another fetch");
        let id = good(vm);
        vm.answer(first, 200, &[], jwks());
        assert_eq!(vm.outcome(id), Outcome::Waiting);
        vm.answer(second, 200, &[], jwks());
        assert_passes(vm, id);
    });
}

/// A VM of a process, configured.
fn in_a_process<T: Send>(shared: &Shared, test: impl FnOnce(&mut Vm) -> T + Send) -> T {
    on_a_vm_sharing(shared.clone(), portcullis::envoy::start, |vm| {
        vm.host(|host| host.properties.attribute(&["plugin_vm_id"], "portcullis"));
        assert!(vm.configure(CONFIGURATION), "{:#?}", vm.log());
        test(vm)
    })
}

#[test]
fn a_vm_that_dies_over_its_fetch_is_replaced_by_another() {
    let shared = Shared::default();
    in_a_process(&shared, |vm| {
        vm.pass(Duration::from_millis(1));
        assert_eq!(vm.callouts().len(), 1);
        // It says nothing any more.
        vm.calls(|calls| calls.fail("proxy_set_shared_data", INTERNAL_FAILURE));
    });
    in_a_process(&shared, |vm| {
        vm.pass(Duration::from_secs(5));
        assert_eq!(vm.host(|host| host.dispatched), 0, "somebody else fetches");
        let id = good(vm);
        answer(vm);
        assert_passes(vm, id);
    });
    // Whoever comes later has the keys before its first tick.
    in_a_process(&shared, |vm| {
        vm.set_clock(NOW + 60);
        let id = good(vm);
        assert_passes(vm, id);
        vm.pass(Duration::from_secs(600));
        assert_eq!(vm.host(|host| host.dispatched), 0);
    });
}

#[test]
fn whoever_comes_second_does_not_fetch() {
    // What the other VM sets tells nothing, so only the version does.
    in_a_process(&Shared::default().with_rival(&[0; 64]), |vm| {
        vm.pass(Duration::from_secs(30));
        assert_eq!(vm.host(|host| host.dispatched), 0);
    });
}

#[test]
fn a_blank_vm_id_is_shared_with_nobody() {
    let shared = Shared::default();
    for (warns, id) in [(true, ""), (false, ""), (false, "portcullis")] {
        let (has_warned, fetches) = on_a_vm_sharing(shared.clone(), portcullis::envoy::start, |vm| {
            vm.host(|host| host.properties.attribute(&["plugin_vm_id"], id));
            assert!(vm.configure(CONFIGURATION), "{:#?}", vm.log());
            let waiting = good(vm);
            answer(vm);
            assert_passes(vm, waiting);
            (vm.log().iter().any(|line| line.contains("vm_id is blank")), vm.host(|host| host.dispatched))
        });
        assert_eq!((has_warned, fetches), (warns, 1), "{id}");
        let keys = shared.names().iter().any(|name| name.starts_with(b"portcullis.keys."));
        assert_eq!(keys, !id.is_empty(), "{id}");
    }
}

#[test]
fn shared_data_may_fail() {
    for call in ["proxy_get_shared_data", "proxy_set_shared_data"] {
        in_a_process(&Shared::default(), |vm| {
            vm.calls(|calls| calls.fail(call, INTERNAL_FAILURE));
            vm.pass(Duration::from_secs(1));
            let id = good(vm);
            vm.pass(WAIT + Duration::from_secs(1));
            assert_unavailable(vm, id);
            vm.calls(super::calls::Calls::heal);
            answer(vm);
            let id = good(vm);
            assert_passes(vm, id);
        });
    }
}
