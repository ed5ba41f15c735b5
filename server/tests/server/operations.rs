//! What an operator asks of a running server.

use crate::common::{start, start_with};
use portcask_server::SyncPolicy;

#[test]
fn info_tells_what_tools_look_for() {
    let fixture = start();
    let mut client = fixture.connect();
    client.ask("MSET a 1 b 2");
    let all = client.ask("INFO");
    for part in [
        "# Server redis_version:7.0.15",
        "# Clients connected_clients:1",
        "role:master",
        "aof_enabled:1",
        "db0:keys=2,expires=0,avg_ttl=0",
        &format!("tcp_port:{}", fixture.address().port()),
    ] {
        assert!(all.contains(part), "{part} is not in {all}");
    }
    let one = client.ask("INFO keyspace");
    assert_eq!(one, "$44 # Keyspace db0:keys=2,expires=0,avg_ttl=0");
    assert_eq!(client.ask("INFO nothing"), "$0");
}

#[test]
fn info_counts_the_keys_that_expire_and_tells_how_long_they_live_on_average() {
    let fixture = start();
    let mut client = fixture.connect();
    client.ask("SET stays 1");
    client.ask("SET soon 1 EX 1000");
    client.ask("SET later 1 EX 3000");
    let told = client.ask("INFO keyspace");
    let avg_ttl = told
        .split_once("db0:keys=3,expires=2,avg_ttl=")
        .and_then(|(_, ttl)| ttl.parse().ok());
    assert!(
        avg_ttl.is_some_and(|ttl: u64| (1_900_000..=2_000_000).contains(&ttl)),
        "{told}"
    );
    client.ask("PERSIST soon");
    client.ask("SET later 2");
    let told = client.ask("INFO keyspace");
    assert_eq!(told, "$44 # Keyspace db0:keys=3,expires=0,avg_ttl=0");
}

#[test]
fn the_sync_policy_can_be_changed_while_it_runs() {
    let fixture = start_with(|config| config.sync = SyncPolicy::Never);
    let mut client = fixture.connect();
    assert_eq!(
        client.ask("CONFIG GET appendfsync"),
        "*2 $11 appendfsync $2 no"
    );
    for word in ["always", "everysec", "no", "always"] {
        assert_eq!(client.ask(&format!("CONFIG SET appendfsync {word}")), "+OK");
        let shown = client.ask("CONFIG GET append*sync");
        assert_eq!(shown, format!("*2 $11 appendfsync ${} {word}", word.len()));
        assert_eq!(client.ask("INCR n").chars().next(), Some(':'));
    }
    assert_eq!(client.ask("GET n"), "$1 4");
    for (command, error) in [
        (
            "CONFIG SET foo bar",
            "-ERR Unknown option or number of arguments for CONFIG SET - 'foo'",
        ),
        (
            "CONFIG SET appendfsync",
            "-ERR wrong number of arguments for 'config|set' command",
        ),
        (
            "CONFIG SET port 1",
            "-ERR CONFIG SET failed (possibly related to argument 'port') - can't set immutable config",
        ),
        (
            "CONFIG SET appendfsync often",
            "-ERR CONFIG SET failed (possibly related to argument 'appendfsync') - argument(s) must be one of \
             the following: everysec, always, no",
        ),
    ] {
        assert_eq!(client.ask(command), error);
    }
}

#[test]
fn a_merge_gives_space_back_and_loses_nothing() {
    let fixture = start();
    let mut client = fixture.connect();
    let value = "v".repeat(10_000);
    for n in 0..200 {
        client.command(&["SET", &format!("k{}", n % 10), &value]);
        assert_eq!(client.reply(), "+OK");
    }
    let back: i64 = client.ask("PORTCASK.MERGE")[1..].parse().unwrap();
    assert!(back > 1_000_000, "{back}");
    assert_eq!(client.ask("PORTCASK.VERIFY"), "*0");
    assert_eq!(client.ask("STRLEN k9"), ":10000");
    assert_eq!(
        client.ask("BGREWRITEAOF"),
        "+Background append only file rewriting started"
    );
    while client
        .ask("INFO persistence")
        .contains("aof_rewrite_in_progress:1")
    {}
    assert!(
        client
            .ask("INFO persistence")
            .contains("portcask_merges_asked_for:1")
    );
    assert_eq!(client.ask("DBSIZE"), ":10");
}

#[test]
fn history_and_tail_tell_what_happened() {
    let fixture = start();
    let mut client = fixture.connect();
    for command in ["SET a 1", "SET a 2", "DEL a", "SET b 3"] {
        client.ask(command);
    }
    assert_eq!(
        client.ask("PORTCASK.HISTORY a"),
        "*3 *3 :1 $1 1 :-1 *3 :2 $1 2 :-1 *3 :3 $-1 :-1"
    );
    let first = client.ask("PORTCASK.TAIL 0 3");
    assert_eq!(
        first,
        "*2 :4 *3 *4 :1 $1 a $1 1 :-1 *4 :2 $1 a $1 2 :-1 *4 :3 $1 a $-1 :-1"
    );
    assert_eq!(
        client.ask("PORTCASK.TAIL 4"),
        "*2 :5 *1 *4 :4 $1 b $1 3 :-1"
    );
    assert_eq!(client.ask("PORTCASK.TAIL 5"), "*2 :5 *0");
    // Nobody is told to wait at a number that writes would reach only after many others.
    assert_eq!(
        client.ask("PORTCASK.TAIL 6"),
        "-ERR the log ends at 4: there is no change 6 to go on from; 5 is the next one"
    );
    assert_eq!(
        client.ask(&format!("PORTCASK.TAIL {} 10", i64::MAX)),
        format!(
            "-ERR the log ends at 4: there is no change {} to go on from; 5 is the next one",
            i64::MAX
        )
    );
    client.ask("SET c 4");
    assert_eq!(
        client.ask("PORTCASK.TAIL 5"),
        "*2 :6 *1 *4 :5 $1 c $1 4 :-1"
    );
    assert_eq!(
        client.ask("PORTCASK.TAIL -1"),
        "-ERR value is not an integer or out of range"
    );
}

#[test]
fn shutdown_ends_the_server_and_keeps_everything() {
    let fixture = start();
    let mut client = fixture.connect();
    assert_eq!(client.ask("SET k v"), "+OK");
    assert_eq!(client.ask("SHUTDOWN SAVE NOSAVE"), "-ERR syntax error");
    assert_eq!(client.ask("SAVE"), "+OK");
    assert_eq!(client.ask("BGSAVE"), "+Background saving started");
    assert!(client.ask("LASTSAVE").len() > 10);
    client.send("SHUTDOWN NOSAVE\r\n");
    assert_eq!(client.next_reply(), None);
    let fixture = fixture.restart();
    assert_eq!(fixture.connect().ask("GET k"), "$1 v");
}

#[test]
fn a_page_of_changes_ends_after_many_bytes_and_the_next_one_goes_on_there() {
    let fixture = start();
    let mut client = fixture.connect();
    let value = "v".repeat(7 << 20);
    for key in ["a", "b", "c", "d", "e"] {
        client.command(&["SET", key, value.as_str()]);
        assert_eq!(client.reply(), "+OK");
    }
    let mut next = "0".to_owned();
    let mut counts = Vec::new();
    loop {
        let page = client.ask(&format!("PORTCASK.TAIL {next} 100"));
        let mut words = page.split(' ');
        let (at, count) = (words.nth(1).unwrap(), words.next().unwrap());
        if count == "*0" {
            break;
        }
        counts.push(count.to_owned());
        next = at[1..].to_owned();
    }
    assert_eq!(counts, ["*3", "*2"]);
    assert_eq!(next, "6");
}

#[test]
fn a_history_larger_than_a_reply_may_be_is_refused() {
    let fixture = start_with(|config| config.limits.reply_bytes_max = 2 << 20);
    let mut client = fixture.connect();
    let value = "v".repeat(1 << 20);
    for _ in 0..4 {
        client.command(&["SET", "k", value.as_str()]);
        assert_eq!(client.reply(), "+OK");
    }
    assert_eq!(
        client.ask("PORTCASK.HISTORY k"),
        "-ERR the reply needs more memory than a client may use"
    );
    assert_eq!(client.ask("PING"), "+PONG");
}
