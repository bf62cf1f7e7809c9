//! What stands in the extensions that carry identities.

use der::Tag;

use super::Malformed;
use super::text::ascii;
use super::walk::{Walk, check, context};

/// A SEQUENCE OF UTF8String, exactly: no other string type, nothing after it.
pub(super) fn utf8_sequence(value: &[u8]) -> Result<Vec<&str>, Malformed> {
    let mut walk = Walk::new(value);
    let mut elements = walk.expect(Tag::Sequence)?.fields();
    walk.finish()?;
    let mut strings = Vec::new();
    while !elements.is_finished() {
        let field = elements.expect(Tag::Utf8String)?;
        strings.push(str::from_utf8(field.value).map_err(|_| Malformed::Text)?);
    }
    Ok(strings)
}

/// One UTF8String, exactly.
pub(super) fn utf8(value: &[u8]) -> Result<&str, Malformed> {
    let mut walk = Walk::new(value);
    let field = walk.expect(Tag::Utf8String)?;
    walk.finish()?;
    str::from_utf8(field.value).map_err(|_| Malformed::Text)
}

/// A kind of GeneralName (RFC 5280, section 4.2.1.6) that is an IA5String.
#[derive(Clone, Copy)]
pub(super) enum GeneralName {
    Dns = 2,
    Uri = 6,
}

/// The names of one kind in a SubjectAltName.
pub(super) fn alt_names(value: &[u8], kind: GeneralName) -> Result<Vec<&str>, Malformed> {
    check(Walk::new(value))?;
    let mut walk = Walk::new(value);
    let mut names = walk.expect(Tag::Sequence)?.fields();
    walk.finish()?;
    if names.is_finished() {
        return Err(Malformed::Der);
    }
    let mut found = Vec::new();
    while !names.is_finished() {
        let name = names.next()?;
        if name.tag == context(kind as u32, false) {
            found.push(ascii(name.value)?);
        } else if name.tag == context(kind as u32, true) {
            return Err(Malformed::Der);
        }
    }
    Ok(found)
}
