//! Programs that take minutes to build, and that only some machines have.

use portcullis_harness::workspace;
use std::io::Write;
use std::path::PathBuf;

/// A program below `target/tools/bin`, where a target of the Makefile puts it. Where it isn't there, a line says that the
/// test was skipped, past the capture of what tests print.
pub(crate) fn tool(name: &str, target: &str) -> Option<PathBuf> {
    let path = workspace().join("target/tools/bin").join(name);
    if path.exists() {
        return Some(path);
    }
    // Nobody may be there to read it.
    let _ = writeln!(std::io::stderr(), "skipped: {} is not there; `make {target}` builds it and runs this test", path.display());
    None
}
