//! The committed store reads the same in both sandboxes as it does natively
//! (`wasi-cli/tests/golden.rs`): the same directory, the same bytes, three hosts.

use portcask_hosts::{Output, Preopen, cache, guests, node};
use std::path::{Path, PathBuf};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/tests/golden")
}

/// Exports the committed store in a sandbox and compares.
fn exports_what_was_written(run: impl Fn(&[&str], &[Preopen]) -> Output) {
    let preopens = [(golden().join("v1"), "store".into())];
    let output = run(&["portcask", "--dir", "store", "export"], &preopens);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status, 0, "{said}");
    let expected = std::fs::read_to_string(golden().join("v1.jsonl")).unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
}

#[test]
fn the_committed_store_reads_the_same_on_wasmtime() {
    let module = std::fs::read(guests::portcask().unwrap()).unwrap();
    let guest = cache::load_or_compile(&module).unwrap();
    exports_what_was_written(|args, preopens| guest.run(args, &[], preopens, &[]).unwrap());
}

#[test]
fn the_committed_store_reads_the_same_on_node() {
    if node::version().is_none() {
        return eprintln!("skipped: there is no `node` on this machine");
    }
    let module = guests::portcask().unwrap();
    exports_what_was_written(|args, preopens| {
        node::run_wasi(&module, &args[1..], &[], preopens, &[]).unwrap()
    });
}
