//! `upstream`: what the upstream learns.

use std::sync::Arc;

use super::condition::{ClaimPathForm, path};
use super::declare::{fields, words};
#[cfg(not(target_os = "wasi"))]
use super::describe::Description;
use super::fault::Path;
use super::forms::{Name, OneOrMany, Table, shared};
use super::place::{HeaderName, header_name, is_printable};
use super::profile::Profile;
use super::reader::{Form, Node, Reader};
use super::secret::SecretForm;
use crate::constant::Constant;
use crate::policy::{NamePattern, ProviderId, Source, Upstream, UpstreamHeader};

fields! {
    /// What the upstream learns. A provider's own wins field by field; the names in `remove` are united.
    struct UpstreamForm {
        /// Whether the verified credential goes upstream.
        credential: CredentialWord = "strip",
        /// Further inbound headers that no client may send; `x-ep-*`: all that begin so.
        remove: OneOrMany<RemoveName> = "[]",
        /// Headers to set; `{}`: none.
        headers: Table<UpstreamHeaderForm> = r#"{"x-auth-provider": {"identity": "provider"}, "x-auth-subject": {"identity": "subject"}, "x-auth-roles": {"identity": "roles"}, "x-auth-scopes": {"identity": "scopes"}}"#,
        /// The header that carries a token's payload, base64url.
        payload_header: HeaderName,
    }
}

fields! {
    /// A header: exactly one of `identity`, `claim`, `claim_path`, `attribute`, `certificate`, `secret` and `value`.
    struct UpstreamHeaderForm {
        /// A part of the identity.
        identity: IdentityWord,
        /// A claim of the token, by its name.
        claim: Name,
        /// A claim inside of others.
        claim_path: ClaimPathForm,
        /// An attribute.
        attribute: Name,
        /// The client certificate.
        certificate: CertificateWord,
        /// A secret of the upstream's.
        secret: SecretForm,
        /// A constant.
        value: String,
        /// Whose identity is meant, instead of the one that goes upstream.
        of: Name,
        /// Stands before the value.
        prefix: String = "",
        /// Exactly one value, or the request is refused.
        single: bool = "false",
        /// A value, or the request is refused.
        required: bool = "false",
        /// Values are percent-encoded.
        encode: EncodeWord,
    }
}

words! {
    /// What happens to the verified credential.
    enum CredentialWord {
        "strip" => Strip,
        "keep" => Keep,
    }
}

words! {
    /// A part of the identity.
    enum IdentityWord {
        "provider" => Provider,
        "subject" => Subject,
        "roles" => Roles,
        "scopes" => Scopes,
    }
}

words! {
    /// A form of the certificate.
    enum CertificateWord {
        "percent_encoded_pem" => PercentEncodedPem,
    }
}

words! {
    /// How values are encoded.
    enum EncodeWord {
        "percent" => Percent,
    }
}

/// A name to remove.
pub(super) struct RemoveName(NamePattern);

impl Form for RemoveName {
    fn read(node: Node<'_>, cx: &mut Reader<'_>) -> Option<Self> {
        let text = super::forms::text(node, cx)?;
        match header_name(text).and_then(|_| NamePattern::parse(text)) {
            Ok(pattern) => Some(Self(pattern)),
            Err(wrong) => {
                cx.fault(node.at, format_args!("{wrong}"));
                None
            }
        }
    }

    #[cfg(not(target_os = "wasi"))]
    fn describe() -> Description {
        Description::Leaf("a header's name, or the beginning of one and an asterisk")
    }
}

/// What is in force, field by field; `None`: faults.
#[derive(Clone, Default)]
pub(super) struct Compiled {
    keep_credential: Option<bool>,
    headers: Option<Vec<UpstreamHeader>>,
    payload_header: Option<Arc<str>>,
}

impl Compiled {
    /// The names that are set: no client may send them.
    pub(super) fn add_names(&self, names: &mut Vec<NamePattern>) {
        for header in self.headers.as_deref().unwrap_or_default() {
            names.push(NamePattern::Exact(header.name.to_string()));
        }
        if let Some(name) = &self.payload_header {
            names.push(NamePattern::Exact(name.to_string()));
        }
    }

    pub(super) fn finish(self) -> Option<Upstream> {
        Some(Upstream { keep_credential: self.keep_credential?, headers: self.headers?, payload_header: self.payload_header })
    }
}

impl UpstreamForm {
    /// Further names that no client may send.
    pub(super) fn add_removed(&self, names: &mut Vec<NamePattern>) {
        for RemoveName(name) in self.remove.get().map(|OneOrMany(names)| names.as_slice()).unwrap_or_default() {
            names.push(name.clone());
        }
    }

    /// `over`: what holds for all, which `owner`'s own fields win over.
    pub(super) fn compile(
        &self,
        over: Option<&Compiled>,
        owner: Option<&Profile>,
        profiles: Option<&[Profile]>,
        at: &Path<'_>,
        cx: &mut Reader<'_>,
    ) -> Compiled {
        let mut compiled = over.cloned().unwrap_or_default();
        let counts = |written: bool| written || over.is_none();
        if counts(self.credential.is_written()) {
            compiled.keep_credential = self.credential.get().map(|word| *word == CredentialWord::Keep);
        }
        if counts(self.headers.is_written()) {
            let list = self.headers.get().map(|Table(list)| list.as_slice());
            compiled.headers = list.and_then(|list| headers(list, owner, profiles, &at.name("headers"), cx));
        }
        if counts(self.payload_header.is_written()) {
            compiled.payload_header = self.payload_header.get().map(|HeaderName(name)| Arc::clone(name));
        }
        let clash = compiled.headers.iter().flatten().any(|header| Some(&header.name) == compiled.payload_header.as_ref());
        if clash && (self.headers.is_written() || self.payload_header.is_written()) {
            cx.fault(&at.name("payload_header"), format_args!("this header is set in upstream.headers, too"));
        }
        compiled
    }
}

fn headers(
    list: &[(String, Option<UpstreamHeaderForm>)],
    owner: Option<&Profile>,
    profiles: Option<&[Profile]>,
    at: &Path<'_>,
    cx: &mut Reader<'_>,
) -> Option<Vec<UpstreamHeader>> {
    let mut headers = Vec::new();
    let mut complete = true;
    let mut names: Vec<String> = Vec::new();
    for (written, form) in list {
        let at = at.name(written);
        let name = match header_name(written) {
            Ok(name) => name,
            Err(wrong) => {
                cx.fault(&at, format_args!("{wrong}"));
                continue;
            }
        };
        if names.contains(&name) {
            cx.fault(&at, format_args!("this header stands here twice: case makes no difference"));
        }
        names.push(name.clone());
        match form.as_ref().and_then(|form| form.compile(&name, owner, profiles, &at, cx)) {
            Some(header) => {
                let place = headers.partition_point(|other: &UpstreamHeader| other.name < header.name);
                headers.insert(place, header);
            }
            None => complete = false,
        }
    }
    complete.then_some(headers)
}

impl UpstreamHeaderForm {
    fn compile(
        &self,
        name: &str,
        owner: Option<&Profile>,
        profiles: Option<&[Profile]>,
        at: &Path<'_>,
        cx: &mut Reader<'_>,
    ) -> Option<UpstreamHeader> {
        let mut of = None;
        let mut whose = owner;
        if let Some((Name(wanted), profiles)) = self.of.get().zip(profiles) {
            let found = profiles.iter().enumerate().find(|(_, profile)| profile.name == *wanted);
            if found.is_none() {
                cx.fault(&at.name("of"), format_args!("there is no provider {wanted}"));
            }
            of = found.map(|(index, _)| ProviderId(index));
            whose = found.map(|(_, profile)| profile);
        }
        let prefix = self.prefix.get();
        if prefix.is_some_and(|prefix| !is_printable(prefix.as_bytes())) {
            cx.fault(&at.name("prefix"), format_args!("not printable ASCII"));
        }
        let source = self.source(at, cx);
        if let Some(source) = &source {
            // Where anyone's identity may go upstream, someone's must be able to have it.
            let able = |able: &dyn Fn(&Profile) -> bool| match (whose, profiles) {
                (Some(profile), _) => able(profile),
                (None, Some(profiles)) => profiles.iter().any(able),
                (None, None) => true,
            };
            let missing = match source {
                Source::Claim(_) if !able(&Profile::yields_claims) => Some("claims: it verifies no tokens"),
                Source::CertificatePem if !able(&Profile::yields_certificate) => Some("certificates"),
                Source::Attribute(name) if !able(&|profile: &Profile| profile.yields_attribute(name)) => Some("attribute of this name"),
                _ => None,
            };
            if let Some(what) = missing {
                let who = whose.map_or("any provider here", |profile| profile.name.as_str());
                cx.fault(at, format_args!("{who} yields no {what}"));
            }
        }
        Some(UpstreamHeader {
            name: name.into(),
            source: source?,
            of,
            prefix: prefix?.clone(),
            single: *self.single.get()?,
            required: *self.required.get()?,
            percent_encode: self.encode.is_written(),
        })
    }

    fn source(&self, at: &Path<'_>, cx: &mut Reader<'_>) -> Option<Source> {
        let fields = [
            ("identity", self.identity.is_written()),
            ("claim", self.claim.is_written()),
            ("claim_path", self.claim_path.is_written()),
            ("attribute", self.attribute.is_written()),
            ("certificate", self.certificate.is_written()),
            ("secret", self.secret.is_written()),
            ("value", self.value.is_written()),
        ];
        let name = cx.exactly_one(at, &fields)?;
        let value = match name {
            "identity" => {
                return self.identity.get().map(|word| match word {
                    IdentityWord::Provider => Source::Provider,
                    IdentityWord::Subject => Source::Subject,
                    IdentityWord::Roles => Source::Roles,
                    IdentityWord::Scopes => Source::Scopes,
                });
            }
            "claim" | "claim_path" => return path(&self.claim, &self.claim_path).map(Source::Claim),
            "attribute" => return self.attribute.get().map(|name| Source::Attribute(shared(name))),
            "certificate" => return self.certificate.get().map(|_| Source::CertificatePem),
            "secret" => self.secret.get()?.bytes(&at.name(name), cx)?,
            _ => self.value.get()?.clone().into_bytes(),
        };
        match String::from_utf8(value) {
            Ok(value) if is_printable(value.as_bytes()) => Some(Source::Value(Constant(value))),
            _ => {
                cx.fault(&at.name(name), format_args!("not printable ASCII, so it can't stand in a header"));
                None
            }
        }
    }
}
