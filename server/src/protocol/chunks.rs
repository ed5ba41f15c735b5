//! What a parser understands does not depend on the pieces in which it arrives.

use super::{Gate, understand};
use proptest::prelude::*;

const GATE: Gate = Gate {
    args_max: 1000,
    bulk_bytes_max: 1 << 20,
    authenticated: true,
};

/// Commands as clients send them, and what is nearly that.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let word = prop::collection::vec(any::<u8>(), 0..40);
    let frame = prop::collection::vec(word.clone(), 0..6).prop_map(|words| {
        let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            bytes.extend_from_slice(&word);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes
    });
    let line = "[a-z \"'\\\\x0-9]{0,30}\r?\n".prop_map(String::into_bytes);
    let odd = prop::sample::select(vec![
        &b"*"[..],
        b"\r",
        b"\n",
        b"\r\n",
        b"$3\r\n",
        b"*1\r\n",
        b"*-1\r\n",
        b"*0\r\n",
        b"$-1\r\n",
        b"*1\r\n$4\r\nPINGXX",
        b"*1001\r\n",
        b"*1\n",
        b"*01\r\n",
        b"\0\r\n",
        b"*2\r\n$1\r\nx\r\n+",
    ])
    .prop_map(<[u8]>::to_vec);
    let piece = prop_oneof![5 => frame, 3 => line, 1 => odd, 1 => word];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn a_stream_is_understood_alike_in_whatever_pieces_it_arrives(
        bytes in stream(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        authenticated in any::<bool>(),
    ) {
        let gate = Gate { authenticated, ..GATE };
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        let whole = understand(&bytes, &[], gate);
        prop_assert_eq!(&understand(&bytes, &cuts, gate), &whole);
        let each: Vec<usize> = (0..bytes.len()).collect();
        prop_assert_eq!(&understand(&bytes, &each, gate), &whole);
    }
}
