//! Passwords as what they hash to, compared in a time that does not tell how much was right.

use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use std::fmt::{self, Write};
use subtle::ConstantTimeEq;

/// What is longer is never a password, and not hashed: a stranger's time costs the server little.
pub(super) const PASSWORD_BYTES_MAX: usize = 512;

/// A password's SHA-256.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Hash([u8; SHA256_OUTPUT_LEN]);

impl Hash {
    pub(super) fn of(password: &[u8]) -> Self {
        let mut bytes = [0; SHA256_OUTPUT_LEN];
        bytes.copy_from_slice(digest(&SHA256, password).as_ref());
        Self(bytes)
    }

    /// 64 digits, in lower case as Redis wants them.
    pub(super) fn from_hex(text: &str) -> Option<Self> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() != 2 * SHA256_OUTPUT_LEN || !text.bytes().all(is_digit) {
            return None;
        }
        let mut bytes = [0; SHA256_OUTPUT_LEN];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
        }
        Some(Self(bytes))
    }

    pub(super) fn to_hex(self) -> String {
        let mut text = String::new();
        for byte in self.0 {
            let written = write!(text, "{byte:02x}");
            debug_assert!(written.is_ok(), "a string takes what is written");
        }
        text
    }
}

/// It can be guessed from by trying, so nothing shows it by accident.
impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// Whether `tried` is one of these passwords. Looks at all of them, whichever is right.
pub(super) fn is_one_of(tried: &[u8], hashes: &[Hash]) -> bool {
    if tried.len() > PASSWORD_BYTES_MAX {
        return false;
    }
    let tried = Hash::of(tried);
    let mut is_right = subtle::Choice::from(0);
    for hash in hashes {
        is_right |= hash.0.ct_eq(&tried.0);
    }
    is_right.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_password_is_right() {
        let hashes = [Hash::of(b"other"), Hash::of(b"s3cret"), Hash::of(b"")];
        assert!(is_one_of(b"s3cret", &hashes));
        assert!(is_one_of(b"", &hashes));
        assert!(!is_one_of(b"s3cret", &hashes[..1]));
        assert!(!is_one_of(b"", &[]));
        for wrong in [
            &b"s3cre"[..],
            b"s3cret ",
            b"s3cret\0",
            b"S3cret",
            &[b'a'; 5000],
        ] {
            assert!(!is_one_of(wrong, &hashes), "{}", wrong.escape_ascii());
        }
        let endless = vec![b'a'; PASSWORD_BYTES_MAX + 1];
        assert!(!is_one_of(&endless, &[Hash::of(&endless)]));
    }

    #[test]
    fn a_hash_is_sixty_four_small_digits() {
        let hex = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
        let hash = Hash::from_hex(hex).unwrap();
        assert_eq!((hash, hash.to_hex().as_str()), (Hash::of(b"secret"), hex));
        for wrong in ["", "2bb8", &hex.to_uppercase(), &hex.replace('2', "é")] {
            assert_eq!(Hash::from_hex(wrong), None, "{wrong}");
        }
    }
}
