//! `jwt.keys`: what tokens are verified with.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Value;

use super::condition::{ClaimPathForm, path};
use super::declare::{fields, words};
use super::fault::Path;
use super::forms::{Json, Name, OneOrMany, Table, strings};
use super::jwks_uri::{CalloutHeader, Url, callout_headers, set_id};
use super::quantity::{Size, Span, Written, span};
use super::reader::Reader;
use super::secret::{KeyForm, SecretForm};
use super::seen::Seen;
use crate::authenticator::jwt::{Caller, CallerBy, Callers, Keys};
use crate::keys::{Alg, AlgSet, HmacKey, KeySet, RemoteKeys};
use crate::policy::KeySources;

fields! {
    /// What tokens are verified with: exactly one of `jwks_uri`, `jwks`, `secret` and `callers`.
    struct KeysForm {
        /// The URL of a JWK set.
        jwks_uri: Url,
        /// Of jwks_uri: the Envoy cluster that the callout goes to.
        cluster: Name,
        /// Of jwks_uri: further headers of the callout.
        headers: Table<CalloutHeader> = "{}",
        /// Of jwks_uri: from one success to the next fetch.
        refresh: Span = "1h",
        /// Of jwks_uri: how long one callout may take.
        timeout: Span = "5s",
        /// Of jwks_uri: how long a request waits for keys.
        wait: Span = "5s",
        /// Of jwks_uri: how long the last good set serves while refreshes fail; then 503.
        max_stale: Span = "72h",
        /// Of jwks_uri: when an unknown kid leads to a fetch.
        unknown_kid: UnknownKidForm = "{}",
        /// Of jwks_uri: the longest answer that is read.
        max_body: Size = "64KiB",
        /// Of jwks_uri: plain http is meant.
        insecure_http: bool = "false",
        /// A JWK set, as an object or as one JSON string.
        jwks: Json,
        /// One HMAC key.
        secret: SecretForm,
        /// HMAC keys by caller.
        callers: CallersForm,
    }
}

fields! {
    /// When an unknown kid leads to a fetch.
    struct UnknownKidForm {
        /// From one such fetch to the next, in the whole process.
        cooldown: Span = "30s",
    }
}

fields! {
    /// Callers with keys of their own.
    struct CallersForm {
        /// What names the caller in a token.
        by: ByForm = required,
        /// The callers.
        list: Vec<KeyedCallerForm> = required,
    }
}

fields! {
    /// What names the caller in a token: exactly one of these.
    struct ByForm {
        /// A claim, by its name.
        claim: Name,
        /// A claim inside of others.
        claim_path: ClaimPathForm,
        /// A member of the JOSE header.
        jose: JoseWord,
    }
}

fields! {
    /// A caller with keys of its own.
    struct KeyedCallerForm {
        /// As tokens name it.
        id: Name = required,
        /// The caller's roles.
        roles: OneOrMany<Name> = "[]",
        /// Any of these verifies.
        secrets: Vec<KeyForm> = required,
    }
}

words! {
    /// A member of the JOSE header.
    enum JoseWord {
        "kid" => Kid,
    }
}

/// Which algorithms keys can go with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// Public keys.
    Set,
    /// HMAC.
    Secret,
}

const SECOND: Duration = Duration::from_secs(1);
const MINUTES: Duration = Duration::from_secs(300);
const YEAR: Duration = Duration::from_secs(366 * 86_400);

impl KeysForm {
    /// `None`: not to be told.
    pub(super) const fn family(&self) -> Option<Family> {
        match (self.jwks_uri.is_written() || self.jwks.is_written(), self.secret.is_written() || self.callers.is_written()) {
            (true, false) => Some(Family::Set),
            (false, true) => Some(Family::Secret),
            _ => None,
        }
    }

    pub(super) fn yields_roles(&self) -> bool {
        let list = |callers: &CallersForm| callers.list.get().is_none_or(|list| list.iter().any(|caller| caller.roles.is_written()));
        self.callers.get().map_or_else(|| self.callers.is_written(), list)
    }

    pub(super) fn compile(
        &self,
        provider: &str,
        algorithms: AlgSet,
        sets: &mut KeySources,
        at: &Path<'_>,
        cx: &mut Reader<'_>,
    ) -> Option<Keys> {
        let kinds = [
            ("jwks_uri", self.jwks_uri.is_written()),
            ("jwks", self.jwks.is_written()),
            ("secret", self.secret.is_written()),
            ("callers", self.callers.is_written()),
        ];
        if cx.exactly_one(at, &kinds)? == "jwks_uri" {
            return self.remote(provider, algorithms, sets, at, cx);
        }
        for (written, name) in [
            (self.cluster.is_written(), "cluster"),
            (self.headers.is_written(), "headers"),
            (self.refresh.is_written(), "refresh"),
            (self.timeout.is_written(), "timeout"),
            (self.wait.is_written(), "wait"),
            (self.max_stale.is_written(), "max_stale"),
            (self.unknown_kid.is_written(), "unknown_kid"),
            (self.max_body.is_written(), "max_body"),
            (self.insecure_http.is_written(), "insecure_http"),
        ] {
            if written {
                cx.fault(&at.name(name), format_args!("goes with jwks_uri"));
            }
        }
        if self.jwks.is_written() {
            return inline(&self.jwks.get()?.0, algorithms, &at.name("jwks"), cx).map(Keys::Inline);
        }
        if self.secret.is_written() {
            let at = at.name("secret");
            let key = self.secret.get()?.bytes(&at, cx)?;
            check_length(&key, algorithms, &at, cx);
            return Some(Keys::Secret(HmacKey::new(&key, algorithms)));
        }
        self.callers.get()?.compile(algorithms, &at.name("callers"), cx).map(Keys::Callers)
    }

    fn remote(&self, provider: &str, algorithms: AlgSet, sets: &mut KeySources, at: &Path<'_>, cx: &mut Reader<'_>) -> Option<Keys> {
        if self.cluster.is_absent() {
            cx.fault(&at.name("cluster"), format_args!("missing; the name of the Envoy cluster that reaches jwks_uri"));
        }
        if let Some((url, insecure)) = self.jwks_uri.get().zip(self.insecure_http.get())
            && url.is_http() != *insecure
        {
            let what = if *insecure { "goes with an http jwks_uri" } else { "missing; a plain http jwks_uri needs insecure_http: true" };
            cx.fault(&at.name("insecure_http"), format_args!("{what}"));
        }
        let headers = self.headers.get().map(|Table(headers)| callout_headers(headers, &at.name("headers"), cx));
        let mut bounded = |given, name, least, most| span(given, &at.name(name), (least, most), cx);
        let refresh = bounded(&self.refresh, "refresh", SECOND, YEAR);
        let timeout = bounded(&self.timeout, "timeout", Duration::from_millis(1), MINUTES);
        let wait = bounded(&self.wait, "wait", Duration::ZERO, MINUTES);
        let max_stale = bounded(&self.max_stale, "max_stale", SECOND, YEAR);
        let at_kid = at.name("unknown_kid");
        let cooldown = self.unknown_kid.get().and_then(|form| span(&form.cooldown, &at_kid.name("cooldown"), (SECOND, YEAR), cx));
        if let Some((refresh, stale)) = refresh.zip(max_stale)
            && stale < refresh
        {
            cx.fault(
                &at.name("max_stale"),
                format_args!("{} is less than refresh ({}): good keys would lapse between two fetches", Written(stale), Written(refresh)),
            );
        }
        let max_body = self.max_body.get().map(|Size(bytes)| *bytes);
        if max_body.is_some_and(|bytes| !(1 << 10..=1 << 22).contains(&bytes)) {
            cx.fault(&at.name("max_body"), format_args!("out of bounds; at least 1KiB, at most 4MiB"));
        }
        let (url, Name(cluster)) = (self.jwks_uri.get()?, self.cluster.get()?);
        let keys = RemoteKeys {
            provider: provider.into(),
            cluster: cluster.clone(),
            scheme: url.scheme.to_owned(),
            authority: url.authority.clone(),
            path: url.path.clone(),
            headers: headers?,
            algorithms,
            refresh: refresh?,
            timeout: timeout?,
            cooldown: cooldown?,
            max_body: max_body?,
        };
        let set = set_id(&keys);
        // Whoever wants the fresher keys gets them; whoever can wait longer for an answer lets it come.
        match sets.iter_mut().find(|(other, _)| *other == set) {
            Some((_, shared)) => {
                shared.refresh = shared.refresh.min(keys.refresh);
                shared.timeout = shared.timeout.max(keys.timeout);
                shared.cooldown = shared.cooldown.min(keys.cooldown);
            }
            None => sets.push((set, keys)),
        }
        Some(Keys::Remote { set, wait: wait?, max_stale: max_stale? })
    }
}

fn inline(written: &Value, algorithms: AlgSet, at: &Path<'_>, cx: &mut Reader<'_>) -> Option<KeySet> {
    let parsed;
    let document = match written {
        Value::String(text) => {
            match crate::json::parse(text.as_bytes()) {
                Ok(document) => parsed = document,
                Err(wrong) => {
                    cx.fault(at, format_args!("the string is not JSON: {wrong}"));
                    return None;
                }
            }
            &parsed
        }
        other => other,
    };
    let mut unquoted = false;
    let at_keys = at.name("keys");
    for (index, key) in document.get("keys").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default().iter().enumerate() {
        for name in ["true", "false"] {
            if key.get(name).is_some() {
                unquoted = true;
                cx.fault(
                    &at_keys.index(index).name(name),
                    format_args!("YAML 1.1 takes the member names n and y for booleans; quote them (\"n\", \"y\"), or write the whole set as one JSON string"),
                );
            }
        }
    }
    if unquoted {
        return None;
    }
    match KeySet::from_value(document, algorithms) {
        Ok((set, skipped)) => {
            for key in skipped {
                cx.warn(&at_keys.index(key.index), format_args!("this key is not used: {}", key.why));
            }
            Some(set)
        }
        Err(wrong) => {
            cx.fault(at, format_args!("{wrong}"));
            None
        }
    }
}

fn check_length(key: &[u8], algorithms: AlgSet, at: &Path<'_>, cx: &mut Reader<'_>) {
    let least = algorithms.iter().map(Alg::hash_length).max().unwrap_or_default();
    if key.len() < least {
        cx.fault(at, format_args!("{} bytes; the algorithms here need a key of at least {least} (RFC 7518, section 3.2)", key.len()));
    }
}

impl CallersForm {
    fn compile(&self, algorithms: AlgSet, at: &Path<'_>, cx: &mut Reader<'_>) -> Option<Callers> {
        let by = self.by.get().and_then(|by| by.compile(&at.name("by"), cx));
        let at = at.name("list");
        let forms = self.list.get()?;
        if forms.is_empty() {
            cx.fault(&at, format_args!("empty: nobody could call"));
        }
        let mut list = HashMap::new();
        let mut keys_seen = Seen::default();
        for (index, form) in forms.iter().enumerate() {
            let at = at.index(index);
            let secrets = form.secrets(algorithms, &mut keys_seen, &at.name("secrets"), cx);
            let Some(Name(id)) = form.id.get() else { continue };
            let roles = form.roles.get().map(strings).unwrap_or_default();
            if list.insert(id.clone(), Caller { roles, secrets }).is_some() {
                cx.fault(&at.name("id"), format_args!("another caller has this id"));
            }
        }
        Some(Callers::new(by?, list, algorithms))
    }
}

impl ByForm {
    fn compile(&self, at: &Path<'_>, cx: &mut Reader<'_>) -> Option<CallerBy> {
        let fields = [("claim", self.claim.is_written()), ("claim_path", self.claim_path.is_written()), ("jose", self.jose.is_written())];
        match cx.exactly_one(at, &fields)? {
            "jose" => self.jose.get().map(|JoseWord::Kid| CallerBy::Kid),
            _ => path(&self.claim, &self.claim_path).map(CallerBy::Claim),
        }
    }
}

impl KeyedCallerForm {
    fn secrets(&self, algorithms: AlgSet, seen: &mut Seen, at: &Path<'_>, cx: &mut Reader<'_>) -> Vec<(Option<String>, HmacKey)> {
        let Some(forms) = self.secrets.get() else { return Vec::new() };
        if forms.is_empty() {
            cx.fault(at, format_args!("empty: this caller could never call"));
        }
        let mut ids = Seen::default();
        let mut compiled = Vec::new();
        for (index, form) in forms.iter().enumerate() {
            let at = at.index(index);
            let id = form.id.get().map(|Name(id)| id.clone());
            if id.as_ref().is_some_and(|id| !ids.is_first(id)) {
                cx.fault(&at.name("id"), format_args!("another secret of this caller has this id"));
            }
            let Some(key) = form.bytes(&at, cx) else { continue };
            check_length(&key, algorithms, &at, cx);
            if !seen.is_first(&key) {
                cx.fault(&at, format_args!("this secret stands here twice; who has it could call as either"));
            }
            compiled.push((id, HmacKey::new(&key, algorithms)));
        }
        compiled
    }
}
