//! The tests of other projects against our server: redis-py's from its source package, the `redis` crate's from its
//! archive. Both are fetched, pinned, and unpacked below the target directory; nothing of them is in the repository.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::repo::Repo;
use crate::setup::{self, Consent};
use crate::shell::{self, Context, Failure, Result};

const REDIS_PY: &str = "redis-5.2.1";
const REDIS_RS: &str = "redis-1.8.1";
/// The test files of redis-py that are about commands, messages and connections of one server.
const REDIS_PY_FILES: [&str; 9] = [
    "test_commands.py",
    "test_pubsub.py",
    "test_pipeline.py",
    "test_connection.py",
    "test_connection_pool.py",
    "test_encoding.py",
    "test_retry.py",
    "test_multiprocessing.py",
    "test_lock.py",
];

/// Runs redis-py's tests; answers what they say in the end.
pub fn redis_py(repo: &Repo, consent: Consent) -> Result<String> {
    let python = setup::python(consent)?;
    let folder = repo.made("outside/redis-py")?;
    let tests = unpacked(&folder, &python, repo)?;
    let server = Server::start(repo)?;
    let mut pytest = Command::new(folder.join("venv/bin/python"));
    pytest.current_dir(&tests).args(["-m", "pytest", "-q"]);
    pytest.args(REDIS_PY_FILES.map(|file| format!("tests/{file}")));
    pytest.arg(format!("--redis-url=redis://{}/0", server.address));
    pytest.args(["-m", "not redismod and not onlycluster", "-p", "redis_py"]);
    pytest.args(["-p", "no:cacheprovider", "--tb=line", "--timeout=30"]);
    pytest.env("PYTHONPATH", repo.root.join("server/outside"));
    pytest.env("PYTHONDONTWRITEBYTECODE", "1");
    let output = shell::capture(&mut pytest)?;
    let is_verdict = |line: &&str| line.starts_with("redis-py: ");
    let verdict = output.stdout.lines().find(is_verdict);
    let signs = ["SURPRISE", "LISTED BUT FINE"];
    let is_surprise = |line: &&str| signs.iter().any(|sign| line.starts_with(sign));
    let surprises = output.stdout.lines().filter(is_surprise);
    surprises.for_each(|line| println!("    {line}"));
    match (verdict, output.success) {
        (Some(verdict), true) => Ok(verdict.to_owned()),
        (Some(verdict), false) => Err(Failure::new(verdict)),
        (None, _) => Err(Failure::new(format!("pytest: {}", output.last_words()))),
    }
}

/// Makes the environment and unpacks the source package, unless that was done; answers where the tests are.
fn unpacked(folder: &Path, python: &str, repo: &Repo) -> Result<PathBuf> {
    let ready = folder.join("ready");
    let tests = folder.join(REDIS_PY);
    let wanted = repo.text("server/outside/requirements.txt")?;
    if fs::read_to_string(&ready).is_ok_and(|made| made == wanted) {
        return Ok(tests);
    }
    let venv = folder.join("venv");
    shell::run(
        Command::new(python)
            .args(["-m", "venv", "--clear"])
            .arg(&venv),
    )?;
    let pip = || {
        let mut pip = Command::new(venv.join("bin/python"));
        pip.args(["-m", "pip", "--quiet", "--disable-pip-version-check"]);
        pip
    };
    let version = REDIS_PY.replace("redis-", "redis==");
    let source = ["download", "--no-deps", "--no-binary=:all:", "--dest"];
    shell::run(pip().args(source).arg(folder).arg(version))?;
    let archive = folder.join(format!("{REDIS_PY}.tar.gz"));
    shell::run(
        Command::new("tar")
            .arg("xzf")
            .arg(&archive)
            .arg("-C")
            .arg(folder),
    )?;
    let requirements = repo.root.join("server/outside/requirements.txt");
    shell::run(pip().args(["install", "-r"]).arg(requirements))?;
    shell::run(pip().args(["install", "--no-deps"]).arg(&archive))?;
    fs::write(&ready, wanted).doing("cannot note that redis-py is ready")?;
    Ok(tests)
}

/// A case that talks to a server of its own and wants its answer within 10 ms: on a busy machine it fails whatever ours
/// does.
const OWN_SERVER: &str = "test_timeout_in_middle_of_message_leaves_connection_usable";

/// Cases that want each answer within 5 ms. Beside others on a busy machine they fail whatever a server does, so they
/// are run alone, and may try again.
const HURRIED: [&str; 1] = ["basic::test_pubsub_handles_timeout"];

/// How often a hurried case may try.
const TRIES: u32 = 5;

/// Runs the `redis` crate's tests; answers how they ended.
pub fn redis_rs(repo: &Repo) -> Result<String> {
    let folder = repo.made("outside/redis-rs")?;
    for file in ["Cargo.toml", "Cargo.lock"] {
        let from = repo.root.join("server/outside/redis-rs").join(file);
        fs::copy(&from, folder.join(file)).doing(format_args!("cannot copy {}", from.display()))?;
    }
    fs::write(folder.join("empty.rs"), "").doing("cannot write to the target directory")?;
    let cargo = || {
        let mut cargo = repo.cargo();
        cargo
            .current_dir(&folder)
            .env("CARGO_TARGET_DIR", repo.target.join("outside/build"));
        cargo
    };
    let archive = archive(&mut cargo())?;
    let copied = Command::new("cp")
        .arg("-RT")
        .arg(archive.join("tests"))
        .arg(folder.join("tests"))
        .status();
    if !copied.doing("cannot start cp")?.success() {
        return Err(Failure::new(
            "the tests of the redis crate cannot be copied",
        ));
    }
    let tests = ["test", "--quiet", "--locked", "--test", "test_basic"];
    // So that what the compiler says of another project's code is not among the results.
    shell::run(
        cargo()
            .args(tests)
            .arg("--no-run")
            .env("RUSTFLAGS", "--cap-lints=allow"),
    )?;
    let run = |how: &[&str]| {
        let mut run = cargo();
        run.args(tests).args(["--no-fail-fast", "--"]).args(how);
        run.env("RUSTFLAGS", "--cap-lints=allow")
            .env("RUST_BACKTRACE", "0");
        run.env("PORTCASK_SERVER", repo.target.join("debug/portcask-server"));
        run.env(
            "REDISRS_SERVER_BIN",
            repo.root.join("server/outside/redis-server.sh"),
        );
        shell::capture(&mut run)
    };
    let mut most = vec!["--test-threads=8", "--skip", OWN_SERVER];
    most.extend(HURRIED.iter().flat_map(|case| ["--skip", case]));
    let output = run(&most)?;
    for case in HURRIED {
        let mut tries = 1;
        while !run(&["--exact", case])?.stdout.contains(" 1 passed") {
            if tries == TRIES {
                return Err(Failure::new(format!("{case} failed {TRIES} times, alone")));
            }
            tries += 1;
        }
    }
    let listed = repo.text("server/outside/differences.txt")?;
    let verdict = judge(&output.stdout, &self::listed(&listed))?;
    Ok(format!("{verdict}, {} alone", HURRIED.len()))
}

/// Where cargo has unpacked the crate.
fn archive(cargo: &mut Command) -> Result<PathBuf> {
    let metadata = shell::read(cargo.args(["metadata", "--locked", "--format-version", "1"]))?;
    let end = format!("{REDIS_RS}/Cargo.toml\"");
    let at = metadata.find(&end).map(|at| at + REDIS_RS.len());
    let path = at.and_then(|at| metadata[..at].rsplit('"').next());
    path.map(PathBuf::from)
        .ok_or_else(|| Failure::new(format!("cargo knows no {REDIS_RS}")))
}

/// The cases of this suite that may fail.
fn listed(differences: &str) -> Vec<&str> {
    let lines = differences.lines();
    let cases = lines.filter_map(|line| line.strip_prefix("redis-rs | ")?.split(" | ").next());
    cases.collect()
}

/// What the output of a test run means: a case may fail for a command that is not offered, or because it is listed.
fn judge(output: &str, listed: &[&str]) -> Result<String> {
    let failed = failures(output);
    let passed = output.lines().find_map(|line| {
        let rest = line.strip_prefix("test result: ")?;
        rest.split(". ")
            .nth(1)?
            .split(' ')
            .next()?
            .parse::<u32>()
            .ok()
    });
    let passed = passed.ok_or_else(|| Failure::new("the tests of the redis crate did not run"))?;
    let is_missing =
        |words: &str| words.contains("unknown command '") || words.contains("unknown subcommand '");
    let (mut missing, mut differ, mut surprises) = (0, 0, 0);
    for (case, words) in &failed {
        if is_missing(words) {
            missing += 1;
        } else if listed.contains(&case.as_str()) {
            differ += 1;
        } else {
            surprises += 1;
            println!("    FAILED {case}: {}", words.trim());
        }
    }
    for case in listed.iter().filter(|case| !failed.contains_key(**case)) {
        surprises += 1;
        println!("    LISTED BUT FINE {case}");
    }
    let verdict = format!(
        "redis-rs: {passed} cases pass, {differ} differ as listed, {missing} need commands that are not \
         offered, {surprises} surprises"
    );
    match surprises == 0 && passed > 50 {
        true => Ok(verdict),
        false => Err(Failure::new(verdict)),
    }
}

/// The cases that failed, and what they said.
fn failures(output: &str) -> BTreeMap<String, String> {
    let mut failures: BTreeMap<String, String> = BTreeMap::new();
    let mut current = None;
    for line in output.lines() {
        if let Some(case) = line
            .strip_prefix("---- ")
            .and_then(|rest| rest.strip_suffix(" stdout ----"))
        {
            current = Some(case.to_owned());
            failures.entry(case.to_owned()).or_default();
        } else if line == "failures:" {
            current = None;
        } else if let Some(words) = current.as_ref().and_then(|case| failures.get_mut(case)) {
            words.push_str(line);
            words.push(' ');
        }
    }
    failures
}

/// A server of ours, for the time of a test run.
struct Server {
    process: Child,
    address: String,
}

impl Server {
    /// Starts what the server's tests have built.
    fn start(repo: &Repo) -> Result<Self> {
        let data = repo.emptied("outside/data")?;
        let mut command = Command::new(repo.target.join("debug/portcask-server"));
        command.args(["--port", "0", "--dir"]).arg(data);
        let process = command.stdout(Stdio::piped()).stdin(Stdio::null()).spawn();
        let mut process = process.doing("cannot start portcask-server")?;
        let mut line = String::new();
        if let Some(output) = process.stdout.take() {
            BufReader::new(output)
                .read_line(&mut line)
                .doing("portcask-server says nothing")?;
        }
        let address = line
            .trim_end()
            .rsplit(' ')
            .next()
            .unwrap_or_default()
            .to_owned();
        let server = Self { process, address };
        match server.address.contains(':') {
            true => Ok(server),
            false => Err(Failure::new("portcask-server does not start")),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It is gone, or is about to be; there is nothing else to do about it.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "failures:\n\n---- basic::a stdout ----\nunknown command 'ZADD'\n\n---- basic::b stdout ----\n\
        not equal\n\nfailures:\n    basic::a\n\ntest result: FAILED. 73 passed; 2 failed; 0 ignored";

    #[test]
    fn a_case_may_fail_only_for_a_missing_command_or_because_it_is_listed() {
        let verdict = judge(OUTPUT, &["basic::b"]).unwrap();
        assert!(
            verdict.contains("73 cases pass, 1 differ as listed, 1 need"),
            "{verdict}"
        );
        assert!(judge(OUTPUT, &[]).is_err());
        assert!(judge(OUTPUT, &["basic::b", "basic::c"]).is_err());
        assert!(judge("error: could not compile", &[]).is_err());
    }

    #[test]
    fn the_list_is_read_by_suite() {
        let list = "# x\nredis-py | a::b | why\nredis-rs | basic::c | why\n";
        assert_eq!(listed(list), ["basic::c"]);
    }
}
