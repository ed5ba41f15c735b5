//! Whether the search can find: every deliberate bug of the engine, and what caught it.

use crate::ledger::Tally;

/// What a reader types to do the same again.
const COMMAND: &str = "cargo xtask planted";

/// Plants each of the engine's deliberate bugs and looks for it with the whole harness. Needs a build
/// with `--features planted-bugs`.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// Plant only these bugs, named as printed [default: all]
    #[arg(conflicts_with = "record")]
    bugs: Vec<String>,
    /// Also print the broken promise, with the shortest history that shows it
    #[arg(long)]
    show: bool,
    /// Append the count to the ledger
    #[arg(long)]
    record: bool,
}

/// Prints a line for each bug. An error if one of them gets away, or if the same search finds
/// something where no bug was planted.
pub fn run(arguments: &Arguments) -> Result<(), String> {
    let mut tally = Tally::new("planted", COMMAND);
    search(arguments, &mut tally)?;
    if arguments.record {
        tally.record().map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Counts for each bug how many runs of the check that caught it were needed.
#[cfg(feature = "planted-bugs")]
fn search(arguments: &Arguments, tally: &mut Tally) -> Result<(), String> {
    use portcask_core::testing::planted::{catch, look};

    let chosen = chosen(&arguments.bugs)?;
    if let Some(found) = look() {
        let (check, runs) = (found.check, found.runs);
        return Err(format!(
            "no bug, but run {runs} of {check}: {}",
            found.problem
        ));
    }
    for bug in chosen {
        let Some(caught) = catch(bug) else {
            return Err(format!("{bug:?} got away: {}", bug.deed()));
        };
        println!(
            "{:<22} {:>4}  {}",
            format!("{bug:?}"),
            caught.runs,
            caught.check
        );
        println!("{:29}{}", "", bug.deed());
        if arguments.show {
            println!("\n{}\n", caught.problem.trim_end());
        }
        let deed = bug.deed().trim_end_matches('.');
        tally.add(&format!("{deed} ({})", caught.check), caught.runs);
    }
    Ok(())
}

/// The bugs of these names, or all.
#[cfg(feature = "planted-bugs")]
fn chosen(names: &[String]) -> Result<Vec<portcask_core::testing::planted::Bug>, String> {
    use portcask_core::testing::planted::Bug;

    if names.is_empty() {
        return Ok(Bug::ALL.to_vec());
    }
    let find = |name: &String| {
        let mut all = Bug::ALL.iter().copied();
        all.find(|bug| name.eq_ignore_ascii_case(&format!("{bug:?}")))
            .ok_or_else(|| {
                let all: Vec<_> = Bug::ALL.iter().map(|bug| format!("{bug:?}")).collect();
                format!("there is no bug {name}; there are: {}", all.join(", "))
            })
    };
    names.iter().map(find).collect()
}

#[cfg(not(feature = "planted-bugs"))]
fn search(_: &Arguments, _: &mut Tally) -> Result<(), String> {
    Err(format!("this build has no bugs to plant: {COMMAND}"))
}
