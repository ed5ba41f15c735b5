//! The portcask-server command.

mod args;
mod logging;
mod memory;
mod notify;

use args::Wrong;
use portcask_server::{Config, Server, StartError};
use std::io::{self, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    memory::give_back_soon();
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
    let asked = config.clone();
    let server = match Server::start(config) {
        Ok(server) => server,
        Err(error) => {
            let advice = args::advice(&error, &asked);
            return fail(&format!("{error}{advice}"), args::exit_code(&error));
        }
    };
    // Before anybody is told that it runs, and so may ask it to stop.
    if let Err(error) = args::stop_on_signals(&server) {
        return fail(&StartError::Threads(error).to_string(), 5);
    }
    // In one piece, and whether or not anybody reads it: many read the first line, which has the address, and close.
    let _ = io::stdout().write_all(start(&server, &asked).as_bytes());
    notify::ready();
    match server.wait() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let error = StartError::Store(asked.dir, Box::new(error));
            fail(&error.to_string(), args::exit_code(&error))
        }
    }
}

/// What is said of a server that runs: where it serves, and who can connect.
fn start(server: &Server, asked: &Config) -> String {
    let dir = asked.dir.display();
    let plain = server.addresses().iter();
    let mut lines: Vec<_> = plain.map(|it| format!("serving {dir} on {it}")).collect();
    let tls = server.tls_addresses().iter();
    lines.extend(tls.map(|it| format!("serving {dir} with TLS on {it}")));
    #[cfg(feature = "grpc")]
    lines.extend(
        server
            .grpc_address()
            .map(|it| format!("serving gRPC on {it}")),
    );
    let metrics = server.metrics_address();
    lines.extend(metrics.map(|it| format!("metrics on http://{it}/metrics")));
    let socket = asked.socket.as_deref();
    lines.extend(socket.map(|path| format!("serving {dir} at {}", path.display())));
    lines.extend(args::admission(server, asked));
    let lines = lines.into_iter();
    lines
        .map(|line| format!("portcask-server: {line}\n"))
        .collect()
}

fn fail(words: &str, code: u8) -> ExitCode {
    eprintln!("portcask-server: {words}");
    ExitCode::from(code)
}
