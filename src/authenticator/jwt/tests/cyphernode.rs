//! Cyphernode's formats: its own tokens, and those that look almost like them.

use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use proptest::prelude::*;

use super::*;
use crate::reason::Reason;
use Format::{Cyphernode2018, Cyphernode2019, Cyphernode2021, Jws};

/// The published sample key of caller 001.
const KEY: &str = "2df1eeea370eacdc5cf7e96c2d82140d1568079a5d4d87006ec8718a98883b36";
const OTHER_KEY: &str = "50c5e483b80964595508f214229b014aa6c013594d57d38bcb841093a39f1d83";

/// By the one-liner that cyphernode was first documented with; 2100-01-01 is when all of these end but the last.
const OF_2018: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9Cg==.eyJpZCI6IjAwMSIsImV4cCI6NDEwMjQ0NDgwMH0K.37513bf5fcdddef35696f0e410ad8a6fbe6005ccb9c05b5fde9427320ad3c2d8";
const OF_2019: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9Cg==.eyJpZCI6IjAwMSIsImV4cCI6NDEwMjQ0NDgwMH0K.12abda37c3a301423ad02ed07dabb05696f3e413043c1d60c67d14d9f08562b9";
const OF_2021: &str =
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpZCI6IjAwMSIsImV4cCI6NDEwMjQ0NDgwMH0.1X5LEXnod-OJrAqdQ3ZmueN1M1Z4QoQMa_yslffwbhs";
/// By its client in JavaScript.
const MIXED: &str =
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9Cg==.eyJpZCI6IjAwMSIsImV4cCI6NDEwMjQ0NDgwMH0.43uTHirYEuGs06DImcRILFdux5DJkIfBSki3CJS0CUw";
/// Of caller 999, whom nobody knows, by the empty key.
const EMPTY_KEY: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9Cg==.eyJpZCI6Ijk5OSIsImV4cCI6NDEwMjQ0NDgwMH0K.0474c6bde829dab58d2976b7ae09774dac42821d84e11932c5302d57754e369a";
/// Until 1538528077.
const EXPIRED: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9Cg==.eyJpZCI6IjAwMSIsImV4cCI6MTUzODUyODA3N30K.f69385fc30557575329286f06c5e0a6587681c88072a10f4a711113dd2076e32";

const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

fn gatekeeper(formats: &[Format]) -> Jwt {
    let caller = |id: &str, key: &str, roles: &[&str]| {
        let roles = roles.iter().map(|role| (*role).to_owned()).collect();
        (id.to_owned(), Caller { roles, secrets: vec![(None, HmacKey::new(key.as_bytes(), AlgSet::from(Alg::ALL)))] })
    };
    let list = HashMap::from([caller("001", KEY, &["stats", "watcher"]), caller("002", OTHER_KEY, &["stats"])]);
    with(|jwt| {
        jwt.keys = Keys::Callers(Callers::new(CallerBy::Claim(path(&["id"])), list, AlgSet::from(Alg::ALL)));
        jwt.formats = formats.to_vec();
        jwt.required_claims = vec!["exp".into()];
    })
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    Hmac::<sha2::Sha256>::new_from_slice(key).unwrap().chain_update(text).finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn of_2018(key: &[u8], header: &str, payload: &str) -> String {
    let text = format!("{}.{}", STANDARD.encode(header), STANDARD.encode(payload));
    format!("{text}.{}", hex(&mac(key, &format!("{text}\n"))))
}

fn of_2019(key: &[u8], header: &str, payload: &str) -> String {
    let text = format!("{}.{}", STANDARD.encode(header), STANDARD.encode(payload));
    format!("{text}.{}", hex(&mac(key, &text)))
}

fn of_2021(key: &[u8], header: &str, payload: &str) -> String {
    let text = format!("{}.{}", b64(header), b64(payload));
    format!("{text}.{}", b64(mac(key, &text)))
}

/// Its first bytes.
fn cut(text: &str, length: usize) -> &str {
    text.split_at(length).0
}

/// All but its first bytes.
fn without(text: &str, length: usize) -> &str {
    text.split_at(length).1
}

fn payload(id: &str, exp: i64) -> String {
    format!(r#"{{"id":"{id}","exp":{exp}}}"#)
}

const ALL: [Format; 4] = [Jws, Cyphernode2018, Cyphernode2019, Cyphernode2021];

#[test]
fn each_format_takes_its_own_vectors_and_no_others() {
    let vectors = [(OF_2018, Cyphernode2018), (OF_2019, Cyphernode2019), (OF_2021, Cyphernode2021), (MIXED, Cyphernode2021)];
    for (token, own) in vectors {
        for format in [Cyphernode2018, Cyphernode2019, Cyphernode2021] {
            let judged = judge(&gatekeeper(&[format]), token);
            if format == own {
                let identity = judged.unwrap();
                assert_eq!(identity.subject.as_deref(), Some("001"));
                assert_eq!(identity.roles.unwrap(), ["stats", "watcher"]);
            } else {
                let error = judged.unwrap_err();
                assert!(matches!(error, TokenError::SignatureOf(_) | TokenError::Malformed(_)), "{token}: {error:?}");
            }
        }
    }
    assert!(judge(&gatekeeper(&[Jws]), OF_2021).is_ok(), "it is a JWS");
    for token in [OF_2018, OF_2019, MIXED] {
        assert_eq!(reason(&gatekeeper(&[Jws]), token), Reason::TokenMalformed);
    }
}

#[test]
fn formats_go_together_in_any_order() {
    let mut formats = ALL;
    for _ in 0..formats.len() {
        formats.rotate_left(1);
        let all = gatekeeper(&formats);
        for token in [OF_2018, OF_2019, OF_2021, MIXED] {
            assert!(judge(&all, token).is_ok(), "{formats:?} {token}");
        }
        // Its parts need no padding and its 64 digits would be base64url; it is no JWS for that.
        let line = format!("{}\n", payload("001", NOW + 10));
        for token in [of_2019(KEY.as_bytes(), HEADER, &line), of_2018(KEY.as_bytes(), HEADER, &line)] {
            assert!(!token.contains('='));
            assert!(judge(&all, &token).is_ok(), "{formats:?} {token}");
        }
        assert_eq!(reason(&all, EMPTY_KEY), Reason::SignatureInvalid);
    }
    let with_jws = with(|jwt| {
        jwt.formats = vec![Cyphernode2021, Jws];
        jwt.algorithms = AlgSet::from([Alg::HS256, Alg::HS512]);
    });
    assert!(judge(&with_jws, &signed(Alg::HS512, r#"{"alg":"HS512"}"#, "{}")).is_ok(), "a JWS keeps its algorithms");
    let today = gatekeeper(&[Cyphernode2021, Cyphernode2019]);
    assert_eq!(judge(&today, OF_2018).unwrap_err().reason(), Reason::SignatureInvalid);
}

#[test]
fn callers_that_do_not_exist_are_wrong_macs() {
    for formats in [&[Cyphernode2018][..], &[Cyphernode2019], &[Cyphernode2021], &ALL] {
        let jwt = gatekeeper(formats);
        for id in ["999", "", "PATH", "1;touch x", "001 ", "0001", "*", "00\u{661}", "001\\n"] {
            for key in [&b""[..], KEY.as_bytes(), &[0; 32]] {
                for make in [of_2018, of_2019, of_2021] {
                    let token = make(key, HEADER, &payload(id, NOW + 10));
                    assert!(judge(&jwt, &token).is_err(), "{id}");
                }
            }
        }
    }
    for claims in
        [r#"{"exp":9999999999}"#, r#"{"id":1,"exp":9999999999}"#, r#"{"id":["001"],"exp":9999999999}"#, r#"{"id":null,"exp":9999999999}"#]
    {
        assert_eq!(
            judge(&gatekeeper(&[Cyphernode2021]), &of_2021(KEY.as_bytes(), HEADER, claims)).unwrap_err().reason(),
            Reason::SignatureInvalid
        );
    }
    assert_eq!(judge(&gatekeeper(&[Cyphernode2018]), EMPTY_KEY).unwrap_err().reason(), Reason::SignatureInvalid);
    let others = of_2018(OTHER_KEY.as_bytes(), HEADER, &payload("001", NOW + 10));
    assert_eq!(judge(&gatekeeper(&[Cyphernode2018]), &others).unwrap_err().reason(), Reason::SignatureInvalid);
}

#[test]
fn a_mac_in_another_spelling_or_by_another_key_is_none() {
    let (text, digits) = OF_2018.rsplit_once('.').unwrap();
    let raw: Vec<u8> = crate::signature::signing::hex(KEY);
    let jwt = gatekeeper(&[Cyphernode2018]);
    for wrong in [
        digits.to_uppercase(),
        digits.replacen('3', "4", 1),
        cut(digits, 62).to_owned(),
        format!("{digits}00"),
        format!("0x{}", without(digits, 2)),
        format!("{digits} "),
        format!("+{}", without(digits, 1)),
        String::new(),
        hex(&mac(&raw, &format!("{text}\n"))),
        hex(&mac(KEY.to_uppercase().as_bytes(), &format!("{text}\n"))),
        hex(&mac(KEY.as_bytes(), &format!("{text}\n\n"))),
        hex(&mac(KEY.as_bytes(), &format!("{text}\r\n"))),
        b64(mac(KEY.as_bytes(), &format!("{text}\n"))),
        "\u{ff11}".repeat(64),
    ] {
        assert_eq!(judge(&jwt, &format!("{text}.{wrong}")).unwrap_err().reason(), Reason::SignatureInvalid, "{wrong}");
    }
    let (text, mac) = OF_2021.rsplit_once('.').unwrap();
    for wrong in [format!("a{mac}"), format!("{mac}="), without(mac, 1).to_owned(), mac.replace('-', "+").replace('_', "/"), String::new()]
    {
        assert_eq!(
            judge(&gatekeeper(&[Cyphernode2021]), &format!("{text}.{wrong}")).unwrap_err().reason(),
            Reason::SignatureInvalid,
            "{wrong}"
        );
    }
    // The same MAC for the other text is refused, too.
    for (token, format) in [(OF_2018, Cyphernode2019), (OF_2019, Cyphernode2018)] {
        assert_eq!(judge(&gatekeeper(&[format]), token).unwrap_err().reason(), Reason::SignatureInvalid);
    }
}

#[test]
fn parts_are_in_the_one_base64_of_the_format() {
    for id in ["01", "001", "0001", "00001"] {
        let caller = HashMap::from([(
            id.to_owned(),
            Caller { roles: vec![], secrets: vec![(None, HmacKey::new(KEY.as_bytes(), AlgSet::from(Alg::ALL)))] },
        )]);
        let mut jwt = gatekeeper(&[Cyphernode2018]);
        jwt.keys = Keys::Callers(Callers::new(CallerBy::Claim(path(&["id"])), caller, AlgSet::from(Alg::ALL)));
        let token = of_2018(KEY.as_bytes(), &format!("{HEADER}\n"), &format!("{}\n", payload(id, NOW + 10)));
        let padding = token.split('.').nth(1).unwrap().bytes().filter(|byte| *byte == b'=').count();
        assert_eq!(padding, [1, 0, 2, 1][id.len() - 2], "{token}");
        assert!(judge(&jwt, &token).is_ok(), "{id}");
    }
    // What base64 and base64url write with different characters.
    let odd = r#"{"exp":9999999999,"id":"001","x":"???>>>~~~"}"#;
    assert!(STANDARD.encode(odd).contains(['+', '/']));
    assert!(judge(&gatekeeper(&[Cyphernode2019]), &of_2019(KEY.as_bytes(), HEADER, odd)).is_ok());
    let odd = judge(&gatekeeper(&[Cyphernode2021]), &of_2021(KEY.as_bytes(), HEADER, odd)).unwrap();
    assert!(odd.token.unwrap().encoded.unwrap().contains(['-', '_']));
    // The upstream is told the payload in one way only.
    let claims = "{\"id\":\"001\",\"exp\":9999999999, \"x\":\"??>\"}";
    let identity = judge(&gatekeeper(&[Cyphernode2018]), &of_2018(KEY.as_bytes(), HEADER, claims)).unwrap();
    assert_eq!(identity.token.unwrap().encoded.unwrap(), b64(claims));

    let make = |header: &str, payload: &str, line: &str, in_hex: bool| {
        let text = format!("{header}.{payload}");
        let mac = mac(KEY.as_bytes(), &format!("{text}{line}"));
        if in_hex { format!("{text}.{}", hex(&mac)) } else { format!("{text}.{}", b64(mac)) }
    };
    let claims = payload("001", NOW + 1000);
    let (padded, bare) = (STANDARD.encode(format!("{claims}\n\n\n")), b64(format!("{claims}\n\n\n")));
    assert!(padded.ends_with("=") && !bare.ends_with('='));
    let header = b64(HEADER);
    for (format, line) in [(Cyphernode2018, "\n"), (Cyphernode2019, "")] {
        let jwt = gatekeeper(&[format]);
        assert!(judge(&jwt, &make(&header, &padded, line, true)).is_ok());
        for wrong in [bare.clone(), format!("{padded}="), format!("{padded}===="), format!("{}==", cut(&padded, padded.len() - 1))] {
            assert_eq!(reason(&jwt, &make(&header, &wrong, line, true)), Reason::TokenMalformed, "{wrong}");
        }
        for blank in ["\n", " ", "\r\n", "\t", "%0A"] {
            assert_eq!(reason(&jwt, &make(&header, &format!("{padded}{blank}"), line, true)), Reason::TokenMalformed);
            assert_eq!(reason(&jwt, &make(&header, &padded.replacen('J', &format!("{blank}J"), 1), line, true)), Reason::TokenMalformed);
        }
    }
    let jwt = gatekeeper(&[Cyphernode2021]);
    for good in [&padded, &bare] {
        assert!(judge(&jwt, &make(&header, good, "", false)).is_ok(), "{good}");
    }
    for wrong in [format!("{bare}=="), format!("{padded}="), format!("{bare}\n"), "-/==".to_owned()] {
        assert_eq!(reason(&jwt, &make(&header, &wrong, "", false)), Reason::TokenMalformed, "{wrong}");
    }
    // Bits beyond the last byte.
    for (one, other) in [("MH0=", "MH1="), ("MH0", "MH1")] {
        let (good, stray) =
            (format!("{}{one}", STANDARD.encode(cut(&claims, 27))), format!("{}{other}", STANDARD.encode(cut(&claims, 27))));
        assert!(claims.ends_with("0}"));
        assert!(judge(&jwt, &make(&header, &good, "", false)).is_ok(), "{good}");
        assert_eq!(reason(&jwt, &make(&header, &stray, "", false)), Reason::TokenMalformed, "{stray}");
    }
}

#[test]
fn exactly_three_parts_with_an_object_of_claims() {
    let all = gatekeeper(&ALL);
    for token in [OF_2018, OF_2019, OF_2021, MIXED] {
        let parts: Vec<&str> = token.split('.').collect();
        for malformed in [
            format!("{token}."),
            format!("{token}.x"),
            format!(".{token}"),
            format!("{}.{}", parts[0], parts[1]),
            format!("{}..{}", parts[0], parts[2]),
            parts[0].to_owned(),
            String::new(),
            format!("aaa{token}aaa").replace(parts[1], "not claims"),
        ] {
            assert_eq!(reason(&all, &malformed), Reason::TokenMalformed, "{malformed}");
        }
    }
    for claims in ["[]", "1", "\"id\"", "", "{", r#"{"id":"001","id":"002","exp":9999999999}"#] {
        assert_eq!(reason(&all, &of_2018(KEY.as_bytes(), HEADER, claims)), Reason::TokenMalformed, "{claims}");
    }
    assert_eq!(reason(&all, &format!("{OF_2018}{}", "0".repeat(17_000))), Reason::CredentialTooLarge);
    assert_eq!(all.read(b"\xff.\xff.\xff").map(|_| ()).unwrap_err().reason(), Reason::TokenMalformed);
}

#[test]
fn the_header_says_hs256() {
    for formats in [&[Cyphernode2018, Cyphernode2019, Cyphernode2021][..], &ALL] {
        let jwt = with(|jwt| {
            *jwt = gatekeeper(formats);
            jwt.algorithms = AlgSet::from([Alg::HS256, Alg::HS384, Alg::HS512]);
        });
        let claims = payload("001", NOW + 10);
        for header in [
            r#"{"alg":"none"}"#,
            r#"{"alg":"hs256"}"#,
            r#"{"alg":"HS384"}"#,
            r#"{"alg":"HS512"}"#,
            r#"{"alg":"RS256"}"#,
            r#"{"typ":"JWT"}"#,
            r#"{"alg":"HS256","alg":"HS256"}"#,
            r#"{"alg":"HS256","crit":["x"]}"#,
            "aaa",
            "[]",
            "",
        ] {
            for make in [of_2018, of_2019] {
                assert_eq!(reason(&jwt, &make(KEY.as_bytes(), header, &claims)), Reason::AlgorithmRefused, "{header}");
            }
            let text = format!("{}.{claims}", STANDARD.encode(header)).replace(&claims, &STANDARD.encode(format!("{claims}\n\n")));
            assert_eq!(reason(&jwt, &format!("{text}.{}", b64(mac(KEY.as_bytes(), &text)))), Reason::AlgorithmRefused, "{header}");
        }
        assert_eq!(reason(&jwt, &format!("aaa{OF_2018}")), Reason::AlgorithmRefused);
        assert!(judge(&jwt, &of_2018(KEY.as_bytes(), r#"{"typ":"JWT", "alg" : "HS256"}"#, &claims)).is_ok());
    }
}

#[test]
fn exp_is_a_whole_number_greater_than_now_and_comes_before_the_mac() {
    for (format, make) in
        [(Cyphernode2018, of_2018 as fn(&[u8], &str, &str) -> String), (Cyphernode2019, of_2019), (Cyphernode2021, of_2021)]
    {
        let jwt = gatekeeper(&[format]);
        let judged = |exp: &str, millis: i64| {
            let claims = format!("{{\"id\":\"001\",\"exp\":{exp}}}\n");
            judge_at(&jwt, &make(KEY.as_bytes(), HEADER, &claims), millis).err().map(|error| error.reason())
        };
        let now = |exp: &str| judged(exp, NOW * 1000);
        assert_eq!(now(&(NOW + 10).to_string()), None);
        assert_eq!(now(&(NOW + 1).to_string()), None);
        assert_eq!(judged(&NOW.to_string(), NOW * 1000 - 1), None);
        assert_eq!(now(&NOW.to_string()), Some(Reason::TokenExpired));
        assert_eq!(judged(&NOW.to_string(), NOW * 1000 + 999), Some(Reason::TokenExpired));
        assert_eq!(now(&(NOW + 100_000).to_string()), None);
        for over in ["0", "-1", "-9999999999", "1538528077"] {
            assert_eq!(now(over), Some(Reason::TokenExpired), "{over}");
        }
        for wrong in [
            "1e10",
            "1E10",
            "9999999999.0",
            "9999999999.5",
            "1.9e9",
            "-0.0",
            "\"9999999999\"",
            "true",
            "[9999999999]",
            "{}",
            "9999999999999",
            "18446744073709551615",
            "1e999999",
        ] {
            let reason = now(wrong);
            assert!(matches!(reason, Some(Reason::ClaimInvalid | Reason::TokenMalformed)), "{wrong}: {reason:?}");
        }
        assert_eq!(now("null"), Some(Reason::ClaimMissing));
        let token = make(KEY.as_bytes(), HEADER, "{\"id\":\"001\"}\n");
        assert_eq!(reason(&jwt, &token), Reason::ClaimMissing);
        // Expired before all: the MAC isn't even looked at.
        for key in [KEY, OTHER_KEY] {
            assert_eq!(reason(&jwt, &make(key.as_bytes(), HEADER, &payload("001", NOW - 1))), Reason::TokenExpired);
        }
        for name in ["iat", "nbf"] {
            let claims = format!(r#"{{"id":"001","exp":9999999999,"{name}":1.5}}"#);
            assert_eq!(reason(&jwt, &make(KEY.as_bytes(), HEADER, &claims)), Reason::ClaimInvalid);
        }
    }
    let of_2018 = gatekeeper(&[Cyphernode2018]);
    assert!(judge_at(&of_2018, EXPIRED, 1_538_528_076_999).is_ok());
    assert_eq!(judge_at(&of_2018, EXPIRED, 1_538_528_077_000).unwrap_err(), TokenError::Expired);
}

#[test]
fn one_secret_for_all_takes_them_too() {
    let jwt = with(|jwt| {
        jwt.keys = Keys::Secret(HmacKey::new(KEY.as_bytes(), AlgSet::from(Alg::ALL)));
        jwt.formats = vec![Cyphernode2018, Cyphernode2021];
    });
    for token in [OF_2018, OF_2021, MIXED] {
        assert!(judge(&jwt, token).is_ok(), "{token}");
    }
    for token in [OF_2019, EMPTY_KEY] {
        assert_eq!(judge(&jwt, token).unwrap_err().reason(), Reason::SignatureInvalid);
    }
}

#[test]
fn no_token_survives_the_change_of_a_byte() {
    let all = gatekeeper(&ALL);
    for token in [OF_2018, OF_2019, OF_2021, MIXED] {
        for place in 0..token.len() {
            for change in [1, 0x20, 0x80] {
                let mut bad = token.as_bytes().to_vec();
                bad[place] ^= change;
                let verdict = all.read(&bad).and_then(|token| authenticate(&all, token, None, UnixTime::from_seconds(1)));
                assert!(verdict.is_err(), "{}", String::from_utf8_lossy(&bad));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is sent is judged without a panic, and nobody passes who has no key.
    #[test]
    fn nothing_panics_and_nothing_passes(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        parts in proptest::collection::vec("[A-Za-z0-9+/=_.-]{0,70}", 3),
        claims in ".{0,60}",
        mac in "[0-9a-f]{60,68}",
    ) {
        for formats in [&ALL[..], &[Cyphernode2018], &[Cyphernode2019, Cyphernode2021]] {
            let jwt = gatekeeper(formats);
            prop_assert!(jwt.read(&bytes).and_then(|token| authenticate(&jwt, token, None, UnixTime::from_seconds(1))).is_err());
            prop_assert!(judge(&jwt, &parts.join(".")).is_err());
            for claims in [claims.clone(), payload("001", NOW + 10)] {
                let token = format!("{}.{}.{mac}", STANDARD.encode(HEADER), STANDARD.encode(claims));
                prop_assert!(judge(&jwt, &token).is_err());
            }
        }
    }
}
