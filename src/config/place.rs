//! Where a provider's credentials stand, and the names of headers.

use std::sync::Arc;

use super::declare::fields;
#[cfg(not(target_os = "wasi"))]
use super::describe::Description;
use super::fault::Path;
use super::forms::{Name, text};
use super::jwt::AnyOr;
use super::reader::{Form, Node, Reader};
use crate::credential::{Origins, Place};

fields! {
    /// A place where a credential may stand.
    struct PlaceForm {
        /// In this header.
        header: HeaderName,
        /// After this authentication scheme; where it is absent, the header's whole value is the credential.
        scheme: Name,
        /// In this query parameter.
        query: Name,
        /// In this cookie; case counts.
        cookie: Name,
        /// The origins that unsafe methods and upgrades with this cookie must come from, or `any`.
        origins: AnyOr,
    }
}

/// A header's name that may be read, set and removed: in lower case.
pub(super) struct HeaderName(pub(super) Arc<str>);

/// Framing and routing.
const RESERVED: &[&str] = &["host", "connection", "transfer-encoding", "content-length", "te", "trailer", "upgrade", "keep-alive"];

/// A token (RFC 9110, section 5.6.2).
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// A header's value that arrives as it was sent.
pub(super) fn is_printable(value: &[u8]) -> bool {
    value.iter().all(|b| matches!(b, b' '..=b'~'))
}

/// The name in lower case.
///
/// # Errors
/// What is wrong with it.
pub(super) fn header_name(name: &str) -> Result<String, &'static str> {
    let name = name.to_ascii_lowercase();
    if name.starts_with(':') {
        Err("a pseudo-header; it can't be used here")
    } else if !is_token(&name) {
        Err("not a header name (RFC 9110, section 5.6.2)")
    } else if RESERVED.contains(&name.as_str()) || name.starts_with("proxy-") {
        Err("this header is Envoy's own; it can't be used here")
    } else {
        Ok(name)
    }
}

impl Form for HeaderName {
    fn read(node: Node<'_>, cx: &mut Reader<'_>) -> Option<Self> {
        match header_name(text(node, cx)?) {
            Ok(name) => Some(Self(name.into())),
            Err(wrong) => {
                cx.fault(node.at, format_args!("{wrong}"));
                None
            }
        }
    }

    #[cfg(not(target_os = "wasi"))]
    fn describe() -> Description {
        Description::Leaf("a header's name")
    }
}

/// Compiles `from`.
pub(super) fn places(forms: &[PlaceForm], at: &Path<'_>, cx: &mut Reader<'_>) -> Vec<Place> {
    if forms.is_empty() {
        cx.fault(at, format_args!("empty: no credential could be found"));
    }
    let mut places: Vec<Place> = Vec::new();
    for (index, form) in forms.iter().enumerate() {
        let at = at.index(index);
        if let Some(place) = form.place(&at, cx) {
            if places.iter().any(|other| *other == place || (place.is_cookie() && places_meet(other, &place))) {
                cx.fault(&at, format_args!("this place stands here twice"));
            }
            if !place.is_cookie() && places.iter().any(Place::is_cookie) {
                cx.warn(
                    &at,
                    format_args!("behind a cookie: junk in that, which pages on sibling domains can plant, hides what stands here; list the cookie last"),
                );
            }
            places.push(place);
        }
    }
    places
}

impl PlaceForm {
    fn place(&self, at: &Path<'_>, cx: &mut Reader<'_>) -> Option<Place> {
        // In one case, so that places can be compared.
        let scheme = self.scheme.get().map(|Name(scheme)| scheme.to_ascii_lowercase());
        if scheme.as_ref().is_some_and(|scheme| !is_token(scheme)) {
            cx.fault(&at.name("scheme"), format_args!("not an authentication scheme (RFC 9110, section 11.1)"));
        }
        if self.origins.is_written() && !self.cookie.is_written() {
            cx.fault(&at.name("origins"), format_args!("goes with a cookie"));
        }
        if self.scheme.is_written() && !self.header.is_written() {
            cx.fault(&at.name("scheme"), format_args!("a scheme goes with a header"));
        }
        let kinds = [("header", self.header.is_written()), ("query", self.query.is_written()), ("cookie", self.cookie.is_written())];
        match cx.exactly_one(at, &kinds)? {
            "header" => {
                let HeaderName(name) = self.header.get()?;
                if **name == *"cookie" {
                    cx.fault(&at.name("header"), format_args!("cookies are many things in one header; it can't be used here"));
                }
                Some(Place::Header { name: Arc::clone(name), scheme })
            }
            "query" => Some(Place::Query(self.query.get()?.0.as_str().into())),
            _ => self.cookie(at, cx),
        }
    }

    fn cookie(&self, at: &Path<'_>, cx: &mut Reader<'_>) -> Option<Place> {
        let name = self.cookie.get().map(|Name(name)| name.as_str());
        if name.is_some_and(|name| !is_token(name)) {
            cx.fault(&at.name("cookie"), format_args!("not a cookie's name (RFC 6265, section 4.1.1)"));
        }
        let at = at.name("origins");
        if self.origins.is_absent() {
            cx.fault(
                &at,
                format_args!(
                    "missing; browsers send cookies with what pages of other sites ask for, too: list the origins that unsafe methods and upgrades must come from, such as https://app.example, or write any"
                ),
            );
        }
        let origins = match self.origins.get()? {
            AnyOr::Any => Origins::Any,
            AnyOr::These(origins) => {
                for (index, origin) in origins.iter().enumerate() {
                    if !is_origin(origin) {
                        cx.fault(
                            &at.index(index),
                            format_args!(
                                "not an origin as browsers write it: scheme://host[:port] in lower case, without path and default port, such as https://app.example"
                            ),
                        );
                    }
                }
                Origins::These(origins.clone())
            }
        };
        Some(Place::Cookie { name: name?.into(), origins })
    }
}

/// An origin as browsers write it (RFC 6454, section 6.2).
fn is_origin(origin: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    // Only an address in brackets holds colons of its own.
    let end_of_host = authority.rfind(']').unwrap_or_default();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if host.len() > end_of_host => (host, Some(port)),
        _ => (authority, None),
    };
    let is_lower = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let is_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.contains(':') && address.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f' | b':')),
        None => !host.is_empty() && host.bytes().all(|b| is_lower(b) || matches!(b, b'-' | b'.' | b'_')),
    };
    let is_port = |port: &str| {
        let is_default = matches!((scheme, port), ("http", "80") | ("https", "443"));
        !is_default && !port.starts_with('0') && port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok()
    };
    is_host && port.is_none_or(is_port) && !scheme.is_empty() && scheme.bytes().all(|b| is_lower(b) || matches!(b, b'+' | b'-' | b'.'))
}

/// A credential at one of the places could be a credential at the other.
pub(super) fn places_meet(a: &Place, b: &Place) -> bool {
    match (a, b) {
        (Place::Header { name: a, scheme: x }, Place::Header { name: b, scheme: y }) => a == b && (x.is_none() || y.is_none() || x == y),
        (Place::Cookie { name: a, .. }, Place::Cookie { name: b, .. }) => a == b,
        _ => a == b,
    }
}
