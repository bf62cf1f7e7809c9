//! Paths, read in one way only: what could mean one thing here and another upstream is refused.

use std::borrow::Cow;
use std::sync::Arc;

use percent_encoding::percent_decode;

use super::Paths;
use crate::refusal::RequestError;

/// The path of a request target, as rules see it: without the query, percent codes decoded but for those that would mean something else, the rest in upper case.
///
/// # Errors
/// [`RequestError::Path`] for everything that servers are known to read in different ways.
pub(super) fn normalise<'a>(target: &'a [u8], allowed: &Paths) -> Result<Cow<'a, [u8]>, RequestError> {
    let path = target.split(|b| *b == b'?').next().unwrap_or_default();
    if path != b"*" && path.first() != Some(&b'/') {
        return Err(RequestError::Path("it does not begin with a slash"));
    }
    let path = decode(path)?;
    if !allowed.parameters && path.contains(&b';') {
        return Err(RequestError::Path("path parameters"));
    }
    if !allowed.encoded_slash && path.contains(&b'%') && contains(&path, b"%2F") {
        return Err(RequestError::Path("an encoded slash"));
    }
    if !allowed.empty_segments && contains(&path, b"//") {
        return Err(RequestError::Path("an empty segment"));
    }
    if path.contains(&b'.') && has_dot_segment(&path) {
        return Err(RequestError::Path("a dot segment"));
    }
    Ok(path)
}

fn decode(path: &[u8]) -> Result<Cow<'_, [u8]>, RequestError> {
    check_raw(path)?;
    if !path.contains(&b'%') {
        return Ok(Cow::Borrowed(path));
    }
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            decoded.push(*first);
            continue;
        }
        let (code, after) = percent_code(rest).ok_or(RequestError::Path("a bad percent code"))?;
        rest = after;
        match code {
            // A server that splits parameters off after decoding sees this one, too.
            b';' => decoded.push(b';'),
            _ if means_itself(code) => decoded.push(code),
            0..=0x1f | 0x7f => return Err(RequestError::Path("an encoded control character")),
            b'\\' => return Err(RequestError::Path("an encoded backslash")),
            _ => decoded.extend([b'%', upper_hex(code >> 4), upper_hex(code & 0xf)]),
        }
    }
    // Looked for only now: the digits of the second code may have been encoded, too.
    let is_coded = |window: &[u8]| matches!(window, [b'%', b'2', b'5', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit());
    if decoded.windows(5).any(is_coded) { Err(RequestError::Path("encoded twice")) } else { Ok(Cow::Owned(decoded)) }
}

fn check_raw(bytes: &[u8]) -> Result<(), RequestError> {
    match bytes.iter().find(|byte| !byte.is_ascii_graphic() || matches!(byte, b'\\' | b'#')) {
        None => Ok(()),
        Some(b'\\') => Err(RequestError::Path("a backslash")),
        Some(b'#') => Err(RequestError::Path("a fragment")),
        Some(0x80..) => Err(RequestError::Path("bytes beyond ASCII")),
        Some(_) => Err(RequestError::Path("a control character or a blank")),
    }
}

/// The byte that two hex digits at the beginning stand for, and what follows them.
fn percent_code(text: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, rest) = text.split_first_chunk::<2>()?;
    let [high, low] = digits.map(|d| char::from(d).to_digit(16));
    let code = high?.checked_mul(16)?.checked_add(low?)?;
    Some((u8::try_from(code).ok()?, rest))
}

const fn upper_hex(digit: u8) -> u8 {
    if digit < 10 { b'0'.saturating_add(digit) } else { b'A'.saturating_sub(10).saturating_add(digit) }
}

/// Encoded or not, servers take it for the same character of a segment: everything visible but what ends a segment, a path or a code. That is more than
/// RFC 3986, section 2.3, calls unreserved: `/keys%3Arotate` and `/keys:rotate` are one route to every router.
const fn means_itself(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'%' | b'/' | b'?' | b'#' | b'\\')
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// `.` or `..` between slashes of any kind, with or without parameters (`/..;x/`).
fn has_dot_segment(path: &[u8]) -> bool {
    let is_dots = |segment: &[u8]| matches!(segment.split(|b| *b == b';').next(), Some(b"." | b".."));
    path.split(|b| *b == b'/').any(|segment| {
        let mut rest = segment;
        while let Some(at) = rest.windows(3).position(|w| w == b"%2F") {
            let (part, after) = rest.split_at(at);
            if is_dots(part) {
                return true;
            }
            rest = after.get(3..).unwrap_or_default();
        }
        is_dots(rest)
    })
}

/// A path template: literal segments, `*` and `{name}` for one non-empty segment, and `**` at the end for the rest, as in Envoy's uri_template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathTemplate {
    /// The segments after the leading slash.
    pub segments: Vec<Segment>,
}

/// A segment of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// This text.
    Literal(String),
    /// One non-empty segment, with the variable's name if it has one.
    One(Option<Arc<str>>),
    /// The rest, which may be empty. Only at the end.
    Rest,
}

impl PathTemplate {
    /// Reads a template.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence for the operator.
    pub fn parse(template: &str) -> Result<Self, &'static str> {
        let rest = template.strip_prefix('/').ok_or("a path template begins with a slash")?;
        let mut segments = Vec::new();
        for text in rest.split('/') {
            if segments.last() == Some(&Segment::Rest) {
                return Err("** stands for the rest of the path: nothing may follow it");
            }
            let segment = Segment::parse(text)?;
            if let Segment::One(Some(name)) = &segment
                && segments.iter().any(|s| matches!(s, Segment::One(Some(other)) if other == name))
            {
                return Err("a variable may stand only once");
            }
            segments.push(segment);
        }
        Ok(Self { segments })
    }

    /// The names of its variables.
    pub fn variables(&self) -> impl Iterator<Item = &Arc<str>> {
        self.segments.iter().filter_map(|s| match s {
            Segment::One(name) => name.as_ref(),
            _ => None,
        })
    }

    /// The variables of a normalised path, if it matches.
    #[must_use]
    pub fn matches(&self, path: &[u8]) -> Option<Variables> {
        let mut variables = Vec::new();
        let mut parts = path.strip_prefix(b"/")?.split(|b| *b == b'/');
        for segment in &self.segments {
            let part = parts.next()?;
            match segment {
                Segment::Literal(text) if text.as_bytes() == part => {}
                Segment::One(name) if !part.is_empty() => {
                    if let Some(name) = name {
                        variables.push((Arc::clone(name), percent_decode(part).collect()));
                    }
                }
                Segment::Rest => return Some(Variables(variables)),
                Segment::Literal(_) | Segment::One(_) => return None,
            }
        }
        parts.next().is_none().then_some(Variables(variables))
    }
}

impl Segment {
    fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "*" => return Ok(Self::One(None)),
            "**" => return Ok(Self::Rest),
            _ => {}
        }
        if let Some(name) = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')) {
            let is_name =
                name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && name.starts_with(|c: char| c.is_ascii_alphabetic());
            return if is_name {
                Ok(Self::One(Some(name.into())))
            } else {
                Err("a variable's name is a letter, then letters, digits and _")
            };
        }
        if text.contains(['{', '}', '*']) { Err("{name}, * and ** stand for whole segments") } else { Ok(Self::Literal(text.to_owned())) }
    }
}

/// The variables of a matched template, percent-decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables(Vec<(Arc<str>, Vec<u8>)>);

impl Variables {
    /// A variable's value.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(n, _)| **n == *name).map(|(_, value)| value.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(target: &str, allowed: Paths) -> Option<String> {
        normalise(target.as_bytes(), &allowed).ok().map(|p| String::from_utf8(p.into_owned()).unwrap())
    }

    #[test]
    fn what_can_be_read_in_one_way_is_read() {
        for (target, path) in [
            ("/", "/"),
            ("/a/b?c=/../d", "/a/b"),
            ("/%61dmin", "/admin"),
            ("/%7euser", "/~user"),
            ("/a%20b%e4", "/a%20b%E4"),
            ("/100%25", "/100%25"),
            ("/keys%3Arotate/%40me/%21%24%26%27%28%29%2a%2b%2c%3d", "/keys:rotate/@me/!$&'()*+,="),
            ("/%3c%7B%7c%5B", "/<{|["),
            ("/a%3fb%23c", "/a%3Fb%23c"),
            ("/a/", "/a/"),
            ("/...", "/..."),
            ("/.well-known", "/.well-known"),
            ("*", "*"),
        ] {
            assert_eq!(read(target, Paths::default()).as_deref(), Some(path), "{target}");
        }
    }

    #[test]
    fn what_could_mean_two_things_is_refused() {
        for target in [
            "",
            "a",
            "http://x/a",
            "/a//b",
            "//a",
            "/a/../b",
            "/a/..",
            "/./a",
            "/%2e%2e/a",
            "/.%2E",
            "/a/..;x/b",
            "/a/..%3bx",
            "/a%2fb",
            "/a%2Fb",
            "/..%2fb",
            "/a%5cb",
            "/a\\b",
            "/a%00",
            "/a%0ab",
            "/a%7f",
            "/a b",
            "/a#b",
            "/%",
            "/%4",
            "/%zz",
            "/%252e",
            "/%2561",
            "/%25%36%31",
            "/%25%361",
            "/%256%31",
            "/%25%32%35%36%31",
            "/a;b",
            "/a%3bb",
            "/\u{e4}",
            "*a",
        ] {
            assert_eq!(read(target, Paths::default()), None, "{target}");
        }
    }

    #[test]
    fn what_is_kept_still_hides_no_dot_segment() {
        let keep = Paths { encoded_slash: true, empty_segments: true, parameters: true };
        for (target, path) in [("/a%2fb", "/a%2Fb"), ("//a", "//a"), ("/a;b", "/a;b"), ("/a%3Bb", "/a;b")] {
            assert_eq!(read(target, keep).as_deref(), Some(path), "{target}");
        }
        for target in ["/..%2fb", "/a%2f..", "/a%2f.%2fb", "/..;b", "/a%2f..%3bx"] {
            assert_eq!(read(target, keep), None, "{target}");
        }
    }

    #[test]
    fn templates_match_whole_segments() {
        let template = PathTemplate::parse("/tenants/{tenant}/**").unwrap();
        assert_eq!(template.matches(b"/tenants/a%20b/x/y").unwrap().get("tenant"), Some(&b"a b"[..]));
        assert!(template.matches(b"/tenants/a/").is_some());
        for path in ["/tenants/a", "/tenants//x", "/tenants", "/Tenants/a/b", "*"] {
            assert!(template.matches(path.as_bytes()).is_none(), "{path}");
        }
        assert!(PathTemplate::parse("/a/*/b").unwrap().matches(b"/a/x/b").is_some());
        assert!(PathTemplate::parse("/a/*/b").unwrap().matches(b"/a/x/b/").is_none());
        for bad in ["a", "/**/a", "/{a}/{a}", "/x{a}", "/{1}", "/{}", "/***", "/a*"] {
            assert!(PathTemplate::parse(bad).is_err(), "{bad}");
        }
    }
}
