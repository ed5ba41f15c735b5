//! The REPL: verbs one after another on one open store.
//!
//! A line is parsed by the same rules as the command line. The first writing verb makes this
//! process the writer until the end; until then every line sees what other writers did.
//!
//! A script, that is lines from a file or a pipe, goes on after an error and ends with the code of the first one. That
//! a key does not exist is an answer and no error: its code 1 counts on the last line alone, as in a shell.

#[cfg_attr(target_family = "wasm", path = "plain.rs")]
mod editor;
mod words;

use crate::Context;
use crate::args::{Cli, ReplArgs, Verb};
use crate::failure::{Exit, Failure, Outcome};
use crate::term::{complain_in_json, fail};
use clap::{CommandFactory, Parser};
use editor::{Editor, Line};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, IsTerminal};

const HELP: &str = "\
put KEY VALUE      get KEY          delete KEY...     exists KEY
keys [-p PREFIX]   scan [PREFIX]    count             stats
ttl KEY            expire KEY 10s   persist KEY       history KEY
merge              rotate           clear             verify
help VERB          ping             exit";

/// `repl`: reads and does lines until the end.
pub fn repl(context: &mut Context, args: &ReplArgs) -> Outcome {
    let name = context.store.name()?;
    let is_seen = io::stdin().is_terminal() && io::stdout().is_terminal();
    let mut editor = Editor::new(is_seen, !args.no_history, verbs())?;
    if is_seen && !context.quiet {
        context
            .out
            .line(format!("portcask {} on {name}", env!("CARGO_PKG_VERSION")))?;
        context
            .out
            .line("type help for a list of commands; exit or Ctrl-D ends")?;
    }
    context.in_repl = true;
    let (json, quiet) = (context.json, context.quiet);
    let mut last = Exit::Done;
    let mut error = None;
    while error.is_none() || !args.bail || is_seen {
        context.out.flush()?;
        let done = match editor.next()? {
            Line::Text(text) if text.trim().is_empty() || text.trim().starts_with('#') => continue,
            Line::Text(text) => run(context, &text),
            Line::Unreadable => Err(Failure::input(
                "skipped a line that is not UTF-8; use --key-base64 and --base64",
            )),
            Line::End => break,
        };
        last = match done {
            Ok(Some(exit)) => exit,
            Ok(None) => break,
            Err(Failure::ClosedPipe) => return Err(Failure::ClosedPipe),
            Err(Failure::Said { exit, message }) => {
                context.out.flush()?;
                fail(exit, &message);
                exit
            }
        };
        if !matches!(last, Exit::Done | Exit::No) {
            error.get_or_insert(last);
        }
        crate::interrupt::forget();
        (context.json, context.quiet) = (json, quiet);
        complain_in_json(json);
    }
    // For a person the end is the end; a script wants to know how its lines went.
    Ok(match is_seen || context.chosen_exit.is_some() {
        true => Exit::Done,
        false => error.unwrap_or(last),
    })
}

/// Does a line. `None` ends the session.
fn run(context: &mut Context, line: &str) -> Result<Option<Exit>, Failure> {
    let mut words = words::split(line).map_err(Failure::usage)?;
    if words.first().is_some_and(|word| word == "portcask") {
        words.remove(0);
    }
    let count = words.len();
    let Some(first) = words.first_mut() else {
        return Ok(Some(Exit::Done));
    };
    first.make_ascii_lowercase();
    match (first.as_str(), count) {
        ("exit" | "quit" | "\\q", 1) => return Ok(None),
        ("exit" | "quit" | "\\q", _) => {
            let code = words[1].parse().ok().filter(|_| count == 2);
            let wrong = || Failure::usage("exit takes nothing, or an exit code from 0 to 255");
            context.chosen_exit = Some(code.ok_or_else(wrong)?);
            return Ok(None);
        }
        ("ping", 1) => {
            context.out.line("PONG")?;
            return Ok(Some(Exit::Done));
        }
        ("help" | "?", 1) => {
            context.out.line(HELP)?;
            return Ok(Some(Exit::Done));
        }
        _ => {}
    }
    let typed = ["portcask".to_owned()]
        .into_iter()
        .chain(words)
        .map(OsString::from);
    let typed = crate::spelling::normalised(typed);
    let cli = match Cli::try_parse_from(&typed) {
        Ok(cli) => cli,
        Err(error) => {
            context.out.flush()?;
            complain_in_json(context.json || crate::spelling::asks_for_json(&typed));
            // Directories are named outside.
            return Ok(Some(crate::spelling::refuse(&error, &[])));
        }
    };
    if !context.store.is_meant_by(&cli.store) {
        return Err(Failure::usage(
            "the REPL stays in one directory; exit and start it in the other one",
        ));
    }
    let Some(verb) = cli.verb.filter(|verb| !matches!(verb, Verb::Repl(_))) else {
        return Err(Failure::usage("you are already in the REPL"));
    };
    context.json |= cli.store.json;
    complain_in_json(context.json);
    context.quiet |= cli.store.quiet;
    context.store.set_line_args(&cli.store);
    context.store.refresh();
    crate::verbs::run(context, verb).map(Some)
}

/// Every verb and alias with its long options, for completion.
fn verbs() -> BTreeMap<String, Vec<String>> {
    let mut command = Cli::command();
    command.build();
    let plain = ["help", "ping", "exit"].map(|word| (word.to_owned(), Vec::new()));
    let verbs = command.get_subcommands().flat_map(|verb| {
        let own = verb
            .get_arguments()
            .filter(|option| !option.is_global_set());
        let options: Vec<String> = own
            .filter_map(|option| Some(format!("--{}", option.get_long()?)))
            .collect();
        let names = [verb.get_name()]
            .into_iter()
            .chain(verb.get_visible_aliases());
        names
            .map(|name| (name.to_owned(), options.clone()))
            .collect::<Vec<_>>()
    });
    verbs.chain(plain).collect()
}
