//! Paths: what is read in one way here is read in that way everywhere.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::policy::{Paths, fuzzing};
use portcullis_fuzz::reading::unescaped;

fuzz_target!(|data: &[u8]| {
    let [flags, target @ ..] = data else { return };
    let paths = Paths { encoded_slash: flags & 1 != 0, empty_segments: flags & 2 != 0, parameters: flags & 4 != 0 };
    let Some(path) = fuzzing::normalised_path(target, &paths) else { return };
    assert_eq!(fuzzing::normalised_path(&path, &paths).as_deref(), Some(&*path), "it is not idempotent");
    let raw = target.split(|b| *b == b'?').next().unwrap_or_default();
    assert_eq!(unescaped(raw), unescaped(&path), "it says something else");
    // To decode once is to decode as often as one likes.
    let decoded = unescaped(&path);
    assert_eq!(unescaped(&decoded), decoded, "{}", path.escape_ascii());
    assert!(path == b"*" || path.first() == Some(&b'/'));
    assert!(path.iter().all(|b| b.is_ascii_graphic() && !matches!(b, b'\\' | b'?' | b'#')), "{}", path.escape_ascii());
    assert!(!decoded.iter().any(|b| matches!(b, 0..0x20 | 0x7f | b'\\')), "{}", decoded.escape_ascii());
    assert!(paths.parameters || !decoded.contains(&b';'));
    // An encoded slash that is kept is text of a segment, or the operator said so.
    assert!(paths.empty_segments || paths.encoded_slash || !decoded.windows(2).any(|two| two == b"//"));
    let slashes = |text: &[u8]| text.iter().filter(|b| **b == b'/').count();
    assert!(paths.encoded_slash || slashes(&decoded) == slashes(raw));
    for segment in decoded.split(|b| *b == b'/') {
        let bare = segment.split(|b| *b == b';').next().unwrap_or_default();
        assert!(!matches!(bare, b"." | b".."), "{}", path.escape_ascii());
    }
});
