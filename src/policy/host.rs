//! Hosts: lower case, without port and trailing dot.

use std::borrow::Cow;

use crate::refusal::RequestError;
use crate::request::Request;

/// The request's host in its one form; an IPv6 address keeps its brackets.
///
/// # Errors
/// [`RequestError::Host`] when there is none, there are several, or it is no host.
pub(super) fn normalise(request: &Request) -> Result<Cow<'_, [u8]>, RequestError> {
    let Ok(authority) = request.headers.only(":authority") else {
        return Err(RequestError::Host("several hosts"));
    };
    // Envoy turns Host into :authority; where both are still there, somebody will read the other one.
    if request.headers.first("host").is_some() {
        return Err(RequestError::Host("several hosts"));
    }
    let authority = authority.filter(|a| !a.is_empty()).ok_or(RequestError::Host("no host"))?;
    let host = without_port(authority).ok_or(RequestError::Host("not a host"))?;
    let host = host.strip_suffix(b".").unwrap_or(host);
    if !is_host(host) {
        return Err(RequestError::Host("not a host"));
    }
    let is_lower = !host.iter().any(u8::is_ascii_uppercase);
    Ok(if is_lower { Cow::Borrowed(host) } else { Cow::Owned(host.to_ascii_lowercase()) })
}

fn without_port(authority: &[u8]) -> Option<&[u8]> {
    let after_address = authority.iter().position(|b| *b == b']').unwrap_or_default();
    let Some(colon) = authority.iter().skip(after_address).position(|b| *b == b':').and_then(|at| at.checked_add(after_address)) else {
        return Some(authority);
    };
    let (host, port) = authority.split_at_checked(colon)?;
    port.iter().skip(1).all(u8::is_ascii_digit).then_some(host)
}

fn is_host(host: &[u8]) -> bool {
    if let Some(address) = host.strip_prefix(b"[").and_then(|h| h.strip_suffix(b"]")) {
        return !address.is_empty() && address.iter().all(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.'));
    }
    let labels_are_good = host.split(|b| *b == b'.').all(|label| !label.is_empty());
    labels_are_good && host.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
}

/// A host, or every host below one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPattern {
    /// This host, in lower case.
    Exact(String),
    /// `*.` before this: one or more labels below it.
    Below(String),
}

impl HostPattern {
    /// Reads `host` or `*.host`.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence for the operator.
    pub fn parse(pattern: &str) -> Result<Self, &'static str> {
        let host = pattern.strip_prefix("*.").unwrap_or(pattern);
        if host.contains('*') {
            return Err("a star stands only for the labels before the first dot: *.example.com");
        }
        if !is_host(host.as_bytes()) {
            return Err("not a host: write it without port, path and trailing dot");
        }
        let lower = host.to_ascii_lowercase();
        Ok(if host.len() == pattern.len() { Self::Exact(lower) } else { Self::Below(lower) })
    }

    /// Whether a normalised host is meant.
    #[must_use]
    pub fn matches(&self, host: &[u8]) -> bool {
        match self {
            Self::Exact(own) => own.as_bytes() == host,
            Self::Below(parent) => host.strip_suffix(parent.as_bytes()).and_then(|h| h.strip_suffix(b".")).is_some_and(|h| !h.is_empty()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(fields: &[(&str, &str)]) -> Option<String> {
        let request = Request { headers: fields.iter().copied().collect() };
        normalise(&request).ok().map(|h| String::from_utf8(h.into_owned()).unwrap())
    }

    #[test]
    fn hosts_have_one_form() {
        for (authority, expected) in [
            ("API.Example.com.:8080", Some("api.example.com")),
            ("localhost", Some("localhost")),
            ("127.0.0.1:80", Some("127.0.0.1")),
            ("[::1]:80", Some("[::1]")),
            ("a_b.c", Some("a_b.c")),
            ("a:", Some("a")),
            ("", None),
            (":80", None),
            ("a,b", None),
            ("user@a", None),
            ("a:80:90", None),
            ("a:b", None),
            ("a..b", None),
            (".a", None),
            ("a b", None),
            ("[::1", None),
            ("[]", None),
            ("a/b", None),
        ] {
            assert_eq!(host(&[(":authority", authority)]).as_deref(), expected, "{authority}");
        }
        assert_eq!(host(&[]), None);
        assert_eq!(host(&[(":authority", "a"), (":authority", "a")]), None);
        assert_eq!(host(&[(":authority", "a"), ("host", "b")]), None);
    }

    #[test]
    fn a_star_is_one_or_more_labels() {
        let pattern = HostPattern::parse("*.Example.com").unwrap();
        assert!(pattern.matches(b"a.example.com") && pattern.matches(b"b.a.example.com"));
        assert!(!pattern.matches(b"example.com") && !pattern.matches(b".example.com") && !pattern.matches(b"aexample.com"));
        for bad in ["", "*", "*.", "a.*.b", "a:80", "a/b", "*a.b"] {
            assert!(HostPattern::parse(bad).is_err(), "{bad}");
        }
    }
}
