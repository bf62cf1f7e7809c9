//! Log lines about refusals: each one, until one reason floods; then one line a second with a count.

use crate::reason::Reason;
use crate::time::UnixTime;

/// Lines about one reason in one second before the rest is only counted.
const LINES_A_SECOND: u32 = 10;

/// What was logged of late, by reason.
#[derive(Debug, Default)]
pub struct Flood {
    windows: Vec<(Reason, Window)>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    second: i64,
    lines: u32,
    suppressed: u32,
}

impl Flood {
    /// Whether a line about this reason may be logged now; if not, it is counted.
    pub fn admits(&mut self, reason: Reason, now: UnixTime) -> bool {
        let second = now.seconds();
        let fresh = Window { second, lines: 0, suppressed: 0 };
        let Some((_, window)) = self.windows.iter_mut().find(|(own, _)| *own == reason) else {
            self.windows.push((reason, Window { lines: 1, ..fresh }));
            return true;
        };
        if window.second != second && window.suppressed == 0 {
            *window = fresh;
        }
        let admitted = window.second == second && window.lines < LINES_A_SECOND;
        if admitted {
            window.lines = window.lines.saturating_add(1);
        } else {
            window.suppressed = window.suppressed.saturating_add(1);
        }
        admitted
    }

    /// What was only counted in seconds that are over.
    pub fn counted(&mut self, now: UnixTime) -> Vec<(Reason, u32)> {
        let second = now.seconds();
        let mut counted = Vec::new();
        for (reason, window) in &mut self.windows {
            if window.second != second && window.suppressed > 0 {
                counted.push((*reason, window.suppressed));
                *window = Window { second, lines: 0, suppressed: 0 };
            }
        }
        counted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_becomes_a_count() {
        let mut flood = Flood::default();
        let now = UnixTime::from_seconds(100);
        let admitted = (0..1000).filter(|_| flood.admits(Reason::TokenExpired, now)).count();
        assert_eq!(admitted, LINES_A_SECOND as usize);
        assert!(flood.admits(Reason::KeyUnknown, now), "by reason");
        assert_eq!(flood.counted(now), vec![]);
        let later = UnixTime::from_seconds(101);
        assert_eq!(flood.counted(later), vec![(Reason::TokenExpired, 990)]);
        assert!(flood.admits(Reason::TokenExpired, later));
        assert_eq!(flood.counted(UnixTime::from_seconds(102)), vec![]);
    }
}
