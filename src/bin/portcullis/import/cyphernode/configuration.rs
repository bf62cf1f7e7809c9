//! The plugin's configuration for cyphernode.

use std::fmt;

use super::Format;
use super::api_properties::Action;
use super::keys_properties::{Key, Keys};
use crate::yaml::{list, quoted};

/// What the gatekeeper of 2021 answered by 403; a wrong MAC got 401, and an id that nobody has.
const FORBIDDEN: [&str; 11] = [
    "credential_missing",
    "credential_malformed",
    "credential_too_large",
    "token_malformed",
    "token_expired",
    "token_not_yet_valid",
    "token_from_future",
    "token_type",
    "claim_missing",
    "claim_invalid",
    "cnf_unchecked",
];

/// Those before it answered so always.
const FORBIDDEN_BEFORE_2021: [&str; 3] = ["signature_invalid", "algorithm_refused", "revoked"];

/// What to print, as YAML.
pub(super) struct Configuration<'a> {
    pub(super) keys: &'a Keys,
    /// `None`: every key may call everything.
    pub(super) actions: Option<&'a [Action]>,
    pub(super) formats: &'a [Format],
    /// The keys stand in it, rather than in variables.
    pub(super) inline: bool,
}

/// Where a key's secret is; ids are letters and digits.
pub(super) fn variable(key: &Key) -> String {
    format!("KEY_{}", key.id)
}

impl fmt::Display for Configuration<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# cyphernode's gatekeeper: a key for each caller, and what its groups may call.")?;
        if !self.inline {
            let names: Vec<String> = self.keys.list.iter().map(variable).collect();
            writeln!(f, "# Envoy passes variables on by vm_config: {{environment_variables: {{host_env_keys: [{}]}}}}", names.join(", "))?;
        }
        writeln!(f, "providers:\n  cyphernode:\n    jwt:\n      keys:\n        callers:\n          by: {{claim: id}}\n          list:")?;
        for key in &self.keys.list {
            self.caller(key, f)?;
        }
        let formats: Vec<&str> = self.formats.iter().map(|format| format.name()).collect();
        writeln!(f, "      formats: [{}]\n      clock_skew: 0s", formats.join(", "))?;
        if let Some(actions) = self.actions {
            rules(actions, f)?;
        }
        writeln!(f, "upstream: {{credential: keep, headers: {{}}}}  # the gatekeeper passed on what it got")?;
        self.reject(f)
    }
}

impl Configuration<'_> {
    fn caller(&self, key: &Key, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "            - {{id: {}, ", quoted(&key.id))?;
        if self.keys.have_groups {
            write!(f, "roles: {}, ", list(key.groups.iter().map(String::as_str)))?;
        }
        if self.inline {
            writeln!(f, "secrets: [{{text: {}, bytes: 64}}]}}", quoted(&key.secret))
        } else {
            writeln!(f, "secrets: [{{env: {}, as: text, bytes: 64}}]}}", variable(key))
        }
    }

    fn reject(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "reject:\n  body: none\n  challenge: none\n  forbidden: 403\n  status:  # what the gatekeeper answered")?;
        let before: &[&str] = if self.formats.contains(&Format::Y2021) { &[] } else { &FORBIDDEN_BEFORE_2021 };
        FORBIDDEN.iter().chain(before).try_for_each(|reason| writeln!(f, "    {reason}: 403"))
    }
}

fn rules(actions: &[Action], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "rules:  # the first that matches decides; what none matches is refused")?;
    for template in ["/s/{group}", "/s/{group}/**"] {
        writeln!(
            f,
            "  - {{match: {{path_template: {}}}, require: {{provider: cyphernode, roles: \"{{path.group}}\"}}}}",
            quoted(template)
        )?;
    }
    for action in actions {
        let path = quoted(&format!("/v0/{}", action.name));
        if action.is_internal() {
            writeln!(f, "  - {{match: {{path_prefix: {path}}}, deny: true}}  # group internal: nobody from outside")?;
        } else {
            writeln!(f, "  - {{match: {{path_prefix: {path}}}, require: {{provider: cyphernode, roles: {}}}}}", quoted(&action.group))?;
        }
    }
    Ok(())
}
