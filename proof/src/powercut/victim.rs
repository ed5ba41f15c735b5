//! A process of ours that will be cut: started, listened to, and waited for.

use super::tell::Word;
use std::io::{self, BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// A process that has said nothing new for so long does not come to its end by itself.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running process and its words. Killed when dropped.
pub struct Victim {
    child: Child,
    lines: Receiver<io::Result<String>>,
    /// What it has said so far.
    words: Vec<Word>,
}

impl Victim {
    /// Starts a hidden command of this program.
    pub fn start(arguments: &[String]) -> Result<Self, String> {
        let program =
            std::env::current_exe().map_err(|error| format!("this program is lost: {error}"))?;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("the writer does not start: {error}"))?;
        let out = child.stdout.take().ok_or("the writer has no output")?;
        let (send, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(out).lines() {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self {
            child,
            lines,
            words: Vec::new(),
        })
    }

    /// Listens until it has said a word like this, or ends. Returns whether it has.
    pub fn listen_for(&mut self, wanted: impl Fn(&Word) -> bool) -> Result<bool, String> {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    let word = understood(line)?;
                    let found = wanted(&word);
                    self.words.push(word);
                    if found {
                        return Ok(true);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(false),
                Err(RecvTimeoutError::Timeout) => {
                    return Err(format!("the writer is silent for {PATIENCE:?}"));
                }
            }
        }
    }

    /// Lets time pass and goes on listening.
    pub fn live(&mut self, time: Duration) -> Result<(), String> {
        let until = Instant::now() + time;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            match self.lines.recv_timeout(left) {
                Ok(line) => self.words.push(understood(line)?),
                // It has ended before its time.
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        Ok(())
    }

    /// What it could not do so far, if it said so.
    pub fn complaint(&self) -> Option<String> {
        let complaints = |word: &&Word| matches!(word, Word::Refused(_) | Word::Failed { .. });
        self.words.iter().find(complaints).map(Word::to_string)
    }

    /// Ends it at once, whatever it is doing.
    pub fn kill(&mut self) -> Result<(), String> {
        self.child
            .kill()
            .map_err(|error| format!("the writer cannot be killed: {error}"))
    }

    /// Listens to its last words and waits for its end. Returns everything it said.
    pub fn bury(mut self) -> Result<Vec<Word>, String> {
        self.listen_for(|_| false)?;
        self.child
            .wait()
            .map_err(|error| format!("the writer is lost: {error}"))?;
        Ok(std::mem::take(&mut self.words))
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        // Both do nothing to a process that has been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn understood(line: io::Result<String>) -> Result<Word, String> {
    let line = line.map_err(|error| format!("the writer cannot be heard: {error}"))?;
    Word::parse(&line).ok_or_else(|| format!("the writer said \"{line}\""))
}
