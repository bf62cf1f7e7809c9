//! `portcullis import cyphernode`: the gatekeeper's `keys.properties` and `api.properties`.

mod api_properties;
mod configuration;
mod keys_properties;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use portcullis::config::{Fault, Segment};

use crate::report::{Failure, Report};
use crate::{new_file, yaml};
use api_properties::Action;
use configuration::{Configuration, variable};
use keys_properties::Keys;

/// From cyphernode's keys.properties and api.properties
///
/// The files are read, never run: a line that would do anything else than name a key or an action is refused. The configuration takes
/// the keys from variables (KEY_001 for the key 001), unless --inline puts them there.
#[derive(Args)]
#[command(after_help = "Examples:
  portcullis import cyphernode --keys keys.properties --api api.properties \\
    --env-file keys.env > plugin.yaml
  portcullis import cyphernode --keys keys.properties > plugin.yaml         (keys of 2018)")]
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

        let text =
            Configuration { keys: &keys, actions: actions.as_deref(), formats: &self.formats(&keys), inline: self.inline }.to_string();
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

fn notes(keys: &Keys, actions: &[Action]) -> Vec<String> {
    let mut notes = Vec::new();
    if !keys.have_groups {
        notes.push("warning: keys of 2018 have no groups: each may call everything".to_owned());
        notes.push("note: there the whole path is the action: in envoy/cyphernode.yaml the route is {match: {prefix: /}, route: {cluster: proxy, timeout: 180s}}".to_owned());
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
