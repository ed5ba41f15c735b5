//! Numbers with a fraction, as `INCRBYFLOAT` adds and shows them.
//!
//! Redis adds in the processor's 80-bit format and shows 17 digits behind the point, the last of which are
//! noise once the number has three digits before it. Here numbers below 10^20 are added exactly, and larger
//! ones, which have no digits behind the point in either format, as 64-bit floats.

use std::fmt;

/// Digits kept behind the point.
const DIGITS: u32 = 17;
const ONE: i128 = 10_i128.pow(DIGITS);
/// Below this a number is kept exactly.
const EXACT_MAX: i128 = 10_i128.pow(20) * ONE;
/// Longest number that is looked at.
const TEXT_BYTES_MAX: usize = 512;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Decimal {
    /// In units of 10^-17.
    Exact(i128),
    Float(f64),
}

impl Decimal {
    /// A number as C writes one: a sign, digits with a point, an exponent; or an infinity.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let float: f64 = text.parse().ok()?;
        let says_infinite = || text.to_ascii_lowercase().contains("inf");
        if float.is_nan() || (float.is_infinite() && !says_infinite()) {
            return None;
        }
        let exact = exact(text).filter(|_| float.is_finite());
        Some(exact.map_or(Self::Float(float), Self::Exact))
    }

    /// The sum; `None` if it is not finite.
    pub(crate) fn plus(self, other: Self) -> Option<Self> {
        let sum = match (self, other) {
            (Self::Exact(one), Self::Exact(other)) => {
                let sum = one + other;
                match sum.abs() < EXACT_MAX {
                    true => Self::Exact(sum),
                    false => Self::Float(float(sum)),
                }
            }
            (one, other) => Self::Float(one.to_f64() + other.to_f64()),
        };
        sum.to_f64().is_finite().then_some(sum)
    }

    fn to_f64(self) -> f64 {
        match self {
            Self::Exact(number) => float(number),
            Self::Float(number) => number,
        }
    }
}

fn float(exact: i128) -> f64 {
    exact as f64 / ONE as f64
}

/// A number that was found to be one, in units of 10^-17, rounded to even; `None` if it is too large.
fn exact(text: &str) -> Option<i128> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let negative = mantissa.starts_with('-');
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = whole.bytes().chain(fraction.bytes());
    let digits = digits
        .filter(u8::is_ascii_digit)
        .map(|digit| i128::from(digit - b'0'));
    // The power of ten of the next digit, in our units.
    let whole_digits = whole.bytes().filter(u8::is_ascii_digit).count();
    let mut power = i64::try_from(whole_digits).ok()? + i64::from(exponent) + i64::from(DIGITS) - 1;
    let mut number: i128 = 0;
    // The first digit left out, and whether anything behind it is not 0.
    let (mut next, mut more) = (0, false);
    for digit in digits {
        if power >= 0 {
            if digit != 0 {
                let power = u32::try_from(power).ok().filter(|power| *power < 38)?;
                number += digit * 10_i128.pow(power);
            }
            if number >= EXACT_MAX {
                return None;
            }
        } else if power == -1 {
            next = digit;
        } else {
            more |= digit != 0;
        }
        power -= 1;
    }
    number += i128::from(next > 5 || (next == 5 && (more || number % 2 == 1)));
    Some(if negative { -number } else { number })
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = match self {
            Self::Exact(number) => *number,
            Self::Float(number) if number.abs() < 1e20 => return write!(f, "{number}"),
            Self::Float(number) => return write!(f, "{number:.0}"),
        };
        let sign = if number < 0 { "-" } else { "" };
        let (whole, fraction) = (number.abs() / ONE, number.abs() % ONE);
        write!(f, "{sign}{whole}")?;
        if fraction != 0 {
            let digits = format!("{fraction:017}");
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Decimal;

    fn sum(one: &str, other: &str) -> Option<String> {
        let one = Decimal::parse(one.as_bytes())?;
        let sum = one.plus(Decimal::parse(other.as_bytes())?)?;
        Some(sum.to_string())
    }

    #[test]
    fn sums_are_exact_and_shown_without_needless_zeros() {
        for (one, other, expected) in [
            ("0.1", "0.2", "0.3"),
            ("10.50", "0.1", "10.6"),
            ("5.0e3", "2.0e2", "5200"),
            ("3.0", "1.000000000000000005", "4.00000000000000000"),
            ("-1", "1", "0"),
            ("0", "-0.5", "-0.5"),
            (".5", "5.", "5.5"),
            ("1e-17", "0", "0.00000000000000001"),
            ("1e-18", "0", "0"),
            ("99999999999999999999", "1", "100000000000000000000"),
            ("1e300", "0", &format!("{:.0}", 1e300)),
        ] {
            let expected = match expected.split_once('.') {
                Some((whole, zeros)) if zeros.bytes().all(|digit| digit == b'0') => whole,
                _ => expected,
            };
            assert_eq!(
                sum(one, other).as_deref(),
                Some(expected),
                "{one} + {other}"
            );
        }
    }

    #[test]
    fn what_is_no_number_or_has_no_finite_sum_is_refused() {
        for text in ["", " 1", "1 ", "abc", "nan", "1.2.3", "1e", "--1", "1e5000"] {
            assert_eq!(Decimal::parse(text.as_bytes()), None, "{text}");
        }
        assert!(Decimal::parse(b"inf").is_some());
        assert_eq!(sum("inf", "1"), None);
        assert_eq!(sum("1.7e308", "1.7e308"), None);
    }
}
