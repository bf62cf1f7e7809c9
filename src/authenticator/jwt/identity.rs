//! From a verified token's claims to an identity.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::claims::invalid;
use super::error::TokenError;
use super::signature::Signer;
use super::token::Token;
use super::{Caller, Jwt, RoleClaim, TokenIdentity};
use crate::identity::{Identity, TokenClaims};

impl Jwt {
    /// Who and what the token says that its bearer is.
    pub(super) fn identity(&self, provider: &Arc<str>, token: Token<'_>, signer: Signer<'_>) -> Result<Identity, TokenError> {
        let (subject, roles, scopes) = self.identity.read(&token.claims, signer.caller)?;
        Ok(Identity {
            provider: Arc::clone(provider),
            subject,
            roles,
            scopes,
            token: Some(TokenClaims { claims: token.claims, encoded: self.kept.payload.then(|| token.payload.into_owned()) }),
            credential: signer.credential,
            ..Identity::default()
        })
    }
}

/// A subject, roles and scopes; `None` where there is no information of the kind.
type Read = (Option<String>, Option<Vec<String>>, Option<Vec<String>>);

impl TokenIdentity {
    /// Who and what claims say; `caller` is whose key verified them, where keys are callers'.
    pub(in crate::authenticator) fn read(&self, claims: &Map<String, Value>, caller: Option<(&str, &Caller)>) -> Result<Read, TokenError> {
        let subject = match (&self.subject, caller) {
            (Some(path), _) => string_at(claims, path)?.map(str::to_owned),
            (None, Some((id, _))) => Some(id.to_owned()),
            (None, None) => string_at(claims, &["sub".to_owned()])?.map(str::to_owned),
        };
        let mut roles = None;
        for claim in &self.roles {
            unite(&mut roles, claim.values(claims)?);
        }
        if let Some((_, caller)) = caller.filter(|(_, caller)| !caller.roles.is_empty()) {
            unite(&mut roles, Some(caller.roles.iter().map(String::as_str)));
        }
        if let Some(granted) = subject.as_ref().and_then(|subject| self.grants.get(subject)) {
            unite(&mut roles, Some(granted.iter().map(String::as_str)));
        }
        let mut scopes = None;
        for path in &self.scopes {
            unite(&mut scopes, values_at(claims, path, Some(" "))?);
        }
        Ok((subject, roles, scopes))
    }
}

impl RoleClaim {
    fn values<'c>(&self, claims: &'c Map<String, Value>) -> Result<Option<Vec<&'c str>>, TokenError> {
        values_at(claims, &self.path, self.separator.as_deref())
    }
}

/// Adds values that aren't there yet; `None` adds nothing, not even that there was something.
fn unite<'v>(all: &mut Option<Vec<String>>, values: Option<impl IntoIterator<Item = &'v str>>) {
    let Some(values) = values else { return };
    let all = all.get_or_insert_default();
    for value in values {
        if !all.iter().any(|known| known == value) {
            all.push(value.to_owned());
        }
    }
}

/// The claim at `path`. JSON null and a missing member are absent; a member of something that is no object is an error, like any claim of a wrong type.
pub(in crate::authenticator) fn value_at<'c>(claims: &'c Map<String, Value>, path: &[String]) -> Result<Option<&'c Value>, TokenError> {
    let mut found = None;
    let mut members = Some(claims);
    for name in path {
        let Some(object) = members else { return Err(invalid(&path.join("."))) };
        match object.get(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(value) => {
                found = Some(value);
                members = value.as_object();
            }
        }
    }
    Ok(found)
}

fn string_at<'c>(claims: &'c Map<String, Value>, path: &[String]) -> Result<Option<&'c str>, TokenError> {
    match value_at(claims, path)? {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(invalid(&path.join("."))),
    }
}

/// A string, split where there is a separator, or an array of strings, taken as it is.
fn values_at<'c>(claims: &'c Map<String, Value>, path: &[String], separator: Option<&str>) -> Result<Option<Vec<&'c str>>, TokenError> {
    let wrong = || invalid(&path.join("."));
    match (value_at(claims, path)?, separator) {
        (None, _) => Ok(None),
        (Some(Value::String(text)), None) => Ok(Some(vec![text.as_str()])),
        (Some(Value::String(text)), Some(separator)) => Ok(Some(text.split(separator).filter(|part| !part.is_empty()).collect())),
        (Some(Value::Array(elements)), _) => {
            elements.iter().map(|element| element.as_str().ok_or_else(wrong)).collect::<Result<_, _>>().map(Some)
        }
        (Some(_), _) => Err(wrong()),
    }
}
