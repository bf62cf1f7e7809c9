//! What rules and headers must know of a provider, also of one that has faults elsewhere.

use crate::credential::Place;

/// A provider as others see it.
pub(super) struct Profile {
    pub(super) name: String,
    /// Where its credentials stand.
    pub(super) places: Vec<Place>,
    /// `None`: faults keep that from being told.
    pub(super) ability: Option<Ability>,
}

/// What a provider's identities can hold; the doubtful counts as there.
pub(super) enum Ability {
    Secret {
        roles: bool,
    },
    Token {
        roles: bool,
        scopes: bool,
        issuers: Issuers,
    },
    /// What another service says.
    Answer {
        roles: bool,
        scopes: bool,
    },
    /// `by_proxy`: a proxy passes it on that has a certificate of its own on the connection.
    Certificate {
        roles: bool,
        attributes: Option<Vec<String>>,
        by_proxy: bool,
    },
}

/// Whose tokens a provider claims.
pub(super) enum Issuers {
    Any,
    These(Vec<String>),
    /// Faults keep that from being told.
    Unknown,
}

impl Profile {
    pub(super) fn unknown(name: &str) -> Self {
        Self { name: name.to_owned(), places: Vec::new(), ability: None }
    }

    pub(super) const fn yields_roles(&self) -> bool {
        match self.ability {
            Some(
                Ability::Secret { roles }
                | Ability::Token { roles, .. }
                | Ability::Answer { roles, .. }
                | Ability::Certificate { roles, .. },
            ) => roles,
            None => true,
        }
    }

    pub(super) const fn yields_scopes(&self) -> bool {
        match self.ability {
            Some(Ability::Token { scopes, .. } | Ability::Answer { scopes, .. }) => scopes,
            Some(_) => false,
            None => true,
        }
    }

    pub(super) const fn yields_claims(&self) -> bool {
        matches!(self.ability, None | Some(Ability::Token { .. } | Ability::Answer { .. }))
    }

    pub(super) const fn yields_certificate(&self) -> bool {
        matches!(self.ability, None | Some(Ability::Certificate { .. }))
    }

    pub(super) fn yields_attribute(&self, name: &str) -> bool {
        match &self.ability {
            Some(Ability::Certificate { attributes, .. }) => attributes.as_ref().is_none_or(|known| known.iter().any(|own| own == name)),
            Some(_) => false,
            None => true,
        }
    }
}
