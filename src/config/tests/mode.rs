//! `mode`, for all and by rule.

use serde_json::json;

use super::{assert_faults, base, loaded, with};
use crate::config::ended_observations;
use crate::policy::Mode;
use crate::time::UnixTime;

const END: UnixTime = UnixTime::from_seconds(1_798_761_600);

fn observe() -> serde_json::Value {
    json!({"observe": {"until": "2027-01-01T00:00:00Z"}})
}

#[test]
fn a_rules_own_mode_wins() {
    let rules = json!([
        {"match": {"path": "/a"}, "require": "tokens"},
        {"match": {"path": "/b"}, "mode": "enforce", "require": "tokens"},
        {"match": {"path": "/c"}, "mode": {"observe": {"until": "2028-01-01T00:00:00Z"}}, "require": "tokens"},
    ]);
    let config = with(base(), "/rules", rules);
    let modes = |config: &serde_json::Value| loaded(config).rules.iter().map(|rule| rule.mode).collect::<Vec<_>>();
    let later = Mode::Observe { until: UnixTime::from_seconds(1_830_297_600) };
    assert_eq!(modes(&config), [Mode::Enforce, Mode::Enforce, later]);
    let config = with(config, "/mode", observe());
    assert_eq!(modes(&config), [Mode::Observe { until: END }, Mode::Enforce, later]);
    assert_eq!(loaded(&config).mode, Mode::Observe { until: END });
    // Without rules, the only provider's.
    let mut only = with(json!({}), "/providers/secrets", base()["providers"]["secrets"].clone());
    only["mode"] = observe();
    assert_eq!(modes(&only), [Mode::Observe { until: END }]);
    assert_eq!(modes(&base()), [Mode::Enforce]);
}

#[test]
fn an_end_is_the_first_moment_that_is_enforced() {
    let mode = Mode::Observe { until: END };
    assert!(mode.observes(UnixTime::from_millis(END.millis() - 1)) && !mode.observes(END));
    assert!(!Mode::Enforce.observes(UnixTime::default()));
}

#[test]
fn observing_without_an_end_is_refused() {
    let at = |pointer: &str, value| with(base(), pointer, value);
    for (mode, fault) in [
        (json!("observe"), ": not a mode; write enforce, or {observe: {until: 2027-01-01T00:00:00Z}}"),
        (json!(true), ": true or false, where enforce, or {observe: {until: 2027-01-01T00:00:00Z}} is wanted"),
        (json!({}), ".observe: missing"),
        (json!({"observe": {}}), ".observe.until: missing"),
        (json!({"observe": null}), ".observe: null"),
        (json!({"observe": {"until": "tomorrow"}}), ".observe.until: not a time of RFC 3339 in UTC"),
        (json!({"observe": {"until": "2027-01-01"}}), ".observe.until: not a time of RFC 3339 in UTC"),
        (json!({"observe": {"until": "2027-01-01T00:00:00+01:00"}}), ".observe.until: not a time of RFC 3339 in UTC"),
        (json!({"observe": {"until": 1_798_761_600}}), ".observe.until: a number or a boolean, where text is wanted: quote it"),
        (json!({"observe": {"until": "2027-01-01T00:00:00Z", "log": true}}), ".observe.log: unknown field; known here: until"),
        (json!({"enforce": {}, "observe": {"until": "2027-01-01T00:00:00Z"}}), ".enforce: unknown field; known here: observe"),
    ] {
        assert_faults(&at("/mode", mode.clone()), &[&format!("mode{fault}")]);
        assert_faults(&at("/rules/0/mode", mode), &[&format!("rules[0].mode{fault}")]);
    }
}

#[test]
fn what_is_over_is_told() {
    let ended = |config: &serde_json::Value, now| {
        ended_observations(&loaded(config), now).into_iter().map(|warning| warning.to_string()).collect::<Vec<_>>()
    };
    let says = "observe.until: this time is over: what would have been observed is enforced";
    let whole = with(base(), "/mode", observe());
    let rule = with(base(), "/rules/0/mode", observe());
    let before = UnixTime::from_millis(END.millis() - 1);
    assert_eq!(ended(&whole, before).len() + ended(&rule, before).len() + ended(&base(), END).len(), 0);
    assert_eq!(ended(&whole, END), [format!("mode.{says}")]);
    assert_eq!(ended(&rule, END), [format!("rules[0].mode.{says}")]);
}

#[test]
fn what_a_client_could_miss_is_spared() {
    let headers = json!({"x-user": {"identity": "subject"}, "x-role": {"identity": "roles"}, "x-injected": {"secret": {"env": "TEXT"}}});
    let config = with(with(base(), "/upstream/headers", headers), "/upstream/remove", json!(["x-internal-*"]));
    let places = json!([{"header": "x-api-key"}, {"header": "x-user"}, {"header": "x-injected"}, {"header": "x-internal-token"}]);
    let config = with(config, "/providers/tokens/from", places);
    let spares = |config: &serde_json::Value, name: &str| {
        let removal = loaded(config).removal;
        assert!(removal.covers(name.as_bytes()), "{name}");
        removal.spares(name.as_bytes())
    };
    // Credentials, in whatever spelling; not what would pass for an identity.
    for name in ["x-api-key", "x_api.key", "x-injected", "x-internal-token", "authorization"] {
        assert!(spares(&config, name), "{name}");
    }
    for name in ["x-user", "x_user", "x-role", "x-internal-user"] {
        assert!(!spares(&config, name), "{name}");
    }
    // Whoever spells the identity's name differently for a credential does not make a client's word for it stay.
    let odd = with(config.clone(), "/providers/tokens/from", json!([{"header": "x_user"}]));
    assert!(!spares(&odd, "x-user") && !spares(&odd, "x_user"));
    // A payload passes for an identity, too.
    let payload = with(config.clone(), "/providers/tokens/upstream/payload_header", json!("x-payload"));
    let payload = with(payload, "/providers/tokens/from", json!([{"header": "x-payload"}]));
    assert!(!spares(&payload, "x-payload") && !spares(&payload, "x_payload"));
    // What makes another method or path of a request could lead it to a rule that is enforced.
    let config = with(config, "/rules", json!([{"match": {"path": "/a"}, "require": "tokens"}, {"require": "tokens"}]));
    let config = with(config, "/mode", observe());
    assert!(spares(&config, "x-original-url"));
    assert!(!spares(&with(config.clone(), "/rules/1/mode", json!("enforce")), "x-original-url"));
    assert!(!spares(&with(config, "/rules/1/mode/observe/until", json!("2026-12-31T00:00:00Z")), "x-original-url"));
}
