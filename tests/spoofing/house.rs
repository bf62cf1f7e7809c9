//! One Envoy for all of it, in which every kind of header is annotated.

use portcullis_harness::{
    Algorithm, Answer, Authority, Certificate, Key, Leaf, Received, Request, Response, RunningStage, Server, Stage, mint, now,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::sync::LazyLock;
use std::time::Duration;

/// The header in which a proxy passes on its client's certificate.
pub(crate) const CERTIFICATE: &str = "x-amzn-mtls-clientcert";

pub(crate) struct House {
    pub(crate) stage: RunningStage,
    pub(crate) alice: Certificate,
    pub(crate) bob: Certificate,
    _login: Server,
}

pub(crate) fn secret(caller: &str) -> String {
    format!("{caller}-has-a-secret-of-her-own")
}

fn key() -> Key {
    Key::secret(Algorithm::HS256, "a secret of thirty-two octets and more")
}

/// A token for `users`.
pub(crate) fn token(subject: &str) -> String {
    mint(&key(), json!({"sub": subject, "exp": now(600), "email": format!("{subject}@x.test"), "roles": ["reader"], "scope": "a b"}))
}

fn configuration() -> Value {
    let hex = |text: String| Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let callers: Vec<Value> =
        ["mallory", "operator"].iter().map(|id| json!({"id": id, "secrets": [{"sha256": hex(secret(id))}]})).collect();
    json!({
        "providers": {
            "partners": {"static_secret": {"callers": callers}, "from": [{"header": "x-api-key"}]},
            "users": {"jwt": {"keys": {"secret": {"text": String::from_utf8(key().secret_bytes()).unwrap()}}, "identity": {"roles": [{"claim": "roles"}]}}},
            "members": {"client_certificate": {}},
            "passed": {"client_certificate": {"source": {"header": CERTIFICATE, "trusted": {"san_uri": "spiffe://x.test/proxy"}}}},
            "shoppers": {"remote": {
                "credential": "basic",
                "endpoints": {"default": {"cluster": "login", "uri": "http://login.test/", "insecure_http": true}},
                "request": {"json": {"username": "{username}", "password": "{password}"}},
                "identity": {"subject": {"claim": "id"}},
            }},
        },
        "rules": [
            {"match": {"path_prefix": "/door"}, "allow": "anyone"},
            {"match": {"path_prefix": "/admin"}, "deny": true},
            {"match": {"hosts": ["admin.test"]}, "deny": true},
            {"match": {"path_prefix": "/users"}, "require": "users"},
            {"match": {"path_prefix": "/members"}, "require": "members"},
            {"match": {"path_prefix": "/passed"}, "require": "passed"},
            {"match": {"path_prefix": "/login"}, "require": "shoppers"},
            {"require": "partners"},
        ],
        "upstream": {
            "remove": ["x-ep-*", "x-internal", CERTIFICATE, "x-amzn-mtls-clientcert-*", "x-forwarded-client-cert"],
            "payload_header": "x-jwt-payload",
            "headers": {
                "x-who": {"identity": "subject"},
                "x-by": {"identity": "provider"},
                "x-may-do": {"identity": "roles"},
                "x-mail": {"claim": "email"},
                "x-vouched": {"secret": {"text": "what the service knows"}},
            },
        },
    })
}

pub(crate) fn house() -> &'static House {
    static HOUSE: LazyLock<House> = LazyLock::new(|| {
        let members = Authority::new("Members");
        // Each login takes so long that many of them wait at a time.
        let login = Server::start(|received| {
            let user = received.json()["username"].as_str().unwrap_or_default().to_owned();
            Answer::json(&json!({"id": user})).after(Duration::from_millis(50))
        });
        let stage = Stage::new()
            .config(configuration())
            .cluster("login", login.address())
            .tls(|tls| tls.clients_of(&members))
            // As where a proxy before Envoy is trusted: nothing is removed by Envoy itself.
            .bootstrap(|bootstrap| {
                bootstrap
                    .trailers()
                    // It waits a second for a client that it has told to go.
                    .hcm("delayed_close_timeout", json!("0.02s"))
                    .hcm("forward_client_cert_details", json!("ALWAYS_FORWARD_ONLY"))
                    .hcm("http2_protocol_options", json!({"allow_connect": true}))
            })
            .start();
        House {
            stage,
            alice: members.issue(Leaf::new().common_name("alice")),
            bob: members.issue(Leaf::new().common_name("bob")),
            _login: login,
        }
    });
    &HOUSE
}

/// Mallory's own request.
pub(crate) fn mallorys(request: Request) -> Request {
    request.header("x-api-key", secret("mallory"))
}

/// As CGI reads a name.
fn folded(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect()
}

/// What the service learns, by names as CGI reads them, of headers and trailers that may tell who it is.
pub(crate) fn learned(received: &Received) -> Vec<(String, String)> {
    told(&received.to_json())
}

/// The same from what the service answers, which is all that it got.
pub(crate) fn learned_by_answer(response: &Response) -> Vec<(String, String)> {
    told(&serde_json::from_slice(&response.body).expect("the service answers with what it got"))
}

fn told(got: &Value) -> Vec<(String, String)> {
    const NAMES: [&str; 10] = [
        "x_who",
        "x_by",
        "x_may_do",
        "x_mail",
        "x_vouched",
        "x_jwt_payload",
        "x_internal",
        "x_forwarded_client_cert",
        "x_api_key",
        "authorization",
    ];
    let fields = ["headers", "trailers"].iter().flat_map(|part| got[part].as_array().into_iter().flatten());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut told: Vec<_> = fields
        .map(|field| (folded(&text(&field[0])), text(&field[1])))
        .filter(|(name, _)| NAMES.contains(&name.as_str()) || name.starts_with("x_ep_") || name.starts_with("x_amzn_mtls_clientcert"))
        .collect();
    told.sort();
    told
}

/// What the service learns of mallory.
pub(crate) fn mallory() -> Vec<(String, String)> {
    [("x_by", "partners"), ("x_vouched", "what the service knows"), ("x_who", "mallory")]
        .map(|(name, value)| (name.into(), value.into()))
        .to_vec()
}
