//! The threats in `tests/threats.rs` that need time to pass, or the clock to lie: an attack each, and what answers it. Time is all that mallory works
//! with here: what was hers once, she uses again.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use sha2::{Digest as _, Sha256};

use super::pairs;
use super::vm::{StreamId, Vm, on_a_vm};

/// 2026-01-01, when the host's clock begins.
pub(super) const NOW: u64 = 1_767_225_600;
pub(super) const HOUR: u64 = 3600;
const KEY: &str = "0123456789abcdef0123456789abcdef";

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A token of the shared key.
pub(super) fn shared(claims: &str) -> String {
    let text = format!("{}.{}", b64(r#"{"alg":"HS256"}"#), b64(claims));
    let mac = Hmac::<Sha256>::new_from_slice(KEY.as_bytes()).unwrap().chain_update(&text).finalize().into_bytes();
    format!("{text}.{}", b64(mac))
}

/// A token of the published key, good for years.
fn published() -> String {
    published_until(NOW + 100_000 * HOUR)
}

/// A token of the published key.
pub(super) fn published_until(end: u64) -> String {
    let claims = format!(r#"{{"iss":"https://idp.example","aud":"api","sub":"alice","exp":{end}}}"#);
    let text = format!("{}.{}", b64(r#"{"alg":"ES256","kid":"k1"}"#), b64(claims));
    let signature: Signature = key().sign(text.as_bytes());
    format!("{text}.{}", b64(signature.to_bytes()))
}

fn key() -> SigningKey {
    SigningKey::from_slice(&[7; 32]).unwrap()
}

pub(super) fn jwks() -> String {
    let point = key().verifying_key().to_sec1_point(false);
    let (x, y) = (b64(&point.as_bytes()[1..33]), b64(&point.as_bytes()[33..]));
    format!(r#"{{"keys":[{{"kty":"EC","crv":"P-256","kid":"k1","alg":"ES256","x":"{x}","y":"{y}"}}]}}"#)
}

pub(super) fn with<T: Send>(configuration: &str, test: impl FnOnce(&mut Vm) -> T + Send) -> T {
    on_a_vm(portcullis::envoy::start, |vm| {
        assert!(vm.configure(configuration), "{:#?}", vm.log());
        test(vm)
    })
}

/// A provider of tokens by the shared key, with these settings.
pub(super) fn tokens(settings: &str) -> String {
    format!(
        r#"{{"providers":{{"users":{{"jwt":{{"keys":{{"secret":{{"text":"{KEY}"}}}},"issuers":"any","audiences":"any",{settings}}}}}}}}}"#
    )
}

/// Status and reason; 200 and nothing where the request goes upstream. Nothing waits.
#[track_caller]
pub(super) fn send(vm: &mut Vm, token: &str) -> (u32, String) {
    let id = request(vm, token);
    match vm.outcome(id) {
        super::vm::Outcome::Upstream(headers) => {
            assert!(pairs::all(&headers, "authorization").is_empty());
            (200, String::new())
        }
        super::vm::Outcome::Replied(reply) => (reply.status, reply.details),
        super::vm::Outcome::Waiting => panic!("it waits"),
    }
}

fn request(vm: &mut Vm, token: &str) -> StreamId {
    let bearer = format!("Bearer {token}");
    vm.request(&[(":method", "GET"), (":scheme", "https"), (":authority", "api.example.com"), (":path", "/"), ("authorization", &bearer)])
}

/// A stream that a good token opens.
#[track_caller]
pub(super) fn send_stream(vm: &mut Vm, token: &str) -> StreamId {
    let id = request(vm, token);
    vm.outcome(id).upstream();
    id
}

#[track_caller]
pub(super) fn assert_status(vm: &mut Vm, token: &str, status: u32, reason: &str) {
    assert_eq!(send(vm, token), (status, reason.to_owned()));
}

/// A token that mallory found in a log of yesterday. It was good when she found it, and is again each time that she sends it: until the very second of
/// its `exp`, and for the skew that clocks may have, never longer.
#[test]
fn a_token_that_has_been_good() {
    with(&tokens(r#""clock_skew":"0s""#), |vm| {
        let token = shared(&format!(r#"{{"sub":"alice","exp":{}}}"#, NOW + 100));
        assert_status(vm, &token, 200, "");
        vm.set_clock(NOW + 99);
        assert_status(vm, &token, 200, "");
        vm.pass(Duration::from_millis(999));
        assert_status(vm, &token, 200, "");
        vm.set_clock(NOW + 100);
        assert_status(vm, &token, 401, "token_expired");
        vm.set_clock(NOW + 1_000_000);
        assert_status(vm, &token, 401, "token_expired");
        for exp in ["0", "-1", "1e3", "1767225599.999"] {
            vm.set_clock(NOW);
            assert_status(vm, &shared(&format!(r#"{{"sub":"alice","exp":{exp}}}"#)), 401, "token_expired");
        }
    });
    with(&tokens(r#""clock_skew":"60s","max_token_age":"5m","required_claims":["exp"]"#), |vm| {
        let token = shared(&format!(r#"{{"sub":"alice","exp":{},"iat":{NOW}}}"#, NOW + 100));
        vm.set_clock(NOW + 159);
        assert_status(vm, &token, 200, "");
        vm.set_clock(NOW + 160);
        assert_status(vm, &token, 401, "token_expired");
        // One without end is as old as it may be, and no older.
        let endless = shared(&format!(r#"{{"sub":"alice","exp":99999999999,"iat":{NOW}}}"#));
        vm.set_clock(NOW + 300);
        assert_status(vm, &endless, 200, "");
        vm.set_clock(NOW + 301);
        assert_status(vm, &endless, 401, "token_too_old");
    });
}

/// A token that mallory made herself for later, while she had the key: it says that it was issued next year.
#[test]
fn a_token_from_the_future() {
    with(&tokens(r#""max_token_lifetime":"1h""#), |vm| {
        let token = |from: u64| shared(&format!(r#"{{"sub":"alice","iat":{from},"exp":{}}}"#, from + HOUR));
        let later = token(NOW + 8760 * HOUR);
        assert_status(vm, &later, 401, "token_from_future");
        assert_status(vm, &token(NOW), 200, "");
        // What it says is what counts: a longer life it can't have, and a start it has to wait for.
        assert_status(vm, &shared(&format!(r#"{{"sub":"alice","iat":{NOW},"exp":{}}}"#, NOW + 8760 * HOUR)), 401, "token_lifetime");
        let not_yet = shared(&format!(r#"{{"sub":"alice","iat":{NOW},"nbf":{},"exp":{}}}"#, NOW + 120, NOW + HOUR));
        assert_status(vm, &not_yet, 401, "token_not_yet_valid");
        vm.set_clock(NOW + 120);
        assert_status(vm, &not_yet, 200, "");
    });
}

/// A secret that was leaked, and therefore replaced: both are good for a day, and the old one for not a second longer.
#[test]
fn a_secret_that_was_replaced() {
    let digest = |secret: &str| Sha256::digest(secret).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let configuration = format!(
        r#"{{"providers":{{"partners":{{"static_secret":{{"callers":[{{"id":"billing","secrets":[
            {{"id":"old","sha256":"{}","not_after":"2026-01-02T00:00:00Z"}},
            {{"id":"new","sha256":"{}","not_before":"2026-01-01T12:00:00Z"}}]}}]}}}}}}}}"#,
        digest("leaked"),
        digest("fresh")
    );
    with(&configuration, |vm| {
        assert_status(vm, "leaked", 200, "");
        assert_status(vm, "fresh", 401, "secret_expired");
        vm.set_clock(NOW + 12 * HOUR);
        assert_status(vm, "leaked", 200, "");
        assert_status(vm, "fresh", 200, "");
        vm.set_clock(NOW + 24 * HOUR - 1);
        assert_status(vm, "leaked", 200, "");
        for hours in [24, 25, 8760] {
            vm.set_clock(NOW + hours * HOUR);
            assert_status(vm, "leaked", 401, "secret_expired");
            assert_status(vm, "fresh", 200, "");
        }
    });
}

const KEYS: &str = r#"{"providers":{"idp":{"jwt":{
    "keys":{"jwks_uri":"https://idp.example/keys","cluster":"idp","refresh":"1h","max_stale":"72h"},
    "issuers":["https://idp.example"],"audiences":["api"]}}}}"#;

/// With its first key set, which came at [`NOW`].
pub(super) fn with_keys(test: impl FnOnce(&mut Vm) + Send) {
    with(KEYS, |vm| {
        vm.pass(Duration::from_millis(1));
        let (fetch, _) = vm.callouts()[0].clone();
        vm.answer(fetch, 200, &[], jwks());
        assert_status(vm, &published(), 200, "");
        test(vm);
    });
}

/// Time passes, and every fetch fails: mallory stands between Envoy and the issuer.
fn pass_without_answers(vm: &mut Vm, hours: u64) {
    for _ in 0..hours {
        // An hour in which nothing happens, and a minute in which a fetch is tried.
        vm.host(|host| host.now_ns += 59 * 60_000_000_000);
        for _ in 0..2 {
            vm.pass(Duration::from_secs(30));
            for (fetch, _) in vm.callouts() {
                vm.answer(fetch, 503, &[], "");
            }
        }
    }
}

/// Mallory has a key of the issuer's, and the issuer has taken it back: as long as no fetch gets through to it, hers goes on being good. For `max_stale`
/// beyond the refresh, and then nothing is.
#[test]
fn a_key_that_was_taken_back() {
    with_keys(|vm| {
        pass_without_answers(vm, 72);
        assert_status(vm, &published(), 200, "");
        pass_without_answers(vm, 2);
        assert_status(vm, &published(), 503, "keys_stale");
        pass_without_answers(vm, 100);
        assert_status(vm, &published(), 503, "keys_stale");
        // What answers but is no key set is no better.
        for body in ["", "{}", r#"{"keys":[]}"#, r#"{"keys":[{"kty":"oct","kid":"k1","k":"AAAA"}]}"#] {
            for _ in 0..120 {
                vm.pass(Duration::from_secs(1));
                if let Some((fetch, _)) = vm.callouts().first() {
                    vm.answer(*fetch, 200, &[], body);
                    break;
                }
            }
            assert_status(vm, &published(), 503, "keys_stale");
        }
    });
}

/// She also answers for the time server: each day the clock is set back by a day, so that the keys never get old.
#[test]
fn a_clock_that_is_set_back_while_keys_grow_old() {
    with_keys(|vm| {
        for day in 0..4 {
            pass_without_answers(vm, 24);
            let status = if day < 3 { 200 } else { 503 };
            assert_eq!(send(vm, &published()).0, status, "day {day}");
            vm.set_clock(NOW);
            vm.pass(Duration::from_secs(1));
        }
        assert_status(vm, &published(), 503, "keys_stale");
    });
}

/// The clock jumps, forwards or backwards, while requests wait and fetches are on their way: nobody waits for ever, and no fetch is the last one.
#[test]
fn a_clock_that_jumps() {
    for jump in [0, 1, NOW - 100 * HOUR, NOW - 1, NOW + 1, NOW + 100 * HOUR, 4_000_000_000] {
        with(KEYS, |vm| {
            vm.pass(Duration::from_millis(1));
            let bearer = format!("Bearer {}", published());
            let request =
                [(":method", "GET"), (":scheme", "https"), (":authority", "api.example.com"), (":path", "/"), ("authorization", &bearer)];
            let waiting = vm.request(&request);
            vm.set_clock(jump);
            vm.pass(Duration::from_secs(12));
            // It was answered: by keys that are not there, or, from where the clock now stands, by a token that has run out.
            assert!([401, 503].contains(&vm.outcome(waiting).replied().status), "to {jump}");
            for clock in [None, Some(NOW)] {
                if let Some(clock) = clock {
                    vm.set_clock(clock);
                }
                for _ in 0..200 {
                    vm.pass(Duration::from_secs(1));
                    for (fetch, _) in vm.callouts() {
                        vm.answer(fetch, 200, &[], jwks());
                    }
                }
            }
            assert!(vm.host(|host| host.dispatched) >= 2, "no further fetch after a jump to {jump}");
            assert_eq!(send(vm, &published()).0, 200, "to {jump} and back");
        });
    }
}

/// Observe mode was for two hours. Mallory, whom it let in, is still there when they are over, and so is everything that nobody switched off.
#[test]
fn observing_until_its_time_is_up() {
    let configuration = tokens(r#""clock_skew":"0s""#).replacen('{', r#"{"mode":{"observe":{"until":"2026-01-01T02:00:00Z"}},"#, 1);
    with(&configuration, |vm| {
        let verdict = |vm: &mut Vm, bearer: &str| {
            let request =
                [(":method", "GET"), (":scheme", "https"), (":authority", "api.example.com"), (":path", "/"), ("authorization", bearer)];
            let id = vm.request(&request);
            vm.stream(id).properties.filter_state("portcullis.verdict")
        };
        let good = format!("Bearer {}", shared(&format!(r#"{{"sub":"alice","exp":{}}}"#, NOW + 1000 * HOUR)));
        for (time, observed) in [(0, true), (2 * HOUR - 1, true), (2 * HOUR, false), (3 * HOUR, false), (800 * HOUR, false)] {
            vm.set_clock(NOW + time);
            assert_eq!(verdict(vm, "Bearer junk").as_deref(), observed.then_some("observe"), "{time}");
            assert_eq!(verdict(vm, &good).as_deref(), Some("allow"), "{time}");
        }
    });
}
