//! `cargo xtask bench-server`: redis-benchmark against this server and Debian's redis-server, in turns on one machine.
//!
//! Each contest runs both servers under the same durability, 50 connections and values of 100 bytes, round after round
//! with the order changed, and tells the medians: requests a second, p99, processor time of the server for a request.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::repo::Repo;
use crate::setup::{self, Consent};
use crate::shell::{self, Context, Failure, Result};

const PORTS: [u16; 2] = [16_379, 16_380];
const USAGE: &str = "usage: cargo xtask bench-server [--quick | --rounds N]";
const KEYS: u64 = 1_000_000;

/// What both servers are compared in.
struct Contest {
    name: &'static str,
    test: &'static str,
    pipeline: u32,
    /// How writes are acknowledged: ours, and Redis's arguments.
    sync: &'static str,
    redis: &'static [&'static str],
    requests: u64,
    /// What the rate should at least be, beside Redis's.
    floor: f64,
}

const NOTHING: &[&str] = &["--appendonly", "no"];
const EVERYSEC: &[&str] = &["--appendonly", "yes", "--appendfsync", "everysec"];
const ALWAYS: &[&str] = &["--appendonly", "yes", "--appendfsync", "always"];

const CONTESTS: [Contest; 6] = [
    Contest {
        name: "GET, no persistence",
        test: "get",
        pipeline: 16,
        sync: "no",
        redis: NOTHING,
        requests: 2_000_000,
        floor: 0.8,
    },
    Contest {
        name: "SET, everysec",
        test: "set",
        pipeline: 16,
        sync: "everysec",
        redis: EVERYSEC,
        requests: 1_000_000,
        floor: 1.0,
    },
    Contest {
        name: "SET, always",
        test: "set",
        pipeline: 16,
        sync: "always",
        redis: ALWAYS,
        requests: 200_000,
        floor: 1.0,
    },
    Contest {
        name: "GET, no persistence",
        test: "get",
        pipeline: 1,
        sync: "no",
        redis: NOTHING,
        requests: 200_000,
        floor: 0.95,
    },
    Contest {
        name: "SET, everysec",
        test: "set",
        pipeline: 1,
        sync: "everysec",
        redis: EVERYSEC,
        requests: 200_000,
        floor: 0.95,
    },
    Contest {
        name: "SET, always",
        test: "set",
        pipeline: 1,
        sync: "always",
        redis: ALWAYS,
        requests: 20_000,
        floor: 0.95,
    },
];

/// What one run told.
#[derive(Clone, Copy, Default)]
struct Run {
    rate: f64,
    p99_ms: f64,
    cpu_us: f64,
}

/// Runs every contest `rounds` times and prints the ratios.
pub fn command(repo: &Repo, words: &[&str]) -> Result<()> {
    let (rounds, share) = match words {
        [] => (5, 1),
        ["--quick"] => (1, 20),
        ["--rounds", rounds] => {
            let rounds = rounds.parse::<usize>();
            (rounds.map_err(|_| Failure::new(USAGE))?.max(1), 1)
        }
        _ => return Err(Failure::new(USAGE)),
    };
    let redis = setup::redis(Consent::new(false))?;
    // The other door is not measured, and takes minutes to build.
    let build = [
        "build",
        "--release",
        "--package",
        "portcask-server",
        "--no-default-features",
    ];
    shell::run(repo.cargo().args(build))?;
    println!("{redis}; 50 connections, values of 100 bytes, {rounds} rounds, medians\n");
    println!(
        "{:<22}{:>4}{:>12}{:>12}{:>8}{:>7}{:>16}{:>18}",
        "", "-P", "ours/s", "Redis/s", "ratio", "floor", "p99 ms (Redis)", "cpu us (Redis)"
    );
    for contest in &CONTESTS {
        let mut runs = [Vec::new(), Vec::new()];
        for round in 0..rounds {
            for turn in 0..2 {
                let side = (round + turn) % 2;
                let server = Server::start(repo, contest, side)?;
                runs[side].push(server.run(contest, contest.requests / share)?);
            }
        }
        let [ours, theirs] = runs.map(|runs| median(&runs));
        println!(
            "{:<22}{:>4}{:>12.0}{:>12.0}{:>8.2}{:>7.2}{:>16}{:>18}",
            contest.name,
            contest.pipeline,
            ours.rate,
            theirs.rate,
            ours.rate / theirs.rate,
            contest.floor,
            format!("{:.2} ({:.2})", ours.p99_ms, theirs.p99_ms),
            format!("{:.2} ({:.2})", ours.cpu_us, theirs.cpu_us),
        );
    }
    let keys = KEYS / share;
    let bytes = [
        memory_per_key(repo, 0, keys)?,
        memory_per_key(repo, 1, keys)?,
    ];
    println!(
        "\nmemory for each of {keys} keys: {:.1} B, Redis {:.1} B, ratio {:.2} (at most 0.25)",
        bytes[0],
        bytes[1],
        bytes[0] / bytes[1]
    );
    Ok(())
}

fn median(runs: &[Run]) -> Run {
    let middle = |of: fn(&Run) -> f64| {
        let mut all: Vec<f64> = runs.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or_default()
    };
    Run {
        rate: middle(|run| run.rate),
        p99_ms: middle(|run| run.p99_ms),
        cpu_us: middle(|run| run.cpu_us),
    }
}

/// What the server's resident memory grows by for a key of 16 bytes with a value of 100.
fn memory_per_key(repo: &Repo, side: usize, keys: u64) -> Result<f64> {
    let server = Server::start(repo, &CONTESTS[1], side)?;
    // So that what a server needs for clients is there before.
    server.benchmark("set", 16, 20_000, 1_000)?;
    shell::run(
        Command::new("redis-cli")
            .args(["-p", &server.port(), "FLUSHALL"])
            .stdout(Stdio::null()),
    )?;
    let before = server.resident_kib()?;
    // Random keys miss some: the server says how many there are.
    server.benchmark("set", 16, keys * 2, keys)?;
    let size = shell::read(Command::new("redis-cli").args(["-p", &server.port(), "DBSIZE"]))?;
    let size: f64 = size
        .trim()
        .parse()
        .map_err(|_| Failure::new("DBSIZE is no number"))?;
    let grown = server.resident_kib()?.saturating_sub(before);
    Ok(grown as f64 * 1024.0 / size)
}

/// One of the two servers.
struct Server {
    process: Child,
    side: usize,
}

impl Server {
    /// Starts ours (0) or Redis (1) over an empty directory.
    fn start(repo: &Repo, contest: &Contest, side: usize) -> Result<Self> {
        let folder = repo.emptied(["bench-server/ours", "bench-server/redis"][side])?;
        let port = PORTS[side].to_string();
        let mut command = match side {
            0 => Command::new(repo.target.join("release/portcask-server")),
            _ => Command::new("redis-server"),
        };
        command.args(["--port", &port]).current_dir(&folder);
        match side {
            0 => command
                .arg("--dir")
                .arg(Path::new("data"))
                .args(["--sync", contest.sync]),
            _ => command.args(["--save", ""]).args(contest.redis),
        };
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        let mut server = Self {
            process: process.doing("cannot start a server")?,
            side,
        };
        let patience = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(("127.0.0.1", PORTS[side])).is_err() {
            let ended = server.process.try_wait().doing("cannot look at a server")?;
            if ended.is_some() || Instant::now() > patience {
                return Err(Failure::new(format!("nobody listens on port {port}")));
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(server)
    }

    fn port(&self) -> String {
        PORTS[self.side].to_string()
    }

    fn run(&self, contest: &Contest, requests: u64) -> Result<Run> {
        if contest.test == "get" {
            self.benchmark("set", 16, 300_000, 100_000)?;
        }
        let before = self.cpu_us()?;
        let (rate, p99_ms) = self.benchmark(contest.test, contest.pipeline, requests, 100_000)?;
        let cpu_us = (self.cpu_us()? - before) / requests as f64;
        Ok(Run {
            rate,
            p99_ms,
            cpu_us,
        })
    }

    /// Answers requests a second and the 99th percentile in milliseconds.
    fn benchmark(&self, test: &str, pipeline: u32, requests: u64, keys: u64) -> Result<(f64, f64)> {
        let mut command = Command::new("redis-benchmark");
        command.args([
            "-p",
            &self.port(),
            "-c",
            "50",
            "-d",
            "100",
            "--csv",
            "-t",
            test,
        ]);
        command.args([
            "-P",
            &pipeline.to_string(),
            "-n",
            &requests.to_string(),
            "-r",
            &keys.to_string(),
        ]);
        let output = shell::read(&mut command)?;
        parse(&output).ok_or_else(|| Failure::new(format!("redis-benchmark said: {output}")))
    }

    /// Processor time of all its threads so far.
    fn cpu_us(&self) -> Result<f64> {
        let path = format!("/proc/{}/stat", self.process.id());
        let stat = fs::read_to_string(&path).doing(format_args!("cannot read {path}"))?;
        let (_, fields) = stat.rsplit_once(')').unwrap_or_default();
        let ticks: f64 = fields
            .split_ascii_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|word| word.parse::<f64>().ok())
            .sum();
        // A hundred ticks a second on every Linux.
        Ok(ticks * 10_000.0)
    }

    fn resident_kib(&self) -> Result<u64> {
        let path = format!("/proc/{}/status", self.process.id());
        let status = fs::read_to_string(&path).doing(format_args!("cannot read {path}"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_ascii_whitespace().next()?.parse().ok());
        kib.ok_or_else(|| Failure::new(format!("{path} tells no memory")))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The rate and the 99th percentile from what `redis-benchmark --csv` prints.
fn parse(csv: &str) -> Option<(f64, f64)> {
    let mut lines = csv.lines();
    let heads: Vec<&str> = lines
        .find(|line| line.contains("\"rps\""))?
        .split(',')
        .collect();
    let values: Vec<&str> = lines.next()?.split(',').collect();
    let field = |name: &str| {
        let at = heads
            .iter()
            .position(|head| head.trim_matches('"') == name)?;
        values.get(at)?.trim_matches('"').parse::<f64>().ok()
    };
    Some((field("rps")?, field("p99_latency_ms")?))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn what_redis_benchmark_says_is_read_by_the_names_of_its_columns() {
        let csv = "\"test\",\"rps\",\"avg_latency_ms\",\"min_latency_ms\",\"p50_latency_ms\",\"p95_latency_ms\",\
            \"p99_latency_ms\",\"max_latency_ms\"\n\"SET\",\"100.50\",\"1\",\"2\",\"3\",\"4\",\"5.5\",\"6\"\n";
        assert_eq!(parse(csv), Some((100.5, 5.5)));
        assert_eq!(parse("error"), None);
    }
}
