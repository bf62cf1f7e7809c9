//! Faults of single fields.

use serde_json::{Value, json};

use super::{DIGEST, assert_faults, base, env, faults, lines, load, loaded, with};
use crate::authenticator::{CertificateSource, ProxyCertificate, ServerName, Trusted, VerifiedBy};
use crate::credential::Place;
use crate::policy::Kind;

/// Each value at its place makes exactly the fault at that place (or the one that is named), which says so.
pub(super) fn cases(prefix: &str, base: &Value, cases: &[(&str, Value, &str)]) {
    for (pointer, value, says) in cases {
        let config = with(base.clone(), &format!("{prefix}{pointer}"), value.clone());
        let Err(found) = super::try_load(&config) else { panic!("no fault: {pointer} {value}") };
        let found = lines(&found);
        assert!(found.len() == 1 && found[0].contains(says), "{pointer} {value}\nsaid {found:#?}\nnot {says}");
    }
}

#[test]
fn static_secrets() {
    let callers = |callers: Value| json!({"callers": callers});
    let secret = |sha256: &str| json!({"sha256": sha256});
    cases(
        "/providers/secrets/static_secret",
        &base(),
        &[
            ("", json!({}), "secrets.static_secret: write exactly one of callers, sha256"),
            ("", json!({"sha256": DIGEST, "callers": []}), "write exactly one of"),
            ("", callers(json!([])), "callers: empty"),
            ("", callers(json!([{"id": "a", "secrets": []}])), "callers[0].secrets: empty"),
            ("", callers(json!([{"id": "", "secrets": [secret(DIGEST)]}])), "callers[0].id: empty"),
            ("", callers(json!([{"id": "a\n", "secrets": [secret(DIGEST)]}])), "callers[0].id: control characters"),
            (
                "",
                callers(json!([{"id": "a", "secrets": [secret(DIGEST), secret(DIGEST)]}])),
                "secrets[1].sha256: this digest stands here twice",
            ),
            (
                "",
                callers(json!([{"id": "a", "secrets": [secret(DIGEST)]}, {"id": "a", "secrets": [secret(super::OTHER_DIGEST)]}])),
                "callers[1].id: another caller",
            ),
            (
                "",
                callers(json!([{"id": "a", "secrets": [{"id": "1", "sha256": DIGEST}, {"id": "1", "sha256": super::OTHER_DIGEST}]}])),
                "secrets[1].id: another secret",
            ),
            (
                "",
                callers(
                    json!([{"id": "a", "secrets": [{"sha256": DIGEST, "not_before": "2027-01-01T00:00:00Z", "not_after": "2027-01-01T00:00:00Z"}]}]),
                ),
                "not_after: not later",
            ),
            (
                "",
                callers(json!([{"id": "a", "secrets": [{"sha256": DIGEST, "not_after": "2027-01-01T00:00:00+01:00"}]}])),
                "not a time of RFC 3339",
            ),
            ("/sha256", json!("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="), "the digest of the empty string"),
            ("/sha256", json!("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"), "the digest of the empty string"),
            ("/sha256", json!("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b8"), "31 bytes after hex"),
            ("/sha256", json!("not base64!"), "neither base64 nor hex"),
            ("/sha256", json!(""), "0 bytes after"),
            ("/sha256", json!(12345), "quote it"),
            ("/sha256", json!({"env": "EMPTY"}), "0 bytes after"),
        ],
    );
    for good in [format!("0x{}", "AB".repeat(32)), "q83vq83vq83vq83vq83vq83vq83vq83vq83vq83vq80".to_owned(), format!(" {DIGEST}\n")] {
        loaded(&with(base(), "/providers/secrets/static_secret/sha256", json!(good)));
    }
}

#[test]
fn places() {
    cases(
        "/providers/secrets/from",
        &base(),
        &[
            ("", json!([]), "from: empty"),
            ("", json!([{}]), "from[0]: write exactly one of header, query"),
            ("", json!([{"header": "a", "query": "b"}]), "from[0]: write exactly one of"),
            ("", json!([{"cookie": "a", "origins": "any", "query": "b"}]), "from[0]: write exactly one of"),
            ("", json!([{"cookie": "s"}]), "from[0].origins: missing; browsers send cookies with what pages of other sites ask for"),
            ("", json!([{"cookie": "s", "origins": []}]), "from[0].origins: a list of names is wanted, or the word any by itself"),
            ("", json!([{"cookie": "s", "origins": ["any"]}]), "from[0].origins: a list of names is wanted, or the word any by itself"),
            ("", json!([{"cookie": "s t", "origins": "any"}]), "from[0].cookie: not a cookie's name"),
            ("", json!([{"cookie": "s=", "origins": "any"}]), "from[0].cookie: not a cookie's name"),
            ("", json!([{"cookie": "s", "scheme": "Bearer", "origins": "any"}]), "from[0].scheme: a scheme goes with a header"),
            ("", json!([{"header": "a", "origins": "any"}]), "from[0].origins: goes with a cookie"),
            ("", json!([{"query": "a", "origins": ["https://a.example"]}]), "from[0].origins: goes with a cookie"),
            (
                "",
                json!([{"cookie": "s", "origins": "any"}, {"cookie": "s", "origins": ["https://a.example"]}]),
                "from[1]: this place stands here twice",
            ),
            ("", json!([{"query": "b", "scheme": "Bearer"}]), "from[0].scheme: a scheme goes with a header"),
            ("", json!([{"header": "a", "scheme": "Bearer "}]), "from[0].scheme: not an authentication scheme"),
            ("", json!([{"header": ":path"}]), "from[0].header: a pseudo-header"),
            ("", json!([{"header": "Host"}]), "from[0].header: this header is Envoy's own"),
            ("", json!([{"header": "proxy-authorization"}]), "from[0].header: this header is Envoy's own"),
            (
                "",
                json!([{"header": "a", "scheme": "Bearer"}, {"header": "A", "scheme": "bearer"}]),
                "from[1]: this place stands here twice",
            ),
            ("", json!({"header": "a"}), "from: an object, where a list is wanted"),
        ],
    );
    let from = |origin: &str| with(base(), "/providers/secrets/from", json!([{"cookie": "s", "origins": ["https://a.example", origin]}]));
    for good in [
        "http://localhost",
        "http://localhost:3000",
        "https://[2001:db8::1]:8443",
        "https://xn--caf-dma.example",
        "chrome-extension://abcdef",
        "http://a.example:443",
    ] {
        loaded(&from(good));
    }
    for bad in [
        "*",
        "null",
        "app.example",
        "https://",
        "https:///",
        "https://app.example/",
        "https://app.example/path",
        "https://app.example?x",
        "https://*.example",
        "https://App.example",
        "HTTPS://app.example",
        "https://app.example:443",
        "http://app.example:80",
        "https://app.example:",
        "https://app.example:0",
        "https://app.example:08443",
        "https://app.example:65536",
        "https://app.example:+80",
        "https://user@app.example",
        "https://caf\u{e9}.example",
        "https://[::1",
        "https://[]",
        "https://::1",
        "://a.example",
    ] {
        assert_faults(&from(bad), &["providers.secrets.from[0].origins[1]: not an origin as browsers write it"]);
    }
    let hidden = with(base(), "/providers/secrets/from", json!([{"cookie": "s", "origins": "any"}, {"header": "a"}]));
    let (_, warnings) = super::try_load(&hidden).unwrap();
    assert!(matches!(&warnings[..], [only] if only.to_string().starts_with("providers.secrets.from[1]: behind a cookie")), "{warnings:?}");
    assert_faults(
        &with(base(), "/providers/members/from", json!([{"header": "a"}])),
        &["providers.members.from: a client certificate comes with the connection"],
    );
    assert_faults(
        &with(base(), "/providers/a.b", json!({"static_secret": {"sha256": DIGEST}})),
        &["providers.\"a.b\": not a provider's name"],
    );
}

#[test]
fn tokens() {
    cases(
        "/providers/tokens/jwt",
        &base(),
        &[
            ("/issuers", json!([]), "issuers: a list of names is wanted"),
            ("/issuers", json!(["any"]), "issuers: a list of names is wanted, or the word any by itself"),
            ("/audiences", json!(null), "audiences: null; leave the field out"),
            ("/subjects", json!([]), "subjects: empty"),
            ("/types", json!([]), "types: empty"),
            ("/formats", json!([]), "formats: empty"),
            ("/formats", json!(["jwe"]), "formats[0]: not a word"),
            ("/algorithms", json!([]), "algorithms: empty"),
            ("/algorithms", json!(["none"]), "algorithms[0]: not an algorithm"),
            ("/algorithms", json!(["rs256"]), "algorithms[0]: not an algorithm"),
            ("/algorithms", json!(["RS256", "HS256"]), "HS256 takes a secret"),
            ("/clock_skew", json!("25h"), "clock_skew: 90000s is out of bounds"),
            ("/clock_skew", json!("60"), "clock_skew: not a duration"),
            ("/clock_skew", json!("-1s"), "clock_skew: not a duration"),
            ("/max_token_age", json!("0s"), "max_token_age: 0s is out of bounds"),
            ("/max_token_lifetime", json!("1d"), "max_token_lifetime: not a duration"),
            ("/claims", json!({"tenant": "{path.tenant}"}), "claims: \"{path.tenant}\": no variable"),
            ("/claims", json!({"claim_path": [], "is": 1}), "claims.claim_path: empty"),
            ("/claims", json!({"claim_path": ["a"]}), "claims.is: missing"),
            ("/identity/subject", json!({}), "subject: write exactly one of claim, claim_path"),
            ("/identity/scopes", json!([{"claim": "a"}, {}]), "scopes[1]: write exactly one of"),
            ("/identity/roles", json!([{"claim": "a", "separator": ""}]), "roles[0].separator: empty"),
            ("/require_kid", json!("true"), "text, where true or false is wanted"),
        ],
    );
    let fault = &faults(&with(base(), "/providers/tokens/jwt/claims", json!({"a": {"b": 1}})));
    assert!(fault[0].contains("claims.a: write exactly one of all, any, none, exists"), "{fault:?}");
    assert!(fault[1].contains("claims.a.b: unknown field; known here: all, any, none, exists"), "{fault:?}");
    loaded(&with(
        base(),
        "/providers/tokens/jwt/claims",
        json!([{"a": {"any": [1, true, "x"]}}, {"claim_path": ["b", "c"], "is": {"exists": false}}]),
    ));
}

#[test]
fn keys_from_the_network() {
    let keys = |field: &str, value: Value| with(json!({"jwks_uri": "https://idp.example/keys", "cluster": "idp"}), field, value);
    let jwks = |value: Value| json!({"jwks": value});
    cases(
        "/providers/tokens/jwt/keys",
        &base(),
        &[
            ("", json!({}), "keys: write exactly one of jwks_uri, jwks, secret, callers"),
            ("", keys("/jwks", json!({})), "keys: write exactly one of"),
            ("", keys("/jwks_uri", json!("idp.example/keys")), "not an absolute URL"),
            ("", keys("/jwks_uri", json!("ftp://idp.example/keys")), "the scheme must be https"),
            ("", keys("/jwks_uri", json!("https:///keys")), "the host is not a name"),
            ("", keys("/jwks_uri", json!("https://a@b/keys")), "user information"),
            ("", keys("/jwks_uri", json!("https://b/keys#x")), "a fragment"),
            ("", keys("/jwks_uri", json!("https://b/k eys")), "white space"),
            ("", keys("/jwks_uri", json!("https://b:99999/")), "the host is not a name"),
            ("", keys("/jwks_uri", json!("https://[::x]/")), "the host is not a name"),
            ("", keys("/insecure_http", json!(true)), "insecure_http: goes with an http jwks_uri"),
            ("", keys("/refresh", json!("999ms")), "refresh: 999ms is out of bounds; at least 1s"),
            ("", keys("/timeout", json!("0s")), "timeout: 0s is out of bounds"),
            ("", keys("/wait", json!("1h")), "wait: 3600s is out of bounds"),
            ("", keys("/max_stale", json!("30m")), "max_stale: 1800s is less than refresh"),
            ("", keys("/unknown_kid", json!({"cooldown": "0s"})), "unknown_kid.cooldown: 0s is out of bounds; at least 1s"),
            ("", keys("/max_body", json!("1GiB")), "max_body: out of bounds"),
            ("", keys("/max_body", json!("64KB")), "max_body: not a size"),
            ("", keys("/headers", json!({"host": "a"})), "headers.host: this header is Envoy's own"),
            ("", keys("/headers", json!({"X-A": "a", "x-a": "b"})), "headers.x-a: this header stands here twice"),
            ("", keys("/headers", json!({"x-a": "é"})), "headers.x-a: not a header's value"),
            ("", keys("/headers", json!({"x-a": {"env": "LINE"}})), "headers.x-a.env: not a header's value"),
            ("", keys("/headers", json!({"x-a": {"env": "NOWHERE"}})), "headers.x-a.env: the environment variable NOWHERE is not set"),
            ("", jwks(json!({"keys": []})), "keys.jwks: no keys"),
            ("", jwks(json!("{")), "keys.jwks: the string is not JSON"),
            ("", jwks(json!({"keys": [{"kty": "RSA", "false": "AQAB"}]})), "keys.jwks.keys[0].false: YAML 1.1"),
            ("", jwks(json!({"keys": [{"kty": "EC", "x": "a", "true": "b"}]})), "keys.jwks.keys[0].true: YAML 1.1"),
        ],
    );
    assert_faults(
        &with(base(), "/providers/tokens/jwt/keys", json!({"jwks": {"keys": []}, "cluster": "idp"})),
        &["providers.tokens.jwt.keys.cluster: goes with jwks_uri", "providers.tokens.jwt.keys.jwks: no keys"],
    );
    loaded(&with(base(), "/providers/tokens/jwt/keys", keys("/jwks_uri", json!("https://[2001:db8::1]:8443?set=1"))));
}

#[test]
fn inline_keys() {
    // RFC 8037, appendix A.2.
    let key = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    let set = json!({"keys": [key, {"kty": "oct", "k": "AAAA", "kid": "weak"}]});
    for jwks in [set.clone(), json!(set.to_string())] {
        let (_, warnings) = load(with(base(), "/providers/tokens/jwt/keys", json!({"jwks": jwks})).to_string().as_bytes(), &env).unwrap();
        let warnings: Vec<_> = warnings.iter().map(ToString::to_string).collect();
        assert!(
            matches!(&warnings[..], [only] if only.starts_with("providers.tokens.jwt.keys.jwks.keys[1]: this key is not used: ")),
            "{warnings:?}"
        );
    }
}

#[test]
fn secrets() {
    let base =
        with(base(), "/providers/tokens/jwt", json!({"keys": {"secret": {"env": "TEXT"}}, "identity": {"roles": {"claim": "groups"}}}));
    loaded(&base);
    let callers = |list: Value| json!({"callers": {"by": {"claim": "id"}, "list": list}});
    let key = json!({"env": "TEXT"});
    cases(
        "/providers/tokens/jwt/keys",
        &base,
        &[
            ("/secret", json!({}), "secret: write exactly one of env, text, hex, base64"),
            ("/secret", json!({"env": "TEXT", "text": "x"}), "write exactly one of"),
            ("/secret", json!({"text": "x", "hex": "00"}), "write exactly one of"),
            ("/secret", json!({"env": "NOWHERE"}), "secret.env: the environment variable NOWHERE is not set"),
            ("/secret", json!({"env": "EMPTY"}), "secret.env: the secret is empty (the variable EMPTY)"),
            ("/secret", json!({"env": "LINE"}), "secret.env: the text ends with a line break"),
            ("/secret", json!({"env": "SHORT"}), "secret: 7 bytes; the algorithms here need a key of at least 32"),
            ("/secret", json!({"env": "TEXT", "as": "hex"}), "secret.env: not hex"),
            ("/secret", json!({"env": "TEXT", "as": "octal"}), "secret.as: not a word"),
            ("/secret", json!({"env": "TEXT", "bytes": 33}), "secret: 32 bytes, where 33 are wanted (the variable TEXT)"),
            ("/secret", json!({"env": "TEXT", "bytes": -1}), "secret.bytes: not a whole number"),
            ("/secret", json!({"hex": "abc"}), "secret.hex: not hex"),
            ("/secret", json!({"base64": "a"}), "secret.base64: not base64"),
            ("/secret", json!("x"), "secret: text, where an object (env, as, bytes, text, hex, base64) is wanted"),
            ("", callers(json!([])), "callers.list: empty"),
            ("", callers(json!([{"id": "a", "secrets": []}])), "list[0].secrets: empty"),
            ("", callers(json!([{"id": "a", "secrets": [key, key]}])), "list[0].secrets[1]: this secret stands here twice"),
            (
                "",
                callers(json!([{"id": "a", "secrets": [key]}, {"id": "b", "secrets": [key]}])),
                "list[1].secrets[0]: this secret stands here twice",
            ),
            (
                "",
                callers(json!([{"id": "a", "secrets": [key]}, {"id": "a", "secrets": [{"env": "HEX", "as": "hex"}]}])),
                "list[1].id: another caller",
            ),
            (
                "",
                callers(json!([{"id": "a", "secrets": [{"id": "k", "env": "TEXT"}, {"id": "k", "env": "HEX", "as": "hex"}]}])),
                "secrets[1].id: another secret",
            ),
            ("", callers(json!([{"id": 1, "secrets": [key]}])), "list[0].id: a number or a boolean, where text is wanted: quote it"),
            (
                "",
                json!({"callers": {"by": {}, "list": [{"id": "a", "secrets": [key]}]}}),
                "callers.by: write exactly one of claim, claim_path, jose",
            ),
        ],
    );
    assert_faults(
        &with(base.clone(), "/providers/tokens/jwt/algorithms", json!(["HS512", "RS256"])),
        &[
            "providers.tokens.jwt.algorithms: RS256 takes a public key",
            "providers.tokens.jwt.keys.secret: 32 bytes; the algorithms here need a key of at least 64",
        ],
    );
    let text = with(base, "/providers/tokens/jwt/keys", json!({"secret": {"text": "k".repeat(32)}})).to_string();
    let (_, warnings) = load(text.as_bytes(), &env).unwrap();
    assert!(warnings[0].to_string().starts_with("providers.tokens.jwt.keys.secret.text: a secret that stands in the configuration"));
}

#[test]
fn certificates() {
    cases(
        "/providers/members/client_certificate",
        &with(base(), "/rules/0/require", json!("tokens")),
        &[
            ("/server_name", json!("sni"), "server_name: not a word"),
            ("/verified_by", json!("proxy"), "verified_by: not a word"),
            ("/source", json!("header"), "source: not a word"),
            ("/source", json!({"trusted": "network_only"}), "source.header: missing"),
            ("/source", json!({"header": "x-cert"}), "source.trusted: missing"),
            ("/source", json!({"header": "x-cert", "trusted": true}), "source.trusted: a number or a boolean, where text is wanted"),
            (
                "/source",
                json!({"header": "x-cert", "trusted": "network"}),
                "source.trusted: not a word that is known here; write network_only where",
            ),
            ("/source", json!({"header": "x-cert", "trusted": ["network_only"]}), "source.trusted: a list"),
            ("/source", json!({"header": "x-cert", "trusted": {}}), "source.trusted: write exactly one of san_uri, san_dns, sha256"),
            (
                "/source",
                json!({"header": "x-cert", "trusted": {"san_uri": "urn:a", "san_dns": "a"}}),
                "source.trusted: write exactly one of",
            ),
            ("/source", json!({"header": "x-cert", "trusted": {"san_uri": []}}), "source.trusted.san_uri: empty"),
            ("/source", json!({"header": "x-cert", "trusted": {"san_dns": [""]}}), "source.trusted.san_dns[0]: empty"),
            ("/source", json!({"header": "x-cert", "trusted": {"sha256": []}}), "source.trusted.sha256: empty"),
            ("/source", json!({"header": "x-cert", "trusted": {"sha256": "00ff"}}), "source.trusted.sha256: 2 bytes after hex"),
            (
                "/source",
                json!({"header": "x-cert", "trusted": {"sha256": {"env": "NOWHERE"}}}),
                "source.trusted.sha256.env: the environment",
            ),
            (
                "/source",
                json!({"header": "x-cert", "trusted": {"sha256": DIGEST, "subject": "CN=a"}}),
                "source.trusted.subject: unknown field",
            ),
            ("/source", json!({"header": ":path", "trusted": "network_only"}), "source.header: a pseudo-header"),
            ("/source", json!({"header": "Cookie", "trusted": "network_only"}), "source.header: cookies are many things"),
            ("/source", json!({"header": "X-Forwarded-Client-Cert", "trusted": "network_only"}), "source.header: what stands there beside"),
            ("/source", json!({"header": "x-cert", "trusted": "network_only", "scheme": "x"}), "source.scheme: unknown field"),
            ("/accept", json!({"issuers": ["Issuing CA"]}), "accept.issuers: a distinguished name is wanted"),
            ("/identity/subject", json!({}), "subject: write exactly one of dn, san, fingerprint, extension"),
            ("/identity/subject", json!({"extension": "1.2.3", "type": "utf8"}), "subject: a subject comes from"),
            ("/identity/subject", json!({"dn": "CN", "type": "utf8"}), "subject.type: a type goes with an extension"),
            ("/identity/subject", json!({"dn": "common name"}), "subject.dn: not an attribute of a name"),
            ("/identity/roles", json!({"extension": "1.2.3"}), "roles.type: missing"),
            ("/identity/roles", json!({"fingerprint": "sha256"}), "roles: roles come from"),
            ("/identity/roles", json!({"extension": "1.2.x", "type": "utf8"}), "roles.extension: "),
            (
                "/identity/attributes/member",
                json!({"extension": "1.2.3", "type": "utf8_sequence"}),
                "attributes.member.type: an attribute is one value",
            ),
        ],
    );
}

#[test]
fn certificates_from_headers() {
    let at = "/providers/members/client_certificate";
    let config = with(
        with(base(), "/rules/0/require", json!("tokens")),
        &format!("{at}/source"),
        json!({"header": "X-Cert", "trusted": "network_only"}),
    );
    let policy = loaded(&config);
    assert!(policy.removal.covers(b"x_cert"));
    let Kind::ClientCertificate(members) = &policy.providers[0].kind else { panic!() };
    let place = Place::Header { name: "x-cert".into(), scheme: None };
    assert!(matches!(&members.source, CertificateSource::Header { place: own, trusted: Trusted::NetworkOnly } if *own == place));
    cases(
        at,
        &config,
        &[
            ("/server_name", json!("any"), "client_certificate.server_name: with network_only no TLS connection is looked at"),
            ("/server_name", json!("host"), "client_certificate.server_name: with network_only"),
            ("/verified_by", json!("listener"), "client_certificate.verified_by: with network_only"),
        ],
    );
    let trusted = json!({"sha256": [super::OTHER_DIGEST, {"env": "DIGEST"}]});
    let config = with(with(config, &format!("{at}/source/trusted"), trusted), &format!("{at}/verified_by"), json!("listener"));
    let policy = loaded(&with(config, &format!("{at}/server_name"), json!("any")));
    let Kind::ClientCertificate(members) = &policy.providers[0].kind else { panic!() };
    let CertificateSource::Header { trusted: Trusted::Proxy(handshake, ProxyCertificate::Sha256(digests)), .. } = &members.source else {
        panic!()
    };
    assert_eq!((handshake.server_name, handshake.verified_by), (ServerName::Any, VerifiedBy::Listener));
    assert!(digests.len() == 2 && digests[0] == digests[1]);
}

#[test]
fn upstream() {
    let header = |value: Value| json!({"x-a": value});
    cases(
        "/upstream",
        &base(),
        &[
            ("/credential", json!("drop"), "credential: not a word"),
            ("/remove", json!(["host"]), "remove[0]: this header is Envoy's own"),
            ("/remove", json!(["*"]), "remove[0]: "),
            ("/remove", json!("a*b"), "remove: "),
            ("/payload_header", json!("te"), "payload_header: this header is Envoy's own"),
            ("/headers", header(json!({})), "headers.x-a: write exactly one of identity, claim,"),
            ("/headers", header(json!({"identity": "subject", "value": "a"})), "headers.x-a: write exactly one of"),
            ("/headers", header(json!({"identity": "name"})), "headers.x-a.identity: not a word"),
            ("/headers", header(json!({"identity": "subject", "of": "nobody"})), "headers.x-a.of: there is no provider nobody"),
            ("/headers", header(json!({"value": "a\nb"})), "headers.x-a.value: not printable ASCII"),
            ("/headers", header(json!({"identity": "subject", "prefix": "é"})), "headers.x-a.prefix: not printable ASCII"),
            ("/headers", header(json!({"secret": {"env": "BINARY", "as": "hex"}})), "headers.x-a.secret: not printable ASCII"),
            ("/headers", header(json!({"attribute": "nothing"})), "headers.x-a: any provider here yields no attribute of this name"),
            ("/headers", header(json!({"claim": "a", "of": "members"})), "headers.x-a: members yields no claims"),
            (
                "/headers",
                header(json!({"certificate": "percent_encoded_pem", "of": "tokens"})),
                "headers.x-a: tokens yields no certificates",
            ),
            ("/headers", json!({"X-A": {"value": "a"}, "x-a": {"value": "b"}}), "headers.x-a: this header stands here twice"),
            ("/headers", json!({"Connection": {"value": "a"}}), "headers.Connection: this header is Envoy's own"),
            ("/headers", json!({":path": {"value": "a"}}), "headers.\":path\": a pseudo-header"),
            ("/headers", json!({"a b": {"value": "a"}}), "headers.\"a b\": not a header name"),
        ],
    );
    assert_faults(
        &with(base(), "/upstream", json!({"headers": {"x-a": {"value": "a"}}, "payload_header": "X-A"})),
        &["upstream.payload_header: this header is set"],
    );
    assert_faults(
        &with(base(), "/providers/members/upstream", json!({"headers": {"x-a": {"claim": "a"}}})),
        &["providers.members.upstream.headers.x-a: members yields no claims"],
    );
}

#[test]
fn reject_and_the_rest() {
    cases(
        "",
        &base(),
        &[
            ("/reject/realm", json!("é"), "reject.realm: not a realm"),
            ("/reject/forbidden", json!(200), "reject.forbidden: not a status"),
            ("/reject/forbidden", json!("4o3"), "reject.forbidden: not a whole number"),
            ("/reject/messages", json!({"nope": "x"}), "reject.messages.nope: not a reason code"),
            ("/reject/body", json!("html"), "reject.body: not a word"),
            ("/reject/challenge", json!("digest"), "reject.challenge: not a word"),
            ("/reject/resource_metadata", json!("/.well-known"), "reject.resource_metadata: not an absolute URL"),
            ("/reject/resource_metadata", json!("https://a.example/\"x"), "reject.resource_metadata: quotes"),
            ("/paths/parameters", json!("ignore"), "paths.parameters: not a word"),
            ("/limits/waiting", json!(0), "limits.waiting: out of bounds"),
            ("/revoked", json!([]), "revoked: a list, where an object (subjects, jti, kids, certificate_sha256) is wanted"),
            ("/revoked/subjects", json!(["tokens"]), "revoked.subjects[0]: write provider/subject"),
            ("/revoked/subjects", json!(["tokens/"]), "revoked.subjects[0]: write provider/subject"),
            (
                "/revoked/subjects",
                json!(["tokens/a", "nobody/a/b"]),
                "revoked.subjects[1]: there is no provider nobody; write provider/subject",
            ),
            ("/revoked/subjects", json!(["/a"]), "revoked.subjects[0]: there is no provider "),
            ("/revoked/jti", json!([7]), "revoked.jti[0]: a number or a boolean, where text is wanted: quote it"),
            ("/revoked/kids", json!([""]), "revoked.kids[0]: empty"),
            ("/revoked/certificate_sha256", json!(["ab:cd"]), "revoked.certificate_sha256[0]: 2 bytes after hex; a SHA-256 digest has 32"),
            ("/revoked/certificate_sha256", json!(["-----BEGIN"]), "revoked.certificate_sha256[0]: neither base64 nor hex"),
            ("/limits/slow_verifications", json!(0), "limits.slow_verifications: out of bounds; at least 1, at most 100000"),
            ("/limits/slow_verifications", json!(100_001), "limits.slow_verifications: out of bounds"),
            ("/cache", json!({"entries": -1}), "cache.entries: not a whole number"),
            ("/cache", json!({"entries": 1_000_001}), "cache.entries: out of bounds; at least 0, at most 1000000"),
            ("/cache", json!({"bytes": "1KiB"}), "cache.bytes: out of bounds; at least 64KiB, at most 256MiB"),
            ("/cache", json!({"bytes": "1GiB"}), "cache.bytes: out of bounds"),
            ("/cache", json!({"size": 1}), "cache.size: unknown field; known here: entries, bytes"),
            ("/cache", json!(false), "cache: "),
            ("/mode", json!("off"), "mode: not a mode; write enforce, or {observe: {until: "),
            ("/providers", json!([]), "providers: a list, where an object, by name is wanted"),
        ],
    );
    assert_faults(&json!({}), &["providers: missing"]);
    assert_faults(&json!({"providers": {}}), &["providers: empty"]);
    assert!(super::try_load(&json!({"providers": {}, "rules": [{"allow": "anyone"}]})).is_ok());
    assert_faults(&json!({"providers": {}, "rules": [{"require": "a"}]}), &["rules[0].require: there is no provider a"]);
    let both = json!({"a": {"static_secret": {"sha256": DIGEST}}, "b": {"static_secret": {"sha256": DIGEST}}});
    assert_faults(&json!({"providers": both}), &["rules: missing; without rules there must be exactly one provider"]);
    assert_faults(&json!({"providers": both, "rules": []}), &["rules: empty"]);
}
