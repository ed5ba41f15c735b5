//! Inline commands: a line of words, as a person types it into a raw connection.

/// Divides a line into words, unescaped, each appended to `into` and its end noted in `ends`.
///
/// Words may be quoted: `"..."` with the escapes `\n \r \t \b \a \xHH`, `'...'` with `\'`. A zero byte
/// ends the line. `None` if a quote is not closed, or is closed inside a word.
pub(crate) fn split(line: &[u8], into: &mut Vec<u8>, ends: &mut Vec<usize>) -> Option<()> {
    let line = line.split(|byte| *byte == 0).next().unwrap_or_default();
    let mut at = 0;
    loop {
        while line.get(at).is_some_and(|byte| is_space(*byte)) {
            at += 1;
        }
        if at == line.len() {
            return Some(());
        }
        while let Some(&byte) = line.get(at)
            && !is_space(byte)
        {
            at += 1;
            match byte {
                b'"' => at = double_quoted(line, at, into)?,
                b'\'' => at = single_quoted(line, at, into)?,
                byte => into.push(byte),
            }
        }
        ends.push(into.len());
    }
}

/// Takes what follows an opening `"`. Returns the place behind the closing one.
fn double_quoted(line: &[u8], mut at: usize, into: &mut Vec<u8>) -> Option<usize> {
    loop {
        match (*line.get(at)?, line.get(at + 1)) {
            (b'"', next) => return closes(next).then_some(at + 1),
            (b'\\', Some(b'x')) if let Some(byte) = hex(line.get(at + 2..at + 4)) => {
                into.push(byte);
                at += 4;
            }
            (b'\\', Some(letter)) => {
                into.push(match letter {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'a' => 7,
                    other => *other,
                });
                at += 2;
            }
            (byte, _) => {
                into.push(byte);
                at += 1;
            }
        }
    }
}

/// Takes what follows an opening `'`. Returns the place behind the closing one.
fn single_quoted(line: &[u8], mut at: usize, into: &mut Vec<u8>) -> Option<usize> {
    loop {
        match (*line.get(at)?, line.get(at + 1)) {
            (b'\'', next) => return closes(next).then_some(at + 1),
            (b'\\', Some(b'\'')) => {
                into.push(b'\'');
                at += 2;
            }
            (byte, _) => {
                into.push(byte);
                at += 1;
            }
        }
    }
}

/// Whether a quote may be closed before this byte.
fn closes(next: Option<&u8>) -> bool {
    next.is_none_or(|byte| is_space(*byte))
}

fn hex(digits: Option<&[u8]>) -> Option<u8> {
    let digits = std::str::from_utf8(digits?).ok()?;
    let all = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u8::from_str_radix(digits, 16).ok().filter(|_| all)
}

/// What C's `isspace` takes for one.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

#[cfg(test)]
mod tests {
    use super::split;

    fn words(line: &[u8]) -> Option<Vec<Vec<u8>>> {
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        split(line, &mut bytes, &mut ends)?;
        let mut from = 0;
        let word = |end: usize| bytes[std::mem::replace(&mut from, end)..end].to_vec();
        Some(ends.into_iter().map(word).collect())
    }

    fn check(line: &[u8], expected: &[&[u8]]) {
        let expected: Vec<Vec<u8>> = expected.iter().map(|word| word.to_vec()).collect();
        assert_eq!(words(line), Some(expected), "{}", line.escape_ascii());
    }

    #[test]
    fn words_are_divided_at_any_space() {
        check(b"", &[]);
        check(b" \t ", &[]);
        check(b" set\tk  v ", &[b"set", b"k", b"v"]);
    }

    #[test]
    fn quoted_words_keep_spaces_and_unescape() {
        check(br#"set "a b" 'c d'"#, &[b"set", b"a b", b"c d"]);
        check(br#""\x41\n\t\"\q" '\n\''"#, &[b"A\n\t\"q", b"\\n'"]);
        check(br#""" '' x"y""#, &[b"", b"", b"xy"]);
        check(br#""\x4""#, &[b"x4"]);
    }

    #[test]
    fn unbalanced_quotes_are_refused() {
        for line in [&b"\"a"[..], b"'a", b"\"a\"b", b"'a'b", b"\"a\\"] {
            assert_eq!(words(line), None, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn a_zero_byte_ends_the_line() {
        check(b"ping\0 \"", &[b"ping"]);
        check(&[0; 100], &[]);
    }
}
