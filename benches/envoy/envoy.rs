//! An Envoy with a listener for each variant, which answers by itself what its filters let through.

use crate::Failure;
use crate::policy::{ROLE, ROLES};
use crate::variant::{Transport, Variant};
use portcullis_harness::{Authority, Envoy, HOST, Launch, Leaf, Tls, TlsListener, cluster, der_utf8_sequence};
use serde_json::{Value, json};

/// One that runs.
pub(crate) struct Running {
    pub(crate) envoy: Envoy,
    tls: Tls,
}

/// Starts one for these variants.
pub(crate) fn start(variants: &[Variant], workers: u32) -> Result<Running, Failure> {
    let (launch, tls) = launch(variants, workers, None);
    let envoy = launch.try_start().map_err(|failure| failure.to_string())?;
    Ok(Running { envoy, tls })
}

/// One for these variants, to be started; the port is for the only one, if it matters.
pub(crate) fn launch(variants: &[Variant], workers: u32, port: Option<u16>) -> (Launch, Tls) {
    let authority = Authority::new("of the benchmark");
    let server = TlsListener::new(&authority.server(&[HOST])).clients_of(&authority).required();
    let client = authority.issue(Leaf::new().common_name("carol").extension(ROLES, der_utf8_sequence(&[ROLE])));
    let listeners: Vec<Value> = variants.iter().map(|variant| listener(variant, &server, port.unwrap_or(0))).collect();
    let helpers = variants.iter().filter_map(|variant| variant.helper);
    let clusters: Vec<Value> = helpers.map(|helper| cluster(helper.cluster, helper.address)).collect();
    let bootstrap = json!({
        "node": {"id": "bench", "cluster": "bench"},
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
        // The work of the main thread, for all variants at once: as seldom as Envoy allows.
        "stats_flush_interval": "299s",
        "static_resources": {"listeners": listeners, "clusters": clusters}
    });
    // A line for each refusal is rationed by the second. The short turns here would have many more of them than a flood has, so there are none.
    let launch = Launch::new(bootstrap.to_string()).concurrency(workers).component_log_level("wasm:warning");
    (launch, Tls::new(&authority).identity(&client))
}

impl Running {
    /// What a client of this variant does about TLS.
    pub(crate) fn tls(&self, variant: &Variant) -> Option<&Tls> {
        (variant.transport == Transport::Mutual).then_some(&self.tls)
    }
}

fn listener(variant: &Variant, server: &TlsListener, port: u16) -> Value {
    let mut filters = variant.filters.clone();
    filters.push(json!({
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}
    }));
    let manager = json!({"name": "envoy.filters.network.http_connection_manager", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": variant.name,
        "codec_type": "AUTO",
        "http_filters": filters,
        "route_config": {"name": "all", "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
            {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "here you are\n"}}}
        ]}]}
    }});
    let mut listener = json!({
        "name": variant.name,
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        // With several workers each gets as many connections as any other.
        "connection_balance_config": {"exact_balance": {}},
        "filter_chains": [{"filters": [manager.clone()]}]
    });
    if variant.transport == Transport::Mutual {
        listener["filter_chains"] = json!([server.filter_chain(manager)]);
        listener["listener_filters"] = json!([{
            "name": "envoy.filters.listener.tls_inspector",
            "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"}
        }]);
    }
    listener
}
