//! Properties, and the filter state that modules set through them.

use std::collections::{BTreeMap, BTreeSet};

use super::host::{BAD_ARGUMENT, NOT_FOUND, Status};

/// The properties that a context can read, by their paths, segments joined by NUL.
#[derive(Clone, Default)]
pub(crate) struct Properties {
    attributes: BTreeMap<Vec<u8>, Vec<u8>>,
    /// What was set through `proxy_set_property`: filter state `wasm.NAME`.
    state: BTreeMap<Vec<u8>, State>,
}

#[derive(Clone)]
struct State {
    value: Vec<u8>,
    read_only: bool,
}

impl Properties {
    /// What Envoy says; an empty value is like none.
    pub(crate) fn attribute(&mut self, path: &[&str], value: impl AsRef<[u8]>) {
        self.attributes.insert(path.join("\0").into_bytes(), value.as_ref().to_vec());
    }

    /// What somebody else set before this module did.
    pub(crate) fn planted(&mut self, name: &str, value: &str, read_only: bool) {
        self.state.insert(name.as_bytes().to_vec(), State { value: value.as_bytes().to_vec(), read_only });
    }

    pub(super) fn get(&self, path: &[u8]) -> Result<Vec<u8>, Status> {
        let name = path.strip_prefix(b"filter_state\0wasm.").unwrap_or(path);
        let state = self.state.get(name).map(|state| &state.value);
        state.or_else(|| self.attributes.get(path)).cloned().ok_or(NOT_FOUND)
    }

    /// What was declared read-only can be set once.
    pub(super) fn set(&mut self, path: &[u8], value: Vec<u8>, declared: &BTreeSet<Vec<u8>>) -> Result<(), Status> {
        match self.state.get_mut(path) {
            Some(state) if state.read_only => return Err(BAD_ARGUMENT),
            Some(state) => state.value = value,
            None => drop(self.state.insert(path.to_vec(), State { value, read_only: declared.contains(path) })),
        }
        Ok(())
    }

    /// The filter state `wasm.NAME`, as text.
    pub(crate) fn filter_state(&self, name: &str) -> Option<String> {
        self.state.get(name.as_bytes()).map(|state| String::from_utf8_lossy(&state.value).into_owned())
    }
}

/// The name in a DeclarePropertyArguments, and whether it is to be read-only. Only what this project writes: fields 1 to 5, short lengths.
pub(super) fn declaration(mut bytes: &[u8]) -> Option<(Vec<u8>, bool)> {
    let (mut name, mut read_only) = (Vec::new(), false);
    while let Some((tag, rest)) = bytes.split_first() {
        let (length, rest) = rest.split_first()?;
        bytes = rest;
        match tag {
            0x0A => {
                let (head, rest) = rest.split_at_checked(usize::from(*length))?;
                name = head.to_vec();
                bytes = rest;
            }
            0x10 => read_only = *length == 1,
            0x18 | 0x28 => {}
            _ => return None,
        }
    }
    (!name.is_empty()).then_some((name, read_only))
}
