//! Client certificates, and the connections that they came by. Mallory has a certificate of her own, of the members' authority or of
//! one that she founded under its name, and may open any connection that Envoy lets her open.

use crate::house::{both, off, route};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use portcullis_harness::{
    Authority, Case, Certificate, EnvoyBinary, Leaf, Request, RunningStage, Stage, Tls, TlsListener, fresh_request_id,
};
use serde_json::{Value, json};
use std::sync::LazyLock;

/// The header in which a proxy passes on the certificate of its own client, and what the proxy calls itself.
const HEADER: &str = "x-amzn-mtls-clientcert";
const PROXY: &str = "spiffe://example.org/proxy";

/// A certificate as that proxy writes it.
fn escaped(certificate: &Certificate) -> String {
    utf8_percent_encode(&certificate.pem(), NON_ALPHANUMERIC).to_string()
}

/// An Envoy with one filter chain, by server name, for each way to ask for a certificate. Below `/native` it is Envoy's own
/// RBAC filter that wants an authenticated caller.
struct Members {
    members: Authority,
    others: Authority,
    servers: Authority,
    stage: RunningStage,
}

fn members() -> &'static Members {
    static MEMBERS: LazyLock<Members> = LazyLock::new(|| {
        let (members, others, servers) = (Authority::new("Members"), Authority::new("Others"), Authority::new("Servers"));
        let certificate = servers.server(&["api.test"]);
        let chain = |name: &str| TlsListener::new(&certificate).server_names(&[name]);
        let native = json!({"name": "native", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
            "rules": {"action": "ALLOW", "policies": {"callers": {"permissions": [{"any": true}], "principals": [{"authenticated": {}}]}}},
        }});
        let stage = Stage::new()
            .config(json!({
                "providers": {
                    "members": {"client_certificate": {}},
                    "anywhere": {"client_certificate": {"server_name": "any"}},
                    "listed": {"client_certificate": {"accept": {"subjects": ["CN=alice", "CN=mallory"]}}},
                    "passed": {"client_certificate": {"source": {"header": HEADER, "trusted": {"san_uri": PROXY}}}},
                },
                "rules": [
                    {"match": {"path_prefix": "/anywhere"}, "require": "anywhere"},
                    {"match": {"path_prefix": "/listed"}, "require": "listed"},
                    {"match": {"path_prefix": "/passed"}, "require": "passed"},
                    {"match": {"path_prefix": "/optional"}, "require": {"provider": "members", "optional": true}},
                    {"require": "members"},
                ],
            }))
            .tls(|_| TlsListener::new(&certificate).clients_of(&members))
            .bootstrap(|bootstrap| {
                bootstrap
                    .tls(chain("untrusted.test").clients_of(&members).accept_untrusted())
                    .tls(chain("nothing.test").required())
                    .tls(chain("others.test").clients_of(&others).required())
                    .filter_before(off(native))
                    .routes(json!([
                        route("/native", &["native"], &["portcullis", "guard"]),
                        route("/bare", &[], &["portcullis", "guard"]),
                        route("/", &[], &[])
                    ]))
            })
            .start();
        Members { members, others, servers, stage }
    });
    &MEMBERS
}

impl Members {
    /// A request over a connection to this server name, with this certificate, for this host.
    #[track_caller]
    fn over(&self, name: &str, certificate: Option<&Certificate>, path: &str, host: &str) -> Case {
        let tls = Tls::new(&self.servers).server_name(name);
        let tls = certificate.map_or(tls.clone(), |certificate| tls.identity(certificate));
        Case::get(path).host(host).tls(&tls).named(format!("{path}, to {name}, for {host}"))
    }
}

/// The proxy that passes certificates on isn't the only one that reaches Envoy: mallory opens a connection of her own, and writes alice's
/// certificate, which is no secret, into the header.
#[test]
fn a_certificate_in_a_header() {
    let all = members();
    let (alice, mallory) = (all.members.client("alice"), all.members.client("mallory"));
    let proxy = all.members.issue(Leaf::new().common_name("proxy").uri(PROXY));
    let lookalike = all.members.issue(Leaf::new().common_name(PROXY).uri("spiffe://example.org/proxy2").dns("proxy.example.org"));
    let rogue = Authority::new("Members").issue(Leaf::new().common_name("proxy").uri(PROXY));
    let passes = |case: Case| case.header(HEADER, escaped(&alice));
    let refused = |case: Case| passes(case).expect(401).reason("certificate_untrusted_source");
    let over = |certificate: Option<&Certificate>| all.over("api.test", certificate, "/passed", "api.test");
    all.stage.check(both([
        passes(all.over("api.test", None, "/bare", "api.test")).expect(200).upstream(HEADER, &escaped(&alice)),
        passes(over(Some(&proxy))).expect(200).upstream("x-auth-subject", "alice"),
        refused(over(None)),
        refused(over(Some(&mallory))),
        refused(over(Some(&alice))),
        refused(over(Some(&lookalike))),
        refused(Case::get("/passed").named("no TLS")),
        refused(Case::get("/passed").named("as if from the proxy").header("x-forwarded-for", "10.0.0.1").header("x-real-ip", "10.0.0.1")),
        refused(Case::get("/passed").named("with the proxy's own").header("x-forwarded-client-cert", format!("URI={PROXY}"))),
        refused(all.over("untrusted.test", Some(&rogue), "/passed", "untrusted.test")),
        // Through the proxy she is herself, and her own words don't count.
        over(Some(&proxy)).header(HEADER, escaped(&mallory)).expect(200).upstream("x-auth-subject", "mallory"),
        over(Some(&proxy)).header(HEADER, escaped(&mallory)).header(HEADER, escaped(&alice)).expect(400).reason("credential_ambiguous"),
        over(Some(&proxy))
            .header(HEADER, escaped(&mallory))
            .header("x_amzn_mtls_clientcert", escaped(&alice))
            .expect(200)
            .upstream("x-auth-subject", "mallory")
            .upstream_absent("x_amzn_mtls_clientcert"),
        over(Some(&proxy))
            .header(HEADER, format!("{}{}", escaped(&mallory), escaped(&alice)))
            .expect(200)
            .upstream("x-auth-subject", "mallory"),
        over(Some(&proxy)).expect(401).reason("certificate_missing"),
        // Elsewhere the header is nobody's.
        passes(all.over("api.test", Some(&mallory), "/", "api.test"))
            .expect(200)
            .upstream("x-auth-subject", "mallory")
            .upstream_absent(HEADER),
    ]));
    let anybody = json!({"providers": {"passed": {"client_certificate": {"source": {"header": HEADER}}}}});
    let failure = Stage::new().config(anybody).try_start().err().expect("whom to trust has to be said").to_string();
    assert!(failure.contains("providers.passed.client_certificate.source.trusted"), "{failure}");
}

/// Mallory founds an authority of the members' name and signs herself a certificate. Where Envoy lets in what it can't
/// verify (ACCEPT_UNTRUSTED), `connection.mtls` is true; where a certificate is demanded and no authority is named,
/// nothing is demanded.
#[test]
fn a_certificate_that_nobody_verified() {
    let all = members();
    let rogue = Authority::new("Members").client("alice");
    let expired = all.members.issue(Leaf::new().common_name("alice").expired());
    let server = all.members.issue(Leaf::new().common_name("alice").for_servers());
    let good = all.members.client("alice");
    all.stage.check(both([
        all.over("untrusted.test", Some(&rogue), "/native", "untrusted.test").expect(200),
        all.over("untrusted.test", Some(&good), "/", "untrusted.test").expect(200).upstream("x-auth-subject", "alice"),
        all.over("untrusted.test", Some(&rogue), "/", "untrusted.test").expect(401).reason("certificate_unverified"),
        all.over("untrusted.test", Some(&rogue), "/optional", "untrusted.test").expect(401).reason("certificate_unverified"),
        all.over("untrusted.test", Some(&rogue), "/anywhere", "untrusted.test").expect(401).reason("certificate_unverified"),
        all.over("untrusted.test", Some(&expired), "/", "untrusted.test").expect(401).reason("certificate_unverified"),
        all.over("untrusted.test", Some(&server), "/", "untrusted.test").expect(401).reason("certificate_unverified"),
        all.over("untrusted.test", None, "/", "untrusted.test").expect(401).reason("certificate_missing"),
        all.over("nothing.test", None, "/bare", "nothing.test").expect(200),
        all.over("nothing.test", None, "/", "nothing.test").expect(401).reason("certificate_missing"),
        all.over("nothing.test", Some(&rogue), "/", "nothing.test").expect(401).reason("certificate_missing"),
        Case::get("/").named("no TLS at all").expect(401).reason("certificate_missing"),
    ]));
    // Elsewhere Envoy itself ends the connection.
    let tls = Tls::new(&all.servers).identity(&rogue);
    assert!(all.stage.tls_client(tls).try_send(&Request::get("/")).is_err());
}

/// An older Envoy gives the connection's certificate in `x-forwarded-client-cert` alone, after what the client wrote there itself, and before names
/// that stand in the certificate and are not escaped: mallory writes alice's certificate into either.
#[test]
fn a_certificate_between_the_lines() {
    let (members, servers) = (Authority::new("Members"), Authority::new("Servers"));
    let certificate = servers.server(&["api.test"]);
    let older = EnvoyBinary::version("1.37").unwrap_or_else(|why| panic!("{why}"));
    let stage = |mode: &str, details: Value| {
        Stage::new()
            .config(json!({"providers": {"members": {"client_certificate": {"verified_by": "listener"}}}}))
            .tls(|_| TlsListener::new(&certificate).clients_of(&members).required())
            .bootstrap(|bootstrap| {
                bootstrap
                    .hcm("forward_client_cert_details", json!(mode))
                    .hcm("set_current_client_cert_details", details)
                    .routes(json!([route("/bare", &[], &["portcullis", "guard"]), route("/", &[], &[])]))
            })
            .launch(|launch| launch.binary(older.clone()))
            .start()
    };
    let alice = members.client("alice");
    let forged = format!("Hash={};Cert=\"{}\"", alice.fingerprint(), escaped(&alice));
    let over = |path: &str, certificate: &Certificate| Case::get(path).tls(&Tls::new(&servers).identity(certificate));
    let is_never_alice = |stage: &RunningStage, case: &dyn Fn(&str) -> Case| {
        let id = fresh_request_id();
        stage.check([case("/bare").request_id(&id).expect(200)]);
        let forwarded = stage.upstream.received_with_id(&id)[0].header("x-forwarded-client-cert").expect("it is forwarded");
        assert!(forwarded.contains(&format!(";{}", forged.split(';').nth(1).expect("Cert="))), "the attack is none: {forwarded}");
        let id = fresh_request_id();
        let _ = case("/").request_id(&id).run(stage);
        for received in stage.upstream.received_with_id(&id) {
            assert_eq!(received.header("x-auth-subject").as_deref(), Some("mallory"));
        }
    };
    let writes = |stage: &RunningStage| {
        for leaf in [
            Leaf::new().common_name("mallory").uri(&format!("https://x.test/;{forged}")),
            Leaf::new().common_name("mallory").uri(&format!("https://x.test/,{forged}")),
            Leaf::new().common_name("mallory").dns(&format!("x.test;{forged};x=")),
        ] {
            let hers = members.issue(leaf);
            is_never_alice(stage, &|path| over(path, &hers));
        }
    };
    // The only certificate there is the forged one.
    let without = stage("SANITIZE_SET", json!({"subject": true, "dns": true, "uri": true}));
    writes(&without);
    assert_eq!(without.upstream.received().iter().filter(|received| received.path == "/").count(), 0);
    // It stands first, for she wrote it herself; or last, in a name.
    let appended = stage("APPEND_FORWARD", json!({"cert": true, "dns": true, "uri": true}));
    writes(&appended);
    let hers = members.client("mallory");
    is_never_alice(&appended, &|path| over(path, &hers).header("x-forwarded-client-cert", &forged));
    appended.check([
        over("/", &hers).header("x-forwarded-client-cert", &forged).expect(200).upstream("x-auth-subject", "mallory"),
        over("/", &alice).expect(200).upstream("x-auth-subject", "alice"),
    ]);
}

/// Members of one authority and of another each have a server name, and a host, of their own. Mallory, whom the others' authority knows,
/// asks over its server name for the members' host: her certificate is valid, there.
#[test]
fn a_connection_that_was_made_for_another_host() {
    let all = members();
    let mallory = all.others.client("alice");
    let alice = all.members.client("alice");
    all.stage.check(both([
        all.over("others.test", Some(&mallory), "/native", "api.test").expect(200),
        all.over("others.test", Some(&mallory), "/anywhere", "api.test").expect(200).upstream("x-auth-subject", "alice"),
        all.over("others.test", Some(&mallory), "/", "others.test").expect(200),
        all.over("api.test", Some(&alice), "/", "api.test").expect(200),
    ]));
    for host in ["api.test", "API.test:443", "api.test.", "127.0.0.1", "others.test.evil.test", "x.others.test", "untrusted.test"] {
        all.stage.check(both([all.over("others.test", Some(&mallory), "/", host).expect(421).reason("misdirected")]));
    }
    // One connection that was good for one request is not for the next.
    for http2 in [false, true] {
        let client = all.stage.tls_client(Tls::new(&all.servers).server_name("others.test").identity(&mallory));
        let mut connection = if http2 { client.http2() } else { client }.connect().expect("a connection");
        let mut status = |host: &str| connection.send(&Request::get("/").host(host)).expect("a response").status;
        assert_eq!([status("others.test"), status("api.test"), status("others.test")], [200, 421, 200]);
    }
}

/// TLS ends one hop before, at a gateway that has a certificate of the same authority: over it every caller is the
/// gateway, and mallory is, too.
#[test]
fn everybody_is_the_gateway() {
    let all = members();
    let (gateway, alice) = (all.members.client("gateway"), all.members.client("alice"));
    let lookalike = all.members.issue(Leaf::new().common_name("alice").organization("CN=alice"));
    let case = |certificate: &Certificate, path: &str| all.over("api.test", Some(certificate), path, "api.test");
    all.stage.check(both([
        case(&gateway, "/").expect(200).upstream("x-auth-subject", "gateway"),
        case(&gateway, "/listed").expect(401).reason("certificate_not_accepted"),
        case(&lookalike, "/listed").expect(401).reason("certificate_not_accepted"),
        case(&all.members.client("CN=alice"), "/listed").expect(401).reason("certificate_not_accepted"),
        case(&alice, "/listed").expect(200).upstream("x-auth-subject", "alice"),
    ]));
}
