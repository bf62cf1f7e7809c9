//! What a request costs on each path, from its context's creation to its deletion: host calls, bytes copied across the ABI, and memory.
//!
//! `cargo test --locked --features native-shell --test fake_host cost -- --nocapture` prints the table as it stands here; with `ALLOCATIONS="static secret"`
//! before it, also where that path allocates. Who makes a path cheaper lowers its figures; nobody makes one dearer unnoticed. Sizes are those of a
//! native build: pointers and lengths take half as much in the module.

use std::time::Duration;

use super::allocations::{self, Allocations};
use super::calls::Calls;
use super::host::{Stream, with};
use super::scenario::{NOW, Scenario, Shown, scenarios};
use super::verification::verify_signature;
use super::vm::{Outcome, Vm, on_a_vm};

/// The host calls that requests make, in the order of the table's columns, without `proxy_`.
const CALLS: [&str; 9] = [
    "get_current_time_nanoseconds",
    "get_header_map_pairs",
    "get_property",
    "call_foreign_function",
    "remove_header_map_value",
    "add_header_map_value",
    "set_property",
    "increment_metric",
    "send_local_response",
];

/// How often each of [`CALLS`] is made.
type Counts = [usize; CALLS.len()];

/// What a request costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cost {
    allocated: Allocations,
    calls: Counts,
    copied: usize,
}

const fn row(path: &str, calls: Counts, copied: usize, count: usize, bytes: usize) -> (&str, Cost) {
    (path, Cost { allocated: Allocations { count, bytes }, calls, copied })
}

/// Path, host calls, bytes copied, allocations, bytes allocated.
#[rustfmt::skip]
const TABLE: &[(&str, Cost)] = &[
    row("allow anyone",                        [1, 1, 1, 0, 0, 0, 1, 1, 0],  514,   3,   873),
    row("static secret",                       [1, 1, 1, 0, 1, 3, 4, 1, 0],  734,   6,  1097),
    row("static secret, 100 clients",          [1, 1, 1, 0, 1, 3, 4, 1, 0],  740,   6,  1099),
    row("static secret, 10000 clients",        [1, 1, 1, 0, 1, 3, 4, 1, 0],  746,   6,  1101),
    row("static secret, 100 rules",            [1, 1, 1, 0, 1, 3, 4, 1, 0],  734,   7,  1129),
    row("static secret, 1000 rules",           [1, 1, 1, 0, 1, 3, 4, 1, 0],  734,   7,  1129),
    row("static secret, 40 headers",           [1, 1, 1, 0, 3, 3, 4, 1, 0], 2083,   8,  3310),
    row("static secret in one of 8 cookies",   [1, 1, 1, 0, 1, 4, 4, 1, 0], 1103,  10,  2020),
    row("RS256 seen before",                   [1, 1, 1, 0, 1, 4, 4, 1, 0], 1545,   6,  1821),
    row("RS256 never seen",                    [1, 1, 1, 1, 1, 4, 4, 1, 0], 2540,  68,  7160),
    row("ES256 seen before",                   [1, 1, 1, 0, 1, 4, 4, 1, 0], 1289,   6,  1565),
    row("ES256 never seen",                    [1, 1, 1, 1, 1, 4, 4, 1, 0], 1893,  69,  6137),
    row("HS256 seen before",                   [1, 1, 1, 0, 1, 4, 3, 1, 0], 1223,   6,  1525),
    row("HS256 never seen",                    [1, 1, 1, 0, 1, 4, 3, 1, 0], 1223,  64,  5321),
    row("PS256 seen before",                   [1, 1, 1, 0, 1, 4, 4, 1, 0], 1545,   6,  1821),
    row("PS256 never seen",                    [1, 1, 1, 0, 1, 4, 4, 1, 0], 1545,  95, 12832),
    row("EdDSA seen before",                   [1, 1, 1, 0, 1, 4, 4, 1, 0], 1289,   6,  1565),
    row("EdDSA never seen",                    [1, 1, 1, 0, 1, 4, 4, 1, 0], 1289,  67,  5504),
    row("RS256 seen before, 100 keys",         [1, 1, 1, 0, 1, 4, 4, 1, 0], 1550,   6,  1824),
    row("RS256 never seen, 100 keys",          [1, 1, 1, 1, 1, 4, 4, 1, 0], 2548,  68,  7178),
    row("client certificate, seen before",     [1, 1, 4, 0, 0, 3, 3, 1, 0],  814,   7,   977),
    row("client certificate, never seen",      [1, 1, 5, 0, 0, 3, 3, 1, 0], 1450,  37,  5982),
    row("remote, answered before",             [1, 1, 1, 0, 1, 3, 3, 1, 0],  685,  10,  1154),
    row("no credential",                       [1, 1, 1, 0, 0, 0, 2, 1, 1],  730,   8,  1336),
    row("wrong secret",                        [1, 1, 1, 0, 1, 0, 2, 1, 1],  796,  12,  1643),
    row("bad signature, HS256",                [1, 1, 1, 0, 1, 0, 2, 1, 1], 1229,  43,  4005),
    row("bad signature, RS256",                [1, 1, 1, 1, 1, 0, 2, 1, 1], 2545,  49,  5603),
];

/// Requests until nothing happens for the first time any more: metrics are defined, and refusals are so many that they are only counted.
const WARM_UP: usize = 16;
/// The cheapest of so many is shown: growing a map is not what a request costs.
const TRIES: usize = 4;

fn start() {
    with(|host| host.foreign.insert("verify_signature".to_owned(), Box::new(verify_signature)));
    portcullis::envoy::start();
}

fn stream(scenario: &Scenario, number: usize) -> Stream {
    let headers = (scenario.fields)(number).into_iter().map(|(name, value)| (name.as_bytes().to_vec(), value.into_bytes())).collect();
    let mut stream = Stream { headers, ..Stream::default() };
    if let Some(certificate) = &scenario.certificate {
        let mut attribute = |name, value: &[u8]| stream.properties.attribute(&["connection", name], value);
        let Shown { pem, digest } = certificate(number);
        attribute("peer_certificate", pem.as_bytes());
        attribute("sha256_peer_certificate_digest", digest.as_bytes());
        attribute("peer_certificate_valid", &[1]);
        attribute("requested_server_name", b"api.example.com");
    }
    stream
}

/// Sends the request of a number, and answers what it waits for.
fn send(vm: &mut Vm, scenario: &Scenario, number: usize) {
    let id = vm.send(stream(scenario, number));
    if vm.outcome(id) == Outcome::Waiting {
        answer(vm, scenario);
    }
    match (vm.outcome(id), scenario.refused) {
        (Outcome::Upstream(_), None) => {}
        (Outcome::Replied(reply), Some(reason)) => assert_eq!(reply.details, reason, "{}", scenario.name),
        (outcome, _) => panic!("{}: {outcome:?}\n{:#?}", scenario.name, vm.log()),
    }
    vm.end(id);
}

fn answer(vm: &mut Vm, scenario: &Scenario) {
    vm.pass(Duration::from_millis(10));
    for (token, _) in vm.callouts() {
        vm.answer(
            token,
            200,
            &[("content-type", "application/json")],
            scenario.answer.as_ref().map(ToString::to_string).unwrap_or_default(),
        );
    }
}

fn measured(scenario: Scenario) -> Cost {
    on_a_vm(start, move |vm| {
        vm.set_clock(NOW);
        assert!(vm.configure((scenario.configuration)().to_string()), "{}: {:#?}", scenario.name, vm.log());
        answer(vm, &scenario);
        (0..WARM_UP).for_each(|number| send(vm, &scenario, number));
        let tries = (WARM_UP..WARM_UP + TRIES).map(|number| {
            vm.calls(Calls::reset);
            allocations::take();
            send(vm, &scenario, number);
            let allocated = allocations::take();
            vm.calls(|calls| Cost { allocated, calls: counts(calls), copied: calls.copied() })
        });
        let cheapest = tries.min().unwrap();
        if std::env::var("ALLOCATIONS").is_ok_and(|name| name == scenario.name) {
            allocations::shown(|| send(vm, &scenario, WARM_UP + TRIES));
        }
        cheapest
    })
}

fn counts(calls: &Calls) -> Counts {
    let all = calls.counts();
    let counts = CALLS.map(|name| all.get(format!("proxy_{name}").as_str()).copied().unwrap_or_default());
    assert_eq!(counts.iter().sum::<usize>(), all.values().sum::<usize>(), "calls that have no column: {all:?}");
    counts
}

impl Cost {
    /// The lengths of certificates depend on those of their signatures.
    fn is_as(self, other: Self) -> bool {
        let is_about = |one: usize, other: usize| one.abs_diff(other) <= 16;
        let are_equal = self.calls == other.calls && self.allocated.count == other.allocated.count;
        are_equal && is_about(self.copied, other.copied) && is_about(self.allocated.bytes, other.allocated.bytes)
    }
}

/// A row as the table has it.
fn shown(path: &str, cost: Cost) -> String {
    let Cost { calls, copied, allocated: Allocations { count, bytes } } = cost;
    format!("    row({:<38} {calls:?}, {copied:>4}, {count:>3}, {bytes:>5}),\n", format!("{path:?},"))
}

#[test]
fn a_request_costs_what_the_table_says() {
    let (mut is, mut should) = (String::new(), String::new());
    println!("    // {}", CALLS.join(", "));
    for scenario in scenarios() {
        let path = scenario.name.clone();
        let cost = measured(scenario);
        print!("{}", shown(&path, cost));
        let row = TABLE.iter().find(|(name, _)| *name == path).map(|(_, cost)| *cost);
        if !row.is_some_and(|row| cost.is_as(row)) {
            is += &shown(&path, cost);
            should += &row.map(|row| shown(&path, row)).unwrap_or_default();
        }
    }
    assert!(is.is_empty(), "dearer, or cheaper, than the table says. It is now\n{is}and was\n{should}");
    assert_eq!(TABLE.len(), scenarios().len());
}

/// Whatever there is more of in a configuration, a request doesn't pay for it.
#[test]
fn a_request_costs_the_same_however_much_is_configured() {
    let of = |name: &str| TABLE.iter().find(|(path, _)| *path == name).expect("a path of that name").1;
    for (few, many) in [
        ("static secret", "static secret, 100 clients"),
        ("static secret", "static secret, 10000 clients"),
        ("static secret, 100 rules", "static secret, 1000 rules"),
        ("RS256 seen before", "RS256 seen before, 100 keys"),
        ("RS256 never seen", "RS256 never seen, 100 keys"),
    ] {
        let (few, more) = (of(few), of(many));
        assert_eq!((few.calls, few.allocated.count), (more.calls, more.allocated.count), "{many}");
    }
}
