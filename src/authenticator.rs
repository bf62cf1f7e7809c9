//! From a credential to an identity: one module per kind of provider.

mod client_certificate;
pub mod jwt;
pub mod static_secret;

pub use client_certificate::{
    Accept, CertificateError, ClientCertificate, Handshakes, MemberAttribute, MemberIdentity, MemberRoles, MemberSubject, ServerName,
};
pub use jwt::{Jwt, TokenError};
pub use static_secret::{SecretError, StaticSecret};
