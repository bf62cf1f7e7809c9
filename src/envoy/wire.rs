//! Header maps as the ABI writes them: a count, the sizes of every name and value, then names and values, each with a NUL at its end. Little endian.

use crate::request::Headers;

/// Reads a map in place. `None` when it is not in that form.
pub(super) fn parse(buffer: Vec<u8>) -> Option<Headers> {
    if buffer.is_empty() {
        return Some(Headers::default());
    }
    let (count, sizes) = buffer.split_first_chunk::<4>()?;
    let count = usize::try_from(u32::from_le_bytes(*count)).ok()?;
    let mut sizes = sizes.as_chunks::<4>().0.iter().map(|size| u32::from_le_bytes(*size));
    let mut at = count.checked_mul(8)?.checked_add(4)?;
    if at > buffer.len() {
        return None;
    }
    let mut fields = Vec::with_capacity(count);
    let mut next = || {
        let end = at.checked_add(usize::try_from(sizes.next()?).ok()?)?;
        let range = at..end;
        at = end.checked_add(1)?;
        (end < buffer.len()).then_some(range)
    };
    for _ in 0..count {
        fields.push((next()?, next()?));
    }
    Some(Headers::new(buffer, fields))
}

/// Writes a map.
pub(super) fn serialise(pairs: &[(&[u8], &[u8])]) -> Vec<u8> {
    let size = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    let whole =
        pairs.iter().fold(4_usize, |sum, (name, value)| sum.saturating_add(10).saturating_add(name.len()).saturating_add(value.len()));
    let mut buffer = Vec::with_capacity(whole);
    buffer.extend(size(pairs.len()));
    for (name, value) in pairs {
        buffer.extend(size(name.len()));
        buffer.extend(size(value.len()));
    }
    for (name, value) in pairs {
        buffer.extend_from_slice(name);
        buffer.push(0);
        buffer.extend_from_slice(value);
        buffer.push(0);
    }
    buffer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let pairs: [(&[u8], &[u8]); 3] = [(b":path", b"/"), (b"x", b""), (b"y", b"\xff\0")];
        let headers = parse(serialise(&pairs)).unwrap();
        assert_eq!(headers.iter().collect::<Vec<_>>(), pairs);
    }

    #[test]
    fn nothing_else_is_read() {
        let good = serialise(&[(b"name", b"value")]);
        for cut in 1..good.len() {
            assert!(parse(good[..cut].to_vec()).is_none(), "{cut}");
        }
        assert!(parse(vec![0xff; 64]).is_none());
        assert!(parse(vec![]).is_some());
    }
}
