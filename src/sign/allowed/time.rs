//! The dates of `valid-after` and `valid-before`.

use jiff::SignedDuration;
use jiff::civil::DateTime;

/// 1970-01-01T00:00:00.
const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

/// Reads `YYYYMMDD`, `YYYYMMDDHHMM` or `YYYYMMDDHHMMSS`, perhaps with `Z` or `UTC` behind it, into seconds since 1970.
/// All are UTC: what a list says may not depend on where it is read. No date before 1970-01-01T00:00:01.
pub(super) fn parse(text: &str) -> Option<i64> {
    let digits = ["Z", "z"].iter().find_map(|zone| text.strip_suffix(zone));
    let utc = text.len().checked_sub(3).and_then(|at| text.split_at_checked(at));
    let utc = utc.filter(|(_, zone)| zone.eq_ignore_ascii_case("UTC")).map(|(digits, _)| digits);
    let digits = digits.or(utc).unwrap_or(text);
    if !matches!(digits.len(), 8 | 12 | 14) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number = |from: usize, to: usize| digits.get(from..to).map_or(Some(0), |digits| digits.parse::<i8>().ok());
    let year = digits[..4].parse().ok()?;
    let time =
        DateTime::new(year, number(4, 6)?, number(6, 8)?, number(8, 10)?, number(10, 12)?, number(12, 14)?, 0).ok()?;
    let seconds = time.duration_since(EPOCH).as_secs();
    (seconds > 0).then_some(seconds)
}

/// Writes what [`parse`] reads.
pub(super) fn format(seconds: i64) -> String {
    match EPOCH.checked_add(SignedDuration::from_secs(seconds)) {
        Ok(time) => time.strftime("%Y%m%d%H%M%SZ").to_string(),
        // No such time; what stands in its place is refused when it is read again.
        Err(_) => seconds.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_and_written() {
        for (text, seconds) in [
            ("19700101000001", 1),
            ("20231114221320Z", 1_700_000_000),
            ("202311142213z", 1_699_999_980),
            ("20240229utc", 1_709_164_800),
            ("99991231235959Z", 253_402_300_799),
        ] {
            assert_eq!(parse(text), Some(seconds), "{text}");
            assert_eq!(parse(&format(seconds)), Some(seconds), "{text}");
        }
        for text in [
            "",
            "Z",
            "19700101",
            "19691231Z",
            "20230229",
            "2023-1-1",
            "20230101ZZ",
            "20230101 Z",
            "202301012",
            "20230101246060",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        for seconds in [0, -1, 253_402_300_800, i64::MIN, i64::MAX] {
            assert_eq!(parse(&format(seconds)), None, "{seconds}");
        }
    }
}
