//! The page as data: sections with tables of rows, and what a row's second cell asks for.
//!
//! ```text
//! cell = "not here" | step {"; " step}
//! step = `what` [", given " `line`] [", prints " `text`] [", exits " number]
//! what = portcask ... | portcask-server ... | cargo ... | Type::name
//! ```

use std::fs;

const NOT_HERE: &str = "not here";

/// All of it.
pub struct Page {
    /// In their order.
    pub sections: Vec<Section>,
}

/// What stands under a heading, if it has tables.
pub struct Section {
    /// The heading.
    pub title: String,
    /// In their order.
    pub tables: Vec<Table>,
}

/// A table.
pub struct Table {
    /// The heads of its columns.
    pub columns: Vec<String>,
    /// Those below the line.
    pub rows: Vec<Row>,
}

/// A row, with as many cells as its table has columns.
pub struct Row {
    /// Counted from 1.
    pub line: usize,
    /// As they stand there.
    pub cells: Vec<String>,
}

/// One thing to do.
#[derive(Debug, PartialEq)]
pub struct Step {
    /// What is run or used.
    pub what: What,
    /// A line for standard input.
    pub given: Option<String>,
    /// Part of standard output.
    pub prints: Option<String>,
    /// The exit code.
    pub exits: i32,
}

/// What a row gives to somebody who comes from elsewhere.
#[derive(Debug, PartialEq)]
pub enum What {
    /// A command line of ours.
    Command(String),
    /// A server, for what follows in the row.
    Server(String),
    /// A command line of the repository.
    Cargo(String),
    /// A name in our crates.
    Name(String),
}

impl Page {
    /// Reads it; every row has as many cells as its table has columns.
    pub fn read() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/COMING-FROM.md");
        Self::parse(&fs::read_to_string(path).unwrap())
    }

    fn parse(text: &str) -> Self {
        let mut sections: Vec<Section> = Vec::new();
        let mut is_in_table = false;
        for (at, line) in text.lines().enumerate() {
            if let Some(title) = line.strip_prefix("## ") {
                sections.push(Section {
                    title: title.to_owned(),
                    tables: Vec::new(),
                });
            }
            let Some(inner) = line.strip_prefix('|').and_then(|l| l.strip_suffix('|')) else {
                is_in_table = false;
                continue;
            };
            let cells: Vec<String> = inner
                .split('|')
                .map(|cell| cell.trim().to_owned())
                .collect();
            let section = sections.last_mut().expect("a table stands in a section");
            if !is_in_table {
                is_in_table = true;
                section.tables.push(Table {
                    columns: cells,
                    rows: Vec::new(),
                });
                continue;
            }
            let table = section.tables.last_mut().unwrap();
            assert_eq!(cells.len(), table.columns.len(), "cells in line {}", at + 1);
            if !cells.iter().all(|cell| cell == "---") {
                let line = at + 1;
                table.rows.push(Row { line, cells });
            }
        }
        Self { sections }
    }

    /// The section with this heading.
    pub fn section(&self, title: &str) -> &Section {
        let found = self.sections.iter().find(|section| section.title == title);
        found.unwrap_or_else(|| panic!("the page has no section {title}"))
    }
}

impl Section {
    /// The rows of all its tables.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.tables.iter().flat_map(|table| &table.rows)
    }
}

impl Row {
    /// Where it stands.
    pub fn place(&self) -> String {
        format!("docs/COMING-FROM.md:{} ({})", self.line, self.cells[0])
    }

    /// Names of our crates that its note gives.
    pub fn names_in_note(&self) -> impl Iterator<Item = &str> {
        let spans = self.cells[3].split('`').skip(1).step_by(2);
        spans.filter(|span| span.contains("::"))
    }

    /// What its second cell asks for, or why that cannot be said. Nothing is asked for where there is
    /// no counterpart.
    pub fn steps(&self) -> Result<Vec<Step>, String> {
        let cell = &self.cells[1];
        if cell == NOT_HERE {
            return Ok(Vec::new());
        }
        let mut rest = cell.as_str();
        let mut steps = Vec::new();
        loop {
            let wrong = || format!("neither runnable nor \"{NOT_HERE}\": {cell}");
            let (what, after) = span(rest).ok_or_else(wrong)?;
            rest = after;
            let mut step = Step::new(what).ok_or_else(wrong)?;
            if let Some((line, after)) = rest.strip_prefix(", given ").and_then(span) {
                step.given = Some(format!("{line}\n"));
                rest = after;
            }
            if let Some((text, after)) = rest.strip_prefix(", prints ").and_then(span) {
                step.prints = Some(text.to_owned());
                rest = after;
            }
            if let Some(after) = rest.strip_prefix(", exits ") {
                let digits = after.find(';').unwrap_or(after.len());
                step.exits = after[..digits].parse().map_err(|_| wrong())?;
                rest = &after[digits..];
            }
            steps.push(step);
            match rest.strip_prefix("; ") {
                Some(after) => rest = after,
                None if rest.is_empty() => return Ok(steps),
                None => return Err(wrong()),
            }
        }
    }
}

impl Step {
    fn new(what: &str) -> Option<Self> {
        let text = what.to_owned();
        let what = if what.starts_with("portcask ") {
            What::Command(text)
        } else if what.split(' ').next() == Some("portcask-server") {
            What::Server(text)
        } else if what.starts_with("cargo ") {
            What::Cargo(text)
        } else if what.contains("::") && !what.contains(' ') {
            What::Name(text)
        } else {
            return None;
        };
        Some(Self {
            what,
            given: None,
            prints: None,
            exits: 0,
        })
    }
}

impl What {
    /// As it stands on the page.
    pub fn text(&self) -> &str {
        match self {
            Self::Command(text) | Self::Server(text) | Self::Cargo(text) | Self::Name(text) => text,
        }
    }
}

/// The words of a command line; '' is an empty one. There is no other quoting on the page.
pub fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(' ')
        .map(|word| if word == "''" { "" } else { word })
}

/// A leading `code span` and what follows it.
fn span(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix('`')?.split_once('`')
}

#[test]
fn a_cell_that_cannot_be_run_is_refused() {
    let row = |cell: &str| Row {
        line: 1,
        cells: ["theirs", cell].map(str::to_owned).to_vec(),
    };
    for cell in [
        "",
        "-",
        "later",
        "`portcask get a` and more",
        "`rm -r`",
        "`portcask a`; ",
    ] {
        assert!(row(cell).steps().is_err(), "{cell}");
    }
    let steps = row("`portcask repl`, given `GET a`, prints `b`, exits 1; `Db::open`").steps();
    let steps = steps.unwrap();
    assert_eq!(steps[0].what, What::Command("portcask repl".to_owned()));
    assert_eq!(steps[0].given.as_deref(), Some("GET a\n"));
    assert_eq!(steps[0].prints.as_deref(), Some("b"));
    assert_eq!(steps[0].exits, 1);
    assert_eq!(steps[1].what, What::Name("Db::open".to_owned()));
}
