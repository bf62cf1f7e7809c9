//! `portcullis key tls`: a self-signed certificate for a server that has none.

use std::path::PathBuf;

use clap::Args;
use rcgen::{Error, KeyPair};

use super::leaf::{self, Files};
use crate::new_file;
use crate::report::{Failure, Report};

/// A self-signed certificate for a server, unless it has one
///
/// Makes server.crt and server.key in the folder, unless both are there: a real certificate takes the place of the self-signed one by
/// being there first. Clients can't tell a self-signed one from anybody else's, unless they are given it to trust.
#[derive(Args)]
#[command(after_help = "Example:
  portcullis key tls --directory /tls --name engine.example --name 10.0.0.1")]
pub(crate) struct Tls {
    /// The folder of server.crt and server.key; made if need be
    #[arg(long, value_name = "DIR")]
    directory: PathBuf,

    /// The server's DNS name or IP address; again for each further one
    #[arg(long = "name", value_name = "HOST", default_value = "localhost")]
    names: Vec<String>,

    /// How long it is good for
    #[arg(long, value_name = "NUMBER", default_value = "365", value_parser = clap::value_parser!(u16).range(1..))]
    days: u16,
}

impl Tls {
    pub(crate) fn run(&self) -> Result<Report, Failure> {
        let files = Files::new(&self.directory, "server", "crt");
        if files.exist()? {
            return Ok(Report { output: files.line("kept"), notes: Vec::new() });
        }
        let params = leaf::server(&self.names, self.days)?;
        let failed = |error: Error| format!("the certificate: {error}");
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.self_signed(&key).map_err(failed)?;
        new_file::create_directory(&self.directory)?;
        files.create(&certificate.pem(), &key)?;
        Ok(Report { output: files.line("made"), notes: Vec::new() })
    }
}
