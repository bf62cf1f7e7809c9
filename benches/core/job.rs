//! What is measured on the core: every path's decision, and what happens at load.

use std::cell::Cell;
use std::hint::black_box;
use std::rc::Rc;
use std::time::Duration;

use portcullis::config;
use portcullis::decision::{Asked, Decision, WaitOn};
use portcullis::engine::{Answer, Effect, Engine, Event};
use portcullis::judgement::At;
use portcullis::keys::{Alg, AlgSet, KeySet, PublicKey};
use portcullis::peer::{Peer, Plaintext, Shown};
use portcullis::policy::Policy;
use portcullis::request::Request;
use portcullis::signature::{Module, Verify};
use portcullis::time::UnixTime;
use portcullis_harness::{Algorithm, Key, jwks};

use crate::scenario::{self, FRESH, NOW, Scenario, named, scenarios};

/// Something to measure.
pub(crate) struct Job {
    /// In tables.
    pub(crate) name: String,
    /// How many operations one run is.
    pub(crate) operations: usize,
    /// A second run would not be the same: it takes another [`Self::prepare`].
    pub(crate) runs_once: bool,
    /// Makes ready what is measured.
    pub(crate) prepare: Box<dyn Fn() -> Run>,
}

/// What is measured.
pub(crate) type Run = Box<dyn FnMut()>;

/// All jobs, in the order of tables.
pub(crate) fn jobs() -> Vec<Job> {
    let decisions = scenarios().into_iter().map(decision);
    let loads = [
        ("load: one client", "static secret"),
        ("load: 10000 clients", "static secret, 10000 clients"),
        ("load: 1000 rules", "static secret, 1000 rules"),
    ];
    let loads = loads.map(|(name, scenario)| load(name, scenario));
    decisions.chain(loads).chain([1, 100].map(parse_keys)).collect()
}

/// Decides over the requests of a path: one by one all that are fresh, or the same many times.
fn decision(scenario: Scenario) -> Job {
    let scenario = Rc::new(scenario);
    Job {
        name: scenario.name.clone(),
        operations: FRESH,
        runs_once: scenario.is_fresh,
        prepare: Box::new(move || {
            let stage = Stage::new(&scenario);
            Box::new(move || stage.run())
        }),
    }
}

fn load(name: &str, scenario: &'static str) -> Job {
    Job {
        name: name.to_owned(),
        operations: 1,
        runs_once: false,
        prepare: Box::new(move || {
            let text = (named(scenario).configuration)().to_string();
            Box::new(move || drop(black_box(loaded(text.as_bytes()))))
        }),
    }
}

fn parse_keys(count: usize) -> Job {
    Job {
        name: format!("parse a JWK set of {count}, RS256"),
        operations: 1,
        runs_once: false,
        prepare: Box::new(move || {
            let key = Key::fixed(Algorithm::RS256, 1);
            let set: Vec<Key> = (0..count).map(|n| key.clone().with_kid(&format!("key-{n}"))).collect();
            let (text, algorithms) = (jwks(&set).to_string(), AlgSet::from([Alg::RS256]));
            Box::new(move || drop(black_box(KeySet::parse(text.as_bytes(), algorithms))))
        }),
    }
}

fn loaded(text: &[u8]) -> Policy {
    config::load(text, &|_| None).expect("a good configuration").0
}

/// An engine, and the requests of a path.
struct Stage {
    engine: Engine,
    requests: Vec<(Request, Box<dyn Peer>)>,
    refused: Option<&'static str>,
    /// What is slow may happen only so often in a second.
    millis: Cell<u64>,
}

impl Stage {
    fn new(scenario: &Scenario) -> Self {
        let engine = Engine::new(loaded((scenario.configuration)().to_string().as_bytes()), Rc::default(), UnixTime::from_seconds(NOW), 1);
        let requests = (0..if scenario.is_fresh { FRESH } else { 1 })
            .map(|number| {
                let peer: Box<dyn Peer> = match &scenario.certificate {
                    Some(certificate) => Box::new(Member(certificate(number))),
                    None => Box::new(Plaintext),
                };
                (Request { headers: (scenario.fields)(number).into_iter().collect() }, peer)
            })
            .collect();
        let mut stage = Self { engine, requests, refused: scenario.refused, millis: Cell::new(0) };
        if let Some(answer) = &scenario.answer {
            stage.answer(answer.to_string().as_bytes());
        }
        if !scenario.is_fresh {
            stage.check();
            stage.check();
        }
        stage
    }

    /// Answers what the engine asks the network.
    fn answer(&mut self, body: &[u8]) {
        let now = UnixTime::from_seconds(NOW);
        let first = self.decide(0);
        if let Decision::Wait(wait) = first
            && matches!(wait.on, WaitOn::Answer(_))
        {
            assert!(self.engine.wait(1, wait));
        }
        for effect in self.engine.handle(Event::Tick, now, &mut || 0) {
            let answer = Ok(Answer { status: 200, body });
            match effect {
                Effect::Fetch(set, _) => drop(self.engine.handle(Event::Fetched(set, answer), now, &mut || 0)),
                Effect::Ask(call, _) => drop(self.engine.handle(Event::Answered(&call, answer), now, &mut || 0)),
                _ => {}
            }
        }
    }

    fn check(&self) {
        let refused = match self.decide(0) {
            Decision::Pass(_) => None,
            Decision::Reject(rejection) => Some(rejection.refusal.reason().code()),
            other => panic!("{other:?}"),
        };
        assert_eq!(refused, self.refused);
    }

    fn run(&self) {
        for number in 0..FRESH {
            let decision = black_box(self.decide(number));
            assert_eq!(matches!(decision, Decision::Pass(_)), self.refused.is_none());
        }
    }

    fn decide(&self, number: usize) -> Decision {
        let millis = self.millis.get();
        self.millis.set((millis + 1) % 1_000_000);
        let (request, peer) = &self.requests[number % self.requests.len()];
        let now = UnixTime::from_seconds(NOW).plus(Duration::from_millis(millis));
        self.engine.decide(request, &Asked::default(), &At { now, verify: &Stand, peer: &**peer })
    }
}

/// Stands for Envoy, whose verification is none of the core's cost, and is the module itself where Envoy doesn't verify.
struct Stand;

impl Verify for Stand {
    fn verify(&self, alg: Alg, key: &PublicKey, text: &[u8], signature: &[u8]) -> bool {
        if self.is_slow(alg) { Module.verify(alg, key, text, signature) } else { signature.iter().any(|byte| *byte != 1) }
    }

    fn is_slow(&self, alg: Alg) -> bool {
        !matches!(alg, Alg::RS256 | Alg::ES256)
    }
}

/// A connection with a client certificate that Envoy verified.
struct Member(scenario::Shown);

impl Peer for Member {
    fn valid(&self) -> Option<bool> {
        Some(true)
    }

    fn digest(&self) -> Option<Vec<u8>> {
        Some(self.0.digest.clone().into_bytes())
    }

    fn certificate(&self) -> Shown {
        Shown::Pem(self.0.pem.clone().into_bytes())
    }

    fn server_name(&self) -> Option<Vec<u8>> {
        Some(b"api.example.com".to_vec())
    }
}
