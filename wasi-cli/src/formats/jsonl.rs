//! JSON Lines: `{"key":"a","value":"b","expires_ms":1801396800000}`, one record per line.
//!
//! Bytes that are no UTF-8 are written as `key_base64` and `value_base64`. `expires_ms` is there
//! only if the key expires. Reading takes the fields in any order and ignores others.

use super::{Columns, EXPIRES, ReadRecords, Record, Trouble, WriteRecords};
use crate::text::{from_base64, insert_bytes};
use serde_json::{Map, Value};
use std::io::{self, BufRead, Read, Write};

/// A record as a JSON object.
pub fn record_object(record: &Record) -> Map<String, Value> {
    let mut object = Map::new();
    insert_bytes(&mut object, "key", &record.key);
    insert_bytes(&mut object, "value", &record.value);
    if let Some(ms) = record.expires_ms {
        object.insert(EXPIRES.to_owned(), ms.into());
    }
    object
}

/// Writes a line per record.
pub struct JsonlWriter<W> {
    to: W,
    columns: Columns,
}

impl<W: Write> JsonlWriter<W> {
    /// Writes to `to`; `columns` may rename the fields.
    pub fn new(to: W, columns: Columns) -> Self {
        Self { to, columns }
    }
}

impl<W: Write> WriteRecords for JsonlWriter<W> {
    fn write(&mut self, record: &Record) -> io::Result<()> {
        let mut object = Map::new();
        let [key, value, expires] = names(&self.columns);
        insert_bytes(&mut object, key, &record.key);
        insert_bytes(&mut object, value, &record.value);
        if let Some(ms) = record.expires_ms {
            object.insert(expires.to_owned(), ms.into());
        }
        serde_json::to_writer(&mut self.to, &object)?;
        self.to.write_all(b"\n")
    }

    fn finish(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

fn names(columns: &Columns) -> [&str; 3] {
    [
        columns.key.as_deref().unwrap_or("key"),
        columns.value.as_deref().unwrap_or("value"),
        columns.expires.as_deref().unwrap_or(EXPIRES),
    ]
}

/// Reads a record per line; empty lines are passed over.
pub struct JsonlReader<R> {
    from: R,
    columns: Columns,
    line_bytes_max: u64,
    line: u64,
    bytes_read: u64,
    text: Vec<u8>,
}

impl<R: BufRead> JsonlReader<R> {
    /// Reads from `from`. A line longer than `line_bytes_max` is bad, and never held in memory.
    pub fn new(from: R, columns: Columns, line_bytes_max: u64) -> Self {
        Self {
            from,
            columns,
            line_bytes_max,
            line: 0,
            bytes_read: 0,
            text: Vec::new(),
        }
    }

    /// Reads a line into `self.text`, without its end. False at the end of the file.
    fn read_line(&mut self) -> Result<bool, Trouble> {
        self.text.clear();
        let limit = self.line_bytes_max.saturating_add(1);
        let read = Read::by_ref(&mut self.from)
            .take(limit)
            .read_until(b'\n', &mut self.text)
            .map_err(Trouble::Io)? as u64;
        self.bytes_read += read;
        if read == 0 {
            return Ok(false);
        }
        self.line += 1;
        if self.text.last() != Some(&b'\n') && read == limit {
            self.skip_line().map_err(Trouble::Io)?;
            return Err(Trouble::Bad(format!(
                "longer than {} bytes",
                self.line_bytes_max
            )));
        }
        Ok(true)
    }

    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let chunk = self.from.fill_buf()?;
            let (taken, is_end) = match chunk.iter().position(|byte| *byte == b'\n') {
                Some(at) => (at + 1, true),
                None => (chunk.len(), chunk.is_empty()),
            };
            self.from.consume(taken);
            self.bytes_read += taken as u64;
            if is_end {
                return Ok(());
            }
        }
    }
}

impl<R: BufRead> ReadRecords for JsonlReader<R> {
    fn next(&mut self) -> Result<Option<Record>, Trouble> {
        loop {
            if !self.read_line()? {
                return Ok(None);
            }
            let mut text = self.text.as_slice();
            if self.line == 1 {
                text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
            }
            let shown = text.trim_ascii();
            if !shown.is_empty() {
                let record = parse(text, &self.columns).map_err(|why| {
                    // Then it is no JSON at all, and most likely a table.
                    match self.line == 1 && !shown.starts_with(b"{") {
                        true => format!(
                            "{why}; for columns with commas or tabs add --format csv or --format tsv"
                        ),
                        false => why,
                    }
                });
                return record.map(Some).map_err(Trouble::Bad);
            }
        }
    }

    fn line(&self) -> u64 {
        self.line
    }

    fn bytes_read(&self) -> u64 {
        self.bytes_read
    }
}

fn parse(text: &[u8], columns: &Columns) -> Result<Record, String> {
    let value: Value = serde_json::from_slice(text).map_err(|error| {
        format!(
            "invalid JSON at column {}: {}",
            error.column(),
            reason(&error)
        )
    })?;
    let Value::Object(mut object) = value else {
        return Err("not a JSON object".to_owned());
    };
    let [key, value, expires] = names(columns);
    let expires_ms = match object.remove(expires) {
        None | Some(Value::Null) => None,
        Some(ms) => Some(
            ms.as_u64()
                .ok_or_else(|| format!("{expires} is not a number of milliseconds"))?,
        ),
    };
    Ok(Record {
        key: take_bytes(&mut object, key)?,
        value: take_bytes(&mut object, value)?,
        expires_ms,
    })
}

fn take_bytes(object: &mut Map<String, Value>, name: &str) -> Result<Vec<u8>, String> {
    let base64_name = format!("{name}_base64");
    match (object.remove(name), object.remove(&base64_name)) {
        (Some(Value::String(text)), None) => Ok(text.into_bytes()),
        (None, Some(Value::String(text))) => {
            from_base64(text.as_bytes()).ok_or_else(|| format!("{base64_name} is not base64"))
        }
        (None, None) => Err(format!("neither {name} nor {base64_name}")),
        (Some(_), Some(_)) => Err(format!("both {name} and {base64_name}")),
        (Some(_), None) => Err(format!("{name} is not a string")),
        (None, Some(_)) => Err(format!("{base64_name} is not a string")),
    }
}

/// serde_json's words without its own line number, which is always 1 here.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.find(" at line ") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Vec<Result<Record, String>> {
        let mut reader = JsonlReader::new(text, Columns::default(), 100);
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
                key: b"\xff\x00".into(),
                value: b"a\n\"\x07".into(),
                expires_ms: Some(7),
            },
            Record {
                key: "ä".into(),
                value: vec![0x80; 8],
                expires_ms: Some(u64::MAX),
            },
        ];
        let mut text = Vec::new();
        let mut writer = JsonlWriter::new(&mut text, Columns::default());
        for record in &records {
            writer.write(record).unwrap();
        }
        let back: Vec<Record> = read(&text).into_iter().map(Result::unwrap).collect();
        assert_eq!(back, records);
    }

    #[test]
    fn a_bad_line_is_named_and_the_next_one_is_read() {
        let text = b"\xef\xbb\xbf{\"key\":\"a\",\"value\":\"1\"}\n\n{\"key\":\"b\"}\nnope\n[1]\n\
            {\"key\":1,\"value\":\"\"}\n{\"key\":\"\",\"value_base64\":\"?\"}\n\
            {\"key\":\"a\",\"key_base64\":\"\",\"value\":\"\"}\n{\"value\":\"2\",\"key\":\"z\"}";
        let seen: Vec<String> = read(text)
            .into_iter()
            .map(|result| match result {
                Ok(record) => String::from_utf8(record.key).unwrap(),
                Err(why) => why,
            })
            .collect();
        assert_eq!(
            seen,
            [
                "a",
                "line 3: neither value nor value_base64",
                "line 4: invalid JSON at column 2: expected ident",
                "line 5: not a JSON object",
                "line 6: key is not a string",
                "line 7: value_base64 is not base64",
                "line 8: both key and key_base64",
                "z"
            ]
        );
    }

    #[test]
    fn an_endless_line_is_refused_without_holding_it() {
        let mut text = vec![b'x'; 10_000];
        text.extend_from_slice(b"\n{\"key\":\"a\",\"value\":\"\"}\n");
        let seen = read(&text);
        assert_eq!(seen[0], Err("line 1: longer than 100 bytes".to_owned()));
        assert_eq!(seen[1].as_ref().unwrap().key, b"a");
    }
}
