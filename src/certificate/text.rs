//! ASN.1's character strings, as far as RFC 5280 lets them stand in names.

use der::Tag;

use super::Malformed;

/// The text in a string of type `tag`.
///
/// PrintableString is taken as ASCII: certificates with `@`, `*` or `_` in one are common. TeletexString is taken as Latin-1, as OpenSSL and BoringSSL
/// do. BMPString is UCS-2: a surrogate is refused.
///
/// # Errors
/// [`Malformed::Text`] when the octets are not of that type, [`Malformed::NotText`] when the type is no string.
pub(super) fn text(tag: Tag, octets: &[u8]) -> Result<String, Malformed> {
    match tag {
        Tag::Utf8String => str::from_utf8(octets).map(str::to_owned).map_err(|_| Malformed::Text),
        Tag::PrintableString | Tag::Ia5String | Tag::NumericString | Tag::VisibleString => ascii(octets).map(str::to_owned),
        Tag::TeletexString => Ok(octets.iter().copied().map(char::from).collect()),
        Tag::BmpString => {
            let (pairs, rest) = octets.as_chunks::<2>();
            let units = pairs.iter().map(|pair| char::from_u32(u32::from(u16::from_be_bytes(*pair))));
            if rest.is_empty() { units.collect::<Option<String>>().ok_or(Malformed::Text) } else { Err(Malformed::Text) }
        }
        _ => Err(Malformed::NotText),
    }
}

/// IA5String and its subsets.
pub(super) fn ascii(octets: &[u8]) -> Result<&str, Malformed> {
    if octets.is_ascii() { str::from_utf8(octets).map_err(|_| Malformed::Text) } else { Err(Malformed::Text) }
}
