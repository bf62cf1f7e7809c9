//! JSON Web Key sets, as they come from the network.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::keys::{Alg, AlgSet, KeySet, KeySetError};
use portcullis::signature::{Module, Verify as _};
use serde_json::Value;

fuzz_target!(|data: &[u8]| {
    let accepted = AlgSet::from(Alg::ALL);
    let (set, skipped) = match KeySet::parse(data, accepted) {
        Ok(read) => read,
        Err(KeySetError::Unusable(skipped)) => return assert!(skipped.len() <= KeySet::MAX_KEYS),
        Err(_) => return,
    };
    // Another parser finds as many, and every key among them.
    let document: Value = serde_json::from_slice(data).expect("a good set is JSON");
    let entries = document["keys"].as_array().expect("a good set has keys");
    assert!(entries.len() <= KeySet::MAX_KEYS && set.keys().len() + skipped.len() == entries.len());
    for key in set.keys() {
        let is_it = |entry: &&Value| key.kid().is_none_or(|kid| entry["kid"] == kid) && entry["kty"] != "oct" && entry["d"].is_null();
        assert!(entries.iter().any(|entry| is_it(&entry)), "{key:?}");
        let algorithms = key.public().algorithms();
        assert!(!algorithms.is_empty() && !algorithms.iter().any(|alg| alg.is_hmac()), "{algorithms:?}");
        for alg in Alg::ALL {
            for signature in [&[0; 64][..], &[1; 64], &[0xff; 64], &[0; 256], &[0xff; 256], data] {
                assert!(!Module.verify(alg, key.public(), b"a text", signature), "{alg:?} by {key:?}");
            }
            for found in [set.find(key.kid(), alg, None), set.find(None, alg, Some("i"))].into_iter().flatten() {
                assert!((1..=KeySet::MAX_SAME_KID).contains(&found.len()));
                assert!(found.iter().all(|key| key.public().permits(alg)));
            }
        }
    }
    // Written otherwise, it is the same set.
    let (again, _) =
        KeySet::parse(serde_json::to_string_pretty(&document).expect("it was JSON").as_bytes(), accepted).expect("it was good");
    assert_eq!(set.digest(), again.digest());
});
