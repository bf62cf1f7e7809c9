//! A filter chain with TLS.

use crate::bootstrap::TLS;
use crate::certificates::{Authority, Certificate};
use serde_json::{Value, json};

/// One filter chain of the listener with TLS.
#[derive(Clone)]
pub struct TlsListener {
    certificate: Certificate,
    server_names: Vec<String>,
    client_authority: Option<String>,
    required: bool,
    trust_chain_verification: Option<&'static str>,
    allow_expired: bool,
    resumption: bool,
}

impl TlsListener {
    /// With this server certificate; without client certificates, and sessions are never resumed.
    pub fn new(certificate: &Certificate) -> Self {
        Self {
            certificate: certificate.clone(),
            server_names: Vec::new(),
            client_authority: None,
            required: false,
            trust_chain_verification: None,
            allow_expired: false,
            resumption: false,
        }
    }

    /// Only for connections that ask for one of these names.
    #[must_use]
    pub fn server_names(mut self, names: &[&str]) -> Self {
        self.server_names = names.iter().map(|name| (*name).to_owned()).collect();
        self
    }

    /// Asks for a client certificate of this authority; a client may go without.
    #[must_use]
    pub fn clients_of(mut self, authority: &Authority) -> Self {
        self.client_authority = Some(authority.pem());
        self
    }

    /// A client must have a certificate.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Lets clients in whose certificate can't be verified (`ACCEPT_UNTRUSTED`).
    #[must_use]
    pub fn accept_untrusted(mut self) -> Self {
        self.trust_chain_verification = Some("ACCEPT_UNTRUSTED");
        self
    }

    /// Doesn't look at the certificate's dates.
    #[must_use]
    pub fn allow_expired(mut self) -> Self {
        self.allow_expired = true;
        self
    }

    /// Resumes sessions.
    #[must_use]
    pub fn resuming(mut self) -> Self {
        self.resumption = true;
        self
    }

    /// The filter chain around this HTTP connection manager.
    pub fn filter_chain(&self, manager: Value) -> Value {
        let mut common = json!({
            "alpn_protocols": ["h2", "http/1.1"],
            "tls_certificates": [{
                "certificate_chain": {"inline_string": self.certificate.chain_pem()},
                "private_key": {"inline_string": self.certificate.key_pem()},
            }],
        });
        if let Some(authority) = &self.client_authority {
            common["validation_context"]["trusted_ca"] = json!({"inline_string": authority});
        }
        if let Some(verification) = self.trust_chain_verification {
            common["validation_context"]["trust_chain_verification"] = json!(verification);
        }
        if self.allow_expired {
            common["validation_context"]["allow_expired_certificate"] = json!(true);
        }
        json!({
            "name": self.server_names.first().map_or(TLS, String::as_str),
            "filter_chain_match": {"server_names": self.server_names},
            "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
                "common_tls_context": common,
                "require_client_certificate": self.required,
                "disable_stateless_session_resumption": !self.resumption,
                "disable_stateful_session_resumption": !self.resumption,
            }},
            "filters": [manager],
        })
    }
}
