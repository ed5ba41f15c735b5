//! How values are spelled: numbers, sizes, times, switches. The errors are Redis's where Redis has the kind.

use crate::store::SyncPolicy;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

/// Why a value is not taken, as a sentence about "the argument".
pub(super) type Wrong = String;

pub(super) fn yes_or_no(word: &str) -> Result<bool, Wrong> {
    match word.to_ascii_lowercase().as_str() {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err("argument must be 'yes' or 'no'".into()),
    }
}

pub(super) fn show_yes_or_no(yes: bool) -> String {
    if yes { "yes" } else { "no" }.into()
}

/// A whole number within bounds.
pub(super) fn number<T>(word: &str, allowed: RangeInclusive<T>) -> Result<T, Wrong>
where
    T: FromStr + PartialOrd + Display,
{
    let wide = word
        .parse::<i128>()
        .map_err(|_| "argument couldn't be parsed into an integer")?;
    let number = wide.to_string().parse::<T>().ok();
    let number = number.filter(|number| allowed.contains(number));
    number.ok_or_else(|| outside(allowed.start(), allowed.end()))
}

fn outside(min: impl Display, max: impl Display) -> Wrong {
    format!("argument must be between {min} and {max} inclusive")
}

/// `100`, `64k`, `64kb`, `256mb`, `1gb`: `k` is 1000, `kb` is 1024, as in redis.conf; `64KiB` leaves no doubt.
pub(super) fn bytes(word: &str, allowed: RangeInclusive<u64>) -> Result<u64, Wrong> {
    let lower = word.to_ascii_lowercase();
    let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let scale = match &lower[digits.len()..] {
        "" | "b" => 1,
        "k" => 1_000,
        "kb" | "kib" => 1 << 10,
        "m" => 1_000_000,
        "mb" | "mib" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" | "gib" => 1 << 30,
        _ => 0,
    };
    let number = digits.parse::<u64>().ok().filter(|_| scale > 0);
    let number = number.ok_or("argument must be a memory value such as 64kb, 256mb or 1gb")?;
    let bytes = number.checked_mul(scale).filter(|it| allowed.contains(it));
    bytes.ok_or_else(|| outside(allowed.start(), allowed.end()))
}

/// `30` or `30s`, `500ms`, `5m`, `2h`: a number without a unit is seconds.
pub(super) fn time(word: &str) -> Result<Duration, Wrong> {
    let wrong = || "argument must be a time such as 30, 500ms, 15s, 5m or 2h".to_owned();
    let units = [
        ("ms", 1),
        ("s", 1000),
        ("m", 60_000),
        ("h", 3_600_000),
        ("", 1000),
    ];
    let unit = units
        .iter()
        .find_map(|(unit, ms)| Some((word.strip_suffix(unit)?, *ms)));
    let (number, ms) = unit.ok_or_else(wrong)?;
    let number = number.parse::<u32>().map_err(|_| wrong())?;
    Ok(Duration::from_millis(u64::from(number) * ms))
}

/// Whole seconds as a number, as Redis shows them; anything else in milliseconds.
pub(super) fn show_time(time: Duration) -> String {
    match time.subsec_nanos() {
        0 => time.as_secs().to_string(),
        _ => format!("{}ms", time.as_millis()),
    }
}

/// `always`, `everysec`, `no`, or a time with its unit.
pub(super) fn sync_policy(word: &str) -> Result<SyncPolicy, Wrong> {
    match word.to_ascii_lowercase().as_str() {
        "always" => Ok(SyncPolicy::Always),
        "everysec" => Ok(SyncPolicy::Every(Duration::from_secs(1))),
        "no" => Ok(SyncPolicy::Never),
        // A bare number would leave open whether seconds or milliseconds are meant.
        word if word.ends_with(|c: char| c.is_ascii_alphabetic()) => match time(word) {
            Ok(time) if !time.is_zero() => Ok(SyncPolicy::Every(time)),
            _ => Err(NO_POLICY.into()),
        },
        _ => Err(NO_POLICY.into()),
    }
}

const NO_POLICY: &str = "argument must be always, everysec, no, or a time such as 100ms or 15s";

/// One word of a list.
pub(super) fn choice<T: Copy>(word: &str, choices: &[(&str, T)]) -> Result<T, Wrong> {
    let found = choices
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(word));
    found.map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
        let names = names.join(", ");
        format!("argument(s) must be one of the following: {names}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sync_policies_are_words_or_times_with_a_unit() {
        let seconds = |s| SyncPolicy::Every(Duration::from_secs(s));
        for (text, policy) in [
            ("always", Some(SyncPolicy::Always)),
            ("everysec", Some(seconds(1))),
            ("15s", Some(seconds(15))),
            ("2m", Some(seconds(120))),
            ("no", Some(SyncPolicy::Never)),
            ("0s", None),
            ("5", None),
            ("never", None),
            ("-1s", None),
            ("", None),
        ] {
            assert_eq!(sync_policy(text).ok(), policy, "{text}");
        }
    }

    #[test]
    fn sizes_have_the_units_of_redis_conf_and_bounds() {
        let all = 0..=u64::MAX;
        for (text, expected) in [
            ("0", Some(0)),
            ("64k", Some(64_000)),
            ("64KB", Some(65_536)),
            ("1mb", Some(1 << 20)),
            ("1g", Some(1_000_000_000)),
            ("2GB", Some(2 << 30)),
            ("64KiB", Some(65_536)),
            ("1mib", Some(1 << 20)),
            ("2GiB", Some(2 << 30)),
            ("17b", Some(17)),
            ("mb", None),
            ("1tb", None),
            ("-1", None),
            ("1.5mb", None),
            ("99999999999gb", None),
        ] {
            assert_eq!(bytes(text, all.clone()).ok(), expected, "{text}");
        }
        let words = bytes("2mb", 0..=100).unwrap_err();
        assert_eq!(words, "argument must be between 0 and 100 inclusive");
    }

    #[test]
    fn a_time_shown_is_a_time_understood() {
        for (text, shown) in [
            ("0", "0"),
            ("30", "30"),
            ("1500ms", "1500ms"),
            ("5m", "300"),
        ] {
            let understood = time(text).unwrap();
            assert_eq!(show_time(understood), shown);
            assert_eq!(time(shown), Ok(understood));
        }
        for wrong in ["", "s", "-1", "1d", "99999999999s"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }
}
