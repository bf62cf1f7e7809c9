//! Reading HTTP/1.1 responses off a stream, with every byte as it came.

use crate::request::{ClientError, Response};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// TCP, with TLS or without.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// An HTTP/1.1 connection: a stream, and what was read beyond the last response.
pub(crate) struct Http1 {
    pub(crate) stream: Box<dyn Stream>,
    buffer: Vec<u8>,
}

type Headers = Vec<(String, Vec<u8>)>;

impl Http1 {
    pub(crate) fn new(stream: Box<dyn Stream>) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        let written = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        written.await.map_err(closed)
    }

    /// Status and headers; interim responses (1xx) but 101 are skipped.
    pub(crate) async fn head(&mut self) -> Result<Response, ClientError> {
        loop {
            let (status, headers) = self.one_head().await?;
            if status >= 200 || status == 101 {
                return Ok(Response { status, headers, body: Vec::new(), trailers: Vec::new() });
            }
        }
    }

    async fn one_head(&mut self) -> Result<(u16, Headers), ClientError> {
        loop {
            if let Some((length, status, headers)) = parse_head(&self.buffer)? {
                self.buffer.drain(..length);
                return Ok((status, headers));
            }
            if self.fill().await? == 0 {
                return Err(ClientError::Closed("before the response's headers were there".into()));
            }
        }
    }

    /// Reads the body (and trailers) that belongs to a response's headers.
    pub(crate) async fn body(&mut self, response: &mut Response, method: &str) -> Result<(), ClientError> {
        if method == "HEAD" || matches!(response.status, 101 | 204 | 304) {
            return Ok(());
        }
        if response.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
            return self.chunks(response).await;
        }
        if let Some(length) = response.header("content-length") {
            let length = length.parse().map_err(|_| ClientError::Malformed(format!("content-length {length}")))?;
            response.body = self.exactly(length).await?;
            return Ok(());
        }
        while self.fill().await? != 0 {}
        response.body = std::mem::take(&mut self.buffer);
        Ok(())
    }

    async fn chunks(&mut self, response: &mut Response) -> Result<(), ClientError> {
        loop {
            let line = self.line().await?;
            let digits = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(digits, 16).map_err(|_| ClientError::Malformed(format!("chunk size {digits:?}")))?;
            if size == 0 {
                break;
            }
            response.body.extend(self.exactly(size).await?);
            self.line().await?;
        }
        loop {
            let line = self.line().await?;
            let Some((name, value)) = line.split_once(':') else { return Ok(()) };
            response.trailers.push((name.to_ascii_lowercase(), value.trim().as_bytes().to_vec()));
        }
    }

    /// A line without its end.
    async fn line(&mut self) -> Result<String, ClientError> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                let line = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
                self.buffer.drain(..end + 2);
                return Ok(line);
            }
            if self.fill().await? == 0 {
                return Err(ClientError::Closed("within the response's body".into()));
            }
        }
    }

    async fn exactly(&mut self, length: usize) -> Result<Vec<u8>, ClientError> {
        while self.buffer.len() < length {
            if self.fill().await? == 0 {
                return Err(ClientError::Closed("within the response's body".into()));
            }
        }
        Ok(self.buffer.drain(..length).collect())
    }

    /// Whatever has come since; an empty answer: the peer has closed.
    pub(crate) async fn some(&mut self) -> Result<Vec<u8>, ClientError> {
        if self.buffer.is_empty() {
            self.fill().await?;
        }
        Ok(std::mem::take(&mut self.buffer))
    }

    async fn fill(&mut self) -> Result<usize, ClientError> {
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk).await {
            Ok(count) => {
                self.buffer.extend_from_slice(&chunk[..count]);
                Ok(count)
            }
            // A TLS peer that ends without close_notify.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
            Err(error) => Err(closed(error)),
        }
    }
}

fn parse_head(bytes: &[u8]) -> Result<Option<(usize, u16, Headers)>, ClientError> {
    let mut headers = [httparse::EMPTY_HEADER; 256];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(bytes) {
        Ok(httparse::Status::Partial) => Ok(None),
        Ok(httparse::Status::Complete(length)) => {
            let pair = |header: &httparse::Header<'_>| (header.name.to_ascii_lowercase(), header.value.to_vec());
            let headers = response.headers.iter().map(pair).collect();
            Ok(Some((length, response.code.unwrap_or_default(), headers)))
        }
        Err(error) => Err(ClientError::Malformed(error.to_string())),
    }
}

pub(crate) fn closed(error: io::Error) -> ClientError {
    ClientError::Closed(error.to_string())
}
