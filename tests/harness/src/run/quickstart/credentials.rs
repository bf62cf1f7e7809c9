//! What the callers present, and what Envoy has to know of it.

use crate::folder::Folder;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use portcullis_harness::{Algorithm, Authority, Certificate, Key, Leaf, der_utf8_sequence, mint, now};
use serde_json::json;
use sha2::{Digest, Sha256};

/// The name in the server's certificate, and the host that members ask for.
pub(crate) const HOST: &str = "api.example";

/// Tokens outlive a quickstart that stays up for a day.
const LIFETIME: i64 = 24 * 3600;

/// Fresh secrets, keys and certificates.
pub(crate) struct Credentials {
    pub(crate) billing_secret: String,
    pub(crate) jobs_key: Key,
    pub(crate) users_key: Key,
    pub(crate) servers: Authority,
    /// With the role that `/members` asks for.
    pub(crate) reader: Certificate,
    /// With another role.
    pub(crate) stranger: Certificate,
    /// With the right role, by somebody else's authority of the same name.
    pub(crate) forged: Certificate,
}

impl Credentials {
    /// Makes them, and writes the PEM files that Envoy and curl take.
    pub(crate) fn fresh(folder: &Folder) -> Self {
        let (servers, members, rogue) = (Authority::new("servers"), Authority::new("members"), Authority::new("members"));
        let server = servers.server(&[HOST, "localhost"]);
        let member = |name: &str, role: &str| Leaf::new().common_name(name).extension("1.3.6.1.4.1.62329.1.1", der_utf8_sequence(&[role]));
        let reader = "https://registry.example/role/reader";
        let credentials = Self {
            billing_secret: URL_SAFE_NO_PAD.encode(Sha256::digest(Key::fresh(Algorithm::HS256).secret_bytes())),
            jobs_key: Key::secret(Algorithm::HS256, &Key::fresh(Algorithm::HS256).secret_bytes()[..32]),
            users_key: Key::fresh(Algorithm::ES256).with_kid("quickstart"),
            servers,
            reader: members.issue(member("member-1", reader)),
            stranger: members.issue(member("member-2", "https://registry.example/role/writer")),
            forged: rogue.issue(member("member-1", reader)),
        };
        folder.write_authority("servers-ca", &credentials.servers);
        folder.write_authority("members-ca", &members);
        folder.write_certificate("server", &server);
        folder.write_certificate("reader", &credentials.reader);
        folder.write_certificate("stranger", &credentials.stranger);
        folder.write_certificate("forged", &credentials.forged);
        credentials
    }

    /// For `PARTNERS_BILLING_SHA256`.
    pub(crate) fn billing_sha256(&self) -> String {
        STANDARD.encode(Sha256::digest(self.billing_secret.as_bytes()))
    }

    /// For `JOBS_KEY`.
    pub(crate) fn jobs_key_hex(&self) -> String {
        self.jobs_key.secret_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// A job's token, good until `exp` seconds from now.
    pub(crate) fn job_token(&self, exp: i64) -> String {
        mint(&self.jobs_key, json!({"iss": "jobs", "aud": "api", "sub": "nightly", "exp": now(exp)}))
    }

    /// A user's token that is good for a day.
    pub(crate) fn user_token(&self, scope: &str) -> String {
        self.user_token_until(scope, LIFETIME)
    }

    /// A user's token, good until `exp` seconds from now.
    pub(crate) fn user_token_until(&self, scope: &str, exp: i64) -> String {
        let claims = json!({"iss": "https://idp.example", "aud": "api", "sub": "alice", "scope": scope, "exp": now(exp)});
        mint(&self.users_key, claims)
    }

    /// Alice's token with Bob's name in it.
    pub(crate) fn tampered_token(&self) -> String {
        let token = self.user_token("users/read");
        let mut parts = token.split('.');
        let (header, claims, signature) = (parts.next(), parts.next(), parts.next());
        let claims = URL_SAFE_NO_PAD.decode(claims.unwrap_or_default()).expect("a token's claims are base64url");
        let claims = String::from_utf8_lossy(&claims).replace("alice", "bob");
        format!("{}.{}.{}", header.unwrap_or_default(), URL_SAFE_NO_PAD.encode(claims), signature.unwrap_or_default())
    }
}
