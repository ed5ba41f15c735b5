//! Standard output and standard error: bytes out, remarks aside, tables, progress.

use crate::failure::{Exit, Failure};
use serde_json::{Value, json};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Standard output, buffered. A closed pipe becomes [`Failure::ClosedPipe`].
pub struct Output {
    inner: BufWriter<io::Stdout>,
    /// Somebody is looking.
    pub is_terminal: bool,
    has_color: bool,
}

impl Output {
    /// This process's standard output.
    pub fn new() -> Self {
        let stdout = io::stdout();
        let is_terminal = stdout.is_terminal();
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        Self {
            inner: BufWriter::with_capacity(64 << 10, stdout),
            is_terminal,
            has_color: is_terminal && !no_color && !dumb,
        }
    }

    /// Exactly these bytes.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.inner
            .write_all(bytes)
            .map_err(|error| Failure::output(&error))
    }

    /// A line of text.
    pub fn line(&mut self, text: impl AsRef<str>) -> Result<(), Failure> {
        self.bytes(text.as_ref().as_bytes())?;
        self.bytes(b"\n")
    }

    /// A JSON value on a line of its own.
    pub fn json(&mut self, value: &Value) -> Result<(), Failure> {
        self.line(value.to_string())
    }

    /// A heading: bold where that can be seen.
    pub fn heading(&mut self, text: &str) -> Result<(), Failure> {
        if self.has_color {
            self.line(format!("\x1b[1m{text}\x1b[0m"))
        } else {
            self.line(text)
        }
    }

    /// Columns under a heading.
    pub fn table(&mut self, table: &Table) -> Result<(), Failure> {
        let mut lines = table.lines().into_iter();
        if let Some(first) = lines.next() {
            self.heading(&first)?;
        }
        lines.try_for_each(|line| self.line(line))
    }

    /// Hands everything to the system.
    pub fn flush(&mut self) -> Result<(), Failure> {
        self.inner.flush().map_err(|error| Failure::output(&error))
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Lines on standard error are JSON. One for the process, because a panic and Ctrl-C complain without a context.
static IN_JSON: AtomicBool = AtomicBool::new(false);

/// Whether lines on standard error are JSON objects from now on.
pub fn complain_in_json(yes: bool) {
    IN_JSON.store(yes, Ordering::Relaxed);
}

/// One line on standard error that is no failure; in JSON `{"remark":...}`.
pub fn complain(message: &str) {
    write_error(message, || json!({ "remark": message }));
}

/// The line on standard error that says why the exit code is not 0; in JSON `{"code":...,"class":...,"message":...}`.
pub fn fail(exit: Exit, message: &str) {
    write_error(
        message,
        || json!({ "code": exit as u8, "class": exit.class(), "message": message }),
    );
}

/// The line of a bug of ours, which ends the process with a code of its own.
pub fn fail_internally(message: &str) {
    write_error(
        message,
        || json!({ "code": 101, "class": "internal", "message": message }),
    );
}

/// A line with the program's name, or as JSON. Control characters cannot reach the terminal, and a
/// closed standard error is nobody's problem.
fn write_error(message: &str, object: impl FnOnce() -> Value) {
    let line = match IN_JSON.load(Ordering::Relaxed) {
        true => object().to_string(),
        false => format!("portcask: {message}"),
    };
    let line: String = line
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let _ = writeln!(io::stderr(), "{line}");
}

/// A table of text whose numbers are aligned to the right.
pub struct Table {
    rows: Vec<Vec<String>>,
    is_number: Vec<bool>,
}

impl Table {
    /// An empty table; a column whose name starts with `>` is aligned to the right.
    pub fn new(columns: &[&str]) -> Self {
        Self {
            is_number: columns.iter().map(|name| name.starts_with('>')).collect(),
            rows: vec![
                columns
                    .iter()
                    .map(|name| name.trim_start_matches('>').to_owned())
                    .collect(),
            ],
        }
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }

    /// Whether there is nothing but the heading.
    pub fn is_empty(&self) -> bool {
        self.rows.len() < 2
    }

    fn lines(&self) -> Vec<String> {
        let width = |text: &String| text.chars().count();
        let widths: Vec<usize> = (0..self.is_number.len())
            .map(|at| {
                self.rows
                    .iter()
                    .map(|row| width(&row[at]))
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        let line = |row: &Vec<String>| {
            let cells: Vec<String> = row
                .iter()
                .enumerate()
                .map(|(at, cell)| match self.is_number[at] {
                    true => format!("{cell:>0$}", widths[at]),
                    false => format!("{cell:<0$}", widths[at]),
                })
                .collect();
            cells.join("  ").trim_end().to_owned()
        };
        self.rows.iter().map(line).collect()
    }
}

/// What is being counted while it goes on.
#[derive(Clone, Copy)]
pub enum Unit {
    /// Bytes of a file or store.
    Bytes,
    /// Records.
    Records,
}

pub use bar::Progress;

#[cfg(not(target_family = "wasm"))]
mod bar {
    use super::Unit;
    use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

    /// A bar on standard error, only where a person sees it.
    pub struct Progress(ProgressBar);

    impl Progress {
        /// `total` 0 is unknown.
        pub fn new(is_quiet: bool, what: &str, total: u64, unit: Unit) -> Self {
            // indicatif draws nothing by itself where standard error is no terminal.
            let target = match is_quiet {
                true => ProgressDrawTarget::hidden(),
                false => ProgressDrawTarget::stderr_with_hz(10),
            };
            let bar = ProgressBar::with_draw_target((total > 0).then_some(total), target);
            let template = match (unit, total > 0) {
                (Unit::Bytes, true) => "{msg} [{bar:30}] {bytes} of {total_bytes}, {eta} left",
                (Unit::Bytes, false) => "{msg} {bytes}",
                (Unit::Records, true) => "{msg} [{bar:30}] {human_pos} of {human_len}, {eta} left",
                (Unit::Records, false) => "{msg} {human_pos}",
            };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.set_message(what.to_owned());
            Self(bar)
        }

        /// So much is done.
        pub fn set(&self, done: u64) {
            self.0.set_position(done);
        }

        /// So much is done, of a total that may only now be known.
        pub fn set_of(&self, done: u64, total: u64) {
            self.0.set_length(total);
            self.0.set_position(done);
        }

        /// Takes the bar away before something else is said.
        pub fn end(self) {}
    }

    impl Drop for Progress {
        fn drop(&mut self) {
            self.0.finish_and_clear();
        }
    }
}

#[cfg(target_family = "wasm")]
mod bar {
    use super::Unit;

    /// A guest cannot redraw a line on every host: it draws nothing.
    pub struct Progress;

    impl Progress {
        /// Draws nothing.
        pub fn new(_is_quiet: bool, _what: &str, _total: u64, _unit: Unit) -> Self {
            Self
        }

        /// Draws nothing.
        pub fn set(&self, _done: u64) {}

        /// Draws nothing.
        pub fn set_of(&self, _done: u64, _total: u64) {}

        /// There is nothing to take away.
        pub fn end(self) {}
    }
}
