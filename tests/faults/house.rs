//! Tokens, providers, and the time that things take to be well again.

use portcullis_harness::{Algorithm, Answer, Connection, Key, Request, RunningStage, mint, now};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

pub(crate) const ISSUER: &str = "https://idp.test";

/// From one fetch of a key set to the next, and between those that fail.
pub(crate) const REFRESH: Duration = Duration::from_secs(1);

/// How long an answer may take.
pub(crate) const TIMEOUT: Duration = Duration::from_millis(400);

/// How much longer anything may take on a machine that does a lot else.
pub(crate) const BUSY: Duration = Duration::from_secs(3);

pub(crate) fn es(number: u32) -> Key {
    Key::fixed(Algorithm::ES256, number)
}

/// A good token by this key.
pub(crate) fn token(key: &Key) -> String {
    mint(key, json!({"iss": ISSUER, "aud": "api", "sub": "alice", "exp": now(3600)}))
}

/// By another key under the name of key 1: whoever lets this pass has verified nothing.
pub(crate) fn forged() -> String {
    token(&es(66).with_kid("es256-1"))
}

/// A provider of tokens, whose keys come from this cluster; nobody waits for them.
pub(crate) fn users(cluster: &str, path: &str) -> Value {
    let keys = json!({"jwks_uri": format!("http://{cluster}.test{path}"), "cluster": cluster, "insecure_http": true, "wait": "0s",
        "refresh": "1s", "timeout": "400ms", "max_body": "32KiB"});
    json!({"jwt": {"keys": keys, "issuers": [ISSUER], "audiences": ["api"]}})
}

/// A provider of logins that this cluster judges.
pub(crate) fn shoppers(cluster: &str, path: &str) -> Value {
    json!({
        "remote": {
            "credential": "basic",
            "endpoints": {"default": {"cluster": cluster, "uri": format!("http://{cluster}.test{path}"), "insecure_http": true}},
            "request": {"timeout": "400ms", "json": {"username": "{username}", "password": "{password}"}},
            "identity": {"subject": {"claim": "id"}},
        },
        "upstream": {"headers": {"x-auth-subject": {"identity": "subject", "required": true}}},
    })
}

/// What both kinds of service may answer, wrong in itself, where `good` would be right: a name, the answer, how it is counted, what the log says.
pub(crate) fn bad_answers(good: &Value) -> Vec<(&'static str, Answer, &'static str, &'static str)> {
    let text = good.to_string();
    let half = text[..text.len() / 2].to_owned();
    vec![
        ("500", Answer::status(500), "status", "status 500"),
        ("500 with a good body", Answer::json(good).with_status(500), "status", "status 500"),
        ("503", Answer::status(503), "status", "status 503"),
        ("404", Answer::status(404), "status", "status 404"),
        ("204", Answer::status(204), "status", "status 204"),
        ("206", Answer::json(good).with_status(206), "status", "status 206"),
        ("a redirect", Answer::redirect("http://127.0.0.1/good"), "status", "status 302; redirects are not followed"),
        ("HTML", Answer::text("text/html", "<html>We'll be back soon</html>"), "invalid", "HTML or XML"),
        ("nothing", Answer::text("application/json", ""), "invalid", "there is nothing in it"),
        ("half a document", Answer::text("application/json", half.clone()), "invalid", "EOF while parsing"),
        ("gzip", Answer::gzip(good), "invalid", "compressed by gzip"),
        ("not UTF-8", Answer::text("application/json", b"\xff\xfe{}".as_slice()), "invalid", "expected value"),
        ("deep", Answer::text("application/json", format!("{}{}", "[".repeat(5000), "]".repeat(5000))), "invalid", "nested too deeply"),
        ("10 MB", Answer::text("application/json", format!("{text}{}", " ".repeat(10 << 20))), "too_large", "longer than max_body"),
        ("cut off", Answer::truncated(half.clone()), "reset", "no whole answer: the connection broke, time was up"),
        ("reset in the middle", Answer::reset(half), "reset", "no whole answer: the connection broke, time was up"),
        ("closed", Answer::close(), "status", "status 503, as Envoy says also when it can't connect"),
        ("silence", Answer::hang(), "status", "status 504, as Envoy says also when time is up"),
        ("too slow", Answer::json(good).after(2 * TIMEOUT), "status", "status 504, as Envoy says also when time is up"),
        ("a trickle", Answer::trickle(good, TIMEOUT / 10), "reset", "no whole answer: the connection broke, time was up"),
        (
            "endless",
            Answer::stream(" ".repeat(100), Duration::from_millis(10)),
            "reset",
            "no whole answer: the connection broke, time was up",
        ),
    ]
}

/// Asks over one connection.
pub(crate) struct Client(Connection);

impl Client {
    pub(crate) fn new(stage: &RunningStage) -> Self {
        Self(stage.client().connect().expect("Envoy listens"))
    }

    pub(crate) fn status(&mut self, request: &Request) -> u16 {
        self.0.send(request).expect("a response").status
    }
}

/// Asks until each of these requests gets 200, and says how long it took for each, and for the slowest. Who is forged, or wrong, never passes meanwhile.
pub(crate) fn recoveries(stage: &RunningStage, since: Instant, good: &[Request], never: &[Request]) -> (Vec<Duration>, Duration) {
    let mut client = Client::new(stage);
    let mut took = vec![None; good.len()];
    while took.contains(&None) {
        for (took, request) in took.iter_mut().zip(good).filter(|(took, _)| took.is_none()) {
            if client.status(request) == 200 {
                *took = Some(since.elapsed());
            }
        }
        for request in never {
            assert_ne!(client.status(request), 200, "unverified: {request:?}");
        }
        assert!(since.elapsed() < portcullis_harness::PATIENCE, "no recovery: {took:?}\n{}", stage.envoy.log().text());
        std::thread::sleep(Duration::from_millis(10));
    }
    let took: Vec<Duration> = took.into_iter().flatten().collect();
    let slowest = took.iter().max().copied().unwrap_or_default();
    (took, slowest)
}

pub(crate) fn metric(name: &str) -> String {
    format!("wasmcustom.portcullis.portcullis.{name}")
}

#[track_caller]
pub(crate) fn assert_alive(stage: &RunningStage) {
    let reloads: u64 = stage.envoy.stats().iter().filter(|(name, _)| name.contains("vm_reload")).map(|(_, count)| count).sum();
    assert_eq!(reloads, 0, "a VM died: {}", stage.envoy.log().text());
}
