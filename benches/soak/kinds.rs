//! The kinds of requests, and how often each comes.

mod bad;
mod good;
mod hostile;
mod huge;

use crate::attempt::Attempt;
use crate::credentials::Users;
use crate::dice::Dice;

/// What requests are made of.
pub(crate) struct World {
    pub(crate) users: Users,
}

/// The connection that a request goes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Via {
    pub(crate) http2: bool,
    /// Over TLS, by whom.
    pub(crate) member: Option<Member>,
}

/// Whose certificate a connection of TLS has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Member {
    /// One with the role that members need.
    Alice,
    /// One without.
    Bob,
    /// One whose certificate is revoked.
    Carol,
    /// None.
    Nobody,
}

pub(crate) struct Kind {
    pub(crate) group: Group,
    pub(crate) name: &'static str,
    weight: usize,
    /// `None`: not over such a connection.
    pub(crate) make: fn(&World, &mut Dice, Via) -> Option<Attempt>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    Good,
    Bad,
    Huge,
    Hostile,
}

impl Group {
    pub(crate) const ALL: [Self; 4] = [Self::Good, Self::Bad, Self::Huge, Self::Hostile];
}

type Make = fn(&World, &mut Dice, Via) -> Option<Attempt>;

fn kinds(group: Group, of: &[(usize, &'static str, Make)]) -> impl Iterator<Item = Kind> {
    of.iter().map(move |(weight, name, make)| Kind { group, name, weight: *weight, make: *make })
}

/// All of them.
pub(crate) fn all() -> Vec<Kind> {
    let groups = [(Group::Good, good::KINDS), (Group::Bad, bad::KINDS), (Group::Huge, huge::KINDS), (Group::Hostile, hostile::KINDS)];
    groups.into_iter().flat_map(|(group, of)| kinds(group, of).collect::<Vec<_>>()).collect()
}

/// One of them, and what it is.
pub(crate) fn attempt(kinds: &[Kind], world: &World, dice: &mut Dice, via: Via) -> (usize, Attempt) {
    let sum: usize = kinds.iter().map(|kind| kind.weight).sum();
    loop {
        let mut thrown = dice.below(sum);
        let chosen = kinds.iter().position(|kind| {
            let is_it = thrown < kind.weight;
            thrown = thrown.saturating_sub(kind.weight);
            is_it
        });
        if let Some(index) = chosen
            && let Some(attempt) = (kinds[index].make)(world, dice, via)
        {
            return (index, attempt);
        }
    }
}
