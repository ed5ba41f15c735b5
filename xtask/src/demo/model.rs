//! What must be in the store, and the data it comes from.

use std::collections::BTreeMap;

use crate::repo::Repo;
use crate::shell::{Failure, Result};

/// Keys and values in the order in which they are written.
pub type Rows = Vec<(String, String)>;

/// What a store holds.
pub type Records = BTreeMap<String, String>;

/// The shipped data set.
const DATA_SET: &str = "data/unicode-names.tsv";

/// Code points and names, each code point once.
pub fn data_set(repo: &Repo) -> Result<Rows> {
    repo.text(DATA_SET)?.lines().map(row).collect()
}

/// One record per line, key and value separated by a tab. No key or value here holds a tab or a quote.
pub fn to_tsv(rows: &[(String, String)]) -> String {
    let lines = rows.iter().map(|(key, value)| format!("{key}\t{value}\n"));
    lines.collect()
}

/// What an export holds: the reverse of [`to_tsv`], after a line that names the columns. Expiry is left out.
pub fn from_tsv(text: &str) -> Result<Records> {
    text.lines().skip(1).map(row).collect()
}

/// The first two columns.
fn row(line: &str) -> Result<(String, String)> {
    let mut columns = line.split('\t').map(String::from);
    match (columns.next(), columns.next()) {
        (Some(key), Some(value)) => Ok((key, value)),
        _ => Err(Failure::new(format!("\"{line}\" has no second column"))),
    }
}

/// Fails with the first difference.
pub fn compare(found: &Records, expected: &Records) -> Result<()> {
    for (key, value) in expected {
        match found.get(key) {
            Some(there) if there == value => {}
            Some(there) => {
                return Err(Failure::new(format!(
                    "{key} reads \"{there}\", and \"{value}\" was written"
                )));
            }
            None => {
                return Err(Failure::new(format!(
                    "{key} is missing, and \"{value}\" was written"
                )));
            }
        }
    }
    match found.keys().find(|key| !expected.contains_key(*key)) {
        Some(key) => Err(Failure::new(format!("{key} was deleted, but is there"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(pairs: &[(&str, &str)]) -> Records {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    }

    #[test]
    fn the_data_set_has_thirty_thousand_keys_and_each_once() {
        let rows = data_set(&Repo::find().unwrap()).unwrap();
        let distinct: Records = rows.iter().cloned().collect();
        assert!(rows.len() >= 30_000);
        assert_eq!(distinct.len(), rows.len());
        assert_eq!(distinct["1F600"], "GRINNING FACE");
    }

    #[test]
    fn the_data_set_ships_with_its_licence() {
        let licence = Repo::find().unwrap().text("data/LICENSE-UNICODE").unwrap();
        assert!(licence.contains("COPYRIGHT AND PERMISSION NOTICE"));
        assert!(licence.contains("Unicode, Inc. All rights reserved."));
    }

    #[test]
    fn rows_survive_the_way_through_a_file() {
        let rows: Rows = vec![("a".into(), "1 2".into()), ("b".into(), String::new())];
        let read = from_tsv(&format!("key\tvalue\n{}", to_tsv(&rows))).unwrap();
        assert_eq!(read, rows.into_iter().collect());
    }

    #[test]
    fn every_kind_of_difference_is_named() {
        let expected = records(&[("a", "1"), ("b", "2")]);
        let told =
            |found: &[(&str, &str)]| compare(&records(found), &expected).unwrap_err().to_string();
        assert!(compare(&expected.clone(), &expected).is_ok());
        assert_eq!(told(&[("a", "1")]), "b is missing, and \"2\" was written");
        assert_eq!(
            told(&[("a", "0"), ("b", "2")]),
            "a reads \"0\", and \"1\" was written"
        );
        assert_eq!(
            told(&[("a", "1"), ("b", "2"), ("c", "3")]),
            "c was deleted, but is there"
        );
    }
}
