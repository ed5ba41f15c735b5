//! CSV and TSV. Fields are bytes; those with a delimiter, quote or line end are quoted.
//!
//! What export writes starts with the line `key,value,expires_ms`; that very line is recognised
//! when reading, so that expiry survives without options. Any other first line is data unless
//! `--header` says otherwise; one that looks like names, or like another delimiter, is remarked on.

use super::doubt::{advice_on_delimiter, advice_on_names, names_columns, other_delimiter};
use super::{Columns, Counted, EXPIRES, Header, ReadRecords, Record, Trouble, WriteRecords};
use crate::failure::{Exit, Failure};
use crate::units::counted;
use csv::{ByteRecord, QuoteStyle, ReaderBuilder, WriterBuilder};
use std::io::{self, Read, Write};

const OURS: [&str; 3] = ["key", "value", EXPIRES];

/// Writes key, value and expiry, in this order.
pub struct DelimitedWriter<W: Write> {
    to: csv::Writer<W>,
}

impl<W: Write> DelimitedWriter<W> {
    /// Writes to `to`, the header first if there is to be one.
    pub fn new(to: W, delimiter: u8, header: Header, columns: &Columns) -> io::Result<Self> {
        // Without a header a first key that looks like a byte order mark, or like our header,
        // would be taken for one: quotes protect the former, and the latter cannot be helped.
        let style = if header == Header::No {
            QuoteStyle::Always
        } else {
            QuoteStyle::Necessary
        };
        let mut to = WriterBuilder::new()
            .delimiter(delimiter)
            .quote_style(style)
            .from_writer(to);
        if header != Header::No {
            to.write_record([
                columns.key.as_deref().unwrap_or(OURS[0]),
                columns.value.as_deref().unwrap_or(OURS[1]),
                columns.expires.as_deref().unwrap_or(OURS[2]),
            ])?;
        }
        Ok(Self { to })
    }
}

impl<W: Write> WriteRecords for DelimitedWriter<W> {
    fn write(&mut self, record: &Record) -> io::Result<()> {
        let expires = record
            .expires_ms
            .map(|ms| ms.to_string())
            .unwrap_or_default();
        self.to
            .write_record([&record.key, &record.value, expires.as_bytes()])?;
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// What stands between the columns, and around them.
#[derive(Clone, Copy, Debug)]
pub struct Dialect {
    pub delimiter: u8,
    /// Somebody said so: it is no guess.
    pub is_given: bool,
    /// Quotes hold a column together.
    pub has_quotes: bool,
}

/// Where to look in a row, counted from 0.
#[derive(Clone, Copy, Debug)]
struct Places {
    key: usize,
    value: usize,
    expires: Option<usize>,
}

/// Reads rows.
pub struct DelimitedReader<R> {
    from: csv::Reader<Counted<R>>,
    places: Places,
    /// The first row, if it had to be read to see whether it is a header, and is none.
    first: Option<ByteRecord>,
    row: ByteRecord,
    line: u64,
    delimiter: u8,
    doubt: Option<String>,
}

impl<R: Read> DelimitedReader<R> {
    /// Reads from `from`, the header first. Errors if a column is named that does not exist.
    pub fn new(
        from: R,
        dialect: Dialect,
        header: Header,
        columns: &Columns,
    ) -> Result<Self, Failure> {
        let delimiter = dialect.delimiter;
        let mut from = ReaderBuilder::new()
            .delimiter(delimiter)
            .has_headers(false)
            .flexible(true)
            .quoting(dialect.has_quotes)
            .from_reader(Counted::new(from));
        let mut first = None;
        let mut names: Option<ByteRecord> = None;
        let mut row = ByteRecord::new();
        if header != Header::No
            && from
                .read_byte_record(&mut row)
                .map_err(|error| unreadable(&error))?
        {
            let is_ours = columns.key.is_none()
                && columns.value.is_none()
                && row.iter().eq(OURS.iter().map(|name| name.as_bytes()));
            if header == Header::Yes || is_ours {
                names = Some(row.clone());
            } else {
                first = Some(row.clone());
            }
        }
        let find = |column: &str| place(column, names.as_ref());
        let places = Places {
            key: columns.key.as_deref().map_or(Ok(0), find)?,
            value: columns.value.as_deref().map_or(Ok(1), find)?,
            expires: match columns.expires.as_deref() {
                Some(column) => Some(find(column)?),
                None => names
                    .as_ref()
                    .and_then(|names| names.iter().position(|name| name == EXPIRES.as_bytes())),
            },
        };
        // A row that is no record will be refused, with the same advice.
        let record = first.as_ref().filter(|row| pick(row, places).is_ok());
        let doubt = record.and_then(|row| {
            let other = other_delimiter(row, delimiter).filter(|_| !dialect.is_given);
            let said = other.map(advice_on_delimiter);
            said.or_else(|| {
                names_columns(row, places.key, places.value).then(|| advice_on_names(row))
            })
        });
        Ok(Self {
            from,
            places,
            first,
            row,
            line: 0,
            delimiter,
            doubt: doubt.map(|doubt| format!("line 1 is read as a record; {doubt}")),
        })
    }
}

impl<R: Read> ReadRecords for DelimitedReader<R> {
    fn next(&mut self) -> Result<Option<Record>, Trouble> {
        if let Some(first) = self.first.take() {
            self.row = first;
        } else if !self.from.read_byte_record(&mut self.row).map_err(trouble)? {
            return Ok(None);
        }
        self.line = self
            .row
            .position()
            .map_or(self.line + 1, csv::Position::line);
        let record = pick(&self.row, self.places).map_err(|why| {
            let last = self.row.iter().next_back().unwrap_or_default();
            match other_delimiter(&self.row, self.delimiter) {
                // Rows end with lines where quotes do not hold them together.
                _ if last.contains(&b'\n') => {
                    format!("{why}; a quote that opens there may never be closed")
                }
                Some(other) => format!("{why}; {}", advice_on_delimiter(other)),
                None => why,
            }
        });
        record.map(Some).map_err(Trouble::Bad)
    }

    fn line(&self) -> u64 {
        self.line
    }

    fn bytes_read(&self) -> u64 {
        self.from.get_ref().bytes
    }

    fn doubt(&self) -> Option<String> {
        self.doubt.clone()
    }
}

fn pick(row: &ByteRecord, places: Places) -> Result<Record, String> {
    let column = |at: usize, what: &str| {
        row.get(at).ok_or_else(|| {
            format!(
                "has {}, but the {what} is column {}",
                counted(row.len() as u64, "column"),
                at + 1
            )
        })
    };
    let expires_ms = match places.expires.and_then(|at| row.get(at)) {
        None | Some([]) => None,
        Some(text) => std::str::from_utf8(text)
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .map(Some)
            .ok_or("the expiry is not a number of milliseconds")?,
    };
    Ok(Record {
        key: column(places.key, "key")?.to_vec(),
        value: column(places.value, "value")?.to_vec(),
        expires_ms,
    })
}

fn place(column: &str, names: Option<&ByteRecord>) -> Result<usize, Failure> {
    if let Some(at) =
        names.and_then(|names| names.iter().position(|name| name == column.as_bytes()))
    {
        return Ok(at);
    }
    match (column.parse::<usize>(), names) {
        (Ok(number), _) if number > 0 => Ok(number - 1),
        (Ok(_), _) => Err(Failure::usage("columns start at 1")),
        (Err(_), None) => Err(Failure::usage(format!(
            "column {column:?} is a name, so the first line must name the columns: add --header"
        ))),
        (Err(_), Some(names)) => {
            let names: Vec<_> = names
                .iter()
                .map(|name| crate::text::excerpt(name, 30))
                .collect();
            Err(Failure::usage(format!(
                "there is no column {column:?}; the columns are: {}",
                names.join(", ")
            )))
        }
    }
}

fn trouble(error: csv::Error) -> Trouble {
    let text = error.to_string();
    match error.into_kind() {
        csv::ErrorKind::Io(error) => Trouble::Io(error),
        _ => Trouble::Bad(text),
    }
}

fn unreadable(error: &csv::Error) -> Failure {
    Failure::new(Exit::System, format!("cannot read the input: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialect(delimiter: u8) -> Dialect {
        Dialect {
            delimiter,
            is_given: false,
            has_quotes: true,
        }
    }

    fn read(text: &[u8], header: Header, columns: &Columns) -> Vec<Result<Record, String>> {
        let mut reader = DelimitedReader::new(text, dialect(b','), header, columns).unwrap();
        let mut all = Vec::new();
        loop {
            match reader.next() {
                Ok(None) => return all,
                Ok(Some(record)) => all.push(Ok(record)),
                Err(Trouble::Bad(why)) => all.push(Err(format!("line {}: {why}", reader.line()))),
                Err(Trouble::Io(error)) => panic!("{error}"),
            }
        }
    }

    #[test]
    fn every_byte_string_comes_back() {
        let records = [
            Record {
                key: b"".into(),
                value: b"".into(),
                expires_ms: None,
            },
            Record {
                key: b"\xff\x00,".into(),
                value: b"a\r\n\"b\"\r".into(),
                expires_ms: Some(7),
            },
            Record {
                key: b"\xef\xbb\xbfbom".into(),
                value: b" x ".into(),
                expires_ms: None,
            },
        ];
        for header in [Header::Ours, Header::No] {
            let columns = Columns::default();
            let mut text = Vec::new();
            let mut writer = DelimitedWriter::new(&mut text, b',', header, &columns).unwrap();
            records
                .iter()
                .for_each(|record| writer.write(record).unwrap());
            writer.finish().unwrap();
            drop(writer);
            let columns = Columns {
                expires: Some("3".into()),
                ..Columns::default()
            };
            let back: Vec<_> = read(&text, header, &columns)
                .into_iter()
                .map(Result::unwrap)
                .collect();
            assert_eq!(back, records, "{header:?}");
        }
    }

    #[test]
    fn columns_go_by_number_or_name_and_a_short_row_is_named() {
        let text = b"id,city,name\n1,Ulm,Ann\n2\n3,Rom,Bo\n";
        let columns = Columns {
            key: Some("1".into()),
            value: Some("name".into()),
            expires: None,
        };
        let seen = read(text, Header::Yes, &columns);
        assert_eq!(seen[0].as_ref().unwrap().value, b"Ann");
        assert_eq!(
            seen[1],
            Err("line 3: has 1 column, but the value is column 3".to_owned())
        );
        assert_eq!(seen[2].as_ref().unwrap().key, b"3");
        let wrong = Columns {
            key: Some("nope".into()),
            ..Columns::default()
        };
        assert!(DelimitedReader::new(&text[..], dialect(b','), Header::Yes, &wrong).is_err());
        assert!(DelimitedReader::new(&text[..], dialect(b','), Header::No, &wrong).is_err());
    }

    #[test]
    fn a_third_column_is_no_expiry_unless_it_is_called_so() {
        let seen = read(b"a,1,1000\n", Header::Ours, &Columns::default());
        assert_eq!(seen[0].as_ref().unwrap().expires_ms, None);
        let seen = read(
            b"key,value,expires_ms\na,1,1000\n",
            Header::Ours,
            &Columns::default(),
        );
        assert_eq!(seen[0].as_ref().unwrap().expires_ms, Some(1000));
    }
}
