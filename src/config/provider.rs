//! `providers`: who can prove who they are, and how.

use super::client_certificate::ClientCertificateForm;
use super::declare::fields;
use super::fault::Path;
use super::jwt::JwtForm;
use super::place::{PlaceForm, places};
use super::profile::{Ability, Profile};
use super::reader::Reader;
use super::remote::RemoteForm;
use super::static_secret::StaticSecretForm;
use super::upstream::UpstreamForm;
use crate::policy::{KeySources, Kind};

fields! {
    /// A way to prove who one is: exactly one kind.
    struct ProviderForm {
        /// The caller sends a secret; the filter knows only its SHA-256.
        static_secret: StaticSecretForm,
        /// The caller sends a JSON Web Token.
        jwt: JwtForm,
        /// The caller presents a TLS client certificate.
        client_certificate: ClientCertificateForm,
        /// Another service judges the credential.
        remote: RemoteForm,
        /// Where the credential stands; the first place that holds one counts.
        from: Vec<PlaceForm> = r#"[{"header": "authorization", "scheme": "Bearer"}]"#,
        /// What the upstream learns of this provider's identities; wins field by field over the `upstream` of all.
        upstream: UpstreamForm,
    }
}

impl ProviderForm {
    /// What others see of it, and what it verifies; `None`: faults.
    pub(super) fn compile(&self, name: &str, sets: &mut KeySources, at: &Path<'_>, cx: &mut Reader<'_>) -> (Profile, Option<Kind>) {
        check_name(name, at, cx);
        let kinds = [
            ("static_secret", self.static_secret.is_written()),
            ("jwt", self.jwt.is_written()),
            ("client_certificate", self.client_certificate.is_written()),
            ("remote", self.remote.is_written()),
        ];
        cx.exactly_one(at, &kinds);
        let mut profile = Profile::unknown(name);
        let mut compiled = None;
        if self.client_certificate.is_written() {
            if self.from.is_written() {
                cx.fault(
                    &at.name("from"),
                    format_args!("a client certificate comes with the connection, or from where its `source` says; remove this field"),
                );
            }
        } else if let Some(places) = self.remote.get().and_then(RemoteForm::places) {
            if self.from.is_written() {
                cx.fault(&at.name("from"), format_args!("a user name and a password stand in Authorization; remove this field"));
            }
            profile.places = places;
        } else {
            profile.places = self.from.get().map(|from| places(from, &at.name("from"), cx)).unwrap_or_default();
        }
        let from = profile.places.clone();
        if let Some(form) = self.static_secret.get() {
            profile.ability = Some(Ability::Secret { roles: form.yields_roles() });
            compiled = form.compile(name, &at.name("static_secret"), cx).map(|secrets| Kind::StaticSecret { secrets, from });
        } else if let Some(form) = self.jwt.get() {
            profile.ability = Some(form.ability());
            compiled = form.compile(name, sets, &at.name("jwt"), cx).map(|jwt| Kind::Jwt { jwt: Box::new(jwt), from });
        } else if let Some(form) = self.client_certificate.get() {
            if let Some(places) = form.places() {
                profile.places = places;
                profile.ability = Some(form.ability());
            }
            compiled = form.compile(&at.name("client_certificate"), cx).map(|certificate| Kind::ClientCertificate(Box::new(certificate)));
        } else if let Some(form) = self.remote.get() {
            profile.ability = Some(form.ability());
            let remote = form.compile(&from, &at.name("remote"), cx);
            compiled = remote.map(|remote| Kind::Remote { remote: Box::new(remote), from });
        }
        (profile, compiled)
    }
}

/// Names stand in metrics, logs and headers.
fn check_name(name: &str, at: &Path<'_>, cx: &mut Reader<'_>) {
    if name.is_empty() || name.len() > 64 || !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')) {
        cx.fault(at, format_args!("not a provider's name: up to 64 letters, digits, hyphens and underscores"));
    }
}
