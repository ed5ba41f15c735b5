//! What the shell wants: completions and the manual.

use crate::Context;
use crate::args::{Cli, CompletionsArgs, ManArgs};
use crate::failure::{Exit, Failure, Outcome};
use clap::{Command, CommandFactory};
use std::fs;
use std::io;

/// `completions`: a script for a shell.
pub fn completions(context: &mut Context, args: &CompletionsArgs) -> Outcome {
    // The generator panics on a closed pipe, so it writes to memory.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "portcask", &mut script);
    context.out.bytes(&script)?;
    Ok(Exit::Done)
}

/// `man`: pages in roff.
pub fn man(context: &mut Context, args: &ManArgs) -> Outcome {
    let mut command = Cli::command();
    command.build();
    if let Some(dir) = &args.out {
        fs::create_dir_all(dir).map_err(|error| Failure::file("create", dir, &error))?;
        let mut pages = vec![("portcask.1".to_owned(), page(&command)?)];
        for verb in command.get_subcommands() {
            pages.push((format!("portcask-{}.1", verb.get_name()), page(verb)?));
        }
        for (name, text) in pages {
            let path = dir.join(name);
            fs::write(&path, text).map_err(|error| Failure::file("write", &path, &error))?;
        }
        return Ok(Exit::Done);
    }
    let shown = match &args.verb {
        None => &command,
        Some(verb) => verb
            .to_str()
            .and_then(|verb| command.find_subcommand(verb))
            .ok_or_else(|| Failure::usage(format!("there is no verb {}", verb.display())))?,
    };
    context.out.bytes(&page(shown)?)?;
    Ok(Exit::Done)
}

fn page(command: &Command) -> Result<Vec<u8>, Failure> {
    let mut page = Vec::new();
    let name = command
        .get_display_name()
        .unwrap_or(command.get_name())
        .to_owned();
    clap_mangen::Man::new(command.clone().display_name(name.clone()))
        .title(name)
        .source(concat!("portcask ", env!("CARGO_PKG_VERSION")))
        .manual("Portcask")
        .render(&mut page)
        .map_err(|error: io::Error| Failure::output(&error))?;
    Ok(page)
}
