//! Replies, written straight into the bytes to be sent.

/// Bytes of an error that come from the client, at most: they are quoted, not mirrored.
pub(crate) const QUOTED_BYTES_MAX: usize = 128;

/// The longest integer.
const NUMBER_BYTES_MAX: usize = "-9223372036854775808".len();

/// What is to be sent to one client.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    pub bytes: Vec<u8>,
    /// The client speaks RESP3.
    pub resp3: bool,
}

impl Reply {
    pub(crate) fn ok(&mut self) {
        self.bytes.extend_from_slice(b"+OK\r\n");
    }

    /// A word of ours; never what a client sent.
    pub(crate) fn simple(&mut self, word: &'static str) {
        self.line(b'+', word.as_bytes());
    }

    /// Words of ours; never what a client sent.
    pub(crate) fn words(&mut self, words: &str) {
        self.line(b'+', words.as_bytes());
    }

    /// An error. Line ends inside become spaces, so that nothing a client sent can pass for another
    /// reply.
    pub(crate) fn error(&mut self, words: &[u8]) {
        self.bytes.push(b'-');
        let plain = words.iter().map(|byte| match byte {
            b'\r' | b'\n' => b' ',
            other => *other,
        });
        self.bytes.extend(plain);
        self.end();
    }

    pub(crate) fn integer(&mut self, number: i64) {
        self.number(b':', number);
    }

    /// A count, which is never above what an integer holds.
    pub(crate) fn count(&mut self, count: usize) {
        self.integer(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub(crate) fn bulk(&mut self, bytes: &[u8]) {
        self.length(b'$', bytes.len());
        self.bytes.reserve(bytes.len() + 2);
        self.bytes.extend_from_slice(bytes);
        self.end();
    }

    /// Announces a value of that many bytes, which follows.
    pub(crate) fn bulk_of(&mut self, bytes: u64) {
        self.number(b'$', i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// A value, or the absence of one.
    pub(crate) fn maybe(&mut self, bytes: Option<&[u8]>) {
        match bytes {
            Some(bytes) => self.bulk(bytes),
            None => self.null(),
        }
    }

    pub(crate) fn null(&mut self) {
        let null: &[u8] = if self.resp3 { b"_\r\n" } else { b"$-1\r\n" };
        self.bytes.extend_from_slice(null);
    }

    /// The absence of an array.
    pub(crate) fn null_array(&mut self) {
        let null: &[u8] = if self.resp3 { b"_\r\n" } else { b"*-1\r\n" };
        self.bytes.extend_from_slice(null);
    }

    /// Announces an array of that many elements.
    pub(crate) fn array(&mut self, elements: usize) {
        self.length(b'*', elements);
    }

    /// Announces what was not asked for: elements that a client of RESP3 can tell from a reply.
    pub(crate) fn push(&mut self, elements: usize) {
        self.length(if self.resp3 { b'>' } else { b'*' }, elements);
    }

    /// Announces a map of that many pairs.
    pub(crate) fn map(&mut self, pairs: usize) {
        match self.resp3 {
            true => self.length(b'%', pairs),
            false => self.length(b'*', pairs * 2),
        }
    }

    /// Announces a set of that many elements.
    pub(crate) fn set(&mut self, elements: usize) {
        self.length(if self.resp3 { b'~' } else { b'*' }, elements);
    }

    /// Text for people.
    pub(crate) fn text(&mut self, text: &str) {
        if !self.resp3 {
            return self.bulk(text.as_bytes());
        }
        self.length(b'=', text.len() + 4);
        self.bytes.extend_from_slice(b"txt:");
        self.bytes.extend_from_slice(text.as_bytes());
        self.end();
    }

    fn length(&mut self, kind: u8, length: usize) {
        self.number(kind, i64::try_from(length).unwrap_or(i64::MAX));
    }

    fn number(&mut self, kind: u8, number: i64) {
        let mut text = [0; NUMBER_BYTES_MAX];
        let mut start = text.len();
        let mut left = number.unsigned_abs();
        loop {
            start -= 1;
            text[start] = b'0' + (left % 10) as u8;
            left /= 10;
            if left == 0 {
                break;
            }
        }
        if number < 0 {
            start -= 1;
            text[start] = b'-';
        }
        self.line(kind, &text[start..]);
    }

    fn line(&mut self, kind: u8, line: &[u8]) {
        self.bytes.push(kind);
        self.bytes.extend_from_slice(line);
        self.end();
    }

    fn end(&mut self) {
        self.bytes.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::Reply;

    #[test]
    fn integers_are_told_as_they_are_written() {
        for number in [0, 7, 10, 99, 1_000_000_007, -1, -10, i64::MAX, i64::MIN] {
            let mut reply = Reply::default();
            reply.integer(number);
            assert_eq!(reply.bytes, format!(":{number}\r\n").into_bytes());
        }
    }
}
