//! The connection's client certificate, by Envoy's attributes.

use super::abi;
use crate::peer::Peer;

/// The peer of the connection that the current request came by.
pub(super) struct ConnectionPeer;

impl Peer for ConnectionPeer {
    fn valid(&self) -> Option<bool> {
        let value = attribute("connection\0peer_certificate_valid")?;
        Some(value == [1])
    }

    fn pem(&self) -> Option<Vec<u8>> {
        // A certificate that Envoy can't show is one that can't be read, not none: without a certificate a request may pass.
        let unreadable = || (attribute("connection\0mtls").as_deref() == Some(&[1])).then(Vec::new);
        match abi::property("connection\0peer_certificate") {
            Ok(Some(pem)) => Some(pem),
            // Envoys before 1.38 have no such attribute.
            Ok(None) => unreadable(),
            Err(_) => Some(Vec::new()),
        }
    }

    fn server_name(&self) -> Option<Vec<u8>> {
        attribute("connection\0requested_server_name")
    }
}

fn attribute(path: &str) -> Option<Vec<u8>> {
    abi::property(path).ok().flatten().filter(|value| !value.is_empty())
}
