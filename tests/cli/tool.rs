//! Runs the tool.

use std::path::Path;
use std::process::{Command, Stdio};

/// What the tool said.
pub(crate) struct Outcome {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    /// Standard output, of a run that went well.
    #[track_caller]
    pub(crate) fn output(self) -> String {
        assert_eq!(self.status, Some(0), "{}", self.stderr);
        self.stdout
    }

    /// The lines of standard error, of a run that was refused and printed nothing.
    #[track_caller]
    pub(crate) fn faults(&self) -> Vec<&str> {
        assert_eq!((self.status, self.stdout.as_str()), (Some(1), ""), "{}", self.stderr);
        self.stderr.lines().collect()
    }
}

/// Runs it with these arguments and these variables alone.
pub(crate) fn run_with(arguments: &[&str], variables: &[(&str, &str)]) -> Outcome {
    let output = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .expect("the tool can be started");
    let text = |bytes| String::from_utf8(bytes).expect("it writes UTF-8");
    Outcome { status: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Runs it with these arguments.
pub(crate) fn run(arguments: &[&str]) -> Outcome {
    run_with(arguments, &[])
}

/// A path as an argument.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are UTF-8")
}
