//! A server with the flags of a row, on a port of its own.

use crate::page;
use portcask_server::{Config, Server, settings};
use std::path::Path;

/// Where the page says that a server is found.
const ADDRESS: &str = "127.0.0.1:6379";
/// Every setting, as it is shipped.
const CONF: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../server/contrib/portcask.conf"
);

/// A server over the sample, until it is dropped.
pub struct Served {
    server: Server,
}

impl Served {
    /// Starts it as the line says, but for its port.
    pub fn start(line: &str, dir: &Path) -> Result<Self, String> {
        let mut config = Config::new(dir.join("store"));
        let words: Vec<&str> = page::words(line).skip(1).collect();
        for flag in words.chunks(2) {
            let [name, value] = flag else {
                return Err(format!("`{line}`: a flag without a value"));
            };
            set(&mut config, name, value).map_err(|why| format!("`{line}`: {why}"))?;
        }
        for address in &mut config.bind {
            address.set_port(0);
        }
        let server = Server::start(config).map_err(|error| format!("`{line}`: {error}"))?;
        Ok(Self { server })
    }

    /// The line with this server's address.
    pub fn addressed(&self, line: &str) -> String {
        line.replace(ADDRESS, &self.server.addresses()[0].to_string())
    }

    /// Uses a name of the client's crate for what it is listed for.
    pub fn exercise(&self, name: &str) -> Result<(), String> {
        let db = portcask_client::open(&format!("redis://{}", self.server.addresses()[0]));
        let db = db.map_err(|error| error.to_string())?;
        let value = |key: &[u8]| db.get(key).unwrap();
        match name.strip_prefix("portcask_client::").unwrap_or_default() {
            "open" | "get" => assert_eq!(value(b"key").as_deref(), Some(&b"value"[..])),
            "put" => {
                db.put(b"a", b"b").unwrap();
                assert_eq!(value(b"a").as_deref(), Some(&b"b"[..]));
            }
            "delete" => {
                assert!(db.delete(b"key").unwrap());
                assert_eq!(value(b"key"), None);
            }
            "len" => assert_eq!(db.len().unwrap(), 4),
            "contains_key" => assert!(db.contains_key(b"hello").unwrap()),
            "keys" => assert!(db.keys().any(|key| key.unwrap() == b"hello")),
            "close" => db.close().unwrap(),
            _ => return Err(format!("`{name}` is not known to the test")),
        }
        Ok(())
    }
}

/// Sets what a flag says. gRPC's may not be built in here, so that one is looked up in the file of settings.
fn set(config: &mut Config, flag: &str, value: &str) -> Result<(), String> {
    let unknown = || format!("{flag} is no flag");
    let name = flag.strip_prefix("--").ok_or_else(unknown)?;
    match settings::named(name) {
        Some(setting) => setting.set(config, &[value.to_owned()]),
        None => {
            let conf = std::fs::read_to_string(CONF).map_err(|error| error.to_string())?;
            let names =
                |line: &str| line.trim_start_matches(['#', ' ']).split(' ').next() == Some(name);
            conf.lines().any(names).then_some(()).ok_or_else(unknown)
        }
    }
}
