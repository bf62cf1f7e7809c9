//! The gatekeeper since 2021: entries 12 to 14, 17 to 19 of what it must do.

use crate::gatekeeper::{
    ADMIN, BY_EMPTY_KEY, BY_JAVASCRIPT, Caller, Gatekeeper, HEADER, OF_2018, OF_2019, OF_2021, OF_THE_README, SPENDER, STATS, WATCHER,
    bash, claims, hex, mac, of_2018, of_2019, of_2021,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_harness::{Case, Request, now};

fn by_watcher(claims: &str) -> String {
    of_2021(WATCHER.key.as_bytes(), HEADER, claims)
}

/// Entry 12.
#[test]
fn entry_12_the_vectors() {
    let today = Gatekeeper::today();
    let passes = |token: &str| {
        today
            .with(token)
            .expect(200)
            .access("subject", "001")
            .upstream("authorization", &format!("Bearer {token}"))
            .upstream_absent("x-auth-subject")
    };
    today.stage.check([
        passes(OF_2021),
        passes(BY_JAVASCRIPT),
        passes(OF_2019),
        today.with(OF_2018).expect(401).reason("signature_invalid"),
        today.with(BY_EMPTY_KEY).expect(401).reason("signature_invalid"),
    ]);
}

/// Entry 13: 401 is for what no key of the caller's made, and 403 for all else; what is over is over, whoever made it.
#[test]
fn entry_13_which_status() {
    let today = Gatekeeper::today();
    let wrong_key = |id: &str, seconds| of_2021(SPENDER.key.as_bytes(), HEADER, &claims(id, seconds));
    let (text, mac) = OF_2021.rsplit_once('.').unwrap();
    let get = || today.get("/v0/getbestblockhash");
    today.stage.check([
        today.with(&wrong_key("001", 10)).expect(401).reason("signature_invalid"),
        today.with(&wrong_key("001", -10)).expect(403).reason("token_expired"),
        today.with(&wrong_key("001", 0)).expect(403).reason("token_expired"),
        today.with(&by_watcher(&claims("001", 0))).expect(403).reason("token_expired"),
        today.with(OF_THE_README).expect(403).reason("token_expired"),
        today.with(&format!("{text}.a{mac}")).expect(401).reason("signature_invalid"),
        today.with(&format!("{text}.")).expect(401).reason("signature_invalid"),
        get().expect(403).reason("credential_missing"),
        get().basic("001", WATCHER.key).expect(403).reason("credential_missing"),
        get().header("authorization", "Bearer ").expect(403).reason("credential_malformed"),
        get().header("authorization", format!("bearer {OF_2021}")).expect(200),
        today.with(&by_watcher(&claims("001;x", 10))).expect(401).reason("signature_invalid"),
        today.with(&by_watcher(&claims("", 10))).expect(401).reason("signature_invalid"),
        today.with(&by_watcher(&claims("00-1", 10))).expect(401).reason("signature_invalid"),
    ]);
}

const MONEY: [&str; 28] = [
    "spend",
    "sendmany",
    "createrawtransaction",
    "fundrawtransaction",
    "signrawtransaction",
    "sendrawtransaction",
    "sendrawtransaction_exact",
    "createfundedpsbt",
    "processpsbt",
    "finalizepsbt",
    "bumpfee",
    "lockunspent",
    "addtobatch",
    "batchspend",
    "createbatcher",
    "removefrombatch",
    "ln_pay",
    "ln_withdraw",
    "ln_connectfund",
    "prepare_bitcoin_transfer",
    "elements_spend",
    "elements_claimpegin",
    "elements_sendtomainchain",
    "elements_prepare_transfer",
    "elements_prepare_pegin_claim",
    "elements_prepare_pak_pegout",
    "elements_sendrawtransaction_exact",
    "getnewaddress",
];

/// Entry 14: each group's keys, and the actions of the groups.
#[test]
fn entry_14_groups() {
    let today = Gatekeeper::today();
    let actions = ["helloworld", "getbestblockhash", "spend", "conf"];
    let table =
        [(STATS, [200, 403, 403, 403]), (WATCHER, [200, 200, 403, 403]), (SPENDER, [200, 200, 200, 403]), (ADMIN, [200, 200, 200, 403])];
    let mut cases = Vec::new();
    for (caller, statuses) in table {
        for (action, status) in actions.into_iter().zip(statuses) {
            let case = today.get(&format!("/v0/{action}")).bearer(&caller.token()).named(format!("{} {action}", caller.id)).expect(status);
            cases.push(match (status, action) {
                (200, _) => case.upstream_path(&format!("/{action}")).access("subject", caller.id),
                (_, "conf") => case.reason("denied"),
                _ => case.reason("role_missing"),
            });
        }
    }
    for internal in ["conf", "newblock", "executecallbacks", "ots_backoffice", "elements_conf"] {
        cases.push(today.get(&format!("/v0/{internal}/x")).bearer(&ADMIN.token()).expect(403).reason("denied"));
    }
    // Whatever moves money, or gives a way to do so, is for spenders.
    for action in MONEY {
        let case = |caller: Caller| today.get(&format!("/v0/{action}/x")).bearer(&caller.token());
        cases.extend([case(WATCHER).expect(403).reason("role_missing"), case(SPENDER).expect(200)]);
    }
    let bodied = |caller: Caller| today.case(Request::post("/v0/spend", r#"{"amount":1}"#)).bearer(&caller.token());
    cases.extend([bodied(SPENDER).expect(200), bodied(WATCHER).expect(403).reason("role_missing")]);
    today.stage.check(cases);
}

/// Entry 17: the original found `watch` in `stats,watcher`.
#[test]
fn entry_17_groups_are_whole_words() {
    let today = Gatekeeper::today();
    let token = WATCHER.token();
    let files = |path: &str| today.get(path).bearer(&token);
    let mut cases = vec![
        files("/s/stats/chart.html").expect(200).upstream_path("/s/stats/chart.html"),
        files("/s/watcher/a/b?x=1").expect(200).upstream_path("/s/watcher/a/b?x=1").upstream("x-envoy-expected-rq-timeout-ms", "180000"),
        files("/s/watcher/").expect(200),
        files("/s/watcher").expect(200),
        today.get("/s/stats/chart.html").expect(403).reason("credential_missing"),
        files("/s/").expect(403).reason("no_rule"),
        files("/s").expect(403).reason("no_rule"),
    ];
    let others = ["watch", "s", "stat", "watchers", "Stats", "stats,watcher", "stats%2Cwatcher", "spender", "admin", "%20", "*"];
    for group in others {
        for path in [format!("/s/{group}"), format!("/s/{group}/"), format!("/s/{group}/chart.html")] {
            cases.push(files(&path).expect(403).reason("role_missing"));
        }
    }
    today.stage.check(cases);
}

/// Entry 18: the proxy behind knows nothing of `/v0/`, and is asked as nginx asked it.
#[test]
fn entry_18_what_the_proxy_is_asked() {
    let today = Gatekeeper::today();
    let token = SPENDER.token();
    let get = |path: &str| today.get(path).bearer(&token).expect(200);
    today.stage.check([
        get("/v0/getblockhash/522322").upstream_path("/getblockhash/522322").upstream("x-envoy-expected-rq-timeout-ms", "180000"),
        get("/v0/getbalance/").upstream_path("/getbalance/"),
        // The original took the query for a part of the action, and refused it.
        get("/v0/getbalance?x=1").upstream_path("/getbalance?x=1"),
        get("/v0/getnewaddress/bech32?x=/../conf").upstream_path("/getnewaddress/bech32?x=/../conf"),
    ]);
    let body = |bytes| today.case(Request::post("/v0/spend", "x".repeat(bytes))).bearer(&token).named(format!("{bytes} bytes"));
    today.stage.check([body(1 << 20).expect(200), body((1 << 20) + 1).expect(413).not_upstream()]);
    // No connection is used twice.
    today.stage.envoy.wait_for_stat("cluster.proxy.upstream_cx_max_requests", 4);
    // It reads a body by its Content-Length.
    let mut connection = today.client().connect().unwrap();
    let head = format!("POST /v0/spend HTTP/1.1\r\nhost: api.test\r\nauthorization: Bearer {token}\r\ntransfer-encoding: chunked\r\n\r\n");
    connection.write(format!("{head}5\r\n{{\"a\":\r\n2\r\n1}}\r\n0\r\n\r\n").as_bytes()).unwrap();
    let response = connection.response().unwrap();
    let id = response.header("x-request-id").unwrap();
    let [received] = &today.stage.upstream.received_with_id(&id)[..] else { panic!("{response:?}") };
    assert_eq!((received.header("content-length").as_deref(), received.header("transfer-encoding")), (Some("7"), None));
    assert_eq!(received.body, b"{\"a\":1}");
}

/// Entry 19: refusals say nothing but their status.
#[test]
fn entry_19_empty_refusals() {
    let today = Gatekeeper::today();
    let client = today.client();
    for (token, path, status) in [
        (None, "/v0/helloworld", 403),
        (Some(OF_2018.to_owned()), "/v0/getbestblockhash", 401),
        (Some(OF_THE_README.to_owned()), "/v0/getbestblockhash", 403),
        (Some(STATS.token()), "/v0/spend", 403),
        (Some(ADMIN.token()), "/v0/conf", 403),
        (Some("garbage".to_owned()), "/v0/helloworld", 403),
        (None, "/elsewhere", 403),
    ] {
        let response = client.send(&token.iter().fold(Request::get(path), |request, token| request.bearer(token)));
        assert_eq!((response.status, response.text().as_str(), response.header("www-authenticate")), (status, "", None), "{path}");
        assert_eq!(response.header("cache-control").as_deref(), Some("no-store"));
    }
}

/// The original was seen to answer so; where this differs, the line says what it did.
#[test]
fn the_verdicts_of_today() {
    let today = Gatekeeper::today();
    let key = WATCHER.key.as_bytes();
    let good = WATCHER.token();
    let parts: Vec<&str> = good.split('.').collect();
    let raw: Vec<u8> = (0..32).map(|i| u8::from_str_radix(WATCHER.key.get(2 * i..2 * i + 2).unwrap(), 16).unwrap()).collect();
    let in_10_s = claims("001", 10);
    let later = now(100);
    let upper = |token: &str| {
        let (text, mac) = token.rsplit_once('.').unwrap();
        format!("{text}.{}", mac.to_uppercase())
    };
    let pass = |name: &str, token: &str| today.with(token).named(name).expect(200);
    let refuse = |name: &str, token: &str, status, reason: &str| today.with(token).named(name).expect(status).reason(reason);
    let scheme = |value: String, reason: &str| today.get("/v0/getbestblockhash").header("authorization", value).expect(403).reason(reason);
    let odd = format!(r#"{{"id":"001","exp":{later},"x":"???>>>~~~"}}"#);
    today.stage.check([
        refuse("signed with a line feed", &of_2018(key, HEADER, &in_10_s), 401, "signature_invalid"),
        pass("hex, line feeds in the parts", &of_2019(key, HEADER, &in_10_s, "\n")),
        pass("hex, none in the parts", &of_2019(key, HEADER, &in_10_s, "")),
        pass("a JWT", &good),
        refuse("alg none, good MAC (original: 200)", &of_2021(key, r#"{"alg":"none","typ":"JWT"}"#, &in_10_s), 401, "algorithm_refused"),
        refuse("header aaaa, good MAC (original: 200)", &garbled(&in_10_s), 401, "algorithm_refused"),
        refuse("of 2018, expired", &of_2018(key, HEADER, &claims("001", -1)), 403, "token_expired"),
        refuse("exp is now", &by_watcher(&claims("001", 0)), 403, "token_expired"),
        refuse("of 2018, another MAC", &of_2018(b"x", HEADER, &in_10_s), 401, "signature_invalid"),
        refuse("of 2018, upper case", &upper(&of_2018(key, HEADER, &in_10_s)), 401, "signature_invalid"),
        refuse("hex, upper case", &upper(OF_2019), 401, "signature_invalid"),
        refuse("aaa before and after", &format!("aaa{good}aaa"), 401, "algorithm_refused"),
        refuse("no exp", &by_watcher(r#"{"id":"001"}"#), 403, "claim_missing"),
        pass("exp in 100000 s", &by_watcher(&claims("001", 100_000))),
        refuse("exp a string", &by_watcher(&format!(r#"{{"id":"001","exp":"{later}"}}"#)), 403, "claim_invalid"),
        refuse("exp a fraction", &by_watcher(&format!(r#"{{"id":"001","exp":{later}.5}}"#)), 403, "claim_invalid"),
        refuse("exp with an exponent", &by_watcher(r#"{"id":"001","exp":1e10}"#), 403, "claim_invalid"),
        refuse("exp below zero", &by_watcher(r#"{"id":"001","exp":-1}"#), 403, "token_expired"),
        // The original answered 403: its key file had no line for it to compare.
        refuse("id 999, empty key", &of_2021(b"", HEADER, &claims("999", 10)), 401, "signature_invalid"),
        refuse("id 999, empty key, hex", &of_2019(b"", HEADER, &claims("999", 10), "\n"), 401, "signature_invalid"),
        refuse("id 002 by the key of 001", &by_watcher(&claims("002", 10)), 401, "signature_invalid"),
        refuse("a number for an id", &by_watcher(&format!(r#"{{"id":1,"exp":{later}}}"#)), 401, "signature_invalid"),
        refuse("no id", &by_watcher(&format!(r#"{{"exp":{later}}}"#)), 401, "signature_invalid"),
        scheme(format!("Basic {good}"), "credential_missing"),
        // The original: 401.
        scheme(format!("Bearer  {good}"), "credential_malformed"),
        scheme(format!("Bearer{good}"), "credential_missing"),
        scheme("Bearer".to_owned(), "credential_malformed"),
        refuse("no token", "not-a-jwt", 403, "token_malformed"),
        refuse("two segments (original: 401)", &format!("{}.{}", parts[0], parts[1]), 403, "token_malformed"),
        refuse("four segments (original: 200)", &format!("{good}.x"), 403, "token_malformed"),
        // The original took these four for claims and a header like any other, and passed them.
        refuse("nbf later", &by_watcher(&format!(r#"{{"id":"001","exp":{later},"nbf":{later}}}"#)), 403, "token_not_yet_valid"),
        refuse("iat later", &by_watcher(&format!(r#"{{"id":"001","exp":{later},"iat":{later}}}"#)), 403, "token_from_future"),
        refuse("cnf", &by_watcher(&format!(r#"{{"id":"001","exp":{later},"cnf":{{}}}}"#)), 403, "cnf_unchecked"),
        refuse("another type", &of_2021(key, r#"{"alg":"HS256","typ":"logout+jwt"}"#, &in_10_s), 403, "token_type"),
        pass("one more claim", &by_watcher(&format!(r#"{{"id":"001","exp":{later},"name":"x"}}"#))),
        refuse("by the key's bytes", &of_2021(&raw, HEADER, &in_10_s), 401, "signature_invalid"),
        refuse("by the key in upper case", &of_2021(WATCHER.key.to_uppercase().as_bytes(), HEADER, &in_10_s), 401, "signature_invalid"),
        pass("+ and / in hex's parts (original: 401)", &of_2019(key, HEADER, &odd, "")),
        pass("- and _ in a JWT's", &of_2021(key, HEADER, &odd)),
    ]);
}

/// A good MAC over a first part that is no header.
fn garbled(claims: &str) -> String {
    let text = format!("aaaa.{}", URL_SAFE_NO_PAD.encode(claims));
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(mac(WATCHER.key.as_bytes(), &text)))
}

/// The one-liners of later years, and what the client in JavaScript sends, made again by bash and openssl from what they do.
#[test]
fn the_one_liners_of_today() {
    const OF_2019: &str = r#"
header=$(printf %s '{"alg":"HS256","typ":"JWT"}' | base64)
claims=$(printf %s "{\"id\":\"$ID\",\"exp\":$(($(date +%s) + 10))}" | base64)
mac=$(printf %s "$header.$claims" | openssl dgst -sha256 -hmac "$KEY" -r | cut -d ' ' -f 1)
printf %s "$header.$claims.$mac"
"#;
    const OF_2021: &str = r#"
url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }
header=$(printf %s '{"alg":"HS256","typ":"JWT"}' | url)
claims=$(printf %s "{\"id\":\"$ID\",\"exp\":$(($(date +%s) + 10))}" | url)
mac=$(printf %s "$header.$claims" | openssl dgst -sha256 -hmac "$KEY" -binary | url)
printf %s "$header.$claims.$mac"
"#;
    const BY_JAVASCRIPT: &str = r#"
url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }
header=$(echo '{"alg":"HS256","typ":"JWT"}' | base64)
claims=$(printf %s "{\"id\":\"$ID\",\"exp\":$(($(date +%s) + 10))}" | url)
mac=$(printf %s "$header.$claims" | openssl dgst -sha256 -hmac "$KEY" -binary | url)
printf %s "$header.$claims.$mac"
"#;
    let today = Gatekeeper::today();
    let cases = [OF_2019, OF_2021, BY_JAVASCRIPT].into_iter().flat_map(|script| {
        let token = bash(script, SPENDER);
        let case = |token: &str| today.get("/v0/getbalance").bearer(token).named(script);
        [
            case(&token).expect(200).upstream("authorization", &format!("Bearer {token}")),
            case(&bash(script, Caller { key: STATS.key, ..SPENDER })).expect(401).reason("signature_invalid"),
            case(&bash(script, STATS)).expect(403).reason("role_missing"),
        ]
    });
    let cases: Vec<Case> = cases.collect();
    today.stage.check(cases);
}

/// The same bytes in the other spelling of the MAC are good where both formats are, and a spelling of neither is not.
#[test]
fn a_mac_has_two_spellings_at_most() {
    let today = Gatekeeper::today();
    let text = OF_2019.rsplit_once('.').unwrap().0;
    let bytes = mac(WATCHER.key.as_bytes(), text);
    let with = |mac: &str| today.with(&format!("{text}.{mac}"));
    today.stage.check([
        with(&hex(&bytes)).expect(200),
        with(&URL_SAFE_NO_PAD.encode(&bytes)).expect(200),
        with(&base64::engine::general_purpose::STANDARD.encode(&bytes)).expect(401).reason("signature_invalid"),
        with(&URL_SAFE_NO_PAD.encode(hex(&bytes))).expect(401).reason("signature_invalid"),
    ]);
}
