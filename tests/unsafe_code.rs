//! The calls to Envoy are the only `unsafe` of the library. Where these are compiled, the compiler can only be told to deny it, which any file may except
//! itself from; so here it is seen that none does.
#![allow(clippy::expect_used, reason = "helpers of tests")]

use std::fs;
use std::path::{Path, PathBuf};

/// What begins a block, a function, an implementation or an attribute, and what lifts the lint.
const MARKS: [&str; 6] = ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern", "#[unsafe(", "(unsafe_code"];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

#[test]
fn only_the_abi_is_unsafe() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let is_unsafe = |path: &PathBuf| {
        let text = fs::read_to_string(path).expect("a source");
        let mut code = text.lines().filter(|line| !line.trim_start().starts_with("//") && !line.contains("forbid(unsafe_code)"));
        code.any(|line| MARKS.iter().any(|mark| line.contains(mark)))
    };
    let found: Vec<PathBuf> = sources(&root).into_iter().filter(is_unsafe).collect();
    assert_eq!(found, [root.join("envoy/abi.rs")]);
}
