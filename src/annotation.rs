//! What changes on a request that goes upstream: what clients may not say is removed, then the identity is written down.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::cache::Verified;
use crate::credential::{Place, without_cookies, without_parameters};
use crate::decision::Edits;
use crate::identity::{Identity, UpstreamHeaders, claim};
use crate::json::scalar;
use crate::policy::{Policy, ProviderId, Removal, Source, Upstream, UpstreamHeader};
use crate::refusal::{AnnotationError, AnnotationFault};
use crate::request::{Headers, Request};

/// All but RFC 3986's unreserved characters.
pub(crate) const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The header of many cookies.
const COOKIE: &str = "cookie";

/// A good credential that satisfied a requirement.
#[derive(Debug)]
pub struct Proof<'a> {
    /// Whose.
    pub provider: ProviderId,
    /// Who sent it.
    pub identity: Arc<Identity>,
    /// Where it stood; `None` for a certificate of the connection.
    pub place: Option<&'a Place>,
    /// The token, where it was one.
    pub token: Option<Rc<Verified>>,
    /// Whose certificate the token is bound to.
    pub bound_to: Option<Arc<Identity>>,
}

/// The edits for a request: the first of the proven identities goes upstream. Without any, what clients may not say is removed all the same.
///
/// # Errors
/// A value that can't go into its header.
pub fn edits(policy: &Policy, request: &Request, proofs: &[Proof<'_>]) -> Result<Edits, AnnotationError> {
    let kept: Vec<&Place> = proofs.iter().filter(|p| keeps_credential(policy, p.provider)).filter_map(|p| p.place).collect();
    let mut edits = removals(&policy.removal, request, &kept);
    edits.set = headers(policy, proofs)?;
    // To add a header costs Envoy less than to replace one, so what is set is removed first where it is there, also if nothing else removes it.
    for (name, _) in edits.set.iter() {
        let is_removed = edits.remove.iter().any(|removed| removed == name.as_bytes());
        if !is_removed && request.headers.first(name).is_some() {
            edits.remove.push(name.as_bytes().to_vec());
        }
        if **name == *COOKIE {
            edits.cookie = None;
        }
    }
    Ok(edits)
}

/// What the first identity sets. Who comes again sets the same again: it is made once for an identity that is kept, unless it is much.
fn headers(policy: &Policy, proofs: &[Proof<'_>]) -> Result<UpstreamHeaders, AnnotationError> {
    let Some((first, provider)) = proofs.first().and_then(|first| Some((first, policy.provider(first.provider)?))) else {
        return Ok(UpstreamHeaders::default());
    };
    let is_its_own = provider.upstream.headers.iter().all(|header| header.of.is_none());
    match first.identity.upstream.get().filter(|_| is_its_own) {
        Some(made) => Ok(Arc::clone(made)),
        None => {
            let made = make_headers(&provider.upstream, first, proofs)?;
            if is_its_own && first.identity.has_room_for(&made) {
                // Somebody else's would be the same.
                let _ = first.identity.upstream.set(Arc::clone(&made));
            }
            Ok(made)
        }
    }
}

fn make_headers(upstream: &Upstream, first: &Proof<'_>, proofs: &[Proof<'_>]) -> Result<UpstreamHeaders, AnnotationError> {
    let mut made = Vec::new();
    for header in &upstream.headers {
        let proof = match header.of {
            None => Some(first),
            Some(of) => proofs.iter().find(|p| p.provider == of),
        };
        if let Some(value) = proof.map(|p| header_value(header, &p.identity)).transpose()?.flatten() {
            made.push((Arc::clone(&header.name), value));
        } else if header.required {
            return Err(AnnotationError { header: Arc::clone(&header.name), what: AnnotationFault::Absent });
        }
    }
    if let Some(name) = &upstream.payload_header
        && let Some(encoded) = first.identity.token.as_ref().and_then(|token| token.encoded.as_ref())
    {
        made.push((Arc::clone(name), encoded.clone().into_bytes()));
    }
    Ok(made.into())
}

/// The edits for a refused request: no credential stays where an access log would find it.
#[must_use]
pub fn edits_for_refusal(policy: &Policy, request: &Request) -> Edits {
    removals(&policy.removal, request, &[])
}

/// The names to remove from trailers.
#[must_use]
pub fn trailer_removals(policy: &Policy, trailers: &Headers) -> Vec<Vec<u8>> {
    let mut names = names_to_remove(&policy.removal, trailers, &[]);
    // No cookie was ever looked for there.
    if !policy.removal.cookies().is_empty() && !policy.removal.covers(COOKIE.as_bytes()) && trailers.first(COOKIE).is_some() {
        names.push(COOKIE.into());
    }
    names
}

fn keeps_credential(policy: &Policy, provider: ProviderId) -> bool {
    policy.provider(provider).is_some_and(|p| p.upstream.keep_credential)
}

fn removals(removal: &Removal, request: &Request, kept: &[&Place]) -> Edits {
    let kept_parameter = kept.iter().find_map(|place| match place {
        Place::Query(name) => Some(&**name),
        Place::Header { .. } | Place::Cookie { .. } => None,
    });
    Edits {
        remove: names_to_remove(removal, &request.headers, kept),
        cookie: cut_cookies(removal, &request.headers, kept),
        set: UpstreamHeaders::default(),
        path: request.target().and_then(|target| without_parameters(target, removal.queries(), kept_parameter)),
    }
}

/// The cookies among credentials go; where the whole header does, a kept one stays all the same.
fn cut_cookies(removal: &Removal, headers: &Headers, kept: &[&Place]) -> Option<Vec<u8>> {
    let kept = kept.iter().find_map(|place| match place {
        Place::Cookie { name, .. } => Some(&**name),
        Place::Header { .. } | Place::Query(_) => None,
    });
    if removal.cookies().is_empty() {
        return None;
    }
    let all_others = removal.covers(COOKIE.as_bytes());
    if all_others && kept.is_none() {
        return None;
    }
    without_cookies(headers, removal.cookies(), kept, all_others)
}

fn names_to_remove(removal: &Removal, headers: &Headers, kept: &[&Place]) -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> = Vec::new();
    for (name, _) in headers.iter() {
        let is_kept = kept.iter().any(|place| match place {
            Place::Header { name: kept, .. } => kept.as_bytes() == name,
            Place::Cookie { .. } => name == COOKIE.as_bytes(),
            Place::Query(_) => false,
        });
        if removal.covers(name) && !is_kept && !names.iter().any(|n| n == name) {
            names.push(name.to_vec());
        }
    }
    names
}

fn header_value(header: &UpstreamHeader, identity: &Identity) -> Result<Option<Vec<u8>>, AnnotationError> {
    let fault = |what| AnnotationError { header: Arc::clone(&header.name), what };
    if let Source::Value(constant) = &header.source {
        return Ok(Some([header.prefix.as_bytes(), constant.0.as_bytes()].concat()));
    }
    let values = Values::of(&header.source, identity);
    if values.iter().any(|value| value.is_none()) {
        return Err(fault(AnnotationFault::Unprintable));
    }
    let texts = || values.iter().flatten().filter(|value| !value.is_empty());
    if header.single && texts().nth(1).is_some() {
        return Err(fault(AnnotationFault::Several));
    }
    let mut line = String::new();
    for (index, value) in texts().enumerate() {
        line.push_str(if index == 0 { &header.prefix } else { "," });
        if header.percent_encode {
            line.extend(utf8_percent_encode(&value, ENCODED));
        } else if can_stand_in_header(&value) || matches!(header.source, Source::CertificatePem) {
            line.push_str(&value);
        } else {
            return Err(fault(AnnotationFault::Unprintable));
        }
    }
    Ok((!line.is_empty()).then(|| line.into_bytes()))
}

/// Printable ASCII without the separator of lists, and without blanks at the ends, which recipients trim (RFC 9110, section 5.5).
fn can_stand_in_header(value: &str) -> bool {
    value.bytes().all(|b| matches!(b, 0x20..=0x7e) && b != b',') && value.trim_ascii().len() == value.len()
}

/// What a header is made of.
#[derive(Default)]
struct Values<'a> {
    single: Option<Cow<'a, str>>,
    list: &'a [String],
    claims: &'a [Value],
}

impl<'a> Values<'a> {
    fn of(source: &Source, identity: &'a Identity) -> Self {
        let single = |text: &'a str| Self { single: Some(Cow::Borrowed(text)), ..Self::default() };
        let list = |list: &'a Option<Vec<String>>| Self { list: list.as_deref().unwrap_or_default(), ..Self::default() };
        match source {
            Source::Provider => single(&identity.provider),
            Source::Subject => identity.subject.as_deref().map(single).unwrap_or_default(),
            Source::Roles => list(&identity.roles),
            Source::Scopes => list(&identity.scopes),
            Source::Claim(path) => match identity.token.as_ref().and_then(|token| claim(&token.claims, path)) {
                None => Self::default(),
                Some(Value::Array(elements)) => Self { claims: elements, ..Self::default() },
                Some(other) => Self { claims: std::slice::from_ref(other), ..Self::default() },
            },
            Source::Attribute(name) => identity.attribute(name).map(single).unwrap_or_default(),
            Source::CertificatePem => {
                Self { single: identity.certificate.as_ref().map(|c| Cow::Owned(c.percent_encoded_pem())), ..Self::default() }
            }
            // Written as it is, by the caller.
            Source::Value(_) => Self::default(),
        }
    }

    /// Each; `None` for a claim that has no spelling of its own.
    fn iter(&self) -> impl Iterator<Item = Option<Cow<'_, str>>> {
        let texts = self.single.as_deref().into_iter().chain(self.list.iter().map(String::as_str));
        texts.map(|text| Some(Cow::Borrowed(text))).chain(self.claims.iter().map(scalar))
    }
}
