//! X.509 certificates (RFC 5280), as far as identities stand in them.

/// A parsed certificate.
#[derive(Debug)]
pub struct Certificate {}

impl Certificate {
    /// As nginx writes it.
    #[must_use]
    pub fn percent_encoded_pem(&self) -> String {
        String::new()
    }
}

/// An extension's object identifier, as the content octets of its DER: any OID, however long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtensionId(Vec<u8>);

impl ExtensionId {
    /// Reads dotted decimal.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence for the operator.
    pub fn parse(dotted: &str) -> Result<Self, &'static str> {
        let _ = dotted;
        Ok(Self(vec![]))
    }
}
