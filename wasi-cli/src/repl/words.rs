//! A line as words, quoted as in a shell: 'as it is', "with \" and \\", a\ b.

/// The words, or what is wrong with the line.
pub fn split(line: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('\'') => break,
                        Some(c) => word.push(c),
                        None => return Err("a ' is not closed"),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('"') => break,
                        Some('\\') => word.push(escaped(chars.next())?),
                        Some(c) => word.push(c),
                        None => return Err("a \" is not closed"),
                    }
                }
            }
            '\\' => {
                let c = chars.next().ok_or("the line ends with a \\")?;
                word.get_or_insert_default().push(c);
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

fn escaped(c: Option<char>) -> Result<char, &'static str> {
    match c {
        Some('n') => Ok('\n'),
        Some('t') => Ok('\t'),
        Some('r') => Ok('\r'),
        Some('0') => Ok('\0'),
        Some(c) => Ok(c),
        None => Err("a \" is not closed"),
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn words_are_quoted_as_in_a_shell() {
        for (line, words) in [
            ("put a b", vec!["put", "a", "b"]),
            (
                "  put  'a b' \"c \\\"d\\\" \\n\" ",
                vec!["put", "a b", "c \"d\" \n"],
            ),
            ("put a ''", vec!["put", "a", ""]),
            ("get a\\ b'c'", vec!["get", "a bc"]),
            ("", vec![]),
        ] {
            assert_eq!(split(line).unwrap(), words, "{line}");
        }
        for line in ["put 'a", "put \"a", "put a\\", "put \"a\\"] {
            assert!(split(line).is_err(), "{line}");
        }
    }
}
