//! The house that is attacked: one Envoy for all attacks that need nothing of their own.

use portcullis_harness::{Bootstrap, Case, Configuration, Plugin, Received, Request, RunningStage, Stage, built_wasm, fresh_request_id};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Mallory's own secret. It lets her in, as `mallory`, where callers need no role.
pub(crate) const MALLORY: &str = "mallory-has-a-secret-of-her-own";
/// The secret of `operator`, who has the role `admin`.
pub(crate) const OPERATOR: &str = "what-only-the-operator-knows";

/// Its SHA-256, in hex.
pub(crate) fn digest(secret: &str) -> String {
    Sha256::digest(secret).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Two callers: `mallory`, and `operator` with the role `admin`.
pub(crate) fn callers() -> Value {
    json!([
        {"id": "mallory", "secrets": [{"sha256": digest(MALLORY)}]},
        {"id": "operator", "roles": ["admin"], "secrets": [{"sha256": digest(OPERATOR)}]},
    ])
}

/// Callers send their secrets in `x-api-key`, or as `access_token` in the query. Admin's paths and host are the
/// operator's, and so is reading reports; anything else is for all callers, and the door for everybody.
fn policy() -> Value {
    let admin = json!({"provider": "partners", "roles": "admin"});
    json!({
        "providers": {"partners": {
            "static_secret": {"callers": callers()},
            "from": [{"header": "x-api-key"}, {"query": "access_token"}],
        }},
        "rules": [
            {"match": {"path": "/door"}, "allow": "anyone"},
            {"match": {"hosts": ["admin.test"]}, "require": admin},
            {"match": {"path_prefix": "/admin"}, "require": admin},
            {"match": {"path_prefix": "/reports", "methods": ["GET"]}, "require": admin},
            {"require": "partners"},
        ],
    })
}

/// A module that does as it is told: what a neighbour of the filter may do, or a filter that is written without care.
pub(crate) fn told(name: &str, orders: &str) -> Plugin {
    Plugin::new(Configuration::Text(orders.to_owned())).name(name).wasm(built_wasm("portcullis_broken"))
}

/// A filter that is off but where a route switches it on.
pub(crate) fn off(mut filter: Value) -> Value {
    filter["disabled"] = json!(true);
    filter
}

/// A route to the upstream that switches filters on and off.
pub(crate) fn route(prefix: &str, on: &[&str], off: &[&str]) -> Value {
    const FILTER_CONFIG: &str = "type.googleapis.com/envoy.config.route.v3.FilterConfig";
    let mut filters = Map::new();
    filters.extend(on.iter().map(|name| ((*name).to_owned(), json!({"@type": FILTER_CONFIG, "config": {}}))));
    filters.extend(off.iter().map(|name| ((*name).to_owned(), json!({"@type": FILTER_CONFIG, "disabled": true}))));
    let action = json!({"cluster": "upstream", "internal_redirect_policy": {"max_internal_redirects": 3}});
    json!({"match": {"prefix": prefix}, "route": action, "typed_per_filter_config": filters})
}

/// Below these paths this filter and the guard are out of the way: nothing stands there; a filter that knows mallory
/// and says so in `x-auth-subject`, by the one name that it knows; and one that reads headers as text.
pub(crate) const BARE: &str = "/bare";
pub(crate) const NAIVE: &str = "/naive";
pub(crate) const UNWARY: &str = "/unwary";

/// The house.
pub(crate) fn house() -> &'static RunningStage {
    static HOUSE: LazyLock<RunningStage> = LazyLock::new(|| {
        Stage::new()
            .config(policy())
            .bootstrap(|bootstrap: Bootstrap| {
                let mut locked = route("/bare/admin", &[], &["portcullis", "guard"]);
                locked.as_object_mut().expect("a route").remove("route");
                locked["direct_response"] = json!({"status": 403});
                bootstrap
                    .trailers()
                    .hcm("upgrade_configs", json!([{"upgrade_type": "websocket"}, {"upgrade_type": "h2c"}, {"upgrade_type": "CONNECT"}]))
                    .filter_before(off(told("naive", "set x-auth-subject mallory").filter()))
                    .filter_before(off(told("unwary", "read x-note").filter()))
                    .routes(json!([
                        {"match": {"connect_matcher": {}}, "route": {"cluster": "upstream"}},
                        locked,
                        route(BARE, &[], &["portcullis", "guard"]),
                        route(NAIVE, &["naive"], &["portcullis", "guard"]),
                        route(UNWARY, &["unwary"], &["portcullis", "guard"]),
                        route("/", &[], &[]),
                    ]))
            })
            .start()
    });
    &HOUSE
}

/// Mallory's request for a path, with her own secret.
pub(crate) fn mallory(path: impl AsRef<[u8]>) -> Request {
    Request::get(path).header("x-api-key", MALLORY)
}

/// The same, with what becomes of it.
#[track_caller]
pub(crate) fn mallorys(path: impl AsRef<[u8]>) -> Case {
    Case::new(mallory(path))
}

/// The case over HTTP/1.1 and over HTTP/2.
pub(crate) fn both(cases: impl IntoIterator<Item = Case>) -> Vec<Case> {
    cases.into_iter().flat_map(|case| [case.clone(), case.http2()]).collect()
}

/// Sends it; what the upstream got, if it got anything.
pub(crate) fn arrives(stage: &RunningStage, request: Request, http2: bool) -> Option<Received> {
    let id = fresh_request_id();
    let client = if http2 { stage.client().http2() } else { stage.client() };
    // Envoy may close the connection over it.
    let _ = client.try_send(&request.header("x-request-id", &id));
    stage.upstream.received_with_id(&id).pop()
}

/// A request's headers and trailers as programs see them behind CGI, WSGI, FastCGI and their like (RFC 3875, section
/// 4.1.18): what is no letter or digit is an underscore, and what becomes one name is one list.
pub(crate) fn cgi(received: &Received) -> BTreeMap<String, String> {
    let mut environment = BTreeMap::<String, String>::new();
    for (name, value) in received.headers.iter().chain(&received.trailers) {
        let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
        let value = String::from_utf8_lossy(value);
        environment.entry(format!("HTTP_{name}")).and_modify(|before| *before += &format!(",{value}")).or_insert_with(|| value.into());
    }
    environment
}
