//! import and export: nothing is lost on the way out and back in.

mod common;
use common::Place;
use insta::assert_snapshot;

/// Keys and values that files get wrong: empty, binary, quotes, line ends, an expiry.
fn awkward() -> Place {
    let place = Place::new();
    let lines = concat!(
        "{\"key\":\"\",\"value\":\"\"}\n",
        "{\"key\":\"plain\",\"value\":\"text\"}\n",
        "{\"key\":\"empty\",\"value\":\"\"}\n",
        "{\"key\":\"lines\",\"value\":\"a\\nb\\r\\nc\\r\"}\n",
        "{\"key\":\"quotes,\\t\\\"\",\"value\":\"\\\"\"}\n",
        "{\"key_base64\":\"/wCA\",\"value_base64\":\"AP/+\"}\n",
        "{\"key_base64\":\"77u/Ym9t\",\"value\":\" spaced \"}\n",
        "{\"key\":\"later\",\"value\":\"x\",\"expires_ms\":4102444800000}\n",
        "{\"key\":\"h\u{e4}user \u{1f3e0}\",\"value\":\"\\u0007\\u0000\"}\n",
    );
    place.feed(["import", "-q"], lines).succeeds().prints("");
    place
}

#[test]
fn export_import_export_is_byte_identical_in_every_format() {
    let place = awkward();
    for name in ["a.jsonl", "a.csv", "a.tsv"] {
        let (first, second) = (place.beside(name), place.beside(&format!("second-{name}")));
        let copy = Place::new();
        place.run(["export".as_ref(), first.as_os_str()]).succeeds();
        copy.run(["import".as_ref(), first.as_os_str()]).succeeds();
        copy.run(["export".as_ref(), second.as_os_str()]).succeeds();
        let (first, second) = (
            std::fs::read(first).unwrap(),
            std::fs::read(second).unwrap(),
        );
        assert_eq!(
            String::from_utf8_lossy(&first),
            String::from_utf8_lossy(&second),
            "{name}"
        );
        assert_eq!(copy.export(), place.export(), "{name}");
    }
}

#[test]
fn export_writes_the_same_bytes_whatever_happened_before() {
    let place = awkward();
    let before = place.export();
    place.run(["put", "plain", "other"]).succeeds();
    place.run(["put", "plain", "text"]).succeeds();
    place.run(["merge"]).succeeds();
    assert_eq!(place.export(), before);
    let keys: Vec<&str> = before.lines().collect();
    assert_eq!(
        keys[0], "{\"key\":\"\",\"value\":\"\"}",
        "sorted by the keys' bytes"
    );
    assert!(keys[8].contains("key_base64\":\"/wCA"), "{}", keys[8]);
}

#[test]
fn columns_are_taken_by_number_or_by_name() {
    let place = Place::new();
    let file = place.write("people.csv", "id,city,name\n7,Ulm,\"Ann, B.\"\n8,Rom,Bo\n");
    let file = file.to_str().unwrap();
    let by_name = ["--header", "--key-column", "id", "--value-column", "name"];
    place
        .run(["import", file].iter().chain(&by_name))
        .succeeds();
    place
        .run(["scan", "--sort"])
        .succeeds()
        .prints("7\tAnn, B.\n8\tBo\n");
    let by_number = ["--header", "--key-column", "3", "--value-column", "2"];
    place
        .run(["import", file].iter().chain(&by_number))
        .succeeds();
    place.run(["get", "Bo"]).succeeds().prints("Rom");
    let wrong = ["--header", "--key-column", "street"];
    place
        .run(["import", file].iter().chain(&wrong))
        .fails(2, &["street", "id, city, name"]);
    let unnamed = ["--key-column", "id"];
    place
        .run(["import", file].iter().chain(&unnamed))
        .fails(2, &["--header"]);
}

#[test]
fn any_single_byte_delimits() {
    let place = Place::new();
    let file = place.write(
        "UnicodeData.txt",
        "0041;LATIN CAPITAL LETTER A;Lu\n0042;\"B;Lu\n",
    );
    place
        .run([
            "import",
            file.to_str().unwrap(),
            "--delimiter",
            ";",
            "--no-quotes",
        ])
        .succeeds();
    place
        .run(["get", "0041"])
        .succeeds()
        .prints("LATIN CAPITAL LETTER A");
    place.run(["get", "0042"]).succeeds().prints("\"B");
}

#[test]
fn a_bad_line_is_reported_with_its_number_and_what_came_before_is_kept() {
    let place = Place::new();
    let lines =
        "{\"key\":\"a\",\"value\":\"1\"}\n\n{\"key\":\"b\"}\n{\"key\":\"c\",\"value\":\"3\"}\n";
    place.feed(["import"], lines).fails(
        6,
        &["line 3", "neither value nor", "1 record", "--skip-bad"],
    );
    place.run(["keys"]).succeeds().prints("a\n");
    let ran = place.feed(["import", "--skip-bad"], lines).succeeds();
    assert!(
        ran.text().contains("skipped 1 bad line, first line 3"),
        "{ran:?}"
    );
    place.run(["keys", "--sort"]).succeeds().prints("a\nc\n");
    let ran = place
        .feed(["import", "--skip-bad", "--json"], lines)
        .succeeds();
    assert_eq!(
        (&ran.json()["imported"], &ran.json()["bad"]),
        (&2.into(), &1.into())
    );
}

#[test]
fn what_had_expired_before_it_came_is_told() {
    let place = Place::new();
    let csv = [
        "import",
        "--format",
        "csv",
        "--header",
        "--expires-column",
        "ends",
    ];
    let rows = "key,value,ends\na,1,1000\nb,2,\nc,3,99999999999999\n";
    let told = place.feed(csv, rows).succeeds().text();
    assert!(told.contains("imported 3 records"), "{told}");
    assert!(told.contains("; 1 of them had expired already"), "{told}");
    place.run(["count"]).succeeds().prints("2\n");
    let told = place.feed(csv.iter().chain(&["--json"]), rows);
    assert_eq!(told.succeeds().json()["expired"], 1);
}

#[test]
fn a_row_that_is_too_short_and_a_key_that_is_too_long_are_bad_lines() {
    let place = Place::new();
    let csv = ["import", "--format", "csv"];
    place
        .feed(csv, "a,1\nb\n")
        .fails(6, &["line 2", "has 1 column"]);
    place
        .feed(csv, "a,1\n\"b,2\nc,3\n")
        .fails(6, &["line 2", "has 1 column", "a quote that opens there"]);
    let long = format!("{},1\n", "k".repeat(65_536));
    place
        .feed(csv, &long)
        .fails(6, &["line 1", "65536", "65535"]);
    let limited = ["import", "--format", "csv", "--max-value", "3"];
    place
        .feed(limited, "a,123\nb,1234\n")
        .fails(6, &["line 2", "4 bytes", "limit is 3"]);
    place.run(["get", "a"]).succeeds().prints("123");
}

#[test]
fn a_third_column_is_an_expiry_only_if_it_is_said_so() {
    let place = Place::new();
    place
        .feed(["import", "--format", "csv"], "a,1,1000\n")
        .succeeds();
    place.run(["ttl", "a"]).succeeds().prints("forever\n");
    let said = ["import", "--format", "csv", "--expires-column", "3"];
    place.feed(said, "a,1,4102444800000\n").succeeds();
    assert_eq!(
        place.run(["ttl", "a", "--json"]).json()["expires_ms"],
        4_102_444_800_000u64
    );
}

#[test]
fn files_of_prologics_bitcask_come_in_with_base64() {
    let place = Place::new();
    let lines = "{\"key\":\"aGVsbG8=\",\"value\":\"d29ybGQ=\"}\n";
    place.feed(["import", "--base64"], lines).succeeds();
    place.run(["get", "hello"]).succeeds().prints("world");
    place
        .feed(["import", "--base64"], "{\"key\":\"?\",\"value\":\"\"}")
        .fails(6, &["line 1"]);
}

#[test]
fn import_says_what_it_did_in_one_line() {
    let place = Place::new();
    let ran = place
        .feed(["import"], "{\"key\":\"a\",\"value\":\"1\"}\n")
        .succeeds();
    assert!(
        ran.text().starts_with("imported 1 record (2 B) in "),
        "{ran:?}"
    );
    assert_eq!(ran.text().lines().count(), 1);
    assert_eq!(ran.err, "", "no progress where nobody sees it");
    place.feed(["import", "-q"], "").succeeds().prints("");
}

#[test]
fn an_export_appears_only_when_it_is_complete() {
    let place = awkward();
    place
        .run(["export", "no/such/dir/a.csv"])
        .fails(5, &["no/such/dir"]);
    place.write("old.jsonl", "old");
    place.run(["export", "old.jsonl"]).succeeds();
    assert_eq!(
        std::fs::read_to_string(place.beside("old.jsonl")).unwrap(),
        place.export()
    );
    assert!(!place.beside("old.jsonl.partial").exists());
    let ran = place.run(["export", "--prefix", "l"]).succeeds();
    assert_eq!(ran.text().lines().count(), 2, "lines and later");
}

#[test]
fn a_first_line_or_a_delimiter_that_looks_wrong_is_remarked_on() {
    let import = |text: &str, args: &[&str]| {
        let place = Place::new();
        place.write("pets.csv", text);
        let told = place.run([&["import", "pets.csv"], args].concat());
        (told, place)
    };
    let (told, place) = import("key,value\ncat,meow\n", &[]);
    assert_snapshot!(told.err, @"portcask: pets.csv: line 1 is read as a record; if it names the columns (key, value), add --header; if not, --no-header");
    told.succeeds();
    place.run(["count"]).succeeds().prints("2\n");
    for (option, keys) in [("--header", "1\n"), ("--no-header", "2\n")] {
        let (told, place) = import("key,value\ncat,meow\n", &[option]);
        assert_eq!(told.succeeds().err, "", "{option}");
        place.run(["count"]).succeeds().prints(keys);
    }
    assert_eq!(import("cat,meow\ndog,woof\n", &[]).0.succeeds().err, "");
    assert_eq!(import("key,value\n", &["-q"]).0.succeeds().err, "");
    let (told, _) = import("cat;1,5\ndog;2,5\n", &[]);
    assert_snapshot!(told.err, @"portcask: pets.csv: line 1 is read as a record; its columns seem to be separated by ';': --delimiter ';'");
    assert_eq!(import("cat;1,5\n", &["--delimiter", ","]).0.err, "");
    let place = Place::new();
    let told = place
        .feed(["import"], "cat,meow\n")
        .fails(6, &["line 1", "--format csv"]);
    assert!(!told.err.contains("--delimiter"), "{told:?}");
    let (told, place) = import("key;value\ncat;meow\n", &[]);
    assert_snapshot!(told.err, @"portcask: pets.csv: line 1: has 1 column, but the value is column 2; its columns seem to be separated by ';': --delimiter ';'; imported 0 records before it; --skip-bad skips and counts bad lines");
    assert_eq!(told.code, 6);
    place.run(["count"]).succeeds().prints("0\n");
    let (told, place) = import("key;value\ncat;meow\n", &["--delimiter", ";", "--header"]);
    assert_eq!(told.succeeds().err, "");
    place.run(["get", "cat"]).succeeds().prints("meow");
}

#[test]
fn options_that_do_not_fit_the_format_are_refused() {
    let place = awkward();
    place
        .run(["export", "--header"])
        .fails(2, &["--format csv"]);
    place
        .run(["export", "--delimiter", "ab"])
        .fails(2, &["single-byte character"]);
}
