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
    let goes = |parameter: &&[u8]| {
        let name = name_and_value(parameter).0;
        names.iter().any(|own| could_mean(name, own)) && keep.is_none_or(|kept| !means(name, kept))
    };
    let mut count: usize = 0;
    let kept: Vec<&[u8]> = query.split(|b| *b == b'&').inspect(|_| count = count.saturating_add(1)).filter(|p| !goes(p)).collect();
    if kept.len() == count {
        return None;
    }
    let separator: &[u8] = if kept.is_empty() { b"" } else { b"?" };
    Some([path, separator, &kept.join(&b'&')].concat())
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

/// Whether some server takes an encoded name for this one: PHP reads `access.token`, ` access_token` and `access_token[]` as `access_token`.
pub(super) fn could_mean(encoded: &[u8], name: &str) -> bool {
    let folded = |b: u8| if matches!(b, b' ' | b'.') { b'_' } else { b };
    let read = decoded(encoded).skip_while(|b| *b == b' ').take_while(|b| !matches!(b, b'[' | 0)).map(folded);
    means(encoded, name) || read.eq(name.bytes().map(folded))
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
        assert_eq!(cut("/a?b=access_token"), None);
        assert_eq!(cut("/a"), None);
        assert_eq!(without_parameters(b"/a?key=1&access_token=2", &names, Some("key")).as_deref(), Some(&b"/a?key=1"[..]));
        assert_eq!(parameter(b"/?k=a+b%20c%2B", "k").unwrap().as_deref(), Some(&b"a b c+"[..]));
    }
}
