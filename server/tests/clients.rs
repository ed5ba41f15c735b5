//! The snippets of docs/CLIENTS.md, run as they stand but for the ports. What is needed for them is said by the
//! environment: `PORTCASK_PYTHON` is a Python with redis-py and grpcio-tools, `PORTCASK_NODE_MODULES` a folder with
//! ioredis. `cargo xtask test server` sets both, and `PORTCASK_REQUIRE_CLIENTS` where everything must be there.
#![cfg(feature = "grpc")]

use portcask_server::{Config, Server};
use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

const PAGE: &str = include_str!("../../docs/CLIENTS.md");

fn serve(dir: &Path) -> Server {
    let any = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0);
    let mut config = Config::new(dir);
    config.bind = vec![any];
    config.grpc = Some(any);
    config.threads = Some(2);
    Server::start(config).unwrap()
}

/// The code under a heading, with the server's own ports.
fn snippet(server: &Server, heading: &str, language: &str) -> String {
    let section = PAGE
        .split("\n## ")
        .find(|section| section.starts_with(heading))
        .unwrap();
    let fence = format!("```{language}\n");
    let code = section
        .split_once(&fence)
        .unwrap()
        .1
        .split_once("```")
        .unwrap()
        .0;
    let resp = server.addresses()[0].port().to_string();
    let grpc = server.grpc_address().unwrap().port().to_string();
    code.replace("6379", &resp).replace("50051", &grpc)
}

/// What is needed, or a word about why this is not run.
fn needed(name: &str) -> Option<OsString> {
    let found = std::env::var_os(name);
    if found.is_none() {
        let required = std::env::var_os("PORTCASK_REQUIRE_CLIENTS").is_some();
        assert!(!required, "{name} is not set");
        println!("SKIPPED: {name} is not set, so this snippet was not run");
    }
    found
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_lines_for_redis_cli_answer_what_the_page_says() {
    if Command::new("redis-cli").arg("--version").output().is_err() {
        let required = std::env::var_os("PORTCASK_REQUIRE_REDIS").is_some();
        assert!(!required, "redis-cli is not installed");
        println!("SKIPPED: redis-cli is not installed");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = serve(dir.path());
    let code = snippet(&server, "redis-cli", "sh");
    for line in code.lines() {
        let (command, answer) = line.split_once('#').unwrap();
        let mut words = command.split_whitespace();
        let told = run(Command::new(words.next().unwrap()).args(words));
        assert_eq!(told.trim(), answer.trim(), "{line}");
    }
    assert_eq!(code.lines().count(), 6);
}

#[test]
fn redis_py_does_what_the_page_says() {
    let Some(python) = needed("PORTCASK_PYTHON") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let server = serve(&dir.path().join("store"));
    let code = snippet(&server, "Python: redis-py", "python");
    let told = run(Command::new(python).arg("-c").arg(code));
    assert!(
        told.contains("b'a' b'1'") && told.contains("b'cat' deleted"),
        "{told}"
    );
}

#[test]
fn ioredis_does_what_the_page_says() {
    let Some(modules) = needed("PORTCASK_NODE_MODULES") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let server = serve(&dir.path().join("store"));
    let code = snippet(&server, "Node: ioredis", "js");
    let told = run(Command::new("node")
        .env("NODE_PATH", modules)
        .arg("-e")
        .arg(code));
    assert_eq!(told.trim(), "[ 'a' ]");
}

#[test]
fn a_python_client_generated_from_the_description_does_what_the_page_says() {
    let Some(python) = needed("PORTCASK_PYTHON") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let server = serve(&dir.path().join("store"));
    let made = snippet(&server, "gRPC from Python", "sh");
    let line = made
        .lines()
        .find(|line| line.starts_with("python "))
        .unwrap();
    let folder = dir.path().join("server/proto");
    std::fs::create_dir_all(&folder).unwrap();
    let description = include_str!("../proto/portcask.proto");
    std::fs::write(folder.join("portcask.proto"), description).unwrap();
    let words = line.split_whitespace().skip(1);
    run(Command::new(&python).args(words).current_dir(dir.path()));
    let code = snippet(&server, "gRPC from Python", "python");
    let told = run(Command::new(&python)
        .arg("-c")
        .arg(code)
        .current_dir(dir.path()));
    assert!(told.contains("b'a' b'1'"), "{told}");
    assert!(told.contains("b'cat' b'meow'"), "{told}");
}
