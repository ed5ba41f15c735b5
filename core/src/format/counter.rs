//! Ids, seqs and epochs: numbers that only grow, and how far.

/// The greatest id, seq or epoch there is. A billion a second reach it after 146 years, so what claims
/// a greater one is damage or a stranger's: a store that believed it could not count on.
pub const COUNTER_MAX: u64 = 1 << 62;

/// Nothing is written once one of them is beyond this. Each opening uses some up too (an epoch, a few
/// ids, a block of seqs), and what was acknowledged before must still be there for it.
pub const COUNTER_WRITE_MAX: u64 = COUNTER_MAX - (1 << 40);

/// The number `by` after this one.
pub fn after(counter: u64, by: u64) -> Result<u64, Exhausted> {
    let next = counter.checked_add(by);
    next.filter(|next| *next <= COUNTER_MAX).ok_or(Exhausted)
}

/// There is no greater number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Exhausted;
