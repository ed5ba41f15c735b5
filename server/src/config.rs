//! What a server may be told at its start.

use crate::acl::User;
use crate::observe::Watching;
use crate::pubsub::Classes as EventClasses;
use crate::store::SyncPolicy;
use portcask::DbOptions;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Deref;
use std::path::PathBuf;
use std::time::Duration;

/// How a server runs. `Config::new(dir)` is a server on loopback, port 6379.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The directory of the store, created if it is absent.
    pub dir: PathBuf,
    /// Where it listens; port 0 takes a free one, see [`Server::addresses`](crate::Server::addresses).
    pub bind: Vec<SocketAddr>,
    /// A Unix socket to listen on as well.
    pub socket: Option<PathBuf>,
    /// Who may use that socket, as file permissions.
    pub socket_mode: u32,
    /// Whether and how TLS is served.
    pub tls: Tls,
    /// Where it listens for gRPC, if it does.
    #[cfg(feature = "grpc")]
    pub grpc: Option<SocketAddr>,
    /// When a write is acknowledged.
    pub sync: SyncPolicy,
    /// The password of the user `default`, which clients are until they say otherwise.
    pub password: Option<Password>,
    /// Further users, or `default` with other rights.
    pub users: Vec<User>,
    /// Answer only loopback addresses while there is no password.
    pub protected_mode: bool,
    /// What one client may use.
    pub limits: Limits,
    /// How the store is opened. Its acknowledgement level and sync interval are not used: see `sync`.
    pub store: DbOptions,
    /// Threads that serve clients who ask for little, and as many again for newcomers and those who ask for much at a
    /// time; `None` is one of each for every two processors, and at least one, and as many as there are processors for
    /// those who send many reads at a time.
    pub threads: Option<usize>,
    /// What is logged, by whoever installs a subscriber for `tracing`: this crate installs none.
    pub log_level: LogLevel,
    /// Whether that is JSON.
    pub log_json: bool,
    /// Where `/metrics` and `/healthz` are answered over HTTP, 0 for a free port; `None` is nowhere.
    pub metrics_port: Option<u16>,
    /// The address of that port.
    pub metrics_bind: IpAddr,
    /// From when a command is noted as slow.
    pub watching: Watching,
    /// Which keyspace events are told to subscribers.
    pub keyspace_events: EventClasses,
    /// Where `BGSAVE` makes backups, each in a directory of its own; `None` is nowhere.
    pub backup_dir: Option<PathBuf>,
    /// Who may use `DEBUG`.
    pub debug_command: DebugCommand,
    /// The configuration file that `CONFIG REWRITE` writes.
    pub file: Option<PathBuf>,
}

/// Where Redis listens.
const PORT: u16 = 6379;

impl Config {
    /// A server on 127.0.0.1:6379.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            bind: vec![SocketAddr::new(Ipv4Addr::LOCALHOST.into(), PORT)],
            socket: None,
            socket_mode: 0o700,
            tls: Tls::default(),
            #[cfg(feature = "grpc")]
            grpc: None,
            sync: SyncPolicy::Every(Duration::from_secs(1)),
            password: None,
            users: Vec::new(),
            protected_mode: true,
            limits: Limits::default(),
            store: DbOptions::default(),
            threads: None,
            log_level: LogLevel::Notice,
            log_json: false,
            metrics_port: None,
            metrics_bind: Ipv4Addr::LOCALHOST.into(),
            watching: Watching::default(),
            keyspace_events: EventClasses::default(),
            backup_dir: None,
            debug_command: DebugCommand::No,
            file: None,
        }
    }

    /// The port of the first address.
    pub(crate) fn port(&self) -> u16 {
        self.bind.first().map_or(PORT, SocketAddr::port)
    }
}

/// A password, which nothing shows by accident: it is left out where a [`Config`] is printed for debugging.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl From<String> for Password {
    fn from(password: String) -> Self {
        Self(password)
    }
}

impl From<&str> for Password {
    fn from(password: &str) -> Self {
        Self(password.to_owned())
    }
}

impl Deref for Password {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// Whether and how TLS is served: at the addresses of [`Config::bind`], on a port of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// The port, 0 for a free one; `None` is no TLS.
    pub port: Option<u16>,
    /// gRPC is served with TLS, too.
    pub grpc: bool,
    /// Nothing is served without TLS, but for the socket of this machine.
    pub only: bool,
    /// The server's certificate with those that lead to its authority, as PEM.
    pub certificate: Option<PathBuf>,
    /// The certificate's private key, as PEM.
    pub key: Option<PathBuf>,
    /// The authorities that clients' certificates come from, as PEM.
    pub authority: Option<PathBuf>,
    /// Whether clients show certificates.
    pub clients: ClientCertificates,
}

/// Whether clients show certificates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientCertificates {
    /// They are not asked.
    #[default]
    No,
    /// Those that they show must be right.
    Optional,
    /// Who shows none is not let in.
    Required,
}

/// What is logged: this and what weighs more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Everything.
    Debug,
    /// What single clients do wrong.
    Verbose,
    /// What an operator wants to know.
    Notice,
    /// What an operator must know.
    Warning,
}

/// Who may use `DEBUG`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DebugCommand {
    /// Nobody.
    No,
    /// Clients on this machine.
    Local,
    /// Everybody whose user may.
    Yes,
}

/// What clients may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time.
    pub clients_max: usize,
    /// Connections at a time from one address, or one network of 64 bits of IPv6; `None` is as many as there may be.
    /// Sockets of this machine have no address.
    pub clients_per_address_max: Option<usize>,
    /// Arguments of a command.
    pub args_max: usize,
    /// Bytes of an argument.
    pub bulk_bytes_max: usize,
    /// Bytes of a command in all, and of what a client has queued or watches.
    pub queue_bytes_max: usize,
    /// Bytes of a reply, be it of a whole transaction.
    pub reply_bytes_max: usize,
    /// Bytes that all clients together have sent and the server not yet dealt with.
    pub input_bytes_max: usize,
    /// Bytes of replies and messages that wait to be sent, over all clients. When it is too much, the client
    /// that holds most is closed, and the next one, until it is not.
    pub output_bytes_max: usize,
    /// What a subscriber may leave unread.
    pub mail: MailLimits,
    /// Time for a client to finish a command that it began, as long as nothing of it arrives, and to take a
    /// reply, as long as nothing of it is taken.
    pub progress: Duration,
    /// Time to authenticate where there is a password, and to begin with TLS.
    pub handshake: Duration,
    /// Time between two commands; `None` is for ever.
    pub idle: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            clients_max: 10_000,
            clients_per_address_max: None,
            args_max: 1 << 20,
            bulk_bytes_max: 512 << 20,
            queue_bytes_max: 1 << 30,
            reply_bytes_max: 1 << 30,
            input_bytes_max: 2 << 30,
            output_bytes_max: 1 << 30,
            mail: MailLimits::default(),
            progress: Duration::from_secs(60),
            handshake: Duration::from_secs(60),
            idle: None,
        }
    }
}

/// What a subscriber may leave unread. One that crosses a limit is closed, so that its publishers go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MailLimits {
    /// Bytes at any moment.
    pub hard_bytes: usize,
    /// Bytes for longer than `soft_time`.
    pub soft_bytes: usize,
    /// How long more than `soft_bytes` may wait.
    pub soft_time: Duration,
}

/// Redis's limits for subscribers.
impl Default for MailLimits {
    fn default() -> Self {
        Self {
            hard_bytes: 32 << 20,
            soft_bytes: 8 << 20,
            soft_time: Duration::from_secs(60),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Config;
    use crate::acl::User;

    #[test]
    fn no_password_is_shown_where_a_configuration_is_printed_for_debugging() {
        let mut config = Config::new("data");
        config.password = Some("s3cret".into());
        let mut user = User::everybody();
        user.set_password(Some("s3cret"));
        config.users.push(user);
        let shown = format!("{config:?} {config:#?}");
        assert!(!shown.contains("s3cret"), "{shown}");
        // Nor what it hashes to, which is as good as a password where many are tried.
        assert!(shown.contains("password: Some((hidden))"), "{shown}");
        assert!(shown.contains("passwords: [(hidden)]"), "{shown}");
    }
}
