//! Promises as text: for a person, for a README, and for carrying them out of a sandbox.

use super::contract::{Outcome, Promise};
use crate::prelude::*;

/// One line per promise: the outcome, the sentence, and what there is to say about it.
pub fn text_table(promises: &[Promise]) -> String {
    let mut table = String::new();
    for promise in promises {
        let outcome = promise.outcome.word();
        table.push_str(&format!("{outcome:<9} {}", promise.sentence));
        if !promise.outcome.detail().is_empty() {
            table.push_str(&format!(": {}", promise.outcome.detail()));
        }
        table.push('\n');
    }
    table
}

/// A Markdown table with a row per promise and a column per backend: its name and its promises.
///
/// Rows are those of the first column; a promise that a backend was not asked for shows a dash.
pub fn markdown_table(columns: &[(&str, &[Promise])]) -> String {
    let mut table = String::from("| Promise |");
    let mut rule = String::from("| --- |");
    for (backend, _) in columns {
        table.push_str(&format!(" {backend} |"));
        rule.push_str(" --- |");
    }
    table.push_str(&format!("\n{rule}\n"));
    let rows = columns.first().map_or(&[][..], |(_, promises)| promises);
    for row in rows {
        table.push_str(&format!("| {} |", row.sentence));
        for (_, promises) in columns {
            let found = promises.iter().find(|one| one.sentence == row.sentence);
            table.push_str(&format!(
                " {} |",
                found.map_or("-".into(), |one| cell(&one.outcome))
            ));
        }
        table.push('\n');
    }
    table
}

/// A word for what was kept, the words themselves for what differs between platforms.
fn cell(outcome: &Outcome) -> String {
    let words = match outcome {
        Outcome::Kept => "yes".into(),
        Outcome::Claimed => "yes, by the platform's word".into(),
        Outcome::Declined(words) => format!("**no**: {words}"),
        Outcome::Observed(words) => words.clone(),
        Outcome::Broken(words) => format!("**BROKEN**: {words}"),
    };
    words.replace('|', "\\|")
}

/// The promises as lines of tab-separated fields, which [`parse_lines`] reads.
pub fn lines(promises: &[Promise]) -> String {
    let mut lines = String::new();
    for Promise { sentence, outcome } in promises {
        let detail = outcome.detail().replace(['\t', '\n', '\r'], " ");
        lines.push_str(&format!("{}\t{sentence}\t{detail}\n", outcome.word()));
    }
    lines
}

/// The promises that [`lines`] wrote; other lines are skipped.
pub fn parse_lines(text: &str) -> Vec<Promise> {
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<Promise> {
    let mut fields = line.splitn(3, '\t');
    let (word, sentence, detail) = (fields.next()?, fields.next()?, fields.next()?);
    let outcomes = [
        Outcome::Kept,
        Outcome::Claimed,
        Outcome::Declined(detail.into()),
        Outcome::Observed(detail.into()),
        Outcome::Broken(detail.into()),
    ];
    Some(Promise {
        sentence: sentence.into(),
        outcome: outcomes.into_iter().find(|one| one.word() == word)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn promises() -> Vec<Promise> {
        let outcomes = [
            Outcome::Kept,
            Outcome::Claimed,
            Outcome::Declined("no such call".into()),
            Outcome::Observed("yes".into()),
            Outcome::Broken("got 3 | 4".into()),
        ];
        let promise = |outcome: Outcome| Promise {
            sentence: format!("the {} one", outcome.word()),
            outcome,
        };
        outcomes.into_iter().map(promise).collect()
    }

    #[test]
    fn promises_come_out_of_a_sandbox_as_they_went_in() {
        let text = format!("some host says hello\n{}", lines(&promises()));
        assert_eq!(parse_lines(&text), promises());
    }

    #[test]
    fn tables_show_every_promise_and_every_backend() {
        let all = promises();
        insta::assert_snapshot!(text_table(&all), @r"
        kept      the kept one
        claimed   the claimed one
        declined  the declined one: no such call
        observed  the observed one: yes
        BROKEN    the BROKEN one: got 3 | 4
        ");
        let columns = [("memory", &all[..]), ("disk", &all[1..])];
        insta::assert_snapshot!(markdown_table(&columns), @r"
        | Promise | memory | disk |
        | --- | --- | --- |
        | the kept one | yes | - |
        | the claimed one | yes, by the platform's word | yes, by the platform's word |
        | the declined one | **no**: no such call | **no**: no such call |
        | the observed one | yes | yes |
        | the BROKEN one | **BROKEN**: got 3 \| 4 | **BROKEN**: got 3 \| 4 |
        ");
    }
}
