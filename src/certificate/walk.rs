//! A walk over DER (X.690) that looks at tags and lengths only.
//!
//! x509-cert's own types refuse a whole certificate for one object identifier that `const-oid` can't hold (an arc of 2^32 or more, more than 39
//! octets), wherever it stands. Members whose certificates name an extension by a UUID (`2.25.…`) would be locked out, so identifiers stay octets here.

use std::ops::Range;

use der::{Decode, Header, Reader, SliceReader, Tag, TagNumber};

use super::{Malformed, oid};

/// How deep DER may nest: a certificate of RFC 5280 needs eight levels, RSASSA-PSS parameters a few more.
const MAX_DEPTH: u8 = 16;

/// One tag, length and value, by its place in the input.
#[derive(Clone)]
pub(super) struct Field<'a> {
    /// The tag.
    pub(super) tag: Tag,
    /// The value.
    pub(super) value: &'a [u8],
    /// Tag, length and value.
    pub(super) whole: &'a [u8],
    start: usize,
    input: &'a [u8],
}

impl<'a> Field<'a> {
    /// The fields in this one's value.
    pub(super) fn fields(&self) -> Walk<'a> {
        Walk { input: self.input, at: self.start, end: self.range().end }
    }

    /// Where the value stands in the input.
    pub(super) const fn range(&self) -> Range<usize> {
        self.start..self.start.saturating_add(self.value.len())
    }
}

/// What is left of a sequence of fields.
pub(super) struct Walk<'a> {
    input: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Walk<'a> {
    /// Over everything.
    pub(super) const fn new(input: &'a [u8]) -> Self {
        Self { input, at: 0, end: input.len() }
    }

    /// Nothing is left.
    pub(super) const fn is_finished(&self) -> bool {
        self.at >= self.end
    }

    /// The next field. Its length is encoded as DER wants it.
    pub(super) fn next(&mut self) -> Result<Field<'a>, Malformed> {
        let rest = self.input.get(self.at..self.end).ok_or(Malformed::Der)?;
        let mut reader = SliceReader::new(rest).map_err(|_| Malformed::Der)?;
        let header = Header::decode(&mut reader).map_err(|_| Malformed::Der)?;
        let value = reader.read_slice(header.length()).map_err(|_| Malformed::Der)?;
        let length = usize::try_from(reader.position()).map_err(|_| Malformed::Der)?;
        let whole = rest.get(..length).ok_or(Malformed::Der)?;
        let end = self.at.saturating_add(length);
        let start = end.saturating_sub(value.len());
        self.at = end;
        Ok(Field { tag: header.tag(), value, whole, start, input: self.input })
    }

    /// The next field, which has to be `tag`.
    pub(super) fn expect(&mut self, tag: Tag) -> Result<Field<'a>, Malformed> {
        let field = self.next()?;
        if field.tag == tag { Ok(field) } else { Err(Malformed::Der) }
    }

    /// The next field if it is `tag`; otherwise nothing is taken.
    pub(super) fn optional(&mut self, tag: Tag) -> Result<Option<Field<'a>>, Malformed> {
        if self.is_finished() {
            return Ok(None);
        }
        let before = self.at;
        let field = self.next()?;
        if field.tag == tag {
            return Ok(Some(field));
        }
        self.at = before;
        Ok(None)
    }

    /// There is nothing more.
    pub(super) const fn finish(self) -> Result<(), Malformed> {
        if self.is_finished() { Ok(()) } else { Err(Malformed::TrailingBytes) }
    }
}

/// A context-specific tag.
pub(super) const fn context(number: u32, constructed: bool) -> Tag {
    Tag::ContextSpecific { constructed, number: TagNumber(number) }
}

/// All that DER says about an encoding without knowing what it encodes (X.690, sections 8 to 11): minimal lengths, integers and object identifiers,
/// booleans of 0x00 or 0xFF, no loose bits, sets in order.
pub(super) fn check(walk: Walk<'_>) -> Result<(), Malformed> {
    check_level(walk, MAX_DEPTH, false)
}

fn check_level(mut walk: Walk<'_>, levels: u8, is_set: bool) -> Result<(), Malformed> {
    let levels = levels.checked_sub(1).ok_or(Malformed::Der)?;
    let mut previous: &[u8] = &[];
    while !walk.is_finished() {
        let field = walk.next()?;
        let good = match field.tag {
            Tag::Boolean => matches!(field.value, [0x00 | 0xFF]),
            Tag::Integer | Tag::Enumerated => is_minimal_integer(field.value),
            Tag::BitString => is_tight_bit_string(field.value),
            Tag::Null => field.value.is_empty(),
            Tag::ObjectIdentifier => oid::is_canonical(field.value),
            _ => true,
        };
        if !good || (is_set && field.whole < previous) {
            return Err(Malformed::Der);
        }
        previous = field.whole;
        if field.tag.is_constructed() {
            check_level(field.fields(), levels, field.tag == Tag::Set)?;
        }
    }
    Ok(())
}

const fn is_minimal_integer(value: &[u8]) -> bool {
    match value {
        [] => false,
        [0x00, second, ..] => *second >= 0x80,
        [0xFF, second, ..] => *second < 0x80,
        _ => true,
    }
}

/// Names how many bits its last octet has too many, and those are zero (X.690, section 11.2).
pub(super) fn is_tight_bit_string(value: &[u8]) -> bool {
    match value {
        [0] => true,
        [unused @ 0..=7, .., last] => last.trailing_zeros() >= u32::from(*unused),
        _ => false,
    }
}
