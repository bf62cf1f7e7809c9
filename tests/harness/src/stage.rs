//! Envoy with the filter, a service behind it, and an identity provider beside it: all that a test needs.

use crate::bootstrap::{Bootstrap, PLAIN, TLS, to_yaml};
use crate::case::Case;
use crate::certificates::Authority;
use crate::client::Client;
use crate::envoy::{DIRECTORY, Envoy, Launch, StartFailure};
use crate::identity_provider::IdentityProvider;
use crate::plugin::{Configuration, Plugin};
use crate::request::{HOST, Request, Response};
use crate::tls::Tls;
use crate::tls_listener::TlsListener;
use crate::upstream::Upstream;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

/// A stage to be set. [`Stage::start`] starts it.
///
/// ```no_run
/// use portcullis_harness::{Case, Stage};
/// let stage = Stage::new().config("providers: {partners: {static_secret: {sha256: {env: SECRET}}}}")
///     .env("SECRET", "S7PhOYRVu0t6nC6a9jthgm3ZV3D664BAJZK4jM3+DT4=")
///     .start();
/// stage.check([Case::get("/").expect(401).reason("credential_missing")]);
/// ```
pub struct Stage {
    bootstrap: Bootstrap,
    plugin: Option<Plugin>,
    upstream: Option<Upstream>,
    identity_provider: Option<IdentityProvider>,
    authority: Authority,
    has_tls: bool,
    launch: Launch,
}

impl Default for Stage {
    fn default() -> Self {
        Self::new()
    }
}

impl Stage {
    /// One with neither plugin nor TLS, and with the guard.
    pub fn new() -> Self {
        Self {
            bootstrap: Bootstrap::new(),
            plugin: None,
            upstream: None,
            identity_provider: None,
            authority: Authority::new("servers of the stage"),
            has_tls: false,
            launch: Launch::new("").component_log_level("wasm:debug"),
        }
    }

    /// With the filter, configured so: YAML text (a Struct that Envoy reads), a JSON value, or any [`Configuration`].
    #[must_use]
    pub fn config(mut self, configuration: impl Into<Configuration>) -> Self {
        let configuration = configuration.into();
        self.plugin = Some(match self.plugin {
            None => Plugin::new(configuration),
            Some(plugin) => plugin.configuration(configuration),
        });
        self
    }

    /// With the filter, and all that can be said of it. Further plugins go through [`Stage::bootstrap`].
    #[must_use]
    pub fn plugin(mut self, plugin: Plugin) -> Self {
        self.plugin = Some(plugin);
        self
    }

    /// With the filter, whose configuration comes by ECDS from a file: [`RunningStage::discover`] replaces it.
    #[must_use]
    pub fn discovered(self, plugin: &Plugin) -> Self {
        let source = json!({"name": plugin.filter_name(), "config_discovery": {
            "config_source": {"path_config_source": {"path": format!("{DIRECTORY}/{DISCOVERED}")}, "resource_api_version": "V3"},
            "type_urls": ["type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm"],
        }});
        self.bootstrap(|bootstrap| bootstrap.filter_before(source)).launch(|launch| launch.file(DISCOVERED, &extension(plugin)))
    }

    /// With one listener more, which Envoy takes by LDS from a file, with this plugin in it: [`RunningStage::relist`] replaces it, and
    /// [`RunningStage::listed_client`] calls it.
    ///
    /// A listener that is replaced drains for good, so that no connection is told to close while a test looks.
    #[must_use]
    pub fn listed(self, plugin: &Plugin) -> Self {
        let source = |value: &mut Value| {
            value["dynamic_resources"] = json!({"lds_config": {"path_config_source": {"path": format!("{DIRECTORY}/{LISTED}")}}});
        };
        self.bootstrap(|bootstrap| bootstrap.edit(source))
            .launch(|launch| launch.file(LISTED, &listener(plugin)).argument("--drain-time-s").argument("10000000"))
    }

    /// Each worker gets as many connections as any other, instead of those that the kernel gives it.
    #[must_use]
    pub fn balanced(self) -> Self {
        let balance = |value: &mut Value| {
            for listener in value["static_resources"]["listeners"].as_array_mut().into_iter().flatten() {
                listener["connection_balance_config"] = json!({"exact_balance": {}});
            }
        };
        self.bootstrap(|bootstrap| bootstrap.edit(balance))
    }

    /// A variable that the filter sees, taken from Envoy's own environment.
    ///
    /// # Panics
    /// Before there is a plugin.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.plugin = Some(self.plugin.expect("a plugin to give variables to").host_env(name));
        self.launch = self.launch.env(name, value);
        self
    }

    /// Another module instead of the one under test.
    ///
    /// # Panics
    /// Before there is a plugin.
    #[must_use]
    pub fn wasm(mut self, wasm: impl Into<PathBuf>) -> Self {
        self.plugin = Some(self.plugin.expect("a plugin that runs the module").wasm(wasm));
        self
    }

    /// Without the guard.
    #[must_use]
    pub fn without_guard(self) -> Self {
        self.bootstrap(Bootstrap::without_guard)
    }

    /// Changes Envoy's configuration in any way.
    #[must_use]
    pub fn bootstrap(mut self, change: impl FnOnce(Bootstrap) -> Bootstrap) -> Self {
        self.bootstrap = change(self.bootstrap);
        self
    }

    /// Changes how Envoy is started in any way: workers, log levels, arguments, files.
    #[must_use]
    pub fn launch(mut self, change: impl FnOnce(Launch) -> Launch) -> Self {
        self.launch = change(self.launch);
        self
    }

    /// So many workers; 1 unless said.
    #[must_use]
    pub fn concurrency(self, workers: u32) -> Self {
        self.launch(|launch| launch.concurrency(workers))
    }

    /// A cluster of one HTTP/1.1 host. `upstream` and `idp` are there without it.
    #[must_use]
    pub fn cluster(self, name: &str, address: SocketAddr) -> Self {
        self.bootstrap(|bootstrap| bootstrap.cluster(name, address))
    }

    /// Adds the listener with TLS, with a certificate for [`HOST`] and `localhost`; the function says what clients have
    /// to show.
    #[must_use]
    pub fn tls(mut self, change: impl FnOnce(TlsListener) -> TlsListener) -> Self {
        let certificate = self.authority.server(&[HOST, "localhost"]);
        self.has_tls = true;
        self.bootstrap(|bootstrap| bootstrap.tls(change(TlsListener::new(&certificate))))
    }

    /// Another upstream than a fresh one.
    #[must_use]
    pub fn upstream(mut self, upstream: Upstream) -> Self {
        self.upstream = Some(upstream);
        self
    }

    /// Another identity provider than a fresh one.
    #[must_use]
    pub fn identity_provider(mut self, identity_provider: IdentityProvider) -> Self {
        self.identity_provider = Some(identity_provider);
        self
    }

    /// Starts it.
    ///
    /// # Panics
    /// With Envoy's log, if Envoy doesn't start.
    pub fn start(self) -> RunningStage {
        self.try_start().unwrap_or_else(|failure| panic!("{failure}"))
    }

    /// Starts it.
    ///
    /// # Errors
    /// Envoy's log and exit status, if it refuses its configuration.
    pub fn try_start(self) -> Result<RunningStage, StartFailure> {
        let upstream = self.upstream.unwrap_or_else(Upstream::start);
        let identity_provider = self.identity_provider.unwrap_or_else(IdentityProvider::start);
        let mut bootstrap =
            self.bootstrap.default_cluster("upstream", upstream.address()).default_cluster("idp", identity_provider.address());
        if let Some(plugin) = self.plugin {
            bootstrap = bootstrap.plugin_first(plugin);
        }
        let envoy = self.launch.bootstrap(bootstrap.text()).try_start()?;
        let plain = envoy.listener(PLAIN);
        let tls = self.has_tls.then(|| envoy.listener(TLS));
        Ok(RunningStage { envoy, upstream, identity_provider, authority: self.authority, plain, tls })
    }
}

/// A stage that runs. Everything on it stops when this value goes.
pub struct RunningStage {
    /// Envoy.
    pub envoy: Envoy,
    /// The service behind it: cluster `upstream`.
    pub upstream: Upstream,
    /// The identity provider: cluster `idp`.
    pub identity_provider: IdentityProvider,
    authority: Authority,
    plain: SocketAddr,
    tls: Option<SocketAddr>,
}

impl RunningStage {
    /// One around the Envoy of a shipped configuration ([`crate::Example`]): its listeners are `http` and, if there is one, `https`, with a certificate of
    /// this authority.
    ///
    /// # Panics
    /// With Envoy's log, if Envoy doesn't start or has no such listener.
    pub fn around(launch: Launch, upstream: Upstream, identity_provider: IdentityProvider, authority: Authority) -> Self {
        let envoy = launch.component_log_level("wasm:debug").start();
        let tls = envoy.has_listener("https").then_some("https");
        Self { identity_provider, authority, ..Self::by_listeners(envoy, upstream, "http", tls) }
    }

    /// One around an Envoy that was started otherwise: cases without TLS go to the listener `plain`, those with TLS to `tls`.
    ///
    /// # Panics
    /// If Envoy has no such listeners.
    pub fn by_listeners(envoy: Envoy, upstream: Upstream, plain: &str, tls: Option<&str>) -> Self {
        let (plain, tls) = (envoy.listener(plain), tls.map(|name| envoy.listener(name)));
        Self { envoy, upstream, identity_provider: IdentityProvider::start(), authority: Authority::new("none of the stage's"), plain, tls }
    }

    /// A client of the listener without TLS.
    pub fn client(&self) -> Client {
        Client::new(self.plain)
    }

    /// A client of the listener with TLS.
    ///
    /// # Panics
    /// If the stage has none.
    pub fn tls_client(&self, tls: Tls) -> Client {
        Client::new(self.tls.expect("the stage has a listener with TLS")).tls(tls)
    }

    /// TLS that trusts the stage's server certificate, without a client certificate.
    pub fn client_tls(&self) -> Tls {
        Tls::new(&self.authority)
    }

    /// Replaces the plugin that came by [`Stage::discovered`], as an operator does: a file beside it takes its place.
    pub fn discover(&self, plugin: &Plugin) {
        self.envoy.replace_file(DISCOVERED, &extension(plugin));
    }

    /// Replaces the listener that came by [`Stage::listed`].
    pub fn relist(&self, plugin: &Plugin) {
        self.envoy.replace_file(LISTED, &listener(plugin));
    }

    /// A client of the listener that came by [`Stage::listed`].
    pub fn listed_client(&self) -> Client {
        Client::new(self.envoy.listener(DYNAMIC))
    }

    /// GET over the listener without TLS.
    ///
    /// # Panics
    /// If there is no whole response.
    pub fn get(&self, path: &str) -> Response {
        self.client().get(path)
    }

    /// Sends a request over the listener without TLS.
    ///
    /// # Panics
    /// If there is no whole response.
    pub fn send(&self, request: &Request) -> Response {
        self.client().send(request)
    }

    /// Carries out the cases, one after the other.
    ///
    /// # Panics
    /// With a list of all that was otherwise than expected.
    pub fn check(&self, cases: impl IntoIterator<Item = Case>) {
        let failures: Vec<String> = cases.into_iter().filter_map(|case| case.run(self).err()).collect();
        assert!(failures.is_empty(), "{} failed:\n\n{}", failures.len(), failures.join("\n"));
    }
}

/// The file that ECDS watches.
const DISCOVERED: &str = "discovered.yaml";

/// The file that LDS watches, and the name of the listener in it.
const LISTED: &str = "listed.yaml";
const DYNAMIC: &str = "dynamic";

/// A listener with this plugin, as a resource of LDS.
fn listener(plugin: &Plugin) -> String {
    let mut listener = Bootstrap::new().plugin(plugin.clone()).listener(PLAIN).unwrap_or_default();
    listener["@type"] = json!("type.googleapis.com/envoy.config.listener.v3.Listener");
    listener["name"] = json!(DYNAMIC);
    to_yaml(&json!({"version_info": "1", "resources": [listener]}))
}

/// A plugin as a resource of ECDS.
fn extension(plugin: &Plugin) -> String {
    to_yaml(&json!({"resources": [{
        "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
        "name": plugin.filter_name(),
        "typed_config": plugin.typed_config(),
    }]}))
}

/// An `x-request-id` that no other request of this process has.
pub fn fresh_request_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("request-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}
