//! A client that sends what it is told to, over HTTP/1.1, HTTP/2 and WebSocket, with TLS or without.

use crate::http1::{Http1, Stream};
use crate::received::pairs;
use crate::request::{ClientError, Request, Response};
use crate::runtime::block_on;
use crate::tls::Tls;
use crate::websocket::WebSocket;
use bytes::Bytes;
use futures_util::future::try_join_all;
use h2::client::SendRequest;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use rustls::HandshakeKind;
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;

/// Where to, and how. Cheap to clone; may be used from many threads.
#[derive(Clone)]
pub struct Client {
    address: SocketAddr,
    tls: Option<Tls>,
    http2: bool,
    patience: Duration,
}

impl Client {
    /// HTTP/1.1 without TLS.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, tls: None, http2: false, patience: crate::PATIENCE }
    }

    /// Over HTTP/2: with prior knowledge, or by ALPN under TLS.
    #[must_use]
    pub fn http2(mut self) -> Self {
        self.http2 = true;
        self
    }

    /// Over TLS.
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// How long a response may take; [`crate::PATIENCE`] unless said.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Sends one request over a connection of its own.
    ///
    /// # Errors
    /// Whatever stands in the way of a whole response.
    pub fn try_send(&self, request: &Request) -> Result<Response, ClientError> {
        self.connect()?.send(request)
    }

    /// Sends one request over a connection of its own.
    ///
    /// # Panics
    /// If there is no whole response.
    pub fn send(&self, request: &Request) -> Response {
        self.try_send(request).unwrap_or_else(|error| panic!("{} got no response: {error}", request.method))
    }

    /// GET, by [`Client::send`].
    ///
    /// # Panics
    /// If there is no whole response.
    pub fn get(&self, path: &str) -> Response {
        self.send(&Request::get(path))
    }

    /// A connection for several requests.
    ///
    /// # Errors
    /// If there is none to be had. With TLS 1.3 a client learns only at its first request that its certificate was
    /// refused.
    pub fn connect(&self) -> Result<Connection, ClientError> {
        block_on(within(self.patience, self.connect_to()))
    }

    /// Opens a WebSocket (over HTTP/1.1).
    ///
    /// # Errors
    /// The response, if the server refuses; or why there is none.
    pub fn websocket(&self, request: &Request) -> Result<WebSocket, Result<Response, ClientError>> {
        let opened = async {
            let (stream, _) = self.stream(b"http/1.1").await.map_err(Err)?;
            WebSocket::open(stream, request).await
        };
        block_on(async { tokio::time::timeout(self.patience, opened).await.unwrap_or(Err(Err(ClientError::Timeout))) })
    }

    async fn connect_to(&self) -> Result<Connection, ClientError> {
        let patience = self.patience;
        if !self.http2 {
            let (stream, resumed) = self.stream(b"http/1.1").await?;
            return Ok(Connection { over: Over::Http1(Http1::new(stream)), resumed, patience });
        }
        let (stream, resumed) = self.stream(b"h2").await?;
        let (sender, connection) = h2::client::handshake(stream).await.map_err(|error| h2_error(&error))?;
        let running = tokio::spawn(async move {
            // How the connection ends is told by each of its streams.
            let _ = connection.await;
        });
        let over = Over::Http2 { sender, running: running.abort_handle() };
        Ok(Connection { over, resumed, patience })
    }

    async fn stream(&self, alpn: &[u8]) -> Result<(Box<dyn Stream>, bool), ClientError> {
        let tcp = TcpStream::connect(self.address).await.map_err(|error| ClientError::Connect(error.to_string()))?;
        let _ = tcp.set_nodelay(true);
        let Some(tls) = &self.tls else { return Ok((Box::new(tcp), false)) };
        let refused = |error: rustls::Error| ClientError::Tls(error.to_string());
        let connector = TlsConnector::from(tls.config(alpn).map_err(refused)?);
        let name = tls.name().map_err(refused)?;
        let stream = connector.connect(name, tcp).await.map_err(|error| ClientError::Tls(error.to_string()))?;
        let resumed = stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
        Ok((Box::new(stream), resumed))
    }
}

/// An open connection.
pub struct Connection {
    over: Over,
    resumed: bool,
    patience: Duration,
}

enum Over {
    Http1(Http1),
    Http2 { sender: SendRequest<Bytes>, running: AbortHandle },
}

impl Connection {
    /// Whether its TLS session was resumed.
    pub fn resumed(&self) -> bool {
        self.resumed
    }

    /// Sends a request and waits for the whole response.
    ///
    /// # Errors
    /// Whatever stands in the way of a whole response.
    pub fn send(&mut self, request: &Request) -> Result<Response, ClientError> {
        match &mut self.over {
            Over::Http1(http1) => block_on(within(self.patience, async {
                http1.write(&request.to_http1()).await?;
                let mut response = http1.head().await?;
                http1.body(&mut response, &request.method).await?;
                Ok(response)
            })),
            Over::Http2 { sender, .. } => block_on(within(self.patience, send_http2(sender, request))),
        }
    }

    /// Sends requests at once, each as a stream of its own, and waits for all the responses, in the requests' order.
    ///
    /// # Errors
    /// Whatever stands in the way of one of them. HTTP/2 only.
    pub fn send_together(&mut self, requests: &[Request]) -> Result<Vec<Response>, ClientError> {
        match &mut self.over {
            Over::Http1(_) => Err(ClientError::Unsendable("several requests at once".into())),
            Over::Http2 { sender, .. } => {
                let streams = requests.iter().map(|request| {
                    let mut sender = sender.clone();
                    async move { send_http2(&mut sender, request).await }
                });
                block_on(within(self.patience, try_join_all(streams)))
            }
        }
    }

    /// Sends a request and waits only for the response's headers; [`Connection::read`] gives what follows.
    ///
    /// # Errors
    /// Whatever stands in the way. HTTP/1.1 only.
    pub fn open(&mut self, request: &Request) -> Result<Response, ClientError> {
        let patience = self.patience;
        let http1 = self.http1()?;
        block_on(within(patience, async {
            http1.write(&request.to_http1()).await?;
            http1.head().await
        }))
    }

    /// Sends any bytes.
    ///
    /// # Errors
    /// If the connection is gone. HTTP/1.1 only.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        let patience = self.patience;
        let http1 = self.http1()?;
        block_on(within(patience, http1.write(bytes)))
    }

    /// Waits for a whole response to something written before.
    ///
    /// # Errors
    /// Whatever stands in the way. HTTP/1.1 only.
    pub fn response(&mut self) -> Result<Response, ClientError> {
        let patience = self.patience;
        let http1 = self.http1()?;
        block_on(within(patience, async {
            let mut response = http1.head().await?;
            http1.body(&mut response, "").await?;
            Ok(response)
        }))
    }

    /// The next bytes, as they come off the wire; none: the peer has closed.
    ///
    /// # Errors
    /// [`ClientError::Timeout`] if nothing comes in time, or how the connection broke. HTTP/1.1 only.
    pub fn read(&mut self, patience: Duration) -> Result<Vec<u8>, ClientError> {
        let http1 = self.http1()?;
        block_on(within(patience, http1.some()))
    }

    fn http1(&mut self) -> Result<&mut Http1, ClientError> {
        match &mut self.over {
            Over::Http1(http1) => Ok(http1),
            Over::Http2 { .. } => Err(ClientError::Unsendable("bytes as they are".into())),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Over::Http2 { running, .. } = &self.over {
            running.abort();
        }
    }
}

async fn send_http2(sender: &mut SendRequest<Bytes>, request: &Request) -> Result<Response, ClientError> {
    let head = http2_head(request)?;
    let trailers = header_map(&request.trailers)?;
    let body = request.body.clone().unwrap_or_default();
    let mut ready = sender.clone().ready().await.map_err(|error| h2_error(&error))?;
    let ends = body.is_empty() && trailers.is_empty();
    let (response, mut stream) = ready.send_request(head, ends).map_err(|error| h2_error(&error))?;
    if !ends {
        // A server that has answered already may have reset its half: its answer is what counts.
        let _ = stream.send_data(body.into(), trailers.is_empty());
        if !trailers.is_empty() {
            let _ = stream.send_trailers(trailers);
        }
    }
    let (head, mut incoming) = response.await.map_err(|error| h2_error(&error))?.into_parts();
    let mut body = Vec::new();
    while let Some(chunk) = incoming.data().await {
        let chunk = chunk.map_err(|error| h2_error(&error))?;
        let _ = incoming.flow_control().release_capacity(chunk.len());
        body.extend_from_slice(&chunk);
    }
    let trailers = incoming.trailers().await.map_err(|error| h2_error(&error))?.unwrap_or_default();
    Ok(Response { status: head.status.as_u16(), headers: pairs(&head.headers), body, trailers: pairs(&trailers) })
}

fn http2_head(request: &Request) -> Result<http::Request<()>, ClientError> {
    let unsendable = |why: &dyn std::fmt::Display| ClientError::Unsendable(why.to_string());
    let path = String::from_utf8(request.target.clone()).map_err(|error| unsendable(&error))?;
    let uri = if path.starts_with('/') || path == "*" {
        let authority = request.host.as_deref().unwrap_or_default();
        if authority.is_empty() { path } else { format!("http://{authority}{path}") }
    } else {
        path
    };
    let uri: Uri = uri.parse().map_err(|error| unsendable(&error))?;
    let mut head = http::Request::builder()
        .version(http::Version::HTTP_2)
        .method(request.method.as_str())
        .uri(uri)
        .body(())
        .map_err(|error| unsendable(&error))?;
    // A pseudo-header of extended CONNECT (RFC 8441); the server must have allowed it by then.
    let (protocols, headers): (Vec<_>, Vec<_>) = request.headers.iter().cloned().partition(|(name, _)| name == b":protocol");
    if let Some((_, protocol)) = protocols.first() {
        head.extensions_mut().insert(h2::ext::Protocol::from(&*String::from_utf8_lossy(protocol)));
    }
    *head.headers_mut() = header_map(&headers)?;
    Ok(head)
}

fn header_map(headers: &[(Vec<u8>, Vec<u8>)]) -> Result<HeaderMap, ClientError> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name).map_err(|error| ClientError::Unsendable(error.to_string()))?;
        let value = HeaderValue::from_bytes(value).map_err(|error| ClientError::Unsendable(error.to_string()))?;
        map.append(name, value);
    }
    Ok(map)
}

fn h2_error(error: &h2::Error) -> ClientError {
    ClientError::Closed(error.to_string())
}

async fn within<T>(patience: Duration, future: impl Future<Output = Result<T, ClientError>>) -> Result<T, ClientError> {
    tokio::time::timeout(patience, future).await.unwrap_or(Err(ClientError::Timeout))
}
