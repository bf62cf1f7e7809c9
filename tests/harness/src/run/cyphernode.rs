//! Cyphernode's gatekeeper: a key for each caller, groups, actions.

use crate::folder::Folder;
use crate::system::System;
use crate::visit::{Secure, Visit};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_harness::{Algorithm, Authority, Example, Key, Request, Upstream, now};
use std::process::Command;

/// The name in the server's certificate.
const HOST: &str = "localhost";

/// Tokens outlive a run that stays up for a day; the clients' own last for seconds.
const LIFETIME: i64 = 24 * 3600;

/// As clients make a token with bash and openssl, today and since the first day: $ID and $KEY are the caller's.
const ONE_LINERS: [&str; 2] = [
    r#"h=$(echo '{"alg":"HS256"}' | base64); p=$(echo '{"id":"'$ID'","exp":'$(($(date +%s) + 86400))'}' | base64); s=$(printf %s $h.$p | openssl dgst -sha256 -hmac $KEY -r | cut -d ' ' -f 1); echo $h.$p.$s"#,
    r#"h=$(echo '{"alg":"HS256"}' | base64); p=$(echo '{"id":"'$ID'","exp":'$(($(date +%s) + 86400))'}' | base64); s=$(echo $h.$p | openssl dgst -sha256 -hmac $KEY -r | cut -d ' ' -f 1); echo $h.$p.$s"#,
];

/// A caller of the shipped file, with a fresh key.
struct Caller {
    id: &'static str,
    /// The text of it is the key, not the bytes that it says.
    key: String,
}

pub(crate) fn prepare(folder: &Folder) -> System {
    let servers = Authority::new("servers");
    folder.write_authority("servers-ca", &servers);
    folder.write_certificate("server", &servers.server(&[HOST]));
    let upstream = Upstream::start();
    let callers = ["000", "001", "002", "003"].map(Caller::fresh);
    let launch = Example::shipped("envoy/cyphernode.yaml", &[2009])
        .port(8888, upstream.address().port())
        .port(8080, upstream.address().port())
        .replace("/etc/ssl/certs/cert.pem", &folder.path("server.pem"))
        .replace("/etc/ssl/private/key.pem", &folder.path("server.key"))
        .launch();
    let launch = callers.iter().fold(launch, |launch, caller| launch.env(&format!("KEY_{}", caller.id), &caller.key));
    let secure = Secure::new(HOST, &servers, folder, "servers-ca");
    let watcher = &callers[1];
    let notes = vec![
        format!("A token as clients make it, with ID={} and KEY={}:\n", watcher.id, watcher.key),
        format!("{}\n", ONE_LINERS[0].replace("$ID", watcher.id).replace("$KEY", &watcher.key)),
    ];
    System { launch, visits: visits(&callers, &secure), notes, _stand_ins: vec![Box::new(upstream)] }
}

fn visits(callers: &[Caller; 4], secure: &Secure) -> Vec<Visit> {
    let [stats, watcher, spender, admin] = callers;
    let day = LIFETIME;
    let visit = |what: &str, path: &str, bearer: Option<&str>, passes| {
        Visit::new(format!("{path}, {what}"), bearer.into_iter().fold(Request::get(path), Request::bearer), passes).secure(secure.clone())
    };
    let with = |what: &str, path: &str, token: &str, passes| visit(what, path, Some(token), passes);
    let forged = Caller { key: stats.key.clone(), ..*spender };
    let stranger = Caller { id: "999", key: String::new() };
    let mut visits = vec![
        with("a key of stats", "/v0/helloworld", &stats.token(day), true),
        with("a key of watcher", "/v0/getblockinfo/123", &watcher.token(day), true),
        with("a key of stats", "/v0/getblockinfo/123", &stats.token(day), false),
        with("a key of spender", "/v0/getbalance", &spender.token(day), true),
        with("a key of watcher", "/v0/getbalance", &watcher.token(day), false),
        with("expired", "/v0/getbalance", &spender.token(-1), false),
        with("by another caller's key", "/v0/getbalance", &forged.token(day), false),
        with("a caller whom nobody knows", "/v0/getbalance", &stranger.token(day), false),
        visit("no credential", "/v0/getbalance", None, false),
        with("no token", "/v0/getbalance", "garbage", false),
        with("what only cyphernode itself calls", "/v0/conf", &admin.token(day), false),
        with("a way around", "/v0/helloworld/../spend", &stats.token(day), false),
        with("a file of the group", "/s/stats/chart.html", &stats.token(day), true),
        with("a file of another group", "/s/admin/chart.html", &stats.token(day), false),
    ];
    // Without bash and openssl there is nothing to show.
    for (what, line, passes) in [("by the one-liner", ONE_LINERS[0], true), ("by the one-liner of 2018", ONE_LINERS[1], false)] {
        visits.extend(watcher.run(line).map(|token| with(what, "/v0/getbestblockhash", &token, passes)));
    }
    visits
}

impl Caller {
    fn fresh(id: &'static str) -> Self {
        let key = Key::fresh(Algorithm::HS256).secret_bytes().iter().take(32).map(|byte| format!("{byte:02x}")).collect();
        Self { id, key }
    }

    /// A token, good until `exp` seconds from now.
    fn token(&self, exp: i64) -> String {
        let claims = format!(r#"{{"id":"{}","exp":{}}}"#, self.id, now(exp));
        let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#), URL_SAFE_NO_PAD.encode(claims));
        let mac = Key::secret(Algorithm::HS256, self.key.as_bytes()).sign(text.as_bytes());
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(mac))
    }

    /// What a one-liner makes.
    fn run(&self, line: &str) -> Option<String> {
        let output = Command::new("bash").args(["-euo", "pipefail", "-c", line]).env("ID", self.id).env("KEY", &self.key).output().ok()?;
        let token = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| token.trim_end().to_owned())
    }
}
