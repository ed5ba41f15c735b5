//! The committed stores read the same through the command, natively; `hosts/tests/golden.rs` asks
//! the same of wasmtime and Node.

#![cfg(not(target_family = "wasm"))]

use std::path::Path;
use std::process::Command;

#[test]
fn the_committed_stores_are_exported_as_they_were_written() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/tests/golden");
    for name in ["v1", "v1-lived"] {
        let output = Command::new(env!("CARGO_BIN_EXE_portcask"))
            .arg("--dir")
            .arg(golden.join(name))
            .arg("export")
            .output()
            .unwrap();
        assert!(output.status.success(), "{name}");
        let expected = std::fs::read(golden.join(format!("{name}.jsonl"))).unwrap();
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&expected),
            "{name}"
        );
    }
}
