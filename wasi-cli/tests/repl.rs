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
    let ran = place.feed(
        ["repl"],
        "frob\nput 'a\nput a 1\nput a\nget a\n# a remark\n\n",
    );
    assert_eq!((ran.code, ran.text().as_str()), (2, "1\n"), "{ran:?}");
    assert_eq!(ran.err.lines().count(), 3, "{ran:?}");
    assert!(
        ran.err
            .contains("subcommand 'frob'; help lists the verbs\n"),
        "{ran:?}"
    );
    assert!(
        ran.err.lines().all(|line| line.starts_with("portcask: ")),
        "{ran:?}"
    );
}

#[test]
fn a_script_ends_with_the_code_of_its_first_error_or_of_its_last_line() {
    let place = Place::with(&[("a", "1")]);
    let code = |lines: &str| place.feed(["repl", "-q"], lines).code;
    assert_eq!(code("get a\n"), 0);
    assert_eq!(code("get nope\n"), 1);
    assert_eq!(code("get nope\n# a remark\n\n"), 1);
    assert_eq!(
        code("get nope\nget a\n"),
        0,
        "that a key is absent is no error"
    );
    assert_eq!(code("frob\nget a\n"), 2);
    assert_eq!(code("import nothere\nfrob\nget nope\nexit\n"), 5);
    let binary = place.feed(["repl", "-q"], b"get \xff\nget a\n");
    assert_eq!((binary.code, binary.text().as_str()), (6, "1\n"));
}

#[test]
fn a_script_may_choose_its_code_and_may_stop_at_the_first_error() {
    let place = Place::with(&[("a", "1")]);
    let run = |args: &[&str], lines: &str| {
        let ran = place.feed([&["repl", "-q"], args].concat(), lines);
        (ran.code, ran.text())
    };
    assert_eq!(run(&[], "exit 3\nget a\n"), (3, String::new()));
    assert_eq!(run(&[], "frob\nexit 0\n"), (0, String::new()));
    assert_eq!(run(&[], "QUIT 255\n"), (255, String::new()));
    for wrong in ["exit 256", "exit soon", "exit -1", "exit 1 2"] {
        let lines = format!("{wrong}\nget a\n");
        assert_eq!(run(&[], &lines), (2, "1\n".to_owned()), "{wrong}");
    }
    assert_eq!(
        run(&["--bail"], "get nope\nfrob\nget a\n"),
        (2, String::new())
    );
    place
        .feed(["repl"], "exit soon\n")
        .fails(2, &["an exit code from 0 to 255"]);
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
