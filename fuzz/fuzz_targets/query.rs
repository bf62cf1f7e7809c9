//! Query parameters that are cut out: no server finds one in what is left, and the rest is left as it was.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::credential::without_parameters;
use portcullis_fuzz::reading::{has_parameter, is_parameter, name_of};

const NAMES: [&str; 2] = ["access_token", "key"];

fuzz_target!(|target: &[u8]| {
    let has_one = |target: &[u8]| NAMES.iter().any(|name| has_parameter(target, name));
    let Some(left) = without_parameters(target, &NAMES.map(Into::into), None) else {
        return assert!(!has_one(target), "{}", target.escape_ascii());
    };
    assert!(!has_one(&left), "{} becomes {}", target.escape_ascii(), left.escape_ascii());
    assert!(without_parameters(&left, &NAMES.map(Into::into), None).is_none());
    // Each parameter up to the first part of it that is one of ours.
    let (path, query) = target.split_at(target.iter().position(|b| *b == b'?').expect("a query was cut"));
    let ours = |part: &[u8]| NAMES.iter().any(|name| is_parameter(name_of(part), name));
    let kept = query[1..].split(|b| *b == b'&').filter_map(|parameter| {
        let parts: Vec<&[u8]> = parameter.split(|b| *b == b';').collect();
        match parts.iter().position(|part| ours(part)) {
            None => Some(parameter.to_vec()),
            Some(0) => None,
            Some(first) => Some(parts[..first].join(&b';')),
        }
    });
    let kept: Vec<Vec<u8>> = kept.collect();
    let expected = if kept.is_empty() { path.to_vec() } else { [path, b"?", &*kept.join(&b'&')].concat() };
    assert_eq!(left.escape_ascii().to_string(), expected.escape_ascii().to_string());
    // A kept one is the first of its name, and of the name as it is.
    if let Some(kept) = without_parameters(target, &NAMES.map(Into::into), Some("key")) {
        assert!(!has_parameter(&kept, "access_token"), "{}", kept.escape_ascii());
    }
});
