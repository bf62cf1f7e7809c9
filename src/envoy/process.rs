//! Envoy's shared data: the VMs of a process that have the same `vm_id` share it.

use super::abi::{self, Level};
use crate::keys::{Alone, SharedData};

/// What this VM shares with the others. A blank `vm_id` is everybody's: another plugin could plant keys, so nothing is shared then.
pub(super) fn shared_data() -> Box<dyn SharedData> {
    if has_vm_id() { Box::new(Process) } else { Box::new(Alone::default()) }
}

/// Says, once in the process, that workers fetch for themselves.
pub(super) fn warn_if_alone() {
    if !has_vm_id() && abi::set_shared_data("portcullis.warned", b"vm_id", UNLESS_THERE).is_ok() {
        abi::log(
            Level::Warn,
            "vm_config.vm_id is blank: each worker fetches key sets for itself; with a vm_id of its own they would share them",
        );
    }
}

/// No value gets this version, so that only one that isn't there yet takes it.
const UNLESS_THERE: u32 = u32::MAX;

fn has_vm_id() -> bool {
    abi::property("plugin_vm_id").is_ok_and(|id| id.is_some_and(|id| !id.is_empty()))
}

struct Process;

impl SharedData for Process {
    fn get(&self, name: &str) -> Option<(Vec<u8>, u32)> {
        abi::shared_data(name).ok().flatten()
    }

    fn put(&self, name: &str, value: &[u8]) {
        let _ = abi::set_shared_data(name, value, 0);
    }

    fn replace(&self, name: &str, value: &[u8], version: Option<u32>) -> bool {
        abi::set_shared_data(name, value, version.unwrap_or(UNLESS_THERE)).is_ok()
    }
}
