//! The shipped configurations, as they are shipped, with the module under test.

use portcullis_harness::{Client, Envoy, Example, Request, Upstream, portcullis_wasm};
use std::process::Command;

#[test]
fn the_quickstart_shows_what_it_says() {
    let output = Command::new(env!("CARGO_BIN_EXE_stage")).env("ONCE", "1").output().expect("the binary runs");
    let (shown, complaints) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{shown}\n{complaints}");
    for reason in ["credential_missing", "secret_unknown", "token_expired", "signature_invalid", "role_missing", "no_rule"] {
        assert!(shown.contains(reason), "nothing was refused for {reason}:\n{shown}");
    }
}

#[test]
fn the_rate_limit_counts_each_caller_by_itself() {
    let upstream = Upstream::start();
    let envoy = rate_limit(&upstream);
    let client = Client::new(envoy.listener("http"));
    let call = |secret: &str| client.send(&Request::get("/").bearer(secret).header("x-auth-subject", "somebody-else")).status;
    let statuses: Vec<u16> = (0..6).map(|_| call(BILLING)).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 429]);
    assert_eq!(call(AUDIT), 200);
    assert_eq!(call("unknown"), 401);
    assert_eq!(upstream.count(), 6);
}

const BILLING: &str = "billing-secret-for-tests-only";
const AUDIT: &str = "audit-secret-for-tests-only";

fn rate_limit(upstream: &Upstream) -> Envoy {
    Example::load("envoy/rate-limit.yaml")
        .port(9901, 0)
        .port(10000, 0)
        .port(8080, upstream.address().port())
        .replace("address: 0.0.0.0", "address: 127.0.0.1")
        .replace("/dev/stdout", "{{directory}}/access.log")
        .replace("/etc/envoy/portcullis.wasm", &portcullis_wasm().to_string_lossy())
        .launch()
        .env("PARTNERS_BILLING_SHA256", "6823a6d653dcdcd846b4b034f53298e511a1962e13bf1d6f2b8e052bb8ed3a06")
        .env("PARTNERS_AUDIT_SHA256", "48d96535e9f2ea540251e281af3b1931a28d2378b7ed7dfee62595f6ee640853")
        .start()
}
