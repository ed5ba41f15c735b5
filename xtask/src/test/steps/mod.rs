//! The steps, in the order in which they are run: what fails fast and often first.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Done, Step, World};
use crate::shell::{self, Context, Failure, Result};
use crate::{bench, canary, demo, outside, proof, readme, setup, size, wasm, web};

pub(super) const STEPS: &[Step] = &[
    Step {
        name: "clippy and rustfmt",
        part: "lint",
        needs: &[],
        run: components,
    },
    Step {
        name: "format",
        part: "lint",
        needs: &["clippy and rustfmt"],
        run: format,
    },
    Step {
        name: "clippy",
        part: "lint",
        needs: &["clippy and rustfmt"],
        run: clippy,
    },
    Step {
        name: "native tests",
        part: "engine",
        needs: &[],
        run: native_tests,
    },
    Step {
        name: "colliding hashes and planted bugs",
        part: "engine",
        needs: &[],
        run: colliding_hashes,
    },
    Step {
        name: "server",
        part: "server",
        needs: &[],
        run: server,
    },
    Step {
        name: "redis-py's tests",
        part: "server",
        needs: &["server"],
        run: redis_py,
    },
    Step {
        name: "redis crate's tests",
        part: "server",
        needs: &["server"],
        run: redis_rs,
    },
    Step {
        name: "crash images",
        part: "proof",
        needs: &[],
        run: crash_images,
    },
    Step {
        name: "power cuts",
        part: "proof",
        needs: &[],
        run: power_cuts,
    },
    Step {
        name: "reliability page",
        part: "proof",
        needs: &[],
        run: reliability_page,
    },
    Step {
        name: "rustdoc",
        part: "docs",
        needs: &[],
        run: rustdoc,
    },
    Step {
        name: "doc tests",
        part: "docs",
        needs: &[],
        run: doc_tests,
    },
    Step {
        name: "benchmarks",
        part: "bench",
        needs: &["clippy and rustfmt"],
        run: benchmarks,
    },
    Step {
        name: "performance page",
        part: "bench",
        needs: &[],
        run: performance_page,
    },
    Step {
        name: "canary without std",
        part: "nostd",
        needs: &[],
        run: canary_without_std,
    },
    Step {
        name: "wasm without std",
        part: "nostd",
        needs: &[],
        run: wasm_without_std,
    },
    Step {
        name: "wasi target",
        part: "wasm",
        needs: &[],
        run: wasi_target,
    },
    Step {
        name: "portcask.wasm",
        part: "wasm",
        needs: &["wasi target"],
        run: portcask_wasm,
    },
    Step {
        name: "plugin's size",
        part: "wasm",
        needs: &["wasi target"],
        run: plugin_size,
    },
    Step {
        name: "clippy for wasi",
        part: "lint",
        needs: &["clippy and rustfmt", "wasi target"],
        run: clippy_for_wasi,
    },
    Step {
        name: "node",
        part: "wasi",
        needs: &[],
        run: node,
    },
    Step {
        name: "wasi tests",
        part: "wasi",
        needs: &["portcask.wasm", "node"],
        run: wasi_tests,
    },
    Step {
        name: "plugin",
        part: "wasi",
        needs: &["wasi target", "node"],
        run: plugin,
    },
    Step {
        name: "wasmtime",
        part: "wasi",
        needs: &[],
        run: wasmtime,
    },
    Step {
        name: "readme's wasmtime line",
        part: "wasi",
        needs: &["portcask.wasm", "wasmtime"],
        run: readme_line,
    },
    Step {
        name: "clippy for browsers",
        part: "lint",
        needs: &["clippy and rustfmt"],
        run: clippy_for_browsers,
    },
    Step {
        name: "browser package",
        part: "web",
        needs: &["node"],
        run: browser_package,
    },
    Step {
        name: "browser package's types",
        part: "web",
        needs: &["browser package"],
        run: browser_types,
    },
    Step {
        name: "browser",
        part: "web",
        needs: &["browser package"],
        run: browser,
    },
    Step {
        name: "short demo",
        part: "demo",
        needs: &["portcask.wasm", "node", "wasmtime"],
        run: short_demo,
    },
    Step {
        name: "packages",
        part: "package",
        needs: &[],
        run: packages,
    },
];

fn components(world: &World<'_>) -> Result<Done> {
    setup::components(world.repo).map(Done::Noted)
}

fn format(world: &World<'_>) -> Result<Done> {
    cargo(world, &["fmt", "--all", "--check"])?;
    let canary = [
        "fmt",
        "--check",
        "--manifest-path",
        "xtask/canary/Cargo.toml",
    ];
    cargo(world, &canary)
}

fn clippy(world: &World<'_>) -> Result<Done> {
    cargo(
        world,
        &[
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ],
    )
}

/// The tests of the default members. nextest is used where it is installed; it runs test programs side by side.
fn native_tests(world: &World<'_>) -> Result<Done> {
    test_run(world, &[])
}

/// The engine once more with 16 bits of hash, where different keys meet all the time. The same build
/// can be given bugs, to see that the tests catch them.
fn colliding_hashes(world: &World<'_>) -> Result<Done> {
    let features = "short-hash,planted-bugs";
    test_run(
        world,
        &["--package", "portcask-core", "--features", features],
    )
}

fn test_run(world: &World<'_>, selection: &[&str]) -> Result<Done> {
    let nextest = shell::capture(world.repo.cargo().args(["nextest", "--version"]));
    let mut command = world.repo.cargo();
    command.env("INSTA_UPDATE", "no");
    // The command imports from one; where there is none, its test says so.
    if setup::redis(world.consent).is_ok() {
        command.env("PORTCASK_REQUIRE_REDIS", "1");
    }
    let runner = if nextest.is_ok_and(|output| output.success) {
        command.args(["nextest", "run", "--no-fail-fast", "--no-tests=pass"]);
        command.args(["--status-level=fail", "--final-status-level=slow"]);
        "cargo nextest"
    } else {
        command.args([
            "test",
            "--no-fail-fast",
            "--lib",
            "--bins",
            "--tests",
            "--examples",
        ]);
        "cargo test"
    };
    shell::run(command.args(selection))?;
    Ok(Done::Noted(format!("with {runner}")))
}

/// The server's tests. Where redis-server cannot be had, its replies are compared with nothing, and that is
/// said; on a throw-away machine, which can have it, that is a failure.
fn server(world: &World<'_>) -> Result<Done> {
    let redis = setup::redis(world.consent);
    let mut command = world.repo.cargo();
    let packages = [
        "--package",
        "portcask-server",
        "--package",
        "portcask-client",
    ];
    command.arg("test").args(packages).arg("--no-fail-fast");
    if redis.is_ok() {
        command.env("PORTCASK_REQUIRE_REDIS", "1");
    }
    let clients = setup::Clients::ready(world.repo, world.consent);
    if let Ok(python) = &clients.python {
        command.env("PORTCASK_PYTHON", python);
    }
    if let Ok(modules) = &clients.node_modules {
        command.env("PORTCASK_NODE_MODULES", modules);
    }
    shell::run(&mut command)?;
    let lacking = clients.about().into_iter();
    let lacking = lacking.filter_map(|(what, outcome)| Some(format!("{what}: {}", outcome.err()?)));
    let lacking: Vec<_> = lacking.collect();
    let clients = match lacking.is_empty() {
        true => String::new(),
        false => format!("; NOT RUN, of the page of clients: {}", lacking.join("; ")),
    };
    match redis {
        Ok(way) => Ok(Done::Noted(format!("beside {way}{clients}"))),
        Err(reason) if world.consent.is_given() => Err(reason),
        Err(reason) => Ok(Done::Noted(format!("NOT COMPARED with Redis: {reason}"))),
    }
}

/// Another project's tests, with a client in another language.
fn redis_py(world: &World<'_>) -> Result<Done> {
    match setup::python(world.consent) {
        Ok(_) => outside::redis_py(world.repo, world.consent).map(Done::Noted),
        Err(reason) if world.consent.is_given() => Err(reason),
        Err(reason) => Ok(Done::Skipped(reason.to_string())),
    }
}

fn redis_rs(world: &World<'_>) -> Result<Done> {
    outside::redis_rs(world.repo).map(Done::Noted)
}

/// A small share of `cargo xtask prove`.
fn crash_images(world: &World<'_>) -> Result<Done> {
    proof::run(world.repo, &["prove", "--images", "20000"])?;
    Ok(Done::Noted("20,000 distinct ones".to_owned()))
}

/// A few real ones; the campaign says itself why it cannot cut.
fn power_cuts(world: &World<'_>) -> Result<Done> {
    match proof::run_if_able(world.repo, &["powercut", "--cuts", "10"])? {
        true => Ok(Done::Passed),
        false => Ok(Done::Skipped("no power was cut, as said above".to_owned())),
    }
}

fn reliability_page(world: &World<'_>) -> Result<Done> {
    proof::run(world.repo, &["reliability", "--check"])?;
    Ok(Done::Passed)
}

/// Their code and tests, without the other stores, which take minutes to compile.
fn benchmarks(world: &World<'_>) -> Result<Done> {
    shell::run(bench::cargo(world.repo, "fmt").args(["--all", "--check"]))?;
    let without_peers = ["--workspace", "--no-default-features"];
    let mut clippy = bench::cargo(world.repo, "clippy");
    shell::run(
        clippy
            .args(without_peers)
            .args(["--all-targets", "--", "-D", "warnings"]),
    )?;
    shell::run(bench::cargo(world.repo, "test").args(without_peers))?;
    Ok(Done::Passed)
}

fn performance_page(world: &World<'_>) -> Result<Done> {
    shell::run(&mut bench::page(world.repo, &["--check"]))?;
    Ok(Done::Passed)
}

fn rustdoc(world: &World<'_>) -> Result<Done> {
    let mut command = world.repo.cargo();
    command.env("RUSTDOCFLAGS", "-D warnings");
    shell::run(command.args(["doc", "--workspace", "--no-deps"]))?;
    Ok(Done::Passed)
}

fn doc_tests(world: &World<'_>) -> Result<Done> {
    cargo(world, &["test", "--doc", "--no-fail-fast"])
}

fn canary_without_std(world: &World<'_>) -> Result<Done> {
    if !cfg!(unix) {
        return Ok(Done::Skipped("the canary is a Unix program".to_owned()));
    }
    canary::check(world.repo)?;
    Ok(Done::Passed)
}

/// Where the bare target cannot be had, the canary alone is the proof.
fn wasm_without_std(world: &World<'_>) -> Result<Done> {
    let bare = setup::WasmToolchain::ready(world.repo, setup::Target::Bare, world.consent);
    let toolchain = match bare {
        Ok(toolchain) => toolchain,
        Err(reason) => return Ok(Done::Skipped(reason.to_string())),
    };
    let mut command = toolchain.cargo(world.repo);
    command.args(["build", "--release", "--package", "portcask-core"]);
    shell::run(command.args(toolchain.target_arguments()))?;
    Ok(Done::Noted(toolchain.way()))
}

fn wasi_target(world: &World<'_>) -> Result<Done> {
    world.wasip1().map(|toolchain| Done::Noted(toolchain.way()))
}

fn portcask_wasm(world: &World<'_>) -> Result<Done> {
    wasm::build(world.repo, world.wasip1()?)?;
    Ok(Done::Passed)
}

/// Skipped where wasm-opt cannot be had, but for throw-away machines, which can have everything.
fn plugin_size(world: &World<'_>) -> Result<Done> {
    let wasm_opt = match setup::WasmOpt::ready(world.repo, world.consent) {
        Ok(wasm_opt) => wasm_opt,
        // Also where it was allowed to be fetched: the registry may be out of reach.
        Err(reason) => return Ok(Done::Skipped(reason.to_string())),
    };
    let measured = size::measure(world.repo, world.wasip1()?, &wasm_opt)?;
    print!("{}", measured.table());
    measured.check(world.repo)?;
    Ok(Done::Noted(measured.brief()))
}

/// The plugin under Node, then what it left under the native command.
fn plugin(world: &World<'_>) -> Result<Done> {
    let module = size::build(world.repo, world.wasip1()?)?;
    let folder = world.repo.emptied("plugin-store")?;
    let host = world.repo.root.join("hosts/node/plugin.mjs");
    let mut node = Command::new("node");
    let expected = shell::read(node.arg(host).arg(module).arg(&folder))?;
    let native = |words: &[&str]| {
        let mut cargo = world.repo.cargo();
        cargo.args(["run", "--quiet", "--package", "portcask-cli", "--", "--dir"]);
        shell::read(cargo.arg(&folder).args(words))
    };
    let [found, expected] = [&native(&["export", "--format", "tsv"])?, &expected]
        .map(|text| demo::model::from_tsv(text));
    let (found, expected) = (found?, expected?);
    demo::model::compare(&found, &expected)?;
    native(&["verify"])?;
    let keys = crate::wasm::counted(found.len(), "key");
    Ok(Done::Noted(format!(
        "{keys} written in the sandbox, read natively"
    )))
}

fn clippy_for_wasi(world: &World<'_>) -> Result<Done> {
    let toolchain = world.wasip1()?;
    if !toolchain.has_clippy() {
        return Ok(Done::Skipped(
            "Debian's compiler comes without our clippy".to_owned(),
        ));
    }
    // The plugin goes without the standard library, which it could not beside a package that wants it.
    let alone = ["--package", "portcask-plugin"].as_slice();
    let with_std = ["--package", "portcask", "--package", "portcask-cli"].as_slice();
    for packages in [with_std, alone] {
        let mut command = toolchain.cargo(world.repo);
        command.arg("clippy").args(packages);
        command.args(toolchain.target_arguments());
        shell::run(command.args(["--", "-D", "warnings"]))?;
    }
    Ok(Done::Passed)
}

fn node(world: &World<'_>) -> Result<Done> {
    setup::node(world.consent).map(Done::Noted)
}

/// The guests are built here and handed over, so that the tests need no wasm compiler of their own.
fn wasi_tests(world: &World<'_>) -> Result<Done> {
    let toolchain = world.wasip1()?;
    let mut command = toolchain.cargo(world.repo);
    command.args(["build", "--profile", "wasm", "--package", "portcask"]);
    command.args(["--example", "contract", "--features", "testing"]);
    shell::run(command.args(toolchain.target_arguments()))?;
    let contract = "wasm32-wasip1/wasm/examples/contract.wasm";
    let mut command = world.repo.cargo();
    command
        .env("INSTA_UPDATE", "no")
        .env("PORTCASK_CONTRACT_WASM", world.repo.target.join(contract))
        .env("PORTCASK_WASM", wasm::path(world.repo));
    shell::run(command.args(["test", "--package", "portcask-hosts", "--no-fail-fast"]))?;
    Ok(Done::Passed)
}

fn wasmtime(world: &World<'_>) -> Result<Done> {
    world
        .wasmtime()
        .map(|wasmtime| Done::Noted(wasmtime.about()))
}

fn clippy_for_browsers(world: &World<'_>) -> Result<Done> {
    let toolchain = match world.browser_target() {
        Ok(toolchain) => toolchain,
        Err(reason) => return Ok(Done::Skipped(reason.to_string())),
    };
    if !toolchain.has_clippy() {
        return Ok(Done::Skipped(
            "Debian's compiler comes without our clippy".to_owned(),
        ));
    }
    let mut command = toolchain.cargo(world.repo);
    command.args(["clippy", "--package", "portcask", "--package"]);
    command.args(["portcask-web", "--features", "portcask-web/full"]);
    command.args(toolchain.target_arguments());
    shell::run(command.args(["--", "-D", "warnings"]))?;
    Ok(Done::Passed)
}

/// Built, weighed, and packed with all that it needs.
fn browser_package(world: &World<'_>) -> Result<Done> {
    let toolchain = world.browser_target()?;
    web::build(world.repo, &toolchain, world.consent)?;
    match setup::WebTools::ready(world.repo, world.consent) {
        Ok(tools) => web::weigh(world.repo, &tools).map(Done::Noted),
        Err(reason) => Ok(Done::Noted(format!("not weighed: {reason}"))),
    }
}

fn browser_types(world: &World<'_>) -> Result<Done> {
    let tools = match setup::WebTools::ready(world.repo, world.consent) {
        Ok(tools) => tools,
        Err(reason) => return Ok(Done::Skipped(reason.to_string())),
    };
    web::check_types(world.repo, &tools)?;
    Ok(Done::Passed)
}

/// Skipped where no browser can be had; throw-away machines can have one.
fn browser(world: &World<'_>) -> Result<Done> {
    let chromium = match setup::Browser::ready(world.consent) {
        Ok(chromium) => chromium,
        Err(reason) => return Ok(Done::Skipped(reason.to_string())),
    };
    let tools = match setup::WebTools::ready(world.repo, world.consent) {
        Ok(tools) => tools,
        Err(reason) => return Ok(Done::Skipped(reason.to_string())),
    };
    web::test(world.repo, &world.browser_target()?, &tools, &chromium)?;
    Ok(Done::Noted(chromium.about()))
}

/// Runs the README's lines in a folder that looks like a fresh clone after `cargo xtask wasm`.
fn readme_line(world: &World<'_>) -> Result<Done> {
    let lines = readme::commands(&world.repo.text("README.md")?, "wasmtime run --dir");
    if lines.is_empty() {
        return Err(Failure::new(
            "README.md shows no line \"wasmtime run --dir ..\"",
        ));
    }
    let folder = world.repo.emptied("readme")?;
    let module = wasm::path(world.repo);
    fs::create_dir(folder.join("target")).doing("cannot make a target folder")?;
    for place in ["portcask.wasm", "target/portcask.wasm"] {
        fs::copy(&module, folder.join(place)).doing("cannot copy portcask.wasm")?;
    }
    let wasmtime = world.wasmtime()?;
    for line in &lines {
        let words = readme::words(line)?;
        make_directory_of(&words, &folder)?;
        println!("    README: {line}");
        shell::run(
            Command::new(&wasmtime.program)
                .args(&words[1..])
                .current_dir(&folder),
        )?;
    }
    let kind = if wasmtime.is_real {
        "a real wasmtime"
    } else {
        "THE EMBEDDED wasmtime"
    };
    Ok(Done::Noted(format!(
        "{} with {kind}",
        crate::wasm::counted(lines.len(), "line")
    )))
}

/// The README makes the preopened directory in a line of its own.
fn make_directory_of(words: &[String], folder: &Path) -> Result<()> {
    let at = words.iter().position(|word| word == "--dir");
    let Some(directory) = at.and_then(|at| words.get(at + 1)) else {
        return Ok(());
    };
    let host = directory.split("::").next().unwrap_or_default();
    fs::create_dir_all(folder.join(host)).doing(format_args!("cannot make {host}"))
}

fn short_demo(world: &World<'_>) -> Result<Done> {
    demo::tell(world.repo, world.wasmtime()?, demo::Length::Short)?;
    Ok(Done::Passed)
}

/// Every crate that may be published can be: its package holds what it needs and builds on its own.
fn packages(world: &World<'_>) -> Result<Done> {
    let packages = world.repo.publishable()?;
    forget_unpacked(&packages);
    let mut command = world.repo.cargo();
    command.args(["package", "--allow-dirty"]);
    for package in &packages {
        command.args(["--package", package]);
    }
    shell::run(&mut command)?;
    Ok(Done::Noted(packages.join(", ")))
}

/// Cargo verifies packages that need each other against a registry of its own making, and keeps
/// what it unpacked from there by version. All our commits have one version, so an earlier one's
/// sources would be taken for today's: drop them. Such registries have no host in their name.
fn forget_unpacked(packages: &[String]) {
    let home = std::env::var_os("CARGO_HOME").map_or_else(
        || std::env::home_dir().unwrap_or_default().join(".cargo"),
        PathBuf::from,
    );
    for kind in ["src", "cache"] {
        let registries = fs::read_dir(home.join("registry").join(kind));
        for registry in registries.into_iter().flatten().flatten() {
            if !registry.file_name().to_string_lossy().starts_with('-') {
                continue;
            }
            for unpacked in fs::read_dir(registry.path())
                .into_iter()
                .flatten()
                .flatten()
            {
                let name = unpacked.file_name().to_string_lossy().into_owned();
                let is_ours = |package: &String| {
                    let version = name.strip_prefix(package.as_str());
                    version.is_some_and(|rest| rest.starts_with("-0"))
                };
                if packages.iter().any(is_ours) {
                    let _ = fs::remove_dir_all(unpacked.path());
                    let _ = fs::remove_file(unpacked.path());
                }
            }
        }
    }
}

fn cargo(world: &World<'_>, arguments: &[&str]) -> Result<Done> {
    shell::run(world.repo.cargo().args(arguments))?;
    Ok(Done::Passed)
}
