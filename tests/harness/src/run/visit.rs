//! The requests that are made and shown.

use crate::folder::Folder;
use portcullis_harness::{Authority, Certificate, Client, Envoy, PATIENCE, Request, Tls};
use serde_json::Value;

/// One request, and whether it is expected to pass. Why it does or doesn't is not known here: the access log tells.
pub(crate) struct Visit {
    pub(crate) what: String,
    pub(crate) passes: bool,
    request: Request,
    /// The listener's name.
    listener: &'static str,
    secure: Option<Secure>,
    /// What makes a token when it is needed, and the command that prints one.
    fresh: Option<(Box<dyn Fn() -> String>, String)>,
}

/// TLS, as the client here does it and as curl does.
#[derive(Clone)]
pub(crate) struct Secure {
    tls: Tls,
    host: &'static str,
    curl: String,
}

/// What became of it.
pub(crate) struct Outcome {
    pub(crate) allowed: bool,
    pub(crate) status: String,
    pub(crate) why: String,
}

impl Secure {
    /// TLS to a server of this name and authority, whose certificate is the folder's `NAME.pem`.
    pub(crate) fn new(host: &'static str, authority: &Authority, folder: &Folder, name: &str) -> Self {
        Self { tls: Tls::new(authority).server_name(host), host, curl: format!("--cacert '{}'", folder.path(&format!("{name}.pem"))) }
    }

    /// Shows a certificate, which is the folder's `NAME.pem` and `NAME.key`.
    pub(crate) fn certificate(mut self, certificate: &Certificate, folder: &Folder, name: &str) -> Self {
        self.tls = self.tls.identity(certificate);
        self.curl += &format!(" --cert '{}' --key '{}'", folder.path(&format!("{name}.pem")), folder.path(&format!("{name}.key")));
        self
    }
}

impl Visit {
    /// A request by plain HTTP, to the listener `http`.
    pub(crate) fn new(what: impl Into<String>, request: Request, passes: bool) -> Self {
        Self { what: what.into(), passes, request, listener: "http", secure: None, fresh: None }
    }

    /// By TLS, to the listener `https`.
    pub(crate) fn secure(mut self, secure: Secure) -> Self {
        self.request = self.request.host(secure.host);
        self.secure = Some(secure);
        self.listener = "https";
        self
    }

    /// With a token that is soon over. The command line takes one from a command of the shell instead.
    pub(crate) fn fresh_bearer(mut self, token: impl Fn() -> String + 'static, command: &str) -> Self {
        self.fresh = Some((Box::new(token), command.to_owned()));
        self
    }

    /// Makes the request.
    pub(crate) fn make(&self, envoy: &Envoy) -> Outcome {
        let client = Client::new(envoy.listener(self.listener));
        let client = match &self.secure {
            None => client,
            Some(secure) => client.tls(secure.tls.clone()),
        };
        let request = self.request.clone();
        let request = self.fresh.iter().fold(request, |request, (token, _)| request.bearer(&token()));
        let response = match client.try_send(&request) {
            Ok(response) => response,
            Err(error) => return Outcome { allowed: false, status: "-".into(), why: format!("Envoy's TLS: {error}") },
        };
        let id = response.header("x-request-id").unwrap_or_default();
        let entry = envoy.access_log().entry(&id, PATIENCE).unwrap_or_default();
        Outcome { allowed: response.status == 200, status: response.status.to_string(), why: why(&entry) }
    }

    /// The same request as a command line.
    pub(crate) fn curl(&self, envoy: &Envoy) -> String {
        let address = envoy.listener(self.listener);
        let (origin, arguments) = match &self.secure {
            None => (format!("http://{address}"), String::new()),
            Some(Secure { host, curl, .. }) => {
                let port = address.port();
                (format!("https://{host}:{port}"), format!("{curl} --resolve {host}:{port}:127.0.0.1 "))
            }
        };
        let token = self.fresh.as_ref().map(|(_, command)| format!("-H \"Authorization: Bearer $({command})\" ")).unwrap_or_default();
        format!("curl -sSi -w '\\n' {arguments}{token}{}", self.request.to_curl(&origin))
    }
}

/// The reason of a refusal, or who was let in, as the access log has it.
fn why(entry: &Value) -> String {
    let text = |member: &str| entry[member].as_str().unwrap_or_default();
    if !text("reason").is_empty() {
        return text("reason").to_owned();
    }
    let who: Vec<&str> = [text("provider"), text("subject"), text("credential")].into_iter().filter(|part| !part.is_empty()).collect();
    if who.is_empty() { text("details").to_owned() } else { who.join(" / ") }
}
