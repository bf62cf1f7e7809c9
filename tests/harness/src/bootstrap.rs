//! Envoy's configuration for a test.

use crate::envoy::DIRECTORY;
use crate::plugin::Plugin;
use crate::tls_listener::TlsListener;
use crate::yaml;
use serde_json::{Map, Value, json};
use std::net::SocketAddr;
use std::sync::Arc;

/// The name of the listener without TLS.
pub const PLAIN: &str = "plain";
/// The name of the listener with TLS.
pub const TLS: &str = "tls";

/// A bootstrap with one listener for HTTP/1.1 and HTTP/2 without TLS, one with TLS if asked for, and one route, to the
/// cluster `upstream`. The filters are: those before, the plugins, those after, the guard, the router.
///
/// All of Envoy's switches stand as Envoy has them, so that the filter is seen without help;
/// [`Bootstrap::hardened`] sets them as the shipped configurations do.
#[derive(Clone)]
pub struct Bootstrap {
    plugins: Vec<Plugin>,
    before: Vec<Value>,
    after: Vec<Value>,
    guard: bool,
    clusters: Vec<Value>,
    tls: Vec<TlsListener>,
    hcm: Map<String, Value>,
    route: Map<String, Value>,
    routes: Option<Value>,
    edits: Vec<Arc<Edit>>,
}

type Edit = dyn Fn(&mut Value) + Send + Sync;

impl Default for Bootstrap {
    fn default() -> Self {
        Self::new()
    }
}

impl Bootstrap {
    /// Without plugin, with the guard: nothing passes.
    pub fn new() -> Self {
        Self {
            plugins: Vec::new(),
            before: Vec::new(),
            after: Vec::new(),
            guard: true,
            clusters: Vec::new(),
            tls: Vec::new(),
            hcm: Map::new(),
            route: Map::new(),
            routes: None,
            edits: Vec::new(),
        }
    }

    /// Adds a plugin.
    #[must_use]
    pub fn plugin(mut self, plugin: Plugin) -> Self {
        self.plugins.push(plugin);
        self
    }

    /// Adds a plugin before the others.
    pub(crate) fn plugin_first(mut self, plugin: Plugin) -> Self {
        self.plugins.insert(0, plugin);
        self
    }

    /// Adds a cluster, unless there is one of that name.
    pub(crate) fn default_cluster(self, name: &str, address: SocketAddr) -> Self {
        let is_known = self.clusters.iter().any(|known| known["name"] == *name);
        if is_known { self } else { self.cluster(name, address) }
    }

    /// Adds an HTTP filter before the plugins.
    #[must_use]
    pub fn filter_before(mut self, filter: Value) -> Self {
        self.before.push(filter);
        self
    }

    /// Adds an HTTP filter between the plugins and the guard.
    #[must_use]
    pub fn filter_after(mut self, filter: Value) -> Self {
        self.after.push(filter);
        self
    }

    /// Leaves the guard out.
    #[must_use]
    pub fn without_guard(mut self) -> Self {
        self.guard = false;
        self
    }

    /// Adds a cluster of one HTTP/1.1 host.
    #[must_use]
    pub fn cluster(self, name: &str, address: SocketAddr) -> Self {
        self.cluster_value(cluster(name, address))
    }

    /// Adds a cluster of one host that speaks HTTP/2 without TLS: for gRPC.
    #[must_use]
    pub fn cluster_http2(self, name: &str, address: SocketAddr) -> Self {
        let mut cluster = cluster(name, address);
        let options = &mut cluster["typed_extension_protocol_options"];
        options[PROTOCOL_OPTIONS]["explicit_http_config"] = json!({"http2_protocol_options": {}});
        self.cluster_value(cluster)
    }

    /// Adds any cluster.
    #[must_use]
    pub fn cluster_value(mut self, cluster: Value) -> Self {
        // One that is named twice is meant to replace the first.
        self.clusters.retain(|known| known["name"] != cluster["name"]);
        self.clusters.push(cluster);
        self
    }

    /// Adds a filter chain to the listener with TLS.
    #[must_use]
    pub fn tls(mut self, tls: TlsListener) -> Self {
        self.tls.push(tls);
        self
    }

    /// Sets a field of the HTTP connection manager.
    #[must_use]
    pub fn hcm(mut self, field: &str, value: Value) -> Self {
        self.hcm.insert(field.to_owned(), value);
        self
    }

    /// Normalises paths, refuses encoded slashes and names with underscores: as the shipped configurations do.
    #[must_use]
    pub fn hardened(self) -> Self {
        self.hcm("normalize_path", json!(true))
            .hcm("merge_slashes", json!(true))
            .hcm("path_with_escaped_slashes_action", json!("REJECT_REQUEST"))
            .hcm("common_http_protocol_options", json!({"headers_with_underscores_action": "REJECT_REQUEST"}))
    }

    /// Lets WebSockets through.
    #[must_use]
    pub fn websockets(self) -> Self {
        self.hcm("upgrade_configs", json!([{"upgrade_type": "websocket"}]))
    }

    /// Lets trailers of HTTP/1.1 through, from the client.
    #[must_use]
    pub fn trailers(self) -> Self {
        self.hcm("http_protocol_options", json!({"enable_trailers": true}))
    }

    /// Follows redirects of the upstream itself.
    #[must_use]
    pub fn internal_redirects(self) -> Self {
        self.route_option("internal_redirect_policy", json!({"max_internal_redirects": 3}))
    }

    /// Sets a field of the route's action.
    #[must_use]
    pub fn route_option(mut self, field: &str, value: Value) -> Self {
        self.route.insert(field.to_owned(), value);
        self
    }

    /// Replaces the list of routes.
    #[must_use]
    pub fn routes(mut self, routes: Value) -> Self {
        self.routes = Some(routes);
        self
    }

    /// Changes the finished bootstrap in any way.
    #[must_use]
    pub fn edit(mut self, edit: impl Fn(&mut Value) + Send + Sync + 'static) -> Self {
        self.edits.push(Arc::new(edit));
        self
    }

    /// The bootstrap, as YAML.
    pub fn text(&self) -> String {
        yaml::write(&self.value())
    }

    /// The bootstrap. Where a plugin's configuration is YAML, only [`Bootstrap::text`] has it as Envoy reads it.
    pub fn value(&self) -> Value {
        let mut listeners = vec![listener(PLAIN, vec![json!({"filters": [self.http_connection_manager(PLAIN)]})])];
        if !self.tls.is_empty() {
            let chains = self.tls.iter().map(|tls| tls.filter_chain(self.http_connection_manager(TLS))).collect();
            let mut tls = listener(TLS, chains);
            tls["listener_filters"] = json!([{
                "name": "envoy.filters.listener.tls_inspector",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
                },
            }]);
            listeners.push(tls);
        }
        let mut bootstrap = json!({
            "node": {"id": "test", "cluster": "test"},
            "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
            "static_resources": {"listeners": listeners, "clusters": self.clusters},
        });
        for edit in &self.edits {
            edit(&mut bootstrap);
        }
        bootstrap
    }

    /// One listener as a resource of LDS, by its name ([`PLAIN`] or [`TLS`]).
    pub fn listener(&self, name: &str) -> Option<Value> {
        let bootstrap = self.value();
        let listeners = bootstrap["static_resources"]["listeners"].as_array()?;
        listeners.iter().find(|listener| listener["name"] == *name).cloned()
    }

    fn http_connection_manager(&self, stat_prefix: &str) -> Value {
        let routes = self.routes.clone().unwrap_or_else(|| {
            let mut route = Map::from_iter([("cluster".to_owned(), json!("upstream"))]);
            route.extend(self.route.clone());
            json!([{"match": {"prefix": "/"}, "route": route}])
        });
        let mut manager = json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": stat_prefix,
            "codec_type": "AUTO",
            // Tests find a request by the id that they gave it, in the access log and at the upstream.
            "preserve_external_request_id": true,
            "access_log": [access_log()],
            "route_config": {
                "name": "routes",
                "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}],
            },
            "http_filters": self.http_filters(),
        });
        if let Value::Object(fields) = &mut manager {
            fields.extend(self.hcm.clone());
        }
        json!({"name": "envoy.filters.network.http_connection_manager", "typed_config": manager})
    }

    fn http_filters(&self) -> Vec<Value> {
        let mut filters = self.before.clone();
        filters.extend(self.plugins.iter().map(Plugin::filter));
        filters.extend(self.after.clone());
        if self.guard {
            filters.push(guard("allow"));
        }
        filters.push(json!({
            "name": "envoy.filters.http.router",
            "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
        }));
        filters
    }
}

/// YAML of any value, with a plugin's configuration in it as it was written: for files of LDS, CDS and ECDS.
pub fn to_yaml(value: &Value) -> String {
    yaml::write(value)
}

/// The RBAC filter that admits only requests to which the plugin gave this verdict.
pub fn guard(verdict: &str) -> Value {
    json!({
        "name": "guard",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
            "rules": {"action": "ALLOW", "policies": {"portcullis": {
                "permissions": [{"any": true}],
                "principals": [{"filter_state": {
                    "key": "wasm.portcullis.verdict",
                    "string_match": {"exact": verdict},
                }}],
            }}},
        },
    })
}

const PROTOCOL_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/// A cluster of one HTTP/1.1 host, which may send and get trailers.
pub fn cluster(name: &str, address: SocketAddr) -> Value {
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {
            "socket_address": {"address": address.ip().to_string(), "port_value": address.port()},
        }}}]}]},
        "typed_extension_protocol_options": {PROTOCOL_OPTIONS: {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http_protocol_options": {"enable_trailers": true}},
        }},
    })
}

fn listener(name: &str, filter_chains: Vec<Value>) -> Value {
    json!({
        "name": name,
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": filter_chains,
    })
}

fn access_log() -> Value {
    json!({
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": format!("{DIRECTORY}/access.log"),
            "log_format": {"json_format": {
                "request_id": "%REQ(X-REQUEST-ID)%",
                "listener": "%FILTER_CHAIN_NAME%",
                "method": "%REQ(:METHOD)%",
                "path": "%REQ(:PATH)%",
                "authority": "%REQ(:AUTHORITY)%",
                "authorization": "%REQ(AUTHORIZATION)%",
                "cookie": "%REQ(COOKIE)%",
                "protocol": "%PROTOCOL%",
                "status": "%RESPONSE_CODE%",
                "details": "%RESPONSE_CODE_DETAILS%",
                "flags": "%RESPONSE_FLAGS%",
                "grpc_status": "%GRPC_STATUS_NUMBER%",
                "verdict": "%FILTER_STATE(wasm.portcullis.verdict:PLAIN)%",
                "provider": "%FILTER_STATE(wasm.portcullis.provider:PLAIN)%",
                "subject": "%FILTER_STATE(wasm.portcullis.subject:PLAIN)%",
                "credential": "%FILTER_STATE(wasm.portcullis.credential:PLAIN)%",
                "reason": "%FILTER_STATE(wasm.portcullis.reason:PLAIN)%",
            }},
        },
    })
}
