//! Who can reach the server, and how.

use super::Setting;
use super::values::{choice, number, show_yes_or_no, yes_or_no};
use crate::config::ClientCertificates;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

const NETWORK: &str = "Network";
const TLS: &str = "TLS";
const ACCESS: &str = "Access";

const CLIENT_CERTIFICATES: &[(&str, ClientCertificates)] = &[
    ("no", ClientCertificates::No),
    ("optional", ClientCertificates::Optional),
    ("yes", ClientCertificates::Required),
];

pub(super) const SETTINGS: &[Setting] = &[
    Setting::new(
        "bind",
        "ADDRESS",
        |config, words| {
            let port = config.port();
            let address = |word: &String| {
                let ip = word.parse::<IpAddr>();
                ip.map(|ip| SocketAddr::new(ip, port))
                    .map_err(|_| format!("'{word}' is not an IP address"))
            };
            config.bind = words.iter().map(address).collect::<Result<_, _>>()?;
            Ok(())
        },
        |config| config.bind.iter().map(|at| at.ip().to_string()).collect(),
    )
    .many()
    .told(NETWORK, "Addresses to listen on"),
    Setting::new(
        "port",
        "PORT",
        |config, words| {
            let port = number(&words[0], 0..=u16::MAX)?;
            config.bind.iter_mut().for_each(|at| at.set_port(port));
            Ok(())
        },
        |config| vec![config.port().to_string()],
    )
    .told(NETWORK, "The port to listen on; 0 picks a free one and prints it"),
    #[cfg(feature = "grpc")]
    Setting::new(
        "grpc-port",
        "PORT",
        |config, words| {
            let port = match words[0].as_str() {
                "none" => None,
                port => Some(number(port, 0..=u16::MAX)?),
            };
            let first = config.bind.first().map(SocketAddr::ip);
            config.grpc = first.zip(port).map(SocketAddr::from);
            Ok(())
        },
        |config| {
            let port = config.grpc.map(|at| at.port().to_string());
            vec![port.unwrap_or("none".to_owned())]
        },
    )
    .told(
        NETWORK,
        "Also serve gRPC (proto/portcask.proto) on this port of the first address; 0 picks a free one",
    ),
    Setting::new(
        "unixsocket",
        "PATH",
        |config, words| {
            config.socket = path(&words[0]);
            Ok(())
        },
        |config| show_path(config.socket.as_deref()),
    )
    .told(NETWORK, "Also listen on this Unix socket"),
    Setting::new(
        "unixsocketperm",
        "MODE",
        |config, words| {
            let mode = u32::from_str_radix(&words[0], 8).ok();
            let mode = mode.filter(|mode| *mode <= 0o777);
            config.socket_mode = mode.ok_or("argument must be file permissions such as 700 or 770")?;
            Ok(())
        },
        |config| vec![format!("{:o}", config.socket_mode)],
    )
    .told(NETWORK, "Who may use that socket, as file permissions"),
    Setting::new(
        "tls-port",
        "PORT",
        |config, words| {
            config.tls.port = match words[0].as_str() {
                "none" => None,
                port => Some(number(port, 0..=u16::MAX)?),
            };
            Ok(())
        },
        |config| {
            let port = config.tls.port.map(|port| port.to_string());
            vec![port.unwrap_or("none".to_owned())]
        },
    )
    .told(TLS, "The port for TLS, on every address in `bind`; 0 picks a free one"),
    Setting::new(
        "tls-only",
        "yes|no",
        |config, words| {
            config.tls.only = yes_or_no(&words[0])?;
            Ok(())
        },
        |config| vec![show_yes_or_no(config.tls.only)],
    )
    .told(TLS, "Refuse everything without TLS, except the Unix socket"),
    #[cfg(feature = "grpc")]
    Setting::new(
        "grpc-tls",
        "yes|no",
        |config, words| {
            config.tls.grpc = yes_or_no(&words[0])?;
            Ok(())
        },
        |config| vec![show_yes_or_no(config.tls.grpc)],
    )
    .told(TLS, "Serve gRPC with TLS, using the same certificate"),
    Setting::new(
        "tls-cert-file",
        "FILE",
        |config, words| {
            config.tls.certificate = path(&words[0]);
            Ok(())
        },
        |config| show_path(config.tls.certificate.as_deref()),
    )
    .or("tls-cert")
    .told(TLS, "The server's certificate chain (PEM)"),
    Setting::new(
        "tls-key-file",
        "FILE",
        |config, words| {
            config.tls.key = path(&words[0]);
            Ok(())
        },
        |config| show_path(config.tls.key.as_deref()),
    )
    .or("tls-key")
    .told(TLS, "The certificate's private key (PEM)"),
    Setting::new(
        "tls-ca-cert-file",
        "FILE",
        |config, words| {
            config.tls.authority = path(&words[0]);
            Ok(())
        },
        |config| show_path(config.tls.authority.as_deref()),
    )
    .or("tls-ca")
    .told(TLS, "The authorities that issue clients' certificates (PEM)"),
    Setting::new(
        "tls-auth-clients",
        "no|optional|yes",
        |config, words| {
            config.tls.clients = choice(&words[0], CLIENT_CERTIFICATES)?;
            Ok(())
        },
        |config| {
            let mut choices = CLIENT_CERTIFICATES.iter();
            let chosen = choices.find(|(_, it)| *it == config.tls.clients);
            chosen.map(|(name, _)| (*name).to_owned()).into_iter().collect()
        },
    )
    .told(TLS, "Whether clients must present a certificate (yes), may (optional), or are not asked (no)"),
    Setting::new(
        "protected-mode",
        "yes|no",
        |config, words| {
            config.protected_mode = yes_or_no(&words[0])?;
            Ok(())
        },
        |config| vec![show_yes_or_no(config.protected_mode)],
    )
    .live()
    .told(ACCESS, "Serve only clients on this machine while no password is set"),
    Setting::new(
        "requirepass",
        "PASSWORD",
        |config, words| {
            if words[0].len() > 512 {
                return Err("argument must be at most 512 bytes".into());
            }
            if config.users.iter().any(|user| user.name == "default") {
                return Err("the `user` line of `default` already sets its password".into());
            }
            let password = Some(words[0].as_str()).filter(|password| !password.is_empty());
            config.password = password.map(Into::into);
            Ok(())
        },
        |config| vec![config.password.as_deref().unwrap_or_default().to_owned()],
    )
    .live()
    .secret()
    .told(
        ACCESS,
        "The password that clients must send with AUTH before anything else. Set it in the environment or the file: \
         other users of this machine can see a flag",
    ),
];

/// No word is no path.
fn path(word: &str) -> Option<PathBuf> {
    (!word.is_empty()).then(|| word.into())
}

fn show_path(path: Option<&Path>) -> Vec<String> {
    vec![path.unwrap_or(Path::new("")).display().to_string()]
}
