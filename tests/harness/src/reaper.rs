//! No Envoy outlives the process that started it, nor does its folder, whatever ends that process.
//!
//! `Drop` covers returns and panics. Ctrl-C, SIGKILL and an abort run no destructor, nor does the end of a process for
//! what is static in it: for those a small shell process holds the list of process groups, and their folders, and waits
//! on a pipe that closes when this process is gone.

use rustix::process::{Pid, Signal, kill_process_group};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock};

const SCRIPT: &str = r#"
trap '' HUP INT TERM
groups=
while read -r sign group folder; do
  case $sign in
    +) groups="$groups $group"
       eval "folder_$group=\$folder" ;;
    -) kept=
       for g in $groups; do [ "$g" = "$group" ] || kept="$kept $g"; done
       groups=$kept ;;
  esac
done
for g in $groups; do
  kill -KILL "-$g" 2>/dev/null
  eval "rm -rf -- \"\$folder_$g\""
done
"#;

/// Takes note of a process group that has to die with this process, and of its folder.
pub(crate) fn watch(group: Pid, folder: &Path) {
    tell('+', group, folder);
}

/// Forgets a group that has ended, since the number may be given to another.
pub(crate) fn forget(group: Pid) {
    tell('-', group, Path::new(""));
}

/// Kills all that is left of a group.
pub(crate) fn kill(group: Pid) {
    // An error says that nothing is left of it.
    let _ = kill_process_group(group, Signal::KILL);
}

fn tell(sign: char, group: Pid, folder: &Path) {
    static PIPE: OnceLock<Option<Mutex<ChildStdin>>> = OnceLock::new();
    let Some(pipe) = PIPE.get_or_init(start) else { return };
    if let Ok(mut pipe) = pipe.lock() {
        let _ = writeln!(pipe, "{sign} {} {}", group.as_raw_nonzero(), folder.display());
    }
}

fn start() -> Option<Mutex<ChildStdin>> {
    let mut child = Command::new("sh")
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .ok()?;
    child.stdin.take().map(Mutex::new)
}
