//! The steps, in the order in which they are run: what fails fast and often first.

mod browser;
mod guests;
mod lint;
mod native;
mod package;
mod server;

use super::{Done, Step, World};
use crate::shell::{self, Result};

pub(super) const STEPS: &[Step] = &[
    Step {
        name: "clippy and rustfmt",
        part: "lint",
        needs: &[],
        run: lint::components,
    },
    Step {
        name: "format",
        part: "lint",
        needs: &["clippy and rustfmt"],
        run: lint::format,
    },
    Step {
        name: "clippy",
        part: "lint",
        needs: &["clippy and rustfmt"],
        run: lint::clippy,
    },
    Step {
        name: "native tests",
        part: "engine",
        needs: &[],
        run: native::native_tests,
    },
    Step {
        name: "colliding hashes and planted bugs",
        part: "engine",
        needs: &[],
        run: native::colliding_hashes,
    },
    Step {
        name: "server",
        part: "server",
        needs: &[],
        run: server::server,
    },
    Step {
        name: "redis-py's tests",
        part: "server",
        needs: &["server"],
        run: server::redis_py,
    },
    Step {
        name: "redis crate's tests",
        part: "server",
        needs: &["server"],
        run: server::redis_rs,
    },
    Step {
        name: "crash images",
        part: "proof",
        needs: &[],
        run: native::crash_images,
    },
    Step {
        name: "power cuts",
        part: "proof",
        needs: &[],
        run: native::power_cuts,
    },
    Step {
        name: "reliability page",
        part: "proof",
        needs: &[],
        run: native::reliability_page,
    },
    Step {
        name: "rustdoc",
        part: "docs",
        needs: &[],
        run: lint::rustdoc,
    },
    Step {
        name: "doc tests",
        part: "docs",
        needs: &[],
        run: lint::doc_tests,
    },
    Step {
        name: "benchmarks",
        part: "bench",
        needs: &["clippy and rustfmt"],
        run: native::benchmarks,
    },
    Step {
        name: "performance page",
        part: "bench",
        needs: &[],
        run: native::performance_page,
    },
    Step {
        name: "canary without std",
        part: "nostd",
        needs: &[],
        run: native::canary_without_std,
    },
    Step {
        name: "wasm without std",
        part: "nostd",
        needs: &[],
        run: native::wasm_without_std,
    },
    Step {
        name: "wasi target",
        part: "wasm",
        needs: &[],
        run: guests::wasi_target,
    },
    Step {
        name: "portcask.wasm",
        part: "wasm",
        needs: &["wasi target"],
        run: guests::portcask_wasm,
    },
    Step {
        name: "plugin's size",
        part: "wasm",
        needs: &["wasi target"],
        run: guests::plugin_size,
    },
    Step {
        name: "clippy for wasi",
        part: "lint",
        needs: &["clippy and rustfmt", "wasi target"],
        run: lint::clippy_for_wasi,
    },
    Step {
        name: "node",
        part: "wasi",
        needs: &[],
        run: guests::node,
    },
    Step {
        name: "wasi tests",
        part: "wasi",
        needs: &["portcask.wasm", "node"],
        run: guests::wasi_tests,
    },
    Step {
        name: "plugin",
        part: "wasi",
        needs: &["wasi target", "node"],
        run: guests::plugin,
    },
    Step {
        name: "wasmtime",
        part: "wasi",
        needs: &[],
        run: guests::wasmtime,
    },
    Step {
        name: "readme's wasmtime line",
        part: "wasi",
        needs: &["portcask.wasm", "wasmtime"],
        run: guests::readme_line,
    },
    Step {
        name: "clippy for browsers",
        part: "lint",
        needs: &["clippy and rustfmt"],
        run: lint::clippy_for_browsers,
    },
    Step {
        name: "browser package",
        part: "web",
        needs: &["node"],
        run: browser::browser_package,
    },
    Step {
        name: "browser package's types",
        part: "web",
        needs: &["browser package"],
        run: browser::browser_types,
    },
    Step {
        name: "browser",
        part: "web",
        needs: &["browser package"],
        run: browser::browser,
    },
    Step {
        name: "short demo",
        part: "demo",
        needs: &["portcask.wasm", "node", "wasmtime"],
        run: guests::short_demo,
    },
    Step {
        name: "packages",
        part: "package",
        needs: &[],
        run: package::packages,
    },
];

fn cargo(world: &World<'_>, arguments: &[&str]) -> Result<Done> {
    shell::run(world.repo.cargo().args(arguments))?;
    Ok(Done::Passed)
}
