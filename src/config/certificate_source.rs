//! `client_certificate.source`: the connection, or a header that a proxy sets.

use std::sync::Arc;

use super::declare::{fields, words};
#[cfg(not(target_os = "wasi"))]
use super::describe::Description;
use super::fault::Path;
use super::forms::{Name, OneOrMany, strings};
use super::place::HeaderName;
use super::reader::{Form, Node, Reader};
use super::secret::Digest;
use crate::authenticator::{CertificateSource, Handshake, ProxyCertificate, Trusted};
use crate::credential::Place;

/// Where the certificate comes from: `connection`, or an object.
pub(super) enum SourceForm {
    Connection,
    Header(HeaderForm),
}

fields! {
    /// A header in which a proxy that ended the client's TLS passes on the certificate.
    struct HeaderForm {
        /// The header's name.
        header: HeaderName = required,
        /// Whose word is taken for it: that of a proxy with such a certificate of its own, or, with `network_only`, that of anybody who can reach the
        /// listener.
        trusted: TrustedForm = required,
    }
}

/// Whose word is taken for a certificate in a header: `network_only`, or a proxy's certificate.
pub(super) enum TrustedForm {
    NetworkOnly,
    Proxy(ProxyForm),
}

fields! {
    /// The proxy's own certificate on this connection: exactly one of `san_uri`, `san_dns` and `sha256`. One of several is enough.
    struct ProxyForm {
        /// A URI of its subjectAltName.
        san_uri: OneOrMany<Name>,
        /// A DNS name of its subjectAltName.
        san_dns: OneOrMany<Name>,
        /// The SHA-256 of its DER, in base64 or hex.
        sha256: OneOrMany<Digest>,
    }
}

words! {
    /// What the connection's SNI must be.
    enum ServerNameWord {
        "host" => Host,
        "any" => Any,
    }
}

words! {
    /// Who says that a connection's certificate was verified.
    enum VerifiedByWord {
        "listener" => Listener,
    }
}

impl Form for SourceForm {
    fn read(node: Node<'_>, cx: &mut Reader<'_>) -> Option<Self> {
        if node.value.is_object() {
            return HeaderForm::read(node, cx).map(Self::Header);
        }
        super::forms::word(node, cx, &["connection"]).map(|_| Self::Connection)
    }

    #[cfg(not(target_os = "wasi"))]
    fn describe() -> Description {
        Description::Either(vec![Description::Words(&["connection"]), HeaderForm::describe()])
    }
}

/// How it is written.
const TRUSTED: &str = "write network_only where nobody else can reach the listener, or what the proxy's own certificate has: {san_uri: ...}, {san_dns: ...} or {sha256: ...}";

impl Form for TrustedForm {
    fn read(node: Node<'_>, cx: &mut Reader<'_>) -> Option<Self> {
        if node.value.is_object() {
            return ProxyForm::read(node, cx).map(Self::Proxy);
        }
        if super::forms::text(node, cx)? == "network_only" {
            return Some(Self::NetworkOnly);
        }
        cx.fault(node.at, format_args!("not a word that is known here; {TRUSTED}"));
        None
    }

    #[cfg(not(target_os = "wasi"))]
    fn describe() -> Description {
        Description::Either(vec![Description::Words(&["network_only"]), ProxyForm::describe()])
    }
}

impl SourceForm {
    /// Where in a request the certificate stands; empty: it is the connection's; `None`: faults keep that from being told.
    pub(super) fn places(&self) -> Option<Vec<Place>> {
        match self {
            Self::Connection => Some(Vec::new()),
            Self::Header(form) => form.header.get().map(|HeaderName(name)| vec![Place::Header { name: Arc::clone(name), scheme: None }]),
        }
    }

    /// A proxy is trusted that has a certificate of its own on the connection.
    pub(super) fn is_by_proxy(&self) -> bool {
        matches!(self, Self::Header(form) if matches!(form.trusted.get(), Some(TrustedForm::Proxy(_))))
    }

    /// No TLS connection is looked at.
    pub(super) fn is_network_only(&self) -> bool {
        matches!(self, Self::Header(form) if matches!(form.trusted.get(), Some(TrustedForm::NetworkOnly)))
    }

    pub(super) fn compile(&self, handshake: Handshake, at: &Path<'_>, cx: &mut Reader<'_>) -> Option<CertificateSource> {
        let form = match self {
            Self::Connection => return Some(CertificateSource::Connection(handshake)),
            Self::Header(form) => form,
        };
        let refused = match form.header.get().map(|HeaderName(name)| &**name) {
            Some("x-forwarded-client-cert") => Some(
                "what stands there beside the certificate isn't escaped, and could be taken for one; have the proxy send the certificate alone",
            ),
            Some("cookie") => Some("cookies are many things in one header; it can't be used here"),
            _ => None,
        };
        if let Some(wrong) = refused {
            cx.fault(&at.name("header"), format_args!("{wrong}"));
        }
        let trusted = match form.trusted.get() {
            Some(TrustedForm::NetworkOnly) => Some(Trusted::NetworkOnly),
            Some(TrustedForm::Proxy(proxy)) => {
                proxy.compile(&at.name("trusted"), cx).map(|certificate| Trusted::Proxy(handshake, certificate))
            }
            None => None,
        };
        Some(CertificateSource::Header { place: self.places()?.pop()?, trusted: trusted? })
    }
}

impl ProxyForm {
    fn compile(&self, at: &Path<'_>, cx: &mut Reader<'_>) -> Option<ProxyCertificate> {
        let fields = [("san_uri", self.san_uri.is_written()), ("san_dns", self.san_dns.is_written()), ("sha256", self.sha256.is_written())];
        let field = cx.exactly_one(at, &fields)?;
        let (count, certificate) = if let Some(names) = self.san_uri.get() {
            (names.0.len(), ProxyCertificate::SanUri(strings(names)))
        } else if let Some(names) = self.san_dns.get() {
            (names.0.len(), ProxyCertificate::SanDns(strings(names)))
        } else {
            let digests = self.sha256.get()?.0.iter().map(|Digest(sha256)| *sha256).collect::<Vec<_>>();
            (digests.len(), ProxyCertificate::Sha256(digests))
        };
        if count == 0 {
            cx.fault(&at.name(field), format_args!("empty: no proxy would be trusted"));
        }
        Some(certificate)
    }
}
