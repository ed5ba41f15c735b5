//! What can be typed: every verb, its options, its aliases and its examples.
//!
//! The options that say how to open the store are global: they may stand before or after the verb.

mod data;
mod load;
mod store;
mod transfer;
mod upkeep;

pub use data::*;
pub use load::*;
pub use store::*;
pub use transfer::*;
pub use upkeep::*;

use clap::{Parser, Subcommand};

const EXAMPLES: &str = "\
Examples:
  portcask --dir data put user:1 Ann          store a value
  portcask --dir data get user:1              print exactly the bytes of that value
  portcask --dir data import people.csv --header --key-column id --value-column name
  portcask --dir data export copy.jsonl       every key, value and expiry, sorted by key
  portcask --dir data verify                  read and check every byte
  export PORTCASK_DIR=data                    then --dir can be left out
  portcask --url redis://localhost get user:1 the same from a server
  portcask data                               type verbs one after another

Under WASI, give the program access to the directory:
  wasmtime run --dir data portcask.wasm --dir data get user:1";

const EXIT_CODES: &str = "\
Standard error:
  one line says why the exit code is not 0. With --json it is an object with code, class and
  message, and a remark before it is an object with remark.

Exit codes:
  0    done
  1    the key does not exist, or a condition (--if-absent ...) did not hold
  2    the command line is wrong, or names no directory
  3    stored data is damaged or lost (verify, doctor, salvage, or any read that finds damage)
  4    another process is the writer, or a newer writer took over
  5    the system refused: no such directory or store, no permission, no space, I/O error
  6    the input is invalid: a bad line, or a key or value over the limit
  7    not possible here: a newer format version, a host without a clock
  130  stopped by Ctrl-C; stderr says what was kept";

/// A crash-safe key-value store in one directory.
///
/// Portcask is a Bitcask: an append-only log and an in-memory index of keys. You can use the same
/// directory natively and under a WASI host (wasmtime, Node).
#[derive(Debug, Parser)]
#[command(
    name = "portcask",
    version,
    max_term_width = 100,
    args_override_self = true,
    after_help = EXAMPLES,
    after_long_help = concat_help(),
    arg_required_else_help = true
)]
pub struct Cli {
    /// How the store is found and opened.
    #[command(flatten)]
    pub store: StoreArgs,
    /// What to do; without a verb, a directory or server opens in the REPL.
    #[command(subcommand)]
    pub verb: Option<Verb>,
}

/// Everything the command can do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    #[command(visible_alias = "set", after_help = PUT_EXAMPLES)]
    Put(PutArgs),
    #[command(after_help = GET_EXAMPLES)]
    Get(GetArgs),
    #[command(visible_aliases = ["del", "rm"], alias = "remove")]
    Delete(DeleteArgs),
    /// Print whether a key exists, true or false; exits 0 or 1 accordingly
    #[command(visible_alias = "has")]
    Exists(KeyArg),
    #[command(visible_alias = "len")]
    Count(CountArgs),
    #[command(visible_aliases = ["list", "ls"], after_help = KEYS_EXAMPLES)]
    Keys(KeysArgs),
    #[command(visible_alias = "fold", after_help = SCAN_EXAMPLES)]
    Scan(ScanArgs),
    Range(RangeArgs),
    /// Print the time until a key expires, such as 1h29m30s, or `forever`
    ///
    /// The form is that of put --ttl, rounded to seconds, in the last second to milliseconds; --json tells the exact
    /// time as ttl_ms and expires_ms. Exits 1 if there is no such key.
    Ttl(KeyArg),
    #[command(after_help = EXPIRE_EXAMPLES)]
    Expire(ExpireArgs),
    /// Remove a key's expiry; exits 1 if there is no such key
    Persist(KeyArg),
    #[command(after_help = IMPORT_EXAMPLES)]
    Import(ImportArgs),
    #[command(after_help = EXPORT_EXAMPLES)]
    Export(ExportArgs),
    #[command(visible_alias = "compact", after_help = MERGE_EXAMPLES)]
    Merge(MergeArgs),
    Rotate(RotateArgs),
    #[command(visible_alias = "flushall")]
    Clear(ClearArgs),
    #[command(visible_alias = "status")]
    Stats(StatsArgs),
    #[command(visible_alias = "check")]
    Verify(VerifyArgs),
    Recover(RecoverArgs),
    #[command(after_help = SALVAGE_EXAMPLES)]
    Salvage(SalvageArgs),
    #[command(after_help = DUMP_EXAMPLES)]
    Dump(DumpArgs),
    /// Print every version of a key still in the log, oldest first; exits 1 if there is none
    History(KeyArg),
    Changes(ChangesArgs),
    #[command(after_help = BACKUP_EXAMPLES)]
    Backup(BackupArgs),
    #[command(after_help = RESTORE_EXAMPLES)]
    Restore(RestoreArgs),
    Doctor(DoctorArgs),
    #[command(after_help = BENCH_EXAMPLES)]
    Bench(BenchArgs),
    #[command(visible_alias = "datagen", after_help = FILL_EXAMPLES)]
    Fill(FillArgs),
    Init(InitArgs),
    #[command(visible_alias = "shell", after_help = REPL_EXAMPLES)]
    Repl(ReplArgs),
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions(CompletionsArgs),
    Man(ManArgs),
}

fn concat_help() -> String {
    format!("{EXAMPLES}\n\n{EXIT_CODES}")
}
