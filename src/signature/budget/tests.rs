use std::cell::Cell;

use serde_json::{Value, json};

use super::*;
use crate::keys::{AlgSet, KeySet};
use crate::signature::Module;
use crate::signature::signing::{jwk, sign};

const TEXT: &[u8] = b"header.payload";

/// Counts what it is asked for.
#[derive(Default)]
struct Counting(Cell<usize>);

impl Verify for Counting {
    fn verify(&self, alg: Alg, key: &PublicKey, text: &[u8], signature: &[u8]) -> bool {
        self.0.update(|count| count.saturating_add(1));
        Module.verify(alg, key, text, signature)
    }

    /// As on Envoy.
    fn is_slow(&self, alg: Alg) -> bool {
        matches!(alg, Alg::PS256 | Alg::EdDSA)
    }
}

fn at(seconds: u64) -> UnixTime {
    UnixTime::from_seconds(1_800_000_000).plus(std::time::Duration::from_secs(seconds))
}

fn set(keys: &[Value]) -> KeySet {
    let algorithms: AlgSet = Alg::ALL.into_iter().filter(|alg| !alg.is_hmac()).collect();
    KeySet::from_value(&json!({"keys": keys}), algorithms).unwrap().0
}

fn named(alg: Alg, kid: &str) -> Value {
    let mut key = jwk(alg);
    key["kid"] = kid.into();
    key
}

fn taken(budget: &mut Budget, now: UnixTime) -> usize {
    (0..1000).take_while(|_| budget.take(now).is_ok()).count()
}

#[test]
fn so_many_a_second() {
    let mut budget = Budget::new(5);
    assert_eq!(taken(&mut budget, at(0)), 5);
    assert_eq!(taken(&mut budget, at(0)), 0);
    assert_eq!(taken(&mut budget, at(0).plus(std::time::Duration::from_millis(399))), 1);
    assert_eq!(taken(&mut budget, at(0).plus(std::time::Duration::from_millis(400))), 1, "nothing is lost of what is less than one");
    assert_eq!(taken(&mut budget, at(1)), 3);
    assert_eq!(taken(&mut budget, at(3600)), 5, "an hour of silence saves nothing up");
    let mut one = Budget::new(1);
    assert_eq!([at(0), at(0), at(1), at(2)].map(|now| taken(&mut one, now)), [1, 0, 1, 1]);
}

#[test]
fn a_clock_that_is_set_neither_freezes_nor_refills_it() {
    let mut budget = Budget::new(5);
    assert_eq!(taken(&mut budget, at(10_000)), 5);
    for second in 0..5 {
        assert_eq!(taken(&mut budget, at(second)), if second == 0 { 0 } else { 5 }, "{second}");
    }
    // Back, and further back.
    assert_eq!([4, 3, 2, 2].map(|second| taken(&mut budget, at(second))), [0; 4]);
    assert_eq!(taken(&mut budget, UnixTime::from_millis(u64::MAX)), 5);
    assert_eq!(taken(&mut budget, UnixTime::default()), 0);
}

#[test]
fn what_was_seen_is_known_and_nothing_else_is() {
    let verify = Counting::default();
    let budget = RefCell::new(Budget::new(2));
    let bounded = Bounded { verify: &verify, budget: &budget, now: at(0) };
    let keys = set(&[named(Alg::EdDSA, "e"), named(Alg::PS256, "r")]);
    let [ed, rsa] = [0, 1].map(|index| &keys.keys()[index]);
    let good = sign(Alg::EdDSA, TEXT);
    let signer = |alg, key, text: &[u8], signature: &[u8]| bounded.signer(alg, &[key], text, signature).map(|found| found.is_some());

    for _ in 0..10 {
        assert_eq!(signer(Alg::EdDSA, ed, TEXT, &good), Ok(true));
    }
    assert_eq!(verify.0.get(), 1, "verified once");
    assert_eq!(signer(Alg::EdDSA, ed, b"header.Payload", &good), Ok(false));
    assert_eq!(signer(Alg::EdDSA, ed, b"header.Payload", &good), Ok(false));
    assert_eq!(verify.0.get(), 2, "nor does it become good");
    // All is spent.
    assert_eq!(signer(Alg::EdDSA, ed, TEXT, &good), Ok(true));
    assert_eq!(signer(Alg::EdDSA, ed, TEXT, &good[..63]), Err(Busy));
    assert_eq!(signer(Alg::EdDSA, ed, b"header.payloa", &[b"d", &good[..]].concat()), Err(Busy), "the parts are told apart");
    assert_eq!(signer(Alg::EdDSA, rsa, TEXT, &good), Err(Busy), "another key");
    assert_eq!(signer(Alg::PS256, ed, TEXT, &good), Err(Busy), "another algorithm");
    assert_eq!(verify.0.get(), 2);
    // What the host verifies costs nothing.
    let fast = sign(Alg::RS256, TEXT);
    for _ in 0..10 {
        assert_eq!(signer(Alg::RS256, rsa, TEXT, &fast), Ok(true));
        assert_eq!(signer(Alg::RS256, rsa, b"x", &fast), Ok(false));
    }
    let later = Bounded { now: at(1), ..bounded };
    assert!(later.signer(Alg::PS256, &[rsa], TEXT, &sign(Alg::PS256, TEXT)).unwrap().is_some());
}

#[test]
fn each_key_of_a_kid_costs_one_until_it_is_known() {
    let verify = Counting::default();
    let budget = RefCell::new(Budget::new(2));
    let bounded = Bounded { verify: &verify, budget: &budget, now: at(0) };
    // The same kid for two keys; the second one signed.
    let mut other = named(Alg::EdDSA, "k");
    other["x"] = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo".into();
    let keys = set(&[other, named(Alg::EdDSA, "k")]);
    let found = keys.find(Some("k"), Alg::EdDSA, None).unwrap();
    assert_eq!(found.len(), 2);
    let good = sign(Alg::EdDSA, TEXT);
    for _ in 0..5 {
        let signer = bounded.signer(Alg::EdDSA, &found, TEXT, &good).unwrap().unwrap();
        assert_eq!(signer.public().thumbprint(), found[1].public().thumbprint());
    }
    assert_eq!(verify.0.get(), 2);
    // Without the key that signed, what is known of the signature is that it isn't the other's.
    let left = bounded.signer(Alg::EdDSA, &found[..1], TEXT, &good);
    assert_eq!((left.map(|found| found.is_some()), verify.0.get()), (Ok(false), 2));
}

#[test]
fn forgeries_are_forgotten_and_none_displaces_what_is_good() {
    let verify = Counting::default();
    let budget = RefCell::new(Budget::new(10_000));
    let bounded = Bounded { verify: &verify, budget: &budget, now: at(0) };
    let keys = set(&[named(Alg::EdDSA, "e")]);
    let key = &keys.keys()[0];
    let good = sign(Alg::EdDSA, TEXT);
    assert!(bounded.signer(Alg::EdDSA, &[key], TEXT, &good).unwrap().is_some());
    for forgery in 0..=REMEMBERED_BAD {
        assert_eq!(bounded.signer(Alg::EdDSA, &[key], TEXT, &forgery.to_be_bytes()).map(|found| found.is_some()), Ok(false));
    }
    let verified = verify.0.get();
    assert!(bounded.signer(Alg::EdDSA, &[key], TEXT, &good).unwrap().is_some());
    assert_eq!(bounded.signer(Alg::EdDSA, &[key], TEXT, &1_usize.to_be_bytes()).map(|found| found.is_some()), Ok(false));
    assert_eq!(verify.0.get(), verified);
    assert_eq!(bounded.signer(Alg::EdDSA, &[key], TEXT, &0_usize.to_be_bytes()).map(|found| found.is_some()), Ok(false));
    assert_eq!(verify.0.get(), verified + 1);
}
