//! Requests over connections that stay open: each sends its next request when it has the whole response to its last one.

use crate::Failure;
use crate::connection::Connection;
use portcullis_harness::Tls;
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Connections to one listener.
pub(crate) struct Load {
    epoll: OwnedFd,
    connections: Vec<(Connection, Instant)>,
}

/// What became of the requests of one turn.
pub(crate) struct Sent {
    /// From the first request to the last response.
    pub(crate) elapsed: Duration,
    /// Of each request, from before it was sent to after its response was read; not in order.
    pub(crate) latencies: Vec<Duration>,
}

impl Load {
    pub(crate) fn open(address: SocketAddr, tls: Option<&Tls>, count: usize) -> Result<Self, Failure> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut connections = Vec::with_capacity(count);
        for index in 0..count {
            let connection = Connection::open(address, tls)?;
            epoll::add(&epoll, &connection, epoll::EventData::new_u64(index as u64), epoll::EventFlags::IN)?;
            connections.push((connection, Instant::now()));
        }
        Ok(Self { epoll, connections })
    }

    /// Sends so many requests and sees that each gets this status.
    pub(crate) fn send<'a>(&mut self, count: usize, status: u16, request: impl Fn(usize) -> Cow<'a, [u8]>) -> Result<Sent, Failure> {
        let mut latencies = Vec::with_capacity(count);
        let mut events = Vec::with_capacity(self.connections.len().max(1));
        // What takes time to put together is there before it is wanted.
        let requests: Vec<_> = (0..count).map(request).collect();
        let mut requests = requests.iter();
        let start = Instant::now();
        for (connection, since) in &mut self.connections {
            let Some(request) = requests.next() else { break };
            *since = Instant::now();
            connection.send(request)?;
        }
        while latencies.len() < count {
            events.clear();
            epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&Timespec { tv_sec: 30, tv_nsec: 0 }))?;
            if events.is_empty() {
                return Err("no response for 30 seconds".into());
            }
            for event in events.drain(..) {
                let (connection, since) = &mut self.connections[usize::try_from(event.data.u64())?];
                let got = connection.receive()?;
                if got != status {
                    return Err(format!("{got} instead of {status}:\n{}", connection.response()).into());
                }
                latencies.push(since.elapsed());
                if let Some(request) = requests.next() {
                    *since = Instant::now();
                    connection.send(request)?;
                }
            }
        }
        Ok(Sent { elapsed: start.elapsed(), latencies })
    }
}
