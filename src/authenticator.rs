//! From a credential to an identity: one module per kind of provider.

mod client_certificate;
pub mod jwt;
pub mod remote;
pub mod static_secret;

pub use client_certificate::{
    Accept, CertificateError, CertificateSource, ClientCertificate, Handshake, MemberAttribute, MemberIdentity, MemberRoles, MemberSubject,
    ProxyCertificate, Remembered, ServerName, Trusted, VerifiedBy,
};
pub use jwt::{Jwt, TokenError};
pub use remote::{Remote, RemoteError};
pub use static_secret::{SecretError, StaticSecret};
