//! `jwt`: callers who send a JSON Web Token.

use std::time::Duration;

use serde_json::Value;

use super::condition::{ClaimPathForm, ClaimTests, claims, path};
use super::declare::{fields, words};
#[cfg(not(target_os = "wasi"))]
use super::describe::Description;
use super::fault::Path;
use super::forms::{Each, Name, OneOrMany, Table, strings};
use super::grants::grants;
use super::jwt_keys::{Family, KeysForm};
use super::profile::{Ability, Issuers};
use super::quantity::{Span, span};
use super::reader::{Form, Node, Reader};
use crate::authenticator::Jwt;
use crate::authenticator::jwt::{Format, Kept, RoleClaim, TokenIdentity};
use crate::identity::ClaimPath;
use crate::keys::{Alg, AlgSet};
use crate::policy::KeySources;

fields! {
    /// The caller sends a JSON Web Token (RFC 7519).
    struct JwtForm {
        /// What tokens are verified with.
        keys: KeysForm = required,
        /// Accepted `iss`, or `any`. Required with a JWKS.
        issuers: AnyOr,
        /// Accepted `aud`, any of, or `any`. Required with a JWKS.
        audiences: AnyOr,
        /// Accepted `sub`, any of; absent: not checked.
        subjects: OneOrMany<Name>,
        /// Conditions on claims, as in rules.
        claims: OneOrMany<ClaimTests>,
        /// Accepted `alg`; absent: the asymmetric ones for a JWKS, HS256 for secrets.
        algorithms: OneOrMany<AlgWord>,
        /// Claims that must be there.
        required_claims: Vec<Name> = r#"["exp"]"#,
        /// Tolerance: now < exp + clock_skew, now >= nbf - clock_skew.
        clock_skew: Span = "60s",
        /// now - iat at most, without clock_skew; implies `iat`.
        max_token_age: Span,
        /// iat - now at most; absent: clock_skew.
        max_future: Span,
        /// exp - iat at most; implies both.
        max_token_lifetime: Span,
        /// Accepted header `typ`; absent: all but those that RFCs give to something else.
        types: OneOrMany<Name>,
        /// Binding to the client certificate (RFC 8705): a token must have a `cnf` that names the certificate of whoever sends it.
        bind: BindForm,
        /// What happens to a token with a `cnf` that nothing checks.
        cnf: Cnf = "refuse",
        /// A token must name its key.
        require_kid: bool = "false",
        /// What happens to a stream (a WebSocket, gRPC, a long answer) when its token ends or is revoked.
        streams: Streams = "keep",
        /// Accepted forms of tokens.
        formats: Each<FormatWord> = r#"["jws"]"#,
        /// Where the token says who and what its bearer is.
        identity: TokenIdentityForm = "{}",
    }
}

fields! {
    /// To what tokens are bound.
    struct BindForm {
        /// The provider of client certificates whose certificate a token's `cnf` must name by its `x5t#S256`.
        certificate: Name = required,
    }
}

fields! {
    /// Where a token says who and what its bearer is.
    struct TokenIdentityForm {
        /// Who; absent: the caller's id where there are callers, `sub` elsewhere.
        subject: ClaimForm,
        /// United. Strings are split on spaces, arrays are taken as they are.
        scopes: OneOrMany<ClaimForm> = r#"[{"claim": "scope"}, {"claim": "scp"}]"#,
        /// United. A string is one role unless there is a separator, an array is taken as it is.
        roles: OneOrMany<RoleClaimForm> = "[]",
        /// Further roles, by subject.
        grants: Table<OneOrMany<Name>> = "{}",
    }
}

fields! {
    /// A claim: exactly one of these.
    struct ClaimFields {
        /// By its name.
        claim: Name,
        /// Inside of others: the member names from the outermost to the innermost.
        claim_path: ClaimPathForm,
    }
}

fields! {
    /// A claim that holds roles: exactly one of `claim` and `claim_path`.
    struct RoleClaimFields {
        /// By its name.
        claim: Name,
        /// Inside of others: the member names from the outermost to the innermost.
        claim_path: ClaimPathForm,
        /// What separates roles in a string.
        separator: String,
    }
}

words! {
    /// What happens to a token with a `cnf`.
    enum Cnf {
        "refuse" => Refuse,
        "ignore" => Ignore,
    }
}

words! {
    /// What happens to a stream when its token ends or is revoked.
    enum Streams {
        "keep" => Keep,
        "end_with_token" => EndWithToken,
    }
}

words! {
    /// A form of tokens.
    enum FormatWord {
        "jws" => Jws,
        "cyphernode-2018" => Cyphernode2018,
        "cyphernode-2019" => Cyphernode2019,
        "cyphernode-2021" => Cyphernode2021,
    }
}

/// Names, or `any`, which must be written out.
pub(super) enum AnyOr {
    Any,
    These(Vec<String>),
}

/// A claim, wherever it stands.
pub(super) struct ClaimForm(pub(super) ClaimPath);

/// A claim that holds roles.
pub(super) struct RoleClaimForm {
    path: ClaimPath,
    separator: Option<String>,
}

/// An algorithm by its name.
pub(super) struct AlgWord(Alg);

impl Form for AlgWord {
    fn read(node: Node<'_>, cx: &mut Reader<'_>) -> Option<Self> {
        let alg = Alg::from_name(super::forms::text(node, cx)?);
        if alg.is_none() {
            let names = Alg::ALL.map(Alg::name).join(", ");
            cx.fault(node.at, format_args!("not an algorithm that is known here; known: {names}"));
        }
        alg.map(Self)
    }

    #[cfg(not(target_os = "wasi"))]
    fn describe() -> Description {
        Description::Leaf("a signature algorithm: RS256, ES256, ...")
    }
}

impl Form for AnyOr {
    fn read(node: Node<'_>, cx: &mut Reader<'_>) -> Option<Self> {
        if let Value::String(word) = node.value
            && word == "any"
        {
            return Some(Self::Any);
        }
        let names = strings(&OneOrMany::read(node, cx)?);
        if names.is_empty() || names.iter().any(|name| name == "any") {
            cx.fault(node.at, format_args!("a list of names is wanted, or the word any by itself"));
            return None;
        }
        Some(Self::These(names))
    }

    #[cfg(not(target_os = "wasi"))]
    fn describe() -> Description {
        Description::Either(vec![Description::Words(&["any"]), Description::List(Name::describe)])
    }
}

impl Form for ClaimForm {
    fn read(node: Node<'_>, cx: &mut Reader<'_>) -> Option<Self> {
        let form = ClaimFields::read(node, cx)?;
        cx.exactly_one(node.at, &[("claim", form.claim.is_written()), ("claim_path", form.claim_path.is_written())])?;
        path(&form.claim, &form.claim_path).map(Self)
    }

    #[cfg(not(target_os = "wasi"))]
    fn describe() -> Description {
        ClaimFields::describe()
    }
}

impl Form for RoleClaimForm {
    fn read(node: Node<'_>, cx: &mut Reader<'_>) -> Option<Self> {
        let form = RoleClaimFields::read(node, cx)?;
        cx.exactly_one(node.at, &[("claim", form.claim.is_written()), ("claim_path", form.claim_path.is_written())])?;
        let separator = form.separator.get().cloned();
        if separator.as_ref().is_some_and(String::is_empty) {
            cx.fault(&node.at.name("separator"), format_args!("empty; leave it out where a string is one role"));
        }
        path(&form.claim, &form.claim_path).map(|path| Self { path, separator })
    }

    #[cfg(not(target_os = "wasi"))]
    fn describe() -> Description {
        RoleClaimFields::describe()
    }
}

impl AnyOr {
    fn names(&self) -> Option<Vec<String>> {
        match self {
            Self::Any => None,
            Self::These(names) => Some(names.clone()),
        }
    }
}

impl JwtForm {
    pub(super) fn ability(&self) -> Ability {
        let issuers = match self.issuers.get() {
            None if self.issuers.is_faulty() => Issuers::Unknown,
            None => Issuers::Any,
            Some(issuers) => issuers.names().map_or(Issuers::Any, Issuers::These),
        };
        let callers = self.keys.get().is_none_or(KeysForm::yields_roles);
        let (roles, scopes) = self.identity.get().map_or((true, true), TokenIdentityForm::yields);
        Ability::Token { roles: callers || roles, scopes, issuers }
    }

    /// The name of the provider whose certificates tokens are bound to.
    pub(super) fn bound_to(&self) -> Option<&str> {
        self.bind.get().and_then(|bind| bind.certificate.get()).map(|Name(name)| name.as_str())
    }

    /// But for `bind`: its provider may not have been read yet.
    pub(super) fn compile(&self, provider: &str, sets: &mut KeySources, at: &Path<'_>, cx: &mut Reader<'_>) -> Option<Jwt> {
        const DAY: Duration = Duration::from_secs(86_400);
        const CENTURY: Duration = Duration::from_secs(100 * 366 * 86_400);
        let family = self.keys.get().and_then(KeysForm::family);
        let algorithms = self.algorithms(family, &at.name("algorithms"), cx);
        let keys = self.keys.get().and_then(|keys| keys.compile(provider, algorithms, sets, &at.name("keys"), cx));
        if family == Some(Family::Set) {
            for (absent, name) in [(self.issuers.is_absent(), "issuers"), (self.audiences.is_absent(), "audiences")] {
                if absent {
                    cx.fault(&at.name(name), format_args!("missing; with a JWKS they must be named, or any must be written out"));
                }
            }
        }
        for (given, name) in [(&self.subjects, "subjects"), (&self.types, "types")] {
            if given.get().is_some_and(|OneOrMany(list)| list.is_empty()) {
                cx.fault(&at.name(name), format_args!("empty: no token could be accepted; leave the field out to accept any"));
            }
        }
        let formats = self.formats(family, algorithms, &at.name("formats"), cx);
        let clock_skew = span(&self.clock_skew, &at.name("clock_skew"), (Duration::ZERO, DAY), cx);
        let mut limit = |given, name, least| span(given, &at.name(name), (least, CENTURY), cx);
        let max_token_age = limit(&self.max_token_age, "max_token_age", Duration::from_millis(1));
        let max_token_lifetime = limit(&self.max_token_lifetime, "max_token_lifetime", Duration::from_millis(1));
        let max_future = limit(&self.max_future, "max_future", Duration::ZERO);
        let claims = claims(&self.claims, Some(&[]), &at.name("claims"), cx);
        let identity = self.identity.get().and_then(TokenIdentityForm::compile);
        let required_claims = self.required_claims.get()?.iter().map(|Name(name)| name.clone()).collect();
        Some(Jwt {
            keys: keys?,
            issuers: self.issuers.get().and_then(AnyOr::names),
            audiences: self.audiences.get().and_then(AnyOr::names),
            subjects: self.subjects.get().map(strings),
            claims,
            algorithms,
            required_claims,
            clock_skew: clock_skew?,
            max_token_age,
            max_future: max_future.or(clock_skew)?,
            max_token_lifetime,
            types: self.types.get().map(|types| strings(types).iter().map(|name| media_type(name)).collect()),
            bind: None,
            ignore_cnf: *self.cnf.get()? == Cnf::Ignore,
            require_kid: *self.require_kid.get()?,
            ends_streams: *self.streams.get()? == Streams::EndWithToken,
            formats,
            identity: identity?,
            kept: Kept::default(),
        })
    }

    fn formats(&self, family: Option<Family>, algorithms: AlgSet, at: &Path<'_>, cx: &mut Reader<'_>) -> Vec<Format> {
        let Some(Each(words)) = self.formats.get() else { return Vec::new() };
        if words.is_empty() {
            cx.fault(at, format_args!("empty: no token could be accepted"));
        }
        let mut formats = Vec::new();
        for (index, word) in words.iter().enumerate() {
            let Some(word) = word else { continue };
            let format = match word {
                FormatWord::Jws => Format::Jws,
                FormatWord::Cyphernode2018 => Format::Cyphernode2018,
                FormatWord::Cyphernode2019 => Format::Cyphernode2019,
                FormatWord::Cyphernode2021 => Format::Cyphernode2021,
            };
            let at = at.index(index);
            if format != Format::Jws && family == Some(Family::Set) {
                cx.fault(&at, format_args!("its tokens are signed with a secret; it goes with keys.secret or keys.callers"));
            } else if format != Format::Jws && !algorithms.contains(Alg::HS256) {
                cx.fault(&at, format_args!("its tokens are signed by HS256, which `algorithms` lacks"));
            }
            if formats.contains(&format) {
                cx.fault(&at, format_args!("stands here twice"));
            }
            formats.push(format);
        }
        formats
    }

    /// Never empty.
    fn algorithms(&self, family: Option<Family>, at: &Path<'_>, cx: &mut Reader<'_>) -> AlgSet {
        let by_default = || match family {
            Some(Family::Secret) => AlgSet::from([Alg::HS256]),
            Some(Family::Set) | None => Alg::ALL.into_iter().filter(|alg| !alg.is_hmac()).collect(),
        };
        let Some(OneOrMany(algorithms)) = self.algorithms.get() else { return by_default() };
        if algorithms.is_empty() {
            cx.fault(at, format_args!("empty: no token could be accepted"));
        }
        let algorithms: AlgSet = algorithms.iter().map(|AlgWord(alg)| *alg).collect();
        for alg in algorithms.iter() {
            let name = alg.name();
            match family {
                Some(Family::Set) if alg.is_hmac() => {
                    cx.fault(at, format_args!("{name} takes a secret, and a JWKS is public; HS* goes with secret or callers"));
                }
                Some(Family::Secret) if !alg.is_hmac() => {
                    cx.fault(at, format_args!("{name} takes a public key; with secret or callers only HS256, HS384, HS512"));
                }
                _ => {}
            }
        }
        algorithms
    }
}

/// In lower case and short form: `application/` may be left out (RFC 7515, section 4.1.9).
fn media_type(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    name.strip_prefix("application/").map(str::to_owned).unwrap_or(name)
}

impl TokenIdentityForm {
    /// Roles, and scopes.
    pub(super) fn yields(&self) -> (bool, bool) {
        let roles = self.roles.get().is_none_or(|OneOrMany(list)| !list.is_empty());
        let grants = self.grants.get().is_none_or(|Table(list)| !list.is_empty());
        (roles || grants, self.scopes.get().is_none_or(|OneOrMany(list)| !list.is_empty()))
    }

    pub(super) fn compile(&self) -> Option<TokenIdentity> {
        let subject = self.subject.get().map(|ClaimForm(path)| path.clone());
        let scopes = self.scopes.get()?.0.iter().map(|ClaimForm(path)| path.clone()).collect();
        let roles = self
            .roles
            .get()?
            .0
            .iter()
            .map(|RoleClaimForm { path, separator }| RoleClaim { path: path.clone(), separator: separator.clone() });
        let roles = roles.collect();
        Some(TokenIdentity { subject, scopes, roles, grants: grants(self.grants.get()) })
    }
}
