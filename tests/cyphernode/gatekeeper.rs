//! The shipped file at work, and the tokens of its callers.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use portcullis_harness::{Algorithm, Authority, Case, Example, HOST, Key, Launch, Request, RunningStage, Tls, Upstream, now};
use std::process::Command;
use std::sync::LazyLock;

/// A caller of the shipped file.
#[derive(Clone, Copy)]
pub(crate) struct Caller {
    pub(crate) id: &'static str,
    pub(crate) key: &'static str,
}

pub(crate) const STATS: Caller = Caller { id: "000", key: "6a3d7f0e5b1c4928a7e6d5c4b3a29180f1e2d3c4b5a697887766554433221100" };
/// Of the published samples: the vectors are by this key.
pub(crate) const WATCHER: Caller = Caller { id: "001", key: "2df1eeea370eacdc5cf7e96c2d82140d1568079a5d4d87006ec8718a98883b36" };
pub(crate) const SPENDER: Caller = Caller { id: "002", key: "91b2c3d4e5f60718293a4b5c6d7e8f900f1e2d3c4b5a69788796a5b4c3d2e1f0" };
pub(crate) const ADMIN: Caller = Caller { id: "003", key: "0badc0de5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eedc0de" };

/// Until 2100-01-01, by [`WATCHER`].
pub(crate) const OF_2018: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9Cg==.eyJpZCI6IjAwMSIsImV4cCI6NDEwMjQ0NDgwMH0K.37513bf5fcdddef35696f0e410ad8a6fbe6005ccb9c05b5fde9427320ad3c2d8";
pub(crate) const OF_2019: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9Cg==.eyJpZCI6IjAwMSIsImV4cCI6NDEwMjQ0NDgwMH0K.12abda37c3a301423ad02ed07dabb05696f3e413043c1d60c67d14d9f08562b9";
pub(crate) const OF_2021: &str =
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpZCI6IjAwMSIsImV4cCI6NDEwMjQ0NDgwMH0.1X5LEXnod-OJrAqdQ3ZmueN1M1Z4QoQMa_yslffwbhs";
/// The client in JavaScript pads the header, and nothing else.
pub(crate) const BY_JAVASCRIPT: &str =
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9Cg==.eyJpZCI6IjAwMSIsImV4cCI6NDEwMjQ0NDgwMH0.43uTHirYEuGs06DImcRILFdux5DJkIfBSki3CJS0CUw";
/// Of caller 999, whom nobody knows, by the empty key.
pub(crate) const BY_EMPTY_KEY: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9Cg==.eyJpZCI6Ijk5OSIsImV4cCI6NDEwMjQ0NDgwMH0K.0474c6bde829dab58d2976b7ae09774dac42821d84e11932c5302d57754e369a";
/// The README's own, until 1538528077.
pub(crate) const OF_THE_README: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9Cg==.eyJpZCI6IjAwMSIsImV4cCI6MTUzODUyODA3N30K.f69385fc30557575329286f06c5e0a6587681c88072a10f4a711113dd2076e32";

pub(crate) const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// The claims of a good token, `seconds` from now at its end.
pub(crate) fn claims(id: &str, seconds: i64) -> String {
    format!(r#"{{"id":"{id}","exp":{}}}"#, now(seconds))
}

pub(crate) fn mac(key: &[u8], text: &str) -> Vec<u8> {
    Key::secret(Algorithm::HS256, key).sign(text.as_bytes())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// As the first clients made them: every `echo` left its line feed.
pub(crate) fn of_2018(key: &[u8], header: &str, claims: &str) -> String {
    let text = format!("{}.{}", STANDARD.encode(format!("{header}\n")), STANDARD.encode(format!("{claims}\n")));
    format!("{text}.{}", hex(&mac(key, &format!("{text}\n"))))
}

/// The MAC is over the two parts; `end` is what follows the JSON in them.
pub(crate) fn of_2019(key: &[u8], header: &str, claims: &str, end: &str) -> String {
    let text = format!("{}.{}", STANDARD.encode(format!("{header}{end}")), STANDARD.encode(format!("{claims}{end}")));
    format!("{text}.{}", hex(&mac(key, &text)))
}

pub(crate) fn of_2021(key: &[u8], header: &str, claims: &str) -> String {
    let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(mac(key, &text)))
}

impl Caller {
    pub(crate) fn first(self) -> String {
        of_2018(self.key.as_bytes(), HEADER, &claims(self.id, 10))
    }

    pub(crate) fn token(self) -> String {
        of_2021(self.key.as_bytes(), HEADER, &claims(self.id, 10))
    }
}

/// What a script of bash says, that was given a caller.
pub(crate) fn bash(script: &str, caller: Caller) -> String {
    let output =
        Command::new("bash").args(["-euo", "pipefail", "-c", script]).env("ID", caller.id).env("KEY", caller.key).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Envoy in the gatekeeper's place.
pub(crate) struct Gatekeeper {
    pub(crate) stage: RunningStage,
    tls: Tls,
}

impl Gatekeeper {
    /// With the shipped file.
    pub(crate) fn today() -> &'static Self {
        static TODAY: LazyLock<Gatekeeper> = LazyLock::new(|| Gatekeeper::start(|example| example));
        &TODAY
    }

    /// With what the shipped file has in comments for the gatekeeper of 2018.
    pub(crate) fn first() -> &'static Self {
        static FIRST: LazyLock<Gatekeeper> = LazyLock::new(|| Gatekeeper::start(in_2018));
        &FIRST
    }

    pub(crate) fn start(change: impl FnOnce(Example) -> Example) -> Self {
        let (upstream, authority) = (Upstream::start(), Authority::new("servers"));
        let launch = launch(change, &upstream, &authority);
        let envoy = launch.component_log_level("wasm:debug").start();
        let tls = Tls::new(&authority);
        Self { stage: RunningStage::by_listeners(envoy, upstream, "https", Some("https")), tls }
    }

    #[track_caller]
    pub(crate) fn case(&self, request: Request) -> Case {
        Case::new(request).tls(&self.tls)
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Case {
        self.case(Request::get(path)).named(path)
    }

    /// An action that watchers may do, with this token.
    #[track_caller]
    pub(crate) fn with(&self, token: &str) -> Case {
        self.get("/v0/getbestblockhash").bearer(token).named(token)
    }

    pub(crate) fn client(&self) -> portcullis_harness::Client {
        self.stage.tls_client(self.tls.clone())
    }

    /// Neither Envoy's log nor its access log holds any of these, nor any key.
    pub(crate) fn keeps_to_itself(&self, secrets: &[&str]) {
        let access = std::fs::read_to_string(self.stage.envoy.directory().join("access.log")).unwrap();
        assert!(access.lines().count() > 0);
        let keys = [STATS, WATCHER, SPENDER, ADMIN].map(|caller| caller.key);
        for secret in keys.iter().chain(secrets) {
            let signature = secret.rsplit('.').next().unwrap();
            for (name, text) in [("log", self.stage.envoy.log().text()), ("access log", access.clone())] {
                assert!(signature.len() < 16 || !text.contains(signature), "the {name} holds {secret}");
            }
        }
    }
}

/// Envoy with the shipped file, not started yet, with a key for each caller.
pub(crate) fn launch(change: impl FnOnce(Example) -> Example, upstream: &Upstream, authority: &Authority) -> Launch {
    let certificate = authority.server(&[HOST]);
    let example = Example::shipped("envoy/cyphernode.yaml", &[2009])
        .port(8888, upstream.address().port())
        .port(8080, upstream.address().port())
        .replace("/etc/ssl/certs/cert.pem", "{{directory}}/cert.pem")
        .replace("/etc/ssl/private/key.pem", "{{directory}}/key.pem");
    let launch = change(example).launch().file("cert.pem", &certificate.chain_pem()).file("key.pem", &certificate.key_pem());
    [STATS, WATCHER, SPENDER, ADMIN].iter().fold(launch, |launch, caller| launch.env(&format!("KEY_{}", caller.id), caller.key))
}

/// What the shipped file has in comments for the gatekeeper of 2018.
pub(crate) fn in_2018(example: Example) -> Example {
    example
        .replace("formats: [cyphernode-2021, cyphernode-2019]\n", "\n")
        .replace("# formats: [cyphernode-2018]", "formats: [cyphernode-2018]")
        .replace("# signature_invalid: 403 ", "signature_invalid: 403 ")
        .replace("# algorithm_refused: 403", "algorithm_refused: 403")
        .replace("# revoked: 403", "revoked: 403")
        .replace("# - require: cyphernode", "- require: cyphernode")
        .replace("# - {match: {prefix: /}, route:", "- {match: {prefix: /}, route:")
}
