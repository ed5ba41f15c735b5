//! The files of a directory, from what `fd_readdir` writes into its buffer.
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

use alloc::vec;
use alloc::vec::Vec;
use portcask_core::storage::{ErrorKind, FileName, StorageError};

/// First size of the buffer. Some hosts read the whole directory for each call.
const LISTING_BYTES: usize = 64 * 1024;

/// Beyond this the listing goes on by cookies: some 350,000 names.
const LISTING_BYTES_MAX: usize = 16 << 20;

/// How often a listing starts over because a file was removed meanwhile. Beyond this the directory itself is gone.
const STARTS_MAX: usize = 32;

const ENTRY_HEAD_BYTES: usize = 24;

const KIND_UNKNOWN: u8 = 0;
const KIND_REGULAR_FILE: u8 = 4;

/// Every file of a directory with a name that the engine could use. `read` fills a buffer with entries from a cookie
/// on, and `exists` says whether a name is a file, which not every host tells with the entry.
///
/// The buffer grows until one call brings them all: a listing that goes on by cookies misses names on some hosts when
/// another process removes one meanwhile. Wasmtime looks at each name before it answers, and refuses the whole listing
/// if one is gone by then: it starts over.
pub(crate) fn files(
    mut read: impl FnMut(&mut [u8], u64) -> Result<usize, StorageError>,
    exists: impl Fn(&FileName) -> Result<bool, StorageError>,
) -> Result<Vec<FileName>, StorageError> {
    let mut files = Vec::new();
    let mut buffer = vec![0; LISTING_BYTES];
    let mut cookie = 0;
    let mut starts = 1;
    loop {
        let filled = match read(&mut buffer, cookie) {
            Err(error) if error.kind == ErrorKind::NotFound && starts < STARTS_MAX => {
                starts += 1;
                files.clear();
                cookie = 0;
                continue;
            }
            filled => filled?,
        };
        let from = cookie;
        for entry in entries(&buffer[..filled]) {
            cookie = entry.next;
            if let Some(name) = FileName::of(entry.name)
                // Not every host says what a name stands for.
                && entry.is_file.map_or_else(|| exists(&name), Ok)?
                // Where it goes on, a host that takes no notice of the cookie tells the same names again.
                && (from == 0 || !files.contains(&name))
            {
                files.push(name);
            }
        }
        if filled == buffer.len() && buffer.len() < LISTING_BYTES_MAX {
            buffer.resize(buffer.len() * 4, 0);
            files.clear();
            cookie = 0;
        } else if cookie == from {
            // Nothing behind the last one. A short answer alone is not the end: one host fills whole entries only.
            return Ok(files);
        }
    }
}

/// One name of a directory.
#[derive(Debug, PartialEq, Eq)]
struct Entry<'a> {
    /// Where the listing goes on after this entry.
    next: u64,
    /// The name, in whatever bytes the host found.
    name: &'a [u8],
    /// Whether it is a regular file, if the host says.
    is_file: Option<bool>,
}

/// The whole entries of a buffer that a host has filled.
fn entries(mut buffer: &[u8]) -> impl Iterator<Item = Entry<'_>> {
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
    fn a_listing_during_which_a_file_is_removed_starts_over() {
        let gone = || StorageError::new(ErrorKind::NotFound);
        let both = [entry(1, 4, b"lock"), entry(2, 4, b"reserve")].concat();
        // Refused at once, refused where it goes on, then answered in full.
        let mut calls = 0;
        let found = files(
            |into, cookie| {
                calls += 1;
                let bytes = match (calls, cookie) {
                    (1 | 3, _) => return Err(gone()),
                    (_, 0) => &both[..],
                    _ => &[],
                };
                into[..bytes.len()].copy_from_slice(bytes);
                Ok(bytes.len())
            },
            |_| Ok(true),
        );
        let names = ["lock", "reserve"].map(|name| FileName::new(name).unwrap());
        assert_eq!((found.unwrap(), calls), (names.to_vec(), 5));

        let of_nothing = files(|_, _| Err(gone()), |_| Ok(true));
        assert_eq!(of_nothing.unwrap_err().kind, ErrorKind::NotFound);
    }

    #[test]
    fn a_name_length_no_buffer_holds_ends_the_listing() {
        let mut bytes = entry(1, 4, b"a");
        bytes[16..20].fill(0xff);
        assert_eq!(entries(&bytes).count(), 0);
    }
}
