//! What is wrong with a configuration, and where.

use std::fmt;

/// A step on the way to a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Segment {
    /// A member of an object.
    Name(String),
    /// An element of a list.
    Index(usize),
}

/// Something that keeps a configuration from being used. It never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Where; empty: the whole configuration.
    pub path: Vec<Segment>,
    /// What is wrong, and what would be right.
    pub what: String,
}

/// Something that the operator should know about a configuration that is used. It never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Warning {
    /// Where.
    pub path: Vec<Segment>,
    /// What to think of.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        line(f, &self.path, &self.what)
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        line(f, &self.path, &self.what)
    }
}

/// One line, whatever stands in the configuration.
fn line(f: &mut fmt::Formatter<'_>, path: &[Segment], what: &str) -> fmt::Result {
    for (position, segment) in path.iter().enumerate() {
        match segment {
            Segment::Index(index) => write!(f, "[{index}]")?,
            Segment::Name(name) => {
                if position > 0 {
                    f.write_str(".")?;
                }
                if !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')) {
                    f.write_str(name)?;
                } else {
                    write!(f, "\"{}\"", name.escape_default())?;
                }
            }
        }
    }
    if !path.is_empty() {
        f.write_str(": ")?;
    }
    for character in what.chars() {
        if character.is_control() {
            write!(f, "{}", character.escape_default())?;
        } else {
            fmt::Write::write_char(f, character)?;
        }
    }
    Ok(())
}

/// A path while it is walked: a list that lives on the stack, copied only into faults.
#[derive(Clone, Copy)]
pub(super) struct Path<'a> {
    last: Option<(&'a Path<'a>, Step<'a>)>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Name(&'a str),
    Index(usize),
}

impl<'a> Path<'a> {
    pub(super) const ROOT: Path<'static> = Path { last: None };

    pub(super) const fn name(&'a self, name: &'a str) -> Self {
        Self { last: Some((self, Step::Name(name))) }
    }

    pub(super) const fn index(&'a self, index: usize) -> Self {
        Self { last: Some((self, Step::Index(index))) }
    }

    pub(super) fn segments(&self) -> Vec<Segment> {
        let mut segments = Vec::new();
        let mut path = self;
        while let Some((parent, step)) = &path.last {
            segments.push(match step {
                Step::Name(name) => Segment::Name((*name).to_owned()),
                Step::Index(index) => Segment::Index(*index),
            });
            path = parent;
        }
        segments.reverse();
        segments
    }
}
