//! Observe mode: the request goes upstream as the client sent it, but for what no client may say.

use portcullis::decision::{Decision, Edits};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::house::{ANY, is_annotated, policy, requests};
use crate::policy::Core;

pub(crate) fn mode() -> Value {
    json!({"observe": {"until": "2100-01-01T00:00:00Z"}})
}

/// What stood in the request and stands there no longer is nothing but what the filter alone may say.
fn spares(edits: &Edits) -> bool {
    edits.path.is_none() && edits.cookie.is_none() && edits.remove.iter().all(is_annotated)
}

#[test]
fn who_is_observed_misses_nothing() {
    let enforcing = Core::new(&policy(&ANY));
    let mut observed = policy(&ANY);
    observed["mode"] = mode();
    let observing = Core::new(&observed);
    let config = ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |((fields, now) in requests())| {
        match (enforcing.decide(&fields, now), observing.decide(&fields, now)) {
            // Who passes anyway is told to the upstream as always.
            (Decision::Pass(enforced), Decision::Pass(observed)) => {
                let subject = |identity: Option<&portcullis::identity::Identity>| identity.and_then(|identity| identity.subject.clone());
                prop_assert_eq!(subject(enforced.identity()), subject(observed.identity()));
                prop_assert_eq!(&enforced.edits().set, &observed.edits().set);
                prop_assert!(spares(observed.edits()), "{:?}", observed.edits());
            }
            // Who would be refused gets what the service says, which enforcing would have kept from them; the service is told nothing.
            (Decision::Reject(enforced), Decision::Observe(observed)) => {
                prop_assert_eq!(enforced.refusal.reason(), observed.rejection().refusal.reason());
                prop_assert!(observed.edits().set.is_empty() && spares(observed.edits()), "{:?}", observed.edits());
            }
            other => panic!("{other:?}"),
        }
    });
}
