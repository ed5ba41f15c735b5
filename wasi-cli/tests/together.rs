//! Several processes on one store, and processes that end early.

mod common;
use common::{Place, Ran};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Stdio};

fn line_of(record: usize) -> String {
    format!("{{\"key\":\"k{record:06}\",\"value\":\"{record}\"}}\n")
}

/// A writer that answers each line it is fed.
struct Session {
    child: Child,
    input: std::process::ChildStdin,
    output: BufReader<std::process::ChildStdout>,
}

impl Session {
    fn on(place: &Place) -> Self {
        let mut child = place.start(["repl", "--json", "--segment-size", "1MiB"]);
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self {
            child,
            input,
            output,
        }
    }

    fn does(&mut self, line: &str) -> String {
        writeln!(self.input, "{line}").unwrap();
        let mut answer = String::new();
        self.output.read_line(&mut answer).unwrap();
        answer
    }
}

#[test]
fn readers_work_while_another_process_writes_and_merges() {
    let place = Place::new();
    let options = [
        "--count",
        "2000",
        "--value-size",
        "400",
        "--segment-size",
        "1MiB",
    ];
    place.run(["fill"].iter().chain(&options)).succeeds();
    let mut writer = Session::on(&place);
    for round in 0..6 {
        let churn = writer.does(&format!(
            "fill --count 2000 --value-size 400 --seed 1 --overwrite-percent 50 --rounds 1 --batch {}",
            100 + round
        ));
        assert!(churn.contains("written"), "{churn}");
        place.run(["count"]).succeeds().prints("2000\n");
        let merged = writer.does("merge");
        assert!(merged.contains("records_kept"), "{merged}");
        let export = place.run(["export"]).succeeds();
        assert_eq!(export.text().lines().count(), 2000, "{}", export.err);
        place.run(["verify"]).succeeds();
    }
    drop(writer.input);
    assert!(writer.child.wait().unwrap().success());
}

#[test]
fn a_writer_may_wait_until_the_one_before_it_has_closed_the_store() {
    let place = Place::new();
    let mut writer = Session::on(&place);
    writer.does("put first 1");
    place
        .run(["put", "second", "2", "--wait", "20ms"])
        .fails(4, &["--wait"]);
    let waiting = place.start(["put", "second", "2", "--wait", "60s"]);
    drop(writer.input);
    assert!(writer.child.wait().unwrap().success());
    let waited = waiting.wait_with_output().unwrap();
    assert!(waited.status.success(), "{waited:?}");
    // Many at once, each of which finds the others.
    let keys: Vec<_> = (0..8).map(|key| format!("k{key}")).collect();
    let all = keys
        .iter()
        .map(|key| place.start(["put", key, "v", "--wait", "60s"]));
    for one in all.collect::<Vec<_>>() {
        let done = one.wait_with_output().unwrap();
        assert!(done.status.success(), "{done:?}");
    }
    place.run(["count"]).succeeds().prints("10\n");
}

#[test]
fn a_long_read_survives_merges_under_it() {
    let place = Place::new();
    let options = [
        "--count",
        "20000",
        "--overwrite-percent",
        "30",
        "--segment-size",
        "1MiB",
    ];
    place.run(["fill"].iter().chain(&options)).succeeds();
    let mut reader = place.start(["scan"]);
    let mut output = BufReader::new(reader.stdout.take().unwrap());
    let mut lines = 0;
    let mut line = Vec::new();
    // The reader fills the pipe and waits for us; meanwhile its files are merged away.
    output.read_until(b'\n', &mut line).unwrap();
    lines += 1;
    place.run(["merge"]).succeeds();
    place.run(["put", "another", "one"]).succeeds();
    place.run(["merge"]).succeeds();
    line.clear();
    while output.read_until(b'\n', &mut line).unwrap() > 0 {
        lines += 1;
        line.clear();
    }
    let mut said = String::new();
    reader
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert!(reader.wait().unwrap().success(), "{said}");
    assert!(lines == 20_000 || lines == 20_001, "{lines} lines");
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let place = Place::new();
    place.run(["fill", "--count", "20000"]).succeeds();
    for verb in [
        &["keys"][..],
        &["scan", "--json"],
        &["export"],
        &["changes"],
        &["man"],
        &["--help"],
    ] {
        let mut child = place
            .command(verb)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let ran = Ran::from(child.wait_with_output().unwrap());
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{verb:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_output_that_cannot_be_written_is_an_error() {
    let place = Place::new();
    place.run(["fill", "--count", "2000"]).succeeds();
    for verb in ["export", "--help"] {
        let full = std::fs::File::options().write(true).open("/dev/full");
        let output = place.command([verb]).stdout(full.unwrap()).output();
        Ran::from(output.unwrap()).fails(5, &["cannot write the output", "no space"]);
    }
}

#[cfg(unix)]
fn interrupt(child: &Child) {
    let pid = child.id().to_string();
    let status = std::process::Command::new("kill")
        .args(["-INT", &pid])
        .status()
        .unwrap();
    assert!(status.success());
}

#[cfg(unix)]
#[test]
fn ctrl_c_says_what_was_kept_and_that_is_what_was_kept() {
    let place = Place::new();
    let mut import = place.start(["import", "--batch", "10"]);
    let mut input = import.stdin.take().unwrap();
    for record in 0..2000 {
        input.write_all(line_of(record).as_bytes()).unwrap();
    }
    input.flush().unwrap();
    // It waits for more now, or will; when half is stored it is interrupted while waiting.
    while place.run(["get", "k001000"]).code != 0 {}
    interrupt(&import);
    let mut said = String::new();
    import
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    let status = import.wait().unwrap();
    drop(input);
    assert_eq!(status.code(), Some(130), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    let kept: String = said.chars().filter(char::is_ascii_digit).collect();
    let kept: u64 = kept.parse().unwrap();
    assert!(said.contains("are kept"), "{said}");
    let count = place.run(["count", "-q"]).succeeds().text();
    assert_eq!(count.trim().parse::<u64>().unwrap(), kept, "{said}");
    place.run(["verify"]).succeeds();
}

#[cfg(unix)]
#[test]
fn ctrl_c_stops_a_filling_at_a_clean_point() {
    let place = Place::new();
    let fill = place.start(["fill", "--count", "100000000"]);
    while place.run(["count"]).code != 0 {}
    interrupt(&fill);
    let ran = Ran::from(fill.wait_with_output().unwrap());
    assert_eq!(ran.code, 130, "{ran:?}");
    assert!(ran.err.contains("are kept"), "{ran:?}");
    let put = place.run(["put", "next", "1"]).succeeds();
    assert_eq!(put.err, "", "closed cleanly: nothing to recover");
}

#[test]
fn a_killed_writer_loses_nothing_that_it_acknowledged() {
    let place = Place::new();
    let mut writer = Session::on(&place);
    for n in 0..50 {
        assert!(writer.does(&format!("put k{n} v{n}")).contains("seq"));
    }
    writer.child.kill().unwrap();
    writer.child.wait().unwrap();
    for n in 0..50 {
        place
            .run(["get", &format!("k{n}"), "-q"])
            .succeeds()
            .prints(&format!("v{n}"));
    }
    place.run(["put", "k50", "v50"]).succeeds();
    place.run(["count"]).succeeds().prints("51\n");
}
