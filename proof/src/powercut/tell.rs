//! What the writer tells while it lives: one line before each deed and one after, each written at
//! once to a pipe that no cut reaches.

use std::fmt;
use std::io::{self, Write};

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// The store is about to be opened.
    Opening,
    /// The store is open. Whoever only opens tells a digest of what it shows.
    Open(Option<u64>),
    /// The store could not be opened.
    Refused(String),
    /// A thread begins a step.
    Begin {
        /// Which thread.
        thread: u64,
        /// Which of its steps, counted from 0.
        step: u64,
    },
    /// The step was acknowledged.
    Done {
        /// Which thread.
        thread: u64,
        /// Which of its steps.
        step: u64,
        /// What the store answered.
        answer: Answer,
    },
    /// The step was refused.
    Failed {
        /// Which thread.
        thread: u64,
        /// Which of its steps.
        step: u64,
        /// The store's words.
        why: String,
    },
}

/// What an acknowledged step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing to say, or nothing was written.
    Plain,
    /// Its sequence number.
    Seq(u64),
    /// A merge is in progress.
    Merging,
    /// No merge is in progress any more.
    Merged,
}

impl Word {
    /// Says it, in one write. An error means that nobody listens any more.
    pub fn say(&self) -> io::Result<()> {
        let line = format!("{self}\n");
        let mut out = io::stdout().lock();
        out.write_all(line.as_bytes())?;
        out.flush()
    }

    /// Understands a line without its end.
    pub fn parse(line: &str) -> Option<Self> {
        let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
        let mut words = rest.splitn(3, ' ');
        let mut number = || words.next()?.parse().ok();
        Some(match first {
            "opening" => Self::Opening,
            "open" if rest.is_empty() => Self::Open(None),
            "open" => Self::Open(Some(rest.parse().ok()?)),
            "refused" => Self::Refused(rest.to_owned()),
            "begin" => Self::Begin {
                thread: number()?,
                step: number()?,
            },
            "done" => Self::Done {
                thread: number()?,
                step: number()?,
                answer: match words.next()? {
                    "plain" => Answer::Plain,
                    "merging" => Answer::Merging,
                    "merged" => Answer::Merged,
                    seq => Answer::Seq(seq.strip_prefix("seq=")?.parse().ok()?),
                },
            },
            "failed" => Self::Failed {
                thread: number()?,
                step: number()?,
                why: words.next()?.to_owned(),
            },
            _ => return None,
        })
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opening => f.write_str("opening"),
            Self::Open(None) => f.write_str("open"),
            Self::Open(Some(digest)) => write!(f, "open {digest}"),
            Self::Refused(why) => write!(f, "refused {}", why.replace('\n', " ")),
            Self::Begin { thread, step } => write!(f, "begin {thread} {step}"),
            Self::Done {
                thread,
                step,
                answer,
            } => {
                write!(f, "done {thread} {step} ")?;
                match answer {
                    Answer::Plain => f.write_str("plain"),
                    Answer::Seq(seq) => write!(f, "seq={seq}"),
                    Answer::Merging => f.write_str("merging"),
                    Answer::Merged => f.write_str("merged"),
                }
            }
            Self::Failed { thread, step, why } => {
                write!(f, "failed {thread} {step} {}", why.replace('\n', " "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_understood() {
        let (thread, step) = (3, 4711);
        let answers = [
            Answer::Plain,
            Answer::Seq(99),
            Answer::Merging,
            Answer::Merged,
        ];
        let mut words = vec![
            Word::Opening,
            Word::Open(None),
            Word::Open(Some(5)),
            Word::Refused("no such file".into()),
            Word::Begin { thread, step },
            Word::Failed {
                thread,
                step,
                why: "the medium is gone".into(),
            },
        ];
        words.extend(answers.map(|answer| Word::Done {
            thread,
            step,
            answer,
        }));
        for word in words {
            assert_eq!(Word::parse(&word.to_string()), Some(word));
        }
        assert_eq!(Word::parse("done 3"), None);
    }
}
