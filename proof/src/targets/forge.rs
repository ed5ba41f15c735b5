//! Bytes with right checks around whatever they say: what lies behind a checksum is reached too.

use portcask_core::format::record::Site;
use portcask_core::format::{check, varint};

/// A record's head field by field, whether or not a record can say so.
#[derive(Clone, Debug)]
pub struct Head {
    /// Kind and flags.
    pub tag: u8,
    /// The varints after the tag, in their order.
    pub numbers: Vec<u64>,
    /// CRC of key and value.
    pub body_crc: u32,
    /// The folded CRC of the key.
    pub key_check: u16,
}

impl Head {
    /// Its bytes at this place, with the check right.
    pub fn encode(&self, site: Site, offset: u64) -> Vec<u8> {
        let mut bytes = vec![0; 4];
        bytes.extend_from_slice(&self.body_crc.to_le_bytes());
        bytes.extend_from_slice(&self.key_check.to_le_bytes());
        bytes.push(self.tag);
        for number in &self.numbers {
            varint::write(&mut bytes, *number).expect("memory");
        }
        let end = bytes.len();
        seal_head(&mut bytes, end, site, offset);
        bytes
    }
}

/// Other salts and places, at which nothing that is right here may be right: CRC-32 tells any two masks
/// apart that differ in at most 32 neighbouring bits.
pub fn elsewhere(salt: u64, at: u64) -> impl Iterator<Item = (u64, u64)> {
    let salts = [0xffff, 0x00ff_ff00_0000_0000].map(|other| (salt ^ other, at));
    let places = [1, 16, 80, 1 << 31, u64::from(u32::MAX)].map(|moved| (salt, at ^ moved));
    salts.into_iter().chain(places)
}

/// Where the head that these bytes begin with ends, if its varints do.
pub fn head_end(bytes: &[u8]) -> Option<usize> {
    let tag = *bytes.get(10)?;
    let numbers = 3
        + usize::from(tag & 0x08 != 0)
        + usize::from(tag & 0x10 != 0)
        + 2 * usize::from(tag & 0x20 != 0);
    let ends = (11..bytes.len()).filter(|at| bytes[*at] < 0x80);
    ends.map(|at| at + 1).nth(numbers - 1)
}

/// Makes the check of the head that ends at `end` right.
pub fn seal_head(bytes: &mut [u8], end: usize, site: Site, offset: u64) {
    let sum = check::masked(site.salt, offset, &bytes[4..end]);
    bytes[..4].copy_from_slice(&sum.to_le_bytes());
}

/// A hint block of this payload that says what it is told to say, with the check right.
pub fn hint_block(
    payload: &[u8],
    (from, to, entries): (u64, u64, u32),
    salt: u64,
    at: u64,
) -> Vec<u8> {
    let mut bytes = vec![0; 4];
    bytes.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&from.to_le_bytes());
    bytes.extend_from_slice(&to.to_le_bytes());
    bytes.extend_from_slice(&entries.to_le_bytes());
    bytes.extend_from_slice(payload);
    let sum = check::masked(salt, at, &bytes[4..]);
    bytes[..4].copy_from_slice(&sum.to_le_bytes());
    bytes
}

/// A manifest record of this payload, with both checks right.
pub fn manifest_record(payload: &[u8], edits: u32, salt: u64, at: u64) -> Vec<u8> {
    let mut bytes = vec![0; 4];
    bytes.extend_from_slice(&check::plain(payload).to_le_bytes());
    bytes.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&edits.to_le_bytes());
    let sum = check::masked(salt, at, &bytes[4..]);
    bytes[..4].copy_from_slice(&sum.to_le_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// Makes the plain CRC right that ends these bytes (a file header, a footer).
pub fn seal_plain(bytes: &mut [u8]) {
    let Some(end) = bytes.len().checked_sub(4) else {
        return;
    };
    let sum = check::plain(&bytes[..end]);
    bytes[end..].copy_from_slice(&sum.to_le_bytes());
}
