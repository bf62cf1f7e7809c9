//! A policy with something of everything, and requests to it, good and bad.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis::decision::{Decision, Edits};
use portcullis_harness::{Algorithm, Jws, Key, jwks, mint};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::policy::{Fields, get};

/// When requests come, at the earliest.
pub(crate) const NOW: u64 = 1_800_000_000;
/// How much later the last one comes, in seconds.
pub(crate) const LATER: u64 = 100;

const PATHS: [&str; 10] = ["/open", "/closed", "/partners", "/users", "/admin", "/any", "/all", "/optional", "/nowhere", "/users/../admin"];
const SECRETS: [&str; 4] = ["billings-secret-of-2026", "billings-secret-of-2027", "audits-secret", "nobodys-secret"];

/// Names that the upstream is told things by, which no client may.
pub(crate) const ANNOTATED: [&str; 6] =
    ["x-auth-provider", "x-auth-subject", "x-auth-roles", "x-auth-scopes", "x-jwt-payload", "x-internal-user"];

/// Secrets in four places, tokens of three issuers, and rules of each form. `any` is the order of the providers of which any will do.
pub(crate) fn policy(any: &[&str]) -> Value {
    let digest = |secret: &str| json!(STANDARD.encode(Sha256::digest(secret)));
    let jwt = |keys: Value, issuer: &str, algorithm: &str| {
        json!({"jwt": {"keys": keys, "issuers": [issuer], "audiences": ["api"], "algorithms": [algorithm], "clock_skew": "0s",
            "identity": {"roles": [{"claim": "roles"}]}}})
    };
    let set = |number| json!({"jwks": jwks([&Key::fixed(Algorithm::ES256, number)])});
    json!({
        "providers": {
            "partners": {
                "static_secret": {"callers": [
                    {"id": "billing", "roles": ["reader"], "secrets": [
                        {"id": "2026", "sha256": digest(SECRETS[0]), "not_after": "2027-01-15T08:00:50Z"},
                        {"id": "2027", "sha256": digest(SECRETS[1])},
                    ]},
                    {"id": "audit", "roles": ["writer"], "secrets": [{"sha256": digest(SECRETS[2])}]},
                ]},
                "from": [{"header": "x-api-key"}, {"header": "authorization", "scheme": "Bearer"}, {"query": "access_token"},
                    {"cookie": "session", "origins": "any"}],
            },
            "users": jwt(set(1), "https://users.test", "ES256"),
            "others": jwt(set(2), "https://others.test", "ES256"),
            "shared": jwt(json!({"secret": {"base64": STANDARD.encode(Key::fixed(Algorithm::HS256, 1).secret_bytes())}}), "https://shared.test", "HS256"),
        },
        "rules": [
            {"match": {"path": "/open"}, "allow": "anyone"},
            {"match": {"path": "/closed"}, "deny": true},
            {"match": {"path": "/partners", "methods": ["GET"]}, "require": {"provider": "partners", "roles": "reader"}},
            {"match": {"path": "/users"}, "require": "users"},
            {"match": {"path": "/admin"}, "require": {"provider": "users", "roles": "admin"}},
            {"match": {"path": "/any"}, "require": {"any": any}},
            {"match": {"path": "/all"}, "require": {"all": ["partners", "users"], "identity": "users"}},
            {"match": {"path": "/optional"}, "require": {"provider": "users", "optional": true}},
        ],
        "upstream": {"payload_header": "x-jwt-payload", "remove": ["x-internal-*"]},
        "revoked": {"subjects": ["users/eve"], "jti": ["gone"]},
        "cache": {"entries": 4},
        "limits": {"slow_verifications": 100_000},
    })
}

/// All providers in one order.
pub(crate) const ANY: [&str; 4] = ["users", "others", "shared", "partners"];

/// Tokens and secrets, good and bad.
fn credentials() -> &'static [String] {
    static CREDENTIALS: LazyLock<Vec<String>> = LazyLock::new(|| {
        let key = |issuer: &str| match issuer {
            "users" => Key::fixed(Algorithm::ES256, 1),
            "others" => Key::fixed(Algorithm::ES256, 2),
            _ => Key::fixed(Algorithm::HS256, 1).without_kid(),
        };
        let claims = |issuer: &str, changes: Value| {
            let mut claims =
                json!({"iss": format!("https://{issuer}.test"), "aud": "api", "sub": "alice", "exp": NOW + 1000, "roles": ["admin"]});
            claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
            claims
        };
        let mut all: Vec<String> = SECRETS.map(str::to_owned).into();
        for issuer in ["users", "others", "shared"] {
            for changes in [
                json!({}),
                json!({"sub": "bob", "roles": "reader"}),
                json!({"sub": "eve"}),
                json!({"jti": "gone"}),
                json!({"exp": NOW + LATER / 2}),
                json!({"nbf": NOW + LATER / 2}),
                json!({"aud": "album"}),
                json!({"sub": "two\nlines"}),
            ] {
                all.push(mint(&key(issuer), claims(issuer, changes)));
            }
        }
        // By somebody else's key, under the right name.
        all.push(mint(&Key::fixed(Algorithm::ES256, 3).with_kid("es256-1"), claims("users", json!({}))));
        all.push(Jws::new(json!({"alg": "none"}), claims("users", json!({}))).with_signature(b""));
        all.push(mint(&key("users"), claims("nobody", json!({}))));
        all.extend(["", "a.b.c"].map(str::to_owned));
        all
    });
    &CREDENTIALS
}

/// Which of them may be good: secrets, and tokens of each issuer.
const GOOD: [usize; 12] = [0, 1, 2, 4, 5, 8, 9, 12, 16, 17, 20, 25];

/// Where a credential stands.
#[derive(Clone, Copy, Debug)]
enum Stands {
    Bearer,
    ApiKey,
    Query,
    Cookie,
    Basic,
}

/// A request, and the time at which it comes.
pub(crate) fn requests() -> impl Strategy<Value = (Fields, u64)> {
    select(&PATHS[..]).prop_flat_map(requests_to)
}

/// A request for a path.
pub(crate) fn requests_to(path: &'static str) -> impl Strategy<Value = (Fields, u64)> {
    let stands =
        select(&[Stands::Bearer, Stands::Bearer, Stands::Bearer, Stands::ApiKey, Stands::Query, Stands::Cookie, Stands::Basic][..]);
    // Those that are good, if only for some time, are the first of each kind.
    let good = credentials().iter().enumerate().filter(|(index, _)| GOOD.contains(index)).map(|(_, credential)| credential);
    let credential = prop_oneof![3 => select(good.cloned().collect::<Vec<_>>()), 1 => select(credentials())];
    let credentials = vec((stands, credential), 0..3);
    (select(&["GET", "GET", "POST", "HEAD"][..]), credentials, vec(spoofed(), 0..3), 0..LATER).prop_map(
        move |(method, credentials, spoofed, later)| {
            let mut fields = get(path);
            fields[0].1 = method.into();
            for (stands, credential) in credentials {
                let (name, value) = match stands {
                    Stands::Bearer => ("authorization", format!("Bearer {credential}")),
                    Stands::Basic => ("authorization", format!("Basic {}", STANDARD.encode(credential))),
                    Stands::ApiKey => ("x-api-key", credential.clone()),
                    Stands::Cookie => ("cookie", format!("a=1; session={credential}; b=2")),
                    Stands::Query => {
                        let sign = if fields[3].1.contains(&b'?') { '&' } else { '?' };
                        fields[3].1.extend(format!("{sign}access_token={credential}").into_bytes());
                        continue;
                    }
                };
                fields.push((name.to_owned(), value.into_bytes()));
            }
            fields.extend(spoofed);
            (fields, NOW + later)
        },
    )
}

/// What a client says by a name that only the filter may use, in any spelling that somebody reads as that name.
pub(crate) fn spoofed() -> impl Strategy<Value = (String, Vec<u8>)> {
    let spelling = vec((select(&b"-_.!#$%&'*+^`|~"[..]), any::<bool>()), 20);
    (select(&ANNOTATED[..]), spelling).prop_map(|(name, spelling)| {
        let spelled = name.bytes().zip(spelling).map(|(byte, (other, is_upper))| match byte {
            b'-' => char::from(other),
            _ if is_upper => char::from(byte.to_ascii_uppercase()),
            _ => char::from(byte),
        });
        (spelled.collect(), EVIL.to_vec())
    })
}

/// The value of whatever is spoofed.
pub(crate) const EVIL: &[u8] = b"evil";

/// As CGI and those who learned from it read a name.
pub(crate) fn folded(name: impl AsRef<[u8]>) -> String {
    name.as_ref().iter().map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte.to_ascii_uppercase()) } else { '_' }).collect()
}

/// Whether a name is, to some reader, one of those that only the filter may use.
pub(crate) fn is_annotated(name: impl AsRef<[u8]>) -> bool {
    let folded_name = folded(name);
    ANNOTATED.iter().any(|annotated| folded(annotated) == folded_name) || folded_name.starts_with("X_INTERNAL_")
}

/// All that is decided, in one text. Names to remove are in no order.
pub(crate) fn told(decision: &Decision) -> String {
    let edited = |edits: &Edits| {
        let mut edits = edits.clone();
        edits.remove.sort();
        format!("{edits:?}")
    };
    match decision {
        Decision::Pass(pass) => {
            let identity = pass.identity().map(|identity| {
                let claims = identity.token.as_ref().map(|token| &token.claims);
                format!(
                    "{:?} {:?} {:?} {:?} {:?} {claims:?}",
                    identity.provider, identity.subject, identity.roles, identity.scopes, identity.credential
                )
            });
            format!("pass {identity:?} {}", edited(pass.edits()))
        }
        Decision::Reject(r) => {
            format!("reject {:?} {:?} {:?} {:?} {:?} {}", r.refusal, r.rule, r.provider, r.subject, r.reply, edited(&r.edits))
        }
        other => panic!("{other:?}"),
    }
}
