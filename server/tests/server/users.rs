//! Users: who may come in, and what each may do.

use crate::common::{Client, Fixture, start, start_with};
use crate::starting::refused;
use portcask_server::User;

fn user(line: &str) -> User {
    let mut words = line.split_whitespace().map(str::to_owned);
    let name = words.next().unwrap();
    User::parse(&name, &words.collect::<Vec<_>>()).unwrap()
}

fn with_users(lines: &[&str]) -> Fixture {
    start_with(|config| config.users = lines.iter().map(|line| user(line)).collect())
}

fn check(fixture: &Fixture, login: &str, cases: &[(&str, &str)]) {
    let mut client = fixture.connect();
    assert_eq!(client.ask(&format!("AUTH {login}")), "+OK");
    for (command, answer) in cases {
        assert_eq!(client.ask(command), *answer, "{login}: {command}");
    }
}

const NO_KEY: &str =
    "-NOPERM this user has no permissions to access one of the keys used as arguments";

fn no_command(name: &str) -> String {
    format!("-NOPERM this user has no permissions to run the '{name}' command")
}

#[test]
fn a_user_runs_its_commands_on_its_keys_and_no_others() {
    let fixture = with_users(&[
        "alice on >secret ~a:* ~b:* +@read +set +mset +rename +copy",
        "carol on >x ~c:* +@all -config|set",
        "sub on nopass ~* -@all +client|id +get",
    ]);
    assert_eq!(fixture.connect().ask("MSET a:1 one z zed"), "+OK");
    check(
        &fixture,
        "alice secret",
        &[
            ("GET a:1", "$3 one"),
            ("GET z", NO_KEY),
            ("MGET a:1 z", NO_KEY),
            ("SET z 1", NO_KEY),
            ("SET b:1 1", "+OK"),
            ("MSET a:1 1 z 1", NO_KEY),
            ("MSET a:1 z", "+OK"),
            ("RENAME b:1 z", NO_KEY),
            ("COPY z a:2", NO_KEY),
            ("COPY b:1 a:2", ":1"),
            ("DEL a:1", &no_command("del")),
            ("CONFIG GET port", &no_command("config|get")),
            ("CLIENT ID", &no_command("client|id")),
            ("ACL WHOAMI", &no_command("acl|whoami")),
            ("PING", &no_command("ping")),
            (
                "NOSUCH",
                "-ERR unknown command 'NOSUCH', with args beginning with:",
            ),
            ("GET", "-ERR wrong number of arguments for 'get' command"),
        ],
    );
    check(
        &fixture,
        "carol x",
        &[
            ("CONFIG GET databases", "*2 $9 databases $1 1"),
            ("CONFIG SET timeout 0", &no_command("config|set")),
            ("SET c:1 1", "+OK"),
            ("GETDEL a:1", NO_KEY),
            ("OBJECT ENCODING a:1", NO_KEY),
            ("WATCH a:1", NO_KEY),
            ("ACL WHOAMI", "$5 carol"),
        ],
    );
    check(
        &fixture,
        "sub whatever",
        &[
            ("GET z", "$3 zed"),
            ("MGET z z", &no_command("mget")),
            ("CLIENT LIST", &no_command("client|list")),
        ],
    );
}

#[test]
fn a_transaction_does_nothing_that_its_user_may_not_do() {
    let fixture = with_users(&["alice on >a ~a:* +@all", "bob on >b ~b:* +@all"]);
    let mut client = fixture.connect();
    for (command, answer) in [
        ("AUTH alice a", "+OK"),
        ("MULTI", "+OK"),
        ("SET b:1 1", NO_KEY),
        (
            "EXEC",
            "-EXECABORT Transaction discarded because of previous errors.",
        ),
        ("MULTI", "+OK"),
        ("SET a:1 1", "+QUEUED"),
        ("AUTH bob b", "+QUEUED"),
        ("SET a:1 2", "+QUEUED"),
        ("EXEC", &format!("*3 +OK +OK {NO_KEY}")),
        ("ACL WHOAMI", "$3 bob"),
        ("RESET", "+RESET"),
        ("ACL WHOAMI", "$7 default"),
        ("GET a:1", "$1 1"),
    ] {
        assert_eq!(client.ask(command), answer, "{command}");
    }
}

#[test]
fn only_the_right_password_of_a_user_that_is_on_comes_in() {
    let fixture = with_users(&[
        "alice on >one >two",
        "off off >x",
        "default on >root ~* +@all",
    ]);
    let wrong = "-WRONGPASS invalid username-password pair or user is disabled.";
    let mut client = fixture.connect();
    assert_eq!(client.ask("PING"), "-NOAUTH Authentication required.");
    for login in [
        "alice",
        "alice three",
        "off x",
        "nobody one",
        "default x",
        "alice one\0",
    ] {
        assert_eq!(client.ask(&format!("AUTH {login}")), wrong, "{login}");
    }
    let hello = "HELLO 3 AUTH alice three";
    assert_eq!(client.ask(hello), wrong);
    assert_eq!(client.ask("PING"), "-NOAUTH Authentication required.");
    assert_eq!(client.ask("AUTH alice two"), "+OK");
    assert_eq!(client.ask("AUTH root"), "+OK");
    assert_eq!(client.ask("ACL WHOAMI"), "$7 default");
    assert!(client.ask("HELLO 2 AUTH alice one").starts_with("*14 "));
    assert_eq!(client.ask("AUTH alice"), wrong);
    assert!(fixture.connect().ask("HELLO 2").starts_with("-NOAUTH "));
}

#[test]
fn acl_tells_of_users_as_redis_does() {
    let fixture = with_users(&["alice on >secret ~a:* +@read", "bob off"]);
    let mut client = fixture.connect();
    let hash = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
    for (command, answer) in [
        ("ACL USERS", "*3 $5 alice $3 bob $7 default".to_owned()),
        ("ACL WHOAMI", "$7 default".to_owned()),
        ("ACL GETUSER nobody", "$-1".to_owned()),
        (
            "ACL GETUSER alice",
            format!(
                "*12 $5 flags *1 $2 on $9 passwords *1 $64 {hash} $8 commands $12 -@all +@read \
                 $4 keys $4 ~a:* $8 channels $0  $9 selectors *0"
            ),
        ),
        ("ACL CAT foo", "-ERR Unknown category 'foo'".to_owned()),
        (
            "ACL CAT transaction",
            "*5 $7 discard $4 exec $5 multi $7 unwatch $5 watch".to_owned(),
        ),
        (
            "ACL SETUSER bob",
            "-ERR unknown subcommand 'SETUSER'. Try ACL HELP.".to_owned(),
        ),
    ] {
        assert_eq!(client.ask(command), answer, "{command}");
    }
    let list = client.ask("ACL LIST");
    for line in [
        format!("user alice on #{hash} ~a:* resetchannels -@all +@read"),
        "user bob off resetchannels -@all".to_owned(),
        "user default on nopass ~* &* +@all".to_owned(),
    ] {
        assert!(list.contains(&line), "{line} is not in {list}");
    }
    assert!(client.ask("ACL CAT").starts_with("*21 $8 keyspace $4 read"));
    assert!(client.ask("CLIENT INFO").contains(" user=default "));
}

#[test]
fn channels_are_those_that_a_users_rules_name() {
    let fixture = with_users(&["alice on >a &news:* +@all", "bob on >b allchannels +@all"]);
    let refused =
        "-NOPERM this user has no permissions to access one of the channels used as arguments";
    check(
        &fixture,
        "alice a",
        &[
            ("PUBLISH news:1 x", ":0"),
            ("PUBLISH other x", refused),
            ("SPUBLISH other x", refused),
            ("SUBSCRIBE news:1 other", refused),
            ("SSUBSCRIBE other", refused),
            ("PSUBSCRIBE news:1*", refused),
            ("PSUBSCRIBE *", refused),
            ("PSUBSCRIBE news:*", "*3 $10 psubscribe $6 news:* :1"),
        ],
    );
    check(
        &fixture,
        "bob b",
        &[("PSUBSCRIBE *", "*3 $10 psubscribe $1 * :1")],
    );
}

#[test]
fn clients_are_listed_and_ended_by_their_user() {
    let fixture = with_users(&["alice on >a +@all"]);
    let mut alice = fixture.connect();
    assert_eq!(alice.ask("AUTH alice a"), "+OK");
    let mut other = fixture.connect();
    assert!(other.ask("CLIENT LIST").contains(" user=alice "));
    assert_eq!(
        other.ask("CLIENT KILL USER nobody"),
        "-ERR No such user 'nobody'"
    );
    assert_eq!(other.ask("CLIENT KILL USER alice"), ":1");
    assert_eq!(alice.next_reply(), None);
    assert_eq!(other.ask("PING"), "+PONG");
}

#[test]
fn the_password_of_everybody_can_be_changed_while_it_runs() {
    let fixture = start();
    let mut client = fixture.connect();
    assert_eq!(client.ask("CONFIG SET requirepass new"), "+OK");
    assert_eq!(client.ask("PING"), "+PONG", "who is in stays in");
    let mut second = fixture.connect();
    assert_eq!(second.ask("PING"), "-NOAUTH Authentication required.");
    assert_eq!(second.ask("AUTH new"), "+OK");
    assert_eq!(
        second.ask("CONFIG GET requirepass"),
        "*2 $11 requirepass $3 new"
    );
    let mut command = Client::connect(fixture.address());
    command.command(&["CONFIG", "SET", "requirepass", ""]);
    assert_eq!(command.reply(), "-NOAUTH Authentication required.");
    client.command(&["CONFIG", "SET", "requirepass", ""]);
    assert_eq!(client.reply(), "+OK");
    assert_eq!(fixture.connect().ask("PING"), "+PONG");
}

#[test]
fn user_lines_that_would_not_be_enforced_do_not_start() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("portcask.conf");
    let path = file.to_str().unwrap();
    for (text, words) in [
        (
            "user a on +lpush",
            ":1: user 'a', rule '+lpush': Unknown command or category name in ACL",
        ),
        ("user a\nuser a", ":2: user 'a' is defined twice"),
        ("user", ":1: user: wrong number of arguments"),
        ("user a on %R~x", ":1: user 'a', rule '%R~x': Syntax error"),
        (
            "requirepass x\nuser default on",
            ":2: user 'default' and requirepass both set the default user's password",
        ),
        (
            "user default on\nrequirepass x",
            ":2: requirepass: the `user` line of `default` already sets its password",
        ),
    ] {
        std::fs::write(&file, text).unwrap();
        let (code, told) = refused(&[path, "--dir", "x"], &[]);
        assert_eq!(code, 2, "{told}");
        assert!(told.contains(words), "{words} is not in {told}");
    }
}

#[test]
fn the_stream_of_changes_shows_a_user_its_own_keys_alone() {
    let fixture = with_users(&["reader on >x ~a:* -@all +portcask.tail +portcask.history"]);
    assert_eq!(fixture.connect().ask("MSET a:1 one z zed"), "+OK");
    check(
        &fixture,
        "reader x",
        &[
            ("PORTCASK.TAIL 0", "*2 :3 *1 *4 :1 $3 a:1 $3 one :-1"),
            ("PORTCASK.HISTORY z", NO_KEY),
            ("PORTCASK.HISTORY a:1", "*1 *3 :1 $3 one :-1"),
        ],
    );
}
