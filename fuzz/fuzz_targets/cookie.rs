//! Cookies that are cut out: no server finds one in what is left, and the rest is left as it was. Each line is a header.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::credential::without_cookies;
use portcullis::request::Headers;
use portcullis_fuzz::reading::{has_cookie, unescaped};

const NAMES: [&str; 2] = ["my_session", "k"];

fuzz_target!(|data: &[u8]| {
    // Envoy lets neither through.
    if data.iter().any(|b| matches!(b, 0 | b'\r')) {
        return;
    }
    let lines: Vec<&[u8]> = data.split(|b| *b == b'\n').collect();
    let headers: Headers = lines.iter().map(|line| ("cookie", line)).collect();
    let names = NAMES.map(Into::into);
    let has_one = |value: &[u8]| NAMES.iter().any(|name| has_cookie(value, name));
    let Some(left) = without_cookies(&headers, &names, None, false) else {
        return assert!(!lines.iter().any(|line| has_one(line)), "{}", data.escape_ascii());
    };
    assert!(!has_one(&left), "{} becomes {}", data.escape_ascii(), left.escape_ascii());
    let again: Headers = [("cookie", &left)].into_iter().collect();
    assert!(without_cookies(&again, &names, None, false).is_none());
    // In order, what is left is of what was sent; what can't be taken for ours by any stretch is left.
    let pieces = |value: &[u8]| -> Vec<Vec<u8>> {
        value.split(|b| *b == b';').map(|piece| piece.trim_ascii().to_vec()).filter(|piece| !piece.is_empty()).collect()
    };
    let sent: Vec<Vec<u8>> = lines.iter().flat_map(|line| pieces(line)).collect();
    let left = pieces(&left);
    let mut rest = sent.iter();
    for piece in &left {
        assert!(rest.any(|other| other == piece), "{} was never sent", piece.escape_ascii());
    }
    for piece in sent.iter().filter(|piece| is_innocent(piece)) {
        let count = |all: &[Vec<u8>]| all.iter().filter(|other| *other == piece).count();
        assert_eq!(count(&left), count(&sent), "{} is lost", piece.escape_ascii());
    }
});

/// Neither letter for letter nor decoded does any of the names stand in it.
fn is_innocent(piece: &[u8]) -> bool {
    let plain: Vec<u8> = unescaped(piece).iter().map(|b| if b.is_ascii_alphanumeric() { *b } else { b'_' }).collect();
    !plain.contains(&b'k') && !plain.windows(10).any(|window| window == b"my_session") && piece.iter().any(|b| b.is_ascii_graphic())
}
