//! The command line tool, run as it is.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may end so"
)]

mod carbon_engine;
mod cyphernode;
mod icebreaker_one;
mod key;
mod readme;
mod reasons;
mod tool;

use tool::run;

#[test]
fn help_says_how_to_use_each_command() {
    for command in [
        &["--help"][..],
        &["import", "--help"],
        &["import", "carbon-engine", "--help"],
        &["import", "cyphernode", "--help"],
        &["key", "--help"],
        &["key", "secret", "--help"],
        &["key", "hmac", "--help"],
        &["key", "tls", "--help"],
        &["key", "certificates", "--help"],
        &["reasons", "--help"],
    ] {
        let help = run(command).output();
        assert!(help.contains("Usage: portcullis"), "{help}");
        let is_leaf = command.len() == 3 || command[0] == "reasons";
        assert_eq!(help.contains("Example"), is_leaf, "{command:?}: {help}");
    }
}

#[test]
fn a_command_line_that_is_not_understood_is_2() {
    for command in
        [&[][..], &["nothing"], &["import"], &["import", "carbon-engine", "--nothing"], &["key", "tls"], &["key", "hmac", "--file"]]
    {
        let outcome = run(command);
        assert_eq!((outcome.status, outcome.stdout.as_str()), (Some(2), ""), "{command:?}");
        assert!(outcome.stderr.contains("help"), "{}", outcome.stderr);
    }
}

#[test]
fn its_version_is_the_packages() {
    assert_eq!(run(&["--version"]).output(), concat!("portcullis ", env!("CARGO_PKG_VERSION"), "\n"));
}
