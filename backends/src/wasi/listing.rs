//! What `fd_readdir` writes into its buffer.
//!
//! ```text
//! 0  8  next    cookie of the entry after this one
//! 8  8  inode   not to be trusted
//! 16 4  bytes of the name
//! 20 1  kind    0 unknown, 4 regular file
//! 21 3  zero
//! 24 .  name
//! ```
//!
//! The last entry may be cut off by the end of the buffer.

const ENTRY_HEAD_BYTES: usize = 24;

const KIND_UNKNOWN: u8 = 0;
const KIND_REGULAR_FILE: u8 = 4;

/// One name of a directory.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    /// Where the listing goes on after this entry.
    pub next: u64,
    /// The name, in whatever bytes the host found.
    pub name: &'a [u8],
    /// Whether it is a regular file, if the host says.
    pub is_file: Option<bool>,
}

/// The whole entries of a buffer that a host has filled.
pub(crate) fn entries(mut buffer: &[u8]) -> impl Iterator<Item = Entry<'_>> {
    core::iter::from_fn(move || {
        let (head, rest) = buffer.split_at_checked(ENTRY_HEAD_BYTES)?;
        let next = u64::from_le_bytes(head[..8].try_into().ok()?);
        let bytes = u32::from_le_bytes(head[16..20].try_into().ok()?);
        let (name, after) = rest.split_at_checked(usize::try_from(bytes).ok()?)?;
        buffer = after;
        let is_file = match head[20] {
            KIND_UNKNOWN => None,
            kind => Some(kind == KIND_REGULAR_FILE),
        };
        Some(Entry {
            next,
            name,
            is_file,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(next: u64, kind: u8, name: &[u8]) -> Vec<u8> {
        let mut bytes = next.to_le_bytes().to_vec();
        bytes.extend_from_slice(&77_u64.to_le_bytes());
        bytes.extend_from_slice(&(name.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&[kind, 0, 0, 0]);
        bytes.extend_from_slice(name);
        bytes
    }

    #[test]
    fn an_entry_cut_off_at_any_byte_is_left_out_and_the_ones_before_it_are_kept() {
        let first = entry(1, 4, b"segment-0000000001");
        let second = entry(2, 3, b"directory");
        let third = entry(3, 0, b"\xff");
        let all = [&first[..], &second, &third].concat();
        let kinds: Vec<_> = entries(&all).map(|entry| entry.is_file).collect();
        assert_eq!(kinds, [Some(true), Some(false), None]);
        for end in 0..all.len() {
            let whole =
                usize::from(end >= first.len()) + usize::from(end >= first.len() + second.len());
            assert_eq!(entries(&all[..end]).count(), whole, "{end}");
        }
    }

    #[test]
    fn a_name_length_no_buffer_holds_ends_the_listing() {
        let mut bytes = entry(1, 4, b"a");
        bytes[16..20].fill(0xff);
        assert_eq!(entries(&bytes).count(), 0);
    }
}
