//! Verbs that maintain a store, and verbs for the shell.

use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;

pub const MERGE_EXAMPLES: &str = "\
Examples:
  portcask --dir data merge                 rewrite everything and reclaim the dead space
  portcask --dir data merge --plan          show for each file whether merge would take it, and why
  portcask --dir data merge --due           merge only what the policy asks for";

/// Reclaim the space of old and deleted records
///
/// Safe at any moment: a merge that is stopped or crashes changes nothing.
#[derive(Args, Clone, Debug)]
pub struct MergeArgs {
    /// Show what would be merged and why, and change nothing
    #[arg(long, visible_alias = "dry-run")]
    pub plan: bool,
    /// Merge only what the policy finds due
    #[arg(long, conflicts_with = "plan")]
    pub due: bool,
    #[command(flatten)]
    pub policy: super::MergePolicyArgs,
}

/// Seal the active segment and start a new one
#[derive(Args, Clone, Debug)]
pub struct RotateArgs {}

/// Delete all keys
///
/// Asks for confirmation on a terminal. Anywhere else it needs --yes.
#[derive(Args, Clone, Debug)]
pub struct ClearArgs {
    /// Do not ask
    #[arg(long, short = 'y')]
    pub yes: bool,
}

/// Show keys, sizes and how much of each file is dead
///
/// "last seq" is the highest sequence number in use. After a crash it jumps by up to 2^24 (16,777,216), so that no number
/// is ever given out twice, and `changes` shows the same gap.
#[derive(Args, Clone, Debug)]
pub struct StatsArgs {}

/// Read and check every byte; exits 3 if anything is damaged
#[derive(Args, Clone, Debug)]
pub struct VerifyArgs {}

/// Open for writing, which repairs what a crash left behind, and report what was found
///
/// Every writing verb makes the same repairs when it opens the store; this one also verifies and
/// reports. It cannot repair damaged acknowledged data: see salvage and restore.
#[derive(Args, Clone, Debug)]
pub struct RecoverArgs {
    /// Only look, as verify does
    #[arg(long, short = 'n')]
    pub dry_run: bool,
}

pub const DUMP_EXAMPLES: &str = "\
Examples:
  portcask --dir data dump segment-0000000001
  portcask dump data/manifest-0000000003";

/// Print a file of the store as annotated text
#[derive(Args, Clone, Debug)]
pub struct DumpArgs {
    /// A file of the store, by name or by path
    pub file: PathBuf,
}

/// Test every promise of this host in a scratch directory, and check the store's health
#[derive(Args, Clone, Debug)]
pub struct DoctorArgs {
    /// Also read and check every byte, as verify does
    #[arg(long)]
    pub deep: bool,
    /// Calls per measurement
    #[arg(long, value_name = "COUNT", default_value_t = 1000, value_parser = super::transfer::at_least_one)]
    pub calls: usize,
}

/// Create an empty store; does nothing if there is one
#[derive(Args, Clone, Debug)]
pub struct InitArgs {}

pub const REPL_EXAMPLES: &str = "\
Type any verb without `portcask` and --dir, in lower or upper case; PING, HELP and EXIT work too.
The first writing verb makes this process the store's writer until it ends. You can leave out
`repl`: `portcask data` and `portcask --url redis://localhost` start it as well.

Example:
  printf 'put a 1\\nget a\\n' | portcask --dir data repl";

/// Type verbs one after another
///
/// On a terminal you get history, editing and completion; otherwise it reads plain lines, goes on after an error, and
/// exits with the code of the first one (2 or more), or with that of `exit CODE`. Without errors the last line's code
/// counts, so `get` of a key that does not exist exits 1 there.
#[derive(Args, Clone, Debug, Default)]
pub struct ReplArgs {
    /// Keep no history file
    #[arg(long)]
    pub no_history: bool,
    /// Stop at the first error in a file or a pipe of lines
    #[arg(long)]
    pub bail: bool,
}

pub const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  portcask completions bash > ~/.local/share/bash-completion/completions/portcask
  portcask completions zsh > ~/.zfunc/_portcask";

/// Print a completion script for a shell
#[derive(Args, Clone, Debug)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// Print the manual page, or the page of one verb
#[derive(Args, Clone, Debug)]
pub struct ManArgs {
    /// The verb
    pub verb: Option<OsString>,
    /// Write the pages of the command and of each verb into this directory
    #[arg(long, value_name = "DIR", conflicts_with = "verb")]
    pub out: Option<PathBuf>,
}
