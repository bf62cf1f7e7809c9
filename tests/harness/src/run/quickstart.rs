//! The quickstart: the four ways in, and what each keeps out.

mod credentials;

use crate::folder::Folder;
use crate::system::System;
use crate::visit::{Secure, Visit};
use credentials::{Credentials, HOST};
use portcullis_harness::{Certificate, Example, IdentityProvider, Request, Upstream};

pub(crate) fn prepare(folder: &Folder) -> System {
    let credentials = Credentials::fresh(folder);
    let upstream = Upstream::start();
    let identity_provider = IdentityProvider::with_keys([credentials.users_key.clone()]);
    let launch = Example::shipped("envoy/quickstart.yaml", &[10000, 10443])
        .port(8080, upstream.address().port())
        .port(8081, identity_provider.address().port())
        .replace("/etc/envoy/", &folder.path(""))
        .launch()
        .env("PARTNERS_BILLING_SHA256", &credentials.billing_sha256())
        .env("JOBS_KEY", &credentials.jobs_key_hex());
    let visits = visits(&credentials, folder);
    System { launch, visits, notes: vec![], _stand_ins: vec![Box::new(upstream), Box::new(identity_provider)] }
}

fn visits(credentials: &Credentials, folder: &Folder) -> Vec<Visit> {
    let day = 24 * 3600;
    let plain = |what: &str, path, bearer: Option<&str>, passes| {
        let request = Request::get(path).host(HOST);
        Visit::new(format!("{path}, {what}"), bearer.into_iter().fold(request, Request::bearer), passes)
    };
    let anonymous = Secure::new(HOST, &credentials.servers, folder, "servers-ca");
    let member = |what: &str, secure: &Secure, passes| plain(what, "/members", None, passes).secure(secure.clone());
    let with = |certificate: &Certificate, name| anonymous.clone().certificate(certificate, folder, name);
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
        member("a member's certificate with the role", &with(&credentials.reader, "reader"), true),
        member("a member's certificate without the role", &with(&credentials.stranger, "stranger"), false),
        member("no certificate", &anonymous, false),
        member("a certificate of somebody else's authority", &with(&credentials.forged, "forged"), false),
        plain("billing's secret, one of three ways", "/any", Some(&credentials.billing_secret), true),
        plain("alice's token, one of three ways", "/any", Some(&credentials.user_token("")), true),
        plain("billing's secret, but no rule", "/elsewhere", Some(&credentials.billing_secret), false),
    ]
}
