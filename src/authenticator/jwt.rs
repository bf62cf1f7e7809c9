//! JSON Web Tokens (RFC 7519) in compact JWS form (RFC 7515), judged as RFC 8725 advises; and, where they are configured, in older forms.

mod callers;
mod claims;
mod confirmation;
mod cyphernode;
mod date;
mod error;
mod format;
mod identity;
mod signature;
mod token;
mod typ;

pub use claims::Times;
pub(super) use date::numeric_date;
pub use error::{Excerpt, TokenError};
pub use format::Format;
pub(super) use identity::value_at;
pub use token::Token;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::cache::Verified;
use crate::identity::ClaimPath;
use crate::keys::{AlgSet, HmacKey, KeySet, SetId};
use crate::policy::{Condition, ProviderId};
use crate::signature::Bounded;
use crate::time::UnixTime;

/// A provider of tokens, compiled.
#[derive(Debug)]
pub struct Jwt {
    /// What tokens are verified with.
    pub keys: Keys,
    /// Accepted `iss`; `None`: any, and none.
    pub issuers: Option<Vec<String>>,
    /// Accepted `aud`, any of; `None`: any, and none.
    pub audiences: Option<Vec<String>>,
    /// Accepted `sub`, any of; `None`: not checked.
    pub subjects: Option<Vec<String>>,
    /// Conditions on claims. They hold no variables.
    pub claims: Vec<Condition>,
    /// Accepted `alg`.
    pub algorithms: AlgSet,
    /// Claims that must be there.
    pub required_claims: Vec<String>,
    /// Tolerance for `exp` and `nbf`.
    pub clock_skew: Duration,
    /// `now - iat` at most; implies `iat`.
    pub max_token_age: Option<Duration>,
    /// `iat - now` at most.
    pub max_future: Duration,
    /// `exp - iat` at most; implies both.
    pub max_token_lifetime: Option<Duration>,
    /// Accepted header `typ`, lower case, without `application/`; `None`: all but those that RFCs give to something else.
    pub types: Option<Vec<String>>,
    /// Tokens are bound to the certificates of this provider (RFC 8705).
    pub bind: Option<ProviderId>,
    /// Tokens with a `cnf` are accepted although nothing checks it.
    pub ignore_cnf: bool,
    /// A token must name its key.
    pub require_kid: bool,
    /// A stream that a token opened ends with it.
    pub ends_streams: bool,
    /// In which forms tokens come.
    pub formats: Vec<Format>,
    /// Where the token says who and what its bearer is.
    pub identity: TokenIdentity,
    /// What is kept of a token once it was verified.
    pub kept: Kept,
}

/// What is kept of a token once it was verified.
#[derive(Debug, Default)]
pub struct Kept {
    /// The payload as it came.
    pub payload: bool,
    /// The claims of these names; `None`: all.
    pub claims: Option<Vec<String>>,
}

/// What tokens are verified with.
#[derive(Debug)]
pub enum Keys {
    /// A key set fetched from the network.
    Remote {
        /// Which.
        set: SetId,
        /// How long a request waits for the first one.
        wait: Duration,
        /// How long the last good one serves while refreshes fail.
        max_stale: Duration,
    },
    /// A key set from the configuration.
    Inline(KeySet),
    /// One HMAC key.
    Secret(HmacKey),
    /// One HMAC key, or several, per caller.
    Callers(Callers),
}

/// Callers with keys of their own.
#[derive(Debug)]
pub struct Callers {
    /// What names the caller in a token.
    pub by: CallerBy,
    /// By id.
    pub list: HashMap<String, Caller>,
    /// As many as any caller has secrets, so that their number tells nothing of who exists.
    macs_per_token: usize,
    /// Stands in for secrets that a caller lacks. Everybody knows it.
    dummy: HmacKey,
}

/// What names the caller in a token.
#[derive(Debug)]
pub enum CallerBy {
    /// A claim, which must be a string.
    Claim(ClaimPath),
    /// The JOSE header's `kid`.
    Kid,
}

/// A caller with keys of its own.
#[derive(Debug)]
pub struct Caller {
    /// Roles that go with the caller.
    pub roles: Vec<String>,
    /// Any of these verifies: the secret's id, if it has one, and the key.
    pub secrets: Vec<(Option<String>, HmacKey)>,
}

/// Where a token says who and what its bearer is.
#[derive(Debug)]
pub struct TokenIdentity {
    /// `None`: the caller's id where there are callers, `sub` elsewhere.
    pub subject: Option<ClaimPath>,
    /// United. Strings are split on spaces, arrays are taken as they are.
    pub scopes: Vec<ClaimPath>,
    /// United.
    pub roles: Vec<RoleClaim>,
    /// Further roles, by subject.
    pub grants: HashMap<String, Vec<String>>,
}

/// A claim that holds roles: a string is one role unless there is a separator, an array is taken as it is.
#[derive(Debug)]
pub struct RoleClaim {
    /// Where it stands.
    pub path: ClaimPath,
    /// What separates roles in a string.
    pub separator: Option<String>,
}

/// What became of a token.
#[derive(Debug)]
pub enum Verdict {
    /// It is good.
    Good(Verified),
    /// It could be good; there are no keys yet to tell.
    KeysNeeded,
    /// It would be good, but for its key, which the set of the network lacks; so a newer one is worth a fetch.
    KeyUnknown(TokenError, Unverified),
}

/// Who somebody says to be. Good for deciding whether to find out, and for nothing else.
#[derive(Debug)]
pub struct Unverified(pub Verified);

impl Jwt {
    /// Whether this provider claims the token: it names one of the provider's issuers, if those are named.
    #[must_use]
    pub fn claims(&self, token: &Token<'_>) -> bool {
        self.check_issuer(token.unverified_claims()).is_ok()
    }

    /// Judges a token, by these keys alone: what it comes to may be remembered for as long as they are the keys of now.
    ///
    /// `alg`, `iss`, `aud`, `exp` and the presence of a `kid` come before the keys, so that only a token that could be good asks for them; the rest comes after the signature.
    /// `remote` is the set that [`Keys::Remote`] names, once there is one.
    ///
    /// # Errors
    /// The first reason found against it.
    pub fn authenticate(
        &self,
        provider: &Arc<str>,
        token: Token<'_>,
        remote: Option<&KeySet>,
        now: UnixTime,
        verify: &Bounded<'_>,
    ) -> Result<Verdict, TokenError> {
        self.check_before_signature(&token, now)?;
        match self.check_signature(&token, remote, verify) {
            Ok(Some(signer)) => self.identify(provider, token, signer, remote, now).map(Verdict::Good),
            Ok(None) => Ok(Verdict::KeysNeeded),
            Err(error) if error.asks_for_newer_keys() && remote.is_some() => {
                match self.identify(provider, token, signature::Signer::default(), None, now) {
                    Ok(verified) => Ok(Verdict::KeyUnknown(error, Unverified(verified))),
                    Err(_) => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// All that comes after the signature.
    fn identify(
        &self,
        provider: &Arc<str>,
        mut token: Token<'_>,
        signer: signature::Signer<'_>,
        keys: Option<&KeySet>,
        now: UnixTime,
    ) -> Result<Verified, TokenError> {
        let times = self.check_after_signature(&token, now)?;
        let bound = self.confirmation(&token)?;
        let (kid, key) = (token.kid.take(), signer.key);
        let mut identity = self.identity(provider, token, signer)?;
        self.check_conditions(&identity)?;
        if let (Some(token), Some(kept)) = (&mut identity.token, &self.kept.claims) {
            let mut all = std::mem::take(&mut token.claims);
            for (name, value) in kept.iter().filter_map(|name| all.remove_entry(name)) {
                token.claims.insert(name, value);
            }
        }
        Ok(Verified { identity: Arc::new(identity), kid, key, times, bound, keys: keys.map(|keys| *keys.digest()) })
    }
}

#[cfg(test)]
mod tests;
