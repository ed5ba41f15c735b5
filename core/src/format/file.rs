//! What stands at the front of every file, at the end of a sealed segment, and in file names.
//!
//! ```text
//! header  0 magic 8 | 8 version 2 | 10 kind 1 | 11 zero 1 | 12 required 4 | 16 optional 4 | 20 id 8
//!        28 salt 8 | 36 store 16 | 52 created ms 8 | 60 base seq 8 | 68 zero 8 | 76 crc 4
//! footer  0 magic 8 | 8 header 80 | 88 data end 8 | 96 records 8 | 104 first seq 8
//!       112 last seq 8 | 120 sealed ms 8 | 128 crc 4
//! ```
//!
//! The footer repeats the header, so either copy serves. Magic and CRC keep their places in every
//! later version: only a header whose CRC is right is believed when it says it is newer.

use super::counter::COUNTER_MAX;
use super::{Hex, array, check, u16_at, u32_at, u64_at};
use core::fmt;

/// The format version this crate writes, and the only one it reads.
pub const VERSION: u16 = 1;
/// Bytes of a header: fields 68, reserved 8, CRC 4.
pub const FILE_HEADER_BYTES: usize = 68 + 8 + 4;
/// Bytes of a footer: magic 8, a header, five numbers, CRC 4.
pub const FOOTER_BYTES: usize = 8 + FILE_HEADER_BYTES + 5 * 8 + 4;
/// Where a manifest's fence lies: right after its header, outside every checksum.
pub const FENCE_OFFSET: u64 = FILE_HEADER_BYTES as u64;
/// Bytes of the fence: the superseding epoch 8 (0 = none), zero 8.
pub const FENCE_BYTES: usize = 16;
/// The required feature flags this version understands: none exist yet.
pub const REQUIRED_FLAGS_KNOWN: u32 = 0;

const MAGIC: &[u8; 8] = b"PORTCASK";
pub(crate) const FOOTER_MAGIC: &[u8; 8] = b"PCFOOTER";
const _: () = assert!(FILE_HEADER_BYTES == 80 && FOOTER_BYTES == 132);

/// What a file holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum FileKind {
    /// Records, in the order of writing.
    Segment = 1,
    /// What one segment's records are, without keys and values.
    Hint = 2,
    /// The set of files that make up the store, and every change of it.
    Manifest = 3,
}

impl FileKind {
    fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Segment),
            2 => Some(Self::Hint),
            3 => Some(Self::Manifest),
            _ => None,
        }
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Segment => "segment",
            Self::Hint => "hint",
            Self::Manifest => "manifest",
        })
    }
}

/// The random identity of a store, the same in all its files.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct StoreId(pub [u8; 16]);

impl fmt::Display for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Hex(&self.0))
    }
}

/// The first 80 bytes of every file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileHeader {
    /// What the file holds.
    pub kind: FileKind,
    /// Features a reader must know to understand the file.
    pub required: u32,
    /// Features a reader may ignore.
    pub optional: u32,
    /// The number in the file's name; a manifest's epoch; for a hint its segment's id.
    pub id: u64,
    /// Random per segment and per manifest; a hint repeats its segment's. Masks every check.
    pub salt: u64,
    /// The store the file belongs to.
    pub store: StoreId,
    /// Wall clock at creation in milliseconds since 1970; 0 on a host without a clock.
    pub created_ms: u64,
    /// In a segment, at most the seq of every record in it, markers included; else 0.
    pub base_seq: u64,
}

impl FileHeader {
    /// The header's bytes.
    pub fn encode(&self) -> [u8; FILE_HEADER_BYTES] {
        let mut bytes = [0; FILE_HEADER_BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
        bytes[10] = self.kind as u8;
        bytes[12..16].copy_from_slice(&self.required.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.optional.to_le_bytes());
        bytes[20..28].copy_from_slice(&self.id.to_le_bytes());
        bytes[28..36].copy_from_slice(&self.salt.to_le_bytes());
        bytes[36..52].copy_from_slice(&self.store.0);
        bytes[52..60].copy_from_slice(&self.created_ms.to_le_bytes());
        bytes[60..68].copy_from_slice(&self.base_seq.to_le_bytes());
        let crc = check::plain(&bytes[..76]);
        bytes[76..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads the header at the front of `bytes`. The version, flags and everything else are
    /// believed only after the CRC.
    pub fn decode(bytes: &[u8]) -> Result<Self, HeaderDamage> {
        let known = bytes.len().min(MAGIC.len());
        if bytes[..known] != MAGIC[..known] {
            return Err(HeaderDamage::Foreign);
        }
        let Some(bytes) = bytes.first_chunk::<FILE_HEADER_BYTES>() else {
            return Err(HeaderDamage::Short);
        };
        if check::plain(&bytes[..76]) != u32_at(bytes, 76) {
            return Err(HeaderDamage::Damaged);
        }
        let version = u16_at(bytes, 8);
        if version > VERSION {
            return Err(HeaderDamage::NewerVersion { found: version });
        }
        let required = u32_at(bytes, 12);
        if version == VERSION && required & !REQUIRED_FLAGS_KNOWN != 0 {
            return Err(HeaderDamage::UnknownFlags {
                flags: required & !REQUIRED_FLAGS_KNOWN,
            });
        }
        let reserved_is_zero = bytes[11] == 0 && u64_at(bytes, 68) == 0;
        let counts = u64_at(bytes, 20) <= COUNTER_MAX && u64_at(bytes, 60) <= COUNTER_MAX;
        match FileKind::from_byte(bytes[10]) {
            Some(kind) if version == VERSION && reserved_is_zero && counts => Ok(Self {
                kind,
                required,
                optional: u32_at(bytes, 16),
                id: u64_at(bytes, 20),
                salt: u64_at(bytes, 28),
                store: StoreId(array(bytes, 36)),
                created_ms: u64_at(bytes, 52),
                base_seq: u64_at(bytes, 60),
            }),
            _ => Err(HeaderDamage::Damaged),
        }
    }

    /// The header that these bytes were before one of their bits flipped, if they were one that
    /// this crate can use. Asked when they do not decode.
    pub fn repair_one_bit(bytes: &[u8]) -> Option<Self> {
        let mut bytes = *bytes.first_chunk::<FILE_HEADER_BYTES>()?;
        for bit in 0..FILE_HEADER_BYTES * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok(header) = Self::decode(&bytes) {
                return Some(header);
            }
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        None
    }
}

/// Why bytes are not a header this crate can use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HeaderDamage {
    /// The bytes end inside something that so far begins like a header.
    Short,
    /// Not one of our files: another magic.
    Foreign,
    /// Our magic, but the CRC or a field that has one legal value is wrong.
    Damaged,
    /// An intact header of a later format version: nothing else in the file may be touched.
    NewerVersion {
        /// The version it says.
        found: u16,
    },
    /// An intact header that asks for features this crate does not know.
    UnknownFlags {
        /// The unknown ones among the required flags.
        flags: u32,
    },
}

impl fmt::Display for HeaderDamage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short => f.write_str("the file ends inside its header"),
            Self::Foreign => f.write_str("not a Portcask file"),
            Self::Damaged => f.write_str("the header is damaged"),
            Self::NewerVersion { found } => {
                write!(f, "format version {found} is newer than {VERSION}")
            }
            Self::UnknownFlags { flags } => {
                write!(f, "the file requires unknown features {flags:#010x}")
            }
        }
    }
}

impl core::error::Error for HeaderDamage {}

/// What ends a sealed segment: its header once more, and its totals.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Footer {
    /// A header of this segment, so that a damaged first sector loses nothing.
    pub header: FileHeader,
    /// Where the records end: the offset of this footer.
    pub data_end: u64,
    /// Records before the footer, markers included.
    pub records: u64,
    /// At most the seq of every record.
    pub first_seq: u64,
    /// At least the seq of every record.
    pub last_seq: u64,
    /// Wall clock at sealing in milliseconds since 1970; 0 on a host without a clock.
    pub sealed_ms: u64,
}

impl Footer {
    /// The footer's bytes.
    pub fn encode(&self) -> [u8; FOOTER_BYTES] {
        let mut bytes = [0; FOOTER_BYTES];
        bytes[..8].copy_from_slice(FOOTER_MAGIC);
        bytes[8..88].copy_from_slice(&self.header.encode());
        bytes[88..96].copy_from_slice(&self.data_end.to_le_bytes());
        bytes[96..104].copy_from_slice(&self.records.to_le_bytes());
        bytes[104..112].copy_from_slice(&self.first_seq.to_le_bytes());
        bytes[112..120].copy_from_slice(&self.last_seq.to_le_bytes());
        bytes[120..128].copy_from_slice(&self.sealed_ms.to_le_bytes());
        let crc = check::plain(&bytes[..128]);
        bytes[128..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads the footer at the front of `bytes`. The caller compares `data_end` and the header's
    /// id, salt and store with what it expects: a footer is right at one place only.
    pub fn decode(bytes: &[u8]) -> Result<Self, HeaderDamage> {
        let known = bytes.len().min(FOOTER_MAGIC.len());
        if bytes[..known] != FOOTER_MAGIC[..known] {
            return Err(HeaderDamage::Foreign);
        }
        let Some(bytes) = bytes.first_chunk::<FOOTER_BYTES>() else {
            return Err(HeaderDamage::Short);
        };
        if check::plain(&bytes[..128]) != u32_at(bytes, 128) {
            return Err(HeaderDamage::Damaged);
        }
        let header = FileHeader::decode(&bytes[8..88]).map_err(|damage| match damage {
            HeaderDamage::Short | HeaderDamage::Foreign => HeaderDamage::Damaged,
            other => other,
        })?;
        if header.kind != FileKind::Segment {
            return Err(HeaderDamage::Damaged);
        }
        Ok(Self {
            header,
            data_end: u64_at(bytes, 88),
            records: u64_at(bytes, 96),
            first_seq: u64_at(bytes, 104),
            last_seq: u64_at(bytes, 112),
            sealed_ms: u64_at(bytes, 120),
        })
    }
}

/// The epoch that superseded this manifest, 0 when none has, from its fence's bytes.
///
/// The fence is overwritten in place and has no checksum: anything but sixteen zeros means that
/// somebody newer was here, which is all a writer must know. Too few bytes read as zeros.
pub fn decode_fence(bytes: &[u8]) -> u64 {
    let mut fence = [0; FENCE_BYTES];
    let known = bytes.len().min(FENCE_BYTES);
    fence[..known].copy_from_slice(&bytes[..known]);
    match u64_at(&fence, 0) {
        0 if fence != [0; FENCE_BYTES] => u64::MAX,
        superseded_by => superseded_by,
    }
}

/// The fence's bytes for a manifest that `superseded_by` (an epoch, 0 = none) has taken over.
pub fn encode_fence(superseded_by: u64) -> [u8; FENCE_BYTES] {
    let mut bytes = [0; FENCE_BYTES];
    bytes[..8].copy_from_slice(&superseded_by.to_le_bytes());
    bytes
}

/// The names of a store's files: a word, a dash and the id in at least ten digits.
///
/// Names sort by number, never by letters: the eleventh digit may come.
pub mod names {
    use super::FileKind;
    use crate::format::counter::COUNTER_MAX;
    use crate::storage::{FILE_NAME_BYTES_MAX, FileName};

    const DIGITS_MIN: usize = 10;
    const DIGITS_MAX: usize = 20;
    const _: () = assert!("manifest-".len() + DIGITS_MAX <= FILE_NAME_BYTES_MAX);

    /// `segment-0000000001`.
    pub fn segment(id: u64) -> FileName {
        of(FileKind::Segment, id)
    }

    /// `hint-0000000001`, of the segment with the same number.
    pub fn hint(id: u64) -> FileName {
        of(FileKind::Hint, id)
    }

    /// `manifest-0000000001`, by epoch.
    pub fn manifest(epoch: u64) -> FileName {
        of(FileKind::Manifest, epoch)
    }

    /// The name of the file of this kind and number.
    pub fn of(kind: FileKind, id: u64) -> FileName {
        let mut digits = [b'0'; DIGITS_MAX];
        let (mut from, mut rest) = (DIGITS_MAX - DIGITS_MIN, id);
        for at in (0..DIGITS_MAX).rev() {
            if rest > 0 {
                from = from.min(at);
            }
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        FileName::own(word(kind).as_bytes(), &digits[from..])
    }

    /// What the name says, if it is exactly the name of some file of ours.
    pub fn parse(name: &FileName) -> Option<(FileKind, u64)> {
        let text = name.as_bytes();
        let kinds = [FileKind::Segment, FileKind::Hint, FileKind::Manifest];
        let (kind, digits) = kinds
            .into_iter()
            .find_map(|kind| Some((kind, text.strip_prefix(word(kind).as_bytes())?)))?;
        let id = digits.iter().try_fold(0_u64, |id, digit| {
            let fits = digit.is_ascii_digit() && id <= COUNTER_MAX / 10;
            fits.then(|| id * 10 + u64::from(digit - b'0'))
        })?;
        // Signs, missing or surplus zeros, numbers beyond all counting: only what we would write
        // ourselves is ours.
        (id <= COUNTER_MAX && of(kind, id) == *name).then_some((kind, id))
    }

    /// The file whose kernel lock the writer holds.
    pub fn lock() -> FileName {
        legal("lock")
    }

    /// The file that keeps space for deletes and a merge on a full disk.
    pub fn reserve() -> FileName {
        legal("reserve")
    }

    fn word(kind: FileKind) -> &'static str {
        match kind {
            FileKind::Segment => "segment-",
            FileKind::Hint => "hint-",
            FileKind::Manifest => "manifest-",
        }
    }

    fn legal(name: &str) -> FileName {
        FileName::new(name).expect("our own names are legal")
    }
}

#[cfg(test)]
mod tests;
