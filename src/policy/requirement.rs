//! What a rule demands, as a tree of needs.

use super::{Condition, ProviderId};

/// What a rule demands, and what each request would otherwise have to gather from it.
#[derive(Clone, Debug)]
pub struct Demand {
    requirement: Requirement,
    providers: Vec<ProviderId>,
}

impl Demand {
    /// To satisfy this requirement.
    #[must_use]
    pub fn new(requirement: Requirement) -> Self {
        let mut providers = Vec::new();
        for need in requirement.needs() {
            if !providers.contains(&need.provider) {
                providers.push(need.provider);
            }
        }
        Self { requirement, providers }
    }

    /// The requirement.
    #[must_use]
    pub const fn requirement(&self) -> &Requirement {
        &self.requirement
    }

    /// The providers that it names, each once, in order.
    #[must_use]
    pub fn providers(&self) -> &[ProviderId] {
        &self.providers
    }
}

/// A requirement. `Any` and `All` nest at most twice.
#[derive(Clone, Debug)]
pub enum Requirement {
    /// One provider's credential.
    One(Need),
    /// One of them; the first listed that is satisfied is the identity.
    Any(Vec<Requirement>),
    /// All of them.
    All {
        /// Each must be satisfied.
        members: Vec<Requirement>,
        /// Whose identity goes upstream; `None` only where just one member isn't optional.
        identity: Option<ProviderId>,
    },
}

/// A credential of one provider, and what its identity must be.
#[derive(Clone, Debug)]
pub struct Need {
    /// The provider.
    pub provider: ProviderId,
    /// No credential is fine; a bad one is not.
    pub optional: bool,
    /// All of these must hold.
    pub conditions: Vec<Condition>,
    /// One of these lists must hold whole; empty: no alternatives.
    pub any_of: Vec<Vec<Condition>>,
}

impl Requirement {
    /// Every need in it, in order.
    pub fn needs(&self) -> Vec<&Need> {
        match self {
            Self::One(need) => vec![need],
            Self::Any(members) | Self::All { members, .. } => members.iter().flat_map(Self::needs).collect(),
        }
    }
}
