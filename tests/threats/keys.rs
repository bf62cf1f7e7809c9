//! The keys that tokens are verified with, how they come, and those who wait for them.

use crate::house::{cgi, told};
use portcullis_harness::{
    Algorithm, Answer, Bootstrap, Case, Client, IdentityProvider, Jws, Key, PATIENCE, Plugin, Request, Server, Stage, jwks, mint, now, poll,
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const ISSUER: &str = "https://idp.test";

fn claims(changes: Value) -> Value {
    let mut claims = json!({"iss": ISSUER, "aud": "api", "sub": "alice", "exp": now(3600)});
    for (name, value) in changes.as_object().expect("an object") {
        claims[name] = value.clone();
    }
    claims
}

/// Users of an issuer whose keys come from the stage's identity provider.
fn users(keys: Value) -> Value {
    let mut all = json!({"jwks_uri": "http://idp.test/.well-known/jwks.json", "cluster": "idp", "insecure_http": true, "timeout": "1s"});
    all.as_object_mut().expect("an object").extend(keys.as_object().expect("an object").clone());
    json!({"jwt": {"keys": all, "issuers": [ISSUER], "audiences": ["api"]}})
}

/// A token that could pass, of this key.
fn of(key: &Key) -> String {
    mint(key, claims(json!({})))
}

fn es(number: u32) -> Key {
    Key::fixed(Algorithm::ES256, number)
}

/// Sends a good token, once, and gives the status.
fn status(client: &Client, token: &str) -> u16 {
    client.send(&Request::get("/").bearer(token)).status
}

/// Waits for a status.
fn wait_for(client: &Client, token: &str, expected: u16) {
    let came = poll(PATIENCE, || (status(client, token) == expected).then_some(()));
    assert!(came.is_some(), "no {expected} in time, but {}", status(client, token));
}

/// The issuer's keys were stolen, and it has moved to another address with new ones. Envoy has the new configuration, but the old one's connections
/// are still open, for ten minutes; for so long it keeps ticking, fetches the old set, and would write it over the new one.
#[test]
fn an_old_configuration_that_still_fetches() {
    let issuer = Server::start(|received| Answer::json(&jwks([&es(if received.path == "/old" { 1 } else { 2 })])));
    let configured = |path: &str| {
        let keys = json!({"jwks_uri": format!("http://idp.test{path}"), "cluster": "issuer", "refresh": "1s"});
        Plugin::new(json!({"providers": {"users": users(keys)}}))
    };
    let stage = Stage::new().concurrency(2).cluster("issuer", issuer.address()).listed(&configured("/old")).start();
    let client = stage.listed_client();
    let (stolen, fresh) = (of(&es(1)), of(&es(2)));
    wait_for(&client, &stolen, 200);
    // One that stays, so that the old listener has to drain.
    let mut open = client.connect().expect("a connection");
    assert_eq!(open.send(&Request::get("/").bearer(&stolen)).expect("a response").status, 200);
    stage.relist(&configured("/new"));
    wait_for(&client, &fresh, 200);
    wait_for(&client, &stolen, 401);
    let fetched = |path: &str| issuer.received().iter().filter(|received| received.path == path).count();
    let (old, new) = (fetched("/old"), fetched("/new"));
    let mut seen = Vec::new();
    let both = poll(PATIENCE, || {
        seen.push((status(&client, &stolen), status(&client, &fresh)));
        (fetched("/old") > old + 1 && fetched("/new") > new + 1).then_some(())
    });
    assert!(both.is_some(), "the attack is none: {} old fetches, {} new ones", fetched("/old") - old, fetched("/new") - new);
    assert!(seen.iter().all(|statuses| *statuses == (401, 200)), "{seen:?}");
}

/// The issuer has a new key, and a token of it arrives while a fetch is on its way that began before: its answer knows
/// nothing of the key, and a good caller is turned away.
#[test]
fn an_answer_from_before_the_question() {
    let stage = Stage::new()
        .concurrency(2)
        .config(json!({"providers": {"users": users(json!({"refresh": "1s", "timeout": "10s", "wait": "20s"}))}}))
        .start();
    let client = stage.client().patience(Duration::from_secs(60));
    wait_for(&client, &of(&es(1)), 200);
    stage.identity_provider.delay(Duration::from_millis(1500));
    let before = stage.identity_provider.fetch_count();
    assert!(stage.identity_provider.wait_for_fetches(before + 1, PATIENCE), "no refresh");
    // What is on its way now has the old set.
    std::thread::sleep(Duration::from_millis(100));
    stage.identity_provider.rotate([es(2)]);
    let started = stage.identity_provider.fetch_count();
    assert_eq!(status(&client, &of(&es(2))), 200);
    assert!(stage.identity_provider.fetch_count() > started, "the answer came from before the question");
}

/// What VMs share outlives the configuration that it was for: the operator has turned to another issuer, or to other
/// algorithms, and mallory's token of the old one passes.
#[test]
fn keys_of_an_issuer_that_is_trusted_no_more() {
    let configured = |keys: Value, algorithms: &[&str]| {
        let mut users = users(keys);
        users["jwt"]["algorithms"] = json!(algorithms);
        Plugin::new(json!({"providers": {"users": users}}))
    };
    let quick = |more: Value| {
        let mut keys = json!({"wait": "100ms", "timeout": "200ms"});
        keys.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        keys
    };
    let stage = Stage::new().concurrency(2).discovered(&configured(quick(json!({})), &["ES256"])).start();
    let token = of(&es(1));
    wait_for(&stage.client(), &token, 200);
    stage.identity_provider.serve_instead(Answer::hang());
    let elsewhere = json!({"jwks_uri": "http://idp.test/.well-known/jwks.json?other"});
    let header = json!({"headers": {"x-tenant": "other"}});
    for (keys, algorithms) in [(quick(elsewhere), &["ES256"][..]), (quick(json!({})), &["ES256", "RS256"]), (quick(header), &["ES256"])] {
        // In between all is as it was: what was fetched for this configuration is still there, or comes anew.
        stage.discover(&configured(keys, algorithms));
        let mut row = 0;
        let gone = poll(PATIENCE, || {
            row = if status(&stage.client(), &token) == 503 { row + 1 } else { 0 };
            (row == 20).then_some(())
        });
        assert!(gone.is_some(), "the old set serves for another configuration");
        stage.discover(&configured(quick(json!({})), &["ES256"]));
        stage.identity_provider.recover();
        wait_for(&stage.client(), &token, 200);
        stage.identity_provider.serve_instead(Answer::hang());
    }
}

/// Whoever leaves `vm_id` blank shares one common memory with all who do. Mallory has a plugin of her own in this Envoy, for a harmless
/// purpose and with a blank `vm_id`, and plants a key set there.
#[test]
fn a_key_set_that_was_planted() {
    let configuration = json!({"providers": {"users": users(json!({}))}});
    let (policy, _) = portcullis::config::load(configuration.to_string().as_bytes(), &|_| None).expect("a policy");
    let set = policy.key_sets.first().expect("a set").0;
    let mallorys_own = es(66).with_kid("es256-1");
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    // Fetched now; due, and cooled down, in a hundred years; nothing on its way.
    let millis = u64::try_from(now(0)).expect("the present") * 1000;
    let record = [millis + 60_000, millis, millis * 2, millis * 2, 0, 0, 0, 0].map(u64::to_be_bytes).concat();
    let orders = format!(
        "when x-plant share portcullis.keys.1.{set} {}\n when x-plant share portcullis.keys.1.{set}.refresh {}",
        hex(jwks([&mallorys_own]).to_string().as_bytes()),
        hex(&record)
    );
    let started = |vm_id: &str| {
        let stage = Stage::new()
            .plugin(Plugin::new(configuration.clone()).vm_id(vm_id))
            .bootstrap(|bootstrap| bootstrap.filter_before(told("planter", &orders).vm_id(vm_id).filter()))
            .start();
        wait_for(&stage.client(), &of(&es(1)), 200);
        stage.get("/");
        assert_eq!(stage.send(&Request::get("/").header("x-plant", "1")).status, 401);
        stage
    };
    // Of one `vm_id` VMs trust each other: that is what it is for.
    let stage = started("shared");
    wait_for(&stage.client(), &of(&mallorys_own), 200);
    let stage = started("");
    let end = Instant::now() + Duration::from_secs(3);
    while Instant::now() < end {
        assert_eq!(status(&stage.client(), &of(&mallorys_own)), 401, "the planted key set is taken");
        assert_eq!(status(&stage.client(), &of(&es(1))), 200);
    }
    assert!(!stage.envoy.log().lines_with("vm_id is blank").is_empty(), "nobody is told of it");
}

/// Mallory makes up key ids: were each to lead to a fetch, Envoy would flood the issuer for her, and a real rotation
/// would have to wait until the flood is over.
#[test]
fn keys_that_nobody_has() {
    let keys = json!({"refresh": "1h", "unknown_kid": {"cooldown": "2s"}, "wait": "5s"});
    let stage = Stage::new().concurrency(2).config(json!({"providers": {"users": users(keys)}})).start();
    wait_for(&stage.client(), &of(&es(1)), 200);
    assert_eq!(stage.identity_provider.fetch_count(), 1);
    let unknown = |number: u32, changes: Value| mint(&es(7).with_kid(&format!("made-up-{number}")), claims(changes));
    // What could not pass anyway asks for nothing.
    for changes in [json!({"iss": "https://mallory.test"}), json!({"aud": "album"}), json!({"exp": now(-3600)})] {
        for number in 0..5 {
            assert_eq!(status(&stage.client(), &unknown(number, changes.clone())), 401);
        }
    }
    assert_eq!(stage.identity_provider.fetch_count(), 1, "junk leads to a fetch");
    // What could, does once for all workers, and then only when that has cooled down; the flood goes on through a rotation.
    let begun = Instant::now();
    let (mut number, mut is_rotated) = (0, false);
    loop {
        number += 1;
        let sent = Instant::now();
        assert_eq!(status(&stage.client(), &unknown(number, json!({}))), 401);
        assert!(sent.elapsed() < Duration::from_secs(4), "an unknown key waits for the flood");
        if is_rotated && status(&stage.client(), &of(&es(2))) == 200 {
            break;
        }
        if !is_rotated && begun.elapsed() > Duration::from_secs(1) {
            stage.identity_provider.rotate([es(2)]);
            is_rotated = true;
        }
        assert!(begun.elapsed() < PATIENCE, "a real rotation waits for the flood");
    }
    let (fetches, allowed) = (stage.identity_provider.fetch_count() - 1, begun.elapsed().as_secs() / 2 + 2);
    assert!((1..=allowed).contains(&u64::try_from(fetches).unwrap()), "{fetches} fetches for {number} made-up keys; at most {allowed}");
}

/// While the keys are still on their way, mallory fills the queue of those who wait for them with junk: there is no
/// room left for anybody with a good token.
#[test]
fn junk_in_the_queue() {
    let identity_provider = IdentityProvider::start();
    identity_provider.serve_instead(Answer::hang());
    let stage = Stage::new()
        .config(json!({"providers": {"users": users(json!({"wait": "2m", "refresh": "1s"}))}, "limits": {"waiting": 2}}))
        .bootstrap(Bootstrap::trailers)
        .identity_provider(identity_provider)
        .start();
    let hs = Key::fixed(Algorithm::HS256, 1);
    let own = es(1);
    // None of these could pass, whatever the keys are.
    let junk = [
        ("junk".to_owned(), "token_malformed"),
        (format!("{}.", of(&es(1))), "token_malformed"),
        ("j".repeat(20_000), "credential_too_large"),
        (mint(&own, claims(json!({"iss": "https://mallory.test"}))), "issuer_mismatch"),
        (mint(&own, claims(json!({"aud": "album"}))), "audience_mismatch"),
        (mint(&own, claims(json!({"exp": now(-3600)}))), "token_expired"),
        (mint(&own, claims(json!({"exp": null}))), "claim_missing"),
        (mint(&hs, claims(json!({}))), "algorithm_refused"),
        (Jws::new(json!({"alg": "none"}), claims(json!({}))).with_signature(b""), "algorithm_refused"),
    ];
    let begun = Instant::now();
    let refused = |(token, reason): &(String, &str)| Case::get("/").bearer(token).expect(401).reason(reason);
    stage.check(junk.iter().chain(&junk).map(refused));
    assert!(begun.elapsed() < Duration::from_secs(60), "junk waits");
    // All room is still there, for those who could pass: two of them wait, and the third is told to come again.
    let client = stage.client().patience(Duration::from_secs(60));
    let ask = || {
        let mut connection = client.connect().expect("a connection");
        // What comes while they wait is no less judged.
        let request =
            Request::post("/", "x").bearer(&of(&es(1))).header("x_auth_subject", "operator").trailer("x-auth-subject", "operator");
        connection.write(&request.to_http1()).expect("an open connection");
        connection
    };
    let mut waiting = [ask(), ask()];
    stage.envoy.wait_for_stat("http.plain.downstream_rq_active", 2);
    let full = poll(PATIENCE, || {
        let answer = stage.client().patience(Duration::from_millis(200)).try_send(&Request::get("/").bearer(&of(&es(1))));
        answer.ok().map(|response| response.status)
    });
    assert_eq!(full, Some(503), "the queue has no end");
    assert_eq!(stage.upstream.count(), 0);
    stage.identity_provider.recover();
    for connection in &mut waiting {
        assert_eq!(connection.response().expect("who waited is answered").status, 200);
    }
    for received in stage.upstream.received() {
        assert_eq!(cgi(&received)["HTTP_X_AUTH_SUBJECT"], "alice");
        assert!(!cgi(&received).contains_key("HTTP_AUTHORIZATION"));
    }
    stage.check([Case::get("/").bearer(&of(&es(1))).expect(200)]);
}

/// Forged tokens by the key's own name, of an algorithm that Envoy leaves to the module: each takes a worker a millisecond, and a thousand a
/// second take it away from everybody.
#[test]
fn forged_tokens_that_take_long() {
    const LIMIT: u64 = 2;
    let slow = Key::fixed(Algorithm::PS256, 1).with_kid("slow");
    let stage = Stage::new()
        .config(json!({
            "providers": {"users": {"jwt": {"keys": {"jwks": jwks([&slow, &es(1)])}, "issuers": [ISSUER], "audiences": ["api"]}}},
            "limits": {"slow_verifications": LIMIT},
        }))
        .start();
    let counted = |reason: &str| stage.envoy.stat(&format!("wasmcustom.portcullis.portcullis.rejected.{reason}")).unwrap_or_default();
    let (known, quick) = (of(&slow), of(&es(1)));
    stage.check([Case::get("/").bearer(&known).expect(200)]);
    let begun = Instant::now();
    let mut connection = stage.client().connect().expect("a connection");
    let mut sends = |token: &str| connection.send(&Request::get("/").bearer(token)).expect("a response").status;
    let mut stale = 0;
    for number in 0..3000_u32 {
        if stale == 100 {
            break;
        }
        let signature = number.to_be_bytes().repeat(64);
        let forged = Jws::new(json!({"alg": "PS256", "kid": "slow"}), claims(json!({}))).with_signature(signature);
        match sends(&forged) {
            401 => {}
            503 => stale += 1,
            other => panic!("{other}"),
        }
        // Who was seen before is served, and so is who can be verified quickly.
        if number % 25 == 0 {
            assert_eq!([sends(&known), sends(&quick)], [200, 200], "starved by {number} forged tokens");
        }
    }
    let verified = counted("signature_invalid");
    let allowed = LIMIT * (begun.elapsed().as_secs() + 2);
    assert!(verified <= allowed && stale == 100, "{verified} forged tokens were verified, {stale} not; {allowed} should have been at most");
    // A good one that was never seen has to come again, and is welcome then.
    let stranger = mint(&slow, claims(json!({"sub": "bob"})));
    wait_for(&stage.client(), &stranger, 200);
}

/// What was verified once is remembered; the key that verified it was stolen since, and taken out of the set.
#[test]
fn a_remembered_token_of_a_key_that_is_gone() {
    let (stolen, fresh) = (Key::fixed(Algorithm::PS256, 1).with_kid("one"), Key::fixed(Algorithm::PS256, 2).with_kid("one"));
    let identity_provider = IdentityProvider::with_keys([stolen.clone()]);
    let stage =
        Stage::new().config(json!({"providers": {"users": users(json!({"refresh": "1s"}))}})).identity_provider(identity_provider).start();
    let token = of(&stolen);
    wait_for(&stage.client(), &token, 200);
    assert_eq!(status(&stage.client(), &token), 200);
    // The same name, another key.
    stage.identity_provider.rotate([fresh.clone()]);
    wait_for(&stage.client(), &token, 401);
    for _ in 0..5 {
        assert_eq!(status(&stage.client(), &token), 401);
        assert_eq!(status(&stage.client(), &of(&fresh)), 200);
    }
    // A byte of it changed, or its signature on other claims: remembered is the whole, or nothing.
    let good = of(&fresh);
    let (_, signature) = good.rsplit_once('.').expect("three parts");
    let other = mint(&stolen.with_kid("one"), claims(json!({"sub": "operator"})));
    let (head, _) = other.rsplit_once('.').expect("three parts");
    assert_eq!(status(&stage.client(), &format!("{head}.{signature}")), 401);
}
