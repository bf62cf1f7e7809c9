//! Refusals, carried out.

use super::abi::{self, LocalReply, Map};
use crate::decision::{Edits, Rejection};

/// Answers the request that the effective context is about.
pub(super) fn send(rejection: &Rejection) -> Result<(), abi::Failed> {
    // What was refused stays out of access logs. Where that fails, refusing comes first.
    let _ = apply(&rejection.edits);
    let reply = &rejection.reply;
    let headers: Vec<(&[u8], &[u8])> = reply.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    abi::send(&LocalReply {
        status: reply.status,
        details: rejection.refusal.reason().code(),
        body: &reply.body,
        headers: &headers,
        grpc_status: reply.grpc_status,
    })
}

/// Changes the request's headers.
pub(super) fn apply(edits: &Edits) -> Result<(), abi::Failed> {
    for name in &edits.remove {
        abi::remove_header(Map::Request, name)?;
    }
    if let Some(cookie) = &edits.cookie {
        abi::remove_header(Map::Request, b"cookie")?;
        if !cookie.is_empty() {
            abi::add_header(Map::Request, b"cookie", cookie)?;
        }
    }
    for (name, value) in edits.set.iter() {
        abi::add_header(Map::Request, name.as_bytes(), value)?;
    }
    if let Some(path) = &edits.path {
        abi::set_header(Map::Request, b":path", path)?;
    }
    Ok(())
}
