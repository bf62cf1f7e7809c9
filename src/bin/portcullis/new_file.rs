//! Files that a command makes. None ever takes the place of one that is there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use crate::report::Failure;

/// Makes a file that anyone may read.
///
/// # Errors
/// One of this name is there, or it can't be written.
pub(crate) fn create(path: &Path, text: &str) -> Result<(), Failure> {
    write(path, text, OpenOptions::new().write(true).create_new(true))
}

/// Makes a file that only its owner may read.
///
/// # Errors
/// One of this name is there, or it can't be written.
pub(crate) fn create_private(path: &Path, text: &str) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    write(path, text, options.write(true).create_new(true))
}

fn write(path: &Path, text: &str, options: &OpenOptions) -> Result<(), Failure> {
    let mut file = options.open(path).map_err(|error| at(path, &error))?;
    file.write_all(text.as_bytes()).map_err(|error| {
        // Half a file would pass for a whole one.
        let _ = fs::remove_file(path);
        at(path, &error)
    })
}

/// Makes a folder, and those above it, unless it is there.
///
/// # Errors
/// It can't be made.
pub(crate) fn create_directory(path: &Path) -> Result<(), Failure> {
    fs::create_dir_all(path).map_err(|error| at(path, &error))
}

/// Reads a text of up to a mebibyte.
///
/// # Errors
/// It can't be read, is longer, or isn't UTF-8.
pub(crate) fn read(path: &Path) -> Result<String, Failure> {
    const MOST: u64 = 1 << 20;
    let mut text = String::new();
    let length = File::open(path).and_then(|file| file.take(MOST).read_to_string(&mut text)).map_err(|error| at(path, &error))?;
    if u64::try_from(length) == Ok(MOST) {
        return Err(format!("{}: longer than any such file", path.display()).into());
    }
    Ok(text)
}

fn at(path: &Path, error: &io::Error) -> Failure {
    format!("{}: {error}", path.display()).into()
}

/// Others than the owner may read it; `false` also where that can't be told.
pub(crate) fn is_open_to_others(path: &Path) -> bool {
    #[cfg(unix)]
    return fs::metadata(path).is_ok_and(|data| std::os::unix::fs::PermissionsExt::mode(&data.permissions()) & 0o077 != 0);
    #[cfg(not(unix))]
    return false;
}
