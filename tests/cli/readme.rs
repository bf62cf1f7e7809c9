//! The command lines of README.md.

use std::fs;
use std::process::Command;

use portcullis_harness::workspace;

const CARBON: &str = "COGO_AUTHENTICATION_MODE=static\nCOGO_HASHED_ACCESS_KEY=S7PhOYRVu0t6nC6a9jthgm3ZV3D664BAJZK4jM3+DT4=\n";
const KEYS: &str =
    "kapi_id=\"001\";kapi_key=\"2df1eeea370eacdc5cf7e96c2d82140d1568079a5d4d87006ec8718a98883b36\";kapi_groups=\"watcher\"\n";

#[test]
fn each_does_what_it_says() {
    let readme = fs::read_to_string(workspace().join("README.md")).expect("there is a README.md");
    let lines: Vec<&str> = readme.lines().filter(|line| line.starts_with("portcullis ")).collect();
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in [("carbon.env", CARBON), ("keys.properties", KEYS), ("api.properties", "action_getblockinfo=watcher\n")] {
        fs::write(folder.path().join(name), text).expect("the folder can be written to");
    }
    for line in &lines {
        let command = line.replacen("portcullis", env!("CARGO_BIN_EXE_portcullis"), 1);
        let output = Command::new("bash").args(["-c", &command]).current_dir(folder.path()).output().expect("bash runs");
        assert!(output.status.success() && !output.stdout.is_empty(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(lines.len(), 4);
    for made in ["keys.env", "jwt.hex"] {
        assert!(folder.path().join(made).exists(), "no {made}");
    }
}
