//! Where a credential stands in a request.

mod cookie;
mod query;

use std::borrow::Cow;
use std::sync::Arc;

pub use cookie::without_cookies;
pub use query::without_parameters;

use crate::refusal::CredentialError;
use crate::request::Request;

/// The longest credential that is looked at, in bytes.
pub const MAX_LENGTH: usize = 16 * 1024;

/// A place where a provider's credential may stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A header, by its name in lower case.
    Header {
        /// The name.
        name: Arc<str>,
        /// The authentication scheme before the credential (RFC 9110, section 11.1), in lower case here and in any case there; `None`: the whole value is the credential.
        scheme: Option<String>,
    },
    /// A query parameter, by its name.
    Query(Arc<str>),
    /// A cookie.
    Cookie {
        /// Its name; case counts.
        name: Arc<str>,
        /// Which pages may use it for what other sites could abuse.
        origins: Origins,
    },
}

/// Where unsafe methods and upgrades with a cookie must come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// Anywhere.
    Any,
    /// These, as browsers write them (RFC 6454, section 6.2).
    These(Vec<String>),
}

impl Place {
    /// Whether it is a cookie, which others than its sender can set: pages on sibling domains.
    #[must_use]
    pub const fn is_cookie(&self) -> bool {
        matches!(self, Self::Cookie { .. })
    }
}

/// A credential, and where it stood.
#[derive(Clone, Debug)]
pub struct Credential<'a> {
    /// What was sent.
    pub text: Cow<'a, [u8]>,
    /// Where.
    pub place: &'a Place,
}

/// The credential in the first of the places that holds one.
///
/// # Errors
/// [`CredentialError`] when what stands there can't be one, and the place.
pub fn find<'a>(places: &'a [Place], request: &'a Request) -> Result<Option<Credential<'a>>, (CredentialError, &'a Place)> {
    for place in places {
        let text = match place {
            Place::Header { name, scheme } => in_header(request, name, scheme.as_deref()),
            Place::Query(name) => query::parameter(request.target().unwrap_or_default(), name),
            Place::Cookie { name, origins } => cookie::cookie(request, name, origins),
        };
        match text.map_err(|error| (error, place))? {
            None => {}
            Some(text) if text.is_empty() => return Err((CredentialError::Malformed, place)),
            Some(text) if text.len() > MAX_LENGTH => return Err((CredentialError::TooLarge, place)),
            Some(text) => return Ok(Some(Credential { text, place })),
        }
    }
    Ok(None)
}

fn in_header<'a>(request: &'a Request, name: &str, scheme: Option<&str>) -> Result<Option<Cow<'a, [u8]>>, CredentialError> {
    let value = request.headers.only(name).map_err(|_| CredentialError::Ambiguous)?;
    let Some(value) = value else {
        return Ok(None);
    };
    if scheme.is_some() && is_joined(value) {
        return Err(CredentialError::Ambiguous);
    }
    let text = match scheme {
        Some(scheme) if !value.is_empty() => after_scheme(value, scheme.as_bytes())?,
        _ => Some(value),
    };
    Ok(text.map(Cow::Borrowed))
}

/// Two values in one: Envoy joins a repeated Authorization with a comma, after which the second scheme and its space follow.
fn is_joined(value: &[u8]) -> bool {
    // A token has no comma, and is searched quickly for one.
    value.contains(&b',')
        && value.split(|b| *b == b',').skip(1).any(|part| {
            let part = part.trim_ascii_start();
            let scheme = part.iter().take_while(|b| is_scheme_byte(**b)).count();
            scheme > 0 && part.get(scheme) == Some(&b' ')
        })
}

/// What follows the scheme and exactly one space; another scheme is none of ours.
fn after_scheme<'a>(value: &'a [u8], scheme: &[u8]) -> Result<Option<&'a [u8]>, CredentialError> {
    // HTTP/2 brings blanks that others don't see.
    if value.first().is_some_and(u8::is_ascii_whitespace) {
        return Err(CredentialError::Malformed);
    }
    let sent = value.iter().position(|b| !is_scheme_byte(*b)).unwrap_or(value.len());
    let (sent, rest) = value.split_at_checked(sent).unwrap_or_default();
    if !sent.eq_ignore_ascii_case(scheme) {
        return Ok(None);
    }
    match rest.strip_prefix(b" ") {
        Some(text) if !text.is_empty() && !has_white_space(text) => Ok(Some(text)),
        _ => Err(CredentialError::Malformed),
    }
}

/// Eight bytes at a time as long as none is a blank or a control character: tokens are long, and hold neither.
fn has_white_space(text: &[u8]) -> bool {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    let is_visible = |eight: &[u8; 8]| {
        let eight = u64::from_ne_bytes(*eight);
        // A byte below 0x21 borrows into its own highest bit, which it hadn't set. A borrow from a neighbour only makes one look twice.
        eight.wrapping_sub(ONES.wrapping_mul(0x21)) & !eight & ONES.wrapping_mul(0x80) == 0
    };
    let (eights, rest) = text.as_chunks();
    (rest.iter().any(u8::is_ascii_whitespace) || !eights.iter().all(is_visible)) && text.iter().any(u8::is_ascii_whitespace)
}

/// A scheme is a token (RFC 9110, section 5.6.2).
const fn is_scheme_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(value: &str) -> Result<Option<String>, CredentialError> {
        let places = [Place::Header { name: "authorization".into(), scheme: Some("Bearer".into()) }];
        let request = Request { headers: [("authorization", value)].into_iter().collect() };
        text_of(find(&places, &request))
    }

    fn text_of(found: Result<Option<Credential<'_>>, (CredentialError, &Place)>) -> Result<Option<String>, CredentialError> {
        found.map(|found| found.map(|c| String::from_utf8(c.text.into_owned()).unwrap())).map_err(|(error, _)| error)
    }

    #[test]
    fn a_scheme_is_any_case_and_one_space() {
        for good in ["Bearer t", "bearer t", "BEARER t"] {
            assert_eq!(bearer(good), Ok(Some("t".into())), "{good}");
        }
        for other in ["Basic t", "t", "Bearert", "BearerX t", "eyJ.a.b"] {
            assert_eq!(bearer(other), Ok(None), "{other}");
        }
        for bad in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer  t",
            "Bearer\tt",
            "Bearer \tt",
            "Bearer: t",
            "Bearer:t",
            "Bearer t ",
            "Bearer t u",
            "Bearer t\t",
            " Bearer t",
            "\tBasic t",
        ] {
            assert_eq!(bearer(bad), Err(CredentialError::Malformed), "{bad}");
        }
        for joined in ["Bearer t,Bearer t", "Bearer t, Basic u", "Basic t,Bearer u"] {
            assert_eq!(bearer(joined), Err(CredentialError::Ambiguous), "{joined}");
        }
        assert_eq!(bearer("Digest realm=a, nonce=b"), Ok(None));
        assert_eq!(bearer(&format!("Bearer {}", "a".repeat(MAX_LENGTH + 1))), Err(CredentialError::TooLarge));
    }

    #[test]
    fn white_space_is_found_wherever_it_stands() {
        for length in 1..40 {
            for place in 0..length {
                for byte in 0..=255_u8 {
                    let mut text = vec![b'a'; length];
                    text[place] = byte;
                    assert_eq!(has_white_space(&text), byte.is_ascii_whitespace(), "{length} {place} {byte}");
                }
            }
        }
    }

    #[test]
    fn the_first_place_that_holds_one_counts() {
        let places = [Place::Header { name: "x-api-key".into(), scheme: None }, Place::Query("key".into())];
        let found = |fields: &[(&str, &str)]| {
            let request = Request { headers: fields.iter().copied().collect() };
            text_of(find(&places, &request))
        };
        assert_eq!(found(&[(":path", "/?key=q"), ("x-api-key", "h")]), Ok(Some("h".into())));
        assert_eq!(found(&[(":path", "/?key=q")]), Ok(Some("q".into())));
        assert_eq!(found(&[(":path", "/")]), Ok(None));
        assert_eq!(found(&[("x-api-key", "a"), ("x-api-key", "a")]), Err(CredentialError::Ambiguous));
        assert_eq!(found(&[(":path", "/?key=a&k%65y=a")]), Err(CredentialError::Ambiguous));
        assert_eq!(found(&[(":path", "/?key=")]), Err(CredentialError::Malformed));
    }
}
