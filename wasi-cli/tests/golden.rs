//! The committed store reads the same through the command, natively; `hosts/tests/golden.rs` asks
//! the same of wasmtime and Node.

#![cfg(not(target_family = "wasm"))]

use std::path::Path;
use std::process::Command;

#[test]
fn the_committed_store_is_exported_as_it_was_written() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/tests/golden");
    let output = Command::new(env!("CARGO_BIN_EXE_portcask"))
        .arg("--dir")
        .arg(golden.join("v1"))
        .arg("export")
        .output()
        .unwrap();
    assert!(output.status.success());
    let expected = std::fs::read(golden.join("v1.jsonl")).unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&expected)
    );
}
