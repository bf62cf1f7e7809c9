//! What another service says of a token (RFC 7662): only what says so in so many words vouches for anybody.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::authenticator::Remote;
use portcullis::authenticator::remote::Verdict;
use portcullis::policy::{Kind, Policy};
use portcullis::time::UnixTime;
use serde_json::Value;

const CONFIGURATION: &str = r#"{"providers": {"opaque": {"remote": {
    "credential": "bearer", "endpoints": {"default": {"cluster": "idp", "uri": "https://idp.example/introspect"}},
    "request": {"form": {"token": "{token}"}},
    "answer": {"denied": [], "require": {"active": true, "iss": "i"}, "expires": {"claim": "exp"}},
    "identity": {"subject": {"claim": "sub"}, "roles": {"claim_path": ["realm", "roles"]}, "scopes": {"claim": "scope"}}
}}}}"#;

thread_local! {
    static POLICY: Policy = portcullis::config::load(CONFIGURATION.as_bytes(), &|_| None).expect("it loads").0;
}

fuzz_target!(|body: &[u8]| {
    POLICY.with(|policy| match &policy.providers[0].kind {
        Kind::Remote { remote, .. } => answer(remote, body),
        other => panic!("{other:?}"),
    });
});

fn answer(remote: &Remote, body: &[u8]) {
    let Ok(verdict) = remote.read(&"opaque".into(), body) else { return };
    let said: Value = serde_json::from_slice(body).expect("what is understood is JSON");
    match verdict {
        Verdict::Granted(ref granted) => {
            assert!(said["active"] == true && said["iss"] == "i" && said["cnf"].is_null(), "{said}");
            let identity = &granted.identity;
            assert_eq!(identity.subject.as_deref(), said["sub"].as_str().filter(|subject| !subject.is_empty()), "{said}");
            let roles = &said["realm"]["roles"];
            let is_said =
                |role: &String| roles == role.as_str() || roles.as_array().is_some_and(|list| list.contains(&role.as_str().into()));
            assert!(identity.roles.iter().flatten().all(is_said), "{said}");
            let scopes = identity.scopes.iter().flatten();
            let words: Vec<&str> = match &said["scope"] {
                Value::String(text) => text.split(' ').collect(),
                other => other.as_array().into_iter().flatten().filter_map(Value::as_str).collect(),
            };
            assert!(scopes.into_iter().all(|scope| words.contains(&scope.as_str())), "{said}");
            assert_eq!(granted.expires.is_some(), !said["exp"].is_null(), "{said}");
            if let Some(end) = granted.expires {
                assert!(
                    verdict.identity(end).is_err() && said["exp"].as_f64().is_some_and(|exp| exp.floor().max(0.0) == end.seconds() as f64),
                    "{said}"
                );
            }
            assert!(verdict.identity(UnixTime::default()).is_ok() || granted.expires == Some(UnixTime::default()));
        }
        Verdict::Denied(_) => assert!(said["active"] != true || said["iss"] != "i", "{said}"),
        Verdict::Bound => assert!(!said["cnf"].is_null(), "{said}"),
        Verdict::Failed => panic!("nothing failed"),
    }
}
