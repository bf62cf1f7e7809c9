//! The shipped configuration: Envoy knows the clients, and the engine knows Envoy alone.

use crate::{assert_unlogged, authorized, call, check, garbage, refused, tool};
use portcullis_harness::{Algorithm, Authority, Example, IdentityProvider, Key, Launch, RunningStage, Upstream, mint, now};
use serde_json::{Value, json};

const SECRET: &str = "my-secure-token";

/// The server's certificate as the tool makes it, for this name.
fn launch(upstream: &Upstream, identity_provider: &IdentityProvider, idp_authority: &Authority) -> Launch {
    let folder = tempfile::tempdir().expect("a temporary folder");
    tool::run(&["key", "tls", "--directory", tool::text(folder.path()), "--name", "engine.example"]).output();
    let made = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect("it is made");
    let identity_provider = format!("address: 127.0.0.1, port_value: {}", identity_provider.address().port());
    Example::shipped("envoy/carbon-engine.yaml", &[10080, 10443])
        .port(8080, upstream.address().port())
        .replace("address: idp.example, port_value: 443", &identity_provider)
        .replace("/etc/ssl/certs/ca-certificates.crt", "{{directory}}/idp-ca.pem")
        .replace("/tls/", "{{directory}}/")
        .launch()
        .file("idp-ca.pem", &idp_authority.pem())
        .file("server.crt", &made("server.crt"))
        .file("server.key", &made("server.key"))
        .env("ENGINE_SECRET", SECRET)
}

fn keys() -> [Key; 2] {
    [Key::fixed(Algorithm::RS256, 1), Key::fixed(Algorithm::ES256, 1)]
}

fn token(key: &Key, exp: i64, scope: &str) -> String {
    mint(key, json!({"iss": "https://idp.example/", "sub": "app@clients", "iat": now(0), "exp": now(exp), "scope": scope}))
}

#[test]
fn entry_27_the_engine_sees_its_own_secret_and_no_token() {
    let authority = Authority::new("the internet's");
    let identity_provider = IdentityProvider::with_tls(&authority.server(&["idp.example"]), keys());
    let upstream = Upstream::start();
    let launch = launch(&upstream, &identity_provider, &authority);
    // Clients don't look at who signed the engine's certificate, as with the engine's own.
    let stage = RunningStage::around(launch, upstream, identity_provider, authority);
    let good = token(&keys()[0], 300, "x carbon/read");
    let bearer = |token: &str| authorized(format!("Bearer {token}"));
    let stranger = Key::fixed(Algorithm::RS256, 2).with_kid("rs256-1");
    let secrets = [SECRET, good.as_str(), good.rsplit('.').next().expect("a signature")];
    let injected = format!("Bearer {SECRET}");
    let cases = vec![
        bearer(&good).expect(200).upstream("authorization", &injected).upstream_path("/v1/calculations?locale=en").named("27. RS256"),
        bearer(&token(&keys()[1], 300, "carbon/read")).expect(200).upstream("authorization", &injected).named("27. ES256"),
        bearer(&good).header("x_authorization", "Bearer x").expect(400).not_upstream().named("27. under another spelling"),
        refused(bearer(SECRET), "token_malformed").named("27. the engine's secret is none of a client's"),
        refused(bearer(&token(&keys()[0], -3600, "carbon/read")), "token_expired").named("16. a stale one"),
        refused(bearer(&token(&keys()[0], 300, "carbon/readwrite")), "scope_missing").named("22."),
        refused(bearer(&token(&keys()[0].clone().with_kid("es256-1"), 300, "carbon/read")), "key_unsuitable").named("19."),
        refused(bearer(&token(&stranger, 300, "carbon/read")), "signature_invalid").named("a forged one"),
        refused(authorized(b"Bearer \xff\xfe\x80"), "token_malformed").named("not UTF-8"),
        refused(bearer(&"A".repeat(20 << 10)), "credential_too_large").named("20 KiB"),
    ];
    check(&stage, cases.into_iter().chain(garbage()), &secrets);
    check(&stage, [bearer(&"A".repeat(64 << 10)).expect(431).not_upstream()], &secrets);
    for received in stage.upstream.received() {
        assert_eq!(received.header_values("authorization"), [injected.as_str()]);
        let rest = received.headers.iter().filter(|(name, _)| name != "authorization");
        assert!(rest.into_iter().all(|(_, value)| !String::from_utf8_lossy(value).contains(secrets[2])), "{received:?}");
    }
    assert_unlogged(&stage, &secrets);
    assert!(!stage.envoy.admin("/config_dump").contains(SECRET));
}

#[test]
fn its_https_is_the_same() {
    let authority = Authority::new("the internet's");
    let identity_provider = IdentityProvider::with_tls(&authority.server(&["idp.example"]), keys());
    let upstream = Upstream::start();
    let servers = Authority::new("servers");
    let server = servers.server(&["engine.example"]);
    let launch =
        launch(&upstream, &identity_provider, &authority).file("server.crt", &server.chain_pem()).file("server.key", &server.key_pem());
    let stage = RunningStage::around(launch, upstream, identity_provider, servers);
    let tls = stage.client_tls().server_name("engine.example");
    let good = token(&keys()[0], 300, "carbon/read");
    check(
        &stage,
        [
            authorized(format!("Bearer {good}")).tls(&tls).expect(200).upstream("authorization", &format!("Bearer {SECRET}")),
            authorized(format!("Bearer {good}")).tls(&tls).http2().expect(200),
            refused(call().tls(&tls), "credential_missing"),
        ],
        &[SECRET],
    );
}

#[test]
fn keys_of_a_provider_with_another_certificate_are_not_taken() {
    let authority = Authority::new("the internet's");
    for (certificate, trusted) in
        [(authority.server(&["idp.elsewhere"]), &authority), (Authority::new("the internet's").server(&["idp.example"]), &authority)]
    {
        let identity_provider = IdentityProvider::with_tls(&certificate, keys());
        let upstream = Upstream::start();
        let launch = launch(&upstream, &identity_provider, trusted);
        let stage = RunningStage::around(launch, upstream, identity_provider, authority.clone());
        let good = token(&keys()[0], 300, "carbon/read");
        check(&stage, [authorized(format!("Bearer {good}")).expect(503).reason("keys_unavailable")], &[SECRET]);
        assert_eq!(stage.identity_provider.fetch_count(), 0);
    }
}

/// What stands in the file is what `import` prints.
#[test]
fn it_is_what_import_prints() {
    let shipped: Value = serde_saphyr::from_str(Example::load("envoy/carbon-engine.yaml").text()).expect("YAML");
    let filter = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters/0/typed_config/config";
    let plugin = shipped.pointer(filter).expect("the plugin");
    let printed = crate::import(
        &["--cluster", "idp", "--engine-secret", "ENGINE_SECRET"],
        &[
            ("COGO_AUTHENTICATION_MODE", "jwt"),
            ("COGO_JWT_ISSUER", "https://idp.example/"),
            ("COGO_JWKS_URL", "https://idp.example/.well-known/jwks.json"),
            ("COGO_JWT_REQUIRED_SCOPE", "carbon/read"),
        ],
    );
    assert_eq!(plugin["configuration"]["value"], serde_saphyr::from_str::<Value>(&printed).expect("YAML"));
    assert_eq!(plugin["vm_config"]["environment_variables"]["host_env_keys"], json!(["ENGINE_SECRET"]));
}
