//! What a server answers.

use serde_json::Value;
use std::time::Duration;

/// What the server does with a request.
#[derive(Clone, Debug)]
pub struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) content: Content,
    pub(crate) trailers: Vec<(String, String)>,
    pub(crate) delay: Duration,
}

#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// The body, whole.
    Whole(Vec<u8>),
    /// The request as JSON.
    Echo,
    /// The body's beginning, under a Content-Length of one byte more, and then the connection ends.
    Truncated(Vec<u8>),
    /// The same, but it ends by a TCP reset.
    Reset(Vec<u8>),
    /// The body, one byte after the other.
    Trickle(Vec<u8>, Duration),
    /// The same piece over and over.
    Stream(Vec<u8>, Duration),
    /// No answer ever.
    Hang,
    /// The connection ends without an answer.
    Close,
}

impl Answer {
    /// 200 and the request as JSON; a WebSocket handshake is accepted and its frames are sent back; a gRPC call is
    /// answered by one message (the JSON) and the trailer `grpc-status: 0`.
    pub fn echo() -> Self {
        Self::new(200, Content::Echo)
    }

    /// A status with an empty body.
    pub fn status(status: u16) -> Self {
        Self::new(status, Content::Whole(Vec::new()))
    }

    /// 200 and a JSON document.
    pub fn json(document: &Value) -> Self {
        Self::text("application/json", document.to_string())
    }

    /// 200 and a body of any type.
    pub fn text(content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::new(200, Content::Whole(body.into())).header("content-type", content_type)
    }

    /// 302 to a location.
    pub fn redirect(location: &str) -> Self {
        Self::status(302).header("location", location)
    }

    /// The beginning of a JSON document whose end never comes: the connection is cut.
    pub fn truncated(beginning: impl Into<Vec<u8>>) -> Self {
        Self::new(200, Content::Truncated(beginning.into())).header("content-type", "application/json")
    }

    /// The beginning of a JSON document, and then a TCP reset.
    pub fn reset(beginning: impl Into<Vec<u8>>) -> Self {
        Self::new(200, Content::Reset(beginning.into())).header("content-type", "application/json")
    }

    /// 200 and a JSON document, of which one byte comes every `interval`.
    pub fn trickle(document: &Value, interval: Duration) -> Self {
        let body = document.to_string().into_bytes();
        let length = body.len().to_string();
        Self::new(200, Content::Trickle(body, interval)).header("content-type", "application/json").header("content-length", length)
    }

    /// 200 and a JSON document, compressed although nobody asked for it.
    pub fn gzip(document: &Value) -> Self {
        let body = crate::gzip::stored(document.to_string().as_bytes());
        Self::text("application/json", body).header("content-encoding", "gzip")
    }

    /// 200 and an endless body: `piece` at once and then every `interval`.
    pub fn stream(piece: impl Into<Vec<u8>>, interval: Duration) -> Self {
        Self::new(200, Content::Stream(piece.into(), interval))
    }

    /// No answer ever; the connection stays open.
    pub fn hang() -> Self {
        Self::new(200, Content::Hang)
    }

    /// The connection is closed without an answer.
    pub fn close() -> Self {
        Self::new(200, Content::Close)
    }

    /// With another status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// With a header, beside those that are there.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// With a trailer.
    #[must_use]
    pub fn trailer(mut self, name: &str, value: &str) -> Self {
        self.trailers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sent only after a while.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    fn new(status: u16, content: Content) -> Self {
        Self { status, headers: Vec::new(), content, trailers: Vec::new(), delay: Duration::ZERO }
    }
}
