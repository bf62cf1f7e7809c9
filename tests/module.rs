//! The module as it is shipped: what it exports, how large it is, how it starts, and what a client can't do to it.

use portcullis_harness::{Case, ENVOY_VERSION, Launch, Request, Stage, portcullis_wasm, workspace};
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};
use wasmparser::{Parser, Payload};

const SECRET: &str = "a-secret-of-sixty-four-octets-which-is-more-than-enough-for-all";
const CONFIG: &str = "
providers:
  partners:
    static_secret: {sha256: bc19487dc16595fd1ee44ed63588f82b89f70c2885ec2460c5831f77e255d271}
    from: [{header: authorization, scheme: Bearer}, {header: x-api-key}, {query: access_token}]
rules:
  - match: {path: /open}
    allow: anyone
  - match: {path_template: '/of/{name}', headers: {x-version: '2'}}
    require: partners
  - require: partners
";

/// What Envoy looks for and this filter answers to. Each other callback would be a call into the VM, for every request.
const EXPORTS: [&str; 12] = [
    "_initialize",
    "memory",
    "proxy_abi_version_0_2_1",
    "proxy_on_configure",
    "proxy_on_context_create",
    "proxy_on_delete",
    "proxy_on_http_call_response",
    "proxy_on_memory_allocate",
    "proxy_on_request_headers",
    "proxy_on_request_trailers",
    "proxy_on_tick",
    "proxy_on_vm_start",
];

#[test]
fn it_exports_what_it_answers_to_and_carries_nothing_else() {
    let bytes = fs::read(portcullis_wasm()).expect("the module is built");
    let (mut exports, mut sections) = (BTreeSet::new(), Vec::new());
    for payload in Parser::new(0).parse_all(&bytes) {
        match payload.expect("a wasm module") {
            Payload::ExportSection(all) => exports.extend(all.into_iter().map(|export| export.expect("an export").name.to_owned())),
            Payload::CustomSection(section) => sections.push(section.name().to_owned()),
            _ => {}
        }
    }
    assert_eq!(exports, EXPORTS.map(str::to_owned).into());
    let may_stay = |name: &String| ["producers", "target_features"].contains(&name.as_str());
    assert!(sections.iter().all(may_stay), "sections that nobody needs: {sections:?}");
    // The same bytes wherever it is built.
    let text = String::from_utf8_lossy(&bytes);
    for folder in ["/root/", "/home/", "/tmp/", "/Users/", "/.cargo/registry", "/.rustup/", "/lib/rustlib/"] {
        let around = text.find(folder).and_then(|at| text.get(at..at + 80));
        assert!(around.is_none(), "a path of the machine that built it: {around:?}");
    }
}

#[test]
fn it_is_small() {
    const MOST: u64 = 850_000;
    let size = fs::metadata(portcullis_wasm()).expect("the module is built").len();
    println!("{size} bytes");
    assert!(size <= MOST, "{size} bytes, {} too many", size - MOST);
}

#[test]
fn it_says_what_it_is_and_starts_soon() {
    let time = |stage: Stage| {
        let begun = Instant::now();
        let stage = stage.start();
        (begun.elapsed(), stage)
    };
    let bare = (0..2).map(|_| time(Stage::new()).0).min().unwrap_or_default();
    let (mut least, mut stages) = (Duration::MAX, Vec::new());
    for _ in 0..2 {
        let (took, stage) = time(Stage::new().config(CONFIG).launch(|launch: Launch| launch.concurrency(2)));
        least = least.min(took);
        stages.push(stage);
    }
    println!(
        "Envoy is ready after {bare:?}, with the filter and two workers after {least:?}: {:?} for four VMs",
        least.saturating_sub(bare)
    );
    // A slow machine may take its time; a module that is compiled anew for each request may not.
    assert!(least < Duration::from_secs(60));
    let stage = stages.pop().expect("two");
    assert!(stage.envoy.admin("/server_info").contains(&format!("/{ENVOY_VERSION}/")));
    assert!(stage.envoy.config_dump().to_string().contains("envoy.wasm.runtime.v8"));
    let version = format!(": portcullis {} (", env!("CARGO_PKG_VERSION"));
    let lines = stage.envoy.log().lines_with(&version);
    // The canary, the main thread, and each worker.
    assert_eq!(lines.len(), 4, "{lines:#?}");
    for line in &lines {
        assert!(line.contains("[info][wasm]") && line.ends_with("; verified by the host: RS256 RS384 RS512 ES256 ES384 ES512"), "{line}");
        let revision = line.split_once(&version).and_then(|(_, rest)| rest.split_once(')')).map_or("", |(revision, _)| revision);
        let is_commit = revision.len() >= 7 && revision.bytes().all(|b| b.is_ascii_hexdigit());
        // Without a repository nobody knows.
        assert!(is_commit || (revision == "unknown" && !workspace().join(".git").exists()), "{line}");
    }
    assert_eq!(stage.envoy.log().lines_with("[warning][wasm]"), Vec::<String>::new());
    stage.check([Case::get("/").bearer(SECRET).expect(200), Case::get("/").expect(401).reason("credential_missing")]);
}

#[test]
fn nothing_that_clients_send_ends_it() {
    let stage = Stage::new().config(CONFIG).bootstrap(|bootstrap| bootstrap.trailers().hcm("max_request_headers_kb", json!(96))).start();
    let good = || Request::get("/").bearer(SECRET);
    let long = |length: usize| "x".repeat(length);
    let many =
        |count: usize, length: usize| (0..count).fold(good(), |request, number| request.header(format!("x-many-{number}"), long(length)));
    let bytes: Vec<u8> = (0x80..=0xff).collect();
    // What is none of its business goes through as it came.
    let mut cases = Vec::new();
    for http2 in [false, true] {
        let over = |case: Case| if http2 { case.http2() } else { case };
        let latin1: String = bytes.iter().map(|byte| char::from(*byte)).collect();
        cases.extend([
            over(Case::new(good()).named("0xFF").header("x-note", b"\xff").expect(200).upstream("x-note", "\u{ff}")),
            over(Case::new(good()).named("all beyond ASCII").header("x-note", &bytes).expect(200).upstream("x-note", &latin1)),
            over(Case::new(good()).named("a cookie").header("cookie", b"a=\xff\xfe; b=\xc3").expect(200)),
            over(Case::new(good()).named("half a character").header("user-agent", b"\xf0\x9f\x92").expect(200)),
            over(Case::new(many(90, 600)).named("60 KB in 90 headers").expect(200).upstream("x-many-89", &long(600))),
            over(Case::new(good()).named("60 KB in one").header("x-long", long(60_000)).expect(200).upstream("x-long", &long(60_000))),
            over(Case::get(format!("/{}", long(50_000))).named("a long path").bearer(SECRET).expect(200)),
            over(Case::get(format!("/?q={}", long(50_000))).named("a long query").bearer(SECRET).expect(200)),
            over(Case::get("/open").named("0xFF for anyone").header("authorization", b"Bearer \xff").expect(200)),
            over(Case::get("/of/x").named("0xFF where a rule looks").bearer(SECRET).header("x-version", b"\xff").expect(200)),
            over(Case::get("/").named("0xFF as the credential").header("authorization", b"Bearer \xff").expect(401)).not_upstream(),
            over(Case::get("/").named("0xFF as the key").header("x-api-key", b"\xff\xfe").expect(401)).not_upstream(),
            over(Case::get("/").named("a credential of 60 KB").bearer(&long(60_000)).expect(401).reason("credential_too_large")),
            over(Case::get(format!("/?access_token={}", long(60_000))).named("in the query").expect(401).reason("credential_too_large")),
            over(Case::get(format!("/?access_token={}", "%ff".repeat(100))).named("encoded bytes").expect(401).not_upstream()),
            over(Case::get(format!("/{}", "%ff".repeat(5000))).named("an encoded path").bearer(SECRET).expect(200)),
            over(Case::get(format!("/{}", "a/".repeat(20_000))).named("20,000 segments").bearer(SECRET).expect(200)),
            over(Case::get(format!("/?{}", "a=b&".repeat(12_000))).named("12,000 parameters").bearer(SECRET).expect(200)),
            over(Case::post("/", vec![0xff; 1_000_000]).named("a body of 1 MB").bearer(SECRET).expect(200)),
            over(
                Case::post("/", "x")
                    .named("trailers")
                    .bearer(SECRET)
                    .with(|request| request.trailer("x-late", b"\xff").trailer("x-auth-subject", b"\xff"))
                    .expect(200)
                    .upstream_trailer("x-late", "\u{ff}")
                    .upstream_trailer_absent("x-auth-subject"),
            ),
        ]);
    }
    stage.check(cases);
    // What HTTP/1.1 forbids, too: Envoy or the filter refuses it, and nobody falls over it.
    for raw in [
        b"GET /\xff\xfe HTTP/1.1\r\nHost: api.test\r\n\r\n".as_slice(),
        b"GET / HTTP/1.1\r\nHost: \xff\r\n\r\n",
        b"G\xffT / HTTP/1.1\r\nHost: api.test\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: api.test\r\nx-\xff: y\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: api.test\r\nx-request-id: \xff\xfe\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: api.test\r\n: empty\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: api.test\r\n\r\n",
        b"GET http://\xff/ HTTP/1.1\r\nHost: api.test\r\n\r\n",
    ] {
        let mut connection = stage.client().connect().expect("a connection");
        connection.write(raw).expect("an open connection");
        match connection.response() {
            Ok(response) => assert!((400..500).contains(&response.status), "{}: {}", raw.escape_ascii(), response.status),
            Err(error) => assert!(!matches!(error, portcullis_harness::ClientError::Timeout), "{}: {error}", raw.escape_ascii()),
        }
    }
    stage.check([Case::new(good()).named("after all that").expect(200)]);
    // It is still the VM that it was.
    assert_eq!(stage.envoy.log().lines_with("[critical]"), Vec::<String>::new());
    assert_eq!(stage.envoy.log().lines_with(": portcullis 0.").len(), 3);
    let reloads: Vec<_> = stage.envoy.stats().into_iter().filter(|(name, value)| name.contains("vm_reload") && *value > 0).collect();
    assert_eq!(reloads, []);
}
