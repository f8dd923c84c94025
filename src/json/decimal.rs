//! The order of numbers by their values, exactly: without a float in between, and without writing out an exponent.

use std::cmp::Ordering;

use super::Number;

/// Exponents beyond this many digits are not computed with; no document has a reason for one.
const MAX_EXPONENT_DIGITS: usize = 30;

/// A number as ±0.DIGITS × 10^point.
struct Decimal<'t> {
    is_negative: bool,
    /// Without zeros at the start and the end; empty for zero.
    digits: Vec<u8>,
    point: i128,
    /// The text, where the exponent is too long: such numbers are equal when their texts are.
    tie: &'t str,
}

impl Number {
    /// Compares two numbers by value: `1`, `1.0` and `10e-1` are equal, and so are `0` and `-0`.
    pub fn compare(&self, other: &Number) -> Ordering {
        let (one, two) = (decimal(self.text()), decimal(other.text()));
        match (one.sign(), two.sign()) {
            (sign, other) if sign != other => sign.cmp(&other),
            (-1, _) => two.compare_size(&one),
            _ => one.compare_size(&two),
        }
    }

    /// The number as an `i64`, if it has exactly this value: `1.0` and `10e-1` are 1.
    pub fn whole(&self) -> Option<i64> {
        let Decimal { is_negative, digits, point, .. } = decimal(self.text());
        // Twenty digits are more than any i64 has; with fewer there is room in an i128.
        if digits.len() as i128 > point.max(0) || point > 20 {
            return None;
        }
        let padded = digits.iter().map(|digit| i128::from(digit - b'0')).chain(std::iter::repeat(0));
        let size = padded.take(point.max(0) as usize).fold(0, |size, digit| size * 10 + digit);
        i64::try_from(if is_negative { -size } else { size }).ok()
    }
}

impl Decimal<'_> {
    fn sign(&self) -> i8 {
        match (self.digits.is_empty(), self.is_negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        }
    }

    /// Without regard to the sign; neither is zero, or both are.
    fn compare_size(&self, other: &Decimal<'_>) -> Ordering {
        let by_point = self.point.cmp(&other.point);
        // Without zeros at the end, digits that start with all the others are the greater ones.
        by_point.then_with(|| self.digits.cmp(&other.digits)).then_with(|| self.tie.cmp(other.tie))
    }
}

fn decimal(text: &str) -> Decimal<'_> {
    let is_negative = text.starts_with('-');
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let whole = whole.trim_start_matches('-');
    let digits = whole.bytes().chain(fraction.bytes());
    let zeros = digits.clone().take_while(|&digit| digit == b'0').count();
    let mut digits: Vec<u8> = digits.skip(zeros).collect();
    while digits.last() == Some(&b'0') {
        digits.pop();
    }
    if digits.is_empty() {
        return Decimal { is_negative, digits, point: 0, tie: "" };
    }
    let (exponent, tie) = self::exponent(exponent, text);
    // Lengths of texts are far below i128's range.
    let shift = whole.len() as i128 - zeros as i128;
    Decimal { is_negative, digits, point: exponent + shift, tie }
}

/// An exponent's value, and what tells numbers apart whose exponents have been cut to the greatest.
fn exponent<'t>(exponent: &str, text: &'t str) -> (i128, &'t str) {
    let size = exponent.trim_start_matches(['+', '-']).trim_start_matches('0');
    let sign = if exponent.starts_with('-') { -1 } else { 1 };
    if size.len() > MAX_EXPONENT_DIGITS {
        return (sign * 10_i128.pow(MAX_EXPONENT_DIGITS as u32 + 1), text);
    }
    // Up to thirty digits and nothing else; none at all are a zero.
    (sign * size.parse::<i128>().unwrap_or(0), "")
}
