//! HMAC keys (RFC 7518, section 3.2).

/// A secret key; not shown by `Debug`, wiped...
pub struct HmacKey(Vec<u8>);

impl HmacKey {
    /// Any bytes; whether they are long enough for an algorithm is for the caller to ask.
    #[must_use]
    pub const fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl std::fmt::Debug for HmacKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HmacKey(..)")
    }
}
