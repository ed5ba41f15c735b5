//! What looks odd about a row of CSV or TSV: names of columns where a record is expected, or another delimiter. It is read
//! as it is all the same, so a wrong guess costs a remark.

use csv::ByteRecord;

/// What people call the columns of keys and of values.
const KEY_NAMES: [&str; 5] = ["key", "keys", "id", "name", "uuid"];
const VALUE_NAMES: [&str; 4] = ["value", "values", "val", "data"];
/// What stands between columns, if not what was expected.
const DELIMITERS: [u8; 3] = [b',', b';', b'\t'];

/// The delimiter that the row seems to have instead of this one.
pub fn other_delimiter(row: &ByteRecord, delimiter: u8) -> Option<u8> {
    let others = DELIMITERS.into_iter().filter(|other| *other != delimiter);
    let count = |other: u8| row.as_slice().iter().filter(|byte| **byte == other).count();
    let mut others = others.filter(|other| row.get(0).is_some_and(|key| key.contains(other)));
    others.find(|other| count(*other) >= row.len() - 1)
}

/// How to say which delimiter it is.
pub fn advice_on_delimiter(other: u8) -> String {
    let quoted = format!("'{}'", char::from(other));
    let (shown, typed) = match other {
        b'\t' => ("tabs", r"'\t'"),
        _ => (&*quoted, &*quoted),
    };
    format!("its columns seem to be separated by {shown}: --delimiter {typed}")
}

/// Whether the key's or the value's column has a usual name, and no column is a number.
pub fn names_columns(row: &ByteRecord, key: usize, value: usize) -> bool {
    let is_called = |at: usize, names: &[&str]| {
        row.get(at).is_some_and(|field| {
            let mut names = names.iter();
            names.any(|name| field.trim_ascii().eq_ignore_ascii_case(name.as_bytes()))
        })
    };
    let is_number = |field: &[u8]| {
        let text = std::str::from_utf8(field).unwrap_or_default();
        text.trim().parse::<f64>().is_ok()
    };
    (is_called(key, &KEY_NAMES) || is_called(value, &VALUE_NAMES)) && !row.iter().any(is_number)
}

/// How to say what the first line is.
pub fn advice_on_names(row: &ByteRecord) -> String {
    let names: Vec<_> = row
        .iter()
        .map(|name| crate::text::excerpt(name, 20))
        .collect();
    let names = crate::text::excerpt(names.join(", ").as_bytes(), 60);
    format!("if it names the columns ({names}), add --header; if not, --no-header")
}

#[cfg(test)]
mod tests {
    use crate::formats::{Columns, DelimitedReader, Dialect, Header, ReadRecords};

    #[test]
    fn a_first_line_that_looks_like_names_or_another_delimiter_is_doubted() {
        let doubt = |text: &str, delimiter| {
            let columns = Columns::default();
            let dialect = Dialect {
                delimiter,
                is_given: false,
                has_quotes: true,
            };
            let reader = DelimitedReader::new(text.as_bytes(), dialect, Header::Ours, &columns);
            reader.unwrap().doubt().unwrap_or_default()
        };
        for names in [
            "key,value",
            "id,city,name",
            "KEY , Value",
            "\u{feff}name,age",
            "word,data",
        ] {
            assert!(doubt(names, b',').contains("--header"), "{names}");
        }
        for data in [
            "a,1",
            "id,5",
            "key,2026",
            "cat,meow",
            "key,value,expires_ms",
            "",
        ] {
            assert_eq!(doubt(data, b','), "", "{data}");
        }
        assert!(doubt("a;1,5", b',').contains("--delimiter ';'"));
        assert!(doubt("a\t1,5", b',').contains(r"--delimiter '\t'"));
        assert!(doubt("a,1;2", b';').contains("--delimiter ','"));
        assert_eq!(doubt("key;value", b','), "", "it is refused");
        for data in ["a,1;2", "a;b,x,y", "a b,1"] {
            assert_eq!(doubt(data, b','), "", "{data}");
        }
    }
}
