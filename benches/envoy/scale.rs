//! What more clients, keys, rules and tokens cost: each of these should cost what the first of its kind does.

use crate::Failure;
use crate::policy;
use crate::settings::Settings;
use crate::tokens::tokens;
use crate::variant::{Traffic, Variant};
use crate::variants::{choose, ours};
use portcullis_harness::{Algorithm, Key};
use std::sync::Arc;

/// Those that `ONLY` names. All are this filter.
pub(crate) fn chosen(settings: &Settings) -> Result<Vec<Variant>, Failure> {
    let secret = |caller: usize| Traffic::bearer(&policy::secret(caller));
    let statics = |name, title, callers| ours(name, title, policy::static_secrets(callers), secret(callers - 1));
    let rules = |name, title, count, field| ours(name, title, policy::rules(count, field), secret(0));
    let floor = |name, title, traffic| Variant::new(name, title, vec![], traffic).floor();
    let mut all = vec![
        floor("scale-bare", "bare listener, a token by ES256", Traffic::bearer(&tokens(&es256(1), 0, 1)[0])),
        floor("scale-short", "bare listener, a static secret", secret(0)),
        statics("scale-static-1", "static secret, 1 client", 1),
        statics("scale-static-100", "static secret, 100 clients", 100),
        statics("scale-static-10000", "static secret, 10,000 clients", 10_000),
        rules("scale-rules-1", "1 rule", 1, "path_prefix"),
        rules("scale-rules-100", "100 rules by prefix, the last matches", 100, "path_prefix"),
        rules("scale-rules-1000", "1000 rules by prefix, the last matches", 1000, "path_prefix"),
        rules("scale-rules-template-1000", "1000 rules by template, the last matches", 1000, "path_template"),
    ];
    all.iter_mut().filter(|variant| variant.over.is_some()).for_each(|variant| variant.over = Some("scale-short"));
    let count = |key: &Key| tokens(key, 1, settings.warm_up + settings.rounds * settings.requests);
    let callers = [("scale-hs256-1", "HS256, 1 client", 1), ("scale-hs256-100", "HS256, 100 clients with a key each", 100)];
    for (name, title, callers) in callers.into_iter().chain([("scale-hs256-10000", "HS256, 10,000 clients with a key each", 10_000)]) {
        if settings.is_wanted(name) {
            all.push(ours(name, title, policy::jwt_by_caller(callers), Traffic::Each(Arc::new(count(&policy::caller_key(callers - 1))))));
        }
    }
    for (name, title, keys) in [("scale-keys-1", "ES256 never seen, 1 key", 1), ("scale-keys-100", "ES256 never seen, 100 keys", 100)] {
        if settings.is_wanted(name) {
            let set: Vec<Key> = (1..=keys).map(es256).collect();
            all.push(ours(name, title, policy::jwt_by_set(&set), Traffic::Each(Arc::new(count(&es256(keys))))));
        }
    }
    for (name, title, count) in [
        ("scale-tokens-1", "ES256, 1 token again and again", 1),
        ("scale-tokens-1000", "ES256, 1000 tokens in rotation", 1000),
        ("scale-tokens-10000", "ES256, 10,000 tokens in rotation", 10_000),
    ] {
        if settings.is_wanted(name) {
            let cycle = Traffic::Cycle(Arc::new(tokens(&es256(1), 1, count)));
            let mut variant = ours(name, title, policy::jwt_by_set(&[es256(1)]), cycle);
            // Each of them has been seen once before anything counts.
            variant.least_warm_up = count;
            all.push(variant);
        }
    }
    all.iter_mut().filter(|variant| variant.over == Some("bare")).for_each(|variant| variant.over = Some("scale-bare"));
    choose(all, settings)
}

fn es256(number: u32) -> Key {
    Key::fixed(Algorithm::ES256, number)
}
