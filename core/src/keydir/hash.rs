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

    /// Hashes `key` in its space, in one pass over its bytes and without allocating.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::*;

    /// The words were computed with an independent implementation, which also gives the reference
    /// code's published vectors for 2-4 rounds.
    #[test]
    fn hashes_are_siphash_1_3_128_on_every_host() {
        let key = HashKey::new(core::array::from_fn(|at| at as u8));
        let check = |space, bytes: &[u8], hi, lo| {
            assert_eq!(key.hash(space, bytes), shorten(KeyHash { hi, lo }));
        };
        let bytes: [u8; 63] = core::array::from_fn(|at| at as u8);
        let longest = vec![0; 65_535];
        check(Space::User, b"", 0xbea5_8827_b2bc_7ee7, 0x6adb_62fd);
        check(Space::User, b"a", 0xa84f_7c63_de37_3c08, 0x5dd7_2f49);
        check(Space::User, b"portcask", 0x1ac0_951f_31ca_8e18, 0x7f20_c8e5);
        check(Space::User, &bytes, 0x6f42_fe4e_e300_584c, 0x0a6b_9f07);
        check(Space::User, &longest, 0xfa2c_ff6d_50bf_6831, 0x67ba_23b2);
        check(Space::Meta, b"", 0x55ff_86c3_55c1_bef5, 0x3634_2216);
        check(Space::Meta, b"a", 0x211e_89b4_6d33_244d, 0xab1d_3cd5);
        check(Space::Meta, b"portcask", 0x08a9_bcea_2bef_0a04, 0x2f5e_d8d9);
        check(Space::Meta, &bytes, 0x2e2e_3d39_93eb_ff9f, 0x091f_e822);
        check(Space::Meta, &longest, 0x4f74_0fcd_8f3b_add7, 0x8861_f595);
    }

    #[cfg(feature = "short-hash")]
    #[test]
    fn short_hashes_are_65_536_at_most() {
        let key = HashKey::new([7; 16]);
        for n in 0..1000_u32 {
            let KeyHash { hi, lo } = key.hash(Space::User, &n.to_le_bytes());
            assert_eq!((hi & ((1 << 48) - 1), lo), (0, 0));
        }
    }

    #[test]
    fn the_secret_does_not_show_in_debug_output() {
        assert_eq!(format!("{:?}", HashKey::new([7; 16])), "HashKey(secret)");
    }
}
