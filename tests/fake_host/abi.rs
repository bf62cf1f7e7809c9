//! Every function of the Proxy-Wasm ABI 0.2.1 that the SDK or the shell imports, over the thread's [`Host`], and those that a module exports.
//!
//! The signatures are those of a native build of proxy-wasm 0.2.5: sizes are `usize`, statuses `u32`. A function that isn't defined here fails the link.
#![allow(unsafe_code, reason = "these are the other ends of the module's calls, by pointers")]

use std::ptr::null_mut;

use super::allocations::{counted, uncounted};
use super::host::{Host, OK, Status, UNSUPPORTED, with};
use super::pairs;

unsafe extern "C" {
    fn proxy_on_memory_allocate(size: usize) -> *mut u8;
    fn proxy_on_context_create(context: u32, root: u32);
    fn proxy_on_vm_start(root: u32, size: usize) -> bool;
    fn proxy_on_configure(root: u32, size: usize) -> bool;
    fn proxy_on_tick(root: u32);
    fn proxy_on_request_headers(context: u32, headers: usize, end: bool) -> u32;
    fn proxy_on_request_trailers(context: u32, trailers: usize) -> u32;
    fn proxy_on_response_headers(context: u32, headers: usize, end: bool) -> u32;
    fn proxy_on_http_call_response(context: u32, token: u32, headers: usize, body: usize, trailers: usize);
    fn proxy_on_done(context: u32) -> bool;
    fn proxy_on_log(context: u32);
    fn proxy_on_delete(context: u32);
}

/// What the host calls in the module.
pub(crate) mod module {
    macro_rules! exports {
        ($($name:ident = $export:ident($($argument:ident: $type:ty),*) -> $result:ty;)+) => {
            $(pub(crate) fn $name($($argument: $type),*) -> $result {
                // SAFETY: the SDK defines it with this signature, and takes any value of these types.
                super::counted(|| unsafe { super::$export($($argument),*) })
            })+
        };
    }

    exports! {
        context_create = proxy_on_context_create(context: u32, root: u32) -> ();
        vm_start = proxy_on_vm_start(root: u32, size: usize) -> bool;
        configure = proxy_on_configure(root: u32, size: usize) -> bool;
        tick = proxy_on_tick(root: u32) -> ();
        request_headers = proxy_on_request_headers(context: u32, headers: usize, end: bool) -> u32;
        request_trailers = proxy_on_request_trailers(context: u32, trailers: usize) -> u32;
        response_headers = proxy_on_response_headers(context: u32, headers: usize, end: bool) -> u32;
        http_call_response = proxy_on_http_call_response(context: u32, token: u32, headers: usize, body: usize, trailers: usize) -> ();
        done = proxy_on_done(context: u32) -> bool;
        log = proxy_on_log(context: u32) -> ();
        delete = proxy_on_delete(context: u32) -> ();
    }
}

/// What the module hands over.
fn taken(data: *const u8, size: usize) -> Vec<u8> {
    if data.is_null() || size == 0 {
        return Vec::new();
    }
    with(|host| host.calls.copied += size);
    // SAFETY: the module says that `size` bytes lie there, and waits until the call is over.
    unsafe { std::slice::from_raw_parts(data, size) }.to_vec()
}

/// Hands bytes over in memory that the module allocates. Like Envoy's, nothing at all is a null pointer.
fn give(result: Result<Vec<u8>, Status>, data: *mut *mut u8, size: *mut usize) -> Status {
    let bytes = match result {
        Ok(bytes) => bytes,
        Err(status) => return status,
    };
    with(|host| host.calls.copied += bytes.len());
    let place = if bytes.is_empty() {
        null_mut()
    } else {
        // SAFETY: the SDK allocates as much as it is asked for, and what is written is no longer than that.
        unsafe {
            let place = counted(|| proxy_on_memory_allocate(bytes.len()));
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), place, bytes.len());
            place
        }
    };
    put(data, place);
    put(size, bytes.len());
    OK
}

/// Writes a result where the module wants it.
fn put<T>(place: *mut T, value: T) {
    if !place.is_null() {
        // SAFETY: the module says that a value of this type may be written there.
        unsafe { place.write(value) };
    }
}

/// Writes a result where the module wants it, if there is one.
fn returned<T>(result: Result<T, Status>, place: *mut T) -> Status {
    match result {
        Ok(value) => {
            put(place, value);
            OK
        }
        Err(status) => status,
    }
}

const fn status(result: Result<(), Status>) -> Status {
    match result {
        Ok(()) => OK,
        Err(status) => status,
    }
}

/// Counts the call, fails it if the test wants it to fail, and does it otherwise. `about` is what a failure may be limited to.
fn called<T>(name: &'static str, about: &[u8], call: impl FnOnce(&mut Host) -> Result<T, Status>) -> Result<T, Status> {
    with(|host| host.calls.enter(name, about).and_then(|()| call(host)))
}

macro_rules! imports {
    ($(fn $name:ident($($argument:ident: $type:ty),* $(,)?) $body:block)+) => {
        $(
            // SAFETY: nothing else in this binary has this name; the SDK and the shell only declare it.
            #[unsafe(no_mangle)]
            extern "C" fn $name($($argument: $type),*) -> Status {
                uncounted(|| $body)
            }
        )+
    };
}

imports! {
    fn proxy_log(level: u32, data: *const u8, size: usize) {
        let line = taken(data, size);
        status(called("proxy_log", &line, |host| host.log(level, &line)))
    }

    fn proxy_get_log_level(level: *mut u32) {
        returned(called("proxy_get_log_level", &[], |host| Ok(host.log_level)), level)
    }

    fn proxy_get_current_time_nanoseconds(time: *mut u64) {
        returned(called("proxy_get_current_time_nanoseconds", &[], |host| Ok(host.now_ns)), time)
    }

    fn proxy_set_tick_period_milliseconds(period: u32) {
        status(called("proxy_set_tick_period_milliseconds", &[], |host| host.ask_for_ticks(period)))
    }

    fn proxy_get_buffer_bytes(kind: u32, start: usize, max: usize, data: *mut *mut u8, size: *mut usize) {
        let bytes = called("proxy_get_buffer_bytes", &[], |host| {
            let buffer = host.buffer(kind)?;
            let end = start.saturating_add(max).min(buffer.len());
            Ok(buffer.get(start.min(end)..end).unwrap_or_default().to_vec())
        });
        give(bytes, data, size)
    }

    fn proxy_set_buffer_bytes(_kind: u32, _start: usize, _size: usize, _data: *const u8, _data_size: usize) {
        status(called("proxy_set_buffer_bytes", &[], |_| Err(UNSUPPORTED)))
    }

    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) {
        give(called("proxy_get_header_map_pairs", &[], |host| Ok(host.map(map).map_or_else(Vec::new, |map| pairs::serialise(map)))), data, size)
    }

    fn proxy_set_header_map_pairs(map: u32, data: *const u8, size: usize) {
        let pairs = pairs::parse(&taken(data, size));
        status(called("proxy_set_header_map_pairs", &[], |host| host.edit(map, |headers| headers.clone_from(&pairs))))
    }

    fn proxy_get_header_map_value(map: u32, name: *const u8, name_size: usize, data: *mut *mut u8, size: *mut usize) {
        let name = taken(name, name_size);
        give(called("proxy_get_header_map_value", &name, |host| host.header(map, &name)), data, size)
    }

    fn proxy_add_header_map_value(map: u32, name: *const u8, name_size: usize, value: *const u8, value_size: usize) {
        let (name, value) = (taken(name, name_size), taken(value, value_size));
        status(called("proxy_add_header_map_value", &name, |host| host.edit(map, |headers| headers.push((name.clone(), value)))))
    }

    fn proxy_replace_header_map_value(map: u32, name: *const u8, name_size: usize, value: *const u8, value_size: usize) {
        let (name, value) = (taken(name, name_size), taken(value, value_size));
        status(called("proxy_replace_header_map_value", &name, |host| host.edit(map, |headers| pairs::replace(headers, &name, value))))
    }

    fn proxy_remove_header_map_value(map: u32, name: *const u8, name_size: usize) {
        let name = taken(name, name_size);
        status(called("proxy_remove_header_map_value", &name, |host| host.edit(map, |headers| pairs::remove(headers, &name))))
    }

    fn proxy_get_property(path: *const u8, path_size: usize, data: *mut *mut u8, size: *mut usize) {
        let path = taken(path, path_size);
        give(called("proxy_get_property", &path, |host| host.property(&path)), data, size)
    }

    fn proxy_set_property(path: *const u8, path_size: usize, value: *const u8, value_size: usize) {
        let (path, value) = (taken(path, path_size), taken(value, value_size));
        status(called("proxy_set_property", &path, |host| host.set_property(&path, value)))
    }

    fn proxy_get_shared_data(key: *const u8, key_size: usize, data: *mut *mut u8, size: *mut usize, cas: *mut u32) {
        let key = taken(key, key_size);
        match called("proxy_get_shared_data", &key, |host| host.shared.get(&key)) {
            Ok((value, version)) => {
                put(cas, version);
                give(Ok(value), data, size)
            }
            Err(status) => status,
        }
    }

    fn proxy_set_shared_data(key: *const u8, key_size: usize, value: *const u8, value_size: usize, cas: u32) {
        let (key, value) = (taken(key, key_size), taken(value, value_size));
        status(called("proxy_set_shared_data", &key, |host| host.shared.set(&key, value, cas)))
    }

    fn proxy_continue_stream(kind: u32) {
        status(called("proxy_continue_stream", &[], |host| host.resume(kind)))
    }

    fn proxy_close_stream(kind: u32) {
        status(called("proxy_close_stream", &[], |host| host.close(kind)))
    }

    fn proxy_send_local_response(
        code: u32,
        details: *const u8,
        details_size: usize,
        body: *const u8,
        body_size: usize,
        headers: *const u8,
        headers_size: usize,
        grpc_status: i32,
    ) {
        let details = String::from_utf8_lossy(&taken(details, details_size)).into_owned();
        let reply = super::host::LocalReply {
            status: code,
            details,
            body: taken(body, body_size),
            headers: pairs::parse(&taken(headers, headers_size)),
            grpc_status,
        };
        status(called("proxy_send_local_response", &[], |host| host.reply(reply)))
    }

    fn proxy_http_call(
        cluster: *const u8,
        cluster_size: usize,
        headers: *const u8,
        headers_size: usize,
        body: *const u8,
        body_size: usize,
        _trailers: *const u8,
        _trailers_size: usize,
        timeout_ms: u32,
        token: *mut u32,
    ) {
        let cluster = taken(cluster, cluster_size);
        let (headers, body) = (pairs::parse(&taken(headers, headers_size)), taken(body, body_size));
        returned(called("proxy_http_call", &cluster, |host| host.dispatch(&cluster, headers, body, timeout_ms)), token)
    }

    fn proxy_set_effective_context(context: u32) {
        status(called("proxy_set_effective_context", &[], |host| host.set_effective(context)))
    }

    fn proxy_define_metric(kind: u32, name: *const u8, name_size: usize, id: *mut u32) {
        let name = taken(name, name_size);
        returned(called("proxy_define_metric", &name, |host| host.metrics.define(kind, &name)), id)
    }

    fn proxy_get_metric(id: u32, value: *mut u64) {
        returned(called("proxy_get_metric", &[], |host| host.metrics.get(id)), value)
    }

    fn proxy_record_metric(id: u32, value: u64) {
        status(called("proxy_record_metric", &[], |host| host.metrics.record(id, value)))
    }

    fn proxy_increment_metric(id: u32, offset: i64) {
        status(called("proxy_increment_metric", &[], |host| host.metrics.increment(id, offset)))
    }

    fn proxy_call_foreign_function(
        name: *const u8,
        name_size: usize,
        arguments: *const u8,
        arguments_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) {
        let (name, arguments) = (taken(name, name_size), taken(arguments, arguments_size));
        give(called("proxy_call_foreign_function", &name, |host| host.foreign(&name, &arguments)), data, size)
    }

    fn proxy_get_status(code: *mut u32, data: *mut *mut u8, size: *mut usize) {
        match called("proxy_get_status", &[], |host| Ok(host.callout_status.clone())) {
            Ok((number, message)) => {
                put(code, number);
                give(Ok(message.into_bytes()), data, size)
            }
            Err(status) => status,
        }
    }

    fn proxy_done() {
        status(called("proxy_done", &[], |_| Ok(())))
    }

    // This filter uses neither shared queues nor gRPC callouts: they are here for the linker.

    fn proxy_register_shared_queue(_name: *const u8, _size: usize, _id: *mut u32) {
        status(called("proxy_register_shared_queue", &[], |_| Err(UNSUPPORTED)))
    }

    fn proxy_resolve_shared_queue(_vm: *const u8, _vm_size: usize, _name: *const u8, _size: usize, _id: *mut u32) {
        status(called("proxy_resolve_shared_queue", &[], |_| Err(UNSUPPORTED)))
    }

    fn proxy_dequeue_shared_queue(_id: u32, _data: *mut *mut u8, _size: *mut usize) {
        status(called("proxy_dequeue_shared_queue", &[], |_| Err(UNSUPPORTED)))
    }

    fn proxy_enqueue_shared_queue(_id: u32, _value: *const u8, _size: usize) {
        status(called("proxy_enqueue_shared_queue", &[], |_| Err(UNSUPPORTED)))
    }

    fn proxy_grpc_call(
        _upstream: *const u8,
        _upstream_size: usize,
        _service: *const u8,
        _service_size: usize,
        _method: *const u8,
        _method_size: usize,
        _metadata: *const u8,
        _metadata_size: usize,
        _message: *const u8,
        _message_size: usize,
        _timeout_ms: u32,
        _token: *mut u32,
    ) {
        status(called("proxy_grpc_call", &[], |_| Err(UNSUPPORTED)))
    }

    fn proxy_grpc_stream(
        _upstream: *const u8,
        _upstream_size: usize,
        _service: *const u8,
        _service_size: usize,
        _method: *const u8,
        _method_size: usize,
        _metadata: *const u8,
        _metadata_size: usize,
        _token: *mut u32,
    ) {
        status(called("proxy_grpc_stream", &[], |_| Err(UNSUPPORTED)))
    }

    fn proxy_grpc_send(_token: u32, _message: *const u8, _size: usize, _end: bool) {
        status(called("proxy_grpc_send", &[], |_| Err(UNSUPPORTED)))
    }

    fn proxy_grpc_cancel(_token: u32) {
        status(called("proxy_grpc_cancel", &[], |_| Err(UNSUPPORTED)))
    }

    fn proxy_grpc_close(_token: u32) {
        status(called("proxy_grpc_close", &[], |_| Err(UNSUPPORTED)))
    }
}
