//! The filter's own VM dies, on one worker or on all of them, while requests come: it comes back, and meanwhile nothing passes that it didn't judge.
//!
//! Nothing that a client sends makes it trap, so its memory is cleared from outside.
#![cfg(target_os = "linux")]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that can't go on fails"
)]

use portcullis_harness::{Case, Connection, IdentityProvider, PATIENCE, Plugin, Request, Response, Stage, now, poll};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, RwLock};
use std::thread;

const SECRET: &str = "what-billing-alone-knows";
const WORKERS: u32 = 2;
const RELOADED: &str = "wasm.portcullis.vm_reload_success";

/// The stage, and alice's token.
fn stage(change: impl FnOnce(Plugin) -> Plugin) -> (Stage, String) {
    let hex: String = Sha256::digest(SECRET).iter().map(|byte| format!("{byte:02x}")).collect();
    let keys = json!({"jwks_uri": "http://idp.test/.well-known/jwks.json", "cluster": "idp", "insecure_http": true});
    let identity_provider = IdentityProvider::start();
    let token = identity_provider.token(json!({"iss": "https://idp.test", "aud": "api", "sub": "alice", "exp": now(600)}));
    let plugin = Plugin::new(json!({
        "providers": {
            "partners": {
                "static_secret": {"callers": [{"id": "billing", "secrets": [{"sha256": hex}]}]}, "from": [{"header": "x-api-key"}]
            },
            "users": {"jwt": {"keys": keys, "issuers": ["https://idp.test"], "audiences": ["api"]}},
        },
        "rules": [{"match": {"path": "/users"}, "require": "users"}, {"require": "partners"}],
    }));
    let stage = Stage::new()
        .plugin(change(plugin))
        .identity_provider(identity_provider)
        .concurrency(WORKERS)
        .balanced()
        .launch(|launch| launch.direct().component_log_level("wasm:info"));
    (stage, token)
}

/// A request, and whom the upstream takes it for; `None`: it may never get it.
fn requests(token: &str) -> [(Request, Option<&'static str>); 5] {
    let spoofed = |path: &str| Request::get(path).header("x-auth-subject", "root");
    [
        (spoofed("/").header("x-api-key", SECRET), Some("billing")),
        (spoofed("/users").bearer(token), Some("alice")),
        (spoofed("/"), None),
        (spoofed("/").header("x-api-key", "a-guess"), None),
        (spoofed("/users").bearer(&format!("{token}x")), None),
    ]
}

/// What is wrong with an answer, whatever state the VM is in.
fn fault(expected: Option<&str>, response: &Response) -> Option<String> {
    let subjects: Vec<Value> = serde_json::from_slice::<Value>(&response.body)
        .map(|got| {
            got["headers"].as_array().into_iter().flatten().filter(|pair| pair[0] == "x-auth-subject").map(|pair| pair[1].clone()).collect()
        })
        .unwrap_or_default();
    let is_right = match (response.status, expected) {
        (200, Some(subject)) => subjects == [json!(subject)],
        (401, None) | (503, _) => true,
        _ => false,
    };
    (!is_right).then(|| format!("{} for {expected:?}: {}", response.status, response.text()))
}

/// Ends the load, also where the test fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_vm_that_dies_lets_nothing_through_and_comes_back() {
    let (stage, token) = stage(|plugin| plugin);
    // Without the guard, nothing else stands between a skipped filter and the upstream.
    let stage = stage.without_guard().start();
    let requests = requests(&token);
    let is_over = AtomicBool::new(false);
    let [passed, unavailable] = [const { AtomicUsize::new(0) }; 2];
    let wrong = Mutex::new(Vec::new());
    // A VM dies between two requests: one that loses its memory halfway may go on for ever.
    let gate = RwLock::new(());
    let connect = |http2: bool| if http2 { stage.client().http2() } else { stage.client() }.connect().expect("a connection");
    let all_pass = || {
        // Each worker has every other connection.
        let mut connections: Vec<Connection> = (0..4).map(|number| connect(number % 2 == 0)).collect();
        let passes = |connection: &mut Connection, request: &Request| connection.send(request).is_ok_and(|response| response.status == 200);
        connections.iter_mut().all(|connection| requests[..2].iter().all(|(request, _)| passes(connection, request)))
    };
    assert!(poll(PATIENCE, || all_pass().then_some(())).is_some(), "{}", stage.envoy.log().text());
    thread::scope(|scope| {
        let ends = Ends(&is_over);
        for http2 in [false, false, true, true] {
            let mut connection = connect(http2);
            let (requests, is_over, passed, unavailable, wrong) = (&requests, &is_over, &passed, &unavailable, &wrong);
            let gate = &gate;
            scope.spawn(move || {
                for (request, expected) in requests.iter().cycle() {
                    if is_over.load(Ordering::Relaxed) {
                        return;
                    }
                    let open = gate.read().expect("a gate");
                    let response = connection.send(request).expect("connections outlive VMs");
                    drop(open);
                    match response.status {
                        200 => passed.fetch_add(1, Ordering::Relaxed),
                        503 => unavailable.fetch_add(1, Ordering::Relaxed),
                        _ => 0,
                    };
                    wrong.lock().expect("a list").extend(fault(*expected, &response));
                }
            });
        }
        for _ in 0..3 {
            let vms = stage.envoy.vm_memories(b"credential_ambiguous");
            // The main thread's, too, the first time: it serves no request, and so nothing revives it.
            assert!(vms.len() >= WORKERS as usize, "{vms:?}");
            let reloaded = stage.envoy.stat(RELOADED).unwrap_or_default();
            let shut = gate.write().expect("a gate");
            vms.iter().for_each(|vm| vm.clear().expect("this process may write to its child's memory"));
            drop(shut);
            stage.envoy.wait_for_stat(RELOADED, reloaded + u64::from(WORKERS));
            assert!(poll(PATIENCE, || all_pass().then_some(())).is_some(), "{}", stage.envoy.log().text());
        }
        drop(ends);
    });
    let wrong = wrong.into_inner().expect("a list");
    assert!(wrong.is_empty(), "{} wrong: {:#?}", wrong.len(), &wrong[..wrong.len().min(5)]);
    assert!(passed.into_inner() > 100 && unavailable.into_inner() > 0, "the VMs died under no load");
}

/// Where the operator has chosen FAIL_OPEN, Envoy passes a dead VM by, and the guard alone is left.
#[test]
fn the_guard_stands_where_envoy_passes_a_dead_vm_by() {
    const GUARD: &str = "rbac_access_denied_matched_policy[none]";
    let (stage, token) = stage(|plugin| plugin.failure_policy("FAIL_OPEN"));
    let without_guard = json!({"guard": {"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "disabled": true}});
    let to_upstream = json!({"cluster": "upstream"});
    let routes = json!([
        {"match": {"prefix": "/unguarded"}, "route": to_upstream, "typed_per_filter_config": without_guard},
        {"match": {"prefix": "/"}, "route": to_upstream},
    ]);
    let stage = stage.bootstrap(|bootstrap| bootstrap.routes(routes)).concurrency(1).start();
    let stranger = |path: &str| Case::get(path).header("x-auth-subject", "root");
    let billing = |path: &str| Case::get(path).header("x-api-key", SECRET);
    stage.check([
        stranger("/").expect(401).reason("credential_missing"),
        stranger("/unguarded").expect(401).reason("credential_missing"),
        billing("/").expect(200).upstream("x-auth-subject", "billing"),
    ]);
    let vms = stage.envoy.vm_memories(b"credential_ambiguous");
    vms.iter().for_each(|vm| vm.clear().expect("this process may write to its child's memory"));
    stage.check([
        stranger("/unguarded").named("it dies").expect(503).not_upstream(),
        stranger("/unguarded").named("the attack is real").expect(200).upstream("x-auth-subject", "root"),
        stranger("/").named("the guard").expect(403).reason(GUARD),
        stranger("/").named("the guard, HTTP/2").http2().expect(403).reason(GUARD),
        billing("/").named("whoever it is").expect(403).reason(GUARD),
        Case::get("/users").bearer(&token).expect(403).reason(GUARD),
    ]);
}
