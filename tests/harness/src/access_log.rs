//! Envoy's access log: one JSON object a line, in a file.

use crate::deadline::poll;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// The access log of one Envoy.
#[derive(Clone, Debug)]
pub struct AccessLog {
    file: PathBuf,
}

impl AccessLog {
    pub(crate) fn new(file: PathBuf) -> Self {
        Self { file }
    }

    /// The file's text until now; lines that are no JSON among them.
    pub fn text(&self) -> String {
        fs::read(&self.file).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// All complete lines that are JSON.
    pub fn entries(&self) -> Vec<Value> {
        let text = self.text();
        let complete = text.rfind('\n').map_or("", |end| &text[..end]);
        complete.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The line of a request, by the `x-request-id` that it carried; waits until Envoy has written it.
    pub fn entry(&self, request_id: &str, within: Duration) -> Option<Value> {
        poll(within, || self.entries().into_iter().find(|entry| entry["request_id"] == *request_id))
    }
}
