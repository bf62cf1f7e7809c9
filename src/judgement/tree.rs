//! From what became of each credential to what becomes of the requirement.

use super::Judged;
use crate::identity::Identity;
use crate::policy::{Condition, Need, ProviderId, Requirement, Selected};
use crate::refusal::ConditionError;

/// What a requirement comes to.
pub(super) enum Reading {
    Satisfied(Vec<ProviderId>),
    Forbidden(ConditionError, ProviderId),
    Missing(Option<ProviderId>),
}

/// A requirement's tree, over what became of its credentials.
pub(super) struct Tree<'a, 'j> {
    pub(super) judged: &'j [(ProviderId, Judged<'a>)],
    pub(super) selected: &'j Selected<'j>,
}

impl Tree<'_, '_> {
    /// A credential for which something is still to come counts as good here: if the requirement fails all the same, nothing need be awaited.
    pub(super) fn read(&self, requirement: &Requirement) -> Reading {
        match requirement {
            Requirement::One(need) => self.need(need),
            Requirement::Any(members) => self.any(members),
            Requirement::All { members, identity } => self.all(members, *identity),
        }
    }

    fn need(&self, need: &Need) -> Reading {
        let judged = self.judged.iter().find(|(provider, _)| *provider == need.provider).map(|(_, judged)| judged);
        match judged {
            Some(Judged::Good(proof)) => match check(need, &proof.identity, self.selected) {
                Ok(()) => Reading::Satisfied(vec![need.provider]),
                Err(error) => Reading::Forbidden(error, need.provider),
            },
            Some(Judged::Pending(..)) => Reading::Satisfied(vec![need.provider]),
            None | Some(Judged::Absent) if need.optional => Reading::Satisfied(vec![]),
            _ => Reading::Missing(Some(need.provider)),
        }
    }

    fn any(&self, members: &[Requirement]) -> Reading {
        let mut best = Reading::Missing(None);
        for member in members {
            match self.read(member) {
                satisfied @ Reading::Satisfied(_) => return satisfied,
                forbidden @ Reading::Forbidden(..) if matches!(best, Reading::Missing(_)) => best = forbidden,
                _ => {}
            }
        }
        best
    }

    fn all(&self, members: &[Requirement], identity: Option<ProviderId>) -> Reading {
        let mut providers = Vec::new();
        let mut lacking: Option<Reading> = None;
        for member in members {
            match self.read(member) {
                Reading::Satisfied(more) => providers.extend(more),
                forbidden @ Reading::Forbidden(..) if !matches!(lacking, Some(Reading::Forbidden(..))) => lacking = Some(forbidden),
                missing @ Reading::Missing(_) if lacking.is_none() => lacking = Some(missing),
                _ => {}
            }
        }
        if let Some(lacking) = lacking {
            return lacking;
        }
        // The named identity comes first, the others keep their order.
        if let Some(place) = providers.iter().position(|provider| Some(*provider) == identity)
            && let Some(front) = providers.get_mut(..=place)
        {
            front.rotate_right(1);
        }
        Reading::Satisfied(providers)
    }
}

/// Whether an identity meets a need's conditions.
pub(super) fn check(need: &Need, identity: &Identity, selected: &Selected<'_>) -> Result<(), ConditionError> {
    let all = |conditions: &[Condition]| conditions.iter().try_for_each(|c| c.check(identity, &selected.variables));
    all(&need.conditions)?;
    let mut first_error = None;
    for alternative in &need.any_of {
        match all(alternative) {
            Ok(()) => return Ok(()),
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    first_error.map_or(Ok(()), Err)
}
