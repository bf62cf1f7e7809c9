//! `revoked`: what is no longer good, although it still verifies.

use std::collections::HashSet;

use super::declare::fields;
use super::fault::Path;
use super::forms::{Name, OneOrMany};
use super::profile::Profile;
use super::reader::{Given, Reader};
use super::secret::{Digest, digest};
use crate::policy::Revoked;

fields! {
    /// What is no longer good, although it still verifies.
    struct RevokedForm {
        /// Who may no longer call, each as `provider/subject`.
        subjects: OneOrMany<Name> = "[]",
        /// Tokens, by their `jti`.
        jti: OneOrMany<Name> = "[]",
        /// Keys, by their `kid`: that of a token as well as that of the key that verified it.
        kids: OneOrMany<Name> = "[]",
        /// Client certificates, by the SHA-256 of their DER: hex, with colons if you like, or base64.
        certificate_sha256: OneOrMany<Name> = "[]",
    }
}

impl RevokedForm {
    pub(super) fn compile(&self, profiles: Option<&[Profile]>, at: &Path<'_>, cx: &mut Reader<'_>) -> Revoked {
        let at_subjects = at.name("subjects");
        for (index, name) in names(&self.subjects).enumerate() {
            check_subject(name, profiles, &at_subjects.index(index), cx);
        }
        let at_certificates = at.name("certificate_sha256");
        let mut certificates = HashSet::new();
        for (index, name) in names(&self.certificate_sha256).enumerate() {
            // As openssl prints it; base64 holds no colons.
            if let Some(Digest(sha256)) = digest(&name.replace(':', ""), &at_certificates.index(index), cx) {
                certificates.insert(sha256.to_vec());
            }
        }
        Revoked { subjects: list(&self.subjects), jti: list(&self.jti), kids: list(&self.kids), certificates }
    }
}

/// A name that is nobody's would revoke nothing, in silence.
fn check_subject(name: &str, profiles: Option<&[Profile]>, at: &Path<'_>, cx: &mut Reader<'_>) {
    let (provider, subject) = name.split_once('/').unwrap_or((name, ""));
    if subject.is_empty() {
        return cx.fault(at, format_args!("write provider/subject"));
    }
    let Some(profiles) = profiles else { return };
    if !profiles.iter().any(|profile| profile.name == provider) {
        let known = profiles.iter().map(|profile| profile.name.as_str()).collect::<Vec<_>>().join(", ");
        cx.fault(at, format_args!("there is no provider {provider}; write provider/subject; there are: {known}"));
    }
}

fn names(given: &Given<OneOrMany<Name>>) -> impl Iterator<Item = &str> {
    given.get().into_iter().flat_map(|OneOrMany(names)| names).map(|Name(name)| name.as_str())
}

fn list(given: &Given<OneOrMany<Name>>) -> HashSet<Vec<u8>> {
    names(given).map(|name| name.as_bytes().to_vec()).collect()
}
