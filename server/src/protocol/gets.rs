//! `GET key` in the one framing that clients use, recognised as it lies there: for many of them in a row that is much
//! cheaper than a parser that takes everything in any pieces.

use super::integer;
use std::ops::Range;

const BEFORE_NAME: &[u8] = b"*2\r\n$3\r\n";
const NAME: &[u8] = b"get";
const BEFORE_LENGTH: &[u8] = b"\r\n$";
/// Longer numbers are the parser's business.
const DIGITS_MAX: usize = 8;

/// A whole `GET` at the beginning of `input`: where its key lies, and how long the command is. `None` for everything
/// else: then the [parser](super::Parser) knows what it is, or what is wrong with it.
pub(crate) fn get(input: &[u8], key_bytes_max: usize) -> Option<(Range<usize>, usize)> {
    let rest = input.strip_prefix(BEFORE_NAME)?;
    let (name, rest) = rest.split_at_checked(NAME.len())?;
    let rest = rest.strip_prefix(BEFORE_LENGTH)?;
    let digits = rest.iter().take(DIGITS_MAX + 1).position(|it| *it == b'\r');
    let (digits, rest) = rest.split_at_checked(digits?)?;
    let key_bytes = usize::try_from(integer(digits)?).ok()?;
    let rest = rest.strip_prefix(b"\r\n")?;
    let start = input.len() - rest.len();
    let end = start + key_bytes;
    let is_whole = rest.get(key_bytes..)?.starts_with(b"\r\n");
    (is_whole && name.eq_ignore_ascii_case(NAME) && key_bytes <= key_bytes_max)
        .then_some((start..end, end + 2))
}

#[cfg(test)]
mod tests {
    use super::get;
    use crate::protocol::{Gate, Parser, Step};
    use proptest::prelude::*;

    const GATE: Gate = Gate {
        args_max: 1 << 20,
        bulk_bytes_max: 100,
        authenticated: true,
    };

    #[test]
    fn a_get_is_recognised_in_any_case_and_with_any_key() {
        for (input, key) in [
            (&b"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n"[..], &b"key"[..]),
            (b"*2\r\n$3\r\ngEt\r\n$0\r\n\r\n*2\r\n", b""),
            (b"*2\r\n$3\r\nget\r\n$4\r\n\r\n\0a\r\n", b"\r\n\0a"),
        ] {
            assert_eq!(&input[get(input, 100).unwrap().0], key);
        }
    }

    #[test]
    fn what_is_not_whole_or_not_a_get_or_too_long_is_left_to_the_parser() {
        let whole = b"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n";
        for end in 0..whole.len() {
            assert_eq!(get(&whole[..end], 100), None, "{end}");
        }
        assert_eq!(get(whole, 2), None);
        for other in [
            &b"*2\r\n$3\r\nDEL\r\n$3\r\nkey\r\n"[..],
            b"*3\r\n$3\r\nGET\r\n$3\r\nkey\r\n",
            b"*2\r\n$3\r\nGET\r\n$03\r\nkey\r\n",
            b"*2\r\n$3\r\nGET\r\n$-1\r\nkey\r\n",
            b"*2\r\n$3\r\nGET\r\n$3\r\nkeys\r\n",
            b"GET key\r\n",
        ] {
            assert_eq!(get(other, 100), None, "{other:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_taken_for_a_get_is_one_to_the_parser_too(
            mut input in prop_oneof![
                Just(b"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n".to_vec()),
                Just(b"*2\r\n$3\r\nget\r\n$12\r\nkey\r\n$3\r\nkeys\r\n*1".to_vec()),
            ],
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        ) {
            for (at, byte) in changes {
                let at = at.index(input.len());
                input[at] = byte;
            }
            if let Some((key, bytes)) = get(&input, GATE.bulk_bytes_max) {
                let mut parser = Parser::default();
                prop_assert_eq!(parser.advance(&input, GATE), Ok(Step::Whole(bytes)));
                let args = parser.args(&input);
                prop_assert_eq!(args.len(), 2);
                prop_assert!(args.at(0).eq_ignore_ascii_case(b"get"));
                prop_assert_eq!(args.at(1), &input[key]);
            }
        }
    }
}
