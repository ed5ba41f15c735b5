//! Backups, full disks, and stopping: nothing that was acknowledged is lost.

use crate::common::{Client, start_with};
use crate::process::Process;
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Waits for a save that was asked for.
fn saved(client: &mut Client) {
    while client
        .ask("INFO persistence")
        .contains("rdb_bgsave_in_progress:1")
    {}
    let status = client.ask("INFO persistence");
    assert!(status.contains("rdb_last_bgsave_status:ok"), "{status}");
}

#[test]
fn a_backup_made_under_load_opens_by_itself_and_holds_what_was_acknowledged_before() {
    let room = tempfile::tempdir().unwrap();
    let into = room.path().join("backups");
    let fixture = start_with(|config| config.backup_dir = Some(into.clone()));
    let mut client = fixture.connect();
    for n in 0..500 {
        assert_eq!(client.ask(&format!("SET before:{n} {n}")), "+OK");
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut writer = fixture.connect();
            for n in 0.. {
                assert_eq!(writer.ask(&format!("SET during:{n} {n}")), "+OK");
                if done.load(Ordering::Relaxed) {
                    return;
                }
            }
        });
        assert_eq!(client.ask("BGSAVE"), "+Background saving started");
        saved(&mut client);
        done.store(true, Ordering::Relaxed);
    });
    let backups: Vec<_> = std::fs::read_dir(&into).unwrap().collect();
    assert_eq!(backups.len(), 1, "nothing unfinished is left: {backups:?}");
    let path = backups[0].as_ref().unwrap().path();
    let db = portcask::open(&path).unwrap();
    for n in 0..500 {
        let value = db.get(format!("before:{n}").as_bytes()).unwrap();
        assert_eq!(value, Some(n.to_string().into_bytes()));
    }
    db.close().unwrap();
    // A place that cannot be written is told, and the server goes on.
    std::fs::remove_dir_all(&into).unwrap();
    std::fs::write(&into, "a file").unwrap();
    assert_eq!(client.ask("BGSAVE"), "+Background saving started");
    while client
        .ask("INFO persistence")
        .contains("rdb_bgsave_in_progress:1")
    {}
    assert!(
        client
            .ask("INFO persistence")
            .contains("rdb_last_bgsave_status:err")
    );
    assert_eq!(client.ask("GET before:7"), "$1 7");
}

#[test]
fn what_a_backup_left_that_was_killed_goes_with_the_next_one_and_nothing_else_does() {
    let room = tempfile::tempdir().unwrap();
    let into = room.path().join("backups");
    let fixture = start_with(|config| config.backup_dir = Some(into.clone()));
    let killed = into.join("backup-1700000000000.unfinished");
    let at_work = into.join("backup-1700000000001.unfinished");
    let others = [
        "backup-1700000000002",
        "backup-mine.unfinished",
        "x.unfinished",
    ];
    let others = others.map(|name| into.join(name));
    for dir in others.iter().chain([&killed, &at_work]) {
        std::fs::create_dir_all(dir).unwrap();
        std::fs::write(dir.join("file"), "x").unwrap();
    }
    // Another server is at work on this one.
    let lock = portcask::PlatformStorage::open(&at_work).unwrap();
    let lock = portcask::storage::Storage::lock(&lock).unwrap();
    let mut client = fixture.connect();
    assert_eq!(client.ask("BGSAVE"), "+Background saving started");
    saved(&mut client);
    assert!(!killed.exists());
    for dir in others.iter().chain([&at_work]) {
        assert_eq!(std::fs::read(dir.join("file")).unwrap(), b"x");
    }
    drop(lock);
    assert_eq!(client.ask("BGSAVE"), "+Background saving started");
    saved(&mut client);
    assert!(!at_work.exists());
}

#[cfg(unix)]
#[test]
fn a_full_disk_answers_errors_to_writes_while_reads_and_deletes_go_on_and_is_told_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = tempfile::tempfile().unwrap();
    let server = Process::start_with_small_files(dir.path(), log.try_clone().unwrap());
    let mut client = Client::connect(server.address);
    let value = "v".repeat(100_000);
    let mut stored = 0;
    let error = loop {
        client.command(&["SET", &format!("k{stored}"), &value]);
        match client.reply().as_str() {
            "+OK" => stored += 1,
            error => break error.to_owned(),
        }
        assert!(stored < 100, "the disk is not full");
    };
    assert!(
        error.starts_with("-OOM ") || error.starts_with("-MISCONF "),
        "{error}"
    );
    assert!(stored > 5, "{stored}");
    for n in 0..stored {
        assert_eq!(client.ask(&format!("STRLEN k{n}")), ":100000");
    }
    assert_eq!(client.ask("PING"), "+PONG");
    let mut other = Client::connect(server.address);
    assert_eq!(other.ask("EXISTS k0"), ":1");
    for _ in 0..20 {
        other.command(&["SET", "more", &value]);
        assert!(other.reply().starts_with(&error[..4]));
    }
    server.kill();
    let mut told = String::new();
    log.seek(SeekFrom::Start(0)).unwrap();
    log.read_to_string(&mut told).unwrap();
    assert_eq!(
        told.matches("the store refused a command").count(),
        1,
        "{told}"
    );
    // With room again everything that was acknowledged is there.
    let server = Process::start(dir.path(), &[]);
    let mut client = Client::connect(server.address);
    assert_eq!(client.ask("DBSIZE"), format!(":{stored}"));
    assert_eq!(client.ask("SET more 1"), "+OK");
    server.kill();
}

#[cfg(unix)]
#[test]
fn a_server_that_is_told_to_stop_under_load_keeps_every_acknowledged_write() {
    const CLIENTS: usize = 10;
    let dir = tempfile::tempdir().unwrap();
    let mut server = Process::start(dir.path(), &["--sync", "no"]);
    let acknowledged: Vec<AtomicU64> = (0..CLIENTS).map(|_| AtomicU64::new(0)).collect();
    let address = server.address;
    std::thread::scope(|scope| {
        for (who, acknowledged) in acknowledged.iter().enumerate() {
            scope.spawn(move || {
                let mut stream = TcpStream::connect(address).unwrap();
                for n in 0.. {
                    let command = format!("SET {who}:{n} {n}\r\n");
                    let mut reply = [0; 5];
                    let sent = stream.write_all(command.as_bytes());
                    if sent.and_then(|()| stream.read_exact(&mut reply)).is_err() {
                        return;
                    }
                    assert_eq!(&reply, b"+OK\r\n");
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let total = || -> u64 {
            acknowledged
                .iter()
                .map(|it| it.load(Ordering::Relaxed))
                .sum()
        };
        while total() < 1_000 {
            std::thread::yield_now();
        }
        let told = std::process::Command::new("kill")
            .arg(server.child.id().to_string())
            .status()
            .unwrap();
        assert!(told.success());
        assert_eq!(server.child.wait().unwrap().code(), Some(0));
    });
    let db = portcask::open(dir.path()).unwrap();
    for (who, acknowledged) in acknowledged.iter().enumerate() {
        for n in 0..acknowledged.load(Ordering::Relaxed) {
            let value = db.get(format!("{who}:{n}").as_bytes()).unwrap();
            assert_eq!(value, Some(n.to_string().into_bytes()), "{who}:{n}");
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_service_manager_is_told_when_clients_can_connect_and_logs_are_json_if_wanted() {
    use std::os::unix::net::UnixDatagram;
    use std::process::{Command, Stdio};
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket
        .set_read_timeout(Some(std::time::Duration::from_secs(30)))
        .unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_portcask-server"))
        .args(["--port", "0", "--log-format", "json", "--dir"])
        .arg(dir.path().join("store"))
        .env("NOTIFY_SOCKET", &path)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut word = [0; 32];
    let length = socket.recv(&mut word).unwrap();
    assert_eq!(&word[..length], b"READY=1");
    let told = Command::new("kill").arg(child.id().to_string()).status();
    assert!(told.unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let log = String::from_utf8(output.stderr).unwrap();
    for words in [
        "\"message\":\"stopping\"",
        "\"level\":\"INFO\"",
        "everything is durable",
    ] {
        assert!(log.contains(words), "{words} is not in {log}");
    }
    assert!(
        log.lines()
            .all(|line| line.starts_with('{') && line.ends_with('}')),
        "{log}"
    );
}
