//! The request as it came.

use std::iter;
use std::ops::Range;

use crate::spelling::is_same_name;

/// The shell's name for a request, and for what it opened.
pub type Ticket = u32;

/// Header fields in the order in which they came, names in lower case as Envoy gives them, values as bytes.
///
/// One buffer holds them all, so that a shell can hand over what it got without copying field by field.
#[derive(Clone, Debug, Default)]
pub struct Headers {
    buffer: Vec<u8>,
    fields: Vec<(Range<usize>, Range<usize>)>,
}

impl Headers {
    /// Over `buffer`, in which each field's name and value lie at the given ranges; a range outside of it counts as empty.
    #[must_use]
    pub const fn new(buffer: Vec<u8>, fields: Vec<(Range<usize>, Range<usize>)>) -> Self {
        Self { buffer, fields }
    }

    /// Every field: name and value.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.fields.iter().map(|(name, value)| (self.slice(name), self.slice(value)))
    }

    /// Whether there is no field at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Every value of `name` (in lower case).
    pub fn all<'h>(&'h self, name: &str) -> impl Iterator<Item = &'h [u8]> {
        let mut fields = self.fields.iter();
        iter::from_fn(move || {
            // Each request is searched some ten times, and nearly all names differ in length.
            for (own, value) in fields.by_ref() {
                if own.len() == name.len() && self.slice(own) == name.as_bytes() {
                    return Some(self.slice(value));
                }
            }
            None
        })
    }

    /// The first value of `name`. Only for headers of which it doesn't matter that they may stand twice.
    #[must_use]
    pub fn first<'h>(&'h self, name: &str) -> Option<&'h [u8]> {
        self.all(name).next()
    }

    /// The value of `name` that every server reads there.
    ///
    /// # Errors
    /// [`Repeated`] if it stands there more than once, or in a spelling that CGI takes for the same, or with blanks around it: HTTP/2 brings them, and who
    /// speaks HTTP/1.1 behind Envoy doesn't see them (RFC 9110, section 5.5).
    pub fn plain<'h>(&'h self, name: &str) -> Result<Option<&'h [u8]>, Repeated> {
        let is_twin = |own: &[u8]| own.len() == name.len() && own != name.as_bytes() && is_same_name(own, name.as_bytes());
        let value = self.only(name)?;
        let has_blanks = value.is_some_and(|value| value.trim_ascii().len() != value.len());
        if has_blanks || self.iter().any(|(own, _)| is_twin(own)) { Err(Repeated) } else { Ok(value) }
    }

    /// The value of `name` if it stands there exactly once.
    ///
    /// # Errors
    /// [`Repeated`] if it stands there more than once.
    pub fn only<'h>(&'h self, name: &str) -> Result<Option<&'h [u8]>, Repeated> {
        let mut values = self.all(name);
        let first = values.next();
        if values.next().is_some() { Err(Repeated) } else { Ok(first) }
    }

    fn slice(&self, range: &Range<usize>) -> &[u8] {
        self.buffer.get(range.clone()).unwrap_or_default()
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut headers = Self::default();
        for (name, value) in pairs {
            let start = headers.buffer.len();
            headers.buffer.extend_from_slice(name.as_ref());
            let middle = headers.buffer.len();
            headers.buffer.extend_from_slice(value.as_ref());
            headers.fields.push((start..middle, middle..headers.buffer.len()));
        }
        headers
    }
}

/// A header stands more than once, or can be read in two ways, where only one can be meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeated;

/// A request's headers with HTTP/2's pseudo-headers, which Envoy gives for HTTP/1 as well.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// All header fields.
    pub headers: Headers,
}

impl Request {
    /// `:method`.
    #[must_use]
    pub fn method(&self) -> &[u8] {
        self.headers.first(":method").unwrap_or_default()
    }

    /// `:path` with its query; `None` for CONNECT.
    #[must_use]
    pub fn target(&self) -> Option<&[u8]> {
        self.headers.first(":path")
    }

    /// `content-type` says that a gRPC client is asking.
    #[must_use]
    pub fn is_grpc(&self) -> bool {
        let Some(rest) = self.headers.first("content-type").and_then(|v| v.strip_prefix(b"application/grpc")) else {
            return false;
        };
        matches!(rest.first(), None | Some(b'+' | b';'))
    }
}
