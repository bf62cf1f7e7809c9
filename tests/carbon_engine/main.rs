//! Carbon Engine, whose authentication Envoy takes over: the configurations are those that `portcullis import carbon-engine`
//! prints for the engine's own variables, and the one that is shipped. Numbers are those of the list of what must hold.
#![allow(clippy::arithmetic_side_effects, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test may end so")]

mod gateway;
mod jwt;
mod secret;
#[allow(dead_code, reason = "nothing is refused here")]
#[path = "../cli/tool.rs"]
mod tool;

use portcullis_harness::{Case, Request, RunningStage};

/// A request as the engine gets them.
#[track_caller]
fn call() -> Case {
    Case::post("/v1/calculations?locale=en", r#"{"amount":12.5}"#).header("content-type", "application/json")
}

/// The same with this in Authorization.
#[track_caller]
fn authorized(authorization: impl AsRef<[u8]>) -> Case {
    call().header("authorization", authorization)
}

/// What `import` prints for these variables of the engine's.
fn import(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    tool::run_with(&[&["import", "carbon-engine"], arguments].concat(), variables).output()
}

/// Refused by 401 for this reason; the client doesn't learn it, and the log does.
fn refused(case: Case, reason: &str) -> Case {
    case.expect(401).reason(reason).body_contains(r#""status":401"#)
}

/// Carries out the cases. None of the secrets is in an answer, and no refusal tells its reason.
fn check(stage: &RunningStage, cases: impl IntoIterator<Item = Case>, secrets: &[&str]) {
    let mut failures = Vec::new();
    for case in cases {
        match case.run(stage) {
            Err(failure) => failures.push(failure),
            Ok(response) if response.status != 200 => {
                let answer = format!("{:?} {}", response.headers, response.text());
                let reasons = portcullis::reason::Reason::ALL;
                let told = reasons.iter().find(|reason| answer.contains(reason.code()) || answer.contains(reason.sentence()));
                let shown = secrets.iter().find(|secret| answer.contains(**secret));
                failures.extend((told.is_some() || shown.is_some()).then(|| format!("{told:?} {shown:?} in {answer}")));
            }
            Ok(_) => {}
        }
    }
    assert!(failures.is_empty(), "{} failed:\n\n{}", failures.len(), failures.join("\n"));
}

/// None of them is in Envoy's log or its access log.
fn assert_unlogged(stage: &RunningStage, secrets: &[&str]) {
    let (log, access) = (stage.envoy.log().text(), stage.envoy.access_log().text());
    assert!(log.contains("rejected reason=") && !access.is_empty(), "{log}");
    for secret in secrets {
        assert!(!log.contains(secret) && !access.contains(secret), "{secret} is in a log");
    }
}

/// What no caller should send, whatever the mode.
fn garbage() -> Vec<Case> {
    vec![
        call().expect(401).reason("credential_missing").named("3. no credential"),
        authorized("").expect(401).reason("credential_malformed").named("an empty header"),
        authorized("Bearer").expect(401).reason("credential_malformed").named("8. the scheme alone"),
        authorized("Bearer ").expect(401).reason("credential_malformed").named("8. an empty credential"),
        authorized("Bearer  x").expect(401).reason("credential_malformed").named("two blanks"),
        authorized("Basic bXktc2VjdXJlLXRva2Vu").expect(401).reason("credential_missing").named("6. another scheme"),
        call().with(|request: Request| request.bearer("x").bearer("x")).expect(400).reason("credential_ambiguous").named("sent twice"),
    ]
}
