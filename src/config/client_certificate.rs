//! `client_certificate`: the TLS client certificate, of the connection or from a header.

use std::sync::Arc;

use super::certificate_source::{ServerNameWord, SourceForm, VerifiedByWord};
use super::declare::{fields, words};
use super::fault::Path;
use super::forms::{Name, OneOrMany, Table, strings};
use super::grants::grants;
use super::profile::Ability;
use super::reader::{Form, Given, Node, Reader};
use crate::authenticator::{
    Accept, CertificateSource, ClientCertificate, Handshake, MemberAttribute, MemberIdentity, MemberRoles, MemberSubject, ServerName,
    VerifiedBy,
};
use crate::certificate::{ExtensionId, is_attribute};
use crate::credential::Place;

fields! {
    /// A TLS client certificate, verified by Envoy, or by a proxy whose own certificate Envoy verified.
    struct ClientCertificateForm {
        /// Where the certificate comes from: `connection`, or `{header: NAME, trusted: ...}`.
        source: SourceForm = "connection",
        /// Where Envoy is too old (before 1.39) to say whether it verified the connection's certificate: the listener is trusted to have done so.
        verified_by: VerifiedByWord,
        /// What the connection's SNI must be: the request's host, or anything.
        server_name: ServerNameWord = "host",
        /// Which certificates are accepted among those that were verified.
        accept: AcceptForm = "{}",
        /// Where the certificate says who and what its bearer is.
        identity: MemberIdentityForm = "{}",
    }
}

fields! {
    /// Which certificates are accepted; an absent or empty list: whatever was verified.
    struct AcceptForm {
        /// Issuer names, in RFC 4514 form.
        issuers: OneOrMany<Name> = "[]",
        /// Subject names, in RFC 4514 form.
        subjects: OneOrMany<Name> = "[]",
    }
}

fields! {
    /// Where a certificate says who and what its bearer is.
    struct MemberIdentityForm {
        /// Who.
        subject: PartForm = r#"{"dn": "CN"}"#,
        /// What; absent: certificates hold no roles.
        roles: PartForm,
        /// Further roles, by subject.
        grants: Table<OneOrMany<Name>> = "{}",
        /// Further values, for conditions and headers, by the name that they get.
        attributes: Table<PartForm> = "{}",
    }
}

fields! {
    /// A part of a certificate: exactly one of `dn`, `san`, `fingerprint` and `extension`.
    struct PartForm {
        /// An attribute of the subject's distinguished name, by its short name: `CN`, `O`, `OU`, ...
        dn: Name,
        /// The subjectAltName's names of this type.
        san: SanWord,
        /// The certificate's hash, in lower-case hex.
        fingerprint: FingerprintWord,
        /// An extension, by its object identifier.
        extension: ExtensionForm,
        /// What the extension holds: one UTF8String, or a SEQUENCE OF UTF8String.
        r#type: ExtensionType,
    }
}

words! {
    /// A type of subjectAltName.
    enum SanWord {
        "uri" => Uri,
        "dns" => Dns,
    }
}

words! {
    /// A hash.
    enum FingerprintWord {
        "sha256" => Sha256,
    }
}

words! {
    /// What an extension holds.
    enum ExtensionType {
        "utf8" => Utf8,
        "utf8_sequence" => Utf8Sequence,
    }
}

/// An extension's object identifier.
pub(super) struct ExtensionForm(ExtensionId);

impl Form for ExtensionForm {
    fn read(node: Node<'_>, cx: &mut Reader<'_>) -> Option<Self> {
        match ExtensionId::parse(super::forms::text(node, cx)?) {
            Ok(id) => Some(Self(id)),
            Err(wrong) => {
                cx.fault(node.at, format_args!("{wrong}"));
                None
            }
        }
    }

    #[cfg(not(target_os = "wasi"))]
    fn describe() -> super::describe::Description {
        super::describe::Description::Leaf("an object identifier: 1.3.6.1.4.1.62329.1.1")
    }
}

/// A part of a certificate, before it is known what for.
enum Part {
    Dn(String),
    San(SanWord),
    Fingerprint,
    Extension(ExtensionId, ExtensionType),
}

impl PartForm {
    fn part(&self, at: &Path<'_>, cx: &mut Reader<'_>) -> Option<Part> {
        let fields = [
            ("dn", self.dn.is_written()),
            ("san", self.san.is_written()),
            ("fingerprint", self.fingerprint.is_written()),
            ("extension", self.extension.is_written()),
        ];
        cx.exactly_one(at, &fields)?;
        if self.extension.is_written() {
            if self.r#type.is_absent() {
                cx.fault(&at.name("type"), format_args!("missing; an extension's type is one of utf8, utf8_sequence"));
            }
        } else if self.r#type.is_written() {
            cx.fault(&at.name("type"), format_args!("a type goes with an extension"));
        }
        if let Some(Name(dn)) = self.dn.get() {
            if !is_attribute(dn) {
                cx.fault(&at.name("dn"), format_args!("not an attribute of a name: CN, O, OU, ... or an object identifier"));
            }
            return Some(Part::Dn(dn.to_ascii_uppercase()));
        }
        if let Some(san) = self.san.get() {
            return Some(Part::San(*san));
        }
        if self.fingerprint.is_written() {
            return Some(Part::Fingerprint);
        }
        Some(Part::Extension(self.extension.get()?.0.clone(), *self.r#type.get()?))
    }

    fn subject(&self, at: &Path<'_>, cx: &mut Reader<'_>) -> Option<MemberSubject> {
        Some(match self.part(at, cx)? {
            Part::Dn(name) => MemberSubject::Dn(name),
            Part::San(SanWord::Uri) => MemberSubject::SanUri,
            Part::San(SanWord::Dns) => MemberSubject::SanDns,
            Part::Fingerprint => MemberSubject::Fingerprint,
            Part::Extension(..) => {
                cx.fault(at, format_args!("a subject comes from dn, san or fingerprint; an extension can be an attribute"));
                return None;
            }
        })
    }

    fn roles(&self, at: &Path<'_>, cx: &mut Reader<'_>) -> Option<MemberRoles> {
        Some(match self.part(at, cx)? {
            Part::Dn(name) => MemberRoles::Dn(name),
            Part::San(SanWord::Uri) => MemberRoles::SanUri,
            Part::Extension(id, ExtensionType::Utf8) => MemberRoles::Utf8(id),
            Part::Extension(id, ExtensionType::Utf8Sequence) => MemberRoles::Utf8Sequence(id),
            Part::San(SanWord::Dns) | Part::Fingerprint => {
                cx.fault(at, format_args!("roles come from an extension, {{san: uri}} or dn"));
                return None;
            }
        })
    }

    fn attribute(&self, at: &Path<'_>, cx: &mut Reader<'_>) -> Option<MemberAttribute> {
        Some(match self.part(at, cx)? {
            Part::Dn(name) => MemberAttribute::Dn(name),
            Part::San(SanWord::Uri) => MemberAttribute::SanUri,
            Part::San(SanWord::Dns) => MemberAttribute::SanDns,
            Part::Fingerprint => MemberAttribute::Fingerprint,
            Part::Extension(id, ExtensionType::Utf8) => MemberAttribute::Utf8(id),
            Part::Extension(_, ExtensionType::Utf8Sequence) => {
                cx.fault(&at.name("type"), format_args!("an attribute is one value: utf8"));
                return None;
            }
        })
    }
}

impl ClientCertificateForm {
    pub(super) fn ability(&self) -> Ability {
        let by_proxy = self.source.get().is_some_and(SourceForm::is_by_proxy);
        let Some(identity) = self.identity.get() else {
            return Ability::Certificate { roles: true, attributes: None, by_proxy };
        };
        let granted = identity.grants.get().is_none_or(|Table(grants)| !grants.is_empty());
        let attributes = identity.attributes.get().map(|Table(list)| list.iter().map(|(name, _)| name.clone()).collect());
        Ability::Certificate { roles: granted || identity.roles.is_written(), attributes, by_proxy }
    }

    pub(super) fn compile(&self, at: &Path<'_>, cx: &mut Reader<'_>) -> Option<ClientCertificate> {
        let accept = self.accept.get().map(|form| form.compile(&at.name("accept"), cx));
        let identity = self.identity.get().map(|form| form.compile(&at.name("identity"), cx));
        let source = self.source(at, cx);
        Some(ClientCertificate { source: source?, accept: accept?, identity: identity?? })
    }

    /// Where in a request the certificate stands; empty: it is the connection's; `None`: faults keep that from being told.
    pub(super) fn places(&self) -> Option<Vec<Place>> {
        self.source.get()?.places()
    }

    fn source(&self, at: &Path<'_>, cx: &mut Reader<'_>) -> Option<CertificateSource> {
        let source = self.source.get()?;
        if source.is_network_only() {
            for (name, written) in [("server_name", self.server_name.is_written()), ("verified_by", self.verified_by.is_written())] {
                if written {
                    cx.fault(&at.name(name), format_args!("with network_only no TLS connection is looked at; remove this field"));
                }
            }
        }
        let server_name = match self.server_name.get()? {
            ServerNameWord::Host => ServerName::Host,
            ServerNameWord::Any => ServerName::Any,
        };
        let verified_by = match self.verified_by.get() {
            Some(VerifiedByWord::Listener) => VerifiedBy::Listener,
            None => VerifiedBy::Attribute,
        };
        source.compile(Handshake { server_name, verified_by }, &at.name("source"), cx)
    }
}

impl AcceptForm {
    fn compile(&self, at: &Path<'_>, cx: &mut Reader<'_>) -> Accept {
        let mut names = |given: &Given<OneOrMany<Name>>, field| {
            let names = given.get().map(strings).unwrap_or_default();
            if names.iter().any(|name| !name.contains('=')) {
                cx.fault(&at.name(field), format_args!("a distinguished name is wanted (RFC 4514), such as CN=Issuing CA,O=Example"));
            }
            names
        };
        Accept { issuers: names(&self.issuers, "issuers"), subjects: names(&self.subjects, "subjects") }
    }
}

impl MemberIdentityForm {
    fn compile(&self, at: &Path<'_>, cx: &mut Reader<'_>) -> Option<MemberIdentity> {
        let subject = self.subject.get().and_then(|form| form.subject(&at.name("subject"), cx));
        let roles = self.roles.get().and_then(|form| form.roles(&at.name("roles"), cx));
        let list = self.attributes.get().map(|Table(list)| list.as_slice()).unwrap_or_default();
        let at = at.name("attributes");
        let mut attribute = |(name, form): &(String, Option<PartForm>)| {
            let compiled = form.as_ref()?.attribute(&at.name(name), cx)?;
            Some((Arc::from(name.as_str()), compiled))
        };
        let attributes = list.iter().filter_map(&mut attribute).collect();
        Some(MemberIdentity { subject: subject?, roles, grants: grants(self.grants.get()), attributes })
    }
}
