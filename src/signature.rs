//! The one seam for verifying signatures of public keys: Envoy's own BoringSSL behind it, or Rust in the module.
// H2
