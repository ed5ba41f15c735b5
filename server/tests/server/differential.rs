//! Random commands to this server and to Redis: every reply must be the same.
//!
//! `PORTCASK_SEED=7` repeats one run, `PORTCASK_DIFF_COMMANDS=1000000` makes it longer.

use crate::common::{Client, start};
use crate::real_redis::Redis;
use std::fmt::Write;

const COMMANDS: u64 = 20_000;

/// What a command is made of. Words in capitals are themselves; the others are chosen from.
const SHAPES: &[&str] = &[
    "GET key",
    "SET key value",
    "SET key value",
    "SET key int",
    "SET key value setopt setopt",
    "SET key value setopt setopt setopt",
    "SETNX key value",
    "SETEX key life value",
    "PSETEX key life value",
    "GETSET key value",
    "GETDEL key",
    "GETEX key",
    "GETEX key setopt",
    "GETEX key setopt setopt",
    "STRLEN key",
    "MGET key key key",
    "MSET key value key value",
    "MSET key value key",
    "MSETNX key value key value",
    "APPEND key value",
    "GETRANGE key index index",
    "SUBSTR key index index",
    "SETRANGE key index value",
    "INCR key",
    "DECR key",
    "INCRBY key int",
    "DECRBY key int",
    "INCRBYFLOAT fkey float",
    "INCRBYFLOAT fkey float",
    "GET fkey",
    "SET fkey float",
    "DEL fkey",
    "SETBIT key index bit",
    "GETBIT key index",
    "BITCOUNT key",
    "BITCOUNT key index",
    "BITCOUNT key index index",
    "BITCOUNT key index index unit",
    "BITPOS key bit",
    "BITPOS key bit index",
    "BITPOS key bit index index",
    "BITPOS key bit index index unit",
    "LCS key key lcsopt lcsopt",
    "LCS key key IDX lcsopt lcsopt",
    "LCS key key",
    "DEL key",
    "DEL key key",
    "UNLINK key",
    "EXISTS key key",
    "TOUCH key key",
    "TYPE key",
    "RENAME key key",
    "RENAMENX key key",
    "COPY key key",
    "COPY key key copyopt copyopt",
    "RANDOMKEY word",
    "DBSIZE",
    "DBSIZE word",
    "EXPIRE key time flag",
    "EXPIRE key time flag flag",
    "EXPIREAT key at expopt expopt",
    "PEXPIRE key time",
    "EXPIREAT key at expopt",
    "PEXPIREAT key at expopt",
    "EXPIRE key time",
    "EXPIRETIME key",
    "PEXPIRETIME key",
    "TTL key",
    "PERSIST key",
    "KEYS one",
    "SCAN word",
    "SCAN 0 COUNT few",
    "SCAN 0 MATCH one COUNT 10000",
    "SCAN 0 COUNT 10000 TYPE word",
    "MULTI",
    "MULTI",
    "EXEC",
    "EXEC",
    "EXEC",
    "DISCARD",
    "WATCH key",
    "UNWATCH",
    "PING",
    "PING value",
    "PING value word",
    "ECHO value",
    "SELECT int",
    "OBJECT word key",
    "word word word",
    "word value",
    "CLIENT word",
    "CLIENT GETNAME",
    "CLIENT SETNAME word",
    "HELLO int",
    "COMMAND GETKEYS SET key value",
    "COMMAND GETKEYS MSET key value key value",
    "COMMAND GETKEYS word",
    "FLUSHALL flush",
    "FLUSHDB word",
    "RESET",
    "AUTH word word",
    "QUIT word",
];

const CHOICES: &[(&str, &[&str])] = &[
    // Not GT and LT: what is later may hang on a millisecond.
    ("flag", &["NX", "XX", "xx", "x"]),
    ("fkey", &["number"]),
    (
        "life",
        &[
            "0",
            "-1",
            "100000",
            "200000",
            "9223372036854775807",
            "x",
            "",
        ],
    ),
    ("few", &["0", "-1", "x", "", "1.5"]),
    ("key", &["a", "b", "c", "d", "e", ""]),
    (
        "one",
        &["a", "[^b-z]", "\\b", "b*a", "?*?", "[]", "[a", "z*"],
    ),
    (
        "value",
        &[
            "",
            "1",
            "10",
            "-5",
            "hello",
            "he\\lo w",
            "ohmytext",
            "mynewtext",
            "3.14",
            "\u{ff}\u{0}x",
            "9223372036854775807",
            "0xff",
            " 1",
            "1 ",
            "01",
            "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeee",
        ],
    ),
    (
        "int",
        &[
            "0",
            "1",
            "2",
            "-1",
            "100",
            "-9223372036854775808",
            "9223372036854775807",
            "9223372036854775808",
            "x",
            "1.5",
            "",
            "+1",
            "01",
            "-0",
            "4",
        ],
    ),
    (
        "float",
        // Fractions that 64 bits hold whole: the last digits of others are Redis's noise.
        &[
            "0.5", "-1.25", "3", "1e2", "abc", "", " 1", "inf", "nan", "-inf", "2.0625", "5.0e1",
        ],
    ),
    (
        "index",
        &[
            "0",
            "1",
            "-1",
            "2",
            "-3",
            "7",
            "8",
            "9",
            "63",
            "-100",
            "100",
            "9223372036854775807",
            "-9223372036854775808",
            "4294967296",
            "x",
        ],
    ),
    ("bit", &["0", "1", "0", "1", "2", "-1", "x"]),
    ("unit", &["BYTE", "BIT", "bit", "x"]),
    (
        "setopt",
        &[
            "NX",
            "XX",
            "GET",
            "KEEPTTL",
            "PERSIST",
            "EX",
            "PX",
            "100000",
            "EXAT",
            "PXAT",
            "4102444800",
            "0",
            "x",
        ],
    ),
    (
        "lcsopt",
        &["LEN", "IDX", "WITHMATCHLEN", "MINMATCHLEN", "2", "x", ""],
    ),
    ("copyopt", &["REPLACE", "DB", "0", "1", "x"]),
    ("expopt", &["NX", "XX", "GT", "LT", "nx", "x"]),
    (
        "time",
        &[
            "100000",
            "150000",
            "-1",
            "0",
            "9223372036854775807",
            "-9223372036854775808",
            "x",
            "200000",
        ],
    ),
    (
        "at",
        &[
            "4102444800",
            "4102444800000",
            "1",
            "0",
            "-1",
            "9223372036854775807",
            "x",
        ],
    ),
    ("flush", &["SYNC", "ASYNC", "x"]),
    (
        "word",
        &[
            "foo",
            "HELP2",
            "GET",
            "LPUSH",
            "FO O",
            "a\r\nb",
            "",
            "x\u{0}y",
            "CLIENT",
            "OBJECT",
            "SUBSCRIBE2",
        ],
    ),
];

/// A small generator: the same seed makes the same commands everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn of<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }

    fn command(&mut self) -> Vec<String> {
        let shape = self.of(SHAPES);
        let word = |part: &str| match CHOICES.iter().find(|(name, _)| *name == part) {
            Some((_, list)) => self.of(list).to_owned(),
            None => part.to_owned(),
        };
        shape.split(' ').map(word).collect()
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable)
        .ok()
        .map(|text| text.parse().unwrap())
}

#[test]
fn random_commands_are_answered_as_redis_answers_them() {
    let Some(redis) = Redis::start() else { return };
    let fixture = start();
    let seed = number("PORTCASK_SEED").unwrap_or_else(|| std::process::id().into());
    let count = number("PORTCASK_DIFF_COMMANDS").unwrap_or(COMMANDS);
    println!("PORTCASK_SEED={seed}, {count} commands");
    let mut random = Random(seed);
    let (mut ours, mut theirs) = (fixture.connect(), Client::connect(redis.address));
    let mut history: Vec<String> = Vec::new();
    let mut differences = String::new();
    let time = number("PORTCASK_DIFF_SECONDS").map(std::time::Duration::from_secs);
    let began = std::time::Instant::now();
    let goes_on = |done| match time {
        Some(time) => began.elapsed() < time,
        None => done < count,
    };
    let mut done = 0;
    while goes_on(done) {
        done += 1;
        let command = random.command();
        history.push(format!("{command:?}"));
        if history.len() > 1_000 {
            history.drain(..500);
        }
        if is_excepted(&command) {
            continue;
        }
        if command[0] == "DBSIZE" {
            // Redis counts keys whose time is up until somebody looks at them.
            for client in [&mut ours, &mut theirs] {
                client.command(&["EXISTS", "a", "b", "c", "d", "e", "", "number"]);
                client.reply();
            }
        }
        let [mine, expected] = [&mut ours, &mut theirs].map(|client| {
            client.command(&command);
            plain(&command, client)
        });
        if !alike(&mine, &expected) {
            if differences.is_empty() {
                // The first one may be the cause of the others.
                let before = &history[history.len().saturating_sub(100)..];
                writeln!(differences, "after {}", before.join(" ")).unwrap();
            }
            writeln!(
                differences,
                "{command:?}\n  ours  {mine}\n  redis {expected}"
            )
            .unwrap();
            if differences.len() > 12_000 {
                break;
            }
        }
        if command[0] == "QUIT" {
            (ours, theirs) = (fixture.connect(), Client::connect(redis.address));
        }
    }
    println!("{done} commands compared");
    assert!(
        differences.is_empty(),
        "PORTCASK_SEED={seed}\n{differences}"
    );
}

/// What is another matter: names of commands that only one of the two has.
fn is_excepted(command: &[String]) -> bool {
    let lists =
        ["LPUSH", "GET", "CLIENT", "OBJECT"].contains(&command[0].as_str()) && command.len() > 3;
    // Redis's answers tell of its own versions and modules.
    let hello = command[0] == "HELLO" && ["2", "3"].contains(&command[1].as_str());
    lists || hello || command[0] == "LPUSH"
}

/// The reply as text; what has no order is sorted.
fn plain(command: &[String], client: &mut Client) -> String {
    // Who is wrong too often is told so here.
    let reply = client.reply().replace(
        "too many wrong passwords from this address, try again in a second.",
        "invalid username-password pair or user is disabled.",
    );
    if ["KEYS", "SCAN", "EXEC"].contains(&command[0].as_str()) {
        let mut words: Vec<_> = reply.split_ascii_whitespace().collect();
        words.sort_unstable();
        return words.join(" ");
    }
    reply
}

/// Whether two replies are the same, up to the moment at which they were given.
fn alike(mine: &str, expected: &str) -> bool {
    let number = |reply: &str| {
        reply
            .strip_prefix(':')
            .and_then(|number| number.parse::<i64>().ok())
    };
    match (number(mine), number(expected)) {
        (Some(mine), Some(expected)) if mine > 1_700_000_000_000 => (mine - expected).abs() < 5_000,
        (Some(mine), Some(expected)) if mine > 1_700_000_000 => (mine - expected).abs() < 5,
        (None, None) if mine.contains(' ') => {
            let (mine, expected) = (mine.split(' '), expected.split(' '));
            mine.clone().count() == expected.clone().count()
                && mine
                    .zip(expected)
                    .all(|(mine, expected)| alike(mine, expected))
        }
        _ => mine == expected,
    }
}
