//! The harness by itself: Envoy with its own filters only. What stands here holds without the plugin.

use portcullis_harness::{Answer, Authority, Bootstrap, Case, ClientError, Launch, PATIENCE, Request, Stage, TlsListener, poll, to_yaml};
use serde_json::json;
use std::time::Duration;

#[test]
fn a_request_arrives_as_it_was_sent() {
    let stage = Stage::new().without_guard().bootstrap(Bootstrap::trailers).start();
    let request = Request::new("PUT", "/a/%2e%2e/b;c?d=e&d=f")
        .header("x-twice", "1")
        .header("X-Twice", b"\xff\x80")
        .body("hello")
        .trailer("x-late", "yes");
    let response = stage.send(&request);
    assert_eq!(response.status, 200);
    let received = stage.upstream.last();
    assert_eq!((received.method.as_str(), received.path.as_str()), ("PUT", "/a/%2e%2e/b;c?d=e&d=f"));
    assert_eq!(received.header_values("x-twice"), ["1", "\u{ff}\u{80}"]);
    assert_eq!(received.body, b"hello");
    assert_eq!(received.trailers, [("x-late".to_owned(), b"yes".to_vec())]);
    assert_eq!(response.json()["trailers"], json!([["x-late", "yes"]]));
    assert_eq!(response.json()["headers"][0], json!(["host", "api.test"]));
}

#[test]
fn cases_pass_and_fail() {
    let stage = Stage::new().without_guard().start();
    stage.upstream.answer("/gone", Answer::status(410).header("x-why", "moved"));
    stage.check([
        Case::get("/x?y").header("x-a", "b").expect(200).upstream("x-a", "b").upstream_absent("x-b").upstream_path("/x?y"),
        Case::get("/x").http2().expect(200).access("protocol", "HTTP/2").access("verdict", json!(null)),
        Case::get("/gone").expect(410).answer("x-why", "moved").answer_absent("x-a"),
        Case::get("/authorization").bearer("secret").expect(200).access("authorization", "Bearer secret"),
    ]);
    let failure = Case::get("/").named("the one that fails").expect(401).reason("credential_missing").run(&stage);
    let text = failure.expect_err("a case that must fail");
    for part in [
        "the one that fails",
        "status: expected 401, got 200",
        "reason: expected \"credential_missing\"",
        "requests upstream: expected 0, got 1",
        "access log: {",
    ] {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
}

#[test]
fn the_guard_refuses_what_no_plugin_admitted() {
    let stage = Stage::new().start();
    let details = "rbac_access_denied_matched_policy[none]";
    let case = Case::get("/").header("wasm.portcullis.verdict", "allow");
    stage.check([case.expect(403).access("details", details).not_upstream()]);
}

#[test]
fn http2_carries_trailers_and_grpc() {
    let upstream = portcullis_harness::Upstream::start();
    let address = upstream.address();
    let stage = Stage::new().without_guard().upstream(upstream).bootstrap(|bootstrap| bootstrap.cluster_http2("upstream", address)).start();
    let client = stage.client().http2();
    let response = client.send(&Request::grpc("/pkg.Service/Call", b"\x08\x01").trailer("x-late", "yes"));
    assert_eq!((response.status, response.trailer("grpc-status").as_deref()), (200, Some("0")));
    let received = stage.upstream.last();
    assert_eq!(received.protocol, "HTTP/2.0");
    assert_eq!(received.trailers, [("x-late".to_owned(), b"yes".to_vec())]);
    assert_eq!(received.body, b"\0\0\0\0\x02\x08\x01");
    let mut connection = client.connect().expect("a connection");
    for path in ["/1", "/2"] {
        assert_eq!(connection.send(&Request::get(path)).expect("a response").json()["path"], path);
    }
}

#[test]
fn websockets_go_through() {
    let stage = Stage::new().without_guard().bootstrap(Bootstrap::websockets).start();
    let mut socket = stage.client().websocket(&Request::get("/ws").header("x-a", "b")).expect("a WebSocket");
    socket.send("hello").expect("an open socket");
    assert_eq!(socket.receive(PATIENCE), Ok(Some("hello".into())));
    assert_eq!(stage.upstream.last().header("x-a").as_deref(), Some("b"));
    assert_eq!(stage.upstream.open_websockets(), 1);
    socket.close();
    poll(PATIENCE, || (stage.upstream.open_websockets() == 0).then_some(())).expect("the socket is closed upstream");

    let guarded = Stage::new().bootstrap(Bootstrap::websockets).start();
    let Err(refusal) = guarded.client().websocket(&Request::get("/ws")) else { panic!("the guard lets a WebSocket in") };
    assert_eq!(refusal.map(|response| response.status), Ok(403));
}

#[test]
fn client_certificates_are_asked_for_and_verified() {
    let members = Authority::new("members");
    let intermediate = members.intermediate("members, issuing");
    let rogue = Authority::new("members");
    let alice = intermediate.client("alice");
    let stage = Stage::new()
        .without_guard()
        .tls(|tls| tls.clients_of(&members).required())
        .bootstrap(|bootstrap| {
            bootstrap
                .hcm("forward_client_cert_details", json!("SANITIZE_SET"))
                .hcm("set_current_client_cert_details", json!({"subject": true, "cert": true}))
        })
        .start();
    let tls = stage.client_tls();
    for client in [stage.tls_client(tls.clone().identity(&alice)), stage.tls_client(tls.clone().identity(&alice)).http2()] {
        let response = client.get("/");
        assert_eq!(response.status, 200);
        let xfcc = stage.upstream.last().header("x-forwarded-client-cert").expect("the certificate is forwarded");
        assert!(xfcc.starts_with(&format!("Hash={};", alice.fingerprint())), "{xfcc}");
    }
    for stranger in [tls.clone(), tls.clone().identity(&rogue.client("alice"))] {
        let refused = stage.tls_client(stranger).try_send(&Request::get("/"));
        assert!(matches!(refused, Err(ClientError::Closed(_) | ClientError::Tls(_))), "{refused:?}");
    }
    let mut expired = portcullis_harness::Leaf::new().common_name("alice").expired();
    expired = expired.extension("1.3.6.1.4.1.62329.1.1", portcullis_harness::der_utf8_sequence(&["a", "b"]));
    let refused = stage.tls_client(tls.identity(&members.issue(expired))).try_send(&Request::get("/"));
    assert!(refused.is_err(), "{refused:?}");
}

#[test]
fn sessions_are_resumed_only_where_that_is_on() {
    for (on, expected) in [(false, false), (true, true)] {
        let stage = Stage::new().without_guard().tls(|tls| if on { tls.resuming() } else { tls }).start();
        for tls in [stage.client_tls(), stage.client_tls().only_tls12()] {
            let client = stage.tls_client(tls.resuming());
            let mut resumed = Vec::new();
            for _ in 0..3 {
                let mut connection = client.connect().expect("a connection");
                connection.send(&Request::get("/")).expect("a response");
                resumed.push(connection.resumed());
            }
            assert_eq!(resumed, [false, expected, expected]);
        }
    }
}

#[test]
fn filter_chains_are_chosen_by_server_name() {
    let (a, b) = (Authority::new("a"), Authority::new("b"));
    let servers = Authority::new("servers");
    let stage = Stage::new()
        .without_guard()
        .tls(|tls| tls.server_names(&["a.test"]).clients_of(&a).required())
        .bootstrap(|bootstrap| {
            bootstrap.tls(TlsListener::new(&servers.server(&["b.test"])).server_names(&["b.test"]).clients_of(&b).required())
        })
        .start();
    let tls = stage.client_tls().identity(&a.client("alice"));
    assert_eq!(stage.tls_client(tls.clone().server_name("a.test")).get("/").status, 200);
    assert!(stage.tls_client(tls.clone().server_name("b.test")).try_send(&Request::get("/")).is_err());
    assert!(stage.tls_client(tls.without_server_name()).try_send(&Request::get("/")).is_err());
}

#[test]
fn a_redirect_of_the_upstream_is_followed_inside() {
    let stage = Stage::new().without_guard().bootstrap(Bootstrap::internal_redirects).start();
    stage.upstream.answer("/old", Answer::redirect("http://api.test/new"));
    assert_eq!(stage.get("/old").json()["path"], "/new");
    assert_eq!(stage.upstream.count(), 2);
}

#[test]
fn a_refused_configuration_tells_why() {
    let refused = Stage::new().bootstrap(|bootstrap| bootstrap.filter_before(json!({"name": "no.such.filter"}))).try_start();
    let failure = refused.err().expect("Envoy refuses it");
    assert!(failure.exit.is_some_and(|status| !status.success()), "{failure}");
    assert!(failure.log.contains("no.such.filter"), "{failure}");
    let (approved, log) = Launch::new(Bootstrap::new().text()).validate();
    assert!(!approved && log.contains("unknown cluster"), "{log}");
    let upstream = ([127, 0, 0, 1], 9).into();
    let (approved, log) = Launch::new(Bootstrap::new().cluster("upstream", upstream).text()).validate();
    assert!(approved, "{log}");
}

#[test]
fn envoy_started_directly_stops_cleanly() {
    let mut stage = Stage::new().without_guard().launch(|launch| launch.direct().log_level("info")).start();
    assert_eq!(stage.get("/").status, 200);
    stage.envoy.terminate();
    let status = stage.envoy.wait_for_exit(PATIENCE).expect("Envoy ends");
    assert!(status.success(), "{status}");
    stage.envoy.wait_for_log("exiting");
}

#[test]
fn envoy_ends_with_its_value() {
    for direct in [false, true] {
        let stage = Stage::new().without_guard().launch(|launch| if direct { launch.direct() } else { launch }).start();
        let (admin, folder) = (stage.envoy.admin_address(), stage.envoy.directory());
        assert!(folder.join("bootstrap.yaml").is_file());
        drop(stage);
        assert!(std::net::TcpStream::connect(admin).is_err(), "Envoy still listens");
        assert!(!folder.exists());
    }
}

#[test]
fn the_admin_interface_is_at_hand() {
    let stage = Stage::new().without_guard().concurrency(2).start();
    stage.get("/");
    stage.envoy.wait_for_stat("http.plain.downstream_rq_2xx", 1);
    assert_eq!(stage.envoy.stat("no.such.stat"), None);
    assert!(stage.envoy.config_dump()["configs"].is_array());
    let information: serde_json::Value = serde_json::from_str(&stage.envoy.admin("/server_info")).expect("JSON");
    assert_eq!(information["command_line_options"]["concurrency"], 2);
    assert!(stage.envoy.admin("/stats/prometheus").contains("envoy_"));
}

#[test]
fn the_upstream_misbehaves_as_told() {
    let mut stage = Stage::new().without_guard().start();
    stage.upstream.answer("/stream", Answer::stream("piece", Duration::from_millis(5)));
    let mut connection = stage.client().connect().expect("a connection");
    assert_eq!(connection.open(&Request::get("/stream")).expect("headers").status, 200);
    assert!(!connection.read(PATIENCE).expect("a piece").is_empty());
    stage.upstream.answer("/close", Answer::close());
    assert_eq!(stage.get("/close").status, 503);
    stage.upstream.answer("/truncated", Answer::truncated("{\"keys\": ["));
    let cut = stage.client().try_send(&Request::get("/truncated"));
    assert!(matches!(cut, Err(ClientError::Closed(_))), "{cut:?}");
    stage.upstream.answer("/hang", Answer::hang());
    let hung = stage.client().patience(Duration::from_millis(50)).try_send(&Request::get("/hang"));
    assert_eq!(hung.err(), Some(ClientError::Timeout));
    stage.upstream.stop();
    assert_eq!(stage.get("/").status, 503);
    stage.upstream.restart();
    assert_eq!(stage.get("/").status, 200);
}

#[test]
fn bytes_go_out_as_they_are() {
    let stage = Stage::new().without_guard().start();
    let mut connection = stage.client().connect().expect("a connection");
    connection.write(b"GET http://other.test:80/abs?q HTTP/1.1\r\nHost: x\r\nx-request-id: raw\r\n\r\n").expect("open");
    assert_eq!(connection.response().expect("a response").json()["path"], "/abs?q");
    assert_eq!(stage.envoy.access("raw")["authority"], "other.test:80");
    connection.write(b"G@T / HTTP/1.1\r\n\r\n").expect("open");
    assert_eq!(connection.response().expect("a response").status, 400);
}

#[test]
fn listeners_can_come_from_a_file_that_is_replaced() {
    let resource = |status: u16| {
        let reply = json!([{"match": {"prefix": "/"}, "direct_response": {"status": status}}]);
        let mut listener = Bootstrap::new().without_guard().routes(reply).listener(portcullis_harness::PLAIN).expect("a listener");
        listener["@type"] = json!("type.googleapis.com/envoy.config.listener.v3.Listener");
        listener["name"] = json!("dynamic");
        to_yaml(&json!({"resources": [listener]}))
    };
    let stage = Stage::new()
        .without_guard()
        .bootstrap(|bootstrap| {
            bootstrap.edit(|value| {
                value["dynamic_resources"] = json!({"lds_config": {"path_config_source": {"path": "{{directory}}/lds.yaml"}}});
            })
        })
        .launch(|launch| launch.file("lds.yaml", &resource(201)))
        .start();
    let status = || portcullis_harness::Client::new(stage.envoy.listener("dynamic")).get("/").status;
    assert_eq!(status(), 201);
    stage.envoy.replace_file("lds.yaml", &resource(202));
    poll(PATIENCE, || (status() == 202).then_some(())).expect("the new listener serves");
}
