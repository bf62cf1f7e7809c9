//! Who a credential proved its bearer to be.

use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value};

use crate::certificate::Certificate;
use crate::json;

/// What an authenticator made of a good credential.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// The provider's name.
    pub provider: Arc<str>,
    /// Who: `sub`, a caller's id, a certificate's subject.
    pub subject: Option<String>,
    /// `None` when the credential holds no role information at all.
    pub roles: Option<Vec<String>>,
    /// `None` when the credential holds no scope information at all.
    pub scopes: Option<Vec<String>>,
    /// Further values, by the names that the provider's `identity.attributes` gives.
    pub attributes: Vec<(Arc<str>, String)>,
    /// A token's claims.
    pub token: Option<TokenClaims>,
    /// The client certificate.
    pub certificate: Option<Arc<Certificate>>,
    /// The id of the secret or key that was used: it goes to logs, never to the upstream.
    pub credential: Option<String>,
    /// What it sets upstream, once that was made: it depends on nothing else but its provider.
    pub upstream: OnceLock<UpstreamHeaders>,
}

/// Headers to set to exactly one value, names in lower case.
pub type UpstreamHeaders = Arc<[(Arc<str>, Vec<u8>)]>;

impl Identity {
    /// The attribute of that name.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(own, _)| **own == *name).map(|(_, value)| value.as_str())
    }

    /// What it holds on to beside itself, in bytes, for whoever bounds how many are kept.
    #[must_use]
    pub fn size(&self) -> usize {
        let texts = |list: &Option<Vec<String>>| {
            list.iter().flatten().fold(0_usize, |sum, text| sum.saturating_add(TEXT).saturating_add(text.len()))
        };
        let attributes = self.attributes.iter().fold(0_usize, |sum, (_, value)| sum.saturating_add(TEXT).saturating_add(value.len()));
        let single = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let token = self.token.as_ref().map_or(0, |token| json::size(&token.claims).saturating_add(single(&token.encoded)));
        // Names and extensions are places in its DER, or copies of it.
        let certificate = self.certificate.as_ref().map_or(0, |certificate| certificate.der().len().saturating_mul(2));
        let parts =
            [single(&self.subject), single(&self.credential), texts(&self.roles), texts(&self.scopes), attributes, token, certificate];
        // What it sets upstream holds the same once more, or isn't kept.
        parts.into_iter().fold(0, usize::saturating_add).saturating_mul(2)
    }

    /// Whether what it sets upstream takes no more room than [`Self::size`] counts for that. Several headers may hold the same claim, at thrice its length.
    #[must_use]
    pub fn has_room_for(&self, upstream: &UpstreamHeaders) -> bool {
        let taken = upstream.iter().fold(0_usize, |sum, (_, value)| sum.saturating_add(TEXT).saturating_add(value.len()));
        taken <= (self.size() / 2).saturating_add(CONSTANTS)
    }
}

/// What a text in a list takes beside its bytes: itself, its share of what the list reserves, and what allocating costs.
const TEXT: usize = 40;

/// What may be set beside what is in the identity, in bytes: constants, and what comes before values.
const CONSTANTS: usize = 256;

/// The payload of a verified token.
#[derive(Clone, Debug)]
pub struct TokenClaims {
    /// The claims: those at which anything looks later.
    pub claims: Map<String, Value>,
    /// The payload as it stood in the token (base64url without padding), where it goes upstream.
    pub encoded: Option<String>,
}

/// A place among a token's claims: the member names from the outermost to the innermost. Never empty.
pub type ClaimPath = Vec<String>;

/// The value at `path`; JSON null and a missing member are both `None`.
#[must_use]
pub fn claim<'a>(claims: &'a Map<String, Value>, path: &[String]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    let mut value = claims.get(first)?;
    for name in rest {
        value = value.as_object()?.get(name)?;
    }
    (!value.is_null()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_upstream_is_kept_within_what_is_counted_for_it() {
        let claims = serde_json::json!({"a": "\u{e9}".repeat(3000)}).as_object().unwrap().clone();
        let identity = Identity { token: Some(TokenClaims { claims, encoded: Some("e".repeat(8000)) }), ..Identity::default() };
        let headers = |lengths: &[usize]| lengths.iter().map(|length| ("x-a".into(), vec![b'a'; *length])).collect::<UpstreamHeaders>();
        for (lengths, is_kept) in [(&[][..], true), (&[6000, 8000], true), (&[18_000, 8000], false), (&[6000; 3], false)] {
            assert_eq!(identity.has_room_for(&headers(lengths)), is_kept, "{lengths:?}");
        }
        assert!(Identity::default().has_room_for(&headers(&[24; 4])) && !Identity::default().has_room_for(&headers(&[24; 5])));
    }
}
