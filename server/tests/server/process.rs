//! The command itself, in a process of its own.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub struct Process {
    pub child: Child,
    pub address: SocketAddr,
}

impl Process {
    pub fn start(dir: &Path, arguments: &[&str]) -> Self {
        let mut all = vec!["--port", "0", "--dir", dir.to_str().unwrap()];
        all.extend(arguments);
        Self::start_as(&all)
    }

    /// Starts it with these arguments alone.
    pub fn start_as(arguments: &[&str]) -> Self {
        Self::start_with_env(arguments, &[])
    }

    pub fn start_with_env(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcask-server"));
        command.args(arguments).envs(variables.iter().copied());
        Self::spawn(command)
    }

    /// Starts it where no file may become longer than 2 MiB. That stands for a disk that is
    /// full: the engine is told the same of both. What it tells of itself goes to `log`.
    #[cfg(unix)]
    pub fn start_with_small_files(dir: &Path, log: std::fs::File) -> Self {
        let script = "ulimit -f 2048; exec \"$0\" --port 0 --dir \"$1\"";
        let mut command = Command::new("bash");
        command.args(["-c", script, env!("CARGO_BIN_EXE_portcask-server")]);
        command.arg(dir).stderr(log);
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line.trim_end().rsplit(' ').next().unwrap().parse().unwrap();
        Self { child, address }
    }

    pub fn kill(self) {
        drop(self);
    }

    /// Memory that it has now; 0 where nobody tells.
    pub fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.map_or(0, |line| {
            line.trim().trim_end_matches(" kB").parse().unwrap()
        })
    }
}

/// Processor time that a process has used; zero where nobody tells.
pub fn processor_time(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The name before may hold anything. What follows it is counted in hundredths of a second.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_ascii_whitespace().skip(11).take(2);
    let ticks = ticks.map(|field| field.parse::<u64>().unwrap());
    Duration::from_millis(ticks.sum::<u64>() * 10)
}

/// A test that fails leaves no process behind.
impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
