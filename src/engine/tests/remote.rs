//! Logins at another service: one callout for all who ask the same, and each request waits once.

use super::*;
use crate::authenticator::remote::{Call, HttpCall};

fn engine(remote: serde_json::Value) -> Engine {
    let mut config = serde_json::json!({"credential": "basic", "inputs": {"scope": {"header": "x-store", "default": "a"}},
        "endpoints": {"default": {"cluster": "login", "uri": "https://login.test/"}},
        "request": {"timeout": "2s", "json": {"u": "{username}", "p": "{password}"}}, "max_in_flight": 2});
    for (name, value) in remote.as_object().unwrap() {
        config[name] = value.clone();
    }
    let config = serde_json::json!({"providers": {"p": {"remote": config}}, "limits": {"waiting": 3},
        "revoked": {"subjects": ["p/mallory"]}});
    Engine::new(crate::config::load(config.to_string().as_bytes(), &|_| None).unwrap().0, Rc::default(), NOW, 1)
}

/// User name and password, and a store.
fn login(pair: &str, store: &str) -> Request {
    let credential = format!("Basic {}", base64::Engine::encode(&base64::engine::general_purpose::STANDARD, pair));
    let fields = [(":authority", "a"), (":method", "GET"), (":path", "/"), ("authorization", &*credential), ("x-store", store)];
    Request { headers: fields.into_iter().collect() }
}

fn at(millis: u64) -> UnixTime {
    NOW.plus(Duration::from_millis(millis))
}

fn decide(engine: &Engine, request: &Request, asked: &Asked, now: UnixTime) -> Decision {
    engine.decide(request, asked, &At { now, verify: &Module, peer: &Plaintext })
}

#[track_caller]
fn waits(engine: &mut Engine, ticket: Ticket, request: &Request, now: UnixTime) -> Wait {
    let Decision::Wait(wait) = decide(engine, request, &Asked::default(), now) else { panic!("it does not wait") };
    assert!(engine.wait(ticket, wait.clone()));
    wait
}

fn outcome(decision: &Decision) -> &str {
    match decision {
        Decision::Pass(_) => "pass",
        Decision::Reject(rejection) => rejection.refusal.reason().code(),
        Decision::Wait(_) => "wait",
        Decision::Observe(_) => "observe",
    }
}

/// Callouts, and who was woken.
type Sorted = (Vec<(Rc<Call>, Box<HttpCall>)>, Vec<(Ticket, Wait)>);

fn tick(engine: &mut Engine, now: UnixTime) -> Sorted {
    sorted(engine.handle(Event::Tick, now, &mut || 0))
}

fn sorted(effects: Vec<Effect>) -> Sorted {
    let (mut calls, mut woken) = (Vec::new(), Vec::new());
    for effect in effects {
        match effect {
            Effect::Ask(call, http) => calls.push((call, http)),
            Effect::Wake(ticket, wait) => woken.push((ticket, wait)),
            _ => {}
        }
    }
    (calls, woken)
}

fn answered(engine: &mut Engine, call: &Rc<Call>, status: u16, body: &str, now: UnixTime) -> Vec<(Ticket, Wait)> {
    sorted(engine.handle(Event::Answered(call, Ok(Answer { status, body: body.as_bytes() })), now, &mut || 0)).1
}

fn again(engine: &Engine, request: &Request, wait: Wait, now: UnixTime) -> String {
    let mut asked = Asked::default();
    asked.add(wait);
    outcome(&decide(engine, request, &asked, now)).to_owned()
}

#[test]
fn one_callout_for_all_who_ask_the_same() {
    let mut engine = engine(serde_json::json!({"cache": "0s", "max_in_flight": 7}));
    let ada = login("ada:pw", "a");
    for ticket in 1..=3 {
        waits(&mut engine, ticket, &ada, NOW);
    }
    assert_eq!(engine.tick_period(NOW), AT_ONCE);
    let (calls, woken) = tick(&mut engine, at(1));
    assert_eq!((calls.len(), woken.len()), (1, 0));
    assert!(engine.tick_period(at(1)) > BUSY, "nothing to look after");
    let (call, http) = &calls[0];
    assert_eq!(std::str::from_utf8(&http.body).unwrap(), r#"{"p":"pw","u":"ada"}"#);
    engine.leave(2);
    let woken = answered(&mut engine, call, 200, r#"{"sub":"ada"}"#, at(100));
    assert_eq!(woken.iter().map(|(ticket, _)| *ticket).collect::<Vec<_>>(), [1, 3]);
    for (_, wait) in woken {
        assert_eq!(again(&engine, &ada, wait.clone(), at(100)), "pass");
        // What was said of one is said of no other.
        for other in [
            login("ada:pw2", "a"),
            login("ada2:pw", "a"),
            login("ada:pw", "b"),
            login("ad:a:pw", "a"),
            login("adap:w", "a"),
            login("ada:p", "wa"),
        ] {
            assert_eq!(again(&engine, &other, wait.clone(), at(100)), "wait");
        }
    }
    assert_eq!(outcome(&decide(&engine, &ada, &Asked::default(), at(101))), "wait", "it isn't remembered");
}

#[test]
fn each_kind_of_answer() {
    for (status, body, expected) in [
        (200, r#"{"sub":"ada"}"#, "pass"),
        (200, r#"{"sub":"mallory"}"#, "revoked"),
        (401, r#"{"sub":"ada"}"#, "remote_denied"),
        (200, "[]", "remote_unavailable"),
        (201, r#"{"sub":"ada"}"#, "remote_unavailable"),
        (500, r#"{"sub":"ada"}"#, "remote_unavailable"),
        (403, "", "remote_unavailable"),
    ] {
        let mut engine = engine(serde_json::json!({}));
        let ada = login("ada:pw", "a");
        waits(&mut engine, 1, &ada, NOW);
        let (calls, _) = tick(&mut engine, NOW);
        let (_, wait) = answered(&mut engine, &calls[0].0, status, body, at(10)).remove(0);
        assert_eq!(again(&engine, &ada, wait, at(10)), expected, "{status} {body}");
        // Remembered, unless nobody could tell.
        let later = if expected == "remote_unavailable" { "wait" } else { expected };
        assert_eq!(outcome(&decide(&engine, &ada, &Asked::default(), at(20))), later, "{status} {body}");
        // It comes twice, or late: nothing more is woken, and nothing changes.
        assert!(answered(&mut engine, &calls[0].0, 200, r#"{"sub":"ada"}"#, at(30)).is_empty());
        assert_eq!(outcome(&decide(&engine, &ada, &Asked::default(), at(30))), later, "{status} {body}");
    }
}

#[test]
fn the_room_is_bounded_for_callouts_and_for_those_who_wait() {
    let mut engine = engine(serde_json::json!({}));
    let ada = login("ada:pw", "a");
    for ticket in 1..=3 {
        waits(&mut engine, ticket, &ada, NOW);
    }
    assert_eq!(outcome(&decide(&engine, &ada, &Asked::default(), NOW)), "remote_busy");
    engine.leave(1);
    waits(&mut engine, 4, &login("bob:pw", "a"), NOW);
    engine.leave(2);
    assert_eq!(outcome(&decide(&engine, &login("carol:pw", "a"), &Asked::default(), NOW)), "remote_busy");
    waits(&mut engine, 5, &ada, NOW);
}

#[test]
fn nobody_waits_for_good() {
    for back in [false, true] {
        let mut engine = engine(serde_json::json!({}));
        let ada = login("ada:pw", "a");
        let wait = waits(&mut engine, 1, &ada, NOW);
        assert_eq!(wait.until, at(3000));
        let (calls, _) = tick(&mut engine, at(1));
        // The clock is set back by an hour: waiting goes on for as long as before.
        let now = |millis| if back { at(millis).minus(Duration::from_secs(3600)) } else { at(millis) };
        assert_eq!(tick(&mut engine, now(2)).1.len(), 0);
        assert_eq!(tick(&mut engine, now(2990)).1.len(), 0);
        let (asked, woken) = tick(&mut engine, now(3020));
        assert_eq!((asked.len(), woken.len()), (0, 1));
        let (_, wait) = woken.into_iter().next().unwrap();
        assert_eq!(again(&engine, &ada, wait, now(3020)), "remote_unavailable");
        // What counts as lost is no answer any more.
        assert!(answered(&mut engine, &calls[0].0, 200, r#"{"sub":"ada"}"#, now(3030)).is_empty());
        assert_eq!(outcome(&decide(&engine, &ada, &Asked::default(), now(3040))), "wait");
    }
}

#[test]
fn who_may_not_wait_asks_for_those_who_come_later() {
    let mut engine = engine(serde_json::json!({}));
    let ada = login("ada:pw", "a");
    let mut asked = Asked::default();
    asked.no_more();
    assert_eq!(outcome(&decide(&engine, &ada, &asked, NOW)), "remote_unavailable");
    let (calls, _) = tick(&mut engine, at(1));
    assert!(answered(&mut engine, &calls[0].0, 200, r#"{"sub":"ada"}"#, at(10)).is_empty());
    assert_eq!(outcome(&decide(&engine, &ada, &asked, at(20))), "pass");
}

#[test]
fn what_envoy_refuses_at_once_wakes_no_more_than_one_crowd() {
    let mut engine = engine(serde_json::json!({"max_in_flight": 1000}));
    engine.policy.limits.waiting = 1000;
    for ticket in 1..=100 {
        waits(&mut engine, ticket, &login(&format!("user-{ticket}:pw"), "a"), NOW);
    }
    let (calls, _) = tick(&mut engine, at(1));
    assert_eq!(calls.len(), 100);
    // All in one call of Envoy's: whoever is woken in it is answered within it.
    for (call, _) in &calls {
        let effects = engine.handle(Event::Answered(call, Err(FetchError::NotSent)), at(1), &mut || 0);
        assert!(sorted(effects).1.is_empty());
    }
    assert_eq!(engine.tick_period(at(1)), BUSY);
    let woken: Vec<usize> = (0..4).map(|tenth| tick(&mut engine, at(10 * tenth + 11)).1.len()).collect();
    assert_eq!(woken, [32, 32, 32, 4]);
}
