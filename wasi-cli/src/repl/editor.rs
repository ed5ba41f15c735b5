//! Lines from a terminal with editing, history and completion; plain lines from anywhere else.

#[path = "plain.rs"]
mod plain;

use crate::failure::{Exit, Failure};
pub use plain::Line;
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::Validator;
use rustyline::{Config, Context, Helper};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Lines kept in the history file.
const HISTORY_LINES: usize = 1000;

/// Reads lines from whoever is there.
pub enum Editor {
    /// A person.
    Seen(
        Box<rustyline::Editor<Verbs, DefaultHistory>>,
        Option<PathBuf>,
    ),
    /// A file or a pipe.
    Plain(plain::Editor),
}

impl Editor {
    /// Loads the history.
    pub fn new(
        is_seen: bool,
        has_history: bool,
        verbs: BTreeMap<String, Vec<String>>,
    ) -> Result<Self, Failure> {
        if !is_seen {
            return Ok(Self::Plain(plain::Editor::new(false, false, verbs)?));
        }
        let refused = |error: ReadlineError| {
            Failure::new(Exit::System, format!("cannot use the terminal: {error}"))
        };
        let config = Config::builder()
            .max_history_size(HISTORY_LINES)
            .and_then(|config| config.history_ignore_dups(true))
            .map_err(refused)?
            .auto_add_history(true)
            .build();
        let mut editor = rustyline::Editor::with_config(config).map_err(refused)?;
        editor.set_helper(Some(Verbs(verbs)));
        let history = has_history.then(history_file).flatten();
        if let Some(path) = &history {
            let _ = editor.load_history(path);
        }
        Ok(Self::Seen(Box::new(editor), history))
    }

    /// The next line.
    pub fn next(&mut self) -> Result<Line, Failure> {
        match self {
            Self::Plain(plain) => plain.next(),
            Self::Seen(editor, _) => match editor.readline("portcask> ") {
                Ok(text) => Ok(Line::Text(text)),
                // A line that was given up.
                Err(ReadlineError::Interrupted) => Ok(Line::Text(String::new())),
                Err(ReadlineError::Eof) => Ok(Line::End),
                Err(error) => Err(Failure::new(
                    Exit::System,
                    format!("cannot read a line: {error}"),
                )),
            },
        }
    }
}

impl Drop for Editor {
    fn drop(&mut self) {
        if let Self::Seen(editor, Some(path)) = self {
            if let Some(parent) = path.parent() {
                let _ = std::fs::create_dir_all(parent);
            }
            let _ = editor.save_history(path);
        }
    }
}

/// `$XDG_STATE_HOME/portcask/history`, or below the home directory.
fn history_file() -> Option<PathBuf> {
    let set = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let state = set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")))?;
    Some(state.join("portcask/history"))
}

/// Completes verbs, and the options of the verb that was typed.
pub struct Verbs(BTreeMap<String, Vec<String>>);

impl Completer for Verbs {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        at: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let typed = &line[..at];
        let start = typed.rfind(' ').map_or(0, |space| space + 1);
        let word = &typed[start..];
        let before = typed[..start].trim().to_ascii_lowercase();
        let begins = |candidate: &&String| candidate.starts_with(&word.to_ascii_lowercase());
        let verb = before.split(' ').next().unwrap_or_default();
        let found: Vec<&String> = match self.0.get(verb) {
            _ if before.is_empty() || before == "help" => self.0.keys().filter(begins).collect(),
            Some(options) if word.starts_with('-') => options.iter().filter(begins).collect(),
            _ => Vec::new(),
        };
        Ok((
            start,
            found.into_iter().map(|word| format!("{word} ")).collect(),
        ))
    }
}

/// Behind a verb, what it takes; behind the beginning of one, its rest.
impl Hinter for Verbs {
    type Hint = String;

    fn hint(&self, line: &str, at: usize, _: &Context<'_>) -> Option<String> {
        if at < line.len() {
            return None;
        }
        hint(&self.0, line)
    }
}

fn hint(verbs: &BTreeMap<String, Vec<String>>, line: &str) -> Option<String> {
    let typed = line.trim_start().to_ascii_lowercase();
    match typed.split_once(' ') {
        None if typed.is_empty() => None,
        None if verbs.contains_key(&typed) => Some(format!(" {}", usage(&typed)?)),
        None => {
            let mut begin = verbs.keys().filter(|verb| verb.starts_with(&typed));
            let only = begin.next().filter(|_| begin.next().is_none())?;
            Some(only[typed.len()..].to_owned())
        }
        Some((verb, rest)) if rest.trim().is_empty() => Some(usage(verb)?.to_owned()),
        Some(_) => None,
    }
}

fn usage(verb: &str) -> Option<&'static str> {
    Some(match verb {
        "put" | "set" => "KEY VALUE [--ttl 10s] [--if-absent]",
        "get" | "exists" | "has" | "ttl" | "persist" | "history" => "KEY",
        "delete" | "del" | "rm" => "KEY...",
        "keys" | "list" | "ls" => "[--prefix PREFIX] [--limit COUNT] [--sort]",
        "scan" | "fold" => "[PREFIX] [--limit COUNT] [--sort]",
        "count" | "len" => "[--prefix PREFIX]",
        "range" => "START [END]",
        "expire" => "KEY 10s",
        "import" | "export" => "FILE",
        "changes" => "[--from SEQ] [--limit COUNT]",
        _ => return None,
    })
}

/// A hint is no part of the line: it is dim.
impl Highlighter for Verbs {
    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        Cow::Owned(format!("\x1b[2m{hint}\x1b[0m"))
    }
}
impl Validator for Verbs {}
impl Helper for Verbs {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_is_the_rest_of_a_verb_or_what_it_takes() {
        let verbs = ["delete", "del", "get", "put", "stats", "scan"];
        let verbs = verbs.map(|verb| (verb.to_owned(), Vec::new())).into();
        let hint = |line: &str| hint(&verbs, line);
        assert_eq!(hint("st").as_deref(), Some("ats"));
        assert_eq!(hint("s"), None, "there are two");
        assert_eq!(hint("get").as_deref(), Some(" KEY"));
        assert_eq!(hint("GET ").as_deref(), Some("KEY"));
        assert_eq!(hint("get a"), None);
        assert_eq!(hint("stats"), None);
        assert_eq!(hint("frob"), None);
        assert_eq!(hint(""), None);
    }
}
