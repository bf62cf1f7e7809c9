//! Signatures of another implementation (jwt-simple; for ES512, which that lacks, of p521).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis::decision::Decision;
use portcullis_harness::{Algorithm, Key, jwks, mint};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::json;

use crate::house::NOW;
use crate::policy::{Core, get};

/// A core that takes tokens of one algorithm, by one key.
fn core(algorithm: Algorithm) -> Core {
    let key = Key::fixed(algorithm, 1);
    let keys = match algorithm {
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => json!({"secret": {"base64": STANDARD.encode(key.secret_bytes())}}),
        _ => json!({"jwks": jwks([&key])}),
    };
    let jwt = json!({"keys": keys, "issuers": "any", "audiences": "any", "algorithms": [algorithm.name()]});
    Core::new(&json!({"providers": {"users": {"jwt": jwt}}, "upstream": {"headers": {}}, "limits": {"slow_verifications": 100_000}}))
}

fn cores() -> Vec<(Algorithm, Core)> {
    Algorithm::ALL.map(|algorithm| (algorithm, core(algorithm))).into()
}

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

#[test]
fn what_is_signed_verifies() {
    let cores = cores();
    proptest!(cases(6), |(sub in ".{1,40}", lifetime in 1..1_000_000_000_u64, other in ".{0,200}")| {
        for (algorithm, core) in &cores {
            let token = mint(&Key::fixed(*algorithm, 1), json!({"sub": sub, "exp": NOW + lifetime, "other": other}));
            let mut fields = get("/");
            fields.push(("authorization".into(), format!("Bearer {token}").into_bytes()));
            let Decision::Pass(pass) = core.decide(&fields, NOW) else { panic!("{algorithm}: {token}") };
            prop_assert_eq!(pass.identity().and_then(|identity| identity.subject.as_deref()), Some(&*sub), "{}", algorithm);
            for (other, core) in &cores {
                if other != algorithm {
                    prop_assert!(core.bearer(&token, NOW).is_some(), "by {algorithm}, taken for {other}");
                }
            }
        }
    });
}

/// A change of a token in one place.
#[derive(Clone, Debug)]
enum Change {
    Flip(Index, u32),
    Replace(Index, u8),
    Insert(Index, u8),
    Drop(Index),
    Swap(Index),
}

impl Change {
    fn any() -> impl Strategy<Value = Self> {
        // As likely as any byte: what could stand there.
        let byte = prop_oneof![any::<u8>(), proptest::sample::select(&b"ABCDabcd0189-_.= ,+/\t\0"[..])];
        prop_oneof![
            (any::<Index>(), 0..8_u32).prop_map(|(place, bit)| Self::Flip(place, bit)),
            (any::<Index>(), byte.clone()).prop_map(|(place, byte)| Self::Replace(place, byte)),
            (any::<Index>(), byte).prop_map(|(place, byte)| Self::Insert(place, byte)),
            any::<Index>().prop_map(Self::Drop),
            any::<Index>().prop_map(Self::Swap),
        ]
    }

    fn of(&self, token: &str) -> Vec<u8> {
        let mut bytes = token.as_bytes().to_vec();
        let length = bytes.len();
        match self {
            Self::Flip(place, bit) => bytes[place.index(length)] ^= 1 << bit,
            Self::Replace(place, byte) => bytes[place.index(length)] = *byte,
            Self::Insert(place, byte) => bytes.insert(place.index(length + 1), *byte),
            Self::Drop(place) => drop(bytes.remove(place.index(length))),
            Self::Swap(place) => {
                let place = place.index(length - 1);
                bytes.swap(place, place + 1);
            }
        }
        bytes
    }
}

#[test]
fn no_single_change_does() {
    let tokens: Vec<(Algorithm, Core, String)> = cores()
        .into_iter()
        .map(|(algorithm, core)| {
            let token = mint(&Key::fixed(algorithm, 1), json!({"sub": "alice", "exp": NOW + 60}));
            // It is remembered from now on: what is almost the same is not.
            assert_eq!(core.bearer(&token, NOW), None);
            (algorithm, core, token)
        })
        .collect();
    proptest!(cases(150), |(change in Change::any())| {
        for (algorithm, core, token) in &tokens {
            let changed = change.of(token);
            if changed != token.as_bytes() {
                prop_assert!(core.bearer(&changed, NOW).is_some(), "{algorithm}: {}", String::from_utf8_lossy(&changed));
            }
        }
    });
    // The bits that base64 leaves over at the end.
    for (algorithm, core, token) in &tokens {
        for last in b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=" {
            if token.as_bytes().ends_with(&[*last]) {
                continue;
            }
            let changed = [&token.as_bytes()[..token.len() - 1], &[*last]].concat();
            assert!(core.bearer(&changed, NOW).is_some(), "{algorithm}: {}", String::from_utf8_lossy(&changed));
        }
        assert_eq!(core.bearer(token, NOW), None, "{algorithm}: it is good still");
    }
}
