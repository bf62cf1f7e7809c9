//! A DNS server that knows one address, once it may: for names that don't resolve, without a question leaving this machine.

use serde_json::{Value, json};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Answers that there is no such name, or, once told so, that every name is 127.0.0.1.
pub(crate) struct Resolver {
    address: SocketAddr,
    knows: Arc<AtomicBool>,
    is_over: Arc<AtomicBool>,
}

impl Resolver {
    pub(crate) fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback has a port");
        socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
        let address = socket.local_addr().expect("an address");
        let (knows, is_over) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        thread::spawn({
            let (knows, is_over) = (Arc::clone(&knows), Arc::clone(&is_over));
            move || {
                let mut query = [0; 512];
                while !is_over.load(Ordering::Relaxed) {
                    let Ok((length, from)) = socket.recv_from(&mut query) else { continue };
                    let _ = socket.send_to(&answer(&query[..length], knows.load(Ordering::Relaxed)), from);
                }
            }
        });
        Self { address, knows, is_over }
    }

    /// From now on names resolve.
    pub(crate) fn recover(&self) {
        self.knows.store(true, Ordering::Relaxed);
    }

    /// A cluster whose only host has this name and port, asked for here.
    pub(crate) fn cluster(&self, name: &str, host: &str, port: u16) -> Value {
        json!({
            "name": name,
            "type": "STRICT_DNS",
            "dns_lookup_family": "V4_ONLY",
            "dns_refresh_rate": "0.2s",
            "dns_failure_refresh_rate": {"base_interval": "0.1s", "max_interval": "0.2s"},
            "typed_dns_resolver_config": {"name": "envoy.network.dns_resolver.cares", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
                "resolvers": [{"socket_address": {"address": self.address.ip().to_string(), "port_value": self.address.port()}}],
                "dns_resolver_options": {"no_default_search_domain": true},
            }},
            "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {
                "socket_address": {"address": host, "port_value": port},
            }}}]}]},
        })
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

/// RFC 1035, section 4: the question comes back; with NXDOMAIN, or with an address.
fn answer(query: &[u8], knows: bool) -> Vec<u8> {
    const HEADER: usize = 12;
    let name = query[HEADER..].iter().position(|byte| *byte == 0).expect("a name ends");
    let end = HEADER + name + 5;
    let mut answer = query[..2].to_vec();
    answer.extend([0x81, if knows { 0x80 } else { 0x83 }, 0, 1, 0, u8::from(knows), 0, 0, 0, 0]);
    answer.extend(&query[HEADER..end]);
    if knows {
        // The name of the question; type A, class IN, a second to live, four octets.
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 127, 0, 0, 1]);
    }
    answer
}
