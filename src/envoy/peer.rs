//! The connection's client certificate, by Envoy's attributes.

use super::abi;
use crate::peer::{Peer, Shown};

/// The peer of the connection that the current request came by.
pub(super) struct ConnectionPeer;

impl Peer for ConnectionPeer {
    fn valid(&self) -> Option<bool> {
        match abi::property("connection\0peer_certificate_valid") {
            Ok(value) => Some(value? == [1]),
            // Only where there is no such attribute may anybody else vouch for the certificate.
            Err(_) => Some(false),
        }
    }

    fn digest(&self) -> Option<Vec<u8>> {
        abi::property("connection\0sha256_peer_certificate_digest").ok().flatten()
    }

    fn certificate(&self) -> Shown {
        match abi::property("connection\0peer_certificate") {
            Ok(Some(pem)) => Shown::Pem(pem),
            // Nobody's; or Envoys before 1.38, which have no such attribute.
            Ok(None) => self.unshown(),
            // A certificate that Envoy can't show is one that can't be read, not none: without a certificate a request may pass.
            Err(_) => Shown::Unreadable,
        }
    }

    fn server_name(&self) -> Option<Vec<u8>> {
        abi::property("connection\0requested_server_name").ok().flatten().filter(|name| !name.is_empty())
    }
}

impl ConnectionPeer {
    fn unshown(&self) -> Shown {
        match abi::property("connection\0mtls") {
            Ok(None) => Shown::Nothing,
            Ok(Some(mtls)) if mtls == [0] => Shown::Nothing,
            Ok(Some(_)) => self.digest().map_or(Shown::Unreadable, Shown::Digest),
            Err(_) => Shown::Unreadable,
        }
    }
}
