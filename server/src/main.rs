//! The portcask-server command.

mod args;
mod logging;
mod notify;

use args::Wrong;
use portcask_server::{Server, StartError};
use std::process::ExitCode;

/// The system's own keeps long replies that were given back: beside many clients that do not read, twice as much
/// memory as the limits allow.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    args::outlive_file_limits();
    let config = match args::config() {
        Ok(config) => config,
        // It prints help and versions too, and knows where and with which code.
        Err(Wrong::Usage(usage)) => usage.exit(),
        Err(wrong) => {
            eprintln!("portcask-server: {wrong}");
            return ExitCode::from(2);
        }
    };
    logging::start(&config);
    let (dir, socket) = (config.dir.clone(), config.socket.clone());
    let server = match Server::start(config) {
        Ok(server) => server,
        Err(error) => return fail(&error, args::exit_code(&error)),
    };
    // Before anybody is told that it runs, and so may ask it to stop.
    if let Err(error) = args::stop_on_signals(&server) {
        return fail(&StartError::Threads(error), 5);
    }
    let dir_shown = dir.display();
    for address in server.addresses() {
        println!("portcask-server: serving {dir_shown} on {address}");
    }
    for address in server.tls_addresses() {
        println!("portcask-server: serving {dir_shown} with TLS on {address}");
    }
    #[cfg(feature = "grpc")]
    if let Some(address) = server.grpc_address() {
        println!("portcask-server: serving gRPC on {address}");
    }
    if let Some(address) = server.metrics_address() {
        println!("portcask-server: metrics on http://{address}/metrics");
    }
    if let Some(path) = socket {
        println!("portcask-server: serving {dir_shown} at {}", path.display());
    }
    notify::ready();
    match server.wait() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let error = StartError::Store(dir, Box::new(error));
            fail(&error, args::exit_code(&error))
        }
    }
}

fn fail(error: &StartError, code: u8) -> ExitCode {
    eprintln!("portcask-server: {error}");
    ExitCode::from(code)
}
