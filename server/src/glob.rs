//! Redis's patterns for keys, matched in time proportional to pattern times text.

/// Whether `text` matches `pattern`: `*` any run, `?` any byte, `[a-c]` and `[^a]` a class, `\` takes
/// the next byte as it is.
///
/// Without recursion: after a mismatch only the last `*` takes one more byte, which is enough, because
/// whatever an earlier one could take, the last one can as well.
pub(crate) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Behind the last `*`, and where the text that it left over began.
    let mut star: Option<(usize, usize)> = None;
    loop {
        if pattern.get(p) == Some(&b'*') {
            p += 1;
            star = Some((p, t));
            continue;
        }
        if p == pattern.len() && t == text.len() {
            return true;
        }
        if let Some(byte) = text.get(t)
            && let Some(next) = one(pattern, p, *byte)
        {
            (p, t) = (next, t + 1);
            continue;
        }
        match &mut star {
            Some((behind, from)) if *from < text.len() => {
                *from += 1;
                (p, t) = (*behind, *from);
            }
            _ => return false,
        }
    }
}

/// Matches one byte. Returns the place behind what matched it.
fn one(pattern: &[u8], at: usize, byte: u8) -> Option<usize> {
    match (*pattern.get(at)?, pattern.get(at + 1)) {
        (b'?', _) => Some(at + 1),
        (b'[', _) => class(pattern, at + 1, byte),
        (b'\\', Some(literal)) => (*literal == byte).then_some(at + 2),
        (literal, _) => (literal == byte).then_some(at + 1),
    }
}

/// Matches one byte against a class, whose first byte is at `at`. A class that is not closed ends with
/// the pattern.
fn class(pattern: &[u8], mut at: usize, byte: u8) -> Option<usize> {
    let negated = pattern.get(at) == Some(&b'^');
    at += usize::from(negated);
    let mut found = false;
    loop {
        match (pattern.get(at), pattern.get(at + 1), pattern.get(at + 2)) {
            (None, ..) => break,
            (Some(b'\\'), Some(literal), _) => {
                found |= *literal == byte;
                at += 2;
            }
            (Some(b']'), ..) => {
                at += 1;
                break;
            }
            (Some(one), Some(b'-'), Some(other)) => {
                found |= (*one.min(other)..=*one.max(other)).contains(&byte);
                at += 3;
            }
            (Some(literal), ..) => {
                found |= *literal == byte;
                at += 1;
            }
        }
    }
    (found != negated).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_match_as_in_redis() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("h?llo", "hello", true),
            ("h?llo", "hllo", false),
            ("h*llo", "heeeello", true),
            ("h[ae]llo", "hallo", true),
            ("h[ae]llo", "hillo", false),
            ("h[^e]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[a-b]llo", "hbllo", true),
            ("h[b-a]llo", "hallo", true),
            ("h\\*llo", "h*llo", true),
            ("h\\*llo", "hello", false),
            ("[\\]]", "]", true),
            ("a*b*c", "a1b2b3c", true),
            ("a*b*c", "a1b2b3", false),
            ("[a", "a", true),
            ("a\\", "a\\", true),
            ("*\\", "a\\", true),
        ] {
            let found = matches(pattern.as_bytes(), text.as_bytes());
            assert_eq!(found, expected, "{pattern} {text}");
        }
    }

    #[test]
    fn many_stars_over_a_long_text_that_does_not_match_cost_no_more_than_pattern_times_text() {
        // A matcher that tries every division would not end.
        let pattern = [b"a*".repeat(10_000), b"b".to_vec()].concat();
        assert!(!matches(&pattern, &b"a".repeat(65_535)));
        assert!(!matches(&b"[".repeat(65_536), &b"a".repeat(65_535)));
        assert!(matches(&b"\\a".repeat(30_000), &b"a".repeat(30_000)));
    }
}
