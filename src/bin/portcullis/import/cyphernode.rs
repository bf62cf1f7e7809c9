//! `portcullis import cyphernode`: the gatekeeper's `keys.properties` and `api.properties`.

mod api_properties;
mod keys_properties;

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use portcullis::config::{Fault, Segment};

use crate::report::{Failure, Report};
use crate::{new_file, yaml};
use api_properties::Action;
use keys_properties::{Key, Keys};

/// From cyphernode's keys.properties and api.properties
///
/// The files are read, never run: a line that would do anything else than name a key or an action is refused. Keys stay out of the
/// configuration, unless --inline puts them there: it takes them from variables, KEY_001 for the key 001.
#[derive(Args)]
#[command(after_help = "Examples:
  portcullis import cyphernode --keys keys.properties --api api.properties --env-file keys.env > plugin.yaml
  portcullis import cyphernode --keys keys.properties --format 2018        (of 2018, without groups)")]
pub(crate) struct Cyphernode {
    /// Who may call: `kapi_id=...;kapi_key=...;kapi_groups=...` lines, or those of 2018, `key001=...`
    #[arg(long, value_name = "FILE")]
    keys: PathBuf,

    /// What each group may call: `action_NAME=GROUP` lines; keys of 2018 have no groups, and go without
    #[arg(long, value_name = "FILE")]
    api: Option<PathBuf>,

    /// The forms of tokens to accept, by the gatekeeper's years; absent: 2021,2019, or 2018 for keys of 2018
    #[arg(long, value_name = "YEAR", value_delimiter = ',')]
    format: Vec<Format>,

    /// Write the keys there, as variables for Envoy's environment: a new file, which only its owner may read
    #[arg(long, value_name = "FILE", conflicts_with = "inline")]
    env_file: Option<PathBuf>,

    /// Put the keys into the configuration itself, for everybody who may read that
    #[arg(long)]
    inline: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Signed with a line feed at the end
    #[value(name = "2018")]
    Y2018,
    /// Signed in hex
    #[value(name = "2019")]
    Y2019,
    /// JWS
    #[value(name = "2021")]
    Y2021,
}

impl Format {
    const fn name(self) -> &'static str {
        match self {
            Self::Y2018 => "cyphernode-2018",
            Self::Y2019 => "cyphernode-2019",
            Self::Y2021 => "cyphernode-2021",
        }
    }
}

/// For what the gatekeeper of 2021 answered by 403. Those before it never answered otherwise.
const FORBIDDEN: [&str; 8] = [
    "credential_missing",
    "credential_malformed",
    "credential_unrecognised",
    "credential_too_large",
    "token_malformed",
    "token_expired",
    "claim_missing",
    "claim_invalid",
];

impl Cyphernode {
    pub(crate) fn run(&self) -> Result<Report, Failure> {
        let mut faults = Vec::new();
        let mut collect =
            |path: &PathBuf, found: Vec<String>| faults.extend(found.into_iter().map(|fault| format!("{}, {fault}", path.display())));
        let keys = keys_properties::parse(&new_file::read(&self.keys)?).map_err(|found| collect(&self.keys, found)).ok();
        let actions = match &self.api {
            Some(path) => api_properties::parse(&new_file::read(path)?).map(Some).map_err(|found| collect(path, found)).ok(),
            None => Some(None),
        };
        let (Some(keys), Some(actions)) = (keys, actions) else { return Err(Failure(faults)) };
        match (keys.have_groups, actions.is_some()) {
            (true, false) => {
                return Err("--api: missing; these keys have groups, and api.properties says what each group may call".to_owned().into());
            }
            (false, true) => {
                return Err("--api: these keys are of 2018 and have no groups; leave it out, and each key may call everything"
                    .to_owned()
                    .into());
            }
            _ => {}
        }

        let text = self.text(&keys, actions.as_deref());
        let env = |name: &str| keys.list.iter().find(|key| variable(key) == name).map(|key| key.secret.clone());
        yaml::check(&text, &env).map_err(|faults| Failure(faults.iter().map(|fault| self.by_line(fault, &keys)).collect()))?;
        let mut report = Report { output: text, notes: notes(&keys, actions.as_deref().unwrap_or_default()) };
        if let Some(path) = &self.env_file {
            let lines: String = keys.list.iter().map(|key| format!("{}={}\n", variable(key), key.secret)).collect();
            new_file::create_private(path, &lines)?;
        } else if !self.inline {
            report.notes.push("note: the keys are in the variables that the configuration names; --env-file FILE writes them".to_owned());
        }
        Ok(report)
    }

    fn formats(&self, keys: &Keys) -> Vec<Format> {
        match (self.format.is_empty(), keys.have_groups) {
            (false, _) => self.format.clone(),
            (true, true) => vec![Format::Y2021, Format::Y2019],
            (true, false) => vec![Format::Y2018],
        }
    }

    fn text(&self, keys: &Keys, actions: Option<&[Action]>) -> String {
        let formats = self.formats(keys);
        let mut text = String::from("# cyphernode's gatekeeper: a key for each caller, and what its groups may call.\n");
        // To a String nothing fails to be written.
        let mut line = |line: std::fmt::Arguments<'_>| {
            let _ = writeln!(text, "{line}");
        };
        if !self.inline {
            let names: Vec<String> = keys.list.iter().map(variable).collect();
            line(format_args!(
                "# Envoy passes variables on by vm_config: {{environment_variables: {{host_env_keys: [{}]}}}}",
                names.join(", ")
            ));
        }
        line(format_args!(
            "providers:\n  cyphernode:\n    jwt:\n      keys:\n        callers:\n          by: {{claim: id}}\n          list:"
        ));
        for key in &keys.list {
            let secret = if self.inline {
                format!("{{text: {}}}", yaml::quoted(&key.secret))
            } else {
                format!("{{env: {}, as: text}}", variable(key))
            };
            let roles =
                if keys.have_groups { format!("roles: {}, ", yaml::list(key.groups.iter().map(String::as_str))) } else { String::new() };
            line(format_args!("            - {{id: {}, {roles}secrets: [{secret}]}}", yaml::quoted(&key.id)));
        }
        line(format_args!("      formats: [{}]", formats.iter().map(|format| format.name()).collect::<Vec<_>>().join(", ")));
        line(format_args!("      clock_skew: 0s"));
        if let Some(actions) = actions {
            line(format_args!("rules:                                            # the first that matches decides"));
            for template in ["/s/{group}", "/s/{group}/**"] {
                line(format_args!("  - match: {{path_template: \"{template}\"}}"));
                line(format_args!("    require: {{provider: cyphernode, roles: \"{{path.group}}\"}}"));
            }
            for action in actions {
                line(format_args!("  - match: {{path_prefix: {}}}", yaml::quoted(&format!("/v0/{}", action.name))));
                if action.is_internal() {
                    line(format_args!("    deny: true                                   # group internal: nobody from outside"));
                } else {
                    line(format_args!("    require: {{provider: cyphernode, roles: {}}}", yaml::quoted(&action.group)));
                }
            }
        }
        line(format_args!("upstream: {{credential: keep}}                       # the gatekeeper passed it on"));
        let mut status: Vec<&str> = FORBIDDEN.to_vec();
        if !formats.contains(&Format::Y2021) {
            status.extend(["signature_invalid", "key_unknown"]);
        }
        line(format_args!(
            "reject:\n  forbidden: 403\n  challenge: none\n  status:                                         # as the gatekeeper's clients know it"
        ));
        for reason in status {
            line(format_args!("    {reason}: 403"));
        }
        text
    }

    /// A fault of the loader's; one in a key by the line of that.
    fn by_line(&self, fault: &Fault, keys: &Keys) -> String {
        let key = match fault.path.as_slice() {
            [.., Segment::Name(list), Segment::Index(index), Segment::Name(_), Segment::Index(_)] if list == "list" => {
                keys.list.get(*index)
            }
            [.., Segment::Name(list), Segment::Index(index), Segment::Name(_), Segment::Index(_), Segment::Name(_)] if list == "list" => {
                keys.list.get(*index)
            }
            _ => None,
        };
        key.map_or_else(|| fault.to_string(), |key| format!("{}, line {}: {}", self.keys.display(), key.line, fault.what))
    }
}

/// Where a key's secret is; ids are letters and digits.
fn variable(key: &Key) -> String {
    format!("KEY_{}", key.id)
}

fn notes(keys: &Keys, actions: &[Action]) -> Vec<String> {
    let mut notes = Vec::new();
    if !keys.have_groups {
        notes.push("warning: keys of 2018 have no groups: each may call everything".to_owned());
    }
    for key in keys.list.iter().filter(|key| key.groups.iter().any(|group| group == api_properties::INTERNAL)) {
        notes.push(format!("warning: the key {} is of the group internal, whose actions are denied to everybody", key.id));
    }
    for action in actions.iter().filter(|action| !action.is_internal()) {
        if !keys.list.iter().any(|key| key.groups.contains(&action.group)) {
            notes.push(format!("warning: no key is of the group {}, which {} needs", action.group, action.name));
        }
    }
    notes
}
