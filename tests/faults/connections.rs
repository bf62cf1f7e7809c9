//! No way to the service: nobody listens, a name doesn't resolve, a cluster is missing. Key sets and logins alike.

use crate::house::{BUSY, Client, REFRESH, TIMEOUT, assert_alive, es, forged, metric, recoveries, shoppers, token, users};
use crate::logins::{by, login};
use crate::resolver::Resolver;
use portcullis_harness::{Answer, Case, DIRECTORY, Received, Request, RunningStage, Server, Stage, cluster, jwks, to_yaml};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Clusters, and what the log says of one that can't be reached, and how that is counted.
const WAYS: [(&str, &str, &str); 3] = [
    ("refused", "status", "status 503, as Envoy says also when it can't connect"),
    ("unresolved", "not_sent", "Envoy did not take the callout: its cluster is unknown or not ready"),
    ("missing", "not_sent", "Envoy did not take the callout: its cluster is unknown or not ready"),
];

/// The file that CDS watches.
const CLUSTERS: &str = "clusters.yaml";

/// What listens behind all three ways: key sets and logins.
fn service(received: &Received, key: &AtomicU32) -> Answer {
    if received.path == "/keys" { Answer::json(&jwks(&[es(key.load(Ordering::Relaxed))])) } else { login(received) }
}

fn clusters(known: &[Value]) -> String {
    let mut resources = known.to_vec();
    for resource in &mut resources {
        resource["@type"] = json!("type.googleapis.com/envoy.config.cluster.v3.Cluster");
    }
    to_yaml(&json!({"version_info": known.len().to_string(), "resources": resources}))
}

fn policy() -> Value {
    let (mut providers, mut rules) = (Map::new(), Vec::new());
    for (way, ..) in WAYS {
        providers.insert(format!("{way}-keys"), users(way, "/keys"));
        providers.insert(format!("{way}-login"), shoppers(way, "/login"));
        for kind in ["keys", "login"] {
            rules.push(json!({"match": {"path": format!("/{way}/{kind}")}, "require": format!("{way}-{kind}")}));
        }
    }
    json!({"providers": providers, "rules": rules})
}

fn with_key(way: &str, number: u32) -> Request {
    Request::get(format!("/{way}/keys")).bearer(&token(&es(number)))
}

fn with_forgery(way: &str) -> Request {
    Request::get(format!("/{way}/keys")).bearer(&forged())
}

fn as_user(way: &str, user: &str) -> Request {
    by(&format!("/{way}/login"), user)
}

/// Waits until fetches over this way fail.
fn wait_for_failures(stage: &RunningStage, way: &str, outcome: &str) {
    let name = metric(&format!("fetch.{way}-keys.{outcome}"));
    let before = stage.envoy.stat(&name).unwrap_or(0);
    stage.envoy.wait_for_stat(&name, before + 2);
}

fn check_log(stage: &RunningStage, way: &str, line: &str) {
    for begin in [format!("keys not fetched provider={way}-keys"), format!("no answer provider={way}-login")] {
        let place = format!("{begin} cluster={way} host={way}.test");
        let lines = stage.envoy.log().lines_with(&place);
        assert!(lines.iter().any(|found| found.contains(line)), "no {line:?} in {lines:#?}");
    }
}

#[test]
fn a_service_that_cannot_be_reached_from_the_start_and_later() {
    let key = Arc::new(AtomicU32::new(1));
    let mut server = Server::start({
        let key = Arc::clone(&key);
        move |received| service(received, &key)
    });
    let resolver = Resolver::start();
    let missing = cluster("missing", server.address());
    let unresolved = resolver.cluster("unresolved", "idp.invalid", server.address().port());
    let source = |value: &mut Value| {
        value["dynamic_resources"] = json!({"cds_config": {"path_config_source": {"path": format!("{DIRECTORY}/{CLUSTERS}")}}});
    };
    server.stop();
    let stage = Stage::new()
        .config(policy())
        .cluster("refused", server.address())
        .bootstrap(|bootstrap| bootstrap.cluster_value(unresolved).edit(source))
        .launch(|launch| launch.file(CLUSTERS, &clusters(&[])))
        .start();
    for (way, outcome, line) in WAYS {
        wait_for_failures(&stage, way, outcome);
        stage.check([
            Case::new(with_key(way, 1)).expect(503).reason("keys_unavailable").answer("retry-after", "5"),
            Case::new(with_forgery(way)).expect(503).reason("keys_unavailable"),
            Case::new(as_user(way, "ada")).expect(503).reason("remote_unavailable").answer("retry-after", "5"),
        ]);
        check_log(&stage, way, line);
        assert!(stage.envoy.stat(&metric(&format!("remote.{way}-login.{outcome}"))) >= Some(1), "{way}");
    }
    // Each fault ends by itself, and nothing is restarted but what was down.
    server.restart();
    resolver.recover();
    stage.envoy.replace_file(CLUSTERS, &clusters(std::slice::from_ref(&missing)));
    let all = |each: &dyn Fn(&str) -> Request| -> Vec<Request> { WAYS.iter().map(|(way, ..)| each(way)).collect() };
    let never = all(&with_forgery);
    let good: Vec<Request> = all(&|way| with_key(way, 1)).into_iter().chain(all(&|way| as_user(way, "ada"))).collect();
    let (took, slowest) = recoveries(&stage, Instant::now(), &good, &never);
    assert!(slowest < REFRESH + BUSY, "{slowest:?}");
    tell("from the start", &took);

    // It dies, its cluster is taken away; names were resolved, and stay so.
    server.stop();
    stage.envoy.replace_file(CLUSTERS, &clusters(&[]));
    for (way, outcome) in [("refused", "status"), ("missing", "not_sent"), ("unresolved", "status")] {
        wait_for_failures(&stage, way, outcome);
        stage.check([
            Case::new(with_key(way, 1)).expect(200).upstream("x-auth-subject", "alice"),
            Case::new(with_forgery(way)).expect(401).reason("signature_invalid"),
            Case::new(as_user(way, "ada")).expect(200).upstream("x-auth-subject", "ada"),
            Case::new(as_user(way, "bob")).expect(503).reason("remote_unavailable"),
        ]);
    }
    key.store(2, Ordering::Relaxed);
    server.restart();
    stage.envoy.replace_file(CLUSTERS, &clusters(&[missing]));
    let good: Vec<Request> = all(&|way| with_key(way, 2)).into_iter().chain(all(&|way| as_user(way, "bob"))).collect();
    let (took, slowest) = recoveries(&stage, Instant::now(), &good, &never);
    assert!(slowest < REFRESH + BUSY, "{slowest:?}");
    tell("later", &took);
    let mut client = Client::new(&stage);
    for (way, ..) in WAYS {
        assert_eq!(client.status(&with_key(way, 1)), 401, "{way}");
    }
    assert_alive(&stage);
}

/// Slow, but in time: no fault at all, and nothing to log.
#[test]
fn a_service_that_takes_its_time_is_waited_for() {
    let server = Server::start(|received| service(received, &AtomicU32::new(1)).after(TIMEOUT / 2));
    let mut patient = users("slow", "/keys");
    patient["jwt"]["keys"]["wait"] = json!("10s");
    let stage = Stage::new()
        .config(json!({"providers": {"users": patient, "shoppers": shoppers("slow", "/login")},
            "rules": [{"match": {"path": "/login"}, "require": "shoppers"}, {"require": "users"}]}))
        .cluster("slow", server.address())
        .start();
    let begun = Instant::now();
    stage.check([
        Case::get("/").bearer(&token(&es(1))).expect(200),
        Case::get("/").bearer(&forged()).expect(401).reason("signature_invalid"),
        Case::new(by("/login", "ada")).expect(200),
        Case::get("/login").basic("ada", "guess").expect(401).reason("remote_denied"),
    ]);
    assert!((TIMEOUT..3 * TIMEOUT + BUSY).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    stage.envoy.wait_for_stat(&metric("fetch.users.success"), 3);
    for line in ["keys not fetched", "no answer"] {
        assert_eq!(stage.envoy.log().lines_with(line), Vec::<String>::new());
    }
    assert_alive(&stage);
}

fn tell(when: &str, took: &[Duration]) {
    let names = WAYS.iter().map(|(way, ..)| format!("{way}, keys")).chain(WAYS.iter().map(|(way, ..)| format!("{way}, login")));
    for (name, took) in names.zip(took) {
        println!("{name}, {when}: {} ms after the fault", took.as_millis());
    }
}
