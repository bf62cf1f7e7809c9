//! Shared data: one map for all VMs of a vm_id, and so for all threads that are given the same one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::host::{CAS_MISMATCH, NOT_FOUND, Status};

/// A value with the number of its version.
type Versioned = (Vec<u8>, u32);

/// Values by their keys.
#[derive(Clone, Default)]
pub(crate) struct Shared {
    values: Arc<Mutex<BTreeMap<Vec<u8>, Versioned>>>,
    rival: Option<Vec<u8>>,
}

impl Shared {
    /// Between whoever reads a value and what they do next, another VM sets it to this.
    pub(crate) fn with_rival(self, value: &[u8]) -> Self {
        Self { rival: Some(value.to_vec()), ..self }
    }

    /// All keys.
    pub(crate) fn names(&self) -> Vec<Vec<u8>> {
        self.values.lock().unwrap().keys().cloned().collect()
    }

    /// A value and its version.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Versioned, Status> {
        let value = self.values.lock().unwrap().get(key).cloned().ok_or(NOT_FOUND);
        if let Some(rival) = &self.rival {
            self.set(key, rival.clone(), 0)?;
        }
        value
    }

    /// Sets a value; version 0 asks for none, and a value that isn't there yet takes any.
    pub(crate) fn set(&self, key: &[u8], value: Vec<u8>, version: u32) -> Result<(), Status> {
        let mut map = self.values.lock().unwrap();
        let next = match map.get(key) {
            Some((_, current)) if version != 0 && version != *current => return Err(CAS_MISMATCH),
            Some((_, current)) => current + 1,
            None => 1,
        };
        map.insert(key.to_vec(), (value, next));
        Ok(())
    }
}
