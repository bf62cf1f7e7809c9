//! The gatekeeper of 2018, whose clients sign a line feed: entries 1 to 11 of what it must do, and 403 for all that it refuses.

use crate::gatekeeper::{
    ADMIN, BY_EMPTY_KEY, BY_JAVASCRIPT, Caller, Gatekeeper, HEADER, OF_2018, OF_2019, OF_2021, OF_THE_README, SPENDER, STATS, WATCHER,
    bash, claims, hex, in_2018, mac, of_2018, of_2019, of_2021,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use portcullis_harness::{Case, Request, now};

/// Refused as the original did, whatever the reason.
fn refused(case: Case, reason: &str) -> Case {
    case.expect(403).reason(reason).answer_absent("www-authenticate")
}

fn by_watcher(claims: &str) -> String {
    of_2018(WATCHER.key.as_bytes(), HEADER, claims)
}

/// Entries 1, 10 and 11: the vector, whose parts end with line feeds and padding; and the paths that its clients called.
#[test]
fn entry_01_10_11_the_first_token() {
    let first = Gatekeeper::first();
    let authorization = format!("Bearer {OF_2018}");
    first.stage.check([
        first.with(OF_2018).expect(200).upstream("authorization", &authorization).upstream_path("/getbestblockhash"),
        first.get("/getbestblockhash").bearer(OF_2018).expect(200).upstream("authorization", &authorization).access("subject", "001"),
    ]);
}

/// Entry 2: what later gatekeepers take is refused unless it is enabled.
#[test]
fn entry_02_later_formats() {
    let first = Gatekeeper::first();
    let not_ended = of_2019(WATCHER.key.as_bytes(), HEADER, &claims("001", 10), "");
    first.stage.check([
        refused(first.with(OF_2019), "signature_invalid"),
        refused(first.with(&not_ended), "signature_invalid"),
        refused(first.with(OF_2021), "token_malformed"),
        refused(first.with(BY_JAVASCRIPT), "token_malformed"),
        refused(first.with(&of_2021(WATCHER.key.as_bytes(), HEADER, &format!("{}\n", claims("001", 10)))), "signature_invalid"),
    ]);
}

/// Entry 3: for an id that wasn't there the first script took the empty key, and anything in it for a command.
#[test]
fn entry_03_ids_that_nobody_has() {
    let first = Gatekeeper::first();
    let made = |id: &str, key: &str| first.with(&of_2018(key.as_bytes(), HEADER, &claims(id, 10))).named(id);
    let mut cases = vec![refused(first.with(BY_EMPTY_KEY), "signature_invalid")];
    for id in ["999", "", "PATH", "HOME", "1;touch x", "001;touch x", "$(touch x)", "`touch x`", "001 ", "0001", "1", "*", "../001"] {
        for key in ["", WATCHER.key, SPENDER.key] {
            cases.push(refused(made(id, key), "signature_invalid"));
        }
    }
    cases.push(refused(made("001", ""), "signature_invalid"));
    first.stage.check(cases);
}

/// Entry 4.
#[test]
fn entry_04_exp_is_later_than_now() {
    let first = Gatekeeper::first();
    let until = |seconds| first.with(&by_watcher(&claims("001", seconds))).named(format!("{seconds} s"));
    first.stage.check([
        until(10).expect(200),
        until(100_000).expect(200),
        refused(until(0), "token_expired"),
        refused(until(-1), "token_expired"),
        refused(until(-100_000), "token_expired"),
        refused(first.with(OF_THE_README), "token_expired"),
    ]);
}

/// Entry 5.
#[test]
fn entry_05_exp_is_a_whole_number() {
    let first = Gatekeeper::first();
    let with = |exp: &str| first.with(&by_watcher(&format!(r#"{{"id":"001","exp":{exp}}}"#))).named(exp);
    let mut cases = vec![
        refused(first.with(&by_watcher(r#"{"id":"001"}"#)), "claim_missing"),
        refused(with("null"), "claim_missing"),
        refused(with("-1"), "token_expired"),
        refused(with("0"), "token_expired"),
        refused(with(""), "token_malformed"),
        refused(with("0x77359400"), "token_malformed"),
    ];
    let later = now(100);
    let wrong = [format!("\"{later}\""), format!("{later}.0"), format!("{later}.5"), "1e10".into(), "9.9e9".into(), format!("[{later}]")];
    cases.extend(wrong.iter().map(|exp| refused(with(exp), "claim_invalid")));
    cases.extend(["true", "{}", "\"\"", "\"never\"", "99999999999999999999"].map(|exp| refused(with(exp), "claim_invalid")));
    first.stage.check(cases);
}

/// Entry 6.
#[test]
fn entry_06_macs_that_are_almost_right() {
    let first = Gatekeeper::first();
    let (text, digits) = OF_2018.rsplit_once('.').unwrap();
    let raw: Vec<u8> = (0..32).map(|i| u8::from_str_radix(WATCHER.key.get(2 * i..2 * i + 2).unwrap(), 16).unwrap()).collect();
    let line = format!("{text}\n");
    let wrong = [
        digits.replacen('3', "4", 1),
        digits.to_uppercase(),
        hex(&mac(&raw, &line)),
        hex(&mac(WATCHER.key.to_uppercase().as_bytes(), &line)),
        hex(&mac(WATCHER.key.as_bytes(), &format!("{text}\n\n"))),
        URL_SAFE_NO_PAD.encode(mac(WATCHER.key.as_bytes(), &line)),
        format!("{digits}0"),
        format!("0{digits}"),
        digits.strip_suffix('8').unwrap().to_owned(),
        String::new(),
    ];
    first.stage.check(wrong.map(|mac| refused(first.with(&format!("{text}.{mac}")), "signature_invalid")));
}

/// Entry 7. The original also refused `bearer`, and took `BearerTOKEN`.
#[test]
fn entry_07_other_credentials() {
    let first = Gatekeeper::first();
    let with = |value: &str| first.get("/v0/getbestblockhash").header("authorization", value).named(value);
    first.stage.check([
        refused(first.get("/v0/getbestblockhash"), "credential_missing"),
        refused(first.get("/v0/getbestblockhash").basic("001", WATCHER.key), "credential_missing"),
        refused(with(&format!("Bearer{OF_2018}")), "credential_missing"),
        refused(with(&format!("Token {OF_2018}")), "credential_missing"),
        refused(with(OF_2018), "credential_missing"),
        refused(with("Bearer "), "credential_malformed"),
        refused(with("Bearer"), "credential_malformed"),
        refused(with(""), "credential_malformed"),
        refused(with(&format!("Bearer  {OF_2018}")), "credential_malformed"),
        refused(with(&format!("Bearer\t{OF_2018}")), "credential_malformed"),
        with(&format!("bearer {OF_2018}")).expect(200),
        with(&format!("BEARER {OF_2018}")).expect(200),
        // The token stands nowhere else.
        refused(first.get(&format!("/v0/getbestblockhash?token={OF_2018}")), "credential_missing"),
        refused(first.get("/v0/getbestblockhash").header("cookie", format!("token={OF_2018}")), "credential_missing"),
    ]);
}

/// Entry 8.
#[test]
fn entry_08_the_key_of_somebody_else() {
    let first = Gatekeeper::first();
    let crossed = Caller { key: SPENDER.key, ..WATCHER };
    first.stage.check([refused(first.with(&crossed.first()), "signature_invalid"), first.with(&WATCHER.first()).expect(200)]);
}

/// Entry 9: each padding of base64 that ids lead to.
#[test]
fn entry_09_ids_of_all_lengths() {
    // `{"id":"...","exp":1234567890}` and a line feed are 27 bytes and the id's.
    let ids = [("01", STATS, 1), ("001", WATCHER, 0), ("0001", SPENDER, 2), ("00001", ADMIN, 1)];
    let gatekeeper = Gatekeeper::start(|example| {
        ids.iter().fold(in_2018(example), |example, (id, caller, _)| {
            example.replace(&format!("{{id: \"{}\"", caller.id), &format!("{{id: \"{id}\""))
        })
    });
    for (id, caller, padding) in ids {
        let token = Caller { id, ..caller }.first();
        assert_eq!(token.split('.').nth(1).unwrap().bytes().filter(|byte| *byte == b'=').count(), padding);
        gatekeeper.stage.check([gatekeeper.get("/helloworld").bearer(&token).expect(200).access("subject", id)]);
    }
}

/// Entry 11: base64 in any other way than the format's is refused, by whatever it could be read.
#[test]
fn entry_11_base64_of_the_format_alone() {
    let first = Gatekeeper::first();
    let signed = |header: &str, claims: &str| {
        let text = format!("{header}.{claims}");
        first.with(&format!("{text}.{}", hex(&mac(WATCHER.key.as_bytes(), &format!("{text}\n")))))
    };
    let (header, claims) = (STANDARD.encode(format!("{HEADER}\n")), STANDARD.encode(format!("{}\n\n", claims("001", 10))));
    let bare = claims.trim_end_matches('=');
    assert!(claims.ends_with("=="));
    first.stage.check([
        signed(&header, &claims).expect(200),
        refused(signed(&header, bare), "token_malformed"),
        refused(signed(&header, &format!("{claims}=")), "token_malformed"),
        refused(signed(&header, &format!("{bare}=")), "token_malformed"),
        refused(signed(&header, &format!("{claims}%0A")), "token_malformed"),
        refused(signed(header.trim_end_matches('='), &claims), "algorithm_refused"),
    ]);
}

/// The rest of what the first gatekeeper did with tokens, as it was seen to do it, but for two: it took a header of any kind, and ids that nobody had.
#[test]
fn the_verdicts_of_2018() {
    let first = Gatekeeper::first();
    let key = WATCHER.key.as_bytes();
    let good = WATCHER.first();
    let parts: Vec<&str> = good.split('.').collect();
    first.stage.check([
        first.with(&good).expect(200),
        first.with(&by_watcher(&format!(r#"{{"id":"001","exp":{},"more":[1,"a"]}}"#, now(10)))).expect(200),
        refused(first.with(&of_2018(key, r#"{"alg":"none"}"#, &claims("001", 10))), "algorithm_refused"),
        refused(first.with(&of_2018(key, "aaaa", &claims("001", 10))), "algorithm_refused"),
        refused(first.with(&of_2021(key, HEADER, &claims("001", 10))), "token_malformed"),
        refused(first.with(&by_watcher(&format!(r#"{{"id":1,"exp":{}}}"#, now(10)))), "signature_invalid"),
        refused(first.with(&by_watcher(&format!(r#"{{"exp":{}}}"#, now(10)))), "signature_invalid"),
        refused(first.with(&format!("aaa{good}aaa")), "algorithm_refused"),
        refused(first.with("not-a-token"), "token_malformed"),
        refused(first.with(&format!("{}.{}", parts[0], parts[1])), "token_malformed"),
        refused(first.with(&format!("{good}.x")), "token_malformed"),
    ]);
}

/// The one-liner, made again by bash and openssl from what it does.
#[test]
fn the_one_liner_of_2018() {
    let first = Gatekeeper::first();
    let script = r#"
header=$(echo '{"alg":"HS256","typ":"JWT"}' | base64)
claims=$(echo "{\"id\":\"$ID\",\"exp\":$(($(date +%s) + 10))}" | base64)
mac=$(echo "$header.$claims" | openssl dgst -sha256 -hmac "$KEY" -r | cut -d ' ' -f 1)
printf %s "$header.$claims.$mac"
"#;
    let token = bash(script, WATCHER);
    assert!(token.starts_with("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9Cg=="), "{token}");
    first.stage.check([
        first.case(Request::get("/getbestblockhash")).bearer(&token).expect(200).upstream("authorization", &format!("Bearer {token}")),
        refused(first.with(&bash(script, Caller { key: SPENDER.key, ..WATCHER })), "signature_invalid"),
    ]);
}
