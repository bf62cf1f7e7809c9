//! The identity provider changes its keys all the time: new ones are published before they are used, old ones after.

use crate::credentials::{Generation, Users};
use crate::house::House;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Longer than any worker takes to learn of a change: the policy's refresh is 2 s.
const SETTLED: Duration = Duration::from_secs(8);
/// Longer than any request takes.
const ANSWERED: Duration = Duration::from_secs(3);

/// Until it is over; counts how often.
pub(crate) fn run(house: &House, users: &Users, is_over: &AtomicBool, rotations: &AtomicU32) {
    let publish = |generations: &[&Generation]| {
        house.stage.identity_provider.rotate(generations.iter().flat_map(|generation| generation.keys().to_vec()));
    };
    for number in 2.. {
        let (old, new) = (users.current(), Arc::new(Generation::new(number)));
        publish(&[&old, &new]);
        if !pause(SETTLED, is_over) {
            return;
        }
        users.use_from_now_on(Arc::clone(&new));
        if !pause(ANSWERED, is_over) {
            return;
        }
        publish(&[&new]);
        rotations.fetch_add(1, Ordering::Relaxed);
        if !pause(SETTLED, is_over) {
            return;
        }
        users.forgotten(old);
    }
}

/// Whether it goes on.
fn pause(time: Duration, is_over: &AtomicBool) -> bool {
    let end = Instant::now() + time;
    while Instant::now() < end {
        if is_over.load(Ordering::Relaxed) {
            return false;
        }
        thread::sleep(Duration::from_millis(50));
    }
    true
}
