//! The Engine API behind `envoy/ethereum-engine-api.yaml`, called by alloy, the library that Rust clients of Ethereum are
//! made of: it reads `jwt.hex` and makes its tokens by itself. `make alloy` builds the client; without it nothing is tested.
#![allow(clippy::expect_used, clippy::panic, dead_code, reason = "helpers of tests, which other tests use more of")]

#[path = "ethereum_engine_api/house.rs"]
mod house;

#[path = "ethereum_engine_api/tool.rs"]
mod tool;

use house::{KEY, hex, stage};
use portcullis_harness::{Answer, RunningStage};
use serde_json::json;
use std::path::Path;
use std::process::Command;
use tool::tool;

/// Runs the client; what it printed, or why it failed.
fn call(client: &Path, stage: &RunningStage, scheme: &str, key: &str, seconds: u64) -> Result<String, String> {
    let file = stage.envoy.directory().join("jwt.hex");
    std::fs::write(&file, key).expect("the folder can be written to");
    let url = format!("{scheme}://localhost:{}", stage.envoy.listener("http").port());
    let output = Command::new(client).arg(url).arg(file).arg(seconds.to_string()).output().expect("the client runs");
    let (printed, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() { Ok(printed.trim().to_owned()) } else { Err(error.into_owned()) }
}

#[test]
fn alloy_notices_nothing() {
    let Some(client) = tool("engine-api-client", "alloy") else { return };
    // Six seconds are more than a token's window here, and more than alloy keeps one of its own.
    let stage = stage(|example| example.replace("max_token_age: 60s", "max_token_age: 5s"));
    stage.upstream.answer_by(|received| {
        if received.header("upgrade").is_some() {
            return Answer::echo();
        }
        Answer::json(&json!({"jsonrpc": "2.0", "id": received.json()["id"], "result": ["engine_newPayloadV4"]}))
    });
    for key in [hex(KEY), format!("0x{}\n", hex(KEY))] {
        assert_eq!(call(&client, &stage, "http", &key, 6), Ok("[engine_newPayloadV4]".to_owned()));
    }
    let tokens: Vec<_> = stage.upstream.received().iter().filter_map(|received| received.header("authorization")).collect();
    assert_eq!(tokens.len(), 4);
    assert!(tokens.iter().all(|token| token.starts_with("Bearer eyJ")) && tokens.first() != tokens.last(), "{tokens:?}");
    let refused = call(&client, &stage, "http", &hex("k".repeat(32)), 0).expect_err("another key");
    assert!(refused.contains("401") && refused.contains("signature"), "{refused}");
    let refused = call(&client, &stage, "ws", &hex("k".repeat(32)), 0).expect_err("another key");
    assert!(refused.contains("401"), "{refused}");
    assert_eq!(stage.upstream.count(), 4);
}
