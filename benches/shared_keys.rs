//! How often a process fetches a key set, through rotation, reload and outage, with one, two and four workers: the identity provider counts.
//! And how long requests wait for a key that is new. `make fetches` runs it; it takes about six minutes.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a program that can't go on ends"
)]

use portcullis_harness::{Algorithm, IdentityProvider, Key, Plugin, Request, RunningStage, Stage, mint, now};
use serde_json::json;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const REFRESH: &str = "10s";
const COOLDOWN: &str = "5s";
/// What the identity provider takes for an answer.
const DELAY: Duration = Duration::from_millis(200);

fn main() {
    println!(
        "refresh {REFRESH}, cool-down {COOLDOWN}, the identity provider answers after {} ms; 8 connections ask without pause\n",
        DELAY.as_millis()
    );
    println!(
        "| workers | fetches | of which: calm 20 s | rotation 20 s | reload 20 s | after an outage of 20 s, with a reload in it: 20 s | rotation 20 s |"
    );
    println!("|---|---|---|---|---|---|---|");
    let notes: Vec<String> = [1, 2, 4].map(run).into();
    println!();
    notes.iter().for_each(|note| println!("{note}"));
}

/// What became of the requests of a run.
#[derive(Default)]
struct Tally {
    sent: usize,
    wrong: Vec<u16>,
    waits: Vec<Duration>,
}

fn run(workers: u32) -> String {
    let idp = IdentityProvider::with_keys([es(1)]);
    idp.delay(DELAY);
    let mut stage = Stage::new().discovered(&filter(1)).concurrency(workers).balanced().identity_provider(idp).start();
    let token = Mutex::new(token(1));
    let tally = Mutex::new(Tally::default());
    let is_over = AtomicBool::new(false);
    let mut counts = Vec::new();
    thread::scope(|scope| {
        let clients: Vec<_> = (0..8).map(|_| stage.client().patience(Duration::from_secs(60)).connect().expect("Envoy listens")).collect();
        for mut connection in clients {
            let (token, tally, is_over) = (&token, &tally, &is_over);
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    let request = Request::get("/").bearer(&token.lock().expect("a token").clone());
                    let start = Instant::now();
                    let status = connection.send(&request).map_or(0, |response| response.status);
                    let mut tally = tally.lock().expect("a tally");
                    tally.sent += 1;
                    if status != 200 {
                        tally.wrong.push(status);
                    }
                    // No request takes so long that doesn't wait for keys.
                    if start.elapsed() > DELAY / 2 {
                        tally.waits.push(start.elapsed());
                    }
                    drop(tally);
                    thread::sleep(Duration::from_millis(2));
                }
            });
        }
        phases(&mut stage, &token, &mut counts);
        is_over.store(true, Ordering::Relaxed);
    });
    let phases: Vec<String> = counts.windows(2).map(|pair| (pair[1] - pair[0]).to_string()).collect();
    println!("| {workers} | {} | {} |", counts.last().expect("a count"), phases.join(" | "));
    let mut tally = tally.into_inner().expect("a tally");
    tally.waits.sort();
    let (first, last) = (tally.waits.first().copied().unwrap_or_default(), tally.waits.last().copied().unwrap_or_default());
    format!(
        "{workers} workers: {} requests, {} wrong {:?}; {} waited, {} to {} ms",
        tally.sent,
        tally.wrong.len(),
        tally.wrong,
        tally.waits.len(),
        first.as_millis(),
        last.as_millis()
    )
}

/// Counts fetches at the end of each.
fn phases(stage: &mut RunningStage, current: &Mutex<String>, counts: &mut Vec<usize>) {
    let mut note = |stage: &RunningStage| counts.push(stage.identity_provider.fetch_count());
    let pause = || thread::sleep(Duration::from_secs(20));
    note(stage);
    pause();
    note(stage);
    stage.identity_provider.rotate([es(2)]);
    *current.lock().expect("a token") = token(2);
    pause();
    note(stage);
    stage.discover(&filter(2));
    pause();
    note(stage);
    stage.identity_provider.stop();
    thread::sleep(Duration::from_secs(10));
    stage.discover(&filter(3));
    thread::sleep(Duration::from_secs(10));
    stage.identity_provider.restart();
    pause();
    note(stage);
    stage.identity_provider.rotate([es(3)]);
    *current.lock().expect("a token") = token(3);
    pause();
    note(stage);
}

fn es(number: u32) -> Key {
    Key::fixed(Algorithm::ES256, number)
}

fn token(key: u32) -> String {
    mint(&es(key), json!({"iss": "https://idp.test", "aud": "api", "sub": "alice", "exp": now(3600)}))
}

/// The filter; each generation with another list of subjects, among them the one that asks.
fn filter(generation: u32) -> Plugin {
    let keys = json!({"jwks_uri": "http://idp.test/.well-known/jwks.json", "cluster": "idp", "insecure_http": true,
        "refresh": REFRESH, "unknown_kid": {"cooldown": COOLDOWN}});
    let subjects = json!(["alice", format!("of generation {generation}")]);
    Plugin::new(json!({"providers": {"users": {"jwt": {
        "keys": keys, "issuers": ["https://idp.test"], "audiences": ["api"], "subjects": subjects}}}}))
}
