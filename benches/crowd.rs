//! Ten thousand open connections, each with a request that needs keys, while the identity provider is silent: who waits, who is sent away, how soon
//! everybody is answered, and what it takes of Envoy's memory. `make crowd` runs it; it takes about a minute.
//!
//! All connections are open before the first request is sent. Of ten requests nine have a good token, and one a forged one, which must never pass. How
//! long a request took is what Envoy's access log says, so that the client's own slowness is no part of it. What is counted here is checked, too: the
//! program fails if anybody passes unverified, waits beyond the bound or too long, or is not served as usual afterwards.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a program that can't go on ends"
)]

#[path = "envoy/process.rs"]
#[allow(dead_code, reason = "CPU time is not looked at here")]
mod process;

use portcullis_harness::{
    Algorithm, Answer, Connection, DIRECTORY, IdentityProvider, Key, PATIENCE, Request, Response, RunningStage, Stage, mint, now, poll,
};
use process::Process;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const CONNECTIONS: usize = 10_000;
/// One of so many is forged.
const FORGED: usize = 10;
const WORKERS: u32 = 2;
/// What comes back within this did not wait.
const AT_ONCE: Duration = Duration::from_millis(1500);

struct Run {
    what: &'static str,
    /// `limits.waiting`: for each worker.
    waiting: usize,
    wait: Duration,
    keys_come: bool,
    /// The time within which everybody is answered, once it is clear what to answer. Each worker wakes 32 every ten milliseconds at most, and they have to be
    /// judged: who lets ten thousand wait has to wait for that.
    in_time: Duration,
}

const RUNS: [Run; 4] = [
    Run {
        what: "the usual bound, keys come",
        waiting: 1000,
        wait: Duration::from_secs(60),
        keys_come: true,
        in_time: Duration::from_secs(1),
    },
    Run {
        what: "the usual bound, keys never come",
        waiting: 1000,
        wait: Duration::from_secs(5),
        keys_come: false,
        in_time: Duration::from_secs(1),
    },
    Run {
        what: "room for all, keys come",
        waiting: CONNECTIONS,
        wait: Duration::from_secs(60),
        keys_come: true,
        in_time: Duration::from_secs(8),
    },
    Run {
        what: "room for all, keys never come",
        waiting: CONNECTIONS,
        wait: Duration::from_secs(5),
        keys_come: false,
        in_time: Duration::from_secs(8),
    },
];

fn main() {
    raise_limit();
    println!("{CONNECTIONS} connections, one in {FORGED} with a forged token, {WORKERS} workers\n");
    println!(
        "| | let wait | of them waited | 200 | 401 | 503 | sent away at once: slowest | who waited: slowest beyond the end of waiting | all answered after | Envoy's memory in MiB, and of that what it has allocated (without VMs): before, with the crowd, after |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    RUNS.iter().for_each(|run| println!("{}", run.carry_out()));
}

/// Each connection is a file of this process, and one of Envoy's, which inherits the limit.
fn raise_limit() {
    let most = getrlimit(Resource::Nofile).maximum;
    let _ = setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most });
    let wanted = CONNECTIONS as u64 + 4000;
    assert!(most.is_none_or(|most| most >= wanted), "{most:?} files may be open, and it takes {wanted}: see `ulimit -Hn`");
}

impl Run {
    fn carry_out(&self) -> String {
        let stage = self.stage();
        let process = Process::envoy(stage.envoy.process_id()).expect("Envoy's process");
        let memory = || format!("{} ({})", process.memory().expect("its memory") >> 20, allocated(&stage) >> 20);
        let before = memory();
        let requests: Vec<Vec<u8>> = (0..CONNECTIONS).map(|number| request(number).to_http1()).collect();
        let mut crowd: Vec<Connection> = requests.iter().map(|_| connect(&stage)).collect();
        let begun = Instant::now();
        for (connection, request) in crowd.iter_mut().zip(&requests) {
            connection.write(request).expect("Envoy reads");
        }
        stage.envoy.wait_for_stat("http.plain.downstream_rq_total", CONNECTIONS as u64);
        let waited = usize::try_from(stage.envoy.stat("http.plain.downstream_rq_active").unwrap_or(0)).expect("few");
        let with_crowd = memory();
        let room = (self.waiting * WORKERS as usize).min(CONNECTIONS);
        assert!((1..=room).contains(&waited), "{waited} wait, and there is room for {room}");
        assert_eq!(stage.upstream.count(), 0, "somebody went upstream unverified");
        let end = self.keys_come.then(|| {
            stage.identity_provider.recover();
            stage.envoy.wait_for_log("keys fetched");
            SystemTime::now()
        });
        let responses: Vec<Response> = crowd.iter_mut().map(|connection| connection.response().expect("everybody is answered")).collect();
        let all = begun.elapsed();
        let times = Times::of(&stage, end, self.wait);
        let counts = self.count(&responses, waited, stage.upstream.count());
        assert!(times.beyond < self.in_time, "answered {:?} after the end of waiting", times.beyond);
        stage.identity_provider.recover();
        serves_as_usual(&stage);
        drop(crowd);
        serves_as_usual(&stage);
        format!(
            "| {} | {} | {waited} | {} | {} | {} | {} ms | {} ms | {:.1} s | {before}, {with_crowd}, {} |",
            self.what,
            self.waiting * WORKERS as usize,
            counts[0],
            counts[1],
            counts[2],
            times.at_once.as_millis(),
            times.beyond.as_millis(),
            all.as_secs_f64(),
            memory(),
        )
    }

    fn stage(&self) -> RunningStage {
        let identity_provider = IdentityProvider::with_keys([key()]);
        identity_provider.serve_instead(Answer::hang());
        let keys = json!({"jwks_uri": "http://idp.test/.well-known/jwks.json", "cluster": "idp", "insecure_http": true,
            "wait": format!("{}s", self.wait.as_secs()), "timeout": "1s", "refresh": "1s"});
        let config = json!({
            "providers": {"users": {"jwt": {"keys": keys, "issuers": ["https://idp.test"], "audiences": ["api"]}}},
            "limits": {"waiting": self.waiting},
        });
        let access_log = json!([{"name": "envoy.access_loggers.file", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": format!("{DIRECTORY}/access.log"),
            "log_format": {"json_format": {"request_id": "%REQ(X-REQUEST-ID)%", "began": "%START_TIME(%s.%3f)%", "took": "%DURATION%"}},
        }}]);
        let stage = Stage::new().config(config).concurrency(WORKERS).balanced().identity_provider(identity_provider);
        stage.bootstrap(|bootstrap| bootstrap.hcm("access_log", access_log)).start()
    }

    /// How many got 200, 401 and 503, each as it should be.
    fn count(&self, responses: &[Response], waited: usize, upstream: usize) -> [usize; 3] {
        let mut counts = [0; 3];
        for (number, response) in responses.iter().enumerate() {
            let place = [200, 401, 503].iter().position(|status| *status == response.status);
            counts[place.unwrap_or_else(|| panic!("a status that nobody expects: {}", response.status))] += 1;
            assert!(response.status != 200 || !is_forged(number), "a forged token passed");
            assert!(response.status != 401 || is_forged(number), "a good token was refused: {}", response.text());
        }
        assert_eq!(counts[0], upstream, "what went upstream was verified");
        assert_eq!(counts[0] + counts[1], if self.keys_come { waited } else { 0 }, "who waited has a verdict, and nobody else");
        counts
    }
}

/// How long Envoy took for the slowest.
struct Times {
    /// Of those who didn't wait.
    at_once: Duration,
    /// Of those who did: from when the keys came, or else from when their own time was up.
    beyond: Duration,
}

impl Times {
    fn of(stage: &RunningStage, keys_came: Option<SystemTime>, wait: Duration) -> Self {
        let entries = || Some(stage.envoy.access_log().entries()).filter(|entries| entries.len() >= CONNECTIONS);
        let entries = poll(PATIENCE, entries).expect("a line of the access log for each request");
        let came = keys_came.map(|time| time.duration_since(UNIX_EPOCH).expect("after 1970"));
        let mut times = Self { at_once: Duration::ZERO, beyond: Duration::ZERO };
        for entry in entries {
            let took = Duration::from_millis(entry["took"].as_u64().expect("a time"));
            let ended = Duration::from_secs_f64(entry["began"].as_str().and_then(|text| text.parse().ok()).expect("a time")) + took;
            let did_wait = came.map_or(took >= wait / 2, |came| ended + Duration::from_millis(50) >= came);
            if did_wait {
                times.beyond = times.beyond.max(came.map_or(took.saturating_sub(wait), |came| ended.saturating_sub(came)));
            } else {
                times.at_once = times.at_once.max(took);
            }
        }
        assert!(times.at_once < AT_ONCE, "sent away at once, after {:?}", times.at_once);
        times
    }
}

fn connect(stage: &RunningStage) -> Connection {
    stage.client().patience(Duration::from_secs(120)).connect().expect("Envoy listens")
}

/// What Envoy has allocated and not freed: the process keeps more, for the next crowd.
fn allocated(stage: &RunningStage) -> u64 {
    let memory: Value = serde_json::from_str(&stage.envoy.admin("/memory")).expect("JSON");
    memory["allocated"].as_str().and_then(|bytes| bytes.parse().ok()).expect("a number of bytes")
}

fn key() -> Key {
    Key::fixed(Algorithm::ES256, 1)
}

const fn is_forged(number: usize) -> bool {
    number.is_multiple_of(FORGED)
}

fn request(number: usize) -> Request {
    let key = if is_forged(number) { Key::fixed(Algorithm::ES256, 66).with_kid("es256-1") } else { key() };
    let claims: Value = json!({"iss": "https://idp.test", "aud": "api", "sub": "alice", "jti": number.to_string(), "exp": now(3600)});
    Request::get("/").bearer(&mint(&key, claims))
}

/// New connections, one by one: the good pass, the forged don't, and no VM has died.
fn serves_as_usual(stage: &RunningStage) {
    let is_there = poll(PATIENCE, || (stage.send(&request(1)).status == 200).then_some(()));
    assert!(is_there.is_some(), "no keys: {}", stage.envoy.log().text());
    for number in 0..200 {
        let status = stage.send(&request(number)).status;
        assert_eq!(status, if is_forged(number) { 401 } else { 200 });
    }
    let reloads: u64 = stage.envoy.stats().iter().filter(|(name, _)| name.contains("vm_reload")).map(|(_, count)| count).sum();
    assert_eq!(reloads, 0, "a VM died: {}", stage.envoy.log().text());
}
