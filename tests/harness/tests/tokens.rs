//! Tokens, key sets and their server, judged by Envoy's own JWT filter: another implementation than ours.

use portcullis_harness::{Algorithm, Answer, Case, IdentityProvider, JWKS_PATH, Jws, Key, PATIENCE, RsaBits, Stage, mint, mint_typed, now};
use serde_json::{Value, json};
use std::time::Duration;

fn jwt_authn(address: &str) -> Value {
    json!({"name": "envoy.filters.http.jwt_authn", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
        "providers": {"p": {"issuer": "https://idp.test", "remote_jwks": {
            "http_uri": {"uri": format!("{address}{JWKS_PATH}"), "cluster": "idp", "timeout": "5s"},
            "cache_duration": "600s",
        }}},
        "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "p"}}],
    }})
}

fn claims() -> Value {
    json!({"iss": "https://idp.test", "sub": "alice", "exp": now(60)})
}

#[test]
fn envoy_verifies_what_every_key_signs() {
    let keys: Vec<Key> = Algorithm::asymmetric().map(|algorithm| Key::fixed(algorithm, 1)).collect();
    let stage = Stage::new()
        .without_guard()
        .identity_provider(IdentityProvider::with_keys(keys.clone()))
        .bootstrap(|bootstrap| bootstrap.filter_before(jwt_authn("http://idp.test")))
        .start();
    for key in &keys {
        let algorithm = key.algorithm();
        let header = json!({"alg": algorithm.name(), "kid": key.kid()});
        let minted = mint(key, claims());
        let assembled = Jws::new(header, claims()).sign(key);
        let (kept, last) = assembled.rsplit_once('.').expect("three parts");
        let flipped = if last.starts_with('A') { "B" } else { "A" };
        let tampered = format!("{kept}.{flipped}{}", &last[1..]);
        stage.check([
            Case::get("/").named(format!("{algorithm}, minted")).bearer(&minted).expect(200),
            Case::get("/").named(format!("{algorithm}, assembled")).bearer(&assembled).expect(200),
            Case::get("/").named(format!("{algorithm}, tampered")).bearer(&tampered).expect(401).not_upstream(),
        ]);
    }
    stage.check([
        Case::get("/").bearer(&stage.identity_provider.token(claims())).expect(200),
        Case::get("/").bearer(&mint_typed(&keys[0], "at+jwt", claims())).expect(200),
        Case::get("/").bearer(&mint(&Key::fresh(Algorithm::ES256), claims())).expect(401),
    ]);
    assert_eq!(stage.identity_provider.fetch_count(), 1);
    assert_eq!(stage.identity_provider.fetches()[0].header("host").as_deref(), Some("idp.test"));
}

#[test]
fn secrets_sign() {
    for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
        let key = Key::secret(algorithm, "a secret of sixty-four octets, which is what HS512 would like to have, ok").with_kid("k");
        let token = mint(&key, json!({"sub": "alice"}));
        let header = Jws::new(json!({"alg": algorithm.name(), "typ": "JWT", "kid": "k"}), json!({"sub": "alice"}));
        assert_eq!(token.rsplit_once('.').map(|(input, _)| key.sign(input.as_bytes()).len()), Some(key.sign(b"").len()));
        assert_eq!(mint(&key, json!({"sub": "alice"})), token);
        assert!(header.sign(&key).len() == token.len(), "{token}");
    }
}

#[test]
fn hostile_tokens_are_what_they_were_told_to_be() {
    let key = Key::fixed(Algorithm::RS256, 1);
    let confused = key.clone().with_algorithm(Algorithm::HS256);
    assert_eq!(confused.secret_bytes(), key.public_pem().into_bytes());
    assert_eq!(confused.sign(b"text").len(), 32);
    assert_eq!(Jws::of_text("{", "}").separated_by("_", "~").with_signature_text("=="), "ew_fQ~==");
    assert_eq!(Key::rsa(Algorithm::RS256, RsaBits::B1024).sign(b"text").len(), 128);
    assert_eq!(Key::rsa(Algorithm::RS512, RsaBits::B4096).sign(b"text").len(), 512);
    assert_eq!(Key::fixed(Algorithm::EdDSA, 1).jwk()["kty"], "OKP");
    assert_eq!(key.clone().without_kid().jwk().get("kid"), None);
}

#[test]
fn the_identity_provider_misbehaves_as_told() {
    let mut provider = IdentityProvider::start();
    let client = portcullis_harness::Client::new(provider.address()).patience(Duration::from_secs(5));
    assert_eq!(client.get(JWKS_PATH).json()["keys"].as_array().map(Vec::len), Some(2));
    assert_eq!(client.get("/elsewhere").status, 404);
    provider.rotate([Key::fixed(Algorithm::ES384, 7)]);
    assert_eq!(client.get(JWKS_PATH).json()["keys"][0]["kid"], "es384-7");
    provider.serve_instead(Answer::text("text/html", "<html>"));
    assert_eq!(client.get(JWKS_PATH).text(), "<html>");
    provider.serve_instead(Answer::status(500));
    assert_eq!(client.get(JWKS_PATH).status, 500);
    provider.recover();
    provider.delay(Duration::from_millis(30));
    assert_eq!(client.get(JWKS_PATH).status, 200);
    assert!(provider.wait_for_fetches(5, PATIENCE));
    provider.stop();
    assert!(client.connect().is_err());
}
