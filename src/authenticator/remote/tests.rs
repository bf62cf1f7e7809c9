use serde_json::{Value, json};

use super::*;
use crate::reason::Reason;
use crate::time::UnixTime;

const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);

/// A provider's `remote`, compiled.
fn remote(changes: Value) -> Remote {
    let mut config = json!({
        "credential": "basic",
        "inputs": {"scope": {"header": "x-store", "default": "mobee"}, "zone": {"header": "x-zone", "default": "z"}},
        "endpoints": {"by": "scope", "telco": {"cluster": "t", "uri": "https://telco.test/login"}, "default": {"cluster": "d", "uri": "https://d.test:8443/a?b=c"}},
        "request": {"json": {"u": "{username}", "p": ["{password}", {"deep": "{scope}"}], "n": [1, true, null, "text"]}},
    });
    for (name, value) in changes.as_object().unwrap() {
        config[name] = value.clone();
    }
    let config = json!({"providers": {"p": {"remote": config}}});
    let policy = crate::config::load(config.to_string().as_bytes(), &|_| None).map_err(|faults| format!("{faults:?}")).unwrap().0;
    match policy.providers.into_iter().next().map(|provider| provider.kind) {
        Some(crate::policy::Kind::Remote { remote, .. }) => *remote,
        other => panic!("{other:?}"),
    }
}

fn basic(text: impl AsRef<[u8]>) -> String {
    base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text)
}

fn request(headers: &[(&str, &str)]) -> Request {
    Request { headers: headers.iter().copied().collect() }
}

fn body(question: &Question<'_>) -> String {
    String::from_utf8(question.call().body).unwrap()
}

#[test]
fn values_stay_in_their_places() {
    let remote = remote(json!({}));
    let hostile = "a\",\"role\":\"ADMIN\",\"x\":\"\\\u{1f600}{username}";
    for (user, password) in [("ada", "pw"), ("ada", ""), ("ada", "a:b::c"), ("a\",\"role\"\\", hostile), ("{password}", "{username}")] {
        let question = remote.question(basic(format!("{user}:{password}")).as_bytes(), &request(&[("x-store", "a\"b")])).unwrap();
        let sent: Value = serde_json::from_str(&body(&question)).unwrap();
        assert_eq!(sent, json!({"u": user, "p": [password, {"deep": "a\"b"}], "n": [1, true, null, "text"]}));
    }
    let form = self::remote(json!({"credential": "bearer", "request": {"form": {"to&ken": "{token}", "hint": "a b&c"}}}));
    let question = form.question(b"x&hint=y=%26+/", &request(&[])).unwrap();
    assert_eq!(body(&question), "hint=a%20b%26c&to%26ken=x%26hint%3Dy%3D%2526%2B%2F");
    assert_eq!(question.call().content_type, "application/x-www-form-urlencoded");
    assert!(!format!("{:?}", question.call()).contains("hint"), "Debug shows the credential");
}

#[test]
fn what_no_login_could_be() {
    let remote = remote(json!({}));
    let good = |credential: &str| remote.question(credential.as_bytes(), &request(&[])).is_ok();
    assert!(good(&basic("ada:pw")) && good(&basic("J\u{f6}rg:\u{e4}")) && good(&basic("a b:")));
    for bad in ["", "ada", ":pw", "ada:p\nw", "a\0da:pw", "ada:\u{7f}", "ada:\u{85}"] {
        assert!(!good(&basic(bad)), "{bad:?}");
    }
    assert!(!good(&basic(b"ada:\xff")));
    for bad in ["YWRhOnA", "YWRhOnB=", "YWRhOnA==", "YWRh_npw", "%", "YWRh OnB3", "YWRhOnB3\n"] {
        assert!(!good(bad), "{bad:?}");
    }
    let bearer = self::remote(json!({"credential": "bearer", "request": {"form": {"t": "{token}"}}}));
    for (token, is_good) in [("a.b~c", true), ("a b", false), ("a\tb", false), ("\u{e4}", false)] {
        assert_eq!(bearer.question(token.as_bytes(), &request(&[])).is_ok(), is_good, "{token:?}");
    }
}

#[test]
fn inputs_choose_the_endpoint() {
    let remote = remote(json!({}));
    let credential = basic("ada:pw");
    let at = |headers: &[(&str, &str)]| remote.question(credential.as_bytes(), &request(headers)).map(|q| q.endpoint.authority.clone());
    for (store, authority) in [("telco", "telco.test"), ("Telco", "d.test:8443"), ("default", "d.test:8443"), ("by", "d.test:8443")] {
        assert_eq!(at(&[("x-store", store)]).unwrap(), authority, "{store}");
    }
    assert_eq!(at(&[("x-zone", "telco")]).unwrap(), "d.test:8443");
    for ambiguous in [
        &[("x-store", "telco"), ("x-store", "telco")][..],
        &[("x-store", "telco"), ("x_store", "a")],
        &[("x-store", "telco ")],
        &[("x-store", "\ttelco")],
    ] {
        assert_eq!(at(ambiguous).unwrap_err().reason().code(), "header_ambiguous", "{ambiguous:?}");
    }
    for bad in ["", "\u{e4}", "a\tb", &"s".repeat(MAX_INPUT + 1)] {
        assert_eq!(at(&[("x-store", bad)]).unwrap_err().reason().code(), "credential_malformed", "{bad:?}");
    }
    assert!(at(&[("x-store", &"s".repeat(MAX_INPUT))]).is_ok());
    let demanding = self::remote(json!({"inputs": {"scope": {"header": "x-store"}}}));
    assert!(demanding.question(credential.as_bytes(), &request(&[])).is_err());
}

#[derive(Debug, PartialEq)]
enum Read {
    Granted,
    Denied,
    Unclear,
}

fn read(remote: &Remote, answer: &str) -> Read {
    match remote.read(&"p".into(), answer.as_bytes()) {
        Ok(verdict) => match verdict.identity(NOW) {
            Ok(_) => Read::Granted,
            Err(RemoteError::Denied(_)) => Read::Denied,
            Err(_) => Read::Unclear,
        },
        Err(_) => Read::Unclear,
    }
}

#[test]
fn answers_that_vouch_deny_or_say_nothing() {
    let introspection = remote(json!({"answer": {"require": {"active": true, "n": 1, "t": "Bearer"}, "expires": {"claim": "exp"}}}));
    let cases = [
        (r#"{"active":true,"n":1,"t":"Bearer"}"#, Read::Granted),
        (r#"{"active":true,"n":1,"t":"Bearer","exp":1800000001}"#, Read::Granted),
        (r#"{"active":true,"n":1,"t":"Bearer","exp":null}"#, Read::Granted),
        (r#"{"active":true,"n":1,"t":"Bearer","exp":1800000000}"#, Read::Denied),
        (r#"{"active":true,"n":1,"t":"Bearer","exp":1800000000.9}"#, Read::Denied),
        (r#"{"active":true,"n":1,"t":"Bearer","exp":-5}"#, Read::Denied),
        (r#"{"active":true,"n":1,"t":"Bearer","exp":"1800000001"}"#, Read::Unclear),
        (r#"{"active":true,"n":1,"t":"Bearer","exp":1e30}"#, Read::Unclear),
        // Who says that it isn't good need say no more.
        (r#"{"active":false}"#, Read::Denied),
        (r#"{"active":true,"n":2,"t":"Bearer"}"#, Read::Denied),
        (r#"{"active":true,"n":1,"t":"bearer"}"#, Read::Denied),
        (r#"{"active":true,"n":1}"#, Read::Unclear),
        (r#"{"n":1,"t":"Bearer"}"#, Read::Unclear),
        (r#"{"active":"true","n":1,"t":"Bearer"}"#, Read::Unclear),
        (r#"{"active":1,"n":1,"t":"Bearer"}"#, Read::Unclear),
        (r#"{"active":null,"n":1,"t":"Bearer"}"#, Read::Unclear),
        (r#"{"active":[true],"n":1,"t":"Bearer"}"#, Read::Unclear),
        (r#"{"active":true,"n":1,"t":"Bearer","sub":7}"#, Read::Unclear),
        (r#"{"active":true,"n":1,"t":"Bearer","active":true}"#, Read::Unclear),
        (r#"{"active":true,"n":1,"t":"Bearer"} x"#, Read::Unclear),
        ("", Read::Unclear),
        ("[]", Read::Unclear),
    ];
    for (answer, expected) in cases {
        assert_eq!(read(&introspection, answer), expected, "{answer}");
    }
}

/// RFC 8705, section 3.2, and RFC 9449, section 6.2.
#[test]
fn a_token_that_is_bound_is_refused_unless_the_policy_says_otherwise() {
    for (answer, expected) in [
        (r#"{"active":true,"sub":"ada","cnf":{"x5t#S256":"bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}}"#, Err(RemoteError::Bound)),
        (r#"{"active":true,"sub":"ada","cnf":{"jkt":"a"}}"#, Err(RemoteError::Bound)),
        (r#"{"active":true,"sub":"ada","cnf":"x"}"#, Err(RemoteError::Bound)),
        (r#"{"active":true,"sub":"ada","cnf":null}"#, Ok(())),
        (r#"{"active":true,"sub":"ada"}"#, Ok(())),
    ] {
        let said = |changes: Value| remote(changes).read(&"p".into(), answer.as_bytes()).unwrap().identity(NOW).map(drop);
        assert_eq!(said(json!({"credential": "bearer", "request": {"form": {"t": "{token}"}}})), expected, "{answer}");
        assert_eq!(
            said(json!({"credential": "bearer", "request": {"form": {"t": "{token}"}}, "answer": {"cnf": "ignore"}})),
            Ok(()),
            "{answer}"
        );
    }
    assert_eq!(RemoteError::Bound.reason(), Reason::CnfUnchecked);
}

#[test]
fn a_token_that_is_not_active_is_denied_whatever_the_policy_asks_for() {
    let bearer = remote(json!({"credential": "bearer", "request": {"form": {"t": "{token}"}}}));
    for (answer, expected) in [
        (r#"{"active":false,"sub":"ada"}"#, Read::Denied),
        (r#"{"active":"false","sub":"ada"}"#, Read::Denied),
        (r#"{"active":null}"#, Read::Denied),
        (r#"{"active":true}"#, Read::Granted),
        (r#"{"sub":"ada"}"#, Read::Granted),
    ] {
        assert_eq!(read(&bearer, answer), expected, "{answer}");
    }
    // To others the word may mean something else.
    assert_eq!(read(&remote(json!({})), r#"{"active":false}"#), Read::Granted);
}

#[test]
fn what_the_identity_names_must_be_there() {
    let claim = |name: &str| json!({"claim": name});
    let named =
        remote(json!({"identity": {"subject": claim("id"), "roles": [claim("a"), claim("b")], "scopes": {"claim_path": ["c", "d"]}}}));
    let cases = [
        (r#"{"id":"x","a":"r","c":{"d":"s t"}}"#, Read::Granted),
        (r#"{"id":"x","b":["r"],"c":{"d":[]}}"#, Read::Granted),
        (r#"{"a":"r","c":{"d":"s"}}"#, Read::Unclear),
        (r#"{"id":"","a":"r","c":{"d":"s"}}"#, Read::Unclear),
        (r#"{"id":"x","c":{"d":"s"}}"#, Read::Unclear),
        (r#"{"id":"x","a":"r","c":{}}"#, Read::Unclear),
        (r#"{"id":"x","a":"r","c":"s"}"#, Read::Unclear),
        (r#"{"id":"x","a":[1],"c":{"d":"s"}}"#, Read::Unclear),
    ];
    for (answer, expected) in cases {
        assert_eq!(read(&named, answer), expected, "{answer}");
    }
    // By default all of it may be missing (RFC 7662, section 2.2).
    let verdict = remote(json!({})).read(&"p".into(), br#"{"username":"ada","scope":"a b"}"#).unwrap();
    let identity = verdict.identity(NOW).unwrap();
    assert_eq!((identity.subject.as_deref(), identity.scopes.as_deref()), (None, Some(&["a".to_owned(), "b".to_owned()][..])));
    assert_eq!(identity.token.as_ref().unwrap().claims["username"], "ada");
    assert_eq!(identity.token.as_ref().unwrap().encoded.as_deref().unwrap(), "eyJ1c2VybmFtZSI6ImFkYSIsInNjb3BlIjoiYSBiIn0");
}
