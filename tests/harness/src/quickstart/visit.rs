//! The requests that the quickstart makes.

use crate::credentials::{Credentials, HOST};
use portcullis_harness::{Client, Envoy, PATIENCE, Request, Tls};
use serde_json::Value;

/// One request, and whether it is expected to pass. Why it does or doesn't is not known here: the access log tells.
pub(crate) struct Visit {
    pub(crate) what: String,
    path: &'static str,
    bearer: Option<String>,
    /// Over TLS; with the client certificate of this name, or with none.
    tls: Option<Option<&'static str>>,
    pub(crate) allowed: bool,
}

/// What became of it.
pub(crate) struct Outcome {
    pub(crate) allowed: bool,
    pub(crate) status: String,
    pub(crate) why: String,
}

/// All of them: the four ways in, and what each keeps out.
pub(crate) fn all(credentials: &Credentials) -> Vec<Visit> {
    let day = 24 * 3600;
    let visit =
        |what: &str, path, bearer: Option<String>, tls, allowed| Visit { what: format!("{path}, {what}"), path, bearer, tls, allowed };
    let plain = |what: &str, path, bearer: Option<&str>, allowed| visit(what, path, bearer.map(str::to_owned), None, allowed);
    let member = |what: &str, certificate, allowed| visit(what, "/members", None, Some(certificate), allowed);
    vec![
        plain("no credential needed", "/healthz", None, true),
        plain("billing's secret", "/partners", Some(&credentials.billing_secret), true),
        plain("no credential", "/partners", None, false),
        plain("a wrong secret", "/partners", Some("a-guess-of-somebody-who-does-not-know"), false),
        plain("a job's token (HS256)", "/jobs", Some(&credentials.job_token(day)), true),
        plain("an expired token", "/jobs", Some(&credentials.job_token(-3600)), false),
        plain("alice's token (ES256 by the key set)", "/users", Some(&credentials.user_token("users/read")), true),
        plain("alice's token, expired", "/users", Some(&credentials.user_token_until("users/read", -3600)), false),
        plain("alice's token, changed into bob's", "/users", Some(&credentials.tampered_token()), false),
        plain("alice's token without the scope", "/users", Some(&credentials.user_token("users/list")), false),
        plain("a job's token, where only users may", "/users", Some(&credentials.job_token(day)), false),
        member("a member's certificate with the role", Some("reader"), true),
        member("a member's certificate without the role", Some("stranger"), false),
        member("no certificate", None, false),
        member("a certificate of somebody else's authority", Some("forged"), false),
        plain("billing's secret, one of three ways", "/any", Some(&credentials.billing_secret), true),
        plain("alice's token, one of three ways", "/any", Some(&credentials.user_token("")), true),
        plain("billing's secret, but no rule", "/elsewhere", Some(&credentials.billing_secret), false),
    ]
}

impl Visit {
    /// Makes the request.
    pub(crate) fn make(&self, envoy: &Envoy, credentials: &Credentials) -> Outcome {
        let mut request = Request::get(self.path).host(HOST);
        if let Some(token) = &self.bearer {
            request = request.bearer(token);
        }
        let client = match self.tls {
            None => Client::new(envoy.listener("http")),
            Some(certificate) => {
                let tls = Tls::new(&credentials.servers).server_name(HOST);
                let tls = match certificate {
                    None => tls,
                    Some(name) => tls.identity(credentials.certificate(name)),
                };
                Client::new(envoy.listener("https")).tls(tls)
            }
        };
        let response = match client.try_send(&request) {
            Ok(response) => response,
            Err(error) => return Outcome { allowed: false, status: "-".into(), why: format!("Envoy's TLS: {error}") },
        };
        let id = response.header("x-request-id").unwrap_or_default();
        let entry = envoy.access_log().entry(&id, PATIENCE).unwrap_or_default();
        Outcome { allowed: response.status == 200, status: response.status.to_string(), why: why(&entry) }
    }

    /// The same request as a command line.
    pub(crate) fn curl(&self, envoy: &Envoy, credentials: &Credentials) -> String {
        let mut words = vec![r"curl -sSi -w '\n'".to_owned()];
        if let Some(token) = &self.bearer {
            words.push(format!("-H 'authorization: Bearer {token}'"));
        }
        match self.tls {
            None => words.push(format!("http://{}{}", envoy.listener("http"), self.path)),
            Some(certificate) => {
                let port = envoy.listener("https").port();
                let folder = credentials.folder.display();
                words.push(format!("--cacert '{folder}/servers-ca.pem'"));
                if let Some(name) = certificate {
                    words.push(format!("--cert '{folder}/{name}.pem' --key '{folder}/{name}.key'"));
                }
                words.push(format!("--resolve {HOST}:{port}:127.0.0.1 https://{HOST}:{port}{}", self.path));
            }
        }
        words.join(" ")
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
