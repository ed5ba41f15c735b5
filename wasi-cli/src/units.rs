//! Sizes, durations and times, as people type and read them.

use std::time::{SystemTime, UNIX_EPOCH};

const MS: [(&str, u64); 6] = [
    ("ms", 1),
    ("s", 1000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
    ("w", 604_800_000),
];

/// Whether a time, in milliseconds since 1970, is over by this machine's clock.
pub fn is_past(at_ms: u64) -> bool {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .is_ok_and(|now| u128::from(at_ms) <= now.as_millis())
}

/// Milliseconds of `10s`, `500ms`, `1h30m`, `1.5s`. A bare number is refused, but 0 is 0.
pub fn parse_duration_ms(text: &str) -> Result<u64, String> {
    let wrong = || "expected a number with a unit: 500ms, 10s, 5m, 2h, 1d or 1h30m".to_owned();
    if text == "0" {
        return Ok(0);
    }
    let mut total: u64 = 0;
    let mut rest = text.trim();
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(wrong)?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let (_, ms) = MS
            .iter()
            .find(|(name, _)| *name == unit)
            .ok_or_else(wrong)?;
        let part = scaled(number, *ms).ok_or_else(wrong)?;
        total = total.checked_add(part).ok_or("that is too long")?;
        rest = tail;
    }
    if text.trim().is_empty() {
        Err(wrong())
    } else {
        Ok(total)
    }
}

const BYTES: [(&str, u64); 15] = [
    ("", 1),
    ("b", 1),
    ("k", 1000),
    ("kb", 1 << 10),
    ("kib", 1 << 10),
    ("m", 1_000_000),
    ("mb", 1 << 20),
    ("mib", 1 << 20),
    ("g", 1_000_000_000),
    ("gb", 1 << 30),
    ("gib", 1 << 30),
    ("t", 1_000_000_000_000),
    ("tb", 1 << 40),
    ("tib", 1 << 40),
    ("bytes", 1),
];

/// Bytes of `4096`, `64MiB`, `64MB` (the same), `64M` (decimal), `1.5GiB`: as redis.conf and so portcask-server read
/// them, so that one size means the same to both programs.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim().to_ascii_lowercase();
    BYTES
        .iter()
        .find(|(name, _)| *name == unit)
        .and_then(|(_, bytes)| scaled(number, *bytes))
        .ok_or_else(|| {
            "expected bytes, with a unit if you like: 4096, 64KiB, 256MiB, 1GiB".to_owned()
        })
}

/// `number` (digits with at most one point) times `unit`, exact for whole numbers.
fn scaled(number: &str, unit: u64) -> Option<u64> {
    match number.split_once('.') {
        None => number.parse::<u64>().ok()?.checked_mul(unit),
        Some((whole, part)) if !whole.is_empty() && !part.is_empty() && part.len() <= 9 => {
            let whole = whole.parse::<u64>().ok()?.checked_mul(unit)?;
            let part = u128::from(part.parse::<u64>().ok()?) * u128::from(unit)
                / 10u128.pow(u32::try_from(part.len()).ok()?);
            whole.checked_add(u64::try_from(part).ok()?)
        }
        Some(_) => None,
    }
}

/// Unix milliseconds of a number, or of a UTC time such as `2027-01-31T12:00:00Z`.
pub fn parse_time_ms(text: &str) -> Result<u64, String> {
    let wrong =
        || "expected unix milliseconds, or a UTC time such as 2027-01-31T12:00:00Z".to_owned();
    if let Ok(ms) = text.parse() {
        return Ok(ms);
    }
    let (date, time) = match text.split_once(['T', ' ']) {
        Some((date, time)) => (date, time.strip_suffix('Z').ok_or_else(wrong)?),
        None => (text, "00:00:00"),
    };
    let field = |text: Option<&str>, min: u64, max: u64| {
        text.and_then(|text| text.parse::<u64>().ok())
            .filter(|n| (min..=max).contains(n))
            .ok_or_else(wrong)
    };
    let mut parts = date.split('-');
    let year = field(parts.next(), 1970, 9999)?;
    let month = field(parts.next(), 1, 12)?;
    let day = field(parts.next(), 1, days_in(year, month))?;
    let mut clock = time.split(':');
    let hour = field(clock.next(), 0, 23)?;
    let minute = field(clock.next(), 0, 59)?;
    let seconds = clock.next().unwrap_or("0");
    let ms = scaled(seconds, 1000)
        .filter(|ms| *ms < 60_000)
        .ok_or_else(wrong)?;
    if parts.next().is_some() || clock.next().is_some() {
        return Err(wrong());
    }
    let days = days_before(year, month) + day - 1;
    Ok(((days * 24 + hour) * 60 + minute) * 60_000 + ms)
}

/// `2027-01-31T12:00:00Z`, with milliseconds if there are any.
pub fn time(ms: u64) -> String {
    let (seconds, rest) = (ms / 1000, ms % 1000);
    let (mut days, second) = (seconds / 86_400, seconds % 86_400);
    if days > 2_932_896 {
        return format!("{ms} ms"); // after the year 9999
    }
    let mut year = 1970;
    while days >= days_in_year(year) {
        days -= days_in_year(year);
        year += 1;
    }
    let mut month = 1;
    while days >= days_in(year, month) {
        days -= days_in(year, month);
        month += 1;
    }
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let fraction = if rest == 0 {
        String::new()
    } else {
        format!(".{rest:03}")
    };
    format!(
        "{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z",
        days + 1
    )
}

fn days_before(year: u64, month: u64) -> u64 {
    (1970..year).map(days_in_year).sum::<u64>() + (1..month).map(|m| days_in(year, m)).sum::<u64>()
}

fn days_in_year(year: u64) -> u64 {
    365 + u64::from(is_leap(year))
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_in(year: u64, month: u64) -> u64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u64::from(is_leap(year)),
        _ => 31,
    }
}

/// `1,234,567`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 key`, `1,234 keys`.
pub fn counted(n: u64, what: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{} {what}{plural}", count(n))
}

/// `512 B`, `1.50 KiB`, `256.0 MiB`: three digits or more.
pub fn size(bytes: u64) -> String {
    let mut unit = "B";
    let mut scaled = bytes as f64;
    for next in ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"] {
        if scaled < 1024.0 {
            break;
        }
        scaled /= 1024.0;
        unit = next;
    }
    match scaled {
        _ if unit == "B" => format!("{bytes} B"),
        small if small < 10.0 => format!("{small:.2} {unit}"),
        _ => format!("{scaled:.1} {unit}"),
    }
}

/// `12.5 %`; of nothing it is 0.
pub fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "0.0 %".to_owned();
    }
    format!("{:.1} %", part as f64 * 100.0 / whole as f64)
}

/// `850 ns`, `12.3 us`, `4.5 ms`, `1.2 s`.
pub fn nanos(ns: u64) -> String {
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => format!("{:.1} us", ns as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} ms", ns as f64 / 1e6),
        _ => format!("{:.2} s", ns as f64 / 1e9),
    }
}

/// `250 ms`, `12.3 s`, `5 m 12 s`, `3 d 4 h`.
pub fn duration(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{:.1} s", ms as f64 / 1e3),
        60_000..3_600_000 => format!("{} m {} s", ms / 60_000, ms / 1000 % 60),
        3_600_000..86_400_000 => format!("{} h {} m", ms / 3_600_000, ms / 60_000 % 60),
        _ => format!("{} d {} h", ms / 86_400_000, ms / 3_600_000 % 24),
    }
}

/// A time to live as `--ttl` takes it, to the second: `850ms`, `30s`, `1h30m`, `6d23h59m55s`.
pub fn life(ms: u64) -> String {
    // As Redis rounds: who asks at once for what was given 30 s is told 30 s.
    let seconds = match ms {
        0..1_000 => return format!("{ms}ms"),
        _ => ms / 1000 + u64::from(ms % 1000 >= 500),
    };
    let parts = [
        (seconds / 86_400, 'd'),
        (seconds / 3600 % 24, 'h'),
        (seconds / 60 % 60, 'm'),
        (seconds % 60, 's'),
    ];
    let parts = parts.into_iter().filter(|(count, _)| *count > 0);
    parts
        .map(|(count, unit)| format!("{count}{unit}"))
        .collect()
}

/// Things per second, as a whole number.
pub fn rate(things: u64, elapsed: std::time::Duration) -> u64 {
    let seconds = elapsed.as_secs_f64();
    if seconds <= 0.0 {
        things
    } else {
        (things as f64 / seconds) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_take_units_and_sums_of_them() {
        for (text, ms) in [
            ("500ms", 500),
            ("10s", 10_000),
            ("5m", 300_000),
            ("2h", 7_200_000),
            ("1d", 86_400_000),
            ("1h30m", 5_400_000),
            ("1.5s", 1_500),
            ("0", 0),
        ] {
            assert_eq!(parse_duration_ms(text), Ok(ms), "{text}");
        }
    }

    #[test]
    fn a_duration_without_unit_or_sense_is_refused() {
        for text in [
            "10",
            "",
            "s",
            "1x",
            "-1s",
            "1.s",
            "1..5s",
            "99999999999999999999d",
        ] {
            assert!(parse_duration_ms(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_read_as_the_server_reads_them() {
        for (text, bytes) in [
            ("4096", 4096),
            ("64MiB", 64 << 20),
            ("64MB", 64 << 20),
            ("64kb", 64 << 10),
            ("1gb", 1 << 30),
            ("64m", 64_000_000),
            ("1k", 1000),
            ("1.5KiB", 1536),
            ("4 GiB", 4 << 30),
            ("10B", 10),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in [
            "",
            "MiB",
            "-1",
            "1XB",
            "99999999999999999999",
            "18446744073709551615k",
        ] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_life_is_told_to_the_second_as_it_is_typed() {
        for (ms, told) in [
            (0, "0ms"),
            (999, "999ms"),
            (1_000, "1s"),
            (29_996, "30s"),
            (30_499, "30s"),
            (5_399_700, "1h30m"),
            (604_795_000, "6d23h59m55s"),
            (86_400_000, "1d"),
        ] {
            assert_eq!(life(ms), told);
            let typed = parse_duration_ms(told).unwrap();
            assert!(typed.abs_diff(ms) <= 500, "{told}");
        }
        assert!(parse_duration_ms(&life(u64::MAX - 1000)).is_ok());
    }

    #[test]
    fn times_go_to_text_and_back() {
        for ms in [
            0,
            951_782_400_000,
            1_709_164_799_123,
            1_801_396_800_000,
            4_102_444_799_000,
        ] {
            assert_eq!(parse_time_ms(&time(ms)), Ok(ms), "{}", time(ms));
        }
        assert_eq!(time(951_782_400_000), "2000-02-29T00:00:00Z");
        assert_eq!(parse_time_ms("2000-02-29"), Ok(951_782_400_000));
        for text in [
            "",
            "2001-02-29",
            "2000-13-01",
            "2000-01-01T00:00:00",
            "1969-01-01",
        ] {
            assert!(parse_time_ms(text).is_err(), "{text}");
        }
        assert_eq!(time(u64::MAX), "18446744073709551615 ms");
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(12), "12");
        assert_eq!(counted(1, "key"), "1 key");
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(1536), "1.50 KiB");
        assert_eq!(size(256 << 20), "256.0 MiB");
        assert_eq!(percent(1, 8), "12.5 %");
        assert_eq!(percent(0, 0), "0.0 %");
        assert_eq!(nanos(12_345), "12.3 us");
        assert_eq!(duration(312_000), "5 m 12 s");
    }
}
