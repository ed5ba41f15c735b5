//! Where the data is, when it is durable, and when it is merged.

use super::Setting;
use super::values::{
    bytes, choice, number, show_time, show_yes_or_no, sync_policy, time, yes_or_no,
};
use crate::config::Config;
use crate::store::SyncPolicy;
use portcask::MergePolicy;
use std::time::Duration;

const STORE: &str = "Store";
const MERGE: &str = "Merge";
const MIB: u64 = 1 << 20;

pub(super) const SETTINGS: &[Setting] = &[
    Setting::new(
        "dir",
        "DIR",
        |config, words| {
            config.dir = words[0].as_str().into();
            Ok(())
        },
        |config| vec![config.dir.display().to_string()],
    )
    .told(STORE, "The directory of the store; created if it does not exist"),
    Setting::new(
        "sync",
        "WHEN",
        |config, words| {
            config.sync = sync_policy(&words[0])?;
            Ok(())
        },
        |config| vec![config.sync.to_string()],
    )
    .live()
    .told(
        STORE,
        "When writes reach the disk: always (before they are acknowledged), everysec (within a second), within a \
         time such as 100ms or 15s, or no (when the system decides). A killed process loses nothing under any of them",
    ),
    Setting::new(
        "appendfsync",
        "WHEN",
        |config, words| {
            config.sync = choice(&words[0], REDIS_POLICIES)?;
            Ok(())
        },
        |config| vec![redis_word(config.sync).to_owned()],
    )
    .live()
    .view()
    .told(STORE, "`sync` under Redis's name, with Redis's three values"),
    Setting::new(
        "segment-size",
        "BYTES",
        |config, words| {
            config.store.engine.segment_bytes = bytes(&words[0], MIB..=4096 * MIB)?;
            Ok(())
        },
        |config| vec![config.store.engine.segment_bytes.to_string()],
    )
    .told(STORE, "Start a new log file at this size, 1mb to 4gb; no transaction can be larger"),
    Setting::new(
        "reserve",
        "BYTES",
        |config, words| {
            config.store.engine.reserve_bytes = bytes(&words[0], 0..=u64::MAX)?;
            Ok(())
        },
        |config| vec![config.store.engine.reserve_bytes.to_string()],
    )
    .told(STORE, "Space to keep in reserve, so that deletes and a merge still fit on a full disk"),
    Setting::new(
        "trust-clock",
        "yes|no",
        |config, words| {
            config.store.engine.trust_clock = yes_or_no(&words[0])?;
            Ok(())
        },
        |config| vec![show_yes_or_no(config.store.engine.trust_clock)],
    )
    .told(
        STORE,
        "Trust a clock that is more than a day ahead of the last time the store was used. Otherwise no key \
         expires until you confirm the clock",
    ),
    Setting::new(
        "mapped",
        "yes|no",
        |config, words| {
            config.store.mapped = yes_or_no(&words[0])?;
            Ok(())
        },
        |config| vec![show_yes_or_no(config.store.mapped)],
    )
    .told(
        STORE,
        "Map files into memory for small reads and writes: faster, but a failing disk then kills the process with a \
         signal instead of returning an error",
    ),
    Setting::new(
        "merge",
        "yes|no",
        |config, words| {
            merge(config).auto = yes_or_no(&words[0])?;
            Ok(())
        },
        |config| vec![show_yes_or_no(config.store.engine.merge.auto)],
    )
    .told(MERGE, "Reclaim dead space automatically; PORTCASK.MERGE reclaims it in any case"),
    Setting::new(
        "size-check",
        "TIME",
        |config, words| {
            let every = time(&words[0])?;
            if every.is_zero() {
                return Err("argument must be at least 1ms".into());
            }
            config.store.background = Some(every);
            Ok(())
        },
        |config| vec![show_time(config.store.background.unwrap_or(Duration::from_secs(1)))],
    )
    .told(MERGE, "How often to check whether a merge is due and keys have expired"),
    Setting::new(
        "dead-ratio",
        "PERCENT",
        |config, words| {
            let percent = percent(&words[0])?;
            merge(config).fragmentation_trigger_percent = percent;
            // What is worth a merge is also worth being taken by one.
            let taken = MergePolicy::default().fragmentation_threshold_percent;
            merge(config).fragmentation_threshold_percent = taken.min(percent);
            Ok(())
        },
        |config| vec![config.store.engine.merge.fragmentation_trigger_percent.to_string()],
    )
    .told(
        MERGE,
        "Merge once this share of a file is dead: 60, 60% or 0.6. The merge then takes every file that is 40% dead",
    ),
    Setting::new(
        "dead-bytes",
        "BYTES",
        |config, words| {
            let dead = bytes(&words[0], 1..=u64::MAX)?;
            merge(config).dead_bytes_trigger = dead;
            let taken = MergePolicy::default().dead_bytes_threshold;
            merge(config).dead_bytes_threshold = taken.min(dead);
            Ok(())
        },
        |config| vec![config.store.engine.merge.dead_bytes_trigger.to_string()],
    )
    .told(MERGE, "Merge also once a file holds this many dead bytes"),
    Setting::new(
        "merge-min-files",
        "COUNT",
        |config, words| {
            merge(config).min_files = number(&words[0], 2..=1_000_000)?;
            Ok(())
        },
        |config| vec![config.store.engine.merge.min_files.to_string()],
    )
    .or("merge-files")
    .told(MERGE, "Join small files once this many lie side by side"),
    Setting::new(
        "merge-max-files",
        "COUNT",
        |config, words| {
            merge(config).max_files = number(&words[0], 2..=1_000_000)?;
            Ok(())
        },
        |config| vec![config.store.engine.merge.max_files.to_string()],
    )
    .or("max-merge-files")
    .told(MERGE, "Most files in one merge"),
    Setting::new(
        "merge-max-bytes",
        "BYTES",
        |config, words| {
            merge(config).max_bytes = bytes(&words[0], MIB..=u64::MAX)?;
            Ok(())
        },
        |config| vec![config.store.engine.merge.max_bytes.to_string()],
    )
    .or("max-merge-bytes")
    .told(MERGE, "Most bytes in one merge"),
    Setting::new(
        "merge-window",
        "HOURS",
        |config, words| {
            merge(config).window_hours = window(&words[0])?;
            Ok(())
        },
        |config| {
            vec![match config.store.engine.merge.window_hours {
                None => "always".to_owned(),
                Some((from, to)) => format!("{from}-{to}"),
            }]
        },
    )
    .told(MERGE, "Hours of the day (UTC) in which a merge may start on its own: 1-5, 22-4, or always"),
];

const REDIS_POLICIES: &[(&str, SyncPolicy)] = &[
    ("everysec", SyncPolicy::Every(Duration::from_secs(1))),
    ("always", SyncPolicy::Always),
    ("no", SyncPolicy::Never),
];

/// How `appendfsync` says it: Redis has three words, and a time of ours is the second one.
fn redis_word(policy: SyncPolicy) -> &'static str {
    match policy {
        SyncPolicy::Always => "always",
        SyncPolicy::Every(_) => "everysec",
        SyncPolicy::Never => "no",
    }
}

fn merge(config: &mut Config) -> &mut MergePolicy {
    &mut config.store.engine.merge
}

/// `60`, `60%` or `0.6`, from 1 % to 100 %.
fn percent(word: &str) -> Result<u8, String> {
    let wrong = || "argument must be a share such as 60, 60% or 0.6, from 1% to 100%".to_owned();
    let digits = word.strip_suffix('%').unwrap_or(word);
    let percent = match digits.split_once('.') {
        None => digits.parse::<u8>().map_err(|_| wrong())?,
        Some((whole, part)) if digits.len() == word.len() && part.len() <= 2 => {
            let hundredths = format!("{whole}{part:0<2}");
            hundredths.parse::<u8>().map_err(|_| wrong())?
        }
        Some(_) => return Err(wrong()),
    };
    match percent {
        1..=100 => Ok(percent),
        _ => Err(wrong()),
    }
}

/// `1-5`, over midnight too; `always`.
fn window(word: &str) -> Result<Option<(u8, u8)>, String> {
    if word.eq_ignore_ascii_case("always") {
        return Ok(None);
    }
    let hours = word.split_once('-').and_then(|(from, to)| {
        let hour = |text: &str| text.parse::<u8>().ok().filter(|hour| *hour < 24);
        Some((hour(from)?, hour(to)?))
    });
    match hours {
        Some(hours) => Ok(Some(hours)),
        None => Err("argument must be hours of the day such as 1-5, or always".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_percentage_or_a_fraction() {
        for (text, expected) in [
            ("60", Some(60)),
            ("60%", Some(60)),
            ("0.6", Some(60)),
            ("0.45", Some(45)),
            ("1.0", Some(100)),
            ("100", Some(100)),
            ("0", None),
            ("101", None),
            ("0.456", None),
            ("60.5%", None),
            ("-1", None),
            ("", None),
        ] {
            assert_eq!(percent(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn a_window_is_two_hours_of_the_day() {
        assert_eq!(window("22-4"), Ok(Some((22, 4))));
        assert_eq!(window("always"), Ok(None));
        for wrong in ["24-1", "1", "1-", "a-b", ""] {
            assert!(window(wrong).is_err(), "{wrong}");
        }
    }
}
