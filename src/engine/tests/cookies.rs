//! Cookies: what changes on the request, and when one yields.

use serde_json::json;

use super::*;
use crate::reason::Reason;

const APP: (&str, &str) = ("origin", "https://app.example");

fn engine() -> Engine {
    let configuration = json!({
        "providers": {
            "web": {
                "jwt": {"keys": {"jwks_uri": "https://idp.test/jwks.json", "cluster": "idp"}, "issuers": ["i"], "audiences": "any", "required_claims": []},
                "from": [{"cookie": "s", "origins": ["https://app.example"]}],
            },
            "keys": {"static_secret": {"sha256": "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"}, "from": [{"header": "x-key"}]},
            "more": {"static_secret": {"sha256": "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"}, "from": [{"cookie": "k", "origins": "any"}]},
        },
        "rules": [
            {"match": {"path": "/any"}, "require": {"any": ["web", "keys"]}},
            {"match": {"path": "/more"}, "require": "more"},
        ],
    });
    Engine::new(crate::config::load(configuration.to_string().as_bytes(), &|_| None).unwrap().0, Rc::default(), NOW, 1)
}

fn decide(engine: &Engine, path: &str, fields: &[(&str, &str)]) -> Decision {
    let common = [(":authority", "a"), (":method", "GET"), (":path", path)];
    let request = Request { headers: common.into_iter().chain(fields.iter().copied()).collect() };
    engine.decide(&request, &Asked::default(), &At { now: NOW, verify: &Module, peer: &Plaintext })
}

/// What the `cookie` header becomes, if it changes.
fn cookie(decision: &Decision) -> Option<&[u8]> {
    let edits = match decision {
        Decision::Pass(pass) => pass.edits(),
        Decision::Reject(rejection) => &rejection.edits,
        Decision::Wait(_) | Decision::Observe(_) => panic!("there is nothing to wait for"),
    };
    edits.cookie.as_deref()
}

#[test]
fn a_cookie_whose_keys_are_still_to_come_yields() {
    let engine = engine();
    let bearer = request();
    let token = std::str::from_utf8(bearer.headers.first("authorization").unwrap()).unwrap().replace("Bearer ", "s=");
    let cookie = ("cookie", token.as_str());
    assert!(matches!(decide(&engine, "/any", &[cookie]), Decision::Wait(_)));
    let beside = decide(&engine, "/any", &[cookie, ("x-key", "secret")]);
    let Decision::Pass(pass) = &beside else { panic!("{beside:?}") };
    assert_eq!(pass.identity().map(|identity| &*identity.provider), Some("keys"));
    let bad = decide(&engine, "/any", &[cookie, ("x-key", "wrong")]);
    assert!(matches!(&bad, Decision::Reject(rejection) if rejection.refusal.reason() == Reason::SecretUnknown));
    let foreign = decide(&engine, "/any", &[cookie, ("upgrade", "websocket")]);
    assert!(matches!(&foreign, Decision::Reject(rejection) if rejection.reply.status == 403));
    assert!(matches!(decide(&engine, "/any", &[cookie, ("upgrade", "websocket"), APP]), Decision::Wait(_)));
}

#[test]
fn several_headers_become_one() {
    let engine = engine();
    let cookies =
        |values: &[&str]| -> Vec<(String, String)> { values.iter().map(|value| ("cookie".to_owned(), (*value).to_owned())).collect() };
    for (path, values, left) in [
        ("/more", &["k=secret"][..], Some("")),
        ("/more", &["k=secret; a=1"], Some("a=1")),
        ("/more", &["b=2", "k=secret", "a=1"], Some("b=2; a=1")),
        ("/more", &["k=wrong", "a=1"], Some("a=1")),
        ("/more", &["k=wrong; a=1"], Some("a=1")),
        ("/any", &["s=x", "a=1", "k=y"], Some("a=1")),
        ("/more", &["b=2", "a=1"], None),
    ] {
        let fields = cookies(values);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let decision = decide(&engine, path, &fields);
        assert_eq!(cookie(&decision), left.map(str::as_bytes), "{values:?}");
    }
}

#[test]
fn a_kept_cookie_stays_where_the_whole_header_goes() {
    let configuration = json!({"providers": {"keys": {
        "static_secret": {"sha256": "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"},
        "from": [{"cookie": "k", "origins": "any"}], "upstream": {"remove": ["cook*"], "credential": "keep"}}}});
    let policy = crate::config::load(configuration.to_string().as_bytes(), &|_| None).unwrap().0;
    let engine = Engine::new(policy, Rc::default(), NOW, 1);
    for (sent, left) in [("k=secret", None), ("a=1; k=secret; b=2", Some("k=secret"))] {
        let decision = decide(&engine, "/", &[("cookie", sent)]);
        let Decision::Pass(pass) = &decision else { panic!("{decision:?}") };
        assert!(!pass.edits().remove.iter().any(|name| name == b"cookie"), "{sent}");
        assert_eq!(cookie(&decision), left.map(str::as_bytes), "{sent}");
    }
}
