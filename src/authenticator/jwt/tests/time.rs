//! Dates at both edges, and of every wrong form.

use super::*;

fn at(jwt: &Jwt, claims: Value, millis: i64) -> Option<Reason> {
    judge_at(jwt, &token(&claims), millis).err().map(|error| error.reason())
}

fn now(jwt: &Jwt, claims: Value) -> Option<Reason> {
    at(jwt, claims, NOW * 1000)
}

#[test]
fn exp_with_and_without_skew() {
    let exact = plain();
    assert_eq!(at(&exact, json!({"exp": NOW}), NOW * 1000 - 1), None);
    assert_eq!(at(&exact, json!({"exp": NOW}), NOW * 1000), Some(Reason::TokenExpired));
    assert_eq!(now(&exact, json!({"exp": NOW + 2})), None);
    let skewed = with(|jwt| jwt.clock_skew = Duration::from_secs(60));
    assert_eq!(at(&skewed, json!({"exp": NOW}), (NOW + 60) * 1000 - 1), None);
    assert_eq!(at(&skewed, json!({"exp": NOW}), (NOW + 60) * 1000), Some(Reason::TokenExpired));
    // Fractions are rounded down.
    assert_eq!(now(&exact, json!({"exp": NOW as f64 + 0.9})), Some(Reason::TokenExpired));
    assert_eq!(now(&exact, json!({"exp": NOW as f64 + 1.1})), None);
    for over in [json!(0), json!(-1), json!(1), json!(0.5), json!(-0.5)] {
        assert_eq!(now(&exact, json!({"exp": over})), Some(Reason::TokenExpired), "{over}");
    }
}

#[test]
fn exp_that_is_missing_or_no_date() {
    let required = with(|jwt| jwt.required_claims = vec!["exp".into()]);
    assert_eq!(now(&required, json!({})), Some(Reason::ClaimMissing));
    assert_eq!(now(&required, json!({"exp": null})), Some(Reason::ClaimMissing));
    assert_eq!(now(&plain(), json!({"exp": null})), None, "clients of the Engine API send it");
    for name in ["exp", "nbf", "iat"] {
        for wrong in [
            json!("1800000001"),
            json!(""),
            json!(true),
            json!([NOW]),
            json!({}),
            json!(1e30),
            json!(-1e30),
            json!(u64::MAX),
            json!(i64::MIN),
            json!(NOW * 1000),
        ] {
            assert_eq!(now(&plain(), json!({name: wrong})), Some(Reason::ClaimInvalid), "{name} {wrong}");
        }
    }
}

#[test]
fn nbf_with_and_without_skew() {
    assert_eq!(now(&plain(), json!({"nbf": NOW})), None);
    assert_eq!(now(&plain(), json!({"nbf": NOW as f64 + 0.9})), None);
    assert_eq!(at(&plain(), json!({"nbf": NOW}), NOW * 1000 - 1), Some(Reason::TokenNotYetValid));
    assert_eq!(now(&plain(), json!({"nbf": 0})), None);
    assert_eq!(now(&plain(), json!({"nbf": -1})), None);
    let skewed = with(|jwt| jwt.clock_skew = Duration::from_secs(60));
    assert_eq!(now(&skewed, json!({"nbf": NOW + 60})), None);
    assert_eq!(now(&skewed, json!({"nbf": NOW + 61})), Some(Reason::TokenNotYetValid));
}

/// The Engine API's window (hive's table): 60 s to both sides, the last second included.
#[test]
fn iat_within_a_window() {
    let engine = with(|jwt| {
        jwt.max_token_age = Some(Duration::from_secs(60));
        jwt.max_future = Duration::from_secs(60);
    });
    for (drift, expected) in
        [(0, None), (-59, None), (-60, None), (-61, Some(Reason::TokenTooOld)), (59, None), (60, None), (61, Some(Reason::TokenFromFuture))]
    {
        assert_eq!(now(&engine, json!({"iat": NOW + drift})), expected, "{drift}");
    }
    // Both clocks count whole seconds.
    assert_eq!(at(&engine, json!({"iat": NOW - 60}), NOW * 1000 + 999), None);
    assert_eq!(at(&engine, json!({"iat": NOW - 60}), NOW * 1000 + 1000), Some(Reason::TokenTooOld));
    assert_eq!(now(&engine, json!({})), Some(Reason::ClaimMissing));
    assert_eq!(now(&engine, json!({"iat": null})), Some(Reason::ClaimMissing));
    assert_eq!(now(&engine, json!({"iat": NOW.to_string()})), Some(Reason::ClaimInvalid));
    assert_eq!(now(&engine, json!({"iat": -1})), Some(Reason::TokenTooOld));
    assert_eq!(now(&engine, json!({"iat": NOW, "id": null, "clv": null, "exp": null, "aud": "x", "iss": "y"})), None);
    assert_eq!(now(&engine, json!({"iat": NOW as f64 - 59.5})), None);
    // The age has no skew, and exp has its own.
    let skewed = with(|jwt| {
        jwt.max_token_age = Some(Duration::from_secs(60));
        jwt.clock_skew = Duration::from_secs(3600);
    });
    assert_eq!(now(&skewed, json!({"iat": NOW - 61})), Some(Reason::TokenTooOld));
}

#[test]
fn a_future_iat_is_judged_whenever_there_is_one() {
    let jwt = with(|jwt| jwt.max_future = Duration::from_secs(10));
    assert_eq!(now(&jwt, json!({"iat": NOW + 10})), None);
    assert_eq!(now(&jwt, json!({"iat": NOW + 11})), Some(Reason::TokenFromFuture));
    assert_eq!(now(&jwt, json!({"iat": 1})), None);
}

#[test]
fn lifetime_implies_both_of_its_ends() {
    let jwt = with(|jwt| jwt.max_token_lifetime = Some(Duration::from_secs(3600)));
    assert_eq!(now(&jwt, json!({"iat": NOW - 100, "exp": NOW + 3500})), None);
    assert_eq!(now(&jwt, json!({"iat": NOW - 100, "exp": NOW + 3501})), Some(Reason::TokenLifetime));
    assert_eq!(now(&jwt, json!({"exp": NOW + 10})), Some(Reason::ClaimMissing));
    assert_eq!(now(&jwt, json!({"iat": NOW})), Some(Reason::ClaimMissing));
    assert_eq!(now(&jwt, json!({"iat": -253_402_300_799i64, "exp": 253_402_300_799i64})), Some(Reason::TokenLifetime));
}

#[test]
fn a_token_that_was_verified_before_ends_at_the_same_instant() {
    let jwt = with(|jwt| {
        jwt.clock_skew = Duration::from_secs(5);
        jwt.max_token_age = Some(Duration::from_secs(60));
        jwt.max_token_lifetime = Some(Duration::from_secs(10_000));
    });
    for claims in [
        json!({"iat": NOW, "exp": NOW + 20}),
        json!({"iat": NOW, "exp": NOW + 1000}),
        json!({"iat": NOW, "exp": NOW + 1000, "nbf": NOW + 5}),
    ] {
        let text = token(&claims);
        let verified = |millis| {
            let now = UnixTime::from_millis(u64::try_from(millis).unwrap());
            match authenticate(&jwt, jwt.read(text.as_bytes()).unwrap(), None, now) {
                Ok(Verdict::Good(verified)) => Ok(verified.times),
                other => Err(other.unwrap_err()),
            }
        };
        let times = verified(NOW * 1000).unwrap();
        let mut ends = 0;
        for second in -70..=70 {
            for millis in [(NOW + second) * 1000 - 1, (NOW + second) * 1000] {
                let again = jwt.check_again(times, UnixTime::from_millis(u64::try_from(millis).unwrap()));
                assert_eq!(again, verified(millis).map(drop), "{claims} {millis}");
                ends += u32::from(again.is_err());
            }
        }
        assert!(ends > 0, "{claims}");
    }
}
