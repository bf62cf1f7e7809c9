//! A running Envoy.

use crate::access_log::AccessLog;
use crate::client::Client;
use crate::deadline::{PATIENCE, poll};
use crate::envoy_binary::EnvoyBinary;
use crate::log::Log;
use crate::reaper;
use crate::request::Request;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// In a bootstrap text: the folder of this Envoy, where its access log is (`access.log`) and whatever
/// [`Launch::file`] puts there.
pub const DIRECTORY: &str = "{{directory}}";

/// How long Envoy may take to begin to serve. With wasm on a machine that does a lot else it takes seconds.
const START: Duration = Duration::from_secs(90);

/// An Envoy to be started.
pub struct Launch {
    directory: TempDir,
    bootstrap: String,
    concurrency: u32,
    log_level: String,
    component_log_level: String,
    environment: Vec<(String, String)>,
    arguments: Vec<String>,
    direct: bool,
    binary: Option<EnvoyBinary>,
}

impl Launch {
    /// With a bootstrap, in YAML or JSON. It needs an `admin` at port 0; listeners have port 0, too.
    pub fn new(bootstrap: impl Into<String>) -> Self {
        Self {
            directory: tempfile::Builder::new().prefix("envoy-").tempdir().expect("a temporary folder"),
            bootstrap: bootstrap.into(),
            concurrency: 1,
            log_level: "warning".into(),
            component_log_level: "wasm:info".into(),
            environment: Vec::new(),
            arguments: Vec::new(),
            direct: false,
            binary: None,
        }
    }

    /// Another bootstrap.
    #[must_use]
    pub fn bootstrap(mut self, bootstrap: impl Into<String>) -> Self {
        self.bootstrap = bootstrap.into();
        self
    }

    /// So many workers; 1 unless said.
    #[must_use]
    pub fn concurrency(mut self, workers: u32) -> Self {
        self.concurrency = workers;
        self
    }

    /// Envoy's log level; `warning` unless said (at `info` Envoy lists all its extensions at its start).
    #[must_use]
    pub fn log_level(mut self, level: &str) -> Self {
        self.log_level = level.to_owned();
        self
    }

    /// Log levels of single components; `wasm:info` unless said (a [`crate::Stage`] has `wasm:debug`).
    #[must_use]
    pub fn component_log_level(mut self, levels: &str) -> Self {
        self.component_log_level = levels.to_owned();
        self
    }

    /// A variable in Envoy's environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A further argument of Envoy.
    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Started without func-e, so that SIGTERM reaches Envoy itself.
    #[must_use]
    pub fn direct(mut self) -> Self {
        self.direct = true;
        self
    }

    /// Another Envoy than [`EnvoyBinary::find`] finds.
    #[must_use]
    pub fn binary(mut self, binary: EnvoyBinary) -> Self {
        self.binary = Some(binary);
        self
    }

    /// Puts a file into Envoy's folder. [`DIRECTORY`] in the text becomes the folder's path.
    #[must_use]
    pub fn file(self, name: &str, text: &str) -> Self {
        let text = text.replace(DIRECTORY, &self.directory().to_string_lossy());
        fs::write(self.directory().join(name), text).expect("the folder can be written to");
        self
    }

    /// Envoy's folder; it goes away with Envoy.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Starts Envoy and waits until it serves.
    ///
    /// # Panics
    /// With Envoy's log, if it doesn't.
    pub fn start(self) -> Envoy {
        self.try_start().unwrap_or_else(|failure| panic!("{failure}"))
    }

    /// Starts Envoy and waits until it serves, or has ended.
    ///
    /// # Errors
    /// Envoy's log and exit status, if it refuses its configuration.
    ///
    /// # Panics
    /// If there is no Envoy on this machine.
    pub fn try_start(self) -> Result<Envoy, StartFailure> {
        let mut binary = self.envoy_binary();
        if self.direct {
            binary = binary.direct().unwrap_or_else(|why| panic!("{why}"));
        }
        let mut envoy = self.spawn(&binary);
        let end = Instant::now() + START;
        loop {
            if let Some(status) = envoy.exited() {
                return Err(envoy.failure(Some(status)));
            }
            if envoy.is_ready() {
                return Ok(envoy);
            }
            if Instant::now() > end {
                return Err(envoy.failure(None));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Has Envoy check the configuration (`--mode validate`) and returns its log, and whether it approved.
    ///
    /// # Panics
    /// If there is no Envoy on this machine.
    pub fn validate(self) -> (bool, String) {
        let binary = self.envoy_binary();
        let mut envoy = self.argument("--mode").argument("validate").spawn(&binary);
        let status = envoy.wait_for_exit(START);
        let failure = envoy.failure(status);
        (status.is_some_and(|status| status.success()), failure.log)
    }

    fn envoy_binary(&self) -> EnvoyBinary {
        self.binary.clone().unwrap_or_else(|| EnvoyBinary::find().unwrap_or_else(|why| panic!("{why}")))
    }

    fn spawn(self, binary: &EnvoyBinary) -> Envoy {
        let directory = self.directory.path();
        let bootstrap = directory.join("bootstrap.yaml");
        let text = self.bootstrap.replace(DIRECTORY, &directory.to_string_lossy());
        fs::write(&bootstrap, text).expect("the folder can be written to");
        let mut command = binary.command(directory);
        command
            .arg("-c")
            .arg(&bootstrap)
            .args(["--concurrency", &self.concurrency.to_string()])
            .args(["--log-level", &self.log_level])
            .args(["--component-log-level", &self.component_log_level])
            // With hot restart, Envoy ends when the thread ends that started it.
            .arg("--disable-hot-restart")
            .arg("--admin-address-path")
            .arg(directory.join("admin.address"))
            // Tests read the access log as soon as they have the response.
            .args(["--file-flush-interval-msec", "5"]);
        let mut process = command
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("{binary:?} can't be started: {error}"));
        let group = Pid::from_child(&process);
        reaper::watch(group, directory);
        let log = Log::default();
        if let (Some(stdout), Some(stderr)) = (process.stdout.take(), process.stderr.take()) {
            log.read(stdout);
            log.read(stderr);
        }
        let access_log = AccessLog::new(directory.join("access.log"));
        Envoy { process, group, log, access_log, directory: self.directory, admin: None }
    }
}

/// Why Envoy did not start.
#[derive(Debug)]
pub struct StartFailure {
    /// All that Envoy wrote.
    pub log: String,
    /// How it ended; `None`: it was still there at the deadline, without being ready.
    pub exit: Option<ExitStatus>,
}

impl fmt::Display for StartFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.exit {
            Some(status) => write!(f, "Envoy ended at its start ({status}):\n{}", self.log),
            None => write!(f, "Envoy was not ready after {START:?}:\n{}", self.log),
        }
    }
}

/// A running Envoy. It is stopped, and its folder removed, when this value goes.
pub struct Envoy {
    process: Child,
    group: Pid,
    log: Log,
    access_log: AccessLog,
    directory: TempDir,
    admin: Option<SocketAddr>,
}

impl Envoy {
    /// What it writes to its standard output and error.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Waits for a line of the log that contains `part`.
    ///
    /// # Panics
    /// With the whole log, if it doesn't come in time.
    pub fn wait_for_log(&self, part: &str) -> String {
        self.log
            .wait_for(part, PATIENCE)
            .unwrap_or_else(|| panic!("no log line with {part:?} after {PATIENCE:?}; the log:\n{}", self.log.text()))
    }

    /// Its access log: the file `access.log` in its folder.
    pub fn access_log(&self) -> &AccessLog {
        &self.access_log
    }

    /// The line of the access log for a request, by its `x-request-id`.
    ///
    /// # Panics
    /// If there is none in time.
    pub fn access(&self, request_id: &str) -> Value {
        self.access_log
            .entry(request_id, PATIENCE)
            .unwrap_or_else(|| panic!("no access log line for {request_id}; the log:\n{}", self.access_log.text()))
    }

    /// Its folder.
    pub fn directory(&self) -> PathBuf {
        self.directory.path().to_path_buf()
    }

    /// Puts a file into its folder at one stroke (rename), as Envoy wants it of files that it watches. [`DIRECTORY`] in
    /// the text becomes the folder's path.
    ///
    /// # Panics
    /// If the folder can't be written to.
    pub fn replace_file(&self, name: &str, text: &str) {
        let (file, fresh) = (self.directory.path().join(name), self.directory.path().join(format!("{name}.new")));
        let text = text.replace(DIRECTORY, &self.directory.path().to_string_lossy());
        fs::write(&fresh, text).and_then(|()| fs::rename(&fresh, &file)).expect("the folder can be written to");
    }

    /// Where its admin interface listens.
    ///
    /// # Panics
    /// If Envoy isn't there (any more).
    pub fn admin_address(&self) -> SocketAddr {
        self.admin.expect("Envoy's admin interface listens")
    }

    /// GET at the admin interface.
    ///
    /// # Panics
    /// If that isn't answered by 200.
    pub fn admin(&self, path: &str) -> String {
        self.ask_admin(&Request::get(path).host("admin"))
    }

    /// POST at the admin interface, such as `/drain_listeners?graceful`.
    ///
    /// # Panics
    /// If that isn't answered by 200.
    pub fn admin_post(&self, path: &str) -> String {
        self.ask_admin(&Request::post(path, "").host("admin"))
    }

    fn ask_admin(&self, request: &Request) -> String {
        let response = Client::new(self.admin_address()).send(request);
        assert_eq!(response.status, 200, "{}", response.text());
        response.text()
    }

    /// The configuration dump.
    ///
    /// # Panics
    /// If the admin interface doesn't answer.
    pub fn config_dump(&self) -> Value {
        serde_json::from_str(&self.admin("/config_dump")).expect("a configuration dump is JSON")
    }

    /// The counter or gauge of this name; `None` if Envoy has none.
    ///
    /// # Panics
    /// If the admin interface doesn't answer.
    pub fn stat(&self, name: &str) -> Option<u64> {
        self.stats().into_iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// All counters and gauges, by their full names (those of wasm begin with `wasmcustom.`).
    ///
    /// # Panics
    /// If the admin interface doesn't answer.
    pub fn stats(&self) -> Vec<(String, u64)> {
        let text = self.admin("/stats");
        text.lines()
            .filter_map(|line| line.rsplit_once(": "))
            .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
            .collect()
    }

    /// Waits until a counter or gauge is at least so high, and returns it.
    ///
    /// # Panics
    /// With the stats of that prefix, if it isn't in time.
    pub fn wait_for_stat(&self, name: &str, at_least: u64) -> u64 {
        poll(PATIENCE, || self.stat(name).filter(|value| *value >= at_least)).unwrap_or_else(|| {
            let prefix = name.split('.').next().unwrap_or_default();
            let near: Vec<_> = self.stats().into_iter().filter(|(known, _)| known.starts_with(prefix)).collect();
            panic!("{name} didn't reach {at_least} in {PATIENCE:?}: {near:#?}")
        })
    }

    /// Where the listener of this name listens; waits for it.
    ///
    /// # Panics
    /// If there is none in time.
    pub fn listener(&self, name: &str) -> SocketAddr {
        poll(PATIENCE, || self.listener_now(name)).unwrap_or_else(|| panic!("no listener {name}: {}", self.admin("/listeners")))
    }

    /// Whether its configuration has a listener of this name.
    pub fn has_listener(&self, name: &str) -> bool {
        self.listener_now(name).is_some()
    }

    fn listener_now(&self, name: &str) -> Option<SocketAddr> {
        let listeners: Value = serde_json::from_str(&self.admin("/listeners?format=json")).ok()?;
        let listener = listeners["listener_statuses"].as_array()?.iter().find(|listener| listener["name"] == *name)?;
        let socket = &listener["local_address"]["socket_address"];
        let port = u16::try_from(socket["port_value"].as_u64()?).ok()?;
        Some(SocketAddr::new(socket["address"].as_str()?.parse().ok()?, port))
    }

    /// Its process: func-e's, if func-e started it.
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Asks it to end (SIGTERM).
    pub fn terminate(&self) {
        // An error says that it has ended already.
        let _ = kill_process(self.group, Signal::TERM);
    }

    /// Waits for its end; `None`: it still runs.
    pub fn wait_for_exit(&mut self, within: Duration) -> Option<ExitStatus> {
        poll(within, || self.exited())
    }

    fn exited(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().ok().flatten()
    }

    fn is_ready(&mut self) -> bool {
        let Ok(text) = fs::read_to_string(self.directory.path().join("admin.address")) else { return false };
        let Ok(address) = text.trim().parse() else { return false };
        self.admin = Some(address);
        let ready = Client::new(address).patience(Duration::from_secs(2)).try_send(&Request::get("/ready").host("admin"));
        ready.is_ok_and(|response| response.status == 200)
    }

    fn failure(self, exit: Option<ExitStatus>) -> StartFailure {
        if exit.is_none() {
            reaper::kill(self.group);
        }
        self.log.wait_for_end(Duration::from_secs(2));
        StartFailure { log: self.log.text(), exit }
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        if self.exited().is_none() {
            self.terminate();
            self.wait_for_exit(Duration::from_secs(3));
        }
        // Whatever is left: an Envoy that drains, or one whose func-e has gone before it.
        reaper::kill(self.group);
        let _ = self.process.wait();
        reaper::forget(self.group);
    }
}
