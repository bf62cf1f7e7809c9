//! `require`: what a rule demands.

use super::condition::{ClaimTests, Conditions, ConditionsForm, TextTest, Variables};
use super::declare::fields;
#[cfg(not(target_os = "wasi"))]
use super::describe::Description;
use super::fault::Path;
use super::forms::{Each, Name, OneOrMany, Table};
use super::profile::{Ability, Issuers, Profile};
use super::reader::{Form, Node, Reader};
use crate::policy::{Need, ProviderId, Requirement};

fields! {
    /// A requirement: exactly one of `provider`, `any`, `all` and `use`.
    struct RequireObject {
        /// A credential of this provider.
        provider: Name,
        /// No credential is fine; a bad one is not. Only on a whole `require` or a member of `all`, without conditions.
        optional: bool = "false",
        /// On the identity's roles.
        roles: TextTest,
        /// On its scopes.
        scopes: TextTest,
        /// On the token's `aud`; narrows the provider's.
        audiences: TextTest,
        /// On claims, by name, or as `{claim_path: [a, b], is: ...}`.
        claims: OneOrMany<ClaimTests>,
        /// On attributes, by name.
        attributes: Table<TextTest>,
        /// Alternatives, of which one must hold whole.
        any_of: Each<ConditionsForm>,
        /// One of these; the first listed that is satisfied is the identity.
        any: Each<RequireForm>,
        /// All of these.
        all: Each<RequireForm>,
        /// Of `all`: the member whose identity goes upstream.
        identity: Name,
        /// The requirement of this name in `requirements`.
        r#use: Name,
    }
}

/// A provider's name, or an object.
pub(super) enum RequireForm {
    Named(String),
    Written(Box<RequireObject>),
}

impl Form for RequireForm {
    fn read(node: Node<'_>, cx: &mut Reader<'_>) -> Option<Self> {
        if node.value.is_object() {
            return RequireObject::read(node, cx).map(|object| Self::Written(Box::new(object)));
        }
        super::forms::name(node, cx).map(|name| Self::Named(name.to_owned()))
    }

    #[cfg(not(target_os = "wasi"))]
    fn describe() -> Description {
        Description::Either(vec![Description::Leaf("a provider's name"), RequireObject::describe()])
    }
}

/// What names mean where a requirement stands.
pub(super) struct Scope<'s> {
    /// `None`: `providers` has faults that keep them from being told.
    pub(super) profiles: Option<&'s [Profile]>,
    pub(super) requirements: &'s [(String, Option<RequireForm>)],
    pub(super) variables: Variables<'s>,
}

/// Around a requirement.
#[derive(Clone, Copy, Default)]
struct Around<'a> {
    /// How many `any` and `all`, through names too.
    levels: usize,
    /// How many of them since the last name.
    written: usize,
    /// Directly in an `any`.
    in_any: bool,
    /// The names used on the way.
    used: Option<&'a Used<'a>>,
}

struct Used<'a> {
    name: &'a str,
    before: Option<&'a Self>,
}

impl Scope<'_> {
    /// Compiles what stands under `require`.
    pub(super) fn compile(&self, form: &RequireForm, at: &Path<'_>, cx: &mut Reader<'_>) -> Option<Requirement> {
        self.requirement(form, at, Around::default(), cx)
    }

    /// Compiles what stands under a name, for the faults that no use of it would show.
    pub(super) fn compile_named(&self, name: &str, form: &RequireForm, at: &Path<'_>, cx: &mut Reader<'_>) {
        let used = Used { name, before: None };
        self.requirement(form, at, Around { used: Some(&used), ..Around::default() }, cx);
    }

    fn requirement(&self, form: &RequireForm, at: &Path<'_>, around: Around<'_>, cx: &mut Reader<'_>) -> Option<Requirement> {
        let form = match form {
            RequireForm::Named(name) => {
                let (provider, _) = self.provider(name, at, cx)?;
                return Some(Requirement::One(Need { provider, optional: false, conditions: Vec::new(), any_of: Vec::new() }));
            }
            RequireForm::Written(form) => form,
        };
        let kinds = [
            ("provider", form.provider.is_written()),
            ("any", form.any.is_written()),
            ("all", form.all.is_written()),
            ("use", form.r#use.is_written()),
        ];
        let kind = cx.exactly_one(at, &kinds)?;
        if form.identity.is_written() && !form.all.is_written() {
            cx.fault(&at.name("identity"), format_args!("goes with `all`"));
        }
        if kind == "provider" {
            return self.need(form, at, around, cx).map(Requirement::One);
        }
        if form.conditions().are_written() || form.any_of.is_written() {
            cx.fault(at, format_args!("conditions go with a provider, not beside any, all or use; write them on each member"));
        }
        if form.optional.is_written() {
            cx.fault(&at.name("optional"), format_args!("goes with a provider: alone, or as a member of `all`"));
        }
        match kind {
            "any" => self.any(form.any.get()?, &at.name("any"), around, cx),
            "all" => self.all(form, form.all.get()?, at, around, cx),
            _ => self.used(&form.r#use.get()?.0, at, around, cx),
        }
    }

    fn provider(&self, name: &str, at: &Path<'_>, cx: &mut Reader<'_>) -> Option<(ProviderId, &Profile)> {
        let profiles = self.profiles?;
        let found = profiles.iter().enumerate().find(|(_, profile)| profile.name == name);
        if found.is_none() {
            let names = profiles.iter().map(|profile| profile.name.as_str()).collect::<Vec<_>>().join(", ");
            if self.requirements.iter().any(|(requirement, _)| requirement == name) {
                cx.fault(at, format_args!("{name} is a requirement, not a provider; write {{use: {name}}}"));
            } else {
                cx.fault(at, format_args!("there is no provider {name}; there are: {names}"));
            }
        }
        found.map(|(index, profile)| (ProviderId(index), profile))
    }

    fn need(&self, form: &RequireObject, at: &Path<'_>, around: Around<'_>, cx: &mut Reader<'_>) -> Option<Need> {
        let found = form.provider.get().and_then(|Name(name)| self.provider(name, &at.name("provider"), cx));
        let unknown = Profile::unknown("the provider");
        let profile = found.map_or(&unknown, |(_, profile)| profile);
        let conditions = form.conditions().compile(profile, self.variables, at, cx);
        let at_any_of = at.name("any_of");
        let mut any_of = Vec::new();
        for (index, alternative) in form.any_of.get().map(|Each(list)| list.as_slice()).unwrap_or_default().iter().enumerate() {
            let Some(alternative) = alternative else { continue };
            let at = at_any_of.index(index);
            if !alternative.conditions().are_written() {
                cx.fault(&at, format_args!("no condition: everyone would meet it"));
            }
            any_of.push(alternative.conditions().compile(profile, self.variables, &at, cx));
        }
        if form.any_of.is_written() && form.any_of.get().is_some_and(|Each(list)| list.is_empty()) {
            cx.fault(&at_any_of, format_args!("empty: nobody could meet it"));
        }
        let optional = *form.optional.get()?;
        if optional && (form.conditions().are_written() || form.any_of.is_written()) {
            cx.fault(&at.name("optional"), format_args!("goes without conditions: who sends no credential could not meet them"));
        }
        if optional && around.in_any {
            cx.fault(&at.name("optional"), format_args!("stands on a whole `require` or on a member of `all`, not in `any`"));
        }
        Some(Need { provider: found?.0, optional, conditions, any_of })
    }

    fn used(&self, name: &str, at: &Path<'_>, around: Around<'_>, cx: &mut Reader<'_>) -> Option<Requirement> {
        let at = at.name("use");
        let Some((name, form)) = self.requirements.iter().find(|(requirement, _)| requirement == name) else {
            let names = self.requirements.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
            cx.fault(&at, format_args!("there is no requirement {name} in `requirements`; there are: {names}"));
            return None;
        };
        let mut before = around.used;
        while let Some(used) = before {
            if used.name == name {
                cx.fault(&at, format_args!("{name} uses itself"));
                return None;
            }
            before = used.before;
        }
        let used = Used { name, before: around.used };
        let around = Around { written: 0, used: Some(&used), ..around };
        self.requirement(form.as_ref()?, &Path::ROOT.name("requirements").name(name), around, cx)
    }

    /// The members, each with where it stands; `None` for those with faults.
    fn members(
        &self,
        Each(forms): &Each<RequireForm>,
        in_any: bool,
        at: &Path<'_>,
        around: Around<'_>,
        cx: &mut Reader<'_>,
    ) -> Option<Vec<Option<Requirement>>> {
        if around.written > 0 {
            cx.fault(
                at,
                format_args!("any and all are one level deep; give this one a name in `requirements`, and write {{use: NAME}} here"),
            );
            return None;
        }
        if around.levels > 1 {
            cx.fault(at, format_args!("nested too deeply: of any and all, two levels are allowed, the inner one by name"));
            return None;
        }
        if forms.is_empty() {
            cx.fault(at, format_args!("empty: nothing to require"));
        }
        let around = Around { levels: around.levels.saturating_add(1), written: 1, in_any, used: around.used };
        let member = |(index, form): (usize, &Option<RequireForm>)| self.requirement(form.as_ref()?, &at.index(index), around, cx);
        Some(forms.iter().enumerate().map(member).collect())
    }

    fn any(&self, forms: &Each<RequireForm>, at: &Path<'_>, around: Around<'_>, cx: &mut Reader<'_>) -> Option<Requirement> {
        let members = self.members(forms, true, at, around, cx)?;
        for (index, member) in members.iter().enumerate() {
            let Some(member) = member else { continue };
            let at = at.index(index);
            if member.needs().iter().all(|need| need.optional) && !matches!(member, Requirement::One(_)) {
                cx.fault(&at, format_args!("demands nothing, so this `any` would demand nothing"));
            }
            for earlier in members.iter().take(index).flatten() {
                self.check_alternatives(earlier, member, &at, cx);
            }
        }
        members.into_iter().collect::<Option<_>>().map(Requirement::Any)
    }

    /// Each credential must be one alternative's.
    fn check_alternatives(&self, earlier: &Requirement, later: &Requirement, at: &Path<'_>, cx: &mut Reader<'_>) {
        let alone = |requirement: &Requirement| !matches!(requirement, Requirement::All { .. });
        for a in earlier.needs() {
            for b in later.needs() {
                let profile = |need: &Need| self.profiles.and_then(|profiles| profiles.get(need.provider.0));
                let Some((x, y)) = profile(a).zip(profile(b)) else { continue };
                if a.provider == b.provider {
                    if alone(earlier) && alone(later) {
                        cx.fault(at, format_args!("{} stands in this `any` twice; write one member with any_of", x.name));
                    }
                } else if let Some(remedy) = could_claim_the_same(x, y) {
                    cx.fault(at, format_args!("{} and {} could claim the same credential; {remedy}", x.name, y.name));
                } else if would_be_the_proxy(x, y) {
                    cx.warn(
                        at,
                        format_args!(
                            "{} comes first, and takes a proxy's own certificate for that of the caller; list {} before it",
                            x.name, y.name
                        ),
                    );
                }
            }
        }
    }

    fn all(
        &self,
        form: &RequireObject,
        forms: &Each<RequireForm>,
        at: &Path<'_>,
        around: Around<'_>,
        cx: &mut Reader<'_>,
    ) -> Option<Requirement> {
        let members = self.members(forms, false, &at.name("all"), around, cx)?;
        let mut direct = Vec::new();
        for (index, member) in members.iter().enumerate() {
            let mut found = member.as_ref().map(certain).unwrap_or_default();
            if found.iter().any(|provider| direct.contains(provider)) {
                cx.fault(
                    &at.name("all").index(index),
                    format_args!("this provider stands in this `all` twice; write its conditions together"),
                );
            }
            direct.append(&mut found);
        }
        let members = members.into_iter().collect::<Option<Vec<_>>>();
        // The demanded ones first: where there is one, its identity goes upstream, not that of an optional member beside it.
        let members = members.map(|members| {
            let (mut first, optional): (Vec<_>, Vec<_>) = members.into_iter().partition(|member| !is_optional(member));
            first.extend(optional);
            first
        });
        let count = members.iter().flatten().filter(|member| !is_optional(member)).count();
        if members.is_some() && count == 0 {
            cx.fault(&at.name("all"), format_args!("every member is optional, so nothing is demanded"));
        }
        let identity = match form.identity.get() {
            None if form.identity.is_faulty() => None,
            None => {
                if count > 1 {
                    cx.fault(at, format_args!("several identities could go upstream; say with `identity` which member's does"));
                }
                None
            }
            Some(Name(name)) => {
                let at = at.name("identity");
                let (provider, _) = self.provider(name, &at, cx)?;
                if members.is_some() && !members.iter().flatten().flat_map(demanded).any(|member| member == provider) {
                    cx.fault(&at, format_args!("{name} is not a member of this `all`, or not whenever it is satisfied"));
                }
                Some(provider)
            }
        };
        Some(Requirement::All { members: members?, identity })
    }
}

impl RequireObject {
    const fn conditions(&self) -> Conditions<'_> {
        Conditions {
            roles: &self.roles,
            scopes: &self.scopes,
            audiences: &self.audiences,
            claims: &self.claims,
            attributes: &self.attributes,
        }
    }
}

/// The providers without whose credential it isn't satisfied.
fn demanded(requirement: &Requirement) -> Vec<ProviderId> {
    match requirement {
        Requirement::One(need) if !need.optional => vec![need.provider],
        Requirement::All { members, .. } => members.iter().flat_map(demanded).collect(),
        Requirement::One(_) | Requirement::Any(_) => Vec::new(),
    }
}

/// Satisfied by nothing at all.
fn is_optional(requirement: &Requirement) -> bool {
    requirement.needs().iter().all(|need| need.optional)
}

/// The providers that a requirement asks whatever is sent.
fn certain(requirement: &Requirement) -> Vec<ProviderId> {
    match requirement {
        Requirement::One(need) => vec![need.provider],
        Requirement::All { members, .. } => members.iter().flat_map(certain).collect(),
        Requirement::Any(_) => Vec::new(),
    }
}

/// What keeps two providers apart, if nothing does yet.
fn could_claim_the_same(a: &Profile, b: &Profile) -> Option<&'static str> {
    let meet = |meets: fn(&_, &_) -> bool| a.places.iter().any(|x| b.places.iter().any(|y| meets(x, y)));
    // Whoever takes the whole header takes what stands in it after another's scheme, too.
    let overlap = meet(|x, y| super::place::places_meet(x, y) && x != y);
    match (a.ability.as_ref()?, b.ability.as_ref()?) {
        (
            Ability::Secret { .. } | Ability::Token { .. } | Ability::Answer { .. },
            Ability::Secret { .. } | Ability::Token { .. } | Ability::Answer { .. },
        ) if overlap => Some("give both places the same scheme or the same origins, or take different ones"),
        (Ability::Secret { .. } | Ability::Answer { .. }, Ability::Secret { .. } | Ability::Answer { .. }) => {
            meet(super::place::places_meet).then_some("make one provider of them, or give them different places")
        }
        (Ability::Token { issuers: x, .. }, Ability::Token { issuers: y, .. }) => (x.overlap(y) && meet(|x, y| x == y))
            .then_some("name the issuers of both, so that none is in both lists, or give them different places"),
        (Ability::Certificate { .. }, Ability::Certificate { .. }) => {
            (a.places == b.places).then_some("a connection, or a header, has only one certificate; make one provider of them")
        }
        // Whatever stands in its header, a certificate's provider takes it for one.
        (Ability::Certificate { .. }, _) | (_, Ability::Certificate { .. }) => {
            meet(super::place::places_meet).then_some("take another header for one of them")
        }
        _ => None,
    }
}

/// The one takes the connection's certificate; the other's callers come over the connection of a proxy that has one.
const fn would_be_the_proxy(a: &Profile, b: &Profile) -> bool {
    matches!(a.ability, Some(Ability::Certificate { .. }))
        && a.places.is_empty()
        && matches!(b.ability, Some(Ability::Certificate { by_proxy: true, .. }))
}

impl Issuers {
    fn overlap(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Unknown, _) | (_, Self::Unknown) => false,
            (Self::Any, _) | (_, Self::Any) => true,
            (Self::These(a), Self::These(b)) => a.iter().any(|issuer| b.contains(issuer)),
        }
    }
}
