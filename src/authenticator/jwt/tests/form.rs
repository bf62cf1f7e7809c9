//! The compact form, the header, and the attacks on both.

use proptest::prelude::*;

use super::*;

const GOOD: &str = r#"{"alg":"HS256"}"#;

fn malformed(token: &str) {
    assert_eq!(reason(&plain(), token), Reason::TokenMalformed, "{token}");
}

/// RFC 7515, appendix A.1.
#[test]
fn the_token_of_rfc_7515_a1() {
    let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let key = URL_SAFE_NO_PAD.decode("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow").unwrap();
    let jwt = with(|jwt| {
        jwt.keys = Keys::Secret(HmacKey::new(&key, AlgSet::from(Alg::ALL)));
        jwt.issuers = Some(vec!["joe".into()]);
    });
    let identity = judge_at(&jwt, token, 1_300_819_379_999).unwrap();
    assert_eq!(identity.token.as_ref().unwrap().claims["http://example.com/is_root"], true);
    assert_eq!(identity.token.unwrap().encoded.unwrap(), token.split('.').nth(1).unwrap());
    assert_eq!(judge_at(&jwt, token, 1_300_819_380_000).unwrap_err(), TokenError::Expired);
    for place in [0, 20, 45, 80, token.len() - 2] {
        let mut changed = token.as_bytes().to_vec();
        changed[place] ^= 1;
        judge_at(&jwt, std::str::from_utf8(&changed).unwrap(), 1_300_819_379_999).unwrap_err();
    }
}

#[test]
fn exactly_three_parts_in_base64url() {
    let token = token(&json!({"sub": "a"}));
    let parts: Vec<&str> = token.split('.').collect();
    assert!(judge(&plain(), &token).is_ok());
    malformed("");
    malformed(".");
    malformed("..");
    malformed("...");
    malformed(parts[0]);
    malformed(&format!("{}.{}", parts[0], parts[1]));
    malformed(&format!("{token}."));
    malformed(&format!("{token}.{}", parts[2]));
    malformed(&format!(".{token}"));
    for padded in ["=", "==", " ", "\n", "\t", "\0", "%3D"] {
        malformed(&format!("{token}{padded}"));
        malformed(&format!("{padded}{token}"));
        malformed(&format!("{}{padded}.{}.{}", parts[0], parts[1], parts[2]));
        malformed(&format!("{}.{}{padded}.{}", parts[0], parts[1], parts[2]));
    }
    // The last character of 32 bytes carries four bits; the other two have to be zero.
    let last = token.chars().last().unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let stray = alphabet.chars().nth(alphabet.find(last).unwrap() + 1).unwrap();
    malformed(&format!("{}{stray}", token.strip_suffix(last).unwrap()));
    malformed(&token.replace('.', ".+"));
    malformed("\u{fc}.\u{fc}.\u{fc}");
    assert_eq!(Token::parse(b"\xff.\xff.\xff").unwrap_err().reason(), Reason::TokenMalformed);
}

#[test]
fn header_and_payload_are_objects_without_duplicates() {
    for text in [
        "",
        "[]",
        "null",
        "1",
        "\"x\"",
        "{",
        "{}x",
        r#"{"alg":"HS256","alg":"HS256"}"#,
        r#"{"alg":"HS256","\u0061lg":"none"}"#,
        "\u{feff}{}",
    ] {
        malformed(&signed(Alg::HS256, text, "{}"));
        malformed(&signed(Alg::HS256, GOOD, text));
    }
    malformed(&signed(Alg::HS256, GOOD, r#"{"sub":"a","sub":"b"}"#));
    malformed(&signed(Alg::HS256, GOOD, r#"{"a":{"b":1,"b":2}}"#));
    let deep = |n: usize| signed(Alg::HS256, GOOD, &format!("{{\"a\":{}{}}}", "[".repeat(n), "]".repeat(n)));
    assert!(judge(&plain(), &deep(31)).is_ok());
    malformed(&deep(32));
    assert!(judge(&plain(), &signed(Alg::HS256, " {\r\n \"alg\" : \"HS256\" } ", " {} ")).is_ok());
    let long = format!("{}.{}", token(&json!({})), "A".repeat(17_000));
    assert_eq!(reason(&plain(), &long), Reason::CredentialTooLarge);
}

#[test]
fn header_parameters_that_change_the_meaning() {
    for header in [
        r#"{}"#,
        r#"{"typ":"JWT"}"#,
        r#"{"alg":null}"#,
        r#"{"alg":["HS256"]}"#,
        r#"{"alg":"HS256","crit":["exp"]}"#,
        r#"{"alg":"HS256","crit":[]}"#,
        r#"{"alg":"HS256","crit":null}"#,
        r#"{"alg":"HS256","crit":["b64"],"b64":false}"#,
        r#"{"alg":"HS256","b64":false}"#,
        r#"{"alg":"HS256","b64":true}"#,
        r#"{"alg":"HS256","kid":1}"#,
        r#"{"alg":"HS256","kid":null}"#,
        r#"{"alg":"HS256","kid":["a"]}"#,
        r#"{"alg":"HS256","typ":1}"#,
    ] {
        malformed(&signed(Alg::HS256, header, "{}"));
    }
    for header in [
        r#"{"alg":"HS256","zip":"DEF"}"#,
        r#"{"alg":"HS256","enc":"A128GCM"}"#,
        r#"{"typ":"JWT","alg":"HS256"}"#,
        r#"{"alg":"HS256","cty":"x"}"#,
    ] {
        assert!(judge(&plain(), &signed(Alg::HS256, header, "{}")).is_ok(), "{header}");
    }
}

#[test]
fn algorithms_that_are_none_or_not_accepted() {
    for alg in ["none", "None", "NONE", "nOnE", "", "hs256", "HS256 ", "HS257", "RSA-OAEP", "A".repeat(2000).as_str()] {
        let header = json!({"alg": alg}).to_string();
        for token in [signed(Alg::HS256, &header, "{}"), format!("{}.{}.", b64(&header), b64("{}"))] {
            let error = judge(&plain(), &token).unwrap_err();
            assert_eq!(error.reason(), Reason::AlgorithmRefused, "{alg}");
            assert!(error.to_string().len() < 100);
        }
    }
    for alg in Alg::ALL.into_iter().filter(|alg| *alg != Alg::HS256) {
        let token = signed(alg, &json!({"alg": alg.name()}).to_string(), "{}");
        assert_eq!(judge(&plain(), &token).unwrap_err(), TokenError::AlgorithmRefused(alg));
    }
    // Even if a configuration named them together.
    let mixed = with(|jwt| jwt.algorithms = AlgSet::from(Alg::ALL));
    assert_eq!(reason(&mixed, &signed(Alg::ES256, r#"{"alg":"ES256"}"#, "{}")), Reason::AlgorithmRefused);
}

#[test]
fn signatures_that_are_no_macs() {
    let token = token(&json!({}));
    let text = token.rsplit_once('.').unwrap().0;
    for mac in [vec![], vec![0; 32], vec![0xff; 32], sign(Alg::HS512, text.as_bytes()), sign(Alg::HS256, text.as_bytes())[..16].to_vec()] {
        assert_eq!(judge(&plain(), &format!("{text}.{}", b64(mac))).unwrap_err(), TokenError::Signature);
    }
}

#[test]
fn the_log_shows_no_token_and_no_line_of_the_client() {
    let text = signed(Alg::HS256, r#"{"alg":"no\nne\u0000\u001b[31m"}"#, "{}");
    let error = judge(&plain(), &text).unwrap_err();
    assert_eq!(error.to_string(), "alg: no\\nne\\u{0}\\u{1b}[31m");
    assert_eq!(Excerpt::new(&"x".repeat(65)).to_string().len(), 67);
    let shown = format!("{:?}", Token::parse(text.as_bytes()).unwrap());
    assert!(!shown.contains(text.rsplit('.').next().unwrap()), "{shown}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// No token survives the change of a single byte.
    #[test]
    fn any_change_is_refused(sub in ".{0,20}", place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let good = token(&json!({"sub": sub}));
        prop_assert!(judge(&plain(), &good).is_ok());
        let mut bad = good.clone().into_bytes();
        let place = place.get_mut(&mut bad);
        prop_assume!(*place != byte);
        *place = byte;
        let verdict = Token::parse(&bad).and_then(|token| authenticate(&plain(), token, None, UnixTime::from_seconds(1)));
        prop_assert!(verdict.is_err());
    }

    /// Whatever is sent, and whatever stands in the claims, it is judged without a panic.
    #[test]
    fn nothing_panics(header in ".{0,40}", claims in json_value(), bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Token::parse(&bytes);
        let _ = judge(&plain(), &signed(Alg::HS256, &header, &header));
        let mut jwt = plain();
        jwt.max_token_age = Some(Duration::MAX);
        jwt.max_token_lifetime = Some(Duration::from_secs(1));
        jwt.clock_skew = Duration::MAX;
        jwt.identity.scopes = vec![path(&["scope"]), path(&["a", "b"])];
        for jwt in [jwt, plain()] {
            for millis in [0, NOW * 1000, i64::MAX] {
                let _ = judge_at(&jwt, &signed(Alg::HS256, r#"{"alg":"HS256"}"#, &claims.to_string()), millis);
            }
        }
    }
}

/// Claims of every JSON type and of numbers at the edges.
fn json_value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (NOW - 100..NOW + 100).prop_map(Value::from),
        "[a-c ]{0,4}".prop_map(Value::from),
    ];
    let names = prop::sample::select(vec!["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "cnf", "scope", "a", "b"]);
    scalar.prop_recursive(3, 30, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(names.clone(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())),
        ]
    })
}
