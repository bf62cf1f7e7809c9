//! The core under a policy, and a request to it.

use std::cell::RefCell;
use std::hint::black_box;
use std::rc::Rc;

use portcullis::config;
use portcullis::decision::{Asked, Decision};
use portcullis::engine::{Answer, Effect, Engine, Event};
use portcullis::judgement::At;
use portcullis::peer::Plaintext;
use portcullis::request::Request;
use portcullis::signature::Module;
use portcullis::time::UnixTime;
use serde_json::Value;

/// The time at which everything happens: 2026-01-01.
pub(crate) const NOW: u64 = 1_767_225_600;

/// An engine under this policy, which guesses share.
pub(crate) fn core(configuration: &Value) -> Rc<RefCell<Engine>> {
    let policy = config::load(configuration.to_string().as_bytes(), &|_| None).expect("a good configuration").0;
    Rc::new(RefCell::new(Engine::new(policy, Rc::default(), UnixTime::from_seconds(NOW), 1)))
}

/// A request with this `authorization`.
pub(crate) fn request(authorization: &str) -> Request {
    let fields = [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "api.example.com"),
        (":path", "/orders/17"),
        ("authorization", authorization),
    ];
    Request { headers: fields.into_iter().collect() }
}

fn decide(engine: &Engine, request: &Request) -> Decision {
    let at = At { now: UnixTime::from_seconds(NOW), verify: &Module, peer: &Plaintext };
    engine.decide(request, &Asked::default(), &at)
}

/// What becomes of a request: the reason for which it is refused, or `pass` or `wait`.
pub(crate) fn outcome(engine: &Rc<RefCell<Engine>>, request: &Request) -> &'static str {
    match decide(&engine.borrow(), request) {
        Decision::Pass(_) => "pass",
        Decision::Reject(rejection) => rejection.refusal.reason().code(),
        Decision::Wait(_) => "wait",
        Decision::Observe(_) => "observe",
    }
}

/// Decides over a request that must come out so, again and again.
pub(crate) fn guess(engine: &Rc<RefCell<Engine>>, authorization: &str, expected: &'static str) -> Box<dyn FnMut()> {
    let (engine, request) = (Rc::clone(engine), request(authorization));
    assert_eq!(outcome(&engine, &request), expected, "{authorization}");
    Box::new(move || drop(black_box(decide(&engine.borrow(), black_box(&request)))))
}

/// Has another service say yes to a request.
pub(crate) fn granted(engine: &Rc<RefCell<Engine>>, authorization: &str, says: &Value) {
    let (now, body) = (UnixTime::from_seconds(NOW), says.to_string());
    let Decision::Wait(wait) = decide(&engine.borrow(), &request(authorization)) else { panic!("it doesn't wait") };
    let mut engine = engine.borrow_mut();
    assert!(engine.wait(1, wait));
    for effect in engine.handle(Event::Tick, now, &mut || 0) {
        if let Effect::Ask(call, _) = effect {
            drop(engine.handle(Event::Answered(&call, Ok(Answer { status: 200, body: body.as_bytes() })), now, &mut || 0));
        }
    }
}
