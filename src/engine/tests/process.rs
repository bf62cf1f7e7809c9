//! Several workers of one process: one fetch for all of them, whoever dies, leaves, comes or is configured anew.

use super::*;
use crate::keys::{Alg, Alone, SharedData};

/// The shared data of a process.
#[derive(Clone, Default)]
struct Process(Rc<Alone>);

impl SharedData for Process {
    fn get(&self, name: &str) -> Option<(Vec<u8>, u32)> {
        self.0.get(name)
    }
    fn put(&self, name: &str, value: &[u8]) {
        self.0.put(name, value);
    }
    fn replace(&self, name: &str, value: &[u8], version: Option<u32>) -> bool {
        self.0.replace(name, value, version)
    }
}

/// A VM with one engine.
struct Worker {
    engine: Engine,
    woken: Vec<(Ticket, Wait)>,
    fetches: Vec<SetId>,
}

impl Worker {
    fn new(process: &Process, id: u64, now: UnixTime) -> Self {
        Self::with_refresh(process, id, "1h", now)
    }

    fn with_refresh(process: &Process, id: u64, refresh: &str, now: UnixTime) -> Self {
        let configuration = serde_json::json!({"providers": {"users": {"jwt": {
            "keys": {"jwks_uri": "https://idp.test/jwks.json", "cluster": "idp", "refresh": refresh},
            "issuers": ["i"], "audiences": "any", "required_claims": []}},
            "partners": {"static_secret": {"sha256": "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"}, "from": [{"header": "x-key"}]}},
            "rules": [{"match": {"path": "/admin"}, "require": {"provider": "users", "scopes": "admin"}},
                {"match": {"path": "/both"}, "require": {"all": ["users", "partners"], "identity": "users"}}, {"require": "users"}],
            "revoked": {"jti": ["gone"], "kids": ["RS256"]}});
        let policy = crate::config::load(configuration.to_string().as_bytes(), &|_| None).unwrap().0;
        let keys = Rc::new(RefCell::new(KeyStore::new(Box::new(process.clone()))));
        Self { engine: Engine::new(policy, keys, now, id), woken: Vec::new(), fetches: Vec::new() }
    }

    fn take(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Wake(ticket, wait) => self.woken.push((ticket, wait)),
                Effect::Fetch(set, _) => self.fetches.push(set),
                _ => {}
            }
        }
    }

    fn tick(&mut self, now: UnixTime) -> usize {
        let effects = self.engine.handle(Event::Tick, now, &mut || 0);
        let fetches = effects.iter().filter(|effect| matches!(effect, Effect::Fetch(..))).count();
        self.take(effects);
        fetches
    }

    /// Its fetch is answered with these keys.
    fn arrive(&mut self, keys: &[Alg], now: UnixTime) {
        let set = self.fetches.pop().expect("a fetch on its way");
        let document = serde_json::json!({"keys": keys.iter().map(|alg| jwk(*alg)).collect::<Vec<_>>()}).to_string();
        let effects = self.engine.handle(Event::Fetched(set, Ok(Answer { status: 200, body: document.as_bytes() })), now, &mut || 0);
        self.take(effects);
    }

    fn fail(&mut self, now: UnixTime) {
        let set = self.fetches.pop().expect("a fetch on its way");
        let effects = self.engine.handle(Event::Fetched(set, Err(FetchError::Reset)), now, &mut || 0);
        self.take(effects);
    }

    fn decide(&self, request: &Request, asked: &Asked, now: UnixTime) -> Decision {
        self.engine.decide(request, asked, &At { now, verify: &Module, peer: &Plaintext })
    }

    #[track_caller]
    fn reason(&self, request: &Request, now: UnixTime) -> &'static str {
        match self.decide(request, &Asked::default(), now) {
            Decision::Pass(_) => "pass",
            Decision::Reject(rejection) => rejection.refusal.reason().code(),
            Decision::Wait(_) => "wait",
            Decision::Observe(_) => "observe",
        }
    }

    /// Lets a request wait.
    #[track_caller]
    fn wait(&mut self, ticket: Ticket, request: &Request, now: UnixTime) {
        let Decision::Wait(wait) = self.decide(request, &Asked::default(), now) else { panic!("it does not wait") };
        assert!(self.engine.wait(ticket, wait));
    }

    /// What becomes of the one request that was woken.
    #[track_caller]
    fn outcome(&mut self, request: &Request, now: UnixTime) -> Decision {
        let (_, wait) = self.woken.pop().expect("a request that was woken");
        let mut asked = Asked::default();
        asked.add(wait);
        self.decide(request, &asked, now)
    }
}

fn request_to(path: &str, alg: Alg, claims: &str, signature: Option<&[u8]>) -> Request {
    let part = |bytes: &[u8]| base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, bytes);
    let text = format!("{}.{}", part(format!(r#"{{"alg":"{}","kid":"{}"}}"#, alg.name(), alg.name()).as_bytes()), part(claims.as_bytes()));
    let own = sign(alg, text.as_bytes());
    let token = format!("Bearer {text}.{}", part(signature.unwrap_or(&own)));
    Request { headers: [(":authority", "a"), (":method", "GET"), (":path", path), ("authorization", &token)].into_iter().collect() }
}

fn request(alg: Alg) -> Request {
    request_to("/", alg, r#"{"iss":"i"}"#, None)
}

fn at(millis: u64) -> UnixTime {
    NOW.plus(Duration::from_millis(millis))
}

/// Workers of which the first fetched at [`NOW`], all of them with its keys.
fn workers(count: u64) -> (Process, Vec<Worker>) {
    let process = Process::default();
    let mut workers: Vec<Worker> = (1..=count).map(|id| Worker::new(&process, id, NOW)).collect();
    let fetches: usize = workers.iter_mut().map(|worker| worker.tick(NOW)).sum();
    assert_eq!(fetches, 1);
    workers[0].arrive(&[Alg::ES256], NOW);
    for worker in &mut workers {
        assert_eq!((worker.tick(at(250)), worker.reason(&request(Alg::ES256), at(250))), (0, "pass"));
    }
    (process, workers)
}

#[test]
fn one_fetches_and_all_have_the_keys_when_they_need_them() {
    let process = Process::default();
    let mut workers: Vec<Worker> = (1..=4).map(|id| Worker::new(&process, id, NOW)).collect();
    for (ticket, worker) in (0..).zip(&mut workers) {
        worker.wait(ticket, &request(Alg::ES256), NOW);
    }
    assert_eq!(workers.iter_mut().rev().map(|worker| worker.tick(at(1))).collect::<Vec<_>>(), [1, 0, 0, 0]);
    assert!(workers[0].engine.tick_period(at(1)) <= BUSY);
    workers[3].arrive(&[Alg::ES256], at(200));
    assert!(matches!(workers[3].outcome(&request(Alg::ES256), at(200)), Decision::Pass(_)));
    // Whoever waits learns of it by the next tick; whoever comes, at once.
    assert_eq!(workers[0].reason(&request(Alg::ES256), at(200)), "pass");
    for worker in &mut workers[..3] {
        assert_eq!(worker.tick(at(220)), 0);
        assert!(matches!(worker.outcome(&request(Alg::ES256), at(220)), Decision::Pass(_)));
        assert_eq!(worker.engine.tick_period(at(220)), IDLE);
    }
    // The next one is due for all at once, and is one again.
    let due = at(200).plus(Duration::from_secs(3600));
    assert_eq!(workers.iter_mut().map(|worker| worker.tick(due)).sum::<usize>(), 1);
}

#[test]
fn another_takes_over_from_one_that_dies_over_its_fetch() {
    let process = Process::default();
    let (mut one, mut other) = (Worker::new(&process, 1, NOW), Worker::new(&process, 2, NOW));
    assert_eq!(one.tick(NOW), 1);
    std::mem::forget(one);
    assert_eq!(other.tick(at(5999)), 0);
    assert_eq!(other.tick(at(6000)), 0, "lost: a failure, and a pause");
    assert_eq!(other.tick(at(6200)), 1);
    other.arrive(&[Alg::ES256], at(6300));
    assert_eq!(other.reason(&request(Alg::ES256), at(6300)), "pass");
}

#[test]
fn one_that_leaves_over_its_fetch_says_so() {
    let process = Process::default();
    let mut one = Worker::new(&process, 1, NOW);
    assert_eq!(one.tick(NOW), 1);
    let mut next = Worker::new(&process, 2, at(10));
    assert_eq!(next.tick(at(11)), 0);
    drop(one);
    assert_eq!(next.tick(at(12)), 1);
    // One that left long ago takes nobody's lease away.
    drop(Worker::new(&process, 3, at(13)));
    assert_eq!(Worker::new(&process, 4, at(14)).tick(at(14)), 0);
}

#[test]
fn an_answer_that_comes_when_another_fetches_changes_nothing() {
    let process = Process::default();
    let (mut one, mut other) = (Worker::new(&process, 1, NOW), Worker::new(&process, 2, NOW));
    assert_eq!(one.tick(NOW), 1);
    assert_eq!((other.tick(at(6000)), other.tick(at(6200))), (0, 1));
    one.arrive(&[Alg::EdDSA], at(6201));
    assert_eq!(one.reason(&request(Alg::EdDSA), at(6201)), "wait");
    other.arrive(&[Alg::ES256], at(6202));
    assert_eq!((one.reason(&request(Alg::ES256), at(6203)), other.reason(&request(Alg::ES256), at(6203))), ("pass", "pass"));
}

#[test]
fn a_failure_that_comes_when_another_fetches_changes_nothing() {
    let process = Process::default();
    let (mut one, mut other) = (Worker::new(&process, 1, NOW), Worker::new(&process, 2, NOW));
    assert_eq!(one.tick(NOW), 1);
    assert_eq!((other.tick(at(6000)), other.tick(at(6200))), (0, 1));
    one.fail(at(6201));
    assert_eq!(one.tick(at(8000)), 0, "the other one's is still on its way");
    other.arrive(&[Alg::ES256], at(8001));
    assert_eq!(other.reason(&request(Alg::ES256), at(8001)), "pass");
}

#[test]
fn a_failure_wakes_nobody_who_waits_for_the_first_keys() {
    let process = Process::default();
    let mut worker = Worker::new(&process, 1, NOW);
    worker.wait(1, &request(Alg::ES256), NOW);
    assert_eq!(worker.tick(at(10)), 1);
    worker.fail(at(100));
    assert_eq!((worker.tick(at(120)), worker.woken.len()), (0, 0));
    assert_eq!(worker.tick(at(400)), 1);
    worker.arrive(&[Alg::ES256], at(500));
    assert!(matches!(worker.outcome(&request(Alg::ES256), at(500)), Decision::Pass(_)));
}

#[test]
fn whoever_draws_a_zero_holds_its_lease_all_the_same() {
    let process = Process::default();
    let (mut one, mut other) = (Worker::new(&process, 0, NOW), Worker::new(&process, 1, NOW));
    assert_eq!((one.tick(NOW), one.tick(at(1)), other.tick(at(2))), (1, 0, 0));
}

#[test]
fn a_new_worker_has_the_keys_though_nobody_can_fetch_them() {
    let (process, mut workers) = workers(2);
    let due = at(3_600_000);
    assert_eq!(workers[1].tick(due), 1);
    workers[1].fail(due);
    let mut new = Worker::new(&process, 3, due);
    assert_eq!((new.reason(&request(Alg::ES256), due), new.tick(due)), ("pass", 0));
    // What the failure put off is put off for it, too.
    assert_eq!(new.tick(due.plus(Duration::from_millis(99))), 0);
    assert_eq!(new.tick(due.plus(Duration::from_millis(200))), 1);
    drop(workers);
    assert_eq!(new.reason(&request(Alg::ES256), due.plus(Duration::from_secs(71 * 3600))), "pass");
    assert_eq!(new.reason(&request(Alg::ES256), due.plus(Duration::from_secs(73 * 3600))), "keys_stale");
}

#[test]
fn who_wants_fresher_keys_does_not_wait_for_who_fetched_last() {
    let (process, _workers) = workers(1);
    let mut hasty = Worker::with_refresh(&process, 7, "1m", at(1000));
    assert_eq!((hasty.tick(at(59_000)), hasty.tick(at(60_000))), (0, 1));
}

#[test]
fn an_unknown_key_is_fetched_once_for_all() {
    let (_, mut workers) = workers(4);
    let new = request(Alg::EdDSA);
    for worker in &mut workers {
        worker.wait(1, &new, at(1000));
        assert!(worker.engine.tick_period(at(1000)) <= BUSY);
    }
    assert_eq!(workers.iter_mut().map(|worker| worker.tick(at(1010))).sum::<usize>(), 1);
    // While it is on its way others may come, and it is as good for them.
    workers[2].wait(2, &new, at(1100));
    workers[0].arrive(&[Alg::EdDSA], at(1200));
    for worker in &mut workers {
        worker.tick(at(1220));
        assert!(matches!(worker.outcome(&new, at(1220)), Decision::Pass(_)));
        // The removed key went with its set.
        assert_eq!(worker.reason(&request(Alg::ES256), at(1220)), "key_unknown");
        assert_eq!(worker.tick(at(1240)), 0, "cooling down");
    }
    assert!(matches!(workers[2].outcome(&new, at(1220)), Decision::Pass(_)));
    let cooled = at(1010 + 30_000);
    workers[3].wait(3, &request(Alg::ES256), cooled);
    assert_eq!(workers[3].tick(cooled), 1);
}

#[test]
fn what_could_not_pass_asks_for_nothing() {
    let (_, mut workers) = workers(1);
    let forbidden = request_to("/admin", Alg::EdDSA, r#"{"iss":"i"}"#, None);
    let early = request_to("/", Alg::EdDSA, r#"{"iss":"i","nbf":1900000000}"#, None);
    let bound = request_to("/", Alg::EdDSA, r#"{"iss":"i","cnf":{}}"#, None);
    let alone = request_to("/both", Alg::EdDSA, r#"{"iss":"i"}"#, None);
    let revoked = request_to("/", Alg::EdDSA, r#"{"iss":"i","jti":"gone"}"#, None);
    let revoked_key = request_to("/", Alg::RS256, r#"{"iss":"i"}"#, None);
    for junk in [forbidden, early, bound, alone, revoked, revoked_key] {
        assert_eq!(workers[0].reason(&junk, at(1000)), "key_unknown");
    }
    assert_eq!(workers[0].tick(at(1010)), 0);
    // The same with the scope, and a signature that nobody can judge yet.
    let possible = request_to("/admin", Alg::EdDSA, r#"{"iss":"i","scope":"admin"}"#, Some(&[0; 64]));
    workers[0].wait(1, &possible, at(1020));
    assert_eq!(workers[0].tick(at(1030)), 1);
    workers[0].arrive(&[Alg::EdDSA], at(1040));
    let Decision::Reject(rejection) = workers[0].outcome(&possible, at(1040)) else { panic!("passed or waits") };
    assert_eq!(rejection.refusal.reason().code(), "signature_invalid");
}

#[test]
fn a_fetch_on_its_way_before_the_question_does_not_answer_it() {
    let (_, mut workers) = workers(2);
    let due = at(3_600_000);
    assert_eq!(workers[0].tick(due), 1);
    let question = due.plus(Duration::from_millis(50));
    let new = request(Alg::EdDSA);
    workers[1].wait(1, &new, question);
    // The answer was made before the key was.
    workers[0].arrive(&[Alg::ES256], question.plus(Duration::from_millis(50)));
    let now = question.plus(Duration::from_millis(70));
    assert_eq!(workers[1].tick(now), 1);
    let Decision::Wait(again) = workers[1].outcome(&new, now) else { panic!("answered by what began before") };
    assert_eq!(again.question, question);
    assert!(workers[1].engine.wait(1, again));
    workers[1].arrive(&[Alg::EdDSA], now);
    assert!(matches!(workers[1].outcome(&new, now), Decision::Pass(_)));
}

#[test]
fn an_unknown_key_stays_unknown_when_the_fetch_says_so_or_fails_or_takes_too_long() {
    let new = request(Alg::EdDSA);
    for end in ["says so", "fails", "late"] {
        let (_, mut workers) = workers(2);
        workers[1].wait(1, &new, at(1000));
        assert_eq!(workers[1].tick(at(1010)), 1);
        let now = match end {
            "says so" => {
                workers[1].arrive(&[Alg::ES256], at(1100));
                at(1100)
            }
            "fails" => {
                workers[1].fail(at(1100));
                at(1100)
            }
            _ => {
                assert_eq!(workers[1].tick(at(6000)), 0);
                at(6000)
            }
        };
        let Decision::Reject(rejection) = workers[1].outcome(&new, now) else { panic!("{end}") };
        assert_eq!(rejection.refusal.reason().code(), "key_unknown", "{end}");
        if end != "late" {
            assert_eq!((workers[0].reason(&new, at(1200)), workers[1].reason(&new, at(1200))), ("key_unknown", "key_unknown"), "at once");
            assert_eq!((workers[0].tick(at(1200)), workers[1].tick(at(1200))), (0, 0));
        }
        // Known callers never noticed.
        assert_eq!(workers[0].reason(&request(Alg::ES256), at(1200)), "pass");
    }
}

#[test]
fn what_others_wrote_into_shared_data_is_worth_nothing() {
    let (process, workers) = workers(1);
    let names: Vec<String> = process.0.names();
    drop(workers);
    for junk in [&b""[..], b"junk", b"{\"keys\":[]}", &[0xff; 64], &[0; 64]] {
        for name in &names {
            process.put(name, junk);
        }
        let mut worker = Worker::new(&process, 9, at(1000));
        assert_eq!(worker.reason(&request(Alg::ES256), at(1000)), "wait");
        worker.tick(at(1000));
        assert!(worker.fetches.len() == 1 || worker.tick(at(1300)) == 1, "{junk:?}");
        worker.arrive(&[Alg::ES256], at(1400));
        assert_eq!(worker.reason(&request(Alg::ES256), at(1400)), "pass");
    }
}

#[test]
fn a_document_that_nobody_would_have_taken_is_not_taken_from_shared_data() {
    let (process, workers) = workers(1);
    let name = process.0.names().into_iter().find(|name| !name.ends_with(".refresh")).unwrap();
    let document = |padding: usize| serde_json::json!({"keys": [jwk(Alg::ES256)], "padding": "x".repeat(padding)}).to_string();
    drop(workers);
    process.put(&name, document(2_000_000).as_bytes());
    assert_eq!(Worker::new(&process, 9, at(1000)).reason(&request(Alg::ES256), at(1000)), "wait");
}

#[test]
fn a_clock_that_is_set_back_over_an_unknown_key_brings_no_more_fetches() {
    for back in [1, 20, 1000, 60_000, 3_600_000, 86_400_000] {
        let process = Process::default();
        let start = at(100_000_000);
        let mut workers: Vec<Worker> = (1..=2).map(|id| Worker::new(&process, id, start)).collect();
        let fetches: usize = workers.iter_mut().map(|worker| worker.tick(start)).sum();
        assert_eq!(fetches, 1);
        workers[0].arrive(&[Alg::ES256], start);
        workers[1].tick(start.plus(Duration::from_millis(250)));
        let mut now = start.plus(Duration::from_secs(40));
        for worker in &mut workers {
            worker.wait(1, &request(Alg::EdDSA), now);
        }
        now = now.minus(Duration::from_millis(back));
        let mut fetches = 0;
        for _ in 0..500 {
            now = now.plus(Duration::from_millis(20));
            for worker in &mut workers {
                let begun = worker.tick(now);
                fetches += begun;
                if begun > 0 {
                    worker.arrive(&[Alg::ES256], now.plus(Duration::from_millis(5)));
                }
            }
        }
        // One for the key, and one that may have become due.
        assert!(fetches <= 2, "{fetches} fetches in ten seconds, {back} ms back");
        for worker in &mut workers {
            assert_eq!(worker.woken.len(), 1, "{back} ms back");
        }
    }
}

#[test]
fn who_asks_after_the_clock_was_set_back_waits_as_long_as_anybody() {
    let process = Process::default();
    let mut worker = Worker::new(&process, 1, at(7_200_000));
    worker.wait(1, &request(Alg::ES256), at(7_200_000));
    assert_eq!(worker.tick(at(7_200_000)), 1);
    worker.wait(2, &request(Alg::ES256), at(0));
    for millis in [10, 4990] {
        worker.tick(at(millis));
        assert!(worker.woken.is_empty(), "after {millis} ms");
    }
    worker.tick(at(5010));
    assert_eq!(worker.woken.len(), 2);
}

#[test]
fn an_answer_to_a_fetch_that_was_lost_does_not_replace_a_later_one() {
    let (_, mut workers) = workers(2);
    let due = at(3_600_000);
    assert_eq!(workers[0].tick(due), 1);
    // Its worker hangs; the other one fetches, and learns that a key was removed.
    assert_eq!(workers[1].tick(due.plus(Duration::from_secs(6))), 0);
    let later = due.plus(Duration::from_secs(7));
    assert_eq!(workers[1].tick(later), 1);
    workers[1].arrive(&[Alg::EdDSA], later);
    workers[0].arrive(&[Alg::ES256], later.plus(Duration::from_millis(1)));
    for worker in &mut workers {
        worker.tick(later.plus(Duration::from_millis(300)));
        assert_eq!(worker.reason(&request(Alg::EdDSA), later.plus(Duration::from_millis(300))), "pass");
        assert_eq!(worker.reason(&request(Alg::ES256), later.plus(Duration::from_millis(300))), "wait", "for a set that has it again");
    }
}
