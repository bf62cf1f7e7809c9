//! From a credential to an identity: one module per kind of provider.

mod client_certificate;
pub mod jwt;
pub mod remote;
pub mod static_secret;

pub use client_certificate::{
    Accept, CertificateError, CertificateSource, ClientCertificate, Handshake, Handshakes, MemberAttribute, MemberIdentity, MemberRoles,
    MemberSubject, ProxyCertificate, ServerName, Trusted, VerifiedBy,
};
pub use jwt::{Jwt, TokenError};
pub use remote::{Remote, RemoteError};
pub use static_secret::{SecretError, StaticSecret};
