//! What a process writes to its standard output and error, kept as it comes.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// A growing text that can be waited on. Clones share it.
#[derive(Clone, Default)]
pub struct Log {
    shared: Arc<(Mutex<Text>, Condvar)>,
}

#[derive(Default)]
struct Text {
    text: String,
    readers: usize,
}

impl Log {
    /// Reads a stream to its end on a thread of its own.
    pub(crate) fn read(&self, stream: impl Read + Send + 'static) {
        self.lock().readers += 1;
        let log = self.clone();
        thread::spawn(move || {
            let mut stream = BufReader::new(stream);
            let mut line = Vec::new();
            while matches!(stream.read_until(b'\n', &mut line), Ok(count) if count > 0) {
                log.lock().text.push_str(&String::from_utf8_lossy(&line));
                log.shared.1.notify_all();
                line.clear();
            }
            log.lock().readers -= 1;
            log.shared.1.notify_all();
        });
    }

    /// All that was written until now.
    pub fn text(&self) -> String {
        self.lock().text.clone()
    }

    /// The lines that contain `part`, as they stand now.
    pub fn lines_with(&self, part: &str) -> Vec<String> {
        self.lock().text.lines().filter(|line| line.contains(part)).map(str::to_owned).collect()
    }

    /// The first complete line that contains `part`; waits for it, at most for `within`.
    pub fn wait_for(&self, part: &str, within: Duration) -> Option<String> {
        self.wait_until(within, |text| {
            let complete = text.text.rfind('\n').map_or("", |end| &text.text[..end]);
            complete.lines().find(|line| line.contains(part)).map(str::to_owned)
        })
    }

    /// Waits until nobody writes any more, so that the text is whole.
    pub(crate) fn wait_for_end(&self, within: Duration) {
        self.wait_until(within, |text| (text.readers == 0).then_some(()));
    }

    fn wait_until<T>(&self, within: Duration, found: impl Fn(&Text) -> Option<T>) -> Option<T> {
        let end = Instant::now() + within;
        let mut text = self.lock();
        loop {
            if let Some(answer) = found(&text) {
                return Some(answer);
            }
            let left = end.checked_duration_since(Instant::now())?;
            text = self.shared.1.wait_timeout(text, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Text> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
