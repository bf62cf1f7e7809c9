//! Annotated headers: what the upstream is told comes from the filter alone.

use portcullis::decision::{Decision, Edits};
use portcullis::request::Headers;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::house::{ANY, EVIL, folded, is_annotated, policy, requests, spoofed};
use crate::policy::{Core, Fields};

/// The fields that the upstream gets: as the shell carries edits out.
fn edited(fields: &Fields, edits: &Edits) -> Fields {
    let mut fields: Fields =
        fields.iter().filter(|(name, _)| !edits.remove.iter().any(|removed| removed == name.as_bytes())).cloned().collect();
    fields.extend(edits.set.iter().map(|(name, value)| (name.to_string(), value.clone())));
    fields
}

fn check(fields: &Fields, edits: &Edits) -> Result<(), TestCaseError> {
    let sent = edited(fields, edits);
    for (name, value) in &sent {
        prop_assert!(!(is_annotated(name) && value == EVIL), "{name} goes upstream: {sent:?}");
    }
    for (name, _) in edits.set.iter() {
        prop_assert_eq!(sent.iter().filter(|(other, _)| folded(other) == folded(&**name)).count(), 1, "{}: {:?}", name, sent);
    }
    Ok(())
}

#[test]
fn none_of_them_comes_from_the_client() {
    let enforcing = Core::new(&policy(&ANY));
    let mut observed = policy(&ANY);
    observed["mode"] = crate::observe::mode();
    let observing = Core::new(&observed);
    let config = ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |((mut fields, now) in requests(), more in vec(spoofed(), 1..6))| {
        fields.extend(more.clone());
        for core in [&enforcing, &observing] {
            match core.decide(&fields, now) {
                Decision::Pass(pass) => check(&fields, pass.edits())?,
                Decision::Observe(observation) => check(&fields, observation.edits())?,
                Decision::Reject(_) => {}
                Decision::Wait(wait) => panic!("{wait:?}"),
            }
            let trailers: Headers = more.iter().map(|(name, value)| (name, value)).collect();
            let removed = core.0.trailer_removals(&trailers);
            prop_assert!(more.iter().all(|(name, _)| removed.iter().any(|removed| removed == name.as_bytes())), "{:?}", more);
        }
    });
}
