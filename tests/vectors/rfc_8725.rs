//! RFC 8725, JSON Web Token Best Current Practices: each attack that its section 2 lists, and each practice of its section 3, tried on the core.
//! `tests/threats/token.rs` carries the same kinds of attack out on a real Envoy.

use portcullis::config;
use portcullis_harness::{Algorithm, Jws, Key, RsaBits, jwks, mint, mint_typed};
use serde_json::{Value, json};

use crate::policy::Core;

/// The time at which all of this happens.
const NOW: u64 = 1_800_000_000;
const ISSUER: &str = "https://idp.test";

fn rs() -> Key {
    Key::fixed(Algorithm::RS256, 1)
}

fn es() -> Key {
    Key::fixed(Algorithm::ES256, 1)
}

/// The issuer has an RSA key for RS256 alone, and one for ES256.
fn provider() -> Value {
    json!({"keys": {"jwks": jwks([&rs(), &es()])}, "issuers": [ISSUER], "audiences": ["api"], "subjects": ["alice", "bob"]})
}

/// The configuration of one provider of tokens, with these settings.
fn with(settings: Value) -> Value {
    let mut jwt = provider();
    jwt.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    json!({"providers": {"api": {"jwt": jwt}}})
}

/// Good claims with these changes.
fn claims(changes: Value) -> Value {
    let mut claims = json!({"iss": ISSUER, "aud": "api", "sub": "alice", "exp": NOW + 60});
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    claims
}

/// A good header with these changes.
fn header(changes: Value) -> Value {
    let mut header = json!({"alg": "RS256", "typ": "JWT", "kid": "rs256-1"});
    header.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    header
}

/// Good claims under such a header, signed by the issuer's key.
fn under(changes: Value) -> String {
    Jws::new(header(changes), claims(json!({}))).sign(&rs())
}

/// Good claims under such a header, signed by a key of the attacker's.
fn forged(changes: Value) -> String {
    Jws::new(header(changes), claims(json!({}))).sign(&mallorys())
}

fn mallorys() -> Key {
    Key::fixed(Algorithm::RS256, 2)
}

/// Good claims, authenticated with a secret that the whole world knows.
fn by_secret(secret: impl Into<Vec<u8>>) -> String {
    let jws = Jws::new(header(json!({"alg": "HS256"})), claims(json!({})));
    let mac = Key::secret(Algorithm::HS256, secret).sign(jws.signing_input().as_bytes());
    jws.with_signature(mac)
}

/// By section: what is tried, the token, and why it is refused.
fn attacks() -> Vec<(&'static str, &'static str, Vec<u8>, &'static str)> {
    let good = claims(json!({})).to_string();
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let latin1 =
        good.replace("alice", "al\u{1}ce").into_bytes().into_iter().map(|byte| if byte == 1 { 0xe9 } else { byte }).collect::<Vec<u8>>();
    let payload = |bytes: &[u8]| Jws::of_text(header(json!({})).to_string(), bytes).sign(&rs());
    let ec = Jws::new(json!({"alg": "ES256", "kid": "es256-1"}), claims(json!({})));
    let signed = |changes| mint(&rs(), claims(changes));
    let whole = signed(json!({}));
    let parts: Vec<&str> = whole.split('.').collect();
    let json_serialization = json!({"payload": parts[1], "signatures": [{"protected": parts[0], "signature": parts[2]}]}).to_string();
    let attacks: Vec<(&str, &str, String, &str)> = vec![
        ("2.1", "alg none", Jws::new(header(json!({"alg": "none"})), claims(json!({}))).with_signature(b""), "algorithm_refused"),
        ("2.1", "alg NoNe with a signature", under(json!({"alg": "NoNe"})), "algorithm_refused"),
        ("2.1", "the public key in PEM as a secret", by_secret(rs().public_pem()), "algorithm_refused"),
        ("2.1", "the public key's JWK as a secret", by_secret(rs().jwk().to_string()), "algorithm_refused"),
        ("2.1", "no signature", Jws::new(header(json!({})), claims(json!({}))).with_signature(b""), "signature_invalid"),
        ("2.2", "the empty secret", by_secret(""), "algorithm_refused"),
        ("2.3", "encrypted, and not signed", encrypted("RSA-OAEP"), "token_malformed"),
        ("2.3", "a signed token in an encrypted one", encrypted("dir"), "token_malformed"),
        (
            "2.4",
            "compressed before it was encrypted",
            "eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIiwiemlwIjoiREVGIn0..AA.AA.AA".into(),
            "token_malformed",
        ),
        ("2.5", "key agreement, in a signature's form", under(json!({"alg": "ECDH-ES"})), "algorithm_refused"),
        ("2.6", "claims in UTF-16", payload(&utf16(&good)), "token_malformed"),
        ("2.6", "claims behind a byte order mark", payload(format!("\u{feff}{good}").as_bytes()), "token_malformed"),
        ("2.6", "a claim twice", payload(good.replacen('{', "{\"sub\":\"bob\",", 1).as_bytes()), "token_malformed"),
        ("2.7", "for another audience", signed(json!({"aud": "album"})), "audience_mismatch"),
        ("2.7", "for nobody", signed(json!({"aud": []})), "audience_mismatch"),
        ("2.8", "a logout token", mint_typed(&rs(), "logout+jwt", claims(json!({}))), "token_type"),
        ("2.8", "a security event", mint_typed(&rs(), "secevent+jwt", claims(json!({}))), "token_type"),
        ("2.8", "a proof of possession", mint_typed(&rs(), "dpop+jwt", claims(json!({}))), "token_type"),
        ("2.9", "kid is a path", forged(json!({"kid": "../../../dev/null"})), "key_unknown"),
        ("2.9", "kid is SQL", forged(json!({"kid": "x' UNION SELECT 'k"})), "key_unknown"),
        ("2.9", "kid is LDAP", forged(json!({"kid": "*)(uid=*"})), "key_unknown"),
        ("2.9", "jku", forged(json!({"kid": "m", "jku": "http://169.254.169.254/latest"})), "key_unknown"),
        ("2.9", "x5u", forged(json!({"kid": "m", "x5u": "http://[::1]:9901/quitquitquit"})), "key_unknown"),
        ("3.1", "another algorithm of the same key", mint(&rs().with_algorithm(Algorithm::PS256), claims(json!({}))), "key_unsuitable"),
        ("3.1", "another key's algorithm", ec.sign(&rs().with_algorithm(Algorithm::RS256)), "signature_invalid"),
        ("3.2", "an algorithm that is none for signatures", under(json!({"alg": "RSA1_5"})), "algorithm_refused"),
        ("3.2", "a curve that nobody here has", under(json!({"alg": "ES256K"})), "algorithm_refused"),
        ("3.3", "one of two signatures is good", format!("{whole}.{}", parts[2]), "token_malformed"),
        ("3.3", "JSON serialization", json_serialization, "token_malformed"),
        ("3.4", "r and s are zero", ec.with_signature([0; 64]), "signature_invalid"),
        ("3.4", "r and s beyond the order", ec.with_signature([0xff; 64]), "signature_invalid"),
        ("3.4", "r and s in DER", ec.with_signature(b"\x30\x06\x02\x01\x01\x02\x01\x01"), "signature_invalid"),
        ("3.5", "a key that is too short", mint(&Key::rsa(Algorithm::RS256, RsaBits::B1024), claims(json!({}))), "key_unknown"),
        ("3.6", "compressed", "eyJhbGciOiJSUzI1NiIsInppcCI6IkRFRiJ9.AA.AA".into(), "token_malformed"),
        ("3.7", "claims in Latin-1", payload(&latin1), "token_malformed"),
        ("3.8", "another issuer", signed(json!({"iss": "https://idp.test/"})), "issuer_mismatch"),
        ("3.8", "two issuers", signed(json!({"iss": [ISSUER]})), "claim_invalid"),
        ("3.8", "a subject that is nobody here", signed(json!({"sub": "Alice"})), "subject_mismatch"),
        ("3.9", "no audience", signed(json!({"aud": null})), "claim_missing"),
        ("3.9", "an audience that begins like it", signed(json!({"aud": "api2"})), "audience_mismatch"),
        ("3.10", "a key in the header", forged(json!({"jwk": mallorys().jwk()})), "signature_invalid"),
        ("3.10", "a certificate in the header", forged(json!({"x5c": ["AA=="]})), "signature_invalid"),
    ];
    attacks.into_iter().map(|(section, what, token, reason)| (section, what, token.into_bytes(), reason)).collect()
}

/// Five parts, as JWE has them.
fn encrypted(alg: &str) -> String {
    let text = Jws::new(json!({"alg": alg, "enc": "A256GCM", "cty": "JWT"}), json!({})).signing_input();
    format!("{text}.AAAA.AAAA.AAAA")
}

#[test]
fn each_attack_is_refused_for_what_it_is() {
    let core = Core::new(&with(json!({})));
    assert_eq!(core.bearer(mint(&rs(), claims(json!({}))), NOW), None);
    assert_eq!(core.bearer(mint(&es(), claims(json!({"sub": "bob"}))), NOW), None);
    let wrong: Vec<String> = attacks()
        .into_iter()
        .filter_map(|(section, what, token, reason)| {
            let said = core.bearer(token, NOW);
            (said != Some(reason)).then(|| format!("{section}, {what}: {said:?}, not {reason}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What would make an attack possible doesn't load: each by its section, and by the place that the fault names.
#[test]
fn what_invites_an_attack_does_not_load() {
    let secret = |text: &str, algorithm: &str| with(json!({"keys": {"secret": {"text": text}}, "algorithms": [algorithm]}));
    let mut off_curve = es().jwk();
    off_curve["y"] = off_curve["x"].clone();
    let zero = json!({"kty": "OKP", "crv": "Ed25519", "x": "A".repeat(43)});
    let without = |name: &str| {
        let mut configuration = with(json!({}));
        configuration["providers"]["api"]["jwt"].as_object_mut().unwrap().remove(name);
        configuration
    };
    for (section, what, configuration, place) in [
        ("2.1", "a public key's algorithms and a secret's", with(json!({"algorithms": ["RS256", "HS256"]})), "algorithms"),
        ("2.1", "none", with(json!({"algorithms": ["none"]})), "algorithms"),
        ("2.2", "a word for a secret", secret("secret", "HS256"), "secret"),
        ("2.2", "31 bytes for HS256", secret(&"x".repeat(31), "HS256"), "secret"),
        ("2.2", "32 bytes for HS512", secret(&"x".repeat(32), "HS512"), "secret"),
        ("2.5", "a point off its curve", with(json!({"keys": {"jwks": {"keys": [off_curve]}}})), "jwks"),
        ("3.4", "a point of small order", with(json!({"keys": {"jwks": {"keys": [zero]}}})), "jwks"),
        ("3.5", "RSA of 1024 bits", with(json!({"keys": {"jwks": jwks([&Key::rsa(Algorithm::RS256, RsaBits::B1024)])}})), "jwks"),
        ("3.5", "a secret in a key set", with(json!({"keys": {"jwks": jwks([&Key::fixed(Algorithm::HS256, 1)])}})), "jwks"),
        ("3.8", "no issuer", without("issuers"), "issuers"),
        ("3.9", "no audience", without("audiences"), "audiences"),
    ] {
        let faults = config::load(configuration.to_string().as_bytes(), &|_| None).err();
        let faults = faults.unwrap_or_else(|| panic!("{section}, {what}: it loads")).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert!(faults.iter().any(|fault| fault.contains(place)), "{section}, {what}: {faults:?}");
    }
}

/// Sections 3.11 and 3.12: kinds of tokens by the same key are told apart by their type, so that each is good at its own door alone.
#[test]
fn each_kind_of_token_has_a_door_of_its_own() {
    let kind = |typ: &str| Core::new(&with(json!({"types": [typ]})));
    let kinds = ["at+jwt", "invoice+jwt", "JWT"];
    for own in kinds {
        for other in kinds {
            let said = kind(own).bearer(mint_typed(&rs(), other, claims(json!({}))), NOW);
            assert_eq!(said, if own == other { None } else { Some("token_type") }, "{other} where {own} is asked for");
        }
    }
    // Without a type there is no kind.
    assert_eq!(
        kind("at+jwt").bearer(Jws::new(json!({"alg": "RS256", "kid": "rs256-1"}), claims(json!({}))).sign(&rs()), NOW),
        Some("token_type")
    );
}
