//! A stand-in for the wasmtime command where there is none: the same words, the part we use.
//!
//! ```text
//! portcask-host run [--dir HOST[::GUEST]]... [--env NAME[=VALUE]]... MODULE [ARGUMENT]...
//! ```
//!
//! Built without optimisation, this program compiles a module in seconds, so it keeps the machine
//! code in a folder beside itself and loads it at the next run of the same module.
//!
//! Exits with the guest's status, with 134 if it trapped, with 2 if it could not be started.

use portcask_hosts::{Preopen, cache};
use std::process::ExitCode;

const USAGE: &str = "usage: portcask-host run [--dir HOST[::GUEST]]... [--env NAME[=VALUE]]... MODULE [ARGUMENT]...";

/// What could not even be started.
const STATUS_NOT_STARTED: u8 = 2;

fn main() -> ExitCode {
    match started(std::env::args().skip(1).collect()) {
        // A status is a byte to every parent; what does not fit one is at least not success.
        Ok(status) => ExitCode::from(u8::try_from(status).unwrap_or(u8::MAX)),
        Err(words) => {
            eprintln!("portcask-host: {words}");
            ExitCode::from(STATUS_NOT_STARTED)
        }
    }
}

fn started(words: Vec<String>) -> Result<i32, String> {
    let call = Call::parse(words)?;
    let module = &call.command[0];
    let bytes = std::fs::read(module).map_err(|cause| format!("{module}: {cause}"))?;
    let guest = cache::load_or_compile(&bytes).map_err(|cause| format!("{module}: {cause:#}"))?;
    let args: Vec<&str> = call.command.iter().map(String::as_str).collect();
    let env: Vec<_> = call
        .env
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    guest
        .run_on_own_streams(&args, &env, &call.preopens)
        .map_err(|cause| format!("{cause:#}"))
}

/// A call of this command, taken apart.
#[derive(Debug, PartialEq, Eq)]
struct Call {
    env: Vec<(String, String)>,
    preopens: Vec<Preopen>,
    /// The module's path and what comes after it; never empty.
    command: Vec<String>,
}

impl Call {
    fn parse(words: Vec<String>) -> Result<Self, String> {
        let (mut env, mut preopens) = (Vec::new(), Vec::new());
        let mut words = words.into_iter().peekable();
        if words.next().as_deref() != Some("run") {
            return Err(USAGE.into());
        }
        while let Some(option) = words.next_if(|word| word.starts_with("--")) {
            if option == "--" {
                break;
            }
            let (option, value) = match option.split_once('=') {
                Some((option, value)) => (option.to_string(), Some(value.to_string())),
                None => (option, words.next()),
            };
            let value = value.ok_or_else(|| format!("{option} needs a value"))?;
            match option.as_str() {
                "--dir" => {
                    let (host, guest) = value.split_once("::").unwrap_or((&value, &value));
                    preopens.push((host.into(), guest.into()));
                }
                "--env" => env.push(match value.split_once('=') {
                    Some((name, text)) => (name.into(), text.into()),
                    None => (value.clone(), std::env::var(&value).unwrap_or_default()),
                }),
                _ => return Err(format!("{option} is unknown; {USAGE}")),
            }
        }
        let command: Vec<String> = words.collect();
        if command.is_empty() {
            return Err(USAGE.into());
        }
        Ok(Self {
            env,
            preopens,
            command,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Call, String> {
        Call::parse(line.split(' ').map(String::from).collect())
    }

    #[test]
    fn a_line_for_wasmtime_means_the_same_here() {
        let call = parse("run --dir data --dir=/x::/y --env A=b=c m.wasm --dir guest").unwrap();
        assert_eq!(
            call.preopens,
            [("data".into(), "data".into()), ("/x".into(), "/y".into())]
        );
        assert_eq!(call.env, [("A".into(), "b=c".into())]);
        assert_eq!(call.command, ["m.wasm", "--dir", "guest"]);
        assert_eq!(parse("run -- m.wasm").unwrap().command, ["m.wasm"]);
    }

    #[test]
    fn a_line_that_makes_no_sense_is_answered_with_the_usage() {
        for line in [
            "",
            "run",
            "serve m.wasm",
            "run --dir",
            "run --what 1 m.wasm",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
