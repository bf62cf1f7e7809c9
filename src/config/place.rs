//! Where a provider's credentials stand, and the names of headers.

use std::sync::Arc;

use super::declare::fields;
#[cfg(not(target_os = "wasi"))]
use super::describe::Description;
use super::fault::Path;
use super::forms::{Later, Name, text};
use super::reader::{Form, Node, Reader};
use crate::credential::Place;

fields! {
    /// A place where a credential may stand.
    struct PlaceForm {
        /// In this header.
        header: HeaderName,
        /// After this authentication scheme; where it is absent, the header's whole value is the credential.
        scheme: Name,
        /// In this query parameter.
        query: Name,
        /// In this cookie.
        cookie: Later,
        /// The origins that unsafe methods must come from.
        origins: Later,
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
            if places.contains(&place) {
                cx.fault(&at, format_args!("this place stands here twice"));
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
        if self.cookie.is_written() {
            return None;
        }
        match (self.header.is_written(), self.query.is_written()) {
            (true, false) => {
                let HeaderName(name) = self.header.get()?;
                if **name == *"cookie" {
                    cx.fault(&at.name("header"), format_args!("cookies are many things in one header; it can't be used here"));
                }
                Some(Place::Header { name: Arc::clone(name), scheme })
            }
            (false, true) => {
                if self.scheme.is_written() {
                    cx.fault(&at.name("scheme"), format_args!("a scheme goes with a header"));
                }
                Some(Place::Query(self.query.get()?.0.as_str().into()))
            }
            _ => {
                cx.fault(at, format_args!("write exactly one of header, query"));
                None
            }
        }
    }
}

/// A credential at one of the places could be a credential at the other.
pub(super) fn places_meet(a: &Place, b: &Place) -> bool {
    match (a, b) {
        (Place::Header { name: a, scheme: x }, Place::Header { name: b, scheme: y }) => a == b && (x.is_none() || y.is_none() || x == y),
        _ => a == b,
    }
}
