use std::sync::Arc;

use super::*;
use crate::authenticator::remote::Granted;

const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);
const CACHE: Duration = Duration::from_secs(60);

fn granted(length: usize, expires: Option<UnixTime>) -> Rc<Verdict> {
    Rc::new(Verdict::Granted(Box::new(Granted { identity: Arc::default(), expires, length })))
}

fn denied() -> Rc<Verdict> {
    Rc::new(Verdict::Denied("x"))
}

fn key(number: usize) -> Key {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    key
}

fn at(seconds: u64) -> UnixTime {
    NOW.plus(Duration::from_secs(seconds))
}

#[test]
fn each_answer_has_its_time() {
    let mut answers = Answers::new();
    answers.remember(key(1), &granted(10, None), CACHE, NOW);
    answers.remember(key(2), &granted(10, Some(at(5))), CACHE, NOW);
    answers.remember(key(3), &denied(), CACHE, NOW);
    answers.remember(key(4), &denied(), Duration::from_secs(2), NOW);
    answers.remember(key(5), &Rc::new(Verdict::Failed), CACHE, NOW);
    answers.remember(key(6), &granted(10, None), Duration::ZERO, NOW);
    answers.remember(key(7), &denied(), Duration::ZERO, NOW);
    answers.remember(key(8), &granted(10, Some(NOW)), CACHE, NOW);
    let mut known = |seconds| (1..=8).filter(|number| answers.get(&key(*number), at(seconds)).is_some()).collect::<Vec<_>>();
    assert_eq!(known(0), [1, 2, 3, 4]);
    assert_eq!(known(1), [1, 2, 3, 4]);
    assert_eq!(known(2), [1, 2, 3]);
    assert_eq!(known(5), [1, 3]);
    assert_eq!(known(10), [1]);
    assert_eq!(known(59), [1]);
    assert!(known(60).is_empty());
}

#[test]
fn a_clock_that_is_set_back_makes_nothing_last_longer() {
    let mut answers = Answers::new();
    answers.remember(key(1), &granted(10, None), CACHE, at(3600));
    assert!(answers.get(&key(1), at(3630)).is_some());
    assert!(answers.get(&key(1), NOW).is_some());
    assert!(answers.get(&key(1), at(29)).is_some());
    assert!(answers.get(&key(1), at(30)).is_none());
}

#[test]
fn guesses_take_no_room_from_good_answers_and_all_is_bounded() {
    let mut answers = Answers::new();
    answers.remember(key(0), &granted(10, None), CACHE, NOW);
    for number in 1..=Room::ENTRIES + 500 {
        answers.remember(key(number), &denied(), CACHE, NOW.plus(Duration::from_millis(number as u64 / 10)));
    }
    assert!(answers.get(&key(0), at(2)).is_some());
    assert_eq!(answers.denied.entries.len(), Room::ENTRIES);
    assert!(answers.get(&key(1), at(2)).is_none(), "the oldest goes first");
    assert!(answers.get(&key(Room::ENTRIES + 500), at(2)).is_some());
    assert!(answers.denied.entries.is_sorted_by_key(|entry| entry.key));
    // By bytes; and what is longer than all the room isn't remembered.
    for number in 0..100 {
        answers.remember(key(number), &granted(64 * 1024, None), CACHE, at(2));
    }
    assert_eq!(answers.granted.entries.len(), Room::BYTES / (64 * 1024));
    answers.remember(key(200), &granted(Room::BYTES + 1, None), CACHE, at(2));
    assert!(answers.get(&key(200), at(2)).is_none());
    // The same question again takes no room more.
    for _ in 0..3 {
        answers.remember(key(300), &granted(10, None), CACHE, at(2));
    }
    assert_eq!(answers.granted.entries.iter().filter(|entry| entry.key == key(300)).count(), 1);
}
