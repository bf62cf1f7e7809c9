//! An Envoy that doesn't tell all that the filter asks: 1.37 has neither `connection.peer_certificate` nor
//! `connection.peer_certificate_valid`. The listener is trusted to have verified certificates, and they come by
//! `x-forwarded-client-cert`, which whoever is named in a certificate can write into.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "helpers of tests")]

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use portcullis_harness::{
    Algorithm, Authority, Bootstrap, Case, Certificate, EnvoyBinary, IdentityProvider, Key, Launch, Leaf, PATIENCE, Request, RunningStage,
    Stage, Tls, TlsListener, der_octets, der_utf8_sequence, mint, now, poll,
};
use serde_json::{Value, json};

const ROLES: &str = "1.3.6.1.4.1.62329.1.1";
const HEADER: &str = "x-amzn-mtls-clientcert";
const PROXY: &str = "spiffe://example.org/proxy";
const SECRET: &str = "a-secret-of-sixty-four-octets-which-is-more-than-enough-for-all";

const CONFIG: &str = r#"
providers:
  members:
    client_certificate:
      verified_by: listener
      identity: {roles: {extension: 1.3.6.1.4.1.62329.1.1, type: utf8_sequence}}
    upstream:
      headers:
        x-auth-provider: {identity: provider}
        x-auth-subject: {identity: subject}
        x-auth-roles: {identity: roles}
        x-certificate: {certificate: percent_encoded_pem}
  anywhere:
    client_certificate: {verified_by: listener, server_name: any}
  by_attribute:
    client_certificate: {}
  proxied:
    client_certificate:
      source: {header: x-amzn-mtls-clientcert, trusted: {san_uri: "spiffe://example.org/proxy"}}
      verified_by: listener
  proxied_by_attribute:
    client_certificate:
      source: {header: x-amzn-mtls-clientcert, trusted: {san_uri: "spiffe://example.org/proxy"}}
  partners:
    static_secret: {sha256: bc19487dc16595fd1ee44ed63588f82b89f70c2885ec2460c5831f77e255d271}
  users:
    jwt:
      keys: {jwks_uri: "http://idp.test/.well-known/jwks.json", cluster: idp, insecure_http: true}
      issuers: ["https://idp.test"]
      audiences: [api]
rules:
  - {match: {path: /open}, allow: anyone}
  - {match: {path: /partners}, require: partners}
  - {match: {path: /users}, require: users}
  - {match: {path: /anywhere}, require: anywhere}
  - {match: {path: /by-attribute}, require: by_attribute}
  - {match: {path: /proxied}, require: proxied}
  - {match: {path: /proxied-by-attribute}, require: proxied_by_attribute}
  - {match: {path: /optional}, require: {provider: members, optional: true}}
  - {require: members}
"#;

/// What `x-forwarded-client-cert` is to hold, and what becomes of a client's own.
fn forwarding(bootstrap: Bootstrap, mode: &str, details: Value) -> Bootstrap {
    let bootstrap = bootstrap.hcm("forward_client_cert_details", json!(mode));
    if details.is_null() { bootstrap } else { bootstrap.hcm("set_current_client_cert_details", details) }
}

/// All that Envoy can write there, forgeries among it.
fn everything() -> Value {
    json!({"subject": true, "cert": true, "chain": true, "dns": true, "uri": true})
}

fn on_1_37(launch: Launch) -> Launch {
    launch.binary(EnvoyBinary::version("1.37").unwrap_or_else(|why| panic!("{why}")))
}

struct Members {
    authority: Authority,
    servers: Authority,
    stage: RunningStage,
}

impl Members {
    fn start(change: impl FnOnce(Stage) -> Stage, mode: &str, details: Value) -> Self {
        let (authority, servers) = (Authority::new("members"), Authority::new("servers"));
        let certificate = servers.server(&["api.test"]);
        let chain = |name: &str| TlsListener::new(&certificate).server_names(&[name]).clients_of(&authority);
        let stage = Stage::new().config(CONFIG).tls(|_| TlsListener::new(&certificate).clients_of(&authority)).bootstrap(|bootstrap| {
            let bootstrap = bootstrap.tls(chain("required.test").required()).tls(chain("expired.test").allow_expired());
            forwarding(bootstrap.tls(chain("untrusted.test").accept_untrusted()).tls(chain("resuming.test").resuming()), mode, details)
        });
        let stage = change(stage).start();
        Self { authority, servers, stage }
    }

    fn case(&self, path: &str, certificate: &Certificate) -> Case {
        Case::get(path).tls(&Tls::new(&self.servers).identity(certificate))
    }

    fn to(&self, name: &str, path: &str, certificate: &Certificate) -> Case {
        Case::get(path).host(name).tls(&Tls::new(&self.servers).server_name(name).identity(certificate))
    }

    fn alice(&self, leaf: Leaf) -> Certificate {
        self.authority.issue(leaf.common_name("alice").extension(ROLES, der_utf8_sequence(&["reader"])))
    }
}

fn escaped(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn element(certificate: &Certificate) -> String {
    format!("Hash={};Cert=\"{}\"", certificate.fingerprint(), escaped(&certificate.pem()))
}

#[test]
fn members_by_what_envoy_forwards() {
    let members = Members::start(|stage| stage.launch(on_1_37), "SANITIZE_SET", everything());
    let stage = &members.stage;
    assert!(stage.envoy.admin("/server_info").contains("/1.37."), "this is another Envoy");
    let alice = members.alice(Leaf::new());
    let bob = members.authority.client("bob");
    let spoof = element(&bob);
    let none = Tls::new(&members.servers);
    let is_alice = |case: Case| case.expect(200).upstream("x-auth-subject", "alice").upstream("x-auth-roles", "reader");
    let mut cases = vec![
        is_alice(members.case("/", &alice)).upstream("x-auth-provider", "members").access("verdict", "allow"),
        is_alice(members.case("/", &alice).http2()),
        is_alice(members.case("/", &alice).header("x-forwarded-client-cert", &spoof).named("with another's")),
        is_alice(members.to("required.test", "/", &alice)),
        is_alice(members.to("expired.test", "/", &alice)),
        members.to("api.test", "/", &bob).expect(200).upstream("x-auth-subject", "bob"),
        Case::get("/").tls(&none).expect(401).reason("certificate_missing"),
        Case::get("/").tls(&none).header("x-forwarded-client-cert", &spoof).expect(401).reason("certificate_missing"),
        Case::get("/").header("x-forwarded-client-cert", &spoof).named("no TLS").expect(401).reason("certificate_missing"),
        Case::get("/optional").tls(&none).expect(200).upstream_absent("x-auth-subject"),
        Case::get("/optional").tls(&none).header("x-forwarded-client-cert", &spoof).expect(200).upstream_absent("x-auth-subject"),
        is_alice(members.case("/optional", &alice)),
        // Nobody vouches for it.
        members.case("/by-attribute", &alice).expect(401).reason("certificate_unverified"),
        // Dates and names count as ever.
        members.to("expired.test", "/", &members.alice(Leaf::new().expired())).named("expired").expect(401).reason("certificate_expired"),
        members.case("/", &alice).host("other.test").named("another host").expect(421).reason("misdirected"),
        members.case("/anywhere", &alice).host("other.test").named("any host").expect(200),
        // 30 KB of certificate.
        is_alice(members.case("/", &members.alice(Leaf::new().extension("1.2.3.4.5", der_octets(&[7; 20_000])))).named("a large one")),
    ];
    // Names that write keys and elements into the header: whoever has them stays who he is.
    let forged = escaped(&bob.pem()).replace("%2D", "-");
    for name in [
        format!("https://a.test/;Cert=\"{forged}\""),
        format!("https://a.test/,Hash={};Cert=\"{forged}\";URI=x", bob.fingerprint()),
        "https://a.test/;Cert=\"".to_owned(),
        "https://a.test/\",Cert=\"\"".to_owned(),
        format!("https://a.test/;Hash={}", bob.fingerprint()),
        "https://a.test/;By=x;Hash=y;Subject=\"CN=bob\";Cert=".to_owned(),
    ] {
        let certificate = members.alice(Leaf::new().uri(&name).uri("urn:b").organization("A \";Cert=\"x\",\\"));
        cases.push(is_alice(members.case("/", &certificate)).named(format!("URI {name:.80}")));
    }
    // A proxy's own certificate comes the same way.
    let proxy = members.authority.issue(Leaf::new().common_name("proxy").uri(PROXY));
    let value = escaped(&alice.pem());
    cases.extend([
        members.case("/proxied", &proxy).header(HEADER, &value).expect(200).upstream("x-auth-subject", "alice").upstream_absent(HEADER),
        members.case("/proxied", &bob).header(HEADER, &value).expect(401).reason("certificate_untrusted_source"),
        Case::get("/proxied")
            .header(HEADER, &value)
            .header("x-forwarded-client-cert", element(&proxy))
            .expect(401)
            .reason("certificate_untrusted_source"),
        members.case("/proxied-by-attribute", &proxy).header(HEADER, &value).expect(401).reason("certificate_untrusted_source"),
    ]);
    stage.check(cases);
    let received = stage.upstream.received();
    let as_alice: Vec<_> = received.iter().filter(|received| received.header("x-auth-subject").as_deref() == Some("alice")).collect();
    assert!(as_alice.len() > 10 && as_alice.iter().all(|received| received.header("x-certificate").as_deref() != Some(forged.as_str())));
    // A listener's word is taken for resumed sessions, too.
    let client = stage.tls_client(Tls::new(&members.servers).server_name("resuming.test").identity(&alice).resuming());
    let outcomes = [(); 2].map(|()| {
        let mut connection = client.connect().expect("a connection");
        let status = connection.send(&Request::get("/").host("resuming.test")).expect("a response").status;
        (connection.resumed(), status)
    });
    assert_eq!(outcomes, [(false, 200), (true, 200)]);
}

#[test]
fn operators_learn_what_to_set() {
    for (mode, details) in
        [("SANITIZE_SET", Value::Null), ("SANITIZE_SET", json!({"subject": true, "uri": true, "dns": true})), ("SANITIZE", Value::Null)]
    {
        let members = Members::start(|stage| stage.launch(on_1_37), mode, details);
        let (stage, alice) = (&members.stage, members.alice(Leaf::new()));
        let forged =
            members.alice(Leaf::new().uri(&format!("https://a.test/;Cert=\"{}\"", escaped(&members.authority.client("bob").pem()))));
        stage.check([
            members.case("/", &alice).expect(401).reason("certificate_unverified"),
            members.case("/", &forged).expect(401).reason("certificate_unverified"),
            members.case("/optional", &alice).expect(401).reason("certificate_unverified"),
            Case::get("/optional").tls(&Tls::new(&members.servers)).expect(200),
        ]);
        let line = stage.envoy.wait_for_log("reason=certificate_unverified");
        assert!(line.contains("forward_client_cert_details: SANITIZE_SET, set_current_client_cert_details: {cert: true}"), "{line}");
    }
}

#[test]
fn what_others_forward_is_not_this_connections() {
    for mode in ["APPEND_FORWARD", "FORWARD_ONLY", "ALWAYS_FORWARD_ONLY"] {
        let members = Members::start(|stage| stage.launch(on_1_37), mode, json!({"cert": true}));
        let (stage, alice, bob) = (&members.stage, members.alice(Leaf::new()), members.authority.client("bob"));
        let (of_alice, of_bob) = (element(&alice), element(&bob));
        let sent = |value: &str| members.case("/", &alice).header("x-forwarded-client-cert", value).named(format!("{mode}, {value:.60}"));
        let appends = mode == "APPEND_FORWARD";
        let anothers = |case: Case| {
            if appends { case.expect(200).upstream("x-auth-subject", "alice") } else { case.expect(401).reason("certificate_unverified") }
        };
        stage.check([
            anothers(sent(&of_bob)),
            anothers(sent(&format!("{of_bob},{}", of_bob.replace("Hash=", &format!("Hash={};By=", alice.fingerprint()))))),
            anothers(members.case("/", &alice)),
            sent(&of_alice).expect(200).upstream("x-auth-subject", "alice"),
            sent(&format!("{of_bob},{of_alice}")).expect(200).upstream("x-auth-subject", "alice"),
            // Without a certificate of one's own there is nothing that it could be bound to.
            Case::get("/")
                .tls(&Tls::new(&members.servers))
                .header("x-forwarded-client-cert", &of_alice)
                .expect(401)
                .reason("certificate_missing"),
            Case::get("/").header("x-forwarded-client-cert", &of_alice).named("no TLS").expect(401).reason("certificate_missing"),
        ]);
    }
}

#[test]
fn where_envoy_has_a_word_for_it_the_listeners_does_not_count() {
    let members = Members::start(|stage| stage, "SANITIZE_SET", everything());
    let (stage, alice) = (&members.stage, members.alice(Leaf::new()));
    let rogue = Authority::new("members").issue(Leaf::new().common_name("alice"));
    let expired = members.alice(Leaf::new().expired());
    stage.check([
        members.case("/", &alice).expect(200).upstream("x-auth-subject", "alice"),
        members.case("/by-attribute", &alice).expect(200),
        members.to("untrusted.test", "/", &alice).expect(200),
        members.to("untrusted.test", "/", &rogue).expect(401).reason("certificate_unverified"),
        members.to("untrusted.test", "/optional", &rogue).expect(401).reason("certificate_unverified"),
        members.to("untrusted.test", "/", &expired).expect(401).reason("certificate_unverified"),
        members.to("expired.test", "/", &expired).expect(401).reason("certificate_expired"),
        Case::get("/").tls(&Tls::new(&members.servers)).expect(401).reason("certificate_missing"),
    ]);
}

#[test]
fn everything_else_works_there_too() {
    let (es256, rs256) = (Key::fixed(Algorithm::ES256, 1), Key::fixed(Algorithm::RS256, 1));
    let issuer = IdentityProvider::with_keys([es256.clone(), rs256.clone()]);
    let stage = Stage::new().config(CONFIG).identity_provider(issuer).launch(on_1_37).concurrency(2).start();
    let claims = json!({"iss": "https://idp.test", "aud": "api", "sub": "alice", "exp": now(60)});
    let users = |key: &Key| Case::get("/users").bearer(&mint(key, claims.clone()));
    let stranger = Key::fixed(Algorithm::ES256, 2).with_kid("es256-1");
    stage.check([
        Case::get("/open").expect(200).access("verdict", "allow"),
        Case::get("/users").expect(401).reason("credential_missing"),
        users(&es256).named("ES256, by Envoy").expect(200).upstream("x-auth-subject", "alice").upstream_absent("authorization"),
        users(&rs256).named("RS256, by Envoy").expect(200).upstream("x-auth-provider", "users"),
        users(&stranger).expect(401).reason("signature_invalid"),
        Case::get("/partners").bearer(SECRET).expect(200).upstream("x-auth-subject", "partners"),
        Case::get("/partners").bearer("x").expect(401).reason("secret_unknown").answer("cache-control", "no-store"),
        Case::get("/partners").bearer(SECRET).header("x_auth_subject", "evil").expect(200).upstream_absent("x_auth_subject"),
    ]);
    assert!(!stage.envoy.log().lines_with("verified by the host: RS256 RS384 RS512 ES256 ES384 ES512").is_empty(), "by the module, slowly");
    let refused = "wasmcustom.portcullis.portcullis.rejected.secret_unknown";
    assert!(poll(PATIENCE, || (stage.envoy.stat(refused)? == 1).then_some(())).is_some(), "no metric {refused}");
    // The guard, where the plugin is left out.
    let guarded = Stage::new().launch(on_1_37).start();
    guarded.check([Case::get("/open").expect(403).access("details", "rbac_access_denied_matched_policy[none]")]);
}
