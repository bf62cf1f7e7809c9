//! Where a JWK set is fetched from.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::declare::fields;
#[cfg(not(target_os = "wasi"))]
use super::describe::Description;
use super::fault::Path;
use super::forms::Name;
use super::place::{header_name, is_printable};
use super::reader::{Form, Node, Reader};
use crate::constant::Constant;
use crate::keys::{RemoteKeys, SetId};

fields! {
    /// A header's value from the environment.
    struct HeaderVariable {
        /// The environment variable that holds it.
        env: Name = required,
        /// Stands before it.
        prefix: String = "",
    }
}

/// An absolute `https` or `http` URL without user information and fragment.
pub(super) struct Url {
    pub(super) scheme: &'static str,
    pub(super) authority: String,
    pub(super) path: String,
}

/// The value of a header of a callout.
pub(super) struct CalloutHeader(String);

impl Url {
    pub(super) const fn is_http(&self) -> bool {
        self.scheme.len() == "http".len()
    }

    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err("white space, control characters and non-ASCII can't stand in a URL");
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err("not an absolute URL, such as https://example.com/jwks.json");
        };
        let scheme = if scheme.eq_ignore_ascii_case("https") {
            "https"
        } else if scheme.eq_ignore_ascii_case("http") {
            "http"
        } else {
            return Err("the scheme must be https");
        };
        if rest.contains('#') {
            return Err("a fragment (#) never reaches the server; remove it");
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let Some((authority, path)) = rest.split_at_checked(end) else { return Err("not a URL") };
        if authority.contains('@') {
            return Err("user information (@) can't stand here; credentials belong into headers");
        }
        if !is_authority(authority) {
            return Err("the host is not a name or an address, with a port or without");
        }
        let slash = if path.starts_with('/') { "" } else { "/" };
        Ok(Self { scheme, authority: authority.to_ascii_lowercase(), path: [slash, path].concat() })
    }
}

fn is_authority(authority: &str) -> bool {
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => {
            if !address.contains(':') || !address.bytes().all(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.')) {
                return false;
            }
            ("address", if rest.is_empty() { None } else { rest.strip_prefix(':').or(Some("")) })
        }
        None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
    };
    let is_port = |port: &str| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0);
    !host.is_empty()
        && !host.starts_with('.')
        && !host.contains("..")
        && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
        && port.is_none_or(is_port)
}

impl Form for Url {
    fn read(node: Node<'_>, cx: &mut Reader<'_>) -> Option<Self> {
        match Self::parse(super::forms::text(node, cx)?) {
            Ok(url) => Some(url),
            Err(wrong) => {
                cx.fault(node.at, format_args!("{wrong}"));
                None
            }
        }
    }

    #[cfg(not(target_os = "wasi"))]
    fn describe() -> Description {
        Description::Leaf("an absolute URL")
    }
}

impl Form for CalloutHeader {
    fn read(node: Node<'_>, cx: &mut Reader<'_>) -> Option<Self> {
        let (value, at) = if let Value::Object(_) = node.value {
            let form = HeaderVariable::read(node, cx)?;
            let Name(name) = form.env.get()?;
            let value = cx.variable(&node.at.name("env"), name)?;
            (format!("{}{value}", form.prefix.get()?), node.at.name("env"))
        } else {
            (super::forms::text(node, cx)?.to_owned(), *node.at)
        };
        if value.trim().len() != value.len() || value.is_empty() || !is_printable(value.as_bytes()) {
            cx.fault(&at, format_args!("not a header's value: printable ASCII, not empty, without white space around it"));
            return None;
        }
        Some(Self(value))
    }

    #[cfg(not(target_os = "wasi"))]
    fn describe() -> Description {
        Description::Either(vec![Description::Leaf("text"), HeaderVariable::describe()])
    }
}

/// Names in lower case, in order.
pub(super) fn callout_headers(forms: &[(String, Option<CalloutHeader>)], at: &Path<'_>, cx: &mut Reader<'_>) -> Vec<(String, Constant)> {
    let mut headers: Vec<(String, Constant)> = Vec::new();
    for (written, value) in forms {
        let at = at.name(written);
        match header_name(written) {
            Err(wrong) => cx.fault(&at, format_args!("{wrong}")),
            Ok(name) if headers.iter().any(|(other, _)| *other == name) => {
                cx.fault(&at, format_args!("this header stands here twice: case makes no difference"));
            }
            Ok(name) => {
                if let Some(CalloutHeader(value)) = value {
                    let place = headers.partition_point(|(other, _)| *other < name);
                    headers.insert(place, (name, Constant(value.clone())));
                }
            }
        }
    }
    headers
}

/// The set's name: a hash of what defines it, each part with its length before it, each list with its number of parts. It is the same on every machine.
pub(super) fn set_id(keys: &RemoteKeys) -> SetId {
    let mut hash = Sha256::new();
    let number = |number: usize| u64::try_from(number).unwrap_or(u64::MAX).to_be_bytes();
    let mut part = |bytes: &[u8]| {
        hash.update(number(bytes.len()));
        hash.update(bytes);
    };
    for text in [&keys.scheme, &keys.authority, &keys.path, &keys.cluster] {
        part(text.as_bytes());
    }
    part(&number(keys.headers.len()));
    for (name, Constant(value)) in &keys.headers {
        part(name.as_bytes());
        part(value.as_bytes());
    }
    part(&number(keys.algorithms.iter().count()));
    for alg in keys.algorithms.iter() {
        part(alg.name().as_bytes());
    }
    part(&number(keys.max_body));
    let digest: [u8; 32] = hash.finalize().into();
    SetId(digest.first_chunk::<16>().copied().unwrap_or_default())
}
