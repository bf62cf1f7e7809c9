//! Entries 15 and 16: actions that nobody has, and paths that are one thing to whoever judges them and another to whoever acts.

use crate::gatekeeper::{ADMIN, Gatekeeper, SPENDER, STATS, WATCHER};

/// Entry 15.
#[test]
fn entry_15_actions_that_are_none() {
    let today = Gatekeeper::today();
    let token = ADMIN.token();
    let none = [
        "/v0/",
        "/v0",
        "/",
        "/V0/getbestblockhash",
        "/v1/getbestblockhash",
        "/v0/GetBestBlockHash",
        "/v0/getbestblockhas",
        "/v0/getbestblockhashx",
        "/v0/getbestblockhash,spend",
        "/v0/unknown",
        "/v0/spend%20",
        "/getbestblockhash",
        "/auth",
        "/S/stats/x",
    ];
    today.stage.check(none.map(|path| today.get(path).bearer(&token).expect(403).reason("no_rule")));
}

/// Entry 16: the original judged what was sent and acted on what nginx made of it, so that a key for statistics could spend.
#[test]
fn entry_16_ways_around() {
    let today = Gatekeeper::today();
    let token = STATS.token();
    let mut cases = Vec::new();
    for target in ["spend", "conf", "getbestblockhash"] {
        for path in [
            "/v0/helloworld/../X",
            "/v0/helloworld/%2e%2e/X",
            "/v0/helloworld/%2E./X",
            "/v0/helloworld/.%2e/X",
            "/v0/helloworld/..%2fX",
            "/v0/helloworld/..%2FX",
            "/v0/helloworld%2f..%2fX",
            "/v0/helloworld/%2e%2e%2fX",
            "/v0/helloworld/%252e%252e/X",
            "/v0/helloworld/..%5cX",
            "/v0/helloworld/..\\X",
            "/v0/helloworld/..;/X",
            "/v0/helloworld;/../X",
            "/v0//X",
            "//v0/X",
            "//v0//X",
            "/v0/./X",
            "/v0/x/../X",
            "/v0/../v0/X",
            "/../v0/X",
            "/s/stats/../../v0/X",
            "/s/stats/%2e%2e/%2e%2e/v0/X",
            "/s/../v0/X",
            "/v0/helloworld/../X/",
            "/v0/helloworld/../X?x=/helloworld",
            "/v0/helloworld/../X#helloworld",
            "/v0/%00X",
            "/v0/X%00",
            "http://api.test/v0/helloworld/../X",
        ] {
            let path = path.replace('X', target);
            cases.push(today.get(&path).bearer(&token).not_upstream());
        }
        // The same letters, spelled otherwise.
        let coded: String = target.bytes().map(|byte| format!("%{byte:02x}")).collect();
        cases.push(today.get(&format!("/v0/{coded}")).bearer(&token).not_upstream());
        cases.push(today.get(&format!("/v0/helloworld/%2e%2e/{coded}")).bearer(&token).not_upstream());
    }
    // What they come to after all is judged as that.
    cases.extend([
        today.get("/v0/helloworld/../spend").bearer(&token).expect(403).reason("role_missing"),
        today.get("/v0/helloworld/%2e%2e/conf").bearer(&token).expect(403).reason("denied"),
        today.get("/v0/helloworld/..%2fconf").bearer(&token).expect(400),
        today.get("/v0/helloworld;x").bearer(&token).expect(400).reason("path_invalid"),
        // A segment that is empty is one to go back from: this is the action helloworld still.
        today.get("/v0/helloworld//../spend").bearer(&token).expect(200).upstream_path("/helloworld/spend"),
        today.get("/v0/spend/../helloworld").bearer(&token).expect(200).upstream_path("/helloworld"),
        today.get("//v0//helloworld").bearer(&token).expect(200).upstream_path("/helloworld"),
        today.get("/v0/helloworld/../spend").bearer(&SPENDER.token()).expect(200).upstream_path("/spend"),
    ]);
    // The method and other headers choose nothing.
    let named = |name: &str, value: &str| today.get("/v0/helloworld").bearer(&token).header(name, value).expect(200).upstream_absent(name);
    cases.extend([named("x-original-url", "/spend"), named("x-rewrite-url", "/spend"), named("x-http-method-override", "POST")]);
    // Another spelling of a dash. (Over HTTP/2 Envoy has no status for it.)
    today.stage.check([today.get("/v0/helloworld").bearer(&token).header("x_auth_subject", "003").expect(400).not_upstream()]);
    for http2 in [false, true] {
        let checked = cases.iter().cloned().map(|case| if http2 { case.http2() } else { case });
        let failed: Vec<String> = checked
            .filter_map(|case| case.run(&today.stage).err())
            .filter(|error| !http2 || !error.contains("HTTP/2 can't carry it"))
            .collect();
        assert!(failed.is_empty(), "{}", failed.join("\n"));
    }
}

/// What reaches the proxy is an action of the groups of whoever asked, whatever was sent: it acts on what stands between the first slashes.
#[test]
fn the_proxy_sees_no_other_action() {
    let today = Gatekeeper::today();
    let token = WATCHER.token();
    let before = today.stage.upstream.count();
    for path in [
        "/v0/getbestblockhash",
        "/v0/getbestblockhash/",
        "/v0/getbestblockhash/a/b",
        "/v0/%67etbestblockhash",
        "/v0/getbestblockhash?/spend",
    ] {
        let response = today.client().send(&portcullis_harness::Request::get(path).bearer(&token));
        assert_eq!(response.status, 200, "{path}");
        let id = response.header("x-request-id").unwrap();
        let [received] = &today.stage.upstream.received_with_id(&id)[..] else { panic!("{path}") };
        let action = received.path.split(['/', '?']).nth(1).unwrap();
        assert!(matches!(action, "getbestblockhash" | "%67etbestblockhash"), "{path}: {}", received.path);
    }
    assert!(today.stage.upstream.count() >= before + 5);
}
