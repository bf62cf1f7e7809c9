//! The Engine API behind `envoy/ethereum-engine-api.yaml`, with geth as the execution client: the same `jwt.hex` for both,
//! and both judge. `make geth` builds it; without it nothing is tested.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    dead_code,
    reason = "helpers of tests, which other tests use more of"
)]

#[path = "ethereum_engine_api/house.rs"]
mod house;

#[path = "ethereum_engine_api/tool.rs"]
mod tool;

#[path = "ethereum_engine_api/attempts.rs"]
mod attempts;

use attempts::{Outcome, attempts, with};
use house::{KEY, call, capabilities, example, handshake, hex, launch, token};
use portcullis_harness::{Client, Envoy, Example, PATIENCE, Request, now, poll};
use serde_json::{Value, json};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;
use tool::tool;

/// A running geth, alone in the world, at the first block of a chain of its own. It goes away with this value.
struct Geth {
    process: Child,
    directory: PathBuf,
    address: SocketAddr,
}

impl Geth {
    /// In a folder of this name. `None`: there is none to run.
    fn start(name: &str) -> Option<Self> {
        let binary = tool("geth", "geth")?;
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("a folder for geth");
        let file = |name: &str, text: &str| {
            fs::write(directory.join(name), text).expect("the folder can be written to");
            directory.join(name)
        };
        let config = file("geth.toml", "[Node.P2P]\nListenAddr = \"\"\nNoDiscovery = true\nNoDial = true\n");
        let secret = file("jwt.hex", &format!("0x{}\n", hex(KEY)));
        let geth = |arguments: &[&str]| {
            let mut command = Command::new(&binary);
            let log = fs::File::options().create(true).append(true).open(directory.join("geth.log")).expect("a log");
            command.arg("--datadir").arg(directory.join("data")).args(arguments).stdout(Stdio::null()).stderr(log);
            command
        };
        let initialised = geth(&["init"]).arg(file("genesis.json", &genesis().to_string())).status().expect("geth runs");
        assert!(initialised.success(), "{}", fs::read_to_string(directory.join("geth.log")).unwrap_or_default());
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr()).expect("a free port");
        let process = geth(&["--networkid", "1337", "--maxpeers", "0", "--ipcdisable", "--nat", "none", "--verbosity", "4"])
            .args(["--authrpc.addr", "127.0.0.1", "--authrpc.port", &free.port().to_string()])
            .arg("--authrpc.jwtsecret")
            .arg(secret)
            .arg("--config")
            .arg(config)
            .spawn()
            .expect("geth runs");
        let geth = Self { process, directory, address: free };
        let answers = || Client::new(geth.address).try_send(&call()).is_ok_and(|response| response.status == 401);
        poll(PATIENCE, || answers().then_some(())).unwrap_or_else(|| panic!("geth doesn't answer: {}", geth.log()));
        Some(geth)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.join("geth.log")).unwrap_or_default()
    }

    /// The shipped file in front of it, changed so.
    fn envoy(&self, change: impl FnOnce(Example) -> Example) -> Envoy {
        launch(&change(example(self.address.port()))).start()
    }
}

impl Drop for Geth {
    fn drop(&mut self) {
        // It may be gone already, and the folder's rest harms nobody.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// A chain of its own, past the merge from its first block on.
fn genesis() -> Value {
    let forks = ["homestead", "eip150", "eip155", "eip158", "byzantium", "constantinople", "petersburg", "istanbul", "berlin", "london"];
    let mut config = json!({"chainId": 1337, "terminalTotalDifficulty": 0, "shanghaiTime": 0});
    for fork in forks {
        config[format!("{fork}Block")] = json!(0);
    }
    json!({"config": config, "difficulty": "0x0", "gasLimit": "0x1c9c380", "alloc": {}})
}

/// A consensus client: calls by JSON-RPC, each with a token of its own.
struct Consensus {
    client: Client,
}

impl Consensus {
    fn call(&self, method: &str, parameters: Value) -> Value {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}).to_string();
        let request = Request::post("/", body).host("localhost:8551").header("content-type", "application/json");
        let response = self.client.send(&request.bearer(&token(json!({"iat": now(0), "id": null, "clv": null}))));
        assert_eq!(response.status, 200, "{method}: {}", response.text());
        let answer = response.json();
        assert!(answer["error"].is_null(), "{method}: {answer}");
        answer["result"].clone()
    }
}

#[test]
fn a_block_is_made_through_envoy() {
    let Some(geth) = Geth::start("geth-block") else { return };
    let envoy = geth.envoy(|example| example);
    let consensus = Consensus { client: Client::new(envoy.listener("http")) };
    let capabilities = consensus.call("engine_exchangeCapabilities", json!([["engine_newPayloadV2"]]));
    assert!(capabilities.as_array().is_some_and(|list| list.contains(&json!("engine_newPayloadV2"))), "{capabilities}");
    assert_eq!(consensus.call("eth_chainId", json!([])), "0x539");
    let first = consensus.call("eth_getBlockByNumber", json!(["0x0", false]))["hash"].clone();
    let state = |head: &Value| json!({"headBlockHash": head, "safeBlockHash": first, "finalizedBlockHash": first});
    let zero = |bytes: usize| format!("0x{}", "00".repeat(bytes));
    let attributes = json!({"timestamp": "0x1", "prevRandao": zero(32), "suggestedFeeRecipient": zero(20), "withdrawals": []});
    let begun = consensus.call("engine_forkchoiceUpdatedV2", json!([state(&first), attributes]));
    assert_eq!(begun["payloadStatus"]["status"], "VALID", "{begun}");
    let block = consensus.call("engine_getPayloadV2", json!([begun["payloadId"]]))["executionPayload"].clone();
    assert_eq!(consensus.call("engine_newPayloadV2", json!([block]))["status"], "VALID");
    let chosen = consensus.call("engine_forkchoiceUpdatedV2", json!([state(&block["blockHash"]), null]));
    assert_eq!(chosen["payloadStatus"]["status"], "VALID", "{chosen}");
    assert_eq!(consensus.call("eth_blockNumber", json!([])), "0x1");
    assert!(!envoy.log().text().contains(&hex(KEY)) && !envoy.access_log().text().contains("eyJ"));
}

/// Whatever stands in `Authorization`: what passes Envoy, geth takes as it comes; what Envoy refuses, geth never sees, and
/// would have refused. Where they differ, the list says why.
#[test]
fn envoy_and_geth_agree() {
    let Some(geth) = Geth::start("geth-agree") else { return };
    let envoy = geth.envoy(|example| example);
    let (direct, through) = (Client::new(geth.address), Client::new(envoy.listener("http")));
    let reached = || envoy.stat("cluster.execution.upstream_rq_total").unwrap_or_default();
    let mut failures = Vec::new();
    for attempt in attempts() {
        let before = reached();
        let response = through.send(&with(call(), &attempt.values()));
        let by_geth = direct.send(&with(call(), &attempt.values())).status == 200;
        let by_list = attempt.outcome == Outcome::Passes;
        let count = reached() - before;
        let is_right = match attempt.unlike_geth {
            // geth 1.16 knows but one spelling of the scheme, and has the last word.
            Some(_) if by_list => !by_geth && response.status == 401 && count == 1,
            Some(_) => by_geth && response.status != 200 && count == 0,
            None if by_list => by_geth && count == 1 && response.json()["result"].is_array(),
            None => !by_geth && response.status != 200 && count == 0,
        };
        if !is_right {
            failures.push(format!("{}: {} {}, geth: {by_geth}, reached it: {count}", attempt.name, response.status, response.text()));
        }
    }
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
}

/// With a window of two seconds instead of a minute.
#[test]
fn a_websocket_to_geth_outlives_its_token() {
    let Some(geth) = Geth::start("geth-websocket") else { return };
    let envoy = geth.envoy(|example| example.replace("max_token_age: 60s", "max_token_age: 2s"));
    let client = Client::new(envoy.listener("http"));
    let token = token(json!({"iat": now(0)}));
    let mut socket = client.websocket(&handshake().bearer(&token)).unwrap_or_else(|refusal| panic!("{refusal:?}"));
    let mut ask = || {
        socket.send(&capabilities().to_string()).expect("the socket is open");
        let answer = socket.receive(PATIENCE).expect("an answer").expect("the socket is open");
        let answer: Value = serde_json::from_str(&answer).expect("JSON");
        assert!(answer["result"].as_array().is_some_and(|list| list.contains(&json!("engine_newPayloadV4"))), "{answer}");
    };
    ask();
    thread::sleep(Duration::from_secs(4));
    for _ in 0..10 {
        ask();
    }
    let refusal = client.websocket(&handshake().bearer(&token)).err().expect("a stale token opens nothing");
    assert_eq!(refusal.map(|refusal| refusal.status), Ok(401));
    assert_eq!(envoy.stat("cluster.execution.upstream_rq_total"), Some(1));
}

/// geth takes no name but localhost; Envoy takes those that its file lists, and hands on that one.
#[test]
fn the_names_of_the_host_are_envoys() {
    let Some(geth) = Geth::start("geth-hosts") else { return };
    let envoy = geth.envoy(|example| example);
    let status =
        |address: SocketAddr, host: &str| Client::new(address).send(&call().host(host).bearer(&token(json!({"iat": now(0)})))).status;
    assert_eq!(status(geth.address, "execution.example:8551"), 403);
    assert_eq!(status(envoy.listener("http"), "execution.example:8551"), 200);
    assert_eq!(status(envoy.listener("http"), "elsewhere.example:8551"), 403);
}

/// alloy, where it is there too, with geth behind Envoy.
#[test]
fn alloy_talks_to_geth() {
    let Some(client) = tool("engine-api-client", "alloy") else { return };
    let Some(geth) = Geth::start("geth-alloy") else { return };
    let envoy = geth.envoy(|example| example.replace("max_token_age: 60s", "max_token_age: 2s"));
    for scheme in ["http", "ws"] {
        let url = format!("{scheme}://localhost:{}", envoy.listener("http").port());
        let output = Command::new(&client).arg(url).arg(geth.directory.join("jwt.hex")).arg("7").output().expect("the client runs");
        let (printed, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && printed.contains("engine_newPayloadV4"), "{scheme}: {printed}{error}");
    }
}
