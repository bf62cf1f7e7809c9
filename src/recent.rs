//! What was seen of late, within bounds.

use std::collections::VecDeque;

/// The values that came last; the oldest goes first.
#[derive(Debug)]
pub struct Recent<T> {
    capacity: usize,
    /// Sorted, for looking up.
    known: Vec<T>,
    /// In the order in which they came, for forgetting.
    order: VecDeque<T>,
}

impl<T: Copy + Ord> Recent<T> {
    /// Remembers as many.
    #[must_use]
    pub const fn new(capacity: usize) -> Self {
        Self { capacity, known: Vec::new(), order: VecDeque::new() }
    }

    /// Whether it is remembered.
    #[must_use]
    pub fn has(&self, value: &T) -> bool {
        self.known.binary_search(value).is_ok()
    }

    /// Remembers it. What is remembered already doesn't become newer.
    pub fn add(&mut self, value: T) {
        let Err(at) = self.known.binary_search(&value) else {
            return;
        };
        self.known.insert(at, value);
        self.order.push_back(value);
        if self.order.len() > self.capacity
            && let Some(oldest) = self.order.pop_front()
            && let Ok(at) = self.known.binary_search(&oldest)
        {
            self.known.remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten() {
        let mut recent = Recent::new(3);
        for value in [5, 1, 9, 5, 7] {
            recent.add(value);
        }
        assert_eq!([5, 1, 9, 7, 0].map(|value| recent.has(&value)), [false, true, true, true, false]);
        assert_eq!((recent.known.len(), recent.order.len()), (3, 3));
    }
}
