//! A proxy ends the members' TLS and passes their certificates on: `envoy/icebreaker-one-behind-proxy.yaml`, for nginx as it
//! stands, and for the load balancer with the three lines changed that it marks.

use super::connection::garbage;
use super::gateway::{
    CONSUMPTION, Gateway, HEADER, INFO, NGINX, NO_CERTIFICATE, NO_ROLES, SUPPLY, VOLTAGES, both, detail, escaped, no_role, proxy_leaf,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, utf8_percent_encode};
use portcullis_harness::icebreaker_one::{APPLICATION, HEADERS, MEMBER, MEMBER_URL, REPORTER, ROLES, VOLTAGE_READER};
use portcullis_harness::{
    Authority, Bootstrap, Case, Certificate, Leaf, Request, Stage, Tls, TlsListener, cluster, der_utf8, der_utf8_sequence,
};
use serde_json::json;

/// What the load balancer calls it.
const LEAF: &str = "x-amzn-mtls-clientcert-leaf";
/// Python's `urllib.parse.quote`.
const PYTHON: &AsciiSet = &NGINX.remove(b'/');
/// The load balancer's, by its documentation: `+=/` are safe.
const BALANCER: &AsciiSet = &PYTHON.remove(b'+').remove(b'=');

/// Every way in which a proxy may write it.
fn forms(certificate: &Certificate) -> Vec<(&'static str, String)> {
    let escaped = |text: &str, set: &'static AsciiSet| utf8_percent_encode(text, set).to_string();
    let (pem, chain, base64) = (certificate.pem(), certificate.chain_pem(), STANDARD.encode(certificate.der()));
    assert_eq!(chain.matches("BEGIN").count(), 2, "a leaf and its issuer");
    let lower = |text: String| text.replace("%2B", "%2b").replace("%2F", "%2f").replace("%0A", "%0a").replace("%3D", "%3d");
    vec![
        ("nginx", escaped(&pem, NGINX)),
        ("the load balancer", escaped(&pem, BALANCER)),
        ("the load balancer, as its documentation's example is", escaped(&pem, BALANCER).replace('=', "%3D")),
        ("Python", escaped(&pem, PYTHON)),
        ("a chain, by nginx's set", escaped(&chain, NGINX)),
        ("a chain, by the load balancer's", escaped(&chain, BALANCER)),
        ("16: lower-case hex", lower(escaped(&pem, NGINX))),
        ("CR LF", escaped(&pem.replace('\n', "\r\n"), NGINX)),
        ("no line end at its end", escaped(pem.trim_end(), NGINX)),
        ("text before it", escaped(&format!("subject=CN = x\n{pem}"), NGINX)),
        (
            "one line of base64",
            escaped(
                &pem.replace('\n', "")
                    .replace("-----BEGIN CERTIFICATE-----", "-----BEGIN CERTIFICATE-----\n")
                    .replace("-----END", "\n-----END"),
                NGINX,
            ),
        ),
        ("base64 alone", base64.clone()),
        ("RFC 9440", format!(":{base64}:")),
    ]
}

/// Entries 1, 2, 3, 8, 13, 14 and 16.
#[test]
fn however_it_is_written_the_verdict_is_the_same() {
    for (gateway, header) in [(Gateway::behind_nginx().start(), HEADER), (Gateway::behind_load_balancer().start(), LEAF)] {
        let mut cases = Vec::new();
        for scheme in [&gateway.old, &gateway.new] {
            let (one, two) = (scheme.application_one(), scheme.application_two());
            let without = scheme.issue(scheme.application("Application Three", "3"));
            for ((how, of_one), ((_, of_two), (_, of_three))) in forms(&one).into_iter().zip(forms(&two).into_iter().zip(forms(&without))) {
                let case = |path: &str, value: &str, what: &str| {
                    gateway.bare(path).header(header, value).named(format!("8: {header}, {how}, {what}"))
                };
                let passes = |case: Case, certificate: &Certificate| {
                    let case = case.upstream(HEADER, &escaped(certificate)).upstream("verified", "SUCCESS");
                    if header == HEADER { case } else { case.upstream_absent(header) }
                };
                let reads = case(SUPPLY, &of_one, "1: application one").expect(200).body_contains(VOLTAGES);
                cases.extend(both(&passes(reads, &one)));
                cases.push(passes(case(CONSUMPTION, &of_two, "application two").expect(404), &two));
                cases.push(passes(case(INFO, &of_three, "14: without roles").expect(200), &without));
                let refused = case(SUPPLY, &of_two, "2: application two");
                cases.extend(both(&detail(refused, &no_role(VOLTAGE_READER)).reason("role_missing")));
                cases.push(detail(case(SUPPLY, &of_three, "3: without roles"), NO_ROLES).reason("roles_absent"));
            }
        }
        gateway.stage.check(cases);
    }
}

/// Entries 4, 5, 6 and 7.
#[test]
fn nobody_elses_word_is_taken() {
    let gateway = Gateway::behind_nginx().start();
    let one = gateway.old.application_one();
    let value = escaped(&one);
    let mut cases = Vec::new();
    for path in [SUPPLY, INFO] {
        cases.extend(both(&detail(gateway.bare(path).named("4: nobody"), NO_CERTIFICATE).reason("certificate_missing")));
        cases.extend(both(&detail(gateway.bare(path).header(HEADER, "").named("4: nginx, for nobody"), NO_CERTIFICATE)));
    }
    // What a proxy doesn't know of it passes on.
    for name in HEADERS.iter().skip(1).chain(&["x-forwarded-client-cert", "client-cert", "ssl-client-cert", "x.amzn.mtls.clientcert"]) {
        let nobody = gateway.bare(SUPPLY).header(name, &value).named(format!("5: {name}"));
        cases.push(detail(nobody, NO_CERTIFICATE).reason("certificate_missing"));
        if !name.contains("client-cert") || *name == "x-forwarded-client-cert" {
            cases.push(
                gateway.bare(INFO).header(HEADER, &value).header(name, &value).expect(200).upstream_absent(name).upstream(HEADER, &value),
            );
        }
    }
    // A client's own beside the proxy's.
    let two = escaped(&gateway.old.application_two());
    for case in [
        gateway.bare(SUPPLY).header(HEADER, &two).header(HEADER, &value).named("5: twice"),
        gateway.bare(SUPPLY).header(HEADER, &value).header("X-Amzn-Mtls-Clientcert", &value).named("5: twice the same"),
        gateway.bare(SUPPLY).header(HEADER, format!("{two},{value}")).named("5: joined"),
        gateway.bare(SUPPLY).header(HEADER, format!("{two}, {value}")).named("5: joined with a blank"),
    ] {
        cases.extend(both(&case.expect(400).reason("credential_ambiguous")));
    }
    // Other holders of certificates for proxies are no proxies.
    for (what, leaf) in [
        ("another", Leaf::new().common_name("nginx").dns("other.internal")),
        ("the name in the CN", Leaf::new().common_name("proxy.internal")),
        ("a longer name", Leaf::new().dns("a.proxy.internal").dns("proxy.internal.test")),
        ("a wildcard", Leaf::new().dns("*.internal")),
    ] {
        let other = gateway.get(SUPPLY, &gateway.proxies.issue(leaf)).header(HEADER, &value).named(format!("6: {what}"));
        cases.extend(both(&other.expect(401).reason("certificate_untrusted_source")));
    }
    gateway.stage.check(cases);
    gateway.refuses_handshake("6: a member as proxy", &one);
    gateway.refuses_handshake("6: another authority's proxy", &Authority::new("proxies").issue(proxy_leaf()));
    gateway.refuses_handshake("12: a proxy's expired certificate", &gateway.proxies.issue(proxy_leaf().expired()));
    // As nginx speaks unless told otherwise.
    let mut connection = gateway.stage.tls_client(gateway.tls()).connect().expect("a connection");
    connection.write(b"GET /api/v1/info HTTP/1.0\r\nHost: api.test\r\n\r\n").expect("open");
    assert_eq!(connection.response().expect("a response").status, 426);
    let nobody = gateway.stage.tls_client(Tls::new(&gateway.servers)).try_send(&Request::get(SUPPLY).header(HEADER, &value));
    assert!(nobody.is_err(), "{nobody:?}");
    // Behind the load balancer the other header is not the one.
    let gateway = Gateway::behind_load_balancer().start();
    gateway.stage.check([
        detail(gateway.bare(SUPPLY).named("4: nobody"), NO_CERTIFICATE).reason("certificate_missing"),
        detail(gateway.bare(SUPPLY).header(HEADER, &value).named("5: nginx's header"), NO_CERTIFICATE).reason("certificate_missing"),
        gateway.bare(SUPPLY).header(LEAF, escaped(&gateway.old.application_one())).named("1: its own").expect(200),
    ]);
}

/// Entries 9, 10 and 12.
#[test]
fn roles_and_dates_are_judged_as_in_a_connections_certificate() {
    let gateway = Gateway::behind_nginx().start();
    let mut cases = Vec::new();
    for scheme in [&gateway.old, &gateway.new] {
        let leaf = || scheme.application("A", "1");
        let sequence = der_utf8_sequence(&[VOLTAGE_READER]);
        let reader = || leaf().extension(ROLES, sequence.clone());
        let sent = |path: &str, leaf: Leaf, what: &str| gateway.bare(path).header(HEADER, escaped(&scheme.issue(leaf))).named(what);
        let many: Vec<String> = (0..60).map(|number| format!("https://registry.estf.ib1.org/scheme/electricty/role/{number}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).chain([VOLTAGE_READER]).collect();
        cases.push(sent(SUPPLY, leaf().extension(ROLES, der_utf8_sequence(&[REPORTER, VOLTAGE_READER])), "9: the second").expect(200));
        cases.push(sent(SUPPLY, leaf().extension(ROLES, der_utf8_sequence(&many)), "9: the last of 61").expect(200));
        for role in [format!("{VOLTAGE_READER}/"), format!("{VOLTAGE_READER}\0"), VOLTAGE_READER.to_uppercase(), String::new()] {
            let case = sent(SUPPLY, leaf().extension(ROLES, der_utf8_sequence(&[&role])), "9: almost");
            cases.push(detail(case, &no_role(VOLTAGE_READER)).reason("role_missing"));
        }
        for id in [APPLICATION, MEMBER] {
            let case = sent(SUPPLY, Leaf::new().common_name(MEMBER_URL).extension(id, der_utf8(VOLTAGE_READER)), "10: elsewhere");
            cases.push(detail(case, NO_ROLES).reason("roles_absent"));
        }
        let mut strings = vec![der_utf8(VOLTAGE_READER), sequence[..sequence.len() - 1].to_vec(), [&sequence[..], b"\0"].concat()];
        for (at, tag) in [(2, 0x16), (0, 0x31)] {
            let mut value = sequence.clone();
            value[at] = tag;
            strings.push(value);
        }
        for value in strings {
            cases.push(sent(SUPPLY, leaf().extension(ROLES, value), "10: another type").expect(401).reason("certificate_malformed"));
        }
        for path in [SUPPLY, INFO] {
            cases.extend(both(&sent(path, reader().expired(), "12: expired").expect(401).reason("certificate_expired")));
            cases.extend(both(&sent(path, reader().valid(3600, 7200), "12: not valid yet").expect(401).reason("certificate_expired")));
        }
    }
    gateway.stage.check(cases);
}

/// Entries 11 and 16.
#[test]
fn garbage_in_the_header_is_refused_and_nothing_breaks() {
    for (gateway, header) in [(Gateway::behind_nginx().start(), HEADER), (Gateway::behind_load_balancer().start(), LEAF)] {
        let one = gateway.old.application_one();
        let (pem, base64) = (escaped(&one), STANDARD.encode(one.der()));
        let mut values = garbage(&pem);
        values.retain(|(what, _)| *what != "nothing");
        values.extend([
            ("16: a plus that became a blank", pem.replace("%2B", "%20").into_bytes()),
            ("16: form encoding", pem.replace("%20", "+").into_bytes()),
            ("bare base64, cut", base64.as_bytes()[..base64.len() - 8].to_vec()),
            ("half a byte sequence", format!(":{base64}").into_bytes()),
            (
                "its issuer first",
                utf8_percent_encode(&format!("{}{}", gateway.old.issuer.pem(), one.pem()), NGINX).to_string().into_bytes(),
            ),
            ("a private key first", utf8_percent_encode(&format!("{}{}", one.key_pem(), one.pem()), NGINX).to_string().into_bytes()),
            ("another kind of PEM", pem.replace("CERTIFICATE", "X509%20CRL").into_bytes()),
            ("a NUL", b"%00".to_vec()),
            ("only beginnings", "-----BEGIN ".repeat(2000).into_bytes()),
            ("percent signs", b"%".repeat(20_000)),
        ]);
        let mut cases = Vec::new();
        for (what, value) in &values {
            for path in [SUPPLY, INFO] {
                let case = gateway.bare(path).header(header, value).named(format!("11: {header}, {what}, {path}"));
                // An issuer is a certificate, too: it has a name, but no role.
                let case = match *what {
                    "its issuer first" if path == INFO => case.expect(200),
                    "its issuer first" => detail(case, NO_ROLES).reason("roles_absent"),
                    _ => detail(case, "Unauthorized").reason("certificate_malformed"),
                };
                cases.extend(both(&case));
                cases.push(
                    gateway
                        .bare(path)
                        .header(header, value)
                        .header(header, value)
                        .named(format!("11: {what}, twice"))
                        .expect(400)
                        .reason("credential_ambiguous"),
                );
            }
        }
        cases.push(gateway.bare(SUPPLY).header(header, "A".repeat(64 * 1024)).named("11: 64 KiB").expect(431).not_upstream());
        gateway.resets_vast_headers(gateway.tls(), header);
        cases.push(gateway.bare(SUPPLY).header(header, &pem).named("after all that").expect(200));
        gateway.stage.check(cases);
        let client = gateway.stage.tls_client(gateway.tls());
        for bytes in [&b"\x01"[..], b"a\0b", b"a\rb"] {
            if let Ok(response) = client.try_send(&Request::get(SUPPLY).header(header, bytes)) {
                assert!((400..500).contains(&response.status), "{bytes:?}: {}", response.status);
            }
        }
        gateway.stage.check([gateway.bare(SUPPLY).header(header, &pem).named("alive").expect(200)]);
        gateway.tells_nothing_of(&[&pem[200..300], &base64[100..160], &one.key_pem()[60..120], "panicked"]);
    }
}

/// Entries 1, 2, 5, 6 and 8, with a real proxy: another Envoy in front that ends the members' TLS, and writes the certificate as Envoy writes it into
/// `x-forwarded-client-cert`, too.
#[test]
fn behind_another_envoy() {
    let gateway = Gateway::behind_nginx().start();
    let proxy = gateway.proxies.issue(proxy_leaf());
    let address = gateway.stage.envoy.listener("https");
    let mut next = cluster("next", address);
    next["transport_socket"] = json!({"name": "envoy.transport_sockets.tls", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "common_tls_context": {
            "tls_certificates": [{
                "certificate_chain": {"inline_string": proxy.chain_pem()},
                "private_key": {"inline_string": proxy.key_pem()},
            }],
            "validation_context": {"trusted_ca": {"inline_string": gateway.servers.pem()}},
        },
    }});
    let passes_on = |bootstrap: Bootstrap| {
        let routes = json!([{"match": {"prefix": "/"}, "route": {"cluster": "next"}, "request_headers_to_add": [
            {"header": {"key": HEADER, "value": "%DOWNSTREAM_PEER_CERT%"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD", "keep_empty_value": true},
        ]}]);
        bootstrap.cluster_value(next).routes(routes)
    };
    let server = gateway.servers.server(&["api.test"]);
    let roots = &gateway.old.root;
    let front = Stage::new().without_guard().bootstrap(passes_on).tls(|_| TlsListener::new(&server).clients_of(roots)).start();
    let (one, two) = (gateway.old.application_one(), gateway.old.application_two());
    let ask = |certificate: Option<&Certificate>, spoofed: Option<&Certificate>, http2: bool| {
        let tls = Tls::new(&gateway.servers);
        let client = front.tls_client(certificate.map_or(tls.clone(), |certificate| tls.identity(certificate)));
        let request = spoofed.iter().fold(Request::get(SUPPLY), |request, spoofed| request.header(HEADER, escaped(spoofed)));
        let response = if http2 { client.http2() } else { client }.send(&request);
        (response.status, response.text())
    };
    let refused = |text: &str| (401, json!({ "detail": text }).to_string());
    for http2 in [false, true] {
        assert_eq!(ask(Some(&one), None, http2), (200, VOLTAGES.to_owned()));
        assert_eq!(gateway.stage.upstream.last().header(HEADER), Some(escaped(&one)));
        let count = gateway.stage.upstream.count();
        assert_eq!(ask(Some(&two), None, http2), refused(&no_role(VOLTAGE_READER)));
        assert_eq!(ask(Some(&two), Some(&one), http2), refused(&no_role(VOLTAGE_READER)));
        assert_eq!(ask(None, None, http2), refused(NO_CERTIFICATE));
        assert_eq!(ask(None, Some(&one), http2), refused(NO_CERTIFICATE));
        assert_eq!(gateway.stage.upstream.count(), count);
    }
}
