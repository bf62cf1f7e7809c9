//! The client's side of a WebSocket.

use crate::http1::Stream;
use crate::received::pairs;
use crate::request::{ClientError, Request, Response};
use crate::runtime::block_on;
use futures_util::{SinkExt, StreamExt};
use http::{HeaderName, HeaderValue};
use std::time::Duration;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// An open WebSocket.
pub struct WebSocket {
    stream: WebSocketStream<Box<dyn Stream>>,
}

impl WebSocket {
    pub(crate) async fn open(stream: Box<dyn Stream>, request: &Request) -> Result<Self, Result<Response, ClientError>> {
        let handshake = handshake(request).map_err(|why| Err(ClientError::Unsendable(why)))?;
        match client_async(handshake, stream).await {
            Ok((stream, _)) => Ok(Self { stream }),
            Err(Error::Http(refusal)) => {
                let (head, body) = refusal.into_parts();
                Err(Ok(Response {
                    status: head.status.as_u16(),
                    headers: pairs(&head.headers),
                    body: body.unwrap_or_default(),
                    trailers: Vec::new(),
                }))
            }
            Err(error) => Err(Err(ClientError::Closed(error.to_string()))),
        }
    }

    /// Sends a text message.
    ///
    /// # Errors
    /// If the connection is gone.
    pub fn send(&mut self, text: &str) -> Result<(), ClientError> {
        block_on(self.stream.send(Message::text(text))).map_err(|error| ClientError::Closed(error.to_string()))
    }

    /// The next text message; `None`: the server has closed.
    ///
    /// # Errors
    /// [`ClientError::Timeout`] if nothing comes in time.
    pub fn receive(&mut self, patience: Duration) -> Result<Option<String>, ClientError> {
        let next = async {
            loop {
                match self.stream.next().await {
                    Some(Ok(Message::Text(text))) => return Some(text.to_string()),
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                    Some(Ok(_)) => {}
                }
            }
        };
        block_on(async { tokio::time::timeout(patience, next).await }).map_err(|_| ClientError::Timeout)
    }

    /// Closes it.
    pub fn close(mut self) {
        // The server may have been quicker.
        let _ = block_on(self.stream.close(None));
    }
}

fn handshake(request: &Request) -> Result<http::Request<()>, String> {
    let path = std::str::from_utf8(&request.target).map_err(|error| error.to_string())?;
    let host = request.host.as_deref().ok_or("a WebSocket needs a host")?;
    let mut handshake = format!("ws://{host}{path}").into_client_request().map_err(|error| error.to_string())?;
    for (name, value) in &request.headers {
        let name = HeaderName::from_bytes(name).map_err(|error| error.to_string())?;
        let value = HeaderValue::from_bytes(value).map_err(|error| error.to_string())?;
        handshake.headers_mut().append(name, value);
    }
    Ok(handshake)
}
