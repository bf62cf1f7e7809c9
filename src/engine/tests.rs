use super::waiting::WAKES;
use super::*;
use crate::keys::Lookup;
use crate::peer::Plaintext;
use crate::signature::Module;
use crate::signature::signing::{jwk, sign};

mod bound;
mod cache;
mod cookies;
mod process;
mod remote;
mod slow_verification;
mod streams;

const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);

/// Two plugins, or one before and after a change, with the same key set.
fn engine(keys: &Rc<RefCell<KeyStore>>) -> Engine {
    let configuration = br#"{"providers": {"users": {"jwt": {
        "keys": {"jwks_uri": "https://idp.test/jwks.json", "cluster": "idp"}, "issuers": ["i"], "audiences": "any", "required_claims": []}}}}"#;
    Engine::new(crate::config::load(configuration, &|_| None).unwrap().0, Rc::clone(keys), NOW, 1)
}

/// The key set that a request waits for.
fn set_of(wait: &Wait) -> SetId {
    let WaitOn::Keys { set, .. } = wait.on else { panic!("it waits for no keys") };
    set
}

/// A request with a token that could pass.
fn request() -> Request {
    let part = |text: &str| base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, text);
    let token = format!("Bearer {}.{}.{}", part(r#"{"alg":"ES256"}"#), part(r#"{"iss":"i"}"#), part(&"x".repeat(64)));
    Request { headers: [(":authority", "a"), (":method", "GET"), (":path", "/"), ("authorization", &token)].into_iter().collect() }
}

fn wait(engine: &mut Engine, ticket: Ticket) -> Wait {
    let at = At { now: NOW, verify: &Module, peer: &Plaintext };
    let Decision::Wait(wait) = engine.decide(&request(), &Asked::default(), &at) else { panic!("it does not wait") };
    assert!(engine.wait(ticket, wait.clone()));
    wait
}

fn woken(effects: &[Effect]) -> usize {
    effects.iter().filter(|effect| matches!(effect, Effect::Wake(..))).count()
}

/// A fetch that is on its way is answered with this.
fn answer(engine: &mut Engine, set: SetId, status: u16, body: &str) -> Vec<Effect> {
    let source = engine.policy.key_set(set).unwrap().clone();
    // When it is due for sure; the clock is set back then.
    let due = NOW.plus(Duration::from_secs(7200));
    assert_eq!(engine.keys.borrow_mut().begin(set, &source, engine.id, due, 0), Begin::Fetch);
    engine.handle(Event::Fetched(set, Ok(Answer { status, body: body.as_bytes() })), NOW, &mut || 0)
}

fn arrive(engine: &mut Engine, set: SetId) -> Vec<Effect> {
    let document = serde_json::json!({"keys": [jwk(crate::keys::Alg::ES256)]}).to_string();
    answer(engine, set, 200, &document)
}

#[test]
fn keys_that_another_engine_fetched_wake_whoever_waits_for_them() {
    let keys = Rc::default();
    let (mut one, mut other) = (engine(&keys), engine(&keys));
    let set = set_of(&wait(&mut one, 1));
    assert_eq!(set_of(&wait(&mut other, 2)), set);
    assert_eq!(woken(&arrive(&mut one, set)), 1);
    assert!(other.tick_period(NOW) <= BUSY);
    assert_eq!(woken(&other.handle(Event::Tick, NOW, &mut || 0)), 1);
}

#[test]
fn a_crowd_is_woken_in_parts_and_none_is_forgotten() {
    let keys = Rc::default();
    let mut engine = engine(&keys);
    let waits: Vec<Wait> = (0..100).map(|ticket| wait(&mut engine, ticket)).collect();
    let mut counts = vec![woken(&arrive(&mut engine, set_of(&waits[0])))];
    while counts.iter().sum::<usize>() < 100 {
        assert_eq!(engine.tick_period(NOW), BUSY);
        counts.push(woken(&engine.handle(Event::Tick, NOW, &mut || 0)));
    }
    assert_eq!(counts, [WAKES, WAKES, WAKES, 100 - 3 * WAKES]);
}

#[test]
fn the_number_that_waits_is_bounded_and_the_end_of_waiting_is_kept() {
    let keys = Rc::default();
    let mut engine = engine(&keys);
    let waits: Vec<Wait> = (0..1000).map(|ticket| wait(&mut engine, ticket)).collect();
    let last = waits[999].clone();
    assert!(!engine.wait(1000, last.clone()));
    engine.leave(7);
    assert!(engine.wait(1000, last.clone()));
    assert_eq!(woken(&engine.handle(Event::Tick, last.until, &mut || 0)), WAKES);
    assert!(matches!(engine.look_up(set_of(&last), Duration::ZERO, NOW), Lookup::Never));
}

#[test]
fn who_waits_for_one_set_takes_no_room_from_another() {
    let jwt = |issuer: &str| {
        let keys = serde_json::json!({"jwks_uri": format!("https://{issuer}.test/jwks.json"), "cluster": "idp"});
        serde_json::json!({"jwt": {"keys": keys, "issuers": [issuer], "audiences": "any", "required_claims": []}})
    };
    let configuration = serde_json::json!({"providers": {"down": jwt("d"), "users": jwt("i")}, "limits": {"waiting": 1},
        "rules": [{"match": {"path": "/down"}, "require": "down"}, {"require": "users"}]});
    let policy = crate::config::load(configuration.to_string().as_bytes(), &|_| None).unwrap().0;
    let mut engine = Engine::new(policy, Rc::default(), NOW, 1);
    let users = wait(&mut engine, 1);
    assert!(!engine.wait(2, users.clone()));
    let down = engine.policy.key_sets.iter().map(|(set, _)| *set).find(|set| *set != set_of(&users)).unwrap();
    assert!(engine.wait(3, Wait { on: WaitOn::Keys { set: down, seen: UnixTime::default() }, ..users }));
}

#[test]
fn who_may_not_wait_does_not() {
    let engine = engine(&Rc::default());
    let mut asked = Asked::default();
    asked.no_more();
    let at = At { now: NOW, verify: &Module, peer: &Plaintext };
    let Decision::Reject(rejection) = engine.decide(&request(), &asked, &at) else { panic!("it waits") };
    assert_eq!(rejection.refusal.reason().code(), "keys_unavailable");
}

#[test]
fn what_the_filter_could_not_judge_is_not_observed() {
    let engine = engine(&Rc::default());
    for (refusal, is_observed) in [(RequestError::Denied.into(), true), (Refusal::Internal("x"), false), (Refusal::VerdictPresent, false)] {
        let decision = observation::observe(&engine.policy, engine.reject(&request(), refusal, None, None));
        assert_eq!(matches!(decision, Decision::Observe(_)), is_observed, "{decision:?}");
    }
}

#[test]
fn only_a_200_brings_keys() {
    for status in [204, 206, 302, 404, 500] {
        let keys = Rc::default();
        let mut engine = engine(&keys);
        let set = set_of(&wait(&mut engine, 1));
        let document = serde_json::json!({"keys": [jwk(crate::keys::Alg::ES256)]}).to_string();
        let effects = answer(&mut engine, set, status, &document);
        assert!(keys.borrow().fetched(set) == UnixTime::default() && woken(&effects) == 0, "{status}");
    }
}
