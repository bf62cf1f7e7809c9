//! The one seam for verifying signatures of public keys: Envoy's own BoringSSL behind it, or Rust in the module.
// H2
/// stub
pub trait Verify {
    /// stub
    fn verify(&self, alg: crate::keys::Alg, key: &crate::keys::PublicKey, text: &[u8], signature: &[u8]) -> bool;
}
/// stub
pub struct Module;
impl Verify for Module {
    fn verify(&self, _alg: crate::keys::Alg, _key: &crate::keys::PublicKey, _text: &[u8], _signature: &[u8]) -> bool {
        false
    }
}
