use super::*;

const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);

fn source() -> RemoteKeys {
    RemoteKeys {
        provider: "idp".into(),
        cluster: "idp".into(),
        scheme: "https".into(),
        authority: "idp".into(),
        path: "/".into(),
        headers: vec![],
        algorithms: crate::keys::AlgSet::default(),
        refresh: Duration::from_secs(3600),
        timeout: Duration::from_secs(5),
        cooldown: Duration::from_secs(30),
        max_body: 65536,
    }
}

fn later(millis: u64) -> UnixTime {
    NOW.plus(Duration::from_millis(millis))
}

/// After a first good fetch that ended at [`NOW`].
fn fetched() -> Refresh {
    let mut refresh = Refresh::default();
    assert_eq!(refresh.begin(&source(), None, 1, NOW.minus(Duration::from_millis(100)), 0), Begin::Fetch);
    refresh.succeed(&source(), NOW, 0);
    refresh
}

#[test]
fn failures_back_off_to_a_minute_and_recover() {
    let (source, mut now) = (source(), NOW);
    let mut refresh = Refresh::default();
    let mut pauses = Vec::new();
    for random in 0..12 {
        assert_eq!(refresh.begin(&source, None, 1, now, random), Begin::Fetch);
        assert_eq!(refresh.begin(&source, None, 2, now, random), Begin::Nothing, "one at a time");
        refresh.fail(&source, now, u64::MAX);
        let next = refresh.next(&source, None, now).unwrap();
        assert_eq!(refresh.begin(&source, None, 2, next.minus(TICK), random), Begin::Nothing);
        pauses.push(next.since(now));
        now = next;
    }
    assert!(pauses.is_sorted() && pauses[0] <= FIRST_PAUSE && pauses[11] > LONGEST_PAUSE / 2 && pauses[11] <= LONGEST_PAUSE, "{pauses:?}");
    refresh.succeed(&source, now, 0);
    assert_eq!(refresh.next(&source, None, now), Some(now.plus(source.refresh)));
}

#[test]
fn a_failure_puts_nothing_off_beyond_the_next_refresh() {
    let source = RemoteKeys { refresh: Duration::from_secs(10), ..source() };
    let (mut refresh, mut now) = (Refresh::default(), NOW);
    for _ in 0..12 {
        assert_eq!(refresh.begin(&source, None, 1, now, 0), Begin::Fetch);
        refresh.fail(&source, now, u64::MAX);
        let next = refresh.next(&source, None, now).unwrap();
        assert!(next.since(now) <= source.refresh, "{:?}", next.since(now));
        now = next;
    }
}

#[test]
fn a_lost_answer_is_a_failure_and_another_takes_over() {
    let mut refresh = Refresh::default();
    assert_eq!(refresh.begin(&source(), None, 1, NOW, 0), Begin::Fetch);
    assert_eq!((refresh.holder(), refresh.next(&source(), None, later(5999))), (Some(1), None));
    assert_eq!(refresh.begin(&source(), None, 2, later(5999), 0), Begin::Nothing);
    assert_eq!(refresh.next(&source(), None, later(6000)), Some(later(6000)));
    assert_eq!(refresh.begin(&source(), None, 2, later(6000), 0), Begin::Lost);
    assert_eq!(refresh.begin(&source(), None, 2, later(6000), 0), Begin::Nothing, "a pause first");
    assert_eq!(refresh.begin(&source(), None, 2, later(6200), 0), Begin::Fetch);
    assert_eq!(refresh.holder(), Some(2));
}

#[test]
fn an_unknown_key_is_asked_for_at_once_and_then_no_more_for_a_while() {
    let source = source();
    let mut refresh = fetched();
    assert_eq!(refresh.begin(&source, None, 1, later(500), 0), Begin::Nothing);
    let question = later(1000);
    assert!(refresh.is_open(question, question));
    assert_eq!(refresh.begin(&source, Some(question), 1, question, u64::MAX), Begin::Fetch);
    // On its way it may bring the key to whoever comes meanwhile; that it didn't answers only who asked before.
    assert!(refresh.is_open(later(1100), later(1200)) && refresh.is_open(question, later(1200)));
    refresh.succeed(&source, later(1300), 0);
    assert!(!refresh.is_open(question, later(1300)));
    assert!(!refresh.is_open(later(1100), later(1300)), "cooling down");
    // Flat and with jitter: at least 30 s, at most a tenth more.
    for (at, open) in [(31_000, false), (33_998, false), (34_000, true)] {
        assert_eq!(refresh.is_open(later(at), later(at)), open, "{at}");
        assert_eq!(refresh.begin(&source, Some(later(at)), 1, later(at), 0) == Begin::Fetch, open, "{at}");
    }
    assert_eq!(refresh.cool_until, later(34_000).plus(source.cooldown));
}

#[test]
fn a_fetch_that_began_before_the_question_does_not_settle_it() {
    let source = source();
    let mut refresh = fetched();
    let due = NOW.plus(source.refresh);
    assert_eq!(refresh.begin(&source, None, 1, due, 0), Begin::Fetch);
    let question = due.plus(TICK);
    let answered = question.plus(Duration::from_millis(200));
    refresh.succeed(&source, answered, 0);
    assert!(refresh.is_open(question, answered));
    assert_eq!(refresh.begin(&source, Some(question), 1, answered, 0), Begin::Fetch);
    refresh.fail(&source, answered, 0);
    assert!(!refresh.is_open(question, answered));
    // In the very millisecond of the question, too, only what leaves after it counts.
    let mut refresh = fetched();
    assert_eq!(refresh.begin(&source, Some(question), 1, question, 0), Begin::Fetch);
    refresh.succeed(&source, question, 0);
    assert!(!refresh.is_open(question, question.plus(TICK)));
}

#[test]
fn what_fails_for_an_unknown_key_leaves_the_regular_fetches_alone() {
    let source = source();
    let mut refresh = fetched();
    let regular = refresh.next(&source, None, NOW);
    assert_eq!(refresh.begin(&source, Some(NOW), 1, NOW, 0), Begin::Fetch);
    refresh.fail(&source, later(100), 0);
    assert_eq!(refresh.next(&source, None, later(100)), regular);
    assert_eq!(refresh.begin(&source, None, 1, later(1000), 0), Begin::Nothing);
}

#[test]
fn it_survives_the_way_through_shared_data() {
    let mut refresh = fetched();
    for asked in [None, Some(later(10))] {
        assert_eq!(Refresh::from_bytes(&refresh.to_bytes(), later(20)), refresh);
        refresh.begin(&source(), asked, u64::MAX, later(10), 3);
    }
    let bytes = refresh.to_bytes();
    for cut in 0..bytes.len() {
        assert_eq!(Refresh::from_bytes(&bytes[..cut], NOW), Refresh::default(), "{cut}");
    }
    assert_eq!(Refresh::from_bytes(&[&bytes[..], &[0; 8]].concat(), NOW), Refresh::default());
    // Junk is nothing that anybody waits for, or adds up to a panic.
    let mut junk = Refresh::from_bytes(&[0xff; 64], NOW);
    junk.begin(&source(), Some(NOW), 1, NOW, u64::MAX);
    assert!(junk.last_change() <= NOW);
}

#[test]
fn the_clock_set_back_moves_everything_with_it() {
    let mut refresh = fetched();
    let back = Duration::from_secs(86_400);
    assert_eq!(refresh.begin(&source(), Some(later(1000)), 1, later(1000), 0), Begin::Fetch);
    let earlier = later(1001).minus(back);
    let moved = Refresh::from_bytes(&refresh.to_bytes(), earlier);
    assert_eq!(moved.due, refresh.due.minus(back));
    assert_eq!(moved.cool_until, refresh.cool_until.minus(back));
    assert_eq!(moved.lease.unwrap().until, refresh.lease.unwrap().until.minus(back));
    assert_eq!(moved.succeeded, refresh.succeeded.minus(back));
    assert_eq!(Refresh::from_bytes(&moved.to_bytes(), earlier), moved, "once");
}

#[test]
fn a_fetch_that_failed_while_the_clock_was_ahead_puts_nothing_off() {
    let mut refresh = Refresh::default();
    assert_eq!(refresh.begin(&source(), None, 1, NOW, 0), Begin::Fetch);
    refresh.fail(&source(), later(86_400_000), 0);
    let moved = Refresh::from_bytes(&refresh.to_bytes(), later(1000));
    assert_eq!(moved.due, later(1000).plus(LONGEST_PAUSE));
    assert_eq!(Refresh::from_bytes(&moved.to_bytes(), later(2000)).due, moved.due, "once");
}
