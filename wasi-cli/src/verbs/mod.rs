//! One module per kind of deed; each verb is a function of the context and what was typed.

mod bench;
mod copy;
mod doctor;
mod fill;
mod health;
mod list;
mod log;
mod salvage;
mod shell;
mod single;
mod stats;
mod transfer;
mod upkeep;

use crate::Context;
use crate::args::Verb;
use crate::failure::{Exit, Failure, Outcome};
#[cfg(not(target_family = "wasm"))]
pub use bench::on_server as bench_on_server;
#[cfg(not(target_family = "wasm"))]
pub use transfer::import_from;

/// Does what was typed. For a program every code but 0 is a failure with words of its own, also where an answer says all.
pub fn run(context: &mut Context, verb: Verb) -> Outcome {
    let is_session = matches!(verb, Verb::Repl(_));
    let exit = match context.store.is_remote()? {
        true => crate::remote::run(context, verb),
        false => run_here(context, verb),
    }?;
    match exit == Exit::Done || is_session || !context.json {
        true => Ok(exit),
        false => Err(Failure::new(exit, exit.of_answer())),
    }
}

/// Does what was typed, as it is done on any store.
pub fn run_here(context: &mut Context, verb: Verb) -> Outcome {
    match verb {
        Verb::Put(args) => single::put(context, &args),
        Verb::Get(args) => single::get(context, &args),
        Verb::Delete(args) => single::delete(context, &args),
        Verb::Exists(args) => single::exists(context, &args),
        Verb::Ttl(args) => single::ttl(context, &args),
        Verb::Expire(args) => single::expire(context, &args),
        Verb::Persist(args) => single::persist(context, &args),
        Verb::Count(args) => list::count(context, &args),
        Verb::Keys(args) => list::keys(context, &args),
        Verb::Scan(args) => list::scan(context, args),
        Verb::Range(args) => list::range(context, &args),
        Verb::Import(args) => transfer::import(context, &args),
        Verb::Export(args) => transfer::export(context, &args),
        Verb::Merge(args) => upkeep::merge(context, &args),
        Verb::Rotate(_) => upkeep::rotate(context),
        Verb::Clear(args) => upkeep::clear(context, &args),
        Verb::Init(_) => upkeep::init(context),
        Verb::Stats(_) => stats::stats(context),
        Verb::Verify(_) => health::verify(context),
        Verb::Recover(args) => health::recover(context, &args),
        Verb::Salvage(args) => salvage::salvage(context, &args),
        Verb::Dump(args) => log::dump(context, &args),
        Verb::History(args) => log::history(context, &args),
        Verb::Changes(args) => log::changes(context, &args),
        Verb::Backup(args) => copy::backup(context, &args),
        Verb::Restore(args) => copy::restore(context, &args),
        Verb::Doctor(args) => doctor::doctor(context, &args),
        Verb::Bench(args) => bench::bench(context, &args),
        Verb::Fill(args) => fill::fill(context, &args),
        Verb::Repl(args) => crate::repl::repl(context, &args),
        Verb::Completions(args) => shell::completions(context, &args),
        Verb::Man(args) => shell::man(context, &args),
    }
}
