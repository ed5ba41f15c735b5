//! Everything that a parser understands of some bytes, for tests and fuzzers.

use super::{Gate, Parser, ProtocolError, Step};

/// Every command of the bytes, and what ended them.
pub(crate) type Understood = (Vec<Vec<Vec<u8>>>, Option<ProtocolError>);

/// Gives the bytes to a parser as a connection does: each piece behind what is not understood yet.
pub(crate) fn understand(bytes: &[u8], cuts: &[usize], gate: Gate) -> Understood {
    let mut parser = Parser::default();
    let mut commands = Vec::new();
    let mut held: Vec<u8> = Vec::new();
    let mut from = 0;
    for to in cuts.iter().copied().chain([bytes.len()]) {
        held.extend_from_slice(&bytes[from..to]);
        from = to;
        loop {
            match parser.advance(&held, gate) {
                Ok(Step::More) => break,
                Ok(Step::Whole(used)) => {
                    let args = parser.args(&held);
                    commands.push(args.from(0).map(<[u8]>::to_vec).collect());
                    parser.reset();
                    held.drain(..used);
                }
                Err(error) => return (commands, Some(error)),
            }
        }
    }
    (commands, None)
}
