//! Paths, read in one way only.

use std::sync::Arc;

/// A path template: literal segments, `*` and `{name}` for one non-empty segment, and `**` at the end for the rest, as in Envoy's uri_template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathTemplate {
    /// The segments after the leading slash.
    pub segments: Vec<Segment>,
}

/// A segment of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// This text.
    Literal(String),
    /// One non-empty segment, with the variable's name if it has one.
    One(Option<Arc<str>>),
    /// The rest, which may be empty. Only at the end.
    Rest,
}

impl PathTemplate {
    /// Reads a template.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence for the operator.
    pub fn parse(template: &str) -> Result<Self, &'static str> {
        let _ = template;
        Err("")
    }
}

/// The variables of a matched template, percent-decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables(Vec<(Arc<str>, Vec<u8>)>);

impl Variables {
    /// A variable's value.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(n, _)| **n == *name).map(|(_, value)| value.as_slice())
    }
}
