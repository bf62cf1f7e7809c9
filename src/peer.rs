//! The TLS peer of the connection, asked lazily.

/// What the host knows of the connection's client certificate. Each question may cost a host call.
pub trait Peer {
    /// The certificate was verified in this connection's handshake; `None` where the host can't tell.
    fn valid(&self) -> Option<bool>;
    /// The leaf certificate as PEM, raw or percent-encoded; `None` without one.
    fn pem(&self) -> Option<Vec<u8>>;
    /// The server name that the client asked for (SNI); `None` without one.
    fn server_name(&self) -> Option<Vec<u8>>;
}

/// A connection without TLS.
pub struct Plaintext;

impl Peer for Plaintext {
    fn valid(&self) -> Option<bool> {
        None
    }

    fn pem(&self) -> Option<Vec<u8>> {
        None
    }

    fn server_name(&self) -> Option<Vec<u8>> {
        None
    }
}
