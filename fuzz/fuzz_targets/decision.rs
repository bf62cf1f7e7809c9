//! Whole decisions: any request, over any of a few connections, under a few policies. What passes must be explained by the oracle.

#![no_main]

use std::cell::RefCell;
use std::rc::Rc;

use libfuzzer_sys::fuzz_target;
use portcullis::decision::{Asked, Decision};
use portcullis::engine::Engine;
use portcullis::judgement::At;
use portcullis::request::Request;
use portcullis::signature::Module;
use portcullis::time::UnixTime;
use portcullis_fuzz::exchange::{Connection, edited, fields, request};
use portcullis_fuzz::material::{MEMBER, NOW};
use portcullis_fuzz::oracle::Passed;
use portcullis_fuzz::reading::{Field, folded, has_parameter};
use portcullis_fuzz::scene::{Credential, VARIANTS, credentials, policy};

/// What lives through all runs: a decision must not depend on what was decided before.
struct Stage {
    engines: Vec<Engine>,
    credentials: Vec<Credential>,
}

thread_local! {
    static STAGE: Stage = Stage { engines: (0..VARIANTS).map(engine).collect(), credentials: credentials() };
}

fn engine(variant: usize) -> Engine {
    let (policy, _) = portcullis::config::load(policy(variant).to_string().as_bytes(), &|_| None).expect("it loads");
    Engine::new(policy, Rc::<RefCell<_>>::default(), UnixTime::from_seconds(NOW), 1)
}

fuzz_target!(|data: &[u8]| {
    let [variant, connection, text @ ..] = data else { return };
    STAGE.with(|stage| decide(stage, usize::from(*variant) % VARIANTS, Connection::numbered(*connection), text));
});

fn decide(stage: &Stage, variant: usize, connection: Connection, text: &[u8]) {
    let sent = fields(text, &stage.credentials);
    let request = request(&sent);
    let decision = decided(&stage.engines[variant], &request, &connection);
    assert_eq!(told(&decision), told(&decided(&stage.engines[variant], &request, &connection)), "it is decided otherwise the second time");
    match &decision {
        Decision::Pass(pass) => {
            let upstream = edited(&sent, pass.edits());
            let is_member = connection.certificate == Some(MEMBER) && connection.valid == Some(true);
            let passed = Passed {
                sent: &sent,
                upstream: &upstream,
                member: connection.server_name.filter(|_| is_member),
                credentials: &stage.credentials,
                // Who is only observed keeps all that was sent.
                keeps: variant == 1,
                lenient: variant == 2,
            };
            // What is observed keeps its credentials, the bad ones, too: only who it is said to be counts.
            if variant != 3
                && let Err(why) = passed.judge()
            {
                panic!("{why}\nsent {}\nupstream {}", shown(&sent), shown(&upstream));
            }
        }
        Decision::Observe(observation) => {
            let edits = observation.edits();
            assert!(variant == 3 && edits.set.is_empty() && edits.cookie.is_none() && edits.path.is_none(), "{edits:?}");
            let left = edited(&sent, edits);
            assert!(!left.iter().any(|(name, _)| folded(name) == b"x-auth-subject"), "a stranger names himself");
        }
        Decision::Reject(rejection) => {
            let reply = &rejection.reply;
            assert!((400..=599).contains(&reply.status), "{}", reply.status);
            assert!(reply.headers.iter().any(|(name, value)| *name == "cache-control" && value == "no-store"));
            assert!(reply.headers.iter().all(|(_, value)| value.bytes().all(|b| matches!(b, b' '..=b'~'))), "{:?}", reply.headers);
            assert!(rejection.edits.set.is_empty());
            let left = edited(&sent, &rejection.edits);
            let logged: Vec<u8> = left.iter().filter(|(name, _)| name == b":path").flat_map(|(_, value)| value.clone()).collect();
            assert!(!has_parameter(&logged, "access_token"), "the access log gets the credential");
        }
        Decision::Wait(wait) => panic!("there is nothing to wait for: {wait:?}"),
    }
}

fn decided(engine: &Engine, request: &Request, connection: &Connection) -> Decision {
    engine.decide(request, &Asked::default(), &At { now: UnixTime::from_seconds(NOW), verify: &Module, peer: connection })
}

/// What a client and an upstream can tell of a decision.
fn told(decision: &Decision) -> String {
    match decision {
        Decision::Pass(pass) => format!("{:?} {:?}", pass.edits(), pass.identity().map(|identity| &identity.subject)),
        Decision::Observe(observation) => format!("observed {:?}", observation.edits()),
        Decision::Reject(rejection) => format!("{:?} {:?}", rejection.reply, rejection.refusal.reason()),
        Decision::Wait(wait) => format!("{wait:?}"),
    }
}

fn shown(fields: &[Field]) -> String {
    fields.iter().map(|(name, value)| format!("\n  {}: {}", name.escape_ascii(), value.escape_ascii())).collect()
}
