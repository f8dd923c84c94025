//! Exact decimals: numbers of JSON compared and added by their digits, never by a float.

use std::cmp::Ordering;

use crate::json::Number;

/// The greatest exponent that a number may be written with, in either direction: more than a float of 64 bits has.
const MAX_EXPONENT: i64 = 1000;

/// A number as a whole number divided by a power of ten, exactly as it was written: `2.50` is 250 with a scale of 2.
#[derive(Clone, Debug)]
pub(super) struct Decimal {
    is_negative: bool,
    /// From the lowest on; no zeros at the end, none at all for zero.
    digits: Vec<u8>,
    /// How many of them are behind the point.
    scale: usize,
}

impl Decimal {
    /// The decimal of a number; `None` where its exponent is beyond 1,000, so that a few bytes cannot ask for
    /// gigabytes.
    pub(super) fn new(number: &Number) -> Option<Decimal> {
        let text = number.text();
        let (is_negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
            None => (text, 0),
        };
        if exponent.abs() > MAX_EXPONENT {
            return None;
        }
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).rev().map(|digit| digit - b'0').collect();
        let scale = i64::try_from(fraction.len()).ok()? - exponent;
        if scale < 0 {
            let zeros = vec![0; usize::try_from(-scale).ok()?];
            digits.splice(0..0, zeros);
        }
        let mut decimal = Decimal { is_negative, digits, scale: usize::try_from(scale).unwrap_or(0) };
        decimal.trim();
        Some(decimal)
    }

    /// How many digits it takes to write the number.
    pub(super) fn len(&self) -> usize {
        self.digits.len().max(self.scale)
    }

    /// The order of the values: `1` and `1.00` are equal.
    pub(super) fn compare(&self, other: &Decimal) -> Ordering {
        let (one, two) = self.aligned(other);
        match (one.is_negative(), two.is_negative()) {
            (false, false) => compare_digits(&one.digits, &two.digits),
            (true, true) => compare_digits(&two.digits, &one.digits),
            (one, two) => two.cmp(&one),
        }
    }

    /// The sum; it has the larger one of both scales.
    pub(super) fn plus(&self, other: &Decimal) -> Decimal {
        let (mut one, mut two) = self.aligned(other);
        if one.is_negative == two.is_negative {
            one.digits = sum(&one.digits, &two.digits);
            return one;
        }
        if compare_digits(&one.digits, &two.digits).is_lt() {
            std::mem::swap(&mut one, &mut two);
        }
        one.digits = difference(&one.digits, &two.digits);
        one.trim();
        one
    }

    /// The difference; it has the larger one of both scales.
    pub(super) fn minus(&self, other: &Decimal) -> Decimal {
        self.plus(&Decimal { is_negative: !other.is_negative, ..other.clone() })
    }

    /// The number: no exponent, as many digits behind the point as the scale says, no minus before a zero.
    pub(super) fn number(&self) -> Number {
        let mut digits: Vec<char> = self.digits.iter().map(|&digit| char::from(b'0' + digit)).collect();
        digits.resize(digits.len().max(self.scale + 1), '0');
        if self.scale > 0 {
            digits.insert(self.scale, '.');
        }
        let sign = if self.is_negative() { "-" } else { "" };
        let text: String = sign.chars().chain(digits.into_iter().rev()).collect();
        Number::new(&text).expect("a sign, digits and a point are a number")
    }

    fn is_negative(&self) -> bool {
        self.is_negative && !self.digits.is_empty()
    }

    /// Both with the same scale.
    fn aligned(&self, other: &Decimal) -> (Decimal, Decimal) {
        let scale = self.scale.max(other.scale);
        let with_scale = |decimal: &Decimal| {
            let mut digits = Vec::new();
            if !decimal.digits.is_empty() {
                digits.resize(scale - decimal.scale, 0);
                digits.extend(&decimal.digits);
            }
            Decimal { is_negative: decimal.is_negative, digits, scale }
        };
        (with_scale(self), with_scale(other))
    }

    fn trim(&mut self) {
        while self.digits.last() == Some(&0) {
            self.digits.pop();
        }
    }
}

fn compare_digits(one: &[u8], two: &[u8]) -> Ordering {
    one.len().cmp(&two.len()).then_with(|| one.iter().rev().cmp(two.iter().rev()))
}

fn sum(one: &[u8], two: &[u8]) -> Vec<u8> {
    let mut carry = 0;
    let mut digits = Vec::with_capacity(one.len().max(two.len()) + 1);
    for at in 0..one.len().max(two.len()) {
        let digit = one.get(at).unwrap_or(&0) + two.get(at).unwrap_or(&0) + carry;
        digits.push(digit % 10);
        carry = digit / 10;
    }
    if carry > 0 {
        digits.push(carry);
    }
    digits
}

/// `one` without `two`, which is not greater.
fn difference(one: &[u8], two: &[u8]) -> Vec<u8> {
    let mut borrow = 0;
    let mut digits = Vec::with_capacity(one.len());
    for (at, digit) in one.iter().enumerate() {
        let taken = two.get(at).unwrap_or(&0) + borrow;
        borrow = u8::from(*digit < taken);
        digits.push(digit + 10 * borrow - taken);
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::new(&Number::new(text).unwrap()).unwrap()
    }

    #[test]
    fn sums_are_exact() {
        for (one, two, sum) in [
            ("0.1", "0.2", "0.3"),
            ("1", "-1", "0"),
            ("-0", "0", "0"),
            ("-0.0", "0", "0.0"),
            ("2.50", "-2.5", "0.00"),
            ("99999999999999999999", "1", "100000000000000000000"),
            ("1e3", "1", "1001"),
            ("1E+2", "1.5e-3", "100.0015"),
            ("0e5", "-7", "-7"),
            ("-3", "1.25", "-1.75"),
            ("0.05", "-0.10", "-0.05"),
            ("12345678901234567890.123456789", "0.000000001", "12345678901234567890.123456790"),
        ] {
            assert_eq!(decimal(one).plus(&decimal(two)).number().text(), sum, "{one} {two}");
            assert_eq!(decimal(two).plus(&decimal(one)).number().text(), sum, "{two} {one}");
        }
    }

    #[test]
    fn values_are_compared() {
        for (one, two, order) in [
            ("1", "1.00", Ordering::Equal),
            ("1e2", "100", Ordering::Equal),
            ("-0", "0.0", Ordering::Equal),
            ("9007199254740993", "9007199254740992", Ordering::Greater),
            ("-2", "-10", Ordering::Greater),
            ("-1", "0", Ordering::Less),
            ("0.1", "0.09", Ordering::Greater),
            ("1e-1000", "0", Ordering::Greater),
        ] {
            assert_eq!(decimal(one).compare(&decimal(two)), order, "{one} {two}");
            assert_eq!(decimal(two).compare(&decimal(one)), order.reverse(), "{two} {one}");
        }
    }

    #[test]
    fn exponents_have_a_limit() {
        for text in ["1e1001", "1e-1001", "0e99999999999999999999", "1e9223372036854775807"] {
            assert!(Decimal::new(&Number::new(text).unwrap()).is_none(), "{text}");
        }
        assert_eq!(decimal("1e1000").len(), 1001);
        assert_eq!(decimal("1e-1000").number().text().len(), 1002);
    }

    proptest! {
        #[test]
        fn agrees_with_whole_numbers(one in any::<i64>(), two in any::<i64>(), scale in 0_u32..12) {
            let text = |number: i128| {
                let (size, unit) = (number.unsigned_abs(), 10_u128.pow(scale));
                let sign = if number < 0 { "-" } else { "" };
                let width = scale as usize;
                if width == 0 { number.to_string() } else { format!("{sign}{}.{:0width$}", size / unit, size % unit) }
            };
            let (one, two) = (i128::from(one), i128::from(two));
            let (a, b) = (decimal(&text(one)), decimal(&text(two)));
            let (same, sum, difference) = (a.number(), a.plus(&b).number(), a.minus(&b).number());
            prop_assert_eq!(same.text(), text(one));
            prop_assert_eq!(sum.text(), text(one + two));
            prop_assert_eq!(difference.text(), text(one - two));
            prop_assert_eq!(a.compare(&b), one.cmp(&two));
        }
    }
}
