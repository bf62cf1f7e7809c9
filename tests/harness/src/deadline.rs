//! Waiting for something to become true, with an end.

use std::thread;
use std::time::{Duration, Instant};

/// How long tests wait for what should happen at once, on a machine that does a lot else.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Asks again and again until there is an answer, at most for `within`. `None`: there was none in time.
///
/// ```
/// use std::time::Duration;
/// let mut asked = 0;
/// let answer = portcullis_harness::poll(Duration::from_secs(5), || {
///     asked += 1;
///     (asked == 3).then_some(asked)
/// });
/// assert_eq!(answer, Some(3));
/// ```
pub fn poll<T>(within: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + within;
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if Instant::now() >= end {
            return None;
        }
        thread::sleep(Duration::from_millis(5));
    }
}
