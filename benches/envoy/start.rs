//! How long Envoy takes from being started to the first 200.

use crate::Failure;
use crate::connection::Connection;
use crate::envoy;
use crate::policy;
use crate::request::request;
use crate::statistics::{least, median};
use crate::tokens::tokens;
use crate::variant::{Traffic, Variant};
use crate::variants::{empty, ours};
use portcullis_harness::{Algorithm, Key};
use serde_json::{Value, json};
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::{Duration, Instant};

const STARTS: usize = 7;

/// One row for each kind of Envoy: milliseconds of each start.
pub(crate) fn measure() -> Result<Vec<Value>, Failure> {
    let key = Key::fixed(Algorithm::RS256, 1);
    let token = &tokens(&key, 0, 1)[0];
    let variants = [
        Variant::new("bare", "no filter", vec![], Traffic::bare()),
        Variant::new("empty", "an empty Wasm filter", vec![empty()], Traffic::bare()),
        ours("portcullis", "portcullis, RS256", policy::jwt_by_set(&[key]), Traffic::bare()),
        ours("static-10000", "portcullis, 10,000 clients by static secret", policy::static_secrets(10_000), Traffic::bare()),
    ];
    let credentials = [token, token, token, &policy::secret(0)];
    let mut millis = vec![Vec::new(); variants.len()];
    let mut all: Vec<[Variant; 1]> = variants.into_iter().map(|variant| [variant]).collect();
    for start in 0..STARTS {
        eprintln!("start {} of {STARTS}", start + 1);
        for ((variant, millis), credential) in all.iter_mut().zip(&mut millis).zip(credentials) {
            millis.push(first_answer(variant, credential)?.as_secs_f64() * 1e3);
        }
    }
    let row = |(variant, millis): (&[Variant; 1], &Vec<f64>)| json!({"name": variant[0].name, "title": variant[0].title, "median_ms": median(millis), "least_ms": least(millis), "starts_ms": millis});
    Ok(all.iter().zip(&millis).map(row).collect())
}

fn first_answer(variant: &[Variant; 1], credential: &str) -> Result<Duration, Failure> {
    // Known before Envoy runs: to ask it for its port takes longer than its start may.
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let (launch, _) = envoy::launch(variant, 1, Some(address.port()));
    let request = request(Some(&format!("Bearer {credential}")));
    let start = Instant::now();
    let client = thread::spawn(move || ask(address, &request, start));
    let _envoy = launch.try_start().map_err(|failure| failure.to_string())?;
    client.join().map_err(|_| "the client ended")?
}

fn ask(address: SocketAddr, request: &[u8], start: Instant) -> Result<Duration, Failure> {
    let mut status = None;
    while start.elapsed() < Duration::from_secs(60) {
        let asked = Connection::open(address, None).and_then(|mut connection| {
            connection.send(request)?;
            connection.receive()
        });
        match asked {
            Ok(200) => return Ok(start.elapsed()),
            Ok(other) => status = Some(other),
            // Envoy doesn't listen yet.
            Err(_) => {}
        }
        thread::sleep(Duration::from_millis(1));
    }
    Err(format!("no 200 from a fresh Envoy; the last status: {status:?}").into())
}
