//! How servers read what a filter leaves them: many ways, of which a request should have one meaning in all.

/// A header field.
pub type Field = (Vec<u8>, Vec<u8>);

/// `%41` is `A`, once; what is no code stays as it is.
#[must_use]
pub fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let digits = text.get(at + 1..at + 3).filter(|_| *byte == b'%').and_then(|two| std::str::from_utf8(two).ok());
        match digits.filter(|two| two.bytes().all(|b| b.is_ascii_hexdigit())).and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(code) => {
                out.push(code);
                at += 3;
            }
            None => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    out
}

/// The same, where a plus is a blank.
#[must_use]
pub fn form(text: &[u8]) -> Vec<u8> {
    let blanks: Vec<u8> = text.iter().map(|b| if *b == b'+' { b' ' } else { *b }).collect();
    unescaped(&blanks)
}

/// Whether a server takes a parameter of this (encoded) name for `name`: as it is decoded, or as PHP and Rack make variables of it.
#[must_use]
pub fn is_parameter(encoded: &[u8], name: &str) -> bool {
    let decoded = form(encoded);
    let php = |text: &[u8]| -> Vec<u8> { text.iter().map(|b| if matches!(b, b' ' | b'.' | b'[') { b'_' } else { *b }).collect() };
    let start = decoded.iter().position(|b| *b != b' ').unwrap_or(decoded.len());
    let shown = decoded[start..].split(|b| *b == 0).next().unwrap_or_default();
    let base = shown.split(|b| *b == b'[').next().unwrap_or_default();
    let name = name.as_bytes();
    decoded == name || php(shown) == php(name) || php(base) == php(name)
}

/// What stands before the first `=`.
#[must_use]
pub fn name_of(parameter: &[u8]) -> &[u8] {
    parameter.split(|b| *b == b'=').next().unwrap_or_default()
}

/// Whether some server finds a parameter of this name in a request target. Some split at semicolons, too.
#[must_use]
pub fn has_parameter(target: &[u8], name: &str) -> bool {
    let Some(mark) = target.iter().position(|b| *b == b'?') else { return false };
    let query = &target[mark + 1..];
    let of = |separators: &[u8]| query.split(|b| separators.contains(b)).any(|part| is_parameter(name_of(part), name));
    of(b"&") || of(b"&;")
}

/// What a browser, Python or PHP strips off a name.
fn is_blank(byte: u8) -> bool {
    byte <= b' ' || matches!(byte, 0x7f | 0x85 | 0xa0)
}

/// Without blanks at the ends.
#[must_use]
pub fn trimmed(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|b| !is_blank(*b)).unwrap_or(text.len());
    let end = text.iter().rposition(|b| !is_blank(*b)).map_or(start, |last| last + 1);
    &text[start..end]
}

/// Whether some server finds a cookie of this name: servers split at semicolons, some at commas, Python's http.cookies at blanks, too.
#[must_use]
pub fn has_cookie(value: &[u8], name: &str) -> bool {
    let is_it = |piece: &[u8]| is_parameter(trimmed(name_of(piece)), name);
    let at = |separators: fn(u8) -> bool| value.split(move |b| separators(*b));
    // Where blanks separate, only what an equals sign follows is a name.
    let names = |piece: &[u8]| piece.contains(&b'=') && is_it(piece);
    at(|b| b == b';').any(is_it)
        || at(|b| matches!(b, b';' | b',')).any(names)
        || at(|b| matches!(b, b';' | b',') || is_blank(b)).any(names)
}

/// CGI and WSGI see one name in all these spellings.
#[must_use]
pub fn folded(name: &[u8]) -> Vec<u8> {
    name.iter().map(|b| if b.is_ascii_alphanumeric() { b.to_ascii_lowercase() } else { b'-' }).collect()
}

/// Dot segments resolved, empty segments gone.
#[must_use]
pub fn resolved(path: &[u8]) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    for segment in path.split(|b| *b == b'/') {
        match segment {
            b"" | b"." => {}
            b".." => drop(kept.pop()),
            other => kept.push(other),
        }
    }
    [b"/", &*kept.join(&b'/')].concat()
}

/// What servers make of a path: decoded once or twice, with and without parameters, a backslash being a slash, dot segments resolved.
#[must_use]
pub fn readings(target: &[u8]) -> Vec<Vec<u8>> {
    let once = unescaped(target.split(|b| *b == b'?').next().unwrap_or_default());
    let twice = unescaped(&once);
    let mut all = Vec::new();
    for path in [once, twice] {
        let bare: Vec<&[u8]> = path.split(|b| *b == b'/').map(|s| s.split(|b| *b == b';').next().unwrap_or_default()).collect();
        let bare = bare.join(&b'/');
        let slashed: Vec<u8> = bare.iter().map(|b| if *b == b'\\' { b'/' } else { *b }).collect();
        let cut = path.split(|b| matches!(b, 0 | b'#' | b'?')).next().unwrap_or_default().to_vec();
        all.extend([resolved(&bare), resolved(&slashed), resolved(&cut), resolved(&path)]);
    }
    all
}

/// Whether `text` stands somewhere in `all`, and is no part of a longer word there.
#[must_use]
pub fn holds_word(all: &[u8], text: &[u8]) -> bool {
    let is_word = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    all.windows(text.len()).enumerate().any(|(at, window)| {
        window == text && !is_word(at.checked_sub(1).and_then(|before| all.get(before))) && !is_word(all.get(at + text.len()))
    })
}
