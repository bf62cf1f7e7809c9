//! `portcullis import cyphernode`.

use crate::tool::{Outcome, run, text};
use std::fs;
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
