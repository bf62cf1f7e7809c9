//! The registered claims (RFC 7519, section 4.1) against what the provider demands.

use std::time::Duration;

use serde_json::{Map, Value};

use super::date::numeric_date;
use super::error::{Excerpt, TokenError};
use super::token::{Shape, Token};
use super::{Jwt, Keys};
use crate::identity::Identity;
use crate::refusal::ConditionError;
use crate::time::UnixTime;

impl Token<'_> {
    /// A claim; JSON null is absent.
    pub(super) fn claim(&self, name: &str) -> Option<&Value> {
        self.claims.get(name).filter(|value| !value.is_null())
    }

    fn string(&self, name: &str) -> Result<Option<&str>, TokenError> {
        match self.claim(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(invalid(name)),
        }
    }

    fn date(&self, name: &str) -> Result<Option<i64>, TokenError> {
        match self.claim(name) {
            None => Ok(None),
            Some(Value::Number(number)) if self.shape != Shape::Jws && number.as_i64().is_none() => Err(invalid(name)),
            Some(Value::Number(number)) => numeric_date(number).map(Some).ok_or_else(|| invalid(name)),
            Some(_) => Err(invalid(name)),
        }
    }

    /// `aud` (section 4.1.3): a string or an array of strings.
    fn audiences(&self) -> Result<Option<Vec<&str>>, TokenError> {
        match self.claim("aud") {
            None => Ok(None),
            Some(Value::String(one)) => Ok(Some(vec![one])),
            Some(Value::Array(several)) => {
                several.iter().map(|one| one.as_str().ok_or_else(|| invalid("aud"))).collect::<Result<_, _>>().map(Some)
            }
            Some(_) => Err(invalid("aud")),
        }
    }
}

/// When a token is good, in seconds since the epoch, as it says so itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    pub(super) exp: Option<i64>,
    pub(super) nbf: Option<i64>,
    pub(super) iat: Option<i64>,
}

impl Jwt {
    /// Whether `iss` is one of the provider's issuers, if those are named: the reason why this provider would not claim a token with these claims.
    ///
    /// # Errors
    /// [`TokenError::Issuer`]; a claim that is missing or no string.
    pub fn check_issuer(&self, claims: &Map<String, Value>) -> Result<(), TokenError> {
        let issuer = match claims.get("iss") {
            None | Some(Value::Null) => None,
            Some(Value::String(issuer)) => Some(issuer),
            Some(_) => return Err(invalid("iss")),
        };
        let Some(issuers) = &self.issuers else { return Ok(()) };
        let issuer = issuer.ok_or_else(|| missing("iss"))?;
        if issuers.iter().any(|accepted| accepted == issuer) { Ok(()) } else { Err(TokenError::Issuer(Excerpt::new(issuer))) }
    }

    /// All that decides whether the token is worth a key: nothing here is secret, and the client sent all of it.
    pub(super) fn check_before_signature(&self, token: &Token<'_>, now: UnixTime) -> Result<(), TokenError> {
        let alg = token.alg.clone().map_err(TokenError::AlgorithmUnknown)?;
        // Keys and algorithms are of one kind by configuration; this keeps a public key from ever being taken for a secret.
        if !self.algorithms.contains(alg) || alg.is_hmac() != matches!(self.keys, Keys::Secret(_) | Keys::Callers(_)) {
            return Err(TokenError::AlgorithmRefused(alg));
        }
        self.check_issuer(&token.claims)?;
        let audiences = token.audiences()?;
        if let Some(accepted) = &self.audiences {
            let audiences = audiences.ok_or_else(|| missing("aud"))?;
            if !audiences.iter().any(|audience| accepted.iter().any(|accepted| accepted == audience)) {
                return Err(TokenError::Audience);
            }
        }
        let exp = token.date("exp")?;
        self.check_expiry(exp, now)?;
        if exp.is_none() && (self.max_token_lifetime.is_some() || self.required_claims.iter().any(|name| name == "exp")) {
            return Err(missing("exp"));
        }
        if self.require_kid && token.kid.is_none() {
            return Err(TokenError::KeyUnnamed);
        }
        Ok(())
    }

    /// All the rest.
    pub(super) fn check_after_signature(&self, token: &Token<'_>, now: UnixTime) -> Result<Times, TokenError> {
        if !self.accepts_type(token.typ.as_deref()) {
            return Err(TokenError::Type(Excerpt::new(token.typ.as_deref().unwrap_or_default())));
        }
        let times = Times { exp: token.date("exp")?, nbf: token.date("nbf")?, iat: token.date("iat")? };
        self.check_times(times, now)?;
        let subject = token.string("sub")?;
        if let Some(accepted) = &self.subjects {
            let subject = subject.ok_or_else(|| missing("sub"))?;
            if !accepted.iter().any(|accepted| accepted == subject) {
                return Err(TokenError::Subject(Excerpt::new(subject)));
            }
        }
        token.string("jti")?;
        match self.required_claims.iter().find(|name| token.claim(name).is_none()) {
            Some(name) => Err(missing(name)),
            None => Ok(times),
        }
    }

    /// What time can change for a token that was verified before.
    ///
    /// # Errors
    /// It is no longer good, or, where the clock was set back, not yet.
    pub fn check_again(&self, times: Times, now: UnixTime) -> Result<(), TokenError> {
        self.check_expiry(times.exp, now)?;
        self.check_times(times, now)
    }

    /// When time alone makes it bad; `None`: never.
    #[must_use]
    pub fn end(&self, times: Times) -> Option<UnixTime> {
        let at = |seconds: i64| UnixTime::from_seconds(u64::try_from(seconds).unwrap_or_default());
        let expiry = times.exp.map(|exp| at(exp).plus(self.clock_skew));
        // It is too old in the first whole second beyond the limit.
        let limit = self.max_token_age.map(|limit| Duration::from_secs(limit.as_secs().saturating_add(1)));
        let age = times.iat.zip(limit).map(|(iat, limit)| at(iat).plus(limit));
        expiry.into_iter().chain(age).min()
    }

    /// The current date must be before `exp` (section 4.1.4): at `exp` it is over.
    fn check_expiry(&self, exp: Option<i64>, now: UnixTime) -> Result<(), TokenError> {
        let is_over = |exp: i64| u64::try_from(exp).map_or(true, |exp| now >= UnixTime::from_seconds(exp).plus(self.clock_skew));
        if exp.is_some_and(is_over) { Err(TokenError::Expired) } else { Ok(()) }
    }

    /// `nbf` and `iat`, in whole seconds on both sides: the issuer rounded its clock down, too.
    fn check_times(&self, times: Times, now: UnixTime) -> Result<(), TokenError> {
        if times.nbf.is_some_and(|nbf| millis(nbf.saturating_sub(now.seconds())) > self.clock_skew.as_millis()) {
            return Err(TokenError::NotYetValid);
        }
        let Some(iat) = times.iat else {
            let implied = self.max_token_age.is_some() || self.max_token_lifetime.is_some();
            return if implied { Err(missing("iat")) } else { Ok(()) };
        };
        let beyond = |seconds: i64, limit: Duration| millis(seconds) > limit.as_millis();
        if beyond(iat.saturating_sub(now.seconds()), self.max_future) {
            return Err(TokenError::FromFuture);
        }
        if self.max_token_age.is_some_and(|limit| beyond(now.seconds().saturating_sub(iat), limit)) {
            return Err(TokenError::TooOld);
        }
        let lifetime = times.exp.map(|exp| exp.saturating_sub(iat));
        if self.max_token_lifetime.is_some_and(|limit| lifetime.is_some_and(|lifetime| beyond(lifetime, limit))) {
            return Err(TokenError::Lifetime);
        }
        Ok(())
    }

    /// The provider's own conditions on claims, by the same rules as those of the policy's rules.
    pub(super) fn check_conditions(&self, identity: &Identity) -> Result<(), TokenError> {
        for condition in &self.claims {
            // They hold no variables: they have no path to take them from.
            condition.check(identity, &Default::default()).map_err(|error| match error {
                ConditionError::Claim(name) => TokenError::ClaimMismatch(name),
                ConditionError::Audience => TokenError::Audience,
                other => TokenError::ClaimMismatch(other.to_string()),
            })?;
        }
        Ok(())
    }
}

/// A span of seconds in the unit of [`Duration::as_millis`]; zero when negative.
fn millis(seconds: i64) -> u128 {
    u128::try_from(seconds).unwrap_or_default().saturating_mul(1000)
}

pub(super) fn missing(name: &str) -> TokenError {
    TokenError::ClaimMissing(name.to_owned())
}

pub(super) fn invalid(name: &str) -> TokenError {
    TokenError::ClaimInvalid(name.to_owned())
}
