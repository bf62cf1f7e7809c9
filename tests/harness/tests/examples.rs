//! The shipped configurations, as they are shipped, with the module under test.

use portcullis_harness::{
    Client, DIRECTORY, Envoy, Example, Launch, PATIENCE, Request, Upstream, poll, portcullis_wasm, target_directory, workspace,
};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

#[test]
fn the_quickstart_shows_what_it_says() {
    shows("quickstart", &["credential_missing", "secret_unknown", "token_expired", "signature_invalid", "role_missing", "no_rule"]);
}

#[test]
fn cyphernode_shows_what_it_says() {
    shows("cyphernode", &["credential_missing", "token_expired", "signature_invalid", "token_malformed", "role_missing", "denied"]);
}

#[test]
fn carbon_engine_shows_what_it_says() {
    shows("carbon-engine", &["credential_missing", "token_malformed", "token_expired", "issuer_mismatch", "key_unknown", "scope_missing"]);
}

#[test]
fn icebreaker_one_shows_what_it_says() {
    shows("icebreaker-one", &["role_missing", "roles_absent", "certificate_missing", "Envoy's TLS"]);
    let reasons =
        ["role_missing", "roles_absent", "certificate_missing", "certificate_expired", "certificate_untrusted_source", "Envoy's TLS"];
    shows("icebreaker-one-behind-proxy", &reasons);
}

#[test]
fn the_engine_api_shows_what_it_says() {
    shows("ethereum-engine-api", &["token_too_old", "token_from_future", "credential_missing", "signature_invalid", "algorithm_refused"]);
}

/// What is printed to be tried is tried, by the shell; tokens that were printed themselves would be stale by then.
#[test]
fn the_engine_apis_command_lines_make_their_own_tokens() {
    let file = target_directory().join("run/ethereum-engine-api/jwt.hex");
    for _ in 0..2 {
        let before = fs::read_to_string(&file).ok();
        let running = Running::start("ethereum-engine-api");
        let lines: Vec<&str> = running.output.lines().collect();
        let tried: Vec<_> = lines.windows(2).filter_map(|two| Some((two[0].strip_prefix("# ")?, two[1]))).collect();
        assert!(tried.len() > 6, "{}", running.output);
        for (what, command) in tried {
            let row = lines.iter().find(|line| line.starts_with(what)).expect("a row of the table");
            let output = Command::new("bash").args(["-c", command]).output().expect("bash runs");
            let answer = String::from_utf8_lossy(&output.stdout).into_owned();
            let status = answer.split_whitespace().nth(1).unwrap_or_default();
            let is_signed = |part: &str| part.starts_with("eyJ") && !part.ends_with('.');
            assert!(row.split_whitespace().any(|word| word == status), "{row}\n{command}\n{answer}");
            assert!(!command.split(['\'', '"', ' ']).any(is_signed), "{command}");
        }
        let key = fs::read_to_string(&file).expect("jwt.hex");
        assert_eq!(fs::metadata(&file).expect("jwt.hex").permissions().mode() & 0o777, 0o600);
        assert!(before.is_none_or(|before| before == key), "the key was replaced");
        assert!(running.output.contains(key.trim()) && !running.output.contains("{{"), "{}", running.output);
    }
}

/// Without `ONCE`, each prints all that there is to try, and waits. (The Engine API's does above.)
#[test]
fn each_system_stays_until_it_is_stopped() {
    for system in ["quickstart", "carbon-engine", "icebreaker-one", "icebreaker-one-behind-proxy", "cyphernode", "cortex"] {
        Running::start(system);
    }
}

/// `make run SYSTEM=...` until it is stopped.
struct Running {
    process: Child,
    /// What it prints before it waits.
    output: String,
}

impl Running {
    fn start(system: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stage"));
        let mut process = command.env("SYSTEM", system).env_remove("ONCE").stdout(Stdio::piped()).spawn().expect("the binary runs");
        let lines = BufReader::new(process.stdout.take().expect("its output")).lines();
        let mut waits = false;
        let lines = lines.map_while(Result::ok).take_while(|line| {
            waits = line.starts_with("It runs until");
            !waits
        });
        let output = lines.collect::<Vec<_>>().join("\n");
        let running = Self { process, output };
        assert!(waits, "{system} stopped by itself after this:\n{}", running.output);
        running
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // By SIGTERM, so that it stops its Envoy.
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
    }
}

#[test]
fn a_system_that_is_not_known_is_not_shown() {
    let (success, output) = shown("carbon");
    assert!(!success && output.contains("SYSTEM=carbon: there are quickstart, carbon-engine"), "{output}");
}

#[test]
fn cortex_shows_what_it_says() {
    shows("cortex", &["credential_missing", "token_too_old", "header_value", "remote_denied", "secret_unknown"]);
}

/// `make run SYSTEM=...` ends well, and something is refused for each of these reasons.
fn shows(system: &str, reasons: &[&str]) {
    let (success, output) = shown(system);
    assert!(success, "{output}");
    for reason in reasons {
        assert!(output.contains(reason), "nothing was refused for {reason}:\n{output}");
    }
}

fn shown(system: &str) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_stage")).env("ONCE", "1").env("SYSTEM", system).output().expect("the binary runs");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// The same in all files; `tests/guard.rs` tries it. (That of the roll-out admits more, and is tried below.)
#[test]
fn the_guard_stands_before_each_router() {
    const ROUTER: &str = "- name: envoy.filters.http.router";
    let guard = |text: &str| {
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        let places: Vec<usize> = (0..lines.len()).filter(|at| lines[*at] == ROUTER).collect();
        let [router] = places[..] else { panic!("{} routers", places.len()) };
        lines[router - 9..router].join("\n")
    };
    let quickstart = guard(Example::load("envoy/quickstart.yaml").text());
    assert!(quickstart.starts_with("- name: guard\n") && quickstart.contains("{exact: allow}"), "{quickstart}");
    let names = fs::read_dir(workspace().join("envoy")).expect("the folder").map(|entry| entry.expect("a file").file_name());
    let files: Vec<String> =
        names.map(|name| format!("envoy/{}", name.to_string_lossy())).filter(|file| !file.contains("roll-out")).collect();
    let examples: Vec<_> =
        files.iter().map(|file| (file, Example::load(file))).filter(|(_, example)| example.text().contains(ROUTER)).collect();
    assert!(examples.len() > 7, "{files:?}");
    for (file, example) in examples {
        assert_eq!(guard(example.text()), quickstart, "{file}");
    }
}

#[test]
fn the_rate_limit_counts_each_caller_by_itself() {
    let upstream = Upstream::start();
    let envoy = rate_limit(&upstream);
    let client = Client::new(envoy.listener("http"));
    let call = |secret: &str| client.send(&Request::get("/").bearer(secret).header("x-auth-subject", "somebody-else")).status;
    let statuses: Vec<u16> = (0..6).map(|_| call(BILLING)).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 429]);
    assert_eq!(call(AUDIT), 200);
    assert_eq!(call("unknown"), 401);
    assert_eq!(upstream.count(), 6);
}

#[test]
fn the_roll_out_refuses_nothing_and_tells_what_it_would() {
    let upstream = Upstream::start();
    let example = Example::load("envoy/roll-out.yaml").replace("2030-01-01T00:00:00Z", "2999-01-01T00:00:00Z");
    let envoy = start(example, &upstream);
    let client = Client::new(envoy.listener("http"));
    let call = |path: &str, secret: &str| client.send(&Request::get(path).bearer(secret).header("x-auth-subject", "somebody-else")).status;
    assert_eq!(call("/", BILLING), 200);
    assert_eq!(upstream.last().header("x-auth-subject").as_deref(), Some("billing"));
    assert_eq!(upstream.last().header("authorization"), Some(format!("Bearer {BILLING}")));
    assert_eq!(call("/", "unknown"), 200);
    assert_eq!(upstream.last().header("x-auth-subject"), None);
    assert_eq!(upstream.last().header("authorization").as_deref(), Some("Bearer unknown"));
    assert_eq!(call("/healthz", "unknown"), 200);
    for path in ["/internal/x", "//a", "/a%2fb", "/a;b"] {
        assert_eq!(call(path, BILLING), 200, "{path}");
    }
    assert_eq!(upstream.count(), 7);
    envoy.wait_for_log("observed reason=secret_unknown status=401 rule=2 provider=partners");
    let prometheus = envoy.admin("/stats/prometheus");
    for line in [
        "portcullis_observing{plugin=\"roll_out\"} 1",
        "portcullis_observed{plugin=\"roll_out\",reason=\"secret_unknown\"} 1",
        "portcullis_observed{plugin=\"roll_out\",reason=\"denied\"} 1",
        "portcullis_observed{plugin=\"roll_out\",reason=\"path_invalid\"} 3",
    ] {
        assert!(prometheus.contains(line), "no {line} in\n{prometheus}");
    }
}

#[test]
fn a_part_of_the_roll_out_may_enforce() {
    let upstream = Upstream::start();
    let example = Example::load("envoy/roll-out.yaml").replace("2030-01-01T00:00:00Z", "2999-01-01T00:00:00Z");
    let envoy = start(example.replace("# mode: enforce ", "mode: enforce "), &upstream);
    let client = Client::new(envoy.listener("http"));
    let call = |path: &str, secret: &str| client.send(&Request::get(path).bearer(secret)).status;
    assert_eq!((call("/internal/x", BILLING), call("//internal/x", BILLING), call("/", "unknown")), (403, 400, 200));
    assert_eq!(upstream.count(), 1);
}

#[test]
fn at_the_end_of_the_roll_out_it_enforces() {
    let upstream = Upstream::start();
    let envoy = start(Example::load("envoy/roll-out.yaml").replace("2030-01-01T00:00:00Z", "2020-01-01T00:00:00Z"), &upstream);
    let client = Client::new(envoy.listener("http"));
    let call = |secret: &str| client.send(&Request::get("/").bearer(secret)).status;
    assert_eq!((call(BILLING), call("unknown"), upstream.count()), (200, 401, 1));
    assert_eq!(upstream.last().header("authorization"), None);
}

#[test]
fn a_policy_by_ecds_is_replaced_as_its_comments_say() {
    let upstream = Upstream::start();
    let policy = policy();
    let envoy = with_secrets(listening(Example::load("envoy/policy-by-ecds.yaml"), &upstream).replace("/etc/envoy", DIRECTORY).launch())
        .file("policy.yaml", policy.text())
        .start();
    let stat = |name: &str| envoy.stat(&format!("extension_config_discovery.http_filter.portcullis.{name}"));
    let client = Client::new(envoy.listener("http"));
    let mut connection = client.connect().expect("a connection");
    let mut call = |secret: &str| connection.send(&Request::get("/").bearer(secret)).expect("the connection stays open").status;
    assert_eq!((call(BILLING), call(AUDIT), call("unknown"), stat("update_success")), (200, 200, 401, Some(1)));
    // A caller is revoked by the removal of one line.
    let is_audits = |line: &&str| !line.contains("{id: audit");
    let revoked: String = policy.text().split_inclusive('\n').filter(is_audits).collect();
    envoy.replace_file("policy.yaml", &revoked.replace("version_info: \"1\"", "version_info: \"2\""));
    poll(PATIENCE, || (call(AUDIT) == 401).then_some(())).expect("audit is revoked");
    assert_eq!((call(BILLING), stat("update_success"), stat("config_fail")), (200, Some(2), Some(0)));
    assert!(envoy.admin("/config_dump?resource=ecds_filters").contains("\"version_info\": \"2\""));
    // What has faults is refused, by the plugin or by Envoy, and changes nothing.
    envoy.replace_file("policy.yaml", &policy.text().replace("roles: reader}", "scopes: reader}"));
    poll(PATIENCE, || (stat("config_fail") == Some(1)).then_some(())).expect("the plugin refuses it");
    envoy.wait_for_log("configuration: rules[1].require.scopes: ");
    envoy.replace_file("policy.yaml", &policy.text().replace("rules:", "rules: ["));
    poll(PATIENCE, || (stat("config_fail") == Some(2)).then_some(())).expect("Envoy refuses it");
    envoy.wait_for_log("Filesystem config update failure");
    assert_eq!((call(BILLING), call(AUDIT), stat("update_success")), (200, 401, Some(2)));
    envoy.replace_file("policy.yaml", policy.text());
    poll(PATIENCE, || (call(AUDIT) == 200).then_some(())).expect("audit is back");
    assert_eq!(stat("update_success"), Some(3));
}

#[test]
fn without_a_first_policy_nobody_passes() {
    let upstream = Upstream::start();
    let envoy = with_secrets(listening(Example::load("envoy/policy-by-ecds.yaml"), &upstream).replace("/etc/envoy", DIRECTORY).launch())
        .file("policy.yaml", policy().replace("rules:", "rule:").text())
        .start();
    let answer = Client::new(envoy.listener("http")).send(&Request::get("/healthz").bearer(BILLING));
    assert_eq!((answer.status, upstream.count()), (500, 0));
}

const MODULE: &str = "/etc/envoy/portcullis.wasm";
const BILLING: &str = "billing-secret-for-tests-only";
const AUDIT: &str = "audit-secret-for-tests-only";

fn rate_limit(upstream: &Upstream) -> Envoy {
    start(Example::load("envoy/rate-limit.yaml"), upstream)
}

fn start(example: Example, upstream: &Upstream) -> Envoy {
    with_secrets(listening(example, upstream).replace(MODULE, &portcullis_wasm().to_string_lossy()).launch()).start()
}

/// The file that the listener's configuration has Envoy watch.
fn policy() -> Example {
    Example::load("envoy/policy.yaml").replace(MODULE, &portcullis_wasm().to_string_lossy())
}

/// With what differs between an operator's machine and this one.
fn listening(example: Example, upstream: &Upstream) -> Example {
    example
        .port(9901, 0)
        .port(10000, 0)
        .port(8080, upstream.address().port())
        .replace("address: 0.0.0.0", "address: 127.0.0.1")
        .replace("/dev/stdout", "{{directory}}/access.log")
}

fn with_secrets(launch: Launch) -> Launch {
    launch
        .env("PARTNERS_BILLING_SHA256", "6823a6d653dcdcd846b4b034f53298e511a1962e13bf1d6f2b8e052bb8ed3a06")
        .env("PARTNERS_AUDIT_SHA256", "48d96535e9f2ea540251e281af3b1931a28d2378b7ed7dfee62595f6ee640853")
}
