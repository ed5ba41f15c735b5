//! Lists: every key once, in pages that can be continued.

mod common;
use common::{Place, Ran};
use std::collections::BTreeSet;

fn hundred() -> Place {
    let place = Place::new();
    let lines: String = (0..100)
        .map(|n| format!("{{\"key\":\"k{n:03}\",\"value\":\"v{n}\"}}\n"))
        .collect();
    place.feed(["import"], lines).succeeds();
    place
}

fn cursor(ran: &Ran) -> Option<String> {
    Some(ran.err.split_once("--cursor ")?.1.trim().to_owned())
}

#[test]
fn pages_hold_every_key_once() {
    let place = hundred();
    let mut seen = BTreeSet::new();
    let mut args = vec!["keys".to_owned(), "--limit".to_owned(), "7".to_owned()];
    let mut pages = 0;
    loop {
        let page = place.run(&args).succeeds();
        pages += 1;
        let text = page.text();
        assert!(text.lines().count() <= 7, "{text}");
        text.lines()
            .for_each(|key| assert!(seen.insert(key.to_owned()), "{key} twice"));
        match cursor(&page) {
            Some(cursor) => {
                args.truncate(3);
                args.extend(["--cursor".to_owned(), cursor]);
            }
            None => break,
        }
    }
    assert_eq!(seen.len(), 100);
    assert!(pages >= 15, "{pages}");
}

#[test]
fn a_cursor_survives_overwrites_and_merge() {
    let place = hundred();
    let first = place.run(["keys", "--limit", "50"]).succeeds();
    let cursor = cursor(&first).unwrap();
    place.run(["put", "k000", "new"]).succeeds();
    place.run(["merge"]).succeeds();
    let second = place.run(["keys", "--cursor", &cursor]).succeeds();
    let all: BTreeSet<String> = first
        .text()
        .lines()
        .chain(second.text().lines())
        .map(str::to_owned)
        .collect();
    assert_eq!(all.len(), 100);
}

#[test]
fn a_prefix_with_a_limit_stops_exactly() {
    let place = hundred();
    let page = place
        .run(["keys", "--prefix", "k01", "--limit", "3"])
        .succeeds();
    assert_eq!(page.text().lines().count(), 3);
    let cursor = cursor(&page).unwrap();
    let rest = place
        .run(["keys", "--prefix", "k01", "--cursor", &cursor])
        .succeeds();
    let all: BTreeSet<String> = page
        .text()
        .lines()
        .chain(rest.text().lines())
        .map(str::to_owned)
        .collect();
    assert_eq!(all.len(), 10);
    place
        .run(["count", "--prefix", "k01"])
        .succeeds()
        .prints("10\n");
}

#[test]
fn sorted_lists_and_ranges_are_sorted() {
    let place = hundred();
    place
        .run(["keys", "-s", "-n", "2"])
        .succeeds()
        .prints("k000\nk001\n");
    place
        .run(["range", "k005", "k007"])
        .succeeds()
        .prints("k005\tv5\nk006\tv6\n");
    place
        .run(["range", "k098"])
        .succeeds()
        .prints("k098\tv98\nk099\tv99\n");
    place
        .run(["scan", "k09", "--sort", "--limit", "1"])
        .succeeds()
        .prints("k090\tv90\n");
}

#[test]
fn json_lists_are_an_object_per_line() {
    let place = hundred();
    let page = place
        .run(["scan", "--json", "--limit", "5"])
        .succeeds()
        .text();
    let lines: Vec<serde_json::Value> = page
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(lines[0]["key"].is_string() && lines[0]["value"].is_string());
    assert!(lines.last().unwrap()["cursor"].is_string());
}

#[test]
fn separators_can_be_zero_bytes() {
    let place = Place::with(&[("a\nb", "c\td")]);
    place.run(["scan", "-0"]).succeeds().prints("a\nb\0c\td\0");
    place
        .run(["scan", "--base64"])
        .succeeds()
        .prints("YQpi\tYwlk\n");
}
