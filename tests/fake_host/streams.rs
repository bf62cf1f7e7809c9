//! `streams: end_with_token`, with time in the test's hand: a stream ends when a new request with its token would be refused, and not before.

use std::time::Duration;

use super::clock::{NOW, send_stream, shared, tokens, with};
use super::vm::Vm;

const ENDING: &str = r#""streams":"end_with_token""#;

#[track_caller]
fn assert_closed(vm: &Vm, id: u32, closed: bool) {
    assert_eq!(vm.stream(id).closed, closed, "{:#?}", vm.log());
}

fn token(exp: u64) -> String {
    shared(&format!(r#"{{"sub":"alice","exp":{exp}}}"#))
}

#[test]
fn a_stream_ends_to_the_moment() {
    with(&tokens(&format!(r#"{ENDING},"clock_skew":"2s""#)), |vm| {
        vm.pass(Duration::from_secs(1));
        let (short, long) = (send_stream(vm, &token(NOW + 10)), send_stream(vm, &token(NOW + 20)));
        vm.pass(Duration::from_millis(10_990));
        assert_closed(vm, short, false);
        vm.pass(Duration::from_millis(20));
        assert_closed(vm, short, true);
        assert_closed(vm, long, false);
        vm.end(short);
        vm.pass(Duration::from_secs(10));
        assert_closed(vm, long, true);
        let lines = vm.log().iter().filter(|line| line.starts_with("ended reason=token_expired provider=users subject=\"alice\"")).count();
        assert_eq!(lines, 2);
    });
}

#[test]
fn a_stream_ends_when_its_token_is_too_old() {
    with(&tokens(&format!(r#"{ENDING},"max_token_age":"5s","required_claims":[]"#)), |vm| {
        let id = send_stream(vm, &shared(&format!(r#"{{"sub":"alice","iat":{NOW}}}"#)));
        vm.pass(Duration::from_millis(5_990));
        assert_closed(vm, id, false);
        vm.pass(Duration::from_millis(20));
        assert_closed(vm, id, true);
    });
}

/// Whoever sets the clock forward ends what is over by it, and whoever sets it back keeps nothing open for longer than the token says by that clock.
#[test]
fn the_clock_decides() {
    with(&tokens(&format!(r#"{ENDING},"clock_skew":"0s""#)), |vm| {
        let id = send_stream(vm, &token(NOW + 100));
        vm.set_clock(NOW + 1000);
        vm.pass(Duration::from_secs(1));
        assert_closed(vm, id, true);
        vm.set_clock(NOW);
        let id = send_stream(vm, &token(NOW + 100));
        vm.set_clock(NOW - 500);
        vm.pass(Duration::from_secs(300));
        assert_closed(vm, id, false);
        vm.pass(Duration::from_secs(301));
        assert_closed(vm, id, true);
    });
}

#[test]
fn who_has_left_is_forgotten_and_who_cannot_be_reached_holds_nobody_up() {
    with(&tokens(&format!(r#"{ENDING},"clock_skew":"0s""#)), |vm| {
        let left = send_stream(vm, &token(NOW + 5));
        vm.end(left);
        vm.pass(Duration::from_secs(6));
        assert!(!vm.log().iter().any(|line| line.starts_with("ended")), "{:#?}", vm.log());
        for call in ["proxy_close_stream", "proxy_set_property"] {
            let id = send_stream(vm, &token(NOW + 12));
            vm.calls(|calls| calls.fail(call, 10));
            vm.pass(Duration::from_secs(7));
            vm.calls(super::calls::Calls::heal);
            vm.end(id);
            vm.set_clock(NOW + 6);
            let next = send_stream(vm, &token(NOW + 12));
            vm.pass(Duration::from_secs(7));
            assert_closed(vm, next, true);
            vm.end(next);
            vm.set_clock(NOW + 6);
        }
    });
}

/// A new policy takes over what an earlier one let in.
#[test]
fn a_new_policy_revokes_what_is_open() {
    let revoked = |list: &str| tokens(ENDING).replacen("{\"providers\"", &format!("{{\"revoked\":{list},\"providers\""), 1);
    with(&tokens(ENDING), |vm| {
        let by = |vm: &mut Vm, subject: &str| {
            send_stream(vm, &shared(&format!(r#"{{"sub":"{subject}","jti":"t-{subject}","exp":{}}}"#, NOW + 1000)))
        };
        let (alice, bob, carol) = (by(vm, "alice"), by(vm, "bob"), by(vm, "carol"));
        assert!(vm.configure(revoked(r#"{"subjects":["users/alice"],"jti":["t-bob"]}"#)), "{:#?}", vm.log());
        vm.pass(Duration::from_millis(50));
        for (id, closed) in [(alice, true), (bob, true), (carol, false)] {
            assert_closed(vm, id, closed);
        }
        assert!(vm.log().iter().any(|line| line == "ended reason=revoked provider=users subject=\"bob\""));
        vm.set_clock(NOW + 1060);
        vm.pass(Duration::from_secs(1));
        assert_closed(vm, carol, true);
    });
}
