//! `portcullis import cyphernode`.

use crate::tool::{Outcome, run, text};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use portcullis_harness::{Case, RunningStage, Stage, now};
use sha2::Sha256;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use tempfile::TempDir;

const KEY_1: &str = "2b56ee5a1ed56ee5a6bfd76ae57c9ad7c4c0dd1a61dc3a5f8ae3bd1fe0fdc7a1";
const KEY_2: &str = "bdbd68a4ac5a1e4ef2b5e3a4bb5a37f40c2e4c3c2aa4ab0ac5cd6b56b2ea9f75";

const ACTIONS: &str = "# Stats can:\naction_helloworld=stats\n\n# Watcher can:\naction_getbestblockhash=watcher\naction_ln_getinfo=watcher\n# Spender can:\naction_spend=spender\n# Nobody can:\naction_conf=internal\n";

/// A folder with the two files.
struct Gatekeeper(TempDir);

impl Gatekeeper {
    fn new(keys: &str, api: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("keys.properties"), keys).expect("it can be written");
        fs::write(folder.path().join("api.properties"), api).expect("it can be written");
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn import(&self, arguments: &[&str]) -> Outcome {
        let api = self.path("api.properties");
        self.import_keys(&[&["--api", text(&api)], arguments].concat())
    }

    fn import_keys(&self, arguments: &[&str]) -> Outcome {
        run(&[&["import", "cyphernode", "--keys", text(&self.path("keys.properties"))], arguments].concat())
    }
}

fn key(id: &str, secret: &str, groups: &str) -> String {
    format!(
        "kapi_id=\"{id}\";kapi_key=\"{secret}\";kapi_groups=\"{groups}\";eval ugroups_${{kapi_id}}=${{kapi_groups}};eval ukey_${{kapi_id}}=${{kapi_key}}\n"
    )
}

#[test]
fn nothing_is_run_and_what_is_no_key_is_refused_by_its_line() {
    let good = key("001", KEY_1, "stats");
    for (line, fault) in [
        ("touch x", "line 2: neither kapi_id"),
        ("key001=$(touch x)", "line 2: the key: letters and digits"),
        ("key0;1=abc", "line 2: the id: letters and digits"),
        ("kapi_id=\"002\";kapi_key=\"ab\"", "line 2: not kapi_id="),
        ("kapi_key=\"002\";kapi_id=\"ab\";kapi_groups=\"a\"", "line 2: not kapi_id="),
        ("kapi_id=\"0 2\";kapi_key=\"ab\";kapi_groups=\"stats\"", "line 2: the id"),
        ("kapi_id=\"002\";kapi_key=\"$(id)\";kapi_groups=\"stats\"", "line 2: the key"),
        ("kapi_id=\"002\";kapi_key=\"ab\";kapi_groups=\"stats, watcher\"", "line 2: the groups"),
        ("kapi_id=\"002\";kapi_key=\"ab\";kapi_groups=\"stats\";touch x", "line 2: something at its end"),
        ("kapi_id=\"002\";kapi_key=\"ab\";kapi_groups=\"stats\";eval ukey_${kapi_id}=`touch x`", "line 2: something at its end"),
        (good.trim_end(), "line 2: another key has the id 001"),
    ] {
        let gatekeeper = Gatekeeper::new(&format!("{good}{line}\n"), ACTIONS);
        let outcome = gatekeeper.import(&[]);
        assert!(outcome.faults()[0].contains(fault), "{line}: {}", outcome.stderr);
        assert!(!outcome.stderr.contains(KEY_1), "{}", outcome.stderr);
        assert_eq!(fs::read_dir(gatekeeper.0.path()).expect("it is there").count(), 2);
    }
    for (keys, api, fault) in [
        ("# none\n", ACTIONS, "no key at all"),
        (good.as_str(), "# none\n", "no action at all"),
        (&good, "action_a=stats\naction_a=stats\n", "line 2: the action a stands here twice"),
        (&good, "action_=stats\n", "line 1: not action_NAME=GROUP"),
        (&good, "action_a=\n", "line 1: not action_NAME=GROUP"),
        (&good, "action_a/../b=stats\n", "line 1: not action_NAME=GROUP"),
        (&good, "action_a=$(touch x)\n", "line 1: not action_NAME=GROUP"),
        (&good, "touch x\n", "line 1: not action_NAME=GROUP"),
    ] {
        let outcome = Gatekeeper::new(keys, api).import(&[]);
        assert!(matches!(outcome.faults().as_slice(), [only] if only.contains(fault)), "{fault}: {}", outcome.stderr);
    }
    let both = Gatekeeper::new("touch x\n", "touch x\n").import(&[]);
    assert_eq!(both.faults().len(), 2, "all in one go: {}", both.stderr);
    let eras = Gatekeeper::new(&format!("{good}key002={KEY_2}\n"), ACTIONS).import(&[]);
    assert!(eras.faults()[0].contains("no gatekeeper reads both"), "{}", eras.stderr);
    assert!(Gatekeeper::new(&good, ACTIONS).import_keys(&[]).faults()[0].starts_with("--api: missing"));
    assert!(Gatekeeper::new(&format!("key001={KEY_1}\n"), ACTIONS).import(&[]).faults()[0].starts_with("--api: these keys are of 2018"));
}

fn mac(key: &str, text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("HMAC takes any key");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// As clients make them since 2021.
fn token(id: &str, key: &str) -> String {
    let parts = [r#"{"alg":"HS256","typ":"JWT"}"#.to_owned(), format!(r#"{{"id":"{id}","exp":{}}}"#, now(60))];
    let signed = parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac(key, &signed)))
}

/// As the first one-liner made them: padded, with line feeds, the MAC in hex.
fn token_of_2018(id: &str, key: &str) -> String {
    let parts = [r#"{"alg":"HS256","typ":"JWT"}"#.to_owned(), format!(r#"{{"id":"{id}","exp":{}}}"#, now(60))];
    let signed = parts.map(|part| STANDARD.encode(part + "\n")).join(".");
    let mac: String = mac(key, &format!("{signed}\n")).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{signed}.{mac}")
}

fn keys() -> String {
    format!("# cyphernode's\n{}\n{}", key("001", KEY_1, "stats,watcher"), key("002", KEY_2, "stats,watcher,spender"))
}

#[test]
fn what_is_printed_admits_the_same_callers_to_the_same_actions() {
    let gatekeeper = Gatekeeper::new(&keys(), ACTIONS);
    let variables = gatekeeper.path("keys.env");
    let outcome = gatekeeper.import(&["--env-file", text(&variables)]);
    assert_eq!(outcome.stderr, "");
    let printed = outcome.output();
    assert!(!printed.contains(KEY_1) && printed.contains("host_env_keys: [KEY_001, KEY_002]"), "{printed}");
    assert!(printed.contains("formats: [cyphernode-2021, cyphernode-2019]"), "{printed}");
    assert_eq!(fs::read_to_string(&variables).expect("it is written"), format!("KEY_001={KEY_1}\nKEY_002={KEY_2}\n"));
    assert_eq!(fs::metadata(&variables).expect("it is written").permissions().mode() & 0o777, 0o600);
    assert!(gatekeeper.import(&["--env-file", text(&variables)]).faults()[0].contains("keys.env: "), "it is there already");

    let stage = Stage::new().config(printed).env("KEY_001", KEY_1).env("KEY_002", KEY_2).start();
    check(&stage);
    let inline = gatekeeper.import(&["--inline"]).output();
    assert!(inline.contains(KEY_1) && !inline.contains("host_env_keys"), "{inline}");
    check(&Stage::new().config(inline).start());
}

fn check(stage: &RunningStage) {
    let (watcher, spender) = (token("001", KEY_1), token("002", KEY_2));
    let authorization = format!("Bearer {watcher}");
    let refused = |path: &str, token: &str, reason: &str| Case::get(path).bearer(token).expect(403).reason(reason);
    stage.check([
        Case::get("/v0/helloworld").bearer(&watcher).expect(200).upstream("authorization", &authorization),
        Case::get("/v0/getbestblockhash").bearer(&watcher).expect(200).upstream_absent("x-auth-subject"),
        Case::get("/v0/ln_getinfo/x?y=z").bearer(&watcher).expect(200),
        Case::get("/v0/spend").bearer(&spender).expect(200),
        Case::get("/s/watcher/index.html").bearer(&watcher).expect(200),
        Case::get("/s/watcher").bearer(&watcher).expect(200),
        refused("/v0/spend", &watcher, "role_missing"),
        refused("/s/spender/index.html", &watcher, "role_missing"),
        refused("/s/watch/index.html", &watcher, "role_missing").named("no part of a word"),
        refused("/v0/conf", &spender, "denied"),
        refused("/v0/nothing", &spender, "no_rule"),
        refused("/v0/spendmore", &spender, "no_rule"),
        refused("/", &spender, "no_rule"),
        Case::get("/v0/helloworld").bearer(&token_of_2018("001", KEY_1)).expect(401).reason("signature_invalid"),
        Case::get("/v0/helloworld").expect(403).reason("credential_missing").answer_absent("www-authenticate"),
        Case::get("/v0/helloworld").bearer(&token("001", KEY_2)).expect(401).reason("signature_invalid"),
        Case::get("/v0/helloworld").bearer(&token("003", KEY_2)).expect(401).reason("signature_invalid"),
    ]);
}

#[test]
fn keys_of_2018_may_call_everything() {
    let gatekeeper = Gatekeeper::new(&format!("# the first\nkey001={KEY_1}\nkey002={KEY_2}\n"), "");
    let outcome = gatekeeper.import_keys(&[]);
    assert!(outcome.stderr.contains("warning: keys of 2018 have no groups"), "{}", outcome.stderr);
    let printed = outcome.output();
    assert!(printed.contains("formats: [cyphernode-2018]") && !printed.contains("rules:"), "{printed}");
    let stage = Stage::new().config(printed).env("KEY_001", KEY_1).env("KEY_002", KEY_2).start();
    stage.check([
        Case::get("/getbalance").bearer(&token_of_2018("001", KEY_1)).expect(200),
        Case::get("/getbalance").bearer(&token_of_2018("002", KEY_2)).expect(200),
        Case::get("/getbalance").bearer(&token_of_2018("002", KEY_1)).expect(403).reason("signature_invalid"),
        Case::get("/getbalance").bearer(&token_of_2018("999", "")).expect(403).reason("signature_invalid"),
        Case::get("/getbalance").bearer(&token("001", KEY_1)).expect(403),
        Case::get("/getbalance").expect(403).reason("credential_missing"),
    ]);
}

#[test]
fn formats_are_the_operators_choice() {
    let gatekeeper = Gatekeeper::new(&keys(), ACTIONS);
    let printed = gatekeeper.import(&["--format", "2019,2018"]).output();
    assert!(printed.contains("formats: [cyphernode-2019, cyphernode-2018]") && printed.contains("signature_invalid: 403"), "{printed}");
    assert_eq!(gatekeeper.import(&["--format", "2020"]).status, Some(2));
    assert_eq!(gatekeeper.import(&["--inline", "--env-file", "x"]).status, Some(2));
}

#[test]
fn what_the_filter_would_refuse_is_named_by_its_line() {
    let gatekeeper = Gatekeeper::new(&format!("{}{}", key("001", KEY_1, "stats"), key("002", "abc", "stats")), ACTIONS);
    let outcome = gatekeeper.import(&[]);
    assert!(matches!(outcome.faults().as_slice(), [only] if only.contains("keys.properties, line 2: 3 bytes")), "{}", outcome.stderr);
}

#[test]
fn what_leads_nowhere_is_a_warning() {
    let outcome = Gatekeeper::new(&key("001", KEY_1, "stats,internal"), ACTIONS).import(&["--inline"]);
    let warnings: Vec<&str> = outcome.stderr.lines().collect();
    assert_eq!(warnings.len(), 4, "{warnings:?}");
    assert_eq!(warnings[0], "warning: the key 001 is of the group internal, whose actions are denied to everybody");
    assert_eq!(warnings[3], "warning: no key is of the group spender, which spend needs");
    let outcome = Gatekeeper::new(&key("001", KEY_1, "stats,watcher,spender"), ACTIONS).import(&[]);
    assert_eq!(outcome.stderr, "note: the keys are in the variables that the configuration names; --env-file FILE writes them\n");
}
