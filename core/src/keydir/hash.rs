//! From a key of any length to 96 bits that nobody without the store's secret can aim at.

use crate::format::{KeyHash, Space};
use siphasher::sip128::SipHasher13;

/// XORed into the secret for the system's key space, so that a user's key and a system's key of
/// the same bytes have unrelated hashes. Part of the format: hints hold hashes.
const META_SPACE: [u8; 16] = *b"portcask.meta.ks";

/// The store's secret hash key, and the function it selects: SipHash-1-3 with 128 bits of output,
/// truncated to 96.
///
/// Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012), with the 128-bit
/// finish of the authors' reference code and the 1-3 rounds that Rust's own tables use.
///
/// `hi` is the first output word, `lo` the low half of the second; both words are the integers
/// whose little-endian bytes the reference code prints.
///
/// **Collisions.** For a secret that the author of the keys does not know, n keys contain two of
/// equal hash with probability about n^2 / 2^97 (the birthday bound): 6e-18 for a million keys,
/// 6e-12 for 10^9. Reading a key checks the stored key, so a collision is noticed there.
///
/// The secret is random per store, is kept in the manifest and stays the same for the store's
/// life: hints and scan cursors hold hashes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HashKey([u8; 16]);

impl HashKey {
    /// The function selected by these 16 secret bytes.
    pub const fn new(secret: [u8; 16]) -> Self {
        Self(secret)
    }

    /// Hashes `key` in its space. Costs about 15 ns and then a nanosecond for each 2 bytes or
    /// so; no allocation.
    ///
    /// With the feature `short-hash` only the upper 16 bits of `hi` are left and the rest is zero,
    /// so that tests meet collisions.
    pub fn hash(&self, space: Space, key: &[u8]) -> KeyHash {
        let mut secret = self.0;
        if space == Space::Meta {
            for (byte, mask) in secret.iter_mut().zip(META_SPACE) {
                *byte ^= mask;
            }
        }
        let words = SipHasher13::new_with_key(&secret).hash(key);
        shorten(KeyHash {
            hi: words.h1,
            lo: words.h2 as u32,
        })
    }
}

/// Tells nothing of the secret.
impl core::fmt::Debug for HashKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("HashKey(secret)")
    }
}

#[cfg(not(feature = "short-hash"))]
fn shorten(whole: KeyHash) -> KeyHash {
    whole
}

#[cfg(feature = "short-hash")]
fn shorten(whole: KeyHash) -> KeyHash {
    KeyHash {
        hi: whole.hi & (0xFFFF << 48),
        lo: 0,
    }
}
