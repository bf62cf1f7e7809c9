//! Envoy's side of the Proxy-Wasm ABI 0.2.1, as far as this filter calls it on its own.
//!
//! The SDK's calls panic on a status that they don't expect, on non-UTF-8 names, and can't set response code details. A panic takes a worker's filter
//! down, so every call here returns its failure. This is the module's only `unsafe`: the calls take pointers, and what they give back lies in memory
//! that the SDK's `proxy_on_memory_allocate` made, a boxed slice of exactly that size.
#![allow(unsafe_code, reason = "these are calls out of the module, by pointers")]

use std::ptr::null_mut;

use super::wire;
use crate::engine;
use crate::request::Headers;
use crate::time::UnixTime;

/// A host call's status other than Ok.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failed(pub(super) u32);

/// The statuses that mean something here.
const OK: u32 = 0;
const NOT_FOUND: u32 = 1;

/// Which header map is meant.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub(super) enum Map {
    /// The request's headers.
    Request = 0,
    /// The request's trailers.
    RequestTrailers = 1,
    /// The headers of the answer to a callout.
    CalloutAnswer = 6,
}

/// Which buffer is meant.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub(super) enum Buffer {
    /// The body of the answer to a callout.
    CalloutAnswer = 4,
    /// The plugin's configuration.
    Configuration = 7,
}

/// Log levels.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub(super) enum Level {
    /// For those who look for trouble.
    Debug = 1,
    /// What happened.
    Info = 2,
    /// What should be looked at.
    Warn = 3,
    /// What doesn't work.
    Error = 4,
}

impl From<engine::Level> for Level {
    fn from(level: engine::Level) -> Self {
        match level {
            engine::Level::Debug => Self::Debug,
            engine::Level::Info => Self::Info,
            engine::Level::Warn => Self::Warn,
        }
    }
}

/// Kinds of metrics.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub(super) enum MetricKind {
    /// Only grows.
    Counter = 0,
    /// Holds a value.
    Gauge = 1,
}

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_log(level: u32, data: *const u8, size: usize) -> u32;
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
    fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
    fn proxy_get_buffer_bytes(kind: u32, start: usize, max: usize, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_replace_header_map_value(map: u32, name: *const u8, name_size: usize, value: *const u8, value_size: usize) -> u32;
    fn proxy_add_header_map_value(map: u32, name: *const u8, name_size: usize, value: *const u8, value_size: usize) -> u32;
    fn proxy_remove_header_map_value(map: u32, name: *const u8, name_size: usize) -> u32;
    fn proxy_get_property(path: *const u8, path_size: usize, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_set_property(path: *const u8, path_size: usize, value: *const u8, value_size: usize) -> u32;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_size: usize,
        body: *const u8,
        body_size: usize,
        headers: *const u8,
        headers_size: usize,
        grpc_status: i32,
    ) -> u32;
    fn proxy_continue_stream(stream: u32) -> u32;
    fn proxy_close_stream(stream: u32) -> u32;
    fn proxy_set_effective_context(context: u32) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, name_size: usize, id: *mut u32) -> u32;
    fn proxy_increment_metric(id: u32, offset: i64) -> u32;
    fn proxy_record_metric(id: u32, value: u64) -> u32;
    fn proxy_get_shared_data(name: *const u8, name_size: usize, data: *mut *mut u8, size: *mut usize, cas: *mut u32) -> u32;
    fn proxy_set_shared_data(name: *const u8, name_size: usize, value: *const u8, value_size: usize, cas: u32) -> u32;
    fn proxy_get_log_level(level: *mut u32) -> u32;
    fn proxy_call_foreign_function(
        name: *const u8,
        name_size: usize,
        arguments: *const u8,
        arguments_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
}

/// Writes a line to Envoy's log. Where that fails there is nobody to tell.
pub(super) fn log(level: Level, line: &str) {
    // SAFETY: the pointer and the size are those of a slice.
    unsafe { proxy_log(level as u32, line.as_ptr(), line.len()) };
}

/// Whether Envoy would write a line of this level.
pub(super) fn logs(level: Level) -> bool {
    let mut least = 0;
    // SAFETY: the pointer is to a local of the right type.
    let status = unsafe { proxy_get_log_level(&raw mut least) };
    status == OK && level as u32 >= least
}

/// The time.
pub(super) fn now() -> Result<UnixTime, Failed> {
    let mut nanoseconds = 0;
    // SAFETY: the pointer is to a local of the right type.
    check(unsafe { proxy_get_current_time_nanoseconds(&raw mut nanoseconds) })?;
    Ok(UnixTime::from_millis(nanoseconds / 1_000_000))
}

/// Asks for a tick every so many milliseconds.
pub(super) fn set_tick_period(milliseconds: u32) -> Result<(), Failed> {
    // SAFETY: no pointers.
    check(unsafe { proxy_set_tick_period_milliseconds(milliseconds) })
}

/// A buffer's bytes, at most so many. Empty where there is none.
pub(super) fn buffer(kind: Buffer, max: usize) -> Result<Vec<u8>, Failed> {
    // SAFETY: the pointers are those of `given`.
    given(|data, size| unsafe { proxy_get_buffer_bytes(kind as u32, 0, max, data, size) }).map(Option::unwrap_or_default)
}

/// All headers of a map.
pub(super) fn headers(map: Map) -> Result<Headers, Failed> {
    // SAFETY: the pointers are those of `given`.
    let bytes = given(|data, size| unsafe { proxy_get_header_map_pairs(map as u32, data, size) })?;
    wire::parse(bytes.unwrap_or_default()).ok_or(Failed(u32::MAX))
}

/// Sets a header; of several copies some Envoys replace the first and leave the others.
pub(super) fn set_header(map: Map, name: &[u8], value: &[u8]) -> Result<(), Failed> {
    // SAFETY: the pointers and sizes are those of slices.
    check(unsafe { proxy_replace_header_map_value(map as u32, name.as_ptr(), name.len(), value.as_ptr(), value.len()) })
}

/// Adds a header, beside those of its name that are there. Envoy searches for none, as it does to replace one.
pub(super) fn add_header(map: Map, name: &[u8], value: &[u8]) -> Result<(), Failed> {
    // SAFETY: the pointers and sizes are those of slices.
    check(unsafe { proxy_add_header_map_value(map as u32, name.as_ptr(), name.len(), value.as_ptr(), value.len()) })
}

/// Removes a header, every copy.
pub(super) fn remove_header(map: Map, name: &[u8]) -> Result<(), Failed> {
    // SAFETY: the pointer and the size are those of a slice.
    check(unsafe { proxy_remove_header_map_value(map as u32, name.as_ptr(), name.len()) })
}

/// A property, by its path; the segments are separated by NUL. `None` where there is none or it is empty.
pub(super) fn property(path: &str) -> Result<Option<Vec<u8>>, Failed> {
    // SAFETY: the pointer and the size are those of a slice; the others those of `given`.
    given(|data, size| unsafe { proxy_get_property(path.as_ptr(), path.len(), data, size) })
}

/// Sets a property, by its path.
pub(super) fn set_property(path: &str, value: &[u8]) -> Result<(), Failed> {
    // SAFETY: the pointers and sizes are those of slices.
    check(unsafe { proxy_set_property(path.as_ptr(), path.len(), value.as_ptr(), value.len()) })
}

/// A reply of our own.
pub(super) struct LocalReply<'a> {
    pub(super) status: u16,
    pub(super) details: &'a str,
    pub(super) body: &'a [u8],
    pub(super) headers: &'a [(&'a [u8], &'a [u8])],
    pub(super) grpc_status: i32,
}

/// Sends a reply of our own.
pub(super) fn send(reply: &LocalReply<'_>) -> Result<(), Failed> {
    let headers = wire::serialise(reply.headers);
    // SAFETY: the pointers and sizes are those of slices.
    check(unsafe {
        proxy_send_local_response(
            u32::from(reply.status),
            reply.details.as_ptr(),
            reply.details.len(),
            reply.body.as_ptr(),
            reply.body.len(),
            headers.as_ptr(),
            headers.len(),
            reply.grpc_status,
        )
    })
}

/// Envoy's name for the stream of a request.
const HTTP_REQUEST: u32 = 0;

/// Lets a paused request go on.
pub(super) fn resume_request() -> Result<(), Failed> {
    // SAFETY: no pointers.
    check(unsafe { proxy_continue_stream(HTTP_REQUEST) })
}

/// Ends a request's stream, and with it the answer: the upstream sees its end at once. Its context may be gone when this returns.
pub(super) fn close_stream() -> Result<(), Failed> {
    // SAFETY: no pointers.
    check(unsafe { proxy_close_stream(HTTP_REQUEST) })
}

/// Makes the calls that follow be about this context.
pub(super) fn set_effective_context(context: u32) -> Result<(), Failed> {
    // SAFETY: no pointers.
    check(unsafe { proxy_set_effective_context(context) })
}

/// Defines a metric. Each call makes a new one on the host's side: once per name.
pub(super) fn define_metric(kind: MetricKind, name: &str) -> Result<u32, Failed> {
    let mut id = 0;
    // SAFETY: the pointer and the size are those of a slice; the other pointer is to a local of the right type.
    check(unsafe { proxy_define_metric(kind as u32, name.as_ptr(), name.len(), &raw mut id) })?;
    Ok(id)
}

/// Adds to a counter.
pub(super) fn increment_metric(id: u32, by: i64) -> Result<(), Failed> {
    // SAFETY: no pointers.
    check(unsafe { proxy_increment_metric(id, by) })
}

/// Sets a gauge.
pub(super) fn record_metric(id: u32, value: u64) -> Result<(), Failed> {
    // SAFETY: no pointers.
    check(unsafe { proxy_record_metric(id, value) })
}

/// Calls one of the host's own functions.
pub(super) fn call(function: &str, arguments: &[u8]) -> Result<Vec<u8>, Failed> {
    // SAFETY: the pointers and sizes are those of slices; the others those of `given`.
    given(|data, size| unsafe {
        proxy_call_foreign_function(function.as_ptr(), function.len(), arguments.as_ptr(), arguments.len(), data, size)
    })
    .map(Option::unwrap_or_default)
}

/// A shared value and its version. `None` where there is none; an empty one has a version, too.
pub(super) fn shared_data(name: &str) -> Result<Option<(Vec<u8>, u32)>, Failed> {
    let mut version = 0;
    // SAFETY: the pointer and the size are those of a slice, the last pointer is to a local of the right type; the others are those of `given`.
    let value = given(|data, size| unsafe { proxy_get_shared_data(name.as_ptr(), name.len(), data, size, &raw mut version) })?;
    Ok((version != 0).then(|| (value.unwrap_or_default(), version)))
}

/// Sets a shared value if it is of this version; 0 asks for none, and a value that isn't there yet takes any.
pub(super) fn set_shared_data(name: &str, value: &[u8], version: u32) -> Result<(), Failed> {
    // SAFETY: the pointers and sizes are those of slices.
    check(unsafe { proxy_set_shared_data(name.as_ptr(), name.len(), value.as_ptr(), value.len(), version) })
}

const fn check(status: u32) -> Result<(), Failed> {
    if status == OK { Ok(()) } else { Err(Failed(status)) }
}

/// What a call gives back in memory that it had this module allocate. `None` where it gives nothing.
fn given(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Result<Option<Vec<u8>>, Failed> {
    let mut data: *mut u8 = null_mut();
    let mut size = 0;
    match call(&raw mut data, &raw mut size) {
        OK if data.is_null() => Ok(None),
        // SAFETY: the host got `data` from proxy_on_memory_allocate, which made a boxed slice of `size` bytes and gave it away.
        OK => Ok(Some(unsafe { Vec::from_raw_parts(data, size, size) })),
        NOT_FOUND => Ok(None),
        status => Err(Failed(status)),
    }
}
