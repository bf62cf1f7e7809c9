//! Values that the configuration sets for headers.

use std::fmt;

/// A constant header value, which may be a secret: not shown by `Debug`.
#[derive(Clone)]
pub struct Constant(pub String);

impl fmt::Debug for Constant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Constant(..)")
    }
}
