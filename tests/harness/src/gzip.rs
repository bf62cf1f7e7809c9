//! The gzip format (RFC 1952), without compressing anything: in stored blocks (RFC 1951, section 3.2.4).

/// Some bytes as a gzip file.
pub(crate) fn stored(bytes: &[u8]) -> Vec<u8> {
    let mut file = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    let mut blocks = bytes.chunks(usize::from(u16::MAX)).peekable();
    while let Some(block) = blocks.next() {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        file.push(u8::from(blocks.peek().is_none()));
        file.extend(length.to_le_bytes());
        file.extend((!length).to_le_bytes());
        file.extend(block);
    }
    file.extend(crc32(bytes).to_le_bytes());
    file.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
    file
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::process::{Command, Stdio};

    /// By the check value that every list of CRCs gives, and by gzip itself.
    #[test]
    fn others_read_it() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        let text = "a key set ".repeat(10_000);
        let mut gzip = Command::new("gzip").arg("-dc").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("gzip runs");
        let mut input = gzip.stdin.take().expect("a pipe");
        let file = stored(text.as_bytes());
        let writer = std::thread::spawn(move || input.write_all(&file));
        let output = gzip.wait_with_output().expect("gzip ends");
        writer.join().expect("no panic").expect("gzip reads");
        assert_eq!(String::from_utf8_lossy(&output.stdout), text);
    }
}
