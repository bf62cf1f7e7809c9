//! Whoever guesses the names of other clients learns nothing from the answers: they are the same, byte for byte, for one that there is, and for one that there isn't.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use portcullis::decision::Decision;
use portcullis_harness::{Algorithm, Key, mint};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::house::NOW;
use crate::policy::{Core, get};

/// A client that there is.
const CLIENT: &str = "alice";

fn key() -> Key {
    Key::secret(Algorithm::HS256, "a-secret-of-alices-own-with-some-forty-bytes")
}

/// Callers with keys of their own, found by a claim or by `kid`, in a form of tokens, with a form of answers.
fn core(by: &Value, format: &str, reject: &Value) -> Core {
    let secret = STANDARD.encode(key().secret_bytes());
    let list = json!([{"id": CLIENT, "secrets": [{"base64": secret}]}, {"id": "bob", "secrets": [{"text": "x".repeat(40)}, {"text": "y".repeat(40)}]}]);
    let jwt = json!({"keys": {"callers": {"by": by, "list": list}}, "formats": [format]});
    Core::new(&json!({"providers": {"callers": {"jwt": jwt}}, "reject": reject}))
}

/// A token in a form, of a client, by a key.
fn token(format: &str, id: &str, key: &Key) -> String {
    let claims = json!({"id": id, "exp": NOW + 60});
    let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let header = r#"{"alg":"HS256"}"#;
    let standard = format!("{}.{}", STANDARD.encode(header), STANDARD.encode(claims.to_string()));
    match format {
        "cyphernode-2018" => format!("{standard}.{}", hex(key.sign(format!("{standard}\n").as_bytes()))),
        "cyphernode-2019" => format!("{standard}.{}", hex(key.sign(standard.as_bytes()))),
        "cyphernode-2021" => {
            let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims.to_string()));
            format!("{text}.{}", URL_SAFE_NO_PAD.encode(key.sign(text.as_bytes())))
        }
        _ => mint(&key.clone().with_kid(id), claims),
    }
}

/// All that the client gets to see; `None`: it passes.
fn answer(core: &Core, token: &str) -> Option<String> {
    let mut fields = get("/");
    fields.push(("authorization".into(), format!("Bearer {token}").into_bytes()));
    match core.decide(&fields, NOW) {
        Decision::Pass(_) => None,
        Decision::Reject(rejection) => Some(format!("{:?}", rejection.reply)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_answer_does_not_tell_whether_there_is_such_a_client() {
    let forms = ["jws", "cyphernode-2018", "cyphernode-2019", "cyphernode-2021"];
    let ways = forms.map(|form| (json!({"claim": "id"}), form)).into_iter().chain([(json!({"jose": "kid"}), "jws")]);
    for (by, form) in ways {
        for reject in [
            json!({}),
            json!({"explain": true}),
            json!({"explain": true, "body": "detail"}),
            json!({"explain": true, "body": "text", "messages": {"signature_invalid": "no"}}),
            json!({"status": {"signature_invalid": 403}}),
        ] {
            let core = core(&by, form, &reject);
            assert_eq!(answer(&core, &token(form, CLIENT, &key())), None, "{form}: her own token is good");
            let other = Key::secret(Algorithm::HS256, "somebody-elses-secret-with-some-forty-bytes");
            let expected = answer(&core, &token(form, CLIENT, &other));
            assert!(expected.is_some());
            let config = ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() };
            proptest!(config, |(id in "[a-z0-9 ]{0,12}", is_right in any::<bool>())| {
                prop_assume!(id != CLIENT);
                let key = if is_right { key() } else { other.clone() };
                prop_assert_eq!(&answer(&core, &token(form, &id, &key)), &expected, "{}: {:?}", form, id);
                prop_assert_eq!(&answer(&core, &token(form, "bob", &key)), &expected);
            });
        }
    }
}
