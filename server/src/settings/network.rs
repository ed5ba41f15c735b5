//! Who can reach the server, and how.

use super::Setting;
use super::values::{number, show_yes_or_no, yes_or_no};
use std::net::{IpAddr, SocketAddr};

const NETWORK: &str = "Network";
const ACCESS: &str = "Access";

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
    .told(NETWORK, "The port; 0 takes a free one and prints it"),
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
    .told(ACCESS, "Whether only this machine is served while there is no password"),
    Setting::new(
        "requirepass",
        "PASSWORD",
        |config, words| {
            if words[0].len() > 512 {
                return Err("argument must be at most 512 bytes".into());
            }
            if config.users.iter().any(|user| user.name == "default") {
                return Err("the password of `default` is set by its `user` line".into());
            }
            config.password = Some(words[0].clone()).filter(|password| !password.is_empty());
            Ok(())
        },
        |config| vec![config.password.clone().unwrap_or_default()],
    )
    .live()
    .secret()
    .told(
        ACCESS,
        "What clients must send with AUTH before anything else; better set by the environment or the file than by \
         a flag, which other users of this machine see",
    ),
];
