//! A clock that steps back and forth, again and again, as it does where two time servers disagree: nothing is let through for it, nobody is locked out
//! by it for longer than it goes on, and nobody floods the issuer.

use std::time::Duration;

use super::clock::{HOUR, NOW, assert_status, jwks, published_until, send, with, with_keys};
use super::vm::{Outcome, Vm};

const SWINGS: u64 = 100;

/// The clock goes forward by an hour, back by an hour, forward, ...; at each end `look` is told whether it is ahead, and then two seconds pass.
fn swing(vm: &mut Vm, mut look: impl FnMut(&mut Vm, bool)) {
    for number in 0..SWINGS {
        for is_ahead in [true, false] {
            vm.set_clock(NOW + 10 * number + if is_ahead { HOUR } else { 0 });
            look(vm, is_ahead);
            vm.pass(Duration::from_secs(2));
        }
    }
}

fn answer_all(vm: &mut Vm, status: u16, body: &str) {
    for (fetch, _) in vm.callouts() {
        vm.answer(fetch, status, &[], body);
    }
}

/// A good token with another signature.
fn forged(token: &str) -> String {
    format!("{}.{}", token.rsplit_once('.').unwrap().0, "A".repeat(86))
}

#[test]
fn keys_serve_on_and_each_token_has_its_end() {
    with_keys(|vm| {
        let (long, short) = (published_until(NOW + 100 * HOUR), published_until(NOW + HOUR / 2));
        swing(vm, |vm, is_ahead| {
            assert_status(vm, &long, 200, "");
            assert_eq!(send(vm, &short), if is_ahead { (401, "token_expired".to_owned()) } else { (200, String::new()) });
            assert_status(vm, &forged(&long), 401, "signature_invalid");
            answer_all(vm, 200, &jwks());
        });
        // Once an hour, and each time that an hour seems to have gone by.
        let fetches = vm.host(|host| host.dispatched);
        assert!(u64::from(fetches) <= SWINGS + 2, "{fetches} fetches");
        assert_status(vm, &long, 200, "");
    });
}

/// Each swing makes the keys an hour older: what is too old in the end isn't good, and it ends when the issuer answers.
#[test]
fn keys_that_nobody_refreshes_grow_old_and_come_back() {
    with_keys(|vm| {
        let good = published_until(NOW + 1000 * HOUR);
        let mut seen = Vec::new();
        swing(vm, |vm, _| {
            seen.push(send(vm, &good));
            assert_ne!(send(vm, &forged(&good)).0, 200);
            answer_all(vm, 503, "");
        });
        let (good_at, stale_at) = ((200, String::new()), (503, "keys_stale".to_owned()));
        assert!(seen.iter().all(|outcome| [&good_at, &stale_at].contains(&outcome)), "{seen:?}");
        // For some hours it depends on which of the two clocks is right.
        assert!(
            seen[..100].iter().all(|outcome| *outcome == good_at) && seen[180..].iter().all(|outcome| *outcome == stale_at),
            "{seen:?}"
        );
        let recovered = (0..610).find(|_| {
            vm.pass(Duration::from_millis(100));
            answer_all(vm, 200, &jwks());
            send(vm, &good).0 == 200
        });
        assert!(recovered.is_some(), "no fetch within the longest pause: {:#?}", vm.log());
    });
}

/// Whoever waits is answered, and the next fetch comes, however the clock stands.
#[test]
fn nobody_waits_for_a_time_that_never_comes() {
    let configuration = r#"{"providers":{"idp":{"jwt":{"keys":{"jwks_uri":"https://idp.example/keys","cluster":"idp","wait":"5s","timeout":"2s"},
        "issuers":["https://idp.example"],"audiences":["api"]}}}}"#;
    with(configuration, |vm| {
        let good = published_until(NOW + 1000 * HOUR);
        let bearer = format!("Bearer {good}");
        let request =
            [(":method", "GET"), (":scheme", "https"), (":authority", "api.example.com"), (":path", "/"), ("authorization", &bearer)];
        let mut waiting = Vec::new();
        swing(vm, |vm, _| waiting.push(vm.request(&request)));
        vm.pass(Duration::from_secs(10));
        for id in waiting {
            assert_eq!(vm.outcome(id).replied().status, 503, "somebody still waits");
        }
        let recovered = (0..610).find(|_| {
            vm.pass(Duration::from_millis(100));
            for (fetch, _) in vm.callouts().split_off(vm.callouts().len().saturating_sub(1)) {
                vm.answer(fetch, 200, &[], jwks());
            }
            matches!(vm.outcome_of(&request), Outcome::Upstream(_))
        });
        assert!(recovered.is_some(), "no fetch: {:#?}", vm.log());
    });
}

const LOGINS: &str = r#"{"providers":{"shoppers":{"remote":{
    "credential":"bearer","cache":"60s","endpoints":{"default":{"cluster":"login","uri":"https://login.example/"}},
    "request":{"timeout":"2s","form":{"token":"{token}"}},"identity":{"subject":{"claim":"sub"}}}}}}"#;

/// A login that was remembered lasts no longer for it, and one under way is answered.
#[test]
fn a_login_lasts_no_longer_than_it_would() {
    with(LOGINS, |vm| {
        let ask = |vm: &mut Vm| {
            let request = [
                (":method", "GET"),
                (":scheme", "https"),
                (":authority", "api.example.com"),
                (":path", "/"),
                ("authorization", "Bearer t"),
            ];
            let id = vm.request(&request);
            // A timer that was set by another clock fires within a second all the same.
            vm.pass(Duration::from_millis(1100));
            let asked = vm.callouts().len();
            answer_all(vm, 200, r#"{"sub":"alice"}"#);
            vm.pass(Duration::from_millis(100));
            assert!(matches!(vm.outcome(id), Outcome::Upstream(_)), "{:?}", vm.outcome(id));
            asked
        };
        assert_eq!((ask(vm), ask(vm)), (1, 0), "it is remembered");
        // Back by an hour: what was remembered for a minute still is, for what is left of the minute.
        vm.set_clock(NOW - HOUR);
        assert_eq!(ask(vm), 0);
        vm.pass(Duration::from_secs(54));
        assert_eq!(ask(vm), 0);
        vm.pass(Duration::from_secs(3));
        assert_eq!(ask(vm), 1, "a minute has gone by");
        // Forward by an hour, the minute is over; and back again, what was learned then has a minute, too.
        vm.set_clock(NOW + HOUR);
        assert_eq!((ask(vm), ask(vm)), (1, 0));
        vm.set_clock(NOW);
        vm.pass(Duration::from_secs(61));
        assert_eq!(ask(vm), 1);
        // Under way while the clock jumps: answered all the same, by what the service says or by nobody's word.
        for jump in [NOW - 100 * HOUR, NOW, NOW + 100 * HOUR, NOW] {
            let bearer = format!("Bearer {jump}");
            let request =
                [(":method", "GET"), (":scheme", "https"), (":authority", "api.example.com"), (":path", "/"), ("authorization", &bearer)];
            let (id, silent) = (vm.request(&request), vm.request(&request));
            vm.pass(Duration::from_millis(100));
            vm.set_clock(jump);
            vm.pass(Duration::from_secs(4));
            for id in [id, silent] {
                assert_eq!(vm.outcome(id).replied().status, 503, "to {jump}");
            }
            // What comes now is too late, and changes nothing.
            answer_all(vm, 401, "");
            ask(vm);
            assert_eq!(ask(vm), 0, "to {jump}");
        }
    });
}
