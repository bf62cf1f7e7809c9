//! The linear memories of Envoy's wasm VMs, as the kernel sees them.

use crate::envoy::Envoy;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;

/// V8 reserves some gigabytes of addresses behind a memory, so that no 32-bit index leaves them. Nothing else in Envoy has so much behind it.
const RESERVED: u64 = 1 << 30;

/// Where the module's linker puts static data: above the stack.
const STACK: u64 = 1 << 20;

/// The linear memory of one VM.
#[derive(Clone, Debug)]
pub struct VmMemory {
    process: u32,
    start: u64,
    length: u64,
}

impl Envoy {
    /// The memories of all VMs that have this text in them: of the main thread, and of each worker. For Linux, and an Envoy that was started
    /// [`crate::Launch::direct`].
    pub fn vm_memories(&self, text: &[u8]) -> Vec<VmMemory> {
        let process = self.process_id();
        let maps = fs::read_to_string(format!("/proc/{process}/maps")).unwrap_or_default();
        let areas: Vec<(u64, u64, &str)> = maps.lines().filter_map(area).collect();
        let is_memory = |pair: &&[(u64, u64, &str)]| matches!(pair, [(_, end, "rw-p"), (next, far, "---p")] if end == next && far.saturating_sub(*next) >= RESERVED);
        let memories = areas.windows(2).filter(is_memory).filter_map(|pair| pair.first());
        let memories = memories.map(|(start, end, _)| VmMemory { process, start: *start, length: end.saturating_sub(*start) });
        memories.filter(|memory| memory.contains(text).unwrap_or_default()).collect()
    }
}

/// A line of `/proc/PID/maps`: from, to, permissions.
fn area(line: &str) -> Option<(u64, u64, &str)> {
    let (range, rest) = line.split_once(' ')?;
    let (start, end) = range.split_once('-')?;
    Some((u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?, rest.get(..4)?))
}

impl VmMemory {
    /// In bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Clears all that the module has in it but its stack: whatever it does next ends in a trap, for it finds neither its contexts nor its functions.
    ///
    /// # Errors
    /// If the kernel doesn't allow it, or the VM is gone.
    pub fn clear(&self) -> io::Result<()> {
        let length = usize::try_from(self.length.saturating_sub(STACK)).unwrap_or_default();
        self.file()?.write_all_at(&vec![0; length], self.start.saturating_add(STACK))
    }

    fn contains(&self, text: &[u8]) -> io::Result<bool> {
        let mut bytes = vec![0; usize::try_from(self.length).unwrap_or_default()];
        self.file()?.read_exact_at(&mut bytes, self.start)?;
        Ok(bytes.windows(text.len()).any(|window| window == text))
    }

    fn file(&self) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).open(format!("/proc/{}/mem", self.process))
    }
}
