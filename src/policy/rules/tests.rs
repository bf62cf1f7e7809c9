//! What is looked up is what trying each rule in turn would find.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select as one_of;

use super::*;
use crate::policy::{Action, Match, Mode, PathTemplate, Paths, Policy, Selected, select};
use crate::refusal::RequestError;
use crate::request::Request;

/// Few words, so that rules and requests meet, and rules each other.
const SEGMENTS: [&str; 7] = ["a", "b", "ab", "", "a;b", "*", "{x}"];
const LABELS: [&str; 3] = ["a", "b", "ab"];
/// Nothing; a header that rules may name, once and twice; an upgrade; a preflight.
const MORE: [&[(&str, &str)]; 5] = [
    &[],
    &[("x", "1")],
    &[("x", "1"), ("x", "1")],
    &[("upgrade", "h2c")],
    &[("origin", "https://a"), ("access-control-request-method", "GET")],
];
const METHODS: [&str; 5] = ["GET", "HEAD", "POST", "OPTIONS", "CONNECT"];

fn path() -> impl Strategy<Value = String> {
    vec(one_of(&SEGMENTS), 1..5).prop_map(|segments| format!("/{}", segments.join("/")))
}

fn host() -> impl Strategy<Value = String> {
    vec(one_of(&LABELS), 1..4).prop_map(|labels| labels.join("."))
}

fn path_match() -> impl Strategy<Value = PathMatch> {
    let template = (path(), any::<bool>()).prop_filter_map("a variable stands once", |(path, is_open)| {
        PathTemplate::parse(&if is_open { format!("{path}/**") } else { path }).ok().map(PathMatch::Template)
    });
    prop_oneof![path().prop_map(PathMatch::Exact), path().prop_map(PathMatch::Prefix), template]
}

fn host_pattern() -> impl Strategy<Value = HostPattern> {
    prop_oneof![host().prop_map(HostPattern::Exact), host().prop_map(HostPattern::Below)]
}

fn rule() -> impl Strategy<Value = Rule> {
    let methods = option::of(vec(one_of(&METHODS).prop_map(Into::into), 1..3));
    let hosts = prop_oneof![Just(vec![]), vec(host_pattern(), 1..3)];
    let headers = prop_oneof![4 => Just(vec![]), 1 => Just(vec![("x".into(), b"1".to_vec())])];
    let upgrades = prop_oneof![4 => Just(vec![]), 1 => Just(vec!["h2c".to_owned()])];
    let when = (option::weighted(0.8, path_match()), methods, hosts, headers, upgrades, proptest::bool::weighted(0.1));
    when.prop_map(|(path, methods, hosts, headers, upgrades, cors_preflight)| Rule {
        when: Match { path, methods, hosts, headers, upgrades, cors_preflight },
        then: Action::Anyone,
        mode: Mode::Enforce,
    })
}

fn request() -> impl Strategy<Value = Request> {
    let target = prop_oneof![9 => path(), 1 => Just("*".to_owned())];
    (target, host(), one_of(&METHODS), one_of(&MORE)).prop_map(|(target, host, method, more)| {
        let fields = [(":path", &*target), (":authority", &*host), (":method", method)];
        Request { headers: fields.into_iter().chain(more.iter().copied()).collect() }
    })
}

fn policy(rules: Rules) -> Policy {
    let mut policy = crate::config::load(br#"{"providers": {}, "rules": [{"allow": "anyone"}]}"#, &|_| None).unwrap().0;
    policy.rules = rules;
    policy.names_paths = true;
    policy.paths = Paths { encoded_slash: true, empty_segments: true, parameters: true };
    policy
}

fn outcome(selected: Result<Selected<'_>, RequestError>) -> Result<(usize, String), RequestError> {
    selected.map(|selected| (selected.index, format!("{:?}", selected.variables)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_is_the_rule_that_trying_each_would_find(rules in vec(rule(), 1..40), requests in vec(request(), 32)) {
        let index = ByHost::of(&rules);
        prop_assert!(index.is_some());
        let mut policy = policy(Rules { list: rules, index });
        let looked_up: Vec<_> = requests.iter().map(|request| outcome(select(&policy, request))).collect();
        policy.rules.index = None;
        let tried: Vec<_> = requests.iter().map(|request| outcome(select(&policy, request))).collect();
        prop_assert_eq!(looked_up, tried);
    }
}

fn rules(paths: impl Iterator<Item = PathMatch>) -> Rules {
    let rule = |path| Rule { when: Match { path: Some(path), ..Match::default() }, then: Action::Anyone, mode: Mode::Enforce };
    Rules::new(paths.map(rule).collect())
}

#[test]
fn of_many_rules_few_are_tried() {
    let template = |n: usize| match n % 4 {
        0 => PathMatch::Exact(format!("/api/r{n}")),
        1 => PathMatch::Prefix(format!("/api/r{n}/")),
        2 => PathMatch::Template(PathTemplate::parse(&format!("/api/{{id}}/r{n}")).unwrap()),
        _ => PathMatch::Template(PathTemplate::parse(&format!("/api/r{n}/*/**")).unwrap()),
    };
    let rules = rules((0..1000).map(template));
    for (path, expected) in
        [("/api/r500", &[500][..]), ("/api/r501/x", &[501]), ("/api/r3/r502", &[3, 502]), ("/api/r999/x/y", &[999]), ("/api/x", &[])]
    {
        let found: Vec<usize> = rules.candidates(b"a", Some(path.as_bytes())).map(|(index, _)| index).collect();
        assert_eq!(found, expected, "{path}");
    }
}

#[test]
fn what_is_deep_is_no_deeper_in_the_index() {
    let long = "/a".repeat(100_000);
    let deep = rules((0..20).map(|n| PathMatch::Exact(format!("{long}{n}"))));
    let found: Vec<usize> = deep.candidates(b"a", Some(long.as_bytes())).map(|(index, _)| index).collect();
    assert_eq!(found, (0..20).collect::<Vec<_>>());
}
