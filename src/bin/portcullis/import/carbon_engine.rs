//! `portcullis import carbon-engine`: Carbon Engine's `COGO_*` variables.

mod cluster;
mod settings;

use std::path::PathBuf;

use clap::Args;
use portcullis::config::{Fault, Segment};

use crate::report::{Failure, Report};
use crate::yaml;
use settings::{ISSUER, JWKS, KEY, MODE, SCOPE, SUBS, Settings, is_known};

/// From Carbon Engine's COGO_* variables
///
/// Reads COGO_AUTHENTICATION_MODE and what belongs to its modes: COGO_HASHED_ACCESS_KEY (static); COGO_JWT_ISSUER, COGO_JWKS_URL,
/// COGO_JWT_SUBS, COGO_JWT_REQUIRED_SCOPE (jwt).
#[derive(Args)]
#[command(after_help = "Examples:
  portcullis import carbon-engine --env-file carbon.env > plugin.yaml
  COGO_AUTHENTICATION_MODE=none portcullis import carbon-engine
  portcullis import carbon-engine --env-file carbon.env --engine-secret ENGINE_SECRET")]
pub(crate) struct CarbonEngine {
    /// Read the variables from this file (NAME=VALUE lines, as docker takes them) instead of the environment
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,

    /// The Envoy cluster through which the key set is fetched
    #[arg(long, value_name = "NAME", default_value = "jwks")]
    cluster: String,

    /// Take a COGO_JWKS_URL that is plain http, although whoever is on the way can put in keys of their own
    #[arg(long)]
    insecure_http: bool,

    /// The engine itself stays in mode static: send it the secret that this variable of Envoy's holds
    #[arg(long, value_name = "VARIABLE")]
    engine_secret: Option<String>,
}

/// Stands for a variable that is missing, so that the others can be judged nevertheless. Never printed.
const MISSING: &str = "https://missing.invalid/";

impl CarbonEngine {
    pub(crate) fn run(&self) -> Result<Report, Failure> {
        let mut settings = Settings::read(self.env_file.as_deref())?;
        if self.engine_secret.as_deref().is_some_and(is_known) {
            settings.fault("--engine-secret", "names the variable that holds the engine's secret itself, which none of COGO_* does");
        }
        let mut text = match settings.mode.as_deref() {
            Some("none") => self.none(&mut settings),
            Some("static") => self.r#static(&mut settings),
            Some("jwt") => self.jwt(&mut settings),
            Some(_) => {
                settings.fault(MODE, "not a mode of Carbon Engine's: none, static and jwt are");
                return Err(Failure(settings.faults));
            }
            None => {
                settings.fault(MODE, "missing; it is none, static or jwt");
                return Err(Failure(settings.faults));
            }
        };
        let env = |name: &str| settings.value(name).or_else(|| (self.engine_secret.as_deref() == Some(name)).then(|| MISSING.to_owned()));
        match yaml::check(&text, &env) {
            Ok((policy, _)) if settings.faults.is_empty() => {
                for (_, keys) in &policy.key_sets {
                    text += &cluster::comment(keys);
                }
                settings.note_unused();
                Ok(Report { output: text, notes: settings.notes })
            }
            Ok(_) => Err(Failure(settings.faults)),
            Err(faults) => {
                faults.iter().for_each(|fault| note(&mut settings, fault));
                Err(Failure(settings.faults))
            }
        }
    }

    fn none(&self, settings: &mut Settings) -> String {
        settings.uses(&[]);
        if self.engine_secret.is_some() {
            settings.fault("--engine-secret", "goes with the modes static and jwt: in mode none anyone would call with it");
        }
        "# Carbon Engine in mode none: nobody is asked for a credential, and requests go on as they came.
providers: {}
rules: [{allow: anyone}]
upstream: {headers: {}}
"
        .to_owned()
    }

    fn r#static(&self, settings: &mut Settings) -> String {
        settings.uses(&[KEY]);
        let _ = settings.required(KEY);
        format!(
            "# Carbon Engine in mode static: `Authorization: Bearer SECRET` on every request.
{}
providers:
  carbon-engine:
    static_secret:
      sha256: {{env: {KEY}}}
{}",
            self.variables(&[KEY]),
            self.upstream(),
        )
    }

    fn jwt(&self, settings: &mut Settings) -> String {
        settings.uses(&[ISSUER, JWKS, SUBS, SCOPE]);
        let issuer = settings.required(ISSUER).unwrap_or_else(|| MISSING.to_owned());
        if issuer.trim() != issuer {
            settings.fault(ISSUER, "white space around it would be part of it, and iss is compared byte for byte");
        }
        let jwks = settings.required(JWKS).unwrap_or_else(|| MISSING.to_owned());
        let subjects = settings.optional(SUBS).unwrap_or_default();
        let scope = settings.optional(SCOPE);
        let insecure =
            if self.insecure_http { "\n        insecure_http: true  # whoever is on the way can put in keys of their own" } else { "" };
        let subjects: Vec<&str> = subjects.split(' ').filter(|subject| !subject.is_empty()).collect();
        let subjects =
            if subjects.is_empty() { String::new() } else { format!("\n      subjects: {}  # {SUBS}, any of", yaml::list(subjects)) };
        let rules = scope.map(|scope| {
            if scope.contains(' ') {
                settings.fault(SCOPE, "one scope is wanted, and blanks separate several: no token could have this one");
            }
            format!("rules:\n  - require: {{provider: carbon-engine, scopes: {}}}  # {SCOPE}\n", yaml::quoted(&scope))
        });
        let variables = if self.engine_secret.is_some() { self.variables(&[]) + "\n" } else { String::new() };
        format!(
            "# Carbon Engine in mode jwt: `Authorization: Bearer TOKEN` on every request.
{variables}providers:
  carbon-engine:
    jwt:
      keys:
        jwks_uri: {jwks}  # {JWKS}
        cluster: {cluster}  # this Envoy cluster connects; see below{insecure}
        refresh: 1h
      issuers: [{issuer}]  # {ISSUER}
      audiences: any  # Carbon Engine doesn't look at aud
      algorithms: [RS256, ES256]
      require_kid: true
      clock_skew: 60s  # Carbon Engine documents none{subjects}
{rules}{upstream}",
            jwks = yaml::quoted(&jwks),
            cluster = yaml::quoted(&self.cluster),
            issuer = yaml::quoted(&issuer),
            rules = rules.unwrap_or_default(),
            upstream = self.upstream(),
        )
    }

    /// The comment that says which variables Envoy has to pass on.
    fn variables(&self, own: &[&str]) -> String {
        let names: Vec<&str> = own.iter().copied().chain(self.engine_secret.as_deref()).collect();
        format!("# Envoy passes variables on by vm_config: {{environment_variables: {{host_env_keys: [{}]}}}}", names.join(", "))
    }

    fn upstream(&self) -> String {
        let Some(variable) = &self.engine_secret else { return String::new() };
        format!(
            "upstream:
  headers:  # the engine itself in mode static: Envoy holds its secret, and clients don't
    authorization: {{secret: {{env: {}}}, prefix: \"Bearer \"}}
",
            yaml::quoted(variable)
        )
    }
}

/// A fault of the loader's, by the variable that led to it.
fn note(settings: &mut Settings, fault: &Fault) {
    let name = |segment: &Segment| match segment {
        Segment::Name(name) => Some(match name.as_str() {
            "sha256" => KEY,
            "jwks_uri" | "insecure_http" => JWKS,
            "issuers" => ISSUER,
            "subjects" => SUBS,
            "scopes" => SCOPE,
            "cluster" => "--cluster",
            "upstream" => "--engine-secret",
            _ => return None,
        }),
        Segment::Index(_) => None,
    };
    match fault.path.iter().find_map(name) {
        Some(JWKS) if fault.path.last() == Some(&Segment::Name("insecure_http".to_owned())) => settings.fault(
            JWKS,
            "plain http, where whoever is on the way can put in keys of their own; write https, or say --insecure-http (which goes with http alone)",
        ),
        Some(name) => settings.fault(name, &fault.what),
        None => settings.faults.push(fault.to_string()),
    }
}
