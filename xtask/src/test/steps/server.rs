//! The server and its clients, our tests and those of others.

use crate::shell::{self, Result};
use crate::test::{Done, World};
use crate::{outside, setup};

/// The server's tests. Where redis-server cannot be had, its replies are compared with nothing, and that is
/// said; on a throw-away machine, which can have it, that is a failure.
pub(super) fn server(world: &World<'_>) -> Result<Done> {
    let redis = setup::redis(world.consent);
    let mut command = world.repo.cargo();
    let packages = [
        "--package",
        "portcask-server",
        "--package",
        "portcask-client",
    ];
    command.arg("test").args(packages).arg("--no-fail-fast");
    command.args(["--features", "portcask-client/tls"]);
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
pub(super) fn redis_py(world: &World<'_>) -> Result<Done> {
    match setup::python(world.consent) {
        Ok(_) => outside::redis_py(world.repo, world.consent).map(Done::Noted),
        Err(reason) if world.consent.is_given() => Err(reason),
        Err(reason) => Ok(Done::Skipped(reason.to_string())),
    }
}

pub(super) fn redis_rs(world: &World<'_>) -> Result<Done> {
    outside::redis_rs(world.repo).map(Done::Noted)
}
