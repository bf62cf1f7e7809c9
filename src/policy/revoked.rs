//! What is no longer good, although it still verifies.

use std::collections::HashSet;

use serde_json::Value;

use crate::certificate::Certificate;
use crate::identity::Identity;
use crate::refusal::{Revocation, RevokedBy};

/// The hex digits of a SHA-256: what is of another length need not be compared with one, which costs hashing the certificate.
const FINGERPRINT_LENGTH: usize = 64;

/// Lists of what was revoked. They are judged on each use, after the credential was verified: nobody learns from them what is in them.
///
/// Nothing in them is secret: look-ups need no constant time.
#[derive(Debug, Default)]
pub struct Revoked {
    /// `provider/subject`; a provider's name holds no slash.
    pub subjects: HashSet<Vec<u8>>,
    /// Tokens, by their `jti` (RFC 7519, section 4.1.7).
    pub jti: HashSet<Vec<u8>>,
    /// Keys of sets, by their `kid`, or by what the log calls a key without one.
    pub kids: HashSet<Vec<u8>>,
    /// Client certificates, by the SHA-256 of their DER, in whichever of the forms that their holders can give them.
    pub certificates: HashSet<Vec<u8>>,
}

impl Revoked {
    /// Judges a verified credential. `kids`: those that the token names and that its key has.
    ///
    /// # Errors
    /// The list that it is on.
    pub fn check(&self, identity: &Identity, kids: &[Option<&str>]) -> Result<(), Revocation> {
        let by = if self.has_subject(identity) {
            RevokedBy::Subject
        } else if self.has_jti(identity) {
            RevokedBy::Jti
        } else if kids.iter().flatten().any(|kid| has(&self.kids, kid.as_bytes())) {
            RevokedBy::Kid
        } else if self.has_certificate(identity) {
            RevokedBy::Certificate
        } else {
            return Ok(());
        };
        Err(Revocation { by, subject: identity.subject.clone() })
    }

    fn has_subject(&self, identity: &Identity) -> bool {
        let listed = |subject: &str| has(&self.subjects, &[identity.provider.as_bytes(), b"/", subject.as_bytes()].concat());
        let Some(subject) = identity.subject.as_deref().filter(|_| !self.subjects.is_empty()) else {
            return false;
        };
        // Who goes by a certificate's hash has two of them.
        let is_hash = |certificate: &Certificate| subject.len() == FINGERPRINT_LENGTH && certificate.fingerprint() == subject;
        let by_hash = identity.certificate.as_ref().filter(|certificate| is_hash(certificate));
        listed(subject) || by_hash.and_then(|certificate| certificate.twin_fingerprint()).is_some_and(|twin| listed(&twin))
    }

    fn has_jti(&self, identity: &Identity) -> bool {
        let jti = identity.token.as_ref().and_then(|token| token.claims.get("jti")).and_then(Value::as_str);
        jti.is_some_and(|jti| has(&self.jti, jti.as_bytes()))
    }

    fn has_certificate(&self, identity: &Identity) -> bool {
        let Some(certificate) = identity.certificate.as_ref().filter(|_| !self.certificates.is_empty()) else {
            return false;
        };
        has(&self.certificates, &certificate.digest()) || certificate.twin_digest().is_some_and(|twin| has(&self.certificates, &twin))
    }
}

fn has(list: &HashSet<Vec<u8>>, entry: &[u8]) -> bool {
    !list.is_empty() && list.contains(entry)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::identity::TokenClaims;

    fn list(entries: &[&str]) -> HashSet<Vec<u8>> {
        entries.iter().map(|entry| entry.as_bytes().to_vec()).collect()
    }

    fn by(revoked: &Revoked, provider: &str, subject: Option<&str>, jti: Value, kids: &[Option<&str>]) -> Option<RevokedBy> {
        let claims = json!({"jti": jti}).as_object().unwrap().clone();
        let token = Some(TokenClaims { claims, encoded: None });
        let identity = Identity { provider: provider.into(), subject: subject.map(str::to_owned), token, ..Identity::default() };
        let found = revoked.check(&identity, kids).err();
        assert!(found.as_ref().is_none_or(|found| found.subject.as_deref() == subject));
        found.map(|found| found.by)
    }

    #[test]
    fn each_list_is_for_its_own() {
        let revoked =
            Revoked { subjects: list(&["a/alice", "a/x/y"]), jti: list(&["alice"]), kids: list(&["k1"]), certificates: HashSet::new() };
        let plain = |provider, subject, jti| by(&revoked, provider, subject, jti, &[None, None]);
        assert_eq!(plain("a", Some("alice"), json!(null)), Some(RevokedBy::Subject));
        assert_eq!(plain("a", Some("x/y"), json!(null)), Some(RevokedBy::Subject));
        for (provider, subject) in
            [("b", Some("alice")), ("a", Some("Alice")), ("a", Some("a/alice")), ("a", Some("")), ("a", None), ("", None)]
        {
            assert_eq!(plain(provider, subject, json!("k1")), None, "{provider} {subject:?}");
        }
        assert_eq!(plain("b", Some("k1"), json!("alice")), Some(RevokedBy::Jti));
        assert_eq!(plain("b", None, json!(["alice"])), None);
        assert_eq!(by(&revoked, "b", None, json!("x"), &[Some("k2"), Some("k1")]), Some(RevokedBy::Kid));
        assert_eq!(by(&revoked, "b", None, json!("x"), &[Some("k1"), None]), Some(RevokedBy::Kid));
        assert_eq!(by(&revoked, "b", None, json!("x"), &[Some("alice"), Some("")]), None);
        assert_eq!(by(&Revoked::default(), "a", Some("alice"), json!("alice"), &[Some("k1")]), None);
    }
}
