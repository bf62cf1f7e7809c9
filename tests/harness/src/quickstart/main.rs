//! Runs `envoy/quickstart.yaml` as it is shipped, with a service behind it and an identity provider beside it, and shows
//! what passes and what doesn't. With `ONCE=1` it then stops, and fails if a verdict was not the expected one.
//!
//! Keys, secrets and certificates are fresh in each run. Nothing leaves the machine.

mod credentials;
mod visit;

use credentials::Credentials;
use portcullis_harness::{Envoy, Example, IdentityProvider, StartFailure, Upstream, portcullis_wasm, target_directory};
use std::process::ExitCode;
use visit::Visit;

fn main() -> ExitCode {
    let once = std::env::var("ONCE").is_ok_and(|once| !once.is_empty() && once != "0");
    // Files that outlast the table are for the reader to use; others must not replace those of another run.
    let passing = tempfile::tempdir().expect("a temporary folder");
    let folder = if once { passing.path().to_path_buf() } else { target_directory().join("quickstart") };
    let credentials = Credentials::fresh(&folder);
    let upstream = Upstream::start();
    let identity_provider = IdentityProvider::with_keys([credentials.users_key.clone()]);
    let envoy = match start(&credentials, &upstream, &identity_provider) {
        Ok(envoy) => envoy,
        Err(failure) => {
            eprintln!("{failure}");
            return ExitCode::FAILURE;
        }
    };

    let visits = visit::all(&credentials);
    let as_expected = show(&envoy, &credentials, &visits);
    if once {
        return if as_expected { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }

    println!("\nTo try them yourself:\n");
    for visit in &visits {
        println!("# {}\n{}\n", visit.what, visit.curl(&envoy, &credentials));
    }
    println!("Metrics: curl -s http://{}/stats/prometheus | grep portcullis", envoy.admin_address());
    println!("Access log: {}", envoy.directory().join("access.log").display());
    println!("Envoy's log: {}", envoy.directory().join("envoy.log").display());
    println!("It runs until Ctrl-C.");
    wait_for_interrupt(|| keep_log(&envoy));
    ExitCode::SUCCESS
}

/// The shipped file; only ports and paths are replaced in its text.
fn start(credentials: &Credentials, upstream: &Upstream, idp: &IdentityProvider) -> Result<Envoy, StartFailure> {
    let folder = credentials.folder.to_string_lossy();
    Example::load("envoy/quickstart.yaml")
        .port(9901, 0)
        .port(10000, 0)
        .port(10443, 0)
        .port(8080, upstream.address().port())
        .port(8081, idp.address().port())
        .replace("address: 0.0.0.0", "address: 127.0.0.1")
        .replace("/dev/stdout", "{{directory}}/access.log")
        .replace("/etc/envoy/portcullis.wasm", &portcullis_wasm().to_string_lossy())
        .replace("/etc/envoy/", &format!("{folder}/"))
        .launch()
        .env("PARTNERS_BILLING_SHA256", &credentials.billing_sha256())
        .env("JOBS_KEY", &credentials.jobs_key_hex())
        .try_start()
}

/// Makes the requests and prints a line for each; whether every verdict was the expected one.
fn show(envoy: &Envoy, credentials: &Credentials, visits: &[Visit]) -> bool {
    let wide = visits.iter().map(|visit| visit.what.len()).max().unwrap_or_default();
    println!("{:wide$}  {:7}  {:6}  why (from Envoy's access log)", "request", "verdict", "status");
    let mut as_expected = true;
    for visit in visits {
        let outcome = visit.make(envoy, credentials);
        let verdict = if outcome.allowed { "allowed" } else { "refused" };
        let mark = if outcome.allowed == visit.allowed { "" } else { "  <- NOT EXPECTED" };
        println!("{:wide$}  {verdict:7}  {:6}  {}{mark}", visit.what, outcome.status, outcome.why);
        as_expected &= outcome.allowed == visit.allowed;
    }
    as_expected
}

/// Envoy's log as a file: what Envoy writes comes here by a pipe.
fn keep_log(envoy: &Envoy) {
    let path = envoy.directory().join("envoy.log");
    if let Err(error) = std::fs::write(&path, envoy.log().text()) {
        eprintln!("{}: {error}", path.display());
    }
}

fn wait_for_interrupt(each_second: impl Fn()) {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a tokio runtime starts");
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).expect("signals can be waited for");
        let mut second = tokio::time::interval(std::time::Duration::from_secs(1));
        loop {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => return,
                _ = terminate.recv() => return,
                _ = second.tick() => each_second(),
            }
        }
    });
}
