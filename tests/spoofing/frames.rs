//! HTTP/2 frame by frame (RFC 9113) with header fields that are not compressed (RFC 7541, section 6.2.2), so that anything can stand in them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// Header fields, pseudo-headers among them, in the order in which they go out.
pub(crate) type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// What the server did with a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was answered by 200.
    Ok,
    /// By another status.
    Refused,
    /// It was reset.
    Reset,
    /// The connection was ended.
    Ended,
}

/// Sends a request as the first stream of a connection of its own; with trailers after one byte of body, if there are any.
pub(crate) fn send(address: SocketAddr, fields: &Fields, trailers: &Fields) -> Outcome {
    let mut stream = TcpStream::connect(address).expect("Envoy listens");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &[]));
    if trailers.is_empty() {
        bytes.extend(frame(HEADERS, END_STREAM | END_HEADERS, 1, &block(fields)));
    } else {
        bytes.extend(frame(HEADERS, END_HEADERS, 1, &block(fields)));
        bytes.extend(frame(DATA, 0, 1, b"x"));
        bytes.extend(frame(HEADERS, END_STREAM | END_HEADERS, 1, &block(trailers)));
    }
    // Envoy may have ended the connection before all was written.
    let _ = stream.write_all(&bytes);
    outcome(&mut stream).unwrap_or(Outcome::Ended)
}

fn outcome(stream: &mut TcpStream) -> std::io::Result<Outcome> {
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head)?;
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let mut payload = vec![0; length];
        stream.read_exact(&mut payload)?;
        match head[3] {
            // The first field of the first response is `:status`; 0x88 is `:status: 200` of the static table.
            HEADERS => return Ok(if payload.first() == Some(&0x88) { Outcome::Ok } else { Outcome::Refused }),
            RST_STREAM => return Ok(Outcome::Reset),
            GOAWAY => return Ok(Outcome::Ended),
            _ => {}
        }
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn block(fields: &Fields) -> Vec<u8> {
    // Literal without indexing, with a name of its own.
    fields.iter().flat_map(|(name, value)| [vec![0], string(name), string(value)].concat()).collect()
}

/// A string without Huffman coding; its length as an integer with a prefix of seven bits.
fn string(bytes: &[u8]) -> Vec<u8> {
    let mut coded = Vec::new();
    if bytes.len() < 127 {
        coded.push(u8::try_from(bytes.len()).expect("less than 127"));
    } else {
        coded.push(127);
        let mut rest = bytes.len() - 127;
        while rest >= 128 {
            coded.push(u8::try_from(rest % 128).expect("seven bits") | 128);
            rest /= 128;
        }
        coded.push(u8::try_from(rest).expect("seven bits"));
    }
    coded.extend_from_slice(bytes);
    coded
}
