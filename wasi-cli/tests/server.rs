//! The command against a server, and against Redis.

mod common;

use common::{Place, Ran, fed, portcask, ran};
use portcask_server::{Config, Server, User};
use std::ffi::OsStr;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server over the store of a place.
struct Served {
    server: Server,
    place: Place,
}

fn serve() -> Served {
    serve_with(|_| {})
}

fn serve_with(configure: impl FnOnce(&mut Config)) -> Served {
    let place = Place::new();
    let mut config = Config::new(place.dir());
    config.bind = vec![SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0)];
    config.threads = Some(2);
    configure(&mut config);
    Served {
        server: Server::start(config).unwrap(),
        place,
    }
}

impl Served {
    fn url(&self) -> String {
        format!("redis://{}", self.server.addresses()[0])
    }

    fn command<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = portcask();
        command.env_remove("PORTCASK_URL");
        command.arg("--url").arg(self.url()).args(args);
        command.current_dir(self.place.root.path());
        command
    }

    fn run<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Ran {
        ran(self.command(args).stdin(Stdio::null()))
    }

    fn feed<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>, input: &str) -> Ran {
        fed(&mut self.command(args), input.as_bytes())
    }
}

#[test]
fn one_who_may_only_read_reads_and_is_told_which_right_is_missing() {
    let rules = ["on", ">pw", "~app:*", "+@read", "+ping"].map(String::from);
    let reader = User::parse("reader", &rules).unwrap();
    let served = serve_with(|config| config.users = vec![reader]);
    served.run(["put", "app:k", "v", "--ttl", "1h"]).succeeds();
    let url = served.url().replace("redis://", "redis://reader:pw@");
    let read = |args: &[&str]| ran(portcask().arg("--url").arg(&url).args(args));
    read(&["get", "app:k"]).succeeds().prints("v");
    read(&["exists", "app:k"]).succeeds().prints("true\n");
    let ttl = read(&["ttl", "app:k", "--json"]).succeeds().json();
    assert!(
        (3_000_000..=3_600_000).contains(&ttl["ttl_ms"].as_u64().unwrap()),
        "{ttl}"
    );
    let told = read(&["get", "app:k", "--json"]).fails_in_json(5);
    let words = told["message"].as_str().unwrap();
    assert!(
        words.contains("NOPERM") && words.contains("'multi'"),
        "{words}"
    );
    let refused = read(&["put", "app:k", "w"]).fails(5, &["NOPERM", "'set'"]);
    assert!(!refused.err.contains("the URL takes them"), "{refused:?}");
}

#[test]
fn single_keys_are_put_read_and_deleted_over_a_url() {
    let served = serve();
    served.run(["put", "cat", "meow"]).succeeds();
    served.run(["get", "cat"]).succeeds().prints("meow");
    served
        .run(["put", "cat", "purr", "--if-absent"])
        .fails(1, &["the key exists"]);
    served
        .run(["put", "dog", "woof", "--if-present"])
        .fails(1, &["does not exist"]);
    served
        .run(["put", "dog", "woof", "--ttl", "1h", "--sync"])
        .succeeds();
    served.run(["exists", "dog"]).succeeds().prints("true\n");
    let ttl = served.run(["ttl", "dog", "--json"]).succeeds().json();
    assert!(
        (3_000_000..=3_600_000).contains(&ttl["ttl_ms"].as_u64().unwrap()),
        "{ttl}"
    );
    served.run(["persist", "dog"]).succeeds();
    served.run(["ttl", "dog"]).succeeds().prints("forever\n");
    served.run(["expire", "dog", "2h"]).succeeds();
    served
        .run(["expire", "nobody", "2h"])
        .fails(1, &["no such key"]);
    served.run(["count"]).succeeds().prints("2\n");
    served.run(["delete", "cat", "nobody"]).succeeds();
    served.run(["get", "cat"]).fails(1, &["no such key: cat"]);
    let told = served.run(["get", "dog", "--json"]).succeeds().json();
    assert_eq!(
        (&told["value"], &told["seq"]),
        (&"woof".into(), &serde_json::Value::Null)
    );
    served
        .run(["clear", "--yes"])
        .succeeds()
        .prints("deleted 1 key\n");
}

#[test]
fn lists_imports_and_exports_over_a_url_are_those_of_a_directory() {
    let served = serve();
    let lines: String = (0..300)
        .map(|n| format!("{{\"key\":\"k{n:03}\",\"value\":\"v{n}\"}}\n"))
        .collect();
    let file = served.place.write("in.jsonl", &lines);
    served.run(["import".as_ref(), file.as_os_str()]).succeeds();
    served.run(["put", "other*", "1"]).succeeds();
    let beside = Place::new();
    beside.run(["import".as_ref(), file.as_os_str()]).succeeds();
    beside.run(["put", "other*", "1"]).succeeds();
    for verb in [
        &["export"][..],
        &["keys", "--sort"],
        &["scan", "--sort", "--limit", "3"],
        &["range", "k010", "k013"],
        &["count", "--prefix", "k01"],
        &["scan", "other*"],
        &["keys", "--prefix", "k02", "--sort", "--json"],
        &["fill", "--count", "3", "--check", "--json"],
    ] {
        let (there, here) = (served.run(verb), beside.run(verb));
        assert_eq!(
            (there.code, there.text()),
            (here.code, here.text()),
            "{verb:?}"
        );
    }
    // A list that was stopped goes on where it says.
    let first = served.run(["keys", "--limit", "100"]).succeeds();
    let cursor = first.err.rsplit_once(' ').unwrap().1.trim().to_owned();
    let rest = served.run(["keys", "-q", "--cursor", &cursor]).succeeds();
    let mut keys: Vec<_> = first
        .text()
        .lines()
        .chain(rest.text().lines())
        .map(str::to_owned)
        .collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 301);
}

#[test]
fn a_server_is_filled_checked_measured_merged_and_verified() {
    let served = serve();
    let fill = [
        "--count",
        "2000",
        "--overwrite-percent",
        "50",
        "--delete-percent",
        "10",
    ];
    served.run(["fill"].iter().chain(&fill)).succeeds();
    served
        .run(["fill", "--check"].iter().chain(&fill))
        .succeeds();
    let told = served
        .run([
            "bench",
            "--ops",
            "300",
            "--concurrency",
            "2",
            "--keyspace",
            "50",
            "--json",
        ])
        .succeeds()
        .json();
    assert_eq!(told["operations"], 300);
    let freed = served.run(["merge", "--json"]).succeeds().json();
    assert!(freed["bytes_given_back"].as_u64().unwrap() > 0, "{freed}");
    served
        .run(["verify"])
        .succeeds()
        .prints("everything is as it was written\n");
    let stats = served.run(["stats", "--json"]).succeeds().json();
    assert_eq!(stats["sync"], "everysec");
    assert!(stats["keys"].as_u64().unwrap() >= 1700, "{stats}");
    assert!(
        served
            .run(["stats"])
            .succeeds()
            .text()
            .contains("portcask-server")
    );
}

#[test]
fn a_feed_from_beyond_the_end_of_the_log_is_refused_alike_everywhere() {
    let served = serve();
    served.run(["put", "k", "1"]).succeeds();
    let place = Place::with(&[("k", "1")]);
    let words = ["the log ends at 1", "no change 9", "2 is the next one"];
    served.run(["changes", "--from", "9"]).fails(6, &words);
    place.run(["changes", "--from", "9"]).fails(6, &words);
    // The next number is where a reader waits.
    served
        .run(["changes", "-q", "--from", "2"])
        .succeeds()
        .prints("");
    place
        .run(["changes", "-q", "--from", "2"])
        .succeeds()
        .prints("");
}

#[test]
fn history_and_changes_come_over_a_url() {
    let served = serve();
    served
        .feed(["repl"], "put k 1\nput k 2\ndelete k\n")
        .succeeds();
    let history = served.run(["history", "k", "--json"]).succeeds();
    assert_eq!(history.text().lines().count(), 3);
    served
        .run(["history", "nobody"])
        .fails(1, &["holds no version"]);
    let changes = served.run(["changes", "--limit", "2"]).succeeds();
    assert_eq!(changes.text(), "1\tput\tk\t1\n2\tput\tk\t2\n");
    let next = changes.err.trim().rsplit_once(' ').unwrap().1.to_owned();
    served
        .run(["changes", "-q", "--from", &next])
        .succeeds()
        .prints("3\tdelete\tk\n");
}

#[test]
fn the_repl_starts_without_a_verb_on_a_server_and_on_a_directory() {
    let served = serve();
    let lines = "PING\nSET Key Value\nGET Key\nCOUNT\nexit\n";
    served
        .feed([""; 0], lines)
        .succeeds()
        .prints("PONG\nValue\n1\n");
    served
        .feed([""; 0], "get Key --url redis://elsewhere\n")
        .fails(2, &["stays"]);
    let place = Place::with(&[("a", "1")]);
    let mut lone = portcask();
    lone.arg(place.dir());
    fed(&mut lone, b"get a\n").succeeds().prints("1\n");
    place.feed([""; 0], "get a\n").succeeds().prints("1\n");
}

#[cfg(unix)]
#[test]
fn a_directory_that_a_server_holds_says_use_url() {
    let place = Place::new();
    let holder = place.beside("portcask-server");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_portcask"), &holder).unwrap();
    // Whoever has that name counts as a server: the lock tells no more of its holder.
    let mut session = Command::new(&holder);
    session.arg("--dir").arg(place.dir()).arg("repl");
    session.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut session = session.spawn().unwrap();
    use std::io::{BufRead, BufReader, Write};
    let mut input = session.stdin.take().unwrap();
    writeln!(input, "put a 1\nget a").unwrap();
    let mut answer = String::new();
    BufReader::new(session.stdout.take().unwrap())
        .read_line(&mut answer)
        .unwrap();
    place
        .run(["put", "b", "2"])
        .fails(4, &["use --url redis://"]);
    drop(input);
    assert!(session.wait().unwrap().success());
}

#[test]
fn what_needs_files_or_is_the_servers_business_is_refused() {
    let served = serve();
    let dump = ["dump", "segment-0000000001"];
    for (verb, instead) in [
        (&["rotate"][..], "--segment-size"),
        (&["recover"], "verify works"),
        (&["backup", "copy"], "BGSAVE"),
        (&["restore", "copy"], "import works"),
        (&["doctor"], "--dir DIR doctor"),
        (&["init"], "when it starts"),
        (&["salvage", "--to", "rescued"], "--dir DIR salvage"),
        (&dump, "portcask dump DIR/FILE"),
        (&["merge", "--plan"], "by itself"),
        (&["bench", "--startup-only"], "--dir DIR bench"),
    ] {
        let words = [verb[0], "needs the files of a store", instead];
        served.run(verb).fails(2, &words);
        served.run(verb.iter().chain(&["--json"])).fails_in_json(2);
    }
    served
        .run(["put", "a", "1", "--strict"])
        .fails(2, &["--strict"]);
    served
        .run(["import", "--max-files", "3"])
        .fails(2, &["merge policy"]);
    served
        .run(["put", "a", "1", "--if-seq", "3"])
        .fails(7, &["sequence number"]);
    let dir = served.place.dir();
    served
        .run(["get", "a", "--dir", dir.to_str().unwrap()])
        .fails(2, &["not both"]);
    served.run(["count"]).succeeds().prints("0\n");
}

#[test]
fn a_url_with_tls_trusts_what_this_machine_is_told_to_trust_and_nobody_else() {
    let files = tempfile::tempdir().unwrap();
    let (certificate, key) = (files.path().join("c.pem"), files.path().join("k.pem"));
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let served = serve_with(|config| {
        config.tls.port = Some(0);
        config.tls.certificate = Some(certificate.clone());
        config.tls.key = Some(key);
    });
    let port = served.server.tls_addresses()[0].port();
    let plain_port = served.server.addresses()[0].port();
    let run = |scheme: &str, port: u16, trusted: &OsStr, words: &[&str]| {
        let mut command = portcask();
        command
            .env_remove("PORTCASK_URL")
            .env("SSL_CERT_FILE", trusted);
        let url = format!("{scheme}://localhost:{port}");
        ran(command
            .arg("--url")
            .arg(url)
            .args(words)
            .stdin(Stdio::null()))
    };
    let trusted = certificate.as_os_str();
    run("rediss", port, trusted, &["put", "cat", "meow"]).succeeds();
    run("rediss", port, trusted, &["get", "cat"])
        .succeeds()
        .prints("meow");
    let other = files.path().join("other.pem");
    let stranger = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(&other, stranger.cert.pem()).unwrap();
    run("rediss", port, other.as_os_str(), &["get", "cat"]).fails(
        5,
        &["set SSL_CERT_FILE to a file with the authorities to trust"],
    );
    run("rediss", plain_port, trusted, &["get", "cat"])
        .fails(5, &["does this port serve redis:// (without TLS)"]);
}

#[test]
fn a_server_that_is_not_there_or_lets_nobody_in_is_said_in_one_line() {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let nobody = format!("redis://{}", free.local_addr().unwrap());
    drop(free);
    let run = |args: &[&str]| ran(portcask().args(args).stdin(Stdio::null()));
    let told = run(&["--url", &nobody, "get", "a"]).fails(5, &["cannot reach", "is it running?"]);
    assert!(!told.err.contains("os error"), "{told:?}");
    run(&["--url", "store", "get", "a"]).fails(2, &["redis://"]);
    let served = serve_with(|config| config.password = Some("s3cret".into()));
    served
        .run(["get", "a"])
        .fails(5, &["denies access", "user:password"]);
    let url = served.url().replace("redis://", "redis://:s3cret@");
    run(&["--url", &format!("{url}/3"), "get", "a"]).fails(5, &["leave the number out"]);
    run(&["--url", &url, "put", "a", "1"]).succeeds();
    let mut from_environment = portcask();
    from_environment
        .env("PORTCASK_URL", &url)
        .args(["get", "a"]);
    ran(&mut from_environment).succeeds().prints("1");
    from_environment.env("PORTCASK_DIR", "elsewhere");
    ran(&mut from_environment).fails(2, &["choose one"]);
}

/// Debian's redis-server, ended with this value.
struct Redis(Child, u16);

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn redis(dir: &std::path::Path) -> Option<Redis> {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let mut command = Command::new("redis-server");
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1"]);
    command.args(["--save", "", "--appendonly", "no"]);
    match command.current_dir(dir).stdout(Stdio::null()).spawn() {
        Ok(process) => {
            let redis = Redis(process, port);
            let patience = Instant::now() + Duration::from_secs(30);
            while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
                assert!(Instant::now() < patience, "redis-server does not listen");
                std::thread::yield_now();
            }
            Some(redis)
        }
        Err(error) => {
            let required = std::env::var_os("PORTCASK_REQUIRE_REDIS").is_some();
            assert!(!required, "redis-server does not start: {error}");
            println!("SKIPPED: redis-server is not installed");
            None
        }
    }
}

#[test]
fn an_import_from_redis_takes_strings_with_their_time_and_counts_the_rest() {
    let place = Place::new();
    let Some(redis) = redis(place.root.path()) else {
        return;
    };
    let url = format!("redis://127.0.0.1:{}", redis.1);
    use std::io::{BufRead, BufReader, Write};
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, redis.1)).unwrap();
    let mut answers = BufReader::new(stream.try_clone().unwrap()).lines();
    let mut commands: Vec<_> = (0..1000).map(|n| format!("SET k{n} v{n}")).collect();
    let others = [
        "SET short v PX 3600000",
        "RPUSH list a",
        "SADD s1 a",
        "SADD s2 a",
    ];
    commands.extend(others.map(str::to_owned));
    stream
        .write_all((commands.join("\r\n") + "\r\n").as_bytes())
        .unwrap();
    for command in &commands {
        let answer = answers.next().unwrap().unwrap();
        assert!(answer.starts_with(['+', ':']), "{command}: {answer}");
    }
    let told = place.run(["import", &url, "--json"]).succeeds().json();
    assert_eq!(told["imported"], 1001);
    assert_eq!(
        told["not_taken"],
        serde_json::json!({ "list": 1, "set": 2 })
    );
    place.run(["get", "k999"]).succeeds().prints("v999");
    let ttl = place.run(["ttl", "short", "--json"]).succeeds().json();
    assert!(
        (3_000_000..=3_600_000).contains(&ttl["ttl_ms"].as_u64().unwrap()),
        "{ttl}"
    );
    place.run(["count"]).succeeds().prints("1001\n");
    let served = serve();
    let line = served.run(["import", &url]).succeeds().text();
    assert!(line.contains("not strings: 1 list, 2 sets"), "{line}");
    assert_eq!(
        served.run(["export"]).succeeds().text().lines().count(),
        1001
    );
    place
        .run(["import", &url, "--header"])
        .fails(2, &["--header"]);
}
