//! Floods of forged tokens whose signatures take long to verify, on a real Envoy with one worker.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that can't go on fails"
)]

use portcullis_harness::{Algorithm, Case, Jws, Key, Request, RunningStage, Stage, jwks, mint, now};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Slow verifications in a second: few, so that the tests' own tokens can't be among them by chance.
const LIMIT: u64 = 10;

fn claims(subject: &str) -> Value {
    json!({"iss": "https://idp.test", "aud": "api", "sub": subject, "exp": now(3600)})
}

fn counted(stage: &RunningStage, reason: &str) -> u64 {
    stage.envoy.stat(&format!("wasmcustom.portcullis.portcullis.rejected.{reason}")).unwrap_or_default()
}

/// Forged tokens from several connections at once, each token another one, until `done`. Returns how many were answered, and the reasons that the counters tell.
fn flood(stage: &RunningStage, alg: &str, kid: &str, during: impl FnOnce()) -> (u64, Duration) {
    let (done, sent, begin) = (AtomicBool::new(false), AtomicU64::new(0), Instant::now());
    std::thread::scope(|scope| {
        for lane in 0..4_u32 {
            let (done, sent) = (&done, &sent);
            let client = stage.client();
            scope.spawn(move || {
                let mut connection = client.connect().expect("a connection");
                for number in 0_u32.. {
                    if done.load(Ordering::Relaxed) {
                        return;
                    }
                    let signature = [lane.to_be_bytes(), number.to_be_bytes()].concat().repeat(if alg == "PS256" { 32 } else { 8 });
                    let forged = Jws::new(json!({"alg": alg, "kid": kid}), claims("mallory")).with_signature(&signature);
                    let status = connection.send(&Request::get("/").bearer(&forged)).expect("an answer").status;
                    assert!(matches!(status, 401 | 503), "{status}");
                    sent.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        // Let it spend what was saved up.
        while counted(stage, "verification_busy") < 100 {
            assert!(begin.elapsed() < Duration::from_secs(20), "the flood was never too much");
            std::thread::sleep(Duration::from_millis(20));
        }
        during();
        done.store(true, Ordering::Relaxed);
    });
    (sent.load(Ordering::Relaxed), begin.elapsed())
}

#[test]
fn a_flood_of_forged_tokens_starves_nobody_who_is_known() {
    let (pss, ed) = (Key::fixed(Algorithm::PS256, 1).with_kid("pss"), Key::fixed(Algorithm::EdDSA, 2).with_kid("ed"));
    let (rsa, ec) = (Key::fixed(Algorithm::RS256, 3).with_kid("rsa"), Key::fixed(Algorithm::ES256, 4).with_kid("ec"));
    let stage = Stage::new()
        .config(json!({
            "providers": {"users": {"jwt": {"keys": {"jwks": jwks([&pss, &ed, &rsa, &ec])}, "issuers": ["https://idp.test"], "audiences": ["api"]}}},
            "limits": {"slow_verifications": LIMIT},
        }))
        .start();
    let case = |key: &Key, subject: &str| Case::get("/").bearer(&mint(key, claims(subject)));
    let served = |case: Case, subject: &str| case.expect(200).upstream("x-auth-subject", subject);
    let known = [case(&pss, "paula"), case(&ed, "ed")];
    stage.check([served(known[0].clone(), "paula"), served(known[1].clone(), "ed")]);

    let (answered, took) = flood(&stage, "PS256", "pss", || {
        let mut busy = 0;
        for round in 0..15 {
            // Known callers are served, every time; what Envoy verifies itself is not slow.
            stage.check([
                served(known[0].clone(), "paula"),
                served(known[1].clone(), "ed"),
                served(case(&rsa, &format!("rick-{round}")), &format!("rick-{round}")),
                served(case(&ec, &format!("eve-{round}")), &format!("eve-{round}")),
            ]);
            let stranger = stage.send(&Request::get("/").bearer(&mint(&pss, claims(&format!("stranger-{round}")))));
            if stranger.status == 503 {
                busy += 1;
                assert_eq!(stranger.header("retry-after").as_deref(), Some("5"));
                assert_eq!(stranger.header("cache-control").as_deref(), Some("no-store"));
            }
        }
        // One of them may have been the lucky tenth of its second.
        assert!(busy >= 8, "only {busy} of 15 strangers were asked to come again");
        stage.check([Case::get("/")
            .bearer(&mint(&Key::fixed(Algorithm::PS256, 9).with_kid("nobody"), claims("x")))
            .expect(401)
            .reason("key_unknown")]);
    });
    let verified = counted(&stage, "signature_invalid");
    let allowed = LIMIT * (took.as_secs() + 2);
    assert!(verified <= allowed, "{verified} forged tokens were verified in {took:?}, of {answered}; at most {allowed} should have been");
    assert!(answered > allowed * 3, "this was no flood: {answered}");

    // When it is over, strangers are welcome again.
    std::thread::sleep(Duration::from_millis(1100));
    stage.check([
        served(case(&pss, "newcomer"), "newcomer"),
        served(case(&ed, "newcomer"), "newcomer"),
        // What was bad was never remembered as good.
        Case::get("/")
            .bearer(&Jws::new(json!({"alg": "PS256", "kid": "pss"}), claims("mallory")).with_signature([7; 256]))
            .expect(401)
            .reason("signature_invalid"),
        // One byte more or less of a token that is known.
        Case::get("/").bearer(&format!("{}A", mint(&pss, claims("paula")))).expect(401),
    ]);
}

/// What the host verifies is bounded by the host's speed alone.
#[test]
fn what_envoy_verifies_is_not_bounded() {
    let ec = Key::fixed(Algorithm::ES256, 4).with_kid("ec");
    let stage = Stage::new()
        .config(json!({
            "providers": {"users": {"jwt": {"keys": {"jwks": jwks([&ec])}, "issuers": "any", "audiences": "any"}}},
            "limits": {"slow_verifications": 1},
        }))
        .start();
    let mut connection = stage.client().connect().expect("a connection");
    for number in 0..50 {
        let good = mint(&ec, claims(&format!("{number}")));
        assert_eq!(connection.send(&Request::get("/").bearer(&good)).expect("an answer").status, 200, "{number}");
        let forged = Jws::new(json!({"alg": "ES256", "kid": "ec"}), claims("x")).with_signature([number; 64]);
        assert_eq!(connection.send(&Request::get("/").bearer(&forged)).expect("an answer").status, 401, "{number}");
    }
}
