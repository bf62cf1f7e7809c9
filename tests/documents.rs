//! The documents, held against the tree: links lead somewhere, and the tests that tables name are there.
#![allow(clippy::expect_used, clippy::panic, reason = "a test that can't go on fails")]

use portcullis_harness::workspace;
use std::fs;
use std::path::{Path, PathBuf};

const DOCUMENTS: [&str; 7] =
    ["README.md", "SECURITY.md", "CHANGELOG.md", "benches/README.md", "docs/attacks.md", "docs/faults.md", "docs/reasons.md"];

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn links_lead_somewhere() {
    for document in DOCUMENTS {
        let path = workspace().join(document);
        let text = read(&path);
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://") && !link.starts_with('#')) {
            let file = link.split('#').next().unwrap_or_default();
            assert!(path.parent().is_some_and(|folder| folder.join(file).exists()), "{document}: {link}");
        }
    }
}

#[test]
fn every_document_is_looked_at() {
    let in_docs = fs::read_dir(workspace().join("docs")).expect("a folder").filter_map(Result::ok).map(|entry| entry.path());
    for path in in_docs.filter(|path| path.extension().is_some_and(|extension| extension == "md")) {
        assert!(DOCUMENTS.iter().any(|document| workspace().join(document) == path), "{}", path.display());
    }
}

/// Names of three words and more that stand in code font: tests, reason codes and fields, all of which some source has.
#[test]
fn the_tests_that_are_named_are_there() {
    let mut sources = String::new();
    gather(&workspace().join("tests"), &mut sources);
    gather(&workspace().join("src"), &mut sources);
    let is_name = |span: &&str| {
        span.split('_').count() > 3 && span.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    let mut count = 0;
    for document in ["docs/attacks.md", "docs/faults.md"] {
        let text = read(&workspace().join(document));
        for name in text.split('`').skip(1).step_by(2).filter(is_name) {
            count += 1;
            let is_there = sources.contains(&format!("fn {name}(")) || sources.contains(&format!("\"{name}\""));
            assert!(is_there, "{document} names {name}");
        }
    }
    assert!(count > 60, "{count}");
}

fn gather(folder: &PathBuf, sources: &mut String) {
    for entry in fs::read_dir(folder).expect("a folder").filter_map(Result::ok) {
        let path = entry.path();
        if path.is_dir() {
            gather(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push_str(&read(&path));
        }
    }
}
