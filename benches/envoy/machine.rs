//! What the figures were measured on.

use portcullis_harness::{ENVOY_VERSION, built_wasm, portcullis_wasm};
use serde_json::{Value, json};
use std::path::Path;
use std::{env, fs, thread};

/// CPU, kernel, Envoy, the modules.
pub(crate) fn facts() -> Value {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model =
        cpu.lines().find_map(|line| line.strip_prefix("model name")).map_or("unknown", |rest| rest.trim_start_matches([' ', '\t', ':']));
    let size = |wasm: &Path| fs::metadata(wasm).map_or(Value::Null, |data| json!(data.len()));
    json!({
        "cpu": model,
        "cores": thread::available_parallelism().map_or(1, usize::from),
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        // Above 1 or so something else runs here, and the figures are of a busy machine.
        "load_before": read("/proc/loadavg").split(' ').next(),
        "envoy": ENVOY_VERSION,
        "revision": env::var("PORTCULLIS_REVISION").unwrap_or_else(|_| "unknown".into()),
        "module_bytes": size(&portcullis_wasm()),
        "empty_module_bytes": size(&built_wasm("portcullis_empty"))
    })
}
