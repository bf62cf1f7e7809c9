//! The signature, by whichever keys the provider has.

use super::error::{Excerpt, TokenError};
use super::token::Token;
use super::{Caller, Jwt, Keys};
use crate::keys::{Alg, KeySet, NoKey};
use crate::signature::{Bounded, Busy};

/// Who signed a token.
#[derive(Default)]
pub(super) struct Signer<'k> {
    /// The id of the key or secret, for the log.
    pub(super) credential: Option<String>,
    /// The thumbprint of a public key (RFC 7638).
    pub(super) key: Option<[u8; 32]>,
    /// Where callers have keys of their own: whose it is.
    pub(super) caller: Option<(&'k str, &'k Caller)>,
}

impl Jwt {
    /// Verifies the signature. `None`: there are no keys yet.
    pub(super) fn check_signature<'k>(
        &'k self,
        token: &Token<'_>,
        remote: Option<&KeySet>,
        verify: &Bounded<'_>,
    ) -> Result<Option<Signer<'k>>, TokenError> {
        let alg = token.alg.clone().map_err(TokenError::AlgorithmUnknown)?;
        let signer = match &self.keys {
            Keys::Remote { .. } => match remote {
                None => return Ok(None),
                Some(set) => by_set(set, token, alg, verify)?,
            },
            Keys::Inline(set) => by_set(set, token, alg, verify)?,
            Keys::Secret(key) if token.is_signed_with(key, alg) => Signer::default(),
            Keys::Secret(_) => return Err(TokenError::Signature),
            Keys::Callers(callers) => {
                let (id, caller, secret) = callers.verify(token, alg)?;
                Signer { credential: secret.map(str::to_owned), key: None, caller: Some((id, caller)) }
            }
        };
        Ok(Some(signer))
    }
}

fn by_set<'k>(set: &KeySet, token: &Token<'_>, alg: Alg, verify: &Bounded<'_>) -> Result<Signer<'k>, TokenError> {
    let issuer = token.claims.get("iss").and_then(serde_json::Value::as_str);
    let kid = || Excerpt::new(token.kid.as_deref().unwrap_or_default());
    let keys = set.find(token.kid.as_deref(), alg, issuer).map_err(|none| match none {
        NoKey::Unknown => TokenError::KeyUnknown(kid()),
        NoKey::Unsuitable => TokenError::KeyUnsuitable(kid()),
        NoKey::Ambiguous => TokenError::KeyUnnamed,
    })?;
    let signer = verify.signer(alg, &keys, token.signed, &token.signature).map_err(|Busy| TokenError::Busy)?;
    let key = signer.ok_or(TokenError::Signature)?;
    Ok(Signer { credential: Some(key.id()), key: Some(*key.public().thumbprint()), caller: None })
}
