//! The filter in Envoy's configuration.

use crate::envoy_binary::workspace;
use crate::yaml;
use base64::Engine;
use serde_json::{Value, json};
use std::env;
use std::path::PathBuf;

/// The module under test: `PORTCULLIS_WASM`, or what `make build` left under `target`.
pub fn portcullis_wasm() -> PathBuf {
    env::var_os("PORTCULLIS_WASM").map_or_else(|| built_wasm("portcullis"), PathBuf::from)
}

/// A module of this workspace, by its name (`portcullis_probe`), as built for release.
pub fn built_wasm(name: &str) -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from);
    let below = |root: PathBuf| root.join("wasm32-wasip1/release").join(format!("{name}.wasm"));
    let near = below(target);
    if near.is_file() { near } else { below(workspace().join("target")) }
}

/// How the plugin's configuration is handed to Envoy.
#[derive(Clone, Debug)]
pub enum Configuration {
    /// A `google.protobuf.Struct`, written as this YAML: Envoy reads the text itself, with all that its YAML does to
    /// numbers, dates and truth values.
    Yaml(String),
    /// A `google.protobuf.Struct`, from JSON values.
    Struct(Value),
    /// A `google.protobuf.StringValue`, as Istio and Envoy Gateway send it.
    Text(String),
    /// A `google.protobuf.BytesValue`.
    Bytes(Vec<u8>),
    /// No configuration at all.
    Absent,
}

impl From<&str> for Configuration {
    fn from(yaml: &str) -> Self {
        Self::Yaml(yaml.to_owned())
    }
}

impl From<String> for Configuration {
    fn from(yaml: String) -> Self {
        Self::Yaml(yaml)
    }
}

impl From<Value> for Configuration {
    fn from(value: Value) -> Self {
        Self::Struct(value)
    }
}

impl Configuration {
    /// The `google.protobuf.Any`; `None` if there is none.
    fn to_any(&self) -> Option<Value> {
        let any = |kind: &str, value: Value| Some(json!({"@type": format!("type.googleapis.com/google.protobuf.{kind}"), "value": value}));
        match self {
            Self::Yaml(text) => any("Struct", yaml::text(text)),
            Self::Struct(value) => any("Struct", value.clone()),
            Self::Text(text) => any("StringValue", json!(text)),
            Self::Bytes(bytes) => any("BytesValue", json!(base64::engine::general_purpose::STANDARD.encode(bytes))),
            Self::Absent => None,
        }
    }
}

/// The HTTP filter that runs the module.
#[derive(Clone, Debug)]
pub struct Plugin {
    name: String,
    root_id: String,
    vm_id: String,
    wasm: PathBuf,
    failure_policy: String,
    host_env_keys: Vec<String>,
    key_values: Vec<(String, String)>,
    configuration: Configuration,
}

impl Plugin {
    /// The module under test with this configuration; named `portcullis`.
    pub fn new(configuration: impl Into<Configuration>) -> Self {
        Self {
            name: "portcullis".into(),
            root_id: "portcullis".into(),
            vm_id: "portcullis".into(),
            wasm: portcullis_wasm(),
            failure_policy: "FAIL_RELOAD".into(),
            host_env_keys: Vec::new(),
            key_values: Vec::new(),
            configuration: configuration.into(),
        }
    }

    /// Another name, for filter, plugin, root and VM: two plugins of one Envoy need two.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        name.clone_into(&mut self.root_id);
        name.clone_into(&mut self.vm_id);
        self
    }

    /// The filter's name.
    pub fn filter_name(&self) -> &str {
        &self.name
    }

    /// Another VM id: the same as another plugin's, or none at all.
    #[must_use]
    pub fn vm_id(mut self, vm_id: &str) -> Self {
        vm_id.clone_into(&mut self.vm_id);
        self
    }

    /// Another root id.
    #[must_use]
    pub fn root_id(mut self, root_id: &str) -> Self {
        root_id.clone_into(&mut self.root_id);
        self
    }

    /// Another module.
    #[must_use]
    pub fn wasm(mut self, wasm: impl Into<PathBuf>) -> Self {
        self.wasm = wasm.into();
        self
    }

    /// What Envoy does when the VM fails: `FAIL_RELOAD` unless said.
    #[must_use]
    pub fn failure_policy(mut self, policy: &str) -> Self {
        policy.clone_into(&mut self.failure_policy);
        self
    }

    /// A variable for the VM, spelled out in the configuration.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.key_values.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A variable that the VM takes from Envoy's own environment.
    #[must_use]
    pub fn host_env(mut self, name: &str) -> Self {
        self.host_env_keys.push(name.to_owned());
        self
    }

    /// Another configuration.
    #[must_use]
    pub fn configuration(mut self, configuration: impl Into<Configuration>) -> Self {
        self.configuration = configuration.into();
        self
    }

    /// The filter for `http_filters`, or for a resource of ECDS.
    pub fn filter(&self) -> Value {
        json!({"name": self.name, "typed_config": self.typed_config()})
    }

    /// The filter's `typed_config`. Written out by [`crate::Bootstrap::text`] or [`crate::to_yaml`]: a configuration in
    /// YAML stands in it as text.
    pub fn typed_config(&self) -> Value {
        let mut vm = json!({
            "runtime": "envoy.wasm.runtime.v8",
            "code": {"local": {"filename": self.wasm.to_string_lossy()}},
        });
        if !self.vm_id.is_empty() {
            vm["vm_id"] = json!(self.vm_id);
        }
        if !self.host_env_keys.is_empty() {
            vm["environment_variables"]["host_env_keys"] = json!(self.host_env_keys);
        }
        for (name, value) in &self.key_values {
            vm["environment_variables"]["key_values"][name] = json!(value);
        }
        let mut config = json!({
            "name": self.name,
            "root_id": self.root_id,
            "failure_policy": self.failure_policy,
            "vm_config": vm,
        });
        if let Some(any) = self.configuration.to_any() {
            config["configuration"] = any;
        }
        json!({"@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm", "config": config})
    }
}
