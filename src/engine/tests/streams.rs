//! Streams that end with what opened them: in portions, and whatever of it ends first.

use serde_json::{Value, json};

use super::bound::{Connection, engine, pass, token};
use super::*;
use crate::peer::Peer as _;
use crate::streams::Streams;

fn ended(effects: &[Effect]) -> Vec<(Ticket, &'static str)> {
    effects
        .iter()
        .filter_map(|effect| if let Effect::End(ended) = effect { Some((ended.ticket, ended.reason.code())) } else { None })
        .collect()
}

fn streaming(revoked: &Value, mode: &Value) -> Engine {
    engine(&json!([{"require": "users"}]), |configuration| {
        configuration["providers"]["users"]["jwt"]["streams"] = json!("end_with_token");
        configuration["revoked"] = revoked.clone();
        if !mode.is_null() {
            configuration["mode"] = mode.clone();
        }
    })
}

fn open(engine: &Engine, ticket: Ticket) {
    let mut pass = pass(engine, &token("ES256"), &Connection::of("alice"));
    engine.keep_open(ticket, pass.take_terms().expect("terms"));
}

#[test]
fn a_crowd_is_ended_in_parts_and_none_is_forgotten() {
    let mut engine = streaming(&json!({}), &json!(null));
    (0..200).for_each(|ticket| open(&engine, ticket));
    // The certificate ends in 2034, the token never.
    let end = UnixTime::from_seconds(2_019_686_401);
    assert!(ended(&engine.handle(Event::Tick, UnixTime::from_seconds(2_019_686_400), &mut || 0)).is_empty());
    let mut counts = Vec::new();
    while counts.iter().sum::<usize>() < 200 {
        counts.push(ended(&engine.handle(Event::Tick, end, &mut || 0)).len());
        assert!(engine.tick_period(end) == BUSY || counts.iter().sum::<usize>() == 200, "{counts:?}");
    }
    assert_eq!(counts, [64, 64, 64, 8]);
}

#[test]
fn the_certificate_that_a_token_is_bound_to_is_a_holder() {
    let streams: Rc<RefCell<Streams>> = Rc::default();
    let mut engine = streaming(&json!({}), &json!(null)).with_streams(Rc::clone(&streams));
    open(&engine, 1);
    assert!(ended(&engine.handle(Event::Tick, NOW, &mut || 0)).is_empty());
    let fingerprint = String::from_utf8(Connection::of("alice").digest().unwrap()).unwrap();
    for (ticket, revoked) in [(1, json!({"subjects": ["members/alice"]})), (2, json!({"certificate_sha256": [fingerprint]}))] {
        let mut next = streaming(&revoked, &json!(null));
        next.id = u64::from(ticket) + 10;
        let mut next = next.with_streams(Rc::clone(&streams));
        assert_eq!(ended(&next.handle(Event::Tick, NOW, &mut || 0)), [(ticket, "revoked")], "{revoked}");
        engine.lead();
        open(&engine, ticket + 1);
    }
}

#[test]
fn a_key_that_leaves_the_set_ends_what_it_opened() {
    let mut engine = streaming(&json!({}), &json!(null));
    open(&engine, 1);
    assert!(ended(&engine.handle(Event::Tick, NOW, &mut || 0)).is_empty());
    let set = engine.policy.key_sets[0].0;
    let document = json!({"keys": [jwk(crate::keys::Alg::ES256), jwk(crate::keys::Alg::RS256)]}).to_string();
    drop(answer(&mut engine, set, 200, &document));
    assert!(ended(&engine.handle(Event::Tick, NOW, &mut || 0)).is_empty());
    // Another key under the same kid is another key.
    let mut other = jwk(crate::keys::Alg::ES256);
    let (x, y) = ("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
    (other["x"], other["y"]) = (json!(x), json!(y));
    drop(answer(&mut engine, set, 200, &json!({"keys": [other]}).to_string()));
    assert_eq!(ended(&engine.handle(Event::Tick, NOW, &mut || 0)), [(1, "key_unknown")]);
}

#[test]
fn a_rotation_within_one_kid_ends_only_what_the_old_key_opened() {
    let mut engine = streaming(&json!({}), &json!(null));
    let set = engine.policy.key_sets[0].0;
    let (own, mut old) = (jwk(crate::keys::Alg::ES256), jwk(crate::keys::Alg::ES256));
    let (x, y) = ("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
    (old["x"], old["y"]) = (json!(x), json!(y));
    let publish = |engine: &mut Engine, keys: Value| {
        drop(answer(engine, set, 200, &json!({"keys": keys}).to_string()));
        ended(&engine.handle(Event::Tick, NOW, &mut || 0))
    };
    assert!(publish(&mut engine, json!([old, own])).is_empty());
    open(&engine, 1);
    assert!(publish(&mut engine, json!([own])).is_empty());
    // The same key for another issuer's tokens is another key.
    let mut others = own.clone();
    others["issuer"] = json!("j");
    assert_eq!(publish(&mut engine, json!([others])), [(1, "key_unknown")]);
}

#[test]
fn what_is_only_observed_is_not_ended() {
    let observing = streaming(&json!({}), &json!({"observe": {"until": "2100-01-01T00:00:00Z"}}));
    assert!(pass(&observing, &token("ES256"), &Connection::of("alice")).take_terms().is_none());
}
