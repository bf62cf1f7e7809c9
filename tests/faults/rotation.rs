//! An identity provider that answers well, but with keys that come and go.

use crate::house::{BUSY, Client, REFRESH, assert_alive, es, forged, metric, recoveries, token, users};
use portcullis_harness::{Case, IdentityProvider, PATIENCE, Request, RunningStage, Stage, poll};
use serde_json::{Value, json};
use std::thread;
use std::time::{Duration, Instant};

/// Of fetches for unknown keys.
const COOLDOWN: Duration = Duration::from_secs(1);

fn stage(settings: Value) -> RunningStage {
    let mut users = users("idp", "/.well-known/jwks.json");
    for (name, value) in settings.as_object().expect("an object") {
        users["jwt"]["keys"][name] = value.clone();
    }
    let stage = Stage::new().config(json!({"providers": {"users": users}})).identity_provider(IdentityProvider::with_keys([es(1)]));
    stage.start()
}

fn request(number: u32) -> Request {
    Request::get("/").bearer(&token(&es(number)))
}

/// By mistake, or for a moment, the key that everybody's tokens are signed with isn't published. The issuer's word counts: it may have been stolen.
#[test]
fn a_set_that_drops_the_key_in_use() {
    let stage = stage(json!({"wait": "5s"}));
    let begun = Instant::now();
    recoveries(&stage, begun, &[request(1)], &[]);
    stage.identity_provider.rotate([es(2)]);
    let mut client = Client::new(&stage);
    let dropped = Instant::now();
    let is_refused = poll(PATIENCE, || (client.status(&request(1)) == 401).then(|| dropped.elapsed()));
    let refused = is_refused.expect("a key that isn't published any more serves on");
    assert!(refused < REFRESH + BUSY, "{refused:?}");
    stage.check([
        Case::new(request(1)).expect(401).reason("key_unknown"),
        Case::new(request(2)).expect(200),
        Case::get("/").bearer(&forged()).expect(401).reason("key_unknown"),
    ]);
    // One for the old token's sake: then unknown keys have to cool down, and what brings the key back is the refresh.
    stage.identity_provider.rotate([es(2), es(1)]);
    let forged = Request::get("/").bearer(&forged());
    let (_, recovered) = recoveries(&stage, Instant::now(), &[request(1), request(2)], &[forged]);
    assert!(recovered < REFRESH + BUSY, "{recovered:?}");
    println!("a dropped key: refused after {} ms, good again after {} ms", refused.as_millis(), recovered.as_millis());
    let line = stage.envoy.wait_for_log("reason=key_unknown");
    assert!(line.contains("provider=users") && line.contains("es256-1"), "nobody can tell which key it is: {line}");
    assert!(stage.envoy.stat(&metric("rejected.key_unknown")) >= Some(2));
    assert_alive(&stage);
}

/// Each second another key, which signs at once, and an old one that is gone. Fetches for keys that nobody knows have to cool down for a second here, the least
/// there is: so each key is known within two at most, and with the usual half minute, only the refreshes keep up.
#[test]
fn a_set_that_rotates_every_second() {
    const ROUNDS: u32 = 5;
    let stage = stage(json!({"wait": "5s", "refresh": "1h", "unknown_kid": {"cooldown": "1s"}}));
    recoveries(&stage, Instant::now(), &[request(1)], &[]);
    let mut client = Client::new(&stage);
    let mut slowest = Duration::ZERO;
    let begun = Instant::now();
    for number in 2..2 + ROUNDS {
        thread::sleep(Duration::from_secs(u64::from(number - 1)).saturating_sub(begun.elapsed()));
        stage.identity_provider.rotate([es(number)]);
        let never = [Request::get("/").bearer(&forged())];
        let (_, known) = recoveries(&stage, Instant::now(), &[request(number)], &never);
        slowest = slowest.max(known);
        assert_eq!(client.status(&request(number - 1)), 401, "key {} is gone", number - 1);
    }
    assert!(slowest < COOLDOWN + BUSY, "{slowest:?}");
    println!("another key every second: known {} ms after, at the latest", slowest.as_millis());
    let (fetches, seconds) = (stage.identity_provider.fetch_count(), begun.elapsed().as_secs());
    assert!(u64::try_from(fetches).is_ok_and(|fetches| fetches <= seconds + 2), "{fetches} fetches in {seconds} s");
    let fetched = stage.envoy.log().lines_with("keys fetched provider=users cluster=idp host=idp.test status=200");
    assert_eq!(fetched.len(), fetches, "{fetched:#?}");
    assert_eq!(stage.envoy.stat(&metric("fetch.users.success")), u64::try_from(fetches).ok());
    assert_alive(&stage);
}
