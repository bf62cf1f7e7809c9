//! The configuration as operators write it and as Envoy hands it over: alike in every form, all faults in one go, secrets
//! from the environment, and reloads under load.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "helpers of tests")]

use portcullis_harness::{
    Algorithm, Bootstrap, Case, Client, Configuration, Key, Launch, PATIENCE, Plugin, Request, RunningStage, Stage, jwks, mint, now, poll,
};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

const SECRET: &str = "a-secret-of-sixty-four-octets-which-is-more-than-enough-for-all";
const OTHER: &str = "another-secret-of-sixty-four-octets-that-is-good-for-one-caller";
const PAST: &str = "a-secret-that-was-good-until-the-end-of-the-year-twenty-twenty.";
const HMAC: &str = "an-HMAC-key-that-stands-in-the-configuration-which-it-should-not";

fn sha256_hex(secret: &str) -> String {
    Sha256::digest(secret).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sha256_base64(secret: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(Sha256::digest(secret))
}

fn rsa() -> Key {
    Key::fixed(Algorithm::RS256, 1).with_kid("010")
}

fn ec() -> Key {
    Key::fixed(Algorithm::ES256, 1).with_kid("2.0")
}

/// The configuration that is handed over in several forms.
fn good() -> Value {
    json!({
        "providers": {
            "partners": {
                "static_secret": {"callers": [
                    {"id": "001", "roles": ["reader"], "secrets": [{"id": "010", "sha256": {"env": "DIGEST"}}]},
                    {"id": "1e3", "secrets": [{"id": "yes", "sha256": sha256_hex(OTHER), "not_after": "2099-06-30T00:00:00Z"}]},
                    {"id": "off", "secrets": [{"id": "1.10", "sha256": sha256_base64(PAST), "not_after": "2020-12-31T23:59:59Z"}]},
                ]},
                "from": [{"header": "x-api-key"}],
            },
            "users": {"jwt": {
                "keys": {"jwks": jwks([&rsa(), &ec()])},
                "issuers": ["https://idp.test"],
                "audiences": ["api"],
                "max_token_lifetime": "90m",
                "clock_skew": "0s",
                "claims": {"level": 7, "ratio": "1.5", "on": true},
            }},
            "machines": {
                "jwt": {"keys": {"secret": {"text": HMAC}}},
                "from": [{"header": "x-machine"}],
            },
        },
        "rules": [
            {"match": {"hosts": ["partners.test"], "headers": {"x-version": "2"}}, "require": {"provider": "partners", "roles": "reader"}},
            {"match": {"hosts": ["partners.test"]}, "require": "partners"},
            {"match": {"hosts": ["machines.test"]}, "require": "machines"},
            {"require": "users"},
        ],
        "reject": {"forbidden": "403", "status": {"secret_unknown": 418, "credential_missing": 403}},
        "limits": {"waiting": "8"},
    })
}

/// The same as an operator would write it, with all that YAML makes of numbers and words.
fn good_yaml() -> String {
    let (rsa, ec) = (rsa().jwk(), ec().jwk());
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    format!(
        r#"
providers:
  partners:
    static_secret:
      callers:
        - id: "001"
          roles: [reader]
          secrets: [{{id: "010", sha256: {{env: DIGEST}}}}]
        - id: 1e3                                        # YAML makes text of it
          secrets: [{{id: "yes", sha256: {other}, not_after: 2099-06-30T00:00:00Z}}]
        - {{id: "off", secrets: [{{id: 1.10, sha256: {past}, not_after: 2020-12-31T23:59:59Z}}]}}
    from: [{{header: x-api-key}}]
  users:
    jwt:
      keys:
        jwks:
          keys:
            - {{kty: RSA, kid: "010", alg: RS256, use: sig, n: {n}, e: {e}}}
            - kty: EC
              crv: P-256
              kid: "2.0"
              alg: ES256
              use: sig
              x: {x}
              y: {y}
      issuers: https://idp.test
      audiences: api
      max_token_lifetime: 90m
      clock_skew: 0s
      claims: {{level: 007, ratio: 1.5, on: yes}}
  machines:
    jwt:
      keys: {{secret: {{text: {HMAC}}}}}
    from: [{{header: x-machine}}]
rules:
  - match: {{hosts: partners.test, headers: {{x-version: "2"}}}}
    require: {{provider: partners, roles: reader}}
  - match: {{hosts: partners.test}}
    require: partners
  - match: {{hosts: machines.test}}
    require: machines
  - require: users
reject: {{forbidden: 0623, status: {{secret_unknown: 0x1a2, credential_missing: "403"}}}}
limits: {{waiting: 010}}
"#,
        other = sha256_hex(OTHER),
        past = sha256_base64(PAST),
        n = text(&rsa["n"]),
        e = text(&rsa["e"]),
        x = text(&ec["x"]),
        y = text(&ec["y"]),
    )
}

/// The key set as one JSON string.
fn good_with_text_in_it() -> Value {
    let mut value = good();
    let keys = &mut value["providers"]["users"]["jwt"]["keys"]["jwks"];
    *keys = Value::from(keys.to_string());
    value
}

#[test]
fn alike_in_every_form() {
    let forms = [
        ("yaml", Configuration::Yaml(good_yaml())),
        ("flow", Configuration::Yaml(good().to_string())),
        ("struct", Configuration::Struct(good_with_text_in_it())),
        ("text", Configuration::Text(good().to_string())),
        ("spaced", Configuration::Text(format!("\n{:#}\n", good_with_text_in_it()))),
        ("bytes", Configuration::Bytes(good().to_string().into_bytes())),
    ];
    let plugin = |name: &str, form: &Configuration| {
        let mut filter = Plugin::new(form.clone()).name(name).host_env("DIGEST").filter();
        filter["disabled"] = json!(true);
        filter
    };
    let route = |name: &str| {
        let on = json!({"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "config": {}});
        let filters = Map::from_iter([(name.to_owned(), on)]);
        json!({"match": {"prefix": format!("/{name}")}, "route": {"cluster": "upstream"}, "typed_per_filter_config": filters})
    };
    let routes = Value::from(forms.iter().map(|(name, _)| route(name)).collect::<Vec<_>>());
    let add = |bootstrap: Bootstrap, (name, form): &(&str, Configuration)| bootstrap.filter_before(plugin(name, form));
    let stage = Stage::new()
        .bootstrap(|bootstrap| forms.iter().fold(bootstrap, add).routes(routes))
        .launch(|launch| launch.env("DIGEST", &sha256_base64(SECRET)))
        .start();
    let claims = |level: Value| json!({"iss": "https://idp.test", "aud": "api", "sub": "alice", "exp": now(60), "iat": now(0), "level": level, "ratio": "1.5", "on": true});
    let mut long = claims(json!(7));
    long["exp"] = json!(now(6000));
    for (name, _) in &forms {
        let path = format!("/{name}");
        let partner = |key: &str| Case::get(&path).host("partners.test").header("x-api-key", key);
        let user = |key: &Key, claims: &Value| Case::get(&path).bearer(&mint(key, claims.clone()));
        let machine = |secret: &str| {
            let key = Key::secret(Algorithm::HS256, secret);
            Case::get(&path).host("machines.test").header("x-machine", mint(&key, json!({"sub": "m", "exp": now(60)})))
        };
        let cases = [
            partner(SECRET).expect(200).upstream("x-auth-subject", "001").access("credential", "010"),
            partner(SECRET).header("x-version", "2").expect(200).upstream("x-auth-roles", "reader"),
            partner(OTHER).expect(200).upstream("x-auth-subject", "1e3").access("credential", "yes"),
            partner(OTHER).header("x-version", "2").expect(403).reason("roles_absent"),
            partner(PAST).expect(401).reason("secret_expired"),
            partner("unknown").expect(418).reason("secret_unknown"),
            Case::get(&path).host("partners.test").expect(403).reason("credential_missing"),
            user(&rsa(), &claims(json!(7))).expect(200).upstream("x-auth-subject", "alice").access("credential", "010"),
            user(&ec(), &claims(json!(7))).expect(200).access("credential", "2.0"),
            user(&ec(), &claims(json!(8))).expect(403).reason("claim_mismatch"),
            user(&ec(), &claims(json!("7"))).expect(403).reason("claim_mismatch"),
            user(&ec(), &long).expect(401).reason("token_lifetime"),
            machine(HMAC).expect(200).upstream("x-auth-subject", "m"),
            machine(SECRET).expect(401).reason("signature_invalid"),
        ];
        stage.check(cases.into_iter().enumerate().map(|(number, case)| case.named(format!("{name}, {number}"))));
    }
    // Who writes a secret into the configuration is told so, but neither that nor another is.
    let path = "configuration: providers.machines.jwt.keys.secret.text: ";
    for (name, _) in &forms {
        let warnings = stage.envoy.log().lines_with(path);
        assert!(warnings.iter().any(|line| line.contains("[warning]") && line.contains(&format!(" {name} "))), "{name}: {warnings:#?}");
    }
    let log = stage.envoy.log().text();
    for secret in [SECRET, OTHER, PAST, HMAC] {
        for trace in [secret.to_owned(), sha256_hex(secret), sha256_base64(secret)] {
            assert!(!log.contains(&trace), "{trace} stands in the log");
        }
    }
}

/// An Envoy's bootstrap with this plugin.
fn bootstrap(plugin: Plugin) -> String {
    Bootstrap::new().cluster("upstream", ([127, 0, 0, 1], 9).into()).plugin(plugin).text()
}

/// What the filter says is wrong with a configuration that Envoy refuses, a line each.
fn faults_of(plugin: Plugin) -> (Vec<String>, String) {
    let (approved, log) = Launch::new(bootstrap(plugin)).env("BAD", "hunter2").env("SHORT", "c2hvcnQ=").validate();
    assert!(!approved, "Envoy takes it:\n{log}");
    (faults_in(&log), log)
}

fn faults_in(log: &str) -> Vec<String> {
    let lines = log.lines().filter(|line| line.contains("[error][wasm]"));
    lines.filter_map(|line| line.split_once(": configuration: ")).map(|(_, fault)| fault.to_owned()).collect()
}

/// Each of these is there, at its path, saying that; and nothing else is.
fn assert_faults(expected: &[(&str, &str)], got: &[String]) {
    let is = |(path, part): &(&str, &str), fault: &String| {
        fault.strip_prefix(path).is_some_and(|rest| (rest.starts_with(": ") || path.is_empty()) && rest.contains(part))
    };
    let missing: Vec<_> = expected.iter().filter(|expected| !got.iter().any(|fault| is(expected, fault))).collect();
    let unexpected: Vec<_> = got.iter().filter(|fault| !expected.iter().any(|expected| is(expected, fault))).collect();
    assert!(missing.is_empty() && unexpected.is_empty(), "missing: {missing:#?}\nunexpected: {unexpected:#?}");
}

#[test]
fn all_faults_in_one_go() {
    let bad = json!({
        "provider": {},
        "providers": {
            "partners": {
                "static_secret": {"callers": [
                    {"id": "a", "secrets": [{"sha256": "c2hvcnQ="}, {"sha256": {"env": "NOT_SET"}}]},
                    {"id": "b", "roles": "reader", "secrets": [{"sha256": {"env": "BAD"}}, {"sha256": {"env": "SHORT"}}]},
                    {"id": "", "secrets": [{"sha256": sha256_hex("")}]},
                ]},
                "from": [{"header": "x api key"}],
            },
            "users": {"jwt": {"keys": {"jwks_uri": "http://idp.test/keys", "cluster": "idp"}, "clock_skew": "60", "audiences": [], "types": null}},
            "both": {"static_secret": {"sha256": sha256_hex(SECRET)}, "client_certificate": {}},
            "members": {"client_certificate": {"identity": {"roles": {"extension": "1.3.x", "type": "utf8"}}}},
        },
        "rules": [
            {"match": {"path": "/a", "path_prefix": "/b"}, "require": "partner"},
            {"match": {"methods": ["get"]}, "allow": "all"},
            {"require": {"provider": "partners", "roles": ["a", "b"]}},
            {"require": {"provider": "partners", "scopes": "read"}},
            {},
        ],
        "reject": {"forbidden": 200, "messages": {"no_such_reason": "x"}, "body": "xml"},
        "upstream": {"headers": {"x-a": {"identity": "name"}, "host": {"identity": "subject"}}},
    });
    let expected = [
        ("provider", "unknown field; known here: providers, rules"),
        ("providers.partners.static_secret.callers[0].secrets[0].sha256", "5 bytes after base64; a SHA-256 digest has 32"),
        ("providers.partners.static_secret.callers[0].secrets[1].sha256.env", "NOT_SET"),
        ("providers.partners.static_secret.callers[1].secrets[0].sha256.env", "a SHA-256 digest is wanted"),
        ("providers.partners.static_secret.callers[1].secrets[1].sha256.env", "5 bytes after base64; a SHA-256 digest has 32"),
        ("providers.partners.static_secret.callers[2].id", "empty"),
        ("providers.partners.static_secret.callers[2].secrets[0].sha256", "the digest of the empty string"),
        ("providers.partners.from[0].header", "not a header name"),
        ("providers.users.jwt.keys.insecure_http", "insecure_http: true"),
        ("providers.users.jwt.clock_skew", "90s"),
        ("providers.users.jwt.audiences", "any"),
        ("providers.users.jwt.issuers", "any"),
        ("providers.users.jwt.types", "null; leave the field out"),
        ("providers.both", "exactly one of static_secret, jwt, client_certificate, remote"),
        ("providers.members.client_certificate.identity.roles.extension", ""),
        ("rules[0].match", "path, path_prefix"),
        ("rules[0].require", "partner"),
        ("rules[1].match.methods[0]", "such as GET"),
        ("rules[1].allow", "known: anyone"),
        ("rules[2].require.roles", "any"),
        ("rules[3].require.scopes", "scopes"),
        ("rules[4]", "exactly one of allow, deny, require"),
        ("reject.forbidden", "400 to 499"),
        ("reject.messages.no_such_reason", "known: credential_missing"),
        ("reject.body", "known: problem, detail, text, none"),
        ("upstream.headers.x-a.identity", "known: provider, subject, roles, scopes"),
        ("upstream.headers.host", ""),
    ];
    // Envoy doesn't start, and says why.
    let stage =
        Stage::new().plugin(Plugin::new(Configuration::Text(bad.to_string())).host_env("NOT_SET").host_env("BAD").host_env("SHORT"));
    let failure = stage.launch(|launch| launch.env("BAD", "hunter2").env("SHORT", "c2hvcnQ=")).try_start().err().expect("Envoy refuses it");
    assert!(failure.exit.is_some_and(|status| !status.success()), "{failure}");
    let by_text = faults_in(&failure.log);
    assert_faults(&expected, &by_text);
    // `--mode validate` says the same, whatever the form.
    let (by_struct, log) = faults_of(Plugin::new(Configuration::Yaml(bad.to_string())).host_env("BAD").host_env("SHORT"));
    assert_eq!(by_struct, by_text);
    for log in [failure.log, log] {
        assert!(log.contains(&format!("configuration refused, {} faults", by_text.len())), "{log}");
        assert!(!log.contains("hunter2") && !log.contains("c2hvcnQ="), "a variable's value stands in the log: {log}");
    }
}

#[test]
fn what_yaml_makes_of_words_and_numbers_is_told() {
    let digest = sha256_hex(SECRET);
    let yaml = format!(
        "
providers:
  partners:
    static_secret:
      callers:
        - {{id: 001, secrets: [{{id: 2026, sha256: {digest}}}]}}
        - {{id: yes, roles: [on, no], secrets: [{{sha256: 12345678}}]}}
        - {{id: ~, secrets: [{{sha256: }}]}}
  users:
    jwt:
      keys: {{secret: {{env: 7, bytes: 32.5}}}}
      clock_skew: 60
      require_kid: 'no'
      claims: {{level: ~}}
rules:
  - match: {{headers: {{x-version: 2}}, hosts: 10}}
    require: users
  - allow: anyone
<<: {{paths: {{parameters: keep}}}}
reject: {{forbidden: 403.5, realm: 12, explain: 1}}
limits: {{waiting: 1_000}}
"
    );
    let (faults, _) = faults_of(Plugin::new(yaml));
    assert_faults(
        &[
            ("providers.partners.static_secret.callers[0].id", "quote"),
            ("providers.partners.static_secret.callers[0].secrets[0].id", "quote"),
            ("providers.partners.static_secret.callers[1].id", "quote"),
            ("providers.partners.static_secret.callers[1].roles[0]", "quote"),
            ("providers.partners.static_secret.callers[1].roles[1]", "quote"),
            ("providers.partners.static_secret.callers[1].secrets[0].sha256", "quote"),
            ("providers.partners.static_secret.callers[2].id", "null"),
            ("providers.partners.static_secret.callers[2].secrets[0].sha256", "null"),
            ("providers.users.jwt.keys.secret.env", "quote"),
            ("providers.users.jwt.keys.secret.bytes", "not a whole number"),
            ("providers.users.jwt.clock_skew", "90s"),
            ("providers.users.jwt.require_kid", "true or false"),
            ("providers.users.jwt.claims.level", "null"),
            ("rules[0].match.headers.x-version", "quote"),
            ("rules[0].match.hosts", "quote"),
            ("\"<<\"", "unknown field"),
            ("reject.forbidden", "not a whole number"),
            ("reject.realm", "quote"),
            ("reject.explain", "true or false"),
            ("limits.waiting", "not a whole number"),
        ],
        &faults,
    );
}

/// Counts the configurations that ECDS refused.
const REFUSED_BY_ECDS: &str = "extension_config_discovery.http_filter.portcullis.config_fail";

#[test]
fn nothing_and_nonsense_are_refused() {
    let belongs = "the configuration is empty; it belongs into `configuration`";
    let deep = format!("{}{}", "{\"a\":".repeat(5000), "}".repeat(5000));
    let nonsense = [
        ("none at all", Configuration::Absent, belongs),
        ("an empty Struct", Configuration::Struct(json!({})), belongs),
        ("blanks", Configuration::Text(" \n\t".into()), belongs),
        ("an empty object", Configuration::Text("{}".into()), "providers: missing"),
        ("YAML in a StringValue", Configuration::Text("providers: {}\n".into()), "YAML"),
        ("a list", Configuration::Text("[1]".into()), "no JSON object"),
        ("cut", Configuration::Text("{\"providers\": {".into()), "JSON"),
        ("twice the same member", Configuration::Text("{\"providers\": {}, \"providers\": {}}".into()), "providers"),
        ("no end of depth", Configuration::Text(deep), "JSON"),
        ("bytes", Configuration::Bytes((0..=255).rev().collect()), "neither JSON nor a google.protobuf.Struct"),
        ("a Struct, almost", Configuration::Bytes(vec![0x0a, 0x05, 0x0a, 0x01, b'a', 0x12, 0x00, 0xff]), "neither JSON nor"),
    ];
    // Envoy doesn't start without.
    let (faults, log) = faults_of(Plugin::new(Configuration::Absent));
    assert!(faults.len() == 1 && faults[0].contains(belongs), "{log}");
    // One that runs refuses the rest, too, and goes on with what it has.
    let stage = Stage::new().discovered(&only(SECRET)).start();
    for (number, (what, form, says)) in (1..).zip(nonsense) {
        stage.discover(&Plugin::new(form));
        stage.envoy.wait_for_stat(REFUSED_BY_ECDS, number);
        let said = || faults_in(&stage.envoy.log().text());
        let told = usize::try_from(number).expect("a small number");
        poll(PATIENCE, || (said().len() >= told).then_some(())).unwrap_or_else(|| panic!("{what}: nothing is said"));
        let said = said();
        assert!(said.len() == told && said[told - 1].contains(says), "{what}: {said:#?}");
        assert_eq!((status(&stage.client(), SECRET), status(&stage.client(), OTHER)), (200, 401), "{what}");
    }
    assert_eq!(stage.envoy.log().lines_with("panicked"), Vec::<String>::new());
    stage.discover(&only(OTHER));
    poll(PATIENCE, || (status(&stage.client(), OTHER) == 200).then_some(())).expect("a good one takes over");
}

/// One of those who call while policies change: over a connection that stays open, or over a fresh one each time.
struct Caller {
    secret: Option<&'static str>,
    keeps: bool,
    client: Client,
    seen: Mutex<Seen>,
}

/// The statuses that one caller got, each with how many of them came in a row.
type Seen = Vec<(u16, usize)>;

impl Caller {
    /// Calls until it is told to stop.
    fn run(&self, stop: &AtomicBool) {
        let request = self.secret.map_or_else(|| Request::get("/"), |secret| Request::get("/").bearer(secret));
        let mut kept = None;
        while !stop.load(Ordering::Relaxed) {
            let mut connection = kept.take().unwrap_or_else(|| self.client.connect().expect("a connection"));
            let status = connection.send(&request).expect("no request is lost").status;
            kept = self.keeps.then_some(connection);
            let mut seen = self.seen.lock().expect("no caller has panicked");
            match seen.last_mut() {
                Some((last, count)) if *last == status => *count = count.saturating_add(1),
                _ => seen.push((status, 1)),
            }
        }
    }

    /// Whether it has seen these statuses, one after the other, and the last of them for a while. Fresh connections go to
    /// any worker, and workers change one after the other: there only the last and the set of statuses is sure.
    fn has_seen(&self, expected: &[u16]) -> bool {
        let seen = self.seen.lock().expect("no caller has panicked");
        let statuses: Vec<u16> = seen.iter().map(|(status, _)| *status).collect();
        let lasts = seen.last().is_some_and(|(_, count)| *count >= 20);
        let fits = if self.keeps {
            statuses == expected
        } else {
            statuses.last() == expected.last() && statuses.iter().all(|status| expected.contains(status))
        };
        lasts && fits
    }
}

/// Only this secret is known, and answers say which policy they come from.
fn only(secret: &str) -> Plugin {
    Plugin::new(json!({"providers": {"partners": {"static_secret": {"sha256": sha256_hex(secret)}}}}))
}

/// Refused for two reasons.
fn bad() -> Plugin {
    Plugin::new(json!({"providers": {"partners": {"static_secret": {"sha256": "c2hvcnQ=", "salt": "x"}}}, "rules": []}))
}

const BAD_SAYS: [&str; 3] = [
    "configuration: providers.partners.static_secret.sha256: 5 bytes after base64; a SHA-256 digest has 32",
    "configuration: providers.partners.static_secret.salt: unknown field; known here: ",
    "configuration: rules: empty",
];

fn status(client: &Client, secret: &str) -> u16 {
    client.send(&Request::get("/").bearer(secret)).status
}

/// Puts configurations in place while requests run: a good one, a bad one, and another good one. `expected` says what a
/// caller must have seen after so many of them.
fn reload(
    stage: &RunningStage,
    client: &Client,
    replace: impl Fn(Plugin),
    rejections: &str,
    expected: impl Fn(&Caller, usize) -> Vec<u16>,
) {
    let stop = AtomicBool::new(false);
    let caller = |secret, keeps, client| Caller { secret, keeps, client, seen: Mutex::default() };
    let of = |secret| {
        [caller(secret, true, client.clone()), caller(secret, true, client.clone().http2()), caller(secret, false, client.clone())]
    };
    let callers = [of(Some(SECRET)), of(Some(OTHER)), of(None)].into_iter().flatten().collect::<Vec<_>>();
    thread::scope(|scope| {
        for caller in &callers {
            scope.spawn(|| caller.run(&stop));
        }
        let settles = |step: usize| {
            let behind = || callers.iter().filter(|caller| !caller.has_seen(&expected(caller, step))).count();
            let settled = poll(PATIENCE, || (behind() == 0).then_some(()));
            let report =
                || callers.iter().map(|caller| format!("\n{:?} {} {:?}", caller.secret, caller.keeps, caller.seen)).collect::<String>();
            assert!(settled.is_some(), "after {step} changes:{}", report());
        };
        // Whatever goes wrong here must end the callers, too.
        let changed = catch_unwind(AssertUnwindSafe(|| {
            settles(0);
            replace(only(OTHER));
            settles(1);
            replace(bad());
            stage.envoy.wait_for_stat(rejections, 1);
            for fault in BAD_SAYS {
                stage.envoy.wait_for_log(fault);
            }
            // The second serves on, for everybody.
            for caller in &callers {
                caller.seen.lock().expect("no caller has panicked").iter_mut().last().expect("it has called").1 = 0;
            }
            settles(2);
            replace(only(PAST));
            settles(3);
            assert_eq!(status(client, PAST), 200);
        }));
        stop.store(true, Ordering::Relaxed);
        if let Err(panic) = changed {
            resume_unwind(panic);
        }
    });
}

#[test]
fn a_new_policy_by_ecds_takes_over_on_open_connections() {
    let stage = Stage::new().discovered(&only(SECRET)).concurrency(2).start();
    let replace = |plugin: Plugin| stage.discover(&plugin);
    reload(&stage, &stage.client(), replace, REFUSED_BY_ECDS, |caller, step| known_by(caller.secret, step));
}

#[test]
fn a_new_policy_by_lds_takes_over_on_new_connections() {
    let stage = Stage::new().concurrency(2).listed(&only(SECRET)).start();
    let client = stage.listed_client();
    let replace = |plugin: Plugin| stage.relist(&plugin);
    // Connections that are open keep the policy that they were opened under, until they are drained.
    let expected = |caller: &Caller, step| known_by(caller.secret, if caller.keeps { 0 } else { step });
    reload(&stage, &client, replace, "listener_manager.lds.update_rejected", expected);
}

/// What a caller sees one after the other, after so many changes that it notices.
fn known_by(secret: Option<&str>, step: usize) -> Vec<u16> {
    match (secret, step) {
        (Some(SECRET), 0) => vec![200],
        (Some(SECRET), _) => vec![200, 401],
        (Some(_), 1 | 2) => vec![401, 200],
        (Some(_), 3) => vec![401, 200, 401],
        _ => vec![401],
    }
}
