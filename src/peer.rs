//! The TLS peer of the connection, asked lazily.

/// What the host knows of the connection's client certificate. Each question may cost a host call.
pub trait Peer {
    /// The certificate was verified in this connection's handshake; `None` where the host has no word for that.
    fn valid(&self) -> Option<bool>;
    /// The SHA-256 of the leaf certificate's DER, in hex; `None`: there is no certificate, or the host can't tell.
    fn digest(&self) -> Option<Vec<u8>>;
    /// The leaf certificate, as far as the host shows it.
    fn certificate(&self) -> Shown;
    /// The server name that the client asked for (SNI); `None` without one.
    fn server_name(&self) -> Option<Vec<u8>>;
}

/// What the host shows of the connection's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// There is none.
    Nothing,
    /// PEM, raw or percent-encoded.
    Pem(Vec<u8>),
    /// No more than the SHA-256 of its DER, in hex.
    Digest(Vec<u8>),
    /// There is one, or there may be: the host can't show it.
    Unreadable,
}

/// A connection without TLS.
pub struct Plaintext;

impl Peer for Plaintext {
    fn valid(&self) -> Option<bool> {
        None
    }

    fn digest(&self) -> Option<Vec<u8>> {
        None
    }

    fn certificate(&self) -> Shown {
        Shown::Nothing
    }

    fn server_name(&self) -> Option<Vec<u8>> {
        None
    }
}
