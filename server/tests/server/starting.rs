//! What cannot start says why, and with which code.

use crate::common::Client;
use crate::process::Process;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Command, Stdio};

/// Runs the command, which must refuse, and returns its code and its words.
pub fn refused(arguments: &[&str], variables: &[(&str, &str)]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcask-server"));
    command.args(arguments).envs(variables.iter().copied());
    let output = command.output().unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), words)
}

fn check(arguments: &[&str], code: i32, words: &str) {
    let (found, told) = refused(arguments, &[]);
    assert_eq!(found, code, "{told}");
    assert!(told.contains(words), "{words} is not in {told}");
}

#[test]
fn an_unknown_setting_or_a_bad_value_in_the_file_names_file_and_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("portcask.conf");
    let path = file.to_str().unwrap();
    for (text, words) in [
        (
            "# x\nmaxclient 5\n",
            ":2: there is no setting 'maxclient'; --help lists them",
        ),
        (
            "port many\n",
            ":1: port: argument couldn't be parsed into an integer",
        ),
        (
            "sync sometimes\n",
            ":1: sync: argument must be always, everysec, no, or a time",
        ),
        ("requirepass \"a\n", ":1: a quote is not closed"),
    ] {
        std::fs::write(&file, text).unwrap();
        check(
            &[path, "--dir", "x"],
            2,
            &format!("portcask-server: {path}{words}"),
        );
    }
    let absent = dir.path().join("absent.conf");
    let absent = absent.to_str().unwrap();
    check(
        &[absent],
        2,
        &format!("{absent}: cannot read the configuration: "),
    );
}

#[test]
fn a_bad_flag_or_no_directory_is_a_wrong_command_line() {
    check(
        &["--dir", "x", "--port", "x"],
        2,
        "--port: argument couldn't be parsed",
    );
    check(
        &["--dir", "x", "--colour", "red"],
        2,
        "unexpected argument '--colour'",
    );
    check(
        &[],
        2,
        "where is the store? Give --dir DIR, PORTCASK_DIR, or a file with a `dir` line",
    );
}

#[test]
fn a_directory_in_the_place_of_the_file_is_the_store() {
    let home = tempfile::tempdir().unwrap();
    let store = home.path().join("store");
    let path = store.to_str().unwrap();
    // What is not there is no directory yet, so it is said which flag is meant.
    check(&[path], 2, &format!("for a store: --dir {path}"));
    assert!(!store.exists());
    std::fs::create_dir(&store).unwrap();
    check(&[path, "--dir", path], 2, "give one of them");
    // The file that the environment names counts all the same: it may hold the password.
    let file = home.path().join("c.conf");
    std::fs::write(&file, "maxclients 10\n").unwrap();
    let named = [("PORTCASK_CONFIG", file.to_str().unwrap())];
    let server = Process::start_with_env(&[path, "--port", "0"], &named);
    let mut client = Client::connect(server.address);
    assert_eq!(
        client.ask("CONFIG GET maxclients"),
        "*2 $10 maxclients $2 10"
    );
    assert_eq!(client.ask("SET k v"), "+OK");
    drop(server);
    let names = std::fs::read_dir(&store).unwrap();
    let mut names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(names.any(|name| name.starts_with("segment-")));
}

#[test]
fn a_port_that_is_taken_is_told_with_the_flag_that_takes_another() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("new");
    let store = dir.to_str().unwrap();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    check(
        &["--dir", store, "--port", &port],
        5,
        "another program already does; --port N takes another port, and --port 0 picks a free one",
    );
    check(
        &["--dir", store, "--port", "0", "--metrics-port", &port],
        5,
        "--metrics-port N takes another port",
    );
    assert!(!dir.exists(), "a start that failed left a store behind");
}

#[test]
fn a_store_is_not_made_among_the_files_of_others() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("documents");
    std::fs::create_dir(&dir).unwrap();
    // What the configuration names is known, and what tools hide does not count.
    let file = dir.join("portcask.conf");
    std::fs::write(&file, format!("dir {}\nport 0\n", dir.display())).unwrap();
    std::fs::write(dir.join(".gitkeep"), "").unwrap();
    let file = file.to_str().unwrap();
    let letter = dir.join("letter.txt");
    std::fs::write(&letter, "Dear").unwrap();
    let advice = format!("first: portcask --dir {} init", dir.display());
    for words in ["not a store, and not empty (\"letter.txt\");", &advice] {
        check(&[file], 5, words);
    }
    std::fs::write(dir.join("photo.jpg"), "").unwrap();
    check(&[file], 5, "(\"letter.txt\" and 1 more)");
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 4);
    std::fs::remove_file(dir.join("photo.jpg")).unwrap();
    std::fs::remove_file(&letter).unwrap();
    Process::start_as(&[file]).kill();
    // It is a store now, whatever comes to lie beside it.
    std::fs::write(&letter, "Dear").unwrap();
    Process::start_as(&[file]).kill();
}

/// What is printed at the start; the server then ends by itself.
fn printed(arguments: &[&str], log_in: &[&str]) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcask-server"));
    command.args(["--port", "0", "--dir"]).arg(dir.path());
    let mut child = command
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    let (_, port) = first.rsplit_once(':').unwrap();
    let mut client = Client::connect((Ipv4Addr::LOCALHOST, port.parse().unwrap()).into());
    for command in log_in {
        client.ask(command);
    }
    client.command(&["SHUTDOWN"]);
    let rest = lines.map(Result::unwrap).collect();
    assert!(child.wait().unwrap().success());
    rest
}

#[test]
fn a_start_whose_words_nobody_reads_is_a_start_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcask-server"));
    command.args(["--port", &address.port().to_string(), "--dir"]);
    let mut child = command
        .arg(dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    while TcpStream::connect(address).is_err() {
        assert_eq!(
            child.try_wait().unwrap(),
            None,
            "it runs until it is asked to stop"
        );
        std::thread::yield_now();
    }
    let mut client = Client::connect(address);
    client.command(&["SHUTDOWN"]);
    assert!(child.wait().unwrap().success());
}

#[test]
fn the_start_tells_who_can_connect_where_that_may_surprise() {
    assert_eq!(
        printed(&[], &[]),
        [
            "portcask-server: protected mode: only this machine can connect; to let others in, set a password \
          (--requirepass, REDIS_PASSWORD) and --bind 0.0.0.0"
        ]
    );
    assert_eq!(
        printed(&["--bind", "0.0.0.0"], &[]),
        [
            "portcask-server: protected mode: only this machine can connect; to let others in, set a password \
          (--requirepass, REDIS_PASSWORD)"
        ]
    );
    let open = printed(&["--bind", "0.0.0.0", "--protected-mode", "no"], &[]);
    assert!(
        open.concat().contains("whoever reaches this port"),
        "{open:?}"
    );
    let closed = printed(&["--bind", "0.0.0.0", "--requirepass", "pw"], &["AUTH pw"]);
    assert_eq!(closed, [""; 0]);
}

#[test]
fn a_directory_that_cannot_be_used_is_named_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "no directory").unwrap();
    let below = file.join("store");
    let below = below.to_str().unwrap();
    check(&["--dir", below, "--port", "0"], 5, below);
}

#[test]
fn a_corrupt_store_is_not_served_and_its_files_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().to_str().unwrap();
    let server = Process::start(dir.path(), &["--sync", "always"]);
    let mut client = crate::common::Client::connect(server.address);
    assert_eq!(client.ask("SET k v"), "+OK");
    server.kill();
    let manifests: Vec<_> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with("manifest")
        })
        .collect();
    assert!(!manifests.is_empty());
    for manifest in &manifests {
        std::fs::write(manifest, [0xA5; 4096]).unwrap();
    }
    check(&["--dir", store, "--port", "0"], 3, store);
    for manifest in &manifests {
        assert_eq!(std::fs::read(manifest).unwrap(), [0xA5; 4096]);
    }
}

#[test]
fn help_teaches_and_lists_every_setting_with_its_variable() {
    let output = Command::new(env!("CARGO_BIN_EXE_portcask-server"))
        .arg("--help")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    let help = String::from_utf8(output.stdout).unwrap();
    // Lines are broken where the terminal ends.
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for setting in portcask_server::settings::all() {
        assert!(
            help.contains(&format!("--{} <", setting.name)),
            "{}",
            setting.name
        );
        assert!(
            help.contains(&format!("[env: {}", setting.variable())),
            "{}",
            setting.name
        );
    }
    for words in [
        "Exit codes:",
        "Examples:",
        "CONFIG REWRITE",
        "[default: 10000]",
        "[default: 256mb]",
    ] {
        assert!(help.contains(words), "{words}");
    }
}
