//! `docs/PERFORMANCE.md`: the words are in it, the figures are put between its marks from the committed results.
//!
//! ```text
//!   <!-- bench: NAME -->     what the run said that the page is about, never typed by hand
//!   <!-- /bench -->
//!   <!-- bench: RUN/NAME --> what another one said
//!   <!-- /bench -->
//! ```

use crate::plot;
use crate::results::Results;
use crate::table;
use crate::workload;
use crate::{Result, args::Page};
use std::fs;
use std::path::{Path, PathBuf};

const BEGIN: &str = "<!-- bench: ";
const END: &str = "<!-- /bench -->";
/// The run that the page is about; each lies in `results/` under its name.
const MAIN_RUN: &str = "native";

/// Writes the page and its pictures, or checks them.
pub fn run(page: &Page) -> Result<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = here.join("../docs");
    let load = |run: &str| Results::load(&here.join("results").join(run).with_extension("json"));
    let results = load(MAIN_RUN)?;
    let path = docs.join("PERFORMANCE.md");
    let text = fs::read_to_string(&path)?;
    let mut files = vec![(path, filled(&text, load)?)];
    let pictures = [
        ("overview", Some(plot::overview(&results))),
        ("sustained-rate", plot::rate(&results)),
        ("sustained-space", plot::space(&results)),
    ];
    for (name, picture) in pictures {
        let path = docs.join("performance").join(name).with_extension("svg");
        files.extend(picture.map(|picture| (path, picture)));
    }
    for (path, text) in files {
        match page.check {
            true => check(&path, &text)?,
            false => write(&path, &text)?,
        }
    }
    Ok(())
}

fn write(path: &PathBuf, text: &str) -> Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    Ok(fs::write(path, text)?)
}

fn check(path: &PathBuf, text: &str) -> Result<()> {
    if fs::read_to_string(path).unwrap_or_default() == text {
        return Ok(());
    }
    let name = path.file_name().unwrap_or_default().display();
    Err(format!("{name} is not what the results say; run `cargo xtask bench page`").into())
}

/// The page with what stands between its marks made anew.
fn filled(text: &str, load: impl Fn(&str) -> Result<Results>) -> Result<String> {
    let mut page = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(BEGIN) {
        let (name, after) = after
            .split_once(" -->")
            .ok_or("a mark of the page does not end")?;
        let (_, after) = after
            .split_once(END)
            .ok_or_else(|| format!("{name} has no {END}"))?;
        let (run, what) = name.split_once('/').unwrap_or((MAIN_RUN, name));
        let block = block(what, &load(run)?)?;
        page.push_str(&format!("{before}{BEGIN}{name} -->\n{block}{END}"));
        rest = after;
    }
    page.push_str(rest);
    Ok(page)
}

fn block(name: &str, results: &Results) -> Result<String> {
    if name == "machine" {
        let machine = results.machine.sentence();
        let (keys, rounds) = (results.keys, results.rounds);
        return Ok(format!("{machine}. {keys} keys, {rounds} rounds.\n"));
    }
    let workload = workload::named(name).ok_or_else(|| format!("the page asks for \"{name}\""))?;
    Ok(table::markdown(results, workload))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "stands for reading a file")]
    fn example(_run: &str) -> Result<Results> {
        Ok(Results::example())
    }

    #[test]
    fn each_mark_names_its_run_or_means_the_main_one() {
        let text =
            "<!-- bench: machine --><!-- /bench --><!-- bench: other/machine --><!-- /bench -->";
        let asked = std::cell::RefCell::default();
        let load = |run: &str| {
            let asked: &std::cell::RefCell<Vec<String>> = &asked;
            asked.borrow_mut().push(run.to_owned());
            example(run)
        };
        filled(text, load).unwrap();
        assert_eq!(asked.take(), [MAIN_RUN, "other"]);
    }

    #[test]
    fn only_what_is_between_marks_is_made_anew() {
        let text = "before\n<!-- bench: machine -->\nold\n<!-- /bench -->\nafter\n";
        let page = filled(text, example).unwrap();
        assert!(page.starts_with("before\n<!-- bench: machine -->\na processor, "));
        assert!(page.ends_with("3 rounds.\n<!-- /bench -->\nafter\n"));
        assert!(!page.contains("old"));
    }

    #[test]
    fn a_mark_that_names_nothing_is_refused() {
        let text = "<!-- bench: nothing -->\n<!-- /bench -->";
        assert!(filled(text, example).is_err());
        assert!(filled("<!-- bench: machine -->", example).is_err());
    }
}
