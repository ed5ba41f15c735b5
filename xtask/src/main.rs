//! The repository's own commands, the same ones for people and for automation.
//!
//! ```text
//! main -> setup     what a bare machine lacks: wasm targets, lint components, Node, a wasmtime CLI
//!      -> wasm      portcask.wasm
//!      -> test      every check the project has, as timed steps
//!      -> demo      one directory, three hosts, shown as a story
//!      -> proof     the campaigns of `proof/`, which search longer than a test may
//!      -> server    the server's campaigns; bench_server: beside Redis; outside: other projects' tests
//!      -> bench     the benchmarks of `bench/`: the limit, other stores, and this one
//!      -> web       the browser package, its demo served, its benchmarks
//!      -> size      the plugin's size, and its page
//!      -> dist      the archive for people without Rust
//! ```
//!
//! No dependencies: this program runs before every other build, so it must compile in seconds.

mod bench;
mod bench_server;
mod canary;
mod demo;
mod disk;
mod dist;
mod hosts;
mod outside;
mod proof;
mod readme;
mod repo;
mod server;
mod setup;
mod shell;
mod size;
mod test;
mod wasm;
mod web;
mod web_show;

use std::process::ExitCode;

use repo::Repo;
use shell::{Failure, Result};

const HELP: &str = "\
The commands of this repository: cargo xtask COMMAND

  setup [--yes]       prepare this machine, and report each step; installs system packages
                      only as root, with --yes or CI=true
  wasm                build target/portcask.wasm, the command for any WASI host
  test [PART ...]     run every check, or only some parts:
                      engine server proof lint bench nostd wasm wasi web docs demo package
  demo [--quick]      write and read real data in one directory from three hosts

Searches for a lost write. Each has more options (see --help), and appends its counts to the
ledger only with --record:

  prove [--images N] [--seed S] [--json] [--record]
                      judge a million distinct crash images, or N of them
  powercut [--cuts N] [--fs ext4|xfs|all] [--kill] [--json] [--record]
                      cut the power of real file systems under running writers (root, Linux)
  traps [--every N] [--record]
                      stop the command at every call to WASI, and judge what is left
  every-bit [--json] [--record]
                      flip each bit of a store: is every answer right, or an error?
  planted [--show] [--record] [BUG ...]
                      plant each deliberate bug of the engine: does the harness find it?
  fuzz [--seconds N] [--record] [--keep] [TARGET ...]
                      search for inputs that break the engine; needs a nightly compiler and
                      cargo-fuzz, and explains how to get them
  mutants [--shard K/N] [--record]
                      change the engine one expression at a time: do its tests notice?
  coverage [--record] measure what the engine's tests reach
  reliability [--check]
                      write docs/RELIABILITY.md from the ledger

The server under load:

  hostile [--seconds N]
                      open ten thousand hostile connections beside one client: how long does
                      it wait, and how much memory does the server use?
  diff-redis [--seconds N]
                      send random commands to the server and to Debian's redis-server
  kill [--seconds N]  kill -9 under fifty clients: is every acknowledged write there?
  bench-server [--quick | --rounds N]
                      run redis-benchmark against the server and redis-server in turns

Measurements and packages:

  bench [--quick] [--engines A,B] [--workloads X,Y] [...]
                      run the same verified workloads on this store, on others and at the
                      limit of the hardware; see --help
  bench page [--check]
                      write docs/PERFORMANCE.md and its charts from the committed results
  web [--build-only] [--port N] [--screenshots DIR]
                      build web-demo/package, the browser package, and serve its demo
  bench-web [--quick] [--rounds N] [--only A,B] [--json FILE] [--record]
                      compare the package with SQLite, idb-keyval and a naive log in one page;
                      --record writes docs/BROWSER-PERFORMANCE.md
  size [--check]      build the plugin in examples/plugin, measure it and write docs/SIZE.md

  dist                make target/dist: an archive of the command, the wasm module, checksums
  help                print this text
";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match dispatch(&words) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(words: &[&str]) -> Result<ExitCode> {
    let (command, rest) = match words {
        [] => ("help", &[][..]),
        [command, rest @ ..] => (*command, rest),
    };
    match command {
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        "setup" => setup::command(&Repo::find()?, flag(rest, "--yes")?).map(|()| ExitCode::SUCCESS),
        "wasm" => {
            no_arguments(command, rest)?;
            wasm::command(&Repo::find()?).map(|()| ExitCode::SUCCESS)
        }
        "test" => test::command(&Repo::find()?, rest),
        "demo" => demo::command(&Repo::find()?, flag(rest, "--quick")?).map(|()| ExitCode::SUCCESS),
        "prove" | "powercut" | "every-bit" | "fuzz" | "mutants" | "coverage" | "reliability" => {
            proof::campaign(&Repo::find()?, command, rest)
        }
        "traps" => proof::traps(&Repo::find()?, rest),
        "planted" => proof::campaign_with(&Repo::find()?, &["planted-bugs"], command, rest),
        "hostile" | "diff-redis" | "kill" => server::campaign(&Repo::find()?, command, rest),
        "bench-server" => bench_server::command(&Repo::find()?, rest).map(|()| ExitCode::SUCCESS),
        "bench" => bench::command(&Repo::find()?, rest),
        "web" => web_show::command(&Repo::find()?, rest),
        "bench-web" => web_show::bench(&Repo::find()?, rest),
        "size" => {
            let check = flag(rest, "--check")?;
            size::command(&Repo::find()?, check).map(|()| ExitCode::SUCCESS)
        }
        "dist" => {
            no_arguments(command, rest)?;
            dist::command(&Repo::find()?).map(|()| ExitCode::SUCCESS)
        }
        unknown => Err(Failure::new(format!(
            "there is no command \"{unknown}\"; \"cargo xtask\" alone lists them"
        ))),
    }
}

/// Whether the one flag a command knows was given; anything else is an error.
fn flag(words: &[&str], known: &str) -> Result<bool> {
    match words {
        [] => Ok(false),
        [word] if *word == known => Ok(true),
        _ => Err(Failure::new(format!(
            "expected {known} or nothing, found \"{}\"",
            words.join(" ")
        ))),
    }
}

fn no_arguments(command: &str, words: &[&str]) -> Result<()> {
    if words.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "\"{command}\" takes no arguments, found \"{}\"",
        words.join(" ")
    )))
}
