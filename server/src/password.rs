//! Comparing passwords in a time that does not tell how much was right.

use std::hint::black_box;

/// What a client must know.
pub(crate) struct Password(Vec<u8>);

impl Password {
    pub(crate) fn new(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }

    /// Whether `tried` is it. Takes as long for every try of one length, whatever its bytes.
    pub(crate) fn is(&self, tried: &[u8]) -> bool {
        let mut difference = u8::from(self.0.len() != tried.len());
        for (at, byte) in tried.iter().enumerate() {
            let right = self.0.get(at).copied().unwrap_or_default();
            difference |= black_box(byte ^ right);
        }
        black_box(difference) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::Password;

    #[test]
    fn only_the_whole_password_is_right() {
        let password = Password::new("s3cret");
        assert!(password.is(b"s3cret"));
        for wrong in [&b""[..], b"s3cre", b"s3cret ", b"s3cret\0", b"S3cret"] {
            assert!(!password.is(wrong), "{}", wrong.escape_ascii());
        }
    }
}
