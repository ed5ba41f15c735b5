//! The page's Rust is two examples, which run.

use crate::servers::start;

#[path = "../../examples/redis_crate.rs"]
#[allow(dead_code, reason = "its `main` is for people")]
mod redis_crate;
#[path = "../../examples/same_verbs.rs"]
#[allow(dead_code, reason = "its `main` is for people")]
mod same_verbs;

const PAGE: &str = include_str!("../../../docs/CLIENTS.md");

#[test]
fn the_pages_rust_is_that_of_the_examples() {
    for (name, text) in [
        ("same_verbs", include_str!("../../examples/same_verbs.rs")),
        ("redis_crate", include_str!("../../examples/redis_crate.rs")),
    ] {
        let shown = format!("<!-- client/examples/{name}.rs -->\n```rust\n{text}```\n");
        assert!(PAGE.contains(&shown), "{name} differs from docs/CLIENTS.md");
    }
}

#[test]
fn the_pages_rust_runs() {
    let server = start();
    same_verbs::run(&server.url()).unwrap();
    redis_crate::run(&server.url()).unwrap();
    let db = server.connect();
    assert_eq!(db.get(b"lengths").unwrap().as_deref(), Some(&b"1"[..]));
    assert_eq!(db.get(b"count").unwrap().as_deref(), Some(&b"1"[..]));
    assert_eq!(db.get(b"cat").unwrap().as_deref(), Some(&b"meow"[..]));
}
