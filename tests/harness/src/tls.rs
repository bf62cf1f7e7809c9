//! The client's side of TLS.

use crate::certificates::{Authority, Certificate};
use crate::request::HOST;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientSessionMemoryCache, Resumption, WebPkiServerVerifier};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, ServerConfig, SignatureScheme, SupportedProtocolVersion,
};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio_rustls::TlsAcceptor;

static TLS12: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12];

/// How a client does TLS: whom it trusts, which name it asks for, which certificate it shows.
///
/// The server's certificate has to come from the authority; its names are not compared with the server name, so that
/// any name can be asked for.
#[derive(Clone)]
pub struct Tls {
    authority: Vec<CertificateDer<'static>>,
    server_name: Option<String>,
    identity: Option<Certificate>,
    versions: &'static [&'static SupportedProtocolVersion],
    resumption: Option<Arc<ClientSessionMemoryCache>>,
    /// One for each ALPN value: rustls resumes a session only under the very configuration that it was made with.
    configs: Arc<Mutex<HashMap<Vec<u8>, Arc<ClientConfig>>>>,
}

impl Tls {
    /// Trusts servers of this authority, asks for [`HOST`], shows no certificate, never resumes a session.
    pub fn new(authority: &Authority) -> Self {
        Self {
            authority: vec![CertificateDer::from(authority.der())],
            server_name: Some(HOST.to_owned()),
            identity: None,
            versions: rustls::ALL_VERSIONS,
            resumption: None,
            configs: Arc::default(),
        }
    }

    /// Asks for another server name (SNI).
    #[must_use]
    pub fn server_name(mut self, name: &str) -> Self {
        self.server_name = Some(name.to_owned());
        self.changed()
    }

    /// Asks for no server name.
    #[must_use]
    pub fn without_server_name(mut self) -> Self {
        self.server_name = None;
        self.changed()
    }

    /// Shows this client certificate, with its chain, when the server wants one.
    #[must_use]
    pub fn identity(mut self, certificate: &Certificate) -> Self {
        self.identity = Some(certificate.clone());
        self.changed()
    }

    /// TLS 1.2 and nothing newer.
    #[must_use]
    pub fn only_tls12(mut self) -> Self {
        self.versions = TLS12;
        self.changed()
    }

    /// Keeps sessions and resumes them on later connections: those of this value and its clones.
    #[must_use]
    pub fn resuming(mut self) -> Self {
        self.resumption = Some(Arc::new(ClientSessionMemoryCache::new(16)));
        self.changed()
    }

    fn changed(mut self) -> Self {
        self.configs = Arc::default();
        self
    }

    /// The client's configuration for rustls, with this one protocol offered by ALPN (`http/1.1`, `h2`).
    ///
    /// # Errors
    /// Of rustls, for a certificate or key that it can't use.
    pub fn config(&self, alpn: &[u8]) -> Result<Arc<ClientConfig>, Error> {
        let mut configs = self.configs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = configs.get(alpn) {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(self.build(alpn)?);
        configs.insert(alpn.to_vec(), Arc::clone(&config));
        Ok(config)
    }

    fn build(&self, alpn: &[u8]) -> Result<ClientConfig, Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        for root in &self.authority {
            roots.add(root.clone())?;
        }
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .map_err(|error| Error::General(error.to_string()))?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(self.versions)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyName(verifier)));
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let key = PrivateKeyDer::try_from(identity.key_der()).map_err(|why| Error::General(why.to_owned()))?;
                builder.with_client_auth_cert(identity.chain(), key)?
            }
        };
        config.alpn_protocols = vec![alpn.to_vec()];
        config.enable_sni = self.server_name.is_some();
        config.resumption = match &self.resumption {
            None => Resumption::disabled(),
            Some(sessions) => Resumption::store(Arc::clone(sessions) as _),
        };
        Ok(config)
    }

    /// The server name that it asks for, or would.
    ///
    /// # Errors
    /// If that is no server name.
    pub fn name(&self) -> Result<ServerName<'static>, Error> {
        let name = self.server_name.clone().unwrap_or_else(|| HOST.to_owned());
        ServerName::try_from(name).map_err(|error| Error::General(error.to_string()))
    }
}

/// A server's side of TLS, without client certificates.
pub(crate) fn acceptor(certificate: &Certificate) -> TlsAcceptor {
    let key = PrivateKeyDer::try_from(certificate.key_der()).expect("a private key");
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring knows the default versions")
        .with_no_client_auth()
        .with_single_cert(certificate.chain(), key)
        .expect("a certificate and its key");
    TlsAcceptor::from(Arc::new(config))
}

/// Everything that webpki checks but the name.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.0.verify_server_cert(leaf, intermediates, name, ocsp, now) {
            Err(Error::InvalidCertificate(CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. })) => {
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
