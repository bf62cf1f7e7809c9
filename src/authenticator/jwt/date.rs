//! NumericDates (RFC 7519, section 2): seconds since 1970, fractions allowed.

use serde_json::Number;

/// 9999-12-31T23:59:59Z. Beyond it there are only mistakes: milliseconds taken for seconds make tokens that never end.
const LAST: i64 = 253_402_300_799;

/// A NumericDate in whole seconds, rounded down; `None` outside of the years that have four digits (or as long before 1970).
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
pub(in crate::authenticator) fn numeric_date(number: &Number) -> Option<i64> {
    let seconds = match number.as_i64() {
        Some(whole) => whole,
        None => {
            let floor = number.as_f64()?.floor();
            // NaN is in no range; within this one every whole number is exact in both types.
            if !(-(LAST as f64)..=LAST as f64).contains(&floor) {
                return None;
            }
            floor as i64
        }
    };
    (-LAST..=LAST).contains(&seconds).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Option<i64> {
        match crate::json::parse(json.as_bytes()) {
            Ok(serde_json::Value::Number(number)) => numeric_date(&number),
            _ => None,
        }
    }

    #[test]
    fn whole_fractional_and_absurd() {
        assert_eq!(read("1700000000"), Some(1_700_000_000));
        assert_eq!(read("1700000000.999"), Some(1_700_000_000));
        assert_eq!(read("1.7e9"), Some(1_700_000_000));
        assert_eq!(read("0"), Some(0));
        assert_eq!(read("-0.5"), Some(-1));
        assert_eq!(read("-1"), Some(-1));
        assert_eq!(read("253402300799"), Some(LAST));
        assert_eq!(read("253402300799.5"), Some(LAST));
        for absurd in [
            "253402300800",
            "1700000000000",
            "1e30",
            "-1e30",
            "1e308",
            "18446744073709551615",
            "99999999999999999999",
            "-9223372036854775808",
            "1e999",
        ] {
            assert_eq!(read(absurd), None, "{absurd}");
        }
    }
}
