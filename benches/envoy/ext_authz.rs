//! The least that an authorization server can be: one thread, HTTP/1.1, connections that stay open, and 200 for everything, unread. A real one would do
//! what this filter does, on top.

use crate::Failure;
use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

/// The name of its thread.
pub(crate) const THREAD: &str = "ext_authz";

const LISTENER: u64 = u64::MAX;

/// Starts one, which serves as long as this process runs.
pub(crate) fn start() -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::Builder::new().name(THREAD.into()).spawn(move || {
        if let Err(failure) = serve(&listener) {
            eprintln!("the authorization server ended: {failure}");
        }
    })?;
    Ok(address)
}

fn serve(listener: &TcpListener) -> Result<(), Failure> {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, listener, epoll::EventData::new_u64(LISTENER), epoll::EventFlags::IN)?;
    let mut streams: Vec<Option<TcpStream>> = Vec::new();
    let (mut events, mut buffer) = (Vec::with_capacity(64), [0; 8192]);
    loop {
        events.clear();
        epoll::wait(&epoll, spare_capacity(&mut events), None)?;
        for event in events.drain(..) {
            let number = event.data.u64();
            if number == LISTENER {
                let (stream, _) = listener.accept()?;
                stream.set_nodelay(true)?;
                epoll::add(&epoll, &stream, epoll::EventData::new_u64(streams.len() as u64), epoll::EventFlags::IN)?;
                streams.push(Some(stream));
                continue;
            }
            // Envoy writes a request at once, and waits for the answer before it sends another.
            let Some(stream) = streams.get_mut(usize::try_from(number)?) else { continue };
            let is_over = stream.as_mut().is_none_or(|open| match open.read(&mut buffer) {
                Ok(count) if buffer[..count].ends_with(b"\r\n\r\n") => {
                    open.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").is_err()
                }
                _ => true,
            });
            if is_over {
                *stream = None;
            }
        }
    }
}
