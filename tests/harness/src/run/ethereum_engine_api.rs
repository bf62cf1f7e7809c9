//! Ethereum's Engine API: whose tokens a consensus client's calls must carry.

use crate::folder::Folder;
use crate::system::System;
use crate::visit::Visit;
use portcullis_harness::{Algorithm, Answer, Example, Jws, Key, Received, Request, Upstream, mint, now};
use serde_json::json;
use std::fs;

pub(crate) fn prepare(folder: &Folder) -> System {
    let key = key(folder);
    folder.write("another.hex", &fresh());
    folder.write("token.sh", include_str!("ethereum_engine_api/token.sh"));
    let upstream = Upstream::start();
    upstream.answer_by(execution_client);
    let launch = Example::shipped("envoy/ethereum-engine-api.yaml", &[8551])
        .port(18551, upstream.address().port())
        .launch()
        .env("ENGINE_JWT_SECRET", &key);
    let notes = vec![
        format!("Key: {} ({})", folder.path("jwt.hex"), key.trim()),
        format!("WebSocket: websocat -H=\"Authorization: Bearer $({})\" ws://{{{{http}}}}/", command(folder, "")),
    ];
    System { launch, visits: visits(folder, &key), notes, _stand_ins: vec![Box::new(upstream)] }
}

/// What is in the folder's `jwt.hex`. One that is there stays: somebody may have given it to a consensus client.
fn key(folder: &Folder) -> String {
    let read = || fs::read_to_string(folder.path("jwt.hex"));
    read().unwrap_or_else(|_| {
        folder.write("jwt.hex", &fresh());
        read().expect("it was just written")
    })
}

fn fresh() -> String {
    let digits: String = Key::fresh(Algorithm::HS256).secret_bytes().iter().take(32).map(|byte| format!("{byte:02x}")).collect();
    format!("0x{digits}\n")
}

/// The bytes of what Envoy is given as hex; none where it isn't hex, which Envoy will tell.
fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.trim().trim_start_matches("0x").trim_start_matches("0X").as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.map(byte).collect::<Option<_>>().unwrap_or_default()
}

/// Stands for the execution client: it has one answer, and sends back the frames of WebSockets.
fn execution_client(received: &Received) -> Answer {
    if received.header("upgrade").is_some() {
        return Answer::echo();
    }
    Answer::json(&json!({"jsonrpc": "2.0", "id": received.json()["id"], "result": ["engine_forkchoiceUpdatedV3", "engine_newPayloadV4"]}))
}

fn visits(folder: &Folder, key: &str) -> Vec<Visit> {
    let (key, other) = (Key::secret(Algorithm::HS256, bytes(key)), Key::fresh(Algorithm::HS256));
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "engine_exchangeCapabilities", "params": [["engine_newPayloadV4"]]});
    let call = Request::post("/", body.to_string()).host("localhost").header("content-type", "application/json");
    let visit = |what: &str, passes| Visit::new(what, call.clone(), passes);
    let token = |key: &Key, seconds| {
        let key = key.clone();
        move || mint(&key, json!({"iat": now(seconds)}))
    };
    let issued =
        |what: &str, seconds: i64, passes| visit(what, passes).fresh_bearer(token(&key, seconds), &command(folder, &seconds.to_string()));
    let none = Jws::new(json!({"alg": "none"}), json!({"iat": now(0)})).with_signature(b"");
    vec![
        issued("a token of this second", 0, true),
        issued("a token, 50 seconds old", -50, true),
        issued("a token, 50 seconds ahead of our clock", 50, true),
        issued("a token, 70 seconds old", -70, false),
        issued("a token, 70 seconds ahead of our clock", 70, false),
        visit("no token", false),
        visit("a token by another key", false)
            .fresh_bearer(token(&other, 0), &command(folder, &format!("0 '{}'", folder.path("another.hex")))),
        Visit::new("a token that nobody signed", call.clone().bearer(&none), false),
    ]
}

/// Prints a token.
fn command(folder: &Folder, arguments: &str) -> String {
    format!("bash '{}' {arguments}", folder.path("token.sh")).trim_end().to_owned()
}
