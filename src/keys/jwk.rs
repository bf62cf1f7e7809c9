//! JSON Web Keys (RFC 7517).

/// A public key.
#[derive(Debug)]
pub struct PublicKey {}
