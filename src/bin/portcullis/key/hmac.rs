//! `portcullis key hmac`: a key for HS256, as Ethereum's Engine API keeps it in `jwt.hex`.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::report::{Failure, Report};
use crate::{new_file, yaml};

/// An HMAC key of 256 bits in hex, as both sides of Ethereum's Engine API share it
///
/// The file is one line of 64 hex digits, which its owner may read and nobody else. One that is there is checked and kept: exactly 64
/// digits in any case, with 0x or without, with a line end or without. The filter takes the key as `secret: {env: NAME, as: hex, bytes: 32}`.
#[derive(Args)]
#[command(after_help = "Examples:
  portcullis key hmac --file jwt.hex
  export ENGINE_JWT_SECRET=\"$(portcullis key hmac --file /secrets/jwt.hex)\"")]
pub(crate) struct Hmac {
    /// Make this file, or keep it if it is there; its key is printed either way
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// How the filter reads it.
const FILTER: &str = "providers: {jwt: {jwt: {keys: {secret: {env: KEY, as: hex, bytes: 32}}}}}";

impl Hmac {
    pub(crate) fn run(&self) -> Result<Report, Failure> {
        let Some(path) = &self.file else {
            return Ok(Report { output: fresh()?, notes: Vec::new() });
        };
        if path.exists() {
            return kept(path);
        }
        let line = fresh()?;
        new_file::create_private(path, &line)?;
        Ok(Report { output: line, notes: vec![format!("made {}", path.display())] })
    }
}

fn fresh() -> Result<String, Failure> {
    let digits: String = super::random()?.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(digits + "\n")
}

fn kept(path: &Path) -> Result<Report, Failure> {
    let text = new_file::read(path)?;
    let env = |_: &str| Some(text.clone());
    if let Err(faults) = yaml::check(FILTER, &env) {
        let wrong = faults.into_iter().map(|fault| format!("{}: {}", path.display(), fault.what));
        return Err(Failure(wrong.chain(["64 hex digits are wanted; the file is left as it is".to_owned()]).collect()));
    }
    let mut notes = vec![format!("kept {}", path.display())];
    notes.extend(
        new_file::is_open_to_others(path).then(|| format!("warning: others than its owner can read {}; chmod 600", path.display())),
    );
    Ok(Report { output: format!("{}\n", text.trim()), notes })
}
