//! `static_secret`: callers who send a secret of which the filter knows only the SHA-256.

use std::sync::Arc;

use super::declare::fields;
use super::fault::Path;
use super::forms::{Name, OneOrMany};
use super::quantity::Time;
use super::reader::Reader;
use super::secret::Digest;
use super::seen::Seen;
use crate::authenticator::StaticSecret;
use crate::authenticator::static_secret::{Caller, Secret};

fields! {
    /// The caller sends a secret; the filter knows only its SHA-256. Exactly one of `callers` and `sha256`.
    struct StaticSecretForm {
        /// Who may call, each with secrets of their own.
        callers: Vec<CallerForm>,
        /// The digest of the only caller's only secret; the caller is named like the provider.
        sha256: Digest,
    }
}

fields! {
    /// Someone who may call.
    struct CallerForm {
        /// The subject.
        id: Name = required,
        /// The caller's roles.
        roles: OneOrMany<Name>,
        /// The caller's secrets; several: rotation with overlap.
        secrets: Vec<SecretDigestForm> = required,
    }
}

fields! {
    /// A secret of a caller.
    struct SecretDigestForm {
        /// Its name, for the log.
        id: Name,
        /// Its SHA-256 in base64 or hex, or `{env: NAME}`.
        sha256: Digest = required,
        /// Good from this time on.
        not_before: Time,
        /// Good before this time.
        not_after: Time,
    }
}

impl StaticSecretForm {
    /// Some caller has roles; `true` also where that can't be told.
    pub(super) fn yields_roles(&self) -> bool {
        match self.callers.get() {
            Some(callers) => callers.iter().any(|caller| caller.roles.is_written()),
            None => self.callers.is_written(),
        }
    }

    pub(super) fn compile(&self, provider: &str, at: &Path<'_>, cx: &mut Reader<'_>) -> Option<StaticSecret> {
        cx.exactly_one(at, &[("callers", self.callers.is_written()), ("sha256", self.sha256.is_written())])?;
        let mut secrets = Vec::new();
        if let Some(Digest(sha256)) = self.sha256.get() {
            let caller = Arc::new(Caller { id: provider.to_owned(), roles: None });
            secrets.push(Secret { sha256: *sha256, caller, id: None, not_before: None, not_after: None });
        }
        if let Some(callers) = self.callers.get() {
            let at = at.name("callers");
            if callers.is_empty() {
                cx.fault(&at, format_args!("empty: nobody could call"));
            }
            let (mut callers_seen, mut digests_seen) = (Seen::default(), Seen::default());
            for (index, caller) in callers.iter().enumerate() {
                caller.compile(&mut secrets, &mut callers_seen, &mut digests_seen, &at.index(index), cx);
            }
        }
        Some(StaticSecret::new(provider.into(), secrets))
    }
}

impl CallerForm {
    fn compile(&self, compiled: &mut Vec<Secret>, callers: &mut Seen, digests: &mut Seen, at: &Path<'_>, cx: &mut Reader<'_>) {
        let id = self.id.get().map(|Name(id)| id.as_str()).unwrap_or_default();
        if !id.is_empty() && !callers.is_first(id) {
            cx.fault(&at.name("id"), format_args!("another caller has this id"));
        }
        let roles = self.roles.get().map(|OneOrMany(roles)| roles.iter().map(|Name(role)| role.clone()).collect());
        let caller = Arc::new(Caller { id: id.to_owned(), roles });
        let at = at.name("secrets");
        let Some(secrets) = self.secrets.get() else { return };
        if secrets.is_empty() {
            cx.fault(&at, format_args!("empty: this caller could never call"));
        }
        let mut ids = Seen::default();
        for (index, secret) in secrets.iter().enumerate() {
            let at = at.index(index);
            let id = secret.id.get().map(|Name(id)| id);
            if id.is_some_and(|id| !ids.is_first(id)) {
                cx.fault(&at.name("id"), format_args!("another secret of this caller has this id"));
            }
            let (not_before, not_after) = (secret.not_before.get().map(|Time(t)| *t), secret.not_after.get().map(|Time(t)| *t));
            if not_before.zip(not_after).is_some_and(|(from, until)| from >= until) {
                cx.fault(&at.name("not_after"), format_args!("not later than not_before: the secret would never be good"));
            }
            let Some(Digest(sha256)) = secret.sha256.get() else { continue };
            if !digests.is_first(sha256) {
                cx.fault(&at.name("sha256"), format_args!("this digest stands here twice; every secret is one caller's"));
            }
            compiled.push(Secret { sha256: *sha256, caller: Arc::clone(&caller), id: id.cloned(), not_before, not_after });
        }
    }
}
