//! A request as the fuzzer writes it, the connection that it comes over, and what becomes of it.

use portcullis::decision::Edits;
use portcullis::peer::{Peer, Shown};
use portcullis::request::{Headers, Request};

use crate::material::{EXPIRED, MEMBER, STRANGER, der, sha256};
use crate::reading::Field;
use crate::scene::Credential;

/// A client's connection.
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    /// What it shows; `None`: nothing.
    pub certificate: Option<&'static str>,
    /// What Envoy says of that.
    pub valid: Option<bool>,
    /// Its SNI.
    pub server_name: Option<&'static str>,
}

impl Connection {
    /// One of a few, by a number.
    #[must_use]
    pub fn numbered(number: u8) -> Self {
        let certificate = [None, Some(MEMBER), Some(STRANGER), Some(EXPIRED)][usize::from(number & 3)];
        let valid = [Some(true), Some(true), Some(false), None][usize::from(number >> 2 & 3)];
        let server_name = [Some("api.example"), Some("open.example"), Some(""), None][usize::from(number >> 4 & 3)];
        Self { certificate, valid, server_name }
    }
}

impl Peer for Connection {
    fn valid(&self) -> Option<bool> {
        self.valid
    }

    fn digest(&self) -> Option<Vec<u8>> {
        self.certificate.map(|pem| sha256(&der(pem)).into_bytes())
    }

    fn certificate(&self) -> Shown {
        self.certificate.map_or(Shown::Nothing, |pem| Shown::Pem(pem.as_bytes().to_vec()))
    }

    fn server_name(&self) -> Option<Vec<u8>> {
        self.server_name.map(|name| name.as_bytes().to_vec())
    }
}

/// A line `name: value` for each field. A byte from 0x80 on stands for the credential of that number, if there is one, so that a mutation can bring a good one.
#[must_use]
pub fn fields(text: &[u8], credentials: &[Credential]) -> Vec<Field> {
    let mut fields = Vec::new();
    for line in text.split(|b| *b == b'\n') {
        // A pseudo-header begins with a colon.
        let Some(colon) = line.iter().skip(1).position(|b| *b == b':').map(|at| at + 1) else { continue };
        let (name, value) = line.split_at(colon);
        let value = value[1..].strip_prefix(b" ").unwrap_or(&value[1..]);
        let mut written = Vec::new();
        for byte in value {
            match byte.checked_sub(0x80).and_then(|number| credentials.get(usize::from(number))) {
                Some(credential) => written.extend_from_slice(credential.text.as_bytes()),
                None => written.push(*byte),
            }
        }
        let name = name.to_ascii_lowercase();
        // Envoy hands over each pseudo-header once.
        if !(name.starts_with(b":") && fields.iter().any(|(other, _)| *other == name)) {
            fields.push((name, written));
        }
    }
    fields
}

/// The request with these fields.
#[must_use]
pub fn request(fields: &[Field]) -> Request {
    let headers: Headers = fields.iter().map(|(name, value)| (name, value)).collect();
    Request { headers }
}

/// What goes upstream once Envoy has carried the edits out, in their order.
#[must_use]
pub fn edited(sent: &[Field], edits: &Edits) -> Vec<Field> {
    let mut left: Vec<Field> = sent.iter().filter(|(name, _)| !edits.remove.contains(name)).cloned().collect();
    if let Some(cookie) = &edits.cookie {
        left.retain(|(name, _)| name != b"cookie");
        if !cookie.is_empty() {
            left.push((b"cookie".to_vec(), cookie.clone()));
        }
    }
    left.extend(edits.set.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.clone())));
    if let Some(path) = &edits.path {
        left.retain(|(name, _)| name != b":path");
        left.push((b":path".to_vec(), path.clone()));
    }
    left
}
