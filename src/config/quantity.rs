//! Durations, sizes and points in time.

use std::fmt;
use std::time::Duration;

use der::DateTime;
use serde_json::Value;

#[cfg(not(target_os = "wasi"))]
use super::describe::Description;
use super::fault::Path;
use super::forms::text;
use super::reader::{Form, Given, Node, Reader};
use crate::time::UnixTime;

/// A duration with its unit.
pub(super) struct Span(pub(super) Duration);

/// A number of bytes.
pub(super) struct Size(pub(super) usize);

/// A point in time.
pub(super) struct Time(pub(super) UnixTime);

/// From the unit to what it counts in the smallest one.
type Units = &'static [(&'static str, u64)];

const DURATIONS: Units = &[("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];
const SIZES: Units = &[("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("B", 1)];

/// A hundred years: times with it added stay times.
const LONGEST_MS: u64 = 100 * 366 * 24 * 3_600_000;

fn with_unit(text: &str, units: Units) -> Option<u64> {
    let split = text.bytes().position(|b| !b.is_ascii_digit())?;
    let (digits, unit) = text.split_at_checked(split)?;
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    digits.parse::<u64>().ok()?.checked_mul(*factor)
}

impl Form for Span {
    fn read(node: Node<'_>, cx: &mut Reader<'_>) -> Option<Self> {
        let Value::String(text) = node.value else {
            cx.wrong_type(node, "a duration with its unit, such as 90s, 5m or 24h,");
            return None;
        };
        let millis = with_unit(text, DURATIONS).filter(|millis| *millis <= LONGEST_MS);
        if millis.is_none() {
            cx.fault(node.at, format_args!("not a duration; write a whole number and one of ms, s, m, h, such as 90s"));
        }
        millis.map(|millis| Self(Duration::from_millis(millis)))
    }

    #[cfg(not(target_os = "wasi"))]
    fn describe() -> Description {
        Description::Leaf("a duration: 500ms, 90s, 5m, 24h")
    }
}

impl Form for Size {
    fn read(node: Node<'_>, cx: &mut Reader<'_>) -> Option<Self> {
        let bytes = match node.value {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => with_unit(text, SIZES).or_else(|| text.parse().ok()),
            _ => {
                cx.wrong_type(node, "a size, such as 64KiB,");
                return None;
            }
        };
        let bytes = bytes.and_then(|bytes| usize::try_from(bytes).ok());
        if bytes.is_none() {
            cx.fault(node.at, format_args!("not a size; write a whole number and one of B, KiB, MiB, GiB, such as 64KiB"));
        }
        bytes.map(Self)
    }

    #[cfg(not(target_os = "wasi"))]
    fn describe() -> Description {
        Description::Leaf("a size: 64KiB, 16MiB, or a number of bytes")
    }
}

impl Form for Time {
    fn read(node: Node<'_>, cx: &mut Reader<'_>) -> Option<Self> {
        let parsed = text(node, cx)?.parse::<DateTime>();
        if parsed.is_err() {
            cx.fault(node.at, format_args!("not a time of RFC 3339 in UTC and whole seconds, such as 2027-06-30T00:00:00Z"));
        }
        parsed.ok().map(|time| Self(UnixTime::from_seconds(time.unix_duration().as_secs())))
    }

    #[cfg(not(target_os = "wasi"))]
    fn describe() -> Description {
        Description::Leaf("a time of RFC 3339 in UTC: 2027-06-30T00:00:00Z")
    }
}

/// A duration within bounds, which are part of the fault.
pub(super) fn span(given: &Given<Span>, at: &Path<'_>, (least, most): (Duration, Duration), cx: &mut Reader<'_>) -> Option<Duration> {
    let Span(span) = given.get()?;
    if (least..=most).contains(span) {
        return Some(*span);
    }
    cx.fault(at, format_args!("{} is out of bounds; at least {}, at most {}", Written(*span), Written(least), Written(most)));
    None
}

/// A duration as operators write it.
pub(super) struct Written(pub(super) Duration);

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.subsec_millis() == 0 { write!(f, "{}s", self.0.as_secs()) } else { write!(f, "{}ms", self.0.as_millis()) }
    }
}
