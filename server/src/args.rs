//! What can be typed, and how it ends.

use clap::{Parser, ValueEnum};
use portcask::Error;
use portcask_server::{Config, Server, StartError, SyncPolicy};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  portcask-server --dir data                     redis-cli and every Redis client connect as usual
  portcask-server --dir data --port 0            take a free port and print it
  portcask-server --dir data --sync always       a write is answered once it is on the disk
  REDIS_PASSWORD=s3cret portcask-server --dir data --bind 0.0.0.0

Stop it with Ctrl-C, SIGTERM or SHUTDOWN: whatever was received whole is answered, then the store is
closed. A kill -9 loses no acknowledged write; a power cut loses none with --sync always.

Exit codes:
  0  stopped in order
  2  the command line is wrong
  3  stored data is damaged
  4  another process is the writer of this directory
  5  the system refused: the port is taken, no permission, no space";

/// A Redis-compatible server over a crash-safe log.
#[derive(Debug, Parser)]
#[command(name = "portcask-server", version, max_term_width = 100, after_help = EXAMPLES)]
pub struct Cli {
    /// The directory of the store; created if it is absent
    #[arg(long, short, env = "PORTCASK_DIR", value_name = "DIR")]
    dir: PathBuf,

    /// Addresses to listen on
    #[arg(long, value_name = "ADDRESS", default_values_t = [IpAddr::V4(Ipv4Addr::LOCALHOST)], num_args = 1..)]
    bind: Vec<IpAddr>,

    /// The port; 0 takes a free one
    #[arg(long, short, default_value_t = 6379)]
    port: u16,

    /// Also serve gRPC (proto/portcask.proto) at this port of the first address; 0 takes a free one
    #[cfg(feature = "grpc")]
    #[arg(long, value_name = "PORT")]
    grpc_port: Option<u16>,

    /// When a write is acknowledged: always (on the disk), everysec (on the disk within a second), a time such
    /// as 100ms or 15s, or no (when the system likes). A killed process loses nothing at any of them
    #[arg(long, value_name = "WHEN", default_value = "everysec", value_parser = sync_policy)]
    sync: SyncPolicy,

    /// What clients must send with AUTH before anything else; better set by the environment than here,
    /// where other users of this machine see it
    #[arg(
        long,
        env = "REDIS_PASSWORD",
        hide_env_values = true,
        value_name = "PASSWORD"
    )]
    requirepass: Option<String>,

    /// Whether only this machine is served while there is no password
    #[arg(long, value_enum, default_value_t = Choice::Yes)]
    protected_mode: Choice,

    /// Connections at a time
    #[arg(long, value_name = "COUNT", default_value_t = 10_000)]
    maxclients: usize,

    /// Close a connection that sends no command for this time, such as 5m; 0 is never
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = time)]
    timeout: Duration,

    /// Memory for what all clients together have sent and the server not yet dealt with, such as 256mb
    #[arg(long, value_name = "BYTES", default_value = "2gb", value_parser = bytes)]
    input_memory: usize,

    /// Memory for replies and messages that wait to be sent to all clients together. When it is too much, the
    /// client that holds most is closed first
    #[arg(long, value_name = "BYTES", default_value = "1gb", value_parser = bytes)]
    output_memory: usize,

    /// Threads that serve connections; as many as there are processors if it is not given
    #[arg(long, value_name = "COUNT")]
    threads: Option<usize>,

    /// Believe a clock that is more than a day ahead of the last time the store was used. Otherwise nothing
    /// expires until it is confirmed
    #[arg(long)]
    trust_clock: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Choice {
    Yes,
    No,
}

impl Cli {
    /// The server that was asked for.
    pub fn config(self) -> Config {
        let mut config = Config::new(self.dir);
        #[cfg(feature = "grpc")]
        {
            let first = self.bind.first().copied();
            config.grpc = first.zip(self.grpc_port).map(SocketAddr::from);
        }
        let addresses = self.bind.into_iter();
        config.bind = addresses.map(|ip| SocketAddr::new(ip, self.port)).collect();
        config.sync = self.sync;
        config.password = self.requirepass.filter(|password| !password.is_empty());
        config.protected_mode = self.protected_mode == Choice::Yes;
        config.limits.clients_max = self.maxclients;
        config.limits.idle = (!self.timeout.is_zero()).then_some(self.timeout);
        config.limits.input_bytes_max = self.input_memory;
        config.limits.output_bytes_max = self.output_memory;
        config.threads = self.threads;
        config.store.engine.trust_clock = self.trust_clock;
        config
    }
}

fn sync_policy(text: &str) -> Result<SyncPolicy, String> {
    match text {
        "always" => Ok(SyncPolicy::Always),
        "everysec" => Ok(SyncPolicy::Every(Duration::from_secs(1))),
        "no" => Ok(SyncPolicy::Never),
        text => match time(text) {
            Ok(Duration::ZERO) => Ok(SyncPolicy::Always),
            Ok(time) => Ok(SyncPolicy::Every(time)),
            Err(_) => Err("always, everysec, no, or a time such as 100ms or 15s".into()),
        },
    }
}

/// `65536`, `64kb`, `256mb`, `2gb`.
fn bytes(text: &str) -> Result<usize, String> {
    let wrong = || "a whole number, with a unit if one likes: 64kb, 256mb, 2gb".to_owned();
    let units = [("kb", 10), ("mb", 20), ("gb", 30)];
    let found = units
        .iter()
        .find_map(|(unit, bits)| Some((text.strip_suffix(unit)?, *bits)));
    let (number, bits) = found.unwrap_or((text, 0));
    let number = number.parse::<usize>().map_err(|_| wrong())?;
    number.checked_mul(1 << bits).ok_or_else(wrong)
}

/// `500ms`, `15s`, `5m`, `2h`; 0 needs no unit.
fn time(text: &str) -> Result<Duration, String> {
    let wrong = || "a whole number with a unit: 500ms, 15s, 5m, 2h".to_owned();
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let units = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];
    let unit = units
        .iter()
        .find_map(|(unit, ms)| Some((text.strip_suffix(unit)?, *ms)));
    let (number, ms) = unit.ok_or_else(wrong)?;
    let number = number.parse::<u64>().map_err(|_| wrong())?;
    number
        .checked_mul(ms)
        .map(Duration::from_millis)
        .ok_or_else(wrong)
}

/// Has the server stop in order when the system or a person asks for it.
pub fn stop_on_signals(server: &Server) -> io::Result<()> {
    let stopper = server.stopper();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let wait = move || {
        // If signals cannot be waited for, they end the process as they always did.
        if runtime.block_on(signalled()).is_ok() {
            stopper.stop();
        }
    };
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(wait)?;
    Ok(())
}

#[cfg(unix)]
async fn signalled() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        done = tokio::signal::ctrl_c() => done,
    }
}

#[cfg(not(unix))]
async fn signalled() -> io::Result<()> {
    tokio::signal::ctrl_c().await
}

/// What tells a script why.
pub fn exit_code(error: &StartError) -> u8 {
    let StartError::Store(_, error) = error else {
        return 5;
    };
    match **error {
        Error::Corrupt { .. } | Error::Damaged { .. } | Error::NoManifest { .. } => 3,
        Error::Locked { .. } | Error::Fenced { .. } => 4,
        _ => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn sync_policies_are_words_or_times() {
        let seconds = |s| SyncPolicy::Every(Duration::from_secs(s));
        for (text, policy) in [
            ("always", Some(SyncPolicy::Always)),
            ("everysec", Some(seconds(1))),
            ("15s", Some(seconds(15))),
            ("2m", Some(seconds(120))),
            ("0", Some(SyncPolicy::Always)),
            ("no", Some(SyncPolicy::Never)),
            ("5", None),
            ("never", None),
            ("-1s", None),
            ("", None),
        ] {
            assert_eq!(sync_policy(text).ok(), policy, "{text}");
        }
    }
}
