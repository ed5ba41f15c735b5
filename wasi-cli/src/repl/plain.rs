//! Lines from standard input, for guests that have no terminal to edit on.

use crate::failure::Failure;
use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};
use std::path::Path;

/// What was typed.
pub enum Line {
    /// A line.
    Text(String),
    /// A line that is no text.
    Unreadable,
    /// Nothing more comes.
    End,
}

/// Reads lines, with a prompt if somebody is there.
pub struct Editor {
    is_seen: bool,
}

impl Editor {
    /// Keeps no history and completes nothing.
    pub fn new(
        is_seen: bool,
        _has_history: bool,
        _verbs: BTreeMap<String, Vec<String>>,
    ) -> Result<Self, Failure> {
        Ok(Self { is_seen })
    }

    /// The next line.
    pub fn next(&mut self) -> Result<Line, Failure> {
        if self.is_seen {
            let mut stdout = io::stdout();
            let _ = stdout
                .write_all(b"portcask> ")
                .and_then(|()| stdout.flush());
        }
        plain_line()
    }
}

/// A line as it comes.
fn plain_line() -> Result<Line, Failure> {
    let mut bytes = Vec::new();
    let read = io::stdin()
        .lock()
        .read_until(b'\n', &mut bytes)
        .map_err(|error| Failure::file("read", Path::new("standard input"), &error))?;
    if read == 0 {
        return Ok(Line::End);
    }
    Ok(String::from_utf8(bytes).map_or(Line::Unreadable, Line::Text))
}
