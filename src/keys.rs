//! Keys: from their JSON form to something that verifies, and how a set of them is kept fresh.

mod alg;
mod hmac;
mod jwk;
mod refresh;
mod set;
mod shared_data;
mod store;

pub use alg::{Alg, AlgSet};
pub use hmac::HmacKey;
pub(crate) use jwk::Material;
pub use jwk::PublicKey;
pub use refresh::{Begin, Refresh};
pub use set::{Key, KeyName, KeySet, KeySetError, NoKey, Skipped};
pub use shared_data::{Alone, SharedData};
pub use store::{KeyStore, Lookup};

use std::fmt;
use std::time::Duration;

/// Names a key set fetched from the network by a hash of all that defines it: `jwks_uri`, cluster, headers, algorithms and `max_body`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SetId(pub [u8; 16]);

impl fmt::Display for SetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A key set to fetch from the network, and when.
#[derive(Clone, Debug)]
pub struct RemoteKeys {
    /// The provider's name (the first one's, where several share the set): for logs and metrics.
    pub provider: std::sync::Arc<str>,
    /// The Envoy cluster that the callout goes to.
    pub cluster: String,
    /// `https`, or `http` where that was allowed.
    pub scheme: String,
    /// Host, and port if it was given.
    pub authority: String,
    /// Path and query.
    pub path: String,
    /// Further headers of the callout, names in lower case; values may be secret.
    pub headers: Vec<(String, crate::constant::Constant)>,
    /// Algorithms that some provider of this set accepts.
    pub algorithms: AlgSet,
    /// From one success to the next fetch.
    pub refresh: Duration,
    /// Of one callout.
    pub timeout: Duration,
    /// From one fetch for an unknown `kid` to the next.
    pub cooldown: Duration,
    /// The longest answer that is read, in bytes.
    pub max_body: usize,
}
