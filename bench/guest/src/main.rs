//! The workloads of [`guest::sandbox`] as a program of its own, to be run by a WASI host.
//!
//! ```text
//! portcask-bench-guest DIRECTORY KEYS SEED      prints {"figures":{NAME:NUMBER,...}}
//! ```

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| words.get(at).and_then(|word: &String| word.parse().ok());
    let (Some(dir), Some(keys), Some(seed)) = (words.first(), number(1), number(2)) else {
        eprintln!("usage: portcask-bench-guest DIRECTORY KEYS SEED");
        return ExitCode::FAILURE;
    };
    match guest::sandbox::run(Path::new(dir), keys, seed) {
        Ok(figures) => {
            let figures: Vec<String> = figures
                .iter()
                .map(|(name, figure)| format!("\"{name}\":{figure}"))
                .collect();
            println!("{{\"figures\":{{{}}}}}", figures.join(","));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
