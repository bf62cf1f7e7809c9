//! `portcullis reasons`: every reason code, and what to do about it.

mod advice;

use std::fmt::Write as _;

use clap::Args;
use portcullis::reason::{Class, Reason};
use serde_json::{Value, json};

use crate::report::{Failure, Report};
use advice::advice;

/// Show every reason for which a request is refused: status, meaning, what to do
///
/// The code stands in Envoy's log, in the access log (`%RESPONSE_CODE_DETAILS%`) and in the metric `rejected.<code>`. `reject` in the configuration changes
/// statuses.
#[derive(Args)]
#[command(after_help = "Examples:
  portcullis reasons token_expired
  portcullis reasons --json | jq -r '.[] | select(.status == 503) | .code'")]
pub(crate) struct Reasons {
    /// Of these codes alone
    codes: Vec<String>,
    /// A list of objects
    #[arg(long)]
    json: bool,
    /// A table for documents
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
}

impl Reasons {
    pub(crate) fn run(&self) -> Result<Report, Failure> {
        let unknown = self.codes.iter().filter(|code| Reason::ALL.iter().all(|reason| reason.code() != code.as_str()));
        let unknown: Vec<String> = unknown.map(|code| format!("{code}: no reason code; `portcullis reasons` lists them")).collect();
        if !unknown.is_empty() {
            return Err(Failure(unknown));
        }
        let is_wanted = |reason: &&Reason| self.codes.is_empty() || self.codes.iter().any(|code| code == reason.code());
        let wanted: Vec<Reason> = Reason::ALL.iter().filter(is_wanted).copied().collect();
        let output = match (self.json, self.markdown) {
            (true, _) => as_json(&wanted),
            (_, true) => as_markdown(&wanted),
            _ => as_text(&wanted),
        };
        Ok(Report { output, notes: Vec::new() })
    }
}

/// The status that clients get unless the configuration says otherwise.
fn status(reason: Reason) -> String {
    let status = reason.class().status();
    if reason.class() == Class::Forbidden { format!("{status} (reject.forbidden)") } else { status.to_string() }
}

fn as_text(reasons: &[Reason]) -> String {
    let mut text = String::new();
    for reason in reasons {
        // To a String nothing fails to be written.
        let _ = writeln!(text, "{}  {}\n    {}\n    {}\n", reason.code(), status(*reason), reason.sentence(), advice(*reason));
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn as_markdown(reasons: &[Reason]) -> String {
    let mut text = String::from("| code | status | meaning | what to do |\n|---|---|---|---|\n");
    for reason in reasons {
        let _ = writeln!(text, "| `{}` | {} | {} | {} |", reason.code(), status(*reason), reason.sentence(), advice(*reason));
    }
    text
}

fn as_json(reasons: &[Reason]) -> String {
    let object = |reason: &Reason| {
        json!({
            "code": reason.code(), "status": reason.class().status(), "meaning": reason.sentence(), "advice": advice(*reason),
            "status_is_configured_by": (reason.class() == Class::Forbidden).then_some("reject.forbidden"),
        })
    };
    format!("{:#}\n", Value::from(reasons.iter().map(object).collect::<Vec<_>>()))
}
