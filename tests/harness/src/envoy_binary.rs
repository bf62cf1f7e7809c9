//! Which Envoy runs, and by whom it is started.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The Envoy release that the project is built and tested against.
pub const ENVOY_VERSION: &str = "1.40.0";

/// An Envoy that can be started: a binary, or func-e, which starts one.
///
/// Looked for in this order: `ENVOY_PATH`, `func-e` on the `PATH`, `envoy` on the `PATH`, the one that `make tools`
/// installed under `target/tools/envoy`. Wherever `func-e` is on the `PATH`, it starts the Envoy; it is given the
/// binary at hand, if there is one, so that it needs no network.
#[derive(Clone, Debug)]
pub struct EnvoyBinary {
    envoy: Option<PathBuf>,
    func_e: Option<PathBuf>,
}

impl EnvoyBinary {
    /// Looks for an Envoy.
    ///
    /// # Errors
    /// A text that says what was looked for and what to do, if there is none.
    pub fn find() -> Result<Self, String> {
        let func_e = on_path("func-e");
        let envoy = match env::var_os("ENVOY_PATH") {
            Some(path) if !path.is_empty() => {
                let path = PathBuf::from(path);
                if !path.is_file() {
                    return Err(format!("ENVOY_PATH names {}, which is no file", path.display()));
                }
                Some(path)
            }
            _ if func_e.is_some() => installed("envoy").or_else(|| on_path("envoy")),
            _ => on_path("envoy").or_else(|| installed("envoy")),
        };
        if envoy.is_none() && func_e.is_none() {
            return Err("no Envoy: set ENVOY_PATH, put func-e or envoy on the PATH, or run `make tools`".into());
        }
        Ok(Self { envoy, func_e })
    }

    /// An older Envoy, by its minor version (`1.37`), as `make tools` installed it under `target/tools/envoy-1.37`. It is
    /// started without func-e.
    ///
    /// # Errors
    /// A text that says what to do, if it isn't there.
    pub fn version(version: &str) -> Result<Self, String> {
        match installed(&format!("envoy-{version}")) {
            Some(envoy) => Ok(Self { envoy: Some(envoy), func_e: None }),
            None => Err(format!("no Envoy {version}: run `make tools`")),
        }
    }

    /// The same Envoy, started without func-e: func-e ends Envoy by SIGKILL, so what is to be seen of a drain or a
    /// clean stop needs this.
    ///
    /// # Errors
    /// A text, if only func-e is there, which hides where its Envoy is.
    pub fn direct(&self) -> Result<Self, String> {
        match &self.envoy {
            Some(envoy) => Ok(Self { envoy: Some(envoy.clone()), func_e: None }),
            None => Err("only func-e is there; to start Envoy directly, set ENVOY_PATH or run `make tools`".into()),
        }
    }

    /// Whether func-e starts it.
    pub fn by_func_e(&self) -> bool {
        self.func_e.is_some()
    }

    /// A command that runs Envoy in the foreground; Envoy's own arguments are to be added. `directory` takes what
    /// func-e writes.
    pub(crate) fn command(&self, directory: &Path) -> Command {
        let Some(func_e) = &self.func_e else {
            return Command::new(self.envoy.as_deref().unwrap_or(Path::new("envoy")));
        };
        let mut command = Command::new(func_e);
        if let Some(envoy) = &self.envoy {
            command.env("ENVOY_PATH", envoy);
            for (flag, folder) in [("--config-home", "config"), ("--data-home", "data")] {
                command.arg(flag).arg(directory.join("func-e").join(folder));
            }
        } else if env::var_os("ENVOY_VERSION").is_none() {
            // func-e's own data folder stays, so that one download serves every start.
            command.env("ENVOY_VERSION", ENVOY_VERSION);
        }
        for (flag, folder) in [("--state-home", "state"), ("--runtime-dir", "runtime")] {
            command.arg(flag).arg(directory.join("func-e").join(folder));
        }
        command.args(["--run-id", "harness", "run"]);
        command
    }
}

/// The folder that `cargo` and `make` build into, for what the tools leave there: `target` of the workspace.
pub fn target_directory() -> PathBuf {
    workspace().join("target")
}

/// The workspace's root.
pub fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// The Envoy in this Python environment of `make tools`. The binary itself rather than the package's launcher, which
/// needs that Python's path to stay as it was.
fn installed(environment: &str) -> Option<PathBuf> {
    let libraries = target_directory().join("tools").join(environment).join("lib");
    let mut pythons: Vec<PathBuf> = fs::read_dir(libraries).ok()?.flatten().map(|entry| entry.path()).collect();
    pythons.sort();
    pythons.into_iter().map(|python| python.join("site-packages/envoy/_bin/envoy")).find(|binary| binary.is_file())
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path: OsString = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(file).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}
