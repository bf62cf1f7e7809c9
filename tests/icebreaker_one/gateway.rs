//! The shipped configurations, as they are shipped, with members to call them.

use portcullis_harness::icebreaker_one::{Scheme, service};
use portcullis_harness::{Authority, Case, Certificate, DIRECTORY, EnvoyBinary, Example, Leaf, RunningStage, Tls, Upstream};
use serde_json::json;

pub const SUPPLY: &str = "/api/v1/supply-voltage?period=2023-07";
pub const CONSUMPTION: &str = "/api/v1/consumption";
pub const INFO: &str = "/api/v1/info";
/// The header that the service reads.
pub const HEADER: &str = "x-amzn-mtls-clientcert";
/// What it reads there for application one's `?period=2023-07`.
pub const VOLTAGES: &str = r#"{"period":"2023-07","voltages":[232,249,231,232,249,236,247,240,238,243,233,233,234,243,238,249]}"#;

pub const NO_CERTIFICATE: &str = "No client certificate provided";
pub const NO_ROLES: &str = "Client certificate does not include role information";

/// Envoy with one of the files, and the service behind it.
pub struct Gateway {
    pub stage: RunningStage,
    /// The members' authorities, in both shapes; Envoy trusts both roots.
    pub old: Scheme,
    pub new: Scheme,
    pub servers: Authority,
    /// The authority of proxies.
    pub proxies: Authority,
    /// Where a proxy stands in front, its own certificate.
    proxy: Option<Certificate>,
}

/// A gateway to be.
pub struct Setting {
    example: Example,
    old: Scheme,
    new: Scheme,
    proxies: Authority,
    files: Vec<(&'static str, String)>,
    binary: Option<EnvoyBinary>,
    behind: bool,
}

impl Setting {
    fn load(name: &str, behind: bool) -> Self {
        let example = Example::shipped(name, &[10443])
            .replace("/etc/envoy/", &format!("{DIRECTORY}/"))
            // The tests know their requests by the ids that they gave them.
            .replace("always_set_request_id_in_response: true", "preserve_external_request_id: true");
        let (old, new, proxies) = (Scheme::of_2024(), Scheme::of_2025(), Authority::new("proxies"));
        Self { example, old, new, proxies, files: Vec::new(), binary: None, behind }
    }

    /// With the file edited as its comments say.
    pub fn replace(mut self, from: &str, to: &str) -> Self {
        self.example = self.example.replace(from, to);
        self
    }

    /// With another file beside it, or instead of one.
    pub fn file(mut self, name: &'static str, text: String) -> Self {
        self.files.push((name, text));
        self
    }

    /// The members' authorities.
    pub fn schemes(&self) -> (&Scheme, &Scheme) {
        (&self.old, &self.new)
    }

    /// On another Envoy.
    pub fn binary(mut self, binary: EnvoyBinary) -> Self {
        self.binary = Some(binary);
        self
    }

    pub fn start(self) -> Gateway {
        let servers = Authority::new("servers");
        let server = servers.server(&["api.test"]);
        let upstream = Upstream::start();
        upstream.answer_by(service);
        let launch = self.example.port(8080, upstream.address().port()).launch().component_log_level("wasm:debug");
        let launch = launch.file("server.pem", &server.chain_pem()).file("server.key", &server.key_pem());
        let launch = launch.file("proxies-ca.pem", &self.proxies.pem());
        let launch = launch.file("members-ca.pem", &format!("{}{}", self.old.root.pem(), self.new.root.pem()));
        let launch = self.files.iter().fold(launch, |launch, (name, text)| launch.file(name, text));
        let launch = match self.binary {
            Some(binary) => launch.binary(binary),
            None => launch,
        };
        let stage = RunningStage::by_listeners(launch.start(), upstream, "https", Some("https"));
        let proxy = self.behind.then(|| self.proxies.issue(proxy_leaf()));
        Gateway { stage, old: self.old, new: self.new, servers, proxies: self.proxies, proxy }
    }
}

/// The leaf of a proxy that is trusted.
pub fn proxy_leaf() -> Leaf {
    Leaf::new().common_name("nginx").dns("proxy.internal")
}

impl Gateway {
    /// Envoy ends the members' TLS.
    pub fn direct() -> Setting {
        Setting::load("envoy/icebreaker-one.yaml", false)
    }

    /// nginx ends it, and shows Envoy a certificate of its own.
    pub fn behind_nginx() -> Setting {
        Setting::load("envoy/icebreaker-one-behind-proxy.yaml", true)
    }

    /// AWS's load balancer ends it, and shows none: what is marked so in the file.
    pub fn behind_load_balancer() -> Setting {
        let setting = Setting::load("envoy/icebreaker-one-behind-proxy.yaml", false);
        let setting =
            setting.replace("require_client_certificate: true        # load balancer: false", "require_client_certificate: false");
        let setting = setting.replace("source: {header: x-amzn-mtls-clientcert, trusted: {san_dns: proxy.internal}}\n", "\n");
        setting.replace("  server_name: any\n", "\n").replace("# source: {header: x-amzn", "source: {header: x-amzn")
    }

    /// TLS as the proxy does it, or as a client without a certificate.
    pub fn tls(&self) -> Tls {
        let tls = Tls::new(&self.servers);
        match &self.proxy {
            Some(proxy) => tls.identity(proxy),
            None => tls,
        }
    }

    /// TLS with this certificate.
    pub fn tls_of(&self, certificate: &Certificate) -> Tls {
        Tls::new(&self.servers).identity(certificate)
    }

    /// A request of a member with this certificate, over TLS that ends here.
    pub fn get(&self, path: &str, certificate: &Certificate) -> Case {
        Case::get(path).tls(&self.tls_of(certificate))
    }

    /// A request over TLS as the proxy does it, or without a certificate.
    pub fn bare(&self, path: &str) -> Case {
        Case::get(path).tls(&self.tls())
    }

    /// The TLS handshake fails, or the connection ends with it, and the service sees nothing.
    pub fn refuses_handshake(&self, what: &str, certificate: &Certificate) {
        let count = self.stage.upstream.count();
        for tls in [self.tls_of(certificate), self.tls_of(certificate).only_tls12()] {
            let client = self.stage.tls_client(tls);
            for client in [client.clone(), client.http2()] {
                let answer = client.try_send(&portcullis_harness::Request::get(SUPPLY));
                assert!(answer.is_err(), "{what}: {answer:?}");
            }
        }
        assert_eq!(self.stage.upstream.count(), count, "{what}");
    }

    /// Nothing of these texts stands in any log.
    pub fn tells_nothing_of(&self, texts: &[&str]) {
        let (log, access) = (self.stage.envoy.log().text(), self.stage.envoy.access_log().text());
        for text in texts {
            assert!(!log.contains(text), "Envoy's log has {text}");
            assert!(!access.contains(text), "the access log has {text}");
        }
    }
}

/// Both protocols.
pub fn both(case: &Case) -> [Case; 2] {
    [case.clone(), case.clone().http2()]
}

/// 401, with this and nothing else in the body, as the service of the demonstration gives it.
pub fn detail(case: Case, text: &str) -> Case {
    case.expect(401)
        .answer("content-type", "application/json")
        .answer("content-length", &json!({ "detail": text }).to_string().len().to_string())
        .answer_absent("www-authenticate")
        .answer("cache-control", "no-store")
        .body_contains(&json!({ "detail": text }).to_string())
        .not_upstream()
}

pub fn no_role(role: &str) -> String {
    format!("Client certificate does not include role {role}")
}

/// As nginx's `$ssl_client_escaped_cert` has it.
pub fn escaped(certificate: &Certificate) -> String {
    percent_encoding::utf8_percent_encode(&certificate.pem(), NGINX).to_string()
}

/// What nginx escapes: all but the unreserved characters of RFC 3986.
pub const NGINX: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
