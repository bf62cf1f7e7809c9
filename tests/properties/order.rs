//! What a decision doesn't depend on.

use portcullis::decision::Decision;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};

use crate::house::{ANY, LATER, NOW, policy, requests, requests_to, told};
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

/// Where any of several will do, their order in the rule, and that of their names, which is the policy's own, says whose identity counts if several are satisfied, and which of several faults is told; never whether a request passes.
#[test]
fn the_order_of_providers() {
    let orders = subsequence(ANY.to_vec(), ANY.len()).prop_shuffle();
    let core = Core::new(&policy(&ANY));
    let status = |decision: &Decision| match decision {
        Decision::Pass(_) => None,
        Decision::Reject(rejection) => Some(rejection.reply.status),
        other => panic!("{other:?}"),
    };
    proptest!(cases(24), |(order in orders, name in select(&["\"a\"", "\"partners\"", "\"z\""][..]), asked in vec(requests_to("/any"), 60))| {
        let renamed = policy(&order).to_string().replace("\"partners\"", name);
        let other = Core::new(&serde_json::from_str(&renamed).unwrap());
        for (fields, now) in asked {
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
    // A few requests, each of them several times: sooner and later, with others in between.
    proptest!(cases(32), |(asked in vec(requests(), 1..6), visits in vec((any::<Index>(), 0..LATER), 8..16))| {
        let warm = Core::new(&policy(&ANY));
        for (index, later) in visits {
            let (fields, now) = (&index.get(&asked).0, NOW + later);
            let decided = told(&warm.decide(fields, now));
            prop_assert_eq!(&decided, &told(&forgetful.decide(fields, now)), "without a cache");
            prop_assert_eq!(&decided, &told(&Core::new(&policy(&ANY)).decide(fields, now)), "just begun");
        }
    });
}
