//! What the module allocates, counted while it runs and while the host does not.
#![allow(unsafe_code, reason = "an allocator can't be anything else")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::cell::Cell;

/// The allocator of this binary: the system's, with a count for each thread.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations; one that grows counts as another one of the new size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Allocations {
    /// How many.
    pub(crate) count: usize,
    /// Of how many bytes in all.
    pub(crate) bytes: usize,
}

thread_local! {
    static TAKEN: Cell<Allocations> = const { Cell::new(Allocations { count: 0, bytes: 0 }) };
    static IS_COUNTED: Cell<bool> = const { Cell::new(false) };
    static ARE_SHOWN: Cell<bool> = const { Cell::new(false) };
}

fn count(bytes: usize) {
    if IS_COUNTED.get() {
        let Allocations { count, bytes: sum } = TAKEN.get();
        TAKEN.set(Allocations { count: count + 1, bytes: sum + bytes });
        if ARE_SHOWN.get() {
            uncounted(|| println!("{bytes:>6} bytes{}", callers()));
        }
    }
}

/// The innermost calls in this project's own code.
fn callers() -> String {
    let trace = Backtrace::force_capture().to_string();
    let frames = trace.lines().zip(trace.lines().skip(1));
    let ours = frames.filter_map(|(function, place)| Some((function, place.trim().strip_prefix("at ./src/")?)));
    ours.take(4).fold(String::new(), |callers, (function, place)| {
        let name = function.rsplit("::").next().unwrap_or_default();
        format!("{callers} < {name} ({place})")
    })
}

// SAFETY: the system's allocator does it all.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(place, layout, size) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(place, layout) }
    }
}

/// Runs what is the module's.
pub(super) fn counted<T>(run: impl FnOnce() -> T) -> T {
    switched(true, run)
}

/// Runs what is the host's.
pub(super) fn uncounted<T>(run: impl FnOnce() -> T) -> T {
    switched(false, run)
}

fn switched<T>(is_counted: bool, run: impl FnOnce() -> T) -> T {
    let before = IS_COUNTED.replace(is_counted);
    let result = run();
    IS_COUNTED.set(before);
    result
}

/// Runs something, and prints where it allocates.
pub(crate) fn shown<T>(run: impl FnOnce() -> T) -> T {
    ARE_SHOWN.set(true);
    let result = run();
    ARE_SHOWN.set(false);
    result
}

/// What was allocated since this was asked last.
pub(crate) fn take() -> Allocations {
    TAKEN.take()
}
