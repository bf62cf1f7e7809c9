//! `portcullis key certificates`: what mutual TLS needs, down to clients with roles in their certificates.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use der::Encode as _;
use der::asn1::{ObjectIdentifier, Utf8StringRef};
use rcgen::{CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, SanType};

use super::authority::Authority;
use super::leaf::{self, Files};
use crate::report::{Failure, Report};

/// Certificates for mutual TLS: a server's, and clients' with roles in them
///
/// Makes in the folder, each with its .key, what isn't there yet: servers-ca.pem, which clients trust, and server.pem; clients-ca.pem,
/// which servers trust, and clients-issuer.pem below it. Then, with --client, that client's certificate, followed by its issuer's.
/// An authority of your own serves if its certificate and key have these names.
#[derive(Args)]
#[command(after_help = "Examples:
  portcullis key certificates --directory pki --server api.example
  portcullis key certificates --directory pki --client app-one \\
    --common-name https://directory.example/app/1 --san-uri https://directory.example/app/1 \\
    --role 1.3.6.1.4.1.62329.1.1=https://registry.example/role/reader \\
    --role 1.3.6.1.4.1.62329.1.1=https://registry.example/group/reporter \\
    --text 1.3.6.1.4.1.62329.1.3=https://directory.example/member/1

In Envoy: trusted_ca: {filename: pki/clients-ca.pem}
As a client: curl --cert pki/app-one.pem --key pki/app-one.key --cacert pki/servers-ca.pem ...")]
pub(crate) struct Certificates {
    /// The folder; made if need be
    #[arg(long, value_name = "DIR")]
    directory: PathBuf,

    /// The server's DNS name or IP address; again for each further one
    #[arg(long = "server", value_name = "HOST", default_value = "localhost")]
    servers: Vec<String>,

    /// Make a client's certificate: NAME.pem and NAME.key
    #[arg(long, value_name = "NAME")]
    client: Option<String>,

    /// The client's CN; absent: NAME
    #[arg(long, value_name = "CN", requires = "client")]
    common_name: Option<String>,

    /// The client's O
    #[arg(long, value_name = "O", requires = "client")]
    organization: Option<String>,

    /// An alternative name of the client's, as a URI; again for each further one
    #[arg(long = "san-uri", value_name = "URI", requires = "client")]
    san_uris: Vec<String>,

    /// An alternative name of the client's, as a DNS name; again for each further one
    #[arg(long = "san-dns", value_name = "NAME", requires = "client")]
    san_dns: Vec<String>,

    /// A role of the client's: an extension that is a sequence of UTF8Strings; again for each further one
    #[arg(long = "role", value_name = "OID=VALUE", requires = "client")]
    roles: Vec<Extension>,

    /// A text about the client: an extension that is one UTF8String; again for each further one
    #[arg(long = "text", value_name = "OID=VALUE", requires = "client")]
    texts: Vec<Extension>,

    /// How long server and client certificates are good for
    #[arg(long, value_name = "NUMBER", default_value = "365", value_parser = clap::value_parser!(u16).range(1..3653))]
    days: u16,
}

/// A value under an OID.
#[derive(Clone)]
struct Extension {
    oid: Vec<u64>,
    value: String,
}

impl FromStr for Extension {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (oid, value) = text.split_once('=').ok_or("OID=VALUE is wanted")?;
        let oid: ObjectIdentifier = oid.parse().map_err(|_| "not an OID in dots, such as 1.3.6.1.4.1.62329.1.1")?;
        Ok(Self { oid: oid.arcs().map(u64::from).collect(), value: value.to_owned() })
    }
}

impl Certificates {
    pub(crate) fn run(&self) -> Result<Report, Failure> {
        // What can be wrong with it is known before anything is made.
        let server = leaf::server(&self.servers, self.days)?;
        let client = self.client.as_ref().map(|name| self.client(name)).transpose()?;

        let servers = Authority::open(&self.directory, "servers-ca", "portcullis servers", None)?;
        let clients = Authority::open(&self.directory, "clients-ca", "portcullis clients", None)?;
        let issuer = Authority::open(&self.directory, "clients-issuer", "portcullis clients' issuer", Some(&clients))?;
        let mut output = [servers.line.as_str(), &clients.line, &issuer.line].concat();
        let files = Files::new(&self.directory, "server", "pem");
        if files.exist()? {
            output += &files.line("kept");
        } else {
            servers.issue(&server, "", &files)?;
            output += &files.line("made");
        }
        if let Some((leaf, files)) = client {
            issuer.issue(&leaf, &issuer.pem, &files)?;
            output += &files.line("made");
        }
        Ok(Report { output, notes: Vec::new() })
    }

    fn client(&self, name: &str) -> Result<(CertificateParams, Files), Failure> {
        let is_name = !name.starts_with('.') && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        if name.is_empty() || !is_name {
            return Err(format!("--client {name:?}: a file's name is wanted, in letters, digits, -, _ and dots").into());
        }
        let files = Files::new(&self.directory, name, "pem");
        if files.exist()? {
            return Err(format!("{} is there: take it away, or give the client another name", files.certificate.display()).into());
        }
        let mut leaf = leaf::params(self.common_name.as_deref().unwrap_or(name), self.days)?;
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        if let Some(organization) = &self.organization {
            leaf.distinguished_name.push(DnType::OrganizationName, organization.as_str());
        }
        for uri in &self.san_uris {
            let uri = uri.as_str().try_into().map_err(|_| format!("--san-uri {uri:?}: not ASCII"))?;
            leaf.subject_alt_names.push(SanType::URI(uri));
        }
        for name in &self.san_dns {
            let name = name.as_str().try_into().map_err(|_| format!("--san-dns {name:?}: not ASCII"))?;
            leaf.subject_alt_names.push(SanType::DnsName(name));
        }
        leaf.custom_extensions = self.extensions()?;
        Ok((leaf, files))
    }

    /// One for each OID; roles of one OID share theirs, in their order.
    fn extensions(&self) -> Result<Vec<CustomExtension>, Failure> {
        let mut sequences: Vec<(&[u64], Vec<String>)> = Vec::new();
        for Extension { oid, value } in &self.roles {
            match sequences.iter_mut().find(|(known, _)| known == oid) {
                Some((_, values)) => values.push(value.clone()),
                None => sequences.push((oid, vec![value.clone()])),
            }
        }
        let roles = sequences.iter().map(|(oid, values)| (*oid, values.to_der()));
        let texts =
            self.texts.iter().map(|Extension { oid, value }| (oid.as_slice(), Utf8StringRef::new(value).and_then(|text| text.to_der())));
        let mut extensions: Vec<CustomExtension> = Vec::new();
        for (oid, der) in roles.chain(texts) {
            if extensions.iter().any(|other| other.oid_components().eq(oid.iter().copied())) {
                let oid: Vec<String> = oid.iter().map(u64::to_string).collect();
                return Err(format!("{}: a certificate has one extension of an OID", oid.join(".")).into());
            }
            extensions.push(CustomExtension::from_oid_content(oid, der.map_err(|error| format!("an extension: {error}"))?));
        }
        Ok(extensions)
    }
}
