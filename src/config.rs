//! What operators write: the plugin's configuration. Each field is declared once, as data: its name, its type, its default and its
//! documentation. What leaves this module is a [`Policy`] in which every name is resolved and nothing must be checked again.

mod certificate_source;
mod client_certificate;
mod condition;
mod declare;
#[cfg(not(target_os = "wasi"))]
mod describe;
mod fault;
mod forms;
mod grants;
mod jwks_uri;
mod jwt;
mod jwt_keys;
mod kept;
mod mode;
mod overrides;
mod place;
mod profile;
mod provider;
mod quantity;
mod reader;
mod reject;
mod remote;
mod remote_body;
mod require;
mod revoked;
mod rules;
mod secret;
mod seen;
mod source;
mod static_secret;
#[cfg(test)]
mod tests;
mod upstream;

#[cfg(not(target_os = "wasi"))]
pub use describe::{Description, FieldDescription, ObjectDescription};
pub use fault::{Fault, Segment, Warning};
pub use mode::ended_observations;

use serde_json::Value;

use self::declare::fields;
use self::fault::Path;
use self::forms::{Each, Table};
use self::jwt::JwtForm;
use self::mode::{CacheForm, LimitsForm, ModeForm, PathsForm};
use self::profile::Profile;
use self::provider::ProviderForm;
use self::reader::{Form, Node, Reader};
use self::reject::RejectForm;
use self::require::{RequireForm, Scope};
use self::revoked::RevokedForm;
use self::rules::{Named, RuleForm};
use self::upstream::UpstreamForm;
use crate::policy::{
    Action, Demand, KeySources, Kind, Match, Mode, NamePattern, Need, Paths, Policy, Provider, ProviderId, Removal, Requirement, Rule,
    Rules,
};

fields! {
    /// The plugin's configuration.
    struct ConfigForm {
        /// Who can prove who they are, and how, by name.
        providers: Table<ProviderForm> = required,
        /// The first that matches decides; a request that none matches is refused. Absent: the only provider, for every request.
        rules: Each<RuleForm>,
        /// What the upstream learns.
        upstream: UpstreamForm = "{}",
        /// The answers to refused requests.
        reject: RejectForm = "{}",
        /// What may stand in paths although upstreams read it in different ways.
        paths: PathsForm = "{}",
        /// Tokens and certificates that were verified and are remembered.
        cache: CacheForm = "{}",
        /// Bounds.
        limits: LimitsForm = "{}",
        /// What is no longer good.
        revoked: RevokedForm = "{}",
        /// How the rules are applied.
        mode: ModeForm,
        /// Requirements by name, for `use`.
        requirements: Table<RequireForm> = "{}",
    }
}

/// Loads a configuration: `google.protobuf.Struct` in its binary form, or JSON. A pure function of these bytes and the environment.
///
/// # Errors
/// Every fault that was found, in the order of their paths.
pub fn load(config: &[u8], env: &dyn Fn(&str) -> Option<String>) -> Result<(Policy, Vec<Warning>), Vec<Fault>> {
    let value = source::read(config).map(Value::Object).map_err(|what| vec![Fault { path: Vec::new(), what }])?;
    let mut cx = Reader::new(env);
    let policy = ConfigForm::read(Node { value: &value, at: &Path::ROOT }, &mut cx).and_then(|form| form.compile(&mut cx));
    let Reader { faults, warnings, .. } = cx;
    match policy {
        Some(policy) if faults.is_empty() => Ok((policy, warnings)),
        // Never reached, but a load that fails without a fault must not pass for one that didn't.
        None if faults.is_empty() => Err(vec![Fault { path: Vec::new(), what: "this can't be loaded".to_owned() }]),
        _ => Err(faults),
    }
}

/// How a configuration is written.
#[cfg(not(target_os = "wasi"))]
#[must_use]
pub fn describe() -> Description {
    ConfigForm::describe()
}

impl ConfigForm {
    fn compile(&self, cx: &mut Reader<'_>) -> Option<Policy> {
        let (profiles, mut kinds, key_sets) = self.providers(cx);
        self.bind(&profiles, &mut kinds, cx);
        let known = self.providers.get().is_some().then_some(profiles.as_slice());
        let (upstreams, mut removed) = self.upstreams(known, cx);
        let paths = self.paths.get().map_or(Paths { encoded_slash: true, empty_segments: true, parameters: true }, PathsForm::compile);
        let mode = mode::mode(&self.mode, Mode::Enforce);
        let (rules, named) = self.rules(known, paths, mode, cx);
        let reject = self.reject.get().and_then(|form| form.compile(&Path::ROOT.name("reject"), cx));
        let limits = self.limits.get().and_then(|form| form.compile(&Path::ROOT.name("limits"), cx));
        let cache = self.cache.get().and_then(|form| form.compile(&Path::ROOT.name("cache"), cx));
        let revoked = self.revoked.get().map(|form| form.compile(known, &Path::ROOT.name("revoked"), cx));

        let binds_hosts = named.hosts || kinds.iter().flatten().any(Kind::binds_hosts);
        removed.extend(overrides::names(named.paths || named.methods, binds_hosts));
        let places: Vec<_> = profiles.iter().flat_map(|profile| profile.places.iter().cloned()).collect();
        let provider = |((profile, kind), upstream): ((&Profile, Option<Kind>), upstream::Compiled)| {
            Some(Provider { name: profile.name.as_str().into(), kind: kind?, upstream: upstream.finish()? })
        };
        let mut providers = profiles.iter().zip(kinds).zip(upstreams).map(provider).collect::<Option<Vec<_>>>()?;
        let (rules, revoked) = (rules?, revoked?);
        kept::keep(&mut providers, &rules, &revoked);
        let removal = Removal::new(&removed, &places).sparing(mode::spared(&providers, &places, &rules, mode));
        Some(Policy {
            providers,
            rules: Rules::new(rules),
            removal,
            reject: reject?,
            paths,
            limits: limits?,
            cache: cache?,
            revoked,
            mode,
            key_sets,
            names_paths: named.paths,
        })
    }

    /// In the order of their names.
    fn providers(&self, cx: &mut Reader<'_>) -> (Vec<Profile>, Vec<Option<Kind>>, KeySources) {
        let at = Path::ROOT.name("providers");
        let (mut profiles, mut kinds, mut key_sets) = (Vec::new(), Vec::new(), Vec::new());
        let Some(Table(forms)) = self.providers.get() else { return (profiles, kinds, key_sets) };
        // Rules can do without: `allow: anyone` and `deny` ask nobody.
        if forms.is_empty() && !self.rules.is_written() {
            cx.fault(&at, format_args!("empty: nobody could prove who they are"));
        }
        for (name, form) in forms {
            let (profile, kind) = match form {
                Some(form) => form.compile(name, &mut key_sets, &at.name(name), cx),
                None => (Profile::unknown(name), None),
            };
            profiles.push(profile);
            kinds.push(kind);
        }
        (profiles, kinds, key_sets)
    }

    /// Binds tokens to certificates.
    fn bind(&self, profiles: &[Profile], kinds: &mut [Option<Kind>], cx: &mut Reader<'_>) {
        let at = Path::ROOT.name("providers");
        let forms = self.providers.get().map(|Table(forms)| forms.as_slice()).unwrap_or_default();
        for ((name, form), kind) in forms.iter().zip(kinds) {
            let Some(wanted) = form.as_ref().and_then(|form| form.jwt.get()).and_then(JwtForm::bound_to) else { continue };
            let found = profiles.iter().enumerate().find(|(_, profile)| profile.name == wanted);
            let wrong = match found {
                None => "there is no provider",
                Some((_, profile)) if !profile.yields_certificate() => "no provider of client certificates:",
                Some((index, _)) => {
                    if let Some(Kind::Jwt { jwt, .. }) = kind {
                        jwt.bind = Some(ProviderId(index));
                    }
                    continue;
                }
            };
            cx.fault(&at.name(name).name("jwt").name("bind").name("certificate"), format_args!("{wrong} {wanted}"));
        }
    }

    /// For each provider what it tells the upstream; and the names that no client may send.
    fn upstreams(&self, profiles: Option<&[Profile]>, cx: &mut Reader<'_>) -> (Vec<upstream::Compiled>, Vec<NamePattern>) {
        let at = Path::ROOT.name("upstream");
        let all = self.upstream.get().map(|form| form.compile(None, None, profiles, &at, cx)).unwrap_or_default();
        let (mut compiled, mut names) = (Vec::new(), Vec::new());
        all.add_names(&mut names);
        if let Some(form) = self.upstream.get() {
            form.add_removed(&mut names);
        }
        let forms = self.providers.get().map(|Table(forms)| forms.as_slice()).unwrap_or_default();
        let at = Path::ROOT.name("providers");
        for ((name, form), profile) in forms.iter().zip(profiles.unwrap_or_default()) {
            let Some(own) = form.as_ref().and_then(|form| form.upstream.get()) else {
                compiled.push(all.clone());
                continue;
            };
            let upstream = own.compile(Some(&all), Some(profile), profiles, &at.name(name).name("upstream"), cx);
            upstream.add_names(&mut names);
            own.add_removed(&mut names);
            compiled.push(upstream);
        }
        (compiled, names)
    }

    fn rules(&self, profiles: Option<&[Profile]>, paths: Paths, mode: Mode, cx: &mut Reader<'_>) -> (Option<Vec<Rule>>, Named) {
        let requirements = self.requirements.get().map(|Table(list)| list.as_slice()).unwrap_or_default();
        let scope = Scope { profiles, requirements, variables: None };
        let at = Path::ROOT.name("requirements");
        for (name, form) in requirements {
            if let Some(form) = form {
                scope.compile_named(name, form, &at.name(name), cx);
            }
        }
        let at = Path::ROOT.name("rules");
        let Some(Each(forms)) = self.rules.get() else {
            if self.rules.is_absent() && profiles.is_some_and(|profiles| profiles.len() > 1) {
                cx.fault(&at, format_args!("missing; without rules there must be exactly one provider, which every request must satisfy"));
            }
            let need = Need { provider: ProviderId(0), optional: false, conditions: Vec::new(), any_of: Vec::new() };
            let rule = Rule { when: Match::default(), then: Action::Require(Demand::new(Requirement::One(need))), mode };
            return (Some(vec![rule]), Named::default());
        };
        if forms.is_empty() {
            cx.fault(&at, format_args!("empty: every request would be refused; leave the field out to demand the only provider"));
        }
        let mut named = Named::default();
        let mut rules = Vec::new();
        for (index, form) in forms.iter().enumerate() {
            let rule = form.as_ref().and_then(|form| {
                let names = form.names();
                named =
                    Named { paths: named.paths || names.paths, methods: named.methods || names.methods, hosts: named.hosts || names.hosts };
                form.compile(&scope, paths, mode, &at.index(index), cx)
            });
            rules.push(rule);
        }
        (rules.into_iter().collect(), named)
    }
}
