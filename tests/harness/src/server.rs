//! A small HTTP server on a free loopback port, which keeps what it received and answers as it is told, badly if need be.

use crate::answer::{Answer, Content};
use crate::certificates::Certificate;
use crate::received::{Received, pairs};
use crate::runtime::runtime;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::header::{CONTENT_TYPE, HOST, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::channel::{Channel, Sender};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustix::net::sockopt::set_socket_linger;
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdTcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

type Handler = dyn Fn(&Received) -> Answer + Send + Sync;

/// A server for HTTP/1.1, HTTP/2 without TLS, and WebSocket, on `127.0.0.1` and a port of the system's choice.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    running: Option<AbortHandle>,
}

struct Shared {
    /// `None`: without TLS.
    tls: Option<TlsAcceptor>,
    handler: Mutex<Arc<Handler>>,
    received: Mutex<Vec<Received>>,
    /// WebSockets outlive the connections that they came out of.
    sockets: Mutex<Vec<AbortHandle>>,
}

impl Server {
    /// Starts one that answers every request by the handler.
    ///
    /// # Panics
    /// If loopback has no free port.
    pub fn start(handler: impl Fn(&Received) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_at((Ipv4Addr::LOCALHOST, 0).into(), handler)
    }

    /// The same at a given address; port 0 leaves the choice to the system.
    ///
    /// # Panics
    /// If the address is taken.
    pub fn start_at(address: SocketAddr, handler: impl Fn(&Received) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_with(address, None, handler)
    }

    /// One with TLS, and this certificate.
    ///
    /// # Panics
    /// If loopback has no free port, or the certificate is none.
    pub fn start_with_tls(certificate: &Certificate, handler: impl Fn(&Received) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_with((Ipv4Addr::LOCALHOST, 0).into(), Some(crate::tls::acceptor(certificate)), handler)
    }

    fn start_with(address: SocketAddr, tls: Option<TlsAcceptor>, handler: impl Fn(&Received) -> Answer + Send + Sync + 'static) -> Self {
        let handler: Arc<Handler> = Arc::new(handler);
        let shared = Arc::new(Shared { tls, handler: Mutex::new(handler), received: Mutex::default(), sockets: Mutex::default() });
        let mut server = Self { address, shared, running: None };
        server.restart();
        server
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes how it answers, from the next request on.
    pub fn set_handler(&self, handler: impl Fn(&Received) -> Answer + Send + Sync + 'static) {
        *lock(&self.shared.handler) = Arc::new(handler);
    }

    /// Every request until now, in the order in which they were complete (WebSockets: when they were opened).
    pub fn received(&self) -> Vec<Received> {
        lock(&self.shared.received).clone()
    }

    /// How many requests there were.
    pub fn count(&self) -> usize {
        lock(&self.shared.received).len()
    }

    /// Forgets the requests until now.
    pub fn forget(&self) {
        lock(&self.shared.received).clear();
    }

    /// How many WebSockets are open.
    pub fn open_websockets(&self) -> usize {
        lock(&self.shared.sockets).iter().filter(|socket| !socket.is_finished()).count()
    }

    /// Closes all connections and the port: connecting is refused from now on.
    pub fn stop(&mut self) {
        for socket in lock(&self.shared.sockets).drain(..) {
            socket.abort();
        }
        if let Some(running) = self.running.take() {
            running.abort();
            // The port is closed once the task is gone.
            crate::poll(crate::PATIENCE, || running.is_finished().then_some(()));
        }
    }

    /// Listens again, on the same port as before.
    ///
    /// # Panics
    /// If another process has taken the port meanwhile.
    pub fn restart(&mut self) {
        self.stop();
        let _entered = runtime().enter();
        let listener = listen(self.address).unwrap_or_else(|error| panic!("{} can't be had: {error}", self.address));
        self.address = listener.local_addr().unwrap_or(self.address);
        self.running = Some(runtime().spawn(accept(listener, Arc::clone(&self.shared))).abort_handle());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.abort();
        }
        for socket in lock(&self.shared.sockets).drain(..) {
            socket.abort();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = StdTcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

/// Takes connections until it is aborted; the connections end with it.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    let _ = stream.set_nodelay(true);
                    connections.spawn(serve(stream, Arc::clone(&shared)));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let Ok(socket) = stream.as_fd().try_clone_to_owned().map(Socket::new) else { return };
    match shared.tls.clone() {
        None => serve_on(stream, socket, shared).await,
        Some(acceptor) => {
            if let Ok(stream) = acceptor.accept(stream).await {
                serve_on(stream, socket, shared).await;
            }
        }
    }
}

/// A connection's socket, for what can't be done by writing to it.
type Socket = Arc<OwnedFd>;

async fn serve_on(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, socket: Socket, shared: Arc<Shared>) {
    let service = service_fn(move |request| answer(request, Arc::clone(&socket), Arc::clone(&shared)));
    // What goes wrong on a connection is seen by the one that sent the request.
    let _ = auto::Builder::new(TokioExecutor::new()).serve_connection_with_upgrades(TokioIo::new(stream), service).await;
}

/// An error ends the connection.
#[derive(Debug)]
struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cut as told")
    }
}

impl std::error::Error for Cut {}

type Body = UnsyncBoxBody<Bytes, Cut>;

async fn answer(mut request: Request<Incoming>, socket: Socket, shared: Arc<Shared>) -> Result<Response<Body>, Cut> {
    let mut received = head_of(&request);
    let is_websocket = request.headers().get(UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    if !is_websocket {
        let collected = request.body_mut().collect().await.map_err(|_| Cut)?;
        received.trailers = collected.trailers().map(pairs).unwrap_or_default();
        received.body = collected.to_bytes().to_vec();
    }
    lock(&shared.received).push(received.clone());
    let handler = Arc::clone(&lock(&shared.handler));
    let answer = handler(&received);
    tokio::time::sleep(answer.delay).await;
    if is_websocket && matches!(answer.content, Content::Echo) {
        return Ok(echo_websocket(request, &shared));
    }
    respond(answer, &received, &socket).await
}

fn head_of(request: &Request<Incoming>) -> Received {
    let mut headers = pairs(request.headers());
    if let Some(authority) = request.uri().authority()
        && !request.headers().contains_key(HOST)
    {
        headers.insert(0, ("host".into(), authority.as_str().as_bytes().to_vec()));
    }
    Received {
        protocol: format!("{:?}", request.version()),
        method: request.method().to_string(),
        path: request.uri().path_and_query().map_or_else(|| request.uri().to_string(), ToString::to_string),
        headers,
        trailers: Vec::new(),
        body: Vec::new(),
        at: Instant::now(),
    }
}

async fn respond(answer: Answer, received: &Received, socket: &Socket) -> Result<Response<Body>, Cut> {
    let is_grpc = received.header_values("content-type").iter().any(|value| value.starts_with("application/grpc"));
    let mut trailers = answer.trailers;
    let mut headers = answer.headers;
    let body = match answer.content {
        Content::Hang => return std::future::pending().await,
        Content::Close => return Err(Cut),
        Content::Echo if is_grpc => {
            headers.push((CONTENT_TYPE.to_string(), b"application/grpc".to_vec()));
            trailers.push(("grpc-status".into(), "0".into()));
            whole(crate::grpc::message(received.to_json().to_string().as_bytes()), trailers)
        }
        Content::Echo => {
            headers.push((CONTENT_TYPE.to_string(), b"application/json".to_vec()));
            whole(received.to_json().to_string().into_bytes(), trailers)
        }
        Content::Whole(body) => whole(body, trailers),
        Content::Truncated(beginning) => {
            headers.push(("content-length".into(), (beginning.len() + 1).to_string().into_bytes()));
            cut_after(beginning)
        }
        Content::Reset(beginning) => {
            headers.push(("content-length".into(), (beginning.len() + 1).to_string().into_bytes()));
            // Closed without lingering, a socket resets its connection.
            set_socket_linger(socket, Some(Duration::ZERO)).map_err(|_| Cut)?;
            cut_after(beginning)
        }
        Content::Trickle(body, interval) => pieces(move |mut sender| async move {
            for byte in body {
                if sender.send_data(vec![byte].into()).await.is_err() {
                    break;
                }
                tokio::time::sleep(interval).await;
            }
        }),
        Content::Stream(piece, interval) => pieces(move |mut sender| async move {
            while sender.send_data(piece.clone().into()).await.is_ok() {
                tokio::time::sleep(interval).await;
            }
        }),
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(answer.status).map_err(|_| Cut)?;
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Cut)?;
        response.headers_mut().append(name, HeaderValue::from_bytes(&value).map_err(|_| Cut)?);
    }
    Ok(response)
}

fn whole(body: Vec<u8>, trailers: Vec<(String, String)>) -> Body {
    let body = Full::new(Bytes::from(body)).map_err(|never: Infallible| match never {});
    if trailers.is_empty() {
        return body.boxed_unsync();
    }
    let mut map = HeaderMap::new();
    for (name, value) in trailers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            map.append(name, value);
        }
    }
    body.with_trailers(std::future::ready(Some(Ok(map)))).boxed_unsync()
}

/// This beginning of a body, and then the connection ends.
fn cut_after(beginning: Vec<u8>) -> Body {
    pieces(|mut sender| async move {
        let _ = sender.send_data(beginning.into()).await;
        // What was sent has to leave before the cut.
        tokio::time::sleep(Duration::from_millis(20)).await;
        sender.abort(Cut);
    })
}

fn pieces<F: Future<Output = ()> + Send + 'static>(write: impl FnOnce(Sender<Bytes, Cut>) -> F) -> Body {
    let (sender, body) = Channel::new(1);
    tokio::spawn(write(sender));
    body.boxed_unsync()
}

fn echo_websocket(mut request: Request<Incoming>, shared: &Shared) -> Response<Body> {
    let key = request.headers().get("sec-websocket-key").map(HeaderValue::as_bytes).unwrap_or_default();
    let accept = derive_accept_key(key);
    let socket = tokio::spawn(async move {
        let Ok(upgraded) = hyper::upgrade::on(&mut request).await else { return };
        let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
        while let Some(Ok(message)) = socket.next().await {
            if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
                break;
            }
        }
    });
    lock(&shared.sockets).push(socket.abort_handle());
    let mut response = Response::new(whole(Vec::new(), Vec::new()));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    for (name, value) in [("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-accept", &accept)] {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    response
}
