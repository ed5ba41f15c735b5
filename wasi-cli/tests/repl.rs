//! The REPL: the same verbs, one after another.

mod common;
use common::Place;

#[test]
fn verbs_are_done_line_by_line() {
    let place = Place::new();
    let lines = "put a 1\nget a\nput 'b c' \"x\\ty\"\nscan --sort\ndelete a\ncount\n";
    let ran = place.feed(["repl"], lines).succeeds();
    assert_eq!(ran.text(), "1\na\t1\nb c\tx\ty\n1\n");
    assert_eq!(ran.err, "", "no prompt where nobody types");
}

#[test]
fn commands_may_be_upper_case_as_the_family_types_them() {
    let place = Place::new();
    let lines =
        "PING\nSET Key Value\nGET Key\nEXISTS Key\nLIST\nCOUNT\nDELETE Key\nEXIT\nGET Key\n";
    let ran = place.feed(["repl"], lines).succeeds();
    assert_eq!(ran.text(), "PONG\nValue\ntrue\nKey\n1\n");
}

#[test]
fn a_mistake_is_one_line_and_the_session_goes_on() {
    let place = Place::new();
    let ran = place
        .feed(
            ["repl"],
            "frob\nput 'a\nput a 1\nput a\nget a\n# a remark\n\n",
        )
        .succeeds();
    assert_eq!(ran.text(), "1\n");
    assert_eq!(ran.err.lines().count(), 3, "{ran:?}");
    assert!(
        ran.err.lines().all(|line| line.starts_with("portcask: ")),
        "{ran:?}"
    );
}

#[test]
fn a_script_ends_with_the_code_of_its_last_line() {
    let place = Place::with(&[("a", "1")]);
    assert_eq!(place.feed(["repl", "-q"], "get nope\n").code, 1);
    place.feed(["repl", "-q"], "get nope\nget a\n").succeeds();
}

#[test]
fn a_reading_session_takes_no_lock_and_sees_what_others_write() {
    let place = Place::with(&[("a", "1")]);
    let mut session = place.start(["repl"]);
    use std::io::{BufRead, BufReader, Write};
    let mut input = session.stdin.take().unwrap();
    let mut output = BufReader::new(session.stdout.take().unwrap());
    let mut answer = |line: &str| {
        writeln!(input, "{line}").unwrap();
        let mut answer = String::new();
        output.read_line(&mut answer).unwrap();
        answer
    };
    assert_eq!(answer("get a"), "1\n");
    place.run(["put", "a", "2"]).succeeds();
    assert_eq!(answer("get a"), "2\n");
    place.run(["merge"]).succeeds();
    assert_eq!(answer("get a"), "2\n");
    drop(input);
    assert!(session.wait().unwrap().success());
}

#[test]
fn a_session_stays_in_its_directory() {
    let place = Place::with(&[("a", "1")]);
    place
        .feed(["repl"], "get a --dir elsewhere\n")
        .fails(2, &["one directory"]);
    place
        .feed(["repl"], "repl\n")
        .fails(2, &["already in the REPL"]);
}
