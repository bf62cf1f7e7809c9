//! One HTTP/1.1 connection that stays open.

use crate::Failure;
use portcullis_harness::Tls;
use rustix::fd::{AsFd, BorrowedFd};
use rustls::{ClientConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

pub(crate) struct Connection {
    stream: Stream,
    buffer: Vec<u8>,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Connection {
    pub(crate) fn open(address: SocketAddr, tls: Option<&Tls>) -> Result<Self, Failure> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let stream = match tls {
            None => Stream::Plain(stream),
            Some(tls) => {
                let mut connection = ClientConnection::new(tls.config(b"http/1.1")?, tls.name()?)?;
                connection.complete_io(&mut stream)?;
                Stream::Tls(Box::new(StreamOwned::new(connection, stream)))
            }
        };
        Ok(Self { stream, buffer: Vec::with_capacity(4096) })
    }

    pub(crate) fn send(&mut self, request: &[u8]) -> Result<(), Failure> {
        match &mut self.stream {
            Stream::Plain(stream) => stream.write_all(request)?,
            Stream::Tls(stream) => stream.write_all(request)?,
        }
        Ok(())
    }

    /// Reads a whole response and returns its status.
    pub(crate) fn receive(&mut self) -> Result<u16, Failure> {
        self.buffer.clear();
        loop {
            let (start, mut chunk) = (self.buffer.len(), [0; 4096]);
            let count = match &mut self.stream {
                Stream::Plain(stream) => stream.read(&mut chunk)?,
                Stream::Tls(stream) => stream.read(&mut chunk)?,
            };
            if count == 0 {
                return Err(format!("Envoy closed a connection after {start} bytes of a response").into());
            }
            self.buffer.extend_from_slice(&chunk[..count]);
            if let Some((status, length)) = head(&self.buffer)? {
                match self.buffer.len().checked_sub(length) {
                    Some(0) => return Ok(status),
                    Some(_) => return Err("more than one response to one request".into()),
                    None => {}
                }
            }
        }
    }

    pub(crate) fn response(&self) -> String {
        String::from_utf8_lossy(&self.buffer).into_owned()
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.stream {
            Stream::Plain(stream) => stream.as_fd(),
            Stream::Tls(stream) => stream.sock.as_fd(),
        }
    }
}

/// The status, and the length of head and body together; `None`: the head isn't whole.
fn head(bytes: &[u8]) -> Result<Option<(u16, usize)>, Failure> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = response.parse(bytes)? else { return Ok(None) };
    let length = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let body = length.map_or(Ok(0), |length| std::str::from_utf8(length.value).unwrap_or_default().trim().parse::<usize>())?;
    Ok(response.code.map(|status| (status, head + body)))
}
