//! Observe mode: what would have been refused goes upstream, unverified and unannotated, and whoever sent it misses nothing.

use crate::decision::{Asked, Decision, Edits, Observation, Pass};
use crate::policy::{Policy, Removal};
use crate::refusal::Refusal;
use crate::spelling::is_same_name;

/// What becomes of a request over which `enforce` would decide. It never waits, for that is something that a client could miss.
pub(crate) fn decide(policy: &Policy, enforce: &dyn Fn(&Asked) -> Decision) -> Decision {
    let mut asked = Asked::default();
    asked.no_more();
    observe(policy, enforce(&asked))
}

/// What becomes of a request that is decided over already.
pub(crate) fn observe(policy: &Policy, decision: Decision) -> Decision {
    let removal = &policy.removal;
    match decision {
        Decision::Reject(rejection) if can_be_observed(&rejection.refusal) => {
            let edits = spare(removal, &rejection.edits);
            Decision::Observe(Observation { rejection, edits })
        }
        // To end its stream would be something to miss, too.
        Decision::Pass(pass) => Decision::Pass(Pass { edits: spare(removal, &pass.edits), terms: None, ..pass }),
        other => other,
    }
}

/// Where the filter can't do its work there is nothing to observe.
const fn can_be_observed(refusal: &Refusal) -> bool {
    !matches!(refusal, Refusal::Internal(_) | Refusal::VerdictPresent)
}

/// The edits but those that a client could miss: credentials stay as they were sent.
fn spare(removal: &Removal, edits: &Edits) -> Edits {
    // A credential's header that is set stands there once, in one spelling.
    let is_set = |name: &[u8]| edits.set.iter().any(|(set, _)| is_same_name(set.as_bytes(), name));
    let remove = edits.remove.iter().filter(|name| is_set(name) || !removal.spares(name)).cloned().collect();
    Edits { remove, set: edits.set.clone(), ..Edits::default() }
}
