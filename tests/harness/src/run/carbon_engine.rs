//! Carbon Engine: clients' tokens end at Envoy, which has the engine's own secret.

use crate::folder::Folder;
use crate::system::System;
use crate::visit::{Secure, Visit};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_harness::{Algorithm, Authority, Example, IdentityProvider, Key, Request, Upstream, mint, now};
use serde_json::{Value, json};

/// The name in the engine's certificate.
const HOST: &str = "engine.example";

/// Tokens outlive a stage that stays up for a day.
const LIFETIME: i64 = 24 * 3600;

pub(crate) fn prepare(folder: &Folder) -> System {
    let (servers, internet) = (Authority::new("servers"), Authority::new("the internet's"));
    let key = Key::fresh(Algorithm::ES256).with_kid("idp-1");
    let upstream = Upstream::start();
    let identity_provider = IdentityProvider::with_tls(&internet.server(&["idp.example"]), [key.clone()]);
    let server = servers.server(&[HOST, "localhost"]);
    folder.write_authority("servers-ca", &servers);
    folder.write_authority("internet-ca", &internet);
    folder.write("server.crt", &server.chain_pem());
    folder.write("server.key", &server.key_pem());
    let secret = URL_SAFE_NO_PAD.encode(&Key::fresh(Algorithm::HS256).secret_bytes()[..32]);
    let launch = Example::shipped("envoy/carbon-engine.yaml", &[10080, 10443])
        .port(8080, upstream.address().port())
        .replace(
            "address: idp.example, port_value: 443",
            &format!("address: 127.0.0.1, port_value: {}", identity_provider.address().port()),
        )
        .replace("/etc/ssl/certs/ca-certificates.crt", &folder.path("internet-ca.pem"))
        .replace("/tls/", &folder.path(""))
        .launch()
        .env("ENGINE_SECRET", &secret);
    let visits = visits(&key, &secret, &Secure::new(HOST, &servers, folder, "servers-ca"));
    let notes = vec!["The stand-in for the engine answers by what it got: its own secret in Authorization, and nobody's token.".to_owned()];
    System { launch, visits, notes, _stand_ins: vec![Box::new(upstream), Box::new(identity_provider)] }
}

fn visits(key: &Key, secret: &str, secure: &Secure) -> Vec<Visit> {
    let claims = |exp: i64| json!({"iss": "https://idp.example/", "sub": "app@clients", "scope": "carbon/read", "exp": now(exp)});
    let token = |name: &str, value: Value| {
        let mut claims = claims(LIFETIME);
        claims[name] = value;
        mint(key, claims)
    };
    let call = |what: &str, bearer: Option<&str>, passes| {
        let request = Request::post("/v1/calculations", r#"{"amount":12.5}"#).header("content-type", "application/json");
        Visit::new(what, bearer.into_iter().fold(request, Request::bearer), passes)
    };
    let good = mint(key, claims(LIFETIME));
    let unknown = Key::fresh(Algorithm::ES256).with_kid("idp-2");
    vec![
        call("a client's token", Some(&good), true),
        call("the same over TLS", Some(&good), true).secure(secure.clone()),
        call("no token", None, false),
        call("no token over TLS", None, false).secure(secure.clone()),
        call("the engine's own secret", Some(secret), false),
        call("an expired token", Some(&mint(key, claims(-3600))), false),
        call("a token of an issuer without the slash", Some(&token("iss", json!("https://idp.example"))), false),
        call("a token by a key that nobody published", Some(&mint(&unknown, claims(LIFETIME))), false),
        call("a token with the scope carbon/readwrite alone", Some(&token("scope", json!("carbon/readwrite"))), false),
    ]
}
