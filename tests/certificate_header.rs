//! Client certificates that a proxy passes on in a header, as proxies really write them; and everybody who isn't that proxy.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "helpers of tests")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use portcullis_harness::{
    Authority, Case, Certificate, Leaf, Request, RunningStage, Stage, Tls, TlsListener, der_utf8_sequence, fresh_request_id,
};
use serde_json::json;

const ROLES: &str = "1.3.6.1.4.1.62329.1.1";
/// The header's name at AWS and Icebreaker One.
const HEADER: &str = "x-amzn-mtls-clientcert";
const PROXY: &str = "spiffe://example.org/proxy";

/// RFC 3986's unreserved characters: nginx's `$ssl_client_escaped_cert`.
const NGINX: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Python's `urllib.parse.quote`.
const PYTHON: &AsciiSet = &NGINX.remove(b'/');
/// The AWS Application Load Balancer, by its documentation.
const ALB: &AsciiSet = &PYTHON.remove(b'+').remove(b'=');

fn escaped(text: &str, set: &'static AsciiSet) -> String {
    utf8_percent_encode(text, set).to_string()
}

/// As nginx writes it.
fn nginx(certificate: &Certificate) -> String {
    escaped(&certificate.pem(), NGINX)
}

/// The stage: members whose TLS ended at a proxy, and the proxy's own TLS.
struct Proxied {
    members: Authority,
    proxies: Authority,
    servers: Authority,
    alice: Certificate,
    proxy: Certificate,
    stage: RunningStage,
}

fn configuration(proxy: &Certificate) -> String {
    let digest = STANDARD.encode(hex(&proxy.fingerprint()));
    let header = |trusted: &str| format!("source: {{header: X-Amzn-Mtls-Clientcert, trusted: {trusted}}}");
    let identity = format!("identity: {{roles: {{extension: {ROLES}, type: utf8_sequence}}}}");
    format!(
        r#"
providers:
  by_uri:
    client_certificate:
      {by_uri}
      {identity}
    upstream:
      headers:
        x-auth-provider: {{identity: provider}}
        x-auth-subject: {{identity: subject}}
        x-auth-roles: {{identity: roles}}
        x-amzn-mtls-clientcert: {{certificate: percent_encoded_pem}}
  by_uri_anywhere:
    client_certificate:
      {by_uri}
      server_name: any
  by_dns:
    client_certificate:
      {by_dns}
  by_digest:
    client_certificate:
      {by_digest}
  chosen:
    client_certificate:
      {by_uri}
      accept: {{subjects: [CN=bob]}}
  by_network:
    client_certificate:
      source: {{header: Client-Cert, trusted: network_only}}
      {identity}
  kept:
    client_certificate:
      source: {{header: x-kept, trusted: network_only}}
    upstream: {{credential: keep}}
  direct:
    client_certificate: {{}}
  partners:
    static_secret: {{sha256: bc19487dc16595fd1ee44ed63588f82b89f70c2885ec2460c5831f77e255d271}}
rules:
  - {{match: {{path: /open}}, allow: anyone}}
  - {{match: {{path: /uri}}, require: by_uri}}
  - {{match: {{path: /reader}}, require: {{provider: by_uri, roles: reader}}}}
  - {{match: {{path: /anywhere}}, require: by_uri_anywhere}}
  - {{match: {{path: /dns}}, require: by_dns}}
  - {{match: {{path: /digest}}, require: by_digest}}
  - {{match: {{path: /chosen}}, require: chosen}}
  - {{match: {{path: /network}}, require: by_network}}
  - {{match: {{path: /kept}}, require: kept}}
  - {{match: {{path: /kept-or-partner}}, require: {{any: [partners, kept]}}}}
  - {{match: {{path: /optional}}, require: {{provider: by_uri, optional: true}}}}
  - {{match: {{path: /either}}, require: {{any: [by_uri, direct]}}}}
  - {{match: {{path: /two-headers}}, require: {{any: [by_network, kept]}}}}
  - {{match: {{path: /partner-or-member}}, require: {{any: [partners, by_network]}}}}
  - {{match: {{path: /both}}, require: {{all: [direct, by_uri], identity: by_uri}}}}
"#,
        by_uri = header(&format!("{{san_uri: {PROXY}}}")),
        by_dns = header("{san_dns: [other.internal, proxy.internal]}"),
        by_digest = header(&format!("{{sha256: [bc19487dc16595fd1ee44ed63588f82b89f70c2885ec2460c5831f77e255d271, {digest}]}}")),
    )
}

/// The secret of `partners`.
const SECRET: &str = "a-secret-of-sixty-four-octets-which-is-more-than-enough-for-all";

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|digit| digit.to_digit(16)).filter_map(|digit| u8::try_from(digit).ok()).collect();
    digits.chunks(2).map(|pair| (pair[0] << 4) | pair[1]).collect()
}

impl Proxied {
    fn start() -> Self {
        let (members, proxies, servers) =
            (Authority::new("members").intermediate("Issuing CA"), Authority::new("proxies"), Authority::new("servers"));
        let alice = members.issue(Leaf::new().common_name("alice").extension(ROLES, der_utf8_sequence(&["reader", "writer"])));
        let proxy = proxies.issue(proxy_leaf());
        let certificate = servers.server(&["api.test"]);
        let chain = |name: &str| TlsListener::new(&certificate).server_names(&[name]).clients_of(&proxies);
        let stage = Stage::new()
            .config(configuration(&proxy))
            .tls(|_| TlsListener::new(&certificate).clients_of(&proxies))
            .bootstrap(|bootstrap| {
                bootstrap
                    .tls(chain("untrusted.test").accept_untrusted())
                    .tls(chain("expired.test").allow_expired())
                    .tls(chain("resuming.test").resuming())
                    .trailers()
                    .hcm("max_request_headers_kb", json!(512))
            })
            .start();
        Self { members, proxies, servers, alice, proxy, stage }
    }

    /// TLS to `api.test`, with this certificate of the client's own.
    fn tls(&self, own: &Certificate) -> Tls {
        Tls::new(&self.servers).identity(own)
    }

    /// A request that the proxy passes on, with this in the header.
    fn passed_on(&self, path: &str, value: &str) -> Case {
        Case::get(path).tls(&self.tls(&self.proxy)).header(HEADER, value)
    }

    /// The same of somebody else.
    fn sent_by(&self, own: &Certificate, path: &str, value: &str) -> Case {
        Case::get(path).tls(&self.tls(own)).header(HEADER, value)
    }
}

fn proxy_leaf() -> Leaf {
    Leaf::new().common_name("proxy").uri("urn:something-else").uri(PROXY).dns("proxy.internal")
}

#[test]
fn every_form_that_proxies_write() {
    let proxied = Proxied::start();
    let (alice, stage) = (&proxied.alice, &proxied.stage);
    let (pem, chain) = (alice.pem(), alice.chain_pem());
    assert!(chain.matches("BEGIN").count() > 1, "a chain");
    let base64 = STANDARD.encode(alice.der());
    let line = pem.trim_end().replace('\n', " ");
    let forms = [
        ("nginx", nginx(alice)),
        ("nginx, lower-case hex", nginx(alice).replace("%2B", "%2b").replace("%2F", "%2f").replace("%0A", "%0a").replace("%3D", "%3d")),
        ("Python", escaped(&pem, PYTHON)),
        ("ALB verify, -Leaf", escaped(&pem, ALB)),
        ("ALB passthrough, the chain, leaf first", escaped(&chain, ALB)),
        ("the same, as its documentation's example is", escaped(&chain, NGINX)),
        ("CR LF", escaped(&pem.replace('\n', "\r\n"), NGINX)),
        ("text before it", escaped(&format!("subject=CN=alice, O=x\n{pem}"), NGINX)),
        ("one line, blanks", line.clone()),
        ("one line, tabs", line.replace(' ', "\t").replace("BEGIN\t", "BEGIN ").replace("END\t", "END ")),
        ("one line, nothing", pem.replace('\n', "")),
        ("base64", base64.clone()),
        ("base64, escaped", escaped(&base64, NGINX)),
        ("RFC 9440", format!(":{base64}:")),
    ];
    let as_sent_on = nginx(alice);
    let mut cases = Vec::new();
    for (what, value) in &forms {
        let case = proxied.passed_on("/reader", value).named(*what).expect(200);
        let case = case.upstream("x-auth-provider", "by_uri").upstream("x-auth-subject", "alice").upstream("x-auth-roles", "reader,writer");
        cases.push(case.upstream(HEADER, &as_sent_on).access("subject", "alice"));
        cases.push(
            Case::get("/network")
                .named(format!("{what}, by the network"))
                .header("Client-Cert", value)
                .expect(200)
                .upstream("x-auth-subject", "alice")
                .upstream_absent("client-cert"),
        );
    }
    cases.push(proxied.passed_on("/uri", &forms[0].1).http2().named("HTTP/2").expect(200).upstream(HEADER, &as_sent_on));
    cases.push(proxied.passed_on("/dns", &as_sent_on).expect(200).upstream("x-auth-provider", "by_dns").upstream_absent(HEADER));
    cases.push(proxied.passed_on("/digest", &as_sent_on).expect(200).upstream("x-auth-provider", "by_digest").upstream_absent(HEADER));
    stage.check(cases);
}

#[test]
fn what_is_no_certificate_or_not_a_good_one() {
    let proxied = Proxied::start();
    let (members, stage, alice) = (&proxied.members, &proxied.stage, &proxied.alice);
    let value = nginx(alice);
    let bob = members.client("bob");
    let (pem, base64) = (alice.pem(), STANDARD.encode(alice.der()));
    let mut cases = vec![
        Case::get("/uri").tls(&proxied.tls(&proxied.proxy)).named("absent").expect(401).reason("certificate_missing"),
        proxied.passed_on("/uri", "").named("empty").expect(401).reason("certificate_missing"),
        Case::get("/network").named("absent, by the network").expect(401).reason("certificate_missing").answer_absent("www-authenticate"),
        Case::get("/optional").named("optional, absent").expect(200).upstream_absent("x-auth-subject"),
        proxied.passed_on("/optional", "").named("optional, empty").expect(200).upstream_absent(HEADER),
        proxied.passed_on("/optional", &value).named("optional, good").expect(200).upstream("x-auth-subject", "alice"),
        proxied.passed_on("/chosen", &value).named("not accepted").expect(401).reason("certificate_not_accepted"),
        proxied.passed_on("/chosen", &nginx(&bob)).named("accepted").expect(200).upstream("x-auth-subject", "bob"),
        proxied.passed_on("/reader", &nginx(&bob)).named("without roles").expect(401).reason("roles_absent"),
    ];
    // Refused under `optional`, too, and never a crash.
    let double = escaped(&value, NGINX);
    for (what, value, reason) in [
        ("garbage", "garbage".to_owned(), "certificate_malformed"),
        ("Apache's nothing", "(null)".to_owned(), "certificate_malformed"),
        ("truncated", value.chars().take(value.len() / 2).collect(), "certificate_malformed"),
        ("form-encoded", value.replace("%20", "+"), "certificate_malformed"),
        ("form-decoded", base64.replace(['+', '/'], " "), "certificate_malformed"),
        ("encoded twice", double, "certificate_malformed"),
        ("another kind of PEM", value.replace("CERTIFICATE", "X509%20CRL"), "certificate_malformed"),
        ("a private key first", escaped(&[alice.key_pem(), pem.clone()].concat(), NGINX), "certificate_malformed"),
        ("half a byte sequence", format!(":{base64}"), "certificate_malformed"),
        ("not UTF-8", "%FF%FE%00".to_owned(), "certificate_malformed"),
        ("percent signs", "%".repeat(10_000), "certificate_malformed"),
        ("beginnings", "-----BEGIN ".repeat(5000), "certificate_malformed"),
        ("64 KiB", "A".repeat(64 * 1024), "certificate_malformed"),
        ("more", "A".repeat(64 * 1024 + 4), "credential_too_large"),
        ("much more", format!("{value}{}", "A".repeat(400_000)), "credential_too_large"),
        ("expired", nginx(&members.issue(Leaf::new().common_name("alice").expired())), "certificate_expired"),
        ("not valid yet", nginx(&members.issue(Leaf::new().common_name("alice").valid(3600, 7200))), "certificate_expired"),
        ("without a subject", nginx(&members.issue(Leaf::new().organization("A"))), "certificate_not_accepted"),
    ] {
        for path in ["/uri", "/optional"] {
            cases.push(proxied.passed_on(path, &value).named(format!("{what}, {path}")).expect(401).reason(reason));
        }
        cases.push(Case::get("/network").header("client-cert", &value).named(format!("{what}, by the network")).expect(401).reason(reason));
    }
    // One certificate, and no more: which is the proxy's?
    for path in ["/uri", "/optional"] {
        let case = |what: &str, first: &str| {
            proxied.passed_on(path, first).named(format!("{what}, {path}")).expect(400).reason("credential_ambiguous")
        };
        cases.push(case("twice", &nginx(&bob)).header(HEADER, &value));
        cases.push(case("twice the same", &value).header("X-Amzn-Mtls-Clientcert", &value));
        cases.push(case("twice, HTTP/2", &nginx(&bob)).header(HEADER, &value).http2());
        cases.push(case("an empty one beside it", "").header(HEADER, &value));
        cases.push(case("joined", &format!("{},{value}", nginx(&bob))));
        cases.push(case("joined, with a blank", &format!("{}, {value}", nginx(&bob))));
        cases.push(case("byte sequences joined", &format!(":{base64}:, :{base64}:")));
    }
    cases.push(proxied.passed_on("/uri", &value).named("after all that").expect(200));
    stage.check(cases);
}

#[test]
fn nobody_elses_word_is_taken() {
    let proxied = Proxied::start();
    let (stage, value) = (&proxied.stage, nginx(&proxied.alice));
    let of = |leaf: Leaf| proxied.proxies.issue(leaf);
    let untrusted = "certificate_untrusted_source";
    // A resumed session says nothing of the proxy's certificate.
    let resuming = Tls::new(&proxied.servers).server_name("resuming.test").identity(&proxied.proxy).resuming();
    let client = stage.tls_client(resuming);
    let outcomes: Vec<_> = (0..2)
        .map(|_| {
            let id = fresh_request_id();
            let mut connection = client.connect().expect("a connection");
            let request = Request::get("/uri").host("resuming.test").header(HEADER, &value).header("x-request-id", &id);
            let status = connection.send(&request).expect("a response").status;
            (connection.resumed(), status, stage.envoy.access(&id)["reason"].as_str().map(str::to_owned))
        })
        .collect();
    assert_eq!(outcomes, [(false, 200, None), (true, 401, Some(untrusted.to_owned()))]);
    let line = stage.envoy.wait_for_log("a resumed TLS session");
    assert!(line.contains("reason=certificate_untrusted_source") && line.contains("by no trusted proxy"), "{line}");
    let mut cases = Vec::new();
    for path in ["/uri", "/dns", "/digest", "/anywhere", "/optional"] {
        let case = Case::get(path).header(HEADER, &value).expect(401).reason(untrusted);
        cases.push(case.clone().named(format!("{path}, no TLS")));
        cases.push(case.clone().tls(&Tls::new(&proxied.servers)).named(format!("{path}, TLS without a certificate")));
        cases.push(
            case.clone()
                .header("x-forwarded-client-cert", format!("Hash={};Cert=\"{}\"", proxied.proxy.fingerprint(), nginx(&proxied.proxy))),
        );
        // Everybody's of the same CA, nearly the proxy's, and members' own.
        let strangers = [
            ("another client", of(Leaf::new().common_name("proxy"))),
            ("the name in the CN", of(Leaf::new().common_name(PROXY))),
            ("a longer URI", of(Leaf::new().uri("spiffe://example.org/proxy/x").dns("a.proxy.internal"))),
            ("a shorter URI", of(Leaf::new().uri("spiffe://example.org/prox").dns("proxy.interna"))),
            ("another case", of(Leaf::new().uri("spiffe://example.org/Proxy").dns("PROXY.internal"))),
            ("kinds swapped", of(Leaf::new().dns(PROXY).uri("proxy.internal"))),
            ("a wildcard", of(Leaf::new().dns("*.internal"))),
        ];
        for (what, own) in strangers {
            cases.push(proxied.sent_by(&own, path, &value).named(format!("{path}, {what}")).expect(401).reason(untrusted));
        }
        let rogue = Authority::new("proxies").issue(proxy_leaf());
        let to = |name: &str, own: &Certificate| Tls::new(&proxied.servers).server_name(name).identity(own);
        let over = |name: &str, own: &Certificate| Case::get(path).host(name).header(HEADER, &value).tls(&to(name, own));
        cases.push(over("untrusted.test", &rogue).named(format!("{path}, of another CA")).expect(401).reason(untrusted));
        let expired = of(proxy_leaf().expired());
        cases.push(over("untrusted.test", &expired).named(format!("{path}, expired, unverified")).expect(401).reason(untrusted));
        cases.push(over("expired.test", &expired).named(format!("{path}, expired, let in")).expect(401).reason(untrusted));
        let early = of(proxy_leaf().valid(3600, 7200));
        cases.push(over("expired.test", &early).named(format!("{path}, not valid yet")).expect(401).reason(untrusted));
        for name in ["untrusted.test", "expired.test", "resuming.test"] {
            cases.push(over(name, &proxied.proxy).named(format!("{path}, {name}, the proxy")).expect(200));
        }
    }
    // The same name on another certificate: the digest tells.
    let twin = of(proxy_leaf());
    cases.push(proxied.sent_by(&twin, "/uri", &value).named("a proxy's new certificate").expect(200));
    cases.push(proxied.sent_by(&twin, "/digest", &value).named("by digest").expect(401).reason(untrusted));
    // Without the header there is nothing to trust anybody for.
    cases.push(Case::get("/optional").tls(&proxied.tls(&twin)).expect(200).upstream_absent("x-auth-subject"));
    cases.push(Case::get("/uri").tls(&proxied.tls(&proxied.proxy)).named("the proxy itself").expect(401).reason("certificate_missing"));
    // The connection is for the host.
    let elsewhere = |path: &str| Case::get(path).host("other.test").tls(&proxied.tls(&proxied.proxy)).header(HEADER, &value);
    cases.push(elsewhere("/uri").named("another host").expect(421).reason("misdirected"));
    cases.push(elsewhere("/optional").named("another host, optional").expect(421).reason("misdirected"));
    cases.push(elsewhere("/anywhere").named("any host").expect(200).upstream("x-auth-subject", "alice"));
    stage.check(cases);
}

#[test]
fn what_was_sent_never_goes_on() {
    let proxied = Proxied::start();
    let (stage, value) = (&proxied.stage, nginx(&proxied.alice));
    let spellings =
        ["x-amzn-mtls-clientcert", "X-Amzn-Mtls-Clientcert", "x_amzn_mtls_clientcert", "x.amzn.mtls-clientcert", "X_AMZN-MTLS_CLIENTCERT"];
    let evil = nginx(&proxied.members.client("mallory"));
    let mut cases = Vec::new();
    for name in spellings {
        let lower = name.to_lowercase();
        for path in ["/open", "/optional"] {
            // Under `optional` the header itself would be refused: it comes from nobody who is trusted.
            if path == "/optional" && lower == HEADER {
                continue;
            }
            cases.push(Case::get(path).header(name, &evil).named(format!("{path}, {name}")).expect(200).upstream_absent(&lower));
        }
        let trailing = Case::post("/open", "body").with(|request| request.trailer(name, &evil).trailer("x-other", "1"));
        let trailing = trailing.named(format!("{name}, in trailers")).expect(200).upstream_trailer("x-other", "1");
        cases.push(trailing.clone().upstream_trailer_absent(&lower));
        cases.push(trailing.http2().upstream_trailer_absent(&lower));
        if lower != HEADER {
            // Smuggled beside the proxy's own, and instead of it.
            let beside = proxied.passed_on("/uri", &value).header(name, &evil).named(format!("{name}, beside it"));
            cases.push(beside.expect(200).upstream_absent(&lower).upstream(HEADER, &value).upstream("x-auth-subject", "alice"));
            let instead = Case::get("/uri").tls(&proxied.tls(&proxied.proxy)).header(name, &evil).named(format!("{name}, instead"));
            cases.push(instead.expect(401).reason("certificate_missing"));
        }
    }
    // Other providers' requests, and other providers' headers.
    cases.push(Case::get("/network").header("client-cert", &value).header(HEADER, &evil).expect(200).upstream_absent(HEADER));
    cases.push(
        proxied.passed_on("/dns", &value).header("client-cert", &evil).header("x-kept", &evil).expect(200).upstream_absent("client-cert"),
    );
    cases.push(Case::get("/kept-or-partner").bearer(SECRET).expect(200).upstream_absent("x-kept"));
    // Kept only where it was verified.
    cases.push(Case::get("/kept").header("x-kept", &value).expect(200).upstream("x-kept", &value));
    cases.push(
        Case::get("/kept")
            .header("x-kept", &value)
            .header("x_kept", &evil)
            .expect(200)
            .upstream("x-kept", &value)
            .upstream_absent("x_kept"),
    );
    cases.push(Case::get("/open").header("x-kept", &value).named("not looked at").expect(200).upstream_absent("x-kept"));
    stage.check(cases);
}

#[test]
fn each_provider_claims_its_own_source() {
    let proxied = Proxied::start();
    let (stage, alice, value) = (&proxied.stage, &proxied.alice, nginx(&proxied.alice));
    let bob = proxied.proxies.client("bob");
    let bad = "garbage";
    stage.check([
        // By a header, or by the connection: the proxy's own certificate is no caller's as long as the header counts first.
        proxied.passed_on("/either", &value).expect(200).upstream("x-auth-subject", "alice").upstream("x-auth-provider", "by_uri"),
        Case::get("/either").tls(&proxied.tls(&bob)).expect(200).upstream("x-auth-subject", "bob").upstream("x-auth-provider", "direct"),
        proxied.sent_by(&bob, "/either", &value).named("bob says he is alice").expect(401).reason("certificate_untrusted_source"),
        proxied.passed_on("/either", bad).expect(401).reason("certificate_malformed"),
        Case::get("/either").expect(401).reason("certificate_missing"),
        Case::get("/either").header(HEADER, &value).expect(401).reason("certificate_untrusted_source"),
        // Both at once.
        proxied.passed_on("/both", &value).expect(200).upstream("x-auth-subject", "alice"),
        Case::get("/both").tls(&proxied.tls(&bob)).expect(401).reason("certificate_missing"),
        Case::get("/both").header(HEADER, &value).expect(401).reason("certificate_untrusted_source"),
        // Two headers: one bad refuses, the first listed counts.
        Case::get("/two-headers").header("client-cert", &value).expect(200).upstream("x-auth-provider", "by_network"),
        Case::get("/two-headers").header("x-kept", &value).expect(200).upstream("x-auth-provider", "kept").upstream("x-kept", &value),
        Case::get("/two-headers").header("client-cert", &value).header("x-kept", bad).expect(401).reason("certificate_malformed"),
        Case::get("/two-headers").header("client-cert", bad).header("x-kept", &value).expect(401).reason("certificate_malformed"),
        Case::get("/two-headers")
            .header("client-cert", &value)
            .header("x-kept", nginx(&bob))
            .expect(200)
            .upstream("x-auth-subject", "alice"),
        // A secret, or a certificate.
        Case::get("/partner-or-member").bearer(SECRET).expect(200).upstream("x-auth-provider", "partners"),
        Case::get("/partner-or-member").header("client-cert", format!(":{}:", STANDARD.encode(alice.der()))).expect(200),
        Case::get("/partner-or-member").bearer(SECRET).header("client-cert", bad).expect(401).reason("certificate_malformed"),
        Case::get("/partner-or-member").expect(401).reason("credential_missing"),
    ]);
}
