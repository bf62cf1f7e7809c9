//! JSON Web Tokens on a real Envoy: what passes, and every way that is known to make what must not pass.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "a test that can't go on fails"
)]

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use portcullis_harness::{
    Algorithm, Bootstrap, Case, Jws, Key, Oracle, PATIENCE, Request, Response, RsaBits, RunningStage, Stage, jwks, mint, mint_typed, now,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const ISSUER: &str = "https://idp.test";

/// Claims that every provider here accepts, changed by these; [`gone`] takes one away.
fn claims(changes: Value) -> Value {
    let mut claims = json!({"iss": ISSUER, "aud": "api", "sub": "alice", "exp": now(3600)});
    for (name, value) in changes.as_object().expect("an object") {
        if *value == gone() {
            claims.as_object_mut().expect("an object").remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

/// Stands for a claim that isn't there; `null` is one that is null.
fn gone() -> Value {
    json!("\0gone")
}

fn hs256() -> Key {
    Key::fixed(Algorithm::HS256, 1)
}

fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A provider of tokens by HS256 with the shared secret, the issuer and audience of [`claims`], and these settings.
fn by_secret(changes: Value) -> Value {
    let mut jwt = json!({
        "keys": {"secret": {"base64": STANDARD.encode(hs256().secret_bytes())}},
        "issuers": [ISSUER],
        "audiences": ["api"],
    });
    for (name, value) in changes.as_object().expect("an object") {
        jwt[name] = value.clone();
        if *value == gone() {
            jwt.as_object_mut().expect("an object").remove(name);
        }
    }
    json!({"jwt": jwt})
}

/// One rule per provider: the path of its name.
fn rule_each(providers: &Value) -> Vec<Value> {
    let names = providers.as_object().expect("providers by name").keys();
    names.map(|name| json!({"match": {"path": format!("/{name}")}, "require": name})).collect()
}

/// A token that must pass.
#[track_caller]
fn passes(path: &str, token: &str) -> Case {
    Case::get(path)
        .bearer(token)
        .expect(200)
        .upstream_absent("authorization")
        .access("verdict", "allow")
        .access("authorization", Value::Null)
}

/// A token that must be refused, and why.
#[track_caller]
fn refused(path: &str, token: &str, reason: &str) -> Case {
    Case::get(path).bearer(token).expect(401).reason(reason).access("verdict", Value::Null).access("authorization", Value::Null)
}

/// No token, and none of these texts, is in Envoy's logs.
fn assert_unseen(stage: &RunningStage, texts: &[&str]) {
    let places = [("Envoy's log", stage.envoy.log().text()), ("the access log", stage.envoy.access_log().text())];
    for (place, log) in places {
        for text in texts {
            if let Some(line) = log.lines().find(|line| line.contains(text)) {
                panic!("{place} holds {text}: {line}");
            }
        }
        // Every token begins so.
        if let Some(line) = log.lines().find(|line| line.contains("eyJ")) {
            panic!("{place} holds a token: {line}");
        }
    }
}

fn assert_alive(stage: &RunningStage) {
    let reloads: u64 = stage.envoy.stats().iter().filter(|(name, _)| name.contains("vm_reload")).map(|(_, count)| count).sum();
    assert_eq!(reloads, 0, "the VM died: {}", stage.envoy.log().text());
}

#[test]
fn every_algorithm_verifies_what_its_key_signed() {
    let asymmetric: Vec<Key> = Algorithm::asymmetric().map(|algorithm| Key::fixed(algorithm, 1)).collect();
    let set = jwks(&asymmetric);
    let named = |keys: Value| json!({"jwt": {"keys": keys, "issuers": [ISSUER], "audiences": ["api"]}});
    let mut providers = json!({
        "object": named(json!({"jwks": set})),
        "text": named(json!({"jwks": set.to_string()})),
        "text-any": {"jwt": {"keys": {"jwks": set.to_string()}, "issuers": "any", "audiences": "any"}},
        "only": {"jwt": {"keys": {"jwks": set}, "issuers": [ISSUER], "audiences": ["api"], "algorithms": ["RS256", "EdDSA"]}},
        "kid": {"jwt": {"keys": {"jwks": set}, "issuers": [ISSUER], "audiences": ["api"], "require_kid": true}},
        "big": named(json!({"jwks": {"keys": [without(&Key::rsa(Algorithm::RS256, RsaBits::B4096).jwk(), &["alg"])]}})),
        // Two RSA keys that fit every RSA algorithm, since they name none, and one EC key.
        "two": named(json!({"jwks": {"keys": [
            without(&Key::fixed(Algorithm::RS256, 1).jwk(), &["alg", "use"]),
            without(&Key::fixed(Algorithm::RS256, 2).jwk(), &["alg", "use"]),
            without(&Key::fixed(Algorithm::ES256, 1).jwk(), &["alg", "use", "kid"]),
        ]}})),
    });
    for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
        let secret = Key::fixed(algorithm, 1).secret_bytes();
        providers[algorithm.name()] = json!({"jwt": {
            "keys": {"secret": {"env": format!("SECRET_{algorithm}"), "as": "base64", "bytes": 64}}, "algorithms": [algorithm.name()],
        }});
        assert_eq!(secret.len(), 64);
    }
    providers["hex"] = json!({"jwt": {"keys": {"secret": {"env": "SECRET_HEX", "as": "hex"}}}});
    providers["plain"] = json!({"jwt": {"keys": {"secret": {"env": "SECRET_TEXT"}}}});
    let mut stage = Stage::new().config(json!({"providers": providers, "rules": rule_each(&providers)}));
    let hex: String = hs256().secret_bytes().iter().map(|byte| format!("{byte:02X}")).collect();
    for (name, value) in [("SECRET_HEX", format!(" 0x{hex}\n")), ("SECRET_TEXT", "text-of-thirty-two-bytes-at-least".to_owned())] {
        stage = stage.env(name, &value);
    }
    for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
        stage = stage.env(&format!("SECRET_{algorithm}"), &STANDARD.encode(Key::fixed(algorithm, 1).secret_bytes()));
    }
    let stage = stage.start();

    let mut cases = Vec::new();
    for key in &asymmetric {
        let algorithm = key.algorithm();
        let kid = key.kid().expect("fixed keys have one");
        let token = mint(key, claims(json!({})));
        let by_other = mint(&Key::fixed(algorithm, 2).with_kid(kid), claims(json!({})));
        for path in ["/object", "/text", "/text-any", "/kid"] {
            cases.push(passes(path, &token).access("credential", kid).upstream("x-auth-subject", "alice").named(format!("{algorithm}")));
            cases.push(refused(path, &by_other, "signature_invalid").named(format!("{algorithm} by another key")));
        }
        let unnamed = mint(&key.clone().without_kid(), claims(json!({})));
        // Each key names its algorithm, so exactly one fits a token without a kid.
        cases.push(passes("/object", &unnamed).access("credential", kid).named(format!("{algorithm} without kid")));
        cases.push(refused("/kid", &unnamed, "key_unknown"));
        cases.push(refused("/object", &mint(&key.clone().with_kid("nobody"), claims(json!({}))), "key_unknown"));
        let accepted = matches!(algorithm, Algorithm::RS256 | Algorithm::EdDSA);
        cases.push(if accepted { passes("/only", &token) } else { refused("/only", &token, "algorithm_refused") });
        // A key that names another algorithm of its own kind may not be used for this one.
        for other in Algorithm::asymmetric().filter(|other| *other != algorithm) {
            let header = json!({"alg": algorithm.name(), "kid": Key::fixed(other, 1).kid()});
            if other == Algorithm::ES256 || other == Algorithm::RS256 {
                cases.push(refused("/object", &Jws::new(header, claims(json!({}))).sign(key), "key_unsuitable"));
            }
        }
        for path in ["/HS256", "/HS384", "/HS512"] {
            cases.push(refused(path, &token, "algorithm_refused"));
        }
    }
    for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
        let key = Key::fixed(algorithm, 1);
        let path = format!("/{algorithm}");
        cases.push(passes(&path, &mint(&key, claims(json!({})))).upstream("x-auth-subject", "alice").access("credential", Value::Null));
        cases.push(passes(&path, &mint(&key.clone().without_kid(), claims(json!({"iss": gone(), "aud": gone()})))));
        cases.push(refused(&path, &mint(&Key::fixed(algorithm, 2), claims(json!({}))), "signature_invalid"));
        for other in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512].into_iter().filter(|other| *other != algorithm) {
            let token = mint(&Key::fixed(algorithm, 1).with_algorithm(other), claims(json!({})));
            cases.push(refused(&path, &token, "algorithm_refused"));
        }
    }
    cases.push(passes("/hex", &mint(&hs256(), claims(json!({})))));
    let text = Key::secret(Algorithm::HS256, b"text-of-thirty-two-bytes-at-least".as_slice());
    cases.push(passes("/plain", &mint(&text, claims(json!({})))));
    // A set with two keys that fit: the kid has to say which.
    for (number, algorithm) in [(1, Algorithm::RS256), (2, Algorithm::RS384), (1, Algorithm::PS512)] {
        let key = Key::fixed(Algorithm::RS256, number).with_algorithm(algorithm);
        cases.push(passes("/two", &mint(&key, claims(json!({})))).access("credential", format!("rs256-{number}")));
        cases.push(refused("/two", &mint(&key.without_kid(), claims(json!({}))), "key_unknown"));
    }
    for algorithm in [Algorithm::RS256, Algorithm::RS512, Algorithm::PS384] {
        cases.push(passes("/big", &mint(&Key::rsa(algorithm, RsaBits::B4096), claims(json!({})))).named(format!("{algorithm}, 4096 bits")));
    }
    cases.push(passes("/two", &mint(&Key::fixed(Algorithm::ES256, 1).without_kid(), claims(json!({})))));
    cases.push(refused("/two", &mint(&Key::fixed(Algorithm::ES256, 1), claims(json!({}))), "key_unknown"));
    stage.check(cases);
    let secrets: Vec<String> = [hs256(), text].iter().map(|key| STANDARD.encode(key.secret_bytes())).collect();
    assert_unseen(&stage, &[secrets[0].as_str(), secrets[1].as_str(), &hex, "text-of-thirty"]);
}

fn without(value: &Value, members: &[&str]) -> Value {
    let mut value = value.clone();
    for member in members {
        value.as_object_mut().expect("an object").remove(*member);
    }
    value
}

/// An HS256 token by a key of any length; jwt-simple signs with none that is short.
fn hmac(secret: impl Into<Vec<u8>>, kid: Option<&str>, claims: Value) -> String {
    let mut header = json!({"alg": "HS256"});
    if let Some(kid) = kid {
        header["kid"] = json!(kid);
    }
    Jws::new(header, claims).sign(&Key::secret(Algorithm::HS256, secret))
}

/// The next character that decodes to the same bits where the rest of them are thrown away.
fn with_stray_bits(part: &str) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    assert_ne!(part.len() % 4, 0, "this part has no bits to spare");
    let (rest, last) = part.split_at(part.len() - 1);
    let place = ALPHABET.iter().position(|byte| *byte == last.as_bytes()[0]).expect("base64url");
    format!("{rest}{}", char::from(ALPHABET[place + 1]))
}

/// A number in little endian plus the order of Ed25519's group: the same scalar, written another way.
fn plus_group_order(scalar: &[u8]) -> Vec<u8> {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0x10,
    ];
    let mut carry = 0;
    let sum = scalar.iter().zip(ORDER).map(|(a, b)| {
        let sum = u16::from(*a) + u16::from(b) + carry;
        carry = sum >> 8;
        (sum & 0xff) as u8
    });
    sum.collect()
}

#[test]
fn no_forged_token_passes() {
    let (rs, es, ed) = (Key::fixed(Algorithm::RS256, 1), Key::fixed(Algorithm::ES256, 1), Key::fixed(Algorithm::EdDSA, 1));
    let attacker = Key::fixed(Algorithm::RS256, 2).with_kid("attacker");
    let enc = Key::fixed(Algorithm::RS256, 3).with_kid("enc");
    let (weak, ops) = (Key::rsa(Algorithm::RS256, RsaBits::B1024), Key::fixed(Algorithm::ES256, 3).with_kid("ops"));
    let mut set = jwks([&rs, &es, &ed, &Key::fixed(Algorithm::ES384, 1), &Key::fixed(Algorithm::ES512, 1), &enc, &weak, &ops]);
    set["keys"][5]["use"] = json!("enc");
    set["keys"][7]["key_ops"] = json!(["encrypt", "wrapKey"]);
    let oct = Key::fixed(Algorithm::HS256, 7).with_kid("oct");
    set["keys"].as_array_mut().expect("keys").push(oct.jwk());
    let providers = json!({
        "api": {"jwt": {"keys": {"jwks": set}, "issuers": [ISSUER], "audiences": ["api"]}},
        "secret": by_secret(json!({})),
    });
    let stage = Stage::new().config(json!({"providers": providers, "rules": rule_each(&providers)})).start();

    let good = claims(json!({}));
    let header = |changes: Value| {
        let mut header = json!({"alg": "RS256", "typ": "JWT", "kid": "rs256-1"});
        for (name, value) in changes.as_object().expect("an object") {
            header[name] = value.clone();
        }
        without(
            &header,
            &header.as_object().expect("an object").iter().filter(|(_, v)| **v == gone()).map(|(n, _)| n.as_str()).collect::<Vec<_>>(),
        )
    };
    let signed = |changes: Value| Jws::new(header(changes), good.clone()).sign(&rs);
    let payload = |text: &str| Jws::of_text(header(json!({})).to_string(), text).sign(&rs);
    let head = |text: &str| Jws::of_text(text, good.to_string()).sign(&rs);
    let mut attacks: Vec<(String, String, &str)> = Vec::new();
    let mut attack = |name: &str, token: String, reason: &'static str| attacks.push((name.to_owned(), token, reason));

    // No algorithm at all, in every spelling; and names of algorithms that are none here.
    for alg in
        ["none", "None", "nOnE", "NONE", "", " none", "none ", "rs256", "Rs256", " RS256", "RS256 ", "RS256\0", "RS1", "HS1", "ES256K"]
    {
        attack(
            &format!("alg {alg:?}, no signature"),
            Jws::new(header(json!({"alg": alg})), good.clone()).with_signature(b""),
            "algorithm_refused",
        );
        attack(&format!("alg {alg:?}, signed"), signed(json!({"alg": alg})), "algorithm_refused");
    }
    for alg in ["RSA-OAEP", "dir", "A128KW", "RS256,none", "ML-DSA-44", "HS256", "HS384", "HS512"] {
        attack(&format!("alg {alg}"), signed(json!({"alg": alg})), "algorithm_refused");
    }
    attack("alg none, no kid", Jws::new(json!({"alg": "none"}), good.clone()).with_signature(b""), "algorithm_refused");
    attack("no signature under RS256", Jws::new(header(json!({})), good.clone()).with_signature(b""), "signature_invalid");
    for (name, alg) in
        [("null", Value::Null), ("list", json!(["RS256"])), ("number", json!(256)), ("object", json!({"RS256": 1})), ("gone", gone())]
    {
        attack(&format!("alg is {name}"), signed(json!({"alg": alg})), "token_malformed");
    }
    // The public key as an HMAC secret, in every form in which it could be read somewhere.
    let pem = rs.public_pem();
    let der = STANDARD.decode(pem.lines().filter(|line| !line.starts_with('-')).collect::<String>()).expect("PEM");
    let jwk = rs.jwk();
    let modulus = URL_SAFE_NO_PAD.decode(jwk["n"].as_str().expect("n")).expect("base64url");
    for (name, secret) in [
        ("PEM", pem.clone().into_bytes()),
        ("PEM, trimmed", pem.trim_end().as_bytes().to_vec()),
        ("PEM with CRLF", pem.replace('\n', "\r\n").into_bytes()),
        ("DER", der),
        ("JWK", jwk.to_string().into_bytes()),
        ("set", set.to_string().into_bytes()),
        ("modulus", modulus),
        ("n", jwk["n"].as_str().expect("n").as_bytes().to_vec()),
        ("nothing", Vec::new()),
        ("zeros", vec![0; 32]),
    ] {
        for kid in ["rs256-1", "es256-1"] {
            let token = hmac(secret.clone(), Some(kid), good.clone());
            attack(&format!("HS256 with the public key as {name}, kid {kid}"), token, "algorithm_refused");
        }
    }
    attack("HS256 with a secret of the set", mint(&oct, good.clone()), "algorithm_refused");
    // Keys that the token brings along, or points to.
    let place = format!("http://{}/.well-known/jwks.json", stage.identity_provider.address());
    for (kid, reason) in [("attacker", "key_unknown"), ("rs256-1", "signature_invalid")] {
        for (name, value) in [
            ("jwk", attacker.jwk()),
            ("jku", json!(place)),
            ("x5u", json!(place)),
            ("x5c", json!([STANDARD.encode(b"not even a certificate")])),
            ("x5t", json!("AAAA")),
        ] {
            let token = Jws::new(header(json!({"kid": kid, name: value})), good.clone()).sign(&attacker);
            attack(&format!("{name} of the attacker's, kid {kid}"), token, reason);
        }
    }
    attack(
        "jwk instead of a kid",
        Jws::new(header(json!({"kid": gone(), "jwk": attacker.jwk()})), good.clone()).sign(&attacker),
        "signature_invalid",
    );
    // Extensions that nobody understands must not be passed over.
    for crit in [json!(["exp"]), json!([]), json!(["b64"]), json!("b64"), Value::Null, json!({})] {
        attack(&format!("crit {crit}"), signed(json!({"crit": crit})), "token_malformed");
    }
    for b64 in [json!(false), json!(true), Value::Null] {
        attack(&format!("b64 {b64}"), signed(json!({"b64": b64})), "token_malformed");
    }
    let plain = Jws::of_parts(base64(header(json!({"b64": false, "crit": ["b64"]})).to_string()), "payload");
    attack("a payload that isn't encoded", plain.sign(&rs), "token_malformed");
    // Members twice: two readers, two tokens.
    for text in [
        r#"{"alg":"RS256","alg":"none","kid":"rs256-1"}"#,
        r#"{"alg":"none","alg":"RS256","kid":"rs256-1"}"#,
        r#"{"alg":"RS256","kid":"rs256-1","kid":"es256-1"}"#,
        r#"{"alg":"RS256","\u0061lg":"none","kid":"rs256-1"}"#,
    ] {
        attack(&format!("twice: {text}"), head(text), "token_malformed");
    }
    let exp = now(3600);
    for text in [
        format!(r#"{{"iss":"{ISSUER}","aud":"api","sub":"a","sub":"b","exp":{exp}}}"#),
        format!(r#"{{"iss":"{ISSUER}","aud":"api","sub":"a","s\u0075b":"b","exp":{exp}}}"#),
        format!(r#"{{"iss":"{ISSUER}","aud":"api","exp":0,"exp":{exp}}}"#),
        format!(r#"{{"iss":"{ISSUER}","aud":"api","exp":{exp},"x":{{"y":1,"y":2}}}}"#),
    ] {
        attack(&format!("twice: {text}"), payload(&text), "token_malformed");
    }
    // What isn't a JSON object in UTF-8.
    let inside = good.to_string();
    let inside = inside.trim_matches(['{', '}']).to_owned();
    for text in ["", "{", "[]", "null", "0", "\"\"", "true", "{}{}", "[{}]", "\u{feff}{}", "{'a':1}", "{\"a\":1,}", "{/**/}", "{\"a\":NaN}"]
    {
        attack(&format!("payload {text}"), payload(text), "token_malformed");
        attack(&format!("header {text}"), head(text), "token_malformed");
    }
    for text in [
        format!("[{{{inside}}}]"),
        format!("{{{inside}}} x"),
        format!("{{{inside}}}{{}}"),
        format!("\u{feff}{{{inside}}}"),
        format!("{{{inside},\"x\":\"\\ud800\"}}"),
        format!("{{{inside},\"x\":\"\u{1}\"}}"),
        format!("{{{inside},\"x\":01}}"),
        format!("{{{inside},\"x\":1e999}}"),
        format!("{{{inside},\"x\":{}1{}}}", "[".repeat(40), "]".repeat(40)),
        format!("{{{inside},\"x\":{}1{}}}", "[".repeat(4000), "]".repeat(4000)),
        format!("{{{inside},\"x\":{}", "{\"a\":".repeat(2000)),
    ] {
        attack(&format!("payload {}", text.chars().take(200).collect::<String>()), payload(&text), "token_malformed");
    }
    let latin1 = [format!("{{{inside},\"x\":\"").as_bytes(), b"\xe9\"}"].concat();
    attack("a payload in Latin-1", Jws::of_text(header(json!({})).to_string(), latin1).sign(&rs), "token_malformed");
    for (name, value) in [("number", json!(1)), ("null", Value::Null), ("list", json!(["rs256-1"])), ("object", json!({}))] {
        attack(&format!("kid is {name}"), signed(json!({"kid": value})), "token_malformed");
        attack(&format!("typ is {name}"), signed(json!({"typ": value})), "token_malformed");
    }
    // Encodings that say the same in two ways.
    let token = signed(json!({}));
    let parts: Vec<&str> = token.split('.').collect();
    let (h, p, s) = (parts[0], parts[1], parts[2]);
    let again = |h: &str, p: &str| Jws::of_parts(h, p).sign(&rs);
    attack("header with padding", again(&format!("{h}="), p), "token_malformed");
    attack("payload with padding", again(h, &format!("{p}=")), "token_malformed");
    attack("payload with more padding", again(h, &format!("{p}==")), "token_malformed");
    attack("signature with padding", format!("{token}=="), "token_malformed");
    attack("signature with stray bits", format!("{h}.{p}.{}", with_stray_bits(s)), "token_malformed");
    for spaces in 0..3 {
        let spared = base64(format!("{good}{}", " ".repeat(spaces)));
        if spared.len() % 4 != 0 {
            attack("payload with stray bits", again(h, &with_stray_bits(&spared)), "token_malformed");
        }
    }
    attack(
        "the other alphabet",
        again(h, &STANDARD.encode(good.to_string().replace("alice", "???>>>")).replace('=', "")),
        "token_malformed",
    );
    for junk in ["%", "%3D", "\"", "\\", ",", ":", "~", "$", "'"] {
        attack(&format!("{junk} in the payload"), again(h, &format!("{p}{junk}")), "token_malformed");
        attack(&format!("{junk} in the signature"), format!("{token}{junk}"), "token_malformed");
    }
    // Other numbers of parts.
    for (name, text) in [
        ("one part", h.to_owned()),
        ("two parts", format!("{h}.{p}")),
        ("four parts", format!("{token}.")),
        ("four full parts", format!("{token}.{s}")),
        ("five parts, as a JWE", format!("{h}.{p}.{s}.{s}.{s}")),
        ("a leading dot", format!(".{token}")),
        ("only dots", "..".into()),
        ("more dots", "....".into()),
        ("a dot", ".".into()),
        ("no header", format!(".{p}.{s}")),
        ("no payload", format!("{h}..{s}")),
        ("another dot", token.replace('.', "%2e")),
        ("JSON serialization", json!({"payload": p, "protected": h, "signature": s}).to_string()),
        ("twice", format!("{token}{token}")),
        ("text", "x".into()),
        ("the word", "Bearer".into()),
    ] {
        attack(name, text, "token_malformed");
    }
    // Signatures of something else.
    let other = signed(json!({"x": 1}));
    let foreign = other.rsplit('.').next().expect("three parts");
    attack("another token's signature", format!("{h}.{p}.{foreign}"), "signature_invalid");
    attack("a tampered payload", format!("{h}.{}.{s}", base64(claims(json!({"sub": "root"})).to_string())), "signature_invalid");
    attack("a tampered header", format!("{}.{p}.{s}", base64(header(json!({"typ": "x"})).to_string())), "signature_invalid");
    attack("the attacker's key", Jws::new(header(json!({})), good.clone()).sign(&attacker), "signature_invalid");
    let bytes = URL_SAFE_NO_PAD.decode(s).expect("base64url");
    let jws = Jws::new(header(json!({})), good.clone());
    for (name, signature) in [
        ("zeros", vec![0; 256]),
        ("ones", vec![0xff; 256]),
        ("a byte less", bytes[1..].to_vec()),
        ("a byte off the end", bytes[..255].to_vec()),
        ("a zero before", [&[0], bytes.as_slice()].concat()),
        ("a zero after", [bytes.as_slice(), &[0]].concat()),
        ("one byte", vec![1]),
        ("4096 bytes", vec![1; 4096]),
    ] {
        attack(&format!("RS256: {name}"), jws.with_signature(signature), "signature_invalid");
    }
    let es_jws = Jws::new(json!({"alg": "ES256", "kid": "es256-1"}), good.clone());
    let es_signature = es.sign(es_jws.signing_input().as_bytes());
    let (r, other_half) = es_signature.split_at(32);
    let order = hex_bytes("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    let der_integer = |bytes: &[u8]| {
        let trimmed: Vec<u8> = bytes.iter().copied().skip_while(|byte| *byte == 0).collect();
        let padded = if trimmed[0] & 0x80 == 0 { trimmed } else { [&[0], trimmed.as_slice()].concat() };
        [&[2, u8::try_from(padded.len()).expect("short")], padded.as_slice()].concat()
    };
    let der_body = [der_integer(r), der_integer(other_half)].concat();
    let der_signature = [&[0x30, u8::try_from(der_body.len()).expect("short")], der_body.as_slice()].concat();
    for (name, signature) in [
        ("65 bytes", [es_signature.as_slice(), &[0]].concat()),
        ("65 bytes, a zero before", [&[0], es_signature.as_slice()].concat()),
        ("63 bytes", es_signature[..63].to_vec()),
        ("66 bytes, a zero before each", [&[0], r, &[0], other_half].concat()),
        ("nothing", vec![]),
        ("zeros (CVE-2022-21449)", vec![0; 64]),
        ("r zero", [&[0; 32], other_half].concat()),
        ("s zero", [r, &[0; 32]].concat()),
        ("the order", [order.as_slice(), order.as_slice()].concat()),
        ("r the order", [order.as_slice(), other_half].concat()),
        ("ones", vec![0xff; 64]),
        ("DER", der_signature),
        ("swapped", [other_half, r].concat()),
        ("a P-384 one", vec![1; 96]),
    ] {
        attack(&format!("ES256: {name}"), es_jws.with_signature(signature), "signature_invalid");
    }
    for (alg, kid, length) in [("ES384", "es384-1", 96), ("ES512", "es512-1", 132)] {
        let jws = Jws::new(json!({"alg": alg, "kid": kid}), good.clone());
        for signature in [vec![0; length], vec![0; length + 1], vec![1; length - 1], vec![]] {
            attack(&format!("{alg}: {} bytes", signature.len()), jws.with_signature(signature), "signature_invalid");
        }
    }
    let ed_jws = Jws::new(json!({"alg": "EdDSA", "kid": "eddsa-1"}), good.clone());
    let ed_signature = ed.sign(ed_jws.signing_input().as_bytes());
    for (name, signature) in [
        ("s plus the order", [&ed_signature[..32], &plus_group_order(&ed_signature[32..])].concat()),
        ("zeros", vec![0; 64]),
        ("the neutral point", [&[1], [0; 63].as_slice()].concat()),
        ("63 bytes", ed_signature[..63].to_vec()),
        ("65 bytes", [ed_signature.as_slice(), &[0]].concat()),
        ("nothing", vec![]),
    ] {
        attack(&format!("EdDSA: {name}"), ed_jws.with_signature(signature), "signature_invalid");
    }
    // Keys used as they must not be.
    let unsuitable = |alg: &str, kid: &str, key: &Key| Jws::new(json!({"alg": alg, "kid": kid}), claims(json!({}))).sign(key);
    attack("a key for encryption", mint(&enc, good.clone()), "key_unsuitable");
    attack("RSA of 1024 bits", mint(&weak, good.clone()), "key_unsuitable");
    attack("key_ops without verify", mint(&ops, good.clone()), "key_unsuitable");
    attack("RS256 by the kid of an EC key", unsuitable("RS256", "es256-1", &rs), "key_unsuitable");
    attack("ES256 by the kid of an RSA key", unsuitable("ES256", "rs256-1", &es), "key_unsuitable");
    attack("EdDSA by the kid of an EC key", unsuitable("EdDSA", "es256-1", &ed), "key_unsuitable");
    attack("ES384 by the kid of a P-256 key", unsuitable("ES384", "es256-1", &es), "key_unsuitable");
    for algorithm in [Algorithm::RS384, Algorithm::RS512, Algorithm::PS256] {
        attack(&format!("{algorithm} by a key for RS256"), mint(&rs.clone().with_algorithm(algorithm), good.clone()), "key_unsuitable");
    }
    // Kids that would be something in a file system, a database or a log.
    for kid in [
        "../../../../dev/null",
        "rs256-1\0",
        "RS256-1",
        "rs256-1 ",
        "' OR 1=1 --",
        "x\nrejected reason=forged\nreason=x",
        "\u{202e}1-652sr",
        "",
        &"k".repeat(9000),
    ] {
        attack(&format!("kid {:?}", kid.chars().take(40).collect::<String>()), signed(json!({"kid": kid})), "key_unknown");
    }
    // Times.
    attack("exp 0", mint(&rs, claims(json!({"exp": 0}))), "token_expired");
    attack("exp -1", mint(&rs, claims(json!({"exp": -1}))), "token_expired");
    attack("a payload of nothing", mint(&rs, json!({})), "claim_missing");

    let good_token = mint(&rs, good.clone());
    let mut cases = vec![passes("/api", &good_token), passes("/api", &good_token).http2()];
    for (name, token, reason) in &attacks {
        cases.push(refused("/api", token, reason).named(name));
    }
    // Length, bytes and white space.
    let sized = |length: usize| {
        let empty = mint(&hs256(), claims(json!({"pad": ""}))).len();
        let near = (length - empty) * 3 / 4;
        (near.saturating_sub(4)..near + 4)
            .map(|pad| mint(&hs256(), claims(json!({"pad": "x".repeat(pad)}))))
            .find(|token| token.len() == length)
    };
    let longest = (0..4).find_map(|less| sized(16 * 1024 - less)).expect("a token that is nearly as long as may be");
    let too_long = (1..5).find_map(|more| sized(16 * 1024 + more)).expect("a token that is a little too long");
    cases.push(passes("/secret", &longest).named("nearly 16 KiB"));
    cases.push(refused("/secret", &too_long, "credential_too_large"));
    let raw = |value: &[u8], reason: &str| {
        Case::get("/api").header("authorization", value).expect(401).reason(reason).access("authorization", Value::Null)
    };
    cases.push(raw(&[b"Bearer ".as_slice(), good_token.as_bytes(), b"\xff"].concat(), "token_malformed"));
    cases.push(raw(&[b"Bearer \xff".as_slice(), good_token.as_bytes()].concat(), "token_malformed"));
    cases.push(raw(format!("Bearer {h} .{p}.{s}").as_bytes(), "credential_malformed"));
    cases.push(raw(format!("Bearer {h}.{p}.{s}\t.").as_bytes(), "credential_malformed"));
    cases.push(raw(format!("Bearer  {good_token}").as_bytes(), "credential_malformed"));
    cases.push(raw(good_token.as_bytes(), "credential_missing"));
    // A provider with a secret takes no other algorithm either.
    cases.push(refused("/secret", &good_token, "algorithm_refused"));
    cases.push(refused("/secret", &Jws::new(json!({"alg": "none"}), good.clone()).with_signature(b""), "algorithm_refused"));
    cases.push(refused("/secret", &mint(&hs256().with_algorithm(Algorithm::HS512), good.clone()), "algorithm_refused"));
    cases.push(refused("/secret", &hmac([], None, good.clone()), "signature_invalid"));
    cases.push(refused("/secret", &hmac([0; 32], None, good.clone()), "signature_invalid"));
    let mac = Jws::new(json!({"alg": "HS256"}), good.clone());
    let whole = hs256().sign(mac.signing_input().as_bytes());
    for part in [&whole[..0], &whole[..1], &whole[..16], &whole[..31], &[whole.as_slice(), &[0]].concat()] {
        cases.push(refused("/secret", &mac.with_signature(part), "signature_invalid").named(format!("{} bytes of the MAC", part.len())));
    }
    // What is unusual and yet right.
    cases.push(passes("/api", &head("{ \"kid\" :\n\"rs256-1\"\t, \"alg\":\"\\u0052S256\" }\n")).named("white space and escapes in JSON"));
    cases.push(passes("/api", &head(r#"{"alg":"RS256"}"#)).named("neither typ nor kid"));
    cases.push(
        passes("/api", &signed(json!({"jwk": attacker.jwk(), "jku": place, "x5c": ["x"], "cty": "x", "x-y": null}))).named("passed over"),
    );

    let mut answers = BTreeSet::new();
    let mut failures = Vec::new();
    for case in cases {
        match case.run(&stage) {
            Ok(response) if response.status == 401 => drop(answers.insert(answer(&response))),
            Ok(_) => {}
            Err(failure) => failures.push(failure),
        }
    }
    assert!(failures.is_empty(), "{} failed:\n\n{}", failures.len(), failures.join("\n"));
    // One answer where a token was sent, another where none was: none tells why.
    assert_eq!(answers.len(), 2, "{answers:#?}");
    assert_eq!(stage.identity_provider.fetch_count(), 0, "somebody followed a token's own link");
    assert_alive(&stage);
    let log = stage.envoy.log().text();
    assert!(!log.lines().any(|line| line.starts_with("rejected reason=forged") || line.starts_with("reason=x")), "a forged line:\n{log}");
    assert!(!log.contains("eyJ"), "a token in the log:\n{log}");
}

fn hex_bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
}

/// All of an answer that a client could learn from.
fn answer(response: &Response) -> String {
    let ours = response.headers.iter().filter(|(name, _)| !matches!(name.as_str(), "date" | "server" | "x-envoy-upstream-service-time"));
    let headers: Vec<String> = ours.map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value))).collect();
    format!("{}\n{}\n{}", response.status, headers.join("\n"), response.text())
}

#[test]
fn claims_are_judged() {
    let providers = json!({
        "api": by_secret(json!({"audiences": ["api", "web"]})),
        "two": by_secret(json!({"issuers": [ISSUER, "https://other.test/"]})),
        "any": by_secret(json!({"issuers": "any", "audiences": "any"})),
        "unnamed": by_secret(json!({"issuers": gone(), "audiences": gone()})),
        "subjects": by_secret(json!({"subjects": ["alice", "bob"]})),
        "one-subject": by_secret(json!({"subjects": "alice"})),
        "types": by_secret(json!({"types": ["at+jwt", "application/X+jwt"]})),
        "cnf": by_secret(json!({"cnf": "ignore"})),
        "required": by_secret(json!({"required_claims": ["exp", "email", "sub"]})),
        "nothing-required": by_secret(json!({"required_claims": []})),
        "lifetime": by_secret(json!({"max_token_lifetime": "24h", "required_claims": []})),
        "age": by_secret(json!({"max_token_age": "60s", "required_claims": []})),
        "access": by_secret(json!({"claims": {"token_use": "access", "level": {"any": [1, 2]}, "admin": false}})),
        "path": by_secret(json!({"claims": [{"claim_path": ["realm", "id"], "is": "main"}, {"groups": {"none": ["banned"]}}]})),
    });
    let stage = Stage::new().config(json!({"providers": providers, "rules": rule_each(&providers)})).start();
    let with = |changes: Value| mint(&hs256(), claims(changes));
    let typed = |typ: &str| mint_typed(&hs256(), typ, claims(json!({})));
    let untyped = Jws::new(json!({"alg": "HS256"}), claims(json!({}))).sign(&hs256());
    let mut cases = Vec::new();
    let mut table = |path: &str, rows: Vec<(Value, &str)>| {
        for (changes, verdict) in rows {
            let name = format!("{path} {changes}");
            let token = with(changes);
            cases.push(if verdict == "ok" { passes(path, &token) } else { refused(path, &token, verdict) }.named(name));
        }
    };
    let wrong_types = |name: &str| -> Vec<(Value, &'static str)> {
        [json!(1), json!(true), json!(["x"]), json!({"x": 1}), json!([]), json!(1.5)]
            .into_iter()
            .map(|value| (json!({name: value}), "claim_invalid"))
            .collect()
    };
    // iss
    table("/api", wrong_types("iss"));
    table(
        "/api",
        vec![
            (json!({"iss": ISSUER}), "ok"),
            (json!({"iss": "https://idp.test/"}), "issuer_mismatch"),
            (json!({"iss": "https://IDP.test"}), "issuer_mismatch"),
            (json!({"iss": "http://idp.test"}), "issuer_mismatch"),
            (json!({"iss": "https://idp.test.evil.test"}), "issuer_mismatch"),
            (json!({"iss": " https://idp.test"}), "issuer_mismatch"),
            (json!({"iss": "any"}), "issuer_mismatch"),
            (json!({"iss": "*"}), "issuer_mismatch"),
            (json!({"iss": ""}), "issuer_mismatch"),
            (json!({"iss": null}), "claim_missing"),
            (json!({"iss": gone()}), "claim_missing"),
        ],
    );
    table(
        "/two",
        vec![(json!({}), "ok"), (json!({"iss": "https://other.test/"}), "ok"), (json!({"iss": "https://other.test"}), "issuer_mismatch")],
    );
    for path in ["/any", "/unnamed"] {
        table(
            path,
            vec![
                (json!({"iss": "x", "aud": "y"}), "ok"),
                (json!({"iss": gone(), "aud": gone()}), "ok"),
                (json!({"iss": null, "aud": null}), "ok"),
            ],
        );
        table(
            path,
            vec![
                (json!({"aud": ["x", "y"]}), "ok"),
                (json!({"aud": []}), "ok"),
                (json!({"aud": [1]}), "claim_invalid"),
                (json!({"iss": 1}), "claim_invalid"),
            ],
        );
    }
    // aud
    table(
        "/api",
        vec![
            (json!({"aud": "api"}), "ok"),
            (json!({"aud": "web"}), "ok"),
            (json!({"aud": ["x", "api"]}), "ok"),
            (json!({"aud": ["api", "web", "api"]}), "ok"),
            (json!({"aud": []}), "audience_mismatch"),
            (json!({"aud": ""}), "audience_mismatch"),
            (json!({"aud": "apis"}), "audience_mismatch"),
            (json!({"aud": "API"}), "audience_mismatch"),
            (json!({"aud": "api web"}), "audience_mismatch"),
            (json!({"aud": "api,web"}), "audience_mismatch"),
            (json!({"aud": ["x"]}), "audience_mismatch"),
            (json!({"aud": "any"}), "audience_mismatch"),
            (json!({"aud": null}), "claim_missing"),
            (json!({"aud": gone()}), "claim_missing"),
            (json!({"aud": 1}), "claim_invalid"),
            (json!({"aud": true}), "claim_invalid"),
            (json!({"aud": {"api": 1}}), "claim_invalid"),
            (json!({"aud": ["api", 1]}), "claim_invalid"),
            (json!({"aud": ["api", null]}), "claim_invalid"),
            (json!({"aud": [["api"]]}), "claim_invalid"),
        ],
    );
    // sub
    table("/api", wrong_types("sub"));
    table("/api", vec![(json!({"sub": null}), "ok"), (json!({"sub": gone()}), "ok"), (json!({"sub": ""}), "ok")]);
    table(
        "/subjects",
        vec![
            (json!({"sub": "alice"}), "ok"),
            (json!({"sub": "bob"}), "ok"),
            (json!({"sub": "carol"}), "subject_mismatch"),
            (json!({"sub": "alice bob"}), "subject_mismatch"),
            (json!({"sub": "Alice"}), "subject_mismatch"),
            (json!({"sub": ""}), "subject_mismatch"),
            (json!({"sub": null}), "claim_missing"),
            (json!({"sub": gone()}), "claim_missing"),
            (json!({"sub": ["alice"]}), "claim_invalid"),
        ],
    );
    table("/one-subject", vec![(json!({"sub": "alice"}), "ok"), (json!({"sub": "bob"}), "subject_mismatch")]);
    // jti, cnf, and whatever else there is.
    table("/api", wrong_types("jti"));
    table("/api", vec![(json!({"jti": "1"}), "ok"), (json!({"jti": null}), "ok"), (json!({"extra": {"deep": [1, {"x": null}]}}), "ok")]);
    for cnf in [json!({"x5t#S256": "AAAA"}), json!({"jkt": "x"}), json!({}), json!("x"), json!(false)] {
        table("/api", vec![(json!({"cnf": cnf}), "cnf_unchecked")]);
        table("/cnf", vec![(json!({"cnf": cnf}), "ok")]);
    }
    table("/api", vec![(json!({"cnf": null}), "ok")]);
    // exp, nbf, iat: their types.
    for name in ["exp", "nbf", "iat"] {
        for value in [
            json!("1"),
            json!(now(60).to_string()),
            json!(true),
            json!([now(60)]),
            json!({}),
            json!(1e30),
            json!(-1e30),
            json!(u64::MAX),
            json!(i64::MIN),
            json!(now(60) * 1000),
            json!(now(60) * 1_000_000),
        ] {
            table("/api", vec![(json!({name: value}), "claim_invalid")]);
        }
    }
    table(
        "/api",
        vec![
            (json!({"exp": null}), "claim_missing"),
            (json!({"exp": gone()}), "claim_missing"),
            (json!({"exp": 0}), "token_expired"),
            (json!({"exp": -1}), "token_expired"),
            (json!({"exp": -0.5}), "token_expired"),
            (json!({"exp": 1.5}), "token_expired"),
            (json!({"exp": now(3600) as f64 + 0.5}), "ok"),
            (json!({"nbf": null, "iat": null}), "ok"),
            (json!({"nbf": 0, "iat": 0}), "ok"),
            (json!({"nbf": -5, "iat": -5.5}), "ok"),
            (json!({"nbf": now(3600)}), "token_not_yet_valid"),
            (json!({"iat": now(3600)}), "token_from_future"),
            (json!({"iat": now(3600) as f64 + 0.5}), "token_from_future"),
        ],
    );
    table(
        "/nothing-required",
        vec![
            (json!({"exp": gone()}), "ok"),
            (json!({"exp": null, "id": null, "clv": null}), "ok"),
            (json!({"exp": now(-3600)}), "token_expired"),
            (json!({"exp": "x"}), "claim_invalid"),
        ],
    );
    table(
        "/required",
        vec![
            (json!({"email": "a@x"}), "ok"),
            (json!({"email": false}), "ok"),
            (json!({"email": ""}), "ok"),
            (json!({}), "claim_missing"),
            (json!({"email": null}), "claim_missing"),
            (json!({"email": "a@x", "sub": gone()}), "claim_missing"),
            (json!({"email": "a@x", "exp": gone()}), "claim_missing"),
        ],
    );
    table(
        "/lifetime",
        vec![
            (json!({"iat": now(0), "exp": now(0) + 86_400}), "ok"),
            (json!({"iat": now(-10), "exp": now(-10) + 86_401}), "token_lifetime"),
            (json!({"exp": now(10)}), "claim_missing"),
            (json!({"iat": now(-10), "exp": gone()}), "claim_missing"),
            (json!({"iat": now(0) as f64 + 0.9, "exp": now(0) + 86_400}), "ok"),
        ],
    );
    table(
        "/age",
        vec![
            (json!({"iat": now(-3)}), "ok"),
            (json!({"iat": gone()}), "claim_missing"),
            (json!({"iat": null}), "claim_missing"),
            (json!({"iat": now(-61)}), "token_too_old"),
            (json!({"iat": 0}), "token_too_old"),
            (json!({"iat": -1}), "token_too_old"),
            (json!({"iat": now(0).to_string()}), "claim_invalid"),
        ],
    );
    // Conditions of the provider: by type and value.
    table(
        "/access",
        vec![
            (json!({"token_use": "access", "level": 1, "admin": false}), "ok"),
            (json!({"token_use": ["id", "access"], "level": [9, 2], "admin": [false]}), "ok"),
            (json!({"token_use": "id", "level": 1, "admin": false}), "claim_mismatch"),
            (json!({"token_use": "accessory", "level": 1, "admin": false}), "claim_mismatch"),
            (json!({"token_use": "access", "level": "1", "admin": false}), "claim_mismatch"),
            (json!({"token_use": "access", "level": true, "admin": false}), "claim_mismatch"),
            (json!({"token_use": "access", "level": 3, "admin": false}), "claim_mismatch"),
            (json!({"token_use": "access", "level": 1, "admin": "false"}), "claim_mismatch"),
            (json!({"token_use": "access", "level": 1, "admin": 0}), "claim_mismatch"),
            (json!({"token_use": "access", "level": 1, "admin": null}), "claim_mismatch"),
            (json!({"token_use": "access", "level": 1}), "claim_mismatch"),
            (json!({"token_use": {"access": 1}, "level": 1, "admin": false}), "claim_mismatch"),
            (json!({}), "claim_mismatch"),
        ],
    );
    table(
        "/path",
        vec![
            (json!({"realm": {"id": "main"}}), "ok"),
            (json!({"realm": {"id": "main"}, "groups": ["staff"]}), "ok"),
            (json!({"realm": {"id": "main"}, "groups": ["staff", "banned"]}), "claim_mismatch"),
            (json!({"realm": {"id": "main"}, "groups": "banned"}), "claim_mismatch"),
            (json!({"realm": {"id": "other"}}), "claim_mismatch"),
            (json!({"realm.id": "main"}), "claim_mismatch"),
            (json!({"realm": "main"}), "claim_mismatch"),
            (json!({"realm": {"id": null}}), "claim_mismatch"),
        ],
    );
    // typ
    for typ in ["JWT", "jwt", "at+jwt", "application/at+jwt", "JOSE", "", "x"] {
        cases.push(passes("/api", &typed(typ)).named(format!("typ {typ}")));
    }
    for typ in [
        "logout+jwt",
        "LOGOUT+JWT",
        "application/logout+jwt",
        "Application/Logout+JWT",
        "dpop+jwt",
        "secevent+jwt",
        "oauth-authz-req+jwt",
        "token-introspection+jwt",
        "client-authentication+jwt",
        "kb+jwt",
    ] {
        cases.push(refused("/api", &typed(typ), "token_type").named(format!("typ {typ}")));
    }
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "x+jwt", "X+JWT", "application/x+jwt"] {
        cases.push(passes("/types", &typed(typ)).named(format!("typ {typ}")));
    }
    for typ in ["JWT", "jwt", "logout+jwt", "at+jwt2", "at", "application/application/at+jwt", "text/at+jwt", ""] {
        cases.push(refused("/types", &typed(typ), "token_type").named(format!("typ {typ}")));
    }
    cases.push(passes("/api", &untyped));
    cases.push(refused("/types", &untyped, "token_type"));
    // What is judged first: nothing after the signature is told of a token that nobody signed.
    let forged = |changes: Value| mint(&Key::fixed(Algorithm::HS256, 2), claims(changes));
    for (changes, reason) in [
        (json!({"iss": "x", "exp": 0}), "issuer_mismatch"),
        (json!({"aud": "x"}), "audience_mismatch"),
        (json!({"exp": 0}), "token_expired"),
        (json!({"nbf": now(3600)}), "signature_invalid"),
        (json!({"iat": now(3600)}), "signature_invalid"),
        (json!({"cnf": {}}), "signature_invalid"),
        (json!({"sub": 1}), "signature_invalid"),
    ] {
        cases.push(refused("/api", &forged(changes), reason));
    }
    stage.check(cases);
    assert_unseen(&stage, &[&STANDARD.encode(hs256().secret_bytes())]);
}

/// Sends a token that was made for this very second, until that second lasts to the end of the exchange: then its verdict is exact.
fn status_within_a_second(stage: &RunningStage, path: &str, changes: impl Fn(i64) -> Value) -> u16 {
    for _ in 0..100 {
        let second = now(0);
        let token = mint(&hs256(), claims(changes(second)));
        let status = stage.send(&Request::get(path).bearer(&token)).status;
        if now(0) == second {
            return status;
        }
    }
    panic!("no exchange ends within the second in which it begins");
}

#[test]
fn times_are_judged_to_the_second() {
    let providers = json!({
        "default": by_secret(json!({})),
        "strict": by_secret(json!({"clock_skew": "0s"})),
        "skew": by_secret(json!({"clock_skew": "10s"})),
        "engine": by_secret(json!({"max_token_age": "60s", "max_future": "60s", "clock_skew": "0s", "required_claims": []})),
        "future": by_secret(json!({"clock_skew": "10s", "max_future": "30s"})),
        "half": by_secret(json!({"max_token_age": "1500ms", "required_claims": []})),
    });
    let stage = Stage::new().config(json!({"providers": providers, "rules": rule_each(&providers)})).start();
    let mut wrong = Vec::new();
    for (path, claim, offset, good) in [
        ("/default", "exp", -59, true),
        ("/default", "exp", -60, false),
        ("/default", "nbf", 60, true),
        ("/default", "nbf", 61, false),
        ("/default", "iat", 60, true),
        ("/default", "iat", 61, false),
        ("/default", "iat", -1_000_000, true),
        ("/strict", "exp", 1, true),
        ("/strict", "exp", 0, false),
        ("/strict", "exp", -1, false),
        ("/strict", "nbf", 0, true),
        ("/strict", "nbf", 1, false),
        ("/strict", "iat", 0, true),
        ("/strict", "iat", 1, false),
        ("/skew", "exp", -9, true),
        ("/skew", "exp", -10, false),
        ("/skew", "nbf", 10, true),
        ("/skew", "nbf", 11, false),
        ("/skew", "iat", 10, true),
        ("/skew", "iat", 11, false),
        ("/engine", "iat", -60, true),
        ("/engine", "iat", -61, false),
        ("/engine", "iat", -59, true),
        ("/engine", "iat", 59, true),
        ("/engine", "iat", 60, true),
        ("/engine", "iat", 61, false),
        ("/future", "iat", 30, true),
        ("/future", "iat", 31, false),
        ("/future", "nbf", 11, false),
        ("/half", "iat", -1, true),
        ("/half", "iat", -2, false),
    ] {
        let status = status_within_a_second(&stage, path, |second| json!({claim: second + offset}));
        if status != if good { 200 } else { 401 } {
            wrong.push(format!("{path}: {claim} = now {offset:+} gave {status}"));
        }
    }
    // Fractions are cut off, downwards.
    for (path, claim, offset, good) in [
        ("/strict", "exp", 0.999, false),
        ("/strict", "exp", 1.001, true),
        ("/strict", "nbf", 0.999, true),
        ("/engine", "iat", -60.5, false),
    ] {
        let status = status_within_a_second(&stage, path, |second| json!({claim: second as f64 + offset}));
        if status != if good { 200 } else { 401 } {
            wrong.push(format!("{path}: {claim} = now {offset:+} gave {status}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // A token that passed ends all the same: whatever remembers it looks at the clock.
    let end = now(4);
    let token = mint(&hs256(), claims(json!({"exp": end})));
    let mut connection = stage.client().connect().expect("a connection");
    loop {
        let before = now(0);
        let status = connection.send(&Request::get("/strict").bearer(&token)).expect("a response").status;
        let after = now(0);
        assert!(status == 200 || after >= end, "{status} before the end");
        assert!(status == 401 || before < end, "{status} after the end");
        if status == 401 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn identities_and_conditions() {
    let mapping = json!({
        "scopes": [{"claim": "scope"}, {"claim": "scp"}, {"claim_path": ["ext", "permissions"]}],
        "roles": [{"claim_path": ["realm_access", "roles"]}, {"claim": "groups"}, {"claim": "roles_csv", "separator": ","}],
        "grants": {"alice": ["admin"], "bob": "auditor"},
    });
    let stage = Stage::new()
        .config(json!({
            "providers": {
                "idp": by_secret(json!({"identity": mapping, "audiences": ["api", "admin-api"]})),
                "mail": by_secret(json!({"identity": {"subject": {"claim_path": ["user", "email"]}}})),
                "plain": by_secret(json!({})),
            },
            "rules": [
                {"match": {"path": "/role"}, "require": {"provider": "idp", "roles": "editor"}},
                {"match": {"path": "/roles-any"}, "require": {"provider": "idp", "roles": {"any": ["editor", "admin"]}}},
                {"match": {"path": "/roles-all"}, "require": {"provider": "idp", "roles": {"all": ["editor", "admin"]}}},
                {"match": {"path": "/roles-none"}, "require": {"provider": "idp", "roles": {"none": ["guest"]}}},
                {"match": {"path": "/roles-exist"}, "require": {"provider": "idp", "roles": {"exists": true}}},
                {"match": {"path": "/roles-lack"}, "require": {"provider": "idp", "roles": {"exists": false}}},
                {"match": {"path": "/scope"}, "require": {"provider": "plain", "scopes": "carbon/read"}},
                {"match": {"path": "/scopes-all"}, "require": {"provider": "idp", "scopes": {"all": ["api/read", "api/write"]}}},
                {"match": {"path": "/audience"}, "require": {"provider": "idp", "audiences": "admin-api"}},
                {"match": {"path": "/claim"}, "require": {"provider": "idp", "claims": {"tier": "gold", "mfa": true}}},
                {"match": {"path": "/claim-path"}, "require": {"provider": "idp", "claims": {"claim_path": ["org", "id"], "is": 7}}},
                {"match": {"path": "/claim-exists"}, "require": {"provider": "idp", "claims": {"mfa": {"exists": true}}}},
                {"match": {"path": "/either"}, "require": {"provider": "idp", "any_of": [{"scopes": "accounts.read"}, {"roles": "accounts.reader"}]}},
                {"match": {"path_template": "/tenants/{tenant}/**"}, "require": {"provider": "idp", "claims": {"tenant": "{path.tenant}"}}},
                {"match": {"path_template": "/users/{user}"}, "require": {"provider": "idp", "roles": {"any": ["{path.user}", "admin"]}}},
                {"match": {"path": "/mail"}, "require": "mail"},
                {"match": {"path": "/plain"}, "require": "plain"},
                {"require": "idp"},
            ],
        }))
        .start();
    let bob = |changes: Value| {
        let mut all = json!({"sub": "carol"});
        for (name, value) in changes.as_object().expect("an object") {
            all[name] = value.clone();
        }
        mint(&hs256(), claims(all))
    };
    let mut cases = Vec::new();
    // What a token says becomes the identity.
    for (changes, roles, scopes) in [
        (json!({}), None, None),
        (json!({"scope": "a b  c"}), None, Some("a,b,c")),
        (json!({"scope": ""}), None, None),
        (json!({"scope": "a a b"}), None, Some("a,b")),
        (json!({"scope": ["a", "b c"]}), None, Some("a,b c")),
        (json!({"scp": ["x", "y"]}), None, Some("x,y")),
        (json!({"scope": "a", "scp": ["b", "a"], "ext": {"permissions": "c"}}), None, Some("a,b,c")),
        (json!({"groups": "one role with spaces"}), Some("one role with spaces"), None),
        (json!({"groups": ["a", "b"]}), Some("a,b"), None),
        (json!({"groups": []}), None, None),
        (json!({"roles_csv": "a,b,,c"}), Some("a,b,c"), None),
        (json!({"realm_access": {"roles": ["editor"]}, "groups": ["editor", "staff"]}), Some("editor,staff"), None),
        (json!({"realm_access": null, "groups": null, "scope": null}), None, None),
        (json!({"realm_access": {}}), None, None),
        (json!({"sub": "alice", "groups": ["staff"]}), Some("staff,admin"), None),
        (json!({"sub": "bob"}), Some("auditor"), None),
    ] {
        let case = passes("/", &bob(changes.clone())).named(changes.to_string()).upstream("x-auth-provider", "idp");
        let case = match roles {
            Some(roles) => case.upstream("x-auth-roles", roles),
            None => case.upstream_absent("x-auth-roles"),
        };
        cases.push(match scopes {
            Some(scopes) => case.upstream("x-auth-scopes", scopes),
            None => case.upstream_absent("x-auth-scopes"),
        });
    }
    // Wrong types are errors, never guesses.
    for changes in [
        json!({"scope": 1}),
        json!({"scope": [1]}),
        json!({"scope": {"a": 1}}),
        json!({"groups": true}),
        json!({"groups": ["a", null]}),
        json!({"realm_access": "x"}),
        json!({"realm_access": {"roles": {"a": 1}}}),
    ] {
        cases.push(refused("/", &bob(changes.clone()), "claim_invalid").named(changes.to_string()));
    }
    // What can't stand in a header, or in a list in one, refuses.
    for changes in [
        json!({"sub": "a\nb"}),
        json!({"sub": "a\0"}),
        json!({"sub": "Zoë"}),
        json!({"groups": ["a,b"]}),
        json!({"scope": ["a,b"]}),
        json!({"groups": ["a\r\nx-auth-roles: admin"]}),
    ] {
        cases.push(refused("/", &bob(changes.clone()), "header_value").named(changes.to_string()));
    }
    cases.push(
        passes("/mail", &bob(json!({"user": {"email": "carol@x.test"}})))
            .upstream("x-auth-subject", "carol@x.test")
            .access("subject", "carol@x.test"),
    );
    cases.push(passes("/mail", &bob(json!({}))).upstream_absent("x-auth-subject"));
    cases.push(refused("/mail", &bob(json!({"user": {"email": 1}})), "claim_invalid"));
    cases.push(passes("/plain", &bob(json!({"groups": ["x"], "roles": ["y"]}))).upstream_absent("x-auth-roles"));
    // Conditions of rules.
    for (path, changes, verdict) in [
        ("/role", json!({"groups": ["editor"]}), "ok"),
        ("/role", json!({"groups": "editor"}), "ok"),
        ("/role", json!({"groups": ["Editor", "editors", "edit", "editor "]}), "role_missing"),
        ("/role", json!({"groups": []}), "role_missing"),
        ("/role", json!({}), "roles_absent"),
        ("/role", json!({"sub": "bob"}), "role_missing"),
        ("/roles-any", json!({"sub": "alice"}), "ok"),
        ("/roles-any", json!({"groups": ["x"]}), "role_missing"),
        ("/roles-all", json!({"sub": "alice", "groups": "editor"}), "ok"),
        ("/roles-all", json!({"groups": "editor"}), "role_missing"),
        ("/roles-none", json!({"groups": "editor"}), "ok"),
        ("/roles-none", json!({"groups": ["editor", "guest"]}), "role_missing"),
        ("/roles-none", json!({}), "ok"),
        ("/roles-exist", json!({"groups": "x"}), "ok"),
        ("/roles-exist", json!({}), "roles_absent"),
        ("/roles-lack", json!({}), "ok"),
        ("/roles-lack", json!({"groups": "x"}), "role_missing"),
        ("/scope", json!({"scope": "x carbon/read"}), "ok"),
        ("/scope", json!({"scope": "carbon/readwrite"}), "scope_missing"),
        ("/scope", json!({"scope": "carbon/rea d"}), "scope_missing"),
        ("/scope", json!({"scope": ["x carbon/read"]}), "scope_missing"),
        ("/scope", json!({}), "scope_missing"),
        ("/scopes-all", json!({"scope": "api/read", "scp": ["api/write"]}), "ok"),
        ("/scopes-all", json!({"scope": "api/read"}), "scope_missing"),
        ("/audience", json!({"aud": "admin-api"}), "ok"),
        ("/audience", json!({"aud": ["api", "admin-api"]}), "ok"),
        ("/audience", json!({"aud": "api"}), "audience_mismatch"),
        ("/claim", json!({"tier": "gold", "mfa": true}), "ok"),
        ("/claim", json!({"tier": "gold", "mfa": "true"}), "claim_mismatch"),
        ("/claim", json!({"tier": "golden", "mfa": true}), "claim_mismatch"),
        ("/claim", json!({"mfa": true}), "claim_mismatch"),
        ("/claim-path", json!({"org": {"id": 7}}), "ok"),
        ("/claim-path", json!({"org": {"id": 7.0}}), "ok"),
        ("/claim-path", json!({"org": {"id": [1, 7]}}), "ok"),
        ("/claim-path", json!({"org": {"id": "7"}}), "claim_mismatch"),
        ("/claim-path", json!({"org": 7}), "claim_mismatch"),
        ("/claim-path", json!({}), "claim_mismatch"),
        ("/claim-exists", json!({"mfa": false}), "ok"),
        ("/claim-exists", json!({"mfa": null}), "claim_mismatch"),
        ("/either", json!({"scope": "accounts.read"}), "ok"),
        ("/either", json!({"groups": "accounts.reader"}), "ok"),
        ("/either", json!({"scope": "accounts.reader", "groups": "accounts.read"}), "scope_missing"),
        ("/tenants/acme/x/y", json!({"tenant": "acme"}), "ok"),
        ("/tenants/acme/x", json!({"tenant": ["other", "acme"]}), "ok"),
        ("/tenants/%61cme/x", json!({"tenant": "acme"}), "ok"),
        ("/tenants/a%20b/x", json!({"tenant": "a b"}), "ok"),
        ("/tenants/acme/x", json!({"tenant": "acme2"}), "claim_mismatch"),
        ("/tenants/other/x", json!({"tenant": "acme"}), "claim_mismatch"),
        ("/tenants/ACME/x", json!({"tenant": "acme"}), "claim_mismatch"),
        ("/tenants/7/x", json!({"tenant": 7}), "claim_mismatch"),
        ("/tenants/null/x", json!({}), "claim_mismatch"),
        ("/tenants/%7Bpath.tenant%7D/x", json!({"tenant": "acme"}), "claim_mismatch"),
        ("/users/dave", json!({"groups": "dave"}), "ok"),
        ("/users/dave", json!({"groups": "erin"}), "role_missing"),
    ] {
        let token = bob(changes.clone());
        let case = if verdict == "ok" { passes(path, &token) } else { refused(path, &token, verdict) };
        cases.push(case.named(format!("{path} {changes}")));
    }
    stage.check(cases);
}

#[test]
fn callers_have_keys_of_their_own() {
    let key = |number: u32| Key::fixed(Algorithm::HS256, number).without_kid();
    let callers = |by: Value| {
        json!({"jwt": {
            "keys": {"callers": {"by": by, "list": [
                {"id": "001", "roles": ["watcher"], "secrets": [
                    {"id": "old", "base64": STANDARD.encode(key(1).secret_bytes())},
                    {"id": "new", "env": "KEY_001", "as": "base64", "bytes": 64},
                ]},
                {"id": "002", "secrets": [{"base64": STANDARD.encode(key(3).secret_bytes())}]},
            ]}},
        }})
    };
    let providers = json!({
        "claim": callers(json!({"claim": "id"})),
        "path": callers(json!({"claim_path": ["client", "id"]})),
        "kid": callers(json!({"jose": "kid"})),
    });
    let stage = Stage::new()
        .config(json!({"providers": providers, "rules": [
            {"match": {"path": "/watch"}, "require": {"provider": "claim", "roles": "watcher"}},
            {"match": {"path": "/claim"}, "require": "claim"},
            {"match": {"path": "/path"}, "require": "path"},
            {"match": {"path": "/kid"}, "require": "kid"},
        ]}))
        .env("KEY_001", &STANDARD.encode(key(2).secret_bytes()))
        .start();
    let token = |number: u32, claims: Value| {
        let mut claims = claims;
        claims["exp"] = json!(now(600));
        mint(&key(number), claims)
    };
    let by_kid = |number: u32, kid: &str| mint(&key(number).with_kid(kid), json!({"exp": now(600), "sub": "root"}));
    let dummy = |claims: Value| hmac([0; 32], None, claims);
    let cases = vec![
        passes("/claim", &token(1, json!({"id": "001"})))
            .upstream("x-auth-subject", "001")
            .upstream("x-auth-roles", "watcher")
            .access("credential", "old"),
        passes("/claim", &token(2, json!({"id": "001"}))).upstream("x-auth-subject", "001").access("credential", "new"),
        passes("/claim", &token(3, json!({"id": "002", "sub": "001"})))
            .upstream("x-auth-subject", "002")
            .upstream_absent("x-auth-roles")
            .named("the key says who, not the token"),
        passes("/path", &token(3, json!({"client": {"id": "002"}}))).upstream("x-auth-subject", "002"),
        passes("/kid", &by_kid(1, "001")).upstream("x-auth-subject", "001").named("kid"),
        passes("/watch", &token(1, json!({"id": "001"}))),
        refused("/watch", &token(3, json!({"id": "002"})), "roles_absent"),
        // Another caller's key, and callers that don't exist: one answer.
        refused("/claim", &token(3, json!({"id": "001"})), "signature_invalid"),
        refused("/claim", &token(1, json!({"id": "002"})), "signature_invalid"),
        refused("/claim", &token(1, json!({"id": "999"})), "signature_invalid"),
        refused("/claim", &token(1, json!({"id": ""})), "signature_invalid"),
        refused("/claim", &token(1, json!({"id": "PATH"})), "signature_invalid"),
        refused("/claim", &dummy(json!({"id": "999", "exp": now(60)})), "signature_invalid").named("a stand-in's key"),
        refused("/claim", &dummy(json!({"id": "002", "exp": now(60)})), "signature_invalid"),
        refused("/claim", &hmac([], None, json!({"id": "999", "exp": now(60)})), "signature_invalid").named("the empty key"),
        refused("/claim", &hmac([], None, json!({"id": "001", "exp": now(60)})), "signature_invalid"),
        refused("/claim", &token(1, json!({})), "claim_missing"),
        refused("/claim", &token(1, json!({"id": null})), "claim_missing"),
        refused("/claim", &token(1, json!({"id": 1})), "claim_invalid"),
        refused("/claim", &token(1, json!({"id": ["001"]})), "claim_invalid"),
        refused("/path", &token(1, json!({"client": "001"})), "claim_invalid"),
        refused("/path", &token(1, json!({"client.id": "001"})), "claim_missing"),
        refused("/kid", &by_kid(1, "002"), "signature_invalid"),
        refused("/kid", &by_kid(1, "nobody"), "signature_invalid"),
        refused("/kid", &token(1, json!({"id": "001"})), "key_unknown").named("no kid"),
        refused("/claim", &mint(&key(1), json!({"id": "001"})), "claim_missing").named("no exp"),
        refused("/claim", &mint(&key(1), json!({"id": "001", "exp": 0})), "token_expired"),
        refused("/claim", &mint(&key(1).with_algorithm(Algorithm::HS512), json!({"id": "001", "exp": now(60)})), "algorithm_refused"),
    ];
    let mut answers = BTreeSet::new();
    let mut failures = Vec::new();
    for case in cases {
        match case.run(&stage) {
            Ok(response) if response.status == 401 => drop(answers.insert(answer(&response))),
            Ok(_) => {}
            Err(failure) => failures.push(failure),
        }
    }
    assert!(failures.is_empty(), "{} failed:\n\n{}", failures.len(), failures.join("\n"));
    // What a caller lacks is told apart (`insufficient_scope`); what is wrong with a token is not.
    assert_eq!(answers.len(), 2, "{answers:#?}");
    assert_unseen(&stage, &[&STANDARD.encode(key(2).secret_bytes())]);
}

#[test]
fn what_the_upstream_learns_of_a_token() {
    let providers = json!({
        "payload": {"jwt": by_secret(json!({}))["jwt"], "upstream": {"payload_header": "x-jwt-payload"}},
        "keep": {"jwt": by_secret(json!({}))["jwt"], "upstream": {"credential": "keep"}},
        "claims": {"jwt": by_secret(json!({}))["jwt"], "upstream": {"headers": {
            "x-mail": {"claim": "email", "required": true, "single": true},
            "x-org": {"claim_path": ["org", "name"], "encode": "percent"},
            "x-secret": {"secret": {"env": "UPSTREAM_SECRET"}, "prefix": "Bearer "},
        }}},
    });
    let stage = Stage::new()
        .config(json!({"providers": providers, "rules": rule_each(&providers)}))
        .env("UPSTREAM_SECRET", "injected-upstream-secret")
        .bootstrap(Bootstrap::websockets)
        .start();
    let token = mint(&hs256(), claims(json!({"name": "Zoë"})));
    let payload = token.split('.').nth(1).expect("three parts").to_owned();
    let forged = mint(&Key::fixed(Algorithm::HS256, 2), claims(json!({})));
    let mail = mint(&hs256(), claims(json!({"email": "a@x.test", "org": {"name": "Ünï, Co"}})));
    stage.check([
        passes("/payload", &token).upstream("x-jwt-payload", &payload).upstream("x-auth-subject", "alice"),
        passes("/payload", &token).header("x-jwt-payload", "evil").header("X-JWT-Payload", "evil").upstream("x-jwt-payload", &payload),
        passes("/payload", &token).header("x_jwt_payload", "evil").upstream_absent("x_jwt_payload").upstream("x-jwt-payload", &payload),
        refused("/payload", &forged, "signature_invalid"),
        passes("/claims", &mail)
            .upstream("x-mail", "a@x.test")
            .upstream("x-secret", "Bearer injected-upstream-secret")
            .upstream_absent("x-auth-subject"),
        refused("/claims", &token, "header_value").named("a required claim that isn't there"),
        refused("/claims", &mint(&hs256(), claims(json!({"email": ["a", "b"]}))), "header_value").named("two where one is wanted"),
        refused("/claims", &forged, "signature_invalid").answer_absent("x-secret"),
        Case::get("/keep").bearer(&token).expect(200).upstream("authorization", &format!("Bearer {token}")),
        Case::get("/keep").bearer(&forged).expect(401).reason("signature_invalid"),
    ]);
    // A WebSocket is let in, or not, by its handshake.
    let mut socket = stage.client().websocket(&Request::get("/payload").bearer(&token)).expect("a WebSocket");
    socket.send("hello").expect("an open socket");
    assert_eq!(socket.receive(PATIENCE), Ok(Some("hello".into())));
    assert_eq!(stage.upstream.last().header("x-auth-subject").as_deref(), Some("alice"));
    for refused in [Request::get("/payload").bearer(&forged), Request::get("/payload")] {
        let Err(refusal) = stage.client().websocket(&refused) else { panic!("a WebSocket without a good token") };
        assert_eq!(refusal.map(|response| response.status), Ok(401));
    }
    assert_eq!(stage.upstream.open_websockets(), 1);
    let response = stage.send(&Request::get("/claims").bearer(&forged));
    assert!(!answer(&response).contains("injected"), "{response:?}");
    assert!(!stage.envoy.log().text().contains("injected-upstream-secret"));
}

#[test]
fn the_log_knows_why_and_the_client_does_only_where_it_may() {
    let config = |explain: bool| {
        json!({
            "providers": {"api": by_secret(json!({"subjects": ["alice"]}))},
            "rules": [{"match": {"path_prefix": "/scope"}, "require": {"provider": "api", "scopes": "carbon/read"}}, {"require": "api"}],
            "reject": {"explain": explain},
        })
    };
    let refusals = [
        ("/", None, "credential_missing"),
        ("/", Some(mint(&Key::fixed(Algorithm::HS256, 2), claims(json!({})))), "signature_invalid"),
        ("/", Some(mint(&hs256(), claims(json!({"iss": "x"})))), "issuer_mismatch"),
        ("/", Some(mint(&hs256(), claims(json!({"aud": "x"})))), "audience_mismatch"),
        ("/", Some(mint(&hs256(), claims(json!({"exp": now(-100)})))), "token_expired"),
        ("/", Some(mint(&hs256(), claims(json!({"sub": "mallory\nrejected reason=forged"})))), "subject_mismatch"),
        ("/", Some("x.y.z".to_owned()), "token_malformed"),
        ("/scope", Some(mint(&hs256(), claims(json!({"scope": "carbon/readwrite"})))), "scope_missing"),
    ];
    for explain in [false, true] {
        let stage = Stage::new().config(config(explain)).start();
        for (path, token, reason) in &refusals {
            let id = portcullis_harness::fresh_request_id();
            let mut request = Request::get(format!("{path}?secret=in-the-query")).header("x-request-id", &id);
            if let Some(token) = token {
                request = request.bearer(token);
            }
            let response = stage.send(&request);
            assert_eq!(response.status, 401);
            assert_eq!(response.header("cache-control").as_deref(), Some("no-store"));
            let line = stage.envoy.wait_for_log(&format!("request_id=\"{id}\""));
            assert!(line.contains(&format!("reason={reason}")) && line.contains(&format!("path=\"{path}\"")), "{line}");
            assert!(line.contains("rule=") && !line.contains("in-the-query") && !line.contains("eyJ"), "{line}");
            let told = answer(&response);
            assert_eq!(told.contains(reason), explain, "{reason}, explain: {explain}: {told}");
            assert!(!told.contains("mallory") && !told.contains("hs256"), "what was sent comes back: {told}");
            let stat = format!("wasmcustom.portcullis.portcullis.rejected.{reason}");
            assert_eq!(stage.envoy.stat(&stat), Some(1), "{stat}");
        }
        let challenge = stage.send(&Request::get("/scope").bearer(refusals[7].1.as_deref().unwrap_or_default())).header("www-authenticate");
        assert!(
            challenge.as_ref().is_some_and(|text| text.contains("insufficient_scope") && text.contains("carbon/read")),
            "{challenge:?}"
        );
        assert!(!stage.envoy.log().text().lines().any(|line| line.starts_with("rejected reason=forged")));
    }
}

/// A generator of the same numbers in every run (Knuth's MMIX).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % bound
    }
}

/// A token with one character changed, left out, doubled, or moved.
fn mutated(token: &str, numbers: &mut Numbers) -> String {
    const CHARACTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/";
    let mut bytes = token.as_bytes().to_vec();
    let place = numbers.below(bytes.len());
    match numbers.below(4) {
        0 => bytes[place] = CHARACTERS[numbers.below(CHARACTERS.len())],
        1 => drop(bytes.remove(place)),
        2 => bytes.insert(place, CHARACTERS[numbers.below(CHARACTERS.len())]),
        _ => bytes.swap(place, numbers.below(token.len())),
    }
    String::from_utf8(bytes).expect("ASCII")
}

/// Tokens by a key, by name.
fn corpus(key: &Key) -> Vec<(String, String)> {
    let header = json!({"alg": key.algorithm().name(), "typ": "JWT", "kid": key.kid()});
    let mut all = Vec::new();
    let good = mint(key, claims(json!({})));
    for changes in [
        json!({}),
        json!({"iss": "x"}),
        json!({"iss": null}),
        json!({"iss": gone()}),
        json!({"iss": 1}),
        json!({"aud": ["x", "api"]}),
        json!({"aud": "x"}),
        json!({"aud": []}),
        json!({"aud": null}),
        json!({"aud": gone()}),
        json!({"aud": [1]}),
        json!({"aud": 1}),
        json!({"exp": now(-3600)}),
        json!({"exp": 0}),
        json!({"exp": -1}),
        json!({"exp": "x"}),
        json!({"exp": null}),
        json!({"exp": gone()}),
        json!({"exp": now(3600) as f64 + 0.5}),
        json!({"nbf": now(-10)}),
        json!({"nbf": now(3600)}),
        json!({"nbf": true}),
        json!({"iat": now(-10)}),
        json!({"iat": now(3600)}),
        json!({"iat": []}),
        json!({"sub": 1}),
        json!({"sub": null}),
        json!({"jti": 1}),
        json!({"jti": "1"}),
        json!({"x": {"y": [1, 2, {"z": null}]}}),
    ] {
        all.push((format!("claims {changes}"), mint(key, claims(changes))));
    }
    for changes in [
        json!({"alg": "none"}),
        json!({"alg": "None"}),
        json!({"alg": "HS256"}),
        json!({"alg": "RS256"}),
        json!({"alg": "ES256"}),
        json!({"alg": ""}),
        json!({"alg": null}),
        json!({"alg": "Ed25519"}),
        json!({"crit": ["exp"]}),
        json!({"crit": ["b64"], "b64": false}),
        json!({"crit": []}),
        json!({"b64": false}),
        json!({"typ": "at+jwt"}),
        json!({"typ": "x"}),
        json!({"typ": "application/at+jwt"}),
        json!({"typ": "logout+jwt"}),
        json!({"typ": 1}),
        json!({"typ": null}),
        json!({"kid": null}),
        json!({"kid": 1}),
        json!({"jku": "https://evil.test"}),
        json!({"jwk": {"kty": "oct", "k": "AAAA"}}),
        json!({"x-other": [1]}),
    ] {
        let mut header = header.clone();
        for (name, value) in changes.as_object().expect("an object") {
            header[name] = value.clone();
        }
        all.push((format!("header {changes}"), Jws::new(header, claims(json!({}))).sign(key)));
    }
    let (rest, signature) = good.rsplit_once('.').expect("three parts");
    let (h, p) = rest.split_once('.').expect("three parts");
    let payload = claims(json!({})).to_string();
    let inside = payload.trim_matches(['{', '}']);
    all.extend([
        ("no signature".to_owned(), format!("{rest}.")),
        ("two parts".to_owned(), rest.to_owned()),
        ("four parts".to_owned(), format!("{good}.")),
        ("padded signature".to_owned(), format!("{good}=")),
        ("padded payload".to_owned(), Jws::of_parts(h, format!("{p}==")).sign(key)),
        ("zero signature".to_owned(), format!("{rest}.{}", base64(vec![0; URL_SAFE_NO_PAD.decode(signature).expect("base64url").len()]))),
        ("longer signature".to_owned(), format!("{good}AAAA")),
        ("payload list".to_owned(), Jws::of_text(header.to_string(), "[]").sign(key)),
        ("payload null".to_owned(), Jws::of_text(header.to_string(), "null").sign(key)),
        ("payload nothing".to_owned(), Jws::of_text(header.to_string(), "").sign(key)),
        ("payload with more behind".to_owned(), Jws::of_text(header.to_string(), format!("{payload} x")).sign(key)),
        ("payload with white space".to_owned(), Jws::of_text(header.to_string(), format!(" {payload}\n")).sign(key)),
        ("sub twice".to_owned(), Jws::of_text(header.to_string(), format!("{{{inside},\"sub\":\"b\"}}")).sign(key)),
        ("another member twice".to_owned(), Jws::of_text(header.to_string(), format!("{{{inside},\"x\":1,\"x\":2}}")).sign(key)),
        (
            "deep".to_owned(),
            Jws::of_text(header.to_string(), format!("{{{inside},\"x\":{}1{}}}", "[".repeat(40), "]".repeat(40))).sign(key),
        ),
        ("signed by another".to_owned(), mint(&Key::fixed(key.algorithm(), 2).with_kid(key.kid().unwrap_or_default()), claims(json!({})))),
    ]);
    if signature.len() % 4 != 0 {
        all.push(("stray bits".to_owned(), format!("{rest}.{}", with_stray_bits(signature))));
    }
    let mut numbers = Numbers(4711);
    for number in 0..40 {
        all.push((format!("mutation {number}"), mutated(&good, &mut numbers)));
    }
    all
}

/// Where the filter and jwt-simple differ on purpose: the filter's verdict, and why.
const DIFFERENCES: &[(&str, bool, &str)] = &[
    (r#"claims {"exp":null}"#, true, "null is absent, and Engine API clients send it"),
    (r#"header {"jwk":"#, true, "passed over, whatever it is"),
    (r#"header {"typ":"x"}"#, true, "only types that RFCs give to something else are refused"),
    (r#"header {"typ":"logout+jwt"}"#, false, "a type that is given to something else"),
    (r#"header {"typ":null}"#, false, "a header parameter that is there is a string"),
    (r#"header {"kid":null}"#, false, "likewise"),
    (r#"header {"crit":[]}"#, false, "RFC 7515, section 4.1.11: never empty"),
    (r#"header {"b64":false}"#, false, "RFC 7797: jwt-simple passes over what would change the payload"),
    ("another member twice", false, "two readers, two tokens"),
    ("deep", false, "32 levels"),
];

#[test]
fn jwt_simple_is_of_the_same_opinion() {
    let keys: Vec<(Key, Oracle)> = Algorithm::ALL
        .into_iter()
        .filter_map(|algorithm| {
            let key = Key::fixed(algorithm, 1);
            Oracle::new(&key, &[ISSUER], &["api"], 60).map(|oracle| (key, oracle))
        })
        .collect();
    assert_eq!(keys.len(), 12, "jwt-simple has all but ES512");
    let mut providers = json!({});
    for (key, _) in &keys {
        let name = key.algorithm().name();
        let from = match key.algorithm() {
            Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => json!({"secret": {"base64": STANDARD.encode(key.secret_bytes())}}),
            _ => json!({"jwks": jwks([key])}),
        };
        providers[name] =
            json!({"jwt": {"keys": from, "issuers": [ISSUER], "audiences": ["api"], "algorithms": [name], "required_claims": []}});
    }
    let stage = Stage::new().config(json!({"providers": providers, "rules": rule_each(&providers)})).start();
    let mut connection = stage.client().connect().expect("a connection");
    let mut differences = BTreeSet::new();
    let (mut good, mut bad) = (0, 0);
    for (key, oracle) in &keys {
        let path = format!("/{}", key.algorithm());
        for (name, token) in corpus(key) {
            let opinion = oracle.verify(&token);
            let status = connection.send(&Request::get(&path).bearer(&token)).expect("a response").status;
            assert!(matches!(status, 200 | 401), "{path} {name}: {status}");
            let accepted = status == 200;
            if accepted {
                good += 1
            } else {
                bad += 1
            }
            let expected = DIFFERENCES.iter().find(|(known, ..)| name.starts_with(known));
            let as_listed = match expected {
                Some((_, verdict, _)) => accepted == *verdict && opinion.is_ok() != *verdict,
                None => accepted == opinion.is_ok(),
            };
            if !as_listed {
                let verdict = if accepted { "accepts" } else { "refuses" };
                differences.insert(format!("{name}: the filter {verdict}, jwt-simple {opinion:?} ({})", key.algorithm()));
            }
        }
    }
    assert!(differences.is_empty(), "{differences:#?}");
    assert!(good > 12 * 5 && bad > 12 * 50, "{good} good and {bad} bad tokens are no corpus");
}

#[test]
fn faults_are_told_all_at_once() {
    let set = jwks([&Key::fixed(Algorithm::RS256, 1)]);
    let weak = jwks([&Key::rsa(Algorithm::RS256, RsaBits::B1024)]);
    let secret = || json!({"base64": STANDARD.encode(hs256().secret_bytes())});
    let failure = Stage::new()
        .config(json!({
            "providers": {
                "no-names": {"jwt": {"keys": {"jwks": set}}},
                "http": {"jwt": {"keys": {"jwks_uri": "http://idp.test/jwks", "cluster": "idp"}, "issuers": "any", "audiences": "any"}},
                "no-cluster": {"jwt": {"keys": {"jwks_uri": "https://idp.test/jwks"}, "issuers": "any", "audiences": "any"}},
                "no-keys": {"jwt": {"keys": {}}},
                "callout": {"jwt": {"keys": {"jwks_uri": "https://idp.test/jwks", "cluster": "idp", "headers": {
                    ":path": "/other", "host": "evil.test", "two words": "x", "x-lines": "a\r\nb", "x-missing": {"env": "NO_SUCH_HEADER"}, "x-y": "1", "X-Y": "2",
                }, "refresh": "0s", "wait": "5", "max_stale": "1h", "max_body": "1GiB"}, "issuers": [], "audiences": ["any", "x"], "subjects": []}},
                "url": {"jwt": {"keys": {"jwks_uri": "https://user:password@idp.test/jwks", "cluster": "idp"}, "issuers": "any", "audiences": "any"}},
                "two-keys": {"jwt": {"keys": {"jwks": set, "secret": secret()}}},
                "hs-jwks": {"jwt": {"keys": {"jwks": set}, "issuers": "any", "audiences": "any", "algorithms": ["RS256", "HS256"]}},
                "rs-secret": {"jwt": {"keys": {"secret": secret()}, "algorithms": ["RS256"]}},
                "none": {"jwt": {"keys": {"secret": secret()}, "algorithms": ["none"]}},
                "oct": {"jwt": {"keys": {"jwks": jwks([&hs256()])}, "issuers": "any", "audiences": "any"}},
                "weak": {"jwt": {"keys": {"jwks": weak}, "issuers": "any", "audiences": "any"}},
                "short": {"jwt": {"keys": {"secret": {"text": "thirty-one bytes are not enough"}}}},
                "bytes": {"jwt": {"keys": {"secret": {"env": "SHORT_SECRET", "as": "hex", "bytes": 32}}}},
                "newline": {"jwt": {"keys": {"secret": {"env": "NEWLINE_SECRET"}}}},
                "missing": {"jwt": {"keys": {"secret": {"env": "NO_SUCH_SECRET"}}}},
                "odd": {"jwt": {"keys": {"secret": {"env": "ODD_SECRET", "as": "hex"}}}},
                "null": {"jwt": {"keys": {"secret": secret()}, "issuers": null}},
                "dup": {"jwt": {"keys": {"callers": {"by": {"claim": "id"}, "list": [
                    {"id": "a", "secrets": [secret()]}, {"id": "b", "secrets": [secret()]}, {"id": "c", "secrets": []},
                ]}}}},
                "roleless": {"jwt": {"keys": {"secret": secret()}}},
            },
            "rules": [
                {"match": {"path": "/a"}, "require": {"provider": "roleless", "roles": "x"}},
                {"match": {"path": "/b"}, "require": {"provider": "roleless", "scopes": ["a", "b"]}},
                {"match": {"path": "/c"}, "require": {"provider": "roleless", "claims": {"tenant": "{path.tenant}"}}},
                {"match": {"path": "/d"}, "require": "nobody"},
                {"require": "roleless"},
            ],
        }))
        .env("SHORT_SECRET", &"ab".repeat(31))
        .env("NEWLINE_SECRET", "a-secret-with-a-newline-at-its-end-of-many-bytes\n")
        .env("ODD_SECRET", &"abc".repeat(33))
        .try_start();
    let Err(failure) = failure else { panic!("Envoy starts with a configuration that it must refuse") };
    let mut lacking = Vec::new();
    for fault in [
        "providers.no-names.jwt.issuers: missing",
        "providers.no-names.jwt.audiences: missing",
        "providers.http.jwt.keys.insecure_http: missing",
        "providers.no-cluster.jwt.keys.cluster: missing",
        "providers.no-keys.jwt.keys: ",
        "providers.callout.jwt.keys.headers.\":path\": ",
        "providers.callout.jwt.keys.headers.host: ",
        "providers.callout.jwt.keys.headers.\"two words\": ",
        "providers.callout.jwt.keys.headers.x-lines: ",
        "providers.callout.jwt.keys.headers.x-missing.env: ",
        "providers.callout.jwt.keys.headers.x-y: this header stands here twice",
        "providers.callout.jwt.keys.refresh: ",
        "providers.callout.jwt.keys.wait: ",
        "providers.callout.jwt.keys.max_body: ",
        "providers.callout.jwt.issuers: ",
        "providers.callout.jwt.audiences: ",
        "providers.callout.jwt.subjects: ",
        "providers.url.jwt.keys.jwks_uri: ",
        "providers.two-keys.jwt.keys: ",
        "providers.hs-jwks.jwt.algorithms: HS256",
        "providers.rs-secret.jwt.algorithms: RS256",
        "providers.none.jwt.algorithms[0]: ",
        "providers.oct.jwt.keys.jwks: ",
        "providers.weak.jwt.keys.jwks: ",
        "providers.short.jwt.keys.secret: 31 bytes",
        "providers.bytes.jwt.keys.secret",
        "providers.newline.jwt.keys.secret",
        "NO_SUCH_SECRET",
        "providers.odd.jwt.keys.secret",
        "providers.null.jwt.issuers: ",
        "providers.dup.jwt.keys.callers.list[1].secrets[0]: ",
        "providers.dup.jwt.keys.callers.list[2].secrets: empty",
        "rules[0].require.roles: ",
        "rules[1].require.scopes: ",
        "rules[2].require.claims",
        "rules[3].require: there is no provider nobody",
    ] {
        if !failure.log.contains(fault) {
            lacking.push(fault.to_owned());
        }
    }
    assert!(lacking.is_empty(), "{lacking:#?} in:\n{}", failure.log);
    for secret in [&STANDARD.encode(hs256().secret_bytes()), "ababab", "a-secret-with-a-newline", "thirty-one", "abcabc"] {
        assert!(!failure.log.contains(secret), "{secret} in the log:\n{}", failure.log);
    }
}
