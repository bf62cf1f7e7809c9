//! Where a credential stands in a request.

use std::sync::Arc;

/// The longest credential that is looked at, in bytes.
pub const MAX_LENGTH: usize = 16 * 1024;

/// A place where a provider's credential may stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A header, by its name in lower case.
    Header {
        /// The name.
        name: Arc<str>,
        /// The authentication scheme before the credential (RFC 9110, section 11.1), any case; `None`: the whole value is the credential.
        scheme: Option<String>,
    },
    /// A query parameter, by its name.
    Query(Arc<str>),
}
