//! Credentials in the query (RFC 6750, section 2.3): names are compared after decoding.

use std::borrow::Cow;
use std::sync::Arc;

use percent_encoding::percent_decode;

use crate::refusal::CredentialError;

/// The decoded value of a parameter.
pub(super) fn parameter<'a>(target: &'a [u8], name: &str) -> Result<Option<Cow<'a, [u8]>>, CredentialError> {
    let Some((_, query)) = split(target) else {
        return Ok(None);
    };
    let mut values = query.split(|b| *b == b'&').map(name_and_value).filter(|(n, _)| means(n, name));
    let first = values.next();
    if values.next().is_some() {
        return Err(CredentialError::Ambiguous);
    }
    Ok(first.map(|(_, value)| Cow::Owned(decoded(value).collect())))
}

/// The target without the parameters of these names; `None` when it holds none of them.
#[must_use]
pub fn without_parameters(target: &[u8], names: &[Arc<str>], keep: Option<&str>) -> Option<Vec<u8>> {
    if names.is_empty() {
        return None;
    }
    let (path, query) = split(target)?;
    let goes = |at: usize, part: &[u8]| {
        let name = name_and_value(part).0;
        names.iter().any(|own| could_mean(name, own)) && !(at == 0 && keep.is_some_and(|kept| means(name, kept)))
    };
    let end = |parameter| parts(parameter).find(|(at, part)| goes(*at, part)).map(|(at, _)| at);
    let parameters = || query.split(|b| *b == b'&');
    if !parameters().any(|parameter| end(parameter).is_some()) {
        return None;
    }
    let mut kept: Vec<&[u8]> = Vec::new();
    for parameter in parameters() {
        match end(parameter) {
            None => kept.push(parameter),
            Some(0) => {}
            Some(at) => kept.push(parameter.get(..at.saturating_sub(1)).unwrap_or_default()),
        }
    }
    let separator: &[u8] = if kept.is_empty() { b"" } else { b"?" };
    Some([path, separator, &kept.join(&b'&')].concat())
}

/// What some servers take for several parameters, since they split at semicolons, too; each with its place.
fn parts(parameter: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    parameter.split(|b| *b == b';').scan(0_usize, |next, part| {
        let at = *next;
        *next = at.saturating_add(part.len()).saturating_add(1);
        Some((at, part))
    })
}

fn split(target: &[u8]) -> Option<(&[u8], &[u8])> {
    let mark = target.iter().position(|b| *b == b'?')?;
    let (path, query) = target.split_at_checked(mark)?;
    Some((path, query.strip_prefix(b"?")?))
}

fn name_and_value(parameter: &[u8]) -> (&[u8], &[u8]) {
    match parameter.iter().position(|b| *b == b'=').and_then(|at| parameter.split_at_checked(at)) {
        Some((name, value)) => (name, value.strip_prefix(b"=").unwrap_or_default()),
        None => (parameter, b""),
    }
}

/// Whether an encoded name is this one.
fn means(encoded: &[u8], name: &str) -> bool {
    decoded(encoded).eq(name.bytes())
}

/// Whether some server takes an encoded name for this one: PHP reads `access.token`, ` access_token`, `access_token[]` and, for want of a bracket that
/// closes, `access[token` as `access_token`.
pub(super) fn could_mean(encoded: &[u8], name: &str) -> bool {
    let folded = |b: u8| if matches!(b, b' ' | b'.' | b'[') { b'_' } else { b };
    let read = |end: u8| decoded(encoded).skip_while(|b| *b == b' ').take_while(move |b| *b != 0 && *b != end).map(folded);
    means(encoded, name) || read(b'[').eq(name.bytes().map(folded)) || read(0).eq(name.bytes().map(folded))
}

/// application/x-www-form-urlencoded, as RFC 6750 has it: a plus is a blank, unless it is encoded.
fn decoded(text: &[u8]) -> impl Iterator<Item = u8> {
    let part = |(index, part)| (index > 0).then_some(b' ').into_iter().chain(percent_decode(part));
    text.split(|b| *b == b'+').enumerate().flat_map(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_cut_out_in_any_spelling() {
        let names = ["access_token".into(), "key".into()];
        let cut = |target: &str| without_parameters(target.as_bytes(), &names, None).map(|t| String::from_utf8(t).unwrap());
        assert_eq!(cut("/a?access_token=x").as_deref(), Some("/a"));
        assert_eq!(cut("/a?b=1&access_token=x&c=2").as_deref(), Some("/a?b=1&c=2"));
        assert_eq!(cut("/a?access%5Ftoken=x&%6bey&b").as_deref(), Some("/a?b"));
        assert_eq!(
            cut("/a?access.token=x&+access_token=y&access_token%5B%5D=z&access%20token=1&access_tokens=2").as_deref(),
            Some("/a?access_tokens=2")
        );
        assert_eq!(cut("/a?access[token=x&access%5Btoken=y&access[token]=z").as_deref(), Some("/a?access[token]=z"));
        assert_eq!(cut("/a?b=1;access_token=x;y&c=2;d").as_deref(), Some("/a?b=1&c=2;d"));
        assert_eq!(cut("/a?;key=x&access_token=y;b=2&c").as_deref(), Some("/a?&c"));
        assert_eq!(cut("/a?b=1;c=access_token;d%3Bkey=x"), None);
        assert_eq!(without_parameters(b"/a?key=1;key=2&b", &names, Some("key")).as_deref(), Some(&b"/a?key=1&b"[..]));
        assert_eq!(cut("/a?b=access_token"), None);
        assert_eq!(cut("/a"), None);
        assert_eq!(without_parameters(b"/a?key=1&access_token=2", &names, Some("key")).as_deref(), Some(&b"/a?key=1"[..]));
        assert_eq!(parameter(b"/?k=a+b%20c%2B", "k").unwrap().as_deref(), Some(&b"a b c+"[..]));
    }
}
