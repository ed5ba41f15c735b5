//! docs/COMING-FROM.md keeps its word: every row is run, every default is compared.
//!
//! ```text
//! page    Markdown -> sections -> tables -> rows -> steps (what is run, given, printed, exited with)
//! sample  a small store and some files, copied fresh for each row
//! names   what stands there as a name of the crates is used for what it is listed for
//! served  a server with the flags of a row, for what follows in it
//! this    runs rows, compares defaults with Options::default() and with --help
//! ```
#![cfg(not(target_family = "wasm"))]

#[path = "coming_from/names.rs"]
mod names;
#[path = "coming_from/page.rs"]
mod page;
#[path = "coming_from/sample.rs"]
mod sample;
#[path = "coming_from/served.rs"]
mod served;

use page::{Page, Row, Section, Step, What};
use sample::Sample;
use served::Served;
use std::process::Command;

/// Every section of rows, by its test.
const SECTIONS: [&str; 11] = [
    "Bringing data along",
    "bitcask-go (Bishesh-ops)",
    "Go-Bitcask and bitcaskctl (daxpatel2)",
    "go-bitcask (0xRadioAc7iv)",
    "gocask (aneshas)",
    "Rust KV Store (sahariardev)",
    "Riak's Bitcask",
    "prologic/bitcask",
    "rosedb",
    "nutsdb",
    "pogreb",
];
const DEFAULTS: &str = "Our defaults";

/// What each of the five has, by section: no row of these may get lost.
const THEIRS: [(usize, &str); 5] = [
    (
        1,
        "CmdPut CmdGet RequestVote AppendEntries engine.Open DB.Put DB.Get DB.Close engine.Encode",
    ),
    (
        2,
        "Open Put Get Delete Close WriteHint HintPath CompactOnce SelectCompactCandidate \
         -data -concurrency -duration -ops -keyspace -valueSize -read -write -del -compactEvery \
         -printEvery -samples -cpuprofile -memprofile -startupOnly -forceScan -writeHint \
         -printStartup run lint clean ErrKeyNotFound ErrFileNotOpen ErrSeekingIO ErrWritingData \
         ErrClosingFile ErrSyncingFile ErrFailedToOpenFile ErrCompactionNotPossible",
    ),
    (
        3,
        "PING SET GET DELETE EXISTS COUNT LIST HELP EXIT --dir --df-size --port --sync \
         --size-check --dead-ratio --merge-files --merge-size --max-merge-files \
         --max-merge-bytes --host Connect WithHost WithPort Execute Close fmt build build-cli \
         build-engine test run-cli run-engine clean datagen",
    ),
    (
        4,
        "Open in:mem:db WithMaxDataFileSize WithDataDir DB.Put DB.Get DB.Delete DB.Keys DB.Close \
         ErrKeyNotFound ErrPartialWrite ErrCRCFailed ErrInvalidKey ErrInvalidValue -datadir \
         DATADIR -db DBNAME -maxsize MAX_DATA_FILE_SIZE -port PORT keys put get del test tools \
         proto",
    ),
    (5, "GET SET DELETE KVStore::new KVStore::put"),
];

macro_rules! every_row_works {
    ($($test:ident: $section:expr;)*) => {$(
        #[test]
        fn $test() {
            check_section(SECTIONS[$section]);
        }
    )*};
}

every_row_works! {
    data_can_be_brought_along: 0;
    every_row_for_users_of_bitcask_go_works: 1;
    every_row_for_users_of_bitcaskctl_works: 2;
    every_row_for_users_of_go_bitcask_works: 3;
    every_row_for_users_of_gocask_works: 4;
    every_row_for_users_of_rust_kv_store_works: 5;
    every_row_for_users_of_riak_works: 6;
    every_row_for_users_of_prologic_works: 7;
    every_row_for_users_of_rosedb_works: 8;
    every_row_for_users_of_nutsdb_works: 9;
    every_row_for_users_of_pogreb_works: 10;
}

#[test]
fn no_section_of_the_page_is_left_out() {
    let page = Page::read();
    let found: Vec<&str> = page.sections.iter().map(|s| s.title.as_str()).collect();
    let known: Vec<&str> = SECTIONS.into_iter().chain([DEFAULTS]).collect();
    assert_eq!(found, known);
}

#[test]
fn everything_that_the_five_offer_has_a_row() {
    let page = Page::read();
    for (section, names) in THEIRS {
        let section = page.section(SECTIONS[section]);
        let parts = |c: char| "` (),\"".contains(c);
        let found: Vec<&str> = section
            .rows()
            .flat_map(|row| row.cells[0].split(parts))
            .collect();
        for name in names.split(' ').filter(|name| !name.is_empty()) {
            assert!(
                found.contains(&name),
                "{}: no row for {name}",
                section.title
            );
        }
    }
}

#[test]
fn the_defaults_of_a_store_are_those_of_the_code() {
    let page = Page::read();
    let table = &page.section(DEFAULTS).tables[0];
    assert_eq!(table.columns, ["option", "flag", "default"]);
    let said: Vec<(String, String)> = table
        .rows
        .iter()
        .map(|row| (unquoted(&row.cells[0]), row.cells[2].clone()))
        .collect();
    assert_eq!(said, names::defaults());
    let help = help_of("merge") + &help_of("put");
    for row in &table.rows {
        let flag = unquoted(&row.cells[1]);
        assert!(
            flag == "-" || entry_of(&help, &flag).is_some(),
            "{}: {flag} is no flag",
            row.place()
        );
        names::exercise(&unquoted(&row.cells[0]), Sample::new().fresh().path())
            .unwrap_or_else(|error| panic!("{}: {error}", row.place()));
    }
}

#[test]
fn the_defaults_of_the_verbs_are_those_of_the_command() {
    let page = Page::read();
    let table = &page.section(DEFAULTS).tables[1];
    assert_eq!(table.columns, ["verb", "flag", "default"]);
    for row in &table.rows {
        let (verb, flag) = (unquoted(&row.cells[0]), unquoted(&row.cells[1]));
        let help = help_of(if verb == "every verb" { "get" } else { &verb });
        let entry = entry_of(&help, &flag)
            .unwrap_or_else(|| panic!("{}: {verb} has no {flag}", row.place()));
        let said = unquoted(&row.cells[2]);
        let holds = match entry.split_once("[default: ") {
            Some((_, rest)) => rest.split(']').next() == Some(&said),
            None if said == "off" => !entry.lines().next().is_some_and(|line| line.contains('<')),
            None if said == "none" => entry.lines().next().is_some_and(|line| line.contains('<')),
            None => said == "none, or PORTCASK_DIR" && entry.contains("[env: PORTCASK_DIR]"),
        };
        assert!(holds, "{}: {said}, but --help says\n{entry}", row.place());
    }
}

#[test]
fn a_default_said_in_a_row_is_the_one_of_the_table() {
    let page = Page::read();
    let tables = &page.section(DEFAULTS).tables;
    let of_options = tables[0].rows.iter().flat_map(|row| {
        let default = unquoted(&row.cells[2]);
        [&row.cells[0], &row.cells[1]].map(|name| (unquoted(name), default.clone()))
    });
    let of_verbs = tables[1]
        .rows
        .iter()
        .filter(|row| ["`bench`", "every verb"].contains(&row.cells[0].as_str()))
        .map(|row| (unquoted(&row.cells[1]), unquoted(&row.cells[2])));
    let known: Vec<(String, String)> = of_options.chain(of_verbs).collect();
    let mut compared = 0;
    for row in page
        .sections
        .iter()
        .filter(|s| s.title != DEFAULTS)
        .flat_map(Section::rows)
    {
        let Some((_, ours)) = row.cells[2].split_once("->") else {
            continue;
        };
        let spans = row.steps().unwrap_or_default();
        let words = spans.iter().flat_map(|step| page::words(step.what.text()));
        let mut defaults = words.filter_map(|word| {
            let word = as_our_flag(word.split('=').next()?);
            known.iter().find(|(name, _)| *name == word)
        });
        if let Some((name, default)) = defaults.next() {
            assert_eq!(unquoted(ours.trim()), *default, "{}: {name}", row.place());
            compared += 1;
        }
    }
    assert!(compared > 50, "only {compared} rows name a default of ours");
}

/// Runs every row of a section.
fn check_section(title: &str) {
    let page = Page::read();
    let sample = Sample::new();
    let section = page.section(title);
    let mut wrong = Vec::new();
    for row in section.rows() {
        if let Err(what) = check_row(&sample, row) {
            wrong.push(format!("{}: {what}", row.place()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    for table in &section.tables {
        let columns = ["theirs", "ours", "default (theirs -> ours)", "note"];
        assert_eq!(table.columns, columns, "{title}");
    }
}

fn check_row(sample: &Sample, row: &Row) -> Result<(), String> {
    let dir = sample.fresh();
    for name in row.names_in_note() {
        names::exercise(name, sample.fresh().path())?;
    }
    let mut server = None;
    for step in row.steps()? {
        match (&step.what, &server) {
            (What::Server(line), _) => server = Some(Served::start(line, dir.path())?),
            (What::Command(line), None) => check_command(line, &step, dir.path())?,
            (What::Command(line), Some(server)) => {
                check_command(&server.addressed(line), &step, dir.path())?;
            }
            (What::Cargo(line), _) => check_cargo(line)?,
            (What::Name(name), None) => names::exercise(name, dir.path())?,
            (What::Name(name), Some(server)) => server.exercise(name)?,
        }
    }
    Ok(())
}

fn check_command(line: &str, step: &Step, dir: &std::path::Path) -> Result<(), String> {
    let answer = sample::run(line, step.given.as_deref(), dir);
    let stdout = String::from_utf8_lossy(&answer.stdout);
    let told = || {
        let stderr = String::from_utf8_lossy(&answer.stderr);
        format!("`{line}` answered\n{stdout}\n{stderr}and {}", answer.status)
    };
    if answer.status.code() != Some(step.exits) {
        return Err(format!("{}, not {}", told(), step.exits));
    }
    match &step.prints {
        Some(text) if !stdout.contains(text.as_str()) => Err(format!("{}, no {text}", told())),
        _ => Ok(()),
    }
}

/// The repository's commands are too long to be run here: that they exist is looked up, those of
/// `cargo xtask` in the text that its help prints.
fn check_cargo(line: &str) -> Result<(), String> {
    let mut words = line.split(' ').skip(1);
    let verb = words.next().unwrap_or_default();
    if verb != "xtask" {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let answer = Command::new(cargo).args([verb, "-h"]).output();
        let is_there = answer.is_ok_and(|answer| answer.status.success()) && words.next().is_none();
        return is_there
            .then_some(())
            .ok_or(format!("cargo has no `{line}`"));
    }
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../xtask/src/main.rs");
    let source = std::fs::read_to_string(source).map_err(|error| error.to_string())?;
    let help = source
        .split_once("const HELP: &str = \"")
        .and_then(|(_, rest)| rest.split_once("\";"))
        .map_or("", |(help, _)| help);
    let command = words.next().unwrap_or_default();
    let part = words.next().unwrap_or(command);
    let has_command = help
        .lines()
        .any(|line| line.starts_with(&format!("  {command} ")));
    let has_part = help.split_whitespace().any(|word| word == part);
    (has_command && has_part)
        .then_some(())
        .ok_or(format!("the repository has no `{line}`"))
}

fn help_of(verb: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let answer = sample::run(&format!("portcask {verb} --help"), None, dir.path());
    assert!(answer.status.success(), "{verb} --help");
    String::from_utf8(answer.stdout).unwrap()
}

/// What --help says about a flag.
fn entry_of(help: &str, flag: &str) -> Option<String> {
    let is_entry = |line: &&str| line.trim_start().starts_with('-') && line.starts_with("  ");
    let is_its = |line: &&str| {
        let name = line.trim_start().split([' ', '=', '[']);
        is_entry(line)
            && name
                .map(|word| word.trim_end_matches(','))
                .any(|word| word == flag)
    };
    let lines: Vec<&str> = help.lines().collect();
    let start = lines.iter().position(is_its)?;
    let rest = lines[start + 1..].iter().take_while(|line| !is_entry(line));
    let entry: Vec<&str> = [lines[start]].into_iter().chain(rest.copied()).collect();
    Some(entry.join("\n"))
}

/// `-valueSize` is `--value-size`, and an alias is what it stands for.
fn as_our_flag(word: &str) -> String {
    let Some(name) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')) else {
        return word.to_owned();
    };
    let mut flag = String::from("--");
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            flag.push('-');
        }
        flag.push(c.to_ascii_lowercase());
    }
    match flag.as_str() {
        "--data" | "--path" => "--dir".to_owned(),
        "--with-max-datafile-size" => "--segment-size".to_owned(),
        "--with-max-key-size" => "--max-key".to_owned(),
        "--with-max-value-size" => "--max-value".to_owned(),
        _ => flag,
    }
}

fn unquoted(cell: &str) -> String {
    cell.replace('`', "")
}
