//! The shipped configuration, running, and what consensus clients send.

use portcullis_harness::{Algorithm, Example, Jws, Key, Launch, Request, RunningStage, Upstream};
use serde_json::{Value, json};

/// The key that the suite `hive` gives to every client, and so do these tests: 32 bytes.
pub(crate) const KEY: &str = "secretsecretsecretsecretsecretse";

/// The name of the variable that Envoy takes the key from.
pub(crate) const VARIABLE: &str = "ENGINE_JWT_SECRET";

/// In hex, as in `jwt.hex`.
pub(crate) fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The shipped file, in front of an execution client at this port.
pub(crate) fn example(execution_port: u16) -> Example {
    Example::shipped("envoy/ethereum-engine-api.yaml", &[8551]).port(18551, execution_port)
}

/// With the key, and a log that tells all that the module would ever tell.
pub(crate) fn launch(example: &Example) -> Launch {
    example.launch().env(VARIABLE, &hex(KEY)).component_log_level("wasm:debug")
}

/// The shipped file with a stand-in for the execution client, changed so.
pub(crate) fn stage(change: impl FnOnce(Example) -> Example) -> RunningStage {
    let upstream = Upstream::start();
    let envoy = launch(&change(example(upstream.address().port()))).start();
    RunningStage::by_listeners(envoy, upstream, "http", None)
}

/// What a consensus client begins with.
pub(crate) fn capabilities() -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": "engine_exchangeCapabilities", "params": [["engine_newPayloadV4"]]})
}

/// A request as consensus clients make it, without its token.
pub(crate) fn call() -> Request {
    Request::post("/", capabilities().to_string()).host("localhost:8551").header("content-type", "application/json")
}

/// A WebSocket's handshake, without its token.
pub(crate) fn handshake() -> Request {
    Request::get("/").host("localhost:8551")
}

/// A token as most clients write it.
pub(crate) fn token(claims: Value) -> String {
    by(KEY, claims)
}

/// By another key, of any length.
pub(crate) fn by(key: impl AsRef<[u8]>, claims: Value) -> String {
    Jws::new(json!({"typ": "JWT", "alg": "HS256"}), claims).sign(&Key::secret(Algorithm::HS256, key.as_ref()))
}
