//! What VMs of one process tell each other: Envoy's shared data, or the memory of one VM where there is nobody to tell.

use std::cell::RefCell;

/// Values by name, each with a version that changes with it.
pub trait SharedData {
    /// A value and its version.
    fn get(&self, name: &str) -> Option<(Vec<u8>, u32)>;
    /// Sets a value, whatever was there.
    fn put(&self, name: &str, value: &[u8]);
    /// Sets a value if it is still of this version, or, without one, if there is none yet. Whether it was set.
    fn replace(&self, name: &str, value: &[u8], version: Option<u32>) -> bool;
}

/// Shared with nobody.
#[derive(Debug, Default)]
pub struct Alone(RefCell<Vec<(String, Vec<u8>, u32)>>);

#[cfg(test)]
impl Alone {
    pub(crate) fn names(&self) -> Vec<String> {
        self.0.borrow().iter().map(|(name, ..)| name.clone()).collect()
    }
}

impl SharedData for Alone {
    fn get(&self, name: &str) -> Option<(Vec<u8>, u32)> {
        let values = self.0.borrow();
        values.iter().find(|(own, ..)| own == name).map(|(_, value, version)| (value.clone(), *version))
    }

    fn put(&self, name: &str, value: &[u8]) {
        let mut values = self.0.borrow_mut();
        match values.iter_mut().find(|(own, ..)| own == name) {
            Some((_, old, version)) => {
                value.clone_into(old);
                *version = version.wrapping_add(1);
            }
            None => values.push((name.to_owned(), value.to_owned(), 1)),
        }
    }

    fn replace(&self, name: &str, value: &[u8], version: Option<u32>) -> bool {
        let is_same = self.get(name).map(|(_, version)| version) == version;
        if is_same {
            self.put(name, value);
        }
        is_same
    }
}
