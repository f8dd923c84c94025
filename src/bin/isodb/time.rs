//! Times as users write and read them. isodb stores seconds since 1970 and shows them in UTC.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

/// Reads a time: `@SECONDS`, `SECONDS`, `SECONDS ZONE` (as git stores it), RFC 3339, RFC 2822, a date with or without
/// a time of day (UTC), `now`, `today`, `yesterday`, or `2 days ago`.
pub(crate) fn parse(text: &str, now: i64) -> Option<i64> {
    let text = text.trim();
    let number = text.strip_prefix('@').unwrap_or(text);
    let mut words = number.split_ascii_whitespace();
    if let (Some(seconds), zone, None) = (words.next().and_then(|w| w.parse::<i64>().ok()), words.next(), words.next())
        && (text.starts_with('@') || seconds.abs() >= 100_000_000 || zone.is_some_and(is_zone))
        && zone.is_none_or(is_zone)
    {
        return Some(seconds);
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time.as_second());
    }
    if let Ok(time) = text.parse::<DateTime>() {
        return time.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp().as_second());
    }
    if let Ok(zoned) = jiff::fmt::rfc2822::parse(text) {
        return Some(zoned.timestamp().as_second());
    }
    let midnight = now - now.rem_euclid(86_400);
    match text {
        "now" => return Some(now),
        "today" => return Some(midnight),
        "yesterday" => return Some(midnight - 86_400),
        _ => {}
    }
    let span: Span = text.ends_with("ago").then(|| text.parse().ok())??;
    let now = Timestamp::from_second(now).ok()?.to_zoned(TimeZone::UTC);
    now.checked_add(span).ok().map(|zoned| zoned.timestamp().as_second())
}

fn is_zone(text: &str) -> bool {
    text.len() == 5 && text.starts_with(['+', '-']) && text[1..].bytes().all(|b| b.is_ascii_digit())
}

/// Shows a time in UTC: `2026-11-22T10:00:00Z`.
pub(crate) fn show(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| format!("@{seconds}"), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_users_write() {
        let now = 1_700_000_000;
        for (text, seconds) in [
            ("@5", 5),
            ("1700000000", now),
            ("1700000000 +0200", now),
            ("2023-11-14T22:13:20Z", now),
            ("2023-11-14T23:13:20+01:00", now),
            ("2023-11-14 22:13:20", now),
            ("2023-11-14", now - 22 * 3600 - 13 * 60 - 20),
            ("Tue, 14 Nov 2023 22:13:20 +0000", now),
            ("now", now),
            ("2 hours ago", now - 7200),
            ("3 days ago", now - 3 * 86_400),
            ("1 month ago", 1_697_321_600),
        ] {
            assert_eq!(parse(text, now), Some(seconds), "{text}");
        }
        for bad in ["", "soon", "2023-13-01", "12", "ago", "@", "@x", "2023-11-14T"] {
            assert_eq!(parse(bad, now), None, "{bad}");
        }
        assert_eq!(show(now), "2023-11-14T22:13:20Z");
    }
}
