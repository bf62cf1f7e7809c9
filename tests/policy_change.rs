//! A policy that changes some dozens of times under load, by ECDS from a file, as `envoy/policy-by-ecds.yaml` has it. Every answer tells which policy
//! it comes from, so each is held against what that one says, and against which ones could be in force when it was asked for.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests"
)]

use portcullis_harness::{
    Algorithm, Answer, Connection, IdentityProvider, Key, PATIENCE, Plugin, Received, Request, Response, RunningStage, Stage, mint, now,
    poll, to_yaml,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// One of a series. Its number is its name.
#[derive(Clone, Copy, Debug)]
struct Policy {
    number: usize,
    /// Whether `billing` is known.
    billing: bool,
    /// Whether `audit` has the role that the rule wants.
    audit: bool,
    /// Whether there is a provider of tokens, and a rule for them. Its key set is another one each time, so that it must be fetched.
    users: bool,
    /// Whether `alice` is revoked.
    revoked: bool,
}

impl Policy {
    const fn of(number: usize) -> Self {
        Self {
            number,
            billing: number.is_multiple_of(2),
            audit: !number.is_multiple_of(3),
            users: number % 4 < 2,
            revoked: number % 8 == 1,
        }
    }

    fn configuration(self) -> Value {
        let mut callers = vec![
            json!({"id": "audit", "roles": [if self.audit { "reader" } else { "writer" }], "secrets": [{"sha256": digest(Who::Audit)}]}),
        ];
        if self.billing {
            callers.push(json!({"id": "billing", "roles": ["reader"], "secrets": [{"sha256": digest(Who::Billing)}]}));
        }
        let mut configuration = json!({
            "providers": {"partners": {"static_secret": {"callers": callers}}},
            "rules": [{"match": {"path": "/partners"}, "require": {"provider": "partners", "roles": "reader"}}],
            "upstream": {"headers": {"x-auth-subject": {"identity": "subject"}, "x-policy": {"value": self.number.to_string()}}},
            "reject": {"body": "text", "messages": {}},
        });
        for reason in ["secret_unknown", "credential_missing", "role_missing", "signature_invalid", "no_rule", "revoked"] {
            configuration["reject"]["messages"][reason] = json!(self.number.to_string());
        }
        if self.users {
            configuration["providers"]["users"] = json!({"jwt": {
                "keys": {"jwks_uri": format!("http://idp.test/.well-known/jwks.json?of={}", self.number), "cluster": "idp", "insecure_http": true},
                "issuers": ["https://idp.test"], "audiences": ["api"],
            }});
            configuration["rules"].as_array_mut().expect("a list").push(json!({"match": {"path": "/users"}, "require": "users"}));
        }
        if self.revoked {
            configuration["revoked"] = json!({"subjects": ["users/alice"]});
        }
        configuration
    }

    /// What it says to a caller.
    const fn answer(self, who: Who) -> u16 {
        let passes = match who {
            Who::Billing => self.billing,
            Who::Audit => self.audit,
            Who::Alice => self.users && !self.revoked,
            Who::Stranger | Who::Nobody | Who::Forger => false,
        };
        match who {
            _ if passes => 200,
            Who::Alice | Who::Forger if !self.users => 403,
            _ => 401,
        }
    }
}

/// Callers; the first three are known at times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Billing,
    Audit,
    Alice,
    Stranger,
    Nobody,
    Forger,
}

impl Who {
    const ALL: [Self; 6] = [Self::Billing, Self::Alice, Self::Stranger, Self::Audit, Self::Forger, Self::Nobody];

    const fn name(self) -> &'static str {
        match self {
            Self::Billing => "billing",
            Self::Audit => "audit",
            Self::Alice => "alice",
            Self::Stranger => "stranger",
            Self::Nobody => "nobody",
            Self::Forger => "forger",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|who| who.name() == name)
    }

    /// All claim to be somebody else, who is allowed, and the current policy's own.
    fn request(self, alice: &str, forged: &str) -> Request {
        let path = if matches!(self, Self::Alice | Self::Forger) { "/users" } else { "/partners" };
        let request = Request::get(path).header("x-caller", self.name());
        let request = request.header("x-auth-subject", "audit").header("x_auth_subject", "audit").header("x-policy", "0");
        match self {
            Self::Nobody => request,
            Self::Alice => request.bearer(alice),
            Self::Forger => request.bearer(forged),
            Self::Billing | Self::Audit | Self::Stranger => request.bearer(&secret(self)),
        }
    }
}

fn secret(who: Who) -> String {
    format!("the secret of {}, long enough for anybody", who.name()).replace(' ', "-")
}

fn digest(who: Who) -> String {
    Sha256::digest(secret(who)).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// What went wrong, and how much went on at all.
#[derive(Default)]
struct Record {
    /// The first that is surely in force everywhere.
    settled: AtomicUsize,
    /// The last that may be.
    started: AtomicUsize,
    requests: AtomicUsize,
    reached_upstream: AtomicUsize,
    wrong: Mutex<Vec<String>>,
}

impl Record {
    fn complain(&self, what: String) {
        self.wrong.lock().expect("nobody has panicked").push(what);
    }

    /// Holds an answer against the policy that it names, which must be one of those that could be in force. Returns that one's number.
    fn judge(&self, who: Who, response: &Response, settled: usize) -> usize {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let started = self.started.load(Ordering::SeqCst);
        let text = response.text();
        let Ok(number) = text.parse::<usize>() else {
            self.complain(format!("{who:?}: {} {text}", response.status));
            return settled;
        };
        let expected = Policy::of(number).answer(who);
        if response.status != expected || !(settled..=started).contains(&number) {
            self.complain(format!(
                "{who:?}: {} by policy {number}, which says {expected}; {settled} to {started} could be in force",
                response.status
            ));
        }
        number
    }

    /// What arrives was let through by a policy that knows whoever sent it.
    fn arrived(&self, received: &Received) -> Answer {
        self.reached_upstream.fetch_add(1, Ordering::Relaxed);
        let one = |name: &str| match &received.header_values(name)[..] {
            [one] => one.clone(),
            other => format!("{other:?}"),
        };
        let (caller, subject, policy) = (one("x-caller"), one("x-auth-subject"), one("x-policy"));
        let may = |who| policy.parse().is_ok_and(|number| Policy::of(number).answer(who) == 200);
        let named = ["x_auth_subject", "authorization"].iter().all(|name| received.header_values(name).is_empty());
        if !(named && caller == subject && Who::named(&caller).is_some_and(may)) {
            self.complain(format!("upstream: {caller} as {subject} by policy {policy}: {:?}", received.headers));
        }
        Answer::text("text/plain", policy)
    }
}

/// A connection that stays open and always has something to ask, over HTTP/2 many things at once.
struct Caller {
    connection: Mutex<Connection>,
    http2: bool,
    /// The policy of its last answers.
    at: AtomicUsize,
    rounds: AtomicUsize,
}

impl Caller {
    fn run(&self, requests: &[(Who, Request)], record: &Record, stop: &AtomicBool) {
        let mut connection = self.connection.lock().expect("nobody else has it");
        let (callers, sent): (Vec<Who>, Vec<Request>) = requests.iter().cloned().unzip();
        while !stop.load(Ordering::Relaxed) {
            let settled = record.settled.load(Ordering::SeqCst).max(self.at.load(Ordering::SeqCst));
            let answers =
                if self.http2 { connection.send_together(&sent) } else { sent.iter().map(|request| connection.send(request)).collect() };
            let answers = match answers {
                Ok(answers) => answers,
                Err(error) => return record.complain(format!("a connection (HTTP/2: {}) broke: {error}", self.http2)),
            };
            let judged = callers.iter().zip(&answers).map(|(who, answer)| record.judge(*who, answer, settled)).collect::<Vec<_>>();
            // One after the other they never go back.
            if !self.http2 && !judged.is_sorted() {
                record.complain(format!("back from one policy to another: {judged:?}"));
            }
            self.at.fetch_max(judged.into_iter().max().unwrap_or_default(), Ordering::SeqCst);
            self.rounds.fetch_add(1, Ordering::SeqCst);
        }
    }
}

const ECDS: &str = "extension_config_discovery.http_filter.portcullis";

fn resource(configuration: Value) -> String {
    let mut filter = Plugin::new(configuration).filter();
    filter["@type"] = json!("type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig");
    to_yaml(&json!({"version_info": "1", "resources": [filter]}))
}

fn start(workers: u32, identity_provider: IdentityProvider) -> RunningStage {
    let discovered = json!({"name": "portcullis", "config_discovery": {
        "config_source": {"path_config_source": {"path": "{{directory}}/policy.yaml"}},
        "type_urls": ["type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm"],
    }});
    // Every worker gets its share of the connections.
    let balance =
        |bootstrap: &mut Value| bootstrap["static_resources"]["listeners"][0]["connection_balance_config"] = json!({"exact_balance": {}});
    Stage::new()
        .bootstrap(|bootstrap| bootstrap.filter_before(discovered).edit(balance))
        .identity_provider(identity_provider)
        .concurrency(workers)
        .launch(|launch| launch.component_log_level("wasm:info").file("policy.yaml", &resource(Policy::of(0).configuration())))
        .start()
}

/// Puts a policy with faults in place, of one kind or another, and waits until it is refused.
fn put_bad(stage: &RunningStage, number: usize) {
    let refused = stage.envoy.stat(&format!("{ECDS}.config_fail")).unwrap_or_default();
    let mut bad = Policy::of(number).configuration();
    bad["reject"]["messages"]["no_rule"] = json!("1000000");
    let says = if number.is_multiple_of(2) {
        bad["rules"][0]["require"] = json!(format!("nobody-{number}"));
        stage.envoy.replace_file("policy.yaml", &resource(bad));
        format!("configuration: rules[0].require: there is no provider nobody-{number}; there are: ")
    } else {
        stage.envoy.replace_file("policy.yaml", &format!("{}\n]", resource(bad)));
        "Filesystem config update failure".to_owned()
    };
    stage.envoy.wait_for_stat(&format!("{ECDS}.config_fail"), refused + 1);
    stage.envoy.wait_for_log(&says);
}

fn change_under_load(workers: u32, changes: usize) {
    let identity_provider = IdentityProvider::with_keys([Key::fixed(Algorithm::ES256, 1)]);
    // So long do the first requests with tokens wait, over a change of policy, too.
    identity_provider.delay(Duration::from_millis(100));
    let claims = json!({"iss": "https://idp.test", "aud": "api", "sub": "alice", "exp": now(3600)});
    let alice = identity_provider.token(claims.clone());
    let kid = identity_provider.keys()[0].kid().expect("a kid").to_owned();
    let forged = mint(&Key::fixed(Algorithm::ES256, 2).with_kid(&kid), claims);
    let stage = start(workers, identity_provider);
    let record = std::sync::Arc::new(Record::default());
    let judging = std::sync::Arc::clone(&record);
    stage.upstream.answer_by(move |received| judging.arrived(received));

    let each: Vec<(Who, Request)> = Who::ALL.iter().map(|who| (*who, who.request(&alice, &forged))).collect();
    let many: Vec<(Who, Request)> = std::iter::repeat_n(&each, 4).flatten().cloned().collect();
    let caller = |http2| {
        let client = if http2 { stage.client().http2() } else { stage.client() };
        let connection = Mutex::new(client.connect().expect("a connection"));
        Caller { connection, http2, at: AtomicUsize::new(0), rounds: AtomicUsize::new(0) }
    };
    let callers: Vec<Caller> = [false, true, false, true, false, true, false, true, false, false].map(caller).into();
    let stop = AtomicBool::new(false);
    let mut longest = Duration::ZERO;
    let mut refused = 0;
    thread::scope(|scope| {
        for caller in &callers {
            scope.spawn(|| caller.run(if caller.http2 { &many } else { &each }, &record, &stop));
        }
        let all = |what: &str, done: &dyn Fn(&Caller) -> bool| {
            let failed = || record.wrong.lock().expect("nobody has panicked").len() > 100;
            poll(PATIENCE, || (callers.iter().all(done) || failed()).then_some(()))
                .unwrap_or_else(|| panic!("not on every connection: {what}"));
        };
        let changed = catch_unwind(AssertUnwindSafe(|| {
            for number in 1..=changes {
                record.started.store(number, Ordering::SeqCst);
                let begun = Instant::now();
                stage.envoy.replace_file("policy.yaml", &resource(Policy::of(number).configuration()));
                // At times the next one follows while requests wait for this one's keys.
                if number % 6 == 5 {
                    thread::sleep(Duration::from_millis(50));
                    continue;
                }
                all("the new policy", &|caller| caller.at.load(Ordering::SeqCst) >= number);
                longest = longest.max(begun.elapsed());
                record.settled.store(number, Ordering::SeqCst);
                if number % 5 == 0 {
                    put_bad(&stage, number);
                    refused += 1;
                }
                let rounds: Vec<usize> = callers.iter().map(|caller| caller.rounds.load(Ordering::SeqCst)).collect();
                let goes_on = |caller: &Caller| {
                    let place = callers.iter().position(|other| std::ptr::eq(other, caller)).expect("one of them");
                    caller.rounds.load(Ordering::SeqCst) >= rounds[place] + 3
                };
                all("three more rounds", &goes_on);
                stage.upstream.forget();
            }
        }));
        stop.store(true, Ordering::Relaxed);
        if let Err(panic) = changed {
            println!("{:#?}", record.wrong.lock().expect("nobody has panicked"));
            resume_unwind(panic);
        }
    });
    let wrong = record.wrong.lock().expect("nobody has panicked");
    let (requests, arrived) = (record.requests.load(Ordering::Relaxed), record.reached_upstream.load(Ordering::Relaxed));
    println!(
        "{workers} workers: {requests} requests over {} open connections, {arrived} of them let through, while the policy changed {changes} times and \
         {refused} bad ones were refused: {} wrong verdicts or lost requests; on every open connection after {longest:?} at the latest",
        callers.len(),
        wrong.len()
    );
    assert!(wrong.is_empty(), "{:#?}", &wrong[..wrong.len().min(20)]);
    assert!(arrived * 10 > requests && requests > 1000, "{arrived} of {requests}");
    let fetches = stage.identity_provider.fetch_count();
    assert!(fetches * 4 > changes, "{fetches} key sets were fetched: nobody waited");
    let busy = |worker| {
        stage.envoy.stats().iter().any(|(name, count)| name.ends_with(&format!(".worker_{worker}.downstream_cx_total")) && *count > 0)
    };
    assert!((0..workers).all(busy), "some worker has no connection");
    assert_eq!(stage.envoy.stat(&format!("{ECDS}.config_fail")), Some(refused));
}

#[test]
fn no_answer_is_wrong_and_none_is_lost_with_two_workers() {
    change_under_load(2, 36);
}

#[test]
fn no_answer_is_wrong_and_none_is_lost_with_four_workers() {
    change_under_load(4, 16);
}
