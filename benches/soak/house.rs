//! What runs: Envoy with two workers, the service behind it, the identity provider, and the login service.

use crate::attempt::{MARK, PASSES};
use crate::credentials::Generation;
use crate::kinds::Member;
use crate::policy::{ROLES, configuration, environment};
use crate::tally::Tally;
use portcullis_harness::{
    Answer, Authority, Certificate, Client, Configuration, IdentityProvider, Leaf, Plugin, Received, RunningStage, Server, Stage, Tls,
    der_utf8_sequence,
};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

pub(crate) const WORKERS: u32 = 2;

pub(crate) struct House {
    pub(crate) stage: RunningStage,
    pub(crate) login: Server,
    alice: Certificate,
    bob: Certificate,
    carol: Certificate,
}

impl House {
    pub(crate) fn start(first: &Generation, tally: &Arc<Tally>) -> Self {
        let members = Authority::new("Members");
        let leaf = |name: &str, role: &str| members.issue(Leaf::new().common_name(name).extension(ROLES, der_utf8_sequence(&[role])));
        let (alice, bob, carol) = (leaf("alice", "reader"), leaf("bob", "writer"), leaf("carol", "reader"));
        let login = Server::start(login);
        // As a control plane sends it.
        let mut plugin = Plugin::new(Configuration::Text(configuration(&carol.fingerprint()).to_string()));
        for (name, _) in environment() {
            plugin = plugin.host_env(&name);
        }
        let without_access_log = |bootstrap: &mut Value| {
            for listener in bootstrap["static_resources"]["listeners"].as_array_mut().into_iter().flatten() {
                for chain in listener["filter_chains"].as_array_mut().into_iter().flatten() {
                    chain["filters"][0]["typed_config"]["access_log"] = json!([]);
                }
            }
        };
        let stage = Stage::new()
            .plugin(plugin)
            .identity_provider(IdentityProvider::with_keys(first.keys().to_vec()))
            .cluster("login", login.address())
            .tls(|tls| tls.clients_of(&members))
            .balanced()
            .bootstrap(|bootstrap| bootstrap.trailers().websockets().edit(without_access_log))
            .concurrency(WORKERS)
            .launch(|launch| {
                let launch = environment().iter().fold(launch, |launch, (name, value)| launch.env(name, value));
                launch.direct().component_log_level("wasm:info")
            })
            .start();
        let watched = Arc::clone(tally);
        stage.upstream.answer_by(move |received| serve(received, &watched));
        Self { stage, login, alice, bob, carol }
    }

    /// A client; over TLS with this member's certificate.
    pub(crate) fn client(&self, member: Option<Member>) -> Client {
        let Some(member) = member else { return self.stage.client().patience(PATIENCE) };
        let tls = self.stage.client_tls();
        let identified = |certificate| Tls::identity(tls.clone(), certificate);
        let tls = match member {
            Member::Alice => identified(&self.alice),
            Member::Bob => identified(&self.bob),
            Member::Carol => identified(&self.carol),
            Member::Nobody => tls,
        };
        self.stage.tls_client(tls).patience(PATIENCE)
    }
}

/// No answer takes so long, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(30);

/// The service tells what it got, and keeps watch over what it may not get.
fn serve(received: &Received, tally: &Tally) -> Answer {
    if received.header_values(MARK) != [PASSES] {
        tally.leak(received);
    }
    let mut text = format!("{} {}\n", received.method, received.path);
    for (name, value) in received.headers.iter().chain(&received.trailers) {
        text.push_str(name);
        text.push_str(": ");
        text.extend(value.iter().map(|byte| char::from(*byte)));
        text.push('\n');
    }
    Answer::text("text/plain", text)
}

/// What the login service says of a user.
pub(crate) fn shopper(user: &str) -> Value {
    json!({"id": format!("id-of-{user}"), "roles": ["customer"]})
}

/// Who is let in says the password; how long it takes says the name.
fn login(received: &Received) -> Answer {
    let body = received.json();
    let user = body["username"].as_str().unwrap_or_default();
    let answer = match body["password"].as_str() {
        Some("right") => Answer::json(&shopper(user)),
        _ => Answer::status(401),
    };
    if user.starts_with("slow") { answer.after(Duration::from_millis(200)) } else { answer }
}
