//! Credentials that are none, somebody else's, stale, forged, endless or no text at all: a status, a reason, and nothing of them anywhere.

use crate::gatekeeper::{Gatekeeper, HEADER, OF_2018, OF_2021, OF_THE_README, SPENDER, STATS, WATCHER, claims, of_2018, of_2019, of_2021};
use portcullis_harness::{Case, Request};

/// Sent to today's gatekeeper and to the first one.
#[test]
fn bad_input() {
    for (gatekeeper, wrong_mac) in [(Gatekeeper::today(), 401), (Gatekeeper::first(), 403)] {
        let get = || gatekeeper.get("/v0/getbestblockhash");
        let raw = |value: &[u8]| gatekeeper.case(Request::get("/v0/getbestblockhash").header("authorization", value));
        let forged = of_2018(SPENDER.key.as_bytes(), HEADER, &claims("001", 10));
        let stale = of_2018(WATCHER.key.as_bytes(), HEADER, &claims("001", -10));
        let escaped = of_2019(WATCHER.key.as_bytes(), HEADER, &claims("\\u0000\\n\\u001b[31m", 10), "\n");
        let deep = of_2019(
            WATCHER.key.as_bytes(),
            HEADER,
            &format!(r#"{{"id":"001","exp":4102444800,"x":{}{}}}"#, "[".repeat(900), "]".repeat(900)),
            "\n",
        );
        let doubled = of_2019(WATCHER.key.as_bytes(), HEADER, r#"{"id":"000","id":"001","exp":4102444800}"#, "\n");
        let header_doubled = of_2019(WATCHER.key.as_bytes(), r#"{"alg":"none","alg":"HS256"}"#, &claims("001", 10), "\n");
        let long = |bytes: usize| format!("{OF_2021}{}", "A".repeat(bytes));
        let dots = ".".repeat(10_000);
        let of_nobody = of_2021(STATS.key.as_bytes(), HEADER, &claims("zzz", 10));
        let mut cases: Vec<Case> = vec![
            get().expect(403).reason("credential_missing"),
            gatekeeper.with(&forged).expect(wrong_mac).reason("signature_invalid"),
            gatekeeper.with(&stale).expect(403).reason("token_expired"),
            gatekeeper.with(OF_THE_README).expect(403).reason("token_expired"),
            gatekeeper.with("garbage").expect(403).reason("token_malformed"),
            gatekeeper.with("..").expect(403).reason("token_malformed"),
            gatekeeper.with(&dots).expect(403).reason("token_malformed"),
            gatekeeper.with(&escaped).expect(wrong_mac).reason("signature_invalid"),
            gatekeeper.with(&deep).expect(403).reason("token_malformed"),
            gatekeeper.with(&doubled).expect(403).reason("token_malformed"),
            gatekeeper.with(&header_doubled).expect(wrong_mac).reason("algorithm_refused"),
            gatekeeper.with(&long(17_000)).expect(403).reason("credential_too_large"),
            gatekeeper.with(&long(50_000)).expect(403).reason("credential_too_large"),
            gatekeeper.with(&long(65_536)).expect(431).not_upstream(),
            gatekeeper.with(&"\u{fffd}".repeat(100)).expect(403).reason("token_malformed"),
            raw(b"Bearer \xff\xfe\xfd.\x80.\xff").expect(403).reason("token_malformed"),
            raw(&[b"Bearer ", OF_2018.as_bytes(), b"\xff"].concat()).expect(403).reason("token_malformed"),
            raw(b"\xff\xff").expect(403).reason("credential_missing"),
            get().bearer(&forged).bearer(&forged).expect(400).reason("credential_ambiguous"),
            get().bearer(OF_2021).bearer(OF_2018).expect(400).reason("credential_ambiguous"),
            get().header("authorization", format!("Bearer {OF_2021}, Bearer {OF_2018}")).expect(400).reason("credential_ambiguous"),
            get().header("authorization", "Bearer a b").expect(403).reason("credential_malformed"),
        ];
        if wrong_mac == 401 {
            cases.push(gatekeeper.with(&of_nobody).expect(401).reason("signature_invalid"));
        }
        gatekeeper.stage.check(cases);
        gatekeeper.keeps_to_itself(&[&forged, &stale, &escaped, &deep, &doubled, &of_nobody, OF_2018, OF_2021, OF_THE_README]);
        assert_eq!(gatekeeper.stage.envoy.log().lines_with("panicked"), Vec::<String>::new());
    }
}
