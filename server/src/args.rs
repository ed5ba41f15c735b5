//! What can be typed, and how it ends. Flags, their variables and their help come from the table of settings.

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, value_parser};
use portcask::Error;
use portcask_server::settings::{self, Setting};
use portcask_server::{Config, Server, StartError};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  portcask-server --dir data                     then connect with redis-cli or any Redis client
  portcask-server data                           the same, if there is such a directory
  portcask-server --dir data --port 0            pick a free port and print it
  portcask-server --dir data --sync always       acknowledge a write once it is on the disk
  portcask-server /etc/portcask.conf             a file of lines such as `dir /var/lib/portcask`
  REDIS_PASSWORD=s3cret portcask-server --dir data --bind 0.0.0.0

A flag overrides the environment, which overrides the file, which overrides the default. CONFIG SET \
changes some settings while the server runs. Write sizes as 64kb, 256mb or 1gb, which are KiB, MiB and GiB as in \
redis.conf, where 64k, 256m and 1g are decimal; write times as 500ms, 30s (or 30), 5m or 2h.

In the file, each line is a setting: the flag's name without `--`, then its value. # starts a comment, \
and quotes hold words together. CONFIG REWRITE saves the current settings to the file.

To stop the server, use Ctrl-C, SIGTERM or SHUTDOWN. It answers every command it has received in full, \
then closes the store. kill -9 loses no acknowledged write; with --sync always, nor does a power cut.

Exit codes:
  0  stopped cleanly
  2  wrong configuration: the command line, the environment, the file or a certificate
  3  stored data is damaged
  4  another process is the writer of this directory
  5  the system refused: the port is taken, files of others are in the directory, no permission, no space";

/// Why there is nothing to start.
pub enum Wrong {
    /// The command line; it tells by itself.
    Usage(clap::Error),
    /// A value, or a file.
    Told(String),
}

/// What the command line, the environment and the file say together.
pub fn config() -> Result<Config, Wrong> {
    let matches = command().try_get_matches().map_err(Wrong::Usage)?;
    let mut config = Config::new(PathBuf::new());
    let named = matches.get_one::<PathBuf>("file");
    let named = named.filter(|it| it.as_os_str() != "");
    // `portcask-server data` is short for --dir data.
    let is_typed = |name| matches.value_source(name) == Some(ValueSource::CommandLine);
    let is_short = named.is_some_and(|it| is_typed("file") && it.is_dir());
    // What was typed hides the variable, but not the file that it names.
    let by_variable = std::env::var_os("PORTCASK_CONFIG").map(PathBuf::from);
    let by_variable = by_variable.filter(|file| is_short && file.as_os_str() != "");
    if let Some(file) = by_variable.as_ref().or(named.filter(|_| !is_short)) {
        settings::read_file(file, &mut config).map_err(|error| {
            let advice = match is_typed("file") && !file.exists() {
                true => format!("; for a store: --dir {}", file.display()),
                false => String::new(),
            };
            Wrong::Told(format!("{error}{advice}"))
        })?;
    }
    // Not set and set to nothing are the same in many tools, and nothing must not open what the file has closed.
    if let Some(password) = std::env::var_os("REDIS_PASSWORD").filter(|it| !it.is_empty()) {
        let set = password
            .into_string()
            .map_err(|_| "not UTF-8 text".to_owned())
            .and_then(|password| {
                let setting = settings::named("requirepass");
                setting.map_or(Ok(()), |it| it.set(&mut config, &[password]))
            });
        set.map_err(|words| Wrong::Told(format!("REDIS_PASSWORD: {words}")))?;
    }
    for setting in settings::all() {
        take(setting, &matches, &mut config).map_err(Wrong::Told)?;
    }
    if let Some(dir) = named.filter(|_| is_short) {
        if is_typed("dir") {
            let dir = dir.display();
            let words = format!("{dir} is a directory, and --dir names one too: give one of them");
            return Err(Wrong::Told(words));
        }
        config.dir.clone_from(dir);
    }
    if config.dir == Path::new("") {
        let words = "where is the store? Give --dir DIR, PORTCASK_DIR, or a file with a `dir` line";
        return Err(Wrong::Told(words.into()));
    }
    Ok(config)
}

/// A setting as flag or variable, if it was given.
fn take(setting: &Setting, matches: &ArgMatches, config: &mut Config) -> Result<(), String> {
    let Some(words) = matches.get_many::<String>(setting.name) else {
        return Ok(());
    };
    let by_variable = matches.value_source(setting.name) == Some(ValueSource::EnvVariable);
    if by_variable && words.clone().all(|word| word.is_empty()) {
        return Ok(());
    }
    let words: Vec<_> = match by_variable && setting.takes_many {
        true => words
            .flat_map(|it| it.split_whitespace())
            .map(str::to_owned)
            .collect(),
        false => words.cloned().collect(),
    };
    setting
        .set(config, &words)
        .map_err(|words| match by_variable {
            true => format!("{}: {words}", setting.variable()),
            false => format!("--{}: {words}", setting.name),
        })
}

/// The command line.
pub fn command() -> Command {
    let defaults = Config::new("");
    let mut command = Command::new("portcask-server")
        .version(env!("CARGO_PKG_VERSION"))
        .about("A Redis-compatible server over a crash-safe log")
        .max_term_width(100)
        .after_help(EXAMPLES)
        .arg(
            Arg::new("file")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .env("PORTCASK_CONFIG")
                .help("A configuration file, in the manner of redis.conf; or the store's directory, as --dir"),
        );
    for setting in settings::all() {
        let default = in_units(setting.value, setting.get(&defaults));
        let help = match default.as_str() {
            "" => setting.help.to_owned(),
            default => format!("{} [default: {default}]", setting.help),
        };
        let mut flag = Arg::new(setting.name)
            .long(setting.name)
            .value_name(setting.value)
            .env(setting.variable())
            .hide_env_values(setting.is_secret)
            .help_heading(setting.section)
            .help(help);
        if !setting.alias.is_empty() {
            flag = flag.visible_alias(setting.alias);
        }
        flag = match setting.name {
            "dir" => flag.short('d'),
            "port" => flag.short('p'),
            _ => flag,
        };
        if setting.takes_many {
            flag = flag.num_args(1..);
        }
        command = command.arg(flag);
    }
    command
}

/// A default as one would type it: `256mb`, `30s`.
fn in_units(kind: &str, default: String) -> String {
    let number = default.parse::<u64>().ok().filter(|number| *number > 0);
    let scales = [("gb", 30), ("mb", 20), ("kb", 10)];
    match (kind, number) {
        ("TIME", Some(seconds)) => format!("{seconds}s"),
        ("BYTES", Some(bytes)) => {
            let mut exact = scales
                .iter()
                .filter(|(_, bits)| bytes.trailing_zeros() >= *bits);
            let unit = exact.next();
            unit.map_or(default, |(unit, bits)| format!("{}{unit}", bytes >> bits))
        }
        _ => default,
    }
}

/// Has the server stop in order when the system or a person asks for it: once this returned, any request counts.
pub fn stop_on_signals(server: &Server) -> io::Result<()> {
    let stopper = server.stopper();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let signals = {
        let _inside = runtime.enter();
        Signals::new()?
    };
    let wait = move || {
        // If signals cannot be waited for, the process can only be ended at once.
        if runtime.block_on(signals.any()).is_ok() {
            stopper.stop();
        }
    };
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(wait)?;
    Ok(())
}

/// A file that may not grow further (`ulimit -f`) is an error of its write, as a full disk is, and not the process's end.
#[cfg(unix)]
pub fn outlive_file_limits() {
    // Without the handler the system's own rule stands, and the store outlives that too.
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, std::sync::Arc::default());
}

/// Only Unix ends a process for the length of its files.
#[cfg(not(unix))]
pub fn outlive_file_limits() {}

#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn any(mut self) -> io::Result<()> {
        tokio::select! {
            _ = self.terminate.recv() => Ok(()),
            _ = self.interrupt.recv() => Ok(()),
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn any(self) -> io::Result<()> {
        tokio::signal::ctrl_c().await
    }
}

/// What to do where another program has the port, by the flag that named it.
pub fn advice(error: &StartError, config: &Config) -> String {
    let StartError::Bind(address, why) = error else {
        return String::new();
    };
    if why.kind() != io::ErrorKind::AddrInUse {
        return String::new();
    }
    let is = |port: Option<u16>| port == Some(address.port());
    #[cfg(feature = "grpc")]
    let is_grpc = is(config.grpc.map(|it| it.port()));
    #[cfg(not(feature = "grpc"))]
    let is_grpc = false;
    let flag = match () {
        () if config.bind.contains(address) => "--port",
        () if is(config.tls.port) => "--tls-port",
        () if is(config.metrics_port) => "--metrics-port",
        () if is_grpc => "--grpc-port",
        () => "--port",
    };
    format!("; {flag} N takes another port, and {flag} 0 picks a free one and prints it")
}

/// Who can connect, where that is narrower or wider than one may think.
pub fn admission(server: &Server, config: &Config) -> Option<String> {
    let listens_here_alone = config.bind.iter().all(|it| it.ip().is_loopback());
    match server.asks_for_password() {
        true => None,
        false if config.protected_mode => {
            let bind = match listens_here_alone {
                true => " and --bind 0.0.0.0",
                false => "",
            };
            Some(format!(
                "protected mode: only this machine can connect; to let others in, set a password (--requirepass, \
                 REDIS_PASSWORD){bind}"
            ))
        }
        // With TLS alone, certificates may say who gets in.
        false if listens_here_alone || config.tls.only => None,
        false => Some(
            "no password and no protected mode: whoever reaches this port can read and change everything"
                .to_owned(),
        ),
    }
}

/// What tells a script why.
pub fn exit_code(error: &StartError) -> u8 {
    let error = match error {
        StartError::Store(_, error) => error,
        StartError::Tls(_) | StartError::Config(_) => return 2,
        StartError::Strangers(..)
        | StartError::Bind(..)
        | StartError::Socket(..)
        | StartError::Threads(_) => return 5,
    };
    match **error {
        Error::BadOption { .. } => 2,
        Error::Corrupt { .. } | Error::Damaged { .. } | Error::NoManifest { .. } => 3,
        Error::Locked { .. } | Error::Fenced { .. } => 4,
        _ => 5,
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(error) => error.fmt(f),
            Self::Told(words) => f.write_str(words),
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_well_formed() {
        super::command().debug_assert();
    }

    #[test]
    fn defaults_are_told_in_units() {
        let told = |kind, default: &str| super::in_units(kind, default.to_owned());
        assert_eq!(told("BYTES", "268435456"), "256mb");
        assert_eq!(told("BYTES", "1073741824"), "1gb");
        assert_eq!(told("BYTES", "65535"), "65535");
        assert_eq!(told("BYTES", "0"), "0");
        assert_eq!(told("TIME", "30"), "30s");
        assert_eq!(told("TIME", "100ms"), "100ms");
        assert_eq!(told("COUNT", "1024"), "1024");
    }

    #[test]
    fn the_prose_of_the_help_is_broken_by_the_terminal_alone() {
        let is_prose = |line: &str| line.starts_with(|first: char| !first.is_whitespace());
        let lines: Vec<_> = super::EXAMPLES.lines().collect();
        let broken = lines
            .windows(2)
            .find(|two| is_prose(two[0]) && is_prose(two[1]));
        assert_eq!(broken, None);
    }
}
