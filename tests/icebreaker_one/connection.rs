//! Envoy ends the members' TLS: `envoy/icebreaker-one.yaml`.

use super::gateway::{CONSUMPTION, Gateway, HEADER, INFO, NO_CERTIFICATE, NO_ROLES, SUPPLY, VOLTAGES, both, detail, escaped, no_role};
use portcullis_harness::icebreaker_one::{
    APPLICATION, CONSUMPTION_READER, HEADERS, MEMBER, MEMBER_URL, REPORTER, ROLES, Scheme, VOLTAGE_READER,
};
use portcullis_harness::{Authority, Case, Certificate, Leaf, PATIENCE, Request, der_utf8, der_utf8_sequence, poll};
use x509_cert::der::{Decode, DecodePem};

#[test]
fn certificates_have_the_demonstrations_shapes() {
    let extensions = |certificate: &Certificate| {
        let certificate = x509_cert::Certificate::from_der(&certificate.der()).expect("a certificate");
        let list = certificate.tbs_certificate().extensions().cloned().unwrap_or_default();
        let mut ids: Vec<_> = list.iter().map(|extension| (extension.extn_id.to_string(), extension.critical)).collect();
        ids.sort();
        let roles = list.iter().find(|extension| extension.extn_id.to_string() == ROLES).map(|roles| roles.extn_value.as_bytes().to_vec());
        let key = certificate.tbs_certificate().subject_public_key_info().algorithm.oid.to_string();
        (ids, roles.unwrap_or_default(), key, certificate.tbs_certificate().subject().to_string())
    };
    let (ids, roles, key, subject) = extensions(&Scheme::of_2024().application_one());
    let known = |list: &[(&str, bool)]| list.iter().map(|(id, critical)| ((*id).to_owned(), *critical)).collect::<Vec<_>>();
    // The roles, the application, and the two key identifiers.
    assert_eq!(
        ids,
        known(&[("1.3.6.1.4.1.62329.1.1", false), ("1.3.6.1.4.1.62329.1.2", false), ("2.5.29.14", false), ("2.5.29.35", false)])
    );
    assert_eq!((roles.len(), &roles[..5]), (143, &[0x30, 0x81, 0x8c, 0x0c, 0x4a][..]));
    assert_eq!(key, "1.2.840.113549.1.1.1");
    assert_eq!(subject, format!("CN={MEMBER_URL},O=Application One,ST=London,C=GB"));
    // Likewise, with the member, key usage and an alternative name.
    let (ids, _, key, _) = extensions(&Scheme::of_2025().application_one());
    let expected = [
        ("1.3.6.1.4.1.62329.1.1", false),
        ("1.3.6.1.4.1.62329.1.3", false),
        ("2.5.29.14", false),
        ("2.5.29.15", true),
        ("2.5.29.17", false),
        ("2.5.29.35", false),
    ];
    assert_eq!(ids, known(&expected));
    assert_eq!(key, "1.2.840.10045.2.1");
}

/// Entries 1, 13 and 14.
#[test]
fn who_passes_and_what_the_service_gets() {
    let gateway = Gateway::direct().start();
    let mut cases = Vec::new();
    for (shape, scheme) in [("of 2024", &gateway.old), ("of 2025", &gateway.new)] {
        let (one, two) = (scheme.application_one(), scheme.application_two());
        let without = scheme.issue(scheme.application("Application Three", "3"));
        let named = |case: Case, what: &str| case.named(format!("{what}, {shape}"));
        let sent = |case: Case, certificate: &Certificate| case.upstream(HEADER, &escaped(certificate)).upstream("verified", "SUCCESS");
        let mut both = |case: Case| cases.extend(both(&case));
        both(sent(named(gateway.get(SUPPLY, &one), "1: application one").expect(200), &one).upstream_path(SUPPLY).body_contains(VOLTAGES));
        both(sent(named(gateway.get(CONSUMPTION, &two), "application two, what it may").expect(404), &two).access("verdict", "allow"));
        for (who, certificate) in [("one", &one), ("two", &two), ("without roles", &without)] {
            both(sent(named(gateway.get(INFO, certificate), &format!("14: {who}")).expect(200), certificate));
            both(named(gateway.get("/", certificate), who).expect(200).body_contains(r#"{"urls":["/api/v1/"]}"#));
            both(named(gateway.get("/api/v1", certificate), who).expect(200).body_contains(r#"{"urls":["/api/v1/consumption"]}"#));
            both(named(gateway.get("/api/v1/", certificate), who).expect(307).answer("location", "/api/v1"));
        }
        // The service judges the rest of a request that it may see.
        both(named(gateway.get("/api/v1/supply-voltage", &one), "without a period").expect(422));
        both(named(gateway.get("/elsewhere", &one), "no rule").expect(403).reason("no_rule"));
        cases.push(Case::get(SUPPLY).tls(&gateway.tls_of(&one).only_tls12()).named("TLS 1.2").expect(200));
    }
    gateway.stage.check(cases);
    // Nothing in it could be read in two ways: Python's unquote() gives the very PEM.
    let received = gateway.stage.upstream.received();
    assert!(received.iter().all(|received| received.header_values(HEADER).len() == 1 && received.header("x-auth-subject").is_none()));
    let value = received.first().and_then(|received| received.header(HEADER)).expect("a certificate");
    assert!(value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte)), "{value}");
    let pem = percent_encoding::percent_decode_str(&value).decode_utf8().expect("text");
    x509_cert::Certificate::from_pem(pem.as_bytes()).expect("a certificate in PEM");
}

/// Entries 2, 3 and 4.
#[test]
fn refusals_are_in_the_services_own_words() {
    let gateway = Gateway::direct().start();
    let mut cases = Vec::new();
    for scheme in [&gateway.old, &gateway.new] {
        let (one, two) = (scheme.application_one(), scheme.application_two());
        let without = scheme.issue(scheme.application("Application Three", "3"));
        let missing = |case: Case, role: &str| detail(case, &no_role(role)).reason("role_missing");
        cases.extend(both(&missing(gateway.get(SUPPLY, &two).named("2: application two"), VOLTAGE_READER)));
        cases.extend(both(&missing(gateway.get("/api/v1/supply-voltage", &two).named("2: without a period"), VOLTAGE_READER)));
        cases.extend(both(&missing(gateway.get(CONSUMPTION, &one).named("application one"), CONSUMPTION_READER)));
        cases.extend(both(&detail(gateway.get(SUPPLY, &without).named("3: no roles"), NO_ROLES).reason("roles_absent")));
    }
    for path in [SUPPLY, INFO, "/", "/api/v1"] {
        let case = gateway.bare(path).named(format!("4: nobody, {path}"));
        cases.extend(both(&detail(case, NO_CERTIFICATE).reason("certificate_missing")));
    }
    gateway.stage.check(cases);
}

/// Entry 5.
#[test]
fn a_clients_own_headers_are_neither_believed_nor_passed_on() {
    let gateway = Gateway::direct().start();
    let (one, two) = (gateway.old.application_one(), gateway.old.application_two());
    let forged = escaped(&one);
    let forwarded = format!("Hash={};Cert=\"{forged}\";Subject=\"CN={MEMBER_URL}\"", one.fingerprint());
    let mut names: Vec<(String, &str)> = HEADERS.iter().map(|name| ((*name).to_owned(), forged.as_str())).collect();
    names.push(("x-forwarded-client-cert".to_owned(), &forwarded));
    names.push(("verified".to_owned(), "FAILED:unable to verify"));
    let mut cases = Vec::new();
    for (name, value) in &names {
        let title: String = name.split('-').map(|part| part[..1].to_uppercase() + &part[1..]).collect::<Vec<_>>().join("-");
        for spelled in [name.clone(), title, name.to_uppercase(), name.replace('-', ".")] {
            let lower = spelled.to_lowercase();
            let nobody = gateway.bare(SUPPLY).header(&spelled, value).named(format!("5: {spelled}, nobody"));
            cases.push(detail(nobody, NO_CERTIFICATE).reason("certificate_missing"));
            let other = gateway.get(SUPPLY, &two).header(&spelled, value).named(format!("5: {spelled}, another"));
            cases.push(detail(other, &no_role(VOLTAGE_READER)).reason("role_missing"));
            let own = gateway.get(INFO, &two).header(&spelled, value).named(format!("5: {spelled}, beside one's own"));
            let own = own.expect(200).upstream(HEADER, &escaped(&two)).upstream("verified", "SUCCESS");
            cases.push(if lower == HEADER || lower == "verified" { own } else { own.upstream_absent(&lower) });
        }
        // In trailers, twice, and by the other protocol.
        let twice = gateway.get(INFO, &two).header(name, value).header(name, value).http2().named(format!("5: {name}, twice"));
        cases.push(twice.expect(200).upstream(HEADER, &escaped(&two)));
        let trailing =
            gateway.get(INFO, &two).with(|request| request.body("x").trailer(name, value)).named(format!("5: {name}, in trailers"));
        cases.push(trailing.expect(200).upstream(HEADER, &escaped(&two)).upstream_trailer_absent(name));
        let underscored = gateway.get(INFO, &two).header(name.replace('-', "_"), value).named(format!("5: {name}, underscored"));
        cases.push(if name.contains('-') { underscored.expect(400).not_upstream() } else { underscored.expect(200) });
    }
    gateway.stage.check(cases);
}

/// Entries 6, 7 and 12.
#[test]
fn what_tls_refuses() {
    let gateway = Gateway::direct().start();
    for scheme in [&gateway.old, &gateway.new] {
        let reader = || scheme.application("Application One", "38936455").extension(ROLES, der_utf8_sequence(&[VOLTAGE_READER]));
        let good = scheme.issue(reader());
        gateway.stage.check([gateway.get(SUPPLY, &good).expect(200)]);
        // The same names, and keys of somebody else's: the demonstration's are fixed here, so the other shape.
        let (rogue, others) = (Scheme::of_2025(), Authority::new("others"));
        gateway.refuses_handshake("6: another authority of the same name", &rogue.issue(reader()));
        gateway.refuses_handshake("6: another authority", &others.issue(reader()));
        gateway.refuses_handshake("6: of the authority of servers", &gateway.servers.issue(reader()));
        gateway.refuses_handshake("6: the server's own", &gateway.servers.server(&["api.test"]));
        gateway.refuses_handshake("7: without its issuer's", &good.clone().alone());
        gateway.refuses_handshake("12: expired", &scheme.issue(reader().expired()));
        gateway.refuses_handshake("12: not valid yet", &scheme.issue(reader().valid(3600, 7200)));
        // Another role in it, of the same length: the signature is for what was.
        let two = scheme.application_two();
        let old = REPORTER.as_bytes();
        let at = two.der().windows(old.len()).position(|window| window == old).expect("a role");
        let mut der = two.der();
        der[at] = b'H';
        gateway.refuses_handshake("forged", &two.with_der(der));
    }
    let log = gateway.stage.envoy.access_log();
    let failures =
        || log.entries().iter().filter(|entry| entry["tls_failure"].as_str().is_some_and(|why| why.contains("VERIFY_FAILED"))).count();
    assert!(poll(PATIENCE, || (failures() >= 16).then_some(())).is_some(), "{}", log.text());
}

/// Entry 9.
#[test]
fn roles_are_compared_whole() {
    let gateway = Gateway::direct().start();
    let many: Vec<String> = (0..60).map(|number| format!("https://registry.estf.ib1.org/scheme/electricty/role/{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).chain([VOLTAGE_READER]).collect();
    let mut cases = Vec::new();
    for scheme in [&gateway.old, &gateway.new] {
        let of = |roles: &[&str]| scheme.issue(scheme.application("A", "1").extension(ROLES, der_utf8_sequence(roles)));
        for (what, roles) in
            [("the second of two", &[REPORTER, VOLTAGE_READER][..]), ("the only one", &[VOLTAGE_READER]), ("the last of 61", &many)]
        {
            cases.push(gateway.get(SUPPLY, &of(roles)).named(format!("9: {what}")).expect(200));
        }
        let almost = [
            VOLTAGE_READER.trim_end_matches('r').to_owned(),
            VOLTAGE_READER.trim_start_matches('h').to_owned(),
            format!("{VOLTAGE_READER}s"),
            format!("x{VOLTAGE_READER}"),
            VOLTAGE_READER.to_uppercase(),
            VOLTAGE_READER.replace("electricty", "electricity"),
            format!("{VOLTAGE_READER}/"),
            format!("{VOLTAGE_READER}\0"),
            format!("{VOLTAGE_READER}\0x"),
            format!(" {VOLTAGE_READER}"),
            format!("{REPORTER},{VOLTAGE_READER}"),
            String::new(),
        ];
        for role in &almost {
            let case = gateway.get(SUPPLY, &of(&[role, REPORTER])).named(format!("9: {role:?}"));
            cases.push(detail(case, &no_role(VOLTAGE_READER)).reason("role_missing"));
        }
        // An empty list says something of roles: that there are none.
        cases.push(detail(gateway.get(SUPPLY, &of(&[])).named("9: an empty list"), &no_role(VOLTAGE_READER)).reason("role_missing"));
    }
    gateway.stage.check(cases);
}

/// Entry 10.
#[test]
fn roles_elsewhere_or_of_another_type() {
    let gateway = Gateway::direct().start();
    let sequence = der_utf8_sequence(&[VOLTAGE_READER]);
    let changed = |at: usize, to: u8| {
        let mut value = sequence.clone();
        value[at] = to;
        value
    };
    let text = der_utf8(VOLTAGE_READER);
    let shapes = [
        ("a UTF8String alone", text.clone()),
        ("IA5String", changed(2, 0x16)),
        ("PrintableString", changed(2, 0x13)),
        ("SET", changed(0, 0x31)),
        ("truncated", sequence[..sequence.len() - 1].to_vec()),
        ("cut after the header", sequence[..2].to_vec()),
        ("a byte behind it", [&sequence[..], b"\0"].concat()),
        ("another list behind it", [&sequence[..], &sequence[..]].concat()),
        ("a long form where a short one would do", [&[0x30, 0x81, sequence[1]], &sequence[2..]].concat()),
        ("an indefinite length", [&[0x30, 0x80], &sequence[2..], &[0, 0]].concat()),
        ("not UTF-8", [&[0x30, 0x04, 0x0c, 0x02][..], &[0xff, 0xfe]].concat()),
        ("nothing", Vec::new()),
        ("garbage", vec![0xff; 200]),
        ("a length beyond the end", vec![0x30, 0x84, 0xff, 0xff, 0xff, 0xff]),
        ("64 KiB of it", [&[0x30, 0x83, 0x01, 0x00, 0x00][..], &[0; 60_000]].concat()),
    ];
    let mut cases = Vec::new();
    for scheme in [&gateway.old, &gateway.new] {
        let leaf = || Leaf::new().common_name(MEMBER_URL);
        for (id, value) in [(APPLICATION, &text), (APPLICATION, &sequence), (MEMBER, &text), (MEMBER, &sequence)] {
            let case = gateway.get(SUPPLY, &scheme.issue(leaf().extension(id, value.clone()))).named(format!("10: the role in {id}"));
            cases.push(detail(case, NO_ROLES).reason("roles_absent"));
        }
        let by_name = scheme.issue(leaf().organizational_unit("supply-voltage-reader@electricity").organizational_unit(VOLTAGE_READER));
        cases.push(detail(gateway.get(SUPPLY, &by_name).named("10: in the subject, as once"), NO_ROLES).reason("roles_absent"));
        for (what, value) in &shapes {
            let certificate = scheme.issue(leaf().extension(ROLES, value.clone()));
            for path in [SUPPLY, INFO] {
                let case = gateway.get(path, &certificate).named(format!("10: {what}")).expect(401).reason("certificate_malformed");
                cases.push(case.body_contains(r#"{"detail":"Unauthorized"}"#));
            }
        }
        let critical = scheme.issue(leaf().critical_extension(ROLES, sequence.clone()));
        gateway.refuses_handshake("10: marked critical, which TLS doesn't know", &critical);
    }
    gateway.stage.check(cases);
}

/// Entry 11, and what else can be thrown at it.
#[test]
fn garbage_is_refused_and_nothing_breaks() {
    let gateway = Gateway::direct().start();
    let (one, two) = (gateway.old.application_one(), gateway.old.application_two());
    let pem = escaped(&one);
    let mut cases = Vec::new();
    for (what, value) in garbage(&pem) {
        for name in [HEADER, "x-forwarded-client-cert", "authorization", "cookie"] {
            let nobody = gateway.bare(SUPPLY).header(name, &value).named(format!("11: {what} in {name}, nobody"));
            cases.extend(both(&detail(nobody, NO_CERTIFICATE).reason("certificate_missing")));
            let member = gateway.get(SUPPLY, &one).header(name, &value).named(format!("11: {what} in {name}, application one"));
            cases.extend(both(&member.expect(200).upstream(HEADER, &pem)));
            let other = gateway
                .get(SUPPLY, &two)
                .header(name, &value)
                .header(name, &value)
                .named(format!("11: {what} in {name}, twice, application two"));
            cases.extend(both(&detail(other, &no_role(VOLTAGE_READER)).reason("role_missing")));
        }
    }
    for certificate in [None, Some(&one)] {
        let case = |path: &str| certificate.map_or_else(|| gateway.bare(path), |certificate| gateway.get(path, certificate));
        // Envoy takes no more than 60 KiB of headers.
        cases.push(case(SUPPLY).header(HEADER, "A".repeat(64 * 1024)).named("11: 64 KiB").expect(431).not_upstream());
        gateway.resets_vast_headers(certificate.map_or_else(|| gateway.tls(), |certificate| gateway.tls_of(certificate)), HEADER);
        let refused = |path: &str| case(path).named(format!("11: {path:?}")).expect(400).not_upstream();
        for path in ["/api/v1/supply-voltage;x?period=1", "/api/v1/%2573upply-voltage", "/api/v1/supply-voltage%5c"] {
            cases.extend(both(&refused(path)));
        }
    }
    // The paths that Envoy or the service would take for another's are no way around the role.
    for path in [
        "/api/v1/../v1/supply-voltage",
        "//api/v1/supply-voltage",
        "/api/v1/%73upply-voltage",
        "/./api/v1/info/../supply-voltage",
        "/api/v1/supply-voltage/",
    ] {
        let case = gateway.get(&format!("{path}?period=2023-07"), &two).named(format!("11: {path}"));
        cases.extend(both(&detail(case, &no_role(VOLTAGE_READER)).reason("role_missing")));
    }
    for path in ["/API/v1/supply-voltage", "/api/v1/supply-voltages", "/api/v1/Info", "/api/v1/info/x", "/api/v1/x", "/docs"] {
        cases.extend(both(&gateway.get(path, &two).named(format!("11: {path}")).expect(403).reason("no_rule")));
    }
    cases.push(gateway.get(SUPPLY, &one).named("after all that").expect(200).body_contains(VOLTAGES));
    gateway.stage.check(cases);
    // HTTP/2 can't send these bytes, HTTP/1.1 can: Envoy itself may refuse them, and nothing worse.
    let client = gateway.stage.tls_client(gateway.tls_of(&two));
    for bytes in [&b"\xff\xfe\x80"[..], b"\x01", b"a\0b", b"a\rb"] {
        if let Ok(response) = client.try_send(&Request::get(SUPPLY).header(HEADER, bytes)) {
            assert!((400..500).contains(&response.status), "{bytes:?}: {}", response.status);
        }
    }
    gateway.stage.check([gateway.get(SUPPLY, &one).named("alive").expect(200)]);
    gateway.tells_nothing_of(&[&pem[200..300], &one.pem()[100..160], &two.pem()[100..160], "panicked"]);
}

/// What stands in headers where a certificate would.
pub fn garbage(pem: &str) -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("nothing", Vec::new()),
        ("garbage", b"garbage".to_vec()),
        ("bytes that are no UTF-8", b"\xff\xfe\x80".to_vec()),
        ("escaped bytes", b"%FF%FE%00%0D%0A".to_vec()),
        ("half a certificate", pem.as_bytes()[..pem.len() / 2].to_vec()),
        ("a percent sign in its midst", [&pem.as_bytes()[..300], b"%", &pem.as_bytes()[300..]].concat()),
        ("twice escaped", pem.replace('%', "%25").into_bytes()),
        ("16 KiB", "A".repeat(16 * 1024).into_bytes()),
    ]
}
