//! Key sets of a whole process, on a real Envoy with several workers: one fetch for all of them, through rotation, outage, reload and death.
//! The identity provider counts.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that can't go on fails"
)]

use portcullis::keys::{Begin, Refresh};
use portcullis::time::UnixTime;
use portcullis_harness::{
    Algorithm, Answer, Configuration, Connection, IdentityProvider, Key, PATIENCE, Plugin, Request, RunningStage, Stage, built_wasm, mint,
    now, poll,
};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How soon every worker has learned what another one fetched, on a busy machine.
const KNOWN_TO_ALL: Duration = Duration::from_secs(2);

fn es(number: u32) -> Key {
    Key::fixed(Algorithm::ES256, number)
}

fn token(key: &Key) -> String {
    mint(key, json!({"iss": "https://idp.test", "aud": "api", "sub": "alice", "exp": now(3600)}))
}

fn policy(settings: &Value) -> Value {
    let mut keys = json!({"jwks_uri": "http://idp.test/.well-known/jwks.json", "cluster": "idp", "insecure_http": true});
    for (name, value) in settings.as_object().expect("an object") {
        keys[name] = value.clone();
    }
    json!({"providers": {"users": {"jwt": {"keys": keys, "issuers": ["https://idp.test"], "audiences": ["api"]}}},
        "rules": [{"match": {"path": "/admin"}, "require": {"provider": "users", "scopes": "admin"}}, {"require": "users"}]})
}

fn stage(workers: u32, settings: &Value) -> Stage {
    Stage::new().config(policy(settings)).concurrency(workers).balanced()
}

/// An identity provider with these keys.
fn idp(keys: impl IntoIterator<Item = Key>) -> IdentityProvider {
    IdentityProvider::with_keys(keys)
}

/// So many connections for each of so many workers.
fn connections(stage: &RunningStage, count: u32) -> Vec<Connection> {
    let client = stage.client().patience(Duration::from_secs(60));
    (0..count).map(|_| client.connect().expect("Envoy listens")).collect()
}

fn ask(connection: &mut Connection, token: &str) -> u16 {
    connection.send(&Request::get("/").bearer(token)).expect("a response").status
}

/// Every connection's answer, asked side by side.
fn ask_all(connections: &mut [Connection], token: &str) -> Vec<(u16, Duration)> {
    thread::scope(|scope| {
        let asked = |connection| {
            scope.spawn(move || {
                let start = Instant::now();
                (ask(connection, token), start.elapsed())
            })
        };
        let handles: Vec<_> = connections.iter_mut().map(asked).collect();
        handles.into_iter().map(|handle| handle.join().expect("a response")).collect()
    })
}

fn statuses(answers: &[(u16, Duration)]) -> Vec<u16> {
    answers.iter().map(|(status, _)| *status).collect()
}

#[track_caller]
fn assert_alive(stage: &RunningStage) {
    let reloads: u64 = stage.envoy.stats().iter().filter(|(name, _)| name.contains("vm_reload")).map(|(_, count)| count).sum();
    assert_eq!(reloads, 0, "a VM died: {}", stage.envoy.log().text());
}

#[test]
fn one_fetch_for_one_two_and_four_workers() {
    for workers in [1, 2, 4] {
        let idp = idp([es(1)]);
        idp.delay(Duration::from_millis(500));
        let stage = stage(workers, &json!({"refresh": "2s"})).identity_provider(idp).start();
        let mut all = connections(&stage, 4 * workers);
        assert!(ask_all(&mut all, &token(&es(1))).iter().all(|(status, _)| *status == 200), "{workers} workers");
        assert_eq!(stage.identity_provider.fetch_count(), 1, "{workers} workers");
        // From one refresh to the next it takes 1.8 to 2 s, half a second of fetching, and a look around.
        stage.identity_provider.delay(Duration::ZERO);
        thread::sleep(Duration::from_secs(8));
        let fetches = stage.identity_provider.fetch_count();
        assert!((4..=6).contains(&fetches), "{fetches} fetches of {workers} workers in 8.5 s");
        assert!(statuses(&ask_all(&mut all, &token(&es(1)))).iter().all(|status| *status == 200));
        assert_alive(&stage);
    }
}

#[test]
fn keys_rotate_under_load() {
    const WORKERS: u32 = 4;
    // Nothing but an unknown key leads to a fetch while this runs.
    let stage = stage(WORKERS, &json!({"unknown_kid": {"cooldown": "1s"}})).identity_provider(idp([es(1)])).start();
    let mut all = connections(&stage, 4 * WORKERS);
    assert!(statuses(&ask_all(&mut all, &token(&es(1)))).iter().all(|status| *status == 200));
    let (sent, waited) = (AtomicUsize::new(0), AtomicUsize::new(0));
    for round in 1..=4 {
        // The new key signs as soon as it is published; the old one is gone from the set.
        thread::sleep(Duration::from_millis(1300));
        stage.identity_provider.delay(Duration::from_millis(200));
        let (old, new) = (token(&es(round)), token(&es(round + 1)));
        stage.identity_provider.rotate([es(round + 1)]);
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            let (new, sent, waited, is_over) = (&new, &sent, &waited, &is_over);
            for connection in &mut all {
                scope.spawn(move || {
                    while !is_over.load(Ordering::Relaxed) {
                        let start = Instant::now();
                        let status = ask(connection, new);
                        assert_eq!(status, 200, "a good token is refused in rotation {round}");
                        sent.fetch_add(1, Ordering::Relaxed);
                        waited.fetch_max(usize::try_from(start.elapsed().as_millis()).expect("milliseconds"), Ordering::Relaxed);
                    }
                });
            }
            // As many connections again with the old key's tokens: good until the set is gone, and never after.
            let mut others = connections(&stage, WORKERS);
            thread::sleep(KNOWN_TO_ALL);
            for _ in 0..5 {
                let answers = ask_all(&mut others, &old);
                assert!(statuses(&answers).iter().all(|status| *status == 401), "a removed key lives on in rotation {round}: {answers:?}");
            }
            is_over.store(true, Ordering::Relaxed);
        });
        // The old key's tokens named an unknown key, too, each time that the last one had cooled down; but nothing beyond that.
        let fetches = stage.identity_provider.fetch_count();
        assert!(fetches <= 1 + 4 * usize::try_from(round).expect("few"), "{fetches} fetches after rotation {round}");
    }
    println!("{} requests through four rotations, none refused; the longest took {} ms", sent.into_inner(), waited.into_inner());
    assert_alive(&stage);
}

#[test]
fn unknown_keys_cool_down_and_only_what_could_pass_asks() {
    let stage = stage(2, &json!({"unknown_kid": {"cooldown": "30s"}})).identity_provider(idp([es(1)])).start();
    let mut all = connections(&stage, 4);
    assert_eq!(statuses(&ask_all(&mut all, &token(&es(1)))), [200; 4]);
    // By keys that nobody has, and refused whatever they were.
    let claims = |more: Value| {
        let mut claims = json!({"iss": "https://idp.test", "aud": "api", "sub": "alice", "exp": now(3600)});
        claims.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        mint(&es(9), claims)
    };
    for hopeless in
        [json!({"exp": now(-100)}), json!({"iss": "x"}), json!({"aud": "x"}), json!({"nbf": now(600)}), json!({"cnf": {"x5t#S256": "x"}})]
    {
        assert_eq!(ask(&mut all[0], &claims(hopeless.clone())), 401, "{hopeless}");
    }
    let admin = |token: &str| all[1].send(&Request::get("/admin").bearer(token)).expect("a response").status;
    assert_eq!({ admin }(&token(&es(9))), 401);
    assert_eq!(stage.identity_provider.fetch_count(), 1, "tokens that could not pass lead to fetches");
    // One that could leads to one fetch, and the next hundred of any key to none, and to no delay.
    stage.identity_provider.delay(Duration::from_millis(300));
    let first = ask_all(&mut all[..1], &token(&es(9)));
    assert!(first[0].0 == 401 && first[0].1 >= Duration::from_millis(300), "{first:?}");
    let start = Instant::now();
    for number in 0..100 {
        let connection = &mut all[number % 4];
        assert_eq!(ask(connection, &token(&es(10 + u32::try_from(number).expect("few")))), 401);
    }
    let average = start.elapsed() / 100;
    assert!(average < Duration::from_millis(50), "{average:?} for an answer that should be immediate");
    assert_eq!(stage.identity_provider.fetch_count(), 2);
    // Known callers notice nothing of it.
    assert_eq!(statuses(&ask_all(&mut all, &token(&es(1)))), [200; 4]);
    assert_alive(&stage);
}

#[test]
fn a_fetch_that_began_before_the_question_does_not_answer_it() {
    let stage = stage(2, &json!({"refresh": "2s", "wait": "10s"})).identity_provider(idp([es(1)])).start();
    let mut all = connections(&stage, 4);
    assert_eq!(statuses(&ask_all(&mut all, &token(&es(1)))), [200; 4]);
    // The regular refresh gets the old set, late.
    stage.identity_provider.delay(Duration::from_millis(1500));
    let before = stage.identity_provider.fetch_count();
    assert!(stage.identity_provider.wait_for_fetches(before + 1, PATIENCE));
    stage.identity_provider.rotate([es(2), es(1)]);
    let answers = ask_all(&mut all, &token(&es(2)));
    assert_eq!(statuses(&answers), [200; 4], "answered by a set that was made before the key: {answers:?}");
    assert_eq!(stage.identity_provider.fetch_count(), before + 2);
    assert_alive(&stage);
}

#[test]
fn another_takes_over_from_a_fetcher_that_died() {
    let settings = json!({"timeout": "1s", "wait": "20s"});
    // What a VM leaves behind that dies over its fetch: a lease that nobody will ever give back.
    let (compiled, _) = portcullis::config::load(policy(&settings).to_string().as_bytes(), &|_| None).expect("a good configuration");
    let (set, source) = compiled.key_sets.first().expect("a key set");
    let time = UnixTime::from_seconds(u64::try_from(now(4)).expect("after 1970"));
    let mut refresh = Refresh::default();
    assert_eq!(refresh.begin(source, None, 4711, time, 0), Begin::Fetch);
    let lease: String = refresh.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let dead = Plugin::new(Configuration::Text(format!("share portcullis.keys.1.{set}.refresh {lease}")))
        .name("dead")
        .vm_id("portcullis")
        .wasm(built_wasm("portcullis_broken"));
    let stage = stage(2, &settings).identity_provider(idp([es(1)])).bootstrap(|bootstrap| bootstrap.filter_before(dead.filter())).start();
    let mut all = connections(&stage, 4);
    let answers = ask_all(&mut all, &token(&es(1)));
    assert_eq!(statuses(&answers), [200; 4], "{answers:?}: {}", stage.envoy.log().text());
    assert_eq!(stage.identity_provider.fetch_count(), 1);
    stage.envoy.wait_for_log("no answer in time, not even a failure");
    assert_eq!(stage.envoy.stat("wasmcustom.portcullis.portcullis.fetch.users.lost"), Some(1));
}

/// Two workers whose policy is replaced by file.
fn by_ecds(first: &Plugin) -> Stage {
    Stage::new().discovered(first).concurrency(2).balanced()
}

/// Replaces the policy by one that wants another subject, and waits until every connection is under it.
fn reload(stage: &RunningStage, all: &mut [Connection], plugin: &Plugin) {
    stage.discover(plugin);
    let bob = mint(&es(1), json!({"iss": "https://idp.test", "aud": "api", "sub": "bob", "exp": now(3600)}));
    let is_there = || ask_all(all, &bob).iter().all(|(status, _)| *status == 401).then_some(());
    assert!(poll(PATIENCE, is_there).is_some(), "the new policy never came: {}", stage.envoy.log().text());
}

#[test]
fn a_reload_loses_no_keys_and_fetches_none_again() {
    let settings = json!({"timeout": "500ms", "wait": "200ms"});
    let plugin = |subjects: &[&str], generation: &str| {
        let mut policy = policy(&settings);
        policy["providers"]["users"]["jwt"]["subjects"] = json!(subjects);
        // Another environment is another VM, with nothing of the old one's memory.
        Plugin::new(policy).env("GENERATION", generation)
    };
    let mut stage = by_ecds(&plugin(&["alice", "bob"], "1")).identity_provider(idp([es(1)])).start();
    let mut all = connections(&stage, 4);
    let good = token(&es(1));
    assert_eq!(poll(PATIENCE, || (ask(&mut all[0], &good) == 200).then_some(())), Some(()));
    assert_eq!(stage.identity_provider.fetch_count(), 1);
    reload(&stage, &mut all, &plugin(&["alice"], "1"));
    assert_eq!(statuses(&ask_all(&mut all, &good)), [200; 4]);
    // From here on nobody could fetch anything.
    stage.identity_provider.stop();
    reload(&stage, &mut all, &plugin(&["alice", "carol"], "2"));
    for _ in 0..10 {
        assert_eq!(statuses(&ask_all(&mut all, &good)), [200; 4], "a new VM lacks the keys: {}", stage.envoy.log().text());
    }
    stage.identity_provider.restart();
    thread::sleep(KNOWN_TO_ALL);
    assert_eq!(stage.identity_provider.fetch_count(), 1, "reloads lead to fetches");
    assert_alive(&stage);
}

#[test]
fn a_reload_in_the_middle_of_a_fetch_leaves_nobody_waiting() {
    let plugin = |age: &str| {
        let mut policy = policy(&json!({"timeout": "30s", "wait": "10s"}));
        policy["providers"]["users"]["jwt"]["max_token_age"] = json!(age);
        policy["providers"]["users"]["jwt"]["required_claims"] = json!([]);
        Plugin::new(policy)
    };
    let idp = idp([es(1)]);
    idp.serve_instead(Answer::hang());
    let stage = by_ecds(&plugin("1h")).identity_provider(idp).start();
    assert!(stage.identity_provider.wait_for_fetches(1, PATIENCE));
    stage.identity_provider.recover();
    stage.discover(&plugin("2h"));
    let good = mint(&es(1), json!({"iss": "https://idp.test", "aud": "api", "sub": "alice", "exp": now(3600), "iat": now(0)}));
    let start = Instant::now();
    let mut all = connections(&stage, 4);
    let there = poll(Duration::from_secs(20), || ask_all(&mut all, &good).iter().all(|(status, _)| *status == 200).then_some(()));
    assert!(there.is_some() && start.elapsed() < Duration::from_secs(20), "{:?}: {}", start.elapsed(), stage.envoy.log().text());
    println!("keys were there {} ms after the reload", start.elapsed().as_millis());
    assert_eq!(stage.identity_provider.fetch_count(), 2);
}

/// Two configurations of one listener, of which the old one lives on for its open connections.
#[test]
fn an_old_configuration_that_still_ticks_disturbs_nothing() {
    let filter =
        |query: &str| Plugin::new(policy(&json!({"jwks_uri": format!("http://idp.test/.well-known/jwks.json?{query}"), "refresh": "1s"})));
    let stage = Stage::new().concurrency(2).identity_provider(idp([es(1)])).listed(&filter("old")).start();
    let client = stage.listed_client();
    let mut old = client.connect().expect("Envoy listens");
    assert_eq!(ask(&mut old, &token(&es(1))), 200);
    stage.identity_provider.rotate([es(2)]);
    let is_new = || {
        let mut new = client.connect().expect("Envoy listens");
        (ask(&mut new, &token(&es(2))) == 200).then_some(new)
    };
    stage.relist(&filter("new"));
    stage.envoy.wait_for_stat("listener_manager.listener_modified", 1);
    let mut new = poll(PATIENCE, is_new).expect("the new configuration's keys");
    stage.identity_provider.rotate([es(3)]);
    // Both still fetch, each its own, once a second and no more; and neither takes the other's.
    let before = stage.identity_provider.fetch_count();
    thread::sleep(Duration::from_secs(4));
    let fetches = stage.identity_provider.fetches().split_off(before);
    for query in ["?old", "?new"] {
        let count = fetches.iter().filter(|fetch| fetch.path.ends_with(query)).count();
        assert!((2..=5).contains(&count), "{count} fetches of {query} in 4 s");
    }
    assert_eq!((ask(&mut new, &token(&es(3))), ask(&mut new, &token(&es(2)))), (200, 401));
    assert_eq!((ask(&mut old, &token(&es(3))), ask(&mut old, &token(&es(1)))), (200, 401));
}

#[test]
fn without_a_vm_id_nothing_is_shared_and_that_is_said_once() {
    let settings = json!({});
    let (compiled, _) = portcullis::config::load(policy(&settings).to_string().as_bytes(), &|_| None).expect("a good configuration");
    let (set, _) = compiled.key_sets.first().expect("a key set");
    // Another plugin without one plants a set of its own.
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut refresh = Refresh::default();
    refresh.succeed(
        &compiled.key_sets.first().expect("a key set").1,
        UnixTime::from_seconds(u64::try_from(now(0)).expect("after 1970")),
        0,
    );
    let planted = portcullis_harness::jwks([&es(66)]).to_string();
    let orders = format!(
        "share portcullis.keys.1.{set} {}\nshare portcullis.keys.1.{set}.refresh {}",
        hex(planted.as_bytes()),
        hex(&refresh.to_bytes())
    );
    let mallory = |vm_id: &str| {
        let plugin = Plugin::new(Configuration::Text(orders.clone())).name("mallory").wasm(built_wasm("portcullis_broken"));
        plugin.vm_id(vm_id)
    };
    let start = |vm_id: &str, other: &str| {
        Stage::new()
            .plugin(Plugin::new(policy(&settings)).vm_id(vm_id))
            .concurrency(2)
            .identity_provider(idp([es(1)]))
            .bootstrap(|bootstrap| bootstrap.filter_before(mallory(other).filter()))
            .balanced()
            .start()
    };
    let stage = start("", "");
    let mut all = connections(&stage, 4);
    assert_eq!(statuses(&ask_all(&mut all, &token(&es(1)))), [200; 4]);
    assert_eq!(statuses(&ask_all(&mut all, &token(&es(66)))), [401; 4], "a planted key is taken");
    let first = stage.identity_provider.fetches().len();
    assert!(first >= 3, "two workers and the main thread fetch for themselves: {first}");
    let warnings = stage.envoy.log().text().lines().filter(|line| line.contains("vm_id is blank")).count();
    assert_eq!(warnings, 1);
    // The attack is real where an operator gives both the same name.
    let stage = start("same", "same");
    let mut all = connections(&stage, 4);
    assert_eq!(statuses(&ask_all(&mut all, &token(&es(66)))), [200; 4]);
    assert!(!stage.envoy.log().text().contains("vm_id is blank"));
}
