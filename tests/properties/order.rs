//! What a decision doesn't depend on.

use portcullis::decision::Decision;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, subsequence};

use crate::house::{ANY, policy, requests, told};
use crate::policy::Core;

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

#[test]
fn the_order_of_header_fields() {
    let core = Core::new(&policy(&ANY));
    proptest!(cases(400), |((fields, now) in requests(), places in vec(any::<Index>(), 16))| {
        let mut shuffled = fields.clone();
        for (from, to) in places.iter().enumerate() {
            let length = shuffled.len();
            shuffled.swap(from % length, to.index(length));
        }
        prop_assert_eq!(told(&core.decide(&fields, now)), told(&core.decide(&shuffled, now)));
    });
}

/// Where any of several will do, their order says whose identity counts if several are satisfied, and which of several faults is told; never whether a request passes.
#[test]
fn the_order_of_providers() {
    let orders = subsequence(ANY.to_vec(), ANY.len()).prop_shuffle();
    let core = Core::new(&policy(&ANY));
    let status = |decision: &Decision| match decision {
        Decision::Pass(_) => None,
        Decision::Reject(rejection) => Some(rejection.reply.status),
        other => panic!("{other:?}"),
    };
    proptest!(cases(12), |(order in orders, asked in vec(requests(), 40))| {
        let other = Core::new(&policy(&order));
        for (mut fields, now) in asked {
            fields[3].1 = String::from_utf8_lossy(&fields[3].1).replacen("/users", "/any", 1).into_bytes();
            let (one, two) = (core.decide(&fields, now), other.decide(&fields, now));
            prop_assert_eq!(status(&one), status(&two), "{:?}: {:?} {:?}", order, one, two);
        }
    });
}

/// A core that has decided over other requests before decides as one that has just begun, and as one that remembers nothing.
#[test]
fn what_was_decided_before() {
    let mut forgetful = policy(&ANY);
    forgetful["cache"]["entries"] = 0.into();
    let forgetful = Core::new(&forgetful);
    proptest!(cases(24), |(asked in vec(requests(), 1..12), again in vec(any::<Index>(), 12))| {
        let warm = Core::new(&policy(&ANY));
        let repeated = again.iter().map(|index| index.get(&asked));
        for (fields, now) in asked.iter().chain(repeated) {
            let decided = told(&warm.decide(fields, *now));
            prop_assert_eq!(&decided, &told(&forgetful.decide(fields, *now)), "without a cache");
            prop_assert_eq!(&decided, &told(&Core::new(&policy(&ANY)).decide(fields, *now)), "just begun");
        }
    });
}
