//! The dates of `valid-after` and `valid-before`.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

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
    let seconds = time.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second();
    (seconds > 0).then_some(seconds)
}

/// Writes what [`parse`] reads.
pub(super) fn format(seconds: i64) -> String {
    match Timestamp::from_second(seconds) {
        Ok(time) => time.strftime("%Y%m%d%H%M%SZ").to_string(),
        // No such time; what stands in its place is refused when it is read again.
        Err(_) => seconds.to_string(),
    }
}
