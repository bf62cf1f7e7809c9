//! Client certificates, over real TLS: who members are, what they may do, and what everybody else tries.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "helpers of tests")]

use portcullis_harness::{
    Authority, Case, Certificate, Client, Leaf, Request, RunningStage, Stage, Tls, TlsListener, der_octets, der_utf8, der_utf8_sequence,
    fresh_request_id,
};
use serde_json::json;
use x509_cert::der::{DecodePem, Encode};

/// Icebreaker One's extensions: the roles; the application, in certificates of 2024; the member.
const ROLES: &str = "1.3.6.1.4.1.62329.1.1";
const APPLICATION: &str = "1.3.6.1.4.1.62329.1.2";
const MEMBER: &str = "1.3.6.1.4.1.62329.1.3";

/// "electricty" is how the registry spells it.
const READER: &str = "https://registry.estf.ib1.org/scheme/electricty/role/supply-voltage-reader";
const REPORTER: &str = "https://registry.estf.ib1.org/scheme/electricty/group/reporter";
const APP_ONE: &str = "https://directory.estf.ib1.org/member/2876152";

const CONFIG: &str = r#"
providers:
  members:
    client_certificate:
      identity:
        roles: {extension: 1.3.6.1.4.1.62329.1.1, type: utf8_sequence}
        grants: {alice: [granted, second]}
        attributes:
          member: {extension: 1.3.6.1.4.1.62329.1.3, type: utf8}
          organization: {dn: O}
          number: {dn: organizationIdentifier}
          application: {san: uri}
    upstream:
      remove: [x-amzn-mtls-clientcert-*]
      headers:
        x-auth-provider: {identity: provider}
        x-auth-subject: {identity: subject}
        x-auth-roles: {identity: roles}
        x-member: {attribute: member}
        x-organization: {attribute: organization, encode: percent}
        x-number: {attribute: number}
        x-application: {attribute: application}
        x-amzn-mtls-clientcert: {certificate: percent_encoded_pem}
  one_role:
    client_certificate:
      identity: {subject: {san: uri}, roles: {extension: 1.3.6.1.4.1.62329.1.2, type: utf8}}
  uris:
    client_certificate:
      identity: {subject: {fingerprint: sha256}, roles: {san: uri}}
  units:
    client_certificate:
      identity: {subject: {dn: O}, roles: {dn: OU}}
  names:
    client_certificate:
      identity: {subject: {san: dns}}
  anywhere:
    client_certificate: {server_name: any}
  issued:
    client_certificate: {accept: {issuers: ['CN=Issuing CA\, EU']}}
  chosen:
    client_certificate: {accept: {subjects: ['CN=alice,O=Example\, Ltd.', CN=bob]}}
rules:
  - match: {path: /open}
    allow: anyone
  - match: {path: /api/v1/supply-voltage}
    require: {provider: members, roles: https://registry.estf.ib1.org/scheme/electricty/role/supply-voltage-reader}
  - match: {path: /api/v1/info}
    require: members
  - match: {path: /granted}
    require: {provider: members, roles: granted}
  - match: {path: /of-member}
    require: {provider: members, attributes: {member: https://directory.estf.ib1.org/member/7}}
  - match: {path: /role}
    require: {provider: one_role, roles: reader}
  - match: {path: /uris}
    require: {provider: uris, roles: {all: ["spiffe://example.org/a", "spiffe://example.org/b"]}}
  - match: {path: /units}
    require: {provider: units, roles: supply-voltage-reader@electricity}
  - match: {path: /names}
    require: names
  - match: {path: /anywhere}
    require: anywhere
  - match: {path: /issued}
    require: issued
  - match: {path: /chosen}
    require: chosen
  - match: {path: /optional}
    require: {provider: members, optional: true}
reject:
  body: detail
  messages:
    certificate_missing: No client certificate provided
    roles_absent: Client certificate does not include role information
    role_missing: "Client certificate does not include role {role}"
"#;

/// What members of a scheme need: a root, and an authority below it that issues.
struct Scheme {
    root: Authority,
    issuing: Authority,
}

impl Scheme {
    fn new() -> Self {
        let root = Authority::new("Root CA");
        let issuing = root.intermediate("Issuing CA, EU");
        Self { root, issuing }
    }

    fn issue(&self, leaf: Leaf) -> Certificate {
        self.issuing.issue(leaf)
    }

    fn with_roles(&self, roles: &[&str]) -> Certificate {
        self.issue(Leaf::new().common_name("carol").extension(ROLES, der_utf8_sequence(roles)))
    }

    /// The certificate of the demonstrator's application one, a client of 2024.
    fn application_one(&self) -> Certificate {
        let leaf = Leaf::new().rsa().subject(&[2, 5, 4, 6], "GB").subject(&[2, 5, 4, 8], "London").organization("Application One");
        let leaf = leaf.common_name(APP_ONE).extension(ROLES, der_utf8_sequence(&[READER, REPORTER]));
        self.issue(leaf.extension(APPLICATION, der_utf8("https://directory.estf.ib1.org/scheme/electricty/application/26241")))
    }

    /// What the command line of the directory makes since 2025: EC, a SAN, the member's extension.
    fn application_of_2025(&self) -> Certificate {
        let leaf = Leaf::new().common_name("https://example.org/app/1").uri("https://example.org/app/1").organization("App Ltd.");
        let leaf = leaf.extension(ROLES, der_utf8_sequence(&[REPORTER, READER]));
        self.issue(leaf.extension(MEMBER, der_utf8("https://directory.estf.ib1.org/member/7")))
    }
}

/// The stage's TLS: a filter chain for each way to ask for a certificate, chosen by the server name; anybody who asks for
/// another name, or none, gets the first.
struct Members {
    scheme: Scheme,
    others: Authority,
    servers: Authority,
    stage: RunningStage,
}

impl Members {
    fn start() -> Self {
        let (scheme, others, servers) = (Scheme::new(), Authority::new("others"), Authority::new("servers"));
        let certificate = servers.server(&["api.test"]);
        let chain = |name: &str| TlsListener::new(&certificate).server_names(&[name]);
        let stage = Stage::new()
            .config(CONFIG)
            .tls(|_| TlsListener::new(&certificate).clients_of(&scheme.root))
            .bootstrap(|bootstrap| {
                bootstrap
                    .tls(chain("required.test").clients_of(&scheme.root).required())
                    .tls(chain("b.test").clients_of(&others).required())
                    .tls(chain("untrusted.test").clients_of(&scheme.root).accept_untrusted())
                    .tls(chain("expired.test").clients_of(&scheme.root).allow_expired())
                    .tls(chain("nothing.test").required())
                    .tls(chain("resuming.test").clients_of(&scheme.root).resuming())
                    // Whatever a client says of its certificate in this header is let in, as Envoy can be told to.
                    .hcm("forward_client_cert_details", json!("ALWAYS_FORWARD_ONLY"))
            })
            .start();
        Self { scheme, others, servers, stage }
    }

    /// To this server name.
    fn to(&self, server_name: &str) -> Tls {
        Tls::new(&self.servers).server_name(server_name)
    }

    /// To `api.test`, with this certificate.
    fn with(&self, certificate: &Certificate) -> Tls {
        Tls::new(&self.servers).identity(certificate)
    }

    /// A case over TLS to `api.test`, with this certificate.
    fn case(&self, path: &str, certificate: &Certificate) -> Case {
        Case::get(path).tls(&self.with(certificate))
    }
}

fn detail(case: Case, text: &str) -> Case {
    case.expect(401)
        .answer("content-type", "application/json")
        .answer("cache-control", "no-store")
        .answer_absent("www-authenticate")
        .body_contains(&json!({ "detail": text }).to_string())
}

/// The detail's whole text, and nothing around it.
fn body(case: &Case, stage: &RunningStage) -> String {
    case.run(stage).unwrap_or_else(|report| panic!("{report}")).text()
}

#[test]
fn icebreaker_one() {
    let members = Members::start();
    let (scheme, stage) = (&members.scheme, &members.stage);
    let supply = "/api/v1/supply-voltage";
    let (one, newer) = (scheme.application_one(), scheme.application_of_2025());
    let two = scheme.issue(Leaf::new().common_name(APP_ONE).extension(ROLES, der_utf8_sequence(&[REPORTER])));
    let without = scheme.issue(Leaf::new().common_name(APP_ONE));
    let nobody = Tls::new(&members.servers);

    // Entries 1, 13, 14: who passes, and what the service learns.
    let pem = |certificate: &Certificate| {
        let encode = |byte: u8| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
        };
        certificate.pem().bytes().map(encode).collect::<String>()
    };
    let as_one = |case: Case| {
        case.expect(200)
            .upstream("x-auth-provider", "members")
            .upstream("x-auth-subject", APP_ONE)
            .upstream("x-auth-roles", &format!("{READER},{REPORTER}"))
            .upstream("x-organization", "Application%20One")
            .upstream_absent("x-member")
            .upstream("x-amzn-mtls-clientcert", &pem(&one))
    };
    let as_newer = |case: Case| {
        case.expect(200)
            .upstream("x-auth-subject", "https://example.org/app/1")
            .upstream("x-auth-roles", &format!("{REPORTER},{READER}"))
            .upstream("x-member", "https://directory.estf.ib1.org/member/7")
            .upstream("x-application", "https://example.org/app/1")
            .upstream("x-amzn-mtls-clientcert", &pem(&newer))
    };
    stage.check([
        as_one(members.case(supply, &one).named("application one")),
        as_one(members.case(supply, &one).named("application one, HTTP/2").http2()),
        as_one(Case::get(format!("{supply}?period=2023-07")).tls(&members.with(&one).only_tls12()).named("application one, TLS 1.2"))
            .upstream_path(&format!("{supply}?period=2023-07")),
        as_newer(members.case(supply, &newer).named("an application of 2025")),
        as_newer(members.case("/of-member", &newer).named("by its member's number")),
        members.case("/of-member", &one).named("no member's number").expect(401).reason("attribute_mismatch"),
        members.case("/api/v1/info", &one).named("no role needed, one").expect(200),
        members.case("/api/v1/info", &without).named("no role needed, without any").expect(200).upstream_absent("x-auth-roles"),
    ]);
    // Python's unquote() and load_pem_x509_certificate() would do the same.
    let sent = stage.upstream.received().iter().find_map(|received| received.header("x-amzn-mtls-clientcert")).expect("a certificate");
    assert!(sent.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'+'), "{sent}");
    let text = percent_encoding::percent_decode_str(&sent).decode_utf8().expect("text");
    let parsed = x509_cert::Certificate::from_pem(text.as_bytes()).expect("a certificate in PEM");
    assert_eq!(parsed.to_der().expect("DER"), one.der());

    // Entries 2, 3, 4: the demonstrator's very words.
    let no_role = format!("Client certificate does not include role {READER}");
    let no_roles = "Client certificate does not include role information";
    let no_certificate = "No client certificate provided";
    stage.check([
        detail(members.case(supply, &two).named("application two"), &no_role).reason("role_missing"),
        detail(members.case(supply, &two).named("application two, HTTP/2").http2(), &no_role).reason("role_missing"),
        detail(members.case(supply, &without).named("no roles"), no_roles).reason("roles_absent"),
        detail(Case::get(supply).tls(&nobody).named("no certificate"), no_certificate).reason("certificate_missing"),
        detail(Case::get(supply).named("no TLS"), no_certificate).reason("certificate_missing"),
        detail(Case::get("/api/v1/info").tls(&nobody).named("no certificate, no role needed"), no_certificate)
            .reason("certificate_missing"),
    ]);
    assert_eq!(body(&members.case(supply, &two), stage), format!(r#"{{"detail":"{no_role}"}}"#));
    assert_eq!(body(&Case::get(supply), stage), format!(r#"{{"detail":"{no_certificate}"}}"#));

    // Entries 6, 7, 12: Envoy itself ends these, and the service sees nothing.
    let count = stage.upstream.count();
    let rogue = Authority::new("Root CA").intermediate("Issuing CA, EU");
    let reader = |leaf: Leaf| leaf.common_name("carol").extension(ROLES, der_utf8_sequence(&[READER]));
    for (what, certificate) in [
        ("another CA of the same name", rogue.issue(reader(Leaf::new()))),
        ("the CA of another host", members.others.issue(reader(Leaf::new()))),
        ("no intermediate", scheme.issue(reader(Leaf::new())).alone()),
        ("expired", scheme.issue(reader(Leaf::new()).expired())),
        ("not valid yet", scheme.issue(reader(Leaf::new()).valid(3600, 7200))),
        ("a server's", scheme.issue(reader(Leaf::new()).for_servers())),
    ] {
        let answer = stage.tls_client(members.with(&certificate)).try_send(&Request::get(supply));
        assert!(answer.is_err(), "{what}: {answer:?}");
    }
    assert!(stage.tls_client(members.to("required.test")).try_send(&Request::get(supply).host("required.test")).is_err());
    assert_eq!(stage.upstream.count(), count);

    // Entry 9: roles are compared whole.
    let many: Vec<String> = (0..60).map(|number| format!("https://registry.estf.ib1.org/role/{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).chain([READER]).collect();
    stage.check([
        members.case(supply, &scheme.with_roles(&[REPORTER, READER])).named("the second").expect(200),
        members.case(supply, &scheme.with_roles(&many)).named("the last of 61").expect(200),
        members.case(supply, &scheme.with_roles(&[])).named("an empty list").expect(401).reason("role_missing"),
    ]);
    let upper = READER.to_uppercase();
    let with_slash = format!("{READER}/");
    let with_nul = format!("{READER}\0");
    let nul_and_more = format!("{READER}\0.evil");
    let longer = format!("{READER}s");
    let joined = format!("{REPORTER},{READER}");
    let padded = format!(" {READER}");
    let (cut, beheaded) = (READER.trim_end_matches('r'), READER.trim_start_matches('h'));
    let almost = [cut, beheaded, &longer, &upper, &with_slash, &with_nul, &nul_and_more, &joined, &padded, ""];
    stage.check(almost.map(|role| {
        let case = members.case(supply, &scheme.with_roles(&[role])).named(format!("the role {role:?}"));
        detail(case, &no_role).reason("role_missing")
    }));

    // Entry 10: a role at the wrong place, or in the wrong shape.
    let leaf = || Leaf::new().common_name("carol");
    let of = |oid: &str, value: Vec<u8>| scheme.issue(leaf().extension(oid, value));
    let sequence = der_utf8_sequence(&[READER]);
    let retagged = |outer: u8, inner: u8| {
        let mut value = sequence.clone();
        (value[0], value[2]) = (outer, inner);
        value
    };
    let raw = |length: u8, bytes: &[u8]| [&[0x30, length + 2, 0x0c, length], bytes].concat();
    stage.check([
        members.case(supply, &of(APPLICATION, der_utf8(READER))).named("only in .1.2").expect(401).reason("roles_absent"),
        members.case(supply, &of(APPLICATION, sequence.clone())).named("only in .1.2, a list").expect(401).reason("roles_absent"),
        members.case(supply, &of(MEMBER, der_utf8(READER))).named("only in .1.3").expect(401).reason("roles_absent"),
        members.case(supply, &of("1.3.6.1.4.1.62329.1.1.1", sequence.clone())).named("an OID below").expect(401).reason("roles_absent"),
        members.case(supply, &of("1.3.6.1.4.1.62329.1", sequence.clone())).named("an OID above").expect(401).reason("roles_absent"),
    ]);
    let shapes: [(&str, Vec<u8>); 14] = [
        ("a bare UTF8String", der_utf8(READER)),
        ("IA5String", retagged(0x30, 0x16)),
        ("PrintableString", retagged(0x30, 0x13)),
        ("SET", retagged(0x31, 0x0c)),
        ("cut", sequence[..sequence.len() - 5].to_vec()),
        ("cut within a length", vec![0x30]),
        ("empty", Vec::new()),
        ("bytes after it", [sequence.as_slice(), &[0]].concat()),
        ("bytes within it", [&[0x30, sequence[1] + 1], &sequence[2..], &[0]].concat()),
        ("an OCTET STRING around it", der_octets(&sequence)),
        ("a list in a list", [&[0x30, sequence[1] + 2], sequence.as_slice()].concat()),
        ("no UTF-8", raw(4, b"\xff\xfe\xc0\xaf")),
        ("an indefinite length", [&[0x30, 0x80], &sequence[2..], &[0, 0]].concat()),
        ("a length of 2^64", vec![0x30, 0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
    ];
    stage
        .check(shapes.map(|(what, value)| members.case(supply, &of(ROLES, value)).named(what).expect(401).reason("certificate_malformed")));
    let member_as_list = scheme.issue(leaf().extension(ROLES, sequence.clone()).extension(MEMBER, sequence.clone()));
    stage.check([
        members.case(supply, &member_as_list).named("an attribute in the wrong shape").expect(401).reason("certificate_malformed"),
        members.case(supply, &one).named("after all that").expect(200),
    ]);

    // Twice the same extension: which of them counts? None.
    let twice = scheme.issue(leaf().extension(ROLES, der_utf8_sequence(&[REPORTER])).extension(ROLES, sequence.clone()));
    match stage.tls_client(members.with(&twice)).try_send(&Request::get(supply)) {
        Err(_) => {}
        Ok(response) => assert_eq!(response.status, 401),
    }
}

#[test]
fn who_members_are() {
    let members = Members::start();
    let (scheme, stage) = (&members.scheme, &members.stage);
    let of = |leaf: Leaf| scheme.issue(leaf);
    let alice = || Leaf::new().common_name("alice");
    let unit = "supply-voltage-reader@electricity";
    let full = of(alice()
        .organization("Example, Ltd.")
        .organizational_unit(unit)
        .organizational_unit("second")
        .organization_identifier("PSDGB-FCA-1")
        .extension(APPLICATION, der_utf8("reader"))
        .uri("spiffe://example.org/b"));
    let two_uris = of(alice().uri("spiffe://example.org/b").uri("spiffe://example.org/a").dns("a.test"));
    stage.check([
        // {dn}, and roles that the configuration grants.
        members
            .case("/granted", &full)
            .named("granted")
            .expect(200)
            .upstream("x-auth-subject", "alice")
            .upstream("x-auth-roles", "granted,second"),
        members
            .case("/granted", &full)
            .named("attributes")
            .upstream("x-organization", "Example%2C%20Ltd.")
            .upstream("x-number", "PSDGB-FCA-1"),
        members.case("/granted", &full).named("notes").access("subject", "alice").access("provider", "members").access("verdict", "allow"),
        members.case("/granted", &of(Leaf::new().common_name("Alice"))).named("another's").expect(401).reason("roles_absent"),
        members.case("/granted", &scheme.with_roles(&["granted"])).named("not by grant").expect(200).upstream("x-auth-roles", "granted"),
        members.case("/api/v1/supply-voltage", &full).named("granted others").expect(401).reason("role_missing"),
        // One UTF8String is one role; {san: uri} is the subject.
        members
            .case("/role", &full)
            .named("one role")
            .expect(200)
            .upstream("x-auth-provider", "one_role")
            .upstream("x-auth-subject", "spiffe://example.org/b")
            .upstream("x-auth-roles", "reader"),
        members.case("/role", &of(alice().uri("a:b").extension(APPLICATION, der_utf8("reader,x")))).expect(401).reason("role_missing"),
        members
            .case("/role", &of(alice().uri("a:b").extension(APPLICATION, der_utf8_sequence(&["reader"]))))
            .named("a list where one is wanted")
            .expect(401)
            .reason("certificate_malformed"),
        members.case("/role", &two_uris).named("two URIs").expect(401).reason("certificate_not_accepted"),
        members.case("/role", &of(alice())).named("no URI").expect(401).reason("certificate_not_accepted"),
        // {san: uri} as roles; {fingerprint} as the subject.
        members
            .case("/uris", &two_uris)
            .named("URIs as roles")
            .expect(200)
            .upstream("x-auth-subject", &two_uris.fingerprint())
            .upstream("x-auth-roles", "spiffe://example.org/b,spiffe://example.org/a"),
        members.case("/uris", &full).named("one of two").expect(401).reason("role_missing"),
        members.case("/uris", &of(alice().dns("spiffe.example.org"))).named("a DNS name is no URI").expect(401).reason("roles_absent"),
        members
            .case("/uris", &of(alice().uri("spiffe://example.org/a;URI=spiffe://example.org/b")))
            .named("what would be two in x-forwarded-client-cert")
            .expect(401)
            .reason("role_missing"),
        members
            .case("/uris", &of(alice().uri("spiffe://example.org/a,spiffe://example.org/b")))
            .named("what would be two in a list")
            .expect(401)
            .reason("role_missing"),
        // {dn: OU} as roles, {dn: O} as the subject.
        members.case("/units", &full).named("a value that looks like a list").expect(401).reason("header_value"),
        members
            .case("/units", &of(alice().organization("A").organizational_unit(unit).organizational_unit("second")))
            .named("OU as roles")
            .expect(200)
            .upstream("x-auth-subject", "A")
            .upstream("x-auth-roles", "supply-voltage-reader@electricity,second"),
        members.case("/units", &of(alice().organization("A").organizational_unit("x"))).expect(401).reason("role_missing"),
        members.case("/units", &of(alice().organization("A"))).named("no OU").expect(401).reason("roles_absent"),
        members
            .case("/units", &of(Leaf::new().common_name("OU=supply-voltage-reader@electricity").organization("A")))
            .named("an OU within the CN")
            .expect(401)
            .reason("roles_absent"),
        // {san: dns}.
        members.case("/names", &two_uris).named("DNS as subject").expect(200).upstream("x-auth-subject", "a.test"),
        members.case("/names", &of(Leaf::new().common_name("a.test"))).named("a CN is none").expect(401).reason("certificate_not_accepted"),
        // Subjects that are none, or several, or can't stand in a header.
        members.case("/api/v1/info", &of(alice().common_name("bob"))).named("two CNs").expect(401).reason("certificate_not_accepted"),
        members.case("/api/v1/info", &of(Leaf::new().organization("A"))).named("no CN").expect(401).reason("certificate_not_accepted"),
        members.case("/api/v1/info", &of(Leaf::new().common_name(""))).named("an empty CN").expect(401).not_upstream(),
        members
            .case("/api/v1/info", &of(Leaf::new().common_name("a\r\nx-auth-roles: admin")))
            .named("CR LF")
            .expect(401)
            .reason("header_value"),
        members.case("/api/v1/info", &of(Leaf::new().common_name("a\0b"))).named("NUL").expect(401).not_upstream(),
        members.case("/api/v1/info", &of(Leaf::new().common_name("Zoë"))).named("not ASCII").expect(401).reason("header_value"),
        members.case("/api/v1/info", &scheme.with_roles(&["a,b"])).named("a role that is a list").expect(401).reason("header_value"),
        members.case("/api/v1/info", &scheme.with_roles(&["a\0b"])).named("a role with NUL").expect(401).reason("header_value"),
        // accept.
        members.case("/issued", &full).named("of this issuer").expect(200),
        members.case("/issued", &scheme.root.client("alice")).named("of the root itself").expect(401).reason("certificate_not_accepted"),
        members
            .case("/issued", &scheme.root.intermediate("Issuing CA").client("alice"))
            .named("of a sister")
            .expect(401)
            .reason("certificate_not_accepted"),
        members.case("/chosen", &of(Leaf::new().organization("Example, Ltd.").common_name("alice"))).named("chosen").expect(200),
        members.case("/chosen", &of(Leaf::new().common_name("bob"))).named("chosen, too").expect(200).upstream("x-auth-subject", "bob"),
        members.case("/chosen", &full).named("more than was chosen").expect(401).reason("certificate_not_accepted"),
        members.case("/chosen", &of(Leaf::new().common_name("bob,O=x"))).named("by a comma").expect(401).reason("certificate_not_accepted"),
        members.case("/chosen", &of(Leaf::new().common_name("BOB"))).named("by case").expect(401).reason("certificate_not_accepted"),
    ]);
}

#[test]
fn nobody_is_locked_out_by_what_stands_beside() {
    let members = Members::start();
    let (scheme, stage) = (&members.scheme, &members.stage);
    let leaf = || Leaf::new().common_name("alice");
    let long_oid = format!("1.3.6.1.4.1{}", ".4294967295".repeat(9));
    let cases = [
        ("an arc of more than 32 bits, as in 2.25.<UUID>", leaf().extension("2.25.18446744073709551615", der_utf8("x"))),
        ("an OID of more than 39 octets", leaf().extension(&long_oid, der_utf8("x"))),
        ("such an arc in the name", leaf().subject(&[2, 25, 18_446_744_073_709_551_615], "x")),
        ("an extension without sense", leaf().extension("1.2.3.4.5", vec![0xff; 300])),
        ("an empty extension", leaf().extension("1.2.3.4.5", Vec::new())),
        ("40 KB of extension", leaf().extension("1.2.3.4.5", der_octets(&[7; 40_000]))),
        ("90 extensions", (0..90).fold(leaf(), |leaf, number| leaf.extension(&format!("1.2.3.{number}"), der_utf8("x")))),
        ("200 names", (0..200).fold(leaf(), |leaf, number| leaf.uri(&format!("https://a.test/{number}")))),
        ("RSA", leaf().rsa()),
        ("an IP address", leaf().ip(std::net::Ipv4Addr::LOCALHOST.into())),
    ];
    stage
        .check(cases.map(|(what, leaf)| {
            members.case("/anywhere", &scheme.issue(leaf)).named(what).expect(200).upstream("x-auth-subject", "alice")
        }));
    let large = scheme.issue(leaf().extension("1.2.3.4.5", der_octets(&[7; 30_000])));
    stage.check([members.case("/api/v1/info", &large).named("30 KB, and all of it goes upstream").expect(200)]);
    // Beyond all measure: refused, and the filter lives on.
    let vast = scheme.issue((0..3000).fold(leaf(), |leaf, number| leaf.extension(&format!("1.2.3.{number}"), Vec::new())));
    if let Ok(response) = stage.tls_client(members.with(&vast)).try_send(&Request::get("/anywhere")) {
        assert!(response.status < 500, "{} {}", response.status, response.text());
    }
    stage.check([members.case("/anywhere", &scheme.issue(leaf())).named("after all that").expect(200)]);
}

#[test]
fn only_what_this_handshake_verified_counts() {
    let members = Members::start();
    let (scheme, stage) = (&members.scheme, &members.stage);
    let leaf = || Leaf::new().common_name("alice").extension(ROLES, der_utf8_sequence(&[READER]));
    let good = scheme.issue(leaf());
    let expired = scheme.issue(leaf().expired());
    let early = scheme.issue(leaf().valid(3600, 7200));
    let rogue = Authority::new("Root CA").intermediate("Issuing CA, EU").issue(leaf());
    let to = |name: &str, certificate: &Certificate| Case::get("/api/v1/info").host(name).tls(&members.to(name).identity(certificate));
    stage.check([
        to("untrusted.test", &good).named("ACCEPT_UNTRUSTED, good").expect(200),
        to("untrusted.test", &rogue).named("ACCEPT_UNTRUSTED, another CA").expect(401).reason("certificate_unverified"),
        to("untrusted.test", &rogue).named("likewise, HTTP/2").http2().expect(401).reason("certificate_unverified"),
        to("untrusted.test", &expired).named("ACCEPT_UNTRUSTED, expired").expect(401).reason("certificate_unverified"),
        to("untrusted.test", &scheme.issue(leaf()).alone())
            .named("ACCEPT_UNTRUSTED, no intermediate")
            .expect(401)
            .reason("certificate_unverified"),
        to("untrusted.test", &good).named("ACCEPT_UNTRUSTED, good again").expect(200),
        to("expired.test", &expired).named("allow_expired_certificate, expired").expect(401).reason("certificate_expired"),
        to("expired.test", &early).named("allow_expired_certificate, not valid yet").expect(401).reason("certificate_expired"),
        to("expired.test", &good).named("allow_expired_certificate, good").expect(200),
        to("nothing.test", &good).named("require_client_certificate without CA").expect(401).reason("certificate_missing"),
        to("nothing.test", &rogue).named("likewise, another CA").expect(401).reason("certificate_missing"),
        Case::get("/api/v1/info").host("nothing.test").tls(&members.to("nothing.test")).expect(401).reason("certificate_missing"),
        // What is bad never counts as absent.
        Case::get("/optional").tls(&Tls::new(&members.servers)).named("optional, none").expect(200).upstream_absent("x-auth-subject"),
        Case::get("/optional").named("optional, no TLS").expect(200).upstream_absent("x-auth-subject"),
        Case::get("/optional")
            .host("untrusted.test")
            .tls(&members.to("untrusted.test").identity(&rogue))
            .named("optional, bad")
            .expect(401)
            .reason("certificate_unverified"),
    ]);
    // A mirror of a certificate's own, from a client that has none.
    let pem = percent_encoding::utf8_percent_encode(&good.pem(), percent_encoding::NON_ALPHANUMERIC).to_string();
    let forwarded = format!("Hash={};Cert=\"{pem}\";Subject=\"CN=alice\"", good.fingerprint());
    let mut cases = Vec::new();
    for (name, value) in [
        ("x-forwarded-client-cert", forwarded.as_str()),
        ("X-Forwarded-Client-Cert", &forwarded),
        ("x-amzn-mtls-clientcert", &pem),
        ("X-Amzn-Mtls-Clientcert-Leaf", &pem),
        ("client-cert", &pem),
        ("ssl-client-cert", &pem),
    ] {
        for (how, tls) in [("no TLS", None), ("TLS", Some(Tls::new(&members.servers)))] {
            let case = |path: &str| {
                let case = Case::get(path).named(format!("{name}, {how}")).header(name, value);
                tls.as_ref().map_or(case.clone(), |tls| case.tls(tls))
            };
            cases.push(case("/api/v1/info").expect(401).reason("certificate_missing"));
            if !matches!(name, "client-cert" | "ssl-client-cert") && !name.eq_ignore_ascii_case("x-forwarded-client-cert") {
                cases.push(case("/open").expect(200).upstream_absent(name));
                cases.push(case("/optional").expect(200).upstream_absent(name));
            }
        }
    }
    let other = scheme.issue(leaf().common_name("bob"));
    let spoofed = |name: &str| members.case("/api/v1/info", &good).named(format!("{name} beside one's own")).expect(200);
    let bob = percent_encoding::utf8_percent_encode(&other.pem(), percent_encoding::NON_ALPHANUMERIC).to_string();
    for name in ["x-amzn-mtls-clientcert", "X-Amzn-Mtls-Clientcert", "x_amzn_mtls_clientcert", "x.amzn.mtls.clientcert"] {
        let lower = name.to_lowercase();
        let case = spoofed(name).header(name, &bob);
        cases.push(if lower.contains('-') { case } else { case.upstream_absent(&lower) });
    }
    for name in ["leaf", "subject", "issuer", "serial-number", "validity"] {
        let name = format!("x-amzn-mtls-clientcert-{name}");
        cases.push(spoofed(&name).header(name.to_uppercase(), &bob).upstream_absent(&name));
    }
    stage.check(cases);
    let received = stage.upstream.received();
    let sent = |received: &portcullis_harness::Received| received.header_values("x-amzn-mtls-clientcert");
    assert!(received.iter().all(|received| sent(received).len() <= 1), "two certificates upstream");
    assert!(!received.iter().any(|received| sent(received).contains(&bob)), "bob's certificate went upstream");
}

#[test]
fn sessions_that_were_resumed() {
    let members = Members::start();
    let stage = &members.stage;
    let good = members.scheme.issue(Leaf::new().common_name("alice"));
    let mut wrong = Vec::new();
    for (name, tls12) in [("resuming.test", false), ("resuming.test", true), ("required.test", false), ("required.test", true)] {
        let tls = members.to(name).identity(&good).resuming();
        let tls = if tls12 { tls.only_tls12() } else { tls };
        for http2 in [false, true] {
            let client = stage.tls_client(tls.clone());
            let client = if http2 { client.http2() } else { client };
            let got: Vec<_> = (0..3).map(|_| over_new_connection(stage, &client, name)).collect();
            let fresh = (false, 200, None);
            let resumed = (true, 401, Some("resumed_session".to_owned()));
            let expected = if name == "resuming.test" { [fresh, resumed.clone(), resumed] } else { [fresh.clone(), fresh.clone(), fresh] };
            if got != expected {
                wrong.push(format!("{name}, TLS 1.2: {tls12}, HTTP/2: {http2}: {got:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Whether the session was resumed, the status, and the reason.
fn over_new_connection(stage: &RunningStage, client: &Client, host: &str) -> (bool, u16, Option<String>) {
    let id = fresh_request_id();
    let mut connection = client.connect().expect("a connection");
    let request = Request::get("/api/v1/info").host(host).header("x-request-id", &id);
    let response = connection.send(&request).expect("a response");
    let reason = stage.envoy.access(&id)["reason"].as_str().map(str::to_owned);
    assert_eq!(stage.upstream.received_with_id(&id).len(), usize::from(response.status == 200));
    (connection.resumed(), response.status, reason)
}

#[test]
fn the_connection_is_for_the_host() {
    let members = Members::start();
    let (scheme, stage) = (&members.scheme, &members.stage);
    let (a, b) = (scheme.issue(Leaf::new().common_name("alice")), members.others.client("bob"));
    let case = |path: &str, name: Option<&str>, host: &str, certificate: &Certificate| {
        let tls = Tls::new(&members.servers).identity(certificate);
        let tls = name.map_or(tls.clone().without_server_name(), |name| tls.server_name(name));
        Case::get(path).host(host).tls(&tls).named(format!("{path}, server name {name:?}, host {host:?}"))
    };
    let info = "/api/v1/info";
    let mut cases = vec![
        case(info, Some("b.test"), "b.test", &b).expect(200).upstream("x-auth-subject", "bob"),
        case(info, Some("b.test"), "b.test", &b).http2().expect(200),
        case(info, Some("api.test"), "api.test:443", &a).expect(200),
        case(info, Some("api.test"), "API.Test", &a).expect(200),
        case(info, Some("API.test"), "api.test", &a).expect(200),
        case(info, Some("api.test"), "api.test.", &a).expect(200),
        case(info, Some("api.test"), "api.test", &a).http2().expect(200),
    ];
    // A client of one CA, over its own server name, asks for the host of another's members; and the other way round.
    for (name, host, certificate) in [
        (Some("api.test"), "b.test", &a),
        (Some("api.test"), "B.test.:443", &a),
        (Some("b.test"), "api.test", &b),
        (Some("api.test"), "api.test.evil.test", &a),
        (Some("api.test"), "a.api.test", &a),
        (Some("api.test"), "test", &a),
        (Some("api.test"), "127.0.0.1", &a),
        (None, "api.test", &a),
        (None, "b.test", &a),
    ] {
        cases.push(case(info, name, host, certificate).expect(421).reason("misdirected").answer("cache-control", "no-store"));
        cases.push(case(info, name, host, certificate).http2().expect(421).reason("misdirected"));
        cases.push(case("/anywhere", name, host, certificate).expect(200));
    }
    stage.check(cases);
    // In absolute form the target's host counts.
    let mut connection = stage.tls_client(members.with(&a)).connect().expect("a connection");
    connection.write(b"GET https://b.test/api/v1/info HTTP/1.1\r\nHost: api.test\r\n\r\n").expect("open");
    assert_eq!(connection.response().expect("a response").status, 421);
    // A second host beside HTTP/2's own: the service sees none that the connection isn't for.
    let twice = Request::get(info).header("host", "b.test");
    let response = stage.tls_client(members.with(&a)).http2().try_send(&twice);
    let passed = response.is_ok_and(|response| response.status == 200);
    assert!(!passed || stage.upstream.last().header_values("host") == ["api.test"], "{:?}", stage.upstream.last());
    // One connection, several hosts: each request is judged.
    for client in [stage.tls_client(members.with(&a)), stage.tls_client(members.with(&a)).http2()] {
        let mut connection = client.connect().expect("a connection");
        let statuses =
            ["api.test", "b.test", "api.test"].map(|host| connection.send(&Request::get(info).host(host)).expect("a response").status);
        assert_eq!(statuses, [200, 421, 200]);
    }
}
