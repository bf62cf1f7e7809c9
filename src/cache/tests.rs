//! Bounds, and who makes room for whom.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::identity::TokenClaims;

const ROOM: CacheBounds = CacheBounds { entries: 80, bytes: 1 << 20 };

fn key(bytes: &[u8]) -> Key<'_> {
    Key { provider: ProviderId(0), form: Form::Token, bytes }
}

fn verified(keys: Option<[u8; 32]>) -> Rc<Verified> {
    Rc::new(Verified { identity: Arc::default(), kid: None, key: None, times: Times::default(), bound: None, keys })
}

fn set(kid: &str) -> KeySet {
    let mut key = crate::signature::signing::jwk(crate::keys::Alg::ES256);
    key["kid"] = json!(kid);
    let algorithms = [crate::keys::Alg::ES256].into_iter().collect();
    KeySet::from_value(&json!({"keys": [key]}), algorithms).unwrap().0
}

/// What verifying a token each time would do, with the cache in front of it. Whether it was found.
fn send(cache: &mut Cache, token: &str) -> bool {
    let is_found = cache.get(&key(token.as_bytes()), None).is_some();
    if !is_found {
        cache.add(&key(token.as_bytes()), &verified(None));
    }
    is_found
}

fn room_is_kept(cache: &Cache) {
    assert!(cache.len() <= cache.bounds.entries && cache.bytes() <= cache.bounds.bytes, "{cache:?}");
    assert!(cache.known.len() <= cache.len());
    let queues = [&cache.probation, &cache.kept];
    for queue in queues {
        assert_eq!(queue.bytes, queue.entries.iter().map(|entry| entry.size).sum::<usize>());
    }
    for entry in cache.known.values() {
        assert!(queues.iter().any(|queue| queue.entries.iter().any(|other| Rc::ptr_eq(entry, other))));
    }
}

#[test]
fn only_the_same_bytes_of_the_same_provider_in_the_same_form_are_found() {
    let mut cache = Cache::new(ROOM);
    let token = key(b"token");
    assert!(cache.get(&token, None).is_none());
    let first = verified(None);
    cache.add(&token, &first);
    assert!(Rc::ptr_eq(&cache.get(&token, None).unwrap(), &first));
    for other in [
        key(b"tokem"),
        key(b"token "),
        key(b"toke"),
        key(b""),
        Key { provider: ProviderId(1), ..token },
        Key { form: Form::Header, ..token },
        Key { form: Form::Proxy, ..token },
    ] {
        assert!(cache.get(&other, None).is_none() && cache.peek(&other).is_none());
    }
}

#[test]
fn every_byte_counts() {
    for length in 0..40 {
        let text: Vec<u8> = (0..length).collect();
        assert!(same(&text, &text.clone()));
        for place in 0..text.len() {
            let mut other = text.clone();
            other[place] ^= 0x80;
            assert!(!same(&text, &other) && !same(&text, &text[..place]) && !same(&text[..place], &text));
        }
    }
}

#[test]
fn a_hash_alone_finds_nothing() {
    let mut cache = Cache::new(ROOM);
    cache.add(&key(b"good"), &verified(None));
    // As if the hash of another token were the same.
    let entry = cache.known.drain().next().unwrap().1;
    let hash = cache.hash(&key(b"other"));
    cache.known.insert(hash, entry);
    assert!(cache.get(&key(b"other"), None).is_none() && cache.peek(&key(b"other")).is_none());
}

#[test]
fn what_other_keys_verified_is_not_found() {
    let (one, same, other) = (set("1"), set("1"), set("2"));
    let mut cache = Cache::new(ROOM);
    cache.add(&key(b"token"), &verified(Some(*one.digest())));
    assert!(cache.get(&key(b"token"), Some(&same)).is_some());
    assert!(cache.get(&key(b"token"), Some(&other)).is_none());
    assert!(cache.get(&key(b"token"), None).is_none());
    // Verified anew, it is the new keys'.
    cache.add(&key(b"token"), &verified(Some(*other.digest())));
    assert!(cache.get(&key(b"token"), Some(&other)).is_some());
    assert!(cache.get(&key(b"token"), Some(&one)).is_none());
    room_is_kept(&cache);
}

#[test]
fn what_comes_once_displaces_nothing_that_is_in_use() {
    let mut cache = Cache::new(ROOM);
    let users: Vec<String> = (0..60).map(|user| format!("user {user}")).collect();
    for user in users.iter().chain(&users) {
        send(&mut cache, user);
    }
    for round in 0..20 {
        for once in 0..1000 {
            send(&mut cache, &format!("once {round} {once}"));
        }
        for user in &users {
            assert!(send(&mut cache, user), "{user} in round {round}");
        }
    }
    room_is_kept(&cache);
}

#[test]
fn who_sends_each_token_twice_does_not_displace_who_comes_in_between() {
    let mut cache = Cache::new(ROOM);
    let users: Vec<String> = (0..20).map(|user| format!("user {user}")).collect();
    for user in users.iter().chain(&users) {
        send(&mut cache, user);
    }
    for token in 0..5000 {
        send(&mut cache, &format!("twice {token}"));
        send(&mut cache, &format!("twice {token}"));
        assert!(send(&mut cache, &users[token % users.len()]), "after {token}");
    }
    room_is_kept(&cache);
}

#[test]
fn one_request_never_looks_at_all_that_is_in_use() {
    let mut cache = Cache::new(CacheBounds { entries: 400, bytes: 1 << 20 });
    let users: Vec<String> = (0..400).map(|user| format!("user {user}")).collect();
    for user in [&users; 6].into_iter().flatten() {
        send(&mut cache, user);
    }
    let uses = |cache: &Cache| cache.known.values().map(|entry| usize::from(entry.uses.get())).sum::<usize>();
    for new in 0..100 {
        for user in [&users; 3].into_iter().flatten() {
            let _ = cache.get(&key(user.as_bytes()), None);
        }
        let before = uses(&cache);
        assert!(!send(&mut cache, &format!("new {new}")));
        let passed_over = before - uses(&cache);
        assert!(passed_over <= LOOKS + usize::from(USES), "{passed_over} for {new}");
    }
    room_is_kept(&cache);
    // Who is new once displaces no more than the part that is for such.
    let stayed = users.iter().filter(|user| cache.peek(&key(user.as_bytes())).is_some()).count();
    assert!(stayed >= 400 - 400 / PROBATION - 1, "{stayed}");
}

#[test]
fn long_ones_displace_only_so_many_bytes() {
    let mut cache = Cache::new(CacheBounds { entries: 1000, bytes: 100_000 });
    let users: Vec<String> = (0..80).map(|user| format!("user {user}")).collect();
    for user in users.iter().chain(&users) {
        send(&mut cache, user);
    }
    for token in 0..500 {
        send(&mut cache, &format!("{token}{}", "x".repeat(10_000)));
        room_is_kept(&cache);
    }
    assert!(users.iter().all(|user| send(&mut cache, user)));
    // What is larger than the whole is not remembered, and displaces nothing.
    let huge = "x".repeat(100_000);
    assert!(!send(&mut cache, &huge) && !send(&mut cache, &huge));
    assert!(users.iter().all(|user| send(&mut cache, user)));
}

#[test]
fn without_room_nothing_is_remembered() {
    let mut cache = Cache::new(CacheBounds { entries: 0, bytes: 1 << 20 });
    assert!(!send(&mut cache, "token") && !send(&mut cache, "token"));
    assert_eq!(cache.take_counts(), Counts { misses: 2, ..Counts::default() });
}

#[test]
fn everything_counts_for_the_bytes() {
    let size = |claims: serde_json::Value| {
        let claims = claims.as_object().unwrap().clone();
        let identity = Identity { token: Some(TokenClaims { claims, encoded: Some("e".repeat(100)) }), ..Identity::default() };
        Verified { identity: Arc::new(identity), kid: Some("k".repeat(10)), key: None, times: Times::default(), bound: None, keys: None }
            .size()
    };
    let plain = size(json!({}));
    assert!(plain > 110);
    for (claims, least) in [
        (json!({"a": "x".repeat(1000)}), 1000),
        (json!({"a": vec![0; 1000]}), 1000 * size_of::<serde_json::Value>() / 2),
        (json!({"a": vec![json!([]); 1000]}), 1000 * size_of::<serde_json::Value>() / 2),
        (json!({"a": {"x".repeat(1000): {}}}), 1000),
    ] {
        assert!(size(claims.clone()) >= plain + least, "{claims}");
    }
    let texts = Identity { roles: Some(vec!["r".repeat(100); 10]), attributes: vec![("a".into(), "v".repeat(50))], ..Identity::default() };
    assert!(texts.size() >= 1050);
}

#[test]
fn look_ups_are_counted_once() {
    let mut cache = Cache::new(CacheBounds { entries: 1, bytes: 1 << 20 });
    send(&mut cache, "a");
    send(&mut cache, "a");
    send(&mut cache, "b");
    send(&mut cache, "c");
    let counts = cache.take_counts();
    assert_eq!((counts.hits, counts.misses), (1, 3));
    assert!(counts.evicted >= 1);
    assert_eq!(cache.take_counts(), Counts::default());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever comes, nothing is found that was not added, and the room is kept.
    #[test]
    fn finds_what_was_added(
        tokens in proptest::collection::vec(0..40_usize, 0..400),
        lengths in proptest::collection::vec(0..3000_usize, 40),
        entries in 0..30_usize,
        bytes in 500..30_000_usize,
    ) {
        let mut cache = Cache::new(CacheBounds { entries, bytes });
        let mut added: HashMap<String, Rc<Verified>> = HashMap::new();
        for token in tokens {
            let text = format!("{token}{}", "x".repeat(lengths[token]));
            match cache.get(&key(text.as_bytes()), None) {
                Some(found) => prop_assert!(Rc::ptr_eq(&found, &added[&text])),
                None => {
                    let new = verified(None);
                    cache.add(&key(text.as_bytes()), &new);
                    added.insert(text, new);
                }
            }
            room_is_kept(&cache);
        }
    }
}
