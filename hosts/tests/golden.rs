//! The committed stores read the same in both sandboxes as it does natively
//! (`wasi-cli/tests/golden.rs`): the same directories, the same bytes, three hosts.

use portcask_hosts::{Output, Preopen, cache, guests, node};
use std::path::{Path, PathBuf};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/tests/golden")
}

/// Exports the committed stores in a sandbox and compares.
fn exports_what_was_written(run: impl Fn(&[&str], &[Preopen]) -> Output) {
    for name in ["v1", "v1-lived"] {
        let preopens = [(golden().join(name), "store".into())];
        let output = run(&["portcask", "--dir", "store", "export"], &preopens);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status, 0, "{name}: {said}");
        let expected = std::fs::read_to_string(golden().join(format!("{name}.jsonl"))).unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{name}");
    }
}

#[test]
fn the_committed_stores_read_the_same_on_wasmtime() {
    let module = std::fs::read(guests::portcask().unwrap()).unwrap();
    let guest = cache::load_or_compile(&module).unwrap();
    exports_what_was_written(|args, preopens| guest.run(args, &[], preopens, &[]).unwrap());
}

#[test]
fn the_committed_stores_read_the_same_on_node() {
    if node::version().is_none() {
        return eprintln!("skipped: there is no `node` on this machine");
    }
    let module = guests::portcask().unwrap();
    exports_what_was_written(|args, preopens| {
        node::run_wasi(&module, &args[1..], &[], preopens, &[]).unwrap()
    });
}
