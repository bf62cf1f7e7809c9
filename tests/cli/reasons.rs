//! `portcullis reasons`.

use portcullis::reason::{Class, Reason};
use portcullis_harness::workspace;
use serde_json::Value;

use crate::tool::run;

#[test]
fn every_reason_is_there_with_its_status_and_what_to_do() {
    let list: Value = serde_json::from_str(&run(&["reasons", "--json"]).output()).unwrap();
    let list = list.as_array().unwrap();
    assert_eq!(list.len(), Reason::ALL.len());
    for (entry, reason) in list.iter().zip(Reason::ALL) {
        assert_eq!(entry["code"], reason.code());
        assert_eq!(entry["status"], reason.class().status());
        assert_eq!(entry["status_is_configured_by"].is_string(), reason.class() == Class::Forbidden);
        let advice = entry["advice"].as_str().unwrap();
        assert!(advice.ends_with('.') && advice != reason.sentence(), "{}: {advice}", reason.code());
    }
    let mut advice: Vec<&str> = list.iter().map(|entry| entry["advice"].as_str().unwrap()).collect();
    advice.sort_unstable();
    advice.dedup();
    assert_eq!(advice.len(), list.len(), "two reasons with the same advice");
}

#[test]
fn one_is_shown_alone_and_an_unknown_one_is_a_fault() {
    let text = run(&["reasons", "token_expired"]).output();
    assert!(text.starts_with("token_expired  401\n    The token has expired.\n"), "{text}");
    assert_eq!(text.lines().count(), 3);
    assert!(run(&["reasons", "role_missing"]).output().starts_with("role_missing  401 (reject.forbidden)\n"));
    let outcome = run(&["reasons", "token_expired", "token_old"]);
    assert_eq!(outcome.faults(), ["token_old: no reason code; `portcullis reasons` lists them"]);
}

#[test]
fn the_document_is_what_the_tool_prints() {
    let table = run(&["reasons", "--markdown"]).output();
    let document = std::fs::read_to_string(workspace().join("docs/reasons.md")).unwrap();
    assert!(document.ends_with(&table), "docs/reasons.md is out of step: portcullis reasons --markdown");
}
