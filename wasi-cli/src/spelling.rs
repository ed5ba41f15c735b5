//! How a command line is spelled: what people bring along from bitcaskctl, which takes long options
//! with one dash, and what is said about a line that cannot be understood.

use crate::failure::{Exit, Failure};
use crate::term::fail;
use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::borrow::Cow;
use std::ffi::OsString;

const BITCASKCTL: [&str; 18] = [
    "data",
    "concurrency",
    "duration",
    "ops",
    "keyspace",
    "valueSize",
    "read",
    "write",
    "del",
    "compactEvery",
    "printEvery",
    "samples",
    "cpuprofile",
    "memprofile",
    "startupOnly",
    "forceScan",
    "writeHint",
    "printStartup",
];

/// The arguments, with `-valueSize` behind `bench` read as `--valueSize`, and a lone directory as `--dir DIR`.
pub fn normalised(args: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut args: Vec<OsString> = args.collect();
    if cfg!(not(target_family = "wasm"))
        && let [_, only] = &args[..]
        && is_directory(only)
    {
        args.insert(1, "--dir".into());
    }
    let mut is_bench = false;
    let mut is_verbatim = false;
    let args = args.into_iter();
    args.map(|arg| {
        is_verbatim |= arg == "--";
        if is_bench && !is_verbatim && is_bitcaskctl(&arg) {
            let mut double = OsString::from("-");
            double.push(&arg);
            return double;
        }
        is_bench |= arg == "bench";
        arg
    })
    .collect()
}

/// Whether `--json` was typed: a line that cannot be understood is refused in JSON too.
pub fn asks_for_json(args: &[OsString]) -> bool {
    let mut options = args.iter().take_while(|arg| *arg != "--");
    options.any(|arg| arg == "--json")
}

/// What names a verb is one, also where there is a directory of that name: `./stats` is the directory then.
fn is_directory(arg: &OsString) -> bool {
    !is_verb(arg) && std::path::Path::new(arg).is_dir()
}

fn is_verb(arg: &OsString) -> bool {
    arg.to_str().is_some_and(|arg| {
        let command = crate::args::Cli::command();
        arg == "help" || command.find_subcommand(arg).is_some()
    })
}

fn is_bitcaskctl(arg: &OsString) -> bool {
    arg.to_str()
        .and_then(|arg| arg.strip_prefix('-'))
        .is_some_and(|option| {
            let name = option.split_once('=').map_or(option, |(name, _)| name);
            BITCASKCTL.contains(&name)
        })
}

/// Prints help and versions in full, and what is wrong with a line in one line; `args` are the line, the program first,
/// and nothing in the REPL.
pub fn refuse(error: &clap::Error, args: &[OsString]) -> Exit {
    let is_page = matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    );
    if is_page {
        if let Err(error) = error.print()
            && let Failure::Said { exit, message } = Failure::output(&error)
        {
            fail(exit, &message);
            return exit;
        }
    } else {
        let mut said = no_value(error, args).unwrap_or_else(|| one_line(&error.to_string()));
        if args.is_empty()
            && error.kind() == ErrorKind::InvalidSubcommand
            && let Some(usage) = said.find("; usage: ")
        {
            said.replace_range(usage.., "; help lists the verbs");
        }
        fail(
            Exit::Usage,
            &match (misplaced_directory(error, args), said.split_once("; ")) {
                (Some(tip), Some((what, rest))) => format!("{what}; {tip}; {rest}"),
                _ => said,
            },
        );
    }
    if error.use_stderr() {
        Exit::Usage
    } else {
        Exit::Done
    }
}

/// What is said where an option that takes a value is followed by a negative number, which clap reads as an option.
fn no_value(error: &clap::Error, args: &[OsString]) -> Option<String> {
    let Some(ContextValue::String(found)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    found.strip_prefix('-')?.parse::<f64>().ok()?;
    let at = args.iter().position(|arg| *arg == found.as_str())?;
    let before = args[..at].last()?.to_str()?.strip_prefix("--")?;
    let command = crate::args::Cli::command();
    let mut options = command.get_arguments().chain(
        command
            .get_subcommands()
            .flat_map(|verb| verb.get_arguments()),
    );
    let takes_one = options
        .any(|option| option.get_long() == Some(before) && option.get_action().takes_values());
    takes_one.then(|| format!("'{found}' is no value for --{before}; --help says more"))
}

/// What to type, where a directory was named and a verb was expected.
fn misplaced_directory(error: &clap::Error, args: &[OsString]) -> Option<String> {
    if error.kind() != ErrorKind::InvalidSubcommand {
        return None;
    }
    let named = args.get(1).filter(|first| !is_verb(first))?;
    let name = named.to_str().filter(|name| !name.starts_with('-'))?;
    match args.get(2) {
        None => Some(format!(
            "there is no directory {name}, and portcask --dir {name} repl makes one"
        )),
        Some(next) if is_verb(next) || std::path::Path::new(name).is_dir() => {
            let next = next.to_string_lossy();
            Some(format!(
                "a directory is named so: portcask --dir {name} {next} ..."
            ))
        }
        Some(_) => None,
    }
}

/// What the standard library says of a number that is none, and what a person is told.
const NUMBERS: [(&str, &str); 3] = [
    (
        "invalid digit found in string",
        "expected a whole number, 0 or more",
    ),
    (
        "cannot parse integer from empty string",
        "expected a whole number, 0 or more",
    ),
    (
        "number too large to fit in target type",
        "that number is too large",
    ),
];

/// clap's paragraphs as one sentence.
fn one_line(text: &str) -> String {
    let text = text.strip_prefix("error: ").unwrap_or(text);
    let text = NUMBERS.iter().fold(text.to_owned(), |text, (said, told)| {
        text.replace(said, told)
    });
    let paragraphs = text.split("\n\n").map(|paragraph| {
        let words: Vec<_> = paragraph.split_whitespace().map(shortened).collect();
        let line = words.join(" ");
        match line.strip_prefix("For more information, try ") {
            Some(rest) => format!("{} says more", rest.trim_matches(['.', '\''])),
            None => line.replace("Usage: ", "usage: "),
        }
    });
    paragraphs
        .filter(|paragraph| !paragraph.is_empty())
        .collect::<Vec<_>>()
        .join("; ")
}

/// A word of a complaint; what was typed by accident may be a whole file.
fn shortened(word: &str) -> Cow<'_, str> {
    const SHOWN: usize = 60;
    let (start, end) = (
        word.char_indices().nth(SHOWN),
        word.char_indices().nth_back(9),
    );
    match (start, end) {
        (Some((start, _)), Some((end, _))) if start < end && word.len() > 3 * SHOWN => {
            format!("{}...{}", &word[..start], &word[end..]).into()
        }
        _ => word.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::{normalised, one_line};
    use crate::args::Cli;
    use clap::Parser;
    use std::ffi::OsString;

    #[test]
    fn complaints_are_one_line() {
        let said = one_line(
            "error: unrecognized subcommand 'gte'\n\n  tip: some similar subcommands exist: 'get'\n\n\
             Usage: portcask [OPTIONS] <COMMAND>\n\nFor more information, try '--help'.\n",
        );
        assert_eq!(
            said,
            "unrecognized subcommand 'gte'; tip: some similar subcommands exist: 'get'; \
             usage: portcask [OPTIONS] <COMMAND>; --help says more"
        );
    }

    #[test]
    fn a_complaint_does_not_repeat_a_file_that_was_typed() {
        let said = one_line(&format!(
            "error: unrecognized subcommand '{}'\n\nFor more information, try '--help'.\n",
            "\u{e9}".repeat(1 << 20)
        ));
        assert!(
            said.starts_with("unrecognized subcommand '\u{e9}"),
            "{said}"
        );
        assert!(said.ends_with("\u{e9}'; --help says more"), "{said}");
        assert!(said.len() < 300, "{said}");
    }

    #[test]
    fn a_number_that_is_none_is_told_in_plain_words() {
        let said = one_line(
            "error: invalid value 'x' for '--limit <COUNT>': invalid digit found in string\n\n\
             For more information, try '--help'.\n",
        );
        assert_eq!(
            said,
            "invalid value 'x' for '--limit <COUNT>': expected a whole number, 0 or more; --help says more"
        );
        let parsed = [
            "x".parse::<u64>(),
            "".parse::<u64>(),
            "18446744073709551616".parse::<u64>(),
        ];
        for (parsed, (said, _)) in parsed.into_iter().zip(super::NUMBERS) {
            assert_eq!(parsed.unwrap_err().to_string(), said);
        }
    }

    #[test]
    fn a_negative_number_behind_an_option_is_told_as_its_value() {
        let said = |line: &[&str]| {
            let args: Vec<OsString> = line.iter().map(Into::into).collect();
            let error = Cli::try_parse_from(&args).unwrap_err();
            super::no_value(&error, &args)
        };
        let told = said(&["portcask", "put", "k", "v", "--ttl", "-5"]);
        assert_eq!(
            told.unwrap(),
            "'-5' is no value for --ttl; --help says more"
        );
        assert!(said(&["portcask", "scan", "--limit", "-1"]).is_some());
        // A flag takes none.
        assert_eq!(said(&["portcask", "scan", "--json", "-1"]), None);
    }

    #[test]
    fn single_dashes_count_only_behind_bench() {
        let typed = [
            "portcask", "bench", "-data", "x", "-ops=5", "--read", "-d", "--", "-data",
        ];
        let read = normalised(typed.iter().map(Into::into));
        assert_eq!(
            read,
            [
                "portcask", "bench", "--data", "x", "--ops=5", "--read", "-d", "--", "-data"
            ]
        );
        let typed = ["portcask", "put", "-data"];
        assert_eq!(normalised(typed.iter().map(Into::into)), typed);
    }
}
