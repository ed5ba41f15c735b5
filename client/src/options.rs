//! Where the server is, and how long it may take.

use crate::{Error, Result};
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};
use std::borrow::Cow;
use std::time::Duration;

/// How to open a [`Db`](crate::Db).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientOptions {
    /// How long to wait for a connection.
    pub connect: Duration,
    /// How long to wait for an answer while nothing arrives. `None` waits for ever.
    pub answer: Option<Duration>,
    /// The same for calls that read or rewrite the whole log: merge, verify, history, changes.
    pub long_answer: Option<Duration>,
    /// Test a connection with `PING` before a write if it was idle for this long, so that a restarted server costs no
    /// write.
    pub rested: Duration,
    /// Connections to keep for later calls; more are made while more threads call at once.
    pub idle_max: usize,
    /// The authority that must have signed the server's certificate, in PEM, instead of those this machine trusts. For
    /// `rediss://`.
    pub root_certificate: Option<Vec<u8>>,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            answer: Some(Duration::from_secs(30)),
            long_answer: None,
            rested: Duration::from_secs(1),
            idle_max: 16,
            root_certificate: None,
        }
    }
}

/// A URL that was understood.
pub(crate) struct Target {
    pub client: redis::Client,
    /// For messages: without user and password.
    pub shown: String,
}

impl Target {
    pub(crate) fn new(url: &str, options: &ClientOptions) -> Result<Self> {
        let wrong = |why: String| Error::Url { why };
        let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
        match scheme {
            "redis" | "redis+unix" | "unix" => {}
            "rediss" if cfg!(feature = "tls") => {}
            "rediss" => {
                return Err(wrong(
                    "this build has no TLS: its feature `tls` is off".into(),
                ));
            }
            _ => {
                return Err(wrong(
                    "a server is named as redis://[user:password@]host[:port], rediss://... or \
                     redis+unix:///path"
                        .into(),
                ));
            }
        }
        // The words of what follows may repeat the password, so the crate's own are not shown.
        let unclear = || {
            wrong("user, password, host, port (up to 65535) and path cannot be told apart".into())
        };
        let url = unix_login(url).unwrap_or_else(|| url.to_owned());
        let info = url.into_connection_info().map_err(|_| unclear())?;
        let shown = shown(info.addr());
        let info = info.clone().set_redis_settings(
            info.redis_settings()
                .clone()
                .set_lib_name("portcask-client", env!("CARGO_PKG_VERSION")),
        );
        let client = client(info, options).map_err(|error| wrong(error.to_string()))?;
        Ok(Self { client, shown })
    }
}

/// A unix socket's URL with user and password in front of the path, as every URL has them, in the way the crate takes
/// them: behind it.
fn unix_login(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let (authority, path) = rest.split_at(rest.find('/')?);
    let login = authority.strip_suffix('@')?;
    if !matches!(scheme, "redis+unix" | "unix") {
        return None;
    }
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let mut url = format!("{scheme}://{path}");
    for (name, value) in [("user", user), ("pass", password)] {
        if !value.is_empty() {
            let between = if url.contains('?') { '&' } else { '?' };
            // What means itself before a path and something else behind it.
            let value = value.replace('+', "%2B").replace('&', "%26");
            url.push_str(&format!("{between}{name}={value}"));
        }
    }
    Some(url)
}

#[cfg(feature = "tls")]
fn client(info: ConnectionInfo, options: &ClientOptions) -> redis::RedisResult<redis::Client> {
    if !matches!(info.addr(), ConnectionAddr::TcpTls { .. }) {
        return redis::Client::open(info);
    }
    // The program may have chosen already; then that one is in force.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let certificates = redis::TlsCertificates {
        client_tls: None,
        root_cert: options.root_certificate.clone(),
    };
    redis::Client::build_with_tls(info, certificates)
}

#[cfg(not(feature = "tls"))]
fn client(info: ConnectionInfo, _: &ClientOptions) -> redis::RedisResult<redis::Client> {
    redis::Client::open(info)
}

fn shown(address: &ConnectionAddr) -> String {
    match address {
        ConnectionAddr::Tcp(host, port) => format!("redis://{}:{port}", bracketed(host)),
        ConnectionAddr::TcpTls { host, port, .. } => {
            format!("rediss://{}:{port}", bracketed(host))
        }
        ConnectionAddr::Unix(path) => format!("redis+unix://{}", path.display()),
        // The crate may learn of others.
        _ => "the server".to_owned(),
    }
}

/// A host as URLs have it: an IPv6 address is kept apart from the port.
fn bracketed(host: &str) -> Cow<'_, str> {
    match host.contains(':') {
        true => format!("[{host}]").into(),
        false => host.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Result<String> {
        Target::new(url, &ClientOptions::default()).map(|target| target.shown)
    }

    #[test]
    fn a_url_names_a_host_or_a_path_and_is_shown_without_its_password() {
        for (url, shown) in [
            ("redis://localhost", "redis://localhost:6379"),
            ("redis://10.0.0.1:7000/", "redis://10.0.0.1:7000"),
            ("redis://ann:s3cret@host:1/0", "redis://host:1"),
            ("redis://:s3cret@[::1]:6380", "redis://[::1]:6380"),
        ] {
            assert_eq!(target(url).unwrap(), shown, "{url}");
        }
        #[cfg(unix)]
        assert_eq!(
            target("redis+unix:///run/p.sock").unwrap(),
            "redis+unix:///run/p.sock"
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_sockets_url_takes_user_and_password_in_front_of_the_path() {
        for (url, user, password) in [
            ("redis+unix://:p%40+w&@/run/p.sock", None, Some("p@+w&")),
            ("unix://ann:s3cret@/run/p.sock", Some("ann"), Some("s3cret")),
            ("redis+unix:///run/p.sock?pass=s3cret", None, Some("s3cret")),
        ] {
            let target = Target::new(url, &ClientOptions::default()).unwrap();
            assert!(target.shown.ends_with("/run/p.sock"), "{}", target.shown);
            let info = target.client.get_connection_info().redis_settings();
            assert_eq!(info.username(), user, "{url}");
            assert_eq!(info.password(), password, "{url}");
        }
    }

    #[test]
    fn what_is_no_server_is_refused_with_an_example_and_no_password() {
        for url in [
            "",
            "store",
            "http://host",
            "redis:/host",
            "redis://u:s3cret@h:99999",
        ] {
            let error = target(url).unwrap_err();
            assert!(matches!(error, Error::Url { .. }), "{url}");
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
        assert!(
            target("store")
                .unwrap_err()
                .to_string()
                .contains("redis://")
        );
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn a_build_without_tls_says_so() {
        assert!(
            target("rediss://host")
                .unwrap_err()
                .to_string()
                .contains("TLS")
        );
    }
}
