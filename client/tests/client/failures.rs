//! What is said when the network or the server fails, and what is never sent twice.

use crate::servers::{Deed, Ours, PATIENCE, Scripted, start, start_with};
use portcask_client::{Batch, ClientOptions, Db, Error, Ttl};
use portcask_server::User;
use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

const OK: Deed = Deed::Answer(b"+OK\r\n");

#[test]
fn a_write_whose_answer_was_lost_is_told_and_not_sent_again() {
    let server = Scripted::start(|name, _| match name {
        "SET" | "EXEC" => Deed::HangUp,
        "PING" => Deed::Answer(b"+PONG\r\n"),
        _ => OK,
    });
    let db = Db::open(&server.url()).unwrap();
    let lost = db.put(b"k", b"v").unwrap_err();
    assert!(matches!(lost, Error::AnswerLost { .. }), "{lost}");
    assert!(
        lost.to_string().contains("may or may not have happened"),
        "{lost}"
    );
    assert_eq!(server.times("SET"), 1);
    let mut batch = Batch::new();
    batch.delete("a");
    let lost = db.write(&batch).unwrap_err();
    assert!(matches!(lost, Error::AnswerLost { .. }), "{lost}");
    assert_eq!(server.times("EXEC"), 1);
}

#[test]
fn a_read_whose_connection_broke_is_asked_once_more_on_a_new_one() {
    let server = Scripted::start(|name, before| match (name, before) {
        ("GET", 0) => Deed::HangUp,
        ("GET", 1) => Deed::Answer(b"$1\r\nv\r\n"),
        ("GET", _) => Deed::HangUp,
        ("PING", _) => Deed::Answer(b"+PONG\r\n"),
        _ => OK,
    });
    let db = Db::open(&server.url()).unwrap();
    assert_eq!(db.get(b"k").unwrap().as_deref(), Some(&b"v"[..]));
    assert_eq!(server.times("GET"), 2);
    let unanswered = db.get(b"k").unwrap_err();
    assert!(
        matches!(unanswered, Error::Unanswered { .. }),
        "{unanswered}"
    );
    assert_eq!(server.times("GET"), 4);
}

#[test]
fn a_server_that_is_silent_is_given_up_in_the_time_said_and_its_line_is_not_used_again() {
    let server = Scripted::start(|name, before| match (name, before) {
        ("SET", 0) => Deed::Silence,
        ("PING", _) => Deed::Answer(b"+PONG\r\n"),
        _ => OK,
    });
    let options = ClientOptions {
        answer: Some(Duration::from_millis(50)),
        ..ClientOptions::default()
    };
    let db = Db::open_with(&server.url(), options).unwrap();
    let lost = db.put(b"k", b"v").unwrap_err();
    assert!(
        matches!(&lost, Error::AnswerLost { why, .. } if why.contains("time")),
        "{lost}"
    );
    // Its late answer would be taken for that of the next write.
    db.put(b"k", b"w").unwrap();
    assert_eq!(server.times("SET"), 2);
}

#[test]
fn a_server_that_was_restarted_costs_no_verb() {
    let mut server = start();
    let db = server.connect_with(|options| options.rested = Duration::ZERO);
    db.put(b"k", b"1").unwrap();
    server.stop();
    let away = db.put(b"k", b"2").unwrap_err();
    assert!(matches!(away, Error::Unreachable { .. }), "{away}");
    assert!(away.to_string().contains("nothing was sent"), "{away}");
    server.start();
    db.put(b"k", b"3").unwrap();
    server.stop();
    server.start();
    assert_eq!(db.get(b"k").unwrap().as_deref(), Some(&b"3"[..]));
}

#[test]
fn nobody_there_and_not_let_in_are_two_errors() {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let nobody = format!("redis://{}", free.local_addr().unwrap());
    drop(free);
    let error = Db::open(&nobody).unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    let server = start_with(|config| config.password = Some("s3cret".into()));
    let address = server.url().replace("redis://", "");
    for url in [server.url(), format!("redis://:wrong@{address}")] {
        let error = Db::open(&url).unwrap_err();
        assert!(matches!(error, Error::Denied { .. }), "{url}: {error}");
    }
    let db = Db::open(&format!("redis://:s3cret@{address}")).unwrap();
    db.put(b"k", b"v").unwrap();
    assert!(!db.server().contains("s3cret"));
    assert!(!format!("{db:?}").contains("s3cret"));
}

/// One who may only look, and one who may write but not begin a transaction.
fn open_as(server: &Ours, user: &str) -> Db {
    let url = server
        .url()
        .replace("redis://", &format!("redis://{user}:pw@"));
    Db::open(&url).unwrap()
}

#[test]
fn a_reader_reads_with_the_right_to_read_and_is_told_what_it_lacks() {
    let rules = ["on", ">pw", "~app:*", "+@read"].map(String::from);
    let reader = User::parse("reader", &rules).unwrap();
    let server = start_with(|config| config.users = vec![reader]);
    server.connect().put(b"app:k", b"v").unwrap();
    let db = open_as(&server, "reader");
    assert_eq!(db.get(b"app:k").unwrap().as_deref(), Some(&b"v"[..]));
    assert!(db.contains_key(b"app:k").unwrap());
    assert_eq!(db.ttl(b"app:k").unwrap(), Ttl::Forever);
    assert_eq!(db.left_ms(b"app:k").unwrap(), None);
    let lacks = |error: Error, words: &str| {
        let told = matches!(&error, Error::Refused { code, .. } if code == "NOPERM");
        assert!(told && error.to_string().contains(words), "{error}");
    };
    lacks(db.get(b"other").unwrap_err(), "one of the keys");
    lacks(db.put(b"app:k", b"w").unwrap_err(), "'set'");
    lacks(db.get_entry(b"app:k").unwrap_err(), "'multi'");
}

#[test]
fn a_batch_that_may_not_begin_is_not_done_one_by_one() {
    let rules = ["on", ">pw", "~*", "+@read", "+@write"].map(String::from);
    let writer = User::parse("writer", &rules).unwrap();
    let server = start_with(|config| config.users = vec![writer]);
    let db = open_as(&server, "writer");
    let mut batch = Batch::new();
    batch.put("a", "1").put("b", "2");
    let refused = db.write(&batch).unwrap_err();
    assert!(refused.to_string().contains("'multi'"), "{refused}");
    assert_eq!(db.get(b"a").unwrap(), None);
    assert_eq!(db.get(b"b").unwrap(), None);
    db.put(b"a", b"1").unwrap();
}

#[test]
fn a_line_whose_transaction_may_not_end_gathers_nothing_more() {
    let rules = ["on", ">pw", "~*", "+@read", "+@write", "+multi"].map(String::from);
    let writer = User::parse("writer", &rules).unwrap();
    let server = start_with(|config| config.users = vec![writer]);
    let db = open_as(&server, "writer");
    let mut batch = Batch::new();
    batch.put("a", "1").put("b", "2");
    let refused = db.write(&batch).unwrap_err();
    assert!(refused.to_string().contains("'exec'"), "{refused}");
    db.put(b"c", b"3").unwrap();
    assert_eq!(db.get(b"a").unwrap(), None);
}

#[test]
fn a_closed_handle_says_so_in_all_its_clones() {
    let server = start();
    let db = server.connect();
    let clone = db.clone();
    db.close().unwrap();
    assert_eq!(clone.get(b"k"), Err(Error::Closed));
    assert_eq!(clone.close(), Err(Error::Closed));
}

#[test]
fn a_connection_that_cannot_be_made_is_given_up_in_the_time_said() {
    // Its queue takes the connection, and nobody answers on it.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let options = ClientOptions {
        connect: Duration::from_millis(50),
        answer: Some(Duration::from_millis(50)),
        ..ClientOptions::default()
    };
    let began = std::time::Instant::now();
    let error = Db::open_with(&url, options).unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert!(began.elapsed() < PATIENCE);
}
