//! Commands that arrive together are committed together, and answered as if each had been alone.

use crate::common::{Client, frame, start};
use crate::process::Process;

/// Sends commands in one go and returns their replies.
fn pipeline(client: &mut Client, commands: &[&str]) -> Vec<String> {
    let mut bytes = Vec::new();
    for command in commands {
        bytes.extend(frame(&command.split(' ').collect::<Vec<_>>()));
    }
    client.send(bytes);
    commands.iter().map(|_| client.reply()).collect()
}

#[test]
fn each_command_of_a_pipeline_sees_what_those_before_it_did() {
    let fixture = start();
    let mut client = fixture.connect();
    let asked = [
        "SET a 1",
        "INCR a",
        "GET a",
        "SET b x",
        "MGET a b none",
        "DEL b",
        "EXISTS b",
        "APPEND b y",
        "SETNX b z",
        "RENAME b c",
        "STRLEN c",
    ];
    let told = [
        "+OK",
        ":2",
        "$1 2",
        "+OK",
        "*3 $1 2 $1 x $-1",
        ":1",
        ":0",
        ":1",
        ":0",
        "+OK",
        ":1",
    ];
    assert_eq!(pipeline(&mut client, &asked), told);
    let fixture = fixture.restart();
    let mut client = fixture.connect();
    assert_eq!(client.ask("MGET a b c"), "*3 $1 2 $-1 $1 y");
}

#[test]
fn commands_of_other_kinds_run_in_between_and_in_order() {
    let fixture = start();
    let mut client = fixture.connect();
    let asked = [
        "SET a 1",
        "PING",
        "SET a 2",
        "NONSENSE",
        "MULTI",
        "INCR a",
        "GET a",
        "EXEC",
        "INCR a",
        "DBSIZE",
        "SET b 1",
        "GET",
        "WAITAOF 0 0 0",
        "GET b",
    ];
    let told = pipeline(&mut client, &asked);
    let (nonsense, arity) = (told[3].clone(), told[11].clone());
    assert!(nonsense.starts_with("-ERR unknown command"), "{nonsense}");
    assert!(arity.starts_with("-ERR wrong number"), "{arity}");
    let told: Vec<_> = told.iter().map(String::as_str).collect();
    let expected = [
        "+OK",
        "+PONG",
        "+OK",
        &nonsense,
        "+OK",
        "+QUEUED",
        "+QUEUED",
        "*2 :3 $1 3",
        ":4",
        ":1",
        "+OK",
        &arity,
        told[12],
        "$1 1",
    ];
    assert_eq!(told, expected);
}

#[test]
fn the_log_keeps_every_version_that_a_pipeline_wrote_of_one_key() {
    let fixture = start();
    let mut client = fixture.connect();
    pipeline(
        &mut client,
        &[
            "SET k one",
            "SET other 1",
            "SET k two",
            "DEL k",
            "SET k three",
        ],
    );
    let history = client.ask("PORTCASK.HISTORY k");
    let places = ["one", "two", "three"].map(|version| history.find(version));
    assert!(places.iter().all(Option::is_some), "{history}");
    assert_eq!(client.ask("GET k"), "$5 three");
}

#[test]
fn the_last_end_of_life_in_a_pipeline_counts() {
    let fixture = start();
    let mut client = fixture.connect();
    let asked = [
        "SET a v PX 100000",
        "SET a w",
        "SET b v",
        "PEXPIRE b 100000",
        "PERSIST b",
        "SET c v PXAT 1",
        "GET c",
    ];
    let told = ["+OK", "+OK", "+OK", ":1", ":1", "+OK", "$-1"];
    assert_eq!(pipeline(&mut client, &asked), told);
    let fixture = fixture.restart();
    let mut client = fixture.connect();
    assert_eq!(
        pipeline(&mut client, &["TTL a", "TTL b", "EXISTS c"]),
        [":-1", ":-1", ":0"]
    );
}

#[test]
fn a_command_that_the_store_refuses_is_the_only_one_of_its_pipeline_that_fails() {
    let fixture = start();
    let mut client = fixture.connect();
    let long = "k".repeat(70_000);
    let set_long = format!("SET {long} 1");
    let told = pipeline(
        &mut client,
        &["SET a 1", &set_long, "INCR a", "INCR a", "SET b 1", "PING"],
    );
    assert!(told[1].starts_with("-ERR "), "{}", told[1]);
    assert_eq!(told[0], "+OK");
    assert_eq!(told[2..], [":2", ":3", "+OK", "+PONG"]);
    assert_eq!(client.ask("DBSIZE"), ":2");
    // What ran twice is counted once.
    let stats = client.ask("INFO commandstats");
    assert!(stats.contains("cmdstat_incr:calls=2,"), "{stats}");
}

#[cfg(unix)]
#[test]
fn a_disk_that_fills_up_in_the_middle_of_a_pipeline_errs_for_exactly_what_is_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let server = Process::start_with_small_files(dir.path(), tempfile::tempfile().unwrap());
    let mut client = Client::connect(server.address);
    let value = "v".repeat(30_000);
    let mut kept = Vec::new();
    let mut refused = Vec::new();
    for round in 0..40 {
        let keys: Vec<_> = (0..16).map(|n| format!("{round}:{n}")).collect();
        let sets: Vec<_> = keys
            .iter()
            .map(|key| format!("SET {key} {value}"))
            .collect();
        let sets: Vec<_> = sets.iter().map(String::as_str).collect();
        for (key, told) in keys.into_iter().zip(pipeline(&mut client, &sets)) {
            match told.as_str() {
                "+OK" => kept.push(key),
                error => {
                    assert!(
                        error.starts_with("-OOM ") || error.starts_with("-MISCONF "),
                        "{error}"
                    );
                    refused.push(key);
                }
            }
        }
        if refused.len() > 30 {
            break;
        }
    }
    assert!(
        kept.len() > 16 && refused.len() > 30,
        "{} {}",
        kept.len(),
        refused.len()
    );
    let check = |client: &mut Client| {
        for key in &kept {
            assert_eq!(client.ask(&format!("STRLEN {key}")), ":30000");
        }
        for key in &refused {
            assert_eq!(client.ask(&format!("EXISTS {key}")), ":0");
        }
    };
    check(&mut client);
    server.kill();
    let server = Process::start(dir.path(), &[]);
    let mut client = Client::connect(server.address);
    check(&mut client);
    server.kill();
}
