//! Callers with HMAC keys of their own.

use std::collections::HashMap;
use std::hint::black_box;

use serde_json::Value;

use super::claims::{invalid, missing};
use super::error::{Excerpt, TokenError};
use super::identity::value_at;
use super::token::{Shape, Token};
use super::{Caller, CallerBy, Callers};
use crate::keys::{Alg, AlgSet, HmacKey};

impl Callers {
    /// Callers by their ids, for tokens with these algorithms.
    #[must_use]
    pub fn new(by: CallerBy, list: HashMap<String, Caller>, algorithms: AlgSet) -> Self {
        let macs_per_token = list.values().map(|caller| caller.secrets.len()).max().unwrap_or_default();
        Self { by, list, macs_per_token, dummy: HmacKey::new(&[0; 32], algorithms) }
    }

    /// Whose MAC the token carries, and the id of the secret.
    ///
    /// Every token costs as many MACs, and a caller that doesn't exist gets the same error as one whose MAC is wrong: ids can't be told apart by asking.
    pub(super) fn verify<'c>(&'c self, token: &Token<'_>, alg: Alg) -> Result<(&'c str, &'c Caller, Option<&'c str>), TokenError> {
        let id = match &self.by {
            CallerBy::Kid => token.kid.as_deref().ok_or(TokenError::KeyUnnamed)?,
            CallerBy::Claim(path) => match value_at(&token.claims, path)? {
                Some(Value::String(id)) => id,
                // There an id that is no text, or missing, is one that nobody has, like any other.
                _ if token.shape != Shape::Jws => "",
                None => return Err(missing(&path.join("."))),
                Some(_) => return Err(invalid(&path.join("."))),
            },
        };
        let entry = self.list.get_key_value(id);
        let secrets = entry.map(|(_, caller)| caller.secrets.as_slice()).unwrap_or_default();
        let mut found = None;
        for (secret, key) in secrets {
            // Every key is tried, also after one that fits.
            if token.is_signed_with(key, alg) && found.is_none() {
                found = Some(secret.as_deref());
            }
        }
        for _ in secrets.len()..self.macs_per_token {
            // Its key is known to everyone: whether it fits must never count.
            let _ = black_box(token.is_signed_with(&self.dummy, alg));
        }
        match (entry, found) {
            (Some((id, caller)), Some(secret)) => Ok((id, caller, secret)),
            _ => Err(TokenError::SignatureOf(Excerpt::new(id))),
        }
    }
}
