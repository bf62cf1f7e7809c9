//! How many instructions each path takes, and where: `make instructions`, or `cargo bench --bench instructions -- NAME` for those of a name.
//!
//! Callgrind counts where a clock is too coarse: a figure is the same on every run but for the seeds of hash maps. Files for `callgrind_annotate` and
//! KCachegrind stay in `target/instructions`.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a program that can't go on ends"
)]

#[path = "../core/job.rs"]
mod job;
#[path = "../core/scenario.rs"]
mod scenario;

mod profile;

use job::{Run, jobs};
use profile::Profile;
use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio, exit};

/// What says that this is the program that is measured.
const MEASURED: &str = "PORTCULLIS_MEASURED";
/// How many functions of a path are named.
const TOP: usize = 16;

fn main() {
    if let Ok(name) = env::var(MEASURED) {
        let job = jobs().into_iter().find(|job| job.name == name).expect("a path of that name");
        let mut run = (job.prepare)();
        if !job.runs_once {
            run();
        }
        return measured(&mut run);
    }
    let is_there = Command::new("valgrind").arg("--version").stdout(Stdio::null()).status().is_ok_and(|status| status.success());
    if !is_there {
        eprintln!("valgrind is needed: apt-get install valgrind, dnf install valgrind, or see https://valgrind.org");
        exit(1);
    }
    let wanted: Vec<String> = env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("instructions");
    std::fs::create_dir_all(&folder).expect("a folder");
    let jobs = jobs().into_iter().filter(|job| wanted.is_empty() || wanted.iter().any(|name| job.name.contains(name.as_str())));
    println!("| path | instructions |\n|---|---|");
    let mut profiles = Vec::new();
    for job in jobs {
        let profile = callgrind(&job.name, &folder);
        println!("| {} | {} |", job.name, per(profile.instructions, job.operations));
        profiles.push((profile, job));
    }
    for (profile, job) in &profiles {
        println!("\n{}: {} instructions", job.name, per(profile.instructions, job.operations));
        let ours = profile.inclusive.iter().filter(|(function, _)| function.contains("portcullis::"));
        for (title, functions) in
            [("with all that they call", ours.take(TOP).collect::<Vec<_>>()), ("by themselves", profile.own.iter().take(TOP).collect())]
        {
            println!("  functions {title}:");
            for (function, instructions) in functions {
                println!("{:>9}  {function}", per(*instructions, job.operations));
            }
        }
    }
}

/// Callgrind counts between the beginning and the end of this alone.
#[inline(never)]
fn measured(run: &mut Run) {
    run();
}

fn callgrind(name: &str, folder: &Path) -> Profile {
    let file = folder.join(name.replace(|c: char| !c.is_ascii_alphanumeric(), "-")).with_extension("callgrind");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--toggle-collect=*instructions*measured*", "--dump-line=no"])
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(env::current_exe().expect("this program has a file"))
        .env(MEASURED, name)
        .output()
        .expect("valgrind starts");
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    Profile::read(&std::fs::read_to_string(&file).expect("valgrind writes a profile"))
}

fn per(count: u64, operations: usize) -> u64 {
    count / u64::try_from(operations).expect("a small number")
}
