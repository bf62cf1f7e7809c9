//! Whether a comparison with a secret tells how much of a guess was right: `make side-channels`.
//!
//! Callgrind counts the instructions of a decision over credentials that are wrong in their first byte, in their last, or altogether, and over clients that there are
//! and that there aren't. A comparison that ended with the first byte that differs would show in the count, as the control at the end does. Where the counts of a
//! comparison are further apart than it may be, the program ends with 1.
//!
//! All guesses of a comparison run in one process, many times each and by turns, and the least count of each is taken: so what the allocator does now and then is
//! left out. What instructions can't show, caches and branch prediction, is left to the `subtle` crate and to seeded hashes: nothing is looked up by a secret's
//! own bytes. Counted is native code; the module is compiled from the same source.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a program that can't go on ends"
)]

mod comparison;
mod core;
mod guesses;

use std::env;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use comparison::{Comparison, comparisons};

/// What says that this is the program that is measured, and by which comparison.
const MEASURED: &str = "PORTCULLIS_MEASURED";

/// How often each guess is made: the first times fill caches, and the allocator needs some more until it always takes the same way.
const ROUNDS: usize = 24;

fn main() -> ExitCode {
    if let Ok(name) = env::var(MEASURED) {
        let comparison = comparisons().into_iter().find(|comparison| comparison.name == name).expect("a comparison of that name");
        let mut guesses = (comparison.guesses)();
        for _ in 0..ROUNDS {
            for (_, guess) in &mut guesses {
                written_down(guess);
            }
        }
        return ExitCode::SUCCESS;
    }
    let is_there = Command::new("valgrind").arg("--version").stdout(Stdio::null()).status().is_ok_and(|status| status.success());
    if !is_there {
        eprintln!("valgrind is needed: apt-get install valgrind, dnf install valgrind, or see https://valgrind.org");
        return ExitCode::FAILURE;
    }
    let wanted: Vec<String> = env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("side-channels");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    println!("| compared | guess | instructions | apart | at most |\n|---|---|---:|---:|---:|");
    let mut all_well = true;
    for comparison in comparisons() {
        if wanted.is_empty() || wanted.iter().any(|name| comparison.name.contains(name.as_str())) {
            all_well &= judge(&comparison, &folder);
        }
    }
    if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints what a comparison's guesses took, and says whether that is all right.
fn judge(comparison: &Comparison, folder: &Path) -> bool {
    let counts = callgrind(comparison, folder);
    let least = counts.iter().map(|(_, count)| *count).min().expect("guesses");
    for (guess, count) in &counts {
        println!("| {} | {guess} | {count} | {} | {} |", comparison.name, count - least, comparison.at_most);
    }
    let apart = counts.iter().map(|(_, count)| count - least).max().expect("guesses");
    if comparison.is_control {
        if apart == 0 {
            println!("\n{}: it isn't seen, so nothing would be", comparison.name);
        }
        return apart > 0;
    }
    if apart > comparison.at_most {
        println!("\n{}: {apart} instructions apart, at most {} may be ({})\n", comparison.name, comparison.at_most, comparison.why);
    }
    apart <= comparison.at_most
}

/// At the end of this, callgrind writes down what it has counted, and begins anew.
#[inline(never)]
fn written_down(guess: &mut Box<dyn FnMut()>) {
    measured(guess);
    // Otherwise it would end with a jump to the other.
    black_box(());
}

/// Callgrind counts between the beginning and the end of this alone.
#[inline(never)]
fn measured(guess: &mut Box<dyn FnMut()>) {
    guess();
    black_box(());
}

/// The least count of each guess.
fn callgrind(comparison: &Comparison, folder: &Path) -> Vec<(&'static str, u64)> {
    let file = folder.join(comparison.name.replace(|c: char| !c.is_ascii_alphanumeric(), "-"));
    let output = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "--dump-line=no",
            "--toggle-collect=side_channels::measured",
            "--dump-after=side_channels::written_down",
        ])
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(env::current_exe().expect("this program has a file"))
        .env(MEASURED, comparison.name)
        .output()
        .expect("valgrind starts");
    assert!(output.status.success(), "{}: {}", comparison.name, String::from_utf8_lossy(&output.stderr));
    let names: Vec<&str> = (comparison.guesses)().into_iter().map(|(name, _)| name).collect();
    // The first dump is number 1.
    let count = |index: usize| total(&PathBuf::from(format!("{}.{}", file.display(), index + 1)));
    let least = |guess| (0..ROUNDS).map(|round| count(round * names.len() + guess)).min().expect("rounds");
    names.iter().enumerate().map(|(guess, name)| (*name, least(guess))).collect()
}

/// What a dump counted: <https://valgrind.org/docs/manual/cl-format.html>.
fn total(dump: &Path) -> u64 {
    let text = std::fs::read_to_string(dump).expect("valgrind writes a dump for each guess");
    let total = text.lines().find_map(|line| line.strip_prefix("totals: ").or_else(|| line.strip_prefix("summary: ")));
    total.and_then(|total| total.split(' ').next()?.parse().ok()).expect("a number in a dump")
}
